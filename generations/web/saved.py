"""Saved views: named filters of a list as tabs above it, one's own or the project's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from generations import filters
from generations.access import Grant, NotAllowed, Scope, audit
from generations.filters import BadFilter
from generations.models import ListColumns, SavedView
from generations.web import columns, refused, stale
from generations.web.gate import page
from generations.web.listing import MOST_FILTER, NOT_FILTERS, sent_along
from generations.web.narrowing import place
from generations.web.sessions import safe_next

MOST: Final = 50
MAX_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Tab:
    """A view as a tab. `may_change` says whether this person may rename, share, overwrite or delete it."""

    view: SavedView
    address: str
    is_here: bool
    is_changed: bool
    may_change: bool
    as_of: str


def tabs(grant: Grant, kind: str, query: QueryDict) -> list[Tab]:
    """The views of a list that this person may see, the project's first; one query."""
    here = query.get("view", "")
    rows = sorted(_visible(grant, kind)[:MOST], key=lambda view: (not view.is_shared, view.name.lower()))
    address = place(grant, kind)
    return [
        Tab(
            view,
            f"{address}?{address_of(kind, view)}",
            str(view.pk) == here,
            str(view.pk) == here and _is_changed(kind, view, query),
            _may_change(grant, view),
            as_of(view),
        )
        for view in rows
    ]


def find(grant: Grant, kind: str, id: str) -> SavedView | None:
    """The list's view of this id, if there is one that this person may see."""
    try:
        key = uuid.UUID(id)
    except ValueError:
        return None
    return _visible(grant, kind).filter(pk=key).first()


def address_of(kind: str, view: SavedView) -> str:
    """The query of the list that a view stands for."""
    pairs = [("view", str(view.pk)), *_pairs(kind, view.filter)]
    return urlencode([*pairs, *([("order", view.order)] if view.order else [])])


def _pairs(kind: str, document: Any) -> list[tuple[str, str]]:
    """A filter document as parameters; the list's time as `from` and `to`, as its time menu has them."""
    try:
        pairs = filters.to_query(filters.from_document(kind, document))
    except BadFilter:
        pairs = None  # of an earlier catalogue: the list says what is wrong with it
    if pairs is None:
        return [("filter", orjson.dumps(document).decode())]
    time = filters.catalogue(kind).time
    bounds = {f"{time}__gte": "from", f"{time}__lte": "to"}
    return [(bounds.get(name, name), value) for name, value in pairs]


def _visible(grant: Grant, kind: str) -> QuerySet[SavedView]:
    rows: QuerySet[SavedView] = SavedView.objects.filter(project=grant.project, kind=kind)
    return rows.filter(Q(is_shared=True) | Q(created_by=grant.user)).order_by("name", "pk")


def _may_change(grant: Grant, view: SavedView) -> bool:
    return grant.may(Scope.WRITE) or (not view.is_shared and view.created_by_id == getattr(grant.user, "pk", None))


def _is_changed(kind: str, view: SavedView, query: QueryDict) -> bool:
    try:
        asked = filters.to_document(filters.from_query(kind, query, ignore=NOT_FILTERS))
        kept = filters.to_document(filters.from_query(kind, QueryDict(address_of(kind, view)), ignore=NOT_FILTERS))
    except BadFilter:
        return False
    return (asked, query.get("order", "")) != (kept, view.order)


