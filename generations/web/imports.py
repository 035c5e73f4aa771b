"""A file of a table into a dataset: sent, looked at, its columns told what they are, and then a job."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from generations import datasets
from generations.access import Grant, Scope
from generations.datasets import BadDataset
from generations.importing import items as importing
from generations.importing.tables import FORMATS, BadFile
from generations.records import Json
from generations.web import jobs as work
from generations.web import markup
from generations.web.datasets import text_of
from generations.web.frame import show
from generations.web.gate import page

SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: what it is taken for, and the beginning of its first values."""

    place: int
    name: str
    role: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A row as the item that it would make, or why it makes none."""

    place: int
    asked: str = ""
    expected: str = ""
    metadata: str = ""
    split: str = ""
    problem: str = ""


@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_import(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Send a `file`; then, at `?file=`, choose what each column is (`role-0`, `role-1`, ...), and `start`."""
    row = datasets.find(grant, str(id))
    if row is None:
        raise Http404("There is no such dataset in this project.")
    token = request.POST.get("token") or request.GET.get("file", "")
    context: dict[str, Any] = {"dataset": row, "formats": FORMATS, "roles": importing.ROLES.items(), "problem": ""}
    if request.method == "POST" and not token:
        sent = request.FILES.get("file")
        try:
            if sent is None:
                raise BadFile("Choose a file first.")
            upload = importing.keep(grant, cast(BinaryIO, sent), sent.name or "file", sent.size or 0)
            importing.preview(upload)
        except BadFile as error:
            context["problem"] = str(error)
            return show(request, grant, "datasets/import.html", context, here="datasets", status=400)
        address = reverse("web:dataset-import", args=[grant.project.slug, row.pk])
        return redirect(f"{address}?{urlencode({'file': upload.token})}")
    if not token:
        return show(request, grant, "datasets/import.html", context, here="datasets")
    kept = importing.kept(grant, token)
    if kept is None:
        messages.error(request, "This file is not here any more. Send it again.")
        return redirect("web:dataset-import", slug=grant.project.slug, id=row.pk)
    try:
        preview = importing.preview(kept)
    except BadFile as error:
        context["problem"] = str(error)
        return show(request, grant, "datasets/import.html", context, here="datasets", status=400)
    given = request.POST if request.method == "POST" else None
    roles = importing.guess(preview.columns)
    if given is not None:
        roles = {name: given.get(f"role-{n}", "") for n, name in enumerate(preview.columns)}
    reads_json = given is None or "json" in given
    try:
        importing.check(roles)
        if given is not None and "start" in given:
            with transaction.atomic():
                made = importing.start(grant, str(row.pk), kept, roles, reads_json=reads_json)
                return work.lead_to(request, grant, made)
    except BadDataset as error:
        context["problem"] = str(error)
    context |= {
        "upload": kept,
        "reads_json": reads_json,
        "columns": [
            Column(n, name, roles[name], [_short(one.get(name)) for _, one in preview.rows[:3]])
            for n, name in enumerate(preview.columns)
        ],
        "made": [] if context["problem"] else [_made(n, one, roles, reads_json) for n, one in preview.rows],
        "problems": preview.problems,
    }
    status = 400 if context["problem"] else 200
    return show(request, grant, "datasets/import.html", context, here="datasets", status=status)


def _made(place: int, row: dict[str, Json], roles: dict[str, str], reads_json: bool) -> Made:
    try:
        item = importing.item_of(row, roles, reads_json=reads_json)
    except BadDataset as error:
        return Made(place, problem=str(error))
    return Made(
        place,
        text_of(item.input)[:SHOWN],
        text_of(item.expected_output)[:SHOWN],
        markup.pretty(item.metadata)[:SHOWN] if item.metadata else "",
        item.split,
    )


def _short(value: Json) -> str:
    return text_of(value)[:80]
