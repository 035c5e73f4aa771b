"""Numbers over time, as charts draw them: the buckets of a stretch of time, and what was counted in each."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from generations import filters
from generations.access import Grant
from generations.filters import Condition
from generations.metrics import Bucket, Row, rolling
from generations.web.gate import zone_of

_MINUTE: Final = dt.timedelta(minutes=1)
_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)
_LONGEST: Final = (("minute", 2 * _HOUR), ("hour", 4 * _DAY), ("day", 150 * _DAY), ("week", 800 * _DAY))
"""Up to which stretch of time a chart has a point for each of these units; beyond, for each month."""
_BY_THE_CLOCK: Final = ("minute", "hour")
_APART: Final = 3 * _HOUR
"""By how much the first moments of a day may differ that two laws, or two readings of one, know."""
_FURTHEST: Final = 36_500 * _DAY
"""What is longer before the end than this is left out."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A stretch of time from `start` up to `end`, in units of the project's zone."""

    start: dt.datetime
    end: dt.datetime
    unit: str
    zone: ZoneInfo

    @property
    def bucket(self) -> Bucket:
        """How an aggregation groups by its units."""
        return Bucket(self.unit, self.zone.key)

    def starts(self) -> list[dt.datetime]:
        """The first moments of its units, in UTC, in order."""
        return list(_starts(self))

    def start_of(self, key: Any) -> dt.datetime:
        """The first moment of the unit that the database knows by `key`, the `time` of a row.

        Where clocks show a midnight twice, it begins the day with the second; and it may know other laws. The point is
        at the calendar's first moment all the same, or there would be one more with nothing in it.
        """
        if self.unit in _BY_THE_CLOCK:
            begun: dt.datetime = _by_the_clock(self).get(key, key)
            return begun
        starts = _starts(self)
        at = bisect.bisect(starts, key)
        near = min(starts[max(at - 1, 0) : at + 1], key=lambda start: abs(start - key), default=key)
        return near if abs(near - key) <= _APART else key

    def after(self, start: dt.datetime) -> dt.datetime:
        """When the unit that begins at `start` ends, in UTC."""
        return _next(start.astimezone(self.zone), self.unit, self.zone).astimezone(dt.UTC)


def timeline(grant: Grant, kind: str, condition: Condition | None) -> Timeline:
    """The stretch of time that a list's condition leaves; open ends are those of its rows. At most two statements."""
    bounds = rolling.stretch(kind, condition, timezone.now())
    column = filters.field(kind, filters.catalogue(kind).time).column
    assert column is not None
    end = bounds.end or timezone.now()
    start = bounds.start
    if start is None:
        rows = filters.rows(kind, grant.project.pk)
        first = rows.order_by(column).values_list(column, flat=True).first()
        start = first if first is not None and first < end else end - _DAY
    return over(grant, start, end)


def over(grant: Grant, start: dt.datetime, end: dt.datetime, unit: str = "") -> Timeline:
    """The units of a stretch of time, of a length that it has a few dozen of, unless one is named."""
    zone = zone_of(grant)
    start = max(start, end - _FURTHEST)
    unit = unit or next((unit for unit, longest in _LONGEST if end - start <= longest), "month")
    return Timeline(start, end, unit, zone)


@lru_cache(maxsize=64)
def _starts(line: Timeline) -> tuple[dt.datetime, ...]:
    found = []
    at = _floor(line.start.astimezone(line.zone), line.unit)
    while at.astimezone(dt.UTC) < line.end:
        found.append(at.astimezone(dt.UTC))
        at = _next(at, line.unit, line.zone)
    return tuple(found)


@lru_cache(maxsize=64)
def _by_the_clock(line: Timeline) -> dict[dt.datetime, dt.datetime]:
    """Where units begin, by what the database calls them: the last full hour of the clock as it is set then, which may
    be before it was set so."""
    return {_read_back(start.astimezone(line.zone), line.unit): start for start in _starts(line)}


def _read_back(local: dt.datetime, unit: str) -> dt.datetime:
    """The moment, in UTC, at which a clock that was never set would have shown the unit's first one."""
    minutes = local.minute if unit == "hour" else 0
    return local.astimezone(dt.UTC) - dt.timedelta(
        minutes=minutes, seconds=local.second, microseconds=local.microsecond
    )


def _floor(local: dt.datetime, unit: str) -> dt.datetime:
    if unit == "minute":
        return local.replace(second=0, microsecond=0)
    if unit == "hour":
        first = _read_back(local, unit).astimezone(local.tzinfo)
        return first if first.utcoffset() == local.utcoffset() else _set_at(first, local)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "day":
        return day
    return day - dt.timedelta(days=day.weekday()) if unit == "week" else day.replace(day=1)


def _set_at(before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """The first minute up to `after`, less than two hours behind `before`, at which a clock is set as it is then."""
    at = before.astimezone(dt.UTC)
    while (local := at.astimezone(after.tzinfo)).utcoffset() != after.utcoffset():
        at += _MINUTE
    return local


def _next(local: dt.datetime, unit: str, zone: ZoneInfo) -> dt.datetime:
    if unit in _BY_THE_CLOCK:
        # In UTC: the hour that a clock repeats is two. One that is set by half an hour begins one in the middle.
        step = _HOUR if unit == "hour" else _MINUTE
        after = (_read_back(local, unit) + step).astimezone(zone)
        if unit == "minute" or after.utcoffset() == local.utcoffset():
            return after
        begun = _set_at(local, after)
        return after if _read_back(begun, unit) == _read_back(local, unit) else begun
    # A day without a midnight begins at one, and the day after at midnight again.
    ahead = {"day": 1, "week": 7, "month": 32}[unit]
    return _floor((local.replace(day=1) if unit == "month" else local) + ahead * _DAY, unit)


def series(starts: Sequence[dt.datetime], rows: Mapping[Any, Row], name: str, empty: float | None) -> list[Any]:
    """The values called `name` of each bucket; `empty` where nothing was counted."""
    found = (rows[start].values[name] if start in rows else empty for start in starts)
    return [float(value) if isinstance(value, Decimal) else value for value in found]
