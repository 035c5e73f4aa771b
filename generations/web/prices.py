"""What a project pays for models, and what today's prices would make of calls recorded before."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from generations import metrics, repricing
from generations.access import Grant, Scope
from generations.filters import BadFilter
from generations.models import Job, PriceOverride
from generations.repricing import BadPrice
from generations.web import jobs, refused
from generations.web.frame import show
from generations.web.gate import page, zone_of
from generations.web.listing import document_of

MOST: Final = 500
RUNS: Final = 5
DAYS: Final = 30
SHOWN: Final = 50
"""Models without a price are looked for among the calls of so many days, and so many of them are shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """A reckoning as the page shows it: sums by currency, before and after."""

    job: Job
    sums: list[tuple[str, str, str]]


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def price_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's own prices, which come before the public ones, and the last reckonings; adds a price.

    An address may name what the price is of: `match` and `provider`.
    """
    problem = ""
    if request.method == "POST":
        given = request.POST
        try:
            repricing.add(
                grant,
                match=given.get("match", ""),
                provider=given.get("provider", ""),
                currency=given.get("currency", ""),
                prices={field: given.get(field, "") for field in repricing.PRICES},
                valid_from=_day(grant, "valid_from", given.get("valid_from", "")),
                valid_to=_day(grant, "valid_to", given.get("valid_to", "")),
            )
        except BadPrice as error:
            problem = str(error)
        else:
            messages.success(
                request, "The price holds for what comes in from now on. Count below what it would change."
            )
            return redirect("web:prices", slug=grant.project.slug)
    unpriced, has_more = _unpriced(grant)
    runs = Job.objects.filter(project=grant.project, kind=Job.Kind.REPRICE).order_by("-created_at")
    context = {
        "rows": list(PriceOverride.objects.filter(project=grant.project)[:MOST]),
        "runs": [Run(job, _sums(job)) for job in runs[:RUNS]],
        "unpriced": unpriced,
        "has_more_unpriced": has_more,
        "unpriced_days": DAYS,
        "unpriced_shown": SHOWN,
        "problem": problem,
        "given": request.POST or request.GET,
        "tab": "prices",
    }
    return show(request, grant, "settings/prices.html", context, here="settings", status=400 if problem else 200)


@page(Scope.ADMIN)
@require_POST
def remove(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Remove a price."""
    if not repricing.remove(grant, id):
        raise Http404("There is no such price in this project.")
    return redirect("web:prices", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def reprice(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Reckon costs again as a job, or with `dry` count what that would change; of what matches `filter` alone."""
    try:
        document = document_of("generations", request.POST.get("filter", ""))
        with transaction.atomic():
            return jobs.lead_to(request, grant, repricing.start(grant, is_dry="dry" in request.POST, document=document))
    except BadFilter as error:
        where = reverse("web:prices", args=[grant.project.slug])
        return refused.lead_back(request, "reprice", f"filter: {error}", where)


def _unpriced(grant: Grant) -> tuple[list[repricing.Unpriced] | None, bool]:
    """The models without a price; None where that takes too long to find out."""
    # Whole days, so that rollups of days answer it.
    since = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=DAYS)
    try:
        return repricing.unpriced(grant, since, SHOWN)
    except metrics.TooSlow:
        return None, False


def _sums(job: Job) -> list[tuple[str, str, str]]:
    before, after = job.result.get("before") or {}, job.result.get("after") or {}
    return [(code, before.get(code, "0"), after.get(code, "0")) for code in sorted({*before, *after})]


def _day(grant: Grant, name: str, text: str) -> dt.datetime | None:
    """The first moment of a day in the project's zone; None for no text. Raises BadPrice."""
    if not text.strip():
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text.strip()), dt.time(), zone_of(grant))
    except (ValueError, OverflowError):
        raise BadPrice(f"{name}: {text[:40]!r} is not valid; expected a day such as 2026-03-01") from None
