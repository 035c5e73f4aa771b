"""Makes the part of a list's filter that asks what was said into the few rows that have it, where they are few."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from typing import Final

from django.db.models import F, Q

from generations import filters, folding
from generations.filters import And, Condition, Leaf, sql
from generations.models import GenerationSearch
from generations.search import finding, segments
from generations.search.finding import TimeIsUp, until

FIELD: Final = "search"
MOST: Final = 10_000
"""The extracts that are read for it; what is in more of them is found quickly by reading the list from its end."""
PATIENCE: Final = 0.3
"""The seconds that this may take."""
NEWEST_PATIENCE: Final = 10.0
"""Those for what a list shows first, where it asks nothing else: to read it row by row would take longer still."""


def narrowed(kind: str, project_pk: int, condition: Condition | None) -> tuple[Condition | None, Q]:
    """The rest of a condition, and what stands for those of its parts that ask what was said.

    The condition as it is where it asks nothing of the kind, or something else than that all of it occurs, or where
    too many extracts would have to be read: these are then read row by row.
    """
    parts, said = _said(kind, condition)
    if not said:
        return condition, Q()
    wanted = _terms(said)
    places = _places(project_pk, wanted)
    if places is None:
        return condition, Q()
    extracts = GenerationSearch.objects.in_project(project_pk).filter(filters.has_terms(wanted))
    try:
        with until(time.monotonic() + PATIENCE):
            rows = extracts.filter(sql.one_of(F("place"), places, "::int8[]")).values_list("started_at", "uid")
            keys = list(rows) if places else []
    except TimeIsUp:
        return condition, Q()
    rest = filters.together([part for part in parts if part is not None and part not in said])
    if not keys:
        return rest, sql.never()
    return rest, _one_of(keys)


def newest(
    kind: str, project_pk: int, condition: Condition | None, before: tuple[dt.datetime, uuid.UUID] | None, limit: int
) -> tuple[Q, int] | None:
    """What stands for the newest rows before a place that satisfy a condition, and how many they are; at most `limit`.

    It looks back in time, and so reads no more than it needs, however many have it. None where the condition asks for
    anything else too, or when looking takes too long.
    """
    parts, said = _said(kind, condition)
    if not said or len(parts) > len(said):
        return None
    keys = finding.newest(project_pk, _terms(said), before, limit, NEWEST_PATIENCE)
    if keys is None:
        return None
    return (_one_of(keys) if keys else sql.never()), len(keys)


def _said(kind: str, condition: Condition | None) -> tuple[tuple[Condition | None, ...], list[Leaf]]:
    """The parts of a condition that are all to be true, and those among them that ask what was said. One in which
    there is nothing to look for is none of them: no row satisfies it."""
    parts = condition.parts if isinstance(condition, And) else (condition,)
    found = [part for part in parts if isinstance(part, Leaf) and part.field == FIELD and part.op == "contains"]
    return parts, [part for part in found if _terms([part])] if kind == "generations" else []


def _terms(said: list[Leaf]) -> list[str]:
    return [term for part in said for term in folding.terms(str(part.value))]


def _one_of(keys: list[tuple[dt.datetime, uuid.UUID]]) -> Q:
    # The starts lead to the partitions.
    starts = [start for start, _ in keys]
    return Q(uid__in=[uid for _, uid in keys], started_at__gte=min(starts), started_at__lte=max(starts))


def _places(project_pk: int, wanted: list[str]) -> list[int] | None:
    """The places of the extracts that may have all of this; None when they are many, or bits say nothing of it."""
    buckets = segments.buckets(wanted)
    if not buckets:
        return None
    found: list[int] = []
    for places in segments.places(project_pk, segments.all_of(project_pk), buckets):
        found += places
        if len(found) > MOST:
            return None
    return found
