"""The page that finds what was said, and the rows that a pasted id names."""

from __future__ import annotations

import uuid
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
from generations.models import Dataset, Generation, Job
from generations.search import Excerpt, Found, Named
from generations.web.filtering import OPERATORS, options, plain_address
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import NOT_FILTERS, Listing, asked

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


@page()
@require_safe
def named(request: HttpRequest, grant: Grant) -> HttpResponse:
    """What the id `q` names, for the palette: rows by any of their ids, datasets and exports by theirs."""
    text = request.GET.get("q", "").strip()
    found = [(one, _place(grant, one)) for one in searching.named(grant.project.pk, text)]
    context = {"named": found + _kept(grant, text)}
    return show(request, grant, "search/named.html", context, here="search", part="search/named.html")


def _kept(grant: Grant, text: str) -> list[tuple[Named, str]]:
    """The dataset or the export of this id; two look-ups by key, and none when the text is no UUID."""
    try:
        id = uuid.UUID(text)
    except ValueError:
        return []
    slug = grant.project.slug
    dataset = Dataset.objects.filter(project=grant.project, pk=id).first()
    export = Job.objects.filter(project=grant.project, pk=id, kind=Job.Kind.EXPORT).first()
    found = []
    if dataset is not None:
        found.append((Named("dataset", text, "id", dataset.name), reverse("web:dataset", args=[slug, id])))
    if export is not None:
        found.append((Named("export", text, "id", export.state), reverse("web:export", args=[slug, id])))
    return found


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
