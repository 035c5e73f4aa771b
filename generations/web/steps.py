"""Steps: their list, and one of them in the tree it belongs to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations import bundles, reading, retention, trees
from generations.access import Grant
from generations.bundles import StepBundle
from generations.models import Generation, Project, Step
from generations.records import Json
from generations.web import attachments, blocks, collecting, conversation, markup, outline, tables
from generations.web import listing as lists
from generations.web.conversation import Reading
from generations.web.frame import part, show
from generations.web.gate import page
from generations.web.listing import bounded
from generations.web.markup import Budget
from generations.web.missing import Gone
from generations.web.parts import Block

ROOM: Final = 124_000
"""The bytes that a page has beside its frame, for the facts, for the tree and for what was said."""
_LAST: Final = 253_402_300_800
"""The seconds from 1970 to the end of the year 9999."""
LEAST: Final = 20_000
"""The bytes that what was said has in any case."""
ABOUT: Final = dt.timedelta(days=1)
"""How far from the steps of a list their calls are looked for: months that are further away are not read."""
VIEWS: Final = ("formatted", "raw", "json")
SAID: Final = ("error", "input", "output", "metadata", "attributes", "events")
"""What a step page shows, in its order."""
BY_IMPORTANCE: Final = ("error", "output", "input", "metadata", "attributes", "events")


@page()
@require_safe
@bounded
def steps(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of steps, the newest first. What a step asked a model stands there for a step that says nothing."""

    def hanging(rows: Sequence[Step]) -> Sequence[Any]:
        silent = [row for row in rows if not row.input_preview and not row.output_preview]
        made = _first_calls(grant.project, silent) if silent else {}
        return [made.get(row.public_id) for row in rows]

    return tables.answer(request, grant, "steps", hanging)


def _first_calls(project: Project, steps: Sequence[Step]) -> dict[str, Generation]:
    """The first call of a model in each of these steps, of those about when the steps began; one query."""
    begun = [step.started_at for step in steps]
    made = Generation.objects.in_project(project.pk).filter(
        step_id__in=[step.public_id for step in steps],
        started_at__range=(min(begun) - ABOUT, max(begun) + ABOUT),
    )
    first = made.order_by("step_id", "started_at", "uid").distinct("step_id")
    shown = first.only("project_id", "uid", "step_id", "started_at", "input_preview", "output_preview")
    return {str(call.step_id): call for call in shown}


@page()
@require_safe
def step(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """A step: what it was given and gave back, and the tree it belongs to. `?view=` as of a generation."""
    bundle = found(grant, id)
    row = bundle.step
    said = document(bundle)
    view = request.GET.get("view", "formatted")
    view = view if view in VIEWS else "formatted"
    tree = trees.around(grant.project, row)
    is_orphan = not tree.is_cut and row.public_id in tree.orphans
    context: dict[str, Any] = {
        "is_expired": bundle.payload is None,
        "expired_on": retention.expired_on(row) if bundle.payload is None else None,
        "step": row,
        "bundle": bundle,
        "view": view,
        "views": [(name, f"?{blocks.address(request, view=name)}") for name in VIEWS],
        "files": attachments.shown(bundle.attachments),
        "outline": outline.outline(grant, tree),
        "is_orphan": is_orphan,
        "above": Step.objects.by_ids(grant.project.pk, "step", [row.parent_id]).first() if is_orphan else None,
        "is_searchable": True,
        "shows_input": row.metadata.get("showInput"),
        "language": row.metadata.get("language"),
        "raw_json": f"/api/steps/{quote(id, safe='')}?{urlencode({'project': grant.project.slug})}",
        "neighbours": lists.neighbours(request, grant, "steps", row),
        "back": lists.back(request, grant, "steps"),
        "actions": _actions(grant, id),
        **collecting.places(grant, "steps", collecting.ON_A_ROW),
    }
    context["head"] = part(request, grant, "steps/_head.html", context)
    context["tree"] = part(request, grant, "steps/_tree.html", context)
    left = ROOM - markup.weight(context["head"]) - markup.weight(context["tree"])
    calls = part(request, grant, "steps/_calls.html", context) if view != "json" and bundle.generations else ""
    # Where ids and names are very long there is no room for them: they are named in the tree and in the facts.
    context["calls"] = calls if left - markup.weight(calls) >= LEAST else ""
    budget = Budget(max(LEAST, left - markup.weight(context["calls"])))
    if view == "json":
        ordered = {name: said[name] for name in BY_IMPORTANCE if name in said}
        context |= blocks.as_json(request, _whole(grant, bundle), ordered, budget)
    else:
        context["blocks"] = _blocks(said, budget, is_raw=view == "raw", language=context["language"])
    return show(request, grant, "steps/step.html", context, here="steps")


def found(grant: Grant, id: str) -> StepBundle:
    """The step of this id with all that belongs to it; raises Http404."""
    bundle = bundles.step(grant.project, id) if "\0" not in id else None
    if bundle is None:
        raise Gone(grant, "step", id)
    return bundle


def document(bundle: StepBundle) -> dict[str, Json]:
    """All that was said of a step, by the names that pointers into it begin with."""
    payload = bundle.payload
    error = reading.error_text(bundle.step.error, payload.error_detail if payload else None)
    told = reading.raised(error) if error else None
    said = {
        # Of a trace what it ends with comes first, which says more than the calls before it.
        "error": f"{told}\n\n{error}" if told else error,
        "input": payload.input if payload else None,
        "output": payload.output if payload else None,
        "metadata": bundle.step.metadata,
        "attributes": payload.attributes if payload else None,
        "events": _dated(payload.events) if payload else None,
    }
    return {name: value for name, value in said.items() if value not in (None, {}, [])}


def _dated(events: Json) -> Json:
    """Events with their times as people read them, in which no nanosecond is lost; anything else as it is."""
    if not isinstance(events, list):
        return events
    return [
        {**event, "time": _moment(event["time"])}
        if isinstance(event, dict) and type(event.get("time")) is int
        else event
        for event in events
    ]


def _moment(nanoseconds: int) -> Json:
    seconds, rest = divmod(nanoseconds, 10**9)
    if not 0 < seconds < _LAST:
        return nanoseconds
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S}.{rest:09d} UTC"


