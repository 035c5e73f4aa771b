"""The items of datasets. They are never changed in place: an item is part of the versions from `added_in` up to, and
without, `removed_in`; every call that adds, replaces or removes items makes one new version.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q, QuerySet

from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_string
from generations.datasets.keeping import BadDataset, NoSuchDataset, key_of, locked, next_version, tidy_json, tidy_object
from generations.models import Dataset, DatasetItem, DatasetVersion
from generations.records import Json

MAX_ITEMS: Final = 1_000
MAX_ITEM: Final = 8 << 20
MAX_SPLIT: Final = 100
CHANGEABLE: Final = (
    "input",
    "expected_output",
    "metadata",
    "intermediary_steps",
    "generation_id",
    "step_id",
    "split",
)
"""What an item says itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item to be added. `generation_id` and `step_id` say where it is from; they are not looked up;
    `split` which part of the dataset it belongs to, such as train or test.

    `id` and `created_at` are those of an item that is taken in from elsewhere.
    """

    input: Json
    expected_output: Json = None
    metadata: Mapping[str, Json] | None = None
    intermediary_steps: Sequence[Json] | None = None
    generation_id: str | None = None
    step_id: str | None = None
    split: str = ""
    id: str | None = None
    created_at: dt.datetime | None = None


def items(dataset: Dataset, version: int | None = None) -> QuerySet[DatasetItem]:
    """The items of a version, the newest first; of the latest one when none is named."""
    rows = DatasetItem.objects.filter(dataset=dataset)
    if version is None:
        rows = rows.filter(removed_in=None)
    else:
        rows = rows.filter(Q(removed_in=None) | Q(removed_in__gt=version), added_in__lte=version)
    return rows.order_by("-created_at", "-id")


def item(grant: Grant, item_id: str) -> DatasetItem | None:
    """An item of the project, whatever versions it is part of, with its dataset; None when there is none.

    Needs `read`.
    """
    grant.need(Scope.READ)
    key = key_of(item_id)
    rows = DatasetItem.objects.select_related("dataset").filter(dataset__project=grant.project)
    return None if key is None else rows.filter(pk=key).first()


def splits(dataset: Dataset) -> list[str]:
    """The parts that its items are divided into, by name; none when nobody divided them."""
    found = DatasetItem.objects.filter(dataset=dataset, removed_in=None).exclude(split="")
    return list(found.order_by("split").values_list("split", flat=True).distinct()[:50])


def add_items(
    grant: Grant,
    dataset_id: str,
    new: Sequence[NewItem],
    *,
    going_on: int | None = None,
    once: uuid.UUID | None = None,
) -> list[DatasetItem]:
    """Add items as one new version, all or none; returns them in order. Needs `write`.

    What was added before under the same key, `once`, is returned as it was then.

    `going_on` is a version that the same work has made just before: if nobody has changed the dataset since, these
    items become part of it.

    Raises NoSuchDataset, or BadDataset naming the item by its place.
    """
    grant.need(Scope.WRITE)
    bounded(new)
    values = [_cleaned(item, f"items[{n}]") for n, item in enumerate(new)]
    with transaction.atomic():
        dataset = locked(grant, dataset_id)
        if not values:
            return []
        if once is not None:
            if there := added_before(grant, str(dataset.pk), once, len(values)):
                return there
            values = [{"id": id, **value} for id, value in zip(_own(once, len(values)), values, strict=True)]
        if going_on == dataset.version:
            version = dataset.version
            DatasetVersion.objects.filter(dataset=dataset, number=version).update(count=F("count") + len(values))
        else:
            version = next_version(grant, dataset, "add", len(values))
        made = DatasetItem.objects.bulk_create(
            [DatasetItem(dataset=dataset, added_in=version, **value) for value in values], batch_size=200
        )
        audit(grant, "dataset.add", "dataset", str(dataset.pk), {"items": len(made), "version": version})
    return made


def added_before(grant: Grant, dataset_id: str, once: uuid.UUID | None, number: int) -> list[DatasetItem]:
    """The items that were added under the key `once`, of `number`; none when there is no key, or they are not there."""
    key = key_of(dataset_id)
    if once is None or key is None:
        return []
    own = _own(once, number)
    rows = DatasetItem.objects.filter(dataset__project=grant.project, dataset=key, pk__in=own)
    there = {row.pk: row for row in rows}
    return [there[id] for id in own if id in there]


def _own(once: uuid.UUID, number: int) -> list[uuid.UUID]:
    return [uuid.uuid5(once, str(place)) for place in range(number)]


def replace_item(grant: Grant, item_id: str, new: NewItem) -> DatasetItem:
    """Put `new` in the place of an item, as a new version; its `key` stays. Needs `write`.

    Raises NoSuchDataset when the project has no such item in a latest version.
    """
    grant.need(Scope.WRITE)
    values = _cleaned(new, "item")
    with transaction.atomic():
        dataset, old = _current(grant, item_id)
        version = next_version(grant, dataset, "replace", 1)
        DatasetItem.objects.filter(pk=old.pk).update(removed_in=version)
        made = DatasetItem.objects.create(dataset=dataset, key=old.key, added_in=version, **values)
        audit(grant, "dataset.replace", "dataset", str(dataset.pk), {"item": str(old.key), "version": version})
    return made


def change_item(grant: Grant, item_id: str, said: Mapping[str, Any]) -> DatasetItem:
    """Put an item in the place of another that differs by what is `said`, fields of NewItem by their names; it stays as
    it is where nothing is said. Needs `write`. Raises as `replace_item` does, and BadDataset.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        _, old = _current(grant, item_id)
        if not said:
            return old
        kept = {name: getattr(old, name) for name in CHANGEABLE}
        return replace_item(grant, item_id, NewItem(**kept | dict(said)))


