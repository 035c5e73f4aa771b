"""Rollups answer what the rows answer: every count and sum exactly, percentiles within 1 %."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generations import access, filters, metrics, recording, rollups, tasks
from generations.metrics import Bucket, Dimension, Measure, Query, answering
from generations.models import Project, RollupDay, RollupDirty, RollupHour
from generations.records import GenerationRecord
from tests.measuring import NOW, moment, store, table
from tests.rollups import EXACT, MEASURES, both

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    # Of few rows exact answers are as quick; here rollups are to be asked anyhow.
    monkeypatch.setattr(answering, "FEW", 0)
    return access.create_project("Rollups")


def calls(number: int, **each: Any) -> list[dict[str, Any]]:
    """Calls an hour and a quarter apart, of two models, some unknown and some failed."""
    return [
        {
            "started_at": NOW + n * dt.timedelta(minutes=75),
            "model_id": ("large", "small", None)[n % 3],
            "provider": "one" if n % 2 else None,
            "environment": "production" if n % 5 else "",
            "prompt_tokens": n,
            "completion_tokens": 2 * n if n % 4 else None,
            "latency": n / 7,
            "time_to_first_token": n / 70 if n % 2 else None,
            "cost": Decimal(n) / 1000 if n % 3 else None,
            "currency": "USD",
            "error": "no" if n % 7 == 0 else None,
            **each,
        }
        for n in range(number)
    ]


def test_rollups_answer_as_the_rows_do(project: Project) -> None:
    store(project, *calls(200))
    assert rollups.compact() == 200

    whole = both(project, Query(measures=MEASURES))
    assert (whole.source, whole.approximate) == ("rollup", 0.01)
    for dimensions in (("model.id",), ("model.provider", "environment"), ("usage.currency", "model.id")):
        both(project, Query(dimensions=tuple(Dimension(d, d) for d in dimensions), measures=MEASURES))
    for unit in ("hour", "day", "week", "month", "quarter", "year"):
        for zone in ("UTC", "Europe/Prague", "America/New_York"):
            both(project, Query(bucket=Bucket(unit, zone), dimensions=(Dimension("m", "model.id"),), measures=MEASURES))


@pytest.mark.parametrize(
    "zone",
    # An hour or two, half a day and more from UTC; clocks that change in this stretch of time, and some that do not.
    [
        *("Europe/Prague", "America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Pacific/Kiritimati"),
        "Africa/Abidjan",
    ],
)
def test_days_of_any_zone_are_put_together_from_days_and_the_hours_at_their_edges(project: Project, zone: str) -> None:
    store(project, *calls(260))
    rollups.compact()
    recording.delete(project, "generation", ["g100"])
    recording.amend(project, GenerationRecord(id="g30", latency=50.0))
    bounds = [("2026-03-05T07:00:00Z", "2026-03-14T03:00:00Z"), ("2026-03-05", "2026-03-09"), ("2026-03-08", None)]

    for unit in ("day", "week", "month"):
        for key, measures in (("model.id", EXACT), ("usage.currency", MEASURES)):
            query = Query(bucket=Bucket(unit, zone), dimensions=(Dimension("k", key),), measures=measures)
            assert both(project, query).source == "both"
            for start, end in bounds:
                within = {"$gte": start} | ({"$lt": end} if end else {})
                condition = filters.from_document("generations", {"timestamp": within})
                both(project, replace(query, condition=condition))


def test_of_days_of_another_zone_only_the_hours_at_their_edges_are_read(project: Project) -> None:
    store(project, *calls(200))
    rollups.compact()
    RollupHour.objects.in_project(project.pk).filter(bucket__hour__range=(3, 19)).delete()
    days = Query(bucket=Bucket("day", "Europe/Prague"), measures=EXACT)

    assert both(project, days).source == "rollup"
    # What was a sum of floats would leave their last digits behind, and a currency that nothing is left of its name.
    for inexact in ("performance.latency", "usage.cost"):
        hours = replace(days, measures=(Measure("sum", "sum", inexact),))
        assert sum(row.count for row in metrics.aggregate(project, hours).rows) < 200


def test_where_nothing_but_edges_was_nothing_is_left(project: Project) -> None:
    # Ten at night in Prague's winter, and eleven: of the same day in UTC, the next one there.
    late = moment("2026-03-04T22:30:00Z"), moment("2026-03-04T23:30:00Z")
    store(project, *({"started_at": one, "model_id": "a", "prompt_tokens": 5, "latency": 1.0} for one in late))
    rollups.compact()

    found = both(project, Query(bucket=Bucket("day", "Europe/Prague"), measures=EXACT))

    assert [(row.key["time"], row.count) for row in found.rows] == [
        (moment("2026-03-03T23:00:00Z"), 1),
        (moment("2026-03-04T23:00:00Z"), 1),
    ]
    recording.delete(project, "generation", ["g0"])
    rollups.compact()
    assert len(both(project, Query(bucket=Bucket("day", "Europe/Prague"), measures=EXACT)).rows) == 1


def test_what_is_marked_is_read_from_the_rows(project: Project) -> None:
    store(project, *calls(100))
    rollups.compact()
    RollupDay.objects.in_project(project.pk).update(count=7)

    recording.record(project, [GenerationRecord(id="new", started_at=NOW, latency=3.0)])

    found = both(project, Query(bucket=Bucket("hour"), measures=MEASURES))
    assert found.source == "both"
    day = metrics.aggregate(
        project, Query(condition=filters.from_document("generations", {"timestamp": {"$lt": "2026-03-05"}}))
    )
    assert day.rows[0].count == sum(NOW + n * dt.timedelta(minutes=75) < moment("2026-03-05") for n in range(100)) + 1


def test_rollups_are_asked_and_not_only_the_rows(project: Project) -> None:
    store(project, *calls(100))
    rollups.compact()
    RollupDay.objects.in_project(project.pk).update(count=1000)

    days = RollupDay.objects.in_project(project.pk).count()
    assert metrics.aggregate(project, Query()).rows[0].count == 1000 * days
    assert metrics.aggregate(project, Query(exact=True)).rows[0].count == 100


@pytest.mark.parametrize(
    "narrowed",
    [
        {"timestamp": {"$gte": "2026-03-04T10:20:30Z", "$lt": "2026-03-09T03:04:05.000006Z"}},
        {"timestamp": {"$gt": "2026-03-04T10:00:00Z", "$lte": "2026-03-09T03:00:00Z"}},
        {"timestamp": {"$gte": "2026-03-05", "$lte": "2026-03-07"}},
        {"timestamp": {"$gt": "2026-03-05", "$lt": "2026-03-07"}},
        {"timestamp": {"$gte": "2026-03-05T01:00:00Z", "$lt": "2026-03-05T20:00:00Z"}},
        {"timestamp": {"$gte": "2026-03-05T00:30:00Z", "$lt": "2026-03-05T02:30:00Z"}},
        {"timestamp": {"$lt": "2026-03-06T12:00:00Z"}, "model.id": "large"},
        {"model.id": {"$in": ["large", "small"]}, "model.provider": {"$ne": "one"}},
        {"$or": [{"environment": ""}, {"model.id": {"$exists": False}}]},
        {"usage.currency": "EUR"},
    ],
)
def test_bounds_and_conditions_narrow_rollups_as_rows(project: Project, narrowed: dict[str, Any]) -> None:
    store(project, *calls(120))
    rollups.compact()
    recording.amend(project, GenerationRecord(id="g30", latency=50.0))
    recording.delete(project, "generation", ["g31", "g60"])

    condition = filters.from_document("generations", narrowed)

    for bucket in (None, Bucket("day"), Bucket("day", "Asia/Tokyo"), Bucket("hour")):
        found = both(project, Query(condition=condition, bucket=bucket, measures=MEASURES))
        assert found.source != "rows"


@pytest.mark.parametrize(
    "query",
    [
        Query(measures=(Measure("most", "max", "performance.latency"),)),
        Query(measures=(Measure("users", "distinct", "metadata.userId"),)),
        Query(measures=(Measure("p", "p50", "usage.totalTokens"),)),
        Query(measures=(Measure("sum", "sum", "metadata.n"),)),
        Query(dimensions=(Dimension("tags", "tags"),)),
        Query(bucket=Bucket("minute")),
        Query(bucket=Bucket("day", "Asia/Kolkata")),
        Query(bucket=Bucket("day", path="createdAt")),
        Query(condition=filters.from_document("generations", {"tags": "a"})),
        Query(condition=filters.from_document("generations", {"$or": [{"timestamp": {"$gt": "2026-01-01"}}]})),
        Query(condition=filters.from_document("generations", {"timestamp": {"$gt": "now-10m", "$lt": "now"}})),
        Query(first=10),
        Query(kind="steps"),
        Query(
            measures=(Measure("p", "p50", "performance.latency"),),
            having=filters.Leaf("p", (), "gt", 1),
        ),
    ],
)
def test_what_rollups_do_not_hold_is_read_from_the_rows(project: Project, query: Query) -> None:
    store(project, *calls(10))
    rollups.compact()

    result = metrics.aggregate(project, query)

    assert (result.source, result.approximate) == ("rows", 0.0)


def test_groups_are_ordered_and_narrowed_by_what_rollups_hold(project: Project) -> None:
    store(project, *calls(90))
    rollups.compact()
    slowest = Query(
        dimensions=(Dimension("model", "model.id"),),
        measures=(Measure("p95", "percentile", "performance.latency", 0.95), Measure("count", "count")),
        order=(("p95", True),),
        limit=2,
    )

    found = both(project, slowest)

    assert found.more
    assert found.source == "rollup"
    assert not both(project, replace(slowest, order=(("p95", False), ("model", True)), limit=3)).more
    assert both(project, replace(slowest, having=filters.Leaf("count", (), "gt", 30), order=())).rows == []


def test_few_calls_are_read_exactly(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    store(project, *calls(50))
    rollups.compact()
    monkeypatch.setattr(answering, "FEW", 51)

    assert metrics.aggregate(project, Query(measures=MEASURES)).source == "rows"


def test_currencies_that_meet_are_refused_from_rollups_too(project: Project) -> None:
    store(project, *calls(20))
    recording.record(project, [GenerationRecord(id="e", started_at=NOW, cost=Decimal(1), currency="EUR")])
    rollups.compact()

    with pytest.raises(metrics.BadQuery, match="EUR and USD"):
        metrics.aggregate(project, Query(measures=(Measure("cost", "sum", "usage.cost"),)))
    assert both(project, Query(dimensions=(Dimension("c", "usage.currency"),), measures=MEASURES)).source == "rollup"


def test_another_projects_calls_are_not_counted(project: Project) -> None:
    other = access.create_project("Other")
    store(project, *calls(30))
    store(other, *calls(40))
    rollups.compact()

    assert metrics.aggregate(project, Query()).rows[0].count == 30
    assert metrics.aggregate(other, Query()).rows[0].count == 40


def test_zeros_and_extremes_are_in_their_place(project: Project) -> None:
    store(
        project,
        *({"latency": value} for value in (0.0, 0.0, 1e-9, 1e15)),
        {"latency": None},
        {"cost": Decimal("1e-12")},
    )
    rollups.compact()

    found = both(
        project,
        Query(measures=tuple(Measure(str(p), "percentile", "performance.latency", p) for p in (0, 0.2, 0.5, 1))),
    )

    assert found.rows[0].values["0.2"] == 0.0
    assert found.rows[0].unknown["1"] == 2


def test_compacting_twice_changes_nothing(project: Project) -> None:
    store(project, *calls(30))
    assert rollups.compact() == 30
    kept = list(RollupHour.objects.in_project(project.pk).order_by("uid").values())

    assert rollups.compact() == 0
    assert rollups.rebuild(project) == 30
    assert rollups.compact() == 30

    assert list(RollupHour.objects.in_project(project.pk).order_by("uid").values()) == kept
    assert not RollupDirty.objects.in_project(project.pk).exists()


def test_an_hour_that_still_runs_is_left_to_the_rows(project: Project) -> None:
    store(project, *({"started_at": moment(f"2026-03-04T0{hour}:10:00Z")} for hour in (4, 5, 6)))

    assert rollups.compact(now=moment("2026-03-04T05:59:59Z")) == 1
    assert both(project, Query(bucket=Bucket("hour"), measures=MEASURES)).source == "both"
    assert rollups.compact(now=moment("2026-03-04T06:00:00Z")) == 1
    assert rollups.compact(now=moment("2026-03-04T07:00:00Z")) == 1

    assert both(project, Query(measures=MEASURES)).source == "rollup"


def test_an_hour_that_lost_its_calls_loses_its_rollup(project: Project) -> None:
    store(project, *calls(3))
    rollups.compact()
    recording.delete(project, "generation", ["g0", "g1", "g2"])

    assert metrics.aggregate(project, Query()).rows[0].count == 0
    assert rollups.compact() == 3

    assert not RollupHour.objects.in_project(project.pk).exists()
    assert not RollupDay.objects.in_project(project.pk).exists()
    assert table(metrics.aggregate(project, Query(measures=MEASURES[:3]))) == [(0, None, None)]


def test_little_time_makes_the_latest_day_first_and_the_rest_later(project: Project) -> None:
    store(project, *calls(60))

    assert rollups.compact(seconds=0) == 0
    both(project, Query(bucket=Bucket("day"), measures=MEASURES))
    assert rollups.compact() == 60


def test_the_command_makes_rollups_anew(project: Project) -> None:
    store(project, *calls(25))
    said = StringIO()

    call_command("rollups", stdout=said)
    assert said.getvalue() == "Made the rollups of 25 hours.\n"
    RollupHour.objects.in_project(project.pk).update(count=9)
    RollupDay.objects.in_project(project.pk).update(count=9)

    call_command("rollups", "--rebuild", "--project", project.slug, stdout=said)

    assert said.getvalue().endswith("Marked 25 hours to be made anew.\nMade the rollups of 25 hours.\n")
    assert both(project, Query(measures=MEASURES)).source == "rollup"


def test_the_command_names_the_projects_there_are() -> None:
    access.create_project("Here")
    with pytest.raises(CommandError, match="'nowhere'; there are: here"):
        call_command("rollups", "--rebuild", "--project", "nowhere")


def test_the_task_makes_what_is_marked(project: Project) -> None:
    store(project, *calls(5))

    tasks.compact()
    tasks.compact()

    assert both(project, Query(measures=MEASURES)).source == "rollup"
