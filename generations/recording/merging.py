"""A batch in, what is to be written out: records sorted by kind, with what they imply, merged with what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from generations import pricing, records
from generations.recording import derive
from generations.recording.looking import Found, Known
from generations.recording.tables import GENERATIONS, TABLES, Table
from generations.records import GenerationRecord, ParticipantRecord, Record, StepRecord, ThreadRecord, fill, revised

_EVENTS: Final = ("step", "generation")


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
    """A record as it is to stand, beside what stood. Made of what was said by and by: of most, only the row is used."""

    said: Any
    """The record, merged with what stood, without what follows from it."""
    known: Known | None
    follows: dict[str, Any] = field(default_factory=dict)
    """Its fields that follow from the others."""
    extra: dict[str, Any] = field(default_factory=dict)
    """The columns that are no fields of it."""
    is_changed: bool = True
    writes_payload: bool = True
    writes_alternatives: bool = True
    facts: Sequence[Any] | None = None
    """The row of facts, and that of the payload, where they were made before."""
    payload: Sequence[Any] | None = None
    _whole: Any = None

    @property
    def id(self) -> str:
        """What the caller calls it."""
        id: str = self.said.id
        return id

    @property
    def started_at(self) -> dt.datetime:
        """When it starts, of what does."""
        start: dt.datetime = self.follows.get("started_at", self.said.started_at)
        return start

    @property
    def record(self) -> Any:
        """The whole record."""
        if self._whole is None:
            self._whole = revised(self.said, **self.follows) if self.follows else self.said
        return self._whole

    @property
    def has_moved(self) -> bool:
        """Whether it starts at another time than it did."""
        return self.known is not None and self.known.record.started_at != self.started_at


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
                    # Where it says no time its row may: see `_widen`.
                    _imply_participant(batch, thread.user_id, thread.last_activity_at or thread.started_at)
    return batch


def _gather(batch: Batch, item: Record, now: dt.datetime) -> None:
    moment: dt.datetime | None
    if isinstance(item, (GenerationRecord, StepRecord)):
        moment = item.started_at  # where a part says none, its row may: see `widen`
        if item.tags:
            batch.tags.update(item.tags)
        feedback = item.feedback if isinstance(item, GenerationRecord) else None
        if item.scores or item.attachments or feedback is not None:
            children: tuple[Record, ...] = (*item.scores, *item.attachments)
            for child in children:
                batch.add(child)
                batch.tags.update(getattr(child, "tags", None) or ())
            if feedback is not None:
                _gather(batch, feedback, now)
            item = revised(item, scores=(), attachments=())
            if isinstance(item, GenerationRecord):
                fill(item, feedback=None)
        batch.add(item)
        if item.thread_id:
            _imply_thread(batch, item, moment)
        user = item.user_id
    else:
        moment = getattr(item, "created_at", None) or now
        batch.tags.update(getattr(item, "tags", None) or ())
        batch.add(item)
        user = None if isinstance(item, ThreadRecord) else getattr(item, "user_id", None)
    if user:
        _imply_participant(batch, user, moment)


def _imply_thread(batch: Batch, item: GenerationRecord | StepRecord, moment: dt.datetime | None) -> None:
    assert item.thread_id is not None
    ends = item.ended_at if moment is None or (item.ended_at is not None and item.ended_at > moment) else moment
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
    if moment is not None and (there.started_at is None or moment < there.started_at):
        fill(there, started_at=moment)
    if ends is not None and (there.last_activity_at is None or ends > there.last_activity_at):
        fill(there, last_activity_at=ends)


def _imply_participant(batch: Batch, id: str, moment: dt.datetime | None) -> None:
    implied = batch.implied["participant"]
    there = implied.get(id)
    if there is None:
        implied[id] = ParticipantRecord(id=id, seen_at=moment)
    elif moment is not None and (there.seen_at is None or there.seen_at < moment):
        fill(there, seen_at=moment)


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

    price = partial(_price, found.prices)

    def of(kind: str) -> list[Merged]:
        items = batch.told[kind]
        return [
            (ready(items[id]) if (known := found.rows[kind].get(id)) is None else None)
            or _merged(TABLES[kind], items[id], known, price, now)
            for id in sorted(items)
        ]

    events = {kind: of(kind) for kind in _EVENTS}
    _widen(batch, found, events, now)
    return {kind: events[kind] if kind in events else of(kind) for kind in batch.told}


def _widen(batch: Batch, found: Found, rows: Mapping[str, Iterable[Merged]], now: dt.datetime) -> None:
    """Let threads and participants have what the part of a call or step that names them did not say, from its row as it
    is by now: its times, and of a thread its user."""
    whole = Batch()
    for kind, some in rows.items():
        for row in some:
            if row.known is None and row.said.started_at is not None:
                continue
            told = batch.told[kind][row.id]
            is_first = row.known is not None and told.thread_id != row.known.record.thread_id
            if told.thread_id and (is_first or told.started_at is None):
                _imply_thread(whole, row.record, row.started_at)
            if told.user_id and told.started_at is None:
                _imply_participant(whole, told.user_id, row.started_at)
    for id, thread in batch.told["thread"].items():
        if thread.user_id and not (thread.last_activity_at or thread.started_at):
            known = found.rows["thread"].get(id)
            _imply_participant(whole, thread.user_id, now if known is None else known.record.last_activity_at)
    for kind, named in whole.implied.items():
        for items in (batch.told[kind], batch.implied[kind]):
            items.update({id: _filled(items[id], wider) for id, wider in named.items() if id in items})
        found.wide[kind] -= named.keys()


def as_new(items: Iterable[Any], prices: Sequence[pricing.Override], now: dt.datetime) -> list[Merged]:
    """These records as they stand if nothing is stored of them."""
    price = partial(_price, prices)
    return [_new(item, price, now) for item in items]


def named(batch: Batch, found: Found, now: dt.datetime) -> dict[str, list[Merged]]:
    """The threads and participants that others only named, as they stand if they are new, in the order of the ids.

    Without those whose rows say as much already.
    """
    return {
        kind: [_new(some[id], _no_price, now) for id in sorted(some.keys() - found.wide[kind])]
        for kind, some in batch.implied.items()
    }


def _price(
    prices: Sequence[pricing.Override], record: GenerationRecord, told: Mapping[str, Any]
) -> pricing.Price | None:
    return pricing.price(record, prices, told)


def _no_price(record: GenerationRecord, told: Mapping[str, Any]) -> None:
    """Nothing else than generations costs anything."""


def _new(record: Any, price: derive.Pricing, now: dt.datetime) -> Merged:
    follows, extra = derive.following(record, record, None, {}, price, now)
    alternatives = record.alternatives if type(record) is GenerationRecord else None
    return Merged(record, None, follows, extra, writes_alternatives=bool(alternatives))


def _merged(table: Table, new: Any, old: Known | None, price: derive.Pricing, now: dt.datetime) -> Merged:
    if old is None:
        return _new(new, price, now)
    whole = records.merge(derive.without_stale(old.record, new), new)
    follows, extra = derive.following(whole, new, old.record, dict(old.extra), price, now)
    record = revised(whole, **follows, cleared=frozenset())
    row = Merged(record, old, {}, extra)
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


def _differ(one: Any, other: Any, names: Collection[str]) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in names)
