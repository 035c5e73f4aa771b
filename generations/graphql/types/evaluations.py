"""Evaluators, evaluations as jobs, and what one takes before it begins."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.scalars import JSON

from generations import evaluating, models
from generations.evaluating import Asked
from generations.graphql import scalars
from generations.graphql.nodes import Batch, column, part, resolved
from generations.graphql.types.exports import Progress


@strawberry.type(description="A way to score answers: a rule, or a model that is told a criterion.")
class Evaluator:
    """A row of evaluators."""

    row: strawberry.Private[models.Evaluator]
    batch: strawberry.Private[Batch[models.Evaluator]]

    id: strawberry.ID = column("pk", "The id of the evaluator.")
    name: str = column("name", "What people call it.")
    kind: str = column("kind", "exact, contains, regex, json_schema, numeric, similarity, log_probability or judge.")
    score_name: str = column("score_name", "The name of the scores that it gives.")
    share: float = column("share", "Percent of the new generations that it scores; 0 for none.")
    created_at: dt.datetime = column("created_at", "When it was made.")
    archived_at: dt.datetime | None = column("archived_at", "When it was put away; null while it is in use.")

    @resolved("What is said of its kind: an object.")
    def options(self) -> JSON:
        """The options."""
        return scalars.json(self.row.options)

    @resolved("Which new generations it scores, as a filter document; an empty one lets all through.")
    def filter(self) -> JSON:
        """The filter."""
        return scalars.json(self.row.filter)

    @resolved("How far its scores are behind what comes in; null when it scores nothing new.")
    def seconds_behind(self) -> float | None:
        """Seconds."""
        return evaluating.seconds_behind(self.row)

    @resolved("Why it scores nothing new any more; null when nothing is wrong.")
    def problem(self) -> str | None:
        """A sentence."""
        return self.row.problem or None


@strawberry.type(description="An evaluator as it was when an evaluation was asked for.")
class UsedEvaluator:
    """A part of a job's parameters."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="Its name then.")
    kind: str = strawberry.field(description="Its kind.")
    score_name: str = strawberry.field(description="The name of its scores then.")


