"""The list of the application's end users."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations.access import Grant
from generations.web import tables
from generations.web.gate import page
from generations.web.listing import bounded


@page()
@require_safe
@bounded
def participants(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of users, the last seen first."""
    return tables.answer(request, grant, "participants")
