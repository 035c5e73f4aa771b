"""Review: the queues, one with its progress and agreement, and one item a screen to be judged by keyboard."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations import bundles, reading, reviewing
from generations.access import Grant, Scope
from generations.models import Generation, Review, ReviewItem, ReviewQueue, Step
from generations.records import Json
from generations.reviewing import BadQueue, Criterion, NoSuchQueue, Turn
from generations.web import markup, stale
from generations.web.frame import show
from generations.web.gate import page
from generations.web.markup import Budget, Shown
from generations.web.stretches import stretch

ROOM: Final = 90_000
"""The bytes of HTML that what is judged has."""
MESSAGES: Final = 60
_SUBJECTS: Final[dict[str, Any]] = {"generation": Generation, "step": Step}
EXAMPLE: Final = "helpful: number 1-5\ntone: category kind, neutral, rude\nsafe: yes/no\nwhy: comment"


@dataclass(frozen=True, slots=True)
class Said:
    """A message, or a part of a step, as the page shows it."""

    role: str
    shown: Shown
    is_answer: bool = False
    is_rendered: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An item in the list of its queue: the generation or step, None where it is not there, and what was answered."""

    item: ReviewItem
    subject: Generation | Step | None
    reviews: list[tuple[str, bool, list[tuple[str, str]]]]

    @property
    def title(self) -> str:
        """The first words of what was sent, else of what came back; the id where neither is known."""
        said = self.subject and (self.subject.input_preview or self.subject.output_preview)
        return said or self.item.subject_id

    @property
    def name(self) -> str | None:
        """The model of a generation, the name of a step."""
        one = self.subject
        known: str | None = one.model_id if isinstance(one, Generation) else None
        return known or (one and one.name) or (one.type if isinstance(one, Step) else None)


