"""Prompts over REST: versions made, labels moved, and the labelled version handed out, cached by its ETag."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from ninja import Router

from generations import prompts
from generations.access import Grant, Scope
from generations.api import lists, receive
from generations.api.answers import answer, dumps
from generations.api.auth import grant_of
from generations.api.describing import OBJECT, closed, listed, page_of, ref, sent
from generations.api.errors import not_found
from generations.api.operations import PROJECT, of_list, operation
from generations.filters import BadFilter
from generations.ingest.values import iso
from generations.intervals import Interval
from generations.models import Project, Prompt, PromptVersion
from generations.records import InvalidRecord, Json

router = Router()
TAG: Final = "Prompts"
MOST_DAYS: Final = 366
MOST_VERSIONS: Final = 20
_NUMBER: Final = {"type": "integer", "minimum": 0}
_MESSAGES: Final = {"type": "array", "items": OBJECT}
_LABEL: Final = {"type": "string", "minLength": 1, "maxLength": prompts.MAX_LABEL, "not": {"const": prompts.LATEST}}
_LABELS: Final = {
    "type": "object",
    "propertyNames": _LABEL,
    "additionalProperties": {"type": ["integer", "null"]},
    "description": "Each label with the number of the version to put it on; null takes it away.",
}


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


@router.get(
    "",
    **operation("List prompts", tag=TAG, scope=Scope.READ, ok={200: page_of(ref("Prompt"))}, query=of_list("prompts")),
)
def list_prompts(request: HttpRequest) -> HttpResponse:
    """The newest first, unless ordered otherwise, each with its labels; narrowed by its fields."""
    grant = grant_of(request)

    def shown(project: Project, some: Sequence[Prompt]) -> lists.Shown:
        labels = prompts.labels_of(grant, [row.pk for row in some])
        return ((row, document(row, labels.get(row.pk, {}))) for row in some)

    return lists.answered(request, grant, "prompts", shown, also=prompts.IN_USE)


@router.get(
    "/{anyid:name}/versions",
    **operation(
        "List a prompt's versions",
        tag=TAG,
        scope=Scope.READ,
        ok={200: listed(ref("PromptVersion"))},
        query=[PROJECT],
    ),
)
def list_versions(request: HttpRequest, name: str) -> HttpResponse:
    """The newest first."""
    grant = grant_of(request)
    found = _prompt(grant, name)
    return answer({"data": [version_document(found, row) for row in prompts.versions(grant, found)]})


@router.post(
    "/{anyid:name}/versions",
    **operation(
        "Make a version of a prompt",
        tag=TAG,
        scope=Scope.WRITE,
        sent={
            **sent(
                messages=_MESSAGES,
                template={"type": "string"},
                settings=OBJECT,
                tools={"type": "array", "items": {}},
                inputDefaults=OBJECT,
                model={"type": "string"},
                provider={"type": "string"},
                description={"type": "string"},
                labels={"type": "array", "items": _LABEL},
            ),
            "anyOf": [
                {"required": ["messages"], "properties": {"messages": {**_MESSAGES, "minItems": 1}}},
                {"required": ["template"], "properties": {"template": {"type": "string", "minLength": 1}}},
            ],
        },
        example={
            "messages": [{"role": "system", "content": "Answer {{name}} in one sentence."}],
            "settings": {"temperature": 0.2},
            "model": "gpt-4o",
            "labels": ["test"],
        },
        ok={200: ref("PromptVersion"), 201: ref("PromptVersion")},
    ),
)
def make_version(request: HttpRequest, name: str) -> HttpResponse:
    """The prompt is made when there is none of the name. When a version has this very content, it is the answer and
    nothing is made; `labels` are put on it either way.
    """
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request), prompts.NAMES)
    row, is_new = prompts.publish(grant, name, **prompts.content_of(asked))
    return answer(version_document(_prompt(grant, name), row), status=201 if is_new else 200)


@router.put(
    "/{anyid:name}/labels",
    **operation(
        "Move labels",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(("labels",), labels=_LABELS),
        example={"labels": {"prod": 0, "test": 0}},
        ok={200: ref("Prompt")},
    ),
)
def move_labels(request: HttpRequest, name: str) -> HttpResponse:
    """All of them in one step, or none. Labels that are not named stay where they are."""
    grant = grant_of(request)
    found = _prompt(grant, name)
    wanted = receive.named(receive.mapping(request), ("labels",)).get("labels")
    if not isinstance(wanted, dict) or not all(n is None or type(n) is int for n in wanted.values()):
        raise InvalidRecord("labels", wanted, 'an object of labels with numbers of versions, such as {"prod": 4}')
    return answer(document(found, prompts.move(grant, found, wanted)))


@router.get(
    "/{anyid:name}/compare",
    **operation(
        "Compare versions of a prompt",
        tag=TAG,
        scope=Scope.READ,
        ok={200: listed(ref("PromptNumbers"))},
        query=[
            {
                **_query("version", "Their numbers.", type="array", items=_NUMBER, minItems=1, maxItems=MOST_VERSIONS),
                "required": True,
            },
            _query("days", "How far back.", type="integer", minimum=1, maximum=MOST_DAYS, default=30),
            PROJECT,
        ],
        refuses=[503],
    ),
)
def compare_versions(request: HttpRequest, name: str) -> HttpResponse:
    """What they led to: means of cost, latency, tokens and scores, shares of errors and thumbs, with intervals."""
    grant = grant_of(request)
    found = _prompt(grant, name)
    versions = [lists.whole("version", text, 0, least=0) for text in dict.fromkeys(request.GET.getlist("version"))]
    if not 1 <= len(versions) <= MOST_VERSIONS:
        said = ", ".join(map(str, versions))
        raise BadFilter("version", said, f"1 to {MOST_VERSIONS} numbers of versions, each as `version=`")
    days = lists.whole("days", request.GET.get("days"), 30)
    if not 1 <= days <= MOST_DAYS:
        raise BadFilter("days", days, f"a whole number from 1 to {MOST_DAYS}")
    now = timezone.now()
    told = prompts.numbers(grant, found, versions, now - dt.timedelta(days=days), now)
    for number, row in told.items():
        if not row.count and prompts.of_number(grant, found, number) is None:
            raise prompts.NoSuchPrompt(f"The prompt '{found.name}' has no version {number}.")
    return answer({"data": [{"version": number, **numbers_document(row)} for number, row in told.items()]})


@router.get(
    "/{anyid:name}",
    **operation(
        "Get a version of a prompt",
        tag=TAG,
        scope=Scope.READ,
        ok={200: ref("PromptVersion"), 304: None},
        query=[
            _query("label", "The version that carries this label; `latest` is the newest."),
            _query("version", "The version of this number.", type="integer"),
            PROJECT,
        ],
    ),
)
def get_prompt(request: HttpRequest, name: str) -> HttpResponse:
    """The newest version, or that of a label or number. Send the `ETag` of an answer as `If-None-Match` to be told 304
    while nothing has changed.
    """
    grant, params = grant_of(request), request.GET
    found = _prompt(grant, name)
    if params.get("label") and params.get("version"):
        raise BadFilter("version", params["version"], "either label or version")
    if number := params.get("version"):
        row = prompts.of_number(grant, found, lists.whole("version", number, 0, least=0))
        what = f"version {number}"
    else:
        label = params.get("label") or prompts.LATEST
        row, what = prompts.labelled(grant, found, label), f"version labelled {label}"
    if row is None:
        raise prompts.NoSuchPrompt(f"The prompt '{found.name}' has no {what[:80]}.")
    body = dumps(version_document(found, row))
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if etag in known or f"W/{etag}" in known or known == ["*"]:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body, content_type="application/json")
    response.headers["ETag"] = etag
    # Kept by whoever asked, and asked about again each time: a label may have moved.
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Authorization", "x-api-key", "Cookie"])
    return response


def document(row: Prompt, labels: dict[str, int]) -> Json:
    """A prompt as JSON."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "labels": labels,
        "createdAt": iso(row.created_at),
    }


