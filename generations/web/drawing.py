"""The charts of the dashboard: what each counts, and its numbers over time, each with the list of what it counted."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from generations import filters, metrics
from generations.access import Grant
from generations.filters import BadFilter, Condition, Kind, Leaf
from generations.metrics import Dimension, Measure, Query, Result, Row
from generations.web.timeline import Timeline, series

TIMEOUT: Final = 10.0
TOP: Final = 6
"""So many groups of a breakdown are drawn: the largest."""
AT_ONCE: Final = 2_000
"""Up to so many groups of all moments are read before the largest are chosen."""
RANKED: Final = 2_000
"""So many groups are looked at to find those with the most of what a chart is about."""
_LATENCY: Final = "performance.latency"
_FIRST: Final = "performance.timeToFirstToken"
_CURRENCY: Final = "currency"
_GROUP: Final = "group"


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart draws. `measures` has a line for each; broken down, it draws `main` of each group instead.

    `unit` is that of its values: count, seconds, money or score. `query` narrows the list behind its points. The one
    line of a chart that `is_bad` has the colour of errors.
    """

    name: str
    title: str
    measures: tuple[Measure, ...]
    main: Measure
    style: str = "bars"
    unit: str = "count"
    query: str = ""
    kind: str = "generations"
    is_stacked: bool = True
    is_divided: bool = True
    is_bad: bool = False


def _one(name: str, title: str, measure: Measure, **more: Any) -> Chart:
    return Chart(name, title, (measure,), measure, **more)


def _share(path: str, percent: int) -> Measure:
    return Measure(f"p{percent}", "percentile", path, percent / 100)


def _shares(path: str, *percents: int) -> tuple[Measure, ...]:
    return tuple(_share(path, percent) for percent in percents)


