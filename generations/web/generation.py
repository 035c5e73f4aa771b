"""The page of one generation: all that was sent and received, and what is known of it. Bounded, whatever was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations import attachments as stored
from generations import bundles, chunks, reading, retention
from generations.access import Grant
from generations.bundles import Bundle
from generations.models import DatasetItem, Feedback, PromptVersion, Score, ScoreSchema
from generations.records import Json
from generations.web import (
    answers,
    attachments,
    blocks,
    collecting,
    conversation,
    listing,
    markup,
    outline,
    refused,
    resending,
)
from generations.web.conversation import Reading
from generations.web.frame import part, show
from generations.web.gate import address_in, is_part, page
from generations.web.markup import Budget, Variables
from generations.web.missing import Gone
from generations.web.parts import Block

ROOM: Final = 110_000
"""The bytes that a page has beside its frame: for the facts, for what hangs on a generation, and for what was said."""
LEAST: Final = 24_000
"""The bytes that what was said has in any case."""
WINDOW: Final = 40
VIEWS: Final = ("formatted", "raw", "json")
MOST_LISTED: Final = 20
MOST_COMMENTS: Final = 10
MOST_PROBLEMS: Final = 8
LISTED: Final = (MOST_LISTED, 4, 1)
"""So many scores, comments and feedback are shown: as many as have room beside tags and datasets."""
BESIDE: Final = 56_000
"""The bytes that all of these have, if the facts leave so many."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model could call."""

    name: str
    description: str
    block: Block


def found(grant: Grant, id: str, **parts: bool) -> Bundle:
    """The generation of this id with all that belongs to it, but for the `parts` that are not asked for; raises
    Http404."""
    bundle = bundles.generation(grant.project, id, **parts) if "\0" not in id else None
    if bundle is None:
        raise Gone(grant, "generation", id)
    return bundle


def document(bundle: Bundle) -> dict[str, Json]:
    """All that was said, by the names that pointers into it begin with."""
    row, payload = bundle.generation, bundle.payload
    said: dict[str, Json] = {
        "metadata": row.metadata,
        "parameters": row.parameters,
        "requestAttributes": row.request_attributes,
        "responseAttributes": row.response_attributes,
        "error": row.error,
        "alternatives": {str(other.index): other.content for other in bundle.alternatives},
    }
    if payload is not None:
        said |= {
            "messages": payload.messages,
            "messageCompletion": payload.message_completion,
            "prompt": payload.prompt,
            "completion": payload.completion,
            "input": payload.input,
            "output": payload.output,
            "variables": payload.variables,
            "tools": payload.tools,
            "logprobs": payload.logprobs,
            "attributes": payload.attributes,
            "error": reading.error_text(row.error, payload.error_detail),
            "arithmetic": payload.cost_arithmetic,
        }
    return {name: value for name, value in said.items() if value not in (None, {}, [])}


