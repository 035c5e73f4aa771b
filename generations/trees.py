"""The tree of steps that a step belongs to, whole and light: what is needed to draw it, of any size, in few queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from generations import clocks, identities
from generations.clocks import Read
from generations.models import Generation, Project, Step
from generations.querysets import shown

MOST: Final = 50_000
"""The most steps of a tree that are read."""
CLIMB: Final = 300
"""How many levels up the top of a tree is looked for, where neither a trace nor a root is named."""
FEW: Final = 4
"""So many of these levels are asked for one by one: most steps are not deeper."""
NEAR: Final = 500
"""How many of the steps that began before are read together, if it is deeper: parents begin shortly before children."""
LEVELS: Final = 2_000
NAME: Final = 200


class Node:
    """A step in its tree, made when it is looked at: of the same step always the same one.

    `size` counts it and all below it, `failed` those of them that failed. A step is critical when the whole tree would
    have ended earlier, had it been faster.
    """

    __slots__ = ("_at", "_tree")

    def __init__(self, tree: Tree, at: int) -> None:
        self._tree = tree
        self._at = at

    @property
    def id(self) -> str:
        return self._tree.ids[self._at]

    @property
    def name(self) -> str:
        return self._tree.names[self._at]

    @property
    def type(self) -> str:
        return self._tree.types[self._at]

    @property
    def began(self) -> float:
        return self._tree.starts[self._at]

    @property
    def ended(self) -> float:
        return self._tree.ends[self._at]

    @property
    def latency(self) -> float | None:
        return self._tree.latencies[self._at]

    @property
    def has_failed(self) -> bool:
        return self._tree.are_failed[self._at]

    @property
    def level(self) -> int:
        return self._tree.levels[self._at]

    @property
    def place(self) -> int:
        return self._tree.places[self._at]

    @property
    def size(self) -> int:
        return self._tree.sizes[self._at]

    @property
    def failed(self) -> int:
        return self._tree.failed[self._at]

    @property
    def is_critical(self) -> bool:
        return self._at in self._tree.critical

    @property
    def parent(self) -> Node | None:
        above = self._tree.links.parents[self._at]
        return None if above < 0 else self._tree.node(above)

    @property
    def children(self) -> Sequence[Node]:
        """The steps right below it, by their start."""
        return self._tree.children(self._at)

    @property
    def above(self) -> list[Node]:
        """The steps that it is part of, the topmost first."""
        found, at = [], self.parent
        while at is not None:
            found.append(at)
            at = at.parent
        return found[::-1]


class Tree:
    """The steps of a tree, and which is below which.

    They are held as columns in the order of their starts, and only those that are looked at become nodes: of twenty
    thousand a page shows a hundred. `order` has their places in reading order: each before what is below it. `roots`
    has several where parents are missing (`orphans`), or where a trace begins again. `is_cut` when not all were read.
    `shifts` are by how many seconds steps were moved, whose machine's clock is behind.
    """

    ids: Sequence[str]
    names: Sequence[str]
    types: Sequence[str]
    starts: Sequence[float]
    ends: Sequence[float]
    latencies: Sequence[float | None]
    are_failed: Sequence[bool]

    def __init__(self, steps: Sequence[Read], here: str, trace_id: str | None, *, is_cut: bool) -> None:
        self.trace_id, self.is_cut = trace_id, is_cut
        steps, self.shifts = clocks.on_one(steps) if trace_id else (steps, {})
        columns: Any = zip(*sorted(steps, key=itemgetter(4, 0)), strict=True)
        above: Sequence[str | None]
        self.ids, above, self.names, self.types, self.starts, self.ends, self.latencies, self.are_failed = columns
        self._at = {id: at for at, id in enumerate(self.ids)}
        self.orphans = {id for id, parent in zip(self.ids, above, strict=True) if parent and parent not in self._at}
        self.links = _Links([self._at.get(parent or "", -1) for parent in above])
        self.order, self.levels = self.links.in_order()
        self.places = [0] * len(steps)
        for place, at in enumerate(self.order):
            self.places[at] = place
        self.sizes, self.failed = [1] * len(steps), list(map(int, self.are_failed))
        for at in reversed(self.order):
            parent = self.links.parents[at]
            if parent >= 0:
                self.sizes[parent] += self.sizes[at]
                self.failed[parent] += self.failed[at]
        self.critical = self._critical()
        self.began, self.ended = self.starts[0], max(self.ends)
        self.depth = 1 + max(self.levels)
        self._nodes: dict[int, Node] = {}
        self._children: dict[int, list[Node]] = {}
        self.roots = [self.node(at) for at in self.links.roots]
        self.here = self.node(self._at[here])

    def __len__(self) -> int:
        return len(self.ids)

    def node(self, at: int) -> Node:
        """The step at this place among `ids`."""
        found = self._nodes.get(at)
        if found is None:
            found = self._nodes[at] = Node(self, at)
        return found

    def find(self, id: str) -> Node | None:
        """The step of this id."""
        at = self._at.get(id)
        return None if at is None else self.node(at)

    def children(self, at: int) -> list[Node]:
        """The steps right below the one at this place among `ids`."""
        found = self._children.get(at)
        if found is None:
            found = self._children[at] = [self.node(child) for child in self.links.below(at)][::-1]
        return found

    @property
    def nodes(self) -> list[Node]:
        """All of them, in reading order."""
        return [self.node(at) for at in self.order]

    @property
    def failures(self) -> list[Node]:
        """Where errors came from: the steps that failed and have nothing below them that did."""
        return [self.node(at) for at in self.order if self.are_failed[at] and self.failed[at] == 1]

    def _critical(self) -> set[int]:
        """What the end of the tree waited for: from its end backwards, always what ended last before."""
        starts, ends = self.starts, self.ends
        waiting = [max(self.links.roots, key=ends.__getitem__)]
        found: set[int] = set()
        while waiting:
            at = waiting.pop()
            found.add(at)
            by_start = list(self.links.below(at))[::-1]
            below = sorted(by_start, key=ends.__getitem__, reverse=True)
            until = max(ends[at], ends[below[0]]) if below else ends[at]
            for child in below:
                if ends[child] <= until and ends[child] > starts[child]:
                    waiting.append(child)
                    until = starts[child]
        return found


def around(project: Project, row: Step, *, most: int = MOST) -> Tree:
    """The tree around a step: of its trace where it has one, else of the topmost step above it.

    Of a trace one query; else, unless the step names its root, one for each of the first levels above it, then one for
    many; and one for all below.
    """
    found = _of_trace(project.pk, row, most) if row.trace_id else _below(project.pk, _top(project.pk, row), most)
    # Steps that go round in a circle are read more than once.
    steps = {step[0]: step for step in found[:most]}
    if row.public_id not in steps:
        steps[row.public_id] = _read_of(row)
    return Tree(list(steps.values()), row.public_id, row.trace_id, is_cut=len(found) > most)


def calls(project: Project, nodes: Sequence[Node], *, each: int) -> dict[str, list[Generation]]:
    """The first generations made in each of these steps, at most `each` of a step; one query."""
    found: dict[str, list[Generation]] = {}
    made = Generation.objects.in_project(project.pk).filter(step_id__in=[node.id for node in nodes])
    place = Window(RowNumber(), partition_by=F("step_id"), order_by=("started_at", "uid"))
    for call in made.annotate(place=place).filter(place__lte=each).order_by("started_at", "uid").only(*_SHOWN):
        found.setdefault(str(call.step_id), []).append(call)
    return found


_SHOWN: Final = (
    "project_id", "uid", "public_id", "step_id", "name", "type", "model_id", "started_at", "latency", "error",
)  # fmt: skip


def search(project: Project, tree: Tree, text: str) -> list[Node]:
    """The steps of a tree that have a text in their name, type, id, error or previews, or in those of their calls.

    In reading order; two queries.
    """
    wanted = text.casefold()
    failed, begun = Q(error__icontains=text), Q(input_preview__icontains=text) | Q(output_preview__icontains=text)
    said = failed | (begun & shown(project.pk, "step"))
    steps = Step.objects.in_project(project.pk)
    ids: Any = list(tree.ids)
    if tree.trace_id:
        steps = steps.filter(trace_id=tree.trace_id)
        ids = steps.values("public_id")
    else:
        steps = steps.by_ids(project.pk, "step", ids)
    named = failed | Q(model_id__icontains=text) | Q(name__icontains=text)
    named |= begun & shown(project.pk, "generation")
    made = Generation.objects.in_project(project.pk).filter(named, step_id__in=ids)
    found = {*steps.filter(said).values_list("public_id", flat=True), *made.values_list("step_id", flat=True)}
    return [
        tree.node(at)
        for at in tree.order
        if tree.ids[at] in found
        or any(wanted in one.casefold() for one in (tree.names[at], tree.types[at], tree.ids[at]))
    ]


# ------------------------------------------------------------------------------------------------------------- reading
_COLUMNS: Final = (
    "s.public_id, s.parent_id, coalesce(left(s.name, %(name)s), ''), s.type, extract(epoch FROM s.started_at)::float8,"
    " coalesce(extract(epoch FROM s.started_at)::float8 + s.latency, extract(epoch FROM s.ended_at)::float8,"
    " extract(epoch FROM s.started_at)::float8), s.latency, s.error IS NOT NULL"
)

_BARE: Final = (
    "step.public_id, step.parent_id, step.name, step.type, step.started_at, step.ended_at, step.latency, step.error"
)


def _of_trace(project: int, row: Step, most: int) -> list[Read]:
    return _read(
        f"SELECT {_COLUMNS} FROM step s WHERE s.project_id = %(project)s AND s.trace_id = %(trace)s"  # noqa: S608
        " ORDER BY s.started_at LIMIT %(most)s",
        {"project": project, "trace": row.trace_id, "most": most + 1},
    )


def _below(project: int, top: Step, most: int) -> list[Read]:
    # Nearest first: what is cut is what is deepest. Steps that go round in a circle end with their levels.
    return _read(
        "WITH RECURSIVE s AS ("  # noqa: S608
        f"  SELECT {_BARE}, 0 AS level FROM step WHERE project_id = %(project)s AND uid = %(top)s"
        "    AND started_at = %(started)s"
        "  UNION ALL"
        f"  SELECT {_BARE}, s.level + 1 FROM s JOIN step ON step.project_id = %(project)s"
        "    AND step.parent_id = s.public_id WHERE s.level < %(levels)s"
        f") SELECT {_COLUMNS} FROM s LIMIT %(most)s",
        {"project": project, "top": top.uid, "started": top.started_at, "levels": LEVELS, "most": most + 1},
    )


def _read(statement: str, parameters: dict[str, Any]) -> list[Read]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "name": NAME})
        found: list[Read] = cursor.fetchall()
        return found


def _read_of(row: Step) -> Read:
    """A step that was not among those that were read of its tree."""
    began = row.started_at.timestamp()
    ended = began + row.latency if row.latency is not None else row.ended_at.timestamp() if row.ended_at else began
    name = (row.name or "")[:NAME]
    return row.public_id, row.parent_id, name, row.type, began, ended, row.latency, row.error is not None


def _top(project: int, row: Step) -> Step:
    """The topmost step above `row`: the root that it names, else as far up as parents are known."""
    if row.root_id and row.root_id != row.public_id:
        root = Step.objects.by_ids(project, "step", [row.root_id]).first()
        if root is not None and root.parent_id is None:
            return root
    seen: set[uuid.UUID] = {row.uid}
    near: dict[uuid.UUID, Step] = {}
    are_near = True
    steps = Step.objects.in_project(project).only(*_UP)
    for level in range(CLIMB):
        if not row.parent_id or (above := identities.uid(project, "step", row.parent_id)) in seen:
            break
        if level >= FEW and are_near and above not in near:
            before = steps.filter(started_at__lte=row.started_at).order_by("-started_at", "-uid")
            near = {one.uid: one for one in before[:NEAR]}
            are_near = above in near
        found = near.get(above) or steps.filter(uid=above).first()
        if found is None:
            break
        seen.add(above)
        row = found
    return row


_UP: Final = ("project_id", "uid", "public_id", "parent_id", "started_at")


# ------------------------------------------------------------------------------------------------------------- growing
class _Links:
    """Which step is below which, by their places: the one above, the last below, and the one before. -1 is none."""

    def __init__(self, parents: list[int]) -> None:
        self.parents = parents
        self.last, self.before = [-1] * len(parents), [-1] * len(parents)
        self.roots: list[int] = []
        for at, above in enumerate(parents):
            if above < 0:
                self.roots.append(at)
            else:
                self.before[at] = self.last[above]
                self.last[above] = at

    def below(self, at: int) -> Iterator[int]:
        """The places of those right below, the last first."""
        child = self.last[at]
        while child >= 0:
            yield child
            child = self.before[child]

    def in_order(self) -> tuple[list[int], list[int]]:
        """The places in reading order, and the level of each place."""
        levels = [-1] * len(self.parents)
        order = self._reached(self.roots, levels)
        if len(order) < len(levels):
            # Steps that go round in a circle have no top: the first of each circle is taken for one.
            for at in range(len(levels)):
                if levels[at] < 0:
                    self._cut(at)
                    self._reached([at], levels)
            self.roots.sort()
            order = self._reached(self.roots, levels)
        return order, levels

    def _reached(self, tops: Sequence[int], levels: list[int]) -> list[int]:
        order: list[int] = []
        waiting = list(reversed(tops))
        parents, last, before = self.parents, self.last, self.before
        while waiting:
            at = waiting.pop()
            above = parents[at]
            levels[at] = 0 if above < 0 else levels[above] + 1
            order.append(at)
            child = last[at]
            while child >= 0:
                waiting.append(child)
                child = before[child]
        return order

    def _cut(self, at: int) -> None:
        """Make the step at this place a top."""
        above, self.parents[at] = self.parents[at], -1
        siblings = [child for child in self.below(above) if child != at]
        self.last[above] = siblings[0] if siblings else -1
        for child, earlier in pairwise([*siblings, -1]):
            self.before[child] = earlier
        self.before[at] = -1
        self.roots.append(at)
