"""Steps: their list, and one of them in the tree it belongs to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from generations import bundles, retention
from generations.access import Grant
from generations.models import Generation, Step
from generations.web import attachments, conversation, doors
from generations.web import listing as lists
from generations.web.conversation import Reading
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import OPERATORS, bounded, listing, options, plain_address
from generations.web.markup import Budget

ROOM: Final = 60_000
DEPTH: Final = 12
MOST: Final = 100
"""How deep and how many steps of a tree are shown."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A step or a generation in a tree. `left` and `width` are percents of the time that the whole tree took."""

    row: Step | Generation
    depth: int
    is_here: bool
    is_generation: bool
    left: float | None = None
    width: float | None = None

    @property
    def indents(self) -> range:
        """One for each level above it."""
        return range(min(self.depth, DEPTH))


@page()
@require_safe
@bounded
def steps(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of steps, the newest first."""
    plain = plain_address(request, "steps")
    if plain is not None:
        return redirect(plain)
    made = listing(request, grant, "steps")
    context = {"listing": made, "options": options("steps"), "operators": OPERATORS}
    context["others"] = doors.others(made, grant)
    template, part = "steps/page.html", "steps/_list.html"
    return show(request, grant, template, context, here="steps", part=part, status=made.status)


@page()
@require_safe
def step(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """A step: what it was given and gave back, and the tree it belongs to."""
    bundle = bundles.step(grant.project, id) if "\0" not in id else None
    if bundle is None:
        raise Http404("There is no such step in this project.")
    budget, how = Budget(ROOM), Reading(is_raw=True)
    payload = bundle.payload
    said = {
        "Error": (payload.error_detail if payload else None) or bundle.step.error,
        "Output": payload.output if payload else None,
        "Input": payload.input if payload else None,
        "Metadata": bundle.step.metadata,
        "Attributes": payload.attributes if payload else None,
        "Events": payload.events if payload else None,
    }
    blocks = {
        name: conversation.value_block(f"/{name}", value, budget, how)
        for name, value in said.items()
        if value not in (None, {}, [])
    }
    shown = ("Error", "Input", "Output", "Metadata", "Attributes", "Events")
    tree, is_cut = _tree(grant, bundle.step)
    context: dict[str, Any] = {
        "is_expired": payload is None,
        "expired_on": retention.expired_on(bundle.step) if payload is None else None,
        "step": bundle.step,
        "bundle": bundle,
        "blocks": [(name, blocks[name]) for name in shown if name in blocks],
        "files": attachments.shown(bundle.attachments),
        "tree": tree,
        "is_cut": is_cut,
        "raw_json": f"/api/steps/{quote(id, safe='')}?{urlencode({'project': grant.project.slug})}",
        "back": lists.back(request, grant, "steps"),
    }
    return show(request, grant, "steps/step.html", context, here="steps")


def _tree(grant: Grant, row: Step) -> tuple[list[Branch], bool]:
    """The tree around a step, in reading order, and whether it was cut; queries grow with its depth, not its size."""
    pk = grant.project.pk
    root = row
    for _ in range(DEPTH):
        above = Step.objects.by_ids(pk, "step", [root.parent_id]).first() if root.parent_id else None
        if above is None or above.uid == row.uid:
            break
        root = above
    below: dict[str, list[Step]] = defaultdict(list)
    known: dict[str, Step] = {root.public_id: root}
    level = [root.public_id]
    for _ in range(2 * DEPTH):
        rows = Step.objects.in_project(pk).filter(parent_id__in=level).order_by("started_at", "uid")
        new = [child for child in rows[: MOST + 1 - len(known)] if child.public_id not in known]
        for child in new:
            below[str(child.parent_id)].append(child)
            known[child.public_id] = child
        level = [child.public_id for child in new]
        if not level or len(known) > MOST:
            break
    calls: dict[str, list[Generation]] = defaultdict(list)
    made = Generation.objects.in_project(pk).filter(step_id__in=list(known)).order_by("started_at", "uid")
    for call in made[:MOST]:
        calls[str(call.step_id)].append(call)
    branches: list[Branch] = []
    _grow(branches, root, 0, row, below, calls)
    return _placed(branches), len(known) > MOST


def _grow(
    branches: list[Branch],
    row: Step,
    depth: int,
    here: Step,
    below: dict[str, list[Step]],
    calls: dict[str, list[Generation]],
) -> None:
    branches.append(Branch(row, depth, row.uid == here.uid, False))
    branches.extend(Branch(call, depth + 1, False, True) for call in calls[row.public_id])
    for child in below[row.public_id]:
        _grow(branches, child, depth + 1, here, below, calls)


def _placed(branches: list[Branch]) -> list[Branch]:
    """The branches with their place in the time that all of them took together."""
    begin = min(branch.row.started_at for branch in branches)
    end = max(branch.row.ended_at or branch.row.started_at for branch in branches)
    whole = (end - begin).total_seconds()
    if whole <= 0:
        return branches
    placed = []
    for branch in branches:
        left = (branch.row.started_at - begin).total_seconds() / whole * 100
        seconds = branch.row.latency
        width = None if seconds is None else max(0.5, min(100 - left, seconds / whole * 100))
        placed.append(Branch(branch.row, branch.depth, branch.is_here, branch.is_generation, left, width))
    return placed
