"""One statement that merges rollups with the rows that they do not cover.

Whole days are read from their rollups, hours beside them from theirs. Hours that were marked since, and those that the
question's bounds cut, are read from the rows, of which each is a rollup of one. The statement sees one moment: an hour
is either marked, or its rollup says what its rows say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from django.db import connection, models
from django.db.models import BooleanField, ExpressionWrapper, F, Q

from generations import filters
from generations.filters import sql
from generations.metrics import histograms, rolling
from generations.metrics.compiling import Grouped, Plan, Taken, currencies
from generations.metrics.rolling import KIND, Bounds, Reading
from generations.metrics.selecting import selected
from generations.models import RollupDay, RollupHour

_DAY: Final = dt.timedelta(days=1)
_NOON: Final = "({} + interval '12 hours')"


def size(asked: Reading, most: int) -> Grouped:
    """The SQL of roughly how many generations the rollups of a reading's days count, of how many rollups it saw, and
    of the first and the last day of these.

    It looks at so many rollups at most, the latest: that is what it costs, however many generations there are.
    """
    start = None if asked.bounds.start is None else asked.bounds.start - _DAY
    kept, params = _kept(asked, RollupDay, Bounds(start, asked.bounds.end))
    days = f"SELECT count AS n, bucket AS day {kept} ORDER BY bucket DESC LIMIT {most}"
    return f"SELECT coalesce(sum(n), 0), count(*), min(day), max(day) FROM ({days}) AS days", params  # noqa: S608


def grouped(asked: Reading) -> Grouped:
    """The SQL of the groups of a plan, taken of rollups and of the rows that they do not cover.

    Beside the plan's columns there is `has_rows`, and for each field with a percentile its histogram, under the name
    that `histogram_of` says. The percentiles themselves are left open.
    """
    plan = asked.plan
    marked, params = _marked(asked)
    parts = [*_of_days(asked), *_of_edges(asked), *_of_hours(asked), *_of_rows(asked)]
    keys = [column.alias for column in plan.keys]
    columns = ", ".join([*keys, "coalesce(sum(n), 0)::bigint AS n", *_taken(asked), "bool_or(is_row) AS has_rows"])
    union = " UNION ALL ".join(part for part, _ in parts)
    groups = f" GROUP BY {', '.join(keys)}" if keys else ""
    if asked.edges:
        # Of a day that has nothing but edges, nothing is left.
        groups += " HAVING sum(n) > 0"
        edges, edges_params = _edges(asked)
        marked, params = f"{marked}, {edges}", [*params, *edges_params]
    return (
        f"WITH RECURSIVE {marked} SELECT {columns} FROM ({union}) AS r{groups}",  # noqa: S608
        [*params, *(param for _, own in parts for param in own)],
    )


def histogram_of(taken: Taken) -> str:
    """The name of the column with the histogram that a percentile is taken of."""
    return f"histogram_{taken.alias}"


def _marked(asked: Reading) -> Grouped:
    """The whole hours of the reading that are marked: one step of the index for each, however often it was."""
    project, hours = asked.plan.project, asked.hours
    since = " AND bucket >= %s" if hours.start else ""
    until = " AND bucket < %s" if hours.end else ""
    starts = [hours.start] if hours.start else []
    ends = [hours.end] if hours.end else []
    step = f"SELECT bucket FROM rollup_dirty WHERE project_id = %s{until}"  # noqa: S608
    known = "FROM steps WHERE hour IS NOT NULL"
    steps = (
        f"({step}{since} ORDER BY bucket LIMIT 1) UNION ALL SELECT ({step} AND bucket > hour ORDER BY bucket LIMIT 1)"
    )
    dirty = f"SELECT hour, date_trunc('day', hour, 'UTC') AS day {known}"
    return (
        f"steps(hour) AS ({steps} {known}), dirty AS MATERIALIZED ({dirty})",
        [project, *ends, *starts, project, *ends],
    )


def _edges(asked: Reading) -> Grouped:
    """The hours of whole days that are not marked, with the unit that each is in and the other one that its day is."""
    bucket, days = asked.plan.query.bucket, asked.days
    assert bucket is not None and days is not None
    unit_of = "date_trunc(%s, {}, %s)"
    hours = "unnest(%s::int[]) AS number, LATERAL (SELECT day + number * interval '1 hour' AS hour) AS at"
    each = (
        f"SELECT hour, {unit_of.format('hour')} AS unit, {unit_of.format(_NOON.format('day'))} AS other"  # noqa: S608
        f" FROM generate_series(%s::timestamptz, %s::timestamptz, interval '24 hours') AS day, {hours}"
        " WHERE day NOT IN (SELECT day FROM dirty)"
    )
    assert days.start is not None and days.end is not None
    named = [bucket.unit, bucket.zone]
    return (
        f"edges AS MATERIALIZED (SELECT * FROM ({each}) AS hours WHERE unit <> other)",  # noqa: S608
        [*named, *named, days.start, days.end - _DAY, list(asked.edges)],
    )


# --------------------------------------------------------------------------------------------------------- sources
def _of_days(asked: Reading) -> Iterator[Grouped]:
    if asked.days is not None:
        clean = _kept(asked, RollupDay, asked.days, "bucket NOT IN (SELECT day FROM dirty)")
        yield _rollups(asked, clean, at=_NOON if asked.edges else "{}")


def _of_hours(asked: Reading) -> Iterator[Grouped]:
    clean = "bucket NOT IN (SELECT hour FROM dirty)"
    for beside in [asked.hours] if asked.days is None else asked.hours.without(asked.days):
        yield _rollups(asked, _kept(asked, RollupHour, beside, clean))
    if asked.days is not None:
        of_day = "bucket >= days.day AND bucket < days.day + interval '24 hours'"
        select, params = _rollups(asked, _kept(asked, RollupHour, asked.days, clean, of_day))
        yield _for_each("(SELECT DISTINCT day FROM dirty) AS days", select), params


def _of_edges(asked: Reading) -> Iterator[Grouped]:
    """The hours of whole days that are not in the unit of their day: once for where they are, once against it."""
    if asked.edges and asked.days is not None:
        select, params = _rollups(asked, _kept(asked, RollupHour, asked.days, "bucket = edges.hour"))
        columns = [f"{column} * sign AS {column}" for column in _amounts(asked.plan)]
        keys = [column.alias for column in asked.plan.keys[1:]]
        columns = ["CASE sign WHEN 1 THEN unit ELSE other END AS k0", *keys, *columns, "currency_of_row", "is_row"]
        each = f"edges CROSS JOIN LATERAL ({select} OFFSET 0) AS kept CROSS JOIN (VALUES (1), (-1)) AS signs(sign)"
        yield f"SELECT {', '.join(columns)} FROM {each}", params  # noqa: S608


def _of_rows(asked: Reading) -> Iterator[Grouped]:
    rest = filters.q(KIND, asked.rest, asked.plan.project, now=asked.now)
    for cut in asked.bounds.without(asked.hours):
        yield _each(asked.plan, rest & rolling.within("started_at", cut))
    of_hour = _started(">= dirty.hour") & _started("< dirty.hour + interval '1 hour'")
    # Said of the whole stretch too: partitions beside it are then not even planned.
    select, params = _each(asked.plan, rest & of_hour & rolling.within("started_at", asked.hours))
    yield _for_each("dirty", select), params


def _for_each(rows: str, select: str) -> str:
    # With the fence each of `rows` is looked up. The planner, which expects a hundred of them where there are none,
    # would rather read all that could be asked for.
    return f"SELECT t.* FROM {rows} CROSS JOIN LATERAL ({select} OFFSET 0) AS t"  # noqa: S608


def _kept(asked: Reading, model: type[models.Model], bounds: Bounds, *tests: str) -> Grouped:
    """FROM and WHERE of the rollups of whole buckets within bounds that satisfy the rest of the condition.

    Not by the ORM, which takes half a millisecond for each of the five sources of an answer that takes five.
    """
    table = model._meta.db_table
    params: list[Any] = [asked.plan.project]
    said = [f'"{table}"."project_id" = %s', *tests]
    for sign, moment in ((">=", bounds.start), ("<", bounds.end)):
        if moment is not None:
            said.append(f"bucket {sign} %s")
            params.append(moment)
    if asked.rest is not None:
        # What is asked about has the same columns in rollups as in the rows.
        query = model._default_manager.filter(filters.q(KIND, asked.rest, asked.plan.project, now=asked.now)).query
        where, where_params = query.get_compiler(connection=connection).compile(query.where)
        said.append(f"({where})")
        params += where_params
    return f'FROM "{table}" WHERE {" AND ".join(said)}', params


def _started(test: str) -> Q:
    return sql.true(f"(%(expressions)s {test})", F("started_at"))


# --------------------------------------------------------------------------------------------------------- columns
def _parts(plan: Plan) -> list[Taken]:
    """The measured fields, each once, with whatever is taken of them."""
    return list({taken.alias: taken for taken in plan.taken if taken.field is not None}.values())


def _spread(plan: Plan) -> dict[str, Taken]:
    """The percentiles of each field, one for all of them."""
    return {taken.alias: taken for taken in plan.taken if taken.share is not None}


def _rollups(asked: Reading, kept: Grouped, at: str = "{}") -> Grouped:
    """Rollups, with the columns that all sources have, in their order; each counts in the unit of its bucket `at`."""
    plan, bucket = asked.plan, asked.plan.query.bucket
    columns = [filters.field(KIND, dimension.path).columns[0] for dimension in plan.query.dimensions]
    columns += ["count", "errors"]
    for taken in _parts(plan):
        assert taken.field is not None and taken.field.column is not None
        columns += [f"{taken.field.column}_known", taken.field.column]
    for taken in _spread(plan).values():
        assert taken.field is not None
        columns.append(f"{taken.field.column}_histogram")
    columns += ["currency", "FALSE"]
    names = [*(column.alias for column in plan.keys), *_amounts(plan), "currency_of_row", "is_row"]
    params: list[Any] = []
    if bucket is not None:
        columns.insert(0, f"date_trunc(%s, {at.format('bucket')}, %s)")
        params = [bucket.unit, bucket.zone]
    source, source_params = kept
    selected = ", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))
    return f"SELECT {selected} {source}", [*params, *source_params]


def _amounts(plan: Plan) -> list[str]:
    """The columns of all sources that are added up, in their order."""
    parts = [f"{taken.alias}_{what}" for taken in _parts(plan) for what in ("known", "sum")]
    return ["n", "failed", *parts, *(f"{alias}_spread" for alias in _spread(plan))]


def _each(plan: Plan, condition: Q) -> Grouped:
    """The rows that satisfy a condition, each as a rollup of itself, with the columns that all sources have."""
    failed = ExpressionWrapper(Q(error__isnull=False), output_field=BooleanField())
    inner = {**plan.inner, "failed": failed, "currency_of_row": F("currency")}
    columns = [column.alias for column in plan.keys]
    columns += ["1::bigint AS n", "failed::int::bigint AS failed"]
    for taken in _parts(plan):
        known = f"({taken.alias} IS NOT NULL)::int::bigint"
        columns += [f"{known} AS {taken.alias}_known", f"{taken.alias} AS {taken.alias}_sum"]
    columns += [f"{histograms.adding(alias)} AS {alias}_spread" for alias in _spread(plan)]
    columns += ["currency_of_row", "TRUE AS is_row"]
    select, params = selected(KIND, plan.project, condition, inner)
    return f"SELECT {', '.join(columns)} FROM ({select}) AS one", params  # noqa: S608


def _taken(asked: Reading) -> list[str]:
    """The measures, under the names that they have when they are taken of rows."""
    plan = asked.plan
    columns = []
    for n, taken in enumerate(plan.taken):
        total, known = f"sum({taken.alias}_sum)", f"coalesce(sum({taken.alias}_known), 0)::bigint"
        if asked.edges:
            # Where all that was known was taken away again, nothing is left of it, which is not a sum of zero.
            total = f"CASE WHEN sum({taken.alias}_known) > 0 THEN {total} END"
        if taken.field is None:
            rate = "sum(failed)::float8 / nullif(sum(n), 0)"
            columns.append(f"{'coalesce(sum(n), 0)::bigint' if taken.function == 'count' else rate} AS v{n}")
            continue
        value = {
            "count": known,
            "sum": total,
            "avg": f"{total} / nullif(sum({taken.alias}_known), 0)",
            "percentile": "NULL::float8",
        }[taken.function]
        columns += [f"{value} AS v{n}", f"{known} AS c{n}"]
    columns += [
        f"{histograms.sent(f'sum({alias}_spread)')} AS {histogram_of(taken)}" for alias, taken in _spread(plan).items()
    ]
    if plan.money:
        columns += currencies(" OR ".join(f"{alias}_known > 0" for alias in plan.money))
    return columns
