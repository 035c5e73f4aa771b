"""Facets: the most frequent values under a filter, counted whole where that is cheap, and honest where it is not."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, filters, metrics, recording, rollups
from generations.metrics import Facet
from generations.models import Project
from generations.records import StepRecord, ThreadRecord
from tests.measuring import NOW, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Facets")


def calls(number: int) -> list[dict[str, Any]]:
    """Calls a minute apart, the first one the oldest."""
    return [
        {
            "started_at": NOW + dt.timedelta(minutes=n),
            "model_id": "large" if n % 3 == 0 else "small",
            "provider": None if n % 2 else "one",
            "error": "no" if n % 4 == 0 else None,
            "tags": ("all", "even") if n % 2 == 0 else (),
            "user_id": f"user-{n}",
            "type": "completion" if n == 0 else "chat",
        }
        for n in range(number)
    ]


def asked(project: Project, document: dict[str, Any], *paths: str, **how: Any) -> list[Facet]:
    return metrics.facets(project, filters.from_document("generations", document), paths=paths, **how)


def test_facets_are_the_most_frequent_values_and_how_often_each_occurs(project: Project) -> None:
    store(project, *calls(12))

    found = {one.path: one for one in metrics.facets(project, top=3)}

    assert list(found) == [
        *("model.id", "model.provider", "status", "errorType", "type", "tags", "environment", "release"),
        "metadata.userId",
        "promptVersion.name",
    ]
    assert found["model.id"].values == [("small", 8), ("large", 4)]
    assert found["model.provider"].values == [("one", 6), (None, 6)]
    assert found["status"].values == [("success", 9), ("error", 3)]
    assert found["type"].values == [("chat", 11), ("completion", 1)]
    assert found["tags"].values == [("all", 6), ("even", 6), (None, 6)]
    assert found["environment"].values == [(None, 12)]
    assert found["metadata.userId"].values == [("user-0", 1), ("user-1", 1), ("user-10", 1)]
    assert [path for path, one in found.items() if one.more] == ["metadata.userId"]
    assert {(one.rows, one.since) for one in found.values()} == {(12, None)}


def test_facets_count_what_the_filter_leaves_and_each_value_narrows_to_its_count(project: Project) -> None:
    store(project, *calls(12))
    narrowed = {"tags": "even", "model.id": "small"}

    found = asked(project, narrowed, "status", "model.provider", "metadata.userId")

    assert [one.values for one in found[:2]] == [[("error", 2), ("success", 2)], [("one", 4)]]
    for one in found:
        for value, count in one.values:
            (again,) = asked(project, {**narrowed, one.path: value}, "type")
            assert again.rows == count


def test_of_many_rows_rollups_count_what_they_hold_and_the_newest_the_rest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.metrics.faceting.NEWEST", 4)
    store(project, *calls(12))
    rollups.compact()
    since = NOW + dt.timedelta(minutes=8)

    model, status, kind = asked(project, {}, "model.id", "status", "type", patience=20)
    late, _ = asked(project, {"timestamp": {"$gte": since.isoformat()}}, "model.id", "status")

    assert model == Facet("model.id", [("small", 8), ("large", 4)], more=False, rows=12, since=None)
    assert status == Facet("status", [("success", 9), ("error", 3)], more=False, rows=12, since=None)
    assert kind == Facet("type", [("chat", 4)], more=False, rows=4, since=since)
    assert (late.values, late.rows) == ([("small", 3), ("large", 1)], 4)


def test_what_rollups_hold_alone_is_counted_whole_without_a_look_at_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.metrics.answering.FEW", 1)
    store(project, *calls(12))
    store(access.create_project("Other"), *calls(3))
    rollups.compact()

    with CaptureQueriesContext(connection) as sent:
        model, status = asked(project, {"model.provider": "one"}, "model.id", "status", patience=20)

    assert model == Facet("model.id", [("small", 4), ("large", 2)], more=False, rows=6, since=None)
    assert status == Facet("status", [("error", 3), ("success", 3)], more=False, rows=6, since=None)
    assert "WITH rows" not in str(sent.captured_queries)


def test_what_rollups_do_not_hold_is_counted_of_the_newest_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.metrics.faceting.NEWEST", 4)
    store(project, *calls(12))

    newest = asked(project, {"tags": "even"}, "model.id", "type", patience=20)
    # No time to look for more: of the newest four of the list, those that satisfy the filter.
    hasty = asked(project, {"tags": "even"}, "model.id", patience=0)
    older = asked(project, {"tags": "even", "timestamp": {"$lt": NOW.isoformat()}}, "model.id", patience=0)
    early = {"tags": "even", "timestamp": {"$lte": (NOW + dt.timedelta(minutes=2)).isoformat()}}

    assert [(one.values, one.rows, one.since) for one in newest] == [
        ([("small", 3), ("large", 1)], 4, NOW + dt.timedelta(minutes=4)),
        ([("chat", 4)], 4, NOW + dt.timedelta(minutes=4)),
    ]
    assert [(one.values, one.rows, one.since) for one in hasty] == [
        ([("small", 2)], 2, NOW + dt.timedelta(minutes=8)),
    ]
    assert [(one.values, one.rows, one.since) for one in older] == [([], 0, None)]
    assert [(one.values, one.rows) for one in asked(project, early, "type", patience=0)] == [
        ([("chat", 1), ("completion", 1)], 2)
    ]


def test_steps_and_threads_have_facets(project: Project) -> None:
    recording.record(
        project,
        [
            StepRecord(id="s1", type="tool", name="look", started_at=NOW, tags=("a",)),
            StepRecord(id="s2", type="run", started_at=NOW, error="no"),
            ThreadRecord(id="t1", tags=("b",), environment="production"),
        ],
    )

    steps = {one.path: one.values for one in metrics.facets(project, kind="steps")}
    threads = {one.path: one.values for one in metrics.facets(project, kind="threads")}

    assert steps["type"] == [("run", 1), ("tool", 1)]
    assert steps["status"] == [("error", 1), ("success", 1)]
    assert steps["tags"] == [("a", 1), (None, 1)]
    assert threads == {"tags": [("b", 1)], "environment": [("production", 1)], "metadata.userId": [(None, 1)]}


def test_facets_keep_to_their_project_with_as_many_queries_for_one_row_as_for_many(project: Project) -> None:
    other = access.create_project("Other")
    store(project, *calls(1))
    store(other, *calls(30))

    with CaptureQueriesContext(connection) as few:
        own = metrics.facets(project, patience=20)
    with CaptureQueriesContext(connection) as many:
        metrics.facets(other, patience=20)

    assert {one.rows for one in own} == {1}
    assert len(few) == len(many)


@pytest.mark.parametrize("path", ["modle.id", "usage.cost"])
def test_what_is_no_facet_is_refused_by_its_name(project: Project, path: str) -> None:
    with pytest.raises(filters.BadFilter) as refused:
        metrics.facets(project, paths=["model.id", path])

    assert refused.value.field == path
