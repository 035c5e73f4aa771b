"""Runs an aggregation, within a bounded time, and reads what the database answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Final

import psycopg.errors
from django.db import connection, transaction
from django.db.utils import DataError, OperationalError
from django.utils import timezone

from generations.metrics import compiling, histograms, merging, rolling
from generations.metrics.compiling import Column, Plan
from generations.metrics.query import MAX_LIMIT, BadQuery, Query, Result, Row, TooSlow, Value, one_of
from generations.metrics.rolling import Reading
from generations.models import Project

TIMEOUT: Final = 30.0
FEW: Final = 20_000
"""So few generations are read as fast as rollups are, and their percentiles are exact."""
MOST_ROLLUPS: Final = 5_000
"""So many rollups of days are looked at to see how many generations there are; more of them are worth their use."""
_BOUND: Final = (
    "SELECT set_config('generations.earlier_timeout', current_setting('statement_timeout'), true),"
    " set_config('statement_timeout', '{}', true)"
)
_UNBOUND: Final = "SELECT set_config('statement_timeout', current_setting('generations.earlier_timeout'), true)"
_NOTICED: Final = "SET LOCAL statement_timeout = DEFAULT"
_GRAIN: Final = Decimal("1e-12")
_ONE_CURRENCY: Final = "amounts of one currency: group by usage.currency too, or narrow to one of its values"


def aggregate(project: Project, query: Query, *, timeout: float = TIMEOUT) -> Result:
    """The groups of `query` in a project, by one statement over its rows, or over what rollups hold of them.

    Without dimensions and bucket there is exactly one group, also when no row satisfies the condition. Raises BadQuery
    for what cannot be asked, also when money of several currencies meets in a group, and TooSlow after `timeout`
    seconds.
    """
    plan = compiling.planned(project.pk, query)
    asked = _kept(plan)
    if asked is not None:
        merged = _merged(asked, timeout)
        if merged is not None:
            return merged
    return _result(plan, _rows(plan, compiling.grouped(plan), timeout))


def count_groups(project: Project, query: Query, *, timeout: float = TIMEOUT) -> int:
    """How many groups `query` has, at most its limit. Raises as `aggregate` does."""
    plan = compiling.planned(project.pk, query)
    asked = _kept(plan)
    groups = compiling.grouped(plan) if asked is None else merging.grouped(asked)
    count, has_mixed = run(*compiling.counted(plan, groups), timeout)[1][0]
    if has_mixed:
        raise BadQuery("usage.cost", "several currencies", _ONE_CURRENCY)
    return int(count)


# --------------------------------------------------------------------------------------------------------- rollups
def _kept(plan: Plan) -> Reading | None:
    """How rollups answer a plan, or None when rows do it as well or alone.

    How many generations there are is looked up beforehand, and may have changed by the time of the answer: that is a
    matter of speed, and of how exact percentiles are, and not of what is counted.
    """
    asked = rolling.reading(plan, timezone.now())
    if asked is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(*merging.size(asked, MOST_ROLLUPS))
        generations, rollups, first, last = cursor.fetchone()
    return asked.among(first, last) if generations >= FEW or rollups == MOST_ROLLUPS else None


def _merged(asked: Reading, timeout: float) -> Result | None:
    """The answer of rollups; None when there are more groups than can be ordered by their percentiles."""
    plan = asked.plan
    late = {column.name for column, taken in zip(plan.measures, plan.taken, strict=True) if taken.share is not None}
    if not any(name in late for name, _ in plan.query.order):
        rows = _rows(plan, merging.grouped(asked), timeout)
        _take_percentiles(plan, rows)
    else:
        # Percentiles are taken here: all groups come, in the order of their keys, and are put in their order after.
        whole = replace(plan, query=replace(plan.query, order=(), limit=MAX_LIMIT))
        rows = _rows(whole, merging.grouped(asked), timeout)
        if len(rows) > MAX_LIMIT:
            return None
        _take_percentiles(plan, rows)
        outputs = plan.outputs()
        for name, descending in reversed(plan.query.order):
            rows.sort(key=partial(_placed, outputs[one_of("order", name, outputs)].alias), reverse=descending)
            rows.sort(key=partial(_is_unknown, outputs[name].alias))
    has_rows = any(row["has_rows"] for row in rows)
    return replace(
        _result(plan, rows),
        source="both" if has_rows else "rollup",
        approximate=histograms.ERROR if late else 0.0,
    )


def _take_percentiles(plan: Plan, rows: list[dict[str, Any]]) -> None:
    spread: dict[str, list[tuple[Column, float]]] = {}
    for column, taken in zip(plan.measures, plan.taken, strict=True):
        if taken.share is not None:
            spread.setdefault(merging.histogram_of(taken), []).append((column, taken.share))
    for histogram, columns in spread.items():
        # Percentiles of one field know as many of its values.
        known, shares = str(columns[0][0].known), [share for _, share in columns]
        for row in rows:
            values = histograms.percentiles(row[histogram], row[known], shares)
            for (column, _), found in zip(columns, values, strict=True):
                # Not to the grain that amounts are kept in: of the smallest it would be more than the 1 %.
                row[column.alias] = Decimal(f"{found:.6g}") if column.is_money and found is not None else found


def _placed(alias: str, row: dict[str, Any]) -> Any:
    """What a row is ordered by; what is unknown is put behind afterwards and stands for anything here."""
    value = row[alias]
    return (value is not None, value)


def _is_unknown(alias: str, row: dict[str, Any]) -> bool:
    return row[alias] is None


# ------------------------------------------------------------------------------------------------------- statements
def _rows(plan: Plan, groups: compiling.Grouped, timeout: float) -> list[dict[str, Any]]:
    """The groups that a plan's query leaves, and one more when there are others."""
    columns, found = run(*compiling.statement(plan, groups), timeout)
    rows = [dict(zip(columns, values, strict=True)) for values in found]
    if plan.mixes:
        _refuse_mixture(plan, rows)
    return rows


