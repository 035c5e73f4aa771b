"""Files that are sent: looked at, their columns told what they are, then a job: into a dataset, or as generations."""

from __future__ import annotations

import io
import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from generations import datasets, reading
from generations.access import Grant, Scope
from generations.datasets import BadDataset
from generations.importing import Row, columns, generations, items, uploads
from generations.importing.generations import Taken
from generations.importing.tables import FORMATS, BadFile
from generations.importing.uploads import Upload
from generations.records import GenerationRecord, InvalidRecord, Json
from generations.web import jobs as work
from generations.web import markup
from generations.web.datasets import text_of
from generations.web.frame import show
from generations.web.gate import page

SHOWN: Final = 300
MOST_COLUMNS: Final = 40
"""Columns of a file that can be told what they are; more are taken for what they are guessed to be."""
MAX_PASTED: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: what it is taken for, and the beginning of its first values.

    `is_own`: it is taken for a field that is not offered otherwise.
    """

    place: int
    name: str
    role: str
    values: list[str]
    is_own: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A row as the item that it would make, or why it makes none."""

    place: int
    asked: str = ""
    expected: str = ""
    metadata: str = ""
    split: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A row as the generation that it would become, or why it becomes none. `facts` are told by their names. One that
    is no generation has no `record`: it is a step, a thread or the like as it is exported here."""

    place: int
    shape: str = ""
    record: GenerationRecord | None = None
    asked: str = ""
    answered: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""


# --------------------------------------------------------------------------------------------------------- what is sent
def _sent(request: HttpRequest, grant: Grant, name: str = "file") -> Upload:
    """The file of a form, or the text that is pasted in its place, kept. Raises BadFile."""
    file, text = request.FILES.get(name), request.POST.get("text", "") if name == "file" else ""
    if file is not None:
        upload = uploads.keep(grant, cast(BinaryIO, file), file.name or "file", file.size or 0)
    elif text.strip():
        # A form sends each end of a line as two characters, within cells too.
        content = text.replace("\r\n", "\n").encode()
        if len(content) > MAX_PASTED:
            raise BadFile(f"A text that is pasted may have {MAX_PASTED >> 20} MiB. Send it as a file.")
        upload = uploads.keep(grant, io.BytesIO(content), "pasted text", len(content))
    else:
        raise BadFile("Choose a file, or paste something.")
    return upload


def _roles(request: HttpRequest, guessed: Mapping[str, str]) -> dict[str, str]:
    """What a form says each column is; those that it does not name stay what they were guessed to be."""
    given = request.POST
    return {name: given.get(f"role-{n}", role)[:200] for n, (name, role) in enumerate(guessed.items())}


def _columns(roles: Mapping[str, str], rows: Sequence[Row], offered: Container[str]) -> list[Column]:
    return [
        Column(n, name, role, [_short(row.value.get(name)) for row in rows[:3]], role not in offered)
        for n, (name, role) in enumerate(roles.items())
    ][:MOST_COLUMNS]


def _short(value: Json) -> str:
    return text_of(value)[:80]


def _bounds() -> dict[str, Any]:
    return {"formats": FORMATS, "most": settings.INGEST_MAX_BYTES, "problem": ""}


# ------------------------------------------------------------------------------------------------------ into a dataset
@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_import(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Send a `file`; then, at `?file=`, choose what each column is (`role-0`, `role-1`, ...), and `start`."""
    row = datasets.find(grant, str(id))
    if row is None:
        raise Http404("There is no such dataset in this project.")
    token = request.POST.get("token") or request.GET.get("file", "")
    context: dict[str, Any] = {"dataset": row, "roles": items.ROLES.items(), **_bounds()}
    if request.method == "POST" and not token:
        try:
            upload = _sent(request, grant)
            uploads.preview(upload)
        except BadFile as error:
            context["problem"] = str(error)
            return show(request, grant, "datasets/import.html", context, here="datasets", status=400)
        address = reverse("web:dataset-import", args=[grant.project.slug, row.pk])
        return redirect(f"{address}?{urlencode({'file': upload.token})}")
    if not token:
        return show(request, grant, "datasets/import.html", context, here="datasets")
    kept = uploads.kept(grant, token)
    if kept is None:
        messages.error(request, "This file is not here any more. Send it again.")
        return redirect("web:dataset-import", slug=grant.project.slug, id=row.pk)
    try:
        preview = uploads.preview(kept)
    except BadFile as error:
        context["problem"] = str(error)
        return show(request, grant, "datasets/import.html", context, here="datasets", status=400)
    roles = _roles(request, items.guess(preview.columns))
    reads_json = request.method != "POST" or "json" in request.POST
    try:
        items.check(roles)
        if "start" in request.POST:
            with transaction.atomic():
                made = items.start(grant, str(row.pk), kept, roles, reads_json=reads_json)
                return work.lead_to(request, grant, made)
    except BadDataset as error:
        context["problem"] = str(error)
    context |= {
        "upload": kept,
        "reads_json": reads_json,
        "columns": _columns(roles, preview.rows, items.ROLES),
        "further": max(0, len(roles) - MOST_COLUMNS),
        "made": [] if context["problem"] else [_made(one, roles, reads_json) for one in preview.rows],
        "problems": preview.problems,
    }
    status = 400 if context["problem"] else 200
    return show(request, grant, "datasets/import.html", context, here="datasets", status=status)


