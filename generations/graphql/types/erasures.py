"""Erasures: one participant taken out of everything by a worker, with a report of what went."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import strawberry

from generations import models, retention
from generations.graphql.nodes import Batch, column, resolved


@strawberry.type(description="What an erasure takes, by kind.")
class ErasureCounts:
    """The counts of a report, or of what is foretold."""

    said: strawberry.Private[dict[str, Any]]

    @resolved("Threads.")
    def threads(self) -> float:
        """A number."""
        return float(self.said["threads"])

    @resolved("Steps.")
    def steps(self) -> float:
        """A number."""
        return float(self.said["steps"])

    @resolved("Generations.")
    def generations(self) -> float:
        """A number."""
        return float(self.said["generations"])

    @resolved("Scores of theirs, and of what goes.")
    def scores(self) -> float:
        """A number."""
        return float(self.said["scores"])

    @resolved("Feedback of theirs, and of what goes.")
    def feedback(self) -> float:
        """A number."""
        return float(self.said["feedback"])

    @resolved("Files that are attached to what goes.")
    def files(self) -> float:
        """A number."""
        return float(self.said["files"])

    @resolved("Items of datasets that were made from what goes.")
    def dataset_items(self) -> float:
        """A number."""
        return float(self.said["dataset items"])

    @resolved("Results of experiments with what goes.")
    def experiment_items(self) -> float:
        """A number."""
        return float(self.said["experiment items"])

    @resolved("Files of exports that may hold them; null beforehand: the erasure alone looks through these.")
    def exports(self) -> float | None:
        """A number."""
        return self._count("exports")

    @resolved("Bodies that were refused and are kept for a while.")
    def refused_bodies(self) -> float:
        """A number."""
        return float(self.said["refused bodies"])

    @resolved("Files that wait to be imported; null beforehand.")
    def files_to_import(self) -> float | None:
        """A number."""
        return self._count("files to import")

    @resolved("The participant's own row: 1, or 0 where nobody recorded one.")
    def participants(self) -> float:
        """A number."""
        return float(self.said["participants"])

    def _count(self, name: str) -> float | None:
        found = self.said.get(name)
        return None if found is None else float(found)


@strawberry.type(description="A file outside that may hold something of theirs: for whoever has it to delete.")
class Delivered:
    """A part of a report."""

    to: str = strawberry.field(description="A folder's file, or an address in a bucket.")
    finished_at: dt.datetime = strawberry.field(description="When it was delivered.")
    export_id: strawberry.ID = strawberry.field(description="The export that wrote it.")


_NOTHING: Final = dict.fromkeys(retention.COUNTED, 0)


@strawberry.type(description="One participant taken out of everything.")
class Erasure:
    """A row of jobs of the kind erasure."""

    row: strawberry.Private[models.Job]
    batch: strawberry.Private[Batch[models.Job]]

    id: strawberry.ID = column("pk", "The id of the erasure.")
    state: str = column("state", "queued, running, done, failed or cancelled.")
    attempts: int = column("attempts", "How often a worker has begun it.")
    created_at: dt.datetime = column("created_at", "When it was asked for.")
    started_at: dt.datetime | None = column("started_at", "When a worker began it; null before that.")
    finished_at: dt.datetime | None = column("finished_at", "When it ended; null before that.")

    @resolved("The participant's id.")
    def participant_id(self) -> strawberry.ID:
        """An id."""
        return strawberry.ID(self.row.parameters["participant"])

    @resolved("What went: by now, until it has ended; null until a worker begins it.")
    def counts(self) -> ErasureCounts | None:
        """The report."""
        return ErasureCounts(said={**_NOTHING, **self.row.result}) if self.row.result else None

    @resolved("Files outside that may hold something of theirs.")
    def delivered(self) -> list[Delivered]:
        """Files."""
        return [
            Delivered(
                to=one["to"],
                finished_at=dt.datetime.fromisoformat(one["finishedAt"]),
                export_id=strawberry.ID(one["job"]),
            )
            for one in self.row.result.get(retention.DELIVERED, [])
        ]

    @resolved("Why it failed; null when it did not. What is counted then was erased before.")
    def error(self) -> str | None:
        """The sentence for whoever started it."""
        return self.row.error or None


@strawberry.type(description="What an erasure would take, counted beforehand.")
class ErasurePreview:
    """What is foretold."""

    participant_id: strawberry.ID = strawberry.field(description="The participant's id.")
    counts: ErasureCounts = strawberry.field(description="What would go if they were erased now.")
    exact: bool = strawberry.field(description="False: counting ended at its bound; there are more.")
    held: str | None = strawberry.field(
        description="Why it would be refused: the legal hold that keeps something; null without one."
    )
