"""The bytes of a file live as long as something refers to them: with the last generation that does, they go."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from generations import access, attachments, recording
from generations.access import Scope
from generations.ingest.media import Media
from generations.models import Attachment, Project
from generations.records import AttachmentRecord, GenerationRecord
from tests import web
from tests.web import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return web.project()


def call(project: Project, id: str, *keys: str) -> None:
    files = tuple(AttachmentRecord(id=f"{id}-{n}", storage_key=key) for n, key in enumerate(keys))
    record = GenerationRecord(id=id, started_at=NOON, prompt="x", attachments=files)
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
        assert attachments.erase(grant, "generation", "one")

    assert not default_storage.exists(mine)
    assert all(map(default_storage.exists, (shared, digest, theirs)))
    with django_capture_on_commit_callbacks(execute=True):
        assert attachments.erase(grant, "generation", "two")
        assert not attachments.erase(grant, "generation", "two")
    assert not any(map(default_storage.exists, (shared, digest)))
    assert default_storage.exists(theirs)
    assert not Attachment.objects.in_project(project.pk).exists()


def test_what_is_not_deleted_after_all_keeps_its_files(project: Project) -> None:
    from django.db import transaction

    key = kept(project)
    call(project, "one", key)

    with pytest.raises(RuntimeError), transaction.atomic():
        attachments.erase(access.of_system(project), "generation", "one")
        raise RuntimeError

    assert default_storage.exists(key)
    assert Attachment.objects.in_project(project.pk).count() == 1


@pytest.mark.parametrize("door", [by_rest, by_graphql])
def test_every_door_that_deletes_a_generation_deletes_its_files(
    project: Project, door: Any, django_capture_on_commit_callbacks: Any
) -> None:
    key = kept(project)
    call(project, "one", key)

    with django_capture_on_commit_callbacks(execute=True):
        assert door(project, "one") in (200, 204)

    assert not default_storage.exists(key)
