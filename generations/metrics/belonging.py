"""What the generations that belong to rows of another list come to: of each of these rows, or of all that match."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Min, Q, Sum

from generations import filters
from generations.filters import Condition
from generations.metrics import answering, compiling, selecting
from generations.metrics.query import Bucket, Query
from generations.models import Generation, Project


@dataclass(slots=True)
class Belongings:
    """How many generations, how many of them failed, their tokens, how long models took, and since when there are any.

    What nobody said is None; `seconds` are those of one call after the other. `costs` are amounts by currency, never
    added across these; None is a currency that was never said.
    """

    count: int = 0
    failed: int = 0
    tokens: int | None = None
    seconds: float | None = None
    first: dt.datetime | None = None
    costs: dict[str | None, Decimal] = field(default_factory=dict)


def of_each(kind: str, project_pk: int, ids: Sequence[str], *, timeout: float | None = None) -> dict[str, Belongings]:
    """What belongs to each of these rows, by its id; one statement. Rows without generations are left out.

    Raises TooSlow after `timeout` seconds; without it takes as long as any statement may.
    """
    column = _column(kind)
    rows = (
        Generation.objects.in_project(project_pk)
        .filter(**{f"{column}__in": list(ids)})
        .order_by("currency")
        .values(column, "currency")
        .annotate(
            count=Count("uid"),
            failed=Count("uid", filter=Q(error__isnull=False)),
            tokens=Sum("total_tokens"),
            seconds=Sum("latency"),
            first=Min("started_at"),
            cost=Sum("cost"),
        )
    )
    found: dict[str, Belongings] = {}
    if not ids:
        return found
    for row in rows if timeout is None else _within(timeout, *rows.query.sql_with_params()):
        _add(found.setdefault(row[column], Belongings()), row)
    return found


def over_time(
    kind: str, project: Project, condition: Condition | None, bucket: Bucket, *, timeout: float
) -> dict[dt.datetime, Belongings]:
    """What belongs to the rows that satisfy the condition, by the unit of the time that their list is in.

    Raises BadQuery, and TooSlow after `timeout` seconds.
    """
    plan = compiling.planned(project.pk, Query(kind, condition, bucket=bucket))
    narrowed = filters.q(kind, condition, project.pk)
    rows, params = selecting.selected(kind, project.pk, narrowed, {"public": F("public_id"), **plan.inner})
    # The name of a column of ours, and the project as a literal: that is how its rows are found, on any server.
    sql = (
        "SELECT k0 AS time, g.currency, count(*) AS count, count(g.error) AS failed,"  # noqa: S608
        " sum(g.total_tokens) AS tokens, sum(g.latency) AS seconds, min(g.started_at) AS first, sum(g.cost) AS cost"
        f" FROM ({rows}) AS r JOIN generation AS g"
        f" ON g.project_id = {project.pk:d} AND g.{_column(kind)} = r.public GROUP BY k0, g.currency"
    )
    found: dict[dt.datetime, Belongings] = {}
    for row in _within(timeout, sql, params):
        _add(found.setdefault(row["time"].astimezone(dt.UTC), Belongings()), row)
    return found


def _within(timeout: float, sql: str, params: Any) -> list[dict[str, Any]]:
    columns, groups = answering.run(sql, params, timeout)
    return [dict(zip(columns, values, strict=True)) for values in groups]


def _add(whole: Belongings, row: dict[str, Any]) -> None:
    whole.count += row["count"]
    whole.failed += row["failed"]
    if row["tokens"] is not None:
        whole.tokens = (whole.tokens or 0) + int(row["tokens"])
    if row["seconds"] is not None:
        whole.seconds = (whole.seconds or 0.0) + row["seconds"]
    if whole.first is None or row["first"] < whole.first:
        whole.first = row["first"]
    if row["cost"] is not None:
        whole.costs[row["currency"]] = row["cost"]


def _column(kind: str) -> str:
    """The column in which generations name a row of this list."""
    return filters.catalogue(kind).relation("generations").there