def remove_items(grant: Grant, dataset_id: str, item_ids: Iterable[str]) -> int:
    """Take items out of the latest version, as a new one; returns how many were in it. Needs `write`.

    Past versions keep them. When none of them is in it, no version is made. Raises NoSuchDataset.
    """
    grant.need(Scope.WRITE)
    keys = [key for key in map(key_of, item_ids) if key is not None]
    with transaction.atomic():
        dataset = locked(grant, dataset_id)
        present = DatasetItem.objects.filter(dataset=dataset, pk__in=keys, removed_in=None)
        count = present.count()
        if not count:
            return 0
        version = next_version(grant, dataset, "remove", count)
        removed = present.update(removed_in=version)
        audit(grant, "dataset.remove", "dataset", str(dataset.pk), {"items": removed, "version": version})
    return removed


# ------------------------------------------------------------------------------------------------------- how it is done
def _current(grant: Grant, item_id: str) -> tuple[Dataset, DatasetItem]:
    key = key_of(item_id)
    known = None if key is None else DatasetItem.objects.filter(pk=key, dataset__project=grant.project).first()
    if known is None:
        raise NoSuchDataset("dataset item", item_id)
    dataset = locked(grant, str(known.dataset_id))
    item = DatasetItem.objects.filter(pk=known.pk, removed_in=None).first()
    if item is None:
        raise NoSuchDataset("dataset item", item_id)
    return dataset, item


def bounded(new: Sequence[object]) -> None:
    """Refuse more than MAX_ITEMS. Raises BadDataset."""
    if len(new) > MAX_ITEMS:
        raise BadDataset("items", len(new), f"at most {MAX_ITEMS} at once")


def _cleaned(item: NewItem, name: str) -> dict[str, Any]:
    if item.intermediary_steps is not None and not isinstance(item.intermediary_steps, list | tuple):
        raise BadDataset(f"{name}.intermediarySteps", item.intermediary_steps, "a list")
    if item.input is None:
        raise BadDataset(f"{name}.input", None, "a JSON value other than null")
    return {
        **({} if item.id is None else {"id": item.id}),
        "input": tidy_json(f"{name}.input", item.input, MAX_ITEM),
        "expected_output": tidy_json(f"{name}.expectedOutput", item.expected_output, MAX_ITEM),
        "metadata": tidy_object(f"{name}.metadata", item.metadata),
        "intermediary_steps": tidy_json(f"{name}.intermediarySteps", item.intermediary_steps, MAX_ITEM),
        "generation_id": _origin(f"{name}.generationId", item.generation_id),
        "step_id": _origin(f"{name}.stepId", item.step_id),
        "split": _split(f"{name}.split", item.split),
    }


def _origin(name: str, id: str | None) -> str | None:
    if id is not None and len(id) > MAX_ID:
        raise BadDataset(name, id, f"at most {MAX_ID} characters")
    return clean_string(id) if id else None


def _split(name: str, split: str) -> str:
    tidy = clean_string(split).strip()
    if len(tidy) > MAX_SPLIT:
        raise BadDataset(name, split, f"a text of at most {MAX_SPLIT} characters")
    return tidy
