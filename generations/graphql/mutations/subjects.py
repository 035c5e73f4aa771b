"""Describe threads and participants; delete steps and threads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from generations import models, recording, records
from generations.access import Grant, Scope
from generations.cleaning import clean_string
from generations.graphql.errors import not_found, rejected
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import document, may
from generations.graphql.mutations.generations import Deletion, Id
from generations.graphql.nodes import found
from generations.graphql.types.events import Participant, Thread
from generations.ingest import rest
from generations.ingest.rest_fields import Slot
from generations.retention import removing


@strawberry.input(description="A conversation. What is left out is unknown, or stays as it is; null empties it.")
class ThreadInput:
    """A thread, in the shape that REST takes it in."""

    name: str | None = may("What people call it.")
    user_id: str | None = may("The id of its participant, who need not be known yet.")
    environment: str | None = may("production, staging, ...")
    tags: list[str] | None = may("All its tags.")
    metadata: JSON | None = may("Anything else: an object, merged key by key.")
    timestamp: dt.datetime | None = may("When it began; else when it was first heard of.")
    last_activity_at: dt.datetime | None = may("When something last happened in it.")


@strawberry.input(description="An end user. What is left out is unknown, or stays as it is; null empties it.")
class ParticipantInput:
    """A participant, in the shape that REST takes it in."""

    identifier: str | None = may("What people call them: a name, a mail address.")
    metadata: JSON | None = may("Anything else: an object, merged key by key.")
    last_seen_at: dt.datetime | None = may("When they were last seen.")


@strawberry.type
class SubjectMutations:
    """Mutations of threads, participants and steps."""

    @guarded(
        Scope.WRITE,
        "Name and describe a thread, which need not be known yet: steps and generations make theirs by naming it.",
    )
    def put_thread(
        self,
        info: Info,
        id: Id,
        input: Annotated[ThreadInput, strawberry.argument(description="What is known of it.")],
    ) -> Thread | None:
        """Store or merge one thread."""
        grant = info.context.grant
        record = rest.thread({**document(input), "id": id})
        if not models.Thread.objects.by_ids(grant.project.pk, "thread", [clean_string(id)]).exists():
            record = grant.placed(record)
        name = _put(grant, record, rest.THREAD)
        shown: Thread | None = found(grant, models.Thread, "thread", Thread, name)
        return shown

    @guarded(
        Scope.WRITE, "Describe a participant, who need not be known yet: whoever names them in `userId` makes them."
    )
    def put_participant(
        self,
        info: Info,
        id: Id,
        input: Annotated[ParticipantInput, strawberry.argument(description="What is known of them.")],
    ) -> Participant | None:
        """Store or merge one participant."""
        grant = info.context.grant
        name = _put(grant, rest.participant({**document(input), "id": id}), rest.PARTICIPANT)
        shown: Participant | None = found(grant, models.Participant, "participant", Participant, name)
        return shown

    @guarded(Scope.WRITE, "Delete a step with its scores and files, and the generations on it. Steps below it stay.")
    def delete_step(self, info: Info, id: Id) -> Deletion | None:
        """Delete one step."""
        return _deleted(info.context.grant, "step", id)

    @guarded(
        Scope.WRITE, "Delete a thread with all steps and generations in it; to be asked for again when interrupted."
    )
    def delete_thread(self, info: Info, id: Id) -> Deletion | None:
        """Delete one thread."""
        return _deleted(info.context.grant, "thread", id)


def _put(grant: Grant, record: records.Record, table: Mapping[str, Slot]) -> str:
    receipt = recording.record(grant.project, [record])[0]
    if receipt.state == "rejected":
        raise rejected(receipt, table)
    return receipt.id or ""


def _deleted(grant: Grant, kind: str, id: str) -> Deletion:
    if not removing.erase(grant, kind, clean_string(id)):
        raise not_found(kind, id)
    return Deletion(id=strawberry.ID(id))
