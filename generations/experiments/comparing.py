"""Experiments side by side: results of the same item in one line, means with confidence intervals, differences."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import F, Func, TextField
from django.db.models.functions import Cast

from generations import intervals
from generations.access import Grant, Scope
from generations.intervals import Interval
from generations.models import Experiment, ExperimentItem, Generation, Score, Step

MOST_RUNS: Final = 4
MOST_ITEMS: Final = 10_000
"""The results of one experiment that are compared; of more the first ones."""
AT_ONCE: Final = 5_000
DEPTH: Final = 12
"""Levels of steps below a run in which its calls to models are looked for."""
COST: Final = "cost"
LATENCY: Final = "latency"
SORTS: Final = ("order", "difference", "worse", "better")
LEAST: Final = 6
"""Items below which no difference is called clear: five that all go one way are as likely as 1 in 16 by chance."""


@dataclass(slots=True)
class Outcome:
    """What an item led to in one experiment. Repeated runs of the same item are one outcome with the means of their
    scores; `item` and what it refers to are the last run's."""

    item: uuid.UUID
    run_id: str | None
    generation_id: str | None
    values: dict[str, float] = field(default_factory=dict)
    currency: str | None = None
    error: str | None = None
    repeats: int = 1


@dataclass(slots=True)
class Line:
    """An item in all experiments; `outcomes` are in their order, None where one has not run it."""

    key: str
    dataset_item: uuid.UUID | None
    outcomes: list[Outcome | None]

    def difference(self, name: str, place: int, base: int = 0) -> float | None:
        """By how much a measure is more in the experiment at `place` than in that at `base`, if it is known in both,
        in the same currency."""
        one, other = self.outcomes[base], self.outcomes[place]
        if one is None or other is None or name not in one.values or name not in other.values:
            return None
        if name == COST and one.currency != other.currency:
            return None
        return other.values[name] - one.values[name]


@dataclass(frozen=True, slots=True)
class Difference:
    """How an experiment differs from another in one measure, over the items that both know it of."""

    interval: Interval
    wins: int
    losses: int

    @property
    def ties(self) -> int:
        """Items on which they are equal."""
        return self.interval.count - self.wins - self.losses

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance, as far as 95 % are certain and there are items enough to say so."""
        return self.interval.count >= LEAST and self.interval.excludes_zero


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which experiment is ahead in one measure, which comes nearest to it, by their places, and by how much.

    It has won only where it is clearly better than each of the others: `is_won`.
    """

    name: str
    ahead: int
    behind: int
    difference: Difference
    is_won: bool


@dataclass(slots=True)
class Run:
    """One experiment of a comparison: the mean of each measure, and its difference from the first one's."""

    experiment: Experiment
    count: int = 0
    failed: int = 0
    is_cut: bool = False
    means: dict[str, Interval] = field(default_factory=dict)
    differences: dict[str, Difference] = field(default_factory=dict)
    total_cost: float | None = None
    currency: str | None = None


@dataclass(slots=True)
class Comparison:
    """The experiments, the names of their scores, and a line for each item that any of them has run."""

    runs: list[Run]
    names: list[str]
    lines: list[Line]

    @property
    def measures(self) -> list[str]:
        """Scores, then cost and latency where anything is known of them."""
        return [*self.names, *(name for name in (COST, LATENCY) if any(name in run.means for run in self.runs))]

    def verdicts(self) -> list[Verdict]:
        """Who is ahead in each measure; left out where no two experiments know it of the same item."""
        return [found for name in self.measures if (found := self._verdict(name)) is not None]

    def _verdict(self, name: str) -> Verdict | None:
        """They are ranked by their differences from the first that knows the measure; the best is then compared with
        each of the others, item by item."""
        better = -1 if lower_is_better(name) else 1
        base, *others = [place for place, run in enumerate(self.runs) if name in run.means] or [0]
        ranked = [(0.0, base)]
        for place in others:
            if (difference := _difference(self.lines, name, place, base)) is not None:
                ranked.append((-better * difference.interval.mean, place))
        (_, ahead), *behind = sorted(ranked)
        found = [(place, by) for _, place in behind if (by := _difference(self.lines, name, ahead, place)) is not None]
        if not found:
            return None
        nearest, by = found[0]
        is_won = len(found) == len(others) and all(one.is_clear and one.interval.mean * better > 0 for _, one in found)
        return Verdict(name, ahead, nearest, by, is_won)


