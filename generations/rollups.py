"""Makes rollups of generations: the numbers of each hour and day, always made anew from rows, never counted up.

An hour that a transaction marked (`recording.marking`) is not trusted by who reads rollups until its marks are gone.
They go in the transaction that makes the hour anew, and before it looks at the rows: a mark that is deleted was
committed together with its change, so the rows that are read next have it; a change that comes later has a mark of its
own, which stays.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from generations import pacing, partitions
from generations.metrics import holding
from generations.models import Project

_LOCK: Final = "rollups"
_DAY: Final = dt.timedelta(days=1)
_HOUR: Final = dt.timedelta(hours=1)
_SHARE: Final = 0.05
"""Of the time in a rush: whoever writes into an hour then marks it again at once, and each time it has more rows."""


def compact(*, seconds: float = 60.0, now: dt.datetime | None = None) -> int:
    """Make the marked hours anew, the latest days first, for about so many seconds; returns how many hours.

    A transaction each for one project's day, with flat memory; several may run at once and pass over what another one
    is at. What is left waits for the next time, and an hour that still runs for its end: where calls come in all the
    time it would be marked again at once, and the more it has, the more often that would be.
    """
    running = (now or timezone.now()).astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    until = time.monotonic() + seconds
    made = 0
    # A day of each in turn: who has a long past to make waits for nobody, and keeps nobody waiting.
    marked = partitions.holders("rollup_dirty", list(Project.objects.values_list("pk", flat=True)))
    turns = [(project, running) for project in marked]
    for project, before in turns:
        day = _latest_marked_day(project, before)
        if day is not None and time.monotonic() < until:
            began = time.monotonic()
            made += _compact_day(project, day, before)
            pacing.give_way(project, began, until, share=_SHARE)
            turns.append((project, day))
    return made


def rebuild(project: Project | None = None) -> int:
    """Mark every hour that has generations or a rollup, of one project or of all; returns how many hours.

    Answers are taken from the rows until `compact` has made the rollups anew.
    """
    marked = 0
    for pk in [project.pk] if project else Project.objects.order_by("pk").values_list("pk", flat=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO rollup_dirty (project_id, uid, bucket) SELECT %s, gen_random_uuid(), hour FROM ("
                "  SELECT date_trunc('hour', started_at, 'UTC') AS hour FROM generation WHERE project_id = %s"
                "  UNION SELECT bucket FROM rollup_hour WHERE project_id = %s"
                ") AS hours",
                [pk, pk, pk],
            )
            marked += cursor.rowcount
    return marked


def _latest_marked_day(project: int, before: dt.datetime) -> dt.datetime | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(bucket) FROM rollup_dirty WHERE project_id = %s AND bucket < %s", [project, before])
        hour: dt.datetime | None = cursor.fetchone()[0]
    return None if hour is None else hour.astimezone(dt.UTC).replace(hour=0)


def _compact_day(project: int, day: dt.datetime, before: dt.datetime) -> int:
    """Make the marked hours of a day anew that are earlier than `before`, and the day; 0 when another one is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Marks and rollups come back together when a crash takes this commit: nothing is lost by not waiting for it.
        cursor.execute("SET LOCAL synchronous_commit TO off")
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"{_LOCK}/{project}/{day.date()}"])
        if cursor.fetchone() != (True,):
            return 0
        hours = _take_marks(cursor, project, day, min(before, day + _DAY))
        if hours:
            _make(cursor, project, "rollup_hour", hours, _FROM_ROWS, [project, hours[0], hours[-1] + _HOUR, hours])
            _make(cursor, project, "rollup_day", [day], _FROM_HOURS, [project, day, day + _DAY])
        return len(hours)


def _take_marks(cursor: Any, project: int, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    """Delete the marks that are seen of a stretch of time; the hours they were of."""
    cursor.execute(
        "WITH gone AS (DELETE FROM rollup_dirty WHERE project_id = %s AND bucket >= %s AND bucket < %s"
        " RETURNING bucket) SELECT DISTINCT bucket FROM gone ORDER BY bucket",
        [project, start, end],
    )
    return [hour for (hour,) in cursor.fetchall()]


def _source(table: str, time: str, grain: str, columns: str, only: str = "") -> str:
    """The SELECT of rollups out of a table: their key, and all that follows from its rows."""
    shared = ", ".join(holding.SHARED)
    return (
        f"SELECT project_id, date_trunc('{grain}', {time}, 'UTC') AS bucket, {shared}, {columns} FROM {table}"  # noqa: S608
        f" WHERE project_id = %s AND {time} >= %s AND {time} < %s{only} GROUP BY 1, 2, {shared}"
    )


_FROM_ROWS: Final = _source(
    "generation",
    "started_at",
    "hour",
    holding.of_rows(),
    " AND date_trunc('hour', started_at, 'UTC') = ANY(%s::timestamptz[])",
)
_FROM_HOURS: Final = _source("rollup_hour", "bucket", "day", holding.of_rollups())


def _make(cursor: Any, project: int, table: str, buckets: list[dt.datetime], source: str, params: list[Any]) -> None:
    """Put what `source` selects in the place of these buckets' rollups."""
    shared = ", ".join(holding.SHARED)
    names = ", ".join(holding.columns())
    cursor.execute(
        f"DELETE FROM {table} WHERE project_id = %s AND bucket = ANY(%s)",  # noqa: S608
        [project, buckets],
    )
    # A key that is computed and not drawn: the same rollup cannot be there twice.
    cursor.execute(
        f"INSERT INTO {table} (uid, project_id, bucket, {shared}, {names})"  # noqa: S608
        f" SELECT md5(jsonb_build_array(bucket, {shared})::text)::uuid, made.* FROM ({source}) AS made",
        params,
    )
