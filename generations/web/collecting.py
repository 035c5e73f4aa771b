"""Where rows can be put from their list or their own page: datasets and review queues."""

from __future__ import annotations

from typing import Any, Final

from generations import gathering
from generations.access import Grant, Scope
from generations.models import Dataset, ReviewQueue

MOST: Final = 200
ON_A_ROW: Final = 50
"""So many of each stand on the page of one row, which has less room."""


def places(grant: Grant, kind: str, most: int = MOST) -> dict[str, list[Any]]:
    """The `datasets` and `queues` to choose from, by name; none for who may not write, or for rows that go to none."""
    if kind not in gathering.KINDS or not grant.may(Scope.WRITE):
        return {"datasets": [], "queues": []}
    datasets = Dataset.objects.filter(project=grant.project, archived_at=None)
    queues = ReviewQueue.objects.filter(project=grant.project)
    return {
        "datasets": list(datasets.only("name").order_by("name")[:most]),
        "queues": list(queues.only("name").order_by("name")[:most]),
    }
