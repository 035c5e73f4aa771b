"""Datasets: their list, and the items of one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from generations import datasets, reading
from generations.access import Grant, Scope
from generations.models import Dataset, DatasetItem
from generations.web import markup
from generations.web.frame import show
from generations.web.gate import page

PAGE: Final = 25
SHOWN: Final = 1_500
"""The most characters of an input or an expected output that the list of items shows."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item as the page shows it."""

    row: DatasetItem
    asked: str
    expected: str


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's datasets; makes one of the `name` that is posted."""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            made = datasets.create(
                grant, name=request.POST.get("name", ""), description=request.POST.get("description", "")
            )
        except datasets.BadDataset as error:
            messages.error(request, str(error))
            return redirect("web:datasets", slug=grant.project.slug)
        return redirect("web:dataset", slug=grant.project.slug, id=made.pk)
    rows = Dataset.objects.filter(project=grant.project).order_by("-created_at", "-id")
    counted = rows.annotate(count=Count("items", filter=Q(items__removed_in=None)))
    pages = Paginator(counted, PAGE)
    context = {"rows": pages.get_page(request.GET.get("page"))}
    return show(request, grant, "datasets/page.html", context, here="datasets")


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def dataset(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A dataset's items, the newest first; takes out those whose ids are posted as `remove`."""
    row = datasets.find(grant, str(id))
    if row is None:
        raise Http404("There is no such dataset in this project.")
    if request.method == "POST":
        grant.need(Scope.WRITE)
        datasets.remove_items(grant, str(id), request.POST.getlist("remove"))
        return redirect("web:dataset", slug=grant.project.slug, id=id)
    pages = Paginator(datasets.items(row), PAGE)
    current = pages.get_page(request.GET.get("page"))
    context = {
        "dataset": row,
        "page": current,
        "items": [Item(item, _text(item.input), _text(item.expected_output)) for item in current],
        "count": pages.count,
    }
    return show(request, grant, "datasets/dataset.html", context, here="datasets")


def _text(value: object) -> str:
    """What a person would read of an input or an expected output, or its JSON."""
    if isinstance(value, dict):
        messages_ = value.get("messages")
        if isinstance(messages_, list) and messages_:
            return reading.message_text(messages_[-1])[:SHOWN]
        if set(value) & {"content", "role", "text", "prompt"}:
            text = value["prompt"] if isinstance(value.get("prompt"), str) else reading.message_text(value)
            return str(text)[:SHOWN]
        return markup.pretty(value)[:SHOWN]
    return "" if value is None else reading.text_of(value)[:SHOWN]
