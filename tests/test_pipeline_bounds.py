"""What a pipeline refuses, and that it gives what Python reckons from the same rows, whatever they are."""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import access, metrics
from generations.metrics import BadQuery
from generations.models import Project
from tests.measuring import NOW, pipeline, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Pipelines")


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


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
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


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
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
