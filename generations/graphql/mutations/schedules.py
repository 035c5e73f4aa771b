"""Make, change, run and delete scheduled exports."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from generations import models, tasks
from generations.access import Grant, Scope
from generations.exporting import schedules
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import may
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.exports import Export
from generations.graphql.types.schedules import ExportSchedule


@strawberry.input(description="What is said of a scheduled export; what is left out stays, or is as is usual.")
class ExportScheduleInput:
    """The names of `schedules.FIELDS`."""

    name: str | None = may("What people call it.")
    kind: str | None = may("generations, steps, threads, scores or datasets.")
    format: str | None = may("jsonl, csv or parquet.")
    compression: str | None = may("none, gzip or zstd.")
    filter: JSON | None = may("A filter document; everything when there is none.")
    fields: list[str] | None = may("The fields to write; null for all.")
    incremental: bool | None = may("Only what was recorded or changed since the last run that succeeded.")
    destination: str | None = may("A folder such as `nightly`, or `s3://bucket/prefix`.")
    every: str | None = may("hour, day or week.")
    minute: int | None = may("0 to 59.")
    hour: int | None = may("0 to 23.")
    weekday: int | None = may("0, a Monday, to 6.")
    zone: str | None = may("The time zone of hour and minute: Europe/Prague.")
    paused: bool | None = may("Whether it waits until somebody goes on with it.")

    def given(self) -> dict[str, object]:
        """What is said, by name."""
        return {name: value for name in schedules.FIELDS if (value := getattr(self, name)) is not strawberry.UNSET}


Said = Annotated[ExportScheduleInput, strawberry.argument(description="What is said of it.")]


@strawberry.type
class ScheduleMutations:
    """Mutations of scheduled exports."""

    @guarded(Scope.ADMIN, "An export that is made every hour, day or week.")
    def create_export_schedule(self, info: Info, input: Said) -> ExportSchedule | None:
        """A schedule."""
        grant = info.context.grant
        return _shown(grant, schedules.create(grant, input.given()))

    @guarded(Scope.ADMIN, "Change or pause a scheduled export. A change of what is exported begins anew.")
    def update_export_schedule(self, info: Info, id: Id, input: Said) -> ExportSchedule | None:
        """The schedule as it is then."""
        grant = info.context.grant
        return _shown(grant, _found(schedules.change(grant, id, input.given()), id))

    @guarded(Scope.ADMIN, "Delete a scheduled export. Its files stay.")
    def delete_export_schedule(self, info: Info, id: Id) -> ExportSchedule | None:
        """The schedule as it was."""
        grant = info.context.grant
        return _shown(grant, _found(schedules.delete(grant, id), id))

    @guarded(Scope.ADMIN, "A run of a scheduled export that does not wait for its time.")
    def run_export_schedule(self, info: Info, id: Id) -> Export | None:
        """A job, sent to a worker."""
        grant = info.context.grant
        job = schedules.run_now(grant, id)
        if job is None:
            raise not_found("schedule", id)
        tasks.send(job)
        return Export(row=job, batch=Batch(grant, [job]))


def _found(schedule: models.ExportSchedule | None, id: str) -> models.ExportSchedule:
    if schedule is None:
        raise not_found("schedule", id)
    return schedule


def _shown(grant: Grant, schedule: models.ExportSchedule) -> ExportSchedule:
    return ExportSchedule(row=schedule, batch=Batch(grant, [schedule]))
