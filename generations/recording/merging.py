"""A batch in, what is to be written out: records sorted by kind, with what they imply, merged with what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from generations import pricing, records
from generations.recording import derive
from generations.recording.looking import Found, Known
from generations.recording.tables import GENERATIONS, TABLES, Table
from generations.records import GenerationRecord, ParticipantRecord, Record, StepRecord, ThreadRecord, fill, revised


@dataclass(slots=True)
class Batch:
    """Records by kind and id, merged where an id came twice, and what they bring along without saying it."""

    told: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in TABLES})
    implied: dict[str, dict[str, Any]] = field(default_factory=lambda: {"participant": {}, "thread": {}})
    tags: set[str] = field(default_factory=set)

    def add(self, record: Record) -> None:
        """Take a record in, after others of its id."""
        assert record.id is not None
        items = self.told[records.KINDS[type(record)]]
        there = items.get(record.id)
        items[record.id] = record if there is None else records.merge(there, record)


@dataclass(slots=True)
class Merged:
    """A record as it is to stand, beside what stood."""

    record: Any
    known: Known | None
    extra: dict[str, Any] = field(default_factory=dict)
    is_changed: bool = True
    writes_payload: bool = True
    writes_alternatives: bool = True
    facts: Sequence[Any] | None = None
    """The row of facts, and that of the payload, where they were made before."""
    payload: Sequence[Any] | None = None

    @property
    def has_moved(self) -> bool:
        """Whether it starts at another time than it did."""
        return self.known is not None and self.known.record.started_at != self.record.started_at


# ---------------------------------------------------------------------------------------------------------- gathering
def gathered(items: Iterable[Record], now: dt.datetime) -> Batch:
    """The records of a batch and what is inside them or named by them."""
    batch = Batch()
    for item in items:
        _gather(batch, item, now)
    for kind in ("thread", "participant"):
        told, implied = batch.told[kind], batch.implied[kind]
        for id in implied.keys() & told.keys():
            told[id] = _filled(told[id], implied.pop(id))
        if kind == "thread":
            for thread in told.values():
                if thread.user_id:
                    _imply_participant(batch, thread.user_id, thread.last_activity_at or thread.started_at or now)
    return batch


def _gather(batch: Batch, item: Record, now: dt.datetime) -> None:
    moment: dt.datetime = getattr(item, "started_at", None) or getattr(item, "created_at", None) or now
    if isinstance(item, GenerationRecord | StepRecord):
        if item.tags:
            batch.tags.update(item.tags)
        feedback = item.feedback if isinstance(item, GenerationRecord) else None
        children: tuple[Record, ...] = (*item.scores, *item.attachments)
        for child in children:
            batch.add(child)
            batch.tags.update(getattr(child, "tags", None) or ())
        if feedback is not None:
            _gather(batch, feedback, now)
        if item.scores or item.attachments or feedback is not None:
            item = revised(item, scores=(), attachments=())
            if isinstance(item, GenerationRecord):
                fill(item, feedback=None)
        batch.add(item)
        if item.thread_id:
            _imply_thread(batch, item, moment)
    else:
        batch.tags.update(getattr(item, "tags", None) or ())
        batch.add(item)
    user = getattr(item, "user_id", None)
    if user:
        _imply_participant(batch, user, moment)


def _imply_thread(batch: Batch, item: GenerationRecord | StepRecord, moment: dt.datetime) -> None:
    assert item.thread_id is not None
    ends = item.ended_at if item.ended_at is not None and item.ended_at > moment else moment
    implied = batch.implied["thread"]
    there = implied.get(item.thread_id)
    if there is None:
        implied[item.thread_id] = ThreadRecord(
            id=item.thread_id,
            user_id=item.user_id,
            environment=item.environment,
            started_at=moment,
            last_activity_at=ends,
        )
        return
    if there.user_id is None and item.user_id is not None:
        fill(there, user_id=item.user_id)
    if there.environment is None and item.environment is not None:
        fill(there, environment=item.environment)
    if moment < there.started_at:
        fill(there, started_at=moment)
    if ends > there.last_activity_at:
        fill(there, last_activity_at=ends)


def _imply_participant(batch: Batch, id: str, moment: dt.datetime) -> None:
    implied = batch.implied["participant"]
    there = implied.get(id)
    if there is None or there.seen_at < moment:
        implied[id] = ParticipantRecord(id=id, seen_at=moment)


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


# ------------------------------------------------------------------------------------------------------------ merging
def merged(
    batch: Batch, found: Found, now: dt.datetime, ready: Callable[[Any], Merged | None]
) -> dict[str, list[Merged]]:
    """Each record of the batch merged with what is stored of it and completed, by kind, in the order of the ids.

    Of a new one, what `ready` has of it already.
    """

    def price(record: GenerationRecord) -> pricing.Price | None:
        return pricing.price(record, found.prices)

    return {
        kind: [
            (ready(items[id]) if (known := found.rows[kind].get(id)) is None else None)
            or _merged(TABLES[kind], items[id], known, price, now)
            for id in sorted(items)
        ]
        for kind, items in batch.told.items()
    }


def as_new(table: Table, record: Any, prices: Sequence[pricing.Override], now: dt.datetime) -> Merged:
    """A record completed as it stands if nothing is stored of it."""
    return _merged(table, record, None, lambda one: pricing.price(one, prices), now)


def named(batch: Batch, found: Found, now: dt.datetime) -> dict[str, list[Merged]]:
    """The threads and participants that others only named, as they stand if they are new, in the order of the ids.

    Without those whose rows say as much already.
    """
    return {
        kind: [_merged(TABLES[kind], some[id], None, _no_price, now) for id in sorted(some.keys() - found.wide[kind])]
        for kind, some in batch.implied.items()
    }


def _no_price(record: GenerationRecord) -> None:
    """Nothing else than generations costs anything."""


def _merged(table: Table, new: Any, old: Known | None, price: derive.Pricing, now: dt.datetime) -> Merged:
    if old is None:
        record, extra = derive.complete(new, new, None, {}, price, now)
        return Merged(record, None, extra, writes_alternatives=bool(new_alternatives(record)))
    whole = records.merge(derive.without_stale(old.record, new), new)
    record, extra = derive.complete(whole, new, old.record, dict(old.extra), price, now)
    fill(record, cleared=frozenset())
    row = Merged(record, old, extra)
    row.is_changed = record != old.record
    if table.is_partitioned:
        row.writes_payload = old.has_payload and (
            row.has_moved or _differ(record, old.record, records.payload_fields(table.record))
        )
        row.writes_alternatives = (
            table is GENERATIONS
            and old.has_alternatives
            and (row.has_moved or record.alternatives != old.record.alternatives)
        )
    return row


def new_alternatives(record: Any) -> Any:
    """The alternatives of a new row, if it is of a kind that has some."""
    return record.alternatives if isinstance(record, GenerationRecord) else None


def _differ(one: Any, other: Any, names: Collection[str]) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in names)
