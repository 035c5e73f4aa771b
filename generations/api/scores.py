"""Scores and tags on their own: listed, changed, deleted."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import bundles, records
from generations.access import Scope
from generations.api import lists, receive, repeats
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import page_of, ref
from generations.api.errors import not_found
from generations.api.generations import score_stored
from generations.api.operations import AGAIN, PROJECT, of_list, operation
from generations.ingest import rest
from generations.ingest.values import iso
from generations.models import Score, Tag
from generations.records import InvalidRecord, Json
from generations.retention import removing

router = Router()
tags = Router()
SCORES: Final = "Scores"


@router.get(
    "",
    **operation("Find scores", tag=SCORES, scope=Scope.READ, ok={200: page_of(ref("Score"))}, query=of_list("scores")),
)
def find_scores(request: HttpRequest) -> HttpResponse:
    """The newest first: `name=correctness&value__lt=0.5&type=AI`."""
    return lists.answered(request, grant_of(request), "scores", lists.each(_document))


@router.post(
    "",
    **operation(
        "Give a score",
        tag=SCORES,
        scope=Scope.WRITE,
        sent=ref("ScoreSent"),
        example={"name": "helpful", "type": "AI", "value": 0.8, "stepId": "step-1"},
        headers=[AGAIN],
        ok={200: ref("Score"), 201: ref("Score")},
    ),
)
def give_score(request: HttpRequest) -> HttpResponse:
    """On a generation, a step, a thread or an experiment item, which need not be recorded yet. With an id that is
    known already, the score of that id is changed.
    """
    return score_stored(grant_of(request), rest.score(repeats.named(request, receive.one(request))))


@router.get(
    "/{anyid:id}",
    **operation("Get a score", tag=SCORES, scope=Scope.READ, ok={200: ref("Score")}, query=[PROJECT]),
)
def get_score(request: HttpRequest, id: str) -> HttpResponse:
    """The score of this id; what it judges is named in it."""
    row = Score.objects.by_ids(grant_of(request).project.pk, "score", [id]).first()
    if row is None:
        raise not_found("score", id)
    return answer(_document(row))


@router.put(
    "/{anyid:id}",
    **operation(
        "Put a score",
        tag=SCORES,
        scope=Scope.WRITE,
        sent=ref("ScoreSent"),
        example={"name": "helpful", "type": "HUMAN", "value": 1, "generationId": "generation-123"},
        ok={200: ref("Score"), 201: ref("Score")},
    ),
)
def put_score(request: HttpRequest, id: str) -> HttpResponse:
    """Gives the score of this id, or changes it."""
    record = rest.score(receive.one(request))
    if record.id not in (None, id):
        raise InvalidRecord("id", record.id, f"{id!r}, as in the address, or nothing")
    return score_stored(grant_of(request), records.revised(record, id=id))


@router.delete(
    "/{anyid:id}",
    **operation("Delete a score", tag=SCORES, scope=Scope.WRITE, ok={204: None}, refuses=(409,)),
)
def delete_score(request: HttpRequest, id: str) -> HttpResponse:
    """There is no way back."""
    if not removing.erase(grant_of(request), "score", id):
        raise not_found("score", id)
    return HttpResponse(status=204)


def _document(row: Score) -> Json:
    return rest.score_document(bundles.score_record(row))


# ---------------------------------------------------------------------------------------------------------------- tags
@tags.get(
    "",
    **operation("List tags", tag="Tags", scope=Scope.READ, ok={200: page_of(ref("Tag"))}, query=of_list("tags")),
)
def list_tags(request: HttpRequest) -> HttpResponse:
    """Every tag that was given to anything. `order=name` sorts them."""
    return lists.answered(request, grant_of(request), "tags", lists.each(_tag))


def _tag(row: Tag) -> Json:
    return {
        "name": row.name,
        "colour": row.colour,
        "description": row.description,
        "createdAt": iso(row.created_at),
    }
