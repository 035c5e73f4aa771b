"""The list of generations, and what is done to several of them at once."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from generations import bundles, datasets, recording
from generations.access import Grant, Scope
from generations.exporting import writers
from generations.models import Dataset, Generation
from generations.records import InvalidRecord
from generations.web import doors, exports, judging
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import OPERATORS, bounded, listing, options, plain_address
from generations.web.sessions import safe_next

MOST_AT_ONCE: Final = 200


@page()
@require_safe
@bounded
def generations(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The list of generations. Filters, order and place are in the address."""
    plain = plain_address(request, "generations")
    if plain is not None:
        return redirect(plain)
    made = listing(request, grant, "generations")
    rows: list[Generation] = list(made.rows)
    context = {
        "listing": made,
        "rows": bundles.of_generations(grant.project, rows, payload=False, alternatives=False, attachments=False),
        "options": options("generations"),
        "operators": OPERATORS,
        "datasets": list(Dataset.objects.filter(project=grant.project).order_by("name")[:200]),
        "formats": writers.FORMATS,
        "others": doors.others(made, grant),
        "is_empty": not made.rows and not made.is_filtered and not made.text and not made.problem,
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(
        request,
        grant,
        "generations/page.html",
        context,
        here="generations",
        part="generations/_list.html",
        status=made.status,
    )


@page(Scope.WRITE)
@require_POST
def bulk(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Do to the generations named by `id` what `do` says: tag, dataset or export."""
    ids = request.POST.getlist("id")[:MOST_AT_ONCE]
    where = safe_next(request, reverse("web:generations", args=[grant.project.slug]))
    if not ids:
        messages.error(request, "Select some generations first.")
        return redirect(where)
    try:
        match request.POST.get("do"):
            case "tag":
                said = _tag(request, grant, ids)
            case "dataset":
                name = judging.collect(request, grant, ids)
                said = f"Added {_counted(len(ids))} to the dataset {name}."
            case "export":
                document = {"id": {"$in": ids}}
                return exports.begin(request, grant, kind="generations", document=document, order=None)
            case _:
                raise judging.Refused("Say what to do: tag, dataset or export.")
    except (judging.Refused, InvalidRecord, datasets.BadDataset, datasets.NoSuchDataset) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect(where)


def _tag(request: HttpRequest, grant: Grant, ids: list[str]) -> str:
    tags = judging.split(request.POST.get("tags", ""))
    if not tags:
        raise judging.Refused("Say which tags to add, by commas.")
    changed = recording.retag(grant.project, "generation", ids, add=tags)
    return f"Tagged {_counted(changed)} with {', '.join(tags)}."


def _counted(count: int) -> str:
    return f"{count} generation" if count == 1 else f"{count} generations"
