"""An aggregation as GraphQL asks for it, made into one for `metrics`: also what its selected fields ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import strawberry
from strawberry.types.nodes import FragmentSpread, InlineFragment, SelectedField, Selection

from generations import filters, metrics
from generations.access import Grant
from generations.graphql.inputs import Direction
from generations.graphql.types.numbers import (
    Aggregation,
    Group,
    GroupBy,
    GroupOrder,
    Having,
    Measure,
    TimeBucket,
    own_name,
)

OF_FIELDS: Final = ("sum", "avg", "min", "max", "p50", "p90", "p95", "p99", "distinct")
_OWN: Final = re.compile(rf"({'|'.join(OF_FIELDS)})\((.+)\)", re.DOTALL)
_COMPARED: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in_", "nin", "exists")


def aggregation(
    grant: Grant,
    selected: Iterable[Selection],
    *,
    condition: filters.Condition | None,
    group_by: Sequence[GroupBy],
    bucket: TimeBucket | None,
    measures: Sequence[Measure],
    having: Sequence[Having],
    order_by: Sequence[GroupOrder],
    limit: int,
    exact: bool,
) -> Aggregation:
    """The groups that are asked for, with every measure that their selected fields need. Raises metrics.BadQuery."""
    asked = {one.as_: _explicit(one) for one in measures}
    if len(asked) < len(measures):
        raise metrics.BadQuery("measures", "a name twice", "measures with different names")
    for name in (*_selected(selected), *(one.of for one in having), *(one.by for one in order_by)):
        own = None if name in asked else _own(name)
        if own is not None:
            asked[name] = own
    # `count` goes along with every group; it is asked for so that it can be ordered by.
    asked.setdefault("count", metrics.Measure("count", "count"))
    result = metrics.aggregate(
        grant.project,
        metrics.Query(
            kind="generations",
            condition=condition,
            dimensions=tuple(metrics.Dimension(one.as_ or one.field, one.field) for one in group_by),
            bucket=None
            if bucket is None
            else metrics.Bucket(
                str(bucket.unit.value), bucket.zone or grant.project.time_zone, bucket.as_, bucket.field
            ),
            measures=tuple(asked.values()),
            having=filters.both(*(leaf for one in having for leaf in _leaves(one))),
            order=tuple((one.by, one.direction is Direction.DESC) for one in order_by),
            limit=limit,
            exact=exact,
        ),
    )
    return Aggregation(
        groups=[Group(row=row) for row in result.rows],
        has_more=result.more,
        source=result.source,
        approximate=result.approximate,
    )


def _explicit(one: Measure) -> metrics.Measure:
    return metrics.Measure(one.as_, str(one.function.value), one.field, one.percentile)


def _own(name: str) -> metrics.Measure | None:
    """The measure that a field of a group tells, by its name; None for any other name."""
    if name == "errorRate":
        return metrics.Measure(name, "error_rate")
    if name == "distinctUsers":
        return metrics.Measure(name, "distinct", "metadata.userId")
    match = _OWN.fullmatch(name)
    if match is None:
        return None
    function, path = match.groups()
    if function[0] == "p":
        return metrics.Measure(name, "percentile", path, int(function[1:]) / 100)
    return metrics.Measure(name, function, path)


def _selected(selections: Iterable[Selection]) -> Iterator[str]:
    """The names of the measures that the selected fields of groups tell, fragments spread out."""
    for groups in _named(selections, {"groups"}):
        for field in _named(groups.selections, {*OF_FIELDS, "errorRate", "distinctUsers"}):
            yield own_name(field.name, str(field.arguments["field"])) if field.name in OF_FIELDS else field.name


def _named(selections: Iterable[Selection], names: set[str]) -> Iterator[SelectedField]:
    for one in selections:
        if isinstance(one, FragmentSpread | InlineFragment):
            yield from _named(one.selections, names)
        elif one.name in names:
            yield one


def _leaves(one: Having) -> Iterator[filters.Leaf]:
    compared = {op.rstrip("_"): value for op in _COMPARED if (value := getattr(one, op)) is not strawberry.UNSET}
    if not compared:
        raise metrics.BadQuery("having", one.of, "a comparison beside it, such as gte: 5")
    for op, value in compared.items():
        yield filters.Leaf(one.of, (), *_tested(one.of, op, value))


def _tested(name: str, op: str, value: Any) -> tuple[str, Any]:
    """The operator and value of a comparison; null stands for what is not known."""
    if value is None and op in ("eq", "ne"):
        return "exists", op == "ne"
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return op, tuple(value)
    if not isinstance(value, str | int | float):
        raise metrics.BadQuery(f"having.{name}", value, "a text, a number, or true or false")
    return op, value
