"""What people build from what was recorded: tags and datasets."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import relations
from generations.graphql.connections import LARGEST_SLICE, SLICE, BadArgument, Slice, bounded, slice_of
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.events import Generation, Step


@strawberry.type(description="A label that generations, steps and threads carry.")
class Tag:
    """A row of tags."""

    row: strawberry.Private[models.Tag]
    batch: strawberry.Private[Batch[models.Tag]]

    name: str = column("name", "The label itself; a project has it once.")
    colour: str = column("colour", "The colour that it is shown in; empty for none of its own.")
    description: str = column("description", "What it means.")
    created_at: dt.datetime = column("created_at", "When it was made.")


@strawberry.type(description="One example of a dataset.")
class DatasetItem:
    """A row of dataset items."""

    row: strawberry.Private[models.DatasetItem]
    batch: strawberry.Private[Batch[models.DatasetItem]]

    id: strawberry.ID = column("pk", "The id of the item as it is in these versions.")
    key: strawberry.ID = column("key", "Stays the same when the item is replaced.")
    input: JSON = column("input", "What is given.")
    expected_output: JSON | None = column("expected_output", "What ought to come back; null when nobody said.")
    metadata: JSON = column("metadata", "Anything else that belongs to it.")
    intermediary_steps: JSON | None = column(
        "intermediary_steps", "What happened in between: a list; null when nobody said."
    )
    generation_id: str | None = column(
        "generation_id", "The generation that it was made from; null when it was made from none."
    )
    step_id: str | None = column("step_id", "The step that it was made from; null when it was made from none.")
    split: str = column("split", "Train, test or another part; empty for none.")
    added_in: int = column("added_in", "The version that it came with.")
    removed_in: int | None = column("removed_in", "The version that it went with; null while it is there.")
    created_at: dt.datetime = column("created_at", "When it was added.")

    @resolved("The generation that it was made from; null when it was made from none.")
    def generation(self) -> Generation | None:
        """The generation by its id."""
        batch = relations.named(self.batch, "generation_id", models.Generation, "generation")
        row = batch.by_id.get(self.row.generation_id or "")
        return None if row is None else Generation(row=row, batch=batch)

    @resolved("The step that it was made from; null when it was made from none.")
    def step(self) -> Step | None:
        """The step by its id."""
        batch = relations.named(self.batch, "step_id", models.Step, "step")
        row = batch.by_id.get(self.row.step_id or "")
        return None if row is None else Step(row=row, batch=batch)


AfterItem = Annotated[strawberry.ID | None, strawberry.argument(description="Begin after the item of this id.")]
Version = Annotated[int | None, strawberry.argument(description="As they were in this version; else as they are.")]
FirstItems = Annotated[int, strawberry.argument(description=f"How many at most, 1 to {LARGEST_SLICE}.")]


@strawberry.type(description="Inputs with expected outputs. Every change of its items makes a new version.")
class Dataset:
    """A row of datasets."""

    row: strawberry.Private[models.Dataset]
    batch: strawberry.Private[Batch[models.Dataset]]

    id: strawberry.ID = column("pk", "The id of the dataset.")
    name: str = column("name", "Its name; a project has it once.")
    description: str = column("description", "What it is for.")
    type: str = column("type", "key_value or generation.")
    metadata: JSON = column("metadata", "Anything else that belongs to it.")
    version: int = column("version", "The latest version; 1 is the empty one.")
    created_at: dt.datetime = column("created_at", "When it was made.")
    updated_at: dt.datetime = column("updated_at", "When it or its items were last changed.")
    archived_at: dt.datetime | None = column("archived_at", "When it was put away; null while it is in use.")

    @resolved("Its items, the newest first.")
    def items(self, first: FirstItems = SLICE, after: AfterItem = None, version: Version = None) -> Slice[DatasetItem]:
        """Items of a version; one statement for all datasets of the batch."""
        limit = bounded(first, LARGEST_SLICE)
        batch, groups = self.batch.once(
            ("items", limit, after, version), lambda: _items(self.batch, limit + 1, after, version)
        )
        rows = groups.get(self.row.pk, ())
        return slice_of(rows, limit, lambda row: DatasetItem(row=row, batch=batch), lambda row: str(row.pk))


def _items(
    batch: Batch[models.Dataset], limit: int, after: str | None, version: int | None
) -> tuple[Batch[models.DatasetItem], dict[Any, list[models.DatasetItem]]]:
    """The first items of each dataset of the batch, at most `limit` of each, and all of them as a batch."""
    if after is not None and len(batch.rows) > 1:
        raise BadArgument("after", after, "it where one dataset is asked for, not a list of them")
    table, keys = models.DatasetItem._meta.db_table, [row.pk for row in batch.rows]
    conditions = ["dataset_id = parent.id"]
    values: list[Any] = []
    if version is None:
        conditions.append("removed_in IS NULL")
    else:
        conditions.append("added_in <= %s AND (removed_in IS NULL OR removed_in > %s)")
        values += [version, version]
    if after is not None:
        item = _item(batch.rows[0], after)
        conditions.append("(created_at, id) < (%s, %s)")
        values += [item.created_at, item.pk]
    # Names are the model's own; values are parameters.
    rows = list(
        models.DatasetItem.objects.raw(
            "SELECT child.* FROM unnest(%s::uuid[]) AS parent(id) CROSS JOIN LATERAL ("  # noqa: S608
            f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY created_at DESC, id DESC LIMIT %s"
            ") AS child",
            [keys, *values, limit],
        )
    )
    groups: dict[Any, list[models.DatasetItem]] = defaultdict(list)
    for row in rows:
        groups[row.dataset_id].append(row)
    return Batch(batch.grant, rows), groups


def _item(dataset: models.Dataset, id: str) -> models.DatasetItem:
    try:
        found = models.DatasetItem.objects.filter(dataset=dataset, pk=uuid.UUID(id)).first()
    except ValueError:
        found = None
    if found is None:
        raise BadArgument("after", id, "the id of an item of this dataset")
    return found
