"""Many calls in little time: the first ones through `recording.record`, the past before them as copies in SQL."""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from django.db import connection, connections

from bench.calls import A_DAY, UNTIL, calls
from generations import access, identities, partitions, recording, records, rollups
from generations.access import Grant
from generations.models import Project, User

T = TypeVar("T")

FIRST: Final = 10_000
MOST_TEXTS: Final = 1_000_000
_NAME, _OWNER = "Bench", "bench"
_SAFE: Final = ("fsync", "full_page_writes", "autovacuum")
_BATCH: Final = 1_000
_AT_ONCE: Final = 2
"""Connections that fill: as many as there are processors."""


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
    with connection.cursor() as cursor:
        cursor.execute("SELECT uid::text, public_id, started_at FROM generation ORDER BY started_at")
        first = cursor.fetchall()
        for table in columns:
            cursor.execute(f"CREATE UNLOGGED TABLE first_{table} AS TABLE {table}; ANALYZE first_{table}")

    def back(turn: int) -> dt.timedelta:
        stretch, among = divmod(turn, denser)
        return dt.timedelta(days=stretch * FIRST / A_DAY + among / denser / A_DAY)

    def fill(cursor: Any, turn: int) -> None:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS copy (uid uuid, public_id text, new_uid uuid, new_id text)")
        cursor.execute("TRUNCATE copy")
        ids = ((one, id, f"call-{turn * FIRST + int(id.removeprefix('call-')):09}") for one, id, _ in first)
        with cursor.copy("COPY copy FROM STDIN") as copy:
            copy.write(
                "".join(
                    f"{one}\t{id}\t{identities.uid_text(project.pk, 'generation', new)}\t{new}\n"
                    for one, id, new in ids
                )
            )
        cursor.execute("ANALYZE copy")
        for table, names in columns.items():
            if table != "generation_payload" or turn % every == 0:
                _copy(cursor, table, names, back(turn))

    turns = range(1, number // FIRST)
    partitions.ensure({partitions.month_of(at - back(turn)) for turn in turns for _, _, at in (first[0], first[-1])})
    with careless(), without_indexes(_CHANGED):
        at_once(turns, fill)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {', '.join(f'first_{table}' for table in columns)}")
    settle()
    rollups.rebuild(project)
    took = roll_up()
    settle()
    return took


@contextmanager
def careless() -> Iterator[None]:
    """What is written inside is on disk only at the end: a crash would cost no more than the filling."""
    with connection.cursor() as cursor:
        for name in _SAFE:
            cursor.execute(f"ALTER SYSTEM SET {name} TO off")
        cursor.execute("SELECT pg_reload_conf()")
        yield
        for name in _SAFE:
            cursor.execute(f"ALTER SYSTEM RESET {name}")
        cursor.execute("SELECT pg_reload_conf()")


@contextmanager
def without_indexes(tables: Collection[str]) -> Iterator[None]:
    """The indexes of these tables but for their keys are not there inside, and made at the end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[]) AND NOT indisunique",
            [list(tables)],
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP INDEX {name}")
    yield
    at_once([made for _, made in found], lambda cursor, made: cursor.execute(made))


def at_once(tasks: Iterable[T], work: Callable[[Any, T], object]) -> None:
    """Do `work` with each of these and a cursor, on _AT_ONCE connections; the one of a thread is its own."""
    waiting, guard, here = iter(tasks), threading.Lock(), connections["default"]
    failed: list[BaseException] = []

    def run() -> None:
        connections["default"] = here.copy()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET synchronous_commit TO off; SET maintenance_work_mem TO '1GB'")
                while not failed:
                    with guard:
                        task = next(waiting, None)
                    if task is None:
                        return
                    work(cursor, task)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]


def roll_up() -> float:
    """What the worker would have done by the time anyone asks; how many seconds it took."""
    began = time.perf_counter()
    at_once(range(_AT_ONCE), lambda cursor, _: rollups.compact(seconds=math.inf))
    return time.perf_counter() - began


def settle() -> None:
    """What autovacuum would have done by the time anyone asks."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, PROCESS_TOAST FALSE)")
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
        "started_at": "t.started_at - %(back)s::interval",
        "ended_at": "t.ended_at - %(back)s::interval",
        "thread_id": "c.new_id",
    },
    "generation_payload": {"uid": "c.new_uid", "started_at": "t.started_at - %(back)s::interval"},
    "alternative": {
        "uid": "gen_random_uuid()",
        "generation_uid": "c.new_uid",
        "started_at": "t.started_at - %(back)s::interval",
    },
    "score": {
        "uid": "gen_random_uuid()",
        "public_id": "'score-' || c.new_id",
        "generation_id": "c.new_id",
        "created_at": "t.created_at - %(back)s::interval",
    },
    "feedback": {
        "uid": "gen_random_uuid()",
        "public_id": "'said-' || c.new_id",
        "generation_id": "c.new_id",
        "created_at": "t.created_at - %(back)s::interval",
    },
}
_JOINED: Final = {
    "generation": "t.uid = c.uid",
    "generation_payload": "t.uid = c.uid",
    "alternative": "t.generation_uid = c.uid",
    "score": "t.generation_id = c.public_id",
    "feedback": "t.generation_id = c.public_id",
}


def _copy(cursor: Any, table: str, names: list[str], back: dt.timedelta) -> None:
    values = ", ".join(_CHANGED[table].get(name, f't."{name}"') for name in names)
    target = ", ".join(f'"{name}"' for name in names)
    cursor.execute(
        f"INSERT INTO {table} ({target}) SELECT {values} FROM first_{table} t JOIN copy c ON {_JOINED[table]}",
        {"back": back},
    )
