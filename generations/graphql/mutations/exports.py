"""Start and cancel exports."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from generations import exporting, models, tasks
from generations.access import Grant, Scope
from generations.exporting.writers import CHOICES, COMPRESSIONS
from generations.graphql import inputs
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import GenerationOrder, GenerationWhere
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.exports import Export

if TYPE_CHECKING:
    ExportFormat: TypeAlias = Enum
    ExportCompression: TypeAlias = Enum
else:
    ExportFormat = strawberry.enum(
        Enum("ExportFormat", {re.sub(r"\W", "_", name).upper(): name for name in CHOICES}, module=__name__),
        description="The format of the file.",
    )
    ExportCompression = strawberry.enum(
        Enum("ExportCompression", {name.upper(): name for name in COMPRESSIONS}, module=__name__),
        description="How the file is packed; of Parquet, its columns.",
    )


@strawberry.type
class ExportMutations:
    """Mutations of exports."""

    @guarded(
        Scope.READ, "Write all generations that are so to a file. A worker does it; ask `export(id)` how far it is."
    )
    def start_export(
        self,
        info: Info,
        format: Annotated[ExportFormat, strawberry.argument(description="The format of the file.")],
        compression: Annotated[
            ExportCompression | None, strawberry.argument(description="How it is packed; else as is usual.")
        ] = None,
        where: Annotated[
            GenerationWhere | None, strawberry.argument(description="What rows have to be like; nothing for all.")
        ] = None,
        fields: Annotated[
            list[str] | None, strawberry.argument(description="Paths to write, such as `usage.cost`; else all.")
        ] = None,
        order_by: Annotated[
            GenerationOrder | None, strawberry.argument(description="The order of the rows; else the newest first.")
        ] = None,
    ) -> Export | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        job = exporting.start(
            grant,
            kind="generations",
            format=str(format.value),
            compression=None if compression is None else str(compression.value),
            condition_document=None if where is None else inputs.document(where),
            fields=fields,
            order=inputs.order(order_by),
        )
        tasks.send(job)
        return _shown(grant, job)

    @guarded(Scope.READ, "Stop an export; its file is deleted or never made. Another's needs the scope `write`.")
    def cancel_export(self, info: Info, id: Id) -> Export | None:
        """A job, cancelled or about to be."""
        grant = info.context.grant
        job = exporting.cancel(grant, id)
        if job is None:
            raise not_found("export", id)
        return _shown(grant, job)

    @guarded(Scope.READ, "A new export of what an earlier one was asked for, whatever became of that.")
    def retry_export(self, info: Info, id: Id) -> Export | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        job = exporting.again(grant, id)
        if job is None:
            raise not_found("export", id)
        tasks.send(job)
        return _shown(grant, job)


def _shown(grant: Grant, job: models.Job) -> Export:
    return Export(row=job, batch=Batch(grant, [job]))
