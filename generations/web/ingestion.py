"""The page of what comes in: who sends what by which door, and what was refused, with its raw body for a day."""

from __future__ import annotations

import uuid
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations import intake
from generations.access import Grant, Scope
from generations.models import IngestReject
from generations.web.frame import show
from generations.web.gate import page

DOORS: Final = {
    "rest": ("REST", "/api/generations"),
    "literal": ("Literal AI", "/api/graphql"),
    "gantry": ("Gantry", ""),
    "otlp.traces": ("OpenTelemetry traces", "/v1/traces"),
    "otlp.logs": ("OpenTelemetry logs", "/v1/logs"),
    "langfuse": ("Langfuse scores and files", "/api/public/ingestion"),
}
"""Doors by the names that they are counted under: a title, and where they are."""
KEPT: Final = "Kept as it came."
"""How a reason begins of what is stored all the same, under the id that is told with it."""
TEXTUAL: Final = ("application/json", "application/x-ndjson", "application/jsonl", "text/")


def title(door: str) -> str:
    """What people call a door."""
    return DOORS.get(door, (door, ""))[0]


@page()
@require_safe
def ingestion(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Each program by its door, with its rate, and the kinds of refusals of the last weeks, the latest first."""
    sources = intake.sources(grant.project)
    seen = {source.door for source in sources}
    context = {
        "sources": [(source, title(source.door)) for source in sources],
        "silent": [named for door, named in DOORS.items() if door not in seen],
        "refusals": [(row, title(row.door), row.reason.startswith(KEPT)) for row in intake.refusals(grant.project)],
        "yesterday": timezone.now() - intake.DAY,
        "server": f"{request.scheme}://{request.get_host()}",
        "tab": "ingestion",
    }
    return show(request, grant, "settings/ingestion.html", context, here="settings", part="settings/_ingestion.html")


@never_cache
@page(Scope.WRITE)
@require_safe
def body(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """The raw body of a request of which something was refused, as a file; whatever is in it, no browser shows it.

    It is data as it was sent, before anything was left out of it: for those who may write.
    """
    row = IngestReject.objects.filter(project=grant.project, pk=id).first()
    if row is None or row.body is None:
        raise Http404("There is no such body in this project (any more): bodies are kept for a day.")
    is_text = row.body_type.startswith(TEXTUAL)
    response = HttpResponse(
        bytes(row.body), content_type="text/plain; charset=utf-8" if is_text else "application/octet-stream"
    )
    name = f"refused-{row.created_at:%Y%m%d-%H%M%S}.{'txt' if is_text else 'bin'}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
