"""Evaluate: what and by whom is chosen, tried on one item and reckoned, then run as a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_http_methods

from generations import datasets, evaluating, filters, generating, prompts
from generations.access import Grant, Scope
from generations.evaluating import Asked, Estimate, Tried
from generations.filters import BadFilter
from generations.models import Dataset, PromptVersion
from generations.records import InvalidRecord, Json
from generations.web import jobs as work
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import document_of

CHOICES: Final = 200
"""So many prompt versions, the newest, and datasets, by name, the form offers."""
KINDS: Final = (
    ("versions", "One or two prompt versions, over a dataset"),
    ("dataset", "The stored answers of a dataset"),
    ("generations", "Logged generations"),
    ("backfill", "Logged generations, each scored once by one evaluator, without an experiment"),
)


@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def evaluate(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The form; `how=run` begins the evaluation, anything else posted reckons it and tries its first item."""
    given = request.POST if request.method == "POST" else request.GET
    problem, estimate, tried, asked = "", None, None, None
    if request.method == "POST":
        try:
            asked = evaluating.asked(grant, _document(given))
            if given.get("how") == "run":
                with transaction.atomic():
                    made = evaluating.start(grant, asked)
                    return work.lead_to(request, grant, made)
            estimate, tried = evaluating.estimate(grant, asked), evaluating.preview(grant, asked)
        except (InvalidRecord, BadFilter) as error:
            problem = str(error)
    context = _context(grant, given, asked, estimate, tried) | {"problem": problem}
    return show(request, grant, "evaluators/evaluate.html", context, here="evaluators", status=400 if problem else 200)


def _context(
    grant: Grant, given: QueryDict, asked: Asked | None, estimate: Estimate | None, tried: list[Tried] | None
) -> dict[str, Any]:
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(version__gte=0).order_by("-created_at")
    ids = list(rows.values_list("public_id", flat=True)[:CHOICES])
    # What a link brings is offered however old it is.
    ids = list(dict.fromkeys([*filter(None, given.getlist("version")), *ids]))
    names = prompts.names_of(grant, [id for id in ids if "\0" not in id])
    chosen = [*filter(None, given.getlist("version")), "", ""][:2]
    of = given.get("of") or ("versions" if any(chosen) else "generations" if given.get("filter") else "versions")
    return {
        "asked": asked,
        "estimate": estimate,
        "tried": tried,
        "given": given,
        "of": of,
        "kinds": KINDS,
        "evaluators": evaluating.every(grant),
        "chosen_evaluators": given.getlist("evaluator"),
        "versions": [(id, *names[id]) for id in ids if id in names],
        "chosen_versions": [("First version", chosen[0]), ("Second version", chosen[1])],
        "datasets": _datasets(grant, given.get("dataset", "")),
        "models": generating.models(grant),
        "sentence": _sentence(asked),
    }


def _datasets(grant: Grant, chosen: str) -> list[Dataset]:
    """The datasets that the form offers, by name; also the one that a link brings, where they are more."""
    offered = list(Dataset.objects.filter(project=grant.project, archived_at=None).order_by("name")[:CHOICES])
    brought = datasets.find(grant, chosen) if chosen and len(offered) == CHOICES else None
    return offered if brought is None or brought in offered else [brought, *offered]


def _sentence(asked: Asked | None) -> str:
    if asked is None or asked.of not in ("generations", "backfill"):
        return ""
    condition = filters.from_document("generations", asked.filter)
    return filters.sentence("generations", condition) if condition else "all generations"


def _document(given: QueryDict) -> dict[str, Json]:
    """What the form says, as the other doors take it. Raises InvalidRecord, BadFilter."""
    of = given.get("of", "")
    document: dict[str, Json] = {"of": of, "evaluators": given.getlist("evaluator"), "name": given.get("name", "")}
    if of == "versions":
        document["versions"] = list(dict.fromkeys(filter(None, given.getlist("version"))))
        document["model"] = given.get("model", "").strip() or None
    if of in ("versions", "dataset"):
        document |= {"dataset": given.get("dataset") or None, "split": given.get("split", "").strip() or None}
    else:
        document["filter"] = document_of("generations", given.get("filter", ""))
    document |= _bounds(given)
    return document


def _bounds(given: Mapping[str, str]) -> dict[str, Json]:
    said: dict[str, Json] = {}
    for name in ("maxItems", "maxCalls"):
        if text := given.get(name, "").strip():
            said[name] = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text
    if text := given.get("maxCost", "").strip():
        said["maxCost"] = text.replace(",", ".")
    return said
