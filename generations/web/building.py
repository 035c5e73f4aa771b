"""The filter builder: a condition tree as a form of nested groups, and the form as a condition again.

Each box is named after the place of its node in the tree: `f.0.1` is the field of the second node in the first group.
A button sends the whole form with what to do in `do`; the tree is drawn anew, so that it is built without a script.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict

from generations import filters
from generations.filters import And, BadFilter, Condition, Leaf, Not, Or, Some, joined
from generations.filters.conditions import MAX_CONDITIONS, MAX_DEPTH
from generations.web import filtering

MATCHES: Final = {"all": "All of these", "any": "Any of these", "none": "None of these", "notall": "Not all of these"}
HOWS: Final = {"some": "at least one", "none": "none", "every": "every one"}
_KINDS: Final = ("f", "g", "r")

Place = tuple[int, ...]


@dataclass(slots=True)
class Node:
    """One comparison, one group, or one question about related rows; groups and relations hold others.

    `kind` is the list that it is about. A comparison has `field`, `op` and `value`; a group `match`; a relation
    `relation` and `how`, and its parts must all hold of the related row. `problem` says what is wrong with it.
    """

    kind: str
    what: str = "leaf"
    field: str = ""
    op: str = "eq"
    value: str = ""
    match: str = "all"
    relation: str = ""
    how: str = "some"
    parts: list[Node] = dataclasses.field(default_factory=list)
    problem: str = ""
    place: str = ""

    @property
    def label(self) -> str:
        """How its place is called to who cannot see it."""
        return ".".join(str(int(n) + 1) for n in self.place.split(".") if n) or "the whole filter"

    @property
    def inner_kind(self) -> str:
        """The list that its parts are about."""
        return self.kind if self.what == "group" else filters.catalogue(self.kind).relation(self.relation).kind

    @property
    def inner_relations(self) -> list[str]:
        """The relations that can be asked about in it."""
        return [one.path for one in filters.relations(self.inner_kind)]


# ----------------------------------------------------------------------------------------------- a condition as a tree
def tree(kind: str, condition: Condition | None) -> Node:
    """The tree that the form shows of a condition; without one, a group with one empty comparison."""
    if condition is None:
        return _placed(Node(kind, "group", parts=[Node(kind)]))
    node = _node(kind, condition)
    return _placed(node if node.what == "group" else Node(kind, "group", parts=[node]))


def _node(kind: str, condition: Condition) -> Node:
    if isinstance(condition, Leaf):
        return _leaf(kind, condition)
    if isinstance(condition, And | Or):
        match = "all" if isinstance(condition, And) else "any"
        return Node(kind, "group", match=match, parts=[_node(kind, part) for part in condition.parts])
    if isinstance(condition, Some):
        return _relation(kind, condition, "some")
    part = condition.part
    if isinstance(part, Some):
        if isinstance(part.condition, Not):
            return _relation(kind, Some(part.relation, part.condition.part), "every")
        return _relation(kind, part, "none")
    if isinstance(part, And | Or):
        match = "notall" if isinstance(part, And) else "none"
        return Node(kind, "group", match=match, parts=[_node(kind, one) for one in part.parts])
    return Node(kind, "group", match="none", parts=[_node(kind, part)])


def _leaf(kind: str, leaf: Leaf) -> Node:
    name = ".".join((leaf.field, joined(leaf.path))) if leaf.path else leaf.field
    pairs = filters.to_query(leaf)
    if pairs is None:
        # Only a document tells a text from a number: nearly the same can be said in the box.
        values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        return Node(kind, field=name, op=leaf.op, value=",".join(str(value) for value in values))
    ((said, value),) = pairs
    _, found, op = said.rpartition("__")
    plain = filters.field(kind, name).operators[0] if "eq" not in filters.field(kind, name).operators else "eq"
    return Node(kind, field=name, op=op if found and said != name else plain, value=value)


def _relation(kind: str, some: Some, how: str) -> Node:
    there = filters.catalogue(kind).relation(some.relation).kind
    inner = some.condition
    parts = inner.parts if isinstance(inner, And) else () if inner is None else (inner,)
    return Node(kind, "relation", relation=some.relation, how=how, parts=[_node(there, part) for part in parts])


def _placed(node: Node, place: str = "") -> Node:
    node.place = place
    for n, part in enumerate(node.parts):
        _placed(part, f"{place}.{n}".lstrip("."))
    return node


# ---------------------------------------------------------------------------------------------- the form as a condition
def read(kind: str, form: QueryDict) -> Node:
    """The tree that the form was sent with. What makes no sense in it is left out; at most MAX_CONDITIONS nodes."""
    places: dict[Place, str] = {}
    for name in form:
        what, _, rest = name.partition(".")
        numbers = rest.split(".") if rest else []
        if what in _KINDS and len(numbers) <= MAX_DEPTH and all(n.isdecimal() and len(n) < 5 for n in numbers):
            places[tuple(int(n) for n in numbers)] = what
    root = Node(kind, "group", match=_one_of(form.get("g", ""), MATCHES, "all"))
    known: dict[Place, Node] = {(): root}
    for place in sorted(places)[: MAX_CONDITIONS + 1]:
        above = known.get(place[:-1])
        if not place or above is None or above.what == "leaf":
            continue
        node = _sent(above, places[place], ".".join(str(n) for n in place), form)
        above.parts.append(node)
        known[place] = node
    return _placed(root)


def _sent(above: Node, what: str, place: str, form: QueryDict) -> Node:
    kind = above.inner_kind
    if what == "g":
        return Node(kind, "group", match=_one_of(form.get(f"g.{place}", ""), MATCHES, "all"))
    if what == "r":
        names = [one.path for one in filters.relations(kind)]
        relation = form.get(f"r.{place}", "")
        if relation in names:
            return Node(kind, "relation", relation=relation, how=_one_of(form.get(f"h.{place}", ""), HOWS, "some"))
    return Node(
        kind,
        field=form.get(f"f.{place}", "").strip(),
        op=form.get(f"o.{place}", "eq"),
        value=form.get(f"v.{place}", "").strip(),
    )


def _one_of(text: str, known: Any, otherwise: str) -> str:
    return text if text in known else otherwise


def condition(node: Node) -> Condition | None:
    """The condition that a tree says; None for none. A comparison without a field or a value says nothing.

    Raises BadFilter after every node has been told what is wrong with it.
    """
    found = _said(node)
    wrong = next((one.problem for one in nodes(node) if one.problem), "")
    if wrong:
        raise BadFilter("filter", "", wrong)
    return found


def nodes(node: Node) -> Iterator[Node]:
    """The node and all within it."""
    yield node
    for part in node.parts:
        yield from nodes(part)


def _said(node: Node) -> Condition | None:
    if node.what == "leaf":
        return _compared(node)
    parts = [said for said in map(_said, node.parts) if said is not None]
    if node.what == "relation":
        inner = filters.together(parts)
        if node.how == "every":
            return None if inner is None else Not(Some(node.relation, Not(inner)))
        some = Some(node.relation, inner)
        return some if node.how == "some" else Not(some)
    if not parts:
        return None
    if node.match in ("any", "none"):
        either: Condition = Or(tuple(parts)) if len(parts) > 1 else parts[0]
        return either if node.match == "any" else Not(either)
    every = filters.together(parts)
    assert every is not None
    return every if node.match == "all" else Not(every)


def _compared(node: Node) -> Condition | None:
    if not node.field:
        if node.value:
            node.problem = "Choose a field for this value."
        return None
    if not node.value and node.op != "exists":
        node.problem = "Say what it is compared with, or remove it."
        return None
    name = node.field if node.op == "eq" else f"{node.field}__{node.op}"
    try:
        value = filtering.in_zone(node.kind, node.field, node.value)
        return filters.from_query(node.kind, {name: [value or "true"]})
    except BadFilter as error:
        node.problem = str(error)
        return None


# ------------------------------------------------------------------------------------------------------ what buttons do
def changed(root: Node, do: str) -> None:
    """Do to the tree what a button says: `leaf:PLACE`, `group:PLACE`, `NAME:PLACE` of a relation, `remove:PLACE`."""
    what, _, place = do.partition(":")
    by_place = {node.place: node for node in nodes(root)}
    node = by_place.get(place)
    if node is None:
        return
    if what == "remove":
        above = by_place.get(place.rpartition(".")[0])
        if above is not None and above is not node:
            above.parts.remove(node)
    elif node.what != "leaf":
        kind = node.inner_kind
        if what == "leaf":
            node.parts.append(Node(kind))
        elif what == "group":
            node.parts.append(Node(kind, "group", match="any", parts=[Node(kind), Node(kind)]))
        elif what in [one.path for one in filters.relations(kind)]:
            there = filters.catalogue(kind).relation(what).kind
            node.parts.append(Node(kind, "relation", relation=what, parts=_first(there)))
    _placed(root)


def _first(kind: str) -> list[Node]:
    """What is asked first of related rows: a score's name and value."""
    if kind == "scores":
        return [Node(kind, field="name"), Node(kind, field="value", op="gte")]
    return [Node(kind)]
