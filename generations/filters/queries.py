"""Filters as parameters of a URL: `model.id=gpt-4&feedback.rating__gte=4&from=2026-01-01`, read and written.

A name is a path, with `__` and an operator behind it where it is not equality. `from` and `to` narrow the list's time,
`filter` holds a document. Given twice, an equality means either value (on tags: both), anything else both. Lists are
parted by commas; double quotes protect a comma. Values have no type here: for a key of a JSON field, `5` is the number
and the text. An empty value of a name that is known narrows nothing: it is an empty box of a form.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

import orjson

from generations.filters.conditions import And, BadFilter, Condition, Leaf, Or, Scalar
from generations.filters.documents import from_document
from generations.filters.fields import Catalogue, Field, joined, operator
from generations.filters.kinds import OF_ANY, SYNONYMS, Kind
from generations.filters.lists import CATALOGUES
from generations.filters.values import leaf, moment, readings, written

BOUNDS: Final = {"from": "gte", "to": "lte"}
DOCUMENT: Final = "filter"

_OPERATORS: Final = OF_ANY | frozenset(SYNONYMS)
_JSON: Final = frozenset(
    one.path for about in CATALOGUES.values() for one in about.fields if one.kind is Kind.JSON and one.dynamic
)
_LISTS: Final = ("in", "nin", "all")

Pairs = list[tuple[str, str]]


def named(about: Catalogue, name: str) -> tuple[Field, str]:
    """The field and the operator that a parameter's name says; raises BadFilter with the nearest right name."""
    if name in BOUNDS:
        return about.field(about.time), BOUNDS[name]
    path, found, op = name.rpartition("__")
    if found and op in _OPERATORS:
        field = about.field(path)
        return field, operator(field, op)
    known = about.find(name)
    if known is None:
        if found and about.find(path) is not None:
            operator(about.field(path), op)
        raise about.unknown(name)
    return known, operator(known, "contains" if known.operators == ("contains",) else "eq")


def read(about: Catalogue, name: str, texts: Sequence[str]) -> list[Condition]:
    """The conditions that one parameter says with all its values; raises BadFilter."""
    given = [text for text in texts if text != ""]
    if not given:
        if name != DOCUMENT:
            named(about, name)
        return []
    if name == DOCUMENT:
        said = [from_document(about.kind, _json(text)) for text in given]
        return [condition for condition in said if condition is not None]
    if name in BOUNDS:
        for text in given:
            # What is wrong is told of the name that was written, not of the field that it stands for.
            moment(name, text)
    field, op = named(about, name)
    if op in _LISTS:
        return [_compared(field, op, [part for text in given for part in _parted(name, text)])]
    if op == "eq" and len(given) > 1:
        return [_compared(field, "in", given)]
    return [_compared(field, op, [text]) for text in given]


def _compared(field: Field, op: str, texts: list[str]) -> Condition:
    if field.kind is not Kind.JSON or op == "exists":
        return leaf(field, op, texts if op in _LISTS else texts[0])
    if op in ("eq", "ne", "in", "nin"):
        values = [value for text in texts for value in readings(text)]
        if len(values) == 1 and op in ("eq", "ne"):
            return leaf(field, op, values[0])
        return leaf(field, "in" if op in ("eq", "in") else "nin", values)
    values = list(readings(texts[0]))
    if op == "contains":
        found = tuple(leaf(field, op, value) for value in values)
        return Or(found) if len(found) > 1 else found[0]
    return leaf(field, op, texts[0] if isinstance(values[0], bool) else values[0])


def _parted(name: str, text: str) -> list[str]:
    try:
        return [cell for row in csv.reader(io.StringIO(text, newline=""), strict=True) for cell in row if cell]
    except csv.Error:
        raise BadFilter(name, text, 'values parted by commas, those with a comma in double quotes: a,"b,c"') from None


def _json(text: str) -> dict[str, object]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadFilter(DOCUMENT, text, f"a filter document in JSON ({error})") from None
    if not isinstance(document, dict):
        raise BadFilter(DOCUMENT, text, 'an object of conditions, such as {"model.id": "gpt-4"}')
    return document


# -------------------------------------------------------------------------------------------------------- writing
def to_query(condition: Condition | None) -> Pairs | None:
    """The parameters that `from_query` reads as this condition, or None when only `filter=<document>` can say it."""
    if condition is None:
        return []
    parts = condition.parts if isinstance(condition, And) and len(condition.parts) > 1 else (condition,)
    pairs: Pairs = []
    seen: set[str] = set()
    last = ""
    for part in parts:
        pair = _pair(part) if isinstance(part, Leaf) else None
        if pair is None:
            return None
        # A parameter's values are read together: where its name came first, and for an equality as one list.
        if pair[0] in seen and (pair[0] != last or not _repeats(part)):
            return None
        pairs.append(pair)
        seen.add(pair[0])
        last = pair[0]
    return pairs


def _repeats(part: Condition) -> bool:
    return isinstance(part, Leaf) and part.op not in ("eq", *_LISTS) and not _untyped(part)


def _untyped(one: Leaf) -> bool:
    return bool(one.path) and one.field in _JSON


def _pair(one: Leaf) -> tuple[str, str] | None:
    name = ".".join((one.field, joined(one.path))) if one.path else one.field
    if _untyped(one) and one.op != "exists":
        return _untyped_pair(name, one)
    text = _list([_text(value) for value in one.value]) if isinstance(one.value, tuple) else _text(one.value)
    if not text:
        return None
    plain = one.op == "eq" or (one.op == "contains" and _plainly_contains(one.field))
    return (name if plain else f"{name}__{one.op}"), text


def _plainly_contains(field: str) -> bool:
    """Whether the bare name says `contains`: on tags, and where nothing else can be asked."""
    known = [about.names[field] for about in CATALOGUES.values() if field in about.names]
    return all(one.kind is Kind.TAGS or one.operators == ("contains",) for one in known)


def _untyped_pair(name: str, one: Leaf) -> tuple[str, str] | None:
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    texts = _untyped_texts(values)
    if texts is None or (one.op == "contains" and len(readings(texts[0])) > 1):
        return None
    if one.op in ("in", "nin"):
        if len(texts) == 1 and len(values) > 1:
            return (name if one.op == "in" else f"{name}__ne"), texts[0]
        listed = _list(texts)
        return (f"{name}__{one.op}", listed) if listed else None
    text = texts[0]
    read_back = readings(text)
    if one.op in ("eq", "ne") and len(read_back) > 1:
        return None
    return (name if one.op == "eq" else f"{name}__{one.op}"), text


def _untyped_texts(values: Sequence[Scalar]) -> list[str] | None:
    """The texts that are read as exactly these values, or None."""
    texts: list[str] = []
    at = 0
    while at < len(values):
        text = _text(values[at])
        said = readings(text)
        if not text or not _same(said, values[at : at + len(said)]):
            return None
        texts.append(text)
        at += len(said)
    return texts or None


def _same(a: Sequence[Scalar], b: Sequence[Scalar]) -> bool:
    return len(a) == len(b) and all(type(x) is type(y) and x == y for x, y in zip(a, b, strict=True))


def _text(value: Scalar) -> str:
    said = written(value)
    if isinstance(said, bool):
        return "true" if said else "false"
    return said if isinstance(said, str) else repr(said)


def _list(texts: list[str]) -> str:
    if not all(texts):
        return ""
    return ",".join(f'"{text.replace(chr(34), chr(34) * 2)}"' if _unsafe(text) else text for text in texts)


def _unsafe(text: str) -> bool:
    return any(character in text for character in ',"\r\n')