def compare(grant: Grant, rows: Sequence[Experiment], *, by: str = "", sort: str = "order") -> Comparison:
    """These experiments of the project, the first as the baseline; lines sorted by how they differ in `by`: a measure,
    or else all scores together.

    Results belong together by the dataset's item, whichever of its versions, or by the same input. The number of
    queries grows by one for every AT_ONCE results. Needs `read`.
    """
    grant.need(Scope.READ)
    lines: dict[str, Line] = {}
    runs = [Run(row) for row in rows]
    found = list(_items([row.pk for row in rows]))
    scores = _scores(grant.project.pk, [str(pk) for pk, *_ in found])
    places = {row.pk: place for place, row in enumerate(rows)}
    sums: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for pk, experiment, key, dataset_item, run_id, generation_id, digest in found:
        place, name = places[experiment], f"item {key}" if key else f"input {digest or pk}"
        run = runs[place]
        if run.count >= MOST_ITEMS:
            run.is_cut = True
            continue
        run.count += 1
        line = lines.setdefault(name, Line(name, dataset_item, [None] * len(rows)))
        earlier = line.outcomes[place]
        outcome = Outcome(pk, run_id, generation_id, repeats=1 if earlier is None else earlier.repeats + 1)
        line.outcomes[place] = outcome
        for score, value in scores.get(str(pk), ()):
            sums[name, place, score].append(value)
    for (key, place, score), values in sums.items():
        last = lines[key].outcomes[place]
        assert last is not None
        last.values[score] = sum(values) / len(values)
    _measure(grant.project.pk, [o for line in lines.values() for o in line.outcomes if o is not None])
    names = sorted({score for _, _, score in sums})
    comparison = Comparison(runs, names, list(lines.values()))
    for place, run in enumerate(runs):
        _sum_up(run, place, comparison.lines, [*names, COST, LATENCY])
    _sort(comparison, by, sort)
    return comparison


def lower_is_better(name: str) -> bool:
    """Whether less of this measure is the better: of cost and latency it is, of scores more is."""
    return name in (COST, LATENCY)


# ------------------------------------------------------------------------------------------------------- how it is done
class _Digest(Func):
    """The digest of a text."""

    function = "md5"
    output_field = TextField()


def _items(experiments: Sequence[uuid.UUID]) -> Iterator[tuple[Any, ...]]:
    """The results in the order of their making: their facts without what was given and came back."""
    for experiment in experiments:
        rows = ExperimentItem.objects.filter(experiment=experiment).order_by("created_at", "id")
        yield from rows.annotate(digest=_Digest(Cast(F("input"), TextField()))).values_list(
            "id", "experiment_id", "dataset_item__key", "dataset_item_id", "run_id", "generation_id", "digest"
        )[: MOST_ITEMS + 1]


