"""Empties months of text in which everything is due, in every project that has rows there: at once, a table at a time.

Emptied and not dropped: a late record of that month finds its partition, and disk space is free at once all the same.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, connection, transaction
from psycopg.errors import LockNotAvailable, QueryCanceled

from generations import access, at_once, partitions
from generations.at_once import Statement
from generations.models import Kept, Project
from generations.retention.rules import Due, What, all_due_before, is_overtaken, meanings, unless

MOST_HELD: Final = 0.1
"""The seconds that anything here, or a batch of `expiring`, may hold its locks."""
MOST_WORKED: Final = 0.5 * MOST_HELD
"""Of which its statements may take so much: what is left is for the commit, and for whoever else has the processor."""
MOST_WAITED: Final = 0.3 * MOST_HELD
"""The seconds that a commit may take lately where the lock is held until it is on disk."""
TRIES: Final = 20
PAUSE: Final = 0.5
"""How often emptying a month is tried where somebody reads or the disk is busy, and the seconds between."""
_TEXT_TABLES: Final[dict[str, tuple[str, ...]]] = {
    Kept.GENERATIONS: ("generation_payload", "alternative", "generation_search"),
    Kept.STEPS: ("step_payload",),
}


@dataclass(frozen=True, slots=True)
class Emptied:
    """A table of a month that was emptied: `seconds` is how long it was locked, and for the payloads, which come last,
    `count` is how many the project had."""

    month: dt.date
    seconds: float
    count: int | None


def empty_months(
    project: Project,
    kind: str,
    texts: list[Due],
    now: dt.datetime,
    noted: Callable[[dt.date, int], Sequence[Statement]],
) -> Iterator[Emptied]:
    """Empty the months of a list in which the text of everything is due by these rules, and by those of the others.

    What is `noted` of a month and how many payloads the project has there is done in the transaction that empties them.
    """
    payloads = _TEXT_TABLES[kind][0]
    for name, end in _partitions(payloads):
        if not _is_all_due(project.pk, kind, texts, end):
            continue
        there = _holders(name)
        if project.pk not in there or not _are_all_due(_ruled(there, kind, now), kind, end):
            continue
        counts = {pk: _count(name, pk) for pk in there}
        # One after the other, so that each is locked for no longer than it takes itself; the payloads last, for by
        # them the next run sees what this one did not come to.
        for table in reversed(_TEXT_TABLES[kind]):
            told = counts if table == payloads else {}
            month = _month_of(name)
            notes = noted(month, counts[project.pk]) if told else ()
            held = _tried(name.replace(payloads, table), kind, end, now, told, notes)
            if held is None:
                break
            yield Emptied(month, held, told.get(project.pk))


def _tried(
    table: str, kind: str, end: dt.datetime, now: dt.datetime, counts: dict[int, int], notes: Sequence[Statement]
) -> float | None:
    """Empty a partition; the audit of each project in `counts` tells it. Returns how long it was locked.

    None, and nothing done, when some project keeps something there, or when nobody could be sure not to wait: somebody
    reads for long, or the disk is busy. The batches go on without it, or the next run does.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        # Files are only given back once that is on disk, and until then the partition is locked.
        if commit_takes() <= MOST_WAITED:
            try:
                return _emptied(table, kind, end, now, counts, notes)
            except DatabaseError as error:
                # Other rows, rules or holds are looked at anew.
                if not is_overtaken(error) and not isinstance(error.__cause__, (LockNotAvailable, QueryCanceled)):
                    raise
    return None


