"""Events on their way in: always answered 200 to a key that may send, whatever they hold, because the client drops all
that stands behind an event that is refused. What cannot be read is kept, and told on the page of what comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from django.db import DataError
from django.http import HttpRequest
from django.utils import timezone

from generations import applications, filling, intake, reading, recording
from generations.access import Grant
from generations.api import receive
from generations.api.errors import Refused
from generations.api.gantry import lenient
from generations.api.gantry.stored import Stored, stored
from generations.ingest import gantry
from generations.ingest.gantry import Event
from generations.intake import Refusal
from generations.models import Generation
from generations.recording import Receipt
from generations.records import FeedbackRecord, GenerationRecord, InvalidRecord, Json, Record, ScoreRecord, revised

DOOR: Final = "gantry"
KEPT: Final = "Kept as it came."
"""How what is told of an event begins that is stored all the same."""
BATCH: Final = 500
"""Events that are written in one transaction; as many as the client sends at once."""

MOST_SPARED: Final = 4
"""Fields that a call may lose before it is stored as it came."""

_known_applications: set[tuple[int, str]] = set()
MOST_KNOWN: Final = 10_000


def call(grant: Grant, request: HttpRequest, vendor: str = "openai", kind: str = "Completion") -> None:
    """One call of `log_llm_data`."""
    sent, documents = _documents(grant, request)
    now = timezone.now()
    _accept(grant, request, documents, [_read_call(one, sent, vendor, kind, now) for one in documents])


def chat(grant: Grant, request: HttpRequest) -> None:
    """One call of a chat application's `log_llm_data`."""
    call(grant, request, "chat", "Chat")


def raw(grant: Grant, request: HttpRequest) -> None:
    """Events of `log`, up to 500 at once."""
    _, documents = _documents(grant, request)
    events: list[Json] = []
    for document in documents:
        inner = document.get("events") if isinstance(document, Mapping) else None
        events += inner if isinstance(inner, list) else [document]
    for first in range(0, len(events), BATCH):
        store(grant, request, events[first : first + BATCH])
    if not events:
        _note(grant, request, [], 0)


def store(grant: Grant, request: HttpRequest, documents: Sequence[Json]) -> int:
    """Store events of `log`; returns how many of them there were to store."""
    now = timezone.now()
    return _accept(grant, request, documents, [_read_custom(one, now) for one in documents])


def _read_call(document: Json, sent: bytes, vendor: str, kind: str, now: Any) -> Event | InvalidRecord:
    try:
        return gantry.call(document, sent_as=sent, kind=kind, vendor=vendor, now=now)
    except InvalidRecord as error:
        return error
    except RecursionError:
        return InvalidRecord("event", "…", "JSON that is not nested so deep")


def _read_custom(document: Json, now: Any) -> Event | InvalidRecord:
    try:
        return gantry.custom(document, now=now)
    except InvalidRecord as error:
        return error
    except RecursionError:
        return InvalidRecord("event", "…", "JSON that is not nested so deep")


def _documents(grant: Grant, request: HttpRequest) -> tuple[bytes, list[Json]]:
    """The body, and the JSON that it is; what is none, or too large, is kept for the page of what comes in, and
    accepted."""
    try:
        sent = receive.body(request)
    except Refused as error:
        _note(grant, request, [Refusal(error.message)], 1)
        return b"", []
    try:
        return sent, [lenient.loads(sent)]
    except orjson.JSONDecodeError as error:
        _note(grant, request, [Refusal(f"The body is not JSON: {error}")], 1)
        return sent, []


# ------------------------------------------------------------------------------------------------------------ storing
def _accept(
    grant: Grant, request: HttpRequest, documents: Sequence[Json], events: Sequence[Event | InvalidRecord]
) -> int:
    """Take events one by one where the database refuses a value of one; that one is told with those that are no events.

    Raises Busy and what says that the database is away.
    """
    try:
        return take(grant, request, documents, events)
    except DataError as error:
        if len(events) == 1:
            reason = f"The database refuses a value: {str(error).splitlines()[0]}"
            _note(grant, request, [Refusal(reason, None, 0)], 1)
            return 0
    return sum(_accept(grant, request, [one], [event]) for one, event in zip(documents, events, strict=True))


