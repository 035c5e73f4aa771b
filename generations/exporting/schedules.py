"""Exports that are made again and again: what is to be made, when, and where it goes.

A run is a job like any other. Beat hands it out and moves the schedule on in one transaction, so that none is lost and
none is made twice; a run waits for the one before, and what was missed while nothing ran is made good by one run. An
incremental run holds what was recorded or changed since the last one that succeeded: each change is in at least one
file. What was changed in the minute around a run, or by a transaction that was open then, may be in two.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import uuid
import zoneinfo
from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from generations import holds, jobs, recording
from generations.access import Grant, Scope, audit
from generations.exporting import changes, destinations
from generations.exporting.asked import Asked, checked
from generations.exporting.occurrences import Rhythm
from generations.models import ExportSchedule, Job
from generations.records import InvalidRecord, Json

MOST: Final = 100
"""Schedules of a project."""
OPEN: Final = (Job.State.QUEUED, Job.State.RUNNING)
FIELDS: Final = (
    *("name", "kind", "format", "compression", "filter", "fields", "incremental", "destination"),
    *("every", "minute", "hour", "weekday", "zone", "paused"),
)
"""What may be said of a schedule."""
_CONTENT: Final = ("kind", "format", "compression", "filter", "fields", "incremental", "destination")
_LONGEST: Final = {
    ExportSchedule.Every.HOUR: dt.timedelta(hours=1),
    ExportSchedule.Every.DAY: dt.timedelta(days=1),
    ExportSchedule.Every.WEEK: dt.timedelta(days=7),
}
_SHIFT: Final = dt.timedelta(hours=3)
"""By how much clocks that are put back for the winter make a day longer, at most, and so may two machines' differ."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


def every(grant: Grant) -> list[ExportSchedule]:
    """The project's schedules, by name. Needs the scope `read`."""
    grant.need(Scope.READ)
    return list(ExportSchedule.objects.filter(project=grant.project))


def find(grant: Grant, schedule_id: uuid.UUID | str) -> ExportSchedule | None:
    """The project's schedule of this id; None where there is none, or the text is no id at all. Needs `read`."""
    grant.need(Scope.READ)
    try:
        number = schedule_id if isinstance(schedule_id, uuid.UUID) else uuid.UUID(schedule_id)
    except ValueError:
        return None
    return ExportSchedule.objects.filter(project=grant.project, pk=number).first()


def create(grant: Grant, said: Mapping[str, Any]) -> ExportSchedule:
    """A new schedule of what is `said` under the names of FIELDS. Needs the scope `admin`: it takes records out of the
    project for as long as it is there. Raises BadFilter and InvalidRecord."""
    grant.need(Scope.ADMIN)
    schedule = ExportSchedule(project=grant.project, created_by=grant.user, created_by_key=grant.key)
    _fill(grant, schedule, {"name": None, "destination": None, **said})
    if ExportSchedule.objects.filter(project=grant.project).count() >= MOST:
        raise InvalidRecord("name", schedule.name, f"at most {MOST} schedules in a project; delete one first")
    return _saved(grant, schedule, "schedule.create")


def change(grant: Grant, schedule_id: uuid.UUID | str, said: Mapping[str, Any]) -> ExportSchedule | None:
    """The schedule with what is `said`; None when there is none. Needs the scope `admin`.

    When it says what is exported or where to, the next run begins anew: it holds everything.
    """
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        found = find(grant, schedule_id)
        if found is None:
            return None
        schedule = ExportSchedule.objects.select_for_update().get(pk=found.pk)
        before = [getattr(schedule, name) for name in _CONTENT]
        _fill(grant, schedule, said)
        if [getattr(schedule, name) for name in _CONTENT] != before:
            schedule.revision += 1
            schedule.complete_until = None
        return _saved(grant, schedule, "schedule.change")