def commit_takes() -> float:
    """The seconds that it takes just now until something small is on disk."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'generations', '')")
    return time.monotonic() - began


def _emptied(
    table: str, kind: str, end: dt.datetime, now: dt.datetime, counts: dict[int, int], notes: Sequence[Statement]
) -> float | None:
    """The same at once, or an error that says why not: the rules, holds and rows that it goes by stand to the end."""
    projects = list(Project.objects.order_by("pk").values_list("pk", flat=True))
    there = partitions.holders(table, projects)
    ruled = _ruled(there, kind, now)
    if not _are_all_due(ruled, kind, end):
        return None
    with transaction.atomic():
        for project in Project.objects.filter(pk__in=counts):
            month = {"month": table[-6:], "list": kind, "count": counts[project.pk]}
            access.audit(access.of_system(project), "retention.empty", "month", "", month)
        began = time.monotonic()
        # In one message, the commit too, so that nobody waits for this process to be given a processor. Who waits for
        # this lock lets nobody past: half of the time is for waiting.
        message: list[Statement] = [
            _CLOCK,
            ("SET LOCAL synchronous_commit = off", ()),
            (f"SET LOCAL lock_timeout = '{int(500 * MOST_HELD)}ms'", ()),
            *(statement for texts in ruled.values() for statement in texts[0].standing),
            *notes,
            (f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE', ()),
            _CLOCK,
            (f"SET LOCAL statement_timeout = {max(1, int(1000 * MOST_WORKED))}", ()),
            _nobody_but(table, there, projects),
            (f'TRUNCATE "{table}"', ()),
            # Inside of another transaction, which goes on.
            ("SET LOCAL statement_timeout = DEFAULT", ()),
            ("SET LOCAL lock_timeout = DEFAULT", ()),
        ]
        answers = at_once.send(message, ends=True)
    asked, locked = (answer[0][0] for said, answer in zip(message, answers, strict=True) if said is _CLOCK)
    return time.monotonic() - began - float(locked - asked)


_CLOCK: Final[Statement] = ("SELECT extract(epoch FROM clock_timestamp())::float8", ())


def _nobody_but(table: str, there: list[int], projects: list[int]) -> Statement:
    """What fails unless these are the projects that there are, and only those that are there have rows in a table."""
    rows = [f'SELECT FROM "{table}" WHERE project_id = {pk:d}' for pk in projects if pk not in there]
    known = f"SELECT FROM project WHERE id <> ALL('{{{','.join(map(str, projects))}}}'::bigint[])"
    return unless(" OR ".join(f"EXISTS ({sql})" for sql in (known, *rows)))


def _ruled(projects: list[int], kind: str, now: dt.datetime) -> dict[int, list[Due]]:
    return {pk: meanings(pk, kind, What.TEXT, now) for pk in projects}


def _are_all_due(ruled: dict[int, list[Due]], kind: str, end: dt.datetime) -> bool:
    return all(_is_all_due(pk, kind, texts, end) for pk, texts in ruled.items())


def _is_all_due(project_pk: int, kind: str, texts: list[Due], end: dt.datetime) -> bool:
    """Whether every row of the project that began before `end` has to lose its text."""
    before = all_due_before(project_pk, kind, texts)
    return before is not None and before >= end


def _partitions(table: str) -> list[tuple[str, dt.datetime]]:
    """The partitions of a table and the moments that they end before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = %s::regclass ORDER BY relname",
            [table],
        )
        names = [str(row[0]) for row in cursor.fetchall()]
    return [(name, moment(partitions.next_month(_month_of(name)))) for name in names]


def _month_of(name: str) -> dt.date:
    return dt.datetime.strptime(name[-6:], "%Y%m").replace(tzinfo=dt.UTC).date()


def _count(table: str, project_pk: int) -> int:
    """How many rows of a project there are in a partition; read off its key."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}" WHERE project_id = %s', [project_pk])  # noqa: S608
        return int(cursor.fetchone()[0])


def _holders(table: str) -> list[int]:
    return partitions.holders(table, list(Project.objects.values_list("pk", flat=True)))


def moment(day: dt.date) -> dt.datetime:
    """The beginning of a day, UTC."""
    return dt.datetime.combine(day, dt.time.min, dt.UTC)
