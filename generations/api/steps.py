"""Steps, threads and participants: recorded, listed, looked up, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import bundles, paging
from generations.access import Grant, Scope
from generations.api import lists, receive
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import OBJECT, page_of, ref
from generations.api.errors import not_found
from generations.api.generations import received, stored
from generations.api.operations import AGAIN, LIMIT, PROJECT, of_list, operation
from generations.cleaning import clean_string
from generations.filters import Leaf
from generations.ingest import rest
from generations.models import Participant, Thread
from generations.records import InvalidRecord, Json, ParticipantRecord, ThreadRecord
from generations.retention import removing

steps = Router()
threads = Router()
participants = Router()

STEPS: Final = "Steps"
THREADS: Final = "Threads"
R = TypeVar("R", ThreadRecord, ParticipantRecord)
INSIDE: Final = 50
"""Steps and generations that a thread is shown with when no limit is named."""


# --------------------------------------------------------------------------------------------------------------- steps
@steps.get(
    "",
    **operation(
        "Find steps",
        tag=STEPS,
        scope=Scope.READ,
        ok={200: page_of(ref("Step"))},
        query=of_list("steps", fields=True),
    ),
)
def find_steps(request: HttpRequest) -> HttpResponse:
    """Filters are paths, as for generations: `threadId=t1&type=tool&performance.latency__gt=2`."""
    fields = lists.fields(request.GET.get("fields"), steps=True)
    return lists.answered(request, grant_of(request), "steps", lists.steps(fields))


@steps.post(
    "/batch",
    **operation(
        "Record many steps",
        tag=STEPS,
        scope=Scope.INGEST,
        sent={
            "anyOf": [
                {"type": "array", "items": ref("StepSent")},
                {"type": "object", "required": ["steps"], "additionalProperties": False,
                 "properties": {"steps": {"type": "array", "items": ref("StepSent")}}},
            ]
        },
        lines=ref("StepSent"),
        example=[{"id": "step-1", "type": "tool", "name": "search", "threadId": "thread-1", "input": {"q": "weather"}}],
        headers=[AGAIN],
        ok={200: ref("Receipts")},
    ),
)  # fmt: skip
def record_steps(request: HttpRequest) -> HttpResponse:
    """As for generations. Parents may come later than their children, or never."""
    return received(request, "steps", rest.step, rest.STEP)


@steps.get(
    "/{anyid:id}",
    **operation("Get a step", tag=STEPS, scope=Scope.READ, ok={200: ref("Step")}, query=[PROJECT]),
)
def get_step(request: HttpRequest, id: str) -> HttpResponse:
    """The step of this id, whole. Its children are at `/api/steps?parentId=`, its calls at
    `/api/generations?stepId=`.
    """
    found = bundles.step(grant_of(request).project, id)
    if found is None:
        raise not_found("step", id)
    return answer(lists.step(found))


@steps.delete("/{anyid:id}", **operation("Delete a step", tag=STEPS, scope=Scope.WRITE, ok={204: None}, refuses=(409,)))
def delete_step(request: HttpRequest, id: str) -> HttpResponse:
    """With the generations that hang on it, its scores and files. Steps below it stay. There is no way back; a legal
    hold refuses it.
    """
    return _deleted(request, "step", id)


# ------------------------------------------------------------------------------------------------------------- threads
@threads.get(
    "",
    **operation(
        "Find threads", tag=THREADS, scope=Scope.READ, ok={200: page_of(ref("Thread"))}, query=of_list("threads")
    ),
)
def find_threads(request: HttpRequest) -> HttpResponse:
    """Those where something happened last come first."""
    return lists.answered(request, grant_of(request), "threads", lists.each(bundles.thread_document))


@threads.get(
    "/{anyid:id}",
    **operation("Get a thread", tag=THREADS, scope=Scope.READ, ok={200: OBJECT}, query=[LIMIT, PROJECT]),
)
def get_thread(request: HttpRequest, id: str) -> HttpResponse:
    """The thread with its first steps and generations, the earliest first, at most `limit` of each. The `next` of
    each goes on at `/api/steps?threadId=...&order=timestamp&after=...`, and likewise at `/api/generations`.
    """
    grant = grant_of(request)
    limit = lists.whole("limit", request.GET.get("limit"), INSIDE)
    row = Thread.objects.by_ids(grant.project.pk, "thread", [id]).first()
    if row is None:
        raise not_found("thread", id)
    shown = bundles.thread_document(row)
    for kind, show in (("steps", lists.steps()), ("generations", lists.generations())):
        shown[kind] = _inside(grant, kind, show, id, limit)
    return answer(shown)


@threads.put(
    "/{anyid:id}",
    **operation(
        "Put a thread",
        tag=THREADS,
        scope=Scope.WRITE,
        sent=ref("ThreadSent"),
        example={"name": "Refund of order 1042", "userId": "user-456", "tags": ["refund"]},
        ok={200: ref("Thread"), 201: ref("Thread")},
    ),
)
def put_thread(request: HttpRequest, id: str) -> HttpResponse:
    """Names a thread, which need not be known yet: steps and generations make theirs by naming it in `threadId`. What
    is absent stays, what is null is emptied; of `metadata` each key by itself, and null is its value. A new one is in
    the environment of the key.
    """
    grant = grant_of(request)
    record = _named(request, rest.thread, id)
    if not Thread.objects.by_ids(grant.project.pk, "thread", [id]).exists():
        record = grant.placed(record)
    receipt = stored(grant, record, rest.THREAD)
    row = Thread.objects.by_ids(grant.project.pk, "thread", [id]).first()
    if row is None:
        raise not_found("thread", id)  # it was deleted since
    return answer(bundles.thread_document(row), status=201 if receipt.state == "stored" else 200)


@threads.delete(
    "/{anyid:id}", **operation("Delete a thread", tag=THREADS, scope=Scope.WRITE, ok={204: None}, refuses=(409,))
)
def delete_thread(request: HttpRequest, id: str) -> HttpResponse:
    """With all steps and generations in it, a hundred at a time; interrupted, it is to be asked for again. There is no
    way back; a legal hold refuses it.
    """
    return _deleted(request, "thread", id)


def _inside(grant: Grant, kind: str, show: lists.Show, thread_id: str, limit: int) -> Json:
    condition = Leaf("threadId", (), "eq", thread_id)
    page = paging.page(kind, grant.project.pk, condition, order="timestamp", limit=limit)
    return {"data": [document for _, document in show(grant.project, page.rows)], "next": page.next}


# -------------------------------------------------------------------------------------------------------- participants
@participants.get(
    "",
    **operation(
        "Find participants",
        tag="Participants",
        scope=Scope.READ,
        ok={200: page_of(ref("Participant"))},
        query=of_list("participants"),
    ),
)
def find_participants(request: HttpRequest) -> HttpResponse:
    """The end users of the application: those seen last come first."""
    return lists.answered(request, grant_of(request), "participants", lists.each(bundles.participant_document))


@participants.get(
    "/{anyid:id}",
    **operation(
        "Get a participant", tag="Participants", scope=Scope.READ, ok={200: ref("Participant")}, query=[PROJECT]
    ),
)
def get_participant(request: HttpRequest, id: str) -> HttpResponse:
    """The participant of this id. What they did is at `/api/threads?userId=` and `/api/generations?metadata.userId=`;
    `POST /api/erasures` takes all of it away.
    """
    row = Participant.objects.by_ids(grant_of(request).project.pk, "participant", [id]).first()
    if row is None:
        raise not_found("participant", id)
    return answer(bundles.participant_document(row))


@participants.put(
    "/{anyid:id}",
    **operation(
        "Put a participant",
        tag="Participants",
        scope=Scope.WRITE,
        sent=ref("ParticipantSent"),
        example={"identifier": "ann@example.com", "metadata": {"plan": "pro"}},
        ok={200: ref("Participant"), 201: ref("Participant")},
    ),
)
def put_participant(request: HttpRequest, id: str) -> HttpResponse:
    """Describes an end user, who need not be known yet: whoever names the id in `userId` makes them. What is absent
    stays, what is null is emptied; of `metadata` each key by itself, and null is its value.
    """
    grant = grant_of(request)
    receipt = stored(grant, _named(request, rest.participant, id), rest.PARTICIPANT)
    row = Participant.objects.by_ids(grant.project.pk, "participant", [id]).first()
    if row is None:
        raise not_found("participant", id)  # they were erased since
    return answer(bundles.participant_document(row), status=201 if receipt.state == "stored" else 200)


# ----------------------------------------------------------------------------------------------------------- the parts
def _named(request: HttpRequest, read: Callable[[Json], R], id: str) -> R:
    """What was sent, of the id of its address."""
    document = receive.mapping(request)
    if clean_string(id) != id:
        raise InvalidRecord("id", id, "an address without NUL and halves of characters")
    record = read({**document, "id": id if document.get("id") is None else document["id"]})
    if record.id != id:
        raise InvalidRecord("id", record.id, f"{id!r}, as in the address, or nothing")
    return record


def _deleted(request: HttpRequest, kind: str, id: str) -> HttpResponse:
    if not removing.erase(grant_of(request), kind, id):
        raise not_found(kind, id)
    return HttpResponse(status=204)
