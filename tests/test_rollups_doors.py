"""The doors say what answered an aggregation and how exact it is, and take the wish for exact percentiles."""

import datetime as dt
from typing import Any

import pytest

from generations import rollups
from generations.metrics import answering
from tests.asking import Door
from tests.doors.rest import Caller, caller
from tests.measuring import NOW, store

pytestmark = pytest.mark.django_db

P95 = {"$group": {"_id": "$model.id", "p95": {"$percentile": {"input": "$performance.latency", "p": [0.95]}}}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A project of a hundred calls that are rolled up, where so many are not few."""
    monkeypatch.setattr(answering, "FEW", 100)
    made = caller()
    store(
        made.project,
        *({"model_id": "m", "latency": float(n), "started_at": NOW + n * dt.timedelta(minutes=9)} for n in range(100)),
    )
    rollups.compact()
    return made


def test_rest_says_how_exact_percentiles_are_and_takes_exact(api: Caller) -> None:
    roughly = api.post("/api/generations/aggregate", [P95]).json
    exactly = api.post("/api/generations/aggregate", {"pipeline": [P95], "exact": True}).json

    assert (roughly["source"], roughly["approximate"]) == ("rollup", 0.01)
    assert (exactly["source"], exactly["approximate"]) == ("rows", 0.0)
    [[found]], [[right]] = ([row["p95"] for row in answer["data"]] for answer in (roughly, exactly))
    assert right == pytest.approx(94.05)
    assert found == pytest.approx(right, rel=0.010001)
    assert found != right


def test_rest_calls_counts_and_sums_exact(api: Caller) -> None:
    counted = {"$group": {"_id": None, "n": {"$sum": 1}, "seconds": {"$sum": "$performance.latency"}}}

    answer = api.post("/api/generations/aggregate", [counted]).json

    assert answer == {"data": [{"_id": None, "n": 100, "seconds": 4950.0}], "source": "rollup", "approximate": 0.0}


@pytest.mark.parametrize("wish", [1, "true", None, {}])
def test_rest_refuses_a_wish_that_is_no_yes_or_no(api: Caller, wish: Any) -> None:
    answer = api.post("/api/generations/aggregate", {"pipeline": [P95], "exact": wish})

    assert (answer.status, answer.error["code"]) == (400, "bad_query")
    assert "exact" in answer.error["message"]


def test_graphql_says_how_exact_percentiles_are_and_takes_exact(api: Caller) -> None:
    ask = '{ aggregateGenerations%s { source approximate groups { count p95(field: "performance.latency") } } }'

    roughly = Door(api.project).read(ask % "")["aggregateGenerations"]
    exactly = Door(api.project).read(ask % "(exact: true)")["aggregateGenerations"]

    assert (roughly["source"], roughly["approximate"]) == ("rollup", 0.01)
    assert exactly == {"source": "rows", "approximate": 0.0, "groups": [{"count": 100, "p95": pytest.approx(94.05)}]}
    assert roughly["groups"] == [{"count": 100, "p95": pytest.approx(94.05, rel=0.010001)}]


def test_another_projects_key_sees_none_of_it(api: Caller) -> None:
    assert caller().post("/api/generations/aggregate", [P95]).json["data"] == []
