"""GraphQL aggregation: groups by field and by time in a zone, their numbers, and what cannot be asked."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations.records import GenerationRecord
from tests.asking import Door, store

pytestmark = pytest.mark.django_db

MIDNIGHT = dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
"""The first moment of 25 October 2026 in Prague, the day of 25 hours."""


@pytest.fixture
def door() -> Door:
    made = Door.of("Numbers")
    rows: list[tuple[str, float, str, int | None, str, str | None]] = [
        ("a", -0.5, "gpt", 100, "0.10", None),
        ("b", 0.0, "gpt", 200, "0.20", "ann"),
        ("c", 12.0, "gpt", 300, "0.35", "bob"),
        ("d", 24.5, "claude", 400, "0.01", "ann"),
        ("e", 25.0, "claude", None, "0.02", "ann"),
    ]
    store(
        made,
        *(
            GenerationRecord(
                id=id,
                started_at=MIDNIGHT + dt.timedelta(hours=hours),
                model_id=model,
                total_tokens=tokens,
                cost=Decimal(cost),
                currency="USD",
                user_id=user,
                latency=float(n),
                error="broke" if id == "c" else None,
                tags=("x", "y") if id == "a" else (),
                metadata={"plan": "pro" if n % 2 else "free"},
            )
            for n, (id, hours, model, tokens, cost, user) in enumerate(rows)
        ),
    )
    return made


def groups(door: Door, arguments: str, selection: str) -> list[dict[str, Any]]:
    call = f"aggregateGenerations({arguments})" if arguments else "aggregateGenerations"
    found: list[dict[str, Any]] = door.read(f"{{ {call} {{ groups {{ {selection} }} }} }}")["aggregateGenerations"][
        "groups"
    ]
    return found


def test_without_groups_there_is_one_with_the_numbers_that_are_selected(door: Door) -> None:
    [all_of_them] = groups(
        door,
        "",
        """count currency
        sum(field: "usage.totalTokens") cost: sum(field: "usage.cost") avg(field: "usage.totalTokens")
        min(field: "performance.latency") max(field: "performance.latency") latest: max(field: "timestamp")
        p50(field: "performance.latency") p90(field: "performance.latency")
        p95(field: "performance.latency") p99(field: "performance.latency")
        distinct(field: "model.id") errorRate distinctUsers keys values unknown""",
    )

    assert all_of_them == {
        "count": 5,
        "currency": "USD",
        "sum": 1000,
        "cost": "0.68",
        "avg": 250.0,
        "min": 0.0,
        "max": 4.0,
        "latest": "2026-10-25T23:00:00Z",
        "p50": 2.0,
        "p90": pytest.approx(3.6),
        "p95": pytest.approx(3.8),
        "p99": pytest.approx(3.96),
        "distinct": 2,
        "errorRate": 0.2,
        "distinctUsers": 2,
        "keys": {},
        "values": {},
        "unknown": all_of_them["unknown"],
    }
    assert all_of_them["unknown"]["sum(usage.totalTokens)"] == 1


def test_a_day_is_the_zones_day_also_when_it_has_25_hours(door: Door) -> None:
    in_prague = groups(door, 'bucket: {unit: DAY, zone: "Europe/Prague"}', "keys count")
    in_utc = groups(door, "bucket: {unit: DAY}", 'key(name: "time") count')

    assert in_prague == [
        {"keys": {"time": "2026-10-23T22:00:00Z"}, "count": 1},
        {"keys": {"time": "2026-10-24T22:00:00Z"}, "count": 3},
        {"keys": {"time": "2026-10-25T23:00:00Z"}, "count": 1},
    ]
    assert in_utc == [
        {"key": "2026-10-24T00:00:00Z", "count": 2},
        {"key": "2026-10-25T00:00:00Z", "count": 3},
    ]


def test_without_a_zone_the_projects_own_is_used(door: Door) -> None:
    door.project.time_zone = "Europe/Prague"
    door.project.save()

    assert [g["count"] for g in groups(door, "bucket: {unit: DAY}", "count")] == [1, 3, 1]


def test_groups_are_named_filtered_ordered_and_limited(door: Door) -> None:
    found = door.read(
        """{
          aggregateGenerations(
            where: {usage: {cost: {gt: 0.015}}}
            groupBy: [{field: "model.id", as: "model"}, {field: "metadata.plan"}]
            measures: [
              {function: SUM, field: "usage.totalTokens", as: "tokens"}
              {function: PERCENTILE, field: "performance.latency", percentile: 0.25, as: "quarter"}
              {function: COUNT, field: "metadata.userId", as: "known"}
            ]
            having: [{of: "count", gte: 1}, {of: "p50(performance.latency)", lt: 3.5}]
            orderBy: [{by: "tokens"}, {by: "model", direction: ASC}]
            limit: 2
          ) {
            hasMore source approximate
            groups { model: key(name: "model") plan: key(name: "metadata.plan") values count }
          }
        }"""
    )["aggregateGenerations"]

    assert found == {
        "hasMore": False,
        "source": "rows",
        "approximate": 0.0,
        "groups": [
            {"model": "gpt", "plan": "free", "values": {"tokens": 400, "quarter": 0.5, "known": 1}, "count": 2},
            {"model": "gpt", "plan": "pro", "values": {"tokens": 200, "quarter": 1.0, "known": 1}, "count": 1},
        ],
    }


def test_groups_may_be_ordered_by_a_number_that_nobody_selected(door: Door) -> None:
    found = groups(door, 'groupBy: [{field: "model.id"}], orderBy: [{by: "sum(usage.cost)", direction: ASC}]', "keys")

    assert found == [{"keys": {"model.id": "claude"}}, {"keys": {"model.id": "gpt"}}]


def test_tags_count_a_row_once_for_each(door: Door) -> None:
    found = groups(door, 'groupBy: [{field: "tags", as: "tag"}], orderBy: [{by: "tag", direction: ASC}]', "keys count")

    assert found == [
        {"keys": {"tag": "x"}, "count": 1},
        {"keys": {"tag": "y"}, "count": 1},
        {"keys": {"tag": None}, "count": 4},
    ]


def test_numbers_selected_through_fragments_and_variables_are_there(door: Door) -> None:
    data = door.read(
        """
        query ($field: String!, $skip: Boolean!) {
          aggregateGenerations { groups { ...numbers ... on Group { errorRate @skip(if: $skip) } } }
        }
        fragment numbers on Group { total: sum(field: $field) }
        """,
        {"field": "usage.totalTokens", "skip": False},
    )

    assert data == {"aggregateGenerations": {"groups": [{"total": 1000, "errorRate": 0.2}]}}


def test_an_aggregation_is_one_statement_however_much_is_selected(door: Door) -> None:
    groups(door, "", "count")
    with CaptureQueriesContext(connection) as captured:
        groups(
            door,
            'groupBy: [{field: "model.id"}], bucket: {unit: HOUR}',
            'count errorRate distinctUsers p95(field: "performance.latency") sum(field: "usage.cost")',
        )

    assert len([q for q in captured if 'FROM "generation"' in q["sql"]]) == 1


@pytest.mark.parametrize(
    ("arguments", "selection", "field"),
    [
        ('groupBy: [{field: "modle.id"}]', "count", "modle.id"),
        ('groupBy: [{field: "model.id", as: "count"}]', "count", "name"),
        ('bucket: {unit: DAY, zone: "Europe/Prag"}', "count", "bucket.zone"),
        ("", 'sum(field: "model.id")', "sum(model.id).path"),
        ("limit: 0", "count", "limit"),
        ("limit: 10001", "count", "limit"),
        ('having: [{of: "nothing", gt: 1}]', "count", "having"),
        ('having: [{of: "count"}]', "count", "having"),
        ('having: [{of: "count", gt: {a: 1}}]', "count", "having.count"),
        ('orderBy: [{by: "nothing"}]', "count", "order"),
        ('measures: [{function: PERCENTILE, field: "usage.cost", percentile: 95, as: "p"}]', "count", None),
        ('measures: [{function: SUM, as: "s"}]', "count", None),
        (
            'measures: [{function: COUNT, as: "s"}, {function: ERROR_RATE, as: "s"}]',
            "count",
            "measures",
        ),
        ('groupBy: [{field: "model.id"}]', 'key(name: "model")', "name"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(door: Door, arguments: str, selection: str, field: str | None) -> None:
    call = f"aggregateGenerations({arguments})" if arguments else "aggregateGenerations"

    answer = door.ask(f"{{ {call} {{ groups {{ {selection} }} }} }}")

    assert answer.status == (400 if answer.data is None else 200)
    assert set(answer.codes) <= {"BAD_INPUT", "BAD_FILTER"}
    assert answer.errors[0]["extensions"]["expected"]
    if field is not None:
        assert answer.errors[0]["extensions"]["field"] == field


def test_another_projects_rows_are_not_counted(door: Door) -> None:
    other = Door.of("Elsewhere")

    assert groups(other, "", 'count sum(field: "usage.totalTokens") errorRate') == [
        {"count": 0, "sum": None, "errorRate": None}
    ]


def test_money_of_two_currencies_is_not_added_up(door: Door) -> None:
    store(door, GenerationRecord(id="f", cost=Decimal("1"), currency="EUR"))

    refused = door.ask('{ aggregateGenerations { groups { sum(field: "usage.cost") } } }')
    apart = groups(
        door,
        'groupBy: [{field: "usage.currency", as: "currency"}], orderBy: [{by: "currency", direction: ASC}]',
        'key(name: "currency") sum(field: "usage.cost")',
    )

    assert (refused.status, refused.codes) == (400, ["BAD_INPUT"])
    assert apart == [{"key": "EUR", "sum": "1"}, {"key": "USD", "sum": "0.68"}]
