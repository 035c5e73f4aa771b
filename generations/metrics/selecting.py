"""Columns of rows as one SELECT, whose conditions Django compiles, so that they are compiled in one place."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.expressions import Combinable

Selected = tuple[str, list[Any]]
"""SQL and its parameters."""


def compiled(rows: QuerySet[Any], inner: dict[str, Combinable]) -> Selected:
    """The SELECT of these columns of `rows`, and its parameters."""
    high = rows.query.high_mark
    if high is None:
        return _selected(rows, inner)
    rows.query.clear_limits()
    rows = rows.annotate(**inner).values_list("project_id", *inner)[:high]
    # A condition that nothing satisfies still has an answer: no rows, not an exception.
    sql, params = rows.query.get_compiler(rows.db, elide_empty=False).as_sql()
    return sql, list(params)


def _selected(rows: QuerySet[Any], inner: dict[str, Combinable]) -> Selected:
    """The same of rows that are not cut: without annotations, which take longer than the rows of one user."""
    query = rows.query
    compiler = query.get_compiler(rows.db, elide_empty=False)
    columns: list[str] = []
    params: list[Any] = []
    expression: Any
    for alias, expression in inner.items():
        sql, own = compiler.compile(expression.resolve_expression(query))
        columns.append(f"{sql} AS {alias}")
        params += own
    try:
        where, where_params = compiler.compile(query.where)
    except EmptyResultSet:
        where, where_params = "FALSE", ()
    # Behind the others: what is asked for may have brought tables of its own.
    tables, tables_params = compiler.get_from_clause()
    sql = f"SELECT {', '.join(columns) or 'project_id'} FROM {' '.join(tables)} WHERE {where}"  # noqa: S608
    return sql, [*params, *tables_params, *where_params]
