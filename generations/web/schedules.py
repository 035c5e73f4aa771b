"""Scheduled exports on the page of exports: made, changed, paused, run at once, deleted."""

from __future__ import annotations

import re
import uuid
import zoneinfo
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from generations import exporting, filters, tasks
from generations.access import Grant, Scope
from generations.exporting import schedules
from generations.exporting.changes import KINDS as WITH_CHANGES
from generations.filters import BadFilter
from generations.models import ExportSchedule, Job
from generations.records import InvalidRecord
from generations.web.gate import page
from generations.web.listing import document_of

RUNS: Final = 5
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule as the page shows it."""

    row: ExportSchedule
    sentence: str
    when: str
    runs: list[Job]


def context(grant: Grant) -> dict[str, Any]:
    """What the page's part about schedules needs, in two queries however many there are."""
    found = schedules.every(grant)
    runs: dict[uuid.UUID | None, list[Job]] = {}
    for job in schedules.last_runs(grant, RUNS):
        runs.setdefault(job.schedule_id, []).append(job)
    return {
        "schedules": [Shown(row, _sentence(row), _when(row), runs.get(row.pk, [])) for row in found],
        "kinds": exporting.KINDS,
        "formats": exporting.FORMATS,
        "compressions": exporting.COMPRESSIONS,
        "everies": ExportSchedule.Every.choices,
        "weekdays": list(enumerate(WEEKDAYS)),
        "zones": sorted(zoneinfo.available_timezones()) if grant.may(Scope.ADMIN) else [],
        "with_changes": ", ".join(WITH_CHANGES),
    }


@page(Scope.ADMIN)
@require_POST
def create(request: HttpRequest, grant: Grant) -> HttpResponse:
    """A new schedule."""
    given = request.POST
    try:
        kind = given.get("kind", "generations")
        schedule = schedules.create(
            grant,
            {
                **_said(given),
                "kind": kind,
                "filter": _document(kind, given.get("filter", "")),
                "fields": [name.strip() for name in given.get("fields", "").split(",") if name.strip()] or None,
                "incremental": "incremental" in given,
            },
        )
        messages.success(request, f"{schedule.name} is scheduled.")
    except (InvalidRecord, BadFilter) as error:
        messages.error(request, str(error))
    return redirect("web:exports", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def change(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Change, pause, go on with, run or delete a schedule, as `do` says."""
    do = request.POST.get("do", "")
    found: object = None
    try:
        with transaction.atomic():
            if do == "save":
                found = schedules.change(grant, id, _said(request.POST))
            elif do in ("pause", "resume"):
                found = schedules.change(grant, id, {"paused": do == "pause"})
            elif do == "delete":
                found = schedules.delete(grant, id)
            elif do == "run":
                found = job = schedules.run_now(grant, id)
                if job is not None:
                    tasks.send(job)
            else:
                raise InvalidRecord("do", do, "save, pause, resume, run or delete")
    except (InvalidRecord, BadFilter) as error:
        messages.error(request, str(error))
    else:
        if found is None:
            raise Http404("There is no such schedule in this project.")
    return redirect("web:exports", slug=grant.project.slug)


def _said(given: QueryDict) -> dict[str, Any]:
    at = _TIME.fullmatch(given.get("at", "00:00").strip())
    if at is None:
        raise InvalidRecord("at", given.get("at"), "a time of day such as 02:30")
    weekday = given.get("weekday", "0")
    return {
        "name": given.get("name", ""),
        "format": given.get("format", ""),
        "compression": given.get("compression", ""),
        "destination": given.get("destination", ""),
        "every": given.get("every", ""),
        "hour": int(at[1]),
        "minute": int(at[2]),
        "weekday": int(weekday) if weekday.isascii() and weekday.isdigit() and len(weekday) == 1 else weekday,
        "zone": given.get("zone", ""),
    }


def _document(kind: str, text: str) -> dict[str, Any]:
    """The filter of a list's address, or of the part of it behind the question mark."""
    if kind not in exporting.KINDS:
        raise InvalidRecord("kind", kind, f"one of {', '.join(exporting.KINDS)}")
    return document_of(kind, text)


def _sentence(row: ExportSchedule) -> str:
    try:
        condition = filters.from_document(row.kind, row.filter)
    except BadFilter:
        return "a filter of an earlier version"
    return filters.sentence(row.kind, condition) if condition else f"all {row.kind}"


def _when(row: ExportSchedule) -> str:
    if row.every == ExportSchedule.Every.HOUR:
        return f"every hour at :{row.minute:02}"
    day = "every day" if row.every == ExportSchedule.Every.DAY else f"every {WEEKDAYS[row.weekday]}"
    return f"{day} at {row.hour:02}:{row.minute:02} {row.zone}"
