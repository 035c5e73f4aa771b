"""Marks what a transaction leaves to be made anew: rollups of the hours it changes, extracts of the texts it changes.

A mark is always appended, also beside an older one of the same hour: the older one may be on its way out with a
recomputation that does not see this transaction yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, Final

from generations import identities

HOURS: Final = ("project_id", "uid", "bucket")
TEXTS: Final = ("project_id", "uid", "uids", "first_start", "last_start", "created_at")


def hours(project: int, starts: Collection[dt.datetime]) -> list[tuple[Any, ...]]:
    """The marks of the hours, UTC, of these starts: one row an hour, by HOURS."""
    ends = {hour_of(min(starts)), hour_of(max(starts))} if starts else set()
    found = ends if len(ends) < 2 else {*map(hour_of, starts)}
    return [(project, identities.new_id(), hour) for hour in sorted(found)]


def texts(
    project: int, uids: Collection[str], starts: Collection[dt.datetime], now: dt.datetime
) -> list[tuple[Any, ...]]:
    """The mark of the text of these generations, which stand between these starts: at most one row, by TEXTS."""
    return [(project, identities.new_id(), list(uids), min(starts), max(starts), now)] if uids else []


def hour_of(moment: dt.datetime) -> dt.datetime:
    """The first moment of the hour, UTC, that `moment` is in."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
