"""`query()`: the columns of an application, its rows, and numbers over them, computed row by row within bounds."""

from __future__ import annotations

import datetime as dt
import json
import re
import statistics
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from generations.access import Grant
from generations.api.gantry import rows
from generations.api.gantry.applications import found
from generations.api.gantry.envelope import body, ok
from generations.api.gantry.rows import Period, Row
from generations.models import Application, Job
from generations.records import InvalidRecord, Json

MAX_LIMIT: Final = 20_480
MAX_POINTS: Final = 1_000
MAX_PATTERN: Final = 500


def schema(grant: Grant, request: HttpRequest, name: str) -> Json:
    """The columns of an application in a period, with their types."""
    application = found(grant, name)
    columns, tags = rows.columns(grant, application, rows.period(request.GET))
    nodes = [_node(application, column, dtype) for column, dtype in columns.items()]
    return {
        "id": str(application.pk),
        "func_name": application.name,
        "model_type": application.type,
        "version": "1",
        "inputs": [node for node in nodes if node["name"].startswith("inputs")],
        "outputs": [node for node in nodes if node["name"].startswith("outputs")],
        "feedback": [node for node in nodes if node["name"].startswith("feedback")],
        "prediction_datanodes": [node for node in nodes if not node["name"].startswith("feedback")],
        "feedback_datanodes": [node for node in nodes if node["name"].startswith("feedback")],
        "projection_datanodes": [],
        "tags": tags,
    }


def _node(application: Application, name: str, dtype: str) -> dict[str, Any]:
    kind = "feedback" if name.startswith("feedback") else "prediction"
    id = uuid.uuid5(application.pk, name)
    return {"name": name, "dtype": dtype, "id": str(id), "event_type": kind, "node_metadata": {"dtype": {}}}


def raw_data(grant: Grant, request: HttpRequest, name: str) -> HttpResponse:
    """A page of rows by time, from an offset."""
    application, asked = found(grant, name), body(request)
    limit = _whole(asked, "limit", MAX_LIMIT, 1, MAX_LIMIT)
    offset = _whole(asked, "offset", 0, 0, rows.MOST_ROWS)
    keep = condition(asked.get("filters"))
    between = rows.period(request.GET)
    types, _ = rows.columns(grant, application, between)
    events: list[Row] = []
    passed, has_next = 0, False
    order = asked.get("order") != "descending"
    for row in rows.rows(grant, application, between, _tags(asked), ascending=order):
        if not keep(row):
            continue
        if passed < offset:
            passed += 1
        elif len(events) < limit:
            events.append(rows.typed(row, types))
        else:
            has_next = True
            break
    # The client goes on while it has fewer rows than there are; there is at least one more than it has.
    count = offset + len(events) + has_next
    return ok(events=events, metadata={"count": count, "has_next": has_next})


# --------------------------------------------------------------------------------------------------------- conditions
Keep = Callable[[Row], bool]


def condition(asked: Json) -> Keep:
    """What a row has to satisfy: all of the client's filters. Raises InvalidRecord."""
    if not asked:
        return lambda row: True
    if not isinstance(asked, list) or not all(isinstance(one, Mapping) for one in asked):
        raise InvalidRecord("filters", asked, "a list of objects with feature_name and a query")
    tests = [_test(one) for one in asked]
    return lambda row: all(test(row) for test in tests)


def _test(asked: Mapping[str, Json]) -> Keep:
    name = asked.get("feature_name")
    if not isinstance(name, str):
        raise InvalidRecord("filters.feature_name", name, "a column's name")
    tests = [_OPERATORS[op](value) for op, value in asked.items() if op in _OPERATORS]
    unknown = set(asked) - set(_OPERATORS) - {"feature_name", "dtype"}
    if unknown or not tests:
        raise InvalidRecord(f"filters.{name}", sorted(unknown), f"one of {', '.join(_OPERATORS)}")
    return lambda row: all(test(row.get(name)) for test in tests)


def _bound(compare: Callable[[Any, Any], bool]) -> Callable[[Json], Callable[[Json], bool]]:
    def of(limit: Json) -> Callable[[Json], bool]:
        if isinstance(limit, bool) or not isinstance(limit, int | float | str):
            raise InvalidRecord("filters", limit, "a number or a moment")
        return lambda value: value is not None and type_like(value, limit) and compare(value, limit)

    return of


def type_like(value: Json, other: Json) -> bool:
    """Whether the two can be compared."""
    numbers = isinstance(value, int | float) and isinstance(other, int | float)
    return numbers or (isinstance(value, str) and isinstance(other, str))


def _matching(pattern: Json) -> Callable[[Json], bool]:
    """The client sends a text that is to be contained, or a regular expression that its `!=` makes of one."""
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise InvalidRecord("filters.string_query", pattern, f"a text of at most {MAX_PATTERN} characters")
    other = re.fullmatch(r"\^\(\?!\((.*)\)\$\)\.\*\$", pattern, re.DOTALL)
    if other:
        return lambda value: value is not None and str(value) != other[1]
    return lambda value: value is not None and pattern in str(value)


