"""Threads: their list, and one of them as the conversation that its user saw."""

from __future__ import annotations

from collections.abc import Sequence
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
from generations.web.listing import OPERATORS, bounded, listing, options, plain_address
from generations.web.markup import Budget

TURNS: Final = 20
ROOM: Final = 90_000
"""The bytes of HTML that the turns of a page have together."""
TURN: Final = 6_000
"""The most bytes of HTML of a question or an answer in a turn; the rest is on the generation's page."""
STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a thread, as its user saw it."""

    bundle: Bundle
    asked: markup.Shown | None
    answered: markup.Shown | None

    @property
    def is_cut(self) -> bool:
        """Whether there is more of it than is shown."""
        return any(shown is not None and shown.rest is not None for shown in (self.asked, self.answered))


@page()
@require_safe
@bounded
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
    """A thread: its calls in order, and its steps. Paged from either end: `?order=-timestamp` begins at the last.

    `?currentStepId=` begins at the turn of that step, and marks it.
    """
    pk = grant.project.pk
    row = Thread.objects.by_ids(pk, "thread", [id]).first() if "\0" not in id else None
    if row is None:
        raise Http404("There is no such thread in this project.")
    order = "-timestamp" if request.GET.get("order") == "-timestamp" else "timestamp"
    inside = filters.Leaf("threadId", (), "eq", id)
    after = request.GET.get("after")
    step, turn = _current(pk, row, request.GET.get("currentStepId", ""))
    if turn is not None and not {"after", "before", "order"} & set(request.GET):
        after = _until(pk, inside, turn)
    try:
        found = paging.page(
            "generations",
            pk,
            inside,
            order=order,
            after=after,
            before=request.GET.get("before"),
            limit=TURNS,
        )
    except BadFilter as error:
        raise Http404(str(error)) from error
    rows: list[Generation] = list(found.rows)
    made = bundles.of_generations(grant.project, rows, alternatives=False, attachments=False)
    context: dict[str, Any] = {
        "thread": row,
        "turns": _turns(made),
        "current": turn,
        "current_step": step,
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


def _current(project_pk: int, thread: Thread, step_id: str) -> tuple[Step | None, Generation | None]:
    """The step of this id in the thread, and the turn that shows it: its own call, else the first that followed."""
    if not step_id or "\0" in step_id:
        return None, None
    step = Step.objects.by_ids(project_pk, "step", [step_id]).filter(thread_id=thread.public_id).first()
    if step is None:
        return None, None
    calls = Generation.objects.in_project(project_pk).filter(thread_id=thread.public_id).order_by("started_at", "uid")
    own = calls.filter(step_id=step_id).first()
    return step, own or calls.filter(started_at__gte=step.started_at).first() or calls.last()


def _until(project_pk: int, inside: filters.Condition, turn: Generation) -> str | None:
    """The cursor after which the page begins with `turn`; None where it is the first of its thread."""
    whole = paging.page("generations", project_pk, inside, order="timestamp", limit=1)
    before = paging.page("generations", project_pk, inside, order="timestamp", before=whole.cursor(turn), limit=1)
    return whole.cursor(before.rows[0]) if before.rows else None


def _turns(made: Sequence[Bundle]) -> list[Turn]:
    """The turns of a page: what is short leaves its room to what follows."""
    turns, budget = [], Budget(ROOM)
    for index, bundle in enumerate(made):
        record = bundle.record
        asked, answered = reading.input_text(record), reading.output_text(record)
        room = min(TURN, max(200, budget.left // (len(made) - index) // 2))
        rendered = markup.markdown(answered, room) if answered else None
        turn = Turn(
            bundle=bundle,
            asked=markup.plain(asked, room) if asked else None,
            answered=(rendered or markup.plain(answered, room)) if answered else None,
        )
        for shown in (turn.asked, turn.answered):
            if shown is not None:
                budget.spend(shown.html)
        turns.append(turn)
    return turns
