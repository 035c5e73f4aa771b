"""The most frequent values of the fields that a list is usually narrowed by, and how often each occurs: its facets."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import models
from django.db.models import F
from django.utils import timezone

from generations import filters
from generations.filters import Condition, Kind, sql
from generations.metrics import answering, compiling, holding, rolling, selecting
from generations.metrics.query import MAX_LIMIT, BadQuery, Dimension, Measure, Query, TooSlow
from generations.models import Project

PATHS: Final = {
    "generations": (
        *("model.id", "model.provider", "status", "errorType", "type", "tags", "environment", "release"),
        *("metadata.userId", "promptVersion.name"),
    ),
    "steps": ("type", "name", "status", "tags", "environment", "release", "metadata.userId"),
    "threads": ("tags", "environment", "metadata.userId"),
}
"""The facets of each list, by the paths of their fields."""
NEWEST: Final = 5_000
"""So many rows are counted one by one; of more only these, the newest."""
PATIENCE: Final = 0.1
"""The seconds that finding the newest rows may take, before only the newest of the list are looked at."""
_FEWER: Final = 10  # when not even those can be looked through in time: so many times fewer, for so much longer
_STATUS: Final = "status"


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a field and their counts, largest first; None stands for rows without one.

    Each value is one that `path` can be compared with (None: that it does not exist). A row counts once for each of
    its tags. `more` says that there are other values. `rows` are the rows that were counted, and `since` the start
    of the oldest of them when they are the newest ones only; None when they are all that satisfy the filter.
    """

    path: str
    values: list[tuple[str | None, int]]
    more: bool
    rows: int
    since: dt.datetime | None


def facets(
    project: Project,
    condition: Condition | None = None,
    *,
    kind: str = "generations",
    paths: Sequence[str] = (),
    top: int = 10,
    patience: float = PATIENCE,
) -> list[Facet]:
    """The facets of a list under a condition, in the order of `paths` (by default those of PATHS).

    Up to NEWEST rows are counted whole. Of more, what rollups hold (model, provider, environment and status, under
    conditions about nothing else and time) is counted whole too, and the rest of the newest NEWEST rows. When these
    are not found within `patience` seconds, or there are none to wait, only the newest NEWEST rows of the list are
    looked through. No row is looked at where rollups hold all that is asked. Takes one to five statements. Raises
    BadFilter, and TooSlow when that does not end either.
    """
    wanted = tuple(paths) or PATHS[kind]
    for path in wanted:
        if not compiling.catalogued(kind, path).groupable:
            raise BadQuery(path, "facet", "a field that can be grouped by")
    if kind == rolling.KIND and all(map(_is_kept, wanted)):
        kept = _kept(project, wanted, condition, top, patience)
        if kept:
            return [kept[path] for path in wanted]
    found = _counted(_Asked(kind, project.pk, wanted, condition, top), patience)
    if kind != rolling.KIND or all(one.since is None for one in found):
        return found
    kept = _kept(project, wanted, condition, top, patience)
    return [kept.get(one.path, one) for one in found]


# ----------------------------------------------------------------------------------------------------------- of rows
@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    project: int
    paths: tuple[str, ...]
    condition: Condition | None
    top: int

    @property
    def time(self) -> str:
        """The column of the list's time."""
        column = filters.field(self.kind, filters.catalogue(self.kind).time).column
        assert column is not None
        return column


