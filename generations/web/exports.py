"""Exports: starting them, watching them and fetching their files."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from generations import exporting, filters, tasks
from generations.access import Grant
from generations.filters import BadFilter
from generations.jobs import may_cancel
from generations.models import Job
from generations.records import Json
from generations.web import schedules
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import listing, sent_along

OPEN: Final = (Job.State.QUEUED, Job.State.RUNNING)


@dataclass(frozen=True, slots=True)
class Row:
    """An export as its list shows it. `percent` is None while the number of rows is not known."""

    job: Job
    sentence: str
    ending: str
    is_open: bool
    is_stopping: bool
    may_cancel: bool
    percent: int | None
    is_lost: bool
    download: str


def rows_of(jobs: Sequence[Job], grant: Grant) -> list[Row]:
    """What the list shows of exports."""
    lost = exporting.lost(jobs)
    return [_row(job, grant, job.pk in lost) for job in jobs]


def _row(job: Job, grant: Grant, is_lost: bool) -> Row:
    asked, total = exporting.Asked.of(job), job.progress_total
    is_stopping = job.state in OPEN and job.cancel_requested_at is not None
    return Row(
        job=job,
        sentence=asked.sentence,
        ending=asked.ending.removeprefix("."),
        is_open=job.state in OPEN,
        is_stopping=is_stopping,
        may_cancel=job.state in OPEN and not is_stopping and may_cancel(grant, job),
        percent=min(100, job.progress_done * 100 // total) if total else None,
        is_lost=is_lost,
        download=exporting.download_path(job) if exporting.has_file(job) and not is_lost else "",
    )


@page()
@require_safe
def exports(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of exports, the newest first; those that are worked on tell their progress."""
    return listed(request, grant)


def listed(request: HttpRequest, grant: Grant, given: schedules.Given | None = None) -> HttpResponse:
    """The page of exports, with what was sent of a schedule and could not be kept."""
    only = filters.Leaf("kind", (), "eq", Job.Kind.EXPORT.value)
    made = listing(request, grant, "jobs", fixed=only)
    made.path = reverse("web:exports", args=[grant.project.slug])
    context = {"listing": made, "rows": rows_of(made.rows, grant), **schedules.context(grant, given)}
    status = 400 if given else made.status
    return show(request, grant, "exports/page.html", context, here="exports", status=status)


@page()
@require_safe
def export(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """One export: its row, which asks for itself again while it is worked on."""
    job = exporting.find(grant, id)
    if job is None:
        raise Http404("There is no such export in this project.")
    (row,) = rows_of([job], grant)
    context = {"row": row, "rows": [row], "is_one": True}
    return show(request, grant, "exports/page.html", context, here="exports", part="exports/_row.html")


@page()
@require_POST
def start(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Export all that match `query`, the filters of a list as it has them in its address."""
    kind = request.POST.get("kind", "generations")
    query = request.POST.get("query", "")
    try:
        document = sent_along(kind, query)
    except (BadFilter, KeyError) as error:
        messages.error(request, str(error))
        return redirect("web:exports", slug=grant.project.slug)
    return begin(request, grant, kind=kind, document=document, order=QueryDict(query).get("order"))


def begin(request: HttpRequest, grant: Grant, *, kind: str, document: Json, order: str | None) -> HttpResponse:
    """Start an export in the `format` of the form, and lead to where it is watched."""
    format = request.POST.get("format", "jsonl")
    version = request.POST.get("version", "")
    try:
        with transaction.atomic():
            job = exporting.start(
                grant,
                kind=kind,
                format=format,
                condition_document=document,
                order=order,
                version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,
            )
            tasks.send(job)
    except BadFilter as error:
        messages.error(request, str(error))
    return redirect("web:exports", slug=grant.project.slug)


@page()
@require_safe
def manifest(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """What is in the file of an export and how it came to be, as JSON."""
    job = exporting.find(grant, id)
    if job is None or "manifest" not in job.result:
        raise Http404("There is no such manifest in this project.")
    return JsonResponse(exporting.manifest_of(job), json_dumps_params={"indent": 2, "ensure_ascii": False})


@page()
@require_POST
def retry(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Export again what this one was asked for."""
    try:
        with transaction.atomic():
            job = exporting.again(grant, id)
            if job is None:
                raise Http404("There is no such export in this project.")
            tasks.send(job)
    except BadFilter as error:
        messages.error(request, str(error))
    return redirect("web:exports", slug=grant.project.slug)


@page()
@require_POST
def cancel(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Stop an export."""
    job = exporting.cancel(grant, id)
    if job is None:
        raise Http404("There is no such export in this project.")
    return redirect(reverse("web:exports", args=[grant.project.slug]))
