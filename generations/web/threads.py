"""Threads: their list, and one of them as the conversation that its user saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Max, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from generations import bundles, filters, paging, reading
from generations.access import Grant
from generations.bundles import Bundle
from generations.filters import BadFilter
from generations.models import Generation, Score, Step, Thread
from generations.web import doors, markup
from generations.web import listing as lists
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import OPERATORS, listing, options, plain_address

TURNS: Final = 20
TURN: Final = 2_500
"""The most characters of a question or an answer that a turn shows; the rest is on the generation's page."""
STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a thread, as its user saw it."""

    bundle: Bundle
    asked: str
    answered: markup.Shown | None
    is_cut: bool


@page()
@require_safe
def threads(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of threads, the latest active first, with the numbers of their generations."""
    plain = plain_address(request, "threads")
    if plain is not None:
        return redirect(plain)
    made = listing(request, grant, "threads")
    rows: list[Thread] = list(made.rows)
    counted = (
        Generation.objects.in_project(grant.project.pk)
        .filter(thread_id__in=[row.public_id for row in rows])
        .values("thread_id")
        .annotate(
            count=Count("uid"),
            failed=Count("uid", filter=Q(error__isnull=False)),
            tokens=Sum("total_tokens"),
            cost=Sum("cost"),
            currency=Max("currency"),
        )
    )
    totals = {row["thread_id"]: row for row in counted}
    context = {
        "listing": made,
        "rows": [(row, totals.get(row.public_id, {"count": 0})) for row in rows],
        "options": options("threads"),
        "operators": OPERATORS,
        "others": doors.others(made, grant),
    }
    template, part = "threads/page.html", "threads/_list.html"
    return show(request, grant, template, context, here="threads", part=part, status=made.status)


@page()
@require_safe
def thread(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """A thread: its calls in order, and its steps. Paged from either end: `?order=-timestamp` begins at the last."""
    pk = grant.project.pk
    row = Thread.objects.by_ids(pk, "thread", [id]).first() if "\0" not in id else None
    if row is None:
        raise Http404("There is no such thread in this project.")
    order = "-timestamp" if request.GET.get("order") == "-timestamp" else "timestamp"
    inside = filters.Leaf("threadId", (), "eq", id)
    try:
        found = paging.page(
            "generations",
            pk,
            inside,
            order=order,
            after=request.GET.get("after"),
            before=request.GET.get("before"),
            limit=TURNS,
        )
    except BadFilter as error:
        raise Http404(str(error)) from error
    rows: list[Generation] = list(found.rows)
    made = bundles.of_generations(grant.project, rows, alternatives=False, attachments=False)
    context: dict[str, Any] = {
        "thread": row,
        "turns": [_turn(bundle) for bundle in made],
        "order": order,
        "older": found.previous,
        "newer": found.next,
        "steps": list(
            Step.objects.in_project(pk).filter(thread_id=id, parent_id=None).order_by("-started_at", "-uid")[:STEPS]
        ),
        "scores": list(Score.objects.in_project(pk).filter(thread_id=id).order_by("created_at", "uid")[:STEPS]),
        "back": lists.back(request, grant, "threads"),
    }
    return show(request, grant, "threads/thread.html", context, here="threads")


def _turn(bundle: Bundle) -> Turn:
    record = bundle.record
    asked, answered = reading.input_text(record), reading.output_text(record)
    shown = markup.markdown(answered) if len(answered) <= TURN else markup.plain(answered[:TURN])
    return Turn(
        bundle=bundle,
        asked=asked[:TURN],
        answered=(shown or markup.plain(answered)) if answered else None,
        is_cut=len(asked) > TURN or len(answered) > TURN,
    )
