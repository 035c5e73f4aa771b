"""What is done to several rows of a list at once: to the selected here, to all that match by a job."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from generations import bulk as verbs
from generations import datasets, exporting, filters, reviewing
from generations.access import Grant, Scope
from generations.filters import BadFilter
from generations.records import InvalidRecord, Json
from generations.web import exports, jobs, judging
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS
from generations.web.narrowing import place
from generations.web.sessions import safe_next

MOST_AT_ONCE: Final = 200


def offered(grant: Grant, kind: str) -> list[str]:
    """What this person may do to several rows of the list; `export` is among it where the list has a file form."""
    if not grant.may(Scope.WRITE):
        return []
    may = [action for action in verbs.ACTIONS.get(kind, ()) if grant.may(verbs.NEEDED[action])]
    return [*may, "export"] if kind in exporting.KINDS else may


@page(Scope.WRITE)
@require_POST
def bulk(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """Do what `do` says to the rows named by `id`; with `all`, as a job, to all that match the list's `query`."""
    where = safe_next(request, place(grant, kind))
    ids = request.POST.getlist("id")[:MOST_AT_ONCE]
    is_all = "all" in request.POST
    noun = filters.catalogue(kind).noun
    if not ids and not is_all:
        messages.error(request, f"Select some {noun} first.")
        return redirect(where)
    action = request.POST.get("do", "")
    try:
        document = _asked(request, kind) if is_all else {"id": {"$in": ids}}
        if action == "export" and kind in exporting.KINDS:
            order = QueryDict(request.POST.get("query", "")[:8_000]).get("order") if is_all else None
            return exports.begin(request, grant, kind=kind, document=document, order=order)
        values = _values(request, grant, kind, action)
        if is_all:
            return _started(request, grant, kind, action, document, values)
        changed = verbs.apply(grant, kind, action, ids, values)
    except (judging.Refused, verbs.BadBulk, BadFilter, InvalidRecord, reviewing.BadQueue, *_DATASETS) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _said(grant, kind, action, changed, values))
    return redirect(where)


_DATASETS: Final = (datasets.BadDataset, datasets.NoSuchDataset)


def _asked(request: HttpRequest, kind: str) -> Json:
    query = QueryDict(request.POST.get("query", "")[:8_000])
    return filters.to_document(filters.from_query(kind, query, ignore=NOT_FILTERS))


def _values(request: HttpRequest, grant: Grant, kind: str, action: str) -> dict[str, Json]:
    if action in ("tag", "untag"):
        return {"tags": list(judging.split(request.POST.get("tags", "")))}
    if action == "dataset" and action in verbs.ACTIONS.get(kind, ()):
        return {"dataset": str(judging.chosen_dataset(request, grant).pk)}
    return {"queue": request.POST.get("queue", "")} if action == "review" else {}


def _started(
    request: HttpRequest, grant: Grant, kind: str, action: str, document: Json, values: dict[str, Json]
) -> HttpResponse:
    with transaction.atomic():
        return jobs.lead_to(request, grant, verbs.start(grant, kind, action, document, values))


def _said(grant: Grant, kind: str, action: str, count: int, values: dict[str, Json]) -> str:
    noun = filters.catalogue(kind).noun
    what = f"{count} {noun.removesuffix('s') if count == 1 else noun}"
    if action == "dataset":
        dataset = datasets.find(grant, str(values["dataset"]))
        return f"Added {what} to the dataset {dataset.name if dataset else ''}."
    if action == "review":
        return f"Put {what} into the review queue; what it had already is there once."
    if action == "delete":
        return f"Deleted {what}."
    tags = ", ".join(map(str, values["tags"]))
    return f"Tagged {what} with {tags}." if action == "tag" else f"Removed {tags} from {what}."
