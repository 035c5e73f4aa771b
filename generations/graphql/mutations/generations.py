"""Create, change and delete generations."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations import identities, models, recording
from generations.access import Scope
from generations.cleaning import clean_string
from generations.graphql.errors import in_paths, not_found, rejected
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import GenerationInput, document
from generations.graphql.nodes import found
from generations.graphql.types.events import Generation
from generations.ingest import rest
from generations.records import InvalidRecord
from generations.retention import removing

Id = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]


@strawberry.type(description="What became of a generation that was sent.")
class GenerationReceipt:
    """A receipt, with the generation for whoever may read it."""

    id: strawberry.ID = strawberry.field(description="The id that it has.")
    state: str = strawberry.field(description="stored, merged into what was there, or unchanged.")

    @guarded(Scope.READ, "The generation as it stands now; null for a key without it.")
    def generation(self, info: Info) -> Generation | None:
        """The row, read anew."""
        shown: Generation | None = found(info.context.grant, models.Generation, "generation", Generation, self.id)
        return shown


@strawberry.type(description="What was deleted.")
class Deletion:
    """A deletion."""

    id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.type
class GenerationMutations:
    """Mutations of generations."""

    @guarded(Scope.INGEST, "Record a generation. Sent again under the same id, it is merged into what is there.")
    def create_generation(
        self,
        info: Info,
        input: Annotated[GenerationInput, strawberry.argument(description="What is known of it.")],
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Its id; else a UUIDv7.")] = None,
    ) -> GenerationReceipt | None:
        """Store or merge one generation."""
        record = rest.generation({"id": identities.new_id() if id is None else id, **document(input)})
        grant = info.context.grant
        receipt = recording.record(grant.project, [grant.placed(record)])[0]
        if receipt.state == "rejected":
            raise rejected(receipt)
        return GenerationReceipt(id=strawberry.ID(receipt.id or ""), state=receipt.state)

    @guarded(
        Scope.WRITE,
        "Change a generation: what is left out stays, null empties, and objects with free names (metadata, parameters, "
        "variables, attributes) are merged key by key, where null removes a key.",
    )
    def update_generation(
        self,
        info: Info,
        id: Id,
        set: Annotated[GenerationInput, strawberry.argument(description="What changes.")],
    ) -> Generation | None:
        """Merge a change into one generation."""
        grant = info.context.grant
        name = clean_string(id)
        changes = document(set)
        try:
            is_there = recording.update(
                grant, name, lambda stored: rest.amendment(name, changes, stored), fields=changes
            )
        except InvalidRecord as error:
            raise in_paths(error) from None
        if not is_there:
            raise not_found("generation", id)
        shown: Generation | None = found(grant, models.Generation, "generation", Generation, name)
        return shown

    @guarded(Scope.WRITE, "Delete a generation with its payload, alternatives, scores, feedback and attachments.")
    def delete_generation(self, info: Info, id: Id) -> Deletion | None:
        """Delete one generation."""
        if not removing.erase(info.context.grant, "generation", clean_string(id)):
            raise not_found("generation", id)
        return Deletion(id=id)
