"""The page of exports: manifests, again, and schedules made, changed, run and deleted on it."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from generations import access, exporting, recording
from generations.access import Grant
from generations.exporting import schedules
from generations.models import ExportSchedule, Job, Membership, Project, User
from tests import web
from tests.exports import folder, plain

__all__ = ["folder"]
pytestmark = pytest.mark.django_db
SAID = {
    "name": "Nightly",
    "destination": "nightly",
    "kind": "generations",
    "format": "csv",
    "compression": "zstd",
    "every": "week",
    "at": "02:30",
    "weekday": "6",
    "zone": "Europe/Prague",
    "filter": "/projects/x/generations/?hasError=true",
    "fields": "id, output",
    "incremental": "on",
}


@pytest.fixture
def project(folder: Path, settings: Settings) -> Project:
    settings.EXPORT_FOLDER = folder / "scheduled"
    return access.create_project("Pages")


def person(project: Project, role: str) -> Client:
    user = User.objects.create_user(f"{role}-{project.pk}", password="x")
    Membership.objects.create(project=project, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def text(client: Client, project: Project) -> str:
    response = client.get(reverse("web:exports", args=[project.slug]))
    assert response.status_code == 200
    return response.content.decode()


def grant_of(project: Project) -> Grant:
    return access.of_system(project)


def test_an_admin_makes_changes_pauses_runs_and_deletes_a_schedule(project: Project) -> None:
    admin = person(project, "admin")
    assert "Nothing is exported by itself" in text(admin, project)

    admin.post(reverse("web:schedule-create", args=[project.slug]), SAID)

    schedule = ExportSchedule.objects.get()
    assert (schedule.filter, schedule.fields, schedule.incremental) == ({"hasError": True}, ["id", "output"], True)
    assert (schedule.every, schedule.weekday, schedule.hour, schedule.minute) == ("week", 6, 2, 30)
    shown = text(admin, project)
    assert "every Sunday at 02:30 Europe/Prague" in shown and "It has not run yet." in shown

    def do(what: str, **more: Any) -> None:
        address = reverse("web:schedule-change", args=[project.slug, schedule.pk])
        assert admin.post(address, {"do": what, **more}).status_code == 302
        schedule.refresh_from_db()

    do("pause")
    assert "paused" in text(admin, project)
    do("resume")
    assert not ExportSchedule.objects.get().is_paused
    do("save", **{**SAID, "name": "Weekly", "every": "hour", "at": "00:05"})
    assert (schedule.name, schedule.every, schedule.filter) == ("Weekly", "hour", {"hasError": True})
    do("run")
    job = Job.objects.get(schedule=schedule)
    assert exporting.run(job.pk)
    shown = text(admin, project)
    manifest = reverse("web:export-manifest", args=[project.slug, job.pk])
    assert manifest in shown
    assert admin.get(manifest).json()["schedule"]["name"] == "Weekly"
    assert person(access.create_project("Other"), "owner").get(manifest).status_code == 404
    assert "0 rows" in shown and "nightly/" in shown
    address = reverse("web:schedule-change", args=[project.slug, schedule.pk])
    admin.post(address, {"do": "delete"})
    assert not ExportSchedule.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"destination": "../up"}, {"at": "late"}, {"filter": "modl=1"}, {"filter": "x"}, {"weekday": "9"}, {"kind": "x"}],
)
def test_what_cannot_be_is_said_and_not_made(project: Project, wrong: dict[str, str]) -> None:
    admin = person(project, "admin")

    response = admin.post(reverse("web:schedule-create", args=[project.slug]), {**SAID, **wrong})

    assert response.status_code == 400
    assert f"{next(iter(wrong)).replace('filter', 'modl' if '=' in wrong.get('filter', '') else 'filter')}:" in (
        response.content.decode()
    )
    assert not ExportSchedule.objects.exists()
    kept = {field["name"]: field.get("value") for field in web.tags(response, "input") if "name" in field}
    typed = {**SAID, **wrong}
    assert {name: kept[name] for name in ("name", "destination", "at", "filter", "fields")} == {
        name: typed[name] for name in ("name", "destination", "at", "filter", "fields")
    }
    chosen = [field.get("value") for field in web.tags(response, "option") if "selected" in field]
    assert "week" in chosen
    assert [field["name"] for field in web.tags(response, "input") if "checked" in field] == ["incremental"]


def test_a_change_that_cannot_be_stays_in_the_form_of_its_schedule(project: Project) -> None:
    for name in ("Nightly", "Other"):
        schedules.create(grant_of(project), {"name": name, "destination": name.lower()})
    schedule = ExportSchedule.objects.get(name="Nightly")
    address = reverse("web:schedule-change", args=[project.slug, schedule.pk])

    response = person(project, "admin").post(address, {**SAID, "do": "save", "name": "Later", "destination": "../up"})

    assert response.status_code == 400
    fields = [field for field in web.tags(response, "input") if field.get("name") in ("name", "destination")]
    assert sorted(field.get("value") or "" for field in fields) == ["", "", "../up", "Later", "Other", "other"]
    assert "destination: " in web.text(response)
    schedule.refresh_from_db()
    assert (schedule.name, schedule.destination) == ("Nightly", "nightly")


def test_a_member_sees_schedules_and_changes_none(project: Project) -> None:
    schedule = schedules.create(grant_of(project), {"name": "Nightly", "destination": "nightly"})
    member = person(project, "member")
    stranger = person(access.create_project("Other"), "owner")

    shown = text(member, project)
    assert "Nightly" in shown and "Run now" not in shown and "New schedule" not in shown
    for client, status in ((member, 403), (stranger, 404)):
        assert client.post(reverse("web:schedule-create", args=[project.slug]), SAID).status_code == status
        address = reverse("web:schedule-change", args=[project.slug, schedule.pk])
        assert client.post(address, {"do": "delete"}).status_code == status
    own = Membership.objects.get(user__username__startswith="owner").project
    elsewhere = reverse("web:schedule-change", args=[own.slug, schedule.pk])
    assert stranger.post(elsewhere, {"do": "delete"}).status_code == 404
    assert ExportSchedule.objects.count() == 1


def test_the_page_costs_the_same_queries_for_one_schedule_and_for_many(
    project: Project, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    admin = person(project, "admin")
    counts = []
    for number in (1, 8):
        while (made := ExportSchedule.objects.count()) < number:
            schedule = schedules.create(grant_of(project), {"name": f"S{made}", "destination": "there"})
            for _ in range(2):
                job = schedules.run_now(grant_of(project), schedule.pk)
                assert job is not None and exporting.run(job.pk)
        with django_assert_max_num_queries(100) as queries:
            text(admin, project)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_an_export_is_made_again_from_the_page(project: Project) -> None:
    recording.record(project, [plain(1)])
    member = person(project, "member")
    first = exporting.start(grant_of(project), format="csv", compression="gzip")
    exporting.run(first.pk)
    assert "csv.gz" in text(member, project)

    member.post(reverse("web:export-retry", args=[project.slug, first.pk]))

    again = Job.objects.exclude(pk=first.pk).get()
    assert again.parameters == first.parameters
    other = person(access.create_project("Other"), "owner")
    assert other.post(reverse("web:export-retry", args=[project.slug, first.pk])).status_code == 404


def test_a_file_that_was_deleted_by_hand_is_not_offered(project: Project, folder: Path) -> None:
    member = person(project, "member")
    job = exporting.start(grant_of(project), format="csv")
    exporting.run(job.pk)
    offered = text(member, project)
    job.refresh_from_db()
    default_storage.delete(job.result["file"])

    lost = text(member, project)

    assert "Download" in offered
    assert "Again" not in offered
    assert "Download" not in lost
    assert "Its file is gone." in lost
    assert "Again" in lost
