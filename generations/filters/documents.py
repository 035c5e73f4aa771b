"""Filters as documents: `{"model.id": "gpt-4", "feedback.rating": {"$gte": 4}, "$or": [...]}`, read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from generations.filters.catalogue import catalogue
from generations.filters.conditions import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    And,
    BadFilter,
    Condition,
    Leaf,
    Not,
    Or,
    Some,
    bounded,
    together,
    too_deep,
)
from generations.filters.fields import Catalogue, Dynamic, Field, Relation, joined, nearest, operator
from generations.filters.kinds import OF_ANY, SYNONYMS, Kind
from generations.filters.values import leaf, written

Document = dict[str, Any]

_LOGIC: Final = {"and", "or", "not", "nor"}
_QUANTIFIERS: Final = {"some": "some", "elemMatch": "some", "none": "none", "every": "every", "exists": "exists"}
_OPERATORS: Final = OF_ANY | frozenset(SYNONYMS)


def from_document(kind: str, document: Mapping[str, Any] | None) -> Condition | None:
    """The condition that a filter document says; None for an empty one, which narrows nothing.

    Names are paths, dotted or as nested objects; the names in one object must all hold. Operators and `$and`, `$or`,
    `$not`, `$nor`, `$some`, `$none`, `$every` may be written with or without `$`. Raises BadFilter.
    """
    if document is None:
        return None
    condition = _Reader().document(catalogue(kind), document, 0)
    bounded(condition)
    return condition


class _Reader:
    """Reads one document. Counts as it goes, so that a huge one is refused before it is all read."""

    def __init__(self) -> None:
        self.count = 0

    def document(self, about: Catalogue, document: object, depth: int) -> Condition | None:
        if not isinstance(document, Mapping):
            raise BadFilter("filter", document, 'an object of conditions, such as {"model.id": "gpt-4"}')
        parts: list[Condition] = []
        for key, value in document.items():
            if not isinstance(key, str):
                raise BadFilter("filter", key, "names that are texts")
            word = key.removeprefix("$")
            if word in _LOGIC:
                parts.append(self.logic(about, word, value, depth + 1))
            elif key.startswith("$"):
                raise BadFilter(key, key, f"a field or one of $and, $or, $not, $nor{nearest(key, sorted(_LOGIC))}")
            else:
                parts.extend(self.named(about, key, value, depth + 1))
        return together(parts)

    def logic(self, about: Catalogue, word: str, value: object, depth: int) -> Condition:
        self.tick(depth)
        if word == "not":
            return Not(self.needed(about, "$not", value, depth))
        if not isinstance(value, list | tuple) or not value:
            raise BadFilter(f"${word}", value, "a list of at least one condition")
        parts = tuple(self.needed(about, f"${word}", part, depth) for part in value)
        if word == "and":
            return And(parts)
        return Or(parts) if word == "or" else Not(Or(parts))

    def needed(self, about: Catalogue, name: str, value: object, depth: int) -> Condition:
        found = self.document(about, value, depth)
        if found is None:
            raise BadFilter(name, value, "a condition, not an empty object")
        return found

    def named(self, about: Catalogue, path: str, value: object, depth: int) -> Iterator[Condition]:
        self.tick(depth)
        relation = about.related.get(path)
        if relation is not None and isinstance(value, Mapping):
            yield from self.related(about, relation, path, value, depth)
            return
        field = about.find(path)
        if isinstance(value, Mapping):
            yield from self.nested(about, path, field, value, depth)
        elif field is None:
            raise about.unknown(path)
        elif isinstance(value, list | tuple):
            if field.kind in (Kind.TAGS, Kind.JSON):
                raise BadFilter(field.path, value, "an operator with the list: $in for any of them, $all for all")
            yield leaf(field, operator(field, "in"), value)
        elif field.operators == ("contains",):
            yield leaf(field, "contains", value)
        else:
            yield leaf(field, operator(field, "eq"), value)

    def nested(
        self, about: Catalogue, path: str, field: Field | None, value: Mapping[Any, Any], depth: int
    ) -> Iterator[Condition]:
        base = about.names.get(path)
        within = (base is not None and base.dynamic is not Dynamic.NO) or (field is not None and bool(field.at))
        if field is None and not within and path not in about.objects:
            raise about.unknown(path)
        if not value:
            raise BadFilter(path, {}, "an operator and a value, or a value")
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BadFilter(path, key, "names that are texts")
            word = key.removeprefix("$")
            if field is not None and word == "not" and isinstance(inner, Mapping):
                part = together(list(self.nested(about, path, field, inner, depth + 1)))
                assert part is not None
                yield Not(part)
            elif field is not None and (key.startswith("$") or key in _OPERATORS):
                self.tick(depth)
                yield leaf(field, operator(field, word), inner)
            elif key.startswith("$"):
                raise BadFilter(path, key, "a name below it before an operator")
            elif field is not None and not within and path not in about.objects:
                # A word in the place of an operator: say which operators there are.
                operator(field, key)
            else:
                yield from self.named(about, f"{path}.{joined([key]) if within else key}", inner, depth + 1)

    def related(
        self, about: Catalogue, relation: Relation, path: str, value: Mapping[Any, Any], depth: int
    ) -> Iterator[Condition]:
        there = catalogue(relation.kind)
        wanted = f'how many of them, such as {{"{path}": {{"some": {{...}}}}}}; also none, every'
        if not value:
            raise BadFilter(path, {}, wanted)
        for key, inner in value.items():
            how = _QUANTIFIERS.get(key.removeprefix("$")) if isinstance(key, str) else None
            if how == "exists":
                yield from self.exists(relation, inner)
            elif how is not None:
                yield self.quantified(relation, there, how, inner, depth)
            elif path in about.names and isinstance(key, str) and key[:1] != "$" and key not in there.names:
                yield from self.named(about, f"{path}.{joined([key])}", inner, depth + 1)
            else:
                raise BadFilter(path, key, wanted)

    def exists(self, relation: Relation, value: object) -> Iterator[Condition]:
        if not isinstance(value, bool):
            raise BadFilter(relation.path, value, "true or false")
        yield Some(relation.path, None) if value else Not(Some(relation.path, None))

    def quantified(self, relation: Relation, there: Catalogue, how: str, value: object, depth: int) -> Condition:
        self.tick(depth)
        if how == "every":
            return Not(Some(relation.path, Not(self.needed(there, f"{relation.path}.every", value, depth))))
        some = Some(relation.path, self.document(there, value, depth))
        return some if how == "some" else Not(some)

    def tick(self, depth: int) -> None:
        self.count += 1
        if depth > 2 * MAX_DEPTH:  # names as nested objects are levels of the document, not of the condition
            raise too_deep()
        if self.count > 4 * MAX_CONDITIONS:
            raise BadFilter("filter", f"more than {MAX_CONDITIONS} conditions", f"at most {MAX_CONDITIONS} conditions")


# -------------------------------------------------------------------------------------------------------- writing
def to_document(condition: Condition | None) -> Document:
    """The document that `from_document` reads as this condition. JSON throughout: moments are texts."""
    if condition is None:
        return {}
    if isinstance(condition, Leaf):
        return {_name(condition): _said(condition)}
    if isinstance(condition, And):
        return _together(condition.parts) or {"$and": [to_document(part) for part in condition.parts]}
    if isinstance(condition, Or):
        return {"$or": [to_document(part) for part in condition.parts]}
    if isinstance(condition, Some):
        return {condition.relation: {"$some": to_document(condition.condition)}}
    part = condition.part
    if isinstance(part, Some):
        if isinstance(part.condition, Not):
            return {part.relation: {"$every": to_document(part.condition.part)}}
        return {part.relation: {"$none": to_document(part.condition)}}
    return {"$not": to_document(part)}


def _name(one: Leaf) -> str:
    return ".".join((one.field, joined(one.path))) if one.path else one.field


def _said(one: Leaf) -> Any:
    return _written(one) if one.op == "eq" else {f"${one.op}": _written(one)}


def _written(one: Leaf) -> Any:
    return [written(value) for value in one.value] if isinstance(one.value, tuple) else written(one.value)


def _together(parts: tuple[Condition, ...]) -> Document | None:
    """One flat object for several comparisons, where names and operators do not repeat; else None."""
    said: Document = {}
    last = ""
    for part in parts:
        if not isinstance(part, Leaf):
            return None
        name = _name(part)
        if name not in said:
            said[name] = {f"${part.op}": _written(part)}
        elif name != last or f"${part.op}" in said[name]:
            return None
        else:
            said[name][f"${part.op}"] = _written(part)
        last = name
    if len(parts) < 2:
        return None
    return {name: ops["$eq"] if list(ops) == ["$eq"] else ops for name, ops in said.items()}
