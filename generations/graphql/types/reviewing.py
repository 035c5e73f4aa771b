"""Review queues: what people are asked to judge, on which criteria, and what they said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

import strawberry
from django.db.models import Count, Q
from strawberry.scalars import JSON

from generations import models, reviewing
from generations.graphql import relations
from generations.graphql.connections import SLICE, Slice
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.events import Generation, Step
from generations.graphql.types.judgements import Behind, First

OnlyOpen = Annotated[bool, strawberry.argument(description="Only those that somebody has still to judge.")]


@strawberry.type(description="What is judged in a queue; its answers become scores of this name.")
class ReviewCriterion:
    """A criterion."""

    name: str = strawberry.field(description="Its name, and that of the scores.")
    form: str = strawberry.field(description="number, category, boolean or comment.")
    low: float | None = strawberry.field(description="The least number; null for any.")
    high: float | None = strawberry.field(description="The greatest number; null for any.")
    options: list[str] = strawberry.field(description="The categories to choose from.")


@strawberry.type(description="One person's turn at an item.")
class Review:
    """A row of reviews."""

    row: strawberry.Private[models.Review]
    batch: strawberry.Private[Batch[models.Review]]

    state: str = column("state", "held, done or skipped.")
    answers: JSON = column("answers", "The answer to each criterion, by its name.")
    ended_at: dt.datetime | None = column("ended_at", "When it was judged or passed over; null while it is held.")

    @resolved("Who judged: their user name; null when they are gone.")
    def reviewer(self) -> str | None:
        """The user name; those of all reviews of the batch in one query."""
        people = self.batch.once("people", lambda: _people(self.batch))
        return people.get(self.row.user_id)


def _people(batch: Batch[models.Review]) -> Mapping[int, str]:
    keys = {row.user_id for row in batch.rows}
    return dict(models.User.objects.filter(pk__in=keys).values_list("pk", "username"))


@strawberry.type(description="A generation or a step in a queue.")
class ReviewItem:
    """A row of review items."""

    row: strawberry.Private[models.ReviewItem]
    batch: strawberry.Private[Batch[models.ReviewItem]]

    id: strawberry.ID = column("pk", "The id of the item.")
    kind: str = column("kind", "generation or step.")
    subject_id: str = column("subject_id", "The id of the generation or step.")
    done: int = column("done", "How many people have judged it.")
    is_open: bool = column("is_open", "Whether somebody has still to judge it.")
    created_at: dt.datetime = column("created_at", "When it was put into the queue.")

    @resolved("The generation; null for a step, or when it is gone.")
    def generation(self) -> Generation | None:
        """The generation by its id."""
        found: Generation | None = self._subject(models.Generation, Generation, "generation")
        return found

    @resolved("The step; null for a generation, or when it is gone.")
    def step(self) -> Step | None:
        """The step by its id."""
        found: Step | None = self._subject(models.Step, Step, "step")
        return found

    @resolved("Whose turn it was, the first first.")
    def reviews(self, first: First = SLICE) -> Slice[Review]:
        """Turns; one statement for all items of the batch."""
        found: Slice[Review] = relations.hanging(self, models.Review, Review, "item_id", ("id",), first, key="pk")
        return found

    def _subject(self, model: Any, show: Any, kind: str) -> Any:
        return relations.named_by(self, model, show, kind, "subject_id") if self.row.kind == kind else None


@strawberry.type(description="Generations and steps to be judged by people, on the same criteria.")
class ReviewQueue:
    """A row of review queues."""

    row: strawberry.Private[models.ReviewQueue]
    batch: strawberry.Private[Batch[models.ReviewQueue]]

    id: strawberry.ID = column("pk", "The id of the queue.")
    name: str = column("name", "Its name; a project has it once.")
    description: str = column("description", "What reviewers are told.")
    reviewers: int = column("reviewers", "How many people judge each item.")
    created_at: dt.datetime = column("created_at", "When it was made.")

    @resolved("What is judged.")
    def criteria(self) -> list[ReviewCriterion]:
        """Criteria in their order."""
        return [
            ReviewCriterion(name=one.name, form=one.form, low=one.low, high=one.high, options=list(one.options))
            for one in reviewing.criteria_of(self.row)
        ]

    @resolved("How many items it has.")
    def total(self) -> int:
        """All items."""
        return self._counted()[0]

    @resolved("How many items somebody has still to judge.")
    def left(self) -> int:
        """Open items."""
        return self._counted()[1]

    @resolved("Its items, the first first.")
    def items(self, first: First = SLICE, open: OnlyOpen = False, after: Behind = None) -> Slice[ReviewItem]:
        """Items; one statement for all queues of the batch."""
        only = "is_open" if open else ""
        found: Slice[ReviewItem] = relations.hanging(
            self, models.ReviewItem, ReviewItem, "queue_id", ("id",), first, after, key="pk", only=only
        )
        return found

    def _counted(self) -> tuple[int, int]:
        counts = self.batch.once("counts", lambda: _counts(self.batch))
        return counts.get(self.row.pk, (0, 0))


def _counts(batch: Batch[models.ReviewQueue]) -> dict[Any, tuple[int, int]]:
    """For each queue that has items: how many, and how many of them are open. One query."""
    rows = models.ReviewItem.objects.filter(queue__in=[row.pk for row in batch.rows])
    counted = rows.values("queue").annotate(total=Count("id"), left=Count("id", filter=Q(is_open=True)))
    return {one["queue"]: (one["total"], one["left"]) for one in counted}
