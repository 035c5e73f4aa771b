"""What is done to several rows of a list at once: to the selected here, to all that match by a job."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from generations import bulk as verbs
from generations import datasets, exporting, filters, holds, identities, reading, retention, reviewing, tasks
from generations.access import Grant, Scope
from generations.filters import BadFilter
from generations.models import Dataset, ReviewQueue
from generations.records import InvalidRecord, Json
from generations.web import exports, jobs, judging, refused
from generations.web.gate import page
from generations.web.listing import ONE, sent_along
from generations.web.narrowing import place
from generations.web.sessions import safe_next

MOST_AT_ONCE: Final = 200


def offered(grant: Grant, kind: str) -> list[str]:
    """What this person may do to several rows of the list; `export` is among it where the list has a file form."""
    if not grant.may(Scope.WRITE):
        return []
    may = [action for action in verbs.ACTIONS.get(kind, ()) if grant.may(verbs.NEEDED[action])]
    if kind == "participants" and grant.may(Scope.ADMIN):
        may.append("erase")
    if kind == "generations":
        may.append("compare")
    return [*may, "export"] if kind in exporting.KINDS else may


@page(Scope.WRITE)
@require_POST
def bulk(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """Do what `do` says to the rows named by `id`; with `all`, as a job, to all that match the list's `query`. What
    takes long is a job in any case, and each user is erased by one.

    Leads back to `next`, or with `of=row` to the page of the one row.
    """
    ids = request.POST.getlist("id")[:MOST_AT_ONCE]
    where = safe_next(request, place(grant, kind))
    is_one = bool(ids) and request.POST.get("of") == "row" and kind in ONE
    if is_one:
        where = reverse(ONE[kind], args=[grant.project.slug, ids[0]])
    is_all = "all" in request.POST
    noun = filters.catalogue(kind).noun
    if not ids and not is_all:
        return refused.lead_back(request, "bulk", f"Select some {noun} first.", where)
    action = request.POST.get("do", "")
    try:
        query = request.POST.get("query", "")
        document: Json = sent_along(kind, query) if is_all else {"id": {"$in": ids}}
        order = QueryDict(query).get("order") or None if is_all else None
        if action == "compare" and kind == "generations":
            return _compare(grant, ids, is_all=is_all)
        if action == "export" and kind in exporting.KINDS:
            return exports.begin(request, grant, kind=kind, document=document, order=order)
        values = _values(request, grant, kind, action)
        if action == "erase" and kind == "participants":
            return _erase(request, grant, ids, is_all=is_all)
        if is_all or (kind, action) in verbs.LONG:
            with transaction.atomic():
                return jobs.lead_to(request, grant, verbs.start(grant, kind, action, document, values, order))
        changed = verbs.act(grant, kind, action, ids, values)
    except (judging.Refused, verbs.BadBulk, BadFilter, InvalidRecord, reviewing.BadQueue, *_DATASETS) as error:
        if not is_one:
            return refused.lead_back(request, "bulk", error, where)
        messages.error(request, str(error))
    else:
        messages.success(request, _said(grant, kind, action, len(ids), changed, values))
    return redirect(where)


def _compare(grant: Grant, ids: list[str], *, is_all: bool) -> HttpResponse:
    """The way to the page of two generations side by side, the one further up in the list beside the other."""
    if is_all or len(ids) != 2:
        raise verbs.BadBulk("Select two generations to compare them.")
    address = reverse("web:generation-compare", args=[grant.project.slug, ids[0]])
    return redirect(f"{address}?{urlencode({'with': ids[1]})}")


def _erase(request: HttpRequest, grant: Grant, ids: list[str], *, is_all: bool) -> HttpResponse:
    """A job for each of the users, once it was typed that they are to be erased: all of them, or none."""
    grant.need(Scope.ADMIN)
    if is_all:
        raise verbs.BadBulk("Select the users to erase: all that match are never erased at once.")
    if request.POST.get("confirm", "").strip().lower() != "erase":
        raise verbs.BadBulk("Type 'erase' to confirm. Nobody was erased.")
    with transaction.atomic():
        for id in ids:
            try:
                tasks.send(retention.erase(grant, id))
            except (retention.NoSuchParticipant, holds.Held) as error:
                raise verbs.BadBulk(f"{id[:80]}: {error} Nobody was erased.") from error
    count = "1 user is" if len(ids) == 1 else f"{len(ids)} users are"
    messages.success(request, f"{count} being erased. The reports are below when it is done.")
    return redirect("web:retention", slug=grant.project.slug)


_DATASETS: Final = (datasets.BadDataset, datasets.NoSuchDataset)


def _values(request: HttpRequest, grant: Grant, kind: str, action: str) -> dict[str, Json]:
    if action in ("tag", "untag"):
        return {"tags": list(judging.split(request.POST.get("tags", "")))}
    if action == "score":
        value, label = judging.value_or_label(request.POST.get("value", ""))
        name, comment = request.POST.get("name", ""), request.POST.get("comment", "").strip()
        said = {"name": name, "value": value, "label": label, "comment": comment, "batch": identities.new_id()}
        return {"score": said}
    if action == "dataset" and action in verbs.ACTIONS.get(kind, ()):
        return {"dataset": str(judging.chosen_dataset(request, grant).pk)}
    return {"queue": request.POST.get("queue", "")} if action == "review" else {}


_OTHERS: Final = {
    "dataset": "there already",
    "review": "there already",
    "delete": "kept by a legal hold, or gone",
    "score": "gone",
    "tag": "tagged so already, or gone",
    "untag": "without such tags, or gone",
}
"""By action, why it did nothing to rows that were selected."""


def _said(grant: Grant, kind: str, action: str, asked: int, count: int, values: dict[str, Json]) -> str:
    """What was done to `count` of the rows that were `asked` for, and why nothing to the others."""
    noun = filters.catalogue(kind).noun
    what = f"{count} {noun.removesuffix('s') if count == 1 else noun}" if count else "nothing"
    others = asked - count
    those = "it" if asked == 1 else f"{others} of the {asked} selected"
    end = f"; {those} {'was' if others == 1 else 'were'} {_OTHERS[action]}." if others else "."
    if action == "dataset":
        link = _link(grant, "dataset", datasets.find(grant, str(values["dataset"])))
        return format_html("Added {} to the dataset {}{}", what, link, end)
    if action == "review":
        link = _link(grant, "queue", reviewing.find(grant, str(values["queue"])))
        return format_html("Put {} into the review queue {}{}", what, link, end)
    if action == "delete":
        return f"Deleted {what}{end}"
    if action == "score":
        return f"Scored {what}: {jobs.score_in_words(values['score'])}{end}"
    tags = ", ".join(map(str, values["tags"]))
    return f"Tagged {what} with {tags}{end}" if action == "tag" else f"Removed {tags} from {what}{end}"


def _link(grant: Grant, name: str, row: Dataset | ReviewQueue | None) -> str:
    """The way to where rows were put; nothing where somebody has removed it since."""
    if row is None:
        return ""
    address = reverse(f"web:{name}", args=[grant.project.slug, row.pk])
    return format_html('<a href="{}">{}</a>', address, reading.seen(row.name))