@strawberry.type(description="Why something has no score.")
class EvaluationRefusal:
    """A part of a job's result."""

    row: int = strawberry.field(description="The item, counted from 1.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="What came of an evaluation.")
class EvaluationResult:
    """A job's result."""

    said: strawberry.Private[dict[str, Any]]

    @resolved("Items that were evaluated.")
    def items(self) -> int:
        """A number."""
        return int(self.said["items"])

    @resolved("Scores that were given.")
    def scored(self) -> int:
        """A number."""
        return int(self.said["scored"])

    @resolved("Scores that could not be given.")
    def unscored(self) -> int:
        """A number."""
        return int(self.said["unscored"])

    @resolved("Calls to models, those of judges among them.")
    def calls(self) -> int:
        """A number."""
        return int(self.said["calls"])

    @resolved("What they cost; null where a price is not known.")
    def cost(self) -> Decimal | None:
        """Money."""
        return None if self.said["cost"] is None else Decimal(self.said["cost"])

    @resolved("The currency of the cost; null when no cost is known.")
    def currency(self) -> str | None:
        """Three letters."""
        return None if self.said["currency"] is None else str(self.said["currency"])

    @resolved("Why it ended before its last item; null when it did not.")
    def stopped(self) -> str | None:
        """A sentence."""
        return self.said["stopped"] or None

    @resolved("The first of what has no score, with the reasons.")
    def refusals(self) -> list[EvaluationRefusal]:
        """Some reasons."""
        return [EvaluationRefusal(row=one["row"], reason=one["reason"]) for one in self.said["refusals"]]


@strawberry.type(description="Evaluators that score prompt versions, stored answers or logged generations, as a job.")
class Evaluation:
    """A row of jobs of the kind evaluation."""

    row: strawberry.Private[models.Job]
    batch: strawberry.Private[Batch[models.Job]]

    id: strawberry.ID = column("pk", "The id of the evaluation.")
    state: str = column("state", "queued, running, done, failed or cancelled.")
    progress: Progress = part(Progress, "How far it has come, in items.")
    attempts: int = column("attempts", "How often a worker has begun it.")
    created_at: dt.datetime = column("created_at", "When it was asked for.")
    started_at: dt.datetime | None = column("started_at", "When a worker began it; null before that.")
    finished_at: dt.datetime | None = column("finished_at", "When it ended; null before that.")

    @resolved("Its name, which its experiments have too.")
    def name(self) -> str:
        """The name."""
        return self._asked.name

    @resolved("Of what: versions, dataset, generations or backfill.")
    def of(self) -> str:
        """A word."""
        return self._asked.of

    @resolved("The ids of the prompt versions that answer.")
    def version_ids(self) -> list[strawberry.ID]:
        """Ids."""
        return [strawberry.ID(id) for id in self._asked.versions]

    @resolved("The dataset whose items are evaluated; null for logged generations.")
    def dataset_id(self) -> strawberry.ID | None:
        """An id."""
        return None if self._asked.dataset is None else strawberry.ID(self._asked.dataset)

    @resolved("The version of the dataset; null when it is about none.")
    def dataset_version(self) -> int | None:
        """A number."""
        return self._asked.dataset_version

    @resolved("The filter of logged generations, as a document.")
    def filter(self) -> JSON:
        """The filter."""
        return scalars.json(self._asked.filter)

    @resolved("The evaluators, as they were when it was asked for.")
    def evaluators(self) -> list[UsedEvaluator]:
        """Parts of the parameters."""
        return [
            UsedEvaluator(id=strawberry.ID(one.id), name=one.name, kind=one.kind, score_name=one.score_name)
            for one in self._asked.evaluators
        ]

    @resolved("The experiments that hold its results: one for each version, none for a backfill.")
    def experiment_ids(self) -> list[strawberry.ID]:
        """Ids."""
        return [strawberry.ID(id) for id in self._asked.experiments]

    @resolved("What came of it; null until it is done.")
    def result(self) -> EvaluationResult | None:
        """The job's result."""
        return EvaluationResult(said=self.row.result) if self.row.result else None

    @resolved("Why it failed; null when it did not.")
    def error(self) -> str | None:
        """The sentence for whoever started it."""
        return self.row.error or None

    @property
    def _asked(self) -> Asked:
        return self.batch.once(("asked", self.row.pk), lambda: Asked.of_job(self.row))


@strawberry.type(description="The calls to one model that an evaluation takes.")
class ModelEstimate:
    """A line of an estimate."""

    model: str = strawberry.field(description="The model, by this project's name of it.")
    calls: int = strawberry.field(description="How many calls.")
    cost: Decimal | None = strawberry.field(description="What they cost, about; null where no price is known.")
    currency: str | None = strawberry.field(description="The currency of the cost; null when no cost is known.")


@strawberry.type(description="What an evaluation takes, reckoned before it begins.")
class EvaluationEstimate:
    """An estimate."""

    items: int = strawberry.field(description="Items that will be evaluated.")
    calls: int = strawberry.field(description="Calls to models, those of judges among them.")
    cost: Decimal | None = strawberry.field(description="What they cost, about; null where a price is not known.")
    currency: str | None = strawberry.field(description="The currency of the cost; null when no cost is known.")
    models: list[ModelEstimate] = strawberry.field(description="The same by model.")
    unknown_prices: list[str] = strawberry.field(description="Models of which no price is known.")


@strawberry.type(description="What an evaluator says of an answer that was tried.")
class TriedScore:
    """A finding."""

    evaluator_id: strawberry.ID = strawberry.field(description="The evaluator.")
    name: str = strawberry.field(description="The name of the score.")
    value: float | None = strawberry.field(description="The score; null where there is none.")
    comment: str | None = strawberry.field(
        description="A judge's reason, or why there is no score; null when there is neither."
    )
    generation_id: strawberry.ID | None = strawberry.field(
        description="The judge's call; null when no model was asked."
    )


@strawberry.type(description="The first item, as an evaluation would have it.")
class Tried:
    """One answer to it, with its scores."""

    title: str = strawberry.field(description="The version that answered.")
    input: JSON | None = strawberry.field(description="What was asked; null when there is none.")
    expected: JSON | None = strawberry.field(description="What was expected; null when there is none.")
    output: JSON | None = strawberry.field(description="The answer; null when there is none.")
    problem: str | None = strawberry.field(description="Why there is no answer; null when there is one.")
    generation_id: strawberry.ID | None = strawberry.field(description="The call that answered; null when none did.")
    scores: list[TriedScore] = strawberry.field(description="What the evaluators say.")
