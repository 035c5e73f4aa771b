"""Reads `$group`: its `_id` becomes dimensions and a bucket, its accumulators measures; both shape the documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from generations.filters.fields import nearest
from generations.metrics.query import UNITS, BadQuery, Bucket, Dimension, Measure, one_of, share, zone

Shape = Any
"""A document with the names of columns in the place of values: a name, a dict or a list of shapes, or None."""

ACCUMULATORS: Final = (
    "$sum",
    "$avg",
    "$min",
    "$max",
    "$count",
    "$median",
    "$percentile",
    "$countDistinct",
    "$errorRate",
)
_OF_FIELDS: Final = {
    "$sum": "sum",
    "$avg": "avg",
    "$min": "min",
    "$max": "max",
    "$median": "median",
    "$count": "count",
    "$countDistinct": "distinct",
}
_MAX_PERCENTILES: Final = 20


@dataclass(slots=True)
class Grouping:
    """What a `$group` stage asks for, and the shape of the documents it makes."""

    dimensions: list[Dimension] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    shape: dict[str, Shape] = field(default_factory=dict)
    bucket: Bucket | None = None


def read(spec: object) -> Grouping:
    """The grouping that a `$group` document asks for. Raises BadQuery; whether its paths exist is not looked at."""
    if not isinstance(spec, Mapping) or "_id" not in spec:
        raise BadQuery("$group", spec, "an object with _id (null, '$path' or an object of them) and accumulators")
    grouping = Grouping()
    grouping.shape["_id"] = _id(grouping, spec["_id"])
    for name, accumulator in spec.items():
        if name == "_id":
            continue
        named("$group", name)
        grouping.shape[name] = _accumulator(grouping, name, accumulator)
    return grouping


def named(stage: str, name: object) -> str:
    """`name` when a document may have a field of this name; raises BadQuery when it may not."""
    if not isinstance(name, str) or not name or name.startswith("$") or "." in name or "\0" in name:
        raise BadQuery(stage, name, "a name without dots that does not begin with $")
    return name


def path_of(where: str, value: object) -> str:
    """The path that a reference such as "$model.id" names; raises BadQuery when it is none."""
    if isinstance(value, str) and value.startswith("$") and not value.startswith("$$") and len(value) > 1:
        return value[1:]
    hint = f"; did you mean '${value}'?" if isinstance(value, str) and not value.startswith("$") else ""
    raise BadQuery(where, value, f"a path with $ before it, such as '$usage.totalTokens'{hint}")


# ------------------------------------------------------------------------------------------------------------ _id
def _id(grouping: Grouping, spec: object) -> Shape:
    if spec is None:
        return None
    if isinstance(spec, Mapping) and not any(str(name).startswith("$") for name in spec):
        if not spec:
            raise BadQuery("$group._id", spec, "null, or an object with at least one name")
        return {named("$group._id", name): _key(grouping, f"_id.{name}", part) for name, part in spec.items()}
    return _key(grouping, "_id", spec)


def _key(grouping: Grouping, name: str, spec: object) -> str:
    if isinstance(spec, Mapping):
        if list(spec) != ["$dateTrunc"]:
            raise BadQuery(f"$group.{name}", _first(spec), "'$path' or {$dateTrunc: {date, unit, timezone}}")
        if grouping.bucket is not None:
            raise BadQuery(f"$group.{name}", spec, "one $dateTrunc; a larger unit follows from a smaller one")
        grouping.bucket = _bucket(name, spec["$dateTrunc"])
    else:
        grouping.dimensions.append(Dimension(name, path_of(f"$group.{name}", spec)))
    return name


def _first(spec: Mapping[Any, object]) -> object:
    return next(iter(spec), spec)


def _bucket(name: str, spec: object) -> Bucket:
    at = f"$group.{name}.$dateTrunc"
    if not isinstance(spec, Mapping):
        raise BadQuery(at, spec, "an object with date, unit and timezone")
    _only(at, spec, ("date", "unit", "timezone", "binSize", "startOfWeek"))
    if spec.get("binSize", 1) != 1:
        raise BadQuery(f"{at}.binSize", spec["binSize"], "1")
    if str(spec.get("startOfWeek", "monday")).lower() not in ("monday", "mon"):
        raise BadQuery(f"{at}.startOfWeek", spec["startOfWeek"], "monday")
    return Bucket(
        unit=one_of(f"{at}.unit", spec.get("unit"), UNITS),
        zone=zone(f"{at}.timezone", spec.get("timezone", "UTC")),
        name=name,
        path=path_of(f"{at}.date", spec.get("date")),
    )


def _only(at: str, spec: Mapping[Any, object], known: tuple[str, ...]) -> None:
    for name in spec:
        if name not in known:
            raise BadQuery(f"{at}.{name}", name, f"one of {', '.join(known)}{nearest(str(name), known)}")


# --------------------------------------------------------------------------------------------------- accumulators
def _accumulator(grouping: Grouping, name: str, spec: object) -> Shape:
    at = f"$group.{name}"
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise BadQuery(at, spec, "an object with one accumulator, such as {$sum: '$usage.totalTokens'}")
    function, argument = next(iter(spec.items()))
    function = one_of(at, f"${str(function).removeprefix('$')}", ACCUMULATORS)
    at = f"{at}.{function}"
    if function == "$percentile":
        return _percentiles(grouping, name, at, argument)
    if function == "$median" and isinstance(argument, Mapping):
        _only(at, argument, ("input", "method"))
        argument = argument.get("input")
    if function == "$errorRate" or (function == "$count" and argument == {}):
        if argument not in ({}, 1):
            raise BadQuery(at, argument, "{}: it is taken of whole rows")
        measure = Measure(name, "error_rate" if function == "$errorRate" else "count")
    elif function == "$sum" and not isinstance(argument, str):
        if argument != 1 or isinstance(argument, bool):
            raise BadQuery(at, argument, "1 or a path, such as '$usage.totalTokens'")
        measure = Measure(name, "count")
    else:
        measure = Measure(name, _OF_FIELDS[function], path_of(at, argument))
    grouping.measures.append(measure)
    return name


def _percentiles(grouping: Grouping, name: str, at: str, spec: object) -> Shape:
    if not isinstance(spec, Mapping):
        raise BadQuery(at, spec, "an object with input and p, such as {input: '$performance.latency', p: [0.5, 0.95]}")
    # MongoDB asks for a method and knows only "approximate"; ours are exact whatever it says.
    _only(at, spec, ("input", "p", "method"))
    path = path_of(f"{at}.input", spec.get("input"))
    shares = spec.get("p")
    if not isinstance(shares, list) or not 1 <= len(shares) <= _MAX_PERCENTILES:
        raise BadQuery(f"{at}.p", shares, f"a list of 1 to {_MAX_PERCENTILES} numbers from 0 to 1")
    columns = [f"{name}.{n}" for n in range(len(shares))]
    for column, p in zip(columns, shares, strict=True):
        grouping.measures.append(Measure(column, "percentile", path, share(f"{at}.p", p)))
    return columns