def _blocks(said: dict[str, Json], budget: Budget, *, is_raw: bool, language: Json) -> list[tuple[str, Block]]:
    """What was said, by name, what matters most first as far as room is concerned."""
    made = {
        name: conversation.value_block(
            f"/{name}",
            said[name],
            budget,
            Reading(is_raw=is_raw),
            rendered=name in ("input", "output"),
            language=language if isinstance(language, str) and name == "output" else "",
        )
        for name in BY_IMPORTANCE
        if name in said
    }
    return [(name, made[name]) for name in SAID if name in made]


def _actions(grant: Grant, id: str) -> dict[str, str]:
    address = reverse("web:step", args=[grant.project.slug, id])
    return {name: f"{address}{name}/" for name in ("block", "json")}


def _whole(grant: Grant, bundle: StepBundle) -> blocks.Whole:
    id = bundle.step.public_id
    return blocks.Whole(
        noun="step",
        title=bundle.step.name or id,
        address=reverse("web:step", args=[grant.project.slug, id]),
        here="steps",
        said=document(bundle),
        actions=_actions(grant, id),
        files=bundle.attachments,
    )


@page()
@require_safe
def block(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """The next piece of a long block, or all of it."""
    return blocks.piece(request, grant, _whole(grant, found(grant, id)))


@page()
@require_safe
def json(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """What is below a place of the JSON."""
    return blocks.branch(request, grant, _whole(grant, found(grant, id)))


@page()
@require_safe
def tree(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """More of the tree around a step: what is below the step `?of=`, or the steps that have the text `?find=`."""
    row = found(grant, id).step
    grown = trees.around(grant.project, row)
    context: dict[str, Any] = {"step": row, "base": reverse("web:step-tree", args=[grant.project.slug, id])}
    find = request.GET.get("find", "").replace("\0", "").strip()[:200]
    if find:
        matching = trees.search(grant.project, grown, find)
        context["items"], until = outline.listed(grant, grown, matching, blocks.index(request, "from"))
        rest = urlencode([("find", find), ("from", str(until))]) if until < len(matching) else ""
        context |= {"find": find, "found": len(matching), "rest": rest}
    elif "of" in request.GET:
        of = grown.find(request.GET["of"])
        if of is None:
            raise Http404("There is no such step in this tree.")
        last = blocks.index(request, "to") if "to" in request.GET else None
        context["items"] = outline.unfolded(grant, grown, of, blocks.index(request, "from"), last)
    else:
        context["items"] = outline.outline(grant, grown).items
    return show(request, grant, "steps/tree.html", context, here="steps", part="steps/_found.html")
