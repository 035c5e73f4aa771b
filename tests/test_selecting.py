"""The SQL of a question is kept by its form, and is what Django would make of it, whatever its values are."""

import datetime as dt
from typing import Any

import pytest
from django.db.models import F, Q

from generations import access, filters
from generations.metrics import selecting
from generations.models import Project
from tests.measuring import NOW, store

pytestmark = pytest.mark.django_db
COLUMNS: dict[str, Any] = {"id": F("public_id")}


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(selecting, "_kept", {})
    project = access.create_project("Selecting")
    store(
        project,
        {"user_id": "ann", "tags": ["a"], "metadata": {"plan": "pro"}, "total_tokens": 5},
        {"user_id": "bob", "tags": ["a", "b"], "metadata": {"plan": "free"}, "error": "no"},
        {"user_id": "ann", "tags": [], "metadata": {"plan": ["pro"], "seats": 5}, "total_tokens": 50},
    )
    return project


def _asked(project: Project, document: dict[str, Any]) -> tuple[str, list[Any]]:
    condition = filters.q("generations", filters.from_document("generations", document), project.pk)
    return selecting.selected("generations", project.pk, condition, dict(COLUMNS))


def _made(project: Project, document: dict[str, Any]) -> tuple[str, list[Any]]:
    """What Django makes of it, for which nothing is kept."""
    condition = filters.from_document("generations", document)
    return selecting.compiled(filters.narrow("generations", project.pk, condition).order_by(), dict(COLUMNS))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"metadata.userId": "ann"}, {"metadata.userId": "bob"}),
        ({"tags": "a"}, {"tags": "b"}),
        ({"metadata.plan": "pro"}, {"metadata.seats": 5}),
        ({"metadata.plan": {"$in": ["pro", "free"]}}, {"metadata.plan": {"$in": ["pro"]}}),
        ({"metadata.userId": {"$in": ["ann", "bob"]}}, {"metadata.userId": {"$in": ["ann"]}}),
        ({"metadata.userId": {"$ne": "ann"}}, {"metadata.userId": {"$exists": False}}),
        ({"usage.totalTokens": {"$gt": 4}}, {"usage.totalTokens": {"$lte": 49.5}}),
        ({"status": "error"}, {"status": "success"}),
        ({"$or": [{"tags": "a"}, {"tags": "b"}]}, {"$and": [{"tags": "a"}, {"tags": "b"}]}),
        ({"$or": [{"tags": "b"}, {"status": "success"}]}, {"$or": [{"tags": "b"}, {"status": "error"}]}),
        ({"scores.quality": {"$gt": 1}}, {"scores.quality": {"$exists": True}}),
        ({"timestamp": {"$gte": "2026-03-04T05:06:07Z"}}, {"timestamp": {"$lt": "2026-03-05T05:06:07Z"}}),
        ({"metadata.userId": {"$contains": "a%"}}, {"metadata.userId": {"$startsWith": "a_"}}),
    ],
)
def test_each_question_is_the_one_that_django_would_make(
    project: Project, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for document in (first, second, first, {"$and": [first, second]}):
        assert _asked(project, document) == _made(project, document)


def test_a_form_is_made_once_and_its_values_are_those_of_each_question(project: Project) -> None:
    ann, params = _asked(project, {"metadata.userId": "ann"})
    bob, others = _asked(project, {"metadata.userId": "bob"})

    assert bob is ann
    assert (params, others) == ([project.pk, "ann"], [project.pk, "bob"])


def test_what_reads_another_table_is_made_anew(project: Project) -> None:
    _asked(project, {"scores.quality": {"$gt": 1}})

    assert selecting._kept == {}


def test_another_project_gets_its_own_rows(project: Project) -> None:
    other = access.create_project("Other")

    assert _asked(project, {"tags": "a"})[1] == [project.pk, ["a"]]
    assert _asked(other, {"tags": "a"})[1] == [other.pk, ["a"]]


def test_a_condition_that_nothing_satisfies_has_no_rows(project: Project) -> None:
    nothing = selecting.selected("generations", project.pk, Q(pk__in=[]), dict(COLUMNS))

    assert nothing[0].endswith("WHERE FALSE")


def test_moments_are_values(project: Project) -> None:
    made = [
        selecting.selected("generations", project.pk, Q(started_at__gte=at), dict(COLUMNS))
        for at in (NOW, NOW + dt.timedelta(hours=1))
    ]

    assert made[0][0] is made[1][0]
    assert [params[1] for _, params in made] == [NOW, NOW + dt.timedelta(hours=1)]


def test_so_many_forms_are_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "_MOST_KEPT", 2)
    for path in ("metadata.userId", "provider", "environment"):
        _asked(project, {path: "one"})

    assert len(selecting._kept) == 1
