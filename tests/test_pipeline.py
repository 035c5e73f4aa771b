"""A pipeline gives the documents that MongoDB would give, and says where it would rather not."""

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import access, filters, metrics, paging, recording
from generations.ingest import rest
from generations.metrics import BadQuery, pipeline
from generations.models import Project
from generations.records import FeedbackRecord, GenerationRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Pipelines")


def store(project: Project, *calls: dict[str, Any]) -> None:
    receipts = recording.record(
        project, [GenerationRecord(**{"id": f"g{n}", "started_at": NOW, **call}) for n, call in enumerate(calls)]
    )
    assert all(receipt.state == "stored" for receipt in receipts)


# ------------------------------------------------------------------------------------- the samples of the specification
def january(day: int) -> dt.datetime:
    return dt.datetime(2023, 1, day, tzinfo=dt.UTC)


@pytest.fixture
def sampled(project: Project) -> Project:
    store(
        project,
        {
            "id": "generation-123",
            "model_id": "gpt-4",
            "started_at": january(5),
            "total_tokens": 8,
            "feedback": FeedbackRecord(rating=4.0, created_at=january(31)),
        },
        {
            "id": "too-low",
            "model_id": "gpt-4",
            "started_at": january(6),
            "total_tokens": 4,
            "feedback": FeedbackRecord(rating=3.0, created_at=january(31)),
        },
        {"id": "unrated", "model_id": "gpt-4", "started_at": january(7)},
        {
            "id": "too-late",
            "model_id": "gpt-4",
            "started_at": january(31) + dt.timedelta(hours=1),
            "feedback": FeedbackRecord(rating=5.0, created_at=january(31)),
        },
        {
            "id": "other-model",
            "model_id": "claude-3",
            "started_at": january(8),
            "total_tokens": 100,
            "feedback": FeedbackRecord(rating=5.0, created_at=january(31)),
        },
    )
    return project


def test_the_specifications_find_of_highly_rated_generations_of_a_model(sampled: Project) -> None:
    condition = filters.from_document(
        "generations",
        {
            "model.id": "gpt-4",
            "feedback.rating": {"$gte": 4},
            "timestamp": {"$gte": "2023-01-01T00:00:00.000Z", "$lte": "2023-01-31T00:00:00.000Z"},
        },
    )

    found = paging.page("generations", sampled.pk, condition).rows

    assert [row.public_id for row in found] == ["generation-123"]


def test_the_same_find_as_a_pipeline(sampled: Project) -> None:
    documents = pipeline(
        sampled,
        [
            {
                "$match": {
                    "model.id": "gpt-4",
                    "feedback.rating": {"$gte": 4},
                    "timestamp": {"$gte": "2023-01-01T00:00:00.000Z", "$lte": "2023-01-31T00:00:00.000Z"},
                }
            },
        ],
    )

    assert [(found["id"], found["model"]["id"], found["feedback"]["rating"]) for found in documents] == [
        ("generation-123", "gpt-4", 4)
    ]


def test_the_specifications_token_usage_by_model(sampled: Project) -> None:
    usage = pipeline(
        sampled,
        [
            {
                "$group": {
                    "_id": "$model.id",
                    "totalTokens": {"$sum": "$usage.totalTokens"},
                    "averageTokens": {"$avg": "$usage.totalTokens"},
                    "count": {"$sum": 1},
                }
            },
            {"$sort": {"totalTokens": -1}},
        ],
    )

    assert usage == [
        {"_id": "claude-3", "totalTokens": 100, "averageTokens": 100.0, "count": 1},
        {"_id": "gpt-4", "totalTokens": 12, "averageTokens": 6.0, "count": 4},
    ]
    assert list(usage[0]) == ["_id", "totalTokens", "averageTokens", "count"]


def test_the_specifications_feedback_is_found_by_what_it_said(sampled: Project) -> None:
    document = {
        "$set": {
            "feedback": {
                "rating": 5,
                "thumbs": "up",
                "comment": "Excellent response, very helpful",
                "timestamp": "2026-03-04T05:06:07.000Z",
                "userId": "user-456",
            }
        }
    }

    recording.amend(sampled, rest.amendment("generation-123", document))

    [found] = pipeline(
        sampled,
        [{"$match": {"feedback.rating": 5, "feedback.userId": "user-456"}}, {"$project": {"feedback": 1}}],
    )
    assert found == {
        "id": "generation-123",
        "feedback": found["feedback"]
        | {
            "rating": 5,
            "thumbs": "up",
            "comment": "Excellent response, very helpful",
            "timestamp": "2026-03-04T05:06:07Z",
            "userId": "user-456",
        },
    }


