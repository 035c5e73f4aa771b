"""Finds generations by what was said in them, newest first, in bounded time.

The newest extracts are read one after the other: a common word fills its page there. What does not is looked up in the
bits of segments, the latest first, and the texts that they leave are read, more of them in each step. When the time is
over, the answer says how far back it has looked.
"""

from __future__ import annotations

import datetime as dt
import math
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import DateTimeField, Exists, F, Func, OuterRef, Q, TextField
from psycopg.errors import QueryCanceled

from generations import bundles, filters, folding
from generations.filters import BadFilter, Condition, sql
from generations.models import Generation, GenerationSearch, Project
from generations.search import indexing, segments

MAX_LIMIT: Final = 100
MAX_QUERY: Final = 500
PATIENCE: Final = 0.6
"""The seconds after which nothing more is looked for: what is found has to be shown within a second."""
WALKED: Final = 500
"""The extracts that are read before the index is asked: a word in one call of twenty fills a page of 25 there."""
READ: Final = 1_000
"""The extracts that the index is to leave for the first step that reads them."""
GROWTH: Final = 4
"""Each step is at most so many times as long as the one before."""
SURE: Final = 1.5
"""A step reads enough for so many times the rows that the page has still room for, by what the one before found."""
USED: Final = 0.7
"""The part of the time that is left that a step may be expected to take: what it has found by then is lost when it is
stopped."""
MOST_PIECES: Final = 3
_PLACE: Final = "{}~{}"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Where in a call something was found: the pointer to the piece, whose it is, and the text around it."""

    place: str
    role: str
    parts: list[folding.Part]


@dataclass(frozen=True, slots=True)
class Hit:
    """A generation in which all that was asked for occurs."""

    generation: Generation
    excerpts: list[Excerpt]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits. `next` is the place to go on from, None at the end; everything after `searched_to` was looked at.

    When `is_complete` is false the time was over before the page was full: there may be more, further back.
    `waiting` generations are recorded and not searched yet, the first of them for so many `seconds`.
    """

    terms: tuple[str, ...]
    hits: list[Hit] = field(default_factory=list)
    next: str | None = None
    is_complete: bool = True
    searched_to: dt.datetime | None = None
    waiting: int = 0
    seconds: float = 0.0


def find(
    project: Project,
    query: str,
    condition: Condition | None = None,
    *,
    after: str | None = None,
    limit: int = 25,
    patience: float = PATIENCE,
) -> Found:
    """The newest generations before `after` that satisfy the condition and have every term of the query in them.

    Words in quotes are a phrase; a term is found inside words too, in any case, with or without accents. Of each call
    the extract is searched (see `folding.EACH`). Raises BadFilter.
    """
    if len(query) > MAX_QUERY:
        raise BadFilter("q", query, f"at most {MAX_QUERY} characters, got {len(query)}")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadFilter("limit", limit, f"a whole number from 1 to {MAX_LIMIT}")
    wanted = folding.terms(query)
    if not wanted:
        raise BadFilter("q", query, "at least one word or sign to look for")
    until = time.monotonic() + patience
    indexing.freshen(project.pk, until=until - patience / 2)
    looked = _Look(project.pk, wanted, condition, limit + 1, until)
    looked.back_from(_read(after) if after else None)
    rows = looked.rows[:limit]
    more = len(looked.rows) > limit
    behind = indexing.lag(project.pk)
    place = rows[-1] if more else looked.stopped
    return Found(
        terms=wanted,
        hits=_hits(project, [row[1] for row in rows], wanted),
        next=_PLACE.format(place[0].isoformat(), place[1]) if place else None,
        is_complete=looked.stopped is None or more,
        searched_to=place[0] if place else None,
        waiting=behind.count,
        seconds=behind.seconds,
    )