def _among(wanted: Json) -> Callable[[Json], bool]:
    if not isinstance(wanted, list):
        raise InvalidRecord("filters.category_query", wanted, "a list of texts")
    return lambda value: value is not None and (value in wanted or str(value) in wanted)


_OPERATORS: Final[Mapping[str, Callable[[Json], Callable[[Json], bool]]]] = {
    "boolean_query": lambda wanted: lambda value: isinstance(value, bool) and value is (wanted is True),
    "string_query": _matching,
    "equals": lambda wanted: lambda value: value == wanted and value is not None,
    "not_number_query": lambda wanted: lambda value: value is not None and value != wanted,
    "lower_bound": _bound(lambda value, limit: value > limit),
    "inclusive_lower_bound": _bound(lambda value, limit: value >= limit),
    "upper_bound": _bound(lambda value, limit: value < limit),
    "inclusive_upper_bound": _bound(lambda value, limit: value <= limit),
    "category_query": _among,
    "null_value": lambda wanted: lambda value: (value is None) is (wanted is True),
}


# ------------------------------------------------------------------------------------------------------------ numbers
def aggregate(grant: Grant, request: HttpRequest) -> Json:
    """One number, or one for each group, for each of the queries."""
    asked = body(request)
    return {label: _answer(grant, asked, query) for label, query in _queries(asked).items()}


def time_series(grant: Grant, request: HttpRequest) -> Json:
    """One number for each of `num_points` equal parts of the period."""
    asked = body(request)
    points = _whole(asked, "num_points", 1, 1, MAX_POINTS)
    return {label: {"points": _points(grant, asked, query, points)} for label, query in _queries(asked).items()}


def _queries(asked: Mapping[str, Json]) -> Mapping[str, Mapping[str, Json]]:
    queries = asked.get("queries")
    if not isinstance(queries, Mapping) or not all(isinstance(one, Mapping) for one in queries.values()):
        raise InvalidRecord("queries", queries, "an object of queries by label")
    if len(queries) > 20:
        raise InvalidRecord("queries", len(queries), "at most 20 of them")
    return queries


def _answer(grant: Grant, asked: Mapping[str, Json], query: Mapping[str, Json]) -> Json:
    name, stat, options = _feature(query), *_stat(query)
    found_rows = _rows(grant, asked, query, rows.period(asked))
    groups = query.get("group_by")
    if not groups:
        return {stat: _STATS[stat]([row.get(name) for row in found_rows], options)}
    if not isinstance(groups, list) or not isinstance(groups[0], Mapping):
        raise InvalidRecord("queries.group_by", groups, "a list of objects with feature_name")
    by = str(groups[0].get("feature_name"))
    members: dict[Json, list[Json]] = {}
    for row in found_rows:
        members.setdefault(row.get(by), []).append(row.get(name))
    limit = _whole(query, "limit_buckets", 20, 1, 10_000)
    largest = sorted(members.items(), key=lambda group: -len(group[1]))[:limit]
    return [
        {"group": [{"feature_name": by, "value": value}], stat: _STATS[stat](values, options)}
        for value, values in largest
    ]


def _points(grant: Grant, asked: Mapping[str, Json], query: Mapping[str, Json], number: int) -> list[dict[str, Json]]:
    name, stat, options = _feature(query), *_stat(query)
    start, end = rows.period(asked)
    end = end or dt.datetime.now(dt.UTC)
    start = start or end - dt.timedelta(days=1)
    width = (end - start) / number
    if width <= dt.timedelta(0):
        raise InvalidRecord("end_time", str(asked.get("end_time")), "a moment after start_time")
    parts: list[list[Json]] = [[] for _ in range(number)]
    for row in _rows(grant, asked, query, (start, end)):
        moment = dt.datetime.fromtimestamp(float(str(row[rows.TIME])) / 1000, dt.UTC)
        place = min(number - 1, max(0, int((moment - start) / width)))
        parts[place].append(row.get(name))
    return [
        {"time_stamp": (start + n * width).isoformat(), "value": _STATS[stat](values, options)}
        for n, values in enumerate(parts)
    ]


def _rows(grant: Grant, asked: Mapping[str, Json], query: Mapping[str, Json], between: Period) -> list[Row]:
    application = found(grant, str(query.get("model_node_id") or asked.get("model_node_id") or ""))
    keep = condition(query.get("filters"))
    taken: list[Row] = []
    for n, row in enumerate(rows.rows(grant, application, between, _tags(query))):
        if n >= rows.MOST_ROWS:
            expected = f"a period with at most {rows.MOST_ROWS} events"
            raise InvalidRecord("start_time", str(between[0]), expected)
        if keep(row):
            taken.append(row)
    return taken


def _feature(query: Mapping[str, Json]) -> str:
    features = query.get("features")
    if not isinstance(features, list) or not features or not isinstance(features[0], Mapping):
        raise InvalidRecord("queries.features", features, "a list of objects with a column's name")
    return str(features[0].get("name"))


