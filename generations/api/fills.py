"""Datasets that are filled over REST with all that match a filter: begun, watched, cancelled."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import datasets, gathering, jobs, tasks
from generations.access import Grant, Scope
from generations.api import receive, repeats, watching
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import Schema, closed, or_null
from generations.api.errors import not_found
from generations.api.operations import AGAIN, PROJECT, operation
from generations.filters import BadFilter
from generations.models import Job
from generations.records import Json

router = Router()
TAG: Final = "Datasets"
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_FILL: Final = closed(
    (*watching.STANDING, "dataset", "kind", "filters", "order", "result"),
    **watching.STANDING,
    dataset={"type": "string"},
    kind={"type": "string", "enum": list(gathering.KINDS)},
    filters={"type": "object"},
    order={"type": ["string", "null"]},
    result={
        **or_null(closed(("matched", "added"), matched=_WHOLE, added=_WHOLE)),
        "description": "Null until it is done. What the dataset had already is not added again.",
    },
)


@router.post(
    "/{id}/fill",
    **operation(
        "Fill a dataset with all that match",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(
            (),
            kind={"type": "string", "enum": list(gathering.KINDS), "default": gathering.KINDS[0]},
            filters={"type": "object", "description": "A filter document; everything when absent."},
            order={
                "type": ["string", "null"],
                "description": "In which items are added; the newest first when absent.",
            },
        ),
        example={"filters": {"feedback.rating": {"gte": 4}}},
        ok={202: _FILL},
        headers=[AGAIN],
    ),
)
def fill(request: HttpRequest, id: str) -> HttpResponse:
    """A job that adds an item for each generation or step that matches, but for those that the dataset has already: to
    begin it again is harmless. `Location` is where to watch it.
    """
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request, limit=receive.MAX_QUESTION), ("kind", "filters", "order"))
    kind, filters, order = asked.get("kind", gathering.KINDS[0]), asked.get("filters"), asked.get("order")
    if not isinstance(kind, str):
        raise BadFilter("kind", kind, f"one of {', '.join(gathering.KINDS)}")
    if not isinstance(filters, dict | None):
        raise BadFilter("filters", filters, 'an object of conditions, such as {"model.id": "gpt-4"}')
    if not isinstance(order, str | None):
        raise BadFilter("order", order, "a path, '-' in front for the largest first")
    job, again = repeats.job_of(request, grant, Job.Kind.BULK)
    if job is None:
        with transaction.atomic():
            job = gathering.into_dataset(grant, id, kind=kind, document=filters, order=order, id=again)
            tasks.send(job)
    at = f"/api/datasets/{job.parameters['dataset']}/fills/{job.pk}"
    return answer(_document(job), status=202, headers={"Location": at})


@router.get(
    "/{id}/fills/{job}",
    **operation("Watch a dataset being filled", tag=TAG, scope=Scope.READ, ok={200: _FILL}, query=[PROJECT]),
)
def get_fill(request: HttpRequest, id: str, job: str) -> HttpResponse:
    """Also one that was begun at a page."""
    return answer(_document(_found(grant_of(request), id, job)))


@router.post(
    "/{id}/fills/{job}/cancel",
    **operation("Cancel the filling of a dataset", tag=TAG, scope=Scope.READ, ok={200: _FILL}),
)
def cancel_fill(request: HttpRequest, id: str, job: str) -> HttpResponse:
    """Whoever started it may cancel it, anyone else needs the scope write. What was added by then stays."""
    grant = grant_of(request)
    ended = jobs.cancel(grant, _found(grant, id, job).pk)
    assert ended is not None
    return answer(_document(ended))


def _found(grant: Grant, dataset_id: str, id: str) -> Job:
    dataset, job = datasets.find(grant, dataset_id), gathering.filling(grant, id)
    if dataset is None or job is None or job.parameters["dataset"] != str(dataset.pk):
        raise not_found("fill", id)
    return job


def _document(job: Job) -> dict[str, Json]:
    asked, result = job.parameters, job.result or {}
    return {
        **watching.standing(job),
        "dataset": asked["dataset"],
        "kind": asked["kind"],
        "filters": asked["filter"],
        "order": asked["order"],
        "result": {name: result[name] for name in ("matched", "added")} if "matched" in result else None,
    }
