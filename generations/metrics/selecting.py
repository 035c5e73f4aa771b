"""Columns of rows as one SELECT, whose conditions Django compiles, so that they are compiled in one place.

Django takes longer to make one than the database to read the rows of a user. So the SQL that it made is kept by the
form of the question, which is everything of it but its values: those are parameters, and found anew each time.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.models import ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.expressions import Combinable

from generations import filters
from generations.filters.sql import Param

Selected = tuple[str, list[Any]]
"""SQL and its parameters."""

_MOST_KEPT: Final = 1_000
_kept: dict[tuple[Any, ...], str] = {}


def selected(kind: str, project: int, condition: Q, inner: dict[str, Combinable]) -> Selected:
    """The SELECT of these columns of a project's rows that satisfy the condition, and its parameters."""
    form: list[Any] = [kind]
    params: list[Any] = []
    is_known = True
    for alias, expression in inner.items():
        form.append(alias)
        is_known = is_known and _parted(expression, form, params)
    params.append(project)
    is_known = is_known and _parted(condition, form, params)
    key = tuple(form)
    kept = _kept.get(key) if is_known else None
    if kept is not None:
        return kept, params
    sql, found = _made(filters.rows(kind, project).filter(condition), inner)
    if is_known and found == params:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = sql
    return sql, found


def compiled(rows: QuerySet[Any], inner: dict[str, Combinable]) -> Selected:
    """The SELECT of these columns of `rows`, which may be cut, and its parameters."""
    high = rows.query.high_mark
    if high is None:
        return _made(rows, inner)
    rows.query.clear_limits()
    rows = rows.annotate(**inner).values_list("project_id", *inner)[:high]
    # A condition that nothing satisfies still has an answer: no rows, not an exception.
    sql, params = rows.query.get_compiler(rows.db, elide_empty=False).as_sql()
    return sql, list(params)


def _made(rows: QuerySet[Any], inner: dict[str, Combinable]) -> Selected:
    """The same of rows that are not cut: without annotations, which take as long again."""
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


def _parted(node: Any, form: list[Any], values: list[Any]) -> bool:
    """Part a piece of a question into its form and its values, as they come one after the other in the SQL; False
    for what is not known to be made of nothing else."""
    of = type(node)
    if of is Param:
        form += (of, node.cast)
        values.append(list(node.value) if isinstance(node.value, tuple) else node.value)
    elif of is F:
        form += (of, node.name)
    elif of is Value:
        form += (of, type(node.value), type(node.__dict__.get("output_field")))
        values.append(node.value)
    elif of is Func:
        parts = node.source_expressions
        form += (of, *node.extra.items(), len(parts))
        return all(_parted(part, form, values) for part in parts)
    elif of is ExpressionWrapper:
        form.append(of)
        return _parted(node.expression, form, values)
    elif of is Q:
        form += (of, node.connector, node.negated, len(node.children))
        return all(_parted(child, form, values) for child in node.children)
    elif of is tuple and isinstance(node[1], bool):
        form += node
    elif of is tuple and isinstance(node[1], dt.datetime):
        form.append(node[0])
        values.append(node[1])
    else:
        return False
    return True
