"""What is asked of an aggregation and what comes back: the same words whether rows or rollups answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Final, Literal
from zoneinfo import available_timezones

from generations import filters
from generations.filters.fields import nearest

KINDS: Final = ("generations", "steps", "threads", "participants", "scores")
UNITS: Final = ("minute", "hour", "day", "week", "month", "quarter", "year")
FUNCTIONS: Final = ("count", "sum", "avg", "min", "max", "percentile", "error_rate", "distinct")
NAMED_PERCENTILES: Final = {"median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
MAX_LIMIT: Final = 10_000
MAX_DIMENSIONS: Final = 8
MAX_MEASURES: Final = 40
MAX_ORDER: Final = 16
MAX_NAME: Final = 100

Source = Literal["rows", "rollup", "both"]
"""What an answer was taken of."""
Value = str | int | float | bool | Decimal | dt.datetime | None
"""What a key or a measure may be. Money is a Decimal, a moment is aware UTC, what is not known is None."""


class BadQuery(filters.BadFilter):
    """An aggregation that cannot be made: names the field, the value and what would be right."""

    @classmethod
    def of(cls, error: filters.BadFilter) -> BadQuery:
        """The same refusal, of a condition within an aggregation."""
        made = cls(error.field or "filter", "", error.expected)
        made.value, made.args = error.value, error.args
        return made


class TooSlow(Exception):
    """The database did not answer within the time that an aggregation may take. Doors answer 503 with this sentence."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"This aggregation takes longer than {seconds:g} seconds; narrow it by time, model or user.")


@dataclass(frozen=True, slots=True)
class Dimension:
    """Group by the field at `path`; the key is called `name`.

    A key of a JSON field is its text. A list (`tags`) counts a row once for each of its entries, so groups overlap
    and their sums exceed the whole; a row without entries is in the group of None.
    """

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """Group by calendar units of the time at `path` in `zone`; the key is the unit's first moment, in UTC.

    Weeks begin on Monday. A day of 23 or 25 hours is one day; the hour that a clock repeats is two. Units without
    rows are left out.
    """

    unit: str
    zone: str = "UTC"
    name: str = "time"
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of each group.

    count: rows, or with a path those where it is known. distinct: different known values. error_rate: share of rows
    with an error, 0 to 1. sum, avg, min, max and percentile (0 to 1, interpolated between neighbours) leave out rows
    where the value is not known, and are None when none is.
    """

    name: str
    function: str
    path: str | None = None
    percentile: float | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One aggregation over the rows of a list.

    `condition` narrows the rows; `first` keeps only so many of them, by `first_order` (paths of the list). `having`
    is a condition over the names of keys and measures, `order` likewise: (name, descending), None last, ties by the
    keys. `limit` is the number of groups, 1 to 10,000. `exact` asks for percentiles of the values themselves, whatever
    that takes; otherwise those of many rows may be taken of histograms (see `Result`).
    """

    kind: str = "generations"
    condition: filters.Condition | None = None
    dimensions: tuple[Dimension, ...] = ()
    bucket: Bucket | None = None
    measures: tuple[Measure, ...] = (Measure("count", "count"),)
    having: filters.Condition | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int = 1_000
    first: int | None = None
    first_order: tuple[tuple[str, bool], ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One group: its key by dimension (and bucket) name, its measures by name.

    `count` is its number of rows; `unknown` says for each measure of a field how many of them had no value for it;
    `currency` is that of its money, None when there is none or it is not known.
    """

    key: dict[str, Value]
    values: dict[str, Value]
    count: int
    unknown: dict[str, int] = field(default_factory=dict)
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The groups, in order. `more` says that there are others beyond the limit.

    `source` says what answered: the rows, the numbers kept of their hours and days, or both. `approximate` is the
    largest relative error of its percentiles; 0 is exact. Everything else is exact wherever it comes from.
    """

    rows: list[Row]
    more: bool = False
    source: Source = "rows"
    approximate: float = 0.0


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    """`value` when it is one of `known`; raises BadQuery with the nearest of them when it is not."""
    names = list(known)
    if isinstance(value, str) and value in names:
        return value
    listed = f"one of {', '.join(names)}" if len(names) <= 40 else "a name that is known"
    raise BadQuery(name, value, f"{listed}{nearest(str(value), names)}")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(name: str, value: object) -> str:
    """`value` when it is the name of a time zone; raises BadQuery with the nearest one when it is not."""
    # PostgreSQL reads offsets like +05:30 with the sign turned round, and abbreviations as it pleases: names only.
    if isinstance(value, str) and value in _zones():
        return value
    raise BadQuery(
        name, value, f"the name of a time zone, such as Europe/Prague{nearest(str(value), sorted(_zones()))}"
    )


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` when it is a whole number from `low` to `high`; raises BadQuery when it is not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadQuery(name, value, f"a whole number from {low} to {high:,}")
    return value


def share(name: str, value: object) -> float:
    """`value` when it is a number from 0 to 1; raises BadQuery when it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadQuery(name, value, "a number from 0 to 1, such as 0.95")
    return float(value)
