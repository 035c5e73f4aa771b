"""Jobs over REST: exports, imports and evaluations are watched and cancelled alike, and told of alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import jobs
from generations.access import Grant, Scope
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import TIME, Schema, closed, or_null, ref
from generations.api.errors import not_found
from generations.api.operations import PROJECT, operation
from generations.ingest.values import iso
from generations.models import Job
from generations.records import Json

_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
STANDING: Final[dict[str, Schema]] = {
    "id": {"type": "string"},
    "state": {"type": "string", "enum": list(Job.State.values)},
    "progress": closed(
        ("done", "total"), done=_WHOLE, total={**or_null(_WHOLE), "description": "Null: not known yet."}
    ),
    "error": {"type": ["string", "null"], "description": "Why it failed; null when it did not."},
    "attempts": {**_WHOLE, "description": "How often a worker has begun it."},
    "createdAt": TIME,
    "startedAt": {**or_null(TIME), "description": "When a worker began it."},
    "finishedAt": {**or_null(TIME), "description": "When it ended."},
}
"""The schemas of what `standing` says."""


def standing(job: Job) -> dict[str, Json]:
    """How a job stands, as every kind of job tells it."""
    return {
        "id": str(job.pk),
        "state": job.state,
        "progress": {"done": job.progress_done, "total": job.progress_total},
        "error": job.error or None,
        "attempts": job.attempts,
        "createdAt": iso(job.created_at),
        "startedAt": iso(job.started_at) if job.started_at else None,
        "finishedAt": iso(job.finished_at) if job.finished_at else None,
    }


def found(grant: Grant, id: str, kind: Job.Kind) -> Job:
    """The project's job of this id and kind. Raises Refused, 404."""
    job = jobs.find(grant, id, kind)
    if job is None:
        raise not_found(kind.value, id)
    return job


def add(router: Router, kind: Job.Kind, document: Callable[[Job], Json], *, tag: str, watch: str, stays: str) -> None:
    """Give `router` the addresses by which a job is watched and cancelled.

    `watch` describes the one; `stays` says what a cancelled job leaves behind.
    """
    schema = {200: ref(kind.name.capitalize())}

    def get(request: HttpRequest, id: str) -> HttpResponse:
        return answer(document(found(grant_of(request), id, kind)))

    def cancel(request: HttpRequest, id: str) -> HttpResponse:
        grant = grant_of(request)
        job = jobs.cancel(grant, found(grant, id, kind).pk)
        assert job is not None
        return answer(document(job))

    scope = jobs.cancelled_with(kind).value
    about = f"Whoever started it may cancel it, anyone else needs the scope {scope}. {stays}"
    router.get(
        "/{id}",
        **operation(f"Watch an {kind.value}", tag=tag, scope=Scope.READ, ok=schema, query=[PROJECT]),
        description=watch,
        operation_id=f"get_{kind.value}",
    )(get)
    router.post(
        "/{id}/cancel",
        **operation(f"Cancel an {kind.value}", tag=tag, scope=Scope.READ, ok=schema),
        description=f"{about} One that has ended stays as it is.",
        operation_id=f"cancel_{kind.value}",
    )(cancel)