def version_document(prompt: Prompt, row: PromptVersion) -> dict[str, Json]:
    """A version as JSON."""
    return {
        "id": row.public_id,
        "name": prompt.name,
        "version": row.version,
        "labels": row.labels,
        "messages": row.template_messages,
        "template": row.template,
        "inputs": row.inputs,
        "inputDefaults": row.input_defaults,
        "model": row.model_id,
        "provider": row.provider,
        "settings": row.settings,
        "tools": row.tools or [],
        "description": row.description,
        "createdAt": iso(row.created_at),
    }


def numbers_document(row: prompts.Numbers) -> dict[str, Json]:
    """What a version led to, as JSON."""
    return {
        "count": row.count,
        "currency": row.currency,
        "totalCost": row.total_cost,
        "means": {name: _interval(one) for name, one in row.means.items()},
        "scores": {name: _interval(one) for name, one in row.scores.items()},
        "errors": _interval(row.errors),
        "thumbs": _interval(row.thumbs),
        "rating": _interval(row.rating),
    }


def _interval(one: Interval | None) -> Json:
    return None if one is None else {"count": one.count, "mean": one.mean, "low": one.low, "high": one.high}


def _prompt(grant: Grant, name: str) -> Prompt:
    found = prompts.named(grant, name)
    if found is None:
        raise not_found("prompt", name)
    return found
