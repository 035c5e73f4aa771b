"""How the installation itself is doing: what waits, what fills the disk, what is slow, which connections are in use.

Of all projects at once: for operators, never for a key of one project.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.utils import timezone
from psycopg.errors import ObjectNotInPrerequisiteState

from generations import counting
from generations.models import Project

T = TypeVar("T")
GLANCE: Final = 30.0
"""For how many seconds an answer that costs more than a look at a counter is given again."""
TOLD_EVERY: Final = 5.0
"""Seconds from one time that a process tells of its pool to the next."""
IN_DATA_DIR: Final = ("gateway", "media", "postgres", "queue", "scheduled", "unfinished")
"""The folders in DATA_DIR. Each may be a disk of its own."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs of a kind that wait or are worked on. `oldest` is when the first of them was made."""

    kind: str
    state: str
    count: int
    oldest: dt.datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """Jobs of a kind that failed within a day, and what the last of them said."""

    kind: str
    count: int
    last: dt.datetime
    said: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that a table takes, indexes and long values included; of one month, YYYYMM, where it is kept by months.

    `rows` is what the database counted last, unknown until it has.
    """

    table: str
    month: str | None
    size: int
    rows: int | None


@dataclass(frozen=True, slots=True)
class Share:
    """What a project takes of the tables of events: estimated by its share of each month's generations."""

    project: str
    generations: int
    size: int


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections of the database, and of the pools of all web processes; `waiting` are requests that wait for one."""

    used: int
    most: int
    pooled: int
    free: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Slow:
    """A statement, without its values, and what it cost since the counters were last set back. Times in ms."""

    id: str
    """What PostgreSQL calls it: the same as long as the tables are."""
    statement: str
    calls: int
    mean: float
    total: float


@dataclass(frozen=True, slots=True)
class Incoming:
    """What came in by one door, all projects: items of the last minute, hour and day, and those refused in a day."""

    door: str
    minute: int
    hour: int
    day: int
    refused: int


@dataclass(frozen=True, slots=True)
class Refusing:
    """A project of which items were refused within a day, how many, and when the last of them."""

    slug: str
    name: str
    refused: int
    last: dt.datetime


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the file system that a folder is on."""

    folder: Path
    free: int
    size: int


def glanced(found: Callable[[], T]) -> Callable[[], T]:
    """Let a question be answered at most every `GLANCE` seconds by each process, however often it is asked."""
    kept: list[tuple[float, T]] = []

    @wraps(found)
    def again() -> T:
        now = time.monotonic()
        if not kept or now - kept[0][0] > GLANCE:
            kept[:] = [(now, found())]
        return kept[0][1]

    return again


def parts(supervisor: int | None = None) -> dict[str, str]:
    """The processes of this installation as its supervisor sees them: "ready", "starting" or "restarting".

    Empty where `manage.py up` does not run, or is not the process `supervisor`.
    """
    found: dict[str, str] = _supervised(supervisor).get("parts", {})
    return found


def address() -> str:
    """Where people reach what runs with this folder now; empty where `manage.py up` does not run, or has no web."""
    return str(_supervised().get("address", ""))


