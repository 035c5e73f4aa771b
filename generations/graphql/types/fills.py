"""Datasets being filled with all that match a filter."""

from __future__ import annotations

import datetime as dt

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import scalars
from generations.graphql.nodes import Batch, column, part, resolved
from generations.graphql.types.exports import Progress


@strawberry.type(description="A dataset that is filled by a worker with all that match a filter.")
class DatasetFill:
    """A row of jobs that do one thing to many rows, here: fill a dataset."""

    row: strawberry.Private[models.Job]
    batch: strawberry.Private[Batch[models.Job]]

    id: strawberry.ID = column("pk", "The id of the job.")
    state: str = column("state", "queued, running, done, failed or cancelled.")
    progress: Progress = part(Progress, "How far it has come.")
    attempts: int = column("attempts", "How often a worker has begun it.")
    created_at: dt.datetime = column("created_at", "When it was asked for.")
    started_at: dt.datetime | None = column("started_at", "When a worker began it; null before that.")
    finished_at: dt.datetime | None = column("finished_at", "When it ended; null before that.")

    @resolved("The dataset.")
    def dataset_id(self) -> strawberry.ID:
        """An id."""
        return strawberry.ID(self.row.parameters["dataset"])

    @resolved("What it is filled with: generations or steps.")
    def kind(self) -> str:
        """The list's name."""
        return str(self.row.parameters["kind"])

    @resolved("The filter as a document; an empty one lets everything match.")
    def filter(self) -> JSON:
        """The filter."""
        return scalars.json(self.row.parameters["filter"] or {})

    @resolved("The order in which items are added, such as `-usage.cost`; null for the newest first.")
    def order(self) -> str | None:
        """A path, with - for descending."""
        found = self.row.parameters["order"]
        return None if found is None else str(found)

    @resolved("Rows that matched; null until it is done.")
    def matched(self) -> float | None:
        """A number."""
        return self._counted("matched")

    @resolved("Items that were added, which are those that it had not already; null until it is done.")
    def added(self) -> float | None:
        """A number."""
        return self._counted("added")

    @resolved("Why it failed; null when it did not.")
    def error(self) -> str | None:
        """The sentence for whoever started it."""
        return self.row.error or None

    def _counted(self, name: str) -> float | None:
        return float(self.row.result[name]) if "matched" in (self.row.result or {}) else None
