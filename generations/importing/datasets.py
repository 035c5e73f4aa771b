"""A dataset from elsewhere: taken in whole, once, with its own ids."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from generations import datasets, identities
from generations.access import Grant, Scope
from generations.cleaning import clean_string
from generations.datasets import NewItem
from generations.models import Dataset, DatasetItem
from generations.records import Json


def take_in(
    grant: Grant,
    id: str,
    *,
    name: str,
    description: str,
    type: str,
    metadata: Mapping[str, Json] | None,
    created_at: dt.datetime | None,
    items: Sequence[NewItem],
) -> list[str]:
    """A dataset from elsewhere with its items: what became of it and of each of them, `stored` or `unchanged`.

    Ids and moments are kept, unless another project has such an id: then one is made of it that is the same each time.
    A dataset of this id or name takes in the items that it has not had yet. Needs `write`. Raises BadDataset.
    """
    grant.need(Scope.WRITE)
    key = _own_key(grant, id, Dataset.objects.exclude(project=grant.project))
    with transaction.atomic():
        dataset = Dataset.objects.filter(Q(pk=key) | Q(name=clean_string(name).strip()), project=grant.project).first()
        states = ["stored" if dataset is None else "unchanged"]
        if dataset is None:
            dataset = datasets.create(grant, id=key, name=name, description=description, type=type, metadata=metadata)
            if created_at is not None:
                Dataset.objects.filter(pk=dataset.pk).update(created_at=created_at)
        others = DatasetItem.objects.exclude(dataset=dataset)
        keyed = [replace(item, id=str(_own_key(grant, item.id or "", others))) for item in items]
        there = DatasetItem.objects.filter(dataset=dataset, pk__in=[item.id for item in keyed])
        known = {str(pk) for pk in there.values_list("pk", flat=True)}
        new = [item for item in keyed if item.id not in known]
        for first in range(0, len(new), datasets.MAX_ITEMS):
            made = datasets.add_items(grant, str(dataset.pk), new[first : first + datasets.MAX_ITEMS])
            for row, item in zip(made, new[first:], strict=False):
                row.created_at = item.created_at or row.created_at
            DatasetItem.objects.bulk_update(made, ["created_at"], batch_size=200)
    return states + ["unchanged" if item.id in known else "stored" for item in keyed]


def _own_key(grant: Grant, id: str, elsewhere: QuerySet[Any]) -> uuid.UUID:
    """The UUID that `id` is, or one made of it where it is none or is `elsewhere` already."""
    if identities.is_uuid(id) and not elsewhere.filter(pk=id).exists():
        return uuid.UUID(id)
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{grant.project.pk}/{id}")
