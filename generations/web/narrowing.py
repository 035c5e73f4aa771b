"""Parts beside a list that narrow it: the filter builder and the facets, each at an address of its own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from django.db.models import Case, F, Func, IntegerField, When
from django.db.models.lookups import GreaterThan
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from generations import filters, metrics
from generations.access import Grant
from generations.filters import BadFilter, Condition
from generations.metrics import faceting
from generations.web import building
from generations.web.filtering import OPERATORS, options
from generations.web.frame import show
from generations.web.gate import is_part, page
from generations.web.listing import NOT_FILTERS, SEARCHED

PLACES: Final = {"generations": "generations", "steps": "steps", "threads": "threads", "participants": "users"}
"""The lists, and the names of their addresses."""
TOP: Final = 6
FACETED: Final = frozenset({*faceting.PATHS, "participants"})
"""The lists that have facets."""
LOOKED_AT: Final = 500
"""The newest rows, whose metadata say what facets there are."""
_NEWEST: Final = {"generations": "started_at", "participants": "last_seen_at"}
"""The lists whose facets the application's own metadata are, and what tells the newest of their rows."""
MOST_OWN: Final = 5
_SHORT: Final = 4_096
"""Bytes of a row's metadata as they are stored; no more are read for facets."""

_KEY: Final = re.compile(r"[A-Za-z][\w-]{0,39}")


def place(grant: Grant, kind: str) -> str:
    """The address of a list; 404 when there is no such list."""
    if kind not in PLACES:
        raise Http404("There is no such list.")
    return reverse(f"web:{PLACES[kind]}", args=[grant.project.slug])


def carried(request: HttpRequest) -> QueryDict:
    """The query of the list that the part belongs to, without its place among the pages."""
    query = QueryDict(request.GET.get("list", ""), mutable=True)
    for name in ("after", "before"):
        query.pop(name, None)
    return query


