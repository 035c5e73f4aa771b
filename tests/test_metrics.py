"""Aggregations give the numbers that a person would reckon from the rows."""

import datetime as dt
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from generations import access, filters, metrics
from generations.metrics import BadQuery, Bucket, Dimension, Measure, Query
from generations.models import Project
from generations.records import FeedbackRecord, ScoreRecord
from tests.measuring import NOW, moment, store, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Metrics")


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


def test_rows_by_tag_and_day_are_as_many_as_there_are(project: Project) -> None:
    other = access.create_project("Other")
    calls: list[dict[str, Any]] = [
        {
            "tags": tuple(f"t{tag}" for tag in (n % 4, n % 3)[: n % 3]),
            "started_at": NOW - dt.timedelta(hours=7 * n),
            "error": "no" if n % 5 == 0 else None,
        }
        for n in range(40)
    ]
    store(project, *calls)
    store(other, *calls[:10])
    expected: Counter[Any] = Counter()
    for call in calls:
        day = call["started_at"].replace(hour=0, minute=0, second=0, microsecond=0)
        expected.update((day, tag) for tag in set(call["tags"]) or (None,))

    by_tag = Query(
        dimensions=(Dimension("tag", "tags"),), bucket=Bucket("day"), measures=(Measure("count", "count"),), limit=1_000
    )
    counted = metrics.aggregate(project, by_tag).rows
    with_errors = replace(by_tag, measures=(Measure("count", "count"), Measure("failed", "error_rate")))

    assert {(row.key["time"], row.key["tag"]): row.values["count"] for row in counted} == expected
    assert [row.count for row in counted] == [row.values["count"] for row in counted]
    assert [(row.key, row.values["count"]) for row in metrics.aggregate(project, with_errors).rows] == [
        (row.key, row.values["count"]) for row in counted
    ]


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
