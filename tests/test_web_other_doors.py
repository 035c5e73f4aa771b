"""The page of a list at the other doors, and how many rows it says there are."""

import datetime as dt
import random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings

from generations import access, filters, recording
from generations.filters import Condition, Leaf
from generations.graphql.guards import Context
from generations.graphql.schema import schema
from generations.models import Project
from generations.records import ParticipantRecord, ScoreRecord, StepRecord, ThreadRecord
from generations.web import doors
from tests import conditions, rows, web
from tests.web import NOON, call, ids

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("page", "kind", "query", "found"),
    [
        ("generations", "generations", "model.id=gpt-4", ["call-004", "call-002"]),
        ("generations", "generations", "model.id=gpt-4&order=timestamp&limit=10", ["call-002", "call-004"]),
        ("steps", "steps", "name__startsWith=loo&order=-performance.latency", ["s2", "s1"]),
        ("threads", "threads", "name__contains=a", ["chat"]),
        ("users", "participants", "identifier__contains=zo&order=createdAt", ["u-1"]),
    ],
)
def test_the_page_is_at_the_other_doors_with_the_same_filter_and_order(
    page: str, kind: str, query: str, found: list[str]
) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            *(call(n, model_id="gpt-4o" if n % 2 else "gpt-4") for n in range(1, 5)),
            StepRecord(id="s1", name="look", started_at=NOON, ended_at=NOON + dt.timedelta(seconds=1)),
            StepRecord(id="s2", name="loop", started_at=NOON, ended_at=NOON + dt.timedelta(seconds=2)),
            StepRecord(id="s3", name="other"),
            ThreadRecord(id="chat", name="A talk"),
            ThreadRecord(id="silence", name="Nil"),
            ParticipantRecord(id="u-1", identifier="zoe"),
            ParticipantRecord(id="u-2", identifier="ben"),
        ],
    )

    response = client.get(f"/projects/{project.slug}/{page}/?{query}")

    rest, table, graphql = other_doors(response)
    assert [one["id"] for one in client.get(rest).json()["data"]] == found
    lines = client.get(table).content.decode().splitlines()
    assert lines[0].startswith("id,")
    assert [line.partition(",")[0] for line in lines[1:]] == found
    asked = {name: values[0] for name, values in parse_qs(urlsplit(graphql).query).items()}
    answer = client.get("/graphql/", asked).json()
    assert [one["id"] for one in answer["data"][kind]["nodes"]] == found
    assert answer["data"][kind]["totalCount"] == {"value": len(found), "exact": True}


def test_the_second_page_is_the_second_page_at_the_other_doors_too() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(n) for n in range(25)])

    first = client.get(f"/projects/{project.slug}/generations/?limit=10")
    (older,) = {tag["href"] for tag in web.tags(first, "a") if tag.get("rel") == "next"}
    second = client.get(str(older))
    (newer,) = {tag["href"] for tag in web.tags(second, "a") if tag.get("rel") == "prev"}

    for there in (second, client.get(str(newer))):
        rest, table, graphql = other_doors(there)
        assert [one["id"] for one in client.get(rest).json()["data"]] == ids(there)
        assert [line.partition(",")[0] for line in client.get(table).content.decode().splitlines()[1:]] == ids(there)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(graphql).query).items()}
        answer = client.get("/graphql/", asked).json()
        assert [one["id"] for one in answer["data"]["generations"]["nodes"]] == ids(there)


def test_a_list_that_cannot_be_shown_is_at_no_other_door() -> None:
    project = web.project()
    client = web.signed_in(project)
    stranger = web.signed_in(web.project("Other"), name="zoe")

    wrong = client.get(f"/projects/{project.slug}/generations/?model.idd=x")

    assert [link for link in web.links(wrong) if link.startswith(("/api/", "/graphql/"))] == []
    assert client.get(f"/projects/{project.slug}/participants.csv?usr=x").status_code == 400
    assert client.get(f"/projects/{project.slug}/secrets.csv").status_code == 404
    assert stranger.get(f"/projects/{project.slug}/participants.csv").status_code == 404


