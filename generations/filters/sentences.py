"""Conditions in English: what a list shows above itself, and what a job's page says it was asked to do."""

from __future__ import annotations

import datetime as dt
from typing import Final

from generations.filters.catalogue import catalogue
from generations.filters.conditions import And, Condition, Leaf, Not, Or, Relative, Scalar, Some
from generations.filters.fields import Field
from generations.filters.kinds import Kind

_VERBS: Final = {
    "eq": "is",
    "ne": "is not",
    "gt": "is over",
    "gte": "is at least",
    "lt": "is under",
    "lte": "is at most",
    "contains": "contains",
    "startsWith": "starts with",
}
_TIMES: Final = {"gt": "is after", "gte": "is from", "lt": "is before", "lte": "is up to"}
_SHOWN: Final = 5


def sentence(kind: str, condition: Condition | None) -> str:
    """What the rows of the list have in common: "generations where model is gpt-4 and rating is at least 4"."""
    noun = catalogue(kind).noun
    return f"all {noun}" if condition is None else f"{noun} where {_said(kind, condition)}"


def _said(kind: str, condition: Condition, *, inside: bool = False) -> str:
    if isinstance(condition, Leaf):
        return _comparison(catalogue(kind).asked(condition), condition)
    if isinstance(condition, And | Or):
        word = " and " if isinstance(condition, And) else " or "
        text = word.join(_said(kind, part, inside=True) for part in condition.parts)
        return f"({text})" if inside and len(condition.parts) > 1 else text
    if isinstance(condition, Some):
        return _some("some", kind, condition)
    if isinstance(condition.part, Some):
        return _none(kind, condition.part)
    return f"not ({_said(kind, condition.part)})"


def _none(kind: str, some: Some) -> str:
    if isinstance(some.condition, Not):
        return _some("every", kind, Some(some.relation, some.condition.part))
    return _some("no", kind, some)


def _some(how: str, kind: str, some: Some) -> str:
    relation = catalogue(kind).relation(some.relation)
    text = f"{how} {relation.sentence}"
    if some.condition is None:
        return f"there is {text}"
    return f"{text} has {_said(relation.kind, some.condition, inside=True)}"


def _comparison(field: Field, leaf: Leaf) -> str:
    name = field.sentence
    if leaf.op == "exists":
        return f"{name} is {'known' if leaf.value else 'unknown'}"
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    if field.kind is Kind.BOOL:
        return name if (leaf.value is True) == (leaf.op == "eq") else f"not {name}"
    if field.kind is Kind.TAGS:
        verb = {"contains": "include", "ne": "do not include", "in": "include", "nin": "do not include any of"}
        return f"{name} {verb.get(leaf.op, 'include all of')} {_listed(values)}"
    if leaf.op in ("in", "nin"):
        return f"{name} is {'' if leaf.op == 'in' else 'not '}{_listed(values)}"
    verb_of = _TIMES if field.kind is Kind.TIME else {}
    return f"{name} {verb_of.get(leaf.op) or _VERBS[leaf.op]} {_shown(values[0])}"


def _listed(values: tuple[Scalar, ...]) -> str:
    words = list(dict.fromkeys(_shown(value) for value in values))
    if not words:
        return "nothing"
    if len(words) > _SHOWN:
        return f"one of {', '.join(words[:_SHOWN])} and {len(words) - _SHOWN} more"
    return " or ".join(words)


def _shown(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Relative):
        return value.text
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
    if isinstance(value, str):
        if len(value) > 60:
            value = value[:59] + "…"
        return value if value and value.strip() == value else f'"{value}"'
    return str(value)
