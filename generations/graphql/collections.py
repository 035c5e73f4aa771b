"""What can be read of what people build: tags, datasets, experiments, prompts, review queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import strawberry

from generations import datasets, experiments, filters, gathering, models, prompts, reviewing
from generations.access import Scope
from generations.cleaning import clean_string
from generations.graphql import inputs
from generations.graphql.arguments import After, Before, First, Id, Last, OrderBy, Where
from generations.graphql.connections import BadArgument, Connection, connection
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import (
    DatasetOrder,
    DatasetWhere,
    ExperimentOrder,
    ExperimentWhere,
    PromptOrder,
    PromptWhere,
    ReviewQueueOrder,
    ReviewQueueWhere,
    TagOrder,
    TagWhere,
)
from generations.graphql.nodes import Batch
from generations.graphql.types.collections import Dataset, Tag
from generations.graphql.types.experiments import Experiment
from generations.graphql.types.fills import DatasetFill
from generations.graphql.types.prompts import Prompt, PromptVersion
from generations.graphql.types.reviewing import ReviewQueue

MaybeId = Annotated[strawberry.ID | None, strawberry.argument(description="Its id.")]
MaybeName = Annotated[str | None, strawberry.argument(description="Its name, when the id is not known.")]


@strawberry.type
class CollectionQueries:
    """Root fields of queries of what people build."""

    @guarded(Scope.READ, "Labels, the newest first unless ordered otherwise.")
    def tags(
        self,
        info: Info,
        where: Annotated[TagWhere | None, Where] = None,
        order_by: Annotated[TagOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Tag]:
        """A page of tags."""
        return connection(
            info.context.grant,
            "tags",
            Tag,
            condition=inputs.condition("tags", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Datasets, the newest first unless ordered otherwise.")
    def datasets(
        self,
        info: Info,
        where: Annotated[DatasetWhere | None, Where] = None,
        order_by: Annotated[DatasetOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Dataset]:
        """A page of datasets."""
        return connection(
            info.context.grant,
            "datasets",
            Dataset,
            condition=inputs.condition("datasets", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Experiments, the newest first unless ordered otherwise.")
    def experiments(
        self,
        info: Info,
        where: Annotated[ExperimentWhere | None, Where] = None,
        order_by: Annotated[ExperimentOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Experiment]:
        """A page of experiments."""
        return connection(
            info.context.grant,
            "experiments",
            Experiment,
            condition=inputs.condition("experiments", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Prompts, the newest first unless ordered otherwise.")
    def prompts(
        self,
        info: Info,
        where: Annotated[PromptWhere | None, Where] = None,
        order_by: Annotated[PromptOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Prompt]:
        """A page of prompts."""
        return connection(
            info.context.grant,
            "prompts",
            Prompt,
            condition=filters.both(prompts.IN_USE, inputs.condition("prompts", where)),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "Review queues, the newest first unless ordered otherwise.")
    def review_queues(
        self,
        info: Info,
        where: Annotated[ReviewQueueWhere | None, Where] = None,
        order_by: Annotated[ReviewQueueOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReviewQueue]:
        """A page of review queues."""
        return connection(
            info.context.grant,
            "queues",
            ReviewQueue,
            condition=inputs.condition("queues", where),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "One tag; null when the project has none of this name.")
    def tag(self, info: Info, name: Annotated[str, strawberry.argument(description="The label.")]) -> Tag | None:
        """A tag by its name."""
        grant = info.context.grant
        rows = list(models.Tag.objects.filter(project=grant.project, name=clean_string(name)))
        return Tag(row=rows[0], batch=Batch(grant, rows)) if rows else None

    @guarded(Scope.READ, "One dataset, by its id or by its name; null when the project has none.")
    def dataset(self, info: Info, id: MaybeId = None, name: MaybeName = None) -> Dataset | None:
        """A dataset."""
        grant = info.context.grant
        row = _by_id_or_name(id, name, lambda id: datasets.find(grant, id), lambda name: datasets.named(grant, name))
        return None if row is None else Dataset(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "A dataset being filled, or filled; null when the project has no such job of this id.")
    def dataset_fill(self, info: Info, id: Id) -> DatasetFill | None:
        """A job by its id, also one that was begun at a page."""
        grant = info.context.grant
        row = gathering.filling(grant, id)
        return None if row is None else DatasetFill(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "One experiment; null when the project has none of this id.")
    def experiment(self, info: Info, id: Id) -> Experiment | None:
        """An experiment by its id."""
        grant = info.context.grant
        row = experiments.find(grant, id)
        return None if row is None else Experiment(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "One prompt, by its id or by its name; null when the project has none.")
    def prompt(self, info: Info, id: MaybeId = None, name: MaybeName = None) -> Prompt | None:
        """A prompt."""
        grant = info.context.grant
        row = _by_id_or_name(id, name, lambda id: prompts.found(grant, id), lambda name: prompts.named(grant, name))
        return None if row is None or row.deleted_at else Prompt(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "A version of a prompt: the newest, or that of a label or a number; null when there is none.")
    def prompt_version(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="The name of the prompt.")],
        label: Annotated[
            str | None, strawberry.argument(description="The label that it carries, such as `prod`.")
        ] = None,
        version: Annotated[int | None, strawberry.argument(description="Its number.")] = None,
    ) -> PromptVersion | None:
        """A version of a prompt."""
        grant = info.context.grant
        if label is not None and version is not None:
            raise BadArgument("version", version, "either a label or a number")
        if version is not None and version < 0:
            raise BadArgument("version", version, "a number from 0")
        prompt = prompts.named(grant, name)
        if prompt is None or prompt.deleted_at:
            return None
        row = (
            prompts.labelled(grant, prompt, prompts.LATEST if label is None else label)
            if version is None
            else prompts.of_number(grant, prompt, version)
        )
        return None if row is None else PromptVersion(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "One review queue; null when the project has none of this id.")
    def review_queue(self, info: Info, id: Id) -> ReviewQueue | None:
        """A review queue by its id."""
        grant = info.context.grant
        row = reviewing.find(grant, id)
        return None if row is None else ReviewQueue(row=row, batch=Batch(grant, [row]))


def _by_id_or_name(id: str | None, name: str | None, find: Callable[[str], Any], named: Callable[[str], Any]) -> Any:
    if id is not None and name is None:
        return find(id)
    if name is not None and id is None:
        return named(name)
    raise BadArgument("id", id, "either an id or a name")