def _scores(project_pk: int, ids: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for some in _pieces(ids):
        rows = Score.objects.in_project(project_pk).filter(experiment_item_id__in=some, value__isnull=False)
        for item, name, value in rows.values_list("experiment_item_id", "name", "value"):
            found[str(item)].append((name, float(value or 0)))
    return found


def _measure(project_pk: int, outcomes: list[Outcome]) -> None:
    """Add cost and latency to outcomes: of their generation, or else of their run with all calls below it."""
    own = {one.generation_id: one for one in outcomes if one.generation_id}
    runs: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one.run_id and not one.generation_id:
            runs[one.run_id].append(one)
    for some in _pieces(list(own)):
        rows = Generation.objects.by_ids(project_pk, "generation", some)
        facts = {row[0]: row[1:] for row in rows.values_list("public_id", "latency", "cost", "currency", "error")}
        for one in outcomes:
            if one.generation_id in facts:
                _note(one, *facts[one.generation_id])
    for some in _pieces(list(runs)):
        costs = _costs(project_pk, some)
        for id, latency, error in Step.objects.by_ids(project_pk, "step", some).values_list(
            "public_id", "latency", "error"
        ):
            cost, currency = costs.get(id, (None, None))
            for one in runs[id]:
                _note(one, latency, cost, currency, error)


def _note(one: Outcome, latency: float | None, cost: Decimal | None, currency: str | None, error: str | None) -> None:
    one.error = error
    if latency is not None:
        one.values[LATENCY] = latency
    if cost is not None:
        one.values[COST], one.currency = float(cost), currency


def _costs(project_pk: int, runs: Sequence[str]) -> dict[str, tuple[Decimal, str | None]]:
    """What the calls in the trees of these steps cost; left out where nothing or several currencies are known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE tree (root, id, depth) AS ("  # noqa: S608  the project is a number
            '  SELECT id, id COLLATE "C", 0 FROM unnest(%(runs)s::text[]) AS id'
            "  UNION SELECT tree.root, step.public_id, tree.depth + 1 FROM tree JOIN step"
            f"   ON step.project_id = {project_pk:d} AND step.parent_id = tree.id WHERE tree.depth < %(depth)s"
            ") SELECT root, sum(cost), min(currency) FROM (SELECT DISTINCT root, id FROM tree) AS tree"
            f" JOIN generation ON generation.project_id = {project_pk:d} AND generation.step_id = tree.id"
            " WHERE cost IS NOT NULL GROUP BY root HAVING count(DISTINCT currency) <= 1",
            {"runs": list(runs), "depth": DEPTH},
        )
        return {root: (cost, currency) for root, cost, currency in cursor.fetchall()}


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _sum_up(run: Run, place: int, lines: Sequence[Line], measures: Sequence[str]) -> None:
    values: dict[str, list[float]] = defaultdict(list)
    currencies: set[str | None] = set()
    for line in lines:
        outcome = line.outcomes[place]
        if outcome is None:
            continue
        run.failed += outcome.error is not None
        for name, value in outcome.values.items():
            values[name].append(value)
        if COST in outcome.values:
            currencies.add(outcome.currency)
    if len(currencies) > 1:
        # Money is never added across currencies.
        values.pop(COST, None)
    run.currency = next(iter(currencies), None)
    run.total_cost = sum(values[COST]) if values.get(COST) else None
    run.means = {name: mean for name, known in values.items() if (mean := intervals.of_values(known))}
    for name in measures if place else ():
        if name in run.means and (difference := _difference(lines, name, place, 0)) is not None:
            run.differences[name] = difference


def _difference(lines: Sequence[Line], name: str, place: int, base: int) -> Difference | None:
    """How the experiment at `place` differs from that at `base`; None where no item tells."""
    known = [by for line in lines if (by := line.difference(name, place, base)) is not None]
    interval = intervals.of_values(known)
    if interval is None:
        return None
    better = -1 if lower_is_better(name) else 1
    return Difference(interval, sum(by * better > 0 for by in known), sum(by * better < 0 for by in known))


def _sort(comparison: Comparison, by: str, sort: str) -> None:
    """Order the lines by their largest difference in one measure, or in any score by the spread of its differences;
    those where it is not known come last."""
    if sort == "order" or len(comparison.runs) < 2:
        return
    names = [by] if by in comparison.measures else comparison.names or comparison.measures
    places = range(1, len(comparison.runs))

    def differences(line: Line, name: str) -> list[float]:
        better = -1 if lower_is_better(name) else 1
        return [more * better for place in places if (more := line.difference(name, place)) is not None]

    spreads = {
        name: max((abs(one) for line in comparison.lines for one in differences(line, name)), default=0) or 1
        for name in names
    }

    def rank(line: Line) -> tuple[bool, float]:
        known = [one / spreads[name] for name in names for one in differences(line, name)]
        if not known:
            return True, 0
        chosen = {"difference": -max(map(abs, known)), "worse": min(known), "better": -max(known)}
        return False, chosen[sort]

    comparison.lines.sort(key=rank)