@dataclass(frozen=True, slots=True)
class Field:
    """A criterion in the form: its choices, each with the digit that chooses it, and what was answered before."""

    criterion: Criterion
    choices: list[tuple[str, str, str, bool]]
    value: str


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def queue_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's queues, the newest first; makes one of what is posted."""
    problem = ""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            made = reviewing.create(grant, **_asked(request))
        except BadQueue as error:
            problem = str(error)
        else:
            return redirect("web:queue", slug=grant.project.slug, id=made.pk)
    rows = ReviewQueue.objects.filter(project=grant.project).annotate(
        count=Count("items"), closed=Count("items", filter=Q(items__is_open=False))
    )
    context = {
        "rows": stretch(request, rows),
        "problem": problem,
        "given": request.POST,
        "example": EXAMPLE,
        "criteria": request.POST.get("criteria", EXAMPLE),
    }
    return show(request, grant, "review/page.html", context, here="review", status=400 if problem else 200)


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def queue(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A queue: how far it is, who judged how much, how far they agree, and its items; `do` is change or delete."""
    row = _found(grant, id)
    problem = ""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            if request.POST.get("do") == "delete":
                reviewing.delete(grant, str(id))
                messages.success(request, f"{row.name} is deleted. The scores that were given stay.")
                return redirect("web:review", slug=grant.project.slug)
            stale.refuse(request, _mark(row))
            reviewing.update(grant, str(id), **_asked(request))
        except (BadQueue, stale.Stale) as error:
            problem = str(error)
        else:
            messages.success(request, "Saved.")
            return redirect("web:queue", slug=grant.project.slug, id=id)
    reviews = Review.objects.filter(item__queue=row)
    people = (
        reviews.exclude(state=Review.State.HELD)
        .values("user__username")
        .annotate(
            done=Count("pk", filter=Q(state=Review.State.DONE)),
            skipped=Count("pk", filter=Q(state=Review.State.SKIPPED)),
        )
    )
    counts = row.items.aggregate(count=Count("pk"), closed=Count("pk", filter=Q(is_open=False)))
    items = stretch(request, ReviewItem.objects.filter(queue=row).prefetch_related("reviews__user"))
    context = {
        "queue": row,
        "as_of": _mark(row),
        "criteria": reviewing.criteria_of(row),
        "written": request.POST.get("criteria", reviewing.written(reviewing.criteria_of(row))),
        "given": request.POST if problem else None,
        "problem": problem,
        "count": counts["count"],
        "closed": counts["closed"],
        "percent": counts["closed"] * 100 // counts["count"] if counts["count"] else 0,
        "people": people.order_by("-done", "user__username")[:50],
        "agreement": reviewing.agreement(row),
        "items": items,
        "shown": _entries(grant, list(items)),
        "export_query": f"metadata.queue={row.pk}",
    }
    return show(request, grant, "review/queue.html", context, here="review", status=400 if problem else 200)


@never_cache
@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def turn(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """The item that is this person's turn; `do` is save (with an `answer-` for each criterion), skip, undo or leave."""
    row, given = _found(grant, id), request.POST
    problem = ""
    if request.method == "POST":
        try:
            match given.get("do"):
                case "skip":
                    reviewing.skip(grant, str(id), given.get("review", ""))
                case "undo":
                    if reviewing.undo(grant, str(id)) is None:
                        messages.error(request, "There is nothing to take back.")
                case "leave":
                    reviewing.release(grant, str(id))
                    return redirect("web:queue", slug=grant.project.slug, id=id)
                case _:
                    said = {one.name: given.get(f"answer-{n}", "") for n, one in enumerate(reviewing.criteria_of(row))}
                    reviewing.save(grant, str(id), given.get("review", ""), said)
            return redirect("web:queue-turn", slug=grant.project.slug, id=id)
        except NoSuchQueue as error:
            messages.error(request, str(error))
            return redirect("web:queue-turn", slug=grant.project.slug, id=id)
        except BadQueue as error:
            problem = str(error)
    current = reviewing.take(grant, str(id))
    counts = row.items.aggregate(count=Count("pk"), closed=Count("pk", filter=Q(is_open=False)))
    mine = Review.objects.filter(item__queue=row, user=grant.user)
    context: dict[str, Any] = {
        "queue": row,
        "turn": current,
        "problem": problem,
        "fields": [] if current is None else _fields(row, current, given if problem else None),
        **(_NOTHING if current is None else _said(grant, current.item)),
        "address": "" if current is None else _address(grant, current.item),
        "count": counts["count"],
        "closed": counts["closed"],
        "percent": counts["closed"] * 100 // counts["count"] if counts["count"] else 0,
        "mine": mine.filter(state=Review.State.DONE).count(),
        "may_undo": mine.filter(ended_at__isnull=False).exists(),
    }
    return show(request, grant, "review/turn.html", context, here="review", status=400 if problem else 200)


def _found(grant: Grant, id: uuid.UUID) -> ReviewQueue:
    row = reviewing.find(grant, str(id))
    if row is None:
        raise Http404("There is no such review queue in this project.")
    return row


def _mark(row: ReviewQueue) -> str:
    return stale.mark(row.name, row.description, row.criteria, row.reviewers)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """A queue as a form describes it. Raises BadQueue."""
    given = request.POST
    reviewers = given.get("reviewers", "1").strip() or "1"
    if not (reviewers.isascii() and reviewers.isdigit() and len(reviewers) < 5):
        raise BadQueue("reviewers", reviewers, "a whole number")
    return {
        "name": given.get("name", ""),
        "description": given.get("description", ""),
        "criteria": reviewing.parsed(given.get("criteria", "")),
        "reviewers": int(reviewers),
    }


def _entries(grant: Grant, items: Sequence[ReviewItem]) -> list[Entry]:
    """The items of a page with what is to be judged; a query for each kind that is among them."""
    found: dict[tuple[str, str], Any] = {}
    for kind in {item.kind for item in items}:
        ids = [item.subject_id for item in items if item.kind == kind]
        for row in _SUBJECTS[kind].objects.by_ids(grant.project.pk, kind, ids):
            found[kind, row.public_id] = row
    return [Entry(item, found.get((item.kind, item.subject_id)), _told(item)) for item in items]


def _told(item: ReviewItem) -> list[tuple[str, bool, list[tuple[str, str]]]]:
    """Who has judged an item, whether they passed it over, and what they answered."""
    return [
        (
            one.user.get_username(),
            one.state == Review.State.SKIPPED,
            [(name, _text(answer)) for name, answer in one.answers.items()],
        )
        for one in item.reviews.all()
        if one.state != Review.State.HELD
    ]


def _fields(row: ReviewQueue, current: Turn, given: Mapping[str, str] | None) -> list[Field]:
    made = []
    for n, one in enumerate(reviewing.criteria_of(row)):
        value = _text(current.answers.get(one.name)) if given is None else given.get(f"answer-{n}", "")
        # Numbers are chosen by themselves, everything else by its place.
        choices = [
            (key, title, key if one.form == "number" else str(place), key == value)
            for place, (key, title) in enumerate(one.choices, 1)
        ]
        made.append(Field(one, choices, value))
    return made


def _text(answer: Json) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return "" if answer is None else f"{answer:g}" if isinstance(answer, float) else str(answer)


def _address(grant: Grant, item: ReviewItem) -> str:
    return reverse(f"web:{item.kind}", args=[grant.project.slug, item.subject_id])


# ------------------------------------------------------------------------------------------------------ what is judged
_NOTHING: Final[dict[str, Any]] = {"said": [], "earlier": 0}


def _said(grant: Grant, item: ReviewItem) -> dict[str, Any]:
    """What was `said` in a call, or what a step was given and gave back, and how many messages there are `earlier`;
    nothing where it is not there (any more)."""
    budget = Budget(ROOM)
    if item.kind == "step":
        step = bundles.step(grant.project, item.subject_id)
        if step is None or step.payload is None:
            return _NOTHING
        parts = [("Output", step.payload.output, True), ("Input", step.payload.input, False)]
        told = [_shown(role, value, budget, is_answer) for role, value, is_answer in parts if value is not None]
        return {"said": told[::-1], "earlier": 0}
    bundle = bundles.generation(grant.project, item.subject_id)
    if bundle is None or bundle.payload is None:
        return _NOTHING
    payload = bundle.payload
    answer = next((one for one in (payload.message_completion, payload.completion, payload.output) if one), None)
    # The answer first, as far as room is concerned.
    last = [] if answer is None else [_shown("assistant", answer, budget, is_answer=True)]
    sent = payload.messages if isinstance(payload.messages, list) else [payload.prompt or payload.input]
    asked = [
        _shown(str(one.get("role") or "message") if isinstance(one, Mapping) else "user", one, budget)
        for one in sent[-MESSAGES:][::-1]
        if one is not None
    ]
    return {"said": [*asked[::-1], *last], "earlier": max(0, len(sent) - MESSAGES)}


def _shown(role: str, value: Json, budget: Budget, is_answer: bool = False) -> Said:
    text = reading.message_text(value) if isinstance(value, Mapping) and "content" in value else reading.text_of(value)
    room = max(200, budget.left // 2)
    # As on its page: what a model said is read as Markdown, what it was told to the letter.
    rendered = markup.markdown(text, room) if text and (is_answer or role == "assistant") else None
    made = rendered or markup.plain(text or markup.pretty(value), room)
    budget.spend(made.html)
    return Said(role[:40], made, is_answer, rendered is not None)
