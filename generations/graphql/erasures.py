"""What can be read of erasures."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations import filters, holds, jobs, models, retention
from generations.access import Scope
from generations.graphql import inputs
from generations.graphql.arguments import After, Before, First, Id, Last, OrderBy, Where
from generations.graphql.connections import Connection, connection
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import ExportOrder, ExportWhere
from generations.graphql.mutations.erasures import ParticipantId
from generations.graphql.nodes import Batch
from generations.graphql.types.erasures import Erasure, ErasureCounts, ErasurePreview

ERASURES = filters.from_document("jobs", {"kind": models.Job.Kind.ERASURE.value})


@strawberry.type
class ErasureQueries:
    """Root fields of queries about erasures."""

    @guarded(Scope.READ, "Erasures, the newest first unless ordered otherwise.")
    def erasures(
        self,
        info: Info,
        where: Annotated[ExportWhere | None, Where] = None,
        order_by: Annotated[ExportOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Erasure]:
        """A page of erasures."""
        return connection(
            info.context.grant,
            "jobs",
            Erasure,
            condition=filters.both(ERASURES, inputs.condition("jobs", where)),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "One erasure; null when the project has none of this id.")
    def erasure(self, info: Info, id: Id) -> Erasure | None:
        """An erasure by its id."""
        grant = info.context.grant
        row = jobs.find(grant, id, models.Job.Kind.ERASURE)
        return None if row is None else Erasure(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.ADMIN, "What erasing a participant would take, and what would refuse it. Changes nothing.")
    def erasure_preview(self, info: Info, participant_id: ParticipantId) -> ErasurePreview:
        """What is foretold, as on the page."""
        project = info.context.grant.project
        if not retention.is_erasable(project, participant_id):
            raise retention.NoSuchParticipant(participant_id)
        foretold = retention.foretell(project, participant_id)
        hold = retention.hold_of(project, participant_id)
        return ErasurePreview(
            participant_id=strawberry.ID(participant_id),
            counts=ErasureCounts(said=dict(foretold.counts)),
            exact=foretold.is_exact,
            held=None if hold is None else str(holds.Held(hold, "participant")),
        )
