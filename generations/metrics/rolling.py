"""Says which aggregations rollups can answer, and of which whole hours and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q

from generations import filters
from generations.filters.comparing import span
from generations.filters.conditions import And, Condition, Leaf, Some, both, bounded, leaves, parts_of
from generations.metrics import holding
from generations.metrics.compiling import Plan, Taken
from generations.models import RollupDay

KIND: Final = "generations"
_UTC: Final = ("UTC", "Etc/UTC", "GMT", "Etc/GMT")
_FLOATS: Final = frozenset(c for c in holding.SUMMED if isinstance(RollupDay._meta.get_field(c), models.FloatField))
_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)
_TICK: Final = dt.timedelta(microseconds=1)
_FIRST: Final = dt.datetime(1000, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A stretch of time from `start` up to but without `end`; None is open."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def within(self, other: Bounds) -> Bounds:
        """What both have in common."""
        starts = [one for one in (self.start, other.start) if one is not None]
        ends = [one for one in (self.end, other.end) if one is not None]
        return Bounds(max(starts, default=None), min(ends, default=None))

    def whole(self, grain: dt.timedelta) -> Bounds:
        """The whole hours or days, UTC, in it."""
        return Bounds(
            None if self.start is None else _FIRST + -((_FIRST - self.start) // grain) * grain,
            None if self.end is None else _FIRST + (self.end - _FIRST) // grain * grain,
        )

    @property
    def is_empty(self) -> bool:
        return self.start is not None and self.end is not None and self.start >= self.end

    def without(self, inner: Bounds) -> list[Bounds]:
        """What is left of it around `inner`."""
        if inner.is_empty:
            return [self]
        around = []
        if inner.start is not None:
            around.append(Bounds(self.start, inner.start))
        if inner.end is not None:
            around.append(Bounds(inner.end, self.end))
        return [one for one in around if not one.is_empty]


@dataclass(frozen=True, slots=True)
class Reading:
    """How rollups answer a plan: its stretch of time, the rest of its condition, the whole hours and days in it.

    Days of another zone are put together from days of UTC: each counts where its noon is. `edges` are the hours of a
    UTC day that may lie elsewhere, and are taken away there and added where they are; empty in UTC.
    """

    plan: Plan
    bounds: Bounds
    rest: Condition | None
    now: dt.datetime
    hours: Bounds
    days: Bounds | None
    edges: tuple[int, ...] = ()

    def among(self, first: dt.datetime | None, last: dt.datetime | None) -> Reading:
        """The same, when rollups of days were seen from the first to the last of these: edges are those of bounded
        stretches. What is there by now beside them is read by its hours."""
        if not self.edges or self.days is None:
            return self
        days = Bounds(_FIRST, _FIRST) if first is None or last is None else self.days.within(Bounds(first, last + _DAY))
        return replace(self, days=None, edges=()) if days.is_empty else replace(self, days=days)


def reading(plan: Plan, now: dt.datetime) -> Reading | None:
    """How rollups answer a plan, or None when they do not hold what it asks for."""
    query = plan.query
    if query.kind != KIND or query.exact or query.first is not None:
        return None
    if not _are_held(plan):
        return None
    narrowed = _narrowed(query.condition, now)
    if narrowed is None:
        return None
    bounds, rest = narrowed
    hours = bounds.whole(_HOUR)
    if hours.is_empty or bounds.is_empty:
        return None
    edges, days = _edges(plan), bounds.whole(_DAY)
    if edges is None or days.is_empty:
        return Reading(plan, bounds, rest, now, hours, None)
    return Reading(plan, bounds, rest, now, hours, days, edges)


def within(column: str, bounds: Bounds) -> Q:
    """That a column of time lies within bounds."""
    said = Q()
    if bounds.start is not None:
        said &= Q((f"{column}__gte", bounds.start))
    if bounds.end is not None:
        said &= Q((f"{column}__lt", bounds.end))
    return said


def _are_held(plan: Plan) -> bool:
    query = plan.query
    catalogue = filters.catalogue(KIND)
    shared = {field.path for field in catalogue.fields if field.column in holding.SHARED}
    if any(filters.field(KIND, dimension.path).path not in shared for dimension in query.dimensions):
        return False
    bucket = query.bucket
    if bucket is not None and (
        bucket.unit == "minute"
        or (bucket.path is not None and filters.field(KIND, bucket.path).path != catalogue.time)
        or not _keeps_hours(bucket.zone)
    ):
        return False
    if not all(_is_held(taken) for taken in plan.taken):
        return False
    # Groups are chosen in the database, which does not know these percentiles yet.
    late = {column.name for column, taken in zip(plan.measures, plan.taken, strict=True) if taken.share is not None}
    return not any(".".join((leaf.field, *leaf.path)) in late for leaf in leaves(query.having))


def _is_held(taken: Taken) -> bool:
    column = None if taken.field is None else taken.field.column
    if taken.function == "percentile":
        return column in holding.SPREAD
    if taken.function not in ("count", "sum", "avg", "error_rate"):
        return False
    return taken.field is None or column in holding.SUMMED


def _edges(plan: Plan) -> tuple[int, ...] | None:
    """The hours of a UTC day that may be in another unit of the plan's bucket than its noon; None when rollups of
    days are of no use."""
    bucket = plan.query.bucket
    if bucket is None or (bucket.zone in _UTC and bucket.unit != "hour"):
        return ()
    # What was taken away must leave nothing behind: no last digits of floats, and no currency that it alone had.
    inexact = any(taken.field is not None and taken.field.column in _FLOATS for taken in plan.taken if _adds(taken))
    return None if bucket.unit == "hour" or inexact or plan.mixes else _edges_of(bucket.zone)


def _adds(taken: Taken) -> bool:
    return taken.function in ("sum", "avg")


@cache
def _offsets(zone: str) -> frozenset[dt.timedelta]:
    """The differences from UTC that a zone has had and will have, as far as anything recorded goes back."""
    tz = ZoneInfo(zone)
    months = (dt.datetime(year, month, 1, tzinfo=dt.UTC) for year in range(2000, 2100) for month in range(1, 13))
    return frozenset(month.astimezone(tz).utcoffset() or dt.timedelta() for month in months)


def _keeps_hours(zone: str) -> bool:
    """Whether the hours of a zone begin with those of UTC."""
    return all(offset % _HOUR == dt.timedelta() for offset in _offsets(zone))


@cache
def _edges_of(zone: str) -> tuple[int, ...]:
    """The hours of a UTC day that may be on another day of the zone than its noon.

    An hour more on either side, for a database that knows newer laws: it looks at each of them itself.
    """
    hours = {int(offset / _HOUR) + near for offset in _offsets(zone) for near in (-1, 0, 1)}
    return tuple(
        h for h in range(24) if len({(h + one) // 24 for one in hours} | {(12 + one) // 24 for one in hours}) > 1
    )


def _narrowed(condition: Condition | None, now: dt.datetime) -> tuple[Bounds, Condition | None] | None:
    """The stretch of time that a condition leaves, and what else it says; None when rollups cannot tell."""
    bounded(condition)
    bounds, rest = Bounds(), []
    for part in _parts(condition):
        own = _stretch(KIND, part, now)
        if own is not None:
            bounds = bounds.within(own)
        elif _is_shared(part):
            rest.append(part)
        else:
            return None
    return bounds, both(*rest)


def _parts(condition: Condition | None) -> Iterator[Condition]:
    if isinstance(condition, And):
        for part in condition.parts:
            yield from _parts(part)
    elif condition is not None:
        yield condition


def stretch(kind: str, condition: Condition | None, now: dt.datetime) -> Bounds:
    """The stretch of time outside of which no row of a list satisfies the condition, as far as it says so plainly."""
    bounds = Bounds()
    for part in _parts(condition):
        bounds = bounds.within(_stretch(kind, part, now) or Bounds())
    return bounds


def _stretch(kind: str, part: Condition, now: dt.datetime) -> Bounds | None:
    """The stretch of time that one comparison of the start leaves, to the microsecond that is kept."""
    catalogue = filters.catalogue(kind)
    if not isinstance(part, Leaf) or part.path or part.field != catalogue.time or isinstance(part.value, tuple):
        return None
    if part.op not in ("gt", "gte", "lt", "lte"):
        return None
    start, end = span(part.value, now)
    if not _FIRST < start < _LAST or not (end is None or end < _LAST):
        return None
    after = start + _TICK if end is None else end
    return {
        "gt": Bounds(after),
        "gte": Bounds(start),
        "lt": Bounds(None, start),
        "lte": Bounds(None, after),
    }[part.op]


def _is_shared(part: Condition) -> bool:
    """Whether a condition is about nothing but what all generations of a rollup have in common."""
    if isinstance(part, Some):
        return False
    catalogue = filters.catalogue(KIND)
    if isinstance(part, Leaf):
        found = catalogue.find(part.field)
        return found is not None and not part.path and found.column in holding.SHARED
    return all(_is_shared(one) for one in parts_of(part))
