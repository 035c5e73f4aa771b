"""Experiments: what running an application over a dataset led to, item by item."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import relations
from generations.graphql.connections import LARGEST_SLICE, SLICE, Slice, bounded, slice_of
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.collections import Dataset, DatasetItem
from generations.graphql.types.events import Generation, Score, Step
from generations.graphql.types.judgements import Behind, First

_NEWEST_FIRST: Final = ("-created_at", "-id")


@strawberry.type(description="What one item of a dataset led to in an experiment.")
class ExperimentItem:
    """A row of experiment items."""

    row: strawberry.Private[models.ExperimentItem]
    batch: strawberry.Private[Batch[models.ExperimentItem]]

    id: strawberry.ID = column("pk", "The id of the result.")
    dataset_item_id: strawberry.ID | None = column(
        "dataset_item_id", "The item of the dataset that was run; null for none, or when it is gone."
    )
    run_id: str | None = column("run_id", "The step that ran it; null when none was said.")
    generation_id: str | None = column("generation_id", "The generation that answered; null when none was said.")
    input: JSON | None = column("input", "What was given; null when none was said.")
    output: JSON | None = column("output", "What came back; null when none was said.")
    created_at: dt.datetime = column("created_at", "When it was added.")

    @resolved("The item of the dataset that was run, with what was expected; null for none, or when it is gone.")
    def dataset_item(self) -> DatasetItem | None:
        """The item, all items of the batch in one query."""
        batch = by_key(self.batch, "dataset_item_id", models.DatasetItem)
        row = batch.by_id.get(str(self.row.dataset_item_id))
        return None if row is None else DatasetItem(row=row, batch=batch)

    @resolved("The generation that answered; null when none was said.")
    def generation(self) -> Generation | None:
        """The generation by its id."""
        found: Generation | None = relations.named_by(
            self, models.Generation, Generation, "generation", "generation_id"
        )
        return found

    @resolved("The step that ran it; null when none was said.")
    def run(self) -> Step | None:
        """The step by its id."""
        found: Step | None = relations.named_by(self, models.Step, Step, "step", "run_id")
        return found

    @resolved("What was said of it, the oldest first.")
    def scores(self, first: First = SLICE) -> Slice[Score]:
        """Scores, which name the result by its id as a text; one statement for all results of the batch."""
        limit = bounded(first, LARGEST_SLICE)
        batch, groups = relations.following(
            self.batch, models.Score, "experiment_item_id", ("created_at", "uid"), limit + 1, key="pk"
        )
        return slice_of(groups.get(str(self.row.pk), ()), limit, lambda row: Score(row=row, batch=batch))


@strawberry.type(description="One run of an application, or of an evaluation, over a dataset.")
class Experiment:
    """A row of experiments."""

    row: strawberry.Private[models.Experiment]
    batch: strawberry.Private[Batch[models.Experiment]]

    id: strawberry.ID = column("pk", "The id of the experiment.")
    name: str = column("name", "Its name.")
    dataset_id: strawberry.ID | None = column(
        "dataset_id", "The dataset that it was run over; null for none, or when it is gone."
    )
    prompt_version_id: str | None = column("prompt_version_id", "The prompt version that it tried; null for none.")
    params: JSON | None = column("params", "What it was run with; null for none.")
    created_at: dt.datetime = column("created_at", "When it was made.")

    @resolved("The dataset that it was run over; null for none, or when it is gone.")
    def dataset(self) -> Dataset | None:
        """The dataset, those of all experiments of the batch in one query."""
        batch = by_key(self.batch, "dataset_id", models.Dataset)
        row = batch.by_id.get(str(self.row.dataset_id))
        return None if row is None else Dataset(row=row, batch=batch)

    @resolved("Its results, the newest first.")
    def items(self, first: First = SLICE, after: Behind = None) -> Slice[ExperimentItem]:
        """Results; one statement for all experiments of the batch."""
        found: Slice[ExperimentItem] = relations.hanging(
            self, models.ExperimentItem, ExperimentItem, "experiment_id", _NEWEST_FIRST, first, after, key="pk"
        )
        return found


def by_key(batch: Batch[Any], attribute: str, model: Any) -> Batch[Any]:
    """The rows of `model` that the batch's rows refer to in `attribute`, by a key of the database."""

    def load() -> Batch[Any]:
        keys = {key for row in batch.rows if (key := getattr(row, attribute)) is not None}
        return Batch(batch.grant, list(model.objects.filter(pk__in=keys)) if keys else [])

    return batch.once(("by_key", attribute), load)
