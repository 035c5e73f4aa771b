"""The page that finds what was said, and the rows that a pasted id names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from generations import filters
from generations import search as searching
from generations.access import Grant
from generations.filters import BadFilter
from generations.models import Generation
from generations.search import Excerpt, Found, Named
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS, OPERATORS, Listing, asked, options, plain_address

PLACES: Final = {"generation": "generation", "step": "step", "thread": "thread"}
_BLOCKS: Final = {"/prompt": "prompt", "/input": "input", "/completion": "answers", "/output": "answers"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit as the page shows it; each excerpt with the address of the message that it is from."""

    generation: Generation
    address: str
    excerpts: list[tuple[str, Excerpt]]


@page()
@require_safe
def search(request: HttpRequest, grant: Grant) -> HttpResponse:
    """What `q` finds in what was said, within the filters of the address; an id that names one row leads there."""
    plain = plain_address(request, "generations")
    if plain is not None:
        return redirect(plain)
    query = request.GET.get("q", "").strip()
    named = searching.named(grant.project.pk, query)
    made = asked(request, "generations", search="q")
    found: Found | None = None
    if not made.problem and query:
        if len(named) == 1 and not made.chips and "after" not in request.GET:
            return redirect(_place(grant, named[0]))
        try:
            made.condition = filters.from_query("generations", request.GET, ignore=NOT_FILTERS)
            found = searching.find(grant.project, query, made.condition, after=request.GET.get("after"))
        except BadFilter as error:
            made.problem = str(error)
    context = {
        "listing": made,
        "options": options("generations"),
        "operators": OPERATORS,
        "query": query,
        "named": [(one, _place(grant, one)) for one in named],
        "found": found,
        "hits": _shown(grant, made, found) if found else [],
        "further": made.to_place(found.next) if found and found.next else "",
        "each": searching.EACH,
    }
    template, part = "search/page.html", "search/_found.html"
    return show(request, grant, template, context, here="search", part=part, status=made.status)


def _place(grant: Grant, one: Named) -> str:
    slug = grant.project.slug
    if one.kind in PLACES:
        return reverse(f"web:{PLACES[one.kind]}", args=[slug, one.id])
    return f"{reverse('web:generations', args=[slug])}?{urlencode({'metadata.userId': one.id})}"


def _shown(grant: Grant, made: Listing, found: Found) -> list[Shown]:
    shown = []
    for hit in found.hits:
        address = reverse("web:generation", args=[grant.project.slug, hit.generation.public_id])
        shown.append(Shown(hit.generation, address, [(f"{address}#{_anchor(one)}", one) for one in hit.excerpts]))
    return shown


def _anchor(excerpt: Excerpt) -> str:
    """What the page of a generation calls the piece."""
    return _BLOCKS.get(excerpt.place) or "m" + excerpt.place.replace("/", "-")
