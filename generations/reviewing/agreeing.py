"""How far the people who judged the same items agree, criterion by criterion."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from generations.models import Review, ReviewQueue
from generations.records import Json
from generations.reviewing.queues import Criterion, criteria_of

MOST: Final = 20_000
"""The latest judgements that are looked at."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one criterion: items that several people judged, the share of pairs of answers that are the same, and
    Krippendorff's alpha: 1 is agreement, 0 is chance; None where all gave one and the same answer, or too few did."""

    criterion: Criterion
    items: int
    same: float
    alpha: float | None


def agreement(queue: ReviewQueue) -> list[Agreement]:
    """Each criterion of the queue that two people or more have answered for the same item. One query."""
    done = Review.objects.filter(item__queue=queue, item__done__gte=2, state=Review.State.DONE)
    answers: dict[str, dict[Any, list[Json]]] = defaultdict(lambda: defaultdict(list))
    for item, given in done.order_by("-ended_at").values_list("item_id", "answers")[:MOST]:
        for name, answer in given.items():
            answers[name][item].append(answer)
    found = []
    for one in criteria_of(queue):
        units = [said for said in answers[one.name].values() if len(said) > 1]
        if one.form == "comment" or not units:
            continue
        pairs = [pair for said in units for pair in combinations(said, 2)]
        same = sum(left == right for left, right in pairs) / len(pairs)
        distance = _interval if one.form == "number" else _nominal
        found.append(Agreement(one, len(units), same, alpha(units, distance)))
    return found


def alpha(units: Sequence[Sequence[Json]], distance: Callable[[Any, Any], float]) -> float | None:
    """Krippendorff's alpha of units of two answers or more; any number of people, each of some of the units.

    > alpha = 1 - observed disagreement / expected disagreement
    None when nothing but one answer was ever given, for which no disagreement could be expected.
    """
    counts: Counter[Hashable] = Counter(answer for said in units for answer in said)
    total = sum(counts.values())
    observed = sum(
        sum(distance(left, right) * 2 for left, right in combinations(said, 2)) / (len(said) - 1) for said in units
    )
    expected = sum(
        2 * counts[left] * counts[right] * distance(left, right) for left, right in combinations(counts, 2)
    ) / (total - 1)
    return None if not expected else 1 - observed / expected


def _nominal(left: Json, right: Json) -> float:
    return float(left != right)


def _interval(left: float, right: float) -> float:
    return (left - right) ** 2
