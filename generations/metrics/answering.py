"""Runs an aggregation, within a bounded time, and reads what the database answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import psycopg.errors
from django.db import connection, transaction
from django.db.utils import DataError, OperationalError

from generations.metrics.compiling import Column, Plan, counted, statement
from generations.metrics.query import BadQuery, Query, Result, Row, TooSlow, Value
from generations.models import Project

TIMEOUT: Final = 30.0
_GRAIN: Final = Decimal("1e-12")
_ONE_CURRENCY: Final = "amounts of one currency: group by usage.currency too, or narrow to one of its values"


def aggregate(project: Project, query: Query, *, timeout: float = TIMEOUT) -> Result:
    """The groups of `query` in a project, by one statement over its rows.

    Without dimensions and bucket there is exactly one group, also when no row satisfies the condition. Raises BadQuery
    for what cannot be asked, also when money of several currencies meets in a group, and TooSlow after `timeout`
    seconds.
    """
    sql, params, plan = statement(project.pk, query)
    columns, found = _run(sql, params, timeout)
    rows = [dict(zip(columns, values, strict=True)) for values in found]
    if plan.mixes:
        _refuse_mixture(plan, rows)
    limit = plan.query.limit
    return Result(rows=[_row(plan, row) for row in rows[:limit]], more=len(rows) > limit)


def count_groups(project: Project, query: Query, *, timeout: float = TIMEOUT) -> int:
    """How many groups `query` has, at most its limit. Raises as `aggregate` does."""
    sql, params = counted(project.pk, query)
    count, has_mixed = _run(sql, params, timeout)[1][0]
    if has_mixed:
        raise BadQuery("usage.cost", "several currencies", _ONE_CURRENCY)
    return int(count)


def _run(sql: str, params: Sequence[Any], timeout: float) -> tuple[list[str], list[tuple[Any, ...]]]:
    try:
        # The settings of a transaction end with it; inside another one, the earlier value is put back.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            earlier = cursor.fetchone()[0]
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{max(1, round(timeout * 1000))}ms"])
            cursor.execute(sql, params)
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [earlier])
            return columns, rows
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


def _row(plan: Plan, row: dict[str, Any]) -> Row:
    return Row(
        key={column.name: _read(column, row[column.alias]) for column in plan.keys},
        values={column.name: _read(column, row[column.alias]) for column in plan.measures},
        count=row["n"],
        unknown={column.name: row["n"] - row[column.known] for column in plan.measures if column.known},
        currency=(row["currency_min"] or None) if plan.money else None,
    )


def _read(column: Column, value: Any) -> Value:
    if column.is_money and value is not None:
        # Percentiles come as floats; amounts are kept to a trillionth, and a float holds that far more than exactly.
        return value if isinstance(value, Decimal) else Decimal(repr(value)).quantize(_GRAIN)
    if isinstance(value, Decimal):
        return int(value) if not column.is_mean and value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return value  # type: ignore[no-any-return]
