"""Make, change and put away evaluators; try, begin and cancel evaluations."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from generations import evaluating, jobs, models, tasks
from generations.access import Grant, Scope
from generations.evaluating import Finding
from generations.graphql import scalars
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import document, may
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.evaluations import Evaluation, Evaluator, Tried, TriedScore
from generations.records import InvalidRecord


@strawberry.input(
    description="What is said of an evaluation: versions and a dataset, a dataset alone for its stored answers, or a"
    " filter of logged generations."
)
class EvaluationInput:
    """The names of an evaluation's document."""

    evaluators: list[strawberry.ID] = strawberry.field(description="The ids or names of one to 20 evaluators.")
    name: str | None = may("What people call it; made of what it is about otherwise.")
    of: str | None = may("versions, dataset, generations or backfill; told from what else is said otherwise.")
    versions: list[strawberry.ID] | None = may("The ids of one or two prompt versions.")
    dataset: strawberry.ID | None = may("The id of a dataset.")
    dataset_version: int | None = may("The version of the dataset; else the newest.")
    split: str | None = may("Only the items of this part.")
    filter: JSON | None = may("Of logged generations: a filter document; all without one.")
    model: str | None = may("The model that is called in the place of the versions' own.")
    max_items: int | None = may("The most items.")
    max_calls: int | None = may("The most calls to models.")
    max_cost: Decimal | None = may("The most money; only where every price is known.")


AskedFor = Annotated[EvaluationInput, strawberry.argument(description="What is to be evaluated, and by whom.")]
Name = Annotated[str, strawberry.argument(description="Its name; a project has it once.")]
NewName = Annotated[str | None, strawberry.argument(description="Its new name.")]
Options = Annotated[JSON | None, strawberry.argument(description="What is said of its kind: an object.")]
ScoreName = Annotated[str | None, strawberry.argument(description="The name of its scores; else its own.")]


@strawberry.type
class EvaluationMutations:
    """Mutations of evaluators and evaluations."""

    @guarded(Scope.WRITE, "Make an evaluator.")
    def create_evaluator(
        self,
        info: Info,
        name: Name,
        kind: Annotated[
            str,
            strawberry.argument(
                description="exact, contains, regex, json_schema, numeric, similarity, log_probability or judge."
            ),
        ],
        options: Options = None,
        score_name: ScoreName = None,
    ) -> Evaluator | None:
        """The evaluator."""
        grant = info.context.grant
        made = evaluating.create(grant, name=name, kind=kind, options=_object(options), score_name=score_name)
        return _shown(grant, made)

    @guarded(Scope.WRITE, "Rename an evaluator, or change its options: all of them. Its kind stays, and so do scores.")
    def update_evaluator(
        self,
        info: Info,
        id: Id,
        name: NewName = None,
        options: Options = None,
        score_name: Annotated[str | None, strawberry.argument(description="The new name of its scores.")] = None,
    ) -> Evaluator | None:
        """The evaluator as it is then."""
        grant = info.context.grant
        row = evaluating.change(grant, id, name=name, options=_object(options), score_name=score_name)
        return _shown(grant, row)

    @guarded(Scope.WRITE, "Put an evaluator away, where it scores nothing, or bring it back.")
    def archive_evaluator(
        self,
        info: Info,
        id: Id,
        archived: Annotated[bool, strawberry.argument(description="False brings it back.")] = True,
    ) -> Evaluator | None:
        """The evaluator as it is then."""
        grant = info.context.grant
        return _shown(grant, evaluating.archive(grant, id, is_archived=archived))

    @guarded(Scope.WRITE, "Score a share of the new generations from now on, each once, behind the write.")
    def trigger_evaluator(
        self,
        info: Info,
        id: Id,
        share: Annotated[float, strawberry.argument(description="Percent, from 0 to 100; 0 ends it.")],
        filter: Annotated[
            JSON | None, strawberry.argument(description="Which new generations: a filter document; else all.")
        ] = None,
    ) -> Evaluator | None:
        """The evaluator as it is then."""
        grant = info.context.grant
        return _shown(grant, evaluating.trigger(grant, id, share=share, document=filter))

    @guarded(Scope.WRITE, "Evaluate. A worker does it; ask `evaluation(id)` how far it is.")
    def start_evaluation(self, info: Info, input: AskedFor) -> Evaluation | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        job = evaluating.start(grant, evaluating.asked(grant, document(input)))
        tasks.send(job)
        return Evaluation(row=job, batch=Batch(grant, [job]))

    @guarded(Scope.WRITE, "Answer and score the first item. Of all that only the calls to models are kept.")
    def try_evaluation(self, info: Info, input: AskedFor) -> list[Tried] | None:
        """The item by each version; nothing where there is no item."""
        grant = info.context.grant
        tried = evaluating.preview(grant, evaluating.asked(grant, document(input)))
        return [
            Tried(
                title=one.title,
                input=scalars.json(one.case.input),
                expected=scalars.json(one.case.expected),
                output=scalars.json(one.case.output),
                problem=one.case.problem,
                generation_id=_maybe(one.case.generation_id),
                scores=[_score(finding) for finding in one.findings],
            )
            for one in tried
        ]

    @guarded(Scope.READ, "Stop an evaluation; what was scored stays. Another's needs the scope `write`.")
    def cancel_evaluation(self, info: Info, id: Id) -> Evaluation | None:
        """A job, cancelled or about to be."""
        grant = info.context.grant
        found = jobs.find(grant, id, models.Job.Kind.EVALUATION)
        job = None if found is None else jobs.cancel(grant, found.pk)
        if job is None:
            raise not_found("evaluation", id)
        return Evaluation(row=job, batch=Batch(grant, [job]))


def _shown(grant: Grant, row: models.Evaluator) -> Evaluator:
    return Evaluator(row=row, batch=Batch(grant, [row]))


def _score(one: Finding) -> TriedScore:
    return TriedScore(
        evaluator_id=strawberry.ID(one.evaluator.id),
        name=one.evaluator.score_name,
        value=one.value,
        comment=one.comment,
        generation_id=_maybe(one.call),
    )


def _maybe(id: str | None) -> strawberry.ID | None:
    return None if id is None else strawberry.ID(id)


def _object(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict | None):
        raise InvalidRecord("options", value, "an object")
    return value
