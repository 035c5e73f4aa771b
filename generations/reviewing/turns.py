"""Turns: one person has one item for a while, and judges it, passes it over, or takes the last one back."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from generations import recording
from generations.access import Grant, NotAllowed, Scope
from generations.models import Review, ReviewItem, ReviewQueue, User
from generations.records import Json, Record, ScoreRecord
from generations.reviewing.queues import BadQueue, Criterion, NoSuchQueue, criteria_of, locked, recount

HELD_FOR: Final = dt.timedelta(minutes=20)
"""How long an item is kept for whoever has it; then another one may get it too."""
MAX_COMMENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Turn:
    """An item that somebody has, and what they answered if they have had it before."""

    review: Review
    item: ReviewItem
    answers: dict[str, Json]


def take(grant: Grant, queue_id: str) -> Turn | None:
    """The item that is this person's turn: the one they have, else the first that needs them; None when none does.

    An item is given to no more people at once than the queue still wants judgements of it. Needs `write`.
    """
    user = _person(grant)
    now = timezone.now()
    with transaction.atomic():
        queue = locked(grant, queue_id)
        held = _held(queue, user).first()
        if held is None:
            item = _next(queue, user, now)
            if item is None:
                return None
            held = Review(item=item, user=user)
        held.held_until = now + HELD_FOR
        held.save()
    return Turn(held, held.item, held.answers)


def save(grant: Grant, queue_id: str, review_id: str, answers: Mapping[str, str]) -> None:
    """Judge the item that a person has: a score of type HUMAN for each answer. Needs `write`.

    `answers` are texts by the criteria's names; one that is not answered has no score, but something is. Raises
    BadQueue for an answer that is none, NoSuchQueue for what is not this person's turn (any more).
    """
    user = _person(grant)
    with transaction.atomic():
        queue = locked(grant, queue_id)
        review = _own(queue, user, review_id)
        read = {one.name: _read(one, answers.get(one.name, "")) for one in criteria_of(queue)}
        given = {name: answer for name, answer in read.items() if answer is not None}
        if not given:
            raise BadQueue("answers", None, "at least one answer; pass the item over if there is none")
        criteria = [one for one in criteria_of(queue) if one.name in given]
        for receipt in recording.record(
            grant.project, [_score(grant, review, one, given[one.name]) for one in criteria]
        ):
            if receipt.state == "rejected":
                refused = receipt.refusal()
                raise BadQueue("answers", refused.value, f"what can be stored. {refused}")
        review.state, review.answers, review.ended_at = Review.State.DONE, given, timezone.now()
        review.save()
        recount(review.item_id, 1, queue.reviewers)


def skip(grant: Grant, queue_id: str, review_id: str) -> None:
    """Pass the item over that a person has: it is left to others. Needs `write`. Raises NoSuchQueue."""
    user = _person(grant)
    with transaction.atomic():
        queue = locked(grant, queue_id)
        review = _own(queue, user, review_id)
        review.state, review.ended_at = Review.State.SKIPPED, timezone.now()
        review.save()


def undo(grant: Grant, queue_id: str) -> Turn | None:
    """The last item that a person judged or passed over is their turn again, with its answers; its scores are deleted.

    The item they have meanwhile is left to others. None when there is nothing to take back. Needs `write`.
    """
    user = _person(grant)
    with transaction.atomic():
        queue = locked(grant, queue_id)
        ended = Review.objects.select_related("item").filter(item__queue=queue, user=user, ended_at__isnull=False)
        last = ended.order_by("-ended_at").first()
        if last is None:
            return None
        _held(queue, user).delete()
        if last.state == Review.State.DONE:
            recording.delete(grant.project, "score", [_score_id(last, name) for name in last.answers])
            recount(last.item_id, -1, queue.reviewers)
        last.state, last.ended_at = Review.State.HELD, None
        last.held_until = timezone.now() + HELD_FOR
        last.save()
    return Turn(last, last.item, last.answers)


def release(grant: Grant, queue_id: str) -> None:
    """Leave to others the item that a person has. Needs `write`."""
    user = _person(grant)
    with transaction.atomic():
        _held(locked(grant, queue_id), user).delete()


# ------------------------------------------------------------------------------------------------------- how it is done
def _person(grant: Grant) -> User:
    grant.need(Scope.WRITE)
    if grant.user is None:
        raise NotAllowed("Items are judged by people who are signed in; a key gives scores over the API.")
    return grant.user


def _held(queue: ReviewQueue, user: User) -> Any:
    held = Review.objects.select_related("item").filter(item__queue=queue, user=user, state=Review.State.HELD)
    return held.order_by("id")


def _own(queue: ReviewQueue, user: User, review_id: str) -> Review:
    found: Review | None = next((one for one in _held(queue, user) if str(one.pk) == review_id), None)
    if found is None:
        raise NoSuchQueue("This item is not your turn any more. Go on with the next one.")
    return found


def _next(queue: ReviewQueue, user: User, now: dt.datetime) -> ReviewItem | None:
    busy = Review.objects.filter(item=OuterRef("pk"), state=Review.State.HELD, held_until__gt=now).exclude(user=user)
    held = Subquery(busy.order_by().values("item").annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    rows = ReviewItem.objects.filter(queue=queue, is_open=True).exclude(reviews__user=user)
    free = rows.annotate(held=Coalesce(held, 0)).filter(done__lt=queue.reviewers - F("held"))
    return free.order_by("id").first()


def _read(one: Criterion, text: str) -> Json:
    """The answer that a text is; None for none."""
    said = text.strip()
    if not said:
        return None
    if one.form == "comment":
        if len(said) > MAX_COMMENT:
            raise BadQueue(one.name, said, f"at most {MAX_COMMENT:,} characters")
        return said
    if one.form == "boolean":
        if said not in ("yes", "no"):
            raise BadQueue(one.name, said, "yes or no")
        return said == "yes"
    if one.form == "category":
        if said not in one.options:
            raise BadQueue(one.name, said, f"one of {', '.join(one.options)}")
        return said
    try:
        number = float(said.replace(",", "."))
    except ValueError:
        number = math.nan
    low, high = -1e15 if one.low is None else one.low, 1e15 if one.high is None else one.high
    if not low <= number <= high:
        raise BadQueue(one.name, said, "a number" if one.low is None else f"a number from {low:g} to {high:g}")
    return number


def _score(grant: Grant, review: Review, one: Criterion, answer: Json) -> Record:
    item = review.item
    return ScoreRecord(
        id=_score_id(review, one.name),
        name=one.name,
        type="HUMAN",
        value=float(answer) if isinstance(answer, bool | float) else None,
        label=("yes" if answer else "no") if isinstance(answer, bool) else answer if one.form == "category" else None,
        comment=answer if one.form == "comment" else None,
        author=grant.actor,
        generation_id=item.subject_id if item.kind == "generation" else None,
        step_id=item.subject_id if item.kind == "step" else None,
        metadata={"queue": str(item.queue_id), "review": str(review.pk)},
    )


def _score_id(review: Review, name: str) -> str:
    return f"review-{review.pk}-{name}"
