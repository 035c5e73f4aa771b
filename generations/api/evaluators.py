"""Evaluators over REST: made, listed, read, changed, put away, and told which new generations they are to score."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import evaluating, verdicts
from generations.access import Scope
from generations.api import receive
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import listed, ref, sent
from generations.api.errors import not_found
from generations.api.operations import PROJECT, operation
from generations.filters import BadFilter
from generations.ingest.values import iso
from generations.models import Evaluator
from generations.records import InvalidRecord, Json

router = Router()
TAG: Final = "Evaluators"
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": evaluating.MAX_NAME}
_OPTIONS: Final = {
    "type": "object",
    "description": "By kind. "
    + " ".join(
        f"{kind.name}: {', '.join(f'`{one.name}`' for one in kind.options)}." for kind in verdicts.KINDS.values()
    ),
}
_SCORE_NAME: Final = {**_NAME, "description": "The name of its scores; its own name when absent."}


@router.get(
    "",
    **operation(
        "List evaluators",
        tag=TAG,
        scope=Scope.READ,
        ok={200: listed(ref("Evaluator"))},
        query=[
            {
                "name": "archived",
                "in": "query",
                "description": "`true` for those that are put away.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            },
            PROJECT,
        ],
    ),
)
def list_evaluators(request: HttpRequest) -> HttpResponse:
    """All that are in use, by name; a project has at most 200."""
    archived = request.GET.get("archived", "false")
    if archived not in ("true", "false"):
        raise BadFilter("archived", archived, "true or false")
    rows = evaluating.every(grant_of(request), is_archived=archived == "true")
    return answer({"data": [document(row) for row in rows]})


@router.post(
    "",
    **operation(
        "Make an evaluator",
        tag=TAG,
        scope=Scope.WRITE,
        sent=sent(
            ("name", "kind"),
            name=_NAME,
            kind={"type": "string", "enum": list(verdicts.KINDS)},
            options=_OPTIONS,
            scoreName=_SCORE_NAME,
        ),
        example={"name": "exact", "kind": "exact", "options": {"ignoreCase": True}},
        ok={201: ref("Evaluator")},
    ),
)
def make_evaluator(request: HttpRequest) -> HttpResponse:
    """Of a name that no other evaluator of the project has. Its kind stays what it is."""
    said = receive.named(receive.mapping(request), ("name", "kind", "options", "scoreName"))
    row = evaluating.create(
        grant_of(request),
        name=_text("name", said) or "",
        kind=_text("kind", said) or "",
        options=_object("options", said),
        score_name=_text("scoreName", said),
    )
    return answer(document(row), status=201, headers={"Location": f"/api/evaluators/{row.pk}"})


@router.get(
    "/{id}",
    **operation("Get an evaluator", tag=TAG, scope=Scope.READ, ok={200: ref("Evaluator")}, query=[PROJECT]),
)
def get_evaluator(request: HttpRequest, id: str) -> HttpResponse:
    """Also one that is put away."""
    row = evaluating.find(grant_of(request), id)
    if row is None:
        raise not_found("evaluator", id)
    return answer(document(row))


@router.patch(
    "/{id}",
    **operation(
        "Change an evaluator",
        tag=TAG,
        scope=Scope.WRITE,
        sent=sent(
            name=_NAME,
            options={**_OPTIONS, "description": "All of them: what is absent is as usual again."},
            scoreName=_NAME,
            archived={"type": "boolean", "description": "Put away it scores nothing; false brings it back."},
        ),
        example={"scoreName": "correct"},
        ok={200: ref("Evaluator")},
    ),
)
def change_evaluator(request: HttpRequest, id: str) -> HttpResponse:
    """What is absent stays. Scores that it gave stay, and evaluations that run go on with what it was."""
    grant = grant_of(request)
    said = receive.named(receive.mapping(request), ("name", "options", "scoreName", "archived"))
    archived = said.pop("archived", None)
    if not isinstance(archived, bool | None):
        raise InvalidRecord("archived", archived, "true or false")
    with transaction.atomic():
        if said or archived is None:
            row = evaluating.change(
                grant,
                id,
                name=_text("name", said),
                options=_object("options", said),
                score_name=_text("scoreName", said),
            )
        if archived is not None:
            row = evaluating.archive(grant, id, is_archived=archived)
    return answer(document(row))


@router.put(
    "/{id}/trigger",
    **operation(
        "Score new generations",
        tag=TAG,
        scope=Scope.WRITE,
        sent=sent(
            ("share",),
            share={"type": "number", "minimum": 0, "maximum": 100, "description": "Percent; 0 scores none."},
            filter={"type": "object", "description": "A filter document; all generations when absent."},
        ),
        example={"share": 10, "filter": {"environment": "production"}},
        ok={200: ref("Evaluator")},
    ),
)
def trigger_evaluator(request: HttpRequest, id: str) -> HttpResponse:
    """From now on this share of what comes in is scored, each once, behind the write. Not by evaluators that compare
    with what was expected."""
    said = receive.named(receive.mapping(request, limit=receive.MAX_QUESTION), ("share", "filter"))
    share = said.get("share")
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise InvalidRecord("share", share, "percent, from 0 to 100")
    return answer(document(evaluating.trigger(grant_of(request), id, share=share, document=said.get("filter"))))


def document(row: Evaluator) -> dict[str, Json]:
    """An evaluator as JSON."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "kind": row.kind,
        "options": row.options,
        "scoreName": row.score_name,
        "share": row.share,
        "filter": row.filter,
        "secondsBehind": evaluating.seconds_behind(row),
        "problem": row.problem or None,
        "createdAt": iso(row.created_at),
        "archivedAt": None if row.archived_at is None else iso(row.archived_at),
    }


def _text(name: str, said: dict[str, Json]) -> str | None:
    value = said.get(name)
    if not isinstance(value, str | None):
        raise InvalidRecord(name, value, "a text")
    return value


def _object(name: str, said: dict[str, Json]) -> dict[str, Json] | None:
    value = said.get(name)
    if not isinstance(value, dict | None):
        raise InvalidRecord(name, value, "an object")
    return value
