"""How a dataset came to be what it is: its versions, and what is different between two of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Q

from generations.datasets.holding import items
from generations.models import Dataset, DatasetItem, DatasetVersion

SHOWN: Final = 200
"""The versions, and the changed items, that are told of at once."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version by its number. What came before versions were noted has neither action, actor nor moment."""

    number: int
    action: str = ""
    count: int | None = None
    actor: str = ""
    created_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An item that differs between two versions: as it was and as it is, None where it is not part of one."""

    before: DatasetItem | None
    after: DatasetItem | None

    @property
    def kind(self) -> str:
        """added, removed or replaced."""
        return "added" if self.before is None else "removed" if self.after is None else "replaced"


def history(dataset: Dataset, before: int | None = None) -> list[Version]:
    """Up to SHOWN versions, the newest first, of those below `before`; version 1 is the empty one. One query."""
    top = dataset.version if before is None else min(dataset.version, before - 1)
    numbers = range(top, max(0, top - SHOWN), -1)
    noted = {row.number: row for row in DatasetVersion.objects.filter(dataset=dataset, number__in=numbers)}
    made = []
    for number in numbers:
        row = noted.get(number)
        if row is not None:
            made.append(Version(number, row.action, row.count, row.actor, row.created_at))
        elif number == 1:
            made.append(Version(1, "create", 0, "", dataset.created_at))
        else:
            made.append(Version(number))
    return made


def changes(dataset: Dataset, old: int, new: int) -> tuple[list[Change], bool]:
    """What `new` has other than `old`, up to SHOWN items, and whether that is all of it. Two queries."""
    left, right = (
        {row.key: row for row in rows[: 2 * SHOWN]}
        for rows in (
            items(dataset, old).exclude(_part_of(new)),
            items(dataset, new).exclude(_part_of(old)),
        )
    )
    keys = list(dict.fromkeys((*right, *left)))
    made: Sequence[Change] = [Change(left.get(key), right.get(key)) for key in keys]
    return list(made[:SHOWN]), len(made) <= SHOWN


def _part_of(version: int) -> Q:
    return Q(added_in__lte=version) & (Q(removed_in=None) | Q(removed_in__gt=version))