# ------------------------------------------------------------------------------------------------------------- groups
def test_everything_is_the_group_of_null(project: Project) -> None:
    store(project, {"latency": 1.0}, {"latency": 3.0}, {})

    assert pipeline(
        project,
        [
            {
                "$group": {
                    "_id": None,
                    "n": {"$count": {}},
                    "timed": {"$count": "$performance.latency"},
                    "latency": {
                        "$percentile": {"input": "$performance.latency", "p": [0.5, 0.95], "method": "approximate"}
                    },
                    "middle": {"$median": {"input": "$performance.latency", "method": "approximate"}},
                    "slowest": {"$max": "$performance.latency"},
                    "last": {"$max": "$timestamp"},
                }
            }
        ],
    ) == [
        {
            "_id": None,
            "n": 3,
            "timed": 2,
            "latency": [2.0, pytest.approx(2.9)],
            "middle": 2.0,
            "slowest": 3.0,
            "last": "2026-03-04T05:06:07Z",
        }
    ]


def test_a_sum_of_nothing_known_is_null(project: Project) -> None:
    store(project, {})

    assert pipeline(project, [{"$group": {"_id": None, "cost": {"$sum": "$usage.cost"}}}]) == [
        {"_id": None, "cost": None}
    ]


def test_no_documents_make_no_groups(project: Project) -> None:
    assert pipeline(project, [{"$group": {"_id": None, "n": {"$sum": 1}}}]) == []
    assert pipeline(project, [{"$group": {"_id": "$model.id", "n": {"$sum": 1}}}]) == []
    assert pipeline(project, [{"$count": "n"}]) == []


