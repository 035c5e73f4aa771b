"""Many calls in little time: the first ones through `recording.record`, the past before them as copies in SQL."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection

from bench.calls import A_DAY, UNTIL, calls
from generations import access, partitions, recording, records, rollups
from generations.access import Grant
from generations.models import Project, User

FIRST: Final = 10_000
MOST_TEXTS: Final = 1_000_000
_NAME, _OWNER = "Bench", "bench"
_SAFE: Final = ("fsync", "full_page_writes")
_BATCH: Final = 1_000


def filled(number: int, days: float | None = None, a_day: int | None = None) -> tuple[Grant, float]:
    """The owner's grant of a project with so many calls, which is filled unless it was before; and how many seconds
    its rollups took."""
    found = Project.objects.filter(name=_NAME).first()
    if found is not None:
        return access.by_user(User.objects.get(username=_OWNER), found.slug), 0.0
    owner = User.objects.create_superuser(_OWNER)
    grant = access.by_user(owner, access.create_project(_NAME, owner).slug)
    record_first(grant.project, days or FIRST / A_DAY)
    return grant, grow(grant.project, number, a_day or A_DAY)


def record_first(project: Project, days: float = FIRST / A_DAY) -> None:
    """Store the newest FIRST calls as the doors would, over so many days."""
    for start in range(0, FIRST, _BATCH):
        batch = list(calls(start, start + _BATCH))
        recording.record(project, [_earlier(call, days * A_DAY / FIRST) for call in batch])
    roll_up()
    settle()


def _earlier(call: records.GenerationRecord, times: float) -> records.GenerationRecord:
    """`call`, so many times as long ago."""
    assert call.started_at is not None and call.ended_at is not None
    back = (UNTIL - call.started_at) * (times - 1)
    return records.revised(call, started_at=call.started_at - back, ended_at=call.ended_at - back)


def grow(project: Project, number: int, a_day: int = A_DAY) -> float:
    """Put `number - FIRST` more calls before and among them, so that there are `a_day`: the same calls again, with ids
    of their own, further in the past.

    Indexes are made at the end. Beyond MOST_TEXTS calls, one stretch of FIRST in so many has texts as to come to about
    that number: texts are most of the disk, and no list reads those of other calls than its own. Returns how many
    seconds it took to make the rollups of all.
    """
    columns = {table: _columns(table) for table in _CHANGED}
    denser = a_day // A_DAY
    every = max(1, number // MOST_TEXTS)
    with connection.cursor() as cursor, _careless(cursor):
        indexes = _drop_indexes(cursor)
        cursor.execute("CREATE TEMP TABLE first AS SELECT uid, public_id, started_at FROM generation")
        cursor.execute("CREATE TEMP TABLE copy (uid uuid, public_id text, new_uid uuid, new_id text, back interval)")
        cursor.execute("SELECT uid, public_id, started_at FROM first")
        first = cursor.fetchall()
        for turn in range(1, number // FIRST):
            stretch, among = divmod(turn, denser)
            back = dt.timedelta(days=stretch * FIRST / A_DAY + among / denser / A_DAY)
            partitions.ensure({partitions.month_of(started_at - back) for _, _, started_at in first})
            cursor.execute("TRUNCATE copy")
            with cursor.copy("COPY copy FROM STDIN") as copy:
                for uid, public_id, _ in first:
                    new_id = f"call-{turn * FIRST + int(public_id.removeprefix('call-')):09}"
                    copy.write_row((uid, public_id, records.uid(project.pk, "generation", new_id), new_id, back))
            cursor.execute("ANALYZE copy")
            for table, names in columns.items():
                if table != "generation_payload" or turn % every == 0:
                    _copy(cursor, table, names)
        cursor.execute("DROP TABLE first, copy")
        for index in indexes:
            cursor.execute(index)
    settle()
    rollups.rebuild(project)
    took = roll_up()
    settle()
    return took


@contextmanager
def _careless(cursor: Any) -> Iterator[None]:
    """What is written inside is on disk only at the end: a crash would cost no more than the filling."""
    for name in _SAFE:
        cursor.execute(f"ALTER SYSTEM SET {name} TO off")
    cursor.execute("SELECT pg_reload_conf()")
    cursor.execute("SET synchronous_commit TO off; SET maintenance_work_mem TO '1GB'")
    yield
    for name in _SAFE:
        cursor.execute(f"ALTER SYSTEM RESET {name}")
    cursor.execute("SELECT pg_reload_conf()")
    cursor.execute("RESET synchronous_commit; RESET maintenance_work_mem")


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop the indexes of what is copied but for the keys; the statements that make them again."""
    cursor.execute(
        "SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index"
        " WHERE indrelid = ANY(%s::regclass[]) AND NOT indisunique",
        [list(_CHANGED)],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    return [made for _, made in found]


def roll_up() -> float:
    """What the worker would have done by the time anyone asks; how many seconds it took."""
    began = time.perf_counter()
    rollups.compact(seconds=math.inf)
    return time.perf_counter() - began


def settle() -> None:
    """What autovacuum would have done by the time anyone asks."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = 'public' "
            "ORDER BY ordinal_position",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


_CHANGED: Final[dict[str, dict[str, str]]] = {
    "generation": {
        "uid": "c.new_uid",
        "public_id": "c.new_id",
        "started_at": "t.started_at - c.back",
        "ended_at": "t.ended_at - c.back",
        "thread_id": "c.new_id",
    },
    "generation_payload": {"uid": "c.new_uid", "started_at": "t.started_at - c.back"},
    "alternative": {
        "uid": "gen_random_uuid()",
        "generation_uid": "c.new_uid",
        "started_at": "t.started_at - c.back",
    },
    "score": {
        "uid": "gen_random_uuid()",
        "public_id": "'score-' || c.new_id",
        "generation_id": "c.new_id",
        "created_at": "t.created_at - c.back",
    },
    "feedback": {
        "uid": "gen_random_uuid()",
        "public_id": "'said-' || c.new_id",
        "generation_id": "c.new_id",
        "created_at": "t.created_at - c.back",
    },
}
_JOINED: Final = {
    "generation": "t.uid = c.uid",
    "generation_payload": "t.uid = c.uid",
    "alternative": "t.generation_uid = c.uid",
    "score": "t.generation_id = c.public_id",
    "feedback": "t.generation_id = c.public_id",
}


def _copy(cursor: Any, table: str, names: list[str]) -> None:
    values = ", ".join(_CHANGED[table].get(name, f't."{name}"') for name in names)
    target = ", ".join(f'"{name}"' for name in names)
    # Only the first ones are copied: their partitions alone are read.
    since = "AND t.started_at >= (SELECT min(started_at) FROM first)" if "started_at" in names else ""
    cursor.execute(
        f"INSERT INTO {table} ({target}) SELECT {values} FROM {table} t JOIN copy c ON {_JOINED[table]} {since}"
    )