_MOST: Final = {
    "cost": "that cost the most",
    "tokens": "with the most tokens",
    "errors": "with the most errors",
}
"""How the groups of a breakdown are chosen, by the name of what is drawn; others are those with the most generations:
there is no sum of percentiles, nor of users."""
_COUNT: Final = Measure("count", "count")
_COST: Final = Measure("cost", "sum", "usage.cost")
CHARTS: Final = {
    chart.name: chart
    for chart in (
        _one("generations", "Generations", Measure("generations", "count")),
        _one("errors", "Errors", Measure("errors", "error_rate"), query="hasError=true", is_bad=True),
        Chart(
            "latency",
            "Latency",
            _shares(_LATENCY, 50, 90, 95, 99),
            _share(_LATENCY, 95),
            style="lines",
            unit="seconds",
            is_stacked=False,
        ),
        Chart(
            "first-token",
            "Time to first token",
            _shares(_FIRST, 50, 95),
            _share(_FIRST, 95),
            style="lines",
            unit="seconds",
            is_stacked=False,
        ),
        Chart(
            "tokens",
            "Tokens",
            (
                Measure("input", "sum", "usage.promptTokens"),
                Measure("cached input", "sum", "usage.cachedTokens"),
                Measure("output", "sum", "usage.completionTokens"),
                Measure("reasoning", "sum", "usage.reasoningTokens"),
            ),
            Measure("tokens", "sum", "usage.totalTokens"),
            style="lines",
            is_stacked=False,
        ),
        _one("cost", "Cost", _COST, unit="money"),
        _one("users", "Users", Measure("users", "distinct", "metadata.userId"), is_stacked=False),
        _one(
            "scores",
            "Scores",
            Measure("average", "avg", "value"),
            style="lines",
            unit="score",
            kind="scores",
            is_stacked=False,
            is_divided=False,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or one colour of bars: its values, and what narrows the list to what it counts."""

    label: str
    values: list[float | None]
    query: dict[str, str]


@dataclass(slots=True)
class Drawn:
    """The numbers of a chart. `starts` are the moments that its units begin at; `note` says what they leave out."""

    chart: Chart
    line: Timeline
    starts: list[dt.datetime]
    lines: list[Line] = field(default_factory=list)
    currency: str | None = None
    note: str = ""


def said_by(chart: Chart, by: str) -> str:
    """What a chart is broken down by, in words, and which of its measures it shows then; empty where by nothing."""
    if not by or not chart.is_divided:
        return ""
    return f"{chart.main.name} by {by}" if chart.main.function == "percentile" else f"by {by}"


def draw(grant: Grant, chart: Chart, condition: Condition | None, line: Timeline, by: str) -> Drawn:
    """The numbers of a chart under a condition, which holds its time; broken down by the field `by`, if any.

    Raises BadFilter for a field that cannot be grouped by, and metrics.TooSlow.
    """
    if chart.kind == "scores":
        return _scores(grant, chart, line)
    if by and chart.is_divided:
        return _divided(grant, chart, condition, line, by)
    if chart.main.function == "distinct" and chart.main.path:
        # Rows without the field count nothing, and those with it are all in one small index.
        condition = filters.both(condition, filters.from_document("generations", {chart.main.path: {"$exists": True}}))
    asked = Query(condition=condition, bucket=line.bucket, measures=_counted(chart.measures), limit=metrics.MAX_LIMIT)
    found = _aggregated(grant, chart, asked).rows
    rows, currency = _of_one_currency(chart, found)
    by_time: dict[Any, Row] = {line.start_of(row.key["time"]): row for row in rows}
    drawn = Drawn(
        chart, line, sorted({*line.starts(), *by_time}), currency=currency, note=_left_out(chart, found, currency)
    )
    for measure in chart.measures:
        drawn.lines.append(Line(measure.name, _values(drawn.starts, by_time, measure), {}))
    return drawn


def _divided(grant: Grant, chart: Chart, condition: Condition | None, line: Timeline, by: str) -> Drawn:
    field = filters.field("generations", by)
    asked = Query(
        condition=condition,
        bucket=line.bucket,
        dimensions=(Dimension(_GROUP, field.path),),
        measures=_counted((chart.main,)),
        limit=AT_ONCE,
    )
    # Of tags there are mostly few: one look at all of them takes half of a look for the largest and another at those.
    found = _aggregated(grant, chart, asked) if field.kind is Kind.TAGS else None
    if found is None or found.more:
        ranked, groups, has_more = _largest(grant, chart, asked)
        if not groups:
            return Drawn(chart, line, line.starts())
        asked = replace(asked, condition=filters.both(condition, _any_of(field.path, groups)), limit=metrics.MAX_LIMIT)
        found = _aggregated(grant, chart, asked)
    else:
        ranked = found.rows
        groups, has_more = _largest_of(chart, ranked)
    rows, currency = _of_one_currency(chart, found.rows)
    by_group: dict[Any, dict[Any, Row]] = {group: {} for group in groups}
    for row in rows:
        if row.key[_GROUP] in by_group:
            by_group[row.key[_GROUP]][line.start_of(row.key["time"])] = row
    times = {time for of_group in by_group.values() for time in of_group}
    drawn = Drawn(chart, line, sorted({*line.starts(), *times}), currency=currency)
    for group in groups:
        query = {f"{field.path}__exists": "false"} if group is None else {field.path: str(group)}
        label = "none" if group is None else str(group)
        drawn.lines.append(Line(label, _values(drawn.starts, by_group[group], chart.main), query))
    # Groups in another currency are never among those that cost the most: that is to be said of all that were ranked.
    drawn.note = _left_out(chart, [row for row in found.rows if row.key[_GROUP] in by_group], currency, ranked)
    if has_more:
        most = _MOST.get(chart.main.name, "with the most generations")
        drawn.note = f"The {TOP} {most}. {drawn.note}".strip()
    return drawn


def _largest(grant: Grant, chart: Chart, asked: Query) -> tuple[list[Row], list[Any], bool]:
    """What was ranked, the groups of it with the most of what is drawn in all, and whether there are others."""
    asked = replace(asked, bucket=None, limit=RANKED, order=(("count", True),))
    if chart.main.name not in _MOST:
        asked = replace(asked, measures=(_COUNT,), limit=TOP)
    elif chart.main.function == "sum":
        asked = replace(asked, order=((chart.main.name, True), ("count", True)))
    top = _aggregated(grant, chart, asked)
    groups, has_more = _largest_of(chart, top.rows)
    return top.rows, groups, has_more or top.more


def _largest_of(chart: Chart, rows: Sequence[Row]) -> tuple[list[Any], bool]:
    """The same of rows of all groups: those that have as much of it by how many generations they have."""
    counts: dict[Any, int] = defaultdict(int)
    amounts: dict[Any, float] = defaultdict(float)
    for row in rows:
        counts[row.key[_GROUP]] += row.count
    for row in _of_one_currency(chart, list(rows))[0] if chart.main.name in _MOST else ():
        value = row.values[chart.main.name]
        if isinstance(value, int | float | Decimal):
            amounts[row.key[_GROUP]] += float(value) * (row.count if chart.main.function == "error_rate" else 1)
    groups = sorted(
        counts, key=lambda group: (-round(amounts[group], 9), -counts[group], group is None, str(group).encode())
    )
    return groups[:TOP], len(groups) > TOP


def _any_of(path: str, groups: Sequence[Any]) -> Condition:
    known = [str(group) for group in groups if group is not None]
    parts: list[Condition] = []
    if known:
        found = filters.from_document("generations", {path: {"$in": known}})
        assert found is not None
        parts.append(found)
    if len(known) < len(groups):
        found = filters.from_document("generations", {path: {"$exists": False}})
        assert found is not None
        parts.append(found)
    return parts[0] if len(parts) == 1 else filters.Or(tuple(parts))


def _counted(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    return (*measures, _COUNT) if all(one.name != "count" for one in measures) else measures


def _values(starts: Sequence[dt.datetime], rows: Mapping[Any, Row], measure: Measure) -> list[float | None]:
    values = series(starts, rows, measure.name, None if measure.function in ("percentile", "avg") else 0)
    if measure.function == "error_rate":
        counts = series(starts, rows, "count", 0)
        return [round((rate or 0) * n) for rate, n in zip(values, counts, strict=True)]
    return values


def _aggregated(grant: Grant, chart: Chart, asked: Query) -> Result:
    """The groups of a query; of money those of each currency."""
    if chart.unit == "money":
        asked = replace(asked, dimensions=(*asked.dimensions, Dimension(_CURRENCY, "usage.currency")))
    return metrics.aggregate(grant.project, asked, timeout=TIMEOUT)


def _of_one_currency(chart: Chart, rows: list[Row]) -> tuple[list[Row], str | None]:
    """Groups; of money those in the currency that most of it is in. What has a cost in another one, or one that nobody
    knows, has none here: that is not the same as nothing."""
    if chart.unit != "money":
        return rows, None
    found, currency = of_currency(rows)
    seen = {_place(row) for row in found}
    others = {_place(row): row for row in rows if _place(row) not in seen}
    return [*found, *(replace(row, values={**row.values, "cost": None}) for row in others.values())], currency


def _place(row: Row) -> tuple[Any, Any]:
    return row.key.get("time"), row.key.get(_GROUP)


def _left_out(chart: Chart, rows: Sequence[Row], currency: str | None, ranked: Sequence[Row] = ()) -> str:
    """What of the money of these rows a chart does not show, in a sentence; empty where it shows all.

    `ranked` are rows that were not all chosen to be shown."""
    if chart.unit != "money" or not rows:
        return ""
    if currency is None:
        return "What these calls cost is unknown: their models have no price, or they came without tokens."
    others = other_currencies([*rows, *ranked], currency)
    left = [f"what was paid in {', '.join(others)}"] if others else []
    left += ["calls whose cost is unknown"] if any(row.unknown.get("cost") for row in rows) else []
    return f"Without {' and '.join(left)}." if left else ""


def other_currencies(rows: Sequence[Row], currency: str | None) -> list[str]:
    """Of rows grouped by `currency` those in which something was paid, without the one that is shown."""
    met = {row.key[_CURRENCY] for row in rows if row.values["cost"] is not None}
    return sorted(str(one or "an unknown currency") for one in met if one != currency)


def of_currency(rows: Sequence[Row]) -> tuple[list[Row], str | None]:
    """Of rows grouped by `currency` those of the one that most calls are in; amounts of two are never added."""
    counts: dict[Any, int] = defaultdict(int)
    for row in rows:
        if isinstance(row.values["cost"], Decimal):
            counts[row.key[_CURRENCY]] += row.count
    if not counts:
        return [], None
    currency = max(counts, key=lambda one: (counts[one], str(one)))
    return [row for row in rows if row.key[_CURRENCY] == currency], currency


def _scores(grant: Grant, chart: Chart, line: Timeline) -> Drawn:
    """Scores by their name: of what was judged in that time, whatever the filter of generations is."""
    within = filters.And((Leaf("timestamp", (), "gte", line.start), Leaf("timestamp", (), "lt", line.end)))
    asked = Query("scores", within, (Dimension(_GROUP, "name"),), line.bucket, _counted(chart.measures), limit=5_000)
    by_name: dict[str, dict[Any, Row]] = defaultdict(dict)
    for row in metrics.aggregate(grant.project, asked, timeout=TIMEOUT).rows:
        if row.values[chart.main.name] is not None:
            by_name[str(row.key[_GROUP])][line.start_of(row.key["time"])] = row
    names = sorted(by_name, key=lambda name: (-sum(row.count for row in by_name[name].values()), name))
    times = {time for found in by_name.values() for time in found}
    drawn = Drawn(chart, line, sorted({*line.starts(), *times}))
    drawn.note = "By when the scores were given, whatever else is filtered."
    for name in names[:TOP]:
        query = {f"scores.{filters.joined([name])}__exists": "true"}
        drawn.lines.append(Line(name, _values(drawn.starts, by_name[name], chart.main), query))
    return drawn


def path_of(text: str) -> str:
    """The path of a field that a chart can be broken down by; raises BadFilter for any other."""
    found = filters.field("generations", text)
    if not found.groupable:
        raise BadFilter("by", text, "a field that can be grouped by, such as model.id, tags or metadata.plan")
    return found.path