def _result(plan: Plan, rows: list[dict[str, Any]]) -> Result:
    limit = plan.query.limit
    known = [(column.name, column.known) for column in plan.measures if column.known]
    return Result(
        rows=[
            Row(
                key={column.name: _read(column, row[column.alias]) for column in plan.keys},
                values={column.name: _read(column, row[column.alias]) for column in plan.measures},
                count=row["n"],
                unknown={name: row["n"] - row[alias] for name, alias in known},
                currency=(row["currency_min"] or None) if plan.money else None,
            )
            for row in rows[:limit]
        ],
        more=len(rows) > limit,
    )


def run(sql: str, params: Sequence[Any] | Mapping[str, Any], timeout: float) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and the rows that a statement returns within so many seconds. Raises TooSlow and BadQuery."""
    patience = max(1, round(timeout * 1000))
    within: AbstractContextManager[object]
    if connection.in_atomic_block:
        bounded, within = f"{_BOUND.format(patience)}; {sql}; {_UNBOUND}", transaction.atomic()
    else:
        # One message is one transaction, with whose end the timeout ends. Without a statement behind it, a timeout that
        # passes while the executor ends would be noticed by, and cancel, whatever is asked next.
        bounded, within = f"SET LOCAL statement_timeout = {patience}; {sql}; {_NOTICED}", nullcontext()
    try:
        with within, connection.cursor() as cursor:
            cursor.execute(bounded, params)
            cursor.nextset()
            return [column.name for column in cursor.description or ()], cursor.fetchall()
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise TooSlow(timeout) from error
        raise
    except DataError as error:
        if isinstance(error.__cause__, psycopg.errors.InvalidParameterValue):
            raise BadQuery("bucket.zone", None, "a time zone that the database knows too") from error
        said = str(error.__cause__).partition("\n")[0]
        raise BadQuery("query", said, "numbers that the database can hold") from error


def _refuse_mixture(plan: Plan, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["currency_min"] != row["currency_max"]:
            names = [column.name for column in plan.measures if column.is_money]
            met = " and ".join(row[f"currency_{end}"] or "an unknown one" for end in ("min", "max"))
            raise BadQuery(names[0], met, _ONE_CURRENCY)


def _read(column: Column, value: Any) -> Value:
    if value is None or isinstance(value, str | int):
        return value
    if column.is_money:
        # Percentiles come as floats; amounts are kept to a trillionth, and a float holds that far more than exactly.
        return value if isinstance(value, Decimal) else Decimal(repr(value)).quantize(_GRAIN)
    if isinstance(value, Decimal):
        return int(value) if not column.is_mean and value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return value  # type: ignore[no-any-return]
