"""Generations: recorded, found, changed, rated, scored and tagged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import bundles, intake, recording
from generations.access import Grant, Scope
from generations.api import lists, noting, receive, repeats
from generations.api.answers import answer
from generations.api.auth import Gate, grant_of
from generations.api.describing import page_of, ref, sent
from generations.api.errors import Refused, not_found
from generations.api.operations import AGAIN, PROJECT, of_list, operation
from generations.cleaning import clean_string
from generations.ingest import rest
from generations.ingest.rest_fields import Slot
from generations.ingest.values import UnknownField
from generations.models import Feedback, Generation, Score
from generations.records import (
    GenerationRecord,
    InvalidRecord,
    Json,
    Record,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
    revised,
)
from generations.retention import removing

R = TypeVar("R", GenerationRecord, StepRecord, ThreadRecord)

router = Router()
TAG: Final = "Generations"
EXAMPLE: Final = {
    "id": "generation-123",
    "model": {"id": "gpt-4", "provider": "openai"},
    "input": {"type": "text", "content": "What is two and two?"},
    "output": {"type": "text", "content": "Four."},
    "usage": {"promptTokens": 6, "completionTokens": 2},
    "metadata": {"userId": "user-456", "tags": ["arithmetic"]},
    "performance": {"latency": 0.8},
}
_NAMES: Final = {"type": "array", "items": {"type": "string"}}
FIELDS: Final = {
    "name": "fields",
    "in": "query",
    "description": "Only these paths of the document: `input,usage.cost,metadata.plan`.",
    "schema": {"type": "string"},
}


# -------------------------------------------------------------------------------------------------------------- record
@router.get(
    "",
    **operation(
        "Find generations",
        tag=TAG,
        scope=Scope.READ,
        ok={200: page_of(ref("Generation"))},
        query=of_list("generations", fields=True),
    ),
)
def find_generations(request: HttpRequest) -> HttpResponse:
    """Filters are paths of the document, with an operator behind `__` where it is not equality:
    `model.id=gpt-4&feedback.rating__gte=4&metadata.plan=pro&from=2026-01-01`. Newest first, fifty at a time;
    `page.next` is the cursor for `after`. A name that is not known within a document is not in it.
    """
    fields = lists.fields(request.GET.get("fields"))
    return lists.answered(request, grant_of(request), "generations", lists.generations(fields))


@router.post(
    "",
    **operation(
        "Record a generation",
        tag=TAG,
        scope=Scope.INGEST,
        auth=Gate(Scope.INGEST, remembers=True),
        sent=ref("GenerationSent"),
        example=EXAMPLE,
        headers=[AGAIN],
        ok={200: ref("Generation"), 201: ref("Generation")},
    ),
)
def record_generation(request: HttpRequest) -> HttpResponse:
    """One generation. 201 when its id is new; 200 when it was merged into the one that has this id: what is absent
    stays as it was, null empties. Answers with the generation as it is stored, its cost reckoned.
    """
    grant = grant_of(request)
    sent = receive.one(request, several="/api/generations/batch")
    record = grant.placed(rest.generation(repeats.named(request, sent)))
    receipt = stored(grant, record)
    noting.took(request)
    if (new := receipt.standing) is not None:
        return answer(rest.document(new.record, created_at=new.stored_at, updated_at=new.stored_at), status=201)
    # Not the record's own: what no database takes was left out of it.
    found = _bundle(grant, str(receipt.id))
    return answer(lists.generation(found), status=201 if receipt.state == "stored" else 200)


@router.post(
    "/batch",
    **operation(
        "Record many generations",
        tag=TAG,
        scope=Scope.INGEST,
        auth=Gate(Scope.INGEST, remembers=True),
        sent={
            "anyOf": [
                {"type": "array", "items": ref("GenerationSent")},
                {"type": "object", "required": ["generations"], "additionalProperties": False,
                 "properties": {"generations": {"type": "array", "items": ref("GenerationSent")}}},
            ]
        },
        lines=ref("GenerationSent"),
        example=[EXAMPLE],
        headers=[AGAIN],
        ok={200: ref("Receipts")},
    ),
)  # fmt: skip
def record_generations(request: HttpRequest) -> HttpResponse:
    """A JSON array, `{"generations": [...]}`, or JSON Lines as `application/x-ndjson`; gzip as `Content-Encoding`; up
    to 64 MiB as sent and as unpacked. Each item has a receipt: the bad ones are rejected with the field and the
    reason, the good ones are stored together. Sending a batch again changes nothing.
    """
    return received(request, "generations", rest.generation)


@router.get(
    "/{anyid:id}",
    **operation(
        "Get a generation",
        tag=TAG,
        scope=Scope.READ,
        ok={200: ref("Generation")},
        query=[FIELDS, PROJECT],
    ),
)
def get_generation(request: HttpRequest, id: str) -> HttpResponse:
    """The generation of this id, whole. A slash in an id is written `%2F`."""
    fields = lists.fields(request.GET.get("fields"))
    return answer(lists.generation(_bundle(grant_of(request), id), fields))


@router.patch(
    "/{anyid:id}",
    **operation(
        "Change a generation",
        tag=TAG,
        scope=Scope.WRITE,
        sent={
            "anyOf": [
                ref("GenerationSent"),
                {"type": "object", "required": ["$set"], "additionalProperties": False,
                 "properties": {"$set": {"type": "object"}}},
            ]
        },
        example={"$set": {"feedback": {"rating": 5, "thumbs": "up", "comment": "Very helpful", "userId": "user-456"}}},
        ok={200: ref("Generation")},
    ),
)  # fmt: skip
def change_generation(request: HttpRequest, id: str) -> HttpResponse:
    """A document is merged into the stored one: absent stays, null empties, free objects (metadata, parameters,
    attributes) are merged key by key. `{"$set": {...}}` sets each path (`usage.cost`, `metadata.plan`); a free object
    or feedback given there takes the place of the old one. A `selectedChoice` is the place of an alternative; where the
    output is one of them itself, it follows. Answers with the generation as it is then.
    """
    grant = grant_of(request)
    document = receive.one(request)
    # What is no object is refused by whoever reads it as one.
    named = document if isinstance(document, dict) else {}
    said = named.get("$set")
    fields = {path.split(".")[0] for path in (said if isinstance(said, dict) else named)}
    with transaction.atomic():
        try:
            is_there = recording.update(grant, id, lambda stored: rest.amendment(id, document, stored), fields=fields)
        except UnknownField:
            raise
        except InvalidRecord as error:
            raise rest.translated(error) from None
        if not is_there:
            raise not_found("generation", id)
        changed = _bundle(grant, id)
    return answer(lists.generation(changed))


@router.delete(
    "/{anyid:id}",
    **operation("Delete a generation", tag=TAG, scope=Scope.WRITE, ok={204: None}, refuses=(409,)),
)
def delete_generation(request: HttpRequest, id: str) -> HttpResponse:
    """The generation with its payload, alternatives, scores, feedback and attachments. There is no way back."""
    if not removing.erase(grant_of(request), "generation", id):
        raise not_found("generation", id)
    return HttpResponse(status=204)


# --------------------------------------------------------------------------------------------------------------- judge
judging = Router()


@judging.post(
    "/{anyid:id}/feedback",
    **operation(
        "Give feedback",
        tag=TAG,
        scope=Scope.INGEST,
        sent=ref("FeedbackSent"),
        example={
            "rating": 4,
            "thumbs": "up",
            "comment": "Very helpful response",
            "categories": ["accurate", "helpful"],
        },
        headers=[AGAIN],
        ok={201: ref("Feedback"), 200: ref("Feedback")},
    ),
)
def give_feedback(request: HttpRequest, id: str) -> HttpResponse:
    """What a user of the application said: a rating from 1 to 5, thumbs, a comment, categories. The latest is shown
    with the generation, earlier ones are kept. The generation has to be recorded already.
    """
    grant = grant_of(request)
    record = rest.feedback(id, repeats.named(request, receive.one(request)))
    record = revised(record, generation_id=_known(grant, id))
    receipt = stored(grant, recording.said_now(grant.project, record), rest.FEEDBACK)
    row = Feedback.objects.by_ids(grant.project.pk, "feedback", [str(receipt.id)])[0]
    shown = rest.feedback_document(bundles.feedback_record(row))
    noting.took(request)
    return answer(shown, status=201 if receipt.state == "stored" else 200)


@judging.post(
    "/{anyid:id}/scores",
    **operation(
        "Score a generation",
        tag="Scores",
        scope=Scope.WRITE,
        sent=ref("ScoreSent"),
        example={"name": "correctness", "type": "HUMAN", "value": 1, "comment": "As in the handbook"},
        headers=[AGAIN],
        ok={201: ref("Score"), 200: ref("Score")},
    ),
)
def score_generation(request: HttpRequest, id: str) -> HttpResponse:
    """One judgement by a person, a model or code; with an id that is known already, the score of that id is changed."""
    grant = grant_of(request)
    record = rest.score(repeats.named(request, receive.one(request)), generation_id=id)
    return score_stored(grant, revised(record, generation_id=_known(grant, id)))


@judging.put(
    "/{anyid:id}/tags",
    **operation(
        "Tag a generation",
        tag="Tags",
        scope=Scope.WRITE,
        sent=sent(add=_NAMES, remove=_NAMES),
        example={"add": ["reviewed"], "remove": ["todo"]},
        ok={200: {"type": "object", "required": ["tags"],
                  "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}},
    ),
)  # fmt: skip
def tag_generation(request: HttpRequest, id: str) -> HttpResponse:
    """Adds and removes tags, and answers with all it has then. Doing so again changes nothing."""
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request), ("add", "remove"))
    add, remove = (_tags(name, asked.get(name)) for name in ("add", "remove"))
    with transaction.atomic():
        id = _known(grant, id)
        try:
            recording.retag(grant.project, "generation", [id], add=add, remove=remove)
        except InvalidRecord as error:
            raise InvalidRecord("add", list(add), error.expected) from None
        tags = Generation.objects.by_ids(grant.project.pk, "generation", [id]).values_list("tags", flat=True)[0]
        if not {clean for tag in add if (clean := clean_string(tag).strip())} <= set(tags):
            raise InvalidRecord("add", list(add), "at most 100 tags on a generation")
    return answer({"tags": tags})


# ---------------------------------------------------------------------------------------------- also for other records
def received(
    request: HttpRequest, name: str, read: Callable[[Json], R], table: Mapping[str, Slot] | None = None
) -> HttpResponse:
    """A batch read, stored and answered with receipts."""
    grant = grant_of(request)
    given = [
        one if isinstance(one, InvalidRecord) else repeats.named(request, one, n)
        for n, one in enumerate(receive.items(request, name))
    ]
    items = [_read(item, read, grant) for item in given]
    receipts = recording.record(grant.project, items, trust=grant.trust)
    counts = dict.fromkeys(("stored", "merged", "unchanged", "rejected"), 0)
    shown = []
    refused = []
    for document, item, receipt in zip(given, items, receipts, strict=True):
        counts[receipt.state] += 1
        id = document.get("id") if receipt.id is None and isinstance(document, dict) else receipt.id
        one: dict[str, Json] = {
            "index": receipt.index,
            "id": id if isinstance(id, str) else None,
            "state": receipt.state,
        }
        if receipt.state == "rejected":
            field, reason = None, receipt.reason or ""
            if (wrong := receipt.error) is not None:
                said = wrong if wrong is item else rest.translated(wrong, table or rest.GENERATION)
                field, reason = said.field, str(said)
                one |= {"field": field, "value": said.value, "expected": said.expected}
            one["reason"] = reason
            refused.append(intake.Refusal(reason, field, receipt.index, one["id"]))
        shown.append(one)
    noting.took(request, len(items), refused)
    return answer({"counts": counts, "receipts": shown})


def stored(grant: Grant, record: Record, table: Mapping[str, Slot] | None = None) -> recording.Receipt:
    """The receipt of one record; raises Refused when it cannot be stored."""
    receipt = recording.record(grant.project, [record], trust=grant.trust)[0]
    if receipt.state == "rejected":
        if receipt.error is not None:
            raise rest.translated(receipt.error, table or rest.GENERATION)
        raise Refused(422, "invalid_record", receipt.reason or "The record cannot be stored.")
    return receipt


def score_stored(grant: Grant, record: ScoreRecord) -> HttpResponse:
    """A score, stored, as the answer."""
    receipt = stored(grant, record, rest.SCORE)
    row = Score.objects.by_ids(grant.project.pk, "score", [str(receipt.id)]).first()
    if row is None:
        raise not_found("score", str(receipt.id))  # it was deleted since
    return answer(rest.score_document(bundles.score_record(row)), status=201 if receipt.state == "stored" else 200)


def _read(item: Json | InvalidRecord, read: Callable[[Json], R], grant: Grant) -> R | InvalidRecord:
    if isinstance(item, InvalidRecord):
        return item
    try:
        return grant.placed(read(item))
    except InvalidRecord as error:
        return error


def _bundle(grant: Grant, id: str) -> bundles.Bundle:
    found = bundles.generation(grant.project, id)
    if found is None:
        raise not_found("generation", id)
    return found


def _known(grant: Grant, id: str) -> str:
    """The id by which the generation is stored: another where it gave way to one that tells of the same call."""
    if (found := bundles.stands_for(grant.project, id)) is None:
        raise not_found("generation", id)
    return found


def _tags(name: str, value: Json) -> Sequence[str]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise InvalidRecord(name, value, "a list of tags")
    return value
