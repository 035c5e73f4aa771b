"""Finds generations by what was said in them, newest first, in bounded time.

The newest extracts are read one after the other: a common word fills its page there. What does not is looked up in the
index of trigrams, month by month back in time. When the time is over, the answer says how far back it has looked.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import DateTimeField, Exists, F, Func, Min, OrderBy, OuterRef, Q, TextField
from psycopg.errors import QueryCanceled

from generations import bundles, filters, folding, partitions
from generations.filters import BadFilter, Condition, sql
from generations.models import Generation, GenerationSearch, Project
from generations.search import indexing

MAX_LIMIT: Final = 100
MAX_QUERY: Final = 500
PATIENCE: Final = 0.8
"""The seconds that looking may take."""
WALKED: Final = 2_000
"""The extracts that are read before the index is asked: a word in one call of eighty fills a page of 25 there."""
MOST_PIECES: Final = 3
_SHORTEST: Final = 3  # what a trigram is made of
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
    `waiting` generations are recorded and not searched yet.
    """

    terms: tuple[str, ...]
    hits: list[Hit] = field(default_factory=list)
    next: str | None = None
    is_complete: bool = True
    searched_to: dt.datetime | None = None
    waiting: int = 0


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
    indexing.freshen(project.pk)
    looked = _Look(project.pk, wanted, condition, limit + 1, time.monotonic() + patience)
    looked.back_from(_read(after) if after else None)
    rows = looked.rows[:limit]
    more = len(looked.rows) > limit
    place = rows[-1] if more else looked.stopped
    return Found(
        terms=wanted,
        hits=_hits(project, [row[1] for row in rows], wanted),
        next=_PLACE.format(place[0].isoformat(), place[1]) if place else None,
        is_complete=looked.stopped is None or more,
        searched_to=place[0] if place else None,
        waiting=indexing.lag(project.pk).count,
    )


_Key = tuple[dt.datetime, uuid.UUID]
_LEAST: Final = uuid.UUID(int=0)


class _Look:
    """One look back in time. `rows` fill up to `limit`; `stopped` is where the time was over, None at the end."""

    def __init__(
        self, project_pk: int, wanted: Sequence[str], condition: Condition | None, limit: int, until: float
    ) -> None:
        self.rows: list[_Key] = []
        self.stopped: _Key | None = None
        self.limit = limit
        self.until = until
        self.extracts = GenerationSearch.objects.in_project(project_pk).order_by("-started_at", "-uid")
        self.tests = [f"%{sql.pattern(folding.encoded(term))}%" for term in wanted]
        self.narrowed = Q()
        if condition is not None:
            rows = filters.narrow("generations", project_pk, condition)
            self.narrowed = Q(Exists(rows.filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))))

    def back_from(self, before: _Key | None) -> None:
        """Look from there to the end of what is recorded, while there is time and the page is not full."""
        at = self.walked(before, WALKED)
        if at is None or len(self.rows) >= self.limit:
            return
        if not self.is_indexed:
            self.walk_on(at)
            return
        bounds = self.extracts.order_by().aggregate(first=Min("started_at"))
        month = partitions.month_of(at[0])
        while len(self.rows) < self.limit:
            start = dt.datetime.combine(month, dt.time.min, dt.UTC)
            within = self.before(at).filter(started_at__gte=start)
            try:
                self.rows += self.keys(self.sorted(within.filter(self.has(F("text")))))
            except _TimeIsUp:
                self.walk_on(at)
                return
            if start <= bounds["first"]:
                return
            at, month = (start, _LEAST), partitions.month_of(start - dt.timedelta(days=1))

    def walk_on(self, at: _Key) -> None:
        """Read on, one extract after the other, until the page is full or the time is over."""
        place: _Key | None = at
        while place is not None and len(self.rows) < self.limit:
            if time.monotonic() >= self.until:
                self.stopped = place
                return
            place = self.walked(place, WALKED)

    def walked(self, before: _Key | None, count: int) -> _Key | None:
        """Read the next `count` extracts; where they ended, None when there are no more or the time was over."""
        rows = self.before(before)
        edge: _Key | None = next(iter(rows.values_list("started_at", "uid")[count - 1 : count]), None)
        if edge is not None:
            rows = rows.filter(self.beyond(">=", edge), started_at__gte=edge[0])
        # Joined to nothing, so that no index of the text is used.
        plain = Func(F("text"), template="(%(expressions)s || '')", output_field=TextField())
        try:
            self.rows += self.keys(rows.filter(self.has(plain)))
        except _TimeIsUp:
            self.stopped = before or next(iter(rows.values_list("started_at", "uid")[:1]), None)
            return None
        return edge

    @property
    def is_indexed(self) -> bool:
        """Whether any term has letters or digits in a row, enough for a trigram."""
        return any(len(run) >= _SHORTEST for test in self.tests for run in _runs(test))

    def before(self, place: _Key | None) -> Any:
        """The extracts before a place."""
        if place is None:
            return self.extracts
        return self.extracts.filter(self.beyond("<", place), started_at__lte=place[0])

    def beyond(self, sign: str, place: _Key) -> Q:
        row = Func(F("started_at"), F("uid"), template="(%(expressions)s)", output_field=TextField())
        other = Func(*map(sql.Param, place), template="(%(expressions)s)", output_field=TextField())
        return sql.compare(row, sign, other)

    def has(self, text: Any) -> Q:
        found = Q()
        for test in self.tests:
            found &= sql.compare(text, "LIKE", sql.Param(test))
        return found & self.narrowed

    def keys(self, rows: Any) -> list[_Key]:
        with _until(self.until):
            return list(rows.values_list("started_at", "uid")[: self.limit - len(self.rows)])

    def sorted(self, rows: Any) -> Any:
        """The rows in the same order, said so that the index of the list does not serve it: what is rare would else
        be looked for by reading the whole list."""
        start = Func(F("started_at"), template="(%(expressions)s + interval '0')", output_field=DateTimeField())
        return rows.order_by(OrderBy(start, descending=True), "-uid")


def _runs(test: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in test).split()


class _TimeIsUp(Exception):
    """A statement was stopped because the look may take no longer."""


@contextmanager
def _until(moment: float) -> Iterator[None]:
    """Statements inside end by then; raises _TimeIsUp when one would not."""
    left = int(1000 * (moment - time.monotonic()))
    if left <= 0:
        raise _TimeIsUp
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(left)])
            yield
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise _TimeIsUp from error
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
    """The newest pieces of a call that have a term in them: the answer first, then from the last message up."""
    made: list[Excerpt] = []
    for piece in reversed(list(folding.pieces(payload))):
        parts = folding.snippet(piece.text, wanted)
        if parts:
            made.append(Excerpt(piece.place, piece.role, parts))
        if len(made) == MOST_PIECES:
            break
    return made
