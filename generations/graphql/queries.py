"""What can be read: every list as a connection, one of each by its id, and numbers."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations import exporting, filters, models
from generations.access import Scope
from generations.exporting import schedules
from generations.graphql import aggregating, inputs
from generations.graphql.arguments import After, Before, First, Id, Last, OrderBy, Where
from generations.graphql.collections import CollectionQueries
from generations.graphql.connections import Connection, connection
from generations.graphql.erasures import ErasureQueries
from generations.graphql.evaluations import EvaluationQueries
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import (
    ExportOrder,
    ExportWhere,
    GenerationOrder,
    GenerationWhere,
    ParticipantOrder,
    ParticipantWhere,
    ScoreOrder,
    ScoreWhere,
    StepOrder,
    StepWhere,
    ThreadOrder,
    ThreadWhere,
)
from generations.graphql.nodes import Batch, found
from generations.graphql.types.accounts import Key, Project, Viewer
from generations.graphql.types.events import Generation, Participant, Score, Step, Thread
from generations.graphql.types.exports import Export
from generations.graphql.types.numbers import Aggregation, GroupBy, GroupOrder, Having, Measure, TimeBucket
from generations.graphql.types.schedules import ExportSchedule

EXPORTS = filters.from_document("jobs", {"kind": models.Job.Kind.EXPORT.value})
KEYS_SHOWN = 200


@strawberry.type
class RecordedQueries:
    """Root fields of queries of what was recorded, and of what is done with it."""

    @guarded(Scope.READ, "The project that is asked.")
    def project(self, info: Info) -> Project:
        """The project of the grant."""
        return Project(row=info.context.grant.project)

    @guarded(None, "Who asks, and what they may do.")
    def me(self, info: Info) -> Viewer:
        """The holder of the grant."""
        return Viewer(grant=info.context.grant)

    @guarded(Scope.READ, "Calls to models, the newest first unless ordered otherwise.")
    def generations(
        self,
        info: Info,
        where: Annotated[GenerationWhere | None, Where] = None,
        order_by: Annotated[GenerationOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Generation]:
        """A page of generations."""
        return connection(
            info.context.grant,
            "generations",
            Generation,
            condition=inputs.condition("generations", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Units of work, the newest first unless ordered otherwise.")
    def steps(
        self,
        info: Info,
        where: Annotated[StepWhere | None, Where] = None,
        order_by: Annotated[StepOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Step]:
        """A page of steps."""
        return connection(
            info.context.grant,
            "steps",
            Step,
            condition=inputs.condition("steps", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Conversations, the latest active first unless ordered otherwise.")
    def threads(
        self,
        info: Info,
        where: Annotated[ThreadWhere | None, Where] = None,
        order_by: Annotated[ThreadOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Thread]:
        """A page of threads."""
        return connection(
            info.context.grant,
            "threads",
            Thread,
            condition=inputs.condition("threads", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "End users, the last seen first unless ordered otherwise.")
    def participants(
        self,
        info: Info,
        where: Annotated[ParticipantWhere | None, Where] = None,
        order_by: Annotated[ParticipantOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Participant]:
        """A page of participants."""
        return connection(
            info.context.grant,
            "participants",
            Participant,
            condition=inputs.condition("participants", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Judgements, the newest first unless ordered otherwise.")
    def scores(
        self,
        info: Info,
        where: Annotated[ScoreWhere | None, Where] = None,
        order_by: Annotated[ScoreOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Score]:
        """A page of scores."""
        return connection(
            info.context.grant,
            "scores",
            Score,
            condition=inputs.condition("scores", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Exports, the newest first unless ordered otherwise.")
    def exports(
        self,
        info: Info,
        where: Annotated[ExportWhere | None, Where] = None,
        order_by: Annotated[ExportOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Export]:
        """A page of exports."""
        return connection(
            info.context.grant,
            "jobs",
            Export,
            condition=filters.both(EXPORTS, inputs.condition("jobs", where)),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "One generation; null when the project has none of this id.")
    def generation(self, info: Info, id: Id) -> Generation | None:
        """A generation by its id."""
        shown: Generation | None = found(info.context.grant, models.Generation, "generation", Generation, id)
        return shown

    @guarded(Scope.READ, "One step; null when the project has none of this id.")
    def step(self, info: Info, id: Id) -> Step | None:
        """A step by its id."""
        shown: Step | None = found(info.context.grant, models.Step, "step", Step, id)
        return shown

    @guarded(Scope.READ, "One thread; null when the project has none of this id.")
    def thread(self, info: Info, id: Id) -> Thread | None:
        """A thread by its id."""
        shown: Thread | None = found(info.context.grant, models.Thread, "thread", Thread, id)
        return shown

    @guarded(Scope.READ, "One participant; null when the project has none of this id.")
    def participant(self, info: Info, id: Id) -> Participant | None:
        """A participant by its id."""
        shown: Participant | None = found(info.context.grant, models.Participant, "participant", Participant, id)
        return shown

    @guarded(Scope.READ, "One score; null when the project has none of this id.")
    def score(self, info: Info, id: Id) -> Score | None:
        """A score by its id."""
        shown: Score | None = found(info.context.grant, models.Score, "score", Score, id)
        return shown

    @guarded(Scope.READ, "One export; null when the project has none of this id.")
    def export(self, info: Info, id: Id) -> Export | None:
        """An export by its id."""
        grant = info.context.grant
        row = exporting.find(grant, id)
        return None if row is None else Export(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "Scheduled exports, by name. Their runs are exports with their `schedule`.")
    def export_schedules(self, info: Info) -> list[ExportSchedule]:
        """All of the project's schedules; a project has at most a hundred."""
        grant = info.context.grant
        rows = schedules.every(grant)
        batch = Batch(grant, rows)
        return [ExportSchedule(row=row, batch=batch) for row in rows]

    @guarded(Scope.ADMIN, f"The project's API keys, the newest first, at most {KEYS_SHOWN}.")
    def keys(self, info: Info) -> list[Key]:
        """Keys without their tokens."""
        grant = info.context.grant
        rows = list(models.ApiKey.objects.filter(project=grant.project).order_by("-created_at", "-id")[:KEYS_SHOWN])
        batch = Batch(grant, rows)
        return [Key(row=row, batch=batch) for row in rows]

    @guarded(Scope.READ, "Numbers of generations: all together, or by fields, or by time in a zone.")
    def aggregate_generations(
        self,
        info: Info,
        where: Annotated[GenerationWhere | None, Where] = None,
        group_by: Annotated[
            list[GroupBy] | None, strawberry.argument(description="Fields to group by, up to 8.")
        ] = None,
        bucket: Annotated[TimeBucket | None, strawberry.argument(description="A unit of time to group by.")] = None,
        measures: Annotated[
            list[Measure] | None,
            strawberry.argument(description="Numbers under names of your own, beside the selected ones."),
        ] = None,
        having: Annotated[list[Having] | None, strawberry.argument(description="What groups have to be like.")] = None,
        order_by: Annotated[
            list[GroupOrder] | None, strawberry.argument(description="The order; else by the keys.")
        ] = None,
        limit: Annotated[int, strawberry.argument(description="How many groups at most, 1 to 10,000.")] = 1_000,
        exact: Annotated[
            bool,
            strawberry.argument(description="Percentiles of the values themselves; else those of many may be 1 % off."),
        ] = False,
    ) -> Aggregation:
        """Groups with their numbers, in one statement."""
        return aggregating.aggregation(
            info.context.grant,
            [chosen for field in info.selected_fields for chosen in field.selections],
            condition=inputs.condition("generations", where),
            group_by=group_by or (),
            bucket=bucket,
            measures=measures or (),
            having=having or (),
            order_by=order_by or (),
            limit=limit,
            exact=exact,
        )


@strawberry.type(description="What can be read. Everything is of one project.")
class Query(RecordedQueries, CollectionQueries, EvaluationQueries, ErasureQueries):
    """Root fields of queries."""