def _made(row: Row, roles: dict[str, str], reads_json: bool) -> Made:
    try:
        item = items.item_of(row.value, roles, reads_json=reads_json)
    except BadDataset as error:
        return Made(row.place, problem=str(error))
    return Made(
        row.place,
        text_of(item.input)[:SHOWN],
        text_of(item.expected_output)[:SHOWN],
        markup.pretty(item.metadata)[:SHOWN] if item.metadata else "",
        item.split,
    )


# ------------------------------------------------------------------------------------------------------ as generations
@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def generation_import(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Send a `file` or paste a `text`, with a batch's results its `requests`; then, at `?file=` (and `&requests=`),
    choose what each column is (`role-0`, ...), or `as` what rows are taken, and `start`."""
    token = request.POST.get("token") or request.GET.get("file", "")
    context = _bounds()
    try:
        if not token:
            if request.method != "POST":
                return show(request, grant, "imports/page.html", context, here="import")
            return redirect(_kept_at(request, grant))
        kept = uploads.kept(grant, token)
        asked = request.POST.get("asked") or request.GET.get("requests", "")
        requests = uploads.kept(grant, asked) if asked else None
        if kept is None or (asked and requests is None):
            messages.error(request, "This file is not here any more. Send it again.")
            return redirect("web:import", slug=grant.project.slug)
        return _looked_at(request, grant, kept, requests, context)
    except BadFile as error:
        context |= {"problem": str(error), "pasted": request.POST.get("text", "")}
        return show(request, grant, "imports/page.html", context, here="import", status=400)


def _kept_at(request: HttpRequest, grant: Grant) -> str:
    """Keep what is sent; returns where it is looked at. Raises BadFile."""
    upload = _sent(request, grant)
    preview, found = generations.begun(upload), {"file": upload.token}
    if "requests" in request.FILES:
        requests = _sent(request, grant, "requests")
        generations.take(preview.rows, {}, requests)
        found["requests"] = requests.token
    return f"{reverse('web:import', args=[grant.project.slug])}?{urlencode(found)}"


def _looked_at(
    request: HttpRequest, grant: Grant, kept: Upload, requests: Upload | None, context: dict[str, Any]
) -> HttpResponse:
    preview = generations.begun(kept)
    guessed = generations.guess(preview.rows, kept.format)
    is_table = request.POST.get("as", "table" if guessed else "calls") == "table"
    roles = _roles(request, guessed or generations.guess(preview.rows, "table")) if is_table else {}
    taken: list[Taken] = []
    try:
        if "start" in request.POST:
            with transaction.atomic():
                return work.lead_to(request, grant, generations.start(grant, kept, roles, requests))
        taken = generations.take(preview.rows, roles, requests)
    except InvalidRecord as error:
        context["problem"] = str(error)
    context |= {
        "upload": kept,
        "requests": requests,
        "may_tell": kept.format in generations.TELLING,
        "is_table": is_table,
        "fields": columns.OFFERED.items(),
        "columns": _columns(roles, preview.rows, columns.OFFERED),
        "further": max(0, len(roles) - MOST_COLUMNS),
        "made": [_call(one) for one in taken],
        "problems": preview.problems,
    }
    status = 400 if context["problem"] else 200
    return show(request, grant, "imports/page.html", context, here="import", status=status)


def _as_it_stands(row: Mapping[str, Json]) -> list[tuple[str, str]]:
    said = ((name, value if isinstance(value, str) else markup.pretty(value)) for name, value in row.items())
    return [(name, value[:SHOWN]) for name, value in said if value not in ("[]", "{}")]


def _call(taken: Taken) -> Call:
    record = taken.record
    if record is None:
        return Call(taken.place, taken.shape, facts=_as_it_stands(taken.row), problem=taken.problem)
    version = "" if record.prompt_version is None else f" version {record.prompt_version}"
    tokens = [n for n in (record.prompt_tokens, record.completion_tokens) if n is not None]
    facts = {
        "model": record.model_id,
        "tokens": " + ".join(map(str, tokens)) or record.total_tokens,
        "latency": None if record.latency is None else f"{record.latency:g} s",
        "cost": record.cost,
        "user": record.user_id,
        "thread": record.thread_id,
        "prompt": f"{record.prompt_name}{version}" if record.prompt_name else None,
        "tags": ", ".join(record.tags or ()) or None,
        "error": record.error,
        "metadata": markup.pretty(record.metadata) if record.metadata else None,
    }
    return Call(
        taken.place,
        taken.shape,
        record,
        (reading.preview(reading.input_text(record)) or "")[:SHOWN],
        (reading.answered(record) or "")[:SHOWN],
        [(name, str(value)[:SHOWN]) for name, value in facts.items() if value is not None],
    )
