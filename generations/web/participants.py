"""The list of the application's end users."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from generations.access import Grant
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import OPERATORS, bounded, listing, options, plain_address


@page()
@require_safe
@bounded
def participants(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of users, the last seen first."""
    plain = plain_address(request, "participants")
    if plain is not None:
        return redirect(plain)
    made = listing(request, grant, "participants")
    context = {
        "listing": made,
        "options": options("participants"),
        "operators": OPERATORS,
    }
    template, part = "participants/page.html", "participants/_list.html"
    return show(request, grant, template, context, here="users", part=part, status=made.status)
