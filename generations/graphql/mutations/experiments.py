"""Make experiments with or without their results, add results to them, delete them."""

from __future__ import annotations

from typing import Annotated

import strawberry
from django.db import transaction
from strawberry.scalars import JSON

from generations import experiments
from generations.access import Scope
from generations.experiments import NewResult
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import ScoreInput, document
from generations.graphql.mutations.generations import Deletion, Id
from generations.graphql.nodes import Batch
from generations.graphql.types.experiments import Experiment, ExperimentItem


@strawberry.input(description="What one item of a dataset led to, or one input of your own.")
class ExperimentItemInput:
    """A result."""

    dataset_item_id: strawberry.ID | None = strawberry.field(default=None, description="The item that was run.")
    run_id: str | None = strawberry.field(default=None, description="The step that ran it; it may come later.")
    generation_id: str | None = strawberry.field(
        default=None, description="The generation that answered; it may come later."
    )
    input: JSON | None = strawberry.field(default=None, description="What was given.")
    output: JSON | None = strawberry.field(default=None, description="What came back.")
    scores: list[ScoreInput] | None = strawberry.field(
        default=None, description="Judgements on it; a model's where no type is given."
    )


_ITEMS = strawberry.argument(description=f"Its results, at most {experiments.MAX_ITEMS} at once.")


@strawberry.type
class ExperimentMutations:
    """Mutations of experiments."""

    @guarded(
        Scope.WRITE,
        "Make an experiment, on a dataset or on none, with its first results or without any. All of it is made, or "
        "nothing.",
    )
    def create_experiment(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="What people call it.")],
        dataset_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The dataset that it is run over.")
        ] = None,
        prompt_version_id: Annotated[
            str | None, strawberry.argument(description="The id of the prompt version that it tries.")
        ] = None,
        params: Annotated[JSON | None, strawberry.argument(description="What it is run with.")] = None,
        items: Annotated[list[ExperimentItemInput] | None, _ITEMS] = None,
    ) -> Experiment | None:
        """A new experiment."""
        grant = info.context.grant
        with transaction.atomic():
            made = experiments.create(
                grant, name=name, dataset_id=dataset_id, prompt_version_id=prompt_version_id, params=params
            )
            experiments.add_items(grant, str(made.pk), [_result(item) for item in items or ()])
        return Experiment(row=made, batch=Batch(grant, [made]))

    @guarded(Scope.WRITE, "Add results to an experiment with their scores, all or none of them.")
    def add_experiment_items(
        self,
        info: Info,
        experiment_id: Annotated[strawberry.ID, strawberry.argument(description="The experiment.")],
        items: Annotated[list[ExperimentItemInput], _ITEMS],
    ) -> list[ExperimentItem] | None:
        """The results, in the order given."""
        grant = info.context.grant
        made = experiments.add_items(grant, experiment_id, [_result(item) for item in items])
        batch = Batch(grant, made)
        return [ExperimentItem(row=row, batch=batch) for row in made]

    @guarded(Scope.WRITE, "Delete an experiment with its results. What was recorded of its runs stays.")
    def delete_experiment(self, info: Info, id: Id) -> Deletion | None:
        """An experiment, deleted."""
        return Deletion(id=strawberry.ID(str(experiments.delete(info.context.grant, id).pk)))


def _result(given: ExperimentItemInput) -> NewResult:
    return NewResult(
        dataset_item_id=given.dataset_item_id,
        run_id=given.run_id,
        generation_id=given.generation_id,
        input=given.input,
        output=given.output,
        scores=[document(score) for score in given.scores or ()],
    )
