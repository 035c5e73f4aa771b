"""The dashboard: how the project is doing over a time, beside the time before it, in tiles that the project keeps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from generations import filters, metrics
from generations.access import Grant, Scope, audit
from generations.filters import BadFilter, Condition
from generations.metrics import Dimension, Measure, Query, Row
from generations.models import Generation, Project
from generations.web import drawing, narrowing, refused, stale, timeline
from generations.web.drawing import CHARTS, Drawn
from generations.web.filtering import OPERATORS, options, plain_address, shown_moment
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS, Listing, asked
from generations.web.sessions import safe_next
from generations.web.timeline import Timeline

DEFAULT: Final = "now-7d"
TILES: Final = (
    *(("generations", ""), ("errors", ""), ("latency", ""), ("first-token", ""), ("tokens", "")),
    *(("cost", "model.id"), ("scores", ""), ("users", "")),
)
"""The charts of a project that has chosen none, each with what it is broken down by."""
BREAKDOWNS: Final = (
    *("model.id", "model.provider", "tags", "environment", "release", "promptVersion.name", "promptVersion.version"),
    *("metadata.userId", "type", "name", "finishReason", "errorType"),
)
"""What is offered to break down by; any other field that can be grouped by may be named, `metadata.plan` too."""
MOST_TILES: Final = 24


@dataclass(frozen=True, slots=True)
class Period:
    """What the address asks of the dashboard: its list of generations, its condition, its time."""

    made: Listing
    condition: Condition | None
    line: Timeline
    by: str


@page()
@require_safe
def dashboard(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Numbers of a time beside those of the time before, and the project's charts, which are fetched one by one."""
    plain = plain_address(request, "generations")
    if plain is not None:
        return redirect(plain)
    made, problem = _asked(request), ""
    tiles: list[Tile] = []
    try:
        period = _period(grant, made)
        tiles = _tiles(grant, period)
    except BadFilter as error:
        problem = str(error)
    except metrics.TooSlow:
        problem = "There is too much to count in time. Choose a shorter time."
    made.problem = made.problem or problem
    query = made.query.urlencode()
    is_own, asked_by = "dashboard" in grant.project.settings, made.query.get("by", "")
    # What the project chose for a tile stands; the usual tiles are all broken down by what is asked of the page.
    shown = [(name, by if is_own or not asked_by else "") for name, by in kept(grant.project)]
    charts = [
        {
            "n": n,
            "title": CHARTS[name].title,
            "shown_by": drawing.said_by(CHARTS[name], by or asked_by),
            "address": f"{reverse('web:chart', args=[grant.project.slug, name])}?{_with(made.query, by)}",
            "data": f"{reverse('web:chart-data', args=[grant.project.slug, name])}?{_with(made.query, by)}",
        }
        for n, (name, by) in enumerate(shown)
    ]
    is_empty = bool(tiles) and not tiles[0].value and not Generation.objects.in_project(grant.project.pk).exists()
    context = {
        "listing": made,
        "tiles": tiles,
        "charts": [] if made.problem else charts,
        "is_empty": is_empty,
        "all_charts": CHARTS.values(),
        "breakdowns": [
            (path, filters.field("generations", path).sentence)
            for path in (*BREAKDOWNS, *narrowing.own(grant, "generations"))
        ],
        "by": asked_by,
        "query": query,
        "options": options("generations"),
        "operators": OPERATORS,
        "since": shown_moment(made.query.get("from", "")),
        "until": shown_moment(made.query.get("to", "")),
        "spans": [one for one in made.presets if one.title != "All"],
        "is_own": is_own,
        "as_of": stale.mark(list(kept(grant.project))),
    }
    return show(request, grant, "dashboard/page.html", context, here="dashboard", status=made.status)


@page()
@require_safe
def chart(request: HttpRequest, grant: Grant, name: str) -> HttpResponse:
    """The numbers of one chart as a table, each leading to the generations that it counts."""
    made = _asked(request)
    context: dict[str, Any] = {"listing": made, "title": _chart(name).title, "rows": [], "lines": []}
    context["shown_by"] = drawing.said_by(_chart(name), made.query.get("by", ""))
    try:
        drawn = _drawn(grant, name, made)
        context |= {
            "lines": drawn.lines,
            "rows": [(start, _cells(grant, drawn, made, n)) for n, start in reversed(list(enumerate(drawn.starts)))],
            "unit": drawn.chart.unit,
            "currency": drawn.currency,
            "note": drawn.note,
        }
    except BadFilter as error:
        made.problem = str(error)
    except metrics.TooSlow as error:
        made.problem = str(error)
    query = made.query.copy()
    for page_by in query.pop("tile", []):
        query["by"] = page_by
    context["back"] = f"{reverse('web:dashboard', args=[grant.project.slug])}?{query.urlencode()}"
    return show(request, grant, "dashboard/chart.html", context, here="dashboard", status=made.status)


