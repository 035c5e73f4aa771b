"""Files of what is gone: of projects whose deletion was interrupted, of datasets, of exports that came to no end."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generations import access, dataset_files, datasets, retention
from generations.importing import uploads
from generations.models import AuditEntry, Dataset, Job, Project
from generations.retention import gone
from tests.doors.rest import Caller
from tests.doors.test_gantry_questions import put
from tests.doors.test_langfuse_media import upload
from tests.test_unnamed import LONG, Aged, aged, api, forget, is_here
from tests.triage import superuser

__all__ = ["aged", "api", "superuser"]
pytestmark = pytest.mark.django_db


def delete(project: Project, superuser: Any) -> None:
    """Delete a project in the admin; what follows the commit is the test's to do."""
    project.keys.update(revoked_at=timezone.now())
    client = Client()
    client.force_login(superuser)
    client.post(reverse("admin:generations_project_delete", args=[project.pk]), {"post": "yes"})
    assert not Project.objects.filter(pk=project.pk).exists()


def left_behind(number: int) -> list[str]:
    """Files of a project, one in each of the folders that it has."""
    return [default_storage.save(f"{root}/{number}/{uuid.uuid4()}", ContentFile(b"x")) for root in gone.ROOTS]


def are_here(keys: list[str]) -> set[bool]:
    return {default_storage.exists(key) for key in keys}


def test_files_of_a_project_whose_deletion_was_interrupted_go_later(api: Caller, aged: Aged, superuser: Any) -> None:
    upload(api)
    number, files = api.project.pk, left_behind(api.project.pk)
    others = left_behind(number + 1)
    delete(api.project, superuser)
    assert is_here(api.project)
    assert are_here(files) == {True}
    aged(LONG / 3)
    assert forget() == 0

    aged(LONG)

    assert forget() == len(files) + 2
    assert not is_here(api.project)
    assert are_here(files) == {False}
    assert are_here(others) == {True}
    assert forget() == 0


@pytest.mark.parametrize("how", ["later", "at once"])
def test_what_is_older_than_a_project_that_is_gone_is_left(
    api: Caller, aged: Aged, superuser: Any, how: str, django_capture_on_commit_callbacks: Any
) -> None:
    files = left_behind(api.project.pk)
    aged(3 * LONG)

    with django_capture_on_commit_callbacks(execute=how == "at once"):
        delete(api.project, superuser)

    assert forget() == 0
    assert are_here(files) == {True}


def test_a_number_that_stands_for_a_project_again_is_left(api: Caller, aged: Aged, superuser: Any) -> None:
    upload(api)
    delete(api.project, superuser)
    made = timezone.now() - 2 * LONG
    Project.objects.bulk_create([Project(pk=api.project.pk, name="Restored", slug="restored")])
    Project.objects.filter(pk=api.project.pk).update(created_at=made + LONG)
    aged(1.5 * LONG)

    assert forget() == 0
    assert is_here(api.project)


def test_everything_of_a_project_goes_with_it(
    api: Caller, aged: Aged, superuser: Any, django_capture_on_commit_callbacks: Any
) -> None:
    files, others = left_behind(api.project.pk), left_behind(api.project.pk + 1)

    with django_capture_on_commit_callbacks(execute=True):
        delete(api.project, superuser)

    assert are_here(files) == {False}
    assert are_here(others) == {True}


@pytest.mark.parametrize("aged", ["folder"], indirect=True)
def test_parts_of_a_file_of_events_that_nobody_finishes_go(api: Caller, aged: Aged) -> None:
    put(api, b"{}", b"{}")
    aged(LONG / 3)
    assert uploads.forget_uploads() == 0
    aged(LONG)

    assert uploads.forget_uploads() == 2


@pytest.mark.parametrize("aged", ["folder"], indirect=True)
def test_files_of_a_dataset_that_was_deleted_go_and_those_of_others_stay(api: Caller, aged: Aged) -> None:
    grant = access.of_system(api.project)
    kept, gone_ = (datasets.create(grant, name=name) for name in ("kept", "gone"))
    of_kept, of_gone = (dataset_files.put(one, "a.csv", b"x").storage_key for one in (kept, gone_))
    datasets.delete(grant, str(gone_.pk))
    aged(LONG / 3)
    assert forget() == 0
    aged(LONG)

    assert forget() == 1

    assert default_storage.exists(of_kept)
    assert not default_storage.exists(of_gone)
    (entry,) = AuditEntry.objects.filter(project=api.project, action="retention.files")
    assert entry.detail == {"count": 1}
    assert Dataset.objects.filter(pk=kept.pk).exists()


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (Job.State.DONE, False),
        (Job.State.RUNNING, False),
        (Job.State.QUEUED, False),
        (Job.State.FAILED, True),
        (Job.State.CANCELLED, True),
        (None, True),
    ],
)
def test_files_of_exports_that_came_to_no_end_go(api: Caller, aged: Aged, state: str | None, goes: bool) -> None:
    job = uuid.uuid4()
    if state is not None:
        job = Job.objects.create(project=api.project, kind=Job.Kind.EXPORT, state=state).pk
    names = [f"exports/{api.project.pk}/{job}-1.jsonl{more}" for more in ("", ".manifest.json")]
    for name in names:
        default_storage.save(name, ContentFile(b"x"))
    aged(LONG)

    retention.forget_unnamed()

    assert are_here(names) == {not goes}


def test_parts_of_uploads_that_earlier_versions_kept_go(api: Caller, aged: Aged) -> None:
    name = f"uploads/{api.project.pk}/{uuid.uuid4()}/00000"
    default_storage.save(name, ContentFile(b"x"))
    aged(LONG)

    retention.forget_unnamed()

    assert are_here([name]) == {False}
