"""Groups are narrowed, ordered, cut and bounded, and what has no honest number is refused by name."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from generations import access, filters, metrics, recording
from generations.metrics import BadQuery, Bucket, Dimension, Measure, Query
from generations.models import Project
from generations.records import FeedbackRecord, ScoreRecord, StepRecord
from tests.measuring import NOW, store, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Metrics")


def test_groups_are_narrowed_ordered_and_cut(project: Project) -> None:
    store(
        project, *({"model_id": model, "latency": latency} for model, latency in zip("aabbbcd", range(7), strict=True))
    )
    query = Query(
        dimensions=(Dimension("model", "model.id"),),
        measures=(Measure("count", "count"), Measure("slowest", "max", "performance.latency")),
        order=(("count", True), ("slowest", True)),
    )

    everything = metrics.aggregate(project, query)
    cut = metrics.aggregate(
        project,
        Query(
            dimensions=query.dimensions,
            measures=query.measures,
            order=query.order,
            having=filters.And((filters.Leaf("count", (), "lte", 2), filters.Leaf("model", (), "ne", "d"))),
            limit=1,
        ),
    )

    assert table(everything) == [("b", 3, 4.0), ("a", 2, 1.0), ("d", 1, 6.0), ("c", 1, 5.0)]
    assert table(cut) == [("a", 2, 1.0)]
    assert cut.more


def test_what_is_not_known_sorts_last_either_way(project: Project) -> None:
    store(project, {"model_id": "a", "latency": 1.0}, {"model_id": "b"}, {"model_id": "c", "latency": 3.0})

    def by(descending: bool) -> list[Any]:
        query = Query(
            dimensions=(Dimension("model", "model.id"),),
            measures=(Measure("mean", "avg", "performance.latency"),),
            order=(("mean", descending),),
        )
        return [row.key["model"] for row in metrics.aggregate(project, query).rows]

    assert by(False) == ["a", "c", "b"]
    assert by(True) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("condition", "models"),
    [
        (filters.Leaf("mean", (), "gt", 1), ["c"]),
        (filters.Leaf("mean", (), "in", (1, 3)), ["a", "c"]),
        (filters.Leaf("mean", (), "nin", (1, 7)), ["b", "c"]),
        (filters.Leaf("mean", (), "ne", 1), ["b", "c"]),
        (filters.Not(filters.Leaf("mean", (), "gt", 1)), ["a", "b"]),
        (filters.Leaf("mean", (), "exists", False), ["b"]),
        (filters.Leaf("model", (), "startsWith", "a"), ["a"]),
        (filters.Leaf("model", (), "contains", "B"), ["b"]),
        (filters.Or((filters.Leaf("model", (), "eq", "a"), filters.Leaf("mean", (), "eq", 3))), ["a", "c"]),
        (filters.Leaf("last", (), "gte", dt.date(2026, 3, 4)), ["a", "b", "c"]),
        (filters.Leaf("last", (), "lt", filters.Relative("now-1h")), ["a", "b", "c"]),
    ],
)
def test_conditions_on_groups(project: Project, condition: filters.Condition, models: list[str]) -> None:
    store(project, {"model_id": "a", "latency": 1.0}, {"model_id": "b"}, {"model_id": "c", "latency": 3.0})

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("model", "model.id"),),
            measures=(Measure("mean", "avg", "performance.latency"), Measure("last", "max", "timestamp")),
            having=condition,
        ),
    )

    assert [row.key["model"] for row in result.rows] == models


def test_only_the_first_rows_of_an_order_are_aggregated(project: Project) -> None:
    store(
        project,
        *({"latency": float(n), "tags": ("a", "b"), "started_at": NOW - dt.timedelta(hours=n)} for n in range(5)),
    )

    newest = metrics.aggregate(
        project, Query(dimensions=(Dimension("tag", "tags"),), measures=(Measure("sum", "sum", "latency"),), first=2)
    )
    slowest = metrics.aggregate(
        project,
        Query(measures=(Measure("sum", "sum", "latency"),), first=2, first_order=(("performance.latency", True),)),
    )

    assert table(newest) == [("a", 1.0), ("b", 1.0)]
    assert table(slowest) == [(7.0,)]


def test_another_projects_rows_are_not_counted(project: Project) -> None:
    other = access.create_project("Other")
    store(project, {"model_id": "a", "tags": ("x",)})
    store(other, {"model_id": "a"}, {"model_id": "b"})

    result = metrics.aggregate(project, Query(dimensions=(Dimension("model", "model.id"),)))

    assert table(result) == [("a", 1)]


def test_steps_and_scores_are_aggregated_too(project: Project) -> None:
    recording.record(
        project,
        [
            StepRecord(id="s1", type="tool", started_at=NOW, latency=2.0, error="no"),
            StepRecord(id="s2", type="tool", started_at=NOW, latency=4.0),
            ScoreRecord(name="exact", value=1.0, step_id="s1", type="CODE"),
        ],
    )

    steps = metrics.aggregate(
        project,
        Query(
            kind="steps",
            dimensions=(Dimension("type", "type"),),
            measures=(Measure("mean", "avg", "performance.latency"), Measure("errors", "error_rate")),
        ),
    )
    scores = metrics.aggregate(
        project,
        Query(kind="scores", dimensions=(Dimension("name", "name"),), measures=(Measure("mean", "avg", "value"),)),
    )

    assert table(steps) == [("tool", 3.0, 0.5)]
    assert table(scores) == [("exact", 1.0)]


def test_a_condition_that_nothing_can_satisfy_gives_no_groups(project: Project) -> None:
    store(project, {"model_id": "a"})

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("model", "model.id"),),
            condition=filters.from_document("generations", {"id": {"$in": []}}),
        ),
    )

    assert result.rows == []


def test_it_is_one_statement_with_the_project_as_a_literal(project: Project) -> None:
    store(project, {"tags": ("a",), "feedback": FeedbackRecord(rating=4.0)})

    with CaptureQueriesContext(connection) as captured:
        metrics.aggregate(
            project,
            Query(
                condition=filters.from_document("generations", {"feedback.rating": {"$gte": 1}}),
                dimensions=(Dimension("tag", "tags"), Dimension("score", "scores.exact")),
                bucket=Bucket("day", "Europe/Prague"),
                measures=(Measure("rating", "p95", "feedback.rating"), Measure("cost", "sum", "usage.cost")),
            ),
        )

    reading = [query["sql"] for query in captured if "generation" in query["sql"]]
    assert len(reading) == 1
    # generation, its feedback twice (condition and measure), its scores
    assert reading[0].count(f'"project_id" = {project.pk}') == 4
    assert len(captured) == 3  # savepoint, the statement between the settings of its timeout, release


def test_a_slow_aggregation_is_stopped_and_leaves_the_connection_as_it_was(project: Project) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '77s'")
    store(project, *({"latency": float(n % 97)} for n in range(2000)))
    query = Query(
        dimensions=tuple(Dimension(f"d{n}", f"scores.s{n}") for n in range(8)),
        measures=tuple(Measure(f"m{n}", "avg", f"scores.m{n}") for n in range(40)),
    )

    with pytest.raises(metrics.TooSlow, match="takes longer than 0"):
        metrics.aggregate(project, query, timeout=0.002)
    metrics.aggregate(project, Query())

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("77s",)


COUNT = (Measure("count", "count"),)


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        (Query(dimensions=(Dimension("m", "model.idd"),)), "model.idd", "did you mean model.id?"),
        (Query(dimensions=(Dimension("m", "metadata"),)), "metadata", "such as metadata.plan"),
        (Query(dimensions=(Dimension("m", "usage.cost"),)), "m", "a field to group by: "),
        (Query(measures=(Measure("x", "summ", "usage.cost"),)), "x.function", "did you mean sum?"),
        (Query(measures=(Measure("x", "sum"),)), "x.path", "the field that sum is taken of"),
        (Query(measures=(Measure("x", "sum", "model.id"),)), "x.path", "a number for sum, but model.id is a text"),
        (Query(measures=(Measure("x", "max", "tags"),)), "x.path", "a number, a time or a text for max"),
        (Query(measures=(Measure("x", "error_rate", "model.id"),)), "x.path", "no field"),
        (Query(measures=(Measure("x", "percentile", "latency"),)), "x.percentile", "a number from 0 to 1"),
        (Query(measures=(Measure("x", "percentile", "latency", 95),)), "x.percentile", "a number from 0 to 1"),
        (Query(measures=(*COUNT, *COUNT)), "name", "nothing else in this query has"),
        (Query(measures=(Measure("", "count"),)), "name", "1 to 100 characters"),
        (Query(bucket=Bucket("days")), "bucket.unit", "did you mean day?"),
        (Query(bucket=Bucket("day", "Europe/Prag")), "bucket.zone", "did you mean Europe/Prague?"),
        (Query(bucket=Bucket("day", "+05:30")), "bucket.zone", "the name of a time zone"),
        (Query(bucket=Bucket("day", path="model.id")), "bucket.path", "a time, but model.id is a text"),
        (Query(limit=0), "limit", "a whole number from 1 to 10,000"),
        (Query(limit=10_001), "limit", "a whole number from 1 to 10,000"),
        (Query(first=0), "first", "a whole number from 1 to 1,000,000"),
        (Query(order=(("cuont", True),)), "order", "did you mean count?"),
        (Query(having=filters.Leaf("cuont", (), "gt", 1)), "having", "did you mean count?"),
        (Query(having=filters.Leaf("count", (), "contains", "1")), "having.count", "one of eq, ne, gt"),
        (Query(having=filters.Leaf("count", (), "gt", "many")), "count", "a number"),
        (Query(having=filters.Some("scores", None)), "having", "groups have no relations"),
        (Query(kind="datasets"), "kind", "one of generations, steps"),
        (Query(kind="scores", measures=(Measure("x", "error_rate"),)), "error", "a field of scores"),
        (Query(dimensions=tuple(Dimension(f"d{n}", "type") for n in range(9))), "dimensions", "at most 8"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(project: Project, query: Query, field: str, expected: str) -> None:
    with pytest.raises(BadQuery) as caught:
        metrics.aggregate(project, query)

    assert caught.value.field == field
    assert expected in caught.value.expected


def test_a_refused_aggregation_does_not_break_the_transaction_around_it(project: Project) -> None:
    with transaction.atomic():
        with pytest.raises(BadQuery):
            metrics.aggregate(project, Query(limit=0))

        assert table(metrics.aggregate(project, Query())) == [(0,)]