# ------------------------------------------------------------------------------------------------------------ changes
@page()
@require_POST
def save(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """Save the list at `list` as a view called `name`; for the project when it is `shared`, which needs `write`."""
    address = place(grant, kind)
    said = request.POST.get("list", "")
    query, back = QueryDict(said[:MOST_FILTER]), _list_at(address, said)
    is_shared = "shared" in request.POST
    if is_shared:
        grant.need(Scope.WRITE)
    if _visible(grant, kind).count() >= MOST:
        problem = f"There are {MOST} views of this list already: delete one first."
        return refused.lead_back(request, "view_save", problem, back)
    try:
        document = sent_along(kind, said)
    except BadFilter as error:
        return refused.lead_back(request, "view_save", f"This filter cannot be saved. {error}", back)
    view = SavedView(
        project=grant.project,
        kind=kind,
        filter=document,
        order=query.get("order", "")[:80],
        columns=columns.chosen(grant, kind, find(grant, kind, query.get("view", ""))).names,
        is_shared=is_shared,
        created_by=grant.user,
    )
    if problem := _named(grant, view, request.POST.get("name", ""), "view.create"):
        return refused.lead_back(request, "view_save", problem, back)
    return redirect(f"{address}?{address_of(kind, view)}")


@page()
@require_POST
def change(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Rename a view to `name` and share it or not; with `do=overwrite` it becomes the list at `list`; `do=delete`."""
    view = SavedView.objects.filter(project=grant.project, pk=id).first()
    if view is None or find(grant, view.kind, str(id)) is None:
        raise Http404("There is no such view in this project.")
    if not _may_change(grant, view):
        raise NotAllowed("Only who saved this view, or a role with the scope 'write', may change it.")
    address = place(grant, view.kind)
    do = request.POST.get("do", "")
    if do == "delete":
        with transaction.atomic():
            audit(grant, "view.delete", "view", str(view.pk), {"name": view.name})
            view.delete()
        messages.success(request, f"The view {view.name} is deleted.")
        return redirect(address)
    name, before, where = view.name, as_of(view), f"{address}?{address_of(view.kind, view)}"
    if do == "overwrite":
        said = request.POST.get("list", "")
        where = _list_at(address, said)
        try:
            view.filter, view.order = sent_along(view.kind, said), QueryDict(said).get("order", "")[:80]
        except BadFilter as error:
            messages.error(request, f"This filter cannot be saved. {error}")
            return redirect(where)
    else:
        name = request.POST.get("name", "")
        view.is_shared = "shared" in request.POST
        if view.is_shared:
            grant.need(Scope.WRITE)
    try:
        stale.refuse(request, before)
    except stale.Stale as error:
        return refused.lead_back(request, "view_change", error, where)
    if problem := _named(grant, view, name, "view.update"):
        return refused.lead_back(request, "view_change", problem, where)
    return redirect(f"{address}?{address_of(view.kind, view)}")


def _list_at(address: str, query: str) -> str:
    """The list with this query; without one where it is longer than a list takes."""
    return f"{address}?{QueryDict(query).urlencode()}" if 0 < len(query) <= MOST_FILTER else address


def as_of(view: SavedView) -> str:
    """What the forms that change a view are filled with, in a word."""
    return stale.mark(view.name, view.is_shared, view.filter, view.order)


def _named(grant: Grant, view: SavedView, name: str, action: str) -> str:
    """Keep the view under this name, with its audit entry; why it cannot be, or nothing."""
    wanted = name.strip()
    if not 0 < len(wanted) <= MAX_NAME or "\0" in wanted:
        return f"name: a view has a name of 1 to {MAX_NAME} characters."
    view.name = wanted
    try:
        with transaction.atomic():
            view.save()
            audit(grant, action, "view", str(view.pk), {"name": wanted, "shared": view.is_shared})
    except IntegrityError:
        return f"name: there is a view called {wanted} already."
    return ""


@page()
@require_POST
def choose_columns(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """Keep the columns `column`, and those of the paths in `more`, for this person here; `reset` forgets the choice."""
    where = safe_next(request, place(grant, kind))
    view = find(grant, kind, request.POST.get("view", ""))
    mine = ListColumns.objects.filter(project=grant.project, user=grant.user, kind=kind, view=view)
    if "reset" in request.POST:
        mine.delete()
        return redirect(where)
    given = request.POST.getlist("column")
    for path in request.POST.getlist("more"):
        if not path.strip():
            continue
        try:
            field = filters.field(kind, path.strip())
        except BadFilter as error:
            return refused.lead_back(request, "columns", f"more: {error}", where)
        if not columns.is_shown(field):
            problem = f"more: {field.path} is not in the rows of this list and cannot be a column of it."
            return refused.lead_back(request, "columns", problem, where)
        given.append(f"+{field.path}")
    ListColumns.objects.update_or_create(
        project=grant.project,
        user=grant.user,
        kind=kind,
        view=view,
        defaults={"columns": columns.read(kind, given).names or ["time"]},
    )
    return redirect(where)