def delete(grant: Grant, schedule_id: uuid.UUID | str) -> ExportSchedule | None:
    """Delete a schedule and stop its run; what it made stays. None when there is none. Needs the scope `admin`."""
    grant.need(Scope.ADMIN)
    schedule = find(grant, schedule_id)
    if schedule is None:
        return None
    with transaction.atomic():
        for job in Job.objects.filter(schedule=schedule, state__in=OPEN):
            jobs.cancel(grant, job.pk)
        audit(grant, "schedule.delete", "schedule", str(schedule.pk), {"name": schedule.name})
        ExportSchedule.objects.filter(pk=schedule.pk).delete()
    return schedule


def run_now(grant: Grant, schedule_id: uuid.UUID | str) -> Job | None:
    """A run that does not wait for its time, or the one that is under way; None when there is no such schedule.

    Needs the scope `admin`. The door sends it to a worker.
    """
    grant.need(Scope.ADMIN)
    schedule = find(grant, schedule_id)
    if schedule is None:
        return None
    distrust(timezone.now())
    with transaction.atomic():
        schedule = ExportSchedule.objects.select_for_update().get(pk=schedule.pk)
        under_way = Job.objects.filter(schedule=schedule, state__in=OPEN).first()
        return under_way or _begin(grant, schedule, timezone.now())


def due(now: dt.datetime | None = None) -> list[Job]:
    """Runs of the schedules whose time has come, each made once however often and wherever this is called."""
    moment = now or timezone.now()
    made = []
    distrust(moment)
    with transaction.atomic():
        under_way = Job.objects.filter(schedule=OuterRef("pk"), state__in=OPEN)
        ready = ExportSchedule.objects.filter(~Exists(under_way), is_paused=False, next_at__lte=moment)
        locked = ready.select_for_update(skip_locked=True, of=("self",)).select_related("project")
        for schedule in locked.order_by("next_at")[:100]:
            grant = Grant(schedule.project, frozenset(Scope), user=schedule.created_by, key=schedule.created_by_key)
            made.append(_begin(grant, schedule, schedule.next_at))
            ExportSchedule.objects.filter(pk=schedule.pk).update(next_at=rhythm(schedule).after(moment))
    return made


def distrust(moment: dt.datetime) -> None:
    """Forget what was reckoned by a clock that was ahead and has been set back.

    A schedule that has delivered all up to a moment that is not here yet begins anew with everything: what changes
    until then would be in no increment. One whose turn is further off than its rhythm allows has it when it is due by
    the clock as it is.
    """
    ExportSchedule.objects.filter(incremental=True, complete_until__gt=moment).update(complete_until=None)
    for every, longest in _LONGEST.items():
        late = ExportSchedule.objects.filter(every=every, next_at__gt=moment + longest + _SHIFT)
        for schedule in late:
            late.filter(pk=schedule.pk).update(next_at=rhythm(schedule).after(moment))


def runs(grant: Grant, schedule: ExportSchedule, number: int) -> list[Job]:
    """The last runs, the newest first. Needs `read`."""
    grant.need(Scope.READ)
    return list(Job.objects.filter(project=grant.project, schedule=schedule).order_by("-created_at")[:number])


def last_runs(grant: Grant, number: int) -> list[Job]:
    """So many of the last runs of each schedule of the project, the newest first, in one query. Needs `read`."""
    grant.need(Scope.READ)
    place = Window(RowNumber(), partition_by=F("schedule_id"), order_by=F("created_at").desc())
    runs = Job.objects.filter(project=grant.project, schedule__isnull=False).annotate(place=place)
    return list(runs.filter(place__lte=number).order_by("-created_at"))


def rhythm(schedule: ExportSchedule) -> Rhythm:
    """When it is made."""
    return Rhythm(schedule.every, schedule.minute, schedule.hour, schedule.weekday, schedule.zone)


def ended(job: Job, complete_until: dt.datetime) -> None:
    """A run has succeeded: the next one begins where its snapshot ended. In the transaction that says so.

    Unless what it was to begin with was taken back meanwhile: then the next one brings everything.
    """
    revision = job.parameters.get("revision")
    if job.schedule_id is not None:
        own = ExportSchedule.objects.filter(pk=job.schedule_id, revision=revision)
        since = Asked.of(job).since
        (own if since is None else own.filter(complete_until=since)).update(complete_until=complete_until)