def newest(
    project_pk: int, wanted: Sequence[str], before: tuple[dt.datetime, uuid.UUID] | None, limit: int, patience: float
) -> list[tuple[dt.datetime, uuid.UUID]] | None:
    """The starts and keys of the newest extracts before a place that have every term; None when time is over before
    there are so many."""
    looked = _Look(project_pk, wanted, None, limit, time.monotonic() + patience)
    looked.back_from(before)
    return looked.rows if looked.stopped is None else None


_Key = tuple[dt.datetime, uuid.UUID]
_GREATEST: Final = uuid.UUID(int=2**128 - 1)
_UNINDEXED: Final = Func(F("started_at"), template="(%(expressions)s + interval '0')", output_field=DateTimeField())
_BEGIN: Final = (
    "SELECT set_config('generations.earlier_timeout', current_setting('statement_timeout'), true),"
    " set_config('statement_timeout', %s, true), set_config('enable_seqscan', 'off', true),"
    " set_config('enable_bitmapscan', 'off', true)"
)
_END: Final = (
    "SELECT set_config('statement_timeout', current_setting('generations.earlier_timeout'), true),"
    " set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true)"
)


class _Look:
    """One look back in time. `rows` fill up to `limit`; `stopped` is where the time was over, None at the end."""

    def __init__(
        self, project_pk: int, wanted: Sequence[str], condition: Condition | None, limit: int, until: float
    ) -> None:
        self.rows: list[_Key] = []
        self.stopped: _Key | None = None
        self.limit = limit
        self.until = until
        self.project_pk = project_pk
        self.extracts = GenerationSearch.objects.in_project(project_pk)
        self.buckets = segments.buckets(wanted)
        self.wanted = filters.has_terms(wanted)
        if condition is not None:
            rows = filters.narrow("generations", project_pk, condition)
            self.wanted &= Q(Exists(rows.filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))))

    def back_from(self, before: _Key | None) -> None:
        """Look from there to the end of what is recorded, while there is time and the page is not full."""
        first = before or self.newest()
        if first is None:
            return
        for place, rows in self.steps(first):
            try:
                self.rows += self.keys(rows)
            except TimeIsUp:
                self.stopped = place
                return
            if len(self.rows) >= self.limit:
                return

    def newest(self) -> _Key | None:
        """A place before which everything is; None when there is nothing."""
        starts = self.extracts.order_by("-started_at", "-uid").values_list("started_at", flat=True)
        first = starts.first()
        return None if first is None else (first, _GREATEST)

    def steps(self, place: _Key) -> Iterator[tuple[_Key, Any]]:
        """The places to look back from, and the extracts to read until the next one."""
        walked = WALKED
        while True:
            edge = self.walk_to(place, walked)
            yield place, self.between(edge, place).order_by("-started_at", "-uid")
            if edge is None:
                return
            place = (edge, _GREATEST)
            if self.buckets:
                break
            walked *= GROWTH
        yield from self.looked_up(place)

    def walk_to(self, place: _Key, number: int) -> dt.datetime | None:
        """The moment after which there are so many extracts before the place; None when there are not."""
        starts = self.between(None, place).order_by("-started_at", "-uid").values_list("started_at", flat=True)
        return next(iter(starts[number - 1 : number]), None)

    def looked_up(self, place: _Key) -> Iterator[tuple[_Key, Any]]:
        """Steps over what the bits of segments leave, those with the latest texts first."""
        waiting = deque(one for one in segments.all_of(self.project_pk) if one.first <= place[0])
        found = segments.places(self.project_pk, list(waiting), self.buckets)
        left: list[tuple[segments.Segment, Collection[int]]] = []
        read = READ
        while waiting or left:
            # The rest of the time is for the texts: what the bits leave is nothing found yet.
            half = (time.monotonic() + self.until) / 2
            while waiting and sum(len(places) for _, places in left) < read and time.monotonic() < half:
                one, places = waiting.popleft(), next(found)
                left += [(one, places)] if places else []
            # In the segments that follow nothing is newer than this.
            edge = waiting[0].last if waiting else None
            if left and (edge is None or edge < place[0]):
                among = [place for _, places in left for place in places]
                rows = self.between(edge, place).filter(started_at__gte=min(one.first for one, _ in left))
                began, before = time.monotonic(), len(self.rows)
                # Ordered by what no index has: the planner would walk one, and read all that the bits left out.
                yield place, rows.filter(sql.one_of(F("place"), among, "::int8[]")).order_by(_UNINDEXED.desc(), "-uid")
                now = time.monotonic()
                fitting = len(among) * USED * (self.until - now) / max(now - began, 0.001)
                enough = self.enough(len(among), len(self.rows) - before)
                read = max(READ, int(min(GROWTH * read, fitting, enough)))
            elif time.monotonic() >= self.until:
                yield place, self.extracts
            else:
                # The segments that follow are of the same time: they are to be among those that are read.
                read *= GROWTH
            if edge is None:
                return
            place = (edge, _GREATEST) if edge < place[0] else place
            left = [(one, places) for one, places in left if one.first <= place[0]]

    def enough(self, read: int, found: int) -> float:
        """The extracts that are likely to fill the page, where so many of them had `found`; infinite when none had."""
        return SURE * (self.limit - len(self.rows)) * read / found if found else math.inf

    def between(self, edge: dt.datetime | None, place: _Key) -> Any:
        """The extracts before a place and after a moment."""
        row = Func(F("started_at"), F("uid"), template="(%(expressions)s)", output_field=TextField())
        other = Func(*map(sql.Param, place), template="(%(expressions)s)", output_field=TextField())
        rows = self.extracts.filter(sql.compare(row, "<", other), started_at__lte=place[0])
        return rows if edge is None else rows.filter(started_at__gt=edge)

    def keys(self, rows: Any) -> list[_Key]:
        """The keys of the rows that have what is looked for, as many as the page has room for."""
        with until(self.until):
            return list(rows.filter(self.wanted).values_list("started_at", "uid")[: self.limit - len(self.rows)])


