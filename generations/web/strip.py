"""The strip of small charts above a list: how many, how many failed, how long and how dear, over its time."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from generations import filters, metrics
from generations.access import Grant
from generations.filters import BadFilter, Condition
from generations.metrics import Dimension, Measure, Query, Row, belonging
from generations.metrics.belonging import Belongings
from generations.web import timeline
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS
from generations.web.narrowing import carried, place
from generations.web.timeline import Timeline

TIMEOUT: Final = 10.0
SOON: Final = 3.0
"""Seconds that adding up what belongs to the rows of a list may take."""
BELONGING: Final = ("threads", "participants")
"""The lists whose charts are also of the generations that belong to their rows."""
_LATENCY: Final = "performance.latency"
_COUNT: Final = Measure("count", "count")
_TIMED: Final = (
    Measure("errors", "error_rate"),
    Measure("p50", "percentile", _LATENCY, 0.5),
    Measure("p95", "percentile", _LATENCY, 0.95),
)
_COST: Final = Measure("cost", "sum", "usage.cost")

_Costs = dict[Any, dict[Any, Decimal]]
"""Amounts by currency, by the start of their bucket."""


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
        line.start_of(row.key["time"]): row for row in metrics.aggregate(grant.project, asked, timeout=TIMEOUT).rows
    }
    # Those of calls to come too.
    starts = sorted({*line.starts(), *found})
    said: dict[str, Any] = {
        "unit": line.unit,
        "zone": line.zone.key,
        "time": [start.timestamp() for start in starts],
        "end": line.after(starts[-1]).timestamp() if starts else None,
        "noun": filters.catalogue(kind).noun,
    }
    for measure in measures:
        said[measure.name] = timeline.series(starts, found, measure.name, 0 if measure is _COUNT else None)
    if "errors" in said:
        said["errors"] = [round((rate or 0) * n) for rate, n in zip(said["errors"], said["count"], strict=True)]
    if kind == "generations":
        said |= _cost(_costs(grant, condition, line), starts, {start for start in starts if start in found})
    elif kind in BELONGING:
        said |= _belonging(grant, kind, condition, line, starts)
    return said


def _belonging(
    grant: Grant, kind: str, condition: Condition | None, line: Timeline, starts: Sequence[dt.datetime]
) -> dict[str, Any]:
    """The calls of the threads or users of each bucket, so that their sums are those of the list that a drag leaves.

    Nothing when they are too many to be added up soon: what the list itself counts is drawn all the same.
    """
    try:
        told = belonging.over_time(kind, grant.project, condition, line.bucket, timeout=SOON)
    except metrics.TooSlow:
        return {}
    none = Belongings()
    found = {line.start_of(key): one for key, one in told.items()}
    return {
        "calls": [found.get(start, none).count for start in starts],
        "errors": [found.get(start, none).failed for start in starts],
        **_cost({start: one.costs for start, one in found.items()}, starts, set(found)),
    }


def _costs(grant: Grant, condition: Condition | None, line: Timeline) -> _Costs:
    asked = Query(
        condition=condition,
        bucket=line.bucket,
        dimensions=(Dimension("currency", "usage.currency"),),
        measures=(_COST,),
        limit=metrics.MAX_LIMIT,
    )
    costs: _Costs = defaultdict(dict)
    for row in metrics.aggregate(grant.project, asked, timeout=TIMEOUT).rows:
        value = row.values["cost"]
        if isinstance(value, Decimal):
            costs[line.start_of(row.key["time"])][row.key["currency"]] = value
    return costs


def _cost(costs: _Costs, starts: Sequence[dt.datetime], busy: Set[dt.datetime]) -> dict[str, Any]:
    """The cost of each bucket in the currency that most of them have; amounts of others are never added to it.

    None where there were calls (`busy`) whose cost in it is not known. `others` are the currencies that are left out.
    """
    met = Counter(currency for amounts in costs.values() for currency in amounts)
    if not met:
        return {"cost": [None if busy else 0.0 for _ in starts], "currency": None, "others": []}
    currency = max(met, key=lambda one: (met[one], str(one)))
    amounts = [costs.get(start, {}).get(currency) for start in starts]
    return {
        "cost": [
            float(amount) if amount is not None else None if start in busy else 0.0
            for start, amount in zip(starts, amounts, strict=True)
        ],
        "currency": currency,
        "others": sorted(str(one or "unknown") for one in met if one != currency),
    }
