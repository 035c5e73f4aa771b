"""A pipeline gives the documents that MongoDB would give."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, filters, paging, recording
from generations.ingest import rest
from generations.metrics import BadQuery
from generations.models import Project
from generations.records import FeedbackRecord
from tests.measuring import NOW, pipeline, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Pipelines")


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
