"""The job that evaluates: some cases at a time, answered, scored and stored; within its budget, and going on later."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Max, Q, Sum

from generations import identities, jobs, recording, records, verdicts
from generations.access import Grant
from generations.evaluating import answering, asking, reckoning
from generations.evaluating.asking import Asked
from generations.evaluating.scoring import Finding, Models, Scorer, Used
from generations.evaluating.subjects import Case
from generations.filters import BadFilter
from generations.generating import BUILT_IN
from generations.models import Dataset, Experiment, ExperimentItem, Generation, Project, Score
from generations.records import InvalidRecord, Json

EXAMPLES: Final = 20
"""Reasons for missing scores that are kept with the job."""


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of this module, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _evaluate)


def score_id(project: Project, evaluator_id: str, generation_id: str) -> str:
    """The id of the score that an evaluator gives a logged generation: there is one, whoever asks, and how often."""
    return identities.uid_text(project.pk, "score of evaluator", f"{evaluator_id}:{generation_id}")


class Purse:
    """What is left of an evaluation's budget. What was spent is read of the calls that are stored."""

    def __init__(self, asked: Asked, estimate: reckoning.Estimate, project: Project) -> None:
        self._asked = asked
        self._project = project
        self._calls_each = estimate.calls // max(1, estimate.items)
        self._cost_each = estimate.cost_of_item or Decimal(0)
        self.calls = 0
        self.cost = Decimal(0)
        self.unknown = 0
        self.currency: str | None = None
        self.look()

    def look(self) -> None:
        """Read what was spent."""
        made = Generation.objects.in_project(self._project.pk).filter(
            metadata__contains={"evaluation": self._asked.mark}
        )
        unknown = Q(cost=None) & ~Q(model_id__in=BUILT_IN) & Q(error=None)
        said = made.aggregate(
            n=Count("uid"), unknown=Count("uid", filter=unknown), sum=Sum("cost"), unit=Max("currency")
        )
        self.calls, self.unknown = said["n"], said["unknown"]
        self.cost, self.currency = said["sum"] or Decimal(0), said["unit"]
        if self.calls > self.unknown:
            # Where calls cost more than was reckoned, what is left does not reach as far.
            self._cost_each = max(self._cost_each, self.cost / (self.calls - self.unknown) * self._calls_each)

    def room(self, cases: int) -> int:
        """How many of these cases there is room for."""
        asked, room = self._asked, cases
        if asked.max_calls is not None and self._calls_each:
            room = min(room, max(0, asked.max_calls - self.calls) // self._calls_each)
        if asked.max_cost is not None and self._cost_each:
            # A call that does not say what it cost is taken for what it was reckoned to.
            spent = self.cost + self.unknown * self._cost_each
            room = min(room, int(max(Decimal(0), asked.max_cost - spent) / self._cost_each))
        return room

    def is_bounded(self) -> bool:
        """Whether there is a bound."""
        return self._asked.max_calls is not None or self._asked.max_cost is not None

    def sentence(self, done: int, total: int) -> str:
        """Why an evaluation ended before its last item."""
        bounds = [] if self._asked.max_calls is None else [f"{self._asked.max_calls:,} calls"]
        if self._asked.max_cost is not None:
            bounds.append(f"{self._asked.max_cost} {self.currency or ''}".strip())
        return f"The budget of {' and '.join(bounds)} is spent: {total - done:,} of {total:,} items were not evaluated."


class Work:
    """An evaluation under way: what is done of it, and what came of that."""

    def __init__(self, grant: Grant, asked: Asked, apart: verdicts.Apart) -> None:
        self.scored = self.unscored = 0
        self.refusals: list[dict[str, Json]] = []
        self._grant, self._asked = grant, asked
        self._versions = answering.versions(grant, asked.versions, asked.model)
        self._models = Models(grant, [*(one.model for one in self._versions), *asked.models_of_evaluators])
        self._about: dict[str, Json] = {"evaluation": asked.mark}
        self._scorer = Scorer(asked.evaluators, self._models, apart, self._about)
        self._row = 0

    def open_among(self, cases: Sequence[Case]) -> list[Case]:
        """Those that are not done yet; what came of the others is counted."""
        done = self._done(cases)
        for case in cases:
            if case.key in done:
                self._row += 1
                for value, comment in done[case.key]:
                    self._count(value is not None, comment or "", self._row)
        return [case for case in cases if case.key not in done]

    def do(self, cases: Sequence[Case]) -> None:
        """Answer, score and store these, all or none of them."""
        made: list[records.Record] = []
        items: list[ExperimentItem] = []
        each = answering.answered(self._models, self._versions, cases, self._about) or [list(cases)]
        for experiment, answered in zip(self._asked.experiments or (None,), each, strict=True):
            row = self._row
            for case, findings in zip(answered, self._scorer.findings(answered), strict=True):
                item = None if experiment is None else self._item(experiment, case)
                items += [] if item is None else [item]
                made += [self._score(one, case, item) for one in findings]
                row += 1
                for one in findings:
                    self._count(one.is_scored, f"{one.evaluator.name}: {one.comment}", row)
        self._row += len(cases)
        with transaction.atomic():
            for receipt in recording.record(self._grant.project, [*self._models.kept.taken(), *made]):
                if receipt.state == "rejected":
                    self._count(False, f"{receipt.kind} could not be stored: {receipt.reason}", self._row)
            ExperimentItem.objects.bulk_create(items, ignore_conflicts=True)

    def _item(self, experiment: str, case: Case) -> ExperimentItem:
        return ExperimentItem(
            id=self._item_key(experiment, case),
            experiment_id=uuid.UUID(experiment),
            dataset_item_id=case.dataset_item,
            generation_id=case.generation_id,
            # What the dataset says already is not said again.
            input=None if case.dataset_item else case.input,
            output=case.output,
        )

    def _item_key(self, experiment: str, case: Case) -> uuid.UUID:
        return identities.uid(self._grant.project.pk, "evaluated", f"{experiment}:{case.key}")

    def _id(self, evaluator: Used, case: Case, item: uuid.UUID | None) -> str:
        if item is None:
            return score_id(self._grant.project, evaluator.id, case.key)
        return identities.uid_text(self._grant.project.pk, "score of item", f"{item}:{evaluator.id}")

    def _score(self, one: Finding, case: Case, item: ExperimentItem | None) -> records.ScoreRecord:
        id = self._id(one.evaluator, case, None if item is None else item.pk)
        if item is None:
            return one.record(id, generation_id=case.key)
        # A stored answer is scored as the answer to this item; a logged one, or one that was just given, is too.
        generation = None if self._asked.of == "dataset" else case.generation_id
        return one.record(id, experiment_item_id=str(item.pk), generation_id=generation)

    def _done(self, cases: Sequence[Case]) -> dict[str, list[tuple[float | None, str | None]]]:
        """What was stored of these cases before."""
        experiments = self._asked.experiments
        places: dict[str, tuple[Case, Used]] = {}
        for case in cases:
            for experiment in experiments or (None,):
                item = None if experiment is None else self._item_key(experiment, case)
                places |= {self._id(one, case, item): (case, one) for one in self._asked.evaluators}
        rows = Score.objects.by_ids(self._grant.project.pk, "score", places)
        found: dict[str, list[tuple[float | None, str | None]]] = {}
        for id, value, comment in rows.values_list("public_id", "value", "comment"):
            case, evaluator = places[id]
            found.setdefault(case.key, []).append((value, f"{evaluator.name}: {comment}"))
        return found

    def _count(self, is_scored: bool, reason: str, row: int) -> None:
        self.scored += is_scored
        self.unscored += not is_scored
        if not is_scored and len(self.refusals) < EXAMPLES:
            self.refusals.append({"row": row, "reason": reason})


def _evaluate(lease: jobs.Lease) -> None:
    asked, grant = Asked.of_job(lease.job), jobs.grant_of(lease.job)
    try:
        with verdicts.Apart() as apart:
            lease.finish(_done(lease, grant, asked, apart))
    except (BadFilter, InvalidRecord, Dataset.DoesNotExist) as error:
        raise jobs.Failed(f"It is no longer possible. {error}") from error


def _done(lease: jobs.Lease, grant: Grant, asked: Asked, apart: verdicts.Apart) -> dict[str, Any]:
    if Experiment.objects.filter(pk__in=asked.experiments).count() < len(asked.experiments):
        raise jobs.Failed("Its experiment was deleted meanwhile.")
    estimate = reckoning.estimate(grant, asked)
    purse, work = Purse(asked, estimate, grant.project), Work(grant, asked, apart)
    done, stopped = 0, ""
    lease.advance(0, estimate.items)
    for batch in asking.cases(grant, asked):
        open_ = work.open_among(batch)
        room = purse.room(len(open_)) if open_ else 0
        if room:
            work.do(open_[:room])
            if purse.is_bounded():
                purse.look()
        done += len(batch) - len(open_) + room
        lease.advance(done)
        if room < len(open_):
            stopped = purse.sentence(done, estimate.items)
            break
    purse.look()
    return {
        "items": done,
        "scored": work.scored,
        "unscored": work.unscored,
        "calls": purse.calls,
        "cost": None if purse.unknown else str(purse.cost),
        "currency": purse.currency,
        "stopped": stopped,
        "refusals": work.refusals,
    }