def other_doors(response: Any) -> list[str]:
    """The addresses of a list's page as JSON, CSV and GraphQL."""
    return [link for link in web.links(response) if link.startswith(("/api/", "/graphql/")) or ".csv?" in link]


def with_many() -> tuple[Project, Client]:
    """A project with 15,000 generations, and one of its people."""
    project = web.project()
    rows.generations(project, [{"id": f"call-{n}", "input_preview": f"Question {n}"} for n in range(15_000)])
    return project, web.signed_in(project)


def test_rows_that_take_too_long_to_count_are_listed_without_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    project, client = with_many()
    monkeypatch.setattr("generations.web.listing.COUNTED", ((14_000, 1), (13_000, 1)))

    response = client.get(f"/projects/{project.slug}/generations/?text=question")

    assert len(ids(response)) == 50
    assert "too many generations to count" in web.text(response)
    assert "Export all that match" in web.text(response)


def test_where_ten_thousand_rows_take_too_long_to_count_a_thousand_are(monkeypatch: pytest.MonkeyPatch) -> None:
    project, client = with_many()
    monkeypatch.setattr("generations.web.listing.COUNTED", ((10_000, 1), (1_000, 60_000)))

    many = client.get(f"/projects/{project.slug}/generations/?text=question")
    few = client.get(f"/projects/{project.slug}/generations/?text=Question+149")

    assert "more than 1,000 generations" in web.text(many)
    assert "Export all that match" in web.text(many)
    assert "111 generations" in web.text(few)  # 149, 1490 to 1499, 14900 to 14999


@pytest.mark.parametrize(
    "query",
    [
        "model.id=gpt-4",
        "model.id__in=gpt-4,other&usage.cost__gte=0.1",
        "metadata.plan=pro",
        "metadata.plan__ne=free",
        "tags=a",
        "hasError=true",
        "error__exists=true",
        "from=2026-11-20&to=now",
        "text=question",
        'filter={"$or": [{"model.id": "gpt-4"}, {"$not": {"metadata.plan": "pro"}}]}',
        'filter={"scores": {"some": {"name": "quality", "value": {"$gte": 0.5}}}}',
    ],
)
def test_graphql_is_asked_the_same(query: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            call(1, model_id="gpt-4", metadata={"plan": "pro"}, tags=("a", "b")),
            call(2, metadata={"plan": "free"}, error="Boom", scores=(ScoreRecord(name="quality", value=0.75),)),
            call(3, metadata={"plan": "pro"}, scores=(ScoreRecord(name="quality", value=0.25),)),
        ],
    )

    response = client.get(f"/projects/{project.slug}/generations/?{query}")

    (address,) = [link for link in web.links(response) if link.startswith("/graphql/")]
    asked = parse_qs(urlsplit(address).query)
    answer = client.get(
        "/graphql/",
        {
            "query": asked["query"][0],
            "variables": asked["variables"][0],
            "project": asked["project"][0],
        },
    ).json()
    assert [node["id"] for node in answer["data"]["generations"]["nodes"]] == ids(response)


@pytest.fixture
def varied() -> Project:
    """A project with generations of all sorts."""
    project = web.project()
    chance = random.Random(3)
    for n in range(40):
        conditions.varied(project, chance, n)
    return project


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(condition=conditions.conditions("generations"))
@example(condition=Leaf("scores", ("quality",), "ne", 1))
@example(condition=Leaf("scores", ("quality",), "nin", (1, 4.5)))
@example(condition=Leaf("scores", ("quality",), "exists", False))
def test_graphql_finds_what_any_condition_does(varied: Project, condition: Condition) -> None:
    asked = "query Q($where: GenerationWhere) { generations(where: $where, first: 100) { nodes { id } } }"
    grant = access.of_system(varied)

    answer = schema.execute_sync(asked, {"where": doors.where(condition)}, Context(grant=grant))

    assert answer.errors is None and answer.data is not None
    found = {row.public_id for row in filters.narrow("generations", varied.pk, condition)}
    assert {node["id"] for node in answer.data["generations"]["nodes"]} == found
