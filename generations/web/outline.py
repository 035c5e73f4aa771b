"""The tree of a step as rows of a page: what is near the step that is shown, within bounds; the rest is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from django.urls import reverse

from generations import trees
from generations.access import Grant
from generations.models import Generation, Step
from generations.trees import Node, Tree

ROWS: Final = 110
"""How many rows of a tree a page begins with, at most."""
FEWEST: Final = 6
MORE: Final = 100
"""How many rows are added when more are asked for, at most."""
ROOM: Final = 74_000
"""The bytes of HTML that rows take together, at most. Ids may be long, and stand in every row."""
ROW: Final = 620
"""The bytes of HTML of a row without its ids, at most."""
SIDE: Final = 8
"""How many neighbours, before and after, stand beside a step on the way from the top to the one that is shown."""
FULL: Final = 40
"""Up to so many children are unfolded together."""
ENDS: Final = (10, 30)
"""Of a way that is longer than both, so many steps from the top and so many nearest to the end are shown."""
CALLS: Final = 10
"""How many calls of models are shown of a step."""
CALL: Final = 460
CHIP: Final = 260
CALLS_ROOM: Final = 20_000
"""The bytes of HTML of a call in a row of its own, or, without its name, beside its step; and of all that are named."""
DEEPEST: Final = 16
"""The deepest level that is indented."""
ICONS: Final = {
    "tool": "wrench",
    "retrieval": "search",
    "embedding": "layers",
    "rerank": "list-tree",
    "llm": "sparkles",
    "agent": "bot",
    "chain": "git-branch",
    "user_message": "user",
    "assistant_message": "bot",
    "system_message": "settings",
    "message": "message-square",
}
"""The icons of types of steps; runs and what is undefined have that of work."""
BESIDE: Final = 400
ROWS_BESIDE: Final = (44, 12)
"""The most steps of a tree that a page about something else reads for it, and the most rows that it shows: fewer where
it has no room for as many."""


@dataclass(slots=True)
class Row:
    """A step of the tree. `left` and `width` are percents of the time that the whole tree took.

    `call` is the one call of a model that a step without steps below it is the frame of. `is_orphan` says that a step
    which it names as the one above is not in the tree.
    """

    node: Node
    left: float
    width: float
    is_open: bool
    is_here: bool
    call: Generation | None = None
    is_orphan: bool = False

    @property
    def level(self) -> int:
        """The level that it is on."""
        return self.node.level

    @property
    def began(self) -> float:
        """When it began, in seconds since 1970."""
        return self.node.began

    @property
    def indent(self) -> int:
        """How far it is indented."""
        return min(self.node.level, DEEPEST)

    @property
    def icon(self) -> str:
        """The icon of its type."""
        return ICONS.get(self.node.type, "activity")

    @property
    def below(self) -> int:
        """How many steps are below it."""
        return self.node.size - 1


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a model that was made in the step `of`, beside other work; it `began` on that one's clock."""

    made: Generation
    of: Node
    began: float
    left: float
    width: float

    @property
    def level(self) -> int:
        """The level that it is on."""
        return self.of.level + 1

    @property
    def indent(self) -> int:
        """How far it is indented."""
        return min(self.level, DEEPEST)


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
    def failed(self) -> int:
        """How many of them, and of the steps below them, failed; levels of a way lead on to what is shown."""
        return 0 if self.is_way else sum(child.failed for child in self.of.children[self.first : self.last])

    @property
    def level(self) -> int:
        """The level that they are on."""
        return self.of.level + 1

    @property
    def indent(self) -> int:
        """How far they are indented."""
        return min(self.level, DEEPEST)

    @property
    def began(self) -> float:
        """When the first of them began, in seconds since 1970."""
        return self.of.began if self.is_way else self.of.children[self.first].began

    @property
    def query(self) -> str:
        """What their address asks for."""
        return urlencode({"of": self.of.id, "from": self.first, "to": self.last})


Item = Row | Call | Rest


@dataclass(frozen=True, slots=True)
class Outline:
    """A tree as a page shows it. `first_failure` is where to look first, `next_failure` the one after what is shown."""

    tree: Tree
    items: list[Item]
    seconds: float
    first_failure: Node | None
    next_failure: Node | None
    failures: int
    base: str

    @property
    def took(self) -> float | None:
        """How long all of it took; None where no step says when it ended."""
        return self.seconds or None

    @property
    def more_roots(self) -> int:
        """How many beginnings of a trace are left out."""
        return max(0, len(self.tree.roots) - FULL)

    @property
    def ticks(self) -> list[float]:
        """Moments to read the bars by, in seconds from the beginning."""
        return [self.seconds * part / 4 for part in (0, 1, 2, 3, 4)]


def outline(grant: Grant, tree: Tree, *, rows: int = ROWS) -> Outline:
    """What of a tree is near the step that it is about, in at most so many rows; one query."""
    failures = tree.failures
    later = next((node for node in failures if node.place > tree.here.place), None)
    items = _with_calls(grant, tree, _chosen(tree, min(rows, _fitting(tree))))
    first = failures[0] if failures and failures[0] is not tree.here else None
    base = reverse("web:step-tree", args=[grant.project.slug, tree.here.id])
    return Outline(tree, items, tree.ended - tree.began, first, later, len(failures), base)


def beside(grant: Grant, step_id: str | None) -> Outline | None:
    """The tree that a step belongs to, for the page of something in it; None where it is unknown, alone or too large.

    Three queries, and one more for each level above a step that names neither its trace nor its root.
    """
    row = Step.objects.by_ids(grant.project.pk, "step", [step_id]).first() if step_id else None
    if row is None:
        return None
    tree = trees.around(grant.project, row, most=BESIDE)
    return None if tree.is_cut or len(tree) == 1 else outline(grant, tree, rows=ROWS_BESIDE[0])


