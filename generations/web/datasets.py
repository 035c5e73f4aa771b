"""Datasets: their list, one with its items as they are or were, its history, and an item to be read and edited."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from generations import datasets, reading
from generations.access import Grant, Scope
from generations.datasets import BadDataset, NewItem, NoSuchDataset
from generations.exporting import writers
from generations.models import Dataset, DatasetItem, Experiment
from generations.web import markup, refused, stale
from generations.web.frame import show
from generations.web.gate import page
from generations.web.stretches import stretch

SHOWN: Final = 1_500
"""The most characters of an input or an expected output that the list of items shows."""
EDITED: Final = 200_000
"""The most characters of a part of an item that is edited on a page; what is longer is changed over the API."""
PARTS: Final = (("input", "Input"), ("expected_output", "Expected output"), ("metadata", "Metadata"))


@dataclass(frozen=True, slots=True)
class Item:
    """An item as a page shows it."""

    row: DatasetItem
    asked: str
    expected: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What a version did to an item: how it was and how it is, as text; empty where it is not part of one."""

    kind: str
    before: Item | None
    after: Item | None


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's datasets, or with `?archived=1` those put away; makes one of the `name` that is posted."""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            made = datasets.create(
                grant, name=request.POST.get("name", ""), description=request.POST.get("description", "")
            )
        except BadDataset as error:
            return refused.lead_back(request, "dataset", error, request.path)
        return redirect("web:dataset", slug=grant.project.slug, id=made.pk)
    is_archived = request.GET.get("archived") == "1"
    rows = Dataset.objects.filter(project=grant.project, archived_at__isnull=not is_archived)
    context = {
        "rows": stretch(request, rows.annotate(count=Count("items", filter=Q(items__removed_in=None)))),
        "is_archived": is_archived,
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "datasets/page.html", context, here="datasets")


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def dataset(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A dataset's items, the newest first: as they are, or with `?version=` as they were; `?split=` narrows them.

    What is posted: `remove` ids of items; `do` one of rename, archive, restore, delete and add.
    """
    row = _found(grant, id)
    if request.method == "POST":
        return _changed(request, grant, row)
    version = _version(request.GET.get("version", ""), row)
    is_past = version is not None and version != row.version
    rows = datasets.items(row, version if is_past else None)
    count = rows.count()
    splits = datasets.splits(row)
    split = request.GET.get("split", "")
    context = {
        "dataset": row,
        "version": version if is_past else row.version,
        "as_of": _mark(row),
        "is_past": is_past,
        "may_edit": grant.may(Scope.WRITE) and not is_past,
        "split": split,
        "splits": splits,
        "items": (shown := stretch(request, rows.filter(split=split) if split else rows)),
        "shown": [_item(item) for item in shown],
        "count": count,
        "formats": writers.CHOICES,
        "experiments": list(Experiment.objects.filter(dataset=row, project=grant.project).order_by("-created_at")[:10]),
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "datasets/dataset.html", context, here="datasets")


def _mark(row: Dataset) -> str:
    return stale.mark(row.name, row.description)


def _changed(request: HttpRequest, grant: Grant, row: Dataset) -> HttpResponse:
    grant.need(Scope.WRITE)
    given, id, slug = request.POST, str(row.pk), grant.project.slug
    try:
        match given.get("do", "remove"):
            case "rename":
                stale.refuse(request, _mark(row))
                datasets.update(grant, id, name=given.get("name", ""), description=given.get("description", ""))
            case "archive":
                datasets.archive(grant, id)
                messages.success(request, f"{row.name} is put away. It is listed under Archived.")
                return redirect("web:datasets", slug=slug)
            case "restore":
                datasets.archive(grant, id, is_archived=False)
            case "delete":
                if given.get("confirm", "") != row.name:
                    raise BadDataset("name", given.get("confirm", ""), "the dataset's name, to confirm")
                datasets.delete(grant, id)
                messages.success(request, f"{row.name} is deleted with all its versions.")
                return redirect("web:datasets", slug=slug)
            case "add":
                datasets.add_items(grant, id, [_new(request, None)])
            case _:
                datasets.remove_items(grant, id, given.getlist("remove"))
    except (BadDataset, stale.Stale) as error:
        return refused.lead_back(request, given.get("do", ""), error, request.path)
    return redirect("web:dataset", slug=slug, id=row.pk)


@page()
@require_safe
def history(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """The versions of a dataset, the newest first; with `?from=` and `?to=` what is different between two of them."""
    row = _found(grant, id)
    new = _version(request.GET.get("to", ""), row)
    old = _version(request.GET.get("from", ""), row)
    if new is not None and old is None:
        old = max(1, new - 1)
    changes, is_all = datasets.changes(row, old, new) if old is not None and new is not None else ([], True)
    before = request.GET.get("before", "")
    versions = datasets.history(row, int(before) if before.isascii() and before.isdigit() and len(before) < 9 else None)
    context = {
        "dataset": row,
        "versions": versions,
        "older": versions[-1].number if versions and versions[-1].number > 1 else None,
        "old": old,
        "new": new,
        "changes": [
            Changed(
                one.kind,
                None if one.before is None else _item(one.before),
                None if one.after is None else _item(one.after),
            )
            for one in changes
        ],
        "is_all": is_all,
    }
    return show(request, grant, "datasets/history.html", context, here="datasets")


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def item(request: HttpRequest, grant: Grant, id: uuid.UUID, item: uuid.UUID) -> HttpResponse:
    """An item: what it holds, where it is from, and a form that puts another in its place as a new version."""
    row = _found(grant, id)
    found = datasets.item(grant, str(item))
    if found is None or found.dataset_id != row.pk:
        raise Http404("There is no such item in this dataset.")
    problem = ""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            made = datasets.replace_item(grant, str(found.pk), _new(request, found))
        except BadDataset as error:
            problem = str(error)
        except NoSuchDataset:
            problem = "Somebody has replaced or removed this item meanwhile. Open it from the dataset again."
        else:
            messages.success(request, "Saved as a new version.")
            return redirect("web:dataset-item", slug=grant.project.slug, id=row.pk, item=made.pk)
    texts = {name: _json(getattr(found, name)) for name, _ in PARTS}
    is_long = any(len(text) > EDITED for text in texts.values())
    given = request.POST if problem else None
    current = DatasetItem.objects.filter(dataset=row, key=found.key, removed_in=None).exclude(pk=found.pk).first()
    context = {
        "dataset": row,
        "item": found,
        "parts": [(name, title, given.get(name, "") if given else texts[name][:EDITED]) for name, title in PARTS],
        "steps": markup.pretty(found.intermediary_steps)[:20_000] if found.intermediary_steps else "",
        "split": given.get("split", "") if given else found.split,
        "splits": datasets.splits(row),
        "current": current,
        "is_long": is_long,
        "may_edit": grant.may(Scope.WRITE) and found.removed_in is None and not is_long,
        "problem": problem,
    }
    return show(request, grant, "datasets/item.html", context, here="datasets", status=400 if problem else 200)


def _found(grant: Grant, id: uuid.UUID) -> Dataset:
    row = datasets.find(grant, str(id))
    if row is None:
        raise Http404("There is no such dataset in this project.")
    return row


def _version(text: str, row: Dataset) -> int | None:
    """The version that an address asks for; None when it asks for none. 404 for one that there never was."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= row.version):
        raise Http404(f"{row.name} has no version {text[:20]}; its latest is {row.version}.")
    return int(text)


def _new(request: HttpRequest, old: DatasetItem | None) -> NewItem:
    """The item that a form describes; what no form shows is kept from the one it replaces. Raises BadDataset."""
    given = request.POST
    metadata = _read("metadata", given.get("metadata", ""))
    if metadata is not None and not isinstance(metadata, dict):
        raise BadDataset("metadata", metadata, "an object")
    return NewItem(
        input=_read("input", given.get("input", "")),
        expected_output=_read("expected_output", given.get("expected_output", "")),
        metadata=metadata,
        split=given.get("split", ""),
        intermediary_steps=None if old is None else old.intermediary_steps,
        generation_id=None if old is None else old.generation_id,
        step_id=None if old is None else old.step_id,
    )


def _read(name: str, text: str) -> Any:
    """The JSON of a field; nothing is null. Raises BadDataset with the line where it breaks off."""
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadDataset(
            name, text.strip()[:40], f'JSON (line {error.lineno}: {error.msg}); a text is "in quotes"'
        ) from None


def _json(value: object) -> str:
    return "" if value is None else markup.pretty(value)


def _item(row: DatasetItem) -> Item:
    return Item(row, text_of(row.input), text_of(row.expected_output))


def text_of(value: object) -> str:
    """What a person would read of an input or an expected output, or its JSON: of messages the answer that they end
    with, or what was asked."""
    if isinstance(value, dict):
        said = value.get("messages")
        if isinstance(said, list) and said:
            is_answered = isinstance(said[-1], dict) and said[-1].get("role") == "assistant"
            return (reading.message_text(said[-1]) if is_answered else reading.asked(said))[:SHOWN]
        if set(value) & {"content", "role", "text", "prompt"}:
            text = value["prompt"] if isinstance(value.get("prompt"), str) else reading.message_text(value)
            return str(text)[:SHOWN]
        return markup.pretty(value)[:SHOWN]
    return "" if value is None else reading.text_of(value)[:SHOWN]
