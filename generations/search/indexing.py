"""Makes the extracts of what was marked in the writing transaction, and says how far behind the writes they are.

Marks and not a watermark: a writer that commits late, or is killed, can neither be overlooked nor leave a gap.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import F, Func, IntegerField, Min, Sum
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from generations import filters, folding, pacing, partitions
from generations.filters import Condition
from generations.models import GenerationPayload, GenerationSearch, Project, SearchMark
from generations.search import segments

AT_ONCE: Final = 500
"""Marked generations that are extracted in one transaction, a mark more or less: some megabytes of text."""
CAUGHT_UP: Final = 2_000
"""Marked generations that a reader extracts first, so that what was just sent is found."""
_LOCK: Final = 0x47454E35  # the first half of a project's lock; the second is the project
_WAIT: Final = "200ms"


@dataclass(frozen=True, slots=True)
class Lag:
    """What is recorded and not extracted yet: how many generations, and for how many seconds at most."""

    count: int
    seconds: float


def lag(project_pk: int | None = None) -> Lag:
    """How far extracts are behind the writes, in one project or in all."""
    projects = Project.objects.values_list("pk", flat=True) if project_pk is None else [project_pk]
    marks = SearchMark.objects.filter(project_id__in=list(projects))
    size = Func(F("uids"), function="cardinality", output_field=IntegerField())
    found = marks.aggregate(oldest=Min("created_at"), count=Sum(size))
    age = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return Lag(found["count"] or 0, max(0.0, age))


def fill(seconds: float) -> int:
    """Extract what is marked in any project, in turn, until nothing is or the time is over; returns how many.

    Where calls come in fast it rests between its pieces: see `pacing`.
    """
    until = time.monotonic() + seconds
    done = 0
    while time.monotonic() < until:
        made = 0
        for project_pk in partitions.holders("search_mark", list(Project.objects.values_list("pk", flat=True))):
            began = time.monotonic()
            made += _fill_some(project_pk)
            while time.monotonic() < until and segments.build(project_pk):
                pass
            pacing.give_way(project_pk, began, until)
        if not made:
            break
        done += made
    return done


def renew() -> int:
    """Forget what is left of texts that are gone in the index of extracts; returns how many segments were made anew."""
    projects = list(Project.objects.values_list("pk", flat=True))
    return sum(segments.renew(project_pk) for project_pk in partitions.holders("search_segment", projects))


def catch_up(kind: str, project_pk: int, condition: Condition | None) -> None:
    """If the condition asks what was said: extract what is marked, as far as a reader can wait for that."""
    if kind == "generations" and any(leaf.field == "search" for leaf in filters.leaves(condition)):
        freshen(project_pk)


def freshen(project_pk: int, *, until: float = math.inf) -> int:
    """Extract up to CAUGHT_UP generations that are marked; returns how many. Gives up when another one is at it, and
    begins no more of them after a moment of the monotonic clock."""
    done = 0
    while done < CAUGHT_UP and (time.monotonic() < until or not done):
        try:
            made = _fill_some(project_pk, wait=_WAIT)
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                break
            raise
        if not made:
            break
        done += made
    return done


def _fill_some(project_pk: int, *, wait: str = "0") -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        marks = SearchMark.objects.in_project(project_pk)
        if not marks.exists():
            return 0
        # One at a time in a project: two that read different states of one text could write them in either order.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [wait])
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, project_pk % 2**31])
        cursor.execute("SELECT set_config('lock_timeout', '0', true)")
        taken: list[SearchMark] = []
        wanted: set[Any] = set()
        for mark in marks.order_by("uid")[:AT_ONCE]:
            if taken and len(wanted) + len(mark.uids) > AT_ONCE:
                break
            taken.append(mark)
            wanted.update(mark.uids)
        if not taken:
            return 0
        _extract(project_pk, sorted(wanted), taken)
        marks.filter(uid__in=[mark.uid for mark in taken]).delete()
        return len(wanted)


def _extract(project_pk: int, uids: Sequence[Any], marks: Sequence[SearchMark]) -> None:
    first: dt.datetime = min(mark.first_start for mark in marks)
    last: dt.datetime = max(mark.last_start for mark in marks)
    # What moved in time was marked with both moments; what was deleted has an extract and no payload.
    span = {"uid__in": uids, "started_at__gte": first, "started_at__lte": last}
    payloads = GenerationPayload.objects.in_project(project_pk).filter(**span).defer("tools", "logprobs", "attributes")
    made = [
        GenerationSearch(project_id=project_pk, uid=one.uid, started_at=one.started_at, text=text)
        for one in payloads.order_by("started_at").iterator(100)
        if (text := folding.extract(one))
    ]
    for one, place in zip(made, segments.give_places(project_pk, [one.started_at for one in made]), strict=True):
        one.place = place
    GenerationSearch.objects.in_project(project_pk).filter(**span).delete()
    GenerationSearch.objects.bulk_create(made)
