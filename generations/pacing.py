"""Work behind the writes gives way to them: while calls come in fast it rests between its pieces, in bounds."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from generations.models import SearchMark

RUSH: Final = 150
"""Calls a second from which they come in fast: the work behind them takes half a core then."""
OVER: Final = dt.timedelta(seconds=2)
"""The time that these are counted over."""
_NEWEST: Final = 500
"""The latest transactions that are looked at for it: more than a project commits in that time."""
SHARES: Final = ((60.0, 0.2), (600.0, 0.5))
"""Up to so many seconds behind, the share of the time that work may take. Whoever is further behind rests no more."""


def is_rush(project_pk: int, now: dt.datetime) -> bool:
    """Whether calls come into this project fast just now: one look at its latest marks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(cardinality(uids)), 0) FROM ("
            "  SELECT uids, created_at FROM search_mark WHERE project_id = %s ORDER BY uid DESC LIMIT %s"
            ") AS newest WHERE created_at > %s",
            [project_pk, _NEWEST, now - OVER],
        )
        calls: int = cursor.fetchone()[0]
    return calls >= RUSH * OVER.total_seconds()


def rest(project_pk: int, took: float, now: dt.datetime, share: float | None = None) -> float:
    """The seconds that work on this project rests after a piece that took so many; 0 when there is no rush.

    It takes that `share` of the time, or where none is given one that grows the further behind it is.
    """
    if not is_rush(project_pk, now):
        return 0.0
    if share is not None:
        return took * (1 / share - 1)
    oldest = SearchMark.objects.in_project(project_pk).aggregate(oldest=Min("created_at"))["oldest"]
    behind = (now - oldest).total_seconds() if oldest else 0.0
    share = next((share for seconds, share in SHARES if behind <= seconds), 1.0)
    return took * (1 / share - 1)


def give_way(project_pk: int, began: float, until: float, *, share: float | None = None) -> None:
    """Rest after a piece of work that began at a moment of `time.monotonic`, at the longest until another."""
    moment = time.monotonic()
    time.sleep(max(0.0, min(rest(project_pk, moment - began, timezone.now(), share), until - moment)))