def unfolded(grant: Grant, tree: Tree, of: Node, first: int, last: int | None) -> list[Item]:
    """Children of a step, from the place `first` on to before `last`, or to their end; one query."""
    last = len(of.children) if last is None else min(len(of.children), last)
    until = min(last, first + min(MORE, _fitting(tree)))
    items: list[Item] = [_row(tree, child, is_open=False) for child in of.children[first:until]]
    if until < last:
        items.append(Rest(of, until, last))
    return _with_calls(grant, tree, items)


def listed(grant: Grant, tree: Tree, nodes: Sequence[Node], first: int) -> tuple[list[Item], int]:
    """Some of these steps from the place `first` on, each for itself, and the place of those after; one query."""
    until = first + min(MORE, _fitting(tree))
    items: list[Item] = [_row(tree, node, is_open=False) for node in nodes[first:until]]
    return _with_calls(grant, tree, items), until


# ----------------------------------------------------------------------------------------------------------- choosing
def _fitting(tree: Tree) -> int:
    """How many rows of this tree fit, by the longest of its ids, which a row has in its address."""
    longest = max(tree.ids, key=len)
    return max(FEWEST, ROOM // (ROW + 2 * len(quote(longest))))


def _chosen(tree: Tree, room: int) -> list[Item]:
    """The way from the top to the step, what stands beside it, what is below, then whatever has room from the top."""
    way = [*tree.here.above, tree.here]
    top, near = min(ENDS[0], room // 4), min(ENDS[1], room // 2)
    skipped = way[top:-near] if len(way) > top + near else []
    on_way, left_out = set(map(id, way)), set(map(id, skipped))
    left = room - len(way) + len(skipped) - min(FULL, len(tree.roots))
    windows: dict[int, tuple[int, int]] = {}
    # What is nearest to the step comes first: it takes what it needs, and the rest have what is left.
    for node in reversed(way[:-1]):
        if id(node) in left_out:
            continue
        at = next(n for n, child in enumerate(node.children) if id(child) in on_way)
        side = max(0, min(SIDE, left // 4))
        first, last = max(0, at - side), min(len(node.children), at + side + 1)
        if len(node.children) <= min(FULL, left):
            first, last = 0, len(node.children)
        windows[id(node)] = (first, last)
        left -= last - first - 1
    waiting = [tree.here, *tree.roots]
    while waiting and left > 0:
        node = waiting.pop(0)
        if id(node) not in windows and node.children and id(node) not in left_out:
            last = min(len(node.children), left if len(tree) <= room else min(FULL, left))
            if last == len(node.children) or node is tree.here or node.parent is None:
                windows[id(node)] = (0, last)
                left -= last
        if id(node) in windows:
            first, last = windows[id(node)]
            waiting.extend(node.children[first:last])
    return _laid_out(tree, windows, skipped)


def _laid_out(tree: Tree, windows: dict[int, tuple[int, int]], skipped: Sequence[Node]) -> list[Item]:
    items: list[Item] = []
    waiting: list[Node | Rest] = [*reversed(_roots(tree))]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Rest):
            items.append(at)
            continue
        if skipped and at is skipped[0]:
            items.append(Rest(at, 0, len(skipped), is_way=True))
            waiting.append(next(child for child in skipped[-1].children if _leads_to(child, tree.here)))
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
    left, width = _bar(tree, node.began, node.ended)
    is_orphan = not tree.is_cut and node.id in tree.orphans
    return Row(node, left, width, is_open and bool(node.children), node is tree.here, is_orphan=is_orphan)


def _bar(tree: Tree, began: float, ended: float) -> tuple[float, float]:
    whole = (tree.ended - tree.began) or 1.0
    left = min(99.5, max(0.0, (began - tree.began) / whole * 100))
    return left, max(0.5, min(100 - left, (ended - began) / whole * 100))


def _with_calls(grant: Grant, tree: Tree, items: Sequence[Item]) -> list[Item]:
    """The rows with the calls of models that were made in their steps, among the steps below by when they began."""
    nodes = [item.node for item in items if isinstance(item, Row)]
    found = trees.calls(grant.project, nodes, each=CALLS) if nodes else {}
    left = CALLS_ROOM
    shown: list[Item] = []
    waiting: list[tuple[Node, list[Call]]] = []  # calls of the steps that the rows are in, the innermost last
    for item in items:
        while waiting and waiting[-1][0].level >= item.level:
            shown += waiting.pop()[1]
        if waiting and waiting[-1][0].level == item.level - 1:
            calls = waiting[-1][1]
            while calls and calls[0].began <= item.began:
                shown.append(calls.pop(0))
        shown.append(item)
        beside: list[Call] = []
        if not isinstance(item, Row):
            continue
        made = found.get(item.node.id, [])
        for call in made:
            is_framed = len(made) == 1 and not item.node.children
            name = quote((call.model_id or call.name or "")[:30])
            left -= (CHIP + len(name) if is_framed else CALL) + len(quote(call.public_id))
            if left < 0:
                break
            if is_framed:
                item.call = call
                continue
            began = call.started_at.timestamp() + tree.shifts.get(item.node.id, 0.0)
            beside.append(Call(call, item.node, began, *_bar(tree, began, began + (call.latency or 0.0))))
        if beside:
            waiting.append((item.node, beside))
    while waiting:
        shown += waiting.pop()[1]
    return shown
