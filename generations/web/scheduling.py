"""Schedules of exports: made, changed, paused, run at once, deleted. What cannot be kept stays in the form."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from generations import exporting, tasks
from generations.access import Grant, Scope
from generations.exporting import schedules
from generations.filters import BadFilter
from generations.records import InvalidRecord
from generations.web import stale
from generations.web.exports import listed
from generations.web.gate import page
from generations.web.listing import document_of
from generations.web.schedules import Given, as_of

_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?", re.ASCII)


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
    except InvalidRecord as error:
        return listed(request, grant, Given(given, str(error)))
    except BadFilter as error:
        return listed(request, grant, Given(given, f"filter: {error}"))
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
                if (row := schedules.find(grant, id)) is not None:
                    stale.refuse(request, as_of(row))
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
    except (InvalidRecord, BadFilter, stale.Stale) as error:
        return listed(request, grant, Given(request.POST, str(error), id))
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