def _counted(asked: _Asked, patience: float) -> list[Facet]:
    rows = filters.narrow(asked.kind, asked.project, asked.condition)
    if patience > 0:
        try:
            return _of(asked, rows.order_by(F(asked.time).desc(), F("uid").desc())[:NEWEST], patience)
        except TooSlow:
            pass
    try:
        return _of_newest(asked, rows, NEWEST, PATIENCE)
    except TooSlow:
        return _of_newest(asked, rows, NEWEST // _FEWER, PATIENCE * _FEWER)


def _of_newest(asked: _Asked, rows: models.QuerySet[Any], most: int, timeout: float) -> list[Facet]:
    """The facets of those that satisfy the condition among so many newest rows of its stretch of time."""
    stretch = rolling.stretch(asked.kind, asked.condition, timezone.now())
    starts = filters.rows(asked.kind, asked.project).filter(rolling.within(asked.time, stretch))
    newest = starts.order_by(F(asked.time).desc()).values_list(asked.time, flat=True)
    since = next(iter(newest[most - 1 : most]), None)
    if since is not None:
        rows = rows.filter(sql.compare(F(asked.time), ">=", sql.Param(since)))
    return [replace(one, since=since) for one in _of(asked, rows, timeout)]


def _of(asked: _Asked, rows: models.QuerySet[Any], timeout: float) -> list[Facet]:
    """The facets of these rows, by one statement. Raises TooSlow."""
    fields = [compiling.catalogued(asked.kind, path) for path in asked.paths]
    inner = {f"k{n}": found.expression(asked.project) for n, found in enumerate(fields)}
    select, params = selecting.compiled(rows, {**inner, "at": F(asked.time)})
    counted = " UNION ALL ".join(_values(n, found.kind is Kind.TAGS) for n, found in enumerate(fields))
    # Every name in it is made here; every value is a parameter.
    statement = (
        f"WITH rows AS MATERIALIZED ({select}), counted AS ({counted}), placed AS ("  # noqa: S608
        ' SELECT *, row_number() OVER (PARTITION BY facet ORDER BY n DESC, value COLLATE "C") AS place FROM counted'
        ") SELECT facet, value, n, NULL::timestamptz AS since FROM placed WHERE place <= %s"
        " UNION ALL SELECT NULL, NULL, count(*), min(at) FROM rows ORDER BY facet, n DESC, value"
    )
    *found, (_, _, count, oldest) = answering.run(statement, [*params, asked.top + 1], timeout)[1]
    values: list[list[tuple[str | None, int]]] = [[] for _ in fields]
    for facet, value, n, _ in found:
        values[facet].append((value, n))
    since = oldest if count == NEWEST else None
    return [
        Facet(path, own[: asked.top], more=len(own) > asked.top, rows=count, since=since)
        for path, own in zip(asked.paths, values, strict=True)
    ]


def _values(n: int, is_list: bool) -> str:
    """The values of one facet with their counts; of a list its entries, and nothing for one without any."""
    source = f"unnest(coalesce(nullif(k{n}, '{{}}'), ARRAY[NULL]::text[]))" if is_list else f"(VALUES (k{n}::text))"
    return f"SELECT {n} AS facet, value, count(*) AS n FROM rows, LATERAL {source} AS t(value) GROUP BY value"  # noqa: S608


# -------------------------------------------------------------------------------------------------------- of rollups
def _kept(
    project: Project, paths: Sequence[str], condition: Condition | None, top: int, patience: float
) -> dict[str, Facet]:
    """Those facets that rollups hold, of all that satisfy the condition; none when it asks for what they do not."""
    shared = [path for path in paths if _is_kept(path) and path != _STATUS]
    query = Query(
        condition=condition,
        dimensions=tuple(Dimension(path, path) for path in shared),
        measures=(Measure("count", "count"), Measure("failed", "error_rate")),
        limit=MAX_LIMIT,
    )
    if rolling.reading(compiling.planned(project.pk, query), timezone.now()) is None:
        return {}
    try:
        groups = answering.aggregate(project, query, timeout=patience or PATIENCE)
    except TooSlow:
        return {}
    if groups.more:
        return {}
    counts: dict[str, Counter[Any]] = {path: Counter() for path in (*shared, *({_STATUS} & {*paths}))}
    for row in groups.rows:
        for path in shared:
            counts[path][row.key[path]] += row.count
        if _STATUS in counts:
            rate = row.values["failed"]
            assert isinstance(rate, float)
            failed = round(rate * row.count)
            counts[_STATUS] += Counter(error=failed, success=row.count - failed)
    return {path: _ranked(path, own, top) for path, own in counts.items()}


def _is_kept(path: str) -> bool:
    return path == _STATUS or compiling.catalogued(rolling.KIND, path).column in holding.SHARED


def _ranked(path: str, counts: Counter[Any], top: int) -> Facet:
    values = sorted(counts.items(), key=lambda one: (-one[1], one[0] is None, one[0] or ""))
    return Facet(path, values[:top], more=len(values) > top, rows=counts.total(), since=None)