@page()
@require_safe
def chart_data(request: HttpRequest, grant: Grant, name: str) -> HttpResponse:
    """The numbers of one chart as JSON: moments in seconds since 1970, lines, and the list behind its points."""
    made = _asked(request)
    try:
        drawn = _drawn(grant, name, made)
    except BadFilter as error:
        return JsonResponse({"problem": str(error)}, status=400)
    except metrics.TooSlow:
        return JsonResponse({"problem": "There is too much to draw in time. Choose a shorter time."}, status=503)
    return JsonResponse(
        {
            "style": drawn.chart.style,
            "isStacked": drawn.chart.is_stacked,
            "isBad": drawn.chart.is_bad and len(drawn.lines) == 1,
            "unit": drawn.chart.unit,
            "currency": drawn.currency,
            "note": drawn.note,
            "zone": drawn.line.zone.key,
            "grain": drawn.line.unit,
            "time": [start.timestamp() for start in drawn.starts],
            "end": drawn.line.after(drawn.starts[-1]).timestamp() if drawn.starts else None,
            "lines": [
                {"label": line.label, "values": line.values, "query": urlencode(_narrowing(drawn, line.query))}
                for line in drawn.lines
            ],
            "list": _list(grant, made),
        }
    )


# ------------------------------------------------------------------------------------------------------- what is asked
def _asked(request: HttpRequest) -> Listing:
    made = asked(request, "generations", search="")
    made.problem = next((chip.problem for chip in made.chips if chip.problem), "")
    if "from" not in made.query:
        query = made.query.copy()
        query["from"] = DEFAULT
        made.query = query
    return made


def _period(grant: Grant, made: Listing) -> Period:
    condition = filters.from_query("generations", made.query, ignore=NOT_FILTERS)
    by = made.query.get("by", "")
    line = timeline.timeline(grant, "generations", condition)
    return Period(made, condition, line, drawing.path_of(by) if by else "")


def _chart(name: str) -> drawing.Chart:
    if name not in CHARTS:
        raise Http404("There is no such chart.")
    return CHARTS[name]


def _drawn(grant: Grant, name: str, made: Listing) -> Drawn:
    period = _period(grant, made)
    return drawing.draw(grant, _chart(name), period.condition, period.line, period.by)


def _with(query: QueryDict, by: str) -> str:
    """The query of a chart; `tile` keeps what the page is broken down by, where its tile has a breakdown of its own."""
    changed = query.copy()
    if by:
        changed["tile"], changed["by"] = changed.get("by", ""), by
    return changed.urlencode()


def _list(grant: Grant, made: Listing, **more: str) -> str:
    """The list of generations that the dashboard is about, without its time: the points of a chart bring theirs."""
    query = made.query.copy()
    for name in ("from", "to", *NOT_FILTERS):
        query.pop(name, None)
    for name, value in more.items():
        query[name] = value
    return f"{reverse('web:generations', args=[grant.project.slug])}?{query.urlencode()}"


def _narrowing(drawn: Drawn, query: dict[str, str]) -> dict[str, str]:
    return {**QueryDict(drawn.chart.query).dict(), **query}


def _cells(grant: Grant, drawn: Drawn, made: Listing, n: int) -> list[tuple[float | None, str]]:
    """The values of a row of the table with the lists behind them."""
    start = drawn.starts[n]
    bounds = {"from": _iso(max(start, drawn.line.start)), "timestamp__lt": _iso(drawn.line.after(start))}
    return [(line.values[n], _list(grant, made, **bounds, **_narrowing(drawn, line.query))) for line in drawn.lines]


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