def _begin(grant: Grant, schedule: ExportSchedule, planned: dt.datetime) -> Job:
    asked = Asked(
        kind=schedule.kind,
        format=schedule.format,
        compression=schedule.compression,
        filter=schedule.filter,
        fields=schedule.fields,
        since=schedule.complete_until if schedule.incremental else None,
    )
    parameters = asked.parameters() | {
        "destination": schedule.destination,
        "name": f"{_slug(schedule)}/{schedule.kind}-{planned:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "revision": schedule.revision,
    }
    return jobs.create(grant, Job.Kind.EXPORT, parameters, schedule=schedule)


def _slug(schedule: ExportSchedule) -> str:
    """Two names may read the same in a path, and their files must not meet: the id tells them apart."""
    return f"{re.sub(r'[^a-z0-9]+', '-', schedule.name.lower()).strip('-')[:40] or 'schedule'}-{str(schedule.pk)[-6:]}"


# ------------------------------------------------------------------------------------------------------------- checking
def _fill(grant: Grant, schedule: ExportSchedule, said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if name in ("kind", "format", "compression") and not isinstance(value, str):
            raise InvalidRecord(name, value, "a text")
        if name == "fields" and value is not None and not isinstance(value, list):
            raise InvalidRecord("fields", value, "a list of paths, or null for all")
        if name == "name" and not (isinstance(value, str) and _NAME.fullmatch(value.strip())):
            raise InvalidRecord("name", value, "1 to 100 characters")
        if name in ("incremental", "paused") and not isinstance(value, bool):
            raise InvalidRecord(name, value, "true or false")
        if name in _BOUNDS:
            _check_number(name, value, _BOUNDS[name])
        if name == "every" and value not in ExportSchedule.Every.values:
            raise InvalidRecord("every", value, f"one of {', '.join(ExportSchedule.Every.values)}")
        if name == "zone" and not (isinstance(value, str) and value in zoneinfo.available_timezones()):
            raise InvalidRecord("zone", value, "the name of a time zone, such as Europe/Prague or UTC")
        if name == "destination":
            destinations.read(value)
        stored = value.strip() if isinstance(value, str) else value
        setattr(schedule, "is_paused" if name == "paused" else name, stored)
    asked = checked(
        grant.project,
        kind=schedule.kind,
        format=schedule.format,
        compression=schedule.compression if "compression" in said or not schedule._state.adding else None,
        condition_document=_objects(schedule.filter),
        fields=schedule.fields,
        order=None,
    )
    schedule.format, schedule.compression, schedule.filter = asked.format, asked.compression, asked.filter
    if schedule.incremental and schedule.kind not in changes.KINDS:
        raise InvalidRecord(
            "incremental", True, f"false for {schedule.kind}; what changed is known of {', '.join(changes.KINDS)}"
        )
    if schedule._state.adding or not {*_RHYTHM, "paused"}.isdisjoint(said):
        schedule.next_at = rhythm(schedule).after(timezone.now())


_BOUNDS: Final = {"minute": 59, "hour": 23, "weekday": 6}
_RHYTHM: Final = ("every", "minute", "hour", "weekday", "zone")


def _check_number(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidRecord(name, value, f"a whole number from 0 to {most}")


def _objects(document: Json) -> Json:
    if document is not None and not isinstance(document, dict):
        raise InvalidRecord("filter", document, 'an object of conditions, such as {"model.id": "gpt-4"}')
    return document


def _saved(grant: Grant, schedule: ExportSchedule, action: str) -> ExportSchedule:
    try:
        with transaction.atomic():
            if schedule.incremental:
                _wait_for_who_deletes(grant.project.pk)
            schedule.save()
            audit(grant, action, "schedule", str(schedule.pk), {"name": schedule.name, "to": schedule.destination})
    except IntegrityError:
        raise InvalidRecord("name", schedule.name, "a name that no other schedule of the project has") from None
    return schedule


def _wait_for_who_deletes(project: int) -> None:
    """Who deletes or moves something now has seen no schedule to note it for, and the first run may still show it. From
    here to the end of the transaction nobody else begins to."""
    with connection.cursor() as cursor:
        cursor.execute(*holds.alone(project))
        cursor.execute(recording.alone(project))
