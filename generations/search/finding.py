"""Finds generations by what was said in them, newest first, in bounded time.

The newest extracts are read one after the other: a common word fills its page there. What does not is looked up in the
index of trigrams, in stretches of time that grow. When the time is over, the answer says how far back it has looked.
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
from django.db.models import Exists, F, Func, Min, OuterRef, Q, TextField
from psycopg.errors import QueryCanceled

from generations import bundles, filters, folding
from generations.filters import BadFilter, Condition, sql
from generations.models import Generation, GenerationSearch, Project
from generations.models.numbers import HOUR
from generations.search import indexing

MAX_LIMIT: Final = 100
MAX_QUERY: Final = 500
PATIENCE: Final = 0.8
"""The seconds that looking may take."""
WALKED: Final = 2_000
"""The extracts that are read before the index is asked: a word in one call of eighty fills a page of 25 there."""
GROWTH: Final = 4
"""Each stretch of time that is looked up is so many times as long as the one before."""
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
_GREATEST: Final = uuid.UUID(int=2**128 - 1)
_EARLIEST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_SECOND: Final = dt.timedelta(seconds=1)
# What the planner is to do without.
_WALK: Final = "enable_bitmapscan"
_LOOK_UP: Final = "enable_indexscan"


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
        place = before or self.newest()
        if place is None:
            return
        oldest: dt.datetime = self.extracts.order_by().aggregate(first=Min("started_at"))["first"]
        edge, is_walked = self.walk_to(place), True
        while place[0] >= oldest and len(self.rows) < self.limit:
            rows = self.before(place).filter(started_at__gte=edge)
            if not is_walked:
                rows = rows.filter(_hours(edge, place[0]))
            try:
                self.rows += self.keys(rows, _WALK if is_walked else _LOOK_UP)
            except _TimeIsUp:
                self.stopped = place
                return
            span = (place[0] - edge) * GROWTH
            place = (edge, _LEAST)
            is_walked = not self.is_indexed
            edge = self.walk_to(place) if is_walked else _back(edge, max(span, _SECOND))

    def newest(self) -> _Key | None:
        """A place before which everything is; None when there is nothing."""
        first = self.extracts.values_list("started_at", flat=True).first()
        return None if first is None else (first, _GREATEST)

    def walk_to(self, place: _Key) -> dt.datetime:
        """The moment that the next WALKED extracts reach back to."""
        starts = self.before(place).values_list("started_at", flat=True)
        return next(iter(starts[WALKED - 1 : WALKED]), _EARLIEST)

    @property
    def is_indexed(self) -> bool:
        """Whether any term has letters or digits in a row, enough for a trigram."""
        return any(len(run) >= _SHORTEST for test in self.tests for run in _runs(test))

    def before(self, place: _Key) -> Any:
        """The extracts before a place."""
        row = Func(F("started_at"), F("uid"), template="(%(expressions)s)", output_field=TextField())
        other = Func(*map(sql.Param, place), template="(%(expressions)s)", output_field=TextField())
        return self.extracts.filter(sql.compare(row, "<", other), started_at__lte=place[0])

    def keys(self, rows: Any, how: str) -> list[_Key]:
        """The keys of the rows that have what is looked for, as many as the page has room for."""
        found = self.narrowed
        for test in self.tests:
            found &= sql.compare(F("text"), "LIKE", sql.Param(test))
        with _until(self.until, how):
            return list(rows.filter(found).values_list("started_at", "uid")[: self.limit - len(self.rows)])


def _hours(first: dt.datetime, last: dt.datetime) -> Q:
    """The hours of these moments, as the index has them: said beside the moments, which it has not."""
    low, high = (sql.Param(int(moment.timestamp() // 3600), "::int8") for moment in (first, last))
    return sql.compare(HOUR, ">=", low) & sql.compare(HOUR, "<=", high)


def _back(moment: dt.datetime, span: dt.timedelta) -> dt.datetime:
    return moment - span if moment - _EARLIEST > span else _EARLIEST


def _runs(test: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in test).split()


class _TimeIsUp(Exception):
    """A statement was stopped because the look may take no longer."""


@contextmanager
def _until(moment: float, avoided: str) -> Iterator[None]:
    """Statements inside end by then, and do without one kind of plan; raises _TimeIsUp when one would not end."""
    left = int(1000 * (moment - time.monotonic()))
    if left <= 0:
        raise _TimeIsUp
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # The planner cannot know in how many texts a word is: it would read whole months for a rare one, or
            # look up what is in all of them.
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config(%s, 'off', true)", [str(left), avoided]
            )
            yield
            cursor.execute("SELECT set_config('statement_timeout', '0', true), set_config(%s, 'on', true)", [avoided])
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
    """The pieces of a call that have the most terms near each other; of equals the answer, then the last message."""
    found = [(piece, folding.snippet(piece.text, wanted)) for piece in reversed(list(folding.pieces(payload)))]
    shown = sorted(((piece, one) for piece, one in found if one is not None), key=lambda pair: -pair[1].found)
    return [Excerpt(piece.place, piece.role, one.parts) for piece, one in shown[:MOST_PIECES]]
