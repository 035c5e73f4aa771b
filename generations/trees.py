"""The tree of steps that a step belongs to, whole and light: what is needed to draw it, of any size, in few queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from generations import records
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


@dataclass(slots=True, eq=False)
class Node:
    """A step in its tree. `began` and `ended` are seconds since 1970; `size` counts it and all below it.

    A step is critical when the whole tree would have ended earlier, had it been faster.
    """

    id: str
    parent_id: str | None
    name: str
    type: str
    began: float
    ended: float
    latency: float | None
    has_failed: bool
    level: int = 0
    place: int = 0
    size: int = 1
    failed: int = 0
    is_critical: bool = False
    parent: Node | None = None
    children: Sequence[Node] = ()

    @property
    def above(self) -> list[Node]:
        """The steps that it is part of, the topmost first."""
        found: list[Node] = []
        at = self.parent
        while at is not None:
            found.append(at)
            at = at.parent
        return found[::-1]


@dataclass(slots=True)
class Tree:
    """The steps of a tree in reading order: each before what is below it, neighbours by their start.

    `roots` has several where parents are missing, or where a trace has several beginnings. `is_cut` when there are
    more steps than are read.
    """

    here: Node
    trace_id: str | None
    roots: list[Node]
    nodes: list[Node]
    by_id: dict[str, Node]
    began: float
    ended: float
    depth: int
    is_cut: bool

    @property
    def failures(self) -> list[Node]:
        """Where errors came from: the steps that failed and have nothing below them that did."""
        return [node for node in self.nodes if node.has_failed and node.failed == 1]


def around(project: Project, row: Step, *, most: int = MOST) -> Tree:
    """The tree around a step: of its trace where it has one, else of the topmost step above it.

    Of a trace one query; else, unless the step names its root, one for each of the first levels above it, then one for
    many; and one for all below.
    """
    found = _of_trace(project.pk, row, most) if row.trace_id else _below(project.pk, _top(project.pk, row), most)
    nodes = {node.id: node for node in found[:most]}
    here = nodes.get(row.public_id)
    if here is None:
        here = nodes[row.public_id] = _node(row)
    return _grown(nodes, here, row.trace_id, is_cut=len(found) > most)


def calls(project: Project, nodes: Sequence[Node], *, each: int) -> dict[str, list[Generation]]:
    """The first generations made in each of these steps, at most `each` of a step; one query."""
    found: dict[str, list[Generation]] = {}
    made = Generation.objects.in_project(project.pk).filter(step_id__in=[node.id for node in nodes])
    light = made.order_by("started_at", "uid").only(*_SHOWN)
    for call in light[: each * len(nodes)]:
        of_step = found.setdefault(str(call.step_id), [])
        if len(of_step) < each:
            of_step.append(call)
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
    ids: Any = [node.id for node in tree.nodes]
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
        node
        for node in tree.nodes
        if node.id in found or any(wanted in one.casefold() for one in (node.name, node.type, node.id))
    ]


# ------------------------------------------------------------------------------------------------------------- reading
_COLUMNS: Final = (
    "s.public_id, s.parent_id, left(s.name, %(name)s), s.type, extract(epoch FROM s.started_at)::float8,"
    " extract(epoch FROM s.ended_at)::float8, s.latency, s.error IS NOT NULL"
)

_BARE: Final = (
    "step.public_id, step.parent_id, step.name, step.type, step.started_at, step.ended_at, step.latency, step.error"
)


def _of_trace(project: int, row: Step, most: int) -> list[Node]:
    return _read(
        f"SELECT {_COLUMNS} FROM step s WHERE s.project_id = %(project)s AND s.trace_id = %(trace)s"  # noqa: S608
        " ORDER BY s.started_at LIMIT %(most)s",
        {"project": project, "trace": row.trace_id, "most": most + 1},
    )


def _below(project: int, top: Step, most: int) -> list[Node]:
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


def _read(statement: str, parameters: dict[str, Any]) -> list[Node]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "name": NAME})
        return [
            Node(id, parent, name or "", type, began, _end(began, ended, latency), latency, has_failed)
            for id, parent, name, type, began, ended, latency, has_failed in cursor.fetchall()
        ]


def _end(began: float, ended: float | None, latency: float | None) -> float:
    return began + latency if latency is not None else ended if ended is not None else began


def _node(row: Step) -> Node:
    began, ended = row.started_at.timestamp(), row.ended_at.timestamp() if row.ended_at else None
    name = (row.name or "")[:NAME]
    return Node(
        row.public_id, row.parent_id, name, row.type, began, _end(began, ended, row.latency), row.latency,
        row.error is not None,
    )  # fmt: skip


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
        if not row.parent_id or (above := records.uid(project, "step", row.parent_id)) in seen:
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
def _grown(by_id: dict[str, Node], here: Node, trace_id: str | None, *, is_cut: bool) -> Tree:
    nodes = sorted(by_id.values(), key=lambda node: (node.began, node.id))
    roots: list[Node] = []
    below: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        parent = by_id.get(node.parent_id) if node.parent_id else None
        if parent is None:
            roots.append(node)
        else:
            node.parent = parent
            below[parent.id].append(node)
    for id_, children in below.items():
        by_id[id_].children = children
    ordered = _in_order(roots)
    if len(ordered) < len(nodes):
        # Steps that go round in a circle have no top: the first of each circle is taken for one.
        reached = set(map(id, ordered))
        for node in nodes:
            if id(node) not in reached:
                if node.parent is not None:
                    node.parent.children = [child for child in node.parent.children if child is not node]
                node.parent = None
                roots.append(node)
                reached |= set(map(id, _in_order([node])))
        roots.sort(key=lambda node: (node.began, node.id))
        ordered = _in_order(roots)
    for place, node in enumerate(ordered):
        node.place = place
    for node in reversed(ordered):
        node.failed += node.has_failed
        if node.parent is not None:
            node.parent.size += node.size
            node.parent.failed += node.failed
    _mark_critical(roots)
    return Tree(
        here,
        trace_id,
        roots,
        ordered,
        by_id,
        min(node.began for node in ordered),
        max(node.ended for node in ordered),
        1 + max(node.level for node in ordered),
        is_cut,
    )


def _in_order(roots: Iterable[Node]) -> list[Node]:
    ordered: list[Node] = []
    waiting = list(roots)[::-1]
    while waiting:
        node = waiting.pop()
        node.level = 0 if node.parent is None else node.parent.level + 1
        ordered.append(node)
        waiting.extend(reversed(node.children))
    return ordered


def _mark_critical(roots: Sequence[Node]) -> None:
    """Mark what the end of the tree waited for: from its end backwards, always what ended last before."""
    waiting = [max(roots, key=lambda node: node.ended)]
    while waiting:
        node = waiting.pop()
        node.is_critical = True
        until = max(node.ended, max((child.ended for child in node.children), default=node.ended))
        for child in sorted(node.children, key=lambda child: child.ended, reverse=True):
            if child.ended <= until and child.ended > child.began:
                waiting.append(child)
                until = child.began
