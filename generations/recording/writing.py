"""A batch of records in, one transaction, receipts out."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.errors import ProgramLimitExceeded

from generations import cleaning, pricing, records
from generations.models import PriceOverride, Project
from generations.recording import derive, store
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ParticipantRecord,
    Record,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
    revised,
)

State = Literal["stored", "merged", "unchanged", "rejected"]
_LOCK: Final = 0x47454E32  # the first half of a project's lock; the second is the project
_SEEN_GRAIN: Final = dt.timedelta(minutes=1)
_ORDER: Final = ("participant", "thread", "step", "generation", "score", "feedback", "attachment")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one record of a batch. `reason` and `field` say why one was rejected."""

    index: int
    kind: str
    id: str | None
    state: State
    reason: str | None = None
    field: str | None = None


class UnknownId(LookupError):
    """Nothing in this project has that id."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id
        super().__init__(f"There is no {kind} '{records.shown(id)[1:-1]}' in this project.")


@dataclass(slots=True)
class _Batch:
    """Records by kind and id, merged where an id came twice, and what they bring along."""

    by_kind: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in _ORDER})
    implied_threads: dict[str, ThreadRecord] = field(default_factory=dict)
    implied_participants: dict[str, ParticipantRecord] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def add(self, record: Record) -> None:
        kind = records.KINDS[type(record)]
        assert record.id is not None
        there = self.by_kind[kind].get(record.id)
        self.by_kind[kind][record.id] = record if there is None else records.merge(there, record)


def record(
    project: Project, items: Sequence[Record | InvalidRecord], *, now: dt.datetime | None = None
) -> list[Receipt]:
    """Store a batch of records and say of each what became of it, in the order given.

    Idempotent: a record merges into what is stored under its id (absent stays, cleared empties), and one that says
    nothing new changes nothing. Threads, participants and tags that are named come into being. What cannot be stored
    is rejected by itself; the others are committed together before this returns.
    """
    return _record(project, items, now or timezone.now())


def amend(project: Project, item: Record, *, now: dt.datetime | None = None) -> Receipt:
    """Merge a record into an existing row; raises UnknownId when there is none, InvalidRecord when it cannot be.

    Other than `record`, a start that is given moves the row.
    """
    moment = now or timezone.now()
    kind = records.KINDS[type(item)]
    if item.id is None:
        raise InvalidRecord("id", None, "the id of what is to be changed")
    id = item.id
    if getattr(item, "started_at", None) is not None:
        item = revised(item, cleared=item.cleared | {"started_at"})
    item = cleaning.clean(item, now=moment)
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor, project.pk)
        table: store.Table = store.TABLES[kind]
        looked_up = revised(item, started_at=None) if table.is_partitioned else item
        if not store.known(cursor, table, project.pk, {id: looked_up}):
            raise UnknownId(kind, id)
        receipt = _record(project, [item], moment)[0]
    if receipt.state == "rejected":
        raise InvalidRecord(receipt.field or kind, id, receipt.reason or "a record that can be stored")
    return receipt


def _record(project: Project, items: Sequence[Record | InvalidRecord], now: dt.datetime) -> list[Receipt]:
    receipts: dict[int, Receipt] = {}
    tidy: list[tuple[int, Record]] = []
    for index, item in enumerate(items):
        if isinstance(item, InvalidRecord):
            receipts[index] = Receipt(index, "record", None, "rejected", str(item), item.field)
            continue
        try:
            tidy.append((index, _identified(cleaning.clean(item, now=now))))
        except InvalidRecord as error:
            kind = records.KINDS[type(item)]
            receipts[index] = Receipt(index, kind, item.id, "rejected", str(error), error.field)
    _write_or_halve(project, tidy, now, receipts)
    return [receipts[index] for index in range(len(items))]


def _write_or_halve(
    project: Project, items: Sequence[tuple[int, Record]], now: dt.datetime, receipts: dict[int, Receipt]
) -> None:
    """Write all; if the database refuses a value, halve until the one that it refuses stands alone."""
    if not items:
        return
    try:
        with transaction.atomic():
            states = _write(project, [item for _, item in items], now)
    except (DataError, IntegrityError, DatabaseError) as error:
        if not _is_about_a_value(error):
            raise
        if len(items) > 1:
            middle = len(items) // 2
            _write_or_halve(project, items[:middle], now, receipts)
            _write_or_halve(project, items[middle:], now, receipts)
            return
        index, item = items[0]
        reason = str(error.__cause__ or error).splitlines()[0]
        receipts[index] = Receipt(
            index, records.KINDS[type(item)], item.id, "rejected", f"The database refuses this value: {reason}"
        )
        return
    for (index, item), state in zip(items, states, strict=True):
        receipts[index] = Receipt(index, records.KINDS[type(item)], item.id, state)


def _is_about_a_value(error: DatabaseError) -> bool:
    """Whether the database refused what was to be stored, rather than failed."""
    return isinstance(error, DataError | IntegrityError) or isinstance(error.__cause__, ProgramLimitExceeded)


def _identified(record: Record) -> Record:
    """`record` and its children with an id each, and the children with their parent's."""
    if isinstance(record, GenerationRecord):
        children: dict[str, Any] = {}
        if record.scores:
            children["scores"] = tuple(_score_of(s, generation_id=record.id) for s in record.scores)
        if record.feedback is not None:
            children["feedback"] = _feedback_of(revised(record.feedback, generation_id=record.id))
        if record.attachments:
            children["attachments"] = tuple(revised(a, generation_id=record.id) for a in record.attachments)
        return revised(record, **children) if children else record
    if isinstance(record, StepRecord) and (record.scores or record.attachments):
        return revised(
            record,
            scores=tuple(_score_of(s, step_id=record.id) for s in record.scores),
            attachments=tuple(revised(a, step_id=record.id) for a in record.attachments),
        )
    if isinstance(record, FeedbackRecord):
        return _feedback_of(record)
    if isinstance(record, ScoreRecord) and record.id is None:
        return revised(record, id=records.new_id())
    return record


