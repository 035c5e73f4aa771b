"""Marks what a transaction leaves to be made anew: rollups of the hours it changes, extracts of the texts it changes.

A mark is always appended, also beside an older one of the same hour: the older one may be on its way out with a
recomputation that does not see this transaction yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from generations import records


def mark(cursor: Any, project: int, starts: Iterable[dt.datetime | None]) -> None:
    """Mark the hours, UTC, of these starts in the cursor's transaction: one statement, one row an hour."""
    hours = sorted({hour_of(start) for start in starts if start is not None})
    if hours:
        cursor.execute(
            "INSERT INTO rollup_dirty (project_id, uid, bucket)"
            " SELECT %s, uid, bucket FROM unnest(%s::uuid[], %s::timestamptz[]) AS marked(uid, bucket)",
            [project, [records.new_id() for _ in hours], hours],
        )


def mark_text(
    cursor: Any, project: int, uids: Sequence[Any], starts: Iterable[dt.datetime | None], now: dt.datetime
) -> None:
    """Mark the text of these generations, which stand between these starts: one statement, one row."""
    moments = [start for start in starts if start is not None]
    if uids:
        cursor.execute(
            "INSERT INTO search_mark (project_id, uid, uids, first_start, last_start, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [project, records.new_id(), list(uids), min(moments), max(moments), now],
        )


def hour_of(moment: dt.datetime) -> dt.datetime:
    """The first moment of the hour, UTC, that `moment` is in."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
