"""Fill datasets with all that match a filter."""

from __future__ import annotations

from typing import Annotated

import strawberry
from django.db import transaction

from generations import gathering, jobs, models, tasks
from generations.access import Grant, Scope
from generations.graphql import inputs
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import GenerationOrder, GenerationWhere, StepOrder, StepWhere
from generations.graphql.mutations.datasets import DatasetId
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.fills import DatasetFill

_WHERE = "What they have to be like; nothing for all."
_ORDER = "The order in which items are added; else the newest first."


@strawberry.input(description="Generations to make items from.")
class FillOfGenerations:
    """A filter of generations, and an order."""

    where: GenerationWhere | None = strawberry.field(default=None, description=_WHERE)
    order_by: GenerationOrder | None = strawberry.field(default=None, description=_ORDER)


@strawberry.input(description="Steps to make items from.")
class FillOfSteps:
    """A filter of steps, and an order."""

    where: StepWhere | None = strawberry.field(default=None, description=_WHERE)
    order_by: StepOrder | None = strawberry.field(default=None, description=_ORDER)


@strawberry.input(description="What a dataset is filled with: exactly one of these.", one_of=True)
class FillInput:
    """Generations or steps."""

    generations: FillOfGenerations | None = strawberry.field(
        default=strawberry.UNSET, description="Generations; `{}` for all."
    )
    steps: FillOfSteps | None = strawberry.field(default=strawberry.UNSET, description="Steps; `{}` for all.")


@strawberry.type
class FillMutations:
    """Mutations of the filling of datasets."""

    @guarded(
        Scope.WRITE,
        "Fill a dataset with an item for each generation or step that matches, but for those that it has already: to"
        " begin it again is harmless. A worker does it; ask `datasetFill(id)` how far it is.",
    )
    def fill_dataset(
        self,
        info: Info,
        dataset_id: DatasetId,
        input: Annotated[FillInput, strawberry.argument(description="What it is filled with.")],
    ) -> DatasetFill | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        kind, asked = next((name, said) for name, said in vars(input).items() if said is not strawberry.UNSET)
        with transaction.atomic():
            job = gathering.into_dataset(
                grant,
                dataset_id,
                kind=kind,
                document=None if asked.where is None else inputs.document(asked.where),
                order=inputs.order(asked.order_by),
            )
            tasks.send(job)
        return _shown(grant, job)

    @guarded(
        Scope.READ, "Stop the filling of a dataset; what was added by then stays. Another's needs the scope `write`."
    )
    def cancel_dataset_fill(self, info: Info, id: Id) -> DatasetFill | None:
        """A job, cancelled or about to be."""
        grant = info.context.grant
        job = gathering.filling(grant, id)
        job = None if job is None else jobs.cancel(grant, job.pk)
        if job is None:
            raise not_found("dataset fill", id)
        return _shown(grant, job)


def _shown(grant: Grant, job: models.Job) -> DatasetFill:
    return DatasetFill(row=job, batch=Batch(grant, [job]))
