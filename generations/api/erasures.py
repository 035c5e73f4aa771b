"""Erasures over REST: one participant taken out of everything, counted beforehand, begun, watched and reported.

The participant is named in the body: an address is written into the log of every machine on its way.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import holds, retention, tasks
from generations.access import Scope
from generations.api import plain, receive, repeats, watching
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import closed, page_of, ref
from generations.api.operations import AGAIN, operation
from generations.ingest.values import nearest
from generations.models import Job
from generations.records import InvalidRecord, Json

router = Router()
TAG: Final = "Erasures"
_ASKED: Final = closed(
    ("participant",),
    participant={"type": "string", "minLength": 1, "description": "The participant's id: what `userId` names."},
)
_EXAMPLE: Final = {"participant": "user-456"}


@router.get(
    "",
    **operation("List erasures", tag=TAG, scope=Scope.READ, ok={200: page_of(ref("Erasure"))}, query=plain.QUERY),
)
def list_erasures(request: HttpRequest) -> HttpResponse:
    """The newest first, also those that were started at a page."""
    rows = Job.objects.filter(project=grant_of(request).project, kind=Job.Kind.ERASURE)
    return plain.page(request, rows, plain.each(document))


@router.post(
    "/preview",
    **operation(
        "Count what an erasure would take",
        tag=TAG,
        scope=Scope.ADMIN,
        sent=_ASKED,
        example=_EXAMPLE,
        ok={200: ref("ErasurePreview")},
    ),
)
def preview_erasure(request: HttpRequest) -> HttpResponse:
    """The same count as on the page, and the legal hold that would refuse it. Nothing is changed."""
    grant, id = grant_of(request), _participant(request)
    if not retention.is_erasable(grant.project, id):
        raise retention.NoSuchParticipant(id)
    foretold = retention.foretell(grant.project, id)
    hold = retention.hold_of(grant.project, id)
    return answer(
        {
            "participant": id,
            "counts": {named(name): count for name, count in foretold.counts.items()},
            "exact": foretold.is_exact,
            "held": None if hold is None else str(holds.Held(hold, "participant")),
        }
    )


@router.post(
    "",
    **operation(
        "Erase a participant",
        tag=TAG,
        scope=Scope.ADMIN,
        sent=_ASKED,
        example=_EXAMPLE,
        ok={202: ref("Erasure")},
        headers=[AGAIN],
        refuses=(409,),
    ),
)
def start_erasure(request: HttpRequest) -> HttpResponse:
    """A job that deletes everything of theirs for good; `Location` is where to watch it. There is no way back. Without
    an `Idempotency-Key` one of theirs that no worker has begun is the same job. 409 `held` while a legal hold keeps
    something of theirs."""
    grant, id = grant_of(request), _participant(request)
    job, again = repeats.job_of(request, grant, Job.Kind.ERASURE)
    if job is None:
        with transaction.atomic():
            job = retention.erase(grant, id, id=again)
            tasks.send(job)
    return answer(document(job), status=202, headers={"Location": f"/api/erasures/{job.pk}"})


def document(job: Job) -> dict[str, Json]:
    """An erasure as JSON."""
    return {
        **watching.standing(job),
        "participant": job.parameters["participant"],
        "counts": {named(name): job.result.get(name, 0) for name in retention.COUNTED} if job.result else None,
        "delivered": job.result.get(retention.DELIVERED, []),
    }


watching.add(
    router,
    Job.Kind.ERASURE,
    document,
    tag=TAG,
    watch="Its state, and the report of what went. One that failed says why; what it counts was erased before.",
    stays="What was erased by then is gone.",
)


def named(name: str) -> str:
    """A name of the report as documents spell it: `datasetItems`."""
    first, *others = name.split()
    return first + "".join(word.capitalize() for word in others)


def _participant(request: HttpRequest) -> str:
    said = receive.mapping(request, limit=receive.MAX_QUESTION)
    for name in said.keys() - {"participant"}:
        raise InvalidRecord(name, said[name], nearest(name, ["participant"]))
    id = said.get("participant")
    if not isinstance(id, str) or not id:
        raise InvalidRecord("participant", id, "the id of a participant, a text")
    return id
