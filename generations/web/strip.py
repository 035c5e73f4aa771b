"""The strip of small charts above a list: how many, how many failed, how long and how dear, over its time."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from generations import filters, metrics
from generations.access import Grant
from generations.filters import BadFilter
from generations.metrics import Dimension, Measure, Query, Row
from generations.web import timeline
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS
from generations.web.narrowing import carried, place

TIMEOUT: Final = 10.0
_LATENCY: Final = "performance.latency"
_COUNT: Final = Measure("count", "count")
_TIMED: Final = (
    Measure("errors", "error_rate"),
    Measure("p50", "percentile", _LATENCY, 0.5),
    Measure("p95", "percentile", _LATENCY, 0.95),
)
_COST: Final = Measure("cost", "sum", "usage.cost")


@page()
@require_safe
def charts(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """The charts of the list at `list`, as JSON: seconds since 1970 in `time`, beside them a list for each chart."""
    place(grant, kind)
    try:
        return JsonResponse(_charts(grant, kind, carried(request)))
    except BadFilter as error:
        return JsonResponse({"problem": str(error)}, status=400)
    except metrics.TooSlow:
        return JsonResponse({"problem": "There is too much to draw in time. Choose a shorter time."}, status=503)


def _charts(grant: Grant, kind: str, query: Any) -> dict[str, Any]:
    condition = filters.from_query(kind, query, ignore=NOT_FILTERS)
    line = timeline.timeline(grant, kind, condition)
    measures = (_COUNT, *_TIMED) if kind in ("generations", "steps") else (_COUNT,)
    asked = Query(kind, condition, bucket=line.bucket, measures=measures, limit=metrics.MAX_LIMIT)
    found: dict[Any, Row] = {
        row.key["time"]: row for row in metrics.aggregate(grant.project, asked, timeout=TIMEOUT).rows
    }
    # Those of the database too, which knows a day without a midnight by another hour.
    starts = sorted({*line.starts(), *found})
    said: dict[str, Any] = {
        "unit": line.unit,
        "zone": line.zone.key,
        "time": [start.timestamp() for start in starts],
        "end": line.after(starts[-1]).timestamp() if starts else None,
    }
    for measure in measures:
        said[measure.name] = timeline.series(starts, found, measure.name, 0 if measure is _COUNT else None)
    if "errors" in said:
        said["errors"] = [round((rate or 0) * n) for rate, n in zip(said["errors"], said["count"], strict=True)]
    if kind == "generations":
        said["cost"], said["currency"] = _cost(grant, condition, line, starts)
    return said


def _cost(grant: Grant, condition: Any, line: timeline.Timeline, starts: Any) -> tuple[list[float], str | None]:
    """The cost of each bucket in the currency that most of it is in; amounts of others are never added to it."""
    asked = Query(
        condition=condition,
        bucket=line.bucket,
        dimensions=(Dimension("currency", "usage.currency"),),
        measures=(_COST,),
        limit=metrics.MAX_LIMIT,
    )
    costs: dict[Any, dict[Any, Decimal]] = defaultdict(dict)
    for row in metrics.aggregate(grant.project, asked, timeout=TIMEOUT).rows:
        value = row.values["cost"]
        if isinstance(value, Decimal):
            costs[row.key["currency"]][row.key["time"]] = value
    if not costs:
        return [0.0 for _ in starts], None
    currency = max(costs, key=lambda one: (len(costs[one]), str(one)))
    return [float(costs[currency].get(start, 0)) for start in starts], currency
