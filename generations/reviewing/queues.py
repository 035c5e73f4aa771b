"""Queues of what is to be judged: their criteria, how many people judge each item, and what is put into them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_string
from generations.models import ReviewItem, ReviewQueue
from generations.records import shown

KINDS: Final = ("generation", "step")
"""What can be in a queue."""
FORMS: Final = ("number", "category", "boolean", "comment")
MAX_NAME: Final = 200
MAX_TEXT: Final = 10_000
MOST_CRITERIA: Final = 20
MOST_OPTIONS: Final = 30
MOST_REVIEWERS: Final = 20
MOST_ITEMS: Final = 100_000
_NUMBER: Final = r"-?\d{1,9}(?:\.\d{1,6})?"
_RANGE: Final = re.compile(rf"number(?:\s+({_NUMBER})\s*(?:-|to|\.\.|–)\s*({_NUMBER}))?", re.IGNORECASE)


class BadQueue(ValueError):
    """A queue, an answer or an item that cannot be: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = shown(value)
        self.expected = expected
        super().__init__(f"{field}: {self.value} is not valid; expected {expected}")


class NoSuchQueue(LookupError):
    """The project has no such queue, or it has no such item."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What is judged, by the name of its score, and how: a number from `low` to `high`, one of `options`, yes or no, or
    a comment."""

    name: str
    form: str
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The answers to choose from, each with how people call it; none where one is typed."""
        if self.form == "boolean":
            return [("yes", "Yes"), ("no", "No")]
        if self.form == "category":
            return [(option, option) for option in self.options]
        low, high = self.low, self.high
        if low is None or high is None or not (low.is_integer() and high.is_integer() and 0 < high - low < 10):
            return []
        return [(str(n), str(n)) for n in range(int(low), int(high) + 1)]


# -------------------------------------------------------------------------------------------------------------- queues
def create(
    grant: Grant, *, name: str, criteria: Sequence[Criterion], description: str = "", reviewers: int = 1
) -> ReviewQueue:
    """A new, empty queue. Needs `write`. Raises BadQueue, also when the project has one of that name."""
    grant.need(Scope.WRITE)
    values = _checked(name, criteria, description, reviewers)
    try:
        with transaction.atomic():
            made = ReviewQueue.objects.create(project=grant.project, created_by=grant.user, **values)
            audit(grant, "queue.create", "queue", str(made.pk), {"name": made.name})
    except IntegrityError:
        raise BadQueue("name", name, "a name that no other queue of this project has") from None
    return made


def update(
    grant: Grant, queue_id: str, *, name: str, criteria: Sequence[Criterion], description: str, reviewers: int
) -> ReviewQueue:
    """Change a queue. Items are open again, or closed, as the new number of reviewers says. Needs `write`.

    Scores that were given stay as they are. Raises NoSuchQueue, BadQueue.
    """
    grant.need(Scope.WRITE)
    values = _checked(name, criteria, description, reviewers)
    try:
        with transaction.atomic():
            queue = locked(grant, queue_id)
            for field, value in values.items():
                setattr(queue, field, value)
            queue.save(update_fields=list(values))
            ReviewItem.objects.filter(queue=queue).update(is_open=Q(done__lt=reviewers))
            audit(grant, "queue.update", "queue", str(queue.pk), {"name": queue.name})
    except IntegrityError:
        raise BadQueue("name", name, "a name that no other queue of this project has") from None
    return queue


def delete(grant: Grant, queue_id: str) -> ReviewQueue:
    """Delete a queue; the scores that were given stay. Needs `write`. Raises NoSuchQueue."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        queue = locked(grant, queue_id)
        key = queue.pk
        audit(grant, "queue.delete", "queue", str(key), {"name": queue.name})
        queue.delete()
        queue.pk = key
    return queue


def find(grant: Grant, queue_id: str) -> ReviewQueue | None:
    """The project's queue of this id, or None. Needs `read`."""
    grant.need(Scope.READ)
    try:
        key = uuid.UUID(queue_id)
    except ValueError:
        return None
    return ReviewQueue.objects.filter(project=grant.project, pk=key).first()


def locked(grant: Grant, queue_id: str) -> ReviewQueue:
    """The queue, held until the end of the transaction: turns are given out one after the other."""
    found = find(grant, queue_id)
    queue = None if found is None else ReviewQueue.objects.select_for_update().filter(pk=found.pk).first()
    if queue is None:
        raise NoSuchQueue(f"There is no review queue '{queue_id[:80]}' in this project.")
    return queue


def add(grant: Grant, queue_id: str, kind: str, ids: Sequence[str]) -> int:
    """Put generations or steps into a queue, those that it has already but once; returns how many came. Needs `write`.

    They need not be recorded yet. Raises NoSuchQueue, BadQueue.
    """
    grant.need(Scope.WRITE)
    if kind not in KINDS:
        raise BadQueue("kind", kind, f"one of {', '.join(KINDS)}")
    wanted = list(dict.fromkeys(clean_string(id) for id in ids))
    wrong = next((id for id in wanted if not id or len(id) > MAX_ID), None)
    if wrong is not None:
        raise BadQueue("id", wrong, f"1 to {MAX_ID} characters")
    with transaction.atomic():
        queue = locked(grant, queue_id)
        there = ReviewItem.objects.filter(queue=queue)
        known = set(there.filter(kind=kind, subject_id__in=wanted).values_list("subject_id", flat=True))
        new = [ReviewItem(queue=queue, kind=kind, subject_id=id) for id in wanted if id not in known]
        if new and there.count() + len(new) > MOST_ITEMS:
            raise BadQueue("items", len(new), f"at most {MOST_ITEMS:,} items in a queue; make another one")
        ReviewItem.objects.bulk_create(new, batch_size=1_000)
        if new:
            audit(grant, "queue.add", "queue", str(queue.pk), {"items": len(new)})
    return len(new)


