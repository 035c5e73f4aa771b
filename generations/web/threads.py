"""Threads: their list, and one of them as the conversation that its user saw."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations.access import Grant
from generations.filters import BadFilter
from generations.models import Step, Thread
from generations.web import listing as lists
from generations.web import markup, sums, tables, turns
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import bounded
from generations.web.missing import Gone

STEPS: Final = 50
LINKS: Final = 12_000
"""The bytes that the ids in the addresses of those steps take together."""
MOST_METADATA: Final = 40


@page()
@require_safe
@bounded
def threads(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of threads, the latest active first, with the numbers of their generations."""
    return tables.answer(request, grant, "threads", partial(sums.of_rows, grant, "threads"))


@page()
@require_safe
def thread(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """A thread as a conversation, and its steps. Paged from either end: `?order=-timestamp` begins at the last.

    `?currentStepId=` and `?generation=` begin a little before the turn of that step or call, and mark it.
    """
    pk = grant.project.pk
    row = Thread.objects.by_ids(pk, "thread", [id]).first() if "\0" not in id else None
    if row is None:
        raise Gone(grant, "thread", id)
    order = "-timestamp" if request.GET.get("order") == "-timestamp" else "timestamp"
    here = request.GET.get("currentStepId") or request.GET.get("generation") or ""
    asked = {name: request.GET[name] for name in ("currentStepId", "generation") if name in request.GET}
    after, before = request.GET.get("after"), request.GET.get("before")
    try:
        told = turns.page(
            grant.project, id, order=order, after=after, before=before, here=here.replace("\0", "") or None
        )
    except BadFilter as error:
        raise Http404(str(error)) from error
    context: dict[str, Any] = {
        "thread": row,
        "turns": told.turns,
        "current": here,
        "order": order,
        "older": told.before and "?" + urlencode({**asked, "order": order, "before": told.before}),
        "newer": told.after and "?" + urlencode({**asked, "order": order, "after": told.after}),
        "steps": _bounded_links(
            Step.objects.in_project(pk).filter(thread_id=id, parent_id=None).order_by("-started_at", "-uid")[:STEPS]
        ),
        "sums": sums.of_thread(pk, id),
        "metadata": [
            (name, value if isinstance(value, str) else markup.compact(value))
            for name, value in list(row.metadata.items())[:MOST_METADATA]
        ],
        "more_metadata": max(0, len(row.metadata) - MOST_METADATA),
        "neighbours": lists.neighbours(request, grant, "threads", row),
        "back": lists.back(request, grant, "threads"),
    }
    return show(request, grant, "threads/thread.html", context, here="threads")


def _bounded_links(rows: Iterable[Step]) -> list[Step]:
    """The first of these steps, as far as there is room for their addresses."""
    shown, left = [], LINKS
    for row in rows:
        left -= len(quote(row.public_id))
        if left < 0:
            break
        shown.append(row)
    return shown
