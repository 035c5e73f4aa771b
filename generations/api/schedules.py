"""Scheduled exports: made, read, changed, paused, run at once, deleted."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import tasks
from generations.access import Grant, Scope
from generations.api import receive
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import ref
from generations.api.errors import not_found
from generations.api.exports import TAG
from generations.api.exports import document as export
from generations.api.operations import PROJECT, operation
from generations.exporting import KINDS, schedules
from generations.exporting.writers import COMPRESSIONS, FORMATS
from generations.ingest.values import UnknownField, iso
from generations.models import ExportSchedule
from generations.records import Json

router = Router()
RUNS: Final = 20
"""The last runs that are told of a schedule."""

_SAID: Final = {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "kind": {"type": "string", "enum": list(KINDS), "default": "generations"},
    "format": {"type": "string", "enum": list(FORMATS), "default": "jsonl"},
    "compression": {"type": "string", "enum": list(COMPRESSIONS)},
    "filter": {"type": ["object", "null"], "description": "A filter document; everything when absent."},
    "fields": {
        "type": ["array", "null"],
        "items": {"type": "string"},
        "minItems": 1,
        "description": "All when absent.",
    },
    "incremental": {
        "type": "boolean",
        "default": False,
        "description": "Only what was recorded or changed since the last run that succeeded.",
    },
    "destination": {
        "type": "string",
        "minLength": 1,
        "description": "A folder such as `nightly/calls`, or `s3://bucket/prefix`.",
    },
    "every": {"type": "string", "enum": list(ExportSchedule.Every.values), "default": "day"},
    "minute": {"type": "integer", "minimum": 0, "maximum": 59, "default": 0},
    "hour": {"type": "integer", "minimum": 0, "maximum": 23, "default": 0},
    "weekday": {"type": "integer", "minimum": 0, "maximum": 6, "default": 0, "description": "0 is Monday."},
    "zone": {"type": "string", "default": "UTC", "description": "The time zone of hour and minute: Europe/Prague."},
    "paused": {"type": "boolean", "default": False},
}
_EXAMPLE: Final = {
    "name": "Nightly calls",
    "format": "parquet",
    "filter": {"environment": "production"},
    "incremental": True,
    "destination": "nightly",
    "every": "day",
    "hour": 2,
    "zone": "Europe/Prague",
}


@router.post(
    "",
    **operation(
        "Schedule an export",
        tag=TAG,
        scope=Scope.ADMIN,
        sent={
            "type": "object",
            "properties": _SAID,
            "required": ["name", "destination"],
            "additionalProperties": False,
        },
        example=_EXAMPLE,
        ok={201: ref("ExportSchedule")},
    ),
)
def create_schedule(request: HttpRequest) -> HttpResponse:
    """An export that is made every hour, day or week, and put into a folder of the server or a bucket."""
    schedule = schedules.create(grant_of(request), _said(request))
    return answer(document(schedule), status=201, headers={"Location": f"/api/export-schedules/{schedule.pk}"})


@router.get(
    "",
    **operation(
        "List scheduled exports",
        tag=TAG,
        scope=Scope.READ,
        ok={200: {"type": "object", "properties": {"data": {"type": "array", "items": ref("ExportSchedule")}}}},
        query=[PROJECT],
    ),
)
def list_schedules(request: HttpRequest) -> HttpResponse:
    """All of the project, by name."""
    return answer({"data": [document(schedule) for schedule in schedules.every(grant_of(request))]})


@router.get(
    "/{id}",
    **operation("Read a scheduled export", tag=TAG, scope=Scope.READ, ok={200: ref("ExportSchedule")}, query=[PROJECT]),
)
def get_schedule(request: HttpRequest, id: str) -> HttpResponse:
    """With `runs`, the last ones as exports with their manifests, the newest first."""
    grant = grant_of(request)
    schedule = _found(grant, id)
    runs = [export(job) for job in schedules.runs(grant, schedule, RUNS)]
    return answer({**document(schedule), "runs": runs})


@router.patch(
    "/{id}",
    **operation(
        "Change a scheduled export",
        tag=TAG,
        scope=Scope.ADMIN,
        sent={"type": "object", "properties": _SAID, "additionalProperties": False},
        example={"paused": True},
        ok={200: ref("ExportSchedule")},
    ),
)
def change_schedule(request: HttpRequest, id: str) -> HttpResponse:
    """What is absent stays. When it changes what is exported, or where to, the next run holds everything again."""
    schedule = schedules.change(grant_of(request), id, _said(request))
    if schedule is None:
        raise not_found("schedule", id)
    return answer(document(schedule))


@router.delete(
    "/{id}",
    **operation("Delete a scheduled export", tag=TAG, scope=Scope.ADMIN, ok={200: ref("ExportSchedule")}),
)
def delete_schedule(request: HttpRequest, id: str) -> HttpResponse:
    """A run that is under way is cancelled; the files that were made stay where they are."""
    schedule = schedules.delete(grant_of(request), id)
    if schedule is None:
        raise not_found("schedule", id)
    return answer(document(schedule))


@router.post(
    "/{id}/run",
    **operation("Run a scheduled export now", tag=TAG, scope=Scope.ADMIN, ok={202: ref("Export")}),
)
def run_schedule(request: HttpRequest, id: str) -> HttpResponse:
    """A run that does not wait for its time; the one that is under way, if there is one."""
    with transaction.atomic():
        job = schedules.run_now(grant_of(request), id)
        if job is None:
            raise not_found("schedule", id)
        tasks.send(job)
    return answer(export(job), status=202, headers={"Location": f"/api/exports/{job.pk}"})


def document(schedule: ExportSchedule) -> dict[str, Json]:
    """A schedule as JSON."""
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "kind": schedule.kind,
        "format": schedule.format,
        "compression": schedule.compression,
        "filter": schedule.filter,
        "fields": schedule.fields,
        "incremental": schedule.incremental,
        "destination": schedule.destination,
        "every": schedule.every,
        "minute": schedule.minute,
        "hour": schedule.hour,
        "weekday": schedule.weekday,
        "zone": schedule.zone,
        "paused": schedule.is_paused,
        "nextAt": None if schedule.is_paused else iso(schedule.next_at),
        "changedSince": iso(schedule.complete_until) if schedule.incremental and schedule.complete_until else None,
        "createdAt": iso(schedule.created_at),
    }


def _said(request: HttpRequest) -> dict[str, Json]:
    said = receive.mapping(request, limit=receive.MAX_QUESTION)
    for name in said:
        if name not in schedules.FIELDS:
            raise UnknownField(name, said[name], schedules.FIELDS)
    return said


def _found(grant: Grant, id: str) -> ExportSchedule:
    schedule = schedules.find(grant, id)
    if schedule is None:
        raise not_found("schedule", id)
    return schedule
