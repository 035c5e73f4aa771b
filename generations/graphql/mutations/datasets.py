"""Make datasets, and put items in them: by hand, or from what was recorded."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from generations import datasets, models
from generations.access import Grant, Scope
from generations.datasets import NewItem
from generations.graphql.connections import BadArgument
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import may
from generations.graphql.mutations.generations import Deletion, Id
from generations.graphql.nodes import Batch
from generations.graphql.types.collections import Dataset, DatasetItem


@strawberry.enum(description="What the items of a dataset are.")
class DatasetType(Enum):
    """Types of datasets."""

    key_value = strawberry.enum_value("key_value", description="Any inputs and outputs.")
    generation = strawberry.enum_value("generation", description="What was sent to a model, and its answer.")


@strawberry.input(description="An item of your own.")
class DatasetItemInput:
    """A raw item."""

    input: JSON = strawberry.field(description="What is given; not null.")
    expected_output: JSON | None = strawberry.field(default=None, description="What ought to come back.")
    metadata: JSON | None = strawberry.field(default=None, description="Anything else that belongs to it: an object.")
    intermediary_steps: JSON | None = strawberry.field(default=None, description="What happened in between: a list.")
    generation_id: strawberry.ID | None = strawberry.field(default=None, description="The generation it is from.")
    step_id: strawberry.ID | None = strawberry.field(default=None, description="The step it is from.")
    split: str | None = strawberry.field(default=None, description="Train, test or another part.")


@strawberry.input(description="What changes of an item; what is left out stays, null empties.")
class DatasetItemChange:
    """A change of an item."""

    input: JSON | None = may("What is given; not null.")
    expected_output: JSON | None = may("What ought to come back.")
    metadata: JSON | None = may("Anything else that belongs to it: an object, whole.")
    intermediary_steps: JSON | None = may("What happened in between: a list.")
    generation_id: strawberry.ID | None = may("The generation it is from.")
    step_id: strawberry.ID | None = may("The step it is from.")
    split: str | None = may("Train, test or another part.")


@strawberry.type(description="A dataset after items were added.")
class ItemsAdded:
    """The result of adding items."""

    dataset: Dataset = strawberry.field(description="The dataset in its new version.")
    items: list[DatasetItem] = strawberry.field(description="The items that were added, in the order given.")


@strawberry.type(description="A dataset after items were removed.")
class ItemsRemoved:
    """The result of removing items."""

    dataset: Dataset = strawberry.field(description="The dataset; in a new version, if anything was removed.")
    removed: int = strawberry.field(description="How many items were removed.")


DatasetId = Annotated[strawberry.ID, strawberry.argument(description="The dataset.")]
Name = Annotated[str, strawberry.argument(description="Its name; a project has it once.")]
NewName = Annotated[str | None, strawberry.argument(description="Its new name.")]
Description = Annotated[str | None, strawberry.argument(description="What it is for.")]
Metadata = Annotated[JSON | None, strawberry.argument(description="Anything else: an object.")]
ItemMetadata = Annotated[
    JSON | None, strawberry.argument(description="An object for the items from generations and steps.")
]


@strawberry.type
class DatasetMutations:
    """Mutations of datasets."""

    @guarded(Scope.WRITE, "Make an empty dataset.")
    def create_dataset(
        self,
        info: Info,
        name: Name,
        description: Description = None,
        type: Annotated[DatasetType, strawberry.argument(description="What its items are.")] = DatasetType.key_value,
        metadata: Metadata = None,
    ) -> Dataset | None:
        """A new dataset."""
        grant = info.context.grant
        made = datasets.create(
            grant,
            name=name,
            description=description or "",
            type=str(type.value),
            metadata=_object("metadata", metadata),
        )
        return _shown(grant, made)

    @guarded(Scope.WRITE, "Rename or describe a dataset; null leaves a part as it is.")
    def update_dataset(
        self,
        info: Info,
        id: Id,
        name: NewName = None,
        description: Description = None,
        metadata: Metadata = None,
    ) -> Dataset | None:
        """A dataset, changed."""
        grant = info.context.grant
        changed = datasets.update(grant, id, name=name, description=description, metadata=_object("metadata", metadata))
        return _shown(grant, changed)

    @guarded(Scope.WRITE, "Put a dataset away, where lists do not show it, or bring it back.")
    def archive_dataset(
        self,
        info: Info,
        id: Id,
        archived: Annotated[bool, strawberry.argument(description="False brings it back.")] = True,
    ) -> Dataset | None:
        """A dataset, put away."""
        grant = info.context.grant
        return _shown(grant, datasets.archive(grant, id, is_archived=archived))

    @guarded(Scope.WRITE, "Delete a dataset with all its versions. Experiments on it stay.")
    def delete_dataset(self, info: Info, id: Id) -> Deletion | None:
        """A dataset, deleted."""
        return Deletion(id=strawberry.ID(str(datasets.delete(info.context.grant, id).pk)))

    @guarded(
        Scope.WRITE,
        "Add items to a dataset as one new version: from generations, or from steps, or items of your own. "
        "Exactly one of the three.",
    )
    def add_dataset_items(
        self,
        info: Info,
        dataset_id: DatasetId,
        generation_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Generations to make items from.")
        ] = None,
        step_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Steps to make items from.")
        ] = None,
        items: Annotated[list[DatasetItemInput] | None, strawberry.argument(description="Items of your own.")] = None,
        metadata: ItemMetadata = None,
    ) -> ItemsAdded | None:
        """Items, added all or none."""
        grant = info.context.grant
        if sum(given is not None for given in (generation_ids, step_ids, items)) != 1:
            raise BadArgument("items", None, "exactly one of generationIds, stepIds and items")
        tidy = _object("metadata", metadata)
        if generation_ids is not None:
            made = datasets.add_generations(grant, dataset_id, generation_ids, tidy)
        elif step_ids is not None:
            made = datasets.add_steps(grant, dataset_id, step_ids, tidy)
        else:
            made = datasets.add_items(grant, dataset_id, [_item(n, item) for n, item in enumerate(items or ())])
        batch = Batch(grant, made)
        return ItemsAdded(dataset=_found(grant, dataset_id), items=[DatasetItem(row=row, batch=batch) for row in made])

    @guarded(
        Scope.WRITE,
        "Put another item in the place of one, as a new version: it has the same key and an id of its own, and past"
        " versions keep the old one. Where nothing is said to change it stays as it is.",
    )
    def update_dataset_item(
        self,
        info: Info,
        id: Id,
        set: Annotated[DatasetItemChange, strawberry.argument(description="What changes.")],
    ) -> DatasetItem | None:
        """An item, replaced."""
        grant = info.context.grant
        said = {name: value for name, value in vars(set).items() if value is not strawberry.UNSET}
        if "metadata" in said:
            _object("item.metadata", said["metadata"])
        if said.get("split", "") is None:
            said["split"] = ""
        row = datasets.change_item(grant, id, said)
        return DatasetItem(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.WRITE, "Take items out of a dataset, as a new version. Past versions keep them.")
    def remove_dataset_items(
        self,
        info: Info,
        dataset_id: DatasetId,
        item_ids: Annotated[list[strawberry.ID], strawberry.argument(description="Ids of items.")],
    ) -> ItemsRemoved | None:
        """Items, removed."""
        grant = info.context.grant
        removed = datasets.remove_items(grant, dataset_id, item_ids)
        return ItemsRemoved(dataset=_found(grant, dataset_id), removed=removed)


def _shown(grant: Grant, row: models.Dataset) -> Dataset:
    return Dataset(row=row, batch=Batch(grant, [row]))


def _found(grant: Grant, id: str) -> Dataset:
    row = datasets.find(grant, id)
    if row is None:
        raise datasets.NoSuchDataset("dataset", id)
    return _shown(grant, row)


def _object(name: str, value: JSON | None) -> dict[str, object] | None:
    if value is not None and not isinstance(value, dict):
        raise BadArgument(name, value, "an object")
    return value


def _item(place: int, given: DatasetItemInput) -> NewItem:
    steps = given.intermediary_steps
    if steps is not None and not isinstance(steps, list):
        raise BadArgument(f"items[{place}].intermediarySteps", steps, "a list")
    return NewItem(
        input=given.input,
        expected_output=given.expected_output,
        metadata=_object(f"items[{place}].metadata", given.metadata),
        intermediary_steps=steps,
        generation_id=given.generation_id,
        step_id=given.step_id,
        split=given.split or "",
    )
