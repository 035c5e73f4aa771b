"""What is done to several generations at once, and the same page at the other doors."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from generations import recording
from generations.models import Dataset, DatasetItem, Generation, Project
from generations.models.accounts import Role
from generations.records import ScoreRecord
from tests import rows, web
from tests.web import call, ids

pytestmark = pytest.mark.django_db


def bulk(client: Client, project: Project, **sent: Any) -> Any:
    """Send the bulk form and follow it back to the list."""
    return client.post(f"/projects/{project.slug}/bulk/generations/", sent, follow=True)


def test_the_selected_are_tagged() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2, tags=("old",)), call(3)])

    response = bulk(client, project, do="tag", tags="good, for training", id=["call-001", "call-002"])

    assert "Tagged 2 generations with good, for training." in web.text(response)
    stored = dict(Generation.objects.in_project(project.pk).values_list("public_id", "tags"))
    assert stored == {"call-001": ["good", "for training"], "call-002": ["old", "good", "for training"], "call-003": []}


def test_the_selected_are_added_to_a_new_dataset_and_to_an_old_one() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2)])

    bulk(client, project, do="dataset", new_dataset="Hard ones", id=["call-001"])
    dataset = Dataset.objects.get(project=project)
    bulk(client, project, do="dataset", dataset=str(dataset.pk), id=["call-002"])

    assert sorted(str(item.generation_id) for item in DatasetItem.objects.all()) == ["call-001", "call-002"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"do": "tag", "tags": "x"}, "Select some generations first"),
        ({"do": "tag", "tags": " , ", "id": "call-001"}, "Say which tags to add"),
        ({"do": "dataset", "id": "call-001"}, "Choose a dataset, or name a new one"),
        ({"do": "dataset", "dataset": "rubbish", "id": "call-001"}, "Choose a dataset"),
        ({"do": "delete", "id": "call-001"}, "Say what to do"),
        ({"do": "dataset", "new_dataset": "X", "id": "nothing"}, "no generation 'nothing'"),
    ],
)
def test_a_bulk_action_that_cannot_be_done_says_why(sent: dict[str, Any], words: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])

    response = bulk(client, project, **sent)

    assert words in web.text(response)
    assert DatasetItem.objects.count() == 0
    assert Generation.objects.in_project(project.pk).get().tags == []


def test_a_viewer_is_shown_no_bulk_actions_and_allowed_none() -> None:
    project = web.project()
    client = web.signed_in(project, Role.VIEWER)
    recording.record(project, [call(1)])

    page = client.get(f"/projects/{project.slug}/generations/")
    refused = bulk(client, project, do="tag", tags="x", id=["call-001"])

    assert ids(page) == []
    assert refused.status_code == 403
    assert "has no scope 'write'" in web.text(refused)
    assert Generation.objects.in_project(project.pk).get().tags == []


def test_bulk_leads_back_to_this_site_only() -> None:
    project = web.project()
    client = web.signed_in(project)

    response = client.post(f"/projects/{project.slug}/bulk/generations/", {"next": "https://evil.example/"})

    assert response["Location"] == f"/projects/{project.slug}/generations/"


# ------------------------------------------------------------------------------------------------------ other doors
def test_the_page_is_offered_at_the_other_doors_with_the_same_filter() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2, model_id="gpt-4")])

    response = client.get(f"/projects/{project.slug}/generations/?model.id=gpt-4")

    links = {a: client.get(a) for a in web.links(response) if a.startswith("/api/") or ".csv?" in a}
    json_answer, csv_answer = links.values()
    assert [found["id"] for found in json_answer.json()["data"]] == ["call-002"]
    assert csv_answer["Content-Type"].startswith("text/csv")
    lines = csv_answer.content.decode().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("call-002,")


def test_rows_that_take_too_long_to_count_are_listed_without_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    project = web.project()
    client = web.signed_in(project)
    rows.generations(project, [{"id": f"call-{n}", "input_preview": f"Question {n}"} for n in range(15_000)])
    monkeypatch.setattr("generations.web.listing.PATIENCE", 1)

    response = client.get(f"/projects/{project.slug}/generations/?text=question")

    assert len(ids(response)) == 50
    assert "too many generations to count" in web.text(response)
    assert "Export all that match" in web.text(response)


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
            "query": "query($where: GenerationWhere) { generations(where: $where) { nodes { id } } }",
            "variables": asked["variables"][0],
            "project": asked["project"][0],
        },
    ).json()
    assert [node["id"] for node in answer["data"]["generations"]["nodes"]] == ids(response)
