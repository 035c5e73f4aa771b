"""A link that leads to nothing says what is gone, why it may be, and where to go; an ended session loses no page."""

import re

import pytest
from django.test import Client

from generations import access, datasets, recording
from generations.models import Membership, Project, RetentionRule, User
from generations.models.accounts import Role
from generations.records import StepRecord
from generations.retention import removing
from tests import web
from tests.web import NOON, page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["generation", "step", "thread"])
def test_what_is_not_there_is_named_with_ways_on(client: Client, project: Project, kind: str) -> None:
    response = client.get(f"/projects/{project.slug}/{kind}s/gone-7/")

    assert response.status_code == 404
    assert f"There is no such {kind} in Shop gone-7" in web.text(response)
    assert "rules of retention" not in web.text(response)
    ways = web.links(response)
    assert f"/projects/{project.slug}/search/?q=gone-7" in ways
    assert f"/projects/{project.slug}/{kind}s/" in ways


def test_who_deleted_it_is_said_and_what_rules_may_have(client: Client, project: Project) -> None:
    recorded(project)
    grant = access.by_user(User.objects.get(username="mia"), project.slug)
    RetentionRule.objects.create(project=project, kind="generations", what="all", days=30)
    assert removing.erase(grant, "generation", "one")

    gone, never = page(client, project), page(client, project, "two")

    assert re.search(r"It was deleted by mia on \d{4}-\d\d-\d\d ", web.text(gone))
    assert "have expired as the rules of retention say" in web.text(never)


def test_a_link_of_another_project_leads_there_if_one_may_go(client: Client, project: Project) -> None:
    mine, theirs = web.project("Mine"), web.project("Theirs")
    Membership.objects.create(project=mine, user=User.objects.get(username="mia"))
    recorded(mine)
    recording.record(theirs, [StepRecord(id="one", started_at=NOON)])

    found, hidden = page(client, project), client.get(f"/projects/{project.slug}/steps/one/")

    assert f"/projects/{mine.slug}/generations/one/" in web.links(found)
    assert "Theirs" not in web.text(hidden)
    assert client.get(f"/projects/{theirs.slug}/steps/one/").status_code == 404


def test_htmx_is_told_in_a_line(client: Client, project: Project) -> None:
    recorded(project)
    address = f"/projects/{project.slug}/generations/one/block/?at=/nothing"

    response = client.get(address, headers={"HX-Request": "true"})

    assert response.status_code == 404
    assert "<html" not in response.content.decode()
    assert "There is nothing at /nothing in this generation." in web.text(response)
    assert "There is nothing at /nothing in this generation." in web.text(client.get(address))


NEVER = "018f0000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "room", "words"),
    [
        ("users/gone/", "users", "There is no such user in this project (any more)."),
        (f"datasets/{NEVER}/", "datasets", "There is no such dataset in this project."),
        (f"experiments/{NEVER}/", "experiments", "There is no such experiment in this project."),
        (f"evaluators/{NEVER}/", "evaluators", "There is no such evaluator in this project."),
        (f"review/{NEVER}/", "review", "There is no such review queue in this project."),
        (f"prompts/{NEVER}/", "prompts", "There is no such prompt in this project."),
        (f"jobs/{NEVER}/", "jobs", "There is no such job in this project."),
        (f"exports/{NEVER}/", "exports", "There is no such export in this project."),
        ("settings/no%00where/", "settings", "There is nothing at this address."),
        ("no-such-room/", "dashboard", "There is nothing at this address."),
    ],
)
def test_whatever_is_missing_of_a_project_is_said_within_it(
    client: Client, project: Project, path: str, room: str, words: str
) -> None:
    response = client.get(f"/projects/{project.slug}/{path}")

    assert response.status_code == 404
    assert words in web.text(response)
    assert [tag["href"] for tag in web.tags(response, "a") if tag.get("class") == "button"][-1:] == [
        f"/projects/{project.slug}/{room}/"
    ]


def test_who_deleted_a_dataset_is_said_and_strangers_are_told_nothing(client: Client, project: Project) -> None:
    grant = access.by_user(User.objects.get(username="mia"), project.slug)
    dataset = datasets.create(grant, name="Hard ones")
    datasets.delete(grant, str(dataset.pk))
    address = f"/projects/{project.slug}/datasets/{dataset.pk}/"
    stranger = web.signed_in(web.project("Other"), name="zoe").get(address)

    assert re.search(r"It was deleted by mia on \d{4}-\d\d-\d\d ", web.text(client.get(address)))
    assert stranger.status_code == 404
    assert "mia" not in web.text(stranger)
    assert f"/projects/{project.slug}/datasets/" not in web.links(stranger)


def test_what_was_deleted_with_others_says_by_whom(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN, name="ada")
    recorded(project)
    recording.record(project, [StepRecord(id="s", started_at=NOON), StepRecord(id="t", started_at=NOON)])

    admin.post(f"/projects/{project.slug}/bulk/steps/", {"do": "delete", "id": ["s", "t"]})

    assert "It was deleted by ada on " in web.text(admin.get(f"/projects/{project.slug}/steps/t/"))
