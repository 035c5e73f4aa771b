"""What an aggregation is asked for, and what it answers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from generations import metrics
from generations.graphql import scalars
from generations.graphql.inputs import Direction
from generations.graphql.nodes import resolved
from generations.graphql.scalars import Value

Path = Annotated[str, strawberry.argument(description="A field by its path: `usage.cost`, `metadata.score`.")]
Name = Annotated[str, strawberry.argument(description="The name given with `as`, else the path.")]


def shown(value: metrics.Value) -> Any:
    """A key or a measure as JSON: moments as ISO 8601, money as an exact decimal in a text."""
    if isinstance(value, dt.datetime):
        return scalars.written(value)
    return scalars.amount(value) if isinstance(value, Decimal) else value


@strawberry.enum(description="A unit of the calendar.")
class TimeUnit(Enum):
    """Units that times are grouped by."""

    MINUTE = strawberry.enum_value("minute", description="Sixty seconds.")
    HOUR = strawberry.enum_value("hour", description="An hour of the clock; the one that a clock repeats is two.")
    DAY = strawberry.enum_value("day", description="A day of the zone, of 23 to 25 hours.")
    WEEK = strawberry.enum_value("week", description="A week, beginning on Monday.")
    MONTH = strawberry.enum_value("month", description="A month of the calendar.")
    QUARTER = strawberry.enum_value("quarter", description="Three months, from January on.")
    YEAR = strawberry.enum_value("year", description="A year of the calendar.")


@strawberry.enum(description="How the rows of a group become a number.")
class Function(Enum):
    """Functions of a measure."""

    COUNT = strawberry.enum_value("count", description="Rows, or with a field those where it is known.")
    SUM = strawberry.enum_value("sum", description="The sum.")
    AVG = strawberry.enum_value("avg", description="The mean.")
    MIN = strawberry.enum_value("min", description="The smallest.")
    MAX = strawberry.enum_value("max", description="The largest.")
    PERCENTILE = strawberry.enum_value("percentile", description="The value that `percentile` of the rows are below.")
    ERROR_RATE = strawberry.enum_value("error_rate", description="The share of rows with an error, 0 to 1.")
    DISTINCT = strawberry.enum_value("distinct", description="How many different values there are.")


@strawberry.input(description="A field that rows are grouped by.")
class GroupBy:
    """A dimension."""

    field: str = strawberry.field(
        description="Any groupable field by its path: `model.id`, `metadata.plan`. Tags count a row once for each tag."
    )
    as_: str | None = strawberry.field(name="as", default=None, description="What its key is called; else the path.")


@strawberry.input(description="Group by units of the calendar in a time zone; the key is the unit's first moment.")
class TimeBucket:
    """A bucket."""

    unit: TimeUnit = strawberry.field(description="The unit.")
    zone: str | None = strawberry.field(
        default=None, description="The zone by its name, `Europe/Prague`; else the project's."
    )
    field: str | None = strawberry.field(default=None, description="The time to group by; else `timestamp`.")
    as_: str = strawberry.field(name="as", default="time", description="What its key is called.")


@strawberry.input(description="A number of each group.")
class Measure:
    """A measure."""

    function: Function = strawberry.field(description="How it is made.")
    field: str | None = strawberry.field(default=None, description="Of which field, by its path.")
    as_: str = strawberry.field(name="as", description="What it is called in `values`, `having` and `orderBy`.")
    percentile: float | None = strawberry.field(default=None, description="For PERCENTILE: 0.95 for the 95th.")


@strawberry.input(description="A condition on groups; all that are given must hold.")
class Having:
    """A comparison of a key or a measure."""

    of: str = strawberry.field(
        description="A key or a measure by its name; or `count`, `errorRate`, `distinctUsers`, `p95(usage.cost)`, ..."
    )
    eq: JSON | None = strawberry.field(default=strawberry.UNSET, description="Equal to.")
    ne: JSON | None = strawberry.field(default=strawberry.UNSET, description="Not equal to.")
    gt: JSON | None = strawberry.field(default=strawberry.UNSET, description="Greater or later than.")
    gte: JSON | None = strawberry.field(default=strawberry.UNSET, description="Greater or later than, or equal.")
    lt: JSON | None = strawberry.field(default=strawberry.UNSET, description="Less or earlier than.")
    lte: JSON | None = strawberry.field(default=strawberry.UNSET, description="Less or earlier than, or equal.")
    in_: list[JSON] | None = strawberry.field(name="in", default=strawberry.UNSET, description="Any of these.")
    nin: list[JSON] | None = strawberry.field(default=strawberry.UNSET, description="None of these.")
    exists: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether it is known at all.")


@strawberry.input(description="What groups are ordered by.")
class GroupOrder:
    """An order of groups."""

    by: str = strawberry.field(description="A key or a measure by its name, as in `having`.")
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which way; what is unknown comes last."
    )


@strawberry.type(description="A group: its keys, and its numbers. Rows where a value is unknown are left out of it.")
class Group:
    """A row of an aggregation."""

    row: strawberry.Private[metrics.Row]

    count: int = strawberry.field(description="The number of rows.", resolver=lambda root: root.row.count)
    currency: str | None = strawberry.field(
        description="The currency of its money; null when there is none.", resolver=lambda root: root.row.currency
    )

    @resolved("All keys by name.")
    def keys(self) -> JSON:
        """Keys as JSON."""
        return scalars.json({name: shown(value) for name, value in self.row.key.items()})

    @resolved("One key by its name; null stands for rows where it is unknown.")
    def key(self, name: Name) -> Value | None:
        """A key."""
        if name not in self.row.key:
            raise metrics.BadQuery(
                "name", name, f"a key of this aggregation: {', '.join(self.row.key) or 'it has none'}"
            )
        return _value(shown(self.row.key[name]))

    @resolved("The measures that were asked for with `measures`, by name.")
    def values(self) -> JSON:
        """Measures as JSON, without those that other fields tell."""
        return scalars.json({name: shown(value) for name, value in self.row.values.items() if not _is_own(name)})

    @resolved("How many rows of the group had no value, for each measure of a field.")
    def unknown(self) -> JSON:
        """Counts by measure."""
        return scalars.json(self.row.unknown)

    @resolved("The sum of a field; null when no row has one.")
    def sum(self, field: Path) -> Value | None:
        """A sum."""
        return self._of("sum", field)

    @resolved("The mean of a field; null when no row has one.")
    def avg(self, field: Path) -> Value | None:
        """A mean."""
        return self._of("avg", field)

    @resolved("The smallest value of a field; null when no row has one.")
    def min(self, field: Path) -> Value | None:
        """A minimum."""
        return self._of("min", field)

    @resolved("The largest value of a field; null when no row has one.")
    def max(self, field: Path) -> Value | None:
        """A maximum."""
        return self._of("max", field)

    @resolved("The median of a field; null when no row has one.")
    def p50(self, field: Path) -> Value | None:
        """A median."""
        return self._of("p50", field)

    @resolved("The value that 90 % of the rows are below; null when no row has one.")
    def p90(self, field: Path) -> Value | None:
        """A percentile."""
        return self._of("p90", field)

    @resolved("The value that 95 % of the rows are below; null when no row has one.")
    def p95(self, field: Path) -> Value | None:
        """A percentile."""
        return self._of("p95", field)

    @resolved("The value that 99 % of the rows are below; null when no row has one.")
    def p99(self, field: Path) -> Value | None:
        """A percentile."""
        return self._of("p99", field)

    @resolved("How many different values a field has.")
    def distinct(self, field: Path) -> Value:
        """A count of values."""
        return self._of("distinct", field)

    @resolved("The share of rows with an error, 0 to 1; null when there is no row.")
    def error_rate(self) -> float | None:
        """A rate."""
        found = self.row.values["errorRate"]
        return None if found is None else float(found)  # type: ignore[arg-type]

    @resolved("How many different users the rows were made for.")
    def distinct_users(self) -> int:
        """A count of users."""
        return self.row.values["distinctUsers"]  # type: ignore[return-value]

    def _of(self, function: str, path: str) -> Value:
        return _value(shown(self.row.values[own_name(function, path)]))


def _value(value: Any) -> Value:
    return Value(value)


def own_name(function: str, path: str) -> str:
    """The name of the measure behind a field of a group: `p95(performance.latency)`."""
    return f"{function}({path})"


def _is_own(name: str) -> bool:
    return name.endswith(")") or name in ("count", "errorRate", "distinctUsers")


@strawberry.type(description="The groups of an aggregation, in order.")
class Aggregation:
    """The result of an aggregation."""

    groups: list[Group] = strawberry.field(description="The groups.")
    has_more: bool = strawberry.field(description="Whether there are more groups than `limit`.")
    source: str = strawberry.field(description="What answered: `rows`, `rollup`, or `both`.")
    approximate: float = strawberry.field(description="The largest relative error of its percentiles; 0 is exact.")