# ------------------------------------------------------------------------------------------------------------ builder
@page()
@require_safe
def builder(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """The filter of the list at `list` as a tree to be changed. `do=apply` leads back to the list."""
    address, query = place(grant, kind), carried(request)
    kept = _kept(kind, query)
    do = request.GET.get("do", "")
    problem = ""
    if do:
        tree = building.read(kind, request.GET)
        building.changed(tree, do)
    else:
        try:
            asked = {name: values for name, values in query.lists() if name not in dict(kept)}
            tree = building.tree(kind, filters.from_query(kind, asked, ignore=NOT_FILTERS))
        except BadFilter as error:
            tree, problem = building.tree(kind, None), str(error)
    if do == "apply":
        try:
            return _to_list(request, address, kept, building.condition(tree))
        except BadFilter as error:
            problem = str(error)
    context = {
        "kind": kind,
        "tree": tree,
        "carried": query.urlencode(),
        "problem": problem,
        "matches": building.MATCHES,
        "hows": building.HOWS,
        "operators": OPERATORS,
        "fields": [(about, options(about)) for about in sorted({node.kind for node in building.nodes(tree)})],
        "back": f"{address}?{query.urlencode()}" if query else address,
    }
    status = 400 if problem and do == "apply" and not is_part(request) else 200
    return show(
        request,
        grant,
        "lists/builder.html",
        context,
        here=PLACES[kind],
        part="lists/_builder.html",
        status=status,
    )


def _kept(kind: str, query: QueryDict) -> list[tuple[str, str]]:
    """What of a list's address the builder leaves as it is: the search, the time, the order, the view."""
    names = {*NOT_FILTERS, "from", "to", SEARCHED.get(kind, "")}
    return [(name, value) for name, values in query.lists() if name in names for value in values]


def _to_list(
    request: HttpRequest, address: str, kept: list[tuple[str, str]], condition: Condition | None
) -> HttpResponse:
    pairs = filters.to_query(condition)
    if pairs is None or {name for name, _ in pairs} & {name for name, _ in kept}:
        pairs = [("filter", orjson.dumps(filters.to_document(condition)).decode())]
    query = urlencode([*pairs, *kept])
    where = f"{address}?{query}" if query else address
    if not is_part(request):
        return redirect(where)
    response = HttpResponse()
    response.headers["HX-Location"] = orjson.dumps({"path": where, "target": "#list", "swap": "outerHTML"}).decode()
    return response


# ------------------------------------------------------------------------------------------------------------- facets
@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet; `address` is the list with it, or without it when it is chosen."""

    title: str
    count: int | None
    address: str
    is_chosen: bool
    share: int = 0


@dataclass(frozen=True, slots=True)
class Facet:
    """A field with its most frequent values."""

    title: str
    choices: list[Choice]
    has_more: bool


@page()
@require_safe
def facets(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """The most frequent values of the fields that the list at `list` is usually narrowed by."""
    address, query = place(grant, kind), carried(request)
    context: dict[str, Any] = {"facets": [], "since": None, "problem": ""}
    try:
        found = _found(grant, kind, query)
    except metrics.TooSlow:
        context["problem"] = "There is too much to count in time. Choose a shorter time."
    except BadFilter:
        context["problem"] = "Nothing is counted until the filter is put right."
    else:
        told = [one for one in found if _says_something(one, query)]
        context["facets"] = [_shown(kind, one, query, address) for one in told]
        context["since"] = max((one.since for one in found if one.since is not None), default=None)
    template = "lists/_facets.html"
    return show(request, grant, "lists/facets.html", context, here=PLACES[kind], part=template)


def _found(grant: Grant, kind: str, query: QueryDict) -> list[faceting.Facet]:
    """The facets under the list's filter; that of a field which is narrowed already under what is left without it."""
    paths = (*faceting.PATHS.get(kind, ()), *(own(grant, kind) if kind in _NEWEST else ()))
    if "promptVersion.name" in query:
        # Numbers of versions say something only of one prompt.
        paths = (*paths, "promptVersion.version")
    if not paths:
        return []
    condition = filters.from_query(kind, query, ignore=NOT_FILTERS)
    narrowed = [path for path in paths if path in query or _without(path) in query]
    free = [path for path in paths if path not in narrowed]
    found = metrics.facets(grant.project, condition, kind=kind, paths=free, top=TOP) if free else []
    for path in narrowed:
        rest = filters.from_query(kind, query, ignore=(*NOT_FILTERS, path, _without(path)))
        found += metrics.facets(grant.project, rest, kind=kind, paths=[path], top=TOP)
    by_path = {one.path: one for one in found}
    return [by_path[path] for path in paths]


def _says_something(facet: faceting.Facet, query: QueryDict) -> bool:
    """Whether a facet is of any use: some row has a value, or the list is narrowed by it."""
    is_narrowed = facet.path in query or _without(facet.path) in query
    return is_narrowed or any(value is not None for value, _ in facet.values)


def own(grant: Grant, kind: str) -> tuple[str, ...]:
    """The paths of what the application says of most generations or users, as their metadata have it; one query.

    What is different in nearly each row, such as the number of a request, is left out: nobody narrows by it.
    """
    # What is long is not read: of 500 rows it would be up to 500 MB, at each look at the page.
    size = Func(F("metadata"), function="pg_column_size", output_field=IntegerField())
    short = Case(When(GreaterThan(size, _SHORT), then=None), default=F("metadata"))
    rows = filters.rows(kind, grant.project.pk).order_by(F(_NEWEST[kind]).desc()).values_list(short, flat=True)
    said: dict[str, Counter[str | int | float]] = {}
    for metadata in rows[:LOOKED_AT]:
        for key, value in (metadata or {}).items():
            if _KEY.fullmatch(key) and isinstance(value, str | int | float):
                said.setdefault(key, Counter())[value] += 1
    # What has a column, such as `userId`, is another field.
    said = {key: one for key, one in said.items() if filters.field(kind, f"metadata.{key}").column is None}
    counts = {key: values.total() for key, values in said.items() if 2 * len(values) <= max(values.total(), 10)}
    return tuple(f"metadata.{key}" for key, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_OWN])


def _shown(kind: str, facet: faceting.Facet, query: QueryDict, address: str) -> Facet:
    chosen = query.getlist(facet.path)
    counted = dict(facet.values)
    values = [*facet.values, *((value, None) for value in chosen if value not in counted)]
    most = max((count for _, count in facet.values), default=0)
    choices = []
    for value, count in values:
        is_chosen = query.get(_without(facet.path)) == "false" if value is None else value in chosen
        share = round(10 * count / most) if count and most else 0
        title = "none" if value is None else value
        choices.append(Choice(title, count, _toggled(facet.path, value, is_chosen, query, address), is_chosen, share))
    return Facet(filters.field(kind, facet.path).sentence.capitalize(), choices, facet.more)


def _without(path: str) -> str:
    """The parameter that asks for the rows without a value of this field, where it is `false`."""
    return f"{path}__exists"


def _toggled(path: str, value: str | None, is_chosen: bool, query: QueryDict, address: str) -> str:
    changed = query.copy()
    if value is None and is_chosen:
        del changed[_without(path)]
    elif value is None:
        changed[_without(path)] = "false"
    elif is_chosen:
        changed.setlist(path, [one for one in query.getlist(path) if one != value])
        if not changed.getlist(path):
            del changed[path]
    else:
        changed.appendlist(path, value)
    return f"{address}?{changed.urlencode()}" if changed else address
