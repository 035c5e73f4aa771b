"""Start and cancel erasures."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations import jobs, models, retention, tasks
from generations.access import Scope
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.erasures import Erasure

ParticipantId = Annotated[strawberry.ID, strawberry.argument(description="The participant's id: what `userId` names.")]


@strawberry.type
class ErasureMutations:
    """Mutations of erasures."""

    @guarded(
        Scope.ADMIN,
        "Erase everything of a participant's for good; there is no way back. A worker does it; ask `erasure(id)` for"
        " its report. One of theirs that no worker has begun is the same job; a legal hold that keeps something"
        " refuses it.",
    )
    def start_erasure(self, info: Info, participant_id: ParticipantId) -> Erasure | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        job = retention.erase(grant, participant_id)
        tasks.send(job)
        return Erasure(row=job, batch=Batch(grant, [job]))

    @guarded(Scope.READ, "Stop an erasure; what went by then is gone. Another's needs the scope `admin`.")
    def cancel_erasure(self, info: Info, id: Id) -> Erasure | None:
        """A job, cancelled or about to be."""
        grant = info.context.grant
        found = jobs.find(grant, id, models.Job.Kind.ERASURE)
        job = None if found is None else jobs.cancel(grant, found.pk)
        if job is None:
            raise not_found("erasure", id)
        return Erasure(row=job, batch=Batch(grant, [job]))
