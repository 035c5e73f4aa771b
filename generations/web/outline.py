"""The tree of a step as rows of a page: what is near the step that is shown, within bounds; the rest is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict

from generations import trees
from generations.access import Grant
from generations.models import Generation, Step
from generations.trees import Node, Tree

ROWS: Final = 110
"""How many rows of a tree a page begins with."""
MORE: Final = 100
"""How many rows are added when more are asked for."""
SIDE: Final = 8
"""How many neighbours, before and after, stand beside a step on the way from the top to the one that is shown."""
FULL: Final = 40
"""Up to so many children are unfolded together."""
ENDS: Final = (10, 30)
"""Of a way that is longer than both, so many steps from the top and so many nearest to the end are shown."""
CALLS: Final = 3
"""How many calls of models a row names."""
DEEPEST: Final = 16
"""The deepest level that is indented."""
BESIDE: Final = 400
"""The most steps of a tree that a page about something else reads for it."""


@dataclass(slots=True)
class Row:
    """A step of the tree. `left` and `width` are percents of the time that the whole tree took."""

    node: Node
    left: float
    width: float
    is_open: bool
    is_here: bool
    calls: list[Generation] = field(default_factory=list)

    @property
    def indent(self) -> int:
        """How far it is indented."""
        return min(self.node.level, DEEPEST)

    @property
    def below(self) -> int:
        """How many steps are below it."""
        return self.node.size - 1


@dataclass(frozen=True, slots=True)
class Rest:
    """Steps that are left out: children of `of` from the place `first` on to before `last`, or levels of the way."""

    of: Node
    first: int
    last: int
    is_way: bool = False

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first

    @property
    def level(self) -> int:
        """The level that they are on."""
        return self.of.level + 1

    @property
    def indent(self) -> int:
        """How far they are indented."""
        return min(self.level, DEEPEST)

    @property
    def query(self) -> str:
        """What their address asks for."""
        return urlencode({"of": self.of.id, "from": self.first, "to": self.last})


Item = Row | Rest


@dataclass(frozen=True, slots=True)
class Outline:
    """A tree as a page shows it. `first_failure` is where to look first, `next_failure` the one after what is shown."""

    tree: Tree
    items: list[Item]
    seconds: float
    first_failure: Node | None
    next_failure: Node | None
    failures: int


def outline(grant: Grant, tree: Tree) -> Outline:
    """What of a tree is near the step that it is about; one query."""
    failures = tree.failures
    later = next((node for node in failures if node.place > tree.here.place), None)
    items = _chosen(tree)
    _name_calls(grant, items)
    first = failures[0] if failures and failures[0] is not tree.here else None
    return Outline(tree, items, tree.ended - tree.began, first, later, len(failures))


def beside(grant: Grant, step_id: str | None) -> Outline | None:
    """The tree that a step belongs to, for the page of something in it; None where it is unknown, alone or too large.

    Three queries, and one more for each level above a step that names neither its trace nor its root.
    """
    row = Step.objects.by_ids(grant.project.pk, "step", [step_id]).first() if step_id else None
    if row is None:
        return None
    tree = trees.around(grant.project, row, most=BESIDE)
    return None if tree.is_cut else outline(grant, tree)


def unfolded(grant: Grant, tree: Tree, asked: QueryDict) -> list[Item] | None:
    """Children of the step `of`, from the place `from` on to before `to`; None when there is no such step."""
    of = tree.by_id.get(asked.get("of", ""))
    if of is None:
        return None
    first = _place(asked, "from", 0)
    last = min(len(of.children), _place(asked, "to", len(of.children)))
    until = min(last, first + MORE)
    items: list[Item] = [_row(tree, child, is_open=False) for child in of.children[first:until]]
    if until < last:
        items.append(Rest(of, until, last))
    _name_calls(grant, items)
    return items


def listed(grant: Grant, tree: Tree, nodes: Sequence[Node]) -> list[Item]:
    """These steps, each for itself; one query."""
    items: list[Item] = [_row(tree, node, is_open=False) for node in nodes]
    _name_calls(grant, items)
    return items


def _place(asked: QueryDict, name: str, otherwise: int) -> int:
    given = asked.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else otherwise


# ----------------------------------------------------------------------------------------------------------- choosing
def _chosen(tree: Tree) -> list[Item]:
    """The way from the top to the step, what stands beside it, what is below, then whatever has room from the top."""
    way = [*tree.here.above, tree.here]
    skipped = way[ENDS[0] : -ENDS[1]] if len(way) > sum(ENDS) else []
    on_way = {id(node): node for node in way}
    left_out = set(map(id, skipped))
    left = ROWS - len(way) + len(skipped)
    windows: dict[int, tuple[int, int]] = {}
    # What is nearest to the step comes first: it takes what it needs, and the rest have what is left.
    for node in reversed(way[:-1]):
        if id(node) in left_out:
            continue
        place = next(n for n, child in enumerate(node.children) if id(child) in on_way)
        side = 0 if left <= 0 or node in skipped else min(SIDE, left // 2)
        first, last = max(0, place - side), min(len(node.children), place + side + 1)
        if len(node.children) <= min(FULL, left):
            first, last = 0, len(node.children)
        windows[id(node)] = (first, last)
        left -= last - first - 1
    waiting = [tree.here, *tree.roots]
    while waiting and left > 0:
        node = waiting.pop(0)
        if id(node) not in windows and node.children and id(node) not in left_out:
            last = min(len(node.children), FULL if node is tree.here else min(FULL, left), max(left, 1))
            if last == len(node.children) or node is tree.here or node.level == 0:
                windows[id(node)] = (0, last)
                left -= last
        if id(node) in windows:
            first, last = windows[id(node)]
            waiting.extend(node.children[first:last])
    return _laid_out(tree, windows, skipped)


def _laid_out(tree: Tree, windows: dict[int, tuple[int, int]], skipped: Sequence[Node]) -> list[Item]:
    items: list[Item] = []
    resumed = skipped[-1].children if skipped else []
    waiting: list[Node | Rest] = list(_roots(tree))[::-1]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Rest):
            items.append(at)
            continue
        if skipped and at is skipped[0]:
            items.append(Rest(at, 0, len(skipped), is_way=True))
            waiting.append(next(child for child in resumed if child is tree.here or _leads_to(child, tree.here)))
            continue
        window = windows.get(id(at))
        items.append(_row(tree, at, is_open=window is not None))
        if window is not None:
            first, last = window
            inside: list[Node | Rest] = list(at.children[first:last])
            if first:
                inside.insert(0, Rest(at, 0, first))
            if last < len(at.children):
                inside.append(Rest(at, last, len(at.children)))
            waiting.extend(reversed(inside))
    return items


def _roots(tree: Tree) -> list[Node]:
    """The tops that are shown: the step's own, and as many others as a page has room for."""
    own = tree.here.above[0] if tree.here.parent else tree.here
    others = [root for root in tree.roots if root is not own][: FULL - 1]
    return [root for root in tree.roots if root is own or root in others]


def _leads_to(node: Node, here: Node) -> bool:
    return node.place <= here.place < node.place + node.size


# ------------------------------------------------------------------------------------------------------------ drawing
def _row(tree: Tree, node: Node, *, is_open: bool) -> Row:
    whole = (tree.ended - tree.began) or 1.0
    left = min(99.5, (node.began - tree.began) / whole * 100)
    width = max(0.5, min(100 - left, (node.ended - node.began) / whole * 100))
    return Row(node, left, width, is_open and bool(node.children), node is tree.here)


def _name_calls(grant: Grant, items: Sequence[Item]) -> None:
    """Give each row the calls of models that were made in its step."""
    rows = [item for item in items if isinstance(item, Row)]
    made = trees.calls(grant.project, [row.node for row in rows], each=CALLS) if rows else {}
    for row in rows:
        row.calls = made.get(row.node.id, [])
