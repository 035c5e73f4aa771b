"""Conditions over the groups of an aggregation: the filters' tree, about the names of keys and measures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Protocol

from generations import filters
from generations.filters import Kind, values
from generations.filters.conditions import together
from generations.filters.fields import clean_text
from generations.metrics.query import BadQuery, one_of

_SIGNS: Final = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NEGATED: Final = {"ne": "eq", "nin": "in"}
_CASTS: Final = {
    Kind.NUMBER: "numeric",
    Kind.TEXT: "text",
    Kind.ENUM: "text",
    Kind.TIME: "timestamptz",
    Kind.BOOL: "boolean",
}


class Output(Protocol):
    """What a condition has to know of a column: its alias in SQL and its kind."""

    @property
    def alias(self) -> str: ...

    @property
    def kind(self) -> Kind: ...


def where(condition: filters.Condition, outputs: Mapping[str, Output]) -> tuple[str, list[Any]]:
    """The condition as SQL over the outputs' aliases, and its parameters. Raises BadQuery."""
    if isinstance(condition, filters.And | filters.Or):
        pairs = [where(part, outputs) for part in condition.parts]
        joined = (" AND " if isinstance(condition, filters.And) else " OR ").join(sql for sql, _ in pairs)
        return f"({joined})", [param for _, params in pairs for param in params]
    if isinstance(condition, filters.Not):
        sql, params = where(condition.part, outputs)
        # What is not known does not satisfy the condition, so it does satisfy its negation: as in the filters.
        return f"(({sql}) IS NOT TRUE)", params
    if isinstance(condition, filters.Leaf):
        return _compared(condition, outputs)
    raise BadQuery("having", condition.relation, "the name of a key or a measure; groups have no relations")


def _compared(leaf: filters.Leaf, outputs: Mapping[str, Output]) -> tuple[str, list[Any]]:
    name = ".".join((leaf.field, *leaf.path))
    output = outputs[one_of("having", name, outputs)]
    op = one_of(f"having.{name}", leaf.op, filters.OPERATORS[output.kind])
    if op in _NEGATED:
        return where(filters.Not(filters.Leaf(leaf.field, leaf.path, _NEGATED[op], leaf.value)), outputs)
    alias, cast = output.alias, _CASTS[output.kind]
    if op == "exists":
        return f"({alias} IS {'NOT ' if leaf.value else ''}NULL)", []
    if op == "in":
        wanted = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        return f"({alias} = ANY(%s::{cast}[]))", [[_value(name, output.kind, value) for value in wanted]]
    value = _value(name, output.kind, leaf.value)
    if op == "contains":
        return f"(position(lower(%s) IN lower({alias})) > 0)", [value]
    if op == "startsWith":
        return f"(starts_with({alias}, %s))", [value]
    return f"({alias} {_SIGNS[op]} %s::{cast})", [value]


def _value(name: str, kind: Kind, value: object) -> Any:
    try:
        if kind is Kind.NUMBER:
            return values.number(name, value)
        if kind is Kind.BOOL:
            return values.boolean(name, value)
        if kind is Kind.TIME:
            return _moment(values.moment(name, value))
        if not isinstance(value, str):
            raise BadQuery(name, value, "a text")
        return clean_text(name, value)
    except filters.BadFilter as error:
        raise BadQuery.of(error) from error


def _moment(value: dt.date | filters.Relative) -> dt.datetime:
    if isinstance(value, filters.Relative):
        return value.at(dt.datetime.now(dt.UTC))
    return value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time.min, dt.UTC)


# ------------------------------------------------------------------------------------------------------- documents
_OPERATORS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "startsWith", "exists")
_MAX_DEPTH: Final = 20


def read(document: Mapping[Any, Any], names: Mapping[str, str], depth: int = 0) -> filters.Condition | None:
    """The condition of a document over groups, `{"count": {"$gte": 5}, "$or": [...]}`; None for an empty one.

    `names` are the columns by the paths that documents call them. Raises BadQuery.
    """
    if depth > _MAX_DEPTH:
        raise BadQuery("$match", "more levels", f"conditions nested at most {_MAX_DEPTH} levels deep")
    parts: list[filters.Condition] = []
    for key, value in document.items():
        if key in ("$and", "$or", "$nor"):
            parts.append(_combined(key, value, names, depth))
        elif key == "$not":
            parts.append(filters.Not(_whole(key, value, names, depth)))
        else:
            parts += _tests(str(key), value, names)
    return together(parts)


def _combined(key: str, value: object, names: Mapping[str, str], depth: int) -> filters.Condition:
    if not isinstance(value, list) or not value:
        raise BadQuery("$match", value, f"a list of conditions behind {key}")
    parts = tuple(_whole(key, one, names, depth) for one in value)
    if key == "$and":
        return filters.And(parts)
    return filters.Or(parts) if key == "$or" else filters.Not(filters.Or(parts))


def _whole(key: str, value: object, names: Mapping[str, str], depth: int) -> filters.Condition:
    found = read(value, names, depth + 1) if isinstance(value, Mapping) else None
    if found is None:
        raise BadQuery("$match", value, f"a condition behind {key}, such as {{'count': {{'$gte': 5}}}}")
    return found


def _tests(path: str, value: object, names: Mapping[str, str]) -> list[filters.Condition]:
    column = names[one_of("$match", path, names)]
    if not isinstance(value, Mapping):
        return [_test(path, column, "eq", value)]
    if not value:
        raise BadQuery(f"$match.{path}", value, "a value, or an object of operators such as {'$gte': 5}")
    if list(value) == ["$not"] and isinstance(value["$not"], Mapping):
        denied = together(_tests(path, value["$not"], names))
        return [] if denied is None else [filters.Not(denied)]
    return [_test(path, column, _operator(path, name), one) for name, one in value.items()]


def _operator(path: str, name: object) -> str:
    return one_of(f"$match.{path}", str(name).removeprefix("$"), _OPERATORS)


def _test(path: str, column: str, op: str, value: Any) -> filters.Condition:
    if value is None and op in ("eq", "ne"):
        return filters.Leaf(column, (), "exists", op == "ne")
    if op == "exists" and not isinstance(value, bool):
        raise BadQuery(f"$match.{path}", value, "true or false behind $exists")
    if op in ("in", "nin"):
        if not isinstance(value, list) or any(one is None for one in value):
            raise BadQuery(f"$match.{path}", value, f"a list of values behind ${op}")
        value = tuple(value)
    elif value is None or isinstance(value, list | Mapping):
        raise BadQuery(f"$match.{path}", value, f"one value behind ${op}")
    return filters.Leaf(column, (), op, value)