def _score_of(score: ScoreRecord, **target: str) -> ScoreRecord:
    """A score sent inside what it judges: one of a name and an author, so that a replay does not add another."""
    id = score.id or "/".join(filter(None, (*target.values(), score.name, score.type or "CODE", score.author)))
    return revised(score, id=id[: cleaning.MAX_ID], **target)


def _feedback_of(feedback: FeedbackRecord) -> FeedbackRecord:
    """Feedback with an id made of what it says and when, so that a replay does not add another."""
    if feedback.id is not None:
        return feedback
    said = repr(revised(feedback, cleared=frozenset()))
    digest = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=12).hexdigest()
    return revised(feedback, id=f"{(feedback.generation_id or feedback.step_id or '')[:400]}/{digest}")


# ---------------------------------------------------------------------------------------------------------- writing
def _write(project: Project, items: Sequence[Record], now: dt.datetime) -> list[State]:
    batch = _Batch()
    for item in items:
        _collect(batch, item, now)
    for thread in batch.implied_threads.values():
        if thread.id in batch.by_kind["thread"]:
            told = batch.by_kind["thread"][thread.id]
            batch.by_kind["thread"][thread.id] = _filled(told, thread)
    new_threads = {i: t for i, t in batch.implied_threads.items() if i not in batch.by_kind["thread"]}
    for thread in batch.by_kind["thread"].values():
        if thread.user_id:
            _imply_participant(batch, thread.user_id, thread.last_activity_at or thread.started_at or now)
    states: dict[tuple[str, str], State] = {}
    with connection.cursor() as cursor:
        _lock(cursor, project.pk)
        _write_tags(cursor, project.pk, batch.tags)
        _write_implied(cursor, project.pk, store.PARTICIPANTS, batch.implied_participants, batch, now)
        _write_implied(cursor, project.pk, store.THREADS, new_threads, batch, now)
        price = _lazy_price(project.pk)
        for kind in _ORDER:
            wanted = batch.by_kind[kind]
            if not wanted:
                continue
            rows = store.merged(cursor, store.TABLES[kind], project.pk, wanted, price, now)
            store.write(cursor, store.TABLES[kind], project.pk, rows, now)
            if kind == "generation":
                store.write_alternatives(cursor, project.pk, rows)
            if kind == "feedback":
                _mark_latest(cursor, project.pk, [row.record.generation_id for row in rows])
            for row in rows:
                assert row.record.id is not None
                states[kind, row.record.id] = (
                    "unchanged" if not row.is_changed else "stored" if row.known is None else "merged"
                )
    return [_state_of(item, states) for item in items]


def _state_of(item: Record, states: dict[tuple[str, str], State]) -> State:
    """What became of an item: a parent that is unchanged while a child is new was merged."""
    assert item.id is not None
    own = states[records.KINDS[type(item)], item.id]
    children = (*getattr(item, "scores", ()), *getattr(item, "attachments", ()), getattr(item, "feedback", None))
    if own == "unchanged" and any(
        states[records.KINDS[type(child)], child.id] != "unchanged" for child in children if child is not None
    ):
        return "merged"
    return own


def _collect(batch: _Batch, item: Record, now: dt.datetime) -> None:
    """Sort an item, and what is inside it or named by it, into the batch."""
    moment: dt.datetime = getattr(item, "started_at", None) or getattr(item, "created_at", None) or now
    batch.tags.update(getattr(item, "tags", None) or ())
    if isinstance(item, GenerationRecord | StepRecord):
        children: tuple[Record, ...] = (*item.scores, *item.attachments)
        for child in children:
            batch.add(child)
            batch.tags.update(getattr(child, "tags", None) or ())
        if isinstance(item, GenerationRecord):
            if item.feedback is not None:
                _collect(batch, item.feedback, now)
            has_children = item.scores or item.attachments or item.feedback
            batch.add(revised(item, scores=(), attachments=(), feedback=None) if has_children else item)
        else:
            batch.add(revised(item, scores=(), attachments=()))
        if item.thread_id:
            _imply_thread(batch, item, moment)
    else:
        batch.add(item)
    user = getattr(item, "user_id", None)
    if user:
        _imply_participant(batch, user, moment)