@page()
@require_safe
def generation(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """The page of a generation. `?view=` formatted, raw or json; `?answer=` which of several; `?list=` where from."""
    bundle = found(grant, id, feedback=False)
    said = document(bundle)
    view = request.GET.get("view", "formatted")
    how = _reading(grant, bundle, said, is_raw=view == "raw")
    context: dict[str, Any] = {
        "generation": bundle.generation,
        "bundle": bundle,
        "view": view if view in VIEWS else "formatted",
        "views": [(name, f"?{blocks.address(request, view=name)}") for name in VIEWS],
        "neighbours": listing.neighbours(request, grant, "generations", bundle.generation),
        "back": listing.back(request, grant, "generations"),
        "alternatives": answers.alternatives(request, bundle),
        "tail": listing.tail(request),
        "files": attachments.shown([row for row in bundle.attachments if not stored.is_of_a_message(row)]),
        "pieces": chunks.of(bundle.generation.response_attributes),
        "problems": _problems(bundle.generation.metadata),
        "shown_open": ("requestAttributes", "responseAttributes"),
        "is_expired": bundle.payload is None,
        "expired_on": retention.expired_on(bundle.generation) if bundle.payload is None else None,
        "languages": (("curl", "cURL"), ("python", "Python"), ("javascript", "JavaScript")),
        "can_resend": any(said.get(name) for name in ("messages", "prompt", "input")),
        "outline": outline.beside(grant, bundle.generation.step_id),
        "raw_json": f"/api/generations/{quote(id, safe='')}?{urlencode({'project': grant.project.slug})}",
        "refused": refused.taken(request),
        **aside(request, grant, bundle),
    }
    facts = part(request, grant, "generation/_head.html", context)
    room = ROOM - LEAST - markup.weight(facts)
    for most in LISTED:
        if most < MOST_LISTED:
            context |= _said(bundle, context["feedback"], most)
        judged = part(request, grant, "generation/_aside.html", context)
        if markup.weight(judged) <= min(BESIDE, room):
            break
    room -= markup.weight(judged)
    tree = ""  # where it has no room it is on the page of its step, to which the facts lead
    if (whole := context["outline"]) is not None:
        for rows in outline.ROWS_BESIDE:
            context["outline"] = outline.outline(grant, whole.tree, rows=rows) if rows < len(whole.items) else whole
            tree = part(request, grant, "steps/_tree.html", context)
            if markup.weight(tree) <= room:
                break
            tree = ""
    budget = Budget(LEAST + max(0, room - markup.weight(tree)))
    context |= {"head": facts, "aside": judged, "tree": tree}
    if context["view"] == "json":
        ordered = {name: said[name] for name in _by_importance(said)}
        context |= blocks.as_json(request, _whole(request, grant, bundle), ordered, budget)
    else:
        here = blocks.index(request, "message") if "message" in request.GET else None
        context |= _spoken(said, budget, how, answer=request.GET.get("answer", ""), here=here)
        context |= {"settings": _settings(said, budget), "tools": _tools(said, budget), "below": _below(said, budget)}
    return show(request, grant, "generation/page.html", context, here="generations")


def _spoken(said: Mapping[str, Json], budget: Budget, how: Reading, *, answer: str, here: int | None) -> dict[str, Any]:
    """What was sent and what came back, the answer first as far as room is concerned."""
    context: dict[str, Any] = {"error": None, "answer": None, "blocks": []}
    if "error" in said:
        context["raised"] = reading.raised(said["error"])
        context["error"] = conversation.value_block("/error", said["error"], budget, Reading())
    alternatives = said.get("alternatives", {})
    if answer in alternatives:
        context["answer"] = answers.card(alternatives[answer], markup.pointer("alternatives", answer), budget, how)
    else:
        for name in ("messageCompletion", "completion", "output"):
            if name in said:
                context["answer"] = answers.card(said[name], f"/{name}", budget, how)
                break
    messages = said.get("messages")
    context["variables"] = _variables(how, budget)
    if isinstance(messages, list):
        context["cards"] = conversation.cards(messages, budget, how, here)
    for name in ("prompt", "input"):
        if name in said and not (name == "input" and messages):
            context["blocks"].append((name.capitalize(), conversation.value_block(f"/{name}", said[name], budget, how)))
    return context


def _variables(how: Reading, budget: Budget) -> list[tuple[str, Block]]:
    """The variables and their values, as far as there is room."""
    made = []
    for name, value in how.variables.values.items():
        if budget.left < 0:
            break
        made.append((name, conversation.value_block(markup.pointer("variables", name), value, budget, Reading())))
    return made


def _below(said: Mapping[str, Json], budget: Budget) -> list[tuple[str, str, Block]]:
    """What stands below the conversation: (name, title, block)."""
    titles = {
        "metadata": "Metadata",
        "requestAttributes": "Request attributes",
        "responseAttributes": "Response attributes",
        "attributes": "Attributes",
        "logprobs": "Log-probabilities",
    }
    how = Reading(is_raw=True)
    return [
        (name, title, conversation.value_block(f"/{name}", said[name], budget, how))
        for name, title in titles.items()
        if name in said and budget.left > 0
    ]


def _tools(said: Mapping[str, Json], budget: Budget) -> list[Tool]:
    """The definitions of the tools that the model could call, in any provider's shape."""
    tools = said.get("tools")
    made = []
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if budget.left < 0:
            break
        inner = tool.get("function") if isinstance(tool, Mapping) else None
        held = inner if isinstance(inner, Mapping) else tool if isinstance(tool, Mapping) else {}
        block = conversation.value_block(markup.pointer("tools", index), tool, budget, Reading(is_raw=True))
        name = str(held.get("name") or held.get("type") or f"tool {index + 1}")[:200]
        made.append(Tool(name, str(held.get("description") or "")[:500], block))
    return made


def _settings(said: Mapping[str, Json], budget: Budget) -> list[tuple[str, str]]:
    """The parameters of the call, each as a short text, as far as there is room."""
    given = said.get("parameters")
    made = []
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if budget.left < 0:
            break
        text = value if isinstance(value, str) else markup.compact(value)
        budget.left -= min(800, 100 + 6 * len(text))
        made.append((str(name), text))
    return made


def _problems(metadata: Mapping[str, Json]) -> list[str]:
    """What an application logged that could not be read, as it was said when it came in."""
    said = metadata.get("problems") if "application" in metadata else None
    return [one for one in said if isinstance(one, str)][:MOST_PROBLEMS] if isinstance(said, list) else []


def _by_importance(said: Mapping[str, Json]) -> list[str]:
    first = ["error", "messageCompletion", "completion", "output", "alternatives", "messages", "prompt", "input"]
    return sorted(said, key=lambda name: first.index(name) if name in first else len(first))


def _reading(grant: Grant, bundle: Bundle, said: Mapping[str, Json], *, is_raw: bool) -> Reading:
    variables = Variables.of(said.get("variables"))
    templates: list[str] = []
    version_id = bundle.generation.prompt_version_id
    if version_id and variables.values:
        versions = PromptVersion.objects.by_ids(grant.project.pk, "prompt_version", [version_id])
        templates = conversation.templates_of(versions.first())
    return Reading(is_raw=is_raw, variables=variables, templates=templates)


# ------------------------------------------------------------------------------------------------- what hangs on it
def aside(request: HttpRequest, grant: Grant, bundle: Bundle) -> dict[str, Any]:
    """What people and programs said of it: scores, comments, tags, feedback, datasets and queues; five queries."""
    id = bundle.generation.public_id
    project = grant.project
    items = DatasetItem.objects.filter(dataset__project=project, generation_id=id, removed_in=None)
    items = items.select_related("dataset").only("dataset__name").order_by("dataset__name")
    said = Feedback.objects.in_project(project.pk).filter(generation_id=id).order_by("-created_at", "-uid")
    return {
        **_said(bundle, list(said[: MOST_LISTED + 1]), MOST_LISTED),
        "schemas": list(ScoreSchema.objects.filter(project=project).only("name").order_by("name")[:MOST_LISTED]),
        "in_datasets": list(items[:MOST_LISTED]),
        **collecting.places(grant, "generations", collecting.ON_A_ROW),
        "actions": actions(request, grant, id),
    }


def _said(bundle: Bundle, feedback: list[Feedback], most: int) -> dict[str, Any]:
    """The latest scores, comments and feedback, at most so many of each, and whether there are earlier ones."""
    scores: dict[bool, list[Score]] = {True: [], False: []}
    for score in bundle.scores:
        scores[is_comment(score)].append(score)
    comments, most_comments = scores[True], min(most, MOST_COMMENTS)
    return {
        "scores": scores[False][-most:],
        "earlier_scores": len(scores[False][:-most]),
        "comments": comments[-most_comments:],
        "earlier_comments": len(comments[:-most_comments]),
        "feedback": feedback[:most],
        "has_earlier_feedback": len(feedback) > most,
    }


def is_comment(score: Score) -> bool:
    """Whether a score is words alone: what a person wrote on the page, or where a review asked for a comment."""
    return score.value is None and score.label is None and bool(score.comment)


def actions(request: HttpRequest, grant: Grant, id: str) -> dict[str, str]:
    """Where what is done to this generation is sent: addresses relative to the page that the browser shows.

    They stand in every block of a page, and an id may be long.
    """
    shown = address_in(request, "HX-Current-URL").path if is_part(request) else request.path
    page_path = unquote(reverse("web:generation", args=[grant.project.slug, id]))
    up = "../" if unquote(shown).removeprefix(page_path) in ("block/", "messages/") else ""
    names = (
        "scores",
        "comments",
        "tags",
        "feedback",
        "datasets",
        "selected",
        "block",
        "messages",
        "json",
        "code",
        "compare",
    )
    return {name: f"{up}{name}/" for name in names}


# ------------------------------------------------------------------------------------------------- more of what is long
def _whole(request: HttpRequest, grant: Grant, bundle: Bundle) -> blocks.Whole:
    id = bundle.generation.public_id
    said = document(bundle)
    return blocks.Whole(
        noun="generation",
        title=bundle.generation.name or id,
        address=reverse("web:generation", args=[grant.project.slug, id]),
        here="generations",
        said=said,
        actions=actions(request, grant, id),
        files=bundle.attachments,
        variables=Variables.of(said.get("variables")),
    )


@page()
@require_safe
def block(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """The next piece of a long block, or all of it."""
    return blocks.piece(request, grant, _whole(request, grant, found(grant, id)))


@page()
@require_safe
def json(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """What is below a place of the JSON."""
    return blocks.branch(request, grant, _whole(request, grant, found(grant, id)))


@page()
@require_safe
def code(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """The call as a program that makes it again: `?as=` curl, python or javascript."""
    bundle = found(grant, id)
    write = resending.LANGUAGES.get(request.GET.get("as", ""))
    if write is None:
        raise Http404(f"A call is given as {', '.join(resending.LANGUAGES)}.")
    row = bundle.generation
    kept = attachments.bytes_of(bundle.attachments)
    made = resending.request(document(bundle), kind=row.type, model=row.model_id, provider=row.provider, kept=kept)
    if made is None:
        raise Http404("Nothing is recorded of this call that could be sent again.")
    return blocks.plain_text(write(made))


@page()
@require_safe
def messages(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Messages `from` to before `to` of a long conversation, as cards: those that its page had no room for.
    With `all`, what is left of them is asked for by itself."""
    bundle = found(grant, id)
    said = document(bundle)
    spoken = said.get("messages")
    if not isinstance(spoken, list):
        raise Http404("This generation has no messages.")
    first = min(blocks.index(request, "from"), len(spoken))
    end = min(blocks.index(request, "to"), len(spoken))
    last = min(end, first + WINDOW)
    how = _reading(grant, bundle, said, is_raw=request.GET.get("view") == "raw")
    is_all = "all" in request.GET
    cards = conversation.window(spoken, first, last, Budget(ROOM - 20_000), how, is_whole=is_all)
    last = min(last, first + len(cards))
    context = {
        "cards": cards,
        "first": first,
        "last": last,
        "rest": conversation.Gap(last, end),
        "all": is_all,
        "count": len(spoken),
        "generation": bundle.generation,
        "actions": actions(request, grant, id),
    }
    return show(request, grant, "generation/messages.html", context, here="generations", part="generation/_cards.html")
