"""Datasets: lists of inputs and expected outputs, built by hand or from what was recorded, with every past version.

Items are never changed in place. An item is part of the versions from `added_in` up to, and without, `removed_in`;
every call that adds, replaces or removes items makes one new version.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from generations import bundles
from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_json, clean_string
from generations.models import Dataset, DatasetItem, Generation, Step
from generations.records import InvalidRecord, Json, shown

TYPES: Final = ("key_value", "generation")
MAX_NAME: Final = 200
MAX_TEXT: Final = 10_000
MAX_ITEMS: Final = 1_000
MAX_CHILDREN: Final = 10_000
MAX_ITEM: Final = 8 << 20
MAX_METADATA: Final = 1 << 20


class BadDataset(ValueError):
    """A dataset or an item that cannot be made: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = shown(value)
        self.expected = expected
        super().__init__(f"{field}: {self.value} is not valid; expected {expected}")


class NoSuchDataset(LookupError):
    """The project has no dataset, or no row to make an item from, of this id."""

    def __init__(self, kind: str, id: str) -> None:
        self.field = "id"
        self.value = id[:80]
        super().__init__(f"There is no {kind} '{id[:80]}' in this project.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item to be added. `generation_id` and `step_id` say where it is from; they are not looked up.

    `id` and `created_at` are those of an item that is taken in from elsewhere.
    """

    input: Json
    expected_output: Json = None
    metadata: Mapping[str, Json] | None = None
    intermediary_steps: Sequence[Json] | None = None
    generation_id: str | None = None
    step_id: str | None = None
    id: str | None = None
    created_at: dt.datetime | None = None


# ----------------------------------------------------------------------------------------------------------- datasets
def create(
    grant: Grant,
    *,
    name: str,
    description: str = "",
    type: str = "key_value",
    metadata: Mapping[str, Json] | None = None,
    id: uuid.UUID | None = None,
) -> Dataset:
    """A new, empty dataset. Needs `write`. Raises BadDataset, also when the project has one of that name."""
    grant.need(Scope.WRITE)
    if type not in TYPES:
        raise BadDataset("type", type, f"one of {', '.join(TYPES)}")
    values = _described(name, description, metadata)
    with transaction.atomic():
        own = {} if id is None else {"id": id}
        dataset = Dataset(project=grant.project, type=type, created_by=grant.user, **own, **values)
        _save(dataset, force_insert=True)
        audit(grant, "dataset.create", "dataset", str(dataset.pk), {"name": dataset.name})
    return dataset


def update(
    grant: Grant,
    dataset_id: str,
    *,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Json] | None = None,
) -> Dataset:
    """Rename or describe a dataset; None leaves a part as it is. Needs `write`. Raises NoSuchDataset or BadDataset."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        dataset = _locked(grant, dataset_id)
        changes = _described(
            dataset.name if name is None else name,
            dataset.description if description is None else description,
            dataset.metadata if metadata is None else metadata,
        )
        changed = sorted(field for field, value in changes.items() if getattr(dataset, field) != value)
        if changed:
            for field in changed:
                setattr(dataset, field, changes[field])
            _save(dataset, update_fields=[*changed, "updated_at"])
            audit(grant, "dataset.update", "dataset", str(dataset.pk), {"changed": changed})
    return dataset


def delete(grant: Grant, dataset_id: str) -> Dataset:
    """Delete a dataset with all its versions; experiments on it stay. Needs `write`. Raises NoSuchDataset.

    Returns the row as it was, with its id.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        dataset = _locked(grant, dataset_id)
        key = dataset.pk
        audit(grant, "dataset.delete", "dataset", str(key), {"name": dataset.name, "version": dataset.version})
        dataset.delete()
        dataset.pk = key
    return dataset


def find(grant: Grant, dataset_id: str) -> Dataset | None:
    """The project's dataset of this id, or None. Needs `read`."""
    grant.need(Scope.READ)
    key = _key(dataset_id)
    return None if key is None else Dataset.objects.filter(project=grant.project, pk=key).first()


def named(grant: Grant, name: str) -> Dataset | None:
    """The project's dataset of this name, or None. Needs `read`."""
    grant.need(Scope.READ)
    return Dataset.objects.filter(project=grant.project, name=clean_string(name)).first()


# -------------------------------------------------------------------------------------------------------------- items
def items(dataset: Dataset, version: int | None = None) -> QuerySet[DatasetItem]:
    """The items of a version, the newest first; of the latest one when none is named."""
    rows = DatasetItem.objects.filter(dataset=dataset)
    if version is None:
        rows = rows.filter(removed_in=None)
    else:
        rows = rows.filter(Q(removed_in=None) | Q(removed_in__gt=version), added_in__lte=version)
    return rows.order_by("-created_at", "-id")


def add_items(grant: Grant, dataset_id: str, new: Sequence[NewItem]) -> list[DatasetItem]:
    """Add items as one new version, all or none; returns them in order. Needs `write`.

    Raises NoSuchDataset, or BadDataset naming the item by its place.
    """
    grant.need(Scope.WRITE)
    _bounded(new)
    values = [_cleaned(item, f"items[{n}]") for n, item in enumerate(new)]
    with transaction.atomic():
        dataset = _locked(grant, dataset_id)
        if not values:
            return []
        version = _next_version(dataset)
        made = DatasetItem.objects.bulk_create(
            [DatasetItem(dataset=dataset, added_in=version, **value) for value in values], batch_size=200
        )
        audit(grant, "dataset.add", "dataset", str(dataset.pk), {"items": len(made), "version": version})
    return made


def add_generations(
    grant: Grant, dataset_id: str, ids: Sequence[str], metadata: Mapping[str, Json] | None = None
) -> list[DatasetItem]:
    """Add an item for each generation: what was sent as its input, what was answered as its expected output.

    A constant number of queries. Raises NoSuchDataset, also for an id that the project has no generation of.
    """
    grant.need(Scope.WRITE)
    wanted = _distinct(ids)
    rows = {row.public_id: row for row in Generation.objects.by_ids(grant.project.pk, "generation", wanted)}
    found = bundles.of_generations(
        grant.project,
        [rows[i] for i in _all_known("generation", wanted, rows)],
        alternatives=False,
        scores=False,
        feedback=False,
        attachments=False,
    )
    return add_items(grant, dataset_id, [_from_generation(bundle, metadata) for bundle in found])


def add_steps(
    grant: Grant, dataset_id: str, ids: Sequence[str], metadata: Mapping[str, Json] | None = None
) -> list[DatasetItem]:
    """Add an item for each step: its input, its output as what is expected, and its children as intermediary steps.

    A constant number of queries. Raises NoSuchDataset, also for an id that the project has no step of.
    """
    grant.need(Scope.WRITE)
    wanted = _distinct(ids)
    rows = {row.public_id: row for row in Step.objects.by_ids(grant.project.pk, "step", wanted)}
    parents = [rows[i] for i in _all_known("step", wanted, rows)]
    below_them = Step.objects.in_project(grant.project.pk).filter(parent_id__in=wanted)
    children = list(below_them.order_by("started_at", "uid")[: MAX_CHILDREN + 1])
    if len(children) > MAX_CHILDREN:
        raise BadDataset("ids", f"{len(wanted)} steps", f"steps with at most {MAX_CHILDREN} children together")
    both = list({row.uid: row for row in (*parents, *children)}.values())
    with_payload = bundles.of_steps(grant.project, both, scores=False, attachments=False, generations=False)
    found = {bundle.step.public_id: bundle for bundle in with_payload}
    below: dict[str, list[Json]] = {i: [] for i in wanted}
    for child in children:
        below[str(child.parent_id)].append(_intermediary(found[child.public_id]))
    return add_items(
        grant,
        dataset_id,
        [
            NewItem(
                input=_given(found[i].payload, "input"),
                expected_output=_given(found[i].payload, "output"),
                metadata=metadata,
                intermediary_steps=below[i] or None,
                step_id=i,
            )
            for i in wanted
        ],
    )


def replace_item(grant: Grant, item_id: str, new: NewItem) -> DatasetItem:
    """Put `new` in the place of an item, as a new version; its `key` stays. Needs `write`.

    Raises NoSuchDataset when the project has no such item in a latest version.
    """
    grant.need(Scope.WRITE)
    values = _cleaned(new, "item")
    with transaction.atomic():
        dataset, old = _current(grant, item_id)
        version = _next_version(dataset)
        DatasetItem.objects.filter(pk=old.pk).update(removed_in=version)
        made = DatasetItem.objects.create(dataset=dataset, key=old.key, added_in=version, **values)
        audit(grant, "dataset.replace", "dataset", str(dataset.pk), {"item": str(old.key), "version": version})
    return made


def remove_items(grant: Grant, dataset_id: str, item_ids: Iterable[str]) -> int:
    """Take items out of the latest version, as a new one; returns how many were in it. Needs `write`.

    Past versions keep them. When none of them is in it, no version is made. Raises NoSuchDataset.
    """
    grant.need(Scope.WRITE)
    keys = [key for key in map(_key, item_ids) if key is not None]
    with transaction.atomic():
        dataset = _locked(grant, dataset_id)
        present = DatasetItem.objects.filter(dataset=dataset, pk__in=keys, removed_in=None)
        if not present.exists():
            return 0
        version = _next_version(dataset)
        removed = present.update(removed_in=version)
        audit(grant, "dataset.remove", "dataset", str(dataset.pk), {"items": removed, "version": version})
    return removed


# ------------------------------------------------------------------------------------------------------- how it is done
def _key(id: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(id)
    except ValueError:
        return None


def _locked(grant: Grant, dataset_id: str) -> Dataset:
    """The dataset, held until the end of the transaction: versions follow one another."""
    key = _key(dataset_id)
    dataset = None if key is None else Dataset.objects.select_for_update().filter(project=grant.project, pk=key).first()
    if dataset is None:
        raise NoSuchDataset("dataset", dataset_id)
    return dataset


def _current(grant: Grant, item_id: str) -> tuple[Dataset, DatasetItem]:
    key = _key(item_id)
    known = None if key is None else DatasetItem.objects.filter(pk=key, dataset__project=grant.project).first()
    if known is None:
        raise NoSuchDataset("dataset item", item_id)
    dataset = _locked(grant, str(known.dataset_id))
    item = DatasetItem.objects.filter(pk=known.pk, removed_in=None).first()
    if item is None:
        raise NoSuchDataset("dataset item", item_id)
    return dataset, item


def _next_version(dataset: Dataset) -> int:
    dataset.version += 1
    dataset.save(update_fields=["version", "updated_at"])
    return dataset.version


def _save(dataset: Dataset, **options: Any) -> None:
    try:
        with transaction.atomic():
            dataset.save(**options)
    except IntegrityError:
        raise BadDataset("name", dataset.name, "a name that no other dataset of this project has") from None


def _described(name: str, description: str, metadata: Mapping[str, Json] | None) -> dict[str, Any]:
    name, description = clean_string(name).strip(), clean_string(description)
    if not 1 <= len(name) <= MAX_NAME:
        raise BadDataset("name", name, f"1 to {MAX_NAME} characters")
    if len(description) > MAX_TEXT:
        raise BadDataset("description", description, f"at most {MAX_TEXT} characters")
    return {"name": name, "description": description, "metadata": _object("metadata", metadata)}


def _object(name: str, value: Mapping[str, Json] | None) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise BadDataset(name, value, "an object")
    tidy: dict[str, Any] = _json(name, dict(value or {}), MAX_METADATA)
    return tidy


def _json(name: str, value: Json, limit: int) -> Any:
    try:
        return clean_json(name, value, limit)
    except InvalidRecord as error:
        raise BadDataset(error.field, error.value, error.expected) from None


def _bounded(new: Sequence[object]) -> None:
    if len(new) > MAX_ITEMS:
        raise BadDataset("items", len(new), f"at most {MAX_ITEMS} at once")


def _distinct(ids: Sequence[str]) -> list[str]:
    _bounded(ids)
    return list(dict.fromkeys(clean_string(i) for i in ids))


def _all_known(kind: str, wanted: Sequence[str], rows: Mapping[str, object]) -> Sequence[str]:
    missing = next((i for i in wanted if i not in rows), None)
    if missing is not None:
        raise NoSuchDataset(kind, missing)
    return wanted


def _cleaned(item: NewItem, name: str) -> dict[str, Any]:
    if item.intermediary_steps is not None and not isinstance(item.intermediary_steps, list | tuple):
        raise BadDataset(f"{name}.intermediarySteps", item.intermediary_steps, "a list")
    if item.input is None:
        raise BadDataset(f"{name}.input", None, "a JSON value other than null")
    return {
        **({} if item.id is None else {"id": item.id}),
        "input": _json(f"{name}.input", item.input, MAX_ITEM),
        "expected_output": _json(f"{name}.expectedOutput", item.expected_output, MAX_ITEM),
        "metadata": _object(f"{name}.metadata", item.metadata),
        "intermediary_steps": _json(f"{name}.intermediarySteps", item.intermediary_steps, MAX_ITEM),
        "generation_id": _origin(f"{name}.generationId", item.generation_id),
        "step_id": _origin(f"{name}.stepId", item.step_id),
    }


def _origin(name: str, id: str | None) -> str | None:
    if id is not None and len(id) > MAX_ID:
        raise BadDataset(name, id, f"at most {MAX_ID} characters")
    return clean_string(id) if id else None


def _from_generation(bundle: bundles.Bundle, metadata: Mapping[str, Json] | None) -> NewItem:
    payload = bundle.payload
    sent: dict[str, Json] = {}
    for name in ("messages", "prompt", "variables", "tools"):
        if (value := getattr(payload, name, None)) is not None:
            sent[name] = value
    answered = next(
        (
            value
            for name in ("message_completion", "completion", "output")
            if (value := getattr(payload, name, None)) is not None
        ),
        None,
    )
    asked = sent if "messages" in sent or "prompt" in sent else _given(payload, "input")
    return NewItem(
        input=asked,
        expected_output=answered,
        metadata=metadata,
        generation_id=bundle.generation.public_id,
        step_id=bundle.generation.step_id,
    )


def _given(payload: object, name: str) -> Json:
    """A part of a payload, or an empty object where it is not known: an item has some input."""
    value = getattr(payload, name, None)
    return {} if value is None and name == "input" else value


def _intermediary(bundle: bundles.StepBundle) -> dict[str, Json]:
    step = bundle.step
    return {
        "id": step.public_id,
        "type": step.type,
        "name": step.name,
        "input": getattr(bundle.payload, "input", None),
        "output": getattr(bundle.payload, "output", None),
        "metadata": step.metadata,
        "error": step.error,
    }
