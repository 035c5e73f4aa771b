"""Filters as lists of `{field, operator, value, path?}`, all of which must hold: Literal AI's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations.filters.catalogue import catalogue
from generations.filters.conditions import MAX_CONDITIONS, BadFilter, Condition, Leaf, Not, bounded, together
from generations.filters.fields import Field, joined, nearest, operator
from generations.filters.kinds import Kind
from generations.filters.values import leaf

_PLAIN: Final = {"eq": "eq", "neq": "ne", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "in": "in", "nin": "nin"}
OPERATORS: Final = (*_PLAIN, "ilike", "nilike", "is", "nis")


def from_list(kind: str, items: Sequence[Mapping[str, Any]] | None) -> Condition | None:
    """The condition that a list of comparisons says; None for an empty one.

    `field` is a path or alias of the catalogue, `path` what stands behind it in a dynamic field. `ilike` finds a part
    of the text, or its beginning when the value ends in its only `%`; `is` takes null, true or false. A refusal
    (neq, nilike, nin, nis) includes rows where the value is missing. Raises BadFilter.
    """
    if not items:
        return None
    if isinstance(items, Mapping | str) or not isinstance(items, Sequence):
        raise BadFilter("filters", items, "a list of {field, operator, value}")
    if len(items) > MAX_CONDITIONS:
        raise BadFilter("filters", f"{len(items)} conditions", f"at most {MAX_CONDITIONS} conditions")
    condition = together([_read(kind, item) for item in items])
    bounded(condition)
    return condition


def _read(kind: str, item: object) -> Condition:
    if not isinstance(item, Mapping):
        raise BadFilter("filters", item, "an object with field, operator and value")
    name, op, path = item.get("field"), item.get("operator"), item.get("path")
    if not isinstance(name, str) or not isinstance(op, str) or (path is not None and not isinstance(path, str)):
        raise BadFilter("filters", dict(item), "field, operator and path as texts")
    if op not in OPERATORS:
        raise BadFilter(name, op, f"one of the operators {', '.join(OPERATORS)}{nearest(op, OPERATORS)}")
    about = catalogue(kind)
    base = about.names.get(name)
    field = about.field(name if not path else _behind(base, name, path))
    return _comparison(field, op, item.get("value"))


def _behind(base: Field | None, name: str, path: str) -> str:
    """A dotted path of keys for `metadata`, one name for `scores`."""
    return f"{name}.{path}" if base is None or base.kind is Kind.JSON else f"{name}.{joined([path])}"


def _comparison(field: Field, op: str, value: object) -> Condition:
    if op in ("is", "nis"):
        if value is None or (field.kind is Kind.TAGS and value == []):
            return Leaf(field.base, field.at, "exists", op == "nis")
        return leaf(field, operator(field, "eq" if op == "is" else "ne"), value)
    if op in ("ilike", "nilike"):
        found = _like(field, value)
        return found if op == "ilike" else Not(found)
    if isinstance(value, list | tuple) and op in ("eq", "neq"):
        op = {"eq": "in", "neq": "nin"}[op]
    return leaf(field, operator(field, _PLAIN[op]), value)


def _like(field: Field, value: object) -> Condition:
    if not isinstance(value, str):
        raise BadFilter(field.path, value, "a text for ilike")
    begins = value.endswith("%") and "%" not in value[:-1] and "startsWith" in field.operators
    text = value.strip("%")
    if "%" in text:
        raise BadFilter(field.path, value, "a text with % at its ends only")
    if not text:
        return Leaf(field.base, field.at, "exists", True)
    return leaf(field, operator(field, "startsWith" if begins else "contains"), text)
