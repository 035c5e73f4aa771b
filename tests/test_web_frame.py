"""What surrounds every page: the palette, the design system on one page, what a page says it took."""

import re
import uuid

import pytest
from django.test import Client

from generations import access, datasets, recording
from generations.models import Membership, Project, User
from generations.models.accounts import Role
from generations.records import GenerationRecord, StepRecord
from tests import web
from tests.web import NOON

pytestmark = pytest.mark.django_db


def found(client: Client, project: Project, text: str) -> list[str]:
    """Where the palette leads for what was written or pasted."""
    response = client.get(f"/projects/{project.slug}/named/", {"q": text}, headers={"HX-Request": "true"})
    assert response.status_code == 200
    return web.links(response)


def test_the_palette_leads_to_whatever_an_id_names() -> None:
    project = web.project()
    client = web.signed_in(project)
    dataset = datasets.create(access.of_system(project), name="Hard ones")
    recording.record(
        project,
        [
            GenerationRecord(id="one", started_at=NOON, thread_id="chat", user_id="ann", response_id="resp-1"),
            StepRecord(id="step-1", started_at=NOON, trace_id="ab" * 16, type="tool"),
        ],
    )
    place = f"/projects/{project.slug}"

    assert found(client, project, " one ") == [f"{place}/generations/one/"]
    assert found(client, project, "resp-1") == [f"{place}/generations/one/"]
    assert found(client, project, "AB" * 16) == [f"{place}/steps/step-1/"]
    assert found(client, project, "chat") == [f"{place}/threads/chat/"]
    assert found(client, project, "ann") == [f"{place}/generations/?metadata.userId=ann"]
    assert found(client, project, str(dataset.pk)) == [f"{place}/datasets/{dataset.pk}/"]
    assert found(client, project, str(uuid.uuid4())) == []
    assert found(client, project, "\0") == []


def test_the_palette_knows_nothing_of_another_project() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    dataset = datasets.create(access.of_system(other), name="Theirs")
    recording.record(other, [GenerationRecord(id="one", started_at=NOON)])

    assert found(client, project, "one") == []
    assert found(client, project, str(dataset.pk)) == []
    assert client.get(f"/projects/{other.slug}/named/", {"q": "one"}).status_code == 404


def test_a_page_says_what_it_took_of_the_database_and_of_everything_else() -> None:
    project = web.project()
    client = web.signed_in(project)

    page = client.get(f"/projects/{project.slug}/generations/")
    file = client.get(f"/projects/{project.slug}/generations.csv")

    said = re.fullmatch(
        r'db;dur=([\d.]+);desc="Database, \d+ statements", render;dur=([\d.]+);desc="[\w ]+", '
        r'total;dur=([\d.]+);desc="[\w ]+"',
        page["Server-Timing"],
    )
    assert said is not None, page["Server-Timing"]
    database, rest, total = (float(number) for number in said.groups())
    assert database > 0
    assert abs(database + rest - total) < 0.2
    assert "Server-Timing" not in file


def test_the_components_are_shown_to_who_is_signed_in() -> None:
    project = web.project()

    stranger = Client().get("/-/components")
    shown = web.signed_in(project).get("/-/components")

    assert stranger["Location"] == "/login/?next=/-/components"
    assert shown.status_code == 200
    assert "A section's title" in web.text(shown)
    assert not [tag for tag in web.tags(shown) if "style" in tag or any(name.startswith("on") for name in tag)]


def test_a_person_of_many_projects_has_some_on_every_page_and_all_of_them_on_one() -> None:
    projects = [web.project(f"Project {number:03}") for number in range(112)]
    other = web.project("Nobody else's")
    client = web.signed_in(projects[0])
    Membership.objects.bulk_create(
        Membership(project=one, user=User.objects.get(username="mia"), role=Role.VIEWER) for one in projects[1:]
    )

    page = client.get(f"/projects/{projects[111].slug}/generations/")
    every, some = client.get("/projects/"), client.get("/projects/", {"q": "T 11\0"})
    stranger = Client().get("/projects/")

    assert [tag["id"] for tag in web.tags(page, "a") if str(tag.get("id")).startswith("go-project-")] == [
        f"go-project-{one.pk}" for one in projects[:20]
    ]
    assert web.links(page).count("/projects/") == 2
    assert web.links(every)[1:] == [f"/projects/{one.slug}/" for one in projects[:100]]
    assert "the first 100" in web.text(every)
    assert web.links(some)[1:] == [f"/projects/{one.slug}/" for one in projects[110:]]
    assert other.name not in web.text(every)
    assert (stranger.status_code, stranger["Location"]) == (302, "/login/?next=/projects/")


@pytest.mark.parametrize("place", ["dashboard/", "generations/", "threads/", "settings/", "exports/"])
def test_every_page_says_in_which_zone_its_times_are(place: str) -> None:
    project = web.project()
    project.time_zone = "Asia/Kathmandu"
    project.save()

    page = web.signed_in(project).get(f"/projects/{project.slug}/{place}")

    assert "Times are those of Asia/Kathmandu." in web.text(page)
