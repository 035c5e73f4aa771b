"""What threads and users come to: calls, steps, errors, tokens, time, money and scores of all that is theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, Sum

from generations.access import Grant
from generations.metrics import TooSlow, belonging
from generations.metrics.belonging import Belongings
from generations.models import Generation, Score, Step

MOST_SCORES: Final = 20
PATIENCE: Final = 0.03
"""Seconds that a list waits for what its rows come to; where they have too many calls, it is not shown."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the scores of one name that have a value, and how many there are with and without one."""

    name: str
    value: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Sums:
    """The totals of a thread: its calls, its steps, and the scores of all of these."""

    calls: Belongings
    steps: int
    failed_steps: int
    scores: list[Mean]


def of_rows(grant: Grant, kind: str, rows: Sequence[Any]) -> list[Belongings | None]:
    """The calls of each thread or user of a page of their list; None when adding them up takes too long."""
    try:
        found = belonging.of_each(kind, grant.project.pk, [row.public_id for row in rows], timeout=PATIENCE)
    except TooSlow:
        return [None] * len(rows)
    return [found.get(row.public_id, Belongings()) for row in rows]


def of_thread(project_pk: int, thread_id: str) -> Sums:
    """The totals of a thread; five queries."""
    calls = Generation.objects.in_project(project_pk).filter(thread_id=thread_id)
    steps = Step.objects.in_project(project_pk).filter(thread_id=thread_id)
    work = steps.aggregate(count=Count("uid"), failed=Count("uid", filter=Q(error__isnull=False)))
    found = belonging.of_each("threads", project_pk, [thread_id])
    return Sums(
        calls=found.get(thread_id, Belongings()),
        steps=work["count"],
        failed_steps=work["failed"],
        scores=_scores(
            project_pk,
            (
                Q(thread_id=thread_id),
                Q(generation_id__in=calls.values("public_id")),
                Q(step_id__in=steps.values("public_id")),
            ),
        ),
    )


def _scores(project_pk: int, places: tuple[Q, ...]) -> list[Mean]:
    found: dict[str, list[tuple[float | None, int, int]]] = defaultdict(list)
    for place in places:
        rows = Score.objects.in_project(project_pk).filter(place).order_by("name").values("name")
        for row in rows.annotate(total=Sum("value"), valued=Count("value"), count=Count("uid"))[:MOST_SCORES]:
            found[row["name"]].append((row["total"], row["valued"], row["count"]))
    means = []
    for name, parts in sorted(found.items()):
        valued = sum(part[1] for part in parts)
        total = sum(part[0] for part in parts if part[0] is not None)
        means.append(Mean(name, total / valued if valued else None, sum(part[2] for part in parts)))
    return means[:MOST_SCORES]
