"""The application's end users: their list, and what one of them did, cost and said."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db.models import Avg, Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from generations import filters, metrics
from generations.access import Grant
from generations.metrics import Bucket, Dimension, Measure, Query, TooSlow
from generations.models import Feedback, Generation, Participant, Score, Thread
from generations.web import listing, sums, tables
from generations.web.frame import show
from generations.web.gate import page, zone_of
from generations.web.listing import bounded

DAYS: Final = (7, 30, 90)
LOOKED_AT: Final = 5_000
"""The latest calls of a user whose scores and feedback are summed up."""
LATEST: Final = 10
MEASURES: Final = (
    Measure("count", "count"),
    Measure("tokens", "sum", "usage.totalTokens"),
    Measure("errors", "error_rate"),
    Measure("latency", "avg", "performance.latency"),
)
COST: Final = Measure("cost", "sum", "usage.cost")


@dataclass(frozen=True, slots=True)
class Day:
    """What a user did on one day; `costs` are amounts by currency, and `height` is the share
    of the busiest day, in percent."""

    moment: Any
    count: int
    costs: dict[Any, Any]
    height: float


@page()
@require_safe
@bounded
def participants(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of users, the last seen first, with the numbers of their generations."""
    return tables.answer(request, grant, "participants", partial(sums.of_rows, grant, "participants"))


@page()
@require_safe
def participant(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """One user over the last `days`: calls, cost, tokens, errors, scores and feedback, by day; threads and errors."""
    pk = grant.project.pk
    row = Participant.objects.by_ids(pk, "participant", [id]).first() if "\0" not in id else None
    if row is None:
        raise Http404("There is no such user in this project (any more).")
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(n) for n in DAYS} else 30
    start = timezone.now() - dt.timedelta(days=days)
    own = Generation.objects.in_project(pk).filter(user_id=row.public_id, started_at__gte=start)
    latest = list(own.order_by("-started_at").values_list("public_id", flat=True)[:LOOKED_AT])
    scores = Score.objects.in_project(pk).filter(generation_id__in=latest, value__isnull=False)
    feedback = Feedback.objects.in_project(pk).filter(generation_id__in=latest, is_latest=True)
    context: dict[str, Any] = {
        "row": row,
        "back": listing.back(request, grant, "users"),
        "tail": listing.tail(request),
        "days": days,
        "choices": DAYS,
        "problem": "",
        "first": Generation.objects.in_project(pk).filter(user_id=row.public_id).aggregate(at=Min("started_at"))["at"],
        "scores": scores.values("name").annotate(mean=Avg("value"), count=Count("uid")).order_by("name")[:50],
        "feedback": feedback.aggregate(
            up=Count("uid", filter=Q(thumbs="up")), down=Count("uid", filter=Q(thumbs="down")), rating=Avg("rating")
        ),
        "comments": list(feedback.exclude(comment=None).exclude(comment="").order_by("-created_at")[:LATEST]),
        "threads": list(
            Thread.objects.in_project(pk).filter(user_id=row.public_id).order_by("-last_activity_at")[:LATEST]
        ),
        "failed": list(own.filter(error__isnull=False).order_by("-started_at")[:LATEST]),
        **_numbers(grant, row.public_id, days),
    }
    return show(request, grant, "participants/user.html", context, here="users")


def _numbers(grant: Grant, user_id: str, days: int) -> dict[str, Any]:
    """The sums of the period, and its days, with what they cost in each currency."""
    condition = filters.from_document(
        "generations", {"metadata.userId": user_id, "timestamp": {"$gte": f"now-{days}d"}}
    )
    bucket = Bucket("day", str(zone_of(grant)))
    currency = Dimension("currency", "usage.currency")
    try:
        whole = metrics.aggregate(grant.project, Query(condition=condition, measures=MEASURES)).rows
        paid = metrics.aggregate(
            grant.project, Query(condition=condition, measures=(COST,), bucket=bucket, dimensions=(currency,))
        ).rows
    except TooSlow as error:
        return {"problem": str(error)}
    counts: Counter[Any] = Counter()
    costs: dict[Any, dict[Any, Any]] = defaultdict(dict)
    total: dict[Any, Any] = {}
    for row in paid:
        day, money, amount = row.key["time"], row.key["currency"], row.values["cost"]
        counts[day] += row.count
        if amount is not None:
            costs[day][money] = amount
            total[money] = total.get(money, 0) + amount
    most = max(counts.values(), default=1)
    return {
        "whole": whole[0] if whole else None,
        "costs": dict(sorted(total.items(), key=str)),
        "by_day": [Day(day, counts[day], costs[day], 100 * counts[day] / most) for day in sorted(counts)],
    }
