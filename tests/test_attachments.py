"""The bytes of a file live as long as something refers to them: with the last generation that does, they go."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from generations import access, attachments, recording, retention, tasks
from generations.access import Scope
from generations.holds import Held
from generations.ingest.media import Media
from generations.models import ApiKey, Attachment, AuditEntry, Generation, Project
from generations.records import AttachmentRecord, GenerationRecord, StepRecord
from generations.retention import removing
from tests import web
from tests.doors import literal
from tests.doors.rest import caller
from tests.web import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return web.project()


def call(project: Project, id: str, *keys: str, user_id: str | None = None) -> None:
    files = tuple(AttachmentRecord(id=f"{id}-{n}", storage_key=key) for n, key in enumerate(keys))
    record = GenerationRecord(id=id, started_at=NOON, prompt="x", user_id=user_id, attachments=files)
    assert recording.record(project, [record])[0].state == "stored"


def kept(project: Project, content: bytes = b"bytes") -> str:
    key = attachments.new_key(project)
    attachments.save(key, io.BytesIO(content))
    return key


def by_rest(project: Project, id: str) -> int:
    key = access.create_key(access.of_system(project), name="test", scopes=[Scope.WRITE, Scope.READ])[1]
    return Client().delete(f"/api/generations/{id}", headers={"Authorization": f"Bearer {key}"}).status_code


def by_graphql(project: Project, id: str) -> int:
    key = access.create_key(access.of_system(project), name="test", scopes=[Scope.WRITE, Scope.READ])[1]
    query: Any = {"query": "mutation($id: ID!) { deleteGeneration(id: $id) { id } }", "variables": {"id": id}}
    return (
        Client()
        .post(
            "/graphql/",
            json.dumps(query),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )
        .status_code
    )


def test_files_go_with_their_generation_and_those_of_others_stay(
    project: Project, django_capture_on_commit_callbacks: Any
) -> None:
    other = web.project("Other")
    mine, shared, theirs = kept(project), kept(project), kept(other)
    inside = Media("b" * 64, "image/png", b"pixels")
    attachments.keep(project, [inside])
    digest = attachments.folder(project) + inside.sha256
    call(project, "one", mine, shared, digest, theirs)
    call(project, "two", shared, digest)
    grant = access.of_system(project)

    with django_capture_on_commit_callbacks(execute=True):
        assert removing.erase(grant, "generation", "one")

    assert not default_storage.exists(mine)
    assert all(map(default_storage.exists, (shared, digest, theirs)))
    with django_capture_on_commit_callbacks(execute=True):
        assert removing.erase(grant, "generation", "two")
        assert not removing.erase(grant, "generation", "two")
    assert not any(map(default_storage.exists, (shared, digest)))
    assert default_storage.exists(theirs)
    assert not Attachment.objects.in_project(project.pk).exists()


def test_a_signed_address_is_good_for_a_day_and_for_this_file_alone() -> None:
    address = urlsplit(attachments.path("attachments/1/a", "image/png", "a.png"))
    said = {name: values[0] for name, values in parse_qs(address.query).items()}
    given = ("attachments/1/a", "image/png", "a.png", said["X-Amz-Date"], said["signature"])

    attachments.check(*given)
    for wrong in (
        ("attachments/1/b", *given[1:]),
        (given[0], "text/html", *given[2:]),
        (*given[:2], "b.svg", *given[3:]),
    ):
        with pytest.raises(attachments.BadSignature, match="was not made here"):
            attachments.check(*wrong)
    old = str(int(given[3]) - attachments.READ_SECONDS - 60)
    with pytest.raises(attachments.BadSignature, match="has expired"):
        attachments.check(*given[:3], old, attachments._signature(*given[:3], old))


def test_what_is_held_keeps_its_files_and_what_is_deleted_again_loses_what_is_left(project: Project) -> None:
    key, gone = kept(project), kept(project)
    call(project, "one", key, gone)
    grant = access.of_system(project)
    hold = retention.add_hold(grant, reason="Case 7", kind="generations")

    with pytest.raises(Held, match="Case 7"):
        removing.erase(grant, "generation", "one")

    assert default_storage.exists(key)
    assert Attachment.objects.in_project(project.pk).count() == 2
    retention.release_hold(grant, hold.pk)
    default_storage.delete(gone)  # as by one that was interrupted
    assert removing.erase(grant, "generation", "one")
    assert not default_storage.exists(key)


@pytest.mark.parametrize("door", [by_rest, by_graphql])
def test_every_door_that_deletes_a_generation_deletes_its_files(
    project: Project, door: Any, django_capture_on_commit_callbacks: Any
) -> None:
    key = kept(project)
    call(project, "one", key)

    with django_capture_on_commit_callbacks(execute=True):
        assert door(project, "one") in (200, 204)

    assert not default_storage.exists(key)


@pytest.mark.parametrize("kind", ["step", "thread"])
def test_files_of_all_that_is_in_a_thread_or_step_go_with_it_and_the_audit_keeps_who_deleted_it(
    project: Project, kind: str
) -> None:
    asking = caller("write", project=project)
    keys = [kept(project) for _ in range(3)]
    recording.record(
        project,
        [
            StepRecord(id="step", thread_id="thread", attachments=(AttachmentRecord(id="s", storage_key=keys[0]),)),
            GenerationRecord(id="made", step_id="step", attachments=(AttachmentRecord(id="g", storage_key=keys[1]),)),
            GenerationRecord(id="else", attachments=(AttachmentRecord(id="e", storage_key=keys[2]),)),
        ],
    )

    mutation = f'mutation {{ deleted: delete{kind.title()}(id: "{kind}") {{ id }} }}'
    assert literal.ask(asking, mutation) == {"deleted": {"id": kind}}
    assert literal.ask(asking, mutation) == {"deleted": None}

    assert [default_storage.exists(key) for key in keys] == [False, False, True]
    assert [row.public_id for row in Generation.objects.in_project(project.pk)] == ["else"]
    (entry,) = AuditEntry.objects.filter(project=project, action=f"{kind}.delete")
    assert (entry.subject_id, entry.key) == (kind, ApiKey.objects.get(project=project))


def test_a_file_that_is_in_several_calls_of_one_participant_goes_with_them_unless_somebody_elses_has_it(
    project: Project,
) -> None:
    hers, both = Media("a" * 64, "image/png", b"hers"), Media("b" * 64, "image/png", b"both")
    attachments.keep(project, [hers, both])
    one, two = (attachments.folder(project) + file.sha256 for file in (hers, both))
    for n in range(3):
        call(project, f"hers {n}", one, two, user_id="mia")
    call(project, "his", two, user_id="ben")

    for user, left in (("mia", [False, True]), ("ben", [False, False])):
        tasks.run_job(str(retention.erase(access.of_system(project), user).pk))

        assert [default_storage.exists(key) for key in (one, two)] == left


def test_an_id_with_a_nul_character_is_one_of_nothing(project: Project) -> None:
    assert by_rest(project, "a%00b") == 404