def take(grant: Grant, request: HttpRequest, documents: Sequence[Json], events: Sequence[Event | InvalidRecord]) -> int:
    """Write what was read in one transaction, and note what could not be. Raises Busy and the database's own errors."""
    refusals: list[Refusal] = []
    read = [event for event in events if isinstance(event, Event)]
    there = _there(grant, read)
    placed = _placed(grant, read, there.calls)
    items: list[Record] = []
    owners: list[int] = []
    for n, event in enumerate(events):
        if isinstance(event, InvalidRecord):
            refusals.append(Refusal(str(event), event.field, n))
            continue
        id = placed.get(id_key(event), "")
        named = id if event.call is not None else None
        refusals += [Refusal(f"{KEPT} {one}", one.field, n, named) for one in event.problems]
        made: list[Record] = []
        if event.call is not None:
            made.append(_tied(grant, revised(event.call, id=id), event, refusals, n))
        made += gantry.judgements(id, event.feedback, event.said_at, event.fingerprint)
        items += made
        owners += [n] * len(made)
    waited = _waiting(read, placed, there.said)
    items += waited
    owners += [-1] * len(waited)
    _see(grant, read)
    receipts = recording.record(grant.project, items) if items else []
    lost: list[tuple[Receipt, int, Record]] = []
    for item, receipt, n in zip(items, receipts, owners, strict=True):
        if receipt.state != "rejected" or n < 0:
            continue
        if receipt.kind == "generation":
            lost.append((receipt, n, item))
        else:
            refusals.append(Refusal(receipt.reason or "", receipt.field, n, receipt.id))
    gone = _spare(grant, documents, events, lost) if lost else set()
    for receipt, n, _ in lost:
        reason = receipt.reason or "" if n in gone else f"{KEPT} {receipt.reason}"
        refusals.append(Refusal(reason, receipt.field, n, receipt.id))
    _note(grant, request, refusals, len(events))
    return len(events) - sum(isinstance(event, InvalidRecord) for event in events)


def _spare(
    grant: Grant,
    documents: Sequence[Json],
    events: Sequence[Event | InvalidRecord],
    lost: Sequence[tuple[Receipt, int, Record]],
) -> set[int]:
    """Write the calls that were refused without what was refused of them, or else as they came; the places of those
    that not even then can be stored."""
    for is_last in (*[False] * MOST_SPARED, True):
        again: list[tuple[int, Record]] = []
        for receipt, n, record in lost:
            event, document, reason = events[n], documents[n], receipt.reason or "It cannot be stored."
            assert isinstance(event, Event)
            assert isinstance(document, Mapping)
            assert isinstance(record, GenerationRecord)
            if is_last:
                again.append((n, revised(gantry.unread(event, document, reason), id=receipt.id)))
            else:
                again.append((n, gantry.without(record, document, receipt.field or "", reason)))
        receipts = recording.record(grant.project, [record for _, record in again])
        lost = [(receipt, *one) for one, receipt in zip(again, receipts, strict=True) if receipt.state == "rejected"]
        if not lost:
            break
    return {n for _, n, _ in lost}


def id_key(event: Event) -> tuple[str, str | None, str]:
    """What tells events of one request apart."""
    return event.application, event.key, event.fingerprint


def _there(grant: Grant, events: Sequence[Event]) -> Stored:
    """What is stored under the ids that these events may have, and what was said of their sessions; one look-up."""
    calls = {
        id for event in events for id in ([event.call.id, *event.seen] if event.call is not None else [_target(event)])
    }
    return stored(grant.project.pk, calls, {id for event in events if (id := _of_session(event)) is not None})


def _of_session(event: Event) -> str | None:
    """The id by which feedback on the session of a call is kept until there is such a call."""
    if event.call is None or not event.call.session_id:
        return None
    return gantry.id_of(event.application, event.call.session_id)