class TimeIsUp(Exception):
    """A statement was stopped because the look may take no longer."""


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Statements inside end by then; raises TimeIsUp when one would not."""
    left = int(1000 * (moment - time.monotonic()))
    if left <= 0:
        raise TimeIsUp
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # The planner cannot know in how many texts a word is: it would read whole months for a rare one.
            cursor.execute(_BEGIN, [str(left)])
            yield
            cursor.execute(_END)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TimeIsUp from error
        raise


def _read(place: str) -> _Key:
    try:
        moment, _, uid = place.partition("~")
        found = dt.datetime.fromisoformat(moment), uuid.UUID(uid)
        if found[0].tzinfo is None:
            raise ValueError
        return found
    except ValueError:
        raise BadFilter("after", place, "a place that a search gave out, unchanged") from None


def _hits(project: Project, uids: Sequence[uuid.UUID], wanted: tuple[str, ...]) -> list[Hit]:
    """The generations of these keys, in their order, with excerpts. What was deleted since is left out."""
    rows = {row.uid: row for row in Generation.objects.in_project(project.pk).filter(uid__in=uids)}
    found = bundles.of_generations(
        project,
        [rows[uid] for uid in uids if uid in rows],
        alternatives=False,
        scores=False,
        feedback=False,
        attachments=False,
    )
    return [Hit(one.generation, _excerpts(one.payload, wanted)) for one in found if one.payload is not None]


def _excerpts(payload: Any, wanted: tuple[str, ...]) -> list[Excerpt]:
    """The pieces of a call that have the most terms near each other; of equals the answer, then the last message."""
    found = [(piece, folding.snippet(piece.text, wanted)) for piece in reversed(list(folding.pieces(payload)))]
    shown = sorted(((piece, one) for piece, one in found if one is not None), key=lambda pair: -pair[1].found)
    return [Excerpt(piece.place, piece.role, one.parts) for piece, one in shown[:MOST_PIECES]]