def _supervised(supervisor: int | None = None) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(settings.STATE_FILE.read_text())
        if supervisor not in (None, told["supervisor"]):
            return {}
        os.kill(told["supervisor"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except PermissionError:
        # It is another user's, and so it is there.
        pass
    return told


def queues() -> list[Queue]:
    """Jobs that are not done, by kind and state. Reads the index of open jobs alone."""
    return [
        Queue(*row)
        for row in _rows(
            "SELECT kind, state, count(*), min(created_at) FROM job WHERE state IN ('queued', 'running')"
            " GROUP BY 1, 2 ORDER BY 1, 2"
        )
    ]


@glanced
def failed() -> list[Failed]:
    """Jobs that failed within the last day, by kind."""
    return [
        Failed(*row)
        for row in _rows(
            "SELECT kind, count(*), max(finished_at), (array_agg(error ORDER BY finished_at DESC))[1] FROM job"
            " WHERE state = 'failed' AND finished_at > now() - interval '1 day' GROUP BY 1 ORDER BY 1"
        )
    ]


def incoming() -> list[Incoming]:
    """What came in of late, by door, the busiest first. Counts are written every few seconds."""
    return [
        Incoming(*row)
        for row in _rows(
            "SELECT door, coalesce(sum(items) FILTER (WHERE minute > now() - interval '2 minutes'"
            " AND minute <= now() - interval '1 minute'), 0)::bigint,"
            " coalesce(sum(items) FILTER (WHERE minute > now() - interval '1 hour'), 0)::bigint,"
            " sum(items)::bigint, sum(refused)::bigint"
            " FROM intake WHERE minute > now() - interval '1 day' GROUP BY door ORDER BY 4 DESC, 1"
        )
    ]


def refusing(most: int = 10) -> list[Refusing]:
    """Whose items are refused, of late: at most so many projects, those with the most first."""
    return [
        Refusing(*row)
        for row in _rows(
            "SELECT project.slug, project.name, sum(refused)::bigint AS refused, max(last_at)"
            " FROM intake JOIN project ON project.id = project_id"
            " WHERE minute > now() - interval '1 day' AND intake.refused > 0 GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT %s",
            most,
        )
    ]


@glanced
def stored() -> list[Stored]:
    """Every table, and every month of those that are kept by months, the largest first."""
    return [
        Stored(*row)
        for row in _rows(
            "SELECT coalesce(whole.relname, part.relname),"
            " CASE WHEN whole.oid IS NOT NULL THEN right(part.relname, 6) END,"
            " pg_total_relation_size(part.oid) AS size, CASE WHEN part.reltuples >= 0 THEN part.reltuples::bigint END"
            " FROM pg_class AS part LEFT JOIN pg_inherits ON inhrelid = part.oid"
            " LEFT JOIN pg_class AS whole ON whole.oid = inhparent"
            " WHERE part.relnamespace = 'public'::regnamespace AND part.relkind = 'r' ORDER BY size DESC"
        )
    ]


@glanced
def shares() -> list[Share]:
    """What each project takes, the largest first. As exact as the shares of generations are."""
    by_month: dict[str, int] = defaultdict(int)
    for table in stored():
        if table.month is not None:
            by_month[table.month] += table.size
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    slugs = dict(Project.objects.values_list("pk", "slug"))
    for project, month, count in _rows(
        "SELECT project_id, to_char(bucket AT TIME ZONE 'UTC', 'YYYYMM'), sum(count)::bigint"
        " FROM rollup_day WHERE project_id = ANY(%s::bigint[]) GROUP BY 1, 2",
        list(slugs),
    ):
        counts[month][slugs[project]] = count
    made: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for month, of_projects in counts.items():
        whole = sum(of_projects.values())
        for slug, count in of_projects.items():
            made[slug][0] += count
            made[slug][1] += round(by_month.get(month, 0) * count / whole) if whole else 0
    found = [Share(slug, count, size) for slug, (count, size) in made.items()]
    return sorted(found, key=lambda share: (-share.size, share.project))


def daily_growth(now: dt.datetime | None = None) -> int | None:
    """Bytes that a day adds, from what this month has taken; None on the month's first day."""
    today = (now or timezone.now()).astimezone(dt.UTC)
    if today.day < 2:
        return None
    days = (today - today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86_400
    return round(sum(table.size for table in stored() if table.month == f"{today:%Y%m}") / days)


def folders() -> list[Path]:
    """What the processes of this machine write to: DATA_DIR, there or not, and of the others those that are there."""
    others = dict.fromkeys((*(settings.DATA_DIR / name for name in IN_DATA_DIR), settings.EXPORT_FOLDER))
    return [settings.DATA_DIR, *(folder for folder in others if os.access(folder, os.F_OK))]


def disks() -> list[Disk]:
    """The file systems that these folders are on, or will be, each once: DATA_DIR's is the first."""
    found: dict[int, Disk] = {}
    for folder in folders():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        usage = shutil.disk_usage(there)
        found.setdefault(there.stat().st_dev, Disk(folder, free=usage.free, size=usage.total))
    return list(found.values())


def connections() -> Connections:
    """How many connections there are, and how many there may be."""
    (used, most), *_ = _rows(
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'"
    )
    tell_of_pool()
    pools = counting.pools()
    return Connections(
        used=used,
        most=most,
        pooled=pools["pool_size"],
        free=pools["pool_available"],
        waiting=pools["requests_waiting"],
    )


def tell_of_pool() -> None:
    """Tell the other processes how it is with this one's pool."""
    pool: Any = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend
    counting.pool(pool.get_stats() if pool is not None else {})


def keep_telling() -> None:
    """Tell of this process's pool for as long as it lives: which of all processes answers Prometheus is chance."""

    def tell() -> None:
        while True:
            tell_of_pool()
            time.sleep(TOLD_EVERY)

    threading.Thread(target=tell, name="pool", daemon=True).start()


@glanced
def hours_to_sum_up() -> int:
    """Hours whose rollups are to be made again, counted up to 10,000."""
    ((count,),) = _rows(
        "SELECT count(*) FROM (SELECT DISTINCT project_id, bucket FROM rollup_dirty"
        " WHERE project_id = ANY(%s::bigint[]) LIMIT 10000) AS marked",
        list(Project.objects.values_list("pk", flat=True)),
    )
    return int(count)


@glanced
def slowest() -> list[Slow] | None:
    """The ten statements that took the database longest in all; None where it does not keep count.

    It keeps count where the extension pg_stat_statements is loaded, as it is in the embedded server.
    """
    try:
        with transaction.atomic():
            found = _rows(
                "SELECT queryid::text, left(min(query), 2000), sum(calls)::bigint,"
                " sum(total_exec_time) / greatest(sum(calls), 1), sum(total_exec_time) FROM pg_stat_statements"
                " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND queryid IS NOT NULL GROUP BY queryid ORDER BY sum(total_exec_time) DESC LIMIT 10"
            )
    except ProgrammingError:
        return None
    except OperationalError as error:
        # It was made, and is not loaded.
        if isinstance(error.__cause__, ObjectNotInPrerequisiteState):
            return None
        raise
    return [Slow(*row) for row in found]


def _rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