def test_a_compound_key_with_the_day_of_a_zone(project: Project) -> None:
    store(
        project,
        {"model_id": "a", "started_at": dt.datetime(2026, 3, 28, 22, 59, tzinfo=dt.UTC)},
        {"model_id": "a", "started_at": dt.datetime(2026, 3, 28, 23, 0, tzinfo=dt.UTC)},
        {"model_id": "a", "started_at": dt.datetime(2026, 3, 29, 21, 59, tzinfo=dt.UTC)},
        {"model_id": "b", "started_at": dt.datetime(2026, 3, 29, 22, 0, tzinfo=dt.UTC)},
    )
    day = {"$dateTrunc": {"date": "$timestamp", "unit": "day", "timezone": "Europe/Prague"}}

    documents = pipeline(
        project,
        [
            {"$group": {"_id": {"model": "$model.id", "day": day}, "n": {"$sum": 1}}},
            {"$sort": {"_id.day": -1, "_id.model": 1}},
        ],
    )
    by_day = pipeline(project, [{"$group": {"_id": day, "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}])

    assert documents == [
        {"_id": {"model": "b", "day": "2026-03-29T22:00:00Z"}, "n": 1},
        {"_id": {"model": "a", "day": "2026-03-28T23:00:00Z"}, "n": 2},
        {"_id": {"model": "a", "day": "2026-03-27T23:00:00Z"}, "n": 1},
    ]
    assert by_day == [
        {"_id": "2026-03-27T23:00:00Z", "n": 1},
        {"_id": "2026-03-28T23:00:00Z", "n": 2},
        {"_id": "2026-03-29T22:00:00Z", "n": 1},
    ]


def test_groups_are_matched_sorted_cut_and_renamed(project: Project) -> None:
    store(project, *({"model_id": model, "total_tokens": n} for n, model in enumerate("aabbbcd")))

    documents = pipeline(
        project,
        [
            {"$match": {"model.id": {"$ne": "d"}}},
            {"$match": {"usage.totalTokens": {"$lt": 100}}},
            {
                "$group": {
                    "_id": {"model": "$model.id"},
                    "tokens": {"$sum": "$usage.totalTokens"},
                    "spread": {"$percentile": {"input": "$usage.totalTokens", "p": [0, 1]}},
                }
            },
            {"$match": {"$or": [{"tokens": {"$gte": 5}}, {"_id.model": "a"}], "spread.1": {"$not": {"$gt": 5}}}},
            {"$project": {"_id": 0, "name": "$_id.model", "tokens": 1, "least": "$spread.0"}},
            {"$match": {"name": {"$in": ["a", "b", "c"]}}},
            {"$sort": {"least": -1, "name": 1}},
            {"$limit": 2},
        ],
    )

    assert documents == [{"name": "c", "tokens": 5, "least": 5.0}, {"name": "b", "tokens": 9, "least": 2.0}]


def test_projections_drop_keep_and_nest(project: Project) -> None:
    store(project, {"model_id": "a", "type": "chat"})
    group = {"$group": {"_id": {"model": "$model.id", "type": "$type"}, "n": {"$sum": 1}, "e": {"$errorRate": {}}}}

    assert pipeline(project, [group, {"$project": {"_id.type": 0, "e": 0}}]) == [{"_id": {"model": "a"}, "n": 1}]
    assert pipeline(project, [group, {"$project": {"e": True}}]) == [{"_id": {"model": "a", "type": "chat"}, "e": 0.0}]
    assert pipeline(project, [group, {"$project": {"_id": 0, "n": 1}}]) == [{"n": 1}]
    assert pipeline(project, [group, {"$project": {"_id.type": 1}}]) == [{"_id": {"type": "chat"}}]
    assert pipeline(project, [group, {"$project": {"_id": "$_id.model", "of.n": "$n"}}]) == [
        {"_id": "a", "of": {"n": 1}}
    ]


def test_groups_and_generations_are_counted(project: Project) -> None:
    store(project, *({"user_id": user} for user in "aabc"), {})
    group = {"$group": {"_id": "$metadata.userId", "n": {"$sum": 1}}}

    assert pipeline(project, [{"$match": {"metadata.userId": "a"}}, {"$count": "calls"}]) == [{"calls": 2}]
    assert pipeline(project, [group, {"$count": "users"}]) == [{"users": 4}]
    assert pipeline(project, [group, {"$match": {"n": 1}}, {"$count": "users"}]) == [{"users": 3}]
    assert pipeline(project, [group, {"$limit": 2}, {"$count": "users"}]) == [{"users": 2}]
    assert pipeline(project, [{"$limit": 3}, {"$count": "calls"}]) == [{"calls": 3}]
    assert pipeline(project, [{"$group": {"_id": None, "users": {"$countDistinct": "$metadata.userId"}}}]) == [
        {"_id": None, "users": 3}
    ]


def test_money_of_several_currencies_is_refused_when_it_meets(project: Project) -> None:
    store(project, {"cost": Decimal("0.5"), "currency": "EUR"}, {"cost": Decimal("0.25"), "currency": "USD"})
    cost = {"cost": {"$sum": "$usage.cost"}}

    with pytest.raises(BadQuery, match="one currency: group by"):
        pipeline(project, [{"$group": {"_id": None, **cost}}])
    with pytest.raises(BadQuery, match="one currency"):
        pipeline(project, [{"$group": {"_id": "$type", **cost}}, {"$match": {"cost": {"$gt": 9}}}, {"$count": "n"}])

    assert pipeline(project, [{"$group": {"_id": "$usage.currency", **cost}}]) == [
        {"_id": "EUR", "cost": Decimal("0.5")},
        {"_id": "USD", "cost": Decimal("0.25")},
    ]


def test_the_newest_generations_are_grouped(project: Project) -> None:
    store(project, *({"latency": float(n), "started_at": NOW + dt.timedelta(hours=n)} for n in range(5)))
    group = {"$group": {"_id": None, "sum": {"$sum": "$performance.latency"}}}

    assert pipeline(project, [{"$sort": {"timestamp": -1}}, {"$limit": 2}, group])[0]["sum"] == 7.0
    assert pipeline(project, [{"$sort": {"timestamp": 1}}, {"$limit": 3}, {"$limit": 2}, group])[0]["sum"] == 1.0


# -------------------------------------------------------------------------------------------------------- generations
def test_without_group_the_documents_are_the_generations(project: Project) -> None:
    store(
        project,
        {"model_id": "a", "prompt": "One", "completion": "1", "type": "completion", "latency": 2.0},
        {"model_id": "b", "prompt": "Two", "completion": "2", "type": "completion", "latency": 1.0},
        {"model_id": "b", "prompt": "Three", "completion": "3", "type": "completion"},
    )

    documents = pipeline(
        project,
        [
            {"$match": {"type": "completion"}},
            {"$sort": {"performance.latency": 1}},
            {"$limit": 2},
            {"$project": {"model": "$model.id", "output.content": 1}},
        ],
    )
    whole = pipeline(project, [{"$sort": {"performance.latency": 1}}, {"$limit": 1}])
    without = pipeline(
        project, [{"$project": {"output": 0, "usage": 0}}, {"$project": {"id": 0, "output": 1, "type": 1}}]
    )

    assert documents == [
        {"id": "g1", "model": "b", "output": {"content": "2"}},
        {"id": "g0", "model": "a", "output": {"content": "1"}},
    ]
    assert whole[0]["id"] == "g1"
    assert whole[0]["input"]["content"] == "Two"
    assert without == [{"type": "completion"}] * 3


def test_generations_cost_the_same_number_of_queries_whatever_their_number(project: Project) -> None:
    store(project, *({"feedback": FeedbackRecord(rating=4.0)} for _ in range(50)))

    def queries(limit: int, *more: dict[str, Any]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(pipeline(project, [{"$limit": limit}, *more])) == limit
        return len(captured)

    assert queries(1) == queries(50) == 6
    assert queries(50, {"$project": {"usage.cost": 1}}) == 1


def test_more_generations_than_an_answer_should_hold_need_a_limit(project: Project) -> None:
    store(project, *({} for _ in range(1_001)))

    with pytest.raises(
        BadQuery, match=r"'more than 1000 generations' is not valid; expected a \$limit of at most 1000"
    ):
        pipeline(project, [])
    assert len(pipeline(project, [{"$limit": 1_000}])) == 1_000


# ------------------------------------------------------------------------------------------------------------ refused
GROUP: dict[str, Any] = {"$group": {"_id": "$model.id", "n": {"$sum": 1}}}


@pytest.mark.parametrize(
    ("stages", "field", "expected"),
    [
        ({}, "pipeline", "a list of stages"),
        ([1], "pipeline[0]", "an object with one stage"),
        ([{}], "pipeline[0]", "an object with one stage"),
        ([{"$match": {}, "$limit": 1}], "pipeline[0]", "an object with one stage"),
        ([GROUP, {"$srot": {"n": 1}}], "pipeline[1]", "did you mean $sort?"),
        ([{"$skip": 10}], "pipeline[0]", "a $match on what comes after"),
        ([{"$limit": 1}] * 51, "pipeline", "at most 50 stages"),
        ([{"$match": 1}], "$match", "a filter document"),
        ([{"$match": {"model.idd": "x"}}], "model.idd", "did you mean model.id?"),
        ([{"$match": {"timestamp": {"$gte": "yesterday"}}}], "timestamp", "ISO 8601"),
        ([{"$group": {}}], "$group", "an object with _id"),
        ([{"$group": {"_id": "model.id"}}], "$group._id", "did you mean '$model.id'?"),
        ([{"$group": {"_id": "$$ROOT"}}], "$group._id", "a path with $ before it"),
        ([{"$group": {"_id": "$model.idd"}}], "model.idd", "did you mean model.id?"),
        ([{"$group": {"_id": {}}}], "$group._id", "at least one name"),
        ([{"$group": {"_id": {"$year": "$timestamp"}}}], "$group._id", "$dateTrunc"),
        ([{"$group": {"_id": {"a.b": "$type"}}}], "$group._id", "a name without dots"),
        ([{"$group": {"_id": None, "n": 1}}], "$group.n", "one accumulator"),
        ([{"$group": {"_id": None, "n": {"$summ": 1}}}], "$group.n", "did you mean $sum?"),
        ([{"$group": {"_id": None, "n": {"$addToSet": "$type"}}}], "$group.n", "$countDistinct"),
        ([{"$group": {"_id": None, "n": {"$sum": 2}}}], "$group.n.$sum", "1 or a path"),
        ([{"$group": {"_id": None, "n": {"$sum": "usage.cost"}}}], "$group.n.$sum", "did you mean '$usage.cost'?"),
        ([{"$group": {"_id": None, "n": {"$avg": {"$add": [1, 2]}}}}], "$group.n.$avg", "a path with $ before it"),
        ([{"$group": {"_id": None, "n": {"$avg": "$model.id"}}}], "n.path", "a number for avg"),
        (
            [{"$group": {"_id": None, "p": {"$percentile": {"input": "$latency", "p": [95]}}}}],
            "$group.p.$percentile.p",
            "0 to 1",
        ),
        ([{"$group": {"_id": None, "p": {"$percentile": {"input": "$latency"}}}}], "$group.p.$percentile.p", "a list"),
        (
            [{"$group": {"_id": None, "p": {"$percentile": {"of": "$latency"}}}}],
            "$group.p.$percentile.of",
            "one of input, p",
        ),
        (
            [{"$group": {"_id": {"$dateTrunc": {"date": "$timestamp", "unit": "days"}}}}],
            "$group._id.$dateTrunc.unit",
            "did you mean day?",
        ),
        (
            [{"$group": {"_id": {"$dateTrunc": {"date": "$timestamp", "unit": "day", "timezone": "Prague"}}}}],
            "$group._id.$dateTrunc.timezone",
            "did you mean Europe/Prague?",
        ),
        (
            [{"$group": {"_id": {"$dateTrunc": {"date": "$timestamp", "unit": "day", "binSize": 2}}}}],
            "$group._id.$dateTrunc.binSize",
            "1",
        ),
        (
            [{"$group": {"_id": {"$dateTrunc": {"date": "$timestamp", "unit": "week", "startOfWeek": "sunday"}}}}],
            "$group._id.$dateTrunc.startOfWeek",
            "monday",
        ),
        ([GROUP, GROUP], "$group", "one $group"),
        ([GROUP, {"$sort": {"nn": 1}}], "$sort", "did you mean n?"),
        ([GROUP, {"$sort": {"n": 2}}], "$sort.n", "1 (ascending) or -1 (descending)"),
        ([GROUP, {"$sort": {}}], "$sort", "an object such as"),
        ([{"$sort": {"output": 1}}], "$sort", "a field to sort by"),
        ([GROUP, {"$limit": 0}], "$limit", "1 to 10,000"),
        ([GROUP, {"$limit": 10_001}], "$limit", "1 to 10,000"),
        ([GROUP, {"$limit": "10"}], "$limit", "1 to 10,000"),
        ([{"$limit": 1_001}], "$limit", "1 to 1,000"),
        ([GROUP, {"$limit": 1}, {"$sort": {"n": 1}}], "$sort", "$sort before $limit"),
        ([GROUP, {"$limit": 1}, {"$match": {"n": 1}}], "$match", "$match before $limit"),
        ([GROUP, {"$match": {"model.id": 1}}], "$match", "one of _id, n"),
        ([GROUP, {"$match": {"n": {"$gtt": 1}}}], "$match.n", "did you mean gt?"),
        ([GROUP, {"$match": {"n": {"$contains": "1"}}}], "having.n", "one of eq, ne"),
        ([GROUP, {"$match": {"n": {"$gt": "many"}}}], "n", "a number"),
        ([GROUP, {"$match": {"n": {"$in": 1}}}], "$match.n", "a list of values"),
        ([GROUP, {"$match": {"_id": "a\0b"}}], "_id", "without NUL"),
        ([GROUP, {"$match": {"$or": []}}], "$match", "a list of conditions behind $or"),
        ([GROUP, {"$project": {"x": "$nn"}}], "$project", "did you mean n?"),
        ([GROUP, {"$project": {"x": {"$divide": ["$n", 2]}}}], "$project.x", "nothing is computed here"),
        ([GROUP, {"$project": {"n": 0, "_id": 1}}], "$project", "not both"),
        ([GROUP, {"$project": {}}], "$project", "an object such as"),
        ([{"$project": {"modle": 1}}], "$project", "model"),
        ([{"$count": "a.b"}], "$count", "a name without dots"),
        ([{"$count": "n"}, {"$limit": 1}], "pipeline[1]", "nothing after $count"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(project: Project, stages: Any, field: str, expected: str) -> None:
    with pytest.raises(BadQuery) as caught:
        pipeline(project, stages)

    assert caught.value.field == field
    assert expected in caught.value.expected


# ---------------------------------------------------------------------------------------------------------- properties
MODELS = st.sampled_from(["a", "b", "Ä", None])
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "model_id": MODELS,
            "user_id": st.sampled_from(["u", "v", None]),
            "total_tokens": st.none() | st.integers(0, 50),
            "latency": st.none() | st.integers(0, 80).map(lambda n: n / 8),
            "error": st.sampled_from([None, None, "no"]),
            "tags": st.lists(st.sampled_from("xyz"), unique=True, max_size=3).map(tuple),
            "metadata": st.sampled_from([{}, {"plan": "pro"}, {"plan": 1}, {"plan": None}]),
            "started_at": st.integers(0, 96).map(lambda n: NOW + dt.timedelta(minutes=31 * n)),
        }
    ),
    max_size=12,
)
VALUES: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
    "$model.id": lambda call: [call["model_id"]],
    "$metadata.userId": lambda call: [call["user_id"]],
    "$metadata.plan": lambda call: [None if (plan := call["metadata"].get("plan")) is None else str(plan)],
    "$tags": lambda call: list(call["tags"]) or [None],
    "$hasError": lambda call: [call["error"] is not None],
}
MEASURES: dict[str, Any] = {
    "n": {"$sum": 1},
    "tokens": {"$sum": "$usage.totalTokens"},
    "mean": {"$avg": "$usage.totalTokens"},
    "slow": {"$max": "$performance.latency"},
    "fast": {"$min": "$performance.latency"},
    "middle": {"$median": "$performance.latency"},
    "users": {"$countDistinct": "$metadata.userId"},
    "errors": {"$errorRate": {}},
}


def interpolated(values: list[float], share: float) -> float:
    at = share * (len(values) - 1)
    low, high = sorted(values)[math.floor(at)], sorted(values)[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def measured(rows: list[dict[str, Any]]) -> dict[str, Any]:
    tokens = [row["total_tokens"] for row in rows if row["total_tokens"] is not None]
    latencies = [row["latency"] for row in rows if row["latency"] is not None]
    return {
        "n": len(rows),
        "tokens": sum(tokens) if tokens else None,
        "mean": sum(tokens) / len(tokens) if tokens else None,
        "slow": max(latencies, default=None),
        "fast": min(latencies, default=None),
        "middle": interpolated(latencies, 0.5) if latencies else None,
        "users": len({row["user_id"] for row in rows} - {None}),
        "errors": sum(row["error"] is not None for row in rows) / len(rows),
    }


def sort_key(value: Any, descending: bool) -> tuple[bool, Any]:
    if value is None:
        return (True, 0)
    if isinstance(value, str):
        return (False, value.encode())
    return (False, -value if descending else value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=CALLS,
    keys=st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=3),
    match=st.sampled_from([None, ("model.id", "model_id", "a"), ("metadata.userId", "user_id", "u")]),
    having=st.none() | st.tuples(st.sampled_from(["n", "tokens", "slow"]), st.integers(0, 20)),
    order=st.tuples(st.sampled_from(sorted(MEASURES)), st.booleans()),
    limit=st.none() | st.integers(1, 4),
)
def test_a_pipeline_gives_what_python_reckons_from_the_rows(
    project: Project,
    calls: list[dict[str, Any]],
    keys: list[str],
    match: tuple[str, str, str] | None,
    having: tuple[str, int] | None,
    order: tuple[str, bool],
    limit: int | None,
) -> None:
    name, descending = order
    stages: list[dict[str, Any]] = [{"$match": {match[0]: match[2]}}] if match else []
    identity = {f"k{n}": key for n, key in enumerate(keys)} or None
    stages.append({"$group": {"_id": identity, **MEASURES}})
    if having:
        stages.append({"$match": {having[0]: {"$gte": having[1]}}})
    stages.append({"$sort": {name: -1 if descending else 1, **({"_id": 1} if keys else {})}})
    if limit:
        stages.append({"$limit": limit})

    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for call in calls:
        if match and call[match[1]] != match[2]:
            continue
        combined: list[tuple[Any, ...]] = [()]
        for key in keys:
            combined = [(*head, value) for head in combined for value in VALUES[key](call)]
        for group in combined:
            groups.setdefault(group, []).append(call)
    expected = [
        {"_id": {f"k{n}": part for n, part in enumerate(group)} or None, **measured(rows)}
        for group, rows in groups.items()
    ]
    if having:
        expected = [one for one in expected if one[having[0]] is not None and one[having[0]] >= having[1]]
    expected.sort(key=lambda one: [sort_key(value, False) for value in (one["_id"] or {}).values()])
    expected.sort(key=lambda one: sort_key(one[name], descending))
    expected = expected[:limit]

    with transaction.atomic():
        store(project, *calls)
        found = pipeline(project, stages)
        transaction.set_rollback(True)

    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == {
            key: value if key == "_id" or value is None else pytest.approx(value) for key, value in other.items()
        }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(sorted(VALUES)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["_id", "$sum", "$percentile", "$dateTrunc", "n", "date", "$or", "input", "p"])
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stages=st.lists(st.dictionaries(st.sampled_from(metrics.STAGES), JSON, min_size=1, max_size=1), max_size=4) | JSON
)
def test_any_json_is_answered_or_refused(project: Project, stages: Any) -> None:
    try:
        found = pipeline(project, stages)
    except BadQuery as refusal:
        assert refusal.field
        assert refusal.expected
    else:
        assert isinstance(found, list)
