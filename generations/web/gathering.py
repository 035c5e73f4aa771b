"""What is done with all that match the filters of a list: seen once more, then put where a person says."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from generations import datasets, filters, gathering, paging, reviewing
from generations.access import Grant, Scope
from generations.datasets import BadDataset, NoSuchDataset
from generations.filters import BadFilter, Condition
from generations.models import Dataset, ReviewQueue
from generations.reviewing import BadQueue, NoSuchQueue
from generations.web import jobs as work
from generations.web.frame import show
from generations.web.gate import page
from generations.web.judging import Refused, chosen_dataset
from generations.web.listing import NOT_FILTERS

AT_ONCE: Final = 100
"""So many are put at their place before the answer; more by a job."""


@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def gather(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """How many of the list `kind` match `query`, its filters as in its address; puts them `into` a dataset or queue."""
    if kind not in gathering.KINDS:
        raise Http404("There is no such list to gather from.")
    query = QueryDict((request.POST if request.method == "POST" else request.GET).get("query", "")[:8000])
    problem, condition, count = "", None, paging.Count(0, True)
    try:
        condition = filters.from_query(kind, query, ignore=NOT_FILTERS)
        count = paging.count(kind, grant.project.pk, condition)
        if request.method == "POST":
            if request.POST.get("into") == "queue":
                return _into_queue(request, grant, kind, condition, count)
            return _into_dataset(request, grant, kind, condition, count, query.get("order") or None)
    except (BadFilter, BadDataset, NoSuchDataset, Refused, BadQueue, NoSuchQueue) as error:
        problem = str(error)
    back = reverse(f"web:{kind}", args=[grant.project.slug])
    context = {
        "kind": kind,
        "query": query.urlencode(),
        "sentence": filters.sentence(kind, condition) if condition else f"all {kind}",
        "count": count,
        "problem": problem,
        "datasets": list(Dataset.objects.filter(project=grant.project, archived_at=None).order_by("name")[:200]),
        "queues": list(ReviewQueue.objects.filter(project=grant.project).order_by("name")[:200]),
        "back": f"{back}?{query.urlencode()}" if query else back,
    }
    return show(request, grant, "gathering/page.html", context, here=kind, status=400 if problem else 200)


def _into_dataset(
    request: HttpRequest, grant: Grant, kind: str, condition: Condition | None, count: paging.Count, order: str | None
) -> HttpResponse:
    if not count.value:
        raise Refused("Nothing matches, so there is nothing to add.")
    document = filters.to_document(condition) if condition is not None else {}
    with transaction.atomic():
        dataset = chosen_dataset(request, grant)
        if count.value > AT_ONCE:
            made = gathering.into_dataset(grant, str(dataset.pk), kind=kind, document=document, order=order)
            return work.lead_to(request, grant, made)
        rows = paging.page(kind, grant.project.pk, condition, order=order, limit=AT_ONCE).rows
        add = datasets.add_generations if kind == "generations" else datasets.add_steps
        added = add(grant, str(dataset.pk), [row.public_id for row in rows])
    messages.success(request, f"Added {len(added)} to {dataset.name}.")
    return redirect("web:dataset", slug=grant.project.slug, id=dataset.pk)


def _into_queue(
    request: HttpRequest, grant: Grant, kind: str, condition: Condition | None, count: paging.Count
) -> HttpResponse:
    queue = reviewing.find(grant, request.POST.get("queue", ""))
    if queue is None:
        raise Refused("Choose a review queue; make one under Review if there is none.")
    if not count.value:
        raise Refused("Nothing matches, so there is nothing to review.")
    document = filters.to_document(condition) if condition is not None else {}
    if count.value > AT_ONCE:
        with transaction.atomic():
            made = gathering.into_queue(grant, str(queue.pk), kind=kind, document=document)
            return work.lead_to(request, grant, made)
    rows = paging.page(kind, grant.project.pk, condition, limit=AT_ONCE).rows
    added = reviewing.add(grant, str(queue.pk), kind.removesuffix("s"), [row.public_id for row in rows])
    messages.success(request, f"Put {added} into {queue.name}.")
    return redirect("web:queue", slug=grant.project.slug, id=queue.pk)