def _stat(query: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    stat, options = query.get("stat"), query.get("stat_kwargs")
    if not isinstance(stat, str) or stat not in _STATS:
        raise InvalidRecord("queries.stat", stat, f"one of {', '.join(_STATS)}")
    inner = options.get(stat) if isinstance(options, Mapping) else None
    return stat, inner if isinstance(inner, Mapping) else {}


def _numbers(values: Sequence[Json]) -> list[float]:
    return sorted(v for v in values if isinstance(v, int | float) and not isinstance(v, bool))


def _share(of: Callable[[Json], bool], among: Callable[[Json], bool] = lambda value: True) -> Any:
    def share(values: Sequence[Json], options: Mapping[str, Json]) -> float | None:
        counted = [value for value in values if among(value)]
        return sum(map(of, counted)) / len(counted) if counted else None

    return share


def _quantiles(values: Sequence[Json], options: Mapping[str, Json]) -> Json:
    numbers = _numbers(values)
    asked = options.get("quantile_vals", [0.5])
    wanted = [q for q in (asked if isinstance(asked, list) else [asked]) if isinstance(q, int | float) and 0 <= q <= 1]
    return {str(q): _quantile(numbers, q) for q in wanted}


def _quantile(numbers: Sequence[float], q: float) -> float | None:
    if not numbers:
        return None
    place = q * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


def _percents(values: Sequence[Json], options: Mapping[str, Json]) -> Json:
    counts = Counter(str(value) for value in values if value is not None)
    total = counts.total()
    return {value: count / total for value, count in counts.most_common(1_000)}


def _density(values: Sequence[Json], options: Mapping[str, Json]) -> Json:
    counts = Counter(_numbers(values))
    return [{"x": x, "y": counts[x] / counts.total()} for x in sorted(counts)[:1_000]]


def _cumulated(values: Sequence[Json], options: Mapping[str, Json]) -> Json:
    numbers = _numbers(values)
    step = max(1, len(numbers) // 1_000)
    return [{"x": numbers[n], "y": (n + 1) / len(numbers)} for n in range(0, len(numbers), step)]


_STATS: Final[Mapping[str, Callable[[Sequence[Json], Mapping[str, Json]], Json]]] = {
    "total": lambda values, options: len(values),
    "mean": lambda values, options: statistics.fmean(n) if (n := _numbers(values)) else None,
    "stddev": lambda values, options: statistics.pstdev(n) if (n := _numbers(values)) else None,
    "minimum": lambda values, options: min(_numbers(values), default=None),
    "maximum": lambda values, options: max(_numbers(values), default=None),
    "quantiles": _quantiles,
    "category_percents": _percents,
    "pdf": _density,
    "cdf": _cumulated,
    "percent_true": _share(lambda value: value is True),
    "percent_false": _share(lambda value: value is False),
    "percent_null": _share(lambda value: value is None),
    "percent_true_not_null": _share(lambda value: value is True, lambda value: value is not None),
    "percent_false_not_null": _share(lambda value: value is False, lambda value: value is not None),
}


# ------------------------------------------------------------------------------------------------------------- batches
def batches(grant: Grant, request: HttpRequest, name: str) -> Json:
    """The files that were logged for an application, the newest first."""
    return {"batches": [_batch(job) for job in _files(grant, found(grant, name))]}


def runs(grant: Grant, request: HttpRequest, name: str) -> Json:
    """Those of them that were runs, by name or by tags."""
    jobs = _files(grant, found(grant, name))
    if run := request.GET.get("run_name"):
        jobs = [job for job in jobs if job.parameters.get("run_name") == run]
    if tags := request.GET.get("run_tags"):
        try:
            wanted = json.loads(tags)
        except ValueError:
            raise InvalidRecord("run_tags", tags, "a JSON object") from None
        jobs = [job for job in jobs if (job.parameters.get("run_tags") or {}) == wanted]
    return {"jobs": [_batch(job) for job in jobs]}


def _files(grant: Grant, application: Application) -> list[Job]:
    jobs = Job.objects.filter(project=grant.project, kind=Job.Kind.IMPORT, parameters__application=application.name)
    return list(jobs.order_by("-created_at", "-id")[:200])


def _batch(job: Job) -> dict[str, Json]:
    return {
        "id": str(job.pk),
        "name": job.parameters.get("run_name"),
        "run_name": job.parameters.get("run_name"),
        "run_tags": job.parameters.get("run_tags"),
        "batch_id": job.parameters.get("batch_id"),
        "status": job.state.upper(),
        "num_events": job.result.get("events"),
        "created_at": job.created_at,
    }


# -------------------------------------------------------------------------------------------------------------- pieces
def _tags(asked: Mapping[str, Json]) -> Mapping[str, Json]:
    tags = asked.get("tags") or {}
    if not isinstance(tags, Mapping):
        raise InvalidRecord("tags", tags, "an object")
    return tags


def _whole(asked: Mapping[str, Json], name: str, default: int, least: int, most: int) -> int:
    value: Any = asked.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRecord(name, value, f"a whole number from {least} to {most}")
    return int(value)
