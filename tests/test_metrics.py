"""Aggregations give the numbers that a person would reckon from the rows, and refuse what has no honest number."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from generations import access, filters, metrics, recording
from generations.metrics import BadQuery, Bucket, Dimension, Measure, Query
from generations.models import Project
from generations.records import FeedbackRecord, GenerationRecord, ScoreRecord, StepRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Metrics")


def store(project: Project, *calls: dict[str, Any]) -> None:
    receipts = recording.record(
        project, [GenerationRecord(**{"id": f"g{n}", "started_at": NOW, **call}) for n, call in enumerate(calls)]
    )
    assert all(receipt.state == "stored" for receipt in receipts)


def table(result: metrics.Result) -> list[tuple[Any, ...]]:
    return [(*row.key.values(), *row.values.values()) for row in result.rows]


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def test_groups_have_counts_sums_and_means(project: Project) -> None:
    store(
        project,
        {"model_id": "gpt-4", "total_tokens": 10},
        {"model_id": "gpt-4", "total_tokens": 5},
        {"model_id": "haiku", "total_tokens": 7},
    )

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("model", "model.id"),),
            measures=(
                Measure("count", "count"),
                Measure("total", "sum", "usage.totalTokens"),
                Measure("mean", "avg", "usage.totalTokens"),
                Measure("least", "min", "usage.totalTokens"),
                Measure("most", "max", "usage.totalTokens"),
            ),
        ),
    )

    assert table(result) == [("gpt-4", 2, 15, 7.5, 5, 10), ("haiku", 1, 7, 7.0, 7, 7)]
    assert isinstance(result.rows[0].values["total"], int)
    assert (result.source, result.approximate, result.more) == ("rows", 0.0, False)


def test_what_is_not_known_is_null_and_counted(project: Project) -> None:
    store(project, {"model_id": "a", "latency": 2.0}, {"model_id": "a"}, {"model_id": "b"})

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("model", "model.id"),),
            measures=(
                Measure("sum", "sum", "performance.latency"),
                Measure("mean", "avg", "performance.latency"),
                Measure("p50", "p50", "performance.latency"),
                Measure("known", "count", "performance.latency"),
            ),
        ),
    )

    assert table(result) == [("a", 2.0, 2.0, 2.0, 1), ("b", None, None, None, 0)]
    assert [row.unknown for row in result.rows] == [
        {"sum": 1, "mean": 1, "p50": 1},
        {"sum": 1, "mean": 1, "p50": 1},
    ]
    assert [row.count for row in result.rows] == [2, 1]


def test_no_rows_without_a_key_are_one_group_of_none(project: Project) -> None:
    result = metrics.aggregate(
        project,
        Query(
            measures=(
                Measure("count", "count"),
                Measure("total", "sum", "usage.totalTokens"),
                Measure("errors", "error_rate"),
                Measure("users", "distinct", "metadata.userId"),
                Measure("cost", "sum", "usage.cost"),
            )
        ),
    )

    assert table(result) == [(0, None, None, 0, None)]


def test_percentiles_lie_between_their_neighbours(project: Project) -> None:
    store(project, *({"latency": float(n)} for n in (1, 2, 3, 4, 10)))

    result = metrics.aggregate(
        project,
        Query(
            measures=(
                *(Measure(p, p, "performance.latency") for p in ("p50", "p90", "p95", "p99")),
                Measure("third", "percentile", "performance.latency", percentile=0.3),
            )
        ),
    )

    values = result.rows[0].values
    assert values == pytest.approx({"p50": 3.0, "p90": 7.6, "p95": 8.8, "p99": 9.76, "third": 2.2})


def test_error_rate_and_distinct_users(project: Project) -> None:
    store(
        project,
        {"user_id": "ada", "error": "no"},
        {"user_id": "ada"},
        {"user_id": "bob"},
        {},
    )

    result = metrics.aggregate(
        project,
        Query(measures=(Measure("errors", "error_rate"), Measure("users", "distinct", "metadata.userId"))),
    )

    assert table(result) == [(0.25, 2)]


def test_money_stays_decimal_and_says_its_currency(project: Project) -> None:
    store(
        project,
        {"cost": Decimal("0.1"), "currency": "EUR"},
        {"cost": Decimal("0.2"), "currency": "EUR"},
        {"cost": Decimal("0.000000000001"), "currency": "EUR"},
    )

    result = metrics.aggregate(
        project,
        Query(
            measures=(
                Measure("sum", "sum", "usage.cost"),
                Measure("median", "median", "usage.cost"),
                Measure("least", "min", "usage.cost"),
            )
        ),
    )

    assert table(result) == [(Decimal("0.300000000001"), Decimal("0.1"), Decimal("0.000000000001"))]
    assert all(isinstance(value, Decimal) for value in result.rows[0].values.values())
    assert result.rows[0].currency == "EUR"


def test_currencies_that_meet_in_a_group_are_refused(project: Project) -> None:
    store(
        project,
        {"model_id": "a", "cost": Decimal(1), "currency": "EUR"},
        {"model_id": "a", "cost": Decimal(1), "currency": "USD"},
        {"model_id": "b", "cost": Decimal(9), "currency": "USD"},
    )
    by_model = Query(
        dimensions=(Dimension("model", "model.id"),),
        measures=(Measure("cost", "sum", "usage.cost"),),
        order=(("cost", True),),
    )

    with pytest.raises(
        BadQuery, match=r"^cost: 'EUR and USD' is not valid; expected amounts of one currency"
    ) as caught:
        metrics.aggregate(project, by_model)
    assert (caught.value.field, caught.value.value) == ("cost", "'EUR and USD'")

    # Neither a limit nor a condition on the groups hides it.
    with pytest.raises(BadQuery, match="one currency"):
        metrics.aggregate(
            project,
            Query(
                dimensions=by_model.dimensions,
                measures=by_model.measures,
                order=(("cost", True),),
                having=filters.Leaf("cost", (), "gt", 8),
                limit=1,
            ),
        )


def test_currencies_in_groups_of_their_own_are_not(project: Project) -> None:
    store(
        project,
        {"model_id": "a", "cost": Decimal(1), "currency": "EUR"},
        {"model_id": "b", "cost": Decimal(9), "currency": "USD"},
        {"model_id": "b"},
    )
    measures = (Measure("cost", "sum", "usage.cost"),)

    by_model = metrics.aggregate(project, Query(dimensions=(Dimension("model", "model.id"),), measures=measures))
    by_currency = metrics.aggregate(
        project, Query(dimensions=(Dimension("currency", "usage.currency"),), measures=measures)
    )

    assert table(by_model) == [("a", 1), ("b", 9)]
    assert [row.currency for row in by_model.rows] == ["EUR", "USD"]
    assert table(by_currency) == [("EUR", 1), ("USD", 9), (None, None)]


def test_metadata_groups_by_its_text_and_missing_is_null(project: Project) -> None:
    store(
        project,
        {"metadata": {"plan": "pro", "seats": 5}},
        {"metadata": {"plan": 5}},
        {"metadata": {"plan": None}},
        {"metadata": {"plan": {"a": 1}}},
        {"metadata": {"other": 1}},
        {"metadata": {"plan": "pro", "seats": "many"}},
    )

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("plan", "metadata.plan"),),
            measures=(Measure("count", "count"), Measure("seats", "sum", "metadata.seats")),
        ),
    )

    assert table(result) == [("5", 1, None), ("pro", 2, 5), ('{"a": 1}', 1, None), (None, 2, None)]


def test_a_row_with_two_tags_counts_in_both(project: Project) -> None:
    store(
        project,
        {"tags": ("a", "b"), "total_tokens": 10},
        {"tags": ("b",), "total_tokens": 1},
        {"total_tokens": 5},
    )

    result = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("tag", "tags"),),
            measures=(Measure("count", "count"), Measure("tokens", "sum", "usage.totalTokens")),
        ),
    )

    assert table(result) == [("a", 1, 10), ("b", 2, 11), (None, 1, 5)]


def test_two_lists_make_a_group_of_each_pair(project: Project) -> None:
    store(project, {"tags": ("a", "b"), "feedback": FeedbackRecord(rating=4.0, categories=("x", "y", "z"))})

    result = metrics.aggregate(
        project, Query(dimensions=(Dimension("tag", "tags"), Dimension("category", "feedback.categories")))
    )

    assert table(result) == [(tag, category, 1) for tag in "ab" for category in "xyz"]


def test_feedback_and_scores_are_grouped_and_measured(project: Project) -> None:
    store(
        project,
        {
            "model_id": "a",
            "feedback": FeedbackRecord(rating=4.0, thumbs="up"),
            "scores": (ScoreRecord(name="exact", value=1.0, type="CODE"),),
        },
        {"model_id": "a", "feedback": FeedbackRecord(rating=2.0, thumbs="down")},
        {"model_id": "b", "scores": (ScoreRecord(name="exact", value=0.5, type="CODE"),)},
    )

    by_model = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("model", "model.id"),),
            measures=(Measure("rating", "avg", "feedback.rating"), Measure("exact", "avg", "scores.exact")),
        ),
    )
    by_rating = metrics.aggregate(
        project,
        Query(
            dimensions=(Dimension("rating", "feedback.rating"), Dimension("thumbs", "feedback.thumbs")),
        ),
    )

    assert table(by_model) == [("a", 3.0, 1.0), ("b", None, 0.5)]
    assert table(by_rating) == [(2.0, "down", 1), (4.0, "up", 1), (None, None, 1)]


def test_booleans_and_words_made_from_columns_group_too(project: Project) -> None:
    store(project, {"error": "no"}, {}, {})

    result = metrics.aggregate(project, Query(dimensions=(Dimension("failed", "hasError"), Dimension("is", "status"))))

    assert table(result) == [(False, "success", 2), (True, "error", 1)]


@pytest.mark.parametrize(
    ("zone", "unit", "buckets"),
    [
        # Spring forward in Prague: the 29th of March 2026 begins at 23:00 UTC the day before and has 23 hours.
        ("Europe/Prague", "day", {"2026-03-28T23:00Z": 2, "2026-03-29T22:00Z": 1}),
        ("UTC", "day", {"2026-03-28T00:00Z": 1, "2026-03-29T00:00Z": 2}),
        # Half an hour off: hours begin at half past, UTC.
        ("Asia/Kolkata", "hour", {"2026-03-28T22:30Z": 1, "2026-03-29T21:30Z": 2}),
        # 5:45 off.
        ("Asia/Kathmandu", "hour", {"2026-03-28T23:15Z": 1, "2026-03-29T21:15Z": 2}),
        ("America/New_York", "week", {"2026-03-23T04:00Z": 3}),
        ("UTC", "month", {"2026-03-01T00:00Z": 3}),
        ("Europe/Prague", "quarter", {"2025-12-31T23:00Z": 3}),
        ("Pacific/Auckland", "year", {"2025-12-31T11:00Z": 3}),
        ("Europe/Prague", "minute", {"2026-03-28T23:15Z": 1, "2026-03-29T21:59Z": 1, "2026-03-29T22:00Z": 1}),
    ],
)
def test_buckets_are_the_calendars_of_their_zone(
    project: Project, zone: str, unit: str, buckets: dict[str, int]
) -> None:
    times = ("2026-03-28T23:15:30Z", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00:00Z")
    store(project, *({"started_at": moment(time)} for time in times))

    result = metrics.aggregate(project, Query(bucket=Bucket(unit, zone)))

    assert table(result) == [(moment(start), count) for start, count in buckets.items()]
    assert all(row.key["time"].tzinfo is dt.UTC for row in result.rows)  # type: ignore[union-attr]


def test_the_hour_that_a_clock_repeats_is_two(project: Project) -> None:
    # On 2026-10-25 the clocks of Prague go from 03:00 back to 02:00: 00:30 and 01:30 UTC are both half past two.
    store(
        project,
        {"started_at": moment("2026-10-25T00:30:00Z")},
        {"started_at": moment("2026-10-25T01:30:00Z")},
        {"started_at": moment("2026-10-25T22:30:00Z")},
    )

    hours = metrics.aggregate(project, Query(bucket=Bucket("hour", "Europe/Prague")))
    days = metrics.aggregate(project, Query(bucket=Bucket("day", "Europe/Prague")))

    assert [start for start, _ in table(hours)] == [
        moment("2026-10-25T00:00:00Z"),
        moment("2026-10-25T01:00:00Z"),
        moment("2026-10-25T22:00:00Z"),
    ]
    assert table(days) == [(moment("2026-10-24T22:00:00Z"), 3)]


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
    assert len(captured) == 6  # savepoint, the earlier timeout, ours, the statement, the earlier one again, release


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
