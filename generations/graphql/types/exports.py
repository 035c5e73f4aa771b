"""Exports: everything that matches a filter, written to a file by a worker."""

from __future__ import annotations

import datetime as dt
from typing import Any

import strawberry
from strawberry.scalars import JSON

from generations import exporting, models
from generations.graphql import scalars
from generations.graphql.nodes import Batch, column, part, resolved


@strawberry.type(description="How far a job has come.")
class Progress:
    """The progress of a job."""

    row: strawberry.Private[models.Job]
    batch: strawberry.Private[Batch[models.Job]]

    done: float = column("progress_done", "Rows that are done.")
    total: float | None = column("progress_total", "Rows that there are to do; null while that is not known.")

    @resolved("From 0 to 1; null while the total is not known.")
    def fraction(self) -> float | None:
        """Done over total."""
        if self.row.progress_total is None:
            return None
        return min(self.row.progress_done / self.row.progress_total, 1.0) if self.row.progress_total else 1.0


@strawberry.type(description="A file in the making, or made.")
class Export:
    """A row of jobs of the kind export."""

    row: strawberry.Private[models.Job]
    batch: strawberry.Private[Batch[models.Job]]

    id: strawberry.ID = column("pk", "The id of the export.")
    state: str = column("state", "queued, running, done, failed, cancelled or expired.")
    progress: Progress = part(Progress, "How far it has come.")
    attempts: int = column("attempts", "How often a worker has begun it.")
    created_at: dt.datetime = column("created_at", "When it was asked for.")
    schedule_id: strawberry.ID | None = column(
        "schedule_id", "The schedule that it is a run of; null when somebody started it."
    )
    started_at: dt.datetime | None = column("started_at", "When a worker began it; null before that.")
    finished_at: dt.datetime | None = column("finished_at", "When it ended; null before that.")
    expires_at: dt.datetime | None = column("expires_at", "When its file is deleted; null while it has none.")

    @resolved("The list that is exported: generations, steps, ...")
    def kind(self) -> str:
        """The list's name."""
        return str(self._asked("kind"))

    @resolved("jsonl, csv, parquet, ...")
    def format(self) -> str:
        """The file's format."""
        return exporting.Asked.of(self.row).format

    @resolved("How it is packed: none, gzip or zstd.")
    def compression(self) -> str:
        """The compression."""
        return exporting.Asked.of(self.row).compression

    @resolved("What is in the file and how it came to be; null until it is there. It outlives the file.")
    def manifest(self) -> JSON | None:
        """The manifest."""
        found = self.row.result.get("manifest")
        return None if found is None else scalars.json(found)

    @resolved("Where a run of a schedule put its file; null when it was kept to be downloaded.")
    def delivered(self) -> str | None:
        """A folder's file, or an address in a bucket."""
        found = self.row.result.get("delivered")
        return None if found is None else str(found)

    @resolved("The filter as a document; an empty one exports everything.")
    def filter(self) -> JSON:
        """The filter."""
        return scalars.json(self._asked("filter") or {})

    @resolved("The fields that are written; null for all.")
    def fields(self) -> list[str] | None:
        """Paths."""
        found = self._asked("fields")
        return found if isinstance(found, list) else None

    @resolved("The order of the rows, such as `-usage.cost`; null for the newest first.")
    def order(self) -> str | None:
        """A path, with - for descending."""
        found = self._asked("order")
        return None if found is None else str(found)

    @resolved("Why it failed; null when it did not.")
    def error(self) -> str | None:
        """The sentence for whoever started it."""
        return self.row.error or None

    @resolved("Rows in the file; null until it is there.")
    def rows(self) -> float | None:
        """The number of rows."""
        return self._made("rows")

    @resolved("The size of the file in bytes; null until it is there.")
    def bytes(self) -> float | None:
        """The size."""
        return self._made("bytes")

    @resolved("The hash of the file, in hexadecimal; null until it is there.")
    def sha256(self) -> str | None:
        """The hash."""
        found = self.row.result.get("sha256")
        return None if found is None else str(found)

    @resolved(
        "Where whoever has this path may fetch the file, for a while; null until it is there, and when it is gone."
    )
    def download_path(self) -> str | None:
        """A signed path."""
        lost = self.batch.once("lost files", lambda: exporting.lost(self.batch.rows))
        return exporting.download_path(self.row) if exporting.has_file(self.row) and self.row.pk not in lost else None

    def _asked(self, name: str) -> Any:
        return self.row.parameters.get(name)

    def _made(self, name: str) -> float | None:
        found = self.row.result.get(name)
        return None if found is None else float(found)
