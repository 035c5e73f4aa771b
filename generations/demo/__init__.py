"""A believable week of a small shop's assistant, the same for the same arguments, recorded like any other, and what its
people keep beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from django.utils import timezone

from generations import recording
from generations.access import Grant, Scope
from generations.demo.calls import Caller
from generations.demo.chores import chore
from generations.demo.rooms import furnish, prompted
from generations.demo.support import conversation
from generations.demo.week import Week
from generations.records import KINDS, GenerationRecord, ParticipantRecord, Record

DEFAULT_GENERATIONS: Final = 1_500
DEFAULT_DAYS: Final = 7
MAX_DAYS: Final = 3_660
BATCH: Final = 1_000
DISLIKED: Final = 12
"""Calls that are put into a dataset and a queue because a customer did not like the answer."""
_CONVERSATIONS: Final = 0.42
"""Share of what happens that is a conversation; each of them makes several calls."""


@dataclass(slots=True)
class Seeded:
    """How many records of each kind were recorded, and how many of those were there already; the first ids of calls
    with a thumb down."""

    generations: int = 0
    known: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    disliked: list[str] = field(default_factory=list)


def seed(
    grant: Grant,
    *,
    generations: int = DEFAULT_GENERATIONS,
    days: int = DEFAULT_DAYS,
    now: dt.datetime | None = None,
    number: int = 1,
    progress: Callable[[Seeded], None] = lambda seeded: None,
) -> Seeded:
    """Record so many calls, spread over the `days` before `now` (the last full hour), in batches, and furnish the
    project's other rooms.

    The same arguments record the same ids, so that doing it twice adds nothing. Needs the scope `write`; raises
    ValueError for numbers out of range.
    """
    grant.need(Scope.WRITE)
    now = (now or timezone.now()).astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    records = week(generations, days=days, now=now, number=number)
    prompted(grant, now - dt.timedelta(days=days), days)
    seeded = Seeded()
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) >= BATCH:
            _store(grant, batch, seeded)
            progress(seeded)
            batch = []
    _store(grant, batch, seeded)
    progress(seeded)
    furnish(grant, seeded.disliked)
    return seeded


def week(generations: int, *, days: int, now: dt.datetime, number: int) -> Iterator[Record]:
    """The records, oldest first, made one after another: any number of them takes little memory. Raises ValueError."""
    if generations < 1:
        raise ValueError(f"generations: {generations} is not valid; expected at least 1")
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"days: {days} is not valid; expected 1 to {MAX_DAYS}")
    return _happening(generations, Week(now, days), f"{number}/{generations}/{days}/{now.isoformat()}")


def _happening(generations: int, week: Week, key: str) -> Iterator[Record]:
    caller = Caller(week, key, max(40, generations // 25))
    seen: set[str] = set()
    made = 0
    while made < generations:
        start = caller.week.at(made / generations)
        happens = conversation if caller.chance.random() < _CONVERSATIONS else chore
        for record in happens(caller, start):
            if isinstance(record, ParticipantRecord):
                if record.id in seen:
                    continue
                seen.add(record.id)
            if isinstance(record, GenerationRecord):
                if made >= generations:
                    continue
                made += 1
            yield record


def _store(grant: Grant, batch: list[Record], seeded: Seeded) -> None:
    for record in batch:
        feedback = record.feedback if isinstance(record, GenerationRecord) else None
        if feedback is not None and feedback.thumbs == "down" and len(seeded.disliked) < DISLIKED:
            seeded.disliked.append(record.id or "")
    for receipt in recording.record(grant.project, batch):
        if receipt.state == "rejected":
            raise ValueError(f"{receipt.kind} {receipt.id} of the demonstration was rejected: {receipt.reason}")
        seeded.kinds[receipt.kind] = seeded.kinds.get(receipt.kind, 0) + 1
        # A thread or user that a batch before only named is merged now: new all the same.
        seeded.known += receipt.state == "unchanged"
        seeded.generations += receipt.kind == KINDS[GenerationRecord]