# --------------------------------------------------------------------------------------------------------- the numbers
@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its change against the time before: `change` in words, `is_good` None where it is neither."""

    title: str
    value: Any
    unit: str
    currency: str | None
    change: str
    is_up: bool | None
    is_good: bool | None
    address: str


FEW: Final = 100
"""Where there are so many times as many calls as before, those before say nothing of how fast or well calls went."""
_NUMBERS: Final = (
    Measure("count", "count"),
    Measure("errors", "error_rate"),
    Measure("p50", "percentile", "performance.latency", 0.5),
    Measure("p95", "percentile", "performance.latency", 0.95),
    Measure("first", "percentile", "performance.timeToFirstToken", 0.5),
    Measure("tokens", "sum", "usage.totalTokens"),
)
_TILES: Final = (
    ("Generations", "count", "count", None),
    ("Failed", "errors", "share", False),
    ("Latency p50", "p50", "seconds", False),
    ("Latency p95", "p95", "seconds", False),
    ("First token p50", "first", "seconds", False),
    ("Tokens", "tokens", "count", None),
)
"""Titles, measures, units, and whether more of it is good."""


def _tiles(grant: Grant, period: Period) -> list[Tile]:
    """The numbers of the time and of as long a time before: four statements."""
    line = period.line
    rest = _without_time(period.made.query)
    before = Timeline(line.start - (line.end - line.start), line.start, line.unit, line.zone)
    now, then = (_numbers(grant, rest, one) for one in (line, before))
    bounds = {name: period.made.query.get(name, "") for name in ("from", "to") if name in period.made.query}
    made = []
    for title, name, unit, is_more_good in _TILES:
        more = {"hasError": "true"} if name == "errors" else {}
        address = _list(grant, period.made, **bounds, **more)
        change, is_up = _change(now.values[name], then.values[name], unit)
        if unit in ("seconds", "share") and _are_too_few(then.values["count"], now.values["count"]):
            change, is_up = "hardly any before", None
        is_good = None if is_up is None or is_more_good is None else is_up == is_more_good
        made.append(Tile(title, now.values[name], unit, None, change, is_up, is_good, address))
    (cost, currency, others), (earlier, earlier_currency, _) = (_cost(grant, rest, one) for one in (line, before))
    change, is_up = _change(cost, earlier if earlier_currency == currency else None, "money")
    title = f"Cost, without {', '.join(others)}" if others else "Cost"
    made.append(Tile(title, cost, "money", currency, change, is_up, None, _list(grant, period.made, **bounds)))
    return made


def _without_time(query: QueryDict) -> Condition | None:
    return filters.from_query("generations", query, ignore=(*NOT_FILTERS, "from", "to"))


def _within(condition: Condition | None, line: Timeline) -> Condition | None:
    start = filters.Leaf("timestamp", (), "gte", line.start)
    return filters.both(condition, start, filters.Leaf("timestamp", (), "lt", line.end))


def _numbers(grant: Grant, condition: Condition | None, line: Timeline) -> Row:
    asked = Query(condition=_within(condition, line), measures=_NUMBERS)
    return metrics.aggregate(grant.project, asked, timeout=drawing.TIMEOUT).rows[0]


def _cost(grant: Grant, condition: Condition | None, line: Timeline) -> tuple[Any, str | None, list[str]]:
    """What the calls cost in the currency that most are in, that currency, and the others: what is not in it."""
    asked = Query(
        condition=_within(condition, line),
        dimensions=(Dimension("currency", "usage.currency"),),
        measures=(Measure("cost", "sum", "usage.cost"),),
    )
    found = metrics.aggregate(grant.project, asked, timeout=drawing.TIMEOUT).rows
    rows, currency = drawing.of_currency(found)
    return rows[0].values["cost"] if rows else None, currency, drawing.other_currencies(found, currency)


def _are_too_few(then: Any, now: Any) -> bool:
    return bool(then * FEW < now)


def _change(now: Any, then: Any, unit: str) -> tuple[str, bool | None]:
    """How a number changed, in words, and whether it grew; None where it did neither, or where one is not known."""
    if now is None or then is None:
        return "nothing to compare with", None
    now, then = (float(one) if isinstance(one, Decimal) else one for one in (now, then))
    if unit == "share":
        points = round((now - then) * 100, 1)
        return (f"{abs(points):g} points", points > 0) if points else ("as before", None)
    if not then:
        return ("as before", None) if not now else ("none before", None)
    percent = round((now - then) / then * 100)
    if percent > 9_999:
        return "hardly any before", True
    if percent > 999:
        return f"{now / then:,.0f} times", True
    return (f"{abs(percent):,} %", percent > 0) if percent else ("as before", None)


# --------------------------------------------------------------------------------------------------------- kept tiles
def kept(project: Project) -> Sequence[tuple[str, str]]:
    """The charts of a project's dashboard with what each is broken down by; the usual ones when it keeps none."""
    found = project.settings.get("dashboard") if isinstance(project.settings, dict) else None
    if not isinstance(found, list):
        return TILES
    pairs = [one for one in found if isinstance(one, list) and len(one) == 2]
    return [(str(name), str(by)) for name, by in pairs if name in CHARTS][:MOST_TILES]


@page(Scope.WRITE)
@require_POST
def change_tiles(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Change the project's dashboard: `add` a chart, broken down `by` a field; `remove`, `up` a tile; `reset`.

    A tile is named by its place, so that all but adding is refused once somebody else has changed the tiles.
    """
    where = safe_next(request, reverse("web:dashboard", args=[grant.project.slug]))
    given = request.POST
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=grant.project.pk)
        tiles = list(kept(project))
        try:
            if "add" not in given:
                stale.refuse(request, stale.mark(tiles))
        except stale.Stale:
            messages.error(
                request, "Somebody has changed the tiles since you opened this page. Here they are as they are now."
            )
            return redirect(where)
        try:
            if "add" in given:
                by = given.get("by", "").strip()
                tiles.append((_chart(given["add"]).name, drawing.path_of(by) if by else ""))
        except BadFilter as error:
            return refused.lead_back(request, "tile", f"by: {error}", where)
        if len(tiles) > MOST_TILES:
            problem = f"A dashboard has at most {MOST_TILES} tiles: remove one first."
            return refused.lead_back(request, "tile", problem, where)
        for name in ("remove", "up"):
            said = given.get(name, "")
            n = int(said) if said.isdecimal() and len(said) < 9 else -1
            if 0 <= n < len(tiles):
                tile = tiles.pop(n)
                if name == "up":
                    tiles.insert(max(0, n - 1), tile)
        settings = {**project.settings, "dashboard": [list(tile) for tile in tiles]}
        if "reset" in given:
            settings.pop("dashboard", None)
        project.settings = settings
        project.save(update_fields=["settings"])
        audit(grant, "dashboard.update", "project", str(project.pk), {"tiles": len(tiles)})
    return redirect(where)