# ------------------------------------------------------------------------------------------------------------ criteria
def criteria_of(queue: ReviewQueue) -> list[Criterion]:
    """What is judged in a queue."""
    return [Criterion(**{**one, "options": tuple(one.get("options", ()))}) for one in queue.criteria]


def parsed(text: str) -> list[Criterion]:
    """The criteria that a text says, one a line: `helpful: number 1-5`, `tone: category kind, rude`, `safe: yes/no`,
    `why: comment`. Raises BadQueue naming the line."""
    found = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, form = line.partition(":")
        where, form = f"criteria, line {n}", form.strip()
        if not colon or not name.strip():
            raise BadQueue(where, line.strip(), "a name, a colon, and number 1-5, category a, b, yes/no or comment")
        name = name.strip()
        if number := _RANGE.fullmatch(form):
            low, high = (None if one is None else float(one) for one in number.groups())
            found.append(Criterion(name, "number", low, high))
        elif form.lower() in ("yes/no", "boolean", "yes or no"):
            found.append(Criterion(name, "boolean"))
        elif form.lower() == "comment":
            found.append(Criterion(name, "comment"))
        elif form.lower().startswith("category"):
            options = tuple(dict.fromkeys(one.strip() for one in form[len("category") :].split(",") if one.strip()))
            found.append(Criterion(name, "category", options=options))
        else:
            raise BadQueue(where, form, "number 1-5, category a, b, yes/no or comment")
    return found


def written(criteria: Sequence[Criterion]) -> str:
    """Criteria as `parsed` reads them."""
    forms: dict[str, Callable[[Criterion], str]] = {
        "number": lambda one: "number" if one.low is None else f"number {one.low:g}-{one.high:g}",
        "category": lambda one: f"category {', '.join(one.options)}",
        "boolean": lambda one: "yes/no",
        "comment": lambda one: "comment",
    }
    return "\n".join(f"{one.name}: {forms[one.form](one)}" for one in criteria)


def _checked(name: str, criteria: Sequence[Criterion], description: str, reviewers: int) -> dict[str, Any]:
    tidy, told = clean_string(name).strip(), clean_string(description).strip()
    if not 1 <= len(tidy) <= MAX_NAME:
        raise BadQueue("name", name, f"1 to {MAX_NAME} characters")
    if len(told) > MAX_TEXT:
        raise BadQueue("description", description, f"at most {MAX_TEXT} characters")
    if not 1 <= reviewers <= MOST_REVIEWERS:
        raise BadQueue("reviewers", reviewers, f"a whole number from 1 to {MOST_REVIEWERS}")
    if not 1 <= len(criteria) <= MOST_CRITERIA:
        raise BadQueue("criteria", len(criteria), f"1 to {MOST_CRITERIA} criteria")
    if not any(one.form != "comment" for one in criteria):
        raise BadQueue("criteria", "comments alone", "at least one that is a number, a category or yes/no")
    for one in criteria:
        _check(one)
    names = [one.name for one in criteria]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise BadQueue("criteria", twice, "a name that no other criterion has")
    kept = [{**asdict(one), "options": list(one.options)} for one in criteria]
    return {"name": tidy, "description": told, "criteria": kept, "reviewers": reviewers}


def _check(one: Criterion) -> None:
    where = f"criteria.{one.name[:40]}"
    if one.form not in FORMS:
        raise BadQueue(where, one.form, f"one of {', '.join(FORMS)}")
    if one.name != clean_string(one.name).strip() or not 1 <= len(one.name) <= MAX_NAME:
        raise BadQueue(where, one.name, f"a name of 1 to {MAX_NAME} characters")
    if one.form == "category" and not 2 <= len(one.options) <= MOST_OPTIONS:
        raise BadQueue(where, list(one.options), f"2 to {MOST_OPTIONS} categories, by commas")
    if any(not 1 <= len(option) <= MAX_NAME for option in one.options):
        raise BadQueue(where, list(one.options), f"categories of 1 to {MAX_NAME} characters")
    if (one.low is None) != (one.high is None) or (
        one.low is not None and one.high is not None and one.low >= one.high
    ):
        raise BadQueue(where, [one.low, one.high], "a range whose end is more than its beginning")


def recount(item_id: uuid.UUID, change: int, reviewers: int) -> None:
    """Note one judgement more or less of an item of a locked queue."""
    ReviewItem.objects.filter(pk=item_id).update(done=F("done") + change)
    ReviewItem.objects.filter(pk=item_id).update(is_open=Q(done__lt=reviewers))
