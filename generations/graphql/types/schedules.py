"""Scheduled exports."""

from __future__ import annotations

import datetime as dt

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import scalars
from generations.graphql.nodes import Batch, column, resolved


@strawberry.type(description="An export that is made again and again, into a folder or a bucket.")
class ExportSchedule:
    """A row of schedules."""

    row: strawberry.Private[models.ExportSchedule]
    batch: strawberry.Private[Batch[models.ExportSchedule]]

    id: strawberry.ID = column("pk", "The id of the schedule.")
    name: str = column("name", "What people call it.")
    kind: str = column("kind", "The list that is exported: generations, steps, ...")
    format: str = column("format", "jsonl, csv or parquet.")
    compression: str = column("compression", "none, gzip or zstd.")
    fields: list[str] | None = column("fields", "The fields that are written; null for all.")
    incremental: bool = column("incremental", "Whether a run holds only what changed since the last that succeeded.")
    destination: str = column("destination", "A folder, or `s3://bucket/prefix`.")
    every: str = column("every", "hour, day or week.")
    minute: int = column("minute", "The minute of the hour.")
    hour: int = column("hour", "The hour of the day.")
    weekday: int = column("weekday", "The day of the week; 0 is Monday.")
    zone: str = column("zone", "The time zone of hour and minute.")
    paused: bool = column("is_paused", "Whether it waits until somebody goes on with it.")
    created_at: dt.datetime = column("created_at", "When it was made.")

    @resolved("The filter as a document; an empty one exports everything.")
    def filter(self) -> JSON:
        """The filter."""
        return scalars.json(self.row.filter)

    @resolved("When it is made next; null while it is paused.")
    def next_at(self) -> dt.datetime | None:
        """The next occurrence."""
        return None if self.row.is_paused else self.row.next_at

    @resolved("From when on the next run tells what changed; null when it tells everything.")
    def changed_since(self) -> dt.datetime | None:
        """Where the last run that succeeded ended."""
        return self.row.complete_until if self.row.incremental else None