def _imply_thread(batch: _Batch, item: GenerationRecord | StepRecord, moment: dt.datetime) -> None:
    assert item.thread_id is not None
    ends = item.ended_at if item.ended_at is not None and item.ended_at > moment else moment
    said = ThreadRecord(
        id=item.thread_id,
        user_id=item.user_id,
        environment=item.environment,
        started_at=moment,
        last_activity_at=ends,
    )
    there = batch.implied_threads.get(item.thread_id)
    batch.implied_threads[item.thread_id] = said if there is None else _filled(there, said)


def _imply_participant(batch: _Batch, id: str, moment: dt.datetime) -> None:
    there = batch.implied_participants.get(id)
    seen = moment if there is None or there.seen_at is None else max(there.seen_at, moment)
    batch.implied_participants[id] = ParticipantRecord(id=id, seen_at=seen)


def _filled(told: Any, implied: Any) -> Any:
    """`told` with gaps filled and its times widened by what is implied; nothing that was said is overruled."""
    if isinstance(told, ParticipantRecord):
        return revised(told, seen_at=max(filter(None, (told.seen_at, implied.seen_at)), default=None))
    return revised(
        told,
        user_id=told.user_id if told.user_id is not None or "user_id" in told.cleared else implied.user_id,
        environment=told.environment if told.environment is not None else implied.environment,
        started_at=min(filter(None, (told.started_at, implied.started_at)), default=None),
        last_activity_at=max(filter(None, (told.last_activity_at, implied.last_activity_at)), default=None),
    )


def _write_implied(
    cursor: Any, project: int, table: store.Table, implied: dict[str, Any], batch: _Batch, now: dt.datetime
) -> None:
    """Make what was only named, or widen its times. Told records of the same ids are written in their turn."""
    told = batch.by_kind[records.KINDS[table.record]]
    wanted = {id: item for id, item in implied.items() if id not in told}
    for id in implied.keys() & told.keys():
        told[id] = _filled(told[id], implied[id])
    if not wanted:
        return
    there = store.known(cursor, table, project, wanted)
    rows = []
    for id in sorted(wanted):
        old = there.get(id)
        whole = wanted[id] if old is None else _filled(old.record, wanted[id])
        if old is not None and _is_recent_enough(whole, old.record):
            continue
        done, extra = derive.complete(whole, whole, None, {} if old is None else dict(old.extra), _no_price, now)
        rows.append(store.Merged(done, old, extra))
    store.write(cursor, table, project, rows, now)


def _is_recent_enough(new: Any, old: Any) -> bool:
    """Whether nothing changed that is worth a write; when a participant was seen is kept to the minute."""
    if isinstance(new, ParticipantRecord):
        return bool(new.seen_at - old.seen_at < _SEEN_GRAIN)
    return bool(new == old)


def _no_price(record: GenerationRecord) -> None:
    """Nothing else than generations costs anything."""


def _lazy_price(project: int) -> Callable[[GenerationRecord], pricing.Price | None]:
    """Pricing with the project's overrides, which are read when the first price is asked for."""
    loaded: list[list[pricing.Override]] = []

    def price(record: GenerationRecord) -> pricing.Price | None:
        if not loaded:
            loaded.append(overrides(project))
        return pricing.price(record, loaded[0])

    return price


def overrides(project: int) -> list[pricing.Override]:
    """The project's own prices."""
    return [
        pricing.Override(
            id=str(row.pk),
            match=row.match,
            provider=row.provider,
            currency=row.currency,
            input_price=row.input_price,
            cached_input_price=row.cached_input_price,
            cache_write_price=row.cache_write_price,
            output_price=row.output_price,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for row in PriceOverride.objects.filter(project_id=project)
    ]


def _lock(cursor: Any, project: int) -> None:
    """One writer a project at a time: two first sights of an id cannot land in two partitions, nothing deadlocks."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, project % 2**31])


def _write_tags(cursor: Any, project: int, tags: Iterable[str]) -> None:
    names = sorted(tags)
    if names:
        cursor.execute(
            "INSERT INTO tag (project_id, name, colour, description, created_at)"
            " SELECT %s, name, '', '', now() FROM unnest(%s::text[]) AS new(name)"
            " WHERE NOT EXISTS (SELECT 1 FROM tag WHERE tag.project_id = %s AND tag.name = new.name)"
            " ON CONFLICT DO NOTHING",
            [project, names, project],
        )


def _mark_latest(cursor: Any, project: int, generations: Iterable[str | None]) -> None:
    """Let exactly the newest feedback of each generation be the one that is shown."""
    ids = sorted({id for id in generations if id is not None})
    if ids:
        cursor.execute(
            "UPDATE feedback SET is_latest = (feedback.uid = newest.uid) FROM ("
            "  SELECT DISTINCT ON (generation_id) generation_id, uid FROM feedback"
            "  WHERE project_id = %s AND generation_id = ANY(%s) ORDER BY generation_id, created_at DESC, uid DESC"
            ") AS newest WHERE feedback.project_id = %s AND feedback.generation_id = newest.generation_id"
            " AND feedback.is_latest <> (feedback.uid = newest.uid)",
            [project, ids, project],
        )
