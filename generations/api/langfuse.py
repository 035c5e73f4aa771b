"""`/api/public/ingestion` and `/api/public/scores`: where Langfuse's clients send scores beside their spans.

Files that these clients cut out of spans come to `langfuse_media`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from generations import intake
from generations.access import Grant
from generations.api import otlp, otlp_logs, receive
from generations.api.answers import dumps
from generations.api.errors import Refused
from generations.api.straight import straight
from generations.ingest import langfuse
from generations.intake import Refusal
from generations.records import InvalidRecord, Json, ScoreRecord

DOOR: Final = "langfuse"
SCORE: Final = "score-create"
MOST: Final = 10_000
"""Events of one request."""


@straight
@csrf_exempt
def ingestion(request: HttpRequest) -> HttpResponse:
    """Take a batch of events: scores are stored, and each of another type is told where it belongs."""
    return answered(request, {"POST": _ingest})


@straight
@csrf_exempt
def scores(request: HttpRequest) -> HttpResponse:
    """Take a score, or an array of them."""
    return answered(request, {"POST": _score})


@straight
@csrf_exempt
def projects(request: HttpRequest) -> HttpResponse:
    """Say which project the key is of: by that, clients find out whether they are let in."""

    def told(request: HttpRequest, grant: Grant) -> HttpResponse:
        named = {"id": str(grant.project.pk), "name": grant.project.name}
        return document({"data": [{**named, "metadata": {}, "organization": named}]})

    return answered(request, {"GET": told})


urlpatterns = [
    re_path(r"^api/public/ingestion/?\Z", ingestion),
    re_path(r"^api/public/scores/?\Z", scores),
    re_path(r"^api/public/projects/?\Z", projects),
]


def answered(request: HttpRequest, works: Mapping[str, Callable[[HttpRequest, Grant], HttpResponse]]) -> HttpResponse:
    """What the work of the request's method answers to a key that may send, or why not."""

    def checked() -> HttpResponse:
        if (work := works.get(request.method or "")) is None:
            sentence = f"Send a {' or a '.join(works)}."
            raise Refused(405, "method_not_allowed", sentence, headers={"Allow": ", ".join(works)})
        return work(request, otlp.exporter(request))

    return otlp.guarded(checked, refused)


def refused(status: int, message: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """An error as Langfuse's clients read it."""
    return document({"error": HTTPStatus(status).phrase, "message": message}, status, headers)


def document(told: Json, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """A document as an answer."""
    return HttpResponse(dumps(told), status=status, content_type=otlp.JSON, headers=headers)


def _score(request: HttpRequest, grant: Grant) -> HttpResponse:
    given = receive.document(request)
    listed = given if isinstance(given, list) else [given]
    reasons = _stored(request, grant, listed, [_told(one) for one in listed])
    if not isinstance(given, list):
        return refused(400, reasons[0]) if reasons else document({"id": langfuse.score(given).id})
    if not reasons:
        return document({"message": "Accepted"}, 202)
    errors: list[Json] = [{"message": reason} for reason in reasons.values()]
    return document({"accepted": len(listed) - len(errors), "rejected": len(errors), "errors": errors}, 207)


def _ingest(request: HttpRequest, grant: Grant) -> HttpResponse:
    batch = receive.mapping(request).get("batch")
    if not isinstance(batch, list):
        raise Refused(400, "malformed", 'The body has to be {"batch": [...]}, an array of events.')
    reasons = _stored(request, grant, batch, [_read(event) for event in batch])
    successes: list[Json] = []
    errors: list[Json] = []
    for place, event in enumerate(batch):
        if (reason := reasons.get(place)) is None:
            successes.append({"id": _id(event), "status": 201})
        else:
            errors.append({"id": _id(event), "status": 400, "message": reason, "error": "InvalidRequestError"})
    return document({"successes": successes, "errors": errors}, 207)


def _stored(
    request: HttpRequest, grant: Grant, given: Sequence[Json], read: Sequence[ScoreRecord | str]
) -> dict[int, str]:
    """Why those of these scores that could not be stored were refused, by their places; `read` may say so already."""
    if len(given) > MOST:
        raise Refused(413, "too_large", f"A batch has at most {MOST} items; this one has {len(given)}.")
    records = {place: one for place, one in enumerate(read) if isinstance(one, ScoreRecord)}
    outcomes: dict[int, str | None] = {place: one for place, one in enumerate(read) if isinstance(one, str)}
    if records:
        outcomes |= zip(records, otlp_logs.write_scores(grant.project, list(records.values())), strict=True)
    reasons = {place: reason for place in sorted(outcomes) if (reason := outcomes[place]) is not None}
    refusals = [Refusal(reason, None, place, _id(given[place]) or None) for place, reason in reasons.items()]
    agent = agent_of(request)
    if refusals:
        intake.keep(grant.project, DOOR, refusals, receive.taken(request), agent)
    if given:
        intake.count(grant.project, DOOR, agent, len(given), len(refusals))
    return reasons


def agent_of(request: HttpRequest) -> str:
    """Which of the clients this is."""
    names = [request.headers.get(f"x-langfuse-sdk-{part}", "") for part in ("name", "version")]
    return f"langfuse {' '.join(names)}".strip() if any(names) else request.headers.get("User-Agent", "")


def _id(event: Json) -> str:
    id = event.get("id") if isinstance(event, dict) else None
    return id if isinstance(id, str) else ""


def _told(body: Json, event_id: str | None = None, said_at: Json = None) -> ScoreRecord | str:
    """The score that a body is, or why it is none."""
    try:
        return langfuse.score(body, event_id, said_at)
    except InvalidRecord as error:
        return str(error)


def _read(event: Json) -> ScoreRecord | str:
    """The score that an event is, or why it is none."""
    if not isinstance(event, dict):
        return "An event is an object with id, type, timestamp and body."
    if event.get("type") != SCORE:
        kind = str(event.get("type"))[:80]
        return (
            f"Events of type '{kind}' are not read here, only '{SCORE}': traces and observations come as OpenTelemetry,"
            " which Langfuse's SDKs send from version 3 for Python and 4 for JavaScript on."
        )
    return _told(event.get("body"), _id(event) or None, event.get("timestamp"))
