"""A list with all that is around it: views as tabs, filters, charts, facets, columns, bulk actions, other doors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from generations import exporting, filters, intake, metrics
from generations.access import Grant
from generations.exporting import writers
from generations.web import bulk, collecting, columns, doors, narrowing, refused, saved
from generations.web.columns import Cell
from generations.web.filtering import OPERATORS, options, plain_address, shown_moment
from generations.web.frame import show
from generations.web.listing import MOST_CARRIED, Listing, listing


@dataclass(frozen=True, slots=True)
class Sort:
    """What one list's page says and shows. `here` is its place in the navigation and the name of its address; `empty`
    says what would bring a first row."""

    kind: str
    here: str
    title: str
    hint: str
    table: str
    empty: str


SORTS: Final = {
    "generations": Sort(
        "generations",
        "generations",
        "Generations",
        "Search in what was asked and answered",
        "generations/_table.html",
        "Send the first generation.",
    ),
    "steps": Sort(
        "steps",
        "steps",
        "Steps",
        "Search in inputs and outputs",
        "steps/_table.html",
        "Steps are the work around calls: tools, retrievals, agents. Send the first one.",
    ),
    "threads": Sort(
        "threads",
        "threads",
        "Threads",
        "Search in names",
        "threads/_table.html",
        "A thread is a conversation: what is recorded with its id makes it. Send the first call of one.",
    ),
    "participants": Sort(
        "participants",
        "users",
        "Users",
        "Search in identifiers",
        "participants/_table.html",
        "Users are whom calls were made for: what is recorded with a user's id makes them. Send a first call of one.",
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list, what hangs on it, its values in the columns of the catalogue, and whether it is selected: it
    is where what was to be done to it was refused."""

    row: Any
    more: Any
    cells: list[Cell]
    is_selected: bool


def answer(
    request: HttpRequest,
    grant: Grant,
    kind: str,
    hanging: Callable[[Sequence[Any]], Sequence[Any]] | None = None,
) -> HttpResponse:
    """The page of a list, or for htmx the part below its title. `hanging` gives what belongs to each of its rows."""
    plain = plain_address(request, kind)
    if plain is not None:
        return redirect(plain)
    made, sort = listing(request, grant, kind), SORTS[kind]
    tabs = saved.tabs(grant, kind, request.GET)
    here = next((tab for tab in tabs if tab.is_here), None)
    shown = columns.chosen(grant, kind, here.view if here else None)
    rows = list(made.rows)
    is_empty = not rows and not made.is_filtered and not made.text and not made.problem
    times_refused = intake.refused_today(grant.project) if is_empty else 0
    if is_empty and request.headers.get("HX-Trigger") == f"waiting-{times_refused}":
        return HttpResponse(status=204)  # as it was: what is read or copied stays where it is
    hung = hanging(rows) if hanging is not None else [None] * len(rows)
    lost = refused.taken(request)
    selected = set(lost["bulk"].given.getlist("id")) if "bulk" in lost else ()
    context = {
        "refused": lost,
        "listing": made,
        "sort": sort,
        "kind": kind,
        "noun": filters.catalogue(kind).noun,
        "lines": [
            Line(row, more, shown.cells(row), row.public_id in selected) for row, more in zip(rows, hung, strict=True)
        ],
        "tabs": tabs,
        "tab": here,
        "columns": shown,
        "own_columns": columns.OWN[kind],
        "more_columns": columns.offered(kind),
        "options": options(kind),
        "operators": OPERATORS,
        "others": doors.others(made, grant),
        "parts": _parts(grant, made),
        "since": shown_moment(made.query.get("from", "")),
        "until": shown_moment(made.query.get("to", "")),
        "has_facets": kind in narrowing.FACETED,
        "has_charts": kind in metrics.query.KINDS,
        "actions": bulk.offered(grant, kind),
        "formats": writers.CHOICES if kind in exporting.KINDS else (),
        **collecting.places(grant, kind),
        "is_empty": is_empty,
        "times_refused": times_refused,
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "lists/page.html", context, here=sort.here, part="lists/_list.html", status=made.status)


def _parts(grant: Grant, made: Listing) -> dict[str, str]:
    """The addresses of what is fetched beside the list: the same for all of its pages."""
    slug = grant.project.slug
    query = urlencode({"list": made.narrowed}) if len(made.narrowed) <= 20 * MOST_CARRIED else ""
    return {
        name: f"{reverse(f'web:list-{name}', args=[slug, made.kind])}{'?' if query else ''}{query}"
        for name in ("charts", "facets", "filter")
    }
