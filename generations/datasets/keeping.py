"""Datasets themselves: made, renamed, put away, deleted; what is refused of them and of their items."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from generations.access import Grant, Scope, audit
from generations.cleaning import clean_json, clean_string
from generations.models import Dataset, DatasetVersion
from generations.records import InvalidRecord, Json, shown

TYPES: Final = ("key_value", "generation")
MAX_NAME: Final = 200
MAX_TEXT: Final = 10_000
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

    def __init__(self, kind: str, id: str, field: str = "id") -> None:
        self.field = field
        self.value = id[:80]
        by_name = "" if kind != "dataset" or key_of(id) else " Name it by its id: a list narrowed by its name has that."
        super().__init__(f"There is no {kind} '{id[:80]}' in this project.{by_name}")


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
        dataset = locked(grant, dataset_id)
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


def archive(grant: Grant, dataset_id: str, *, is_archived: bool = True) -> Dataset:
    """Put a dataset away, where lists do not show it, or bring it back. Needs `write`. Raises NoSuchDataset."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        dataset = locked(grant, dataset_id)
        if (dataset.archived_at is not None) != is_archived:
            dataset.archived_at = timezone.now() if is_archived else None
            dataset.save(update_fields=["archived_at"])
            audit(grant, "dataset.archive" if is_archived else "dataset.restore", "dataset", str(dataset.pk))
    return dataset


def delete(grant: Grant, dataset_id: str) -> Dataset:
    """Delete a dataset with all its versions; experiments on it stay. Needs `write`. Raises NoSuchDataset.

    Returns the row as it was, with its id.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        dataset = locked(grant, dataset_id)
        key = dataset.pk
        audit(grant, "dataset.delete", "dataset", str(key), {"name": dataset.name, "version": dataset.version})
        dataset.delete()
        dataset.pk = key
    return dataset


def find(grant: Grant, dataset_id: str) -> Dataset | None:
    """The project's dataset of this id, or None. Needs `read`."""
    grant.need(Scope.READ)
    key = key_of(dataset_id)
    return None if key is None else Dataset.objects.filter(project=grant.project, pk=key).first()


def named(grant: Grant, name: str) -> Dataset | None:
    """The project's dataset of this name, or None. Needs `read`."""
    grant.need(Scope.READ)
    return Dataset.objects.filter(project=grant.project, name=clean_string(name)).first()


# ------------------------------------------------------------------------------------------------------- how it is done
def key_of(id: str) -> uuid.UUID | None:
    """The key that a text says; None for a text that is none."""
    try:
        return uuid.UUID(id)
    except ValueError:
        return None


def locked(grant: Grant, dataset_id: str) -> Dataset:
    """The dataset, held until the end of the transaction: versions follow one another. Raises NoSuchDataset."""
    key = key_of(dataset_id)
    dataset = None if key is None else Dataset.objects.select_for_update().filter(project=grant.project, pk=key).first()
    if dataset is None:
        raise NoSuchDataset("dataset", dataset_id)
    return dataset


def next_version(grant: Grant, dataset: Dataset, action: str, count: int) -> int:
    """Count up the version of a locked dataset, and note how it came to be."""
    dataset.version += 1
    dataset.save(update_fields=["version", "updated_at"])
    DatasetVersion.objects.create(
        dataset=dataset, number=dataset.version, action=action, count=count, actor=grant.actor[:250]
    )
    return dataset.version


def tidy_object(name: str, value: Mapping[str, Json] | None) -> dict[str, Any]:
    """An object that can be stored; an empty one for None. Raises BadDataset."""
    if value is not None and not isinstance(value, Mapping):
        raise BadDataset(name, value, "an object")
    tidy: dict[str, Any] = tidy_json(name, dict(value or {}), MAX_METADATA)
    return tidy


def tidy_json(name: str, value: Json, limit: int) -> Any:
    """A JSON value that can be stored, of at most `limit` bytes. Raises BadDataset."""
    try:
        return clean_json(name, value, limit)
    except InvalidRecord as error:
        raise BadDataset(error.field, error.value, error.expected) from None


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
    return {"name": name, "description": description, "metadata": tidy_object("metadata", metadata)}