def _placed(
    grant: Grant, events: Sequence[Event], calls: Mapping[str, str | None]
) -> dict[tuple[str, str | None, str], str]:
    """The id of the generation that each event is, or is about, by those of the stored `calls`.

    The first event of a response or join key has the id that the key stands for. Another one of the same key is told
    apart by its fingerprint; the same one once more has the id that it has already.
    """
    known = dict(calls)
    placed: dict[tuple[str, str | None, str], str] = {}
    for event in events:
        if event.call is None:
            continue
        mark = event.fingerprint[:40]
        id = next((one for one in event.seen if known.get(one) == mark), event.call.id)
        if id in known and known[id] not in (None, mark):
            id = f"{id}:{mark[:12]}"
        known[id] = mark
        placed[id_key(event)] = id
    late = [event for event in events if event.call is None]
    sessions = {event.key for event in late if _target(event) not in known}
    newest: dict[tuple[str | None, str | None], str] = {}
    if sessions:
        rows = Generation.objects.in_project(grant.project.pk).filter(thread_id__in=sessions)
        for name, thread, id in rows.order_by("started_at", "uid").values_list("name", "thread_id", "public_id"):
            newest[name, thread] = id
    for event in late:
        target = _target(event)
        placed[id_key(event)] = target if target in known else newest.get((event.application, event.key), target)
    return placed


def _waiting(
    events: Sequence[Event],
    placed: Mapping[tuple[str, str | None, str], str],
    said: Sequence[ScoreRecord | FeedbackRecord],
) -> list[ScoreRecord | FeedbackRecord]:
    """Feedback that came before the calls of the session it names, moved to the first of them."""
    first: dict[str, str] = {}
    for event in events:
        if (session := _of_session(event)) is not None:
            first.setdefault(session, placed[id_key(event)])
    return [
        revised(one, generation_id=call)
        for one in said
        if (call := first.get(str(one.generation_id))) is not None and call != one.generation_id
    ]


def _target(event: Event) -> str:
    return gantry.id_of(event.application, event.key or "")


def _tied(grant: Grant, record: GenerationRecord, event: Event, refusals: list[Refusal], n: int) -> GenerationRecord:
    """The record with the version that made it; that there is none of its number, or that inputs of it are missing, is
    told."""
    (tied,) = recording.tied(grant.project, [record])
    assert isinstance(tied, GenerationRecord)
    if tied.prompt_version_id is None:
        if event.version is None:
            return tied
        problem = InvalidRecord("tags.version_number", event.version, "the number of a version of the application")
    elif missing := _unfilled(tied):
        expected = f"a value for each input of the prompt, also for {', '.join(map(repr, missing))}"
        problem = InvalidRecord("request_attributes.prompt_values", sorted(tied.variables or {}), expected)
    else:
        return tied
    refusals.append(Refusal(f"{KEPT} {problem}", problem.field, n, record.id))
    said = [*(record.metadata or {}).get("problems", []), str(problem)]
    return revised(tied, metadata={**(record.metadata or {}), "problems": said})


def _unfilled(record: GenerationRecord) -> list[str]:
    """The inputs that still stand by their names in what was sent."""
    texts = [reading.message_text(one) for one in record.messages] if record.messages else [record.prompt or ""]
    names = dict.fromkeys(name for text in texts if "{{" in text for name in filling.names(text))
    return [name for name in names if name not in (record.variables or {})]


def _see(grant: Grant, events: Sequence[Event]) -> None:
    """See to it that there are the applications that log; asked once a process for each."""
    for name, kind in {event.application: event.kind for event in events}.items():
        key = (grant.project.pk, name)
        if key in _known_applications:
            continue
        applications.seen(grant, name, kind)
        if len(_known_applications) > MOST_KNOWN:
            _known_applications.clear()
        _known_applications.add(key)


def _note(grant: Grant, request: HttpRequest, refusals: Sequence[Refusal], number: int) -> None:
    agent = request.headers.get("User-Agent", "")
    if refusals:
        intake.keep(grant.project, DOOR, refusals, receive.taken(request), agent)
    intake.count(grant.project, DOOR, agent, number, len({one.index for one in refusals}))
