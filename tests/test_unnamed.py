"""Files that no row names go after two days, in a folder and a bucket; not one that was found here since."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.models.signals import post_delete
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from generations import attachments, retention
from generations.models import AuditEntry, Project
from generations.retention import unnamed
from generations.whole_files import WholeFiles
from tests import buckets
from tests.doors.rest import Caller, caller
from tests.doors.test_langfuse_media import IMAGE, ask, kept, messages, put, upload
from tests.doors.test_otlp import post, span
from tests.test_otlp_media import DIGEST, REFERENCE, URL, genai
from tests.triage import superuser

__all__ = ["superuser"]
pytestmark = pytest.mark.django_db
LONG = dt.timedelta(days=3)


@pytest.fixture(params=["folder", "bucket"])
def aged(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dt.timedelta], None]]:
    """A storage of a test's own, and what lets everything in it be so old."""
    backend: dict[str, Any] = {
        "BACKEND": "generations.whole_files.WholeFiles",
        "OPTIONS": {"location": str(tmp_path)},
    }
    if request.param == "folder":

        def in_folder(age: dt.timedelta) -> None:
            moment = (timezone.now() - age).timestamp()
            for path in tmp_path.rglob("*"):
                if path.is_file():
                    os.utime(path, (moment, moment))

        settings.STORAGES = {**settings.STORAGES, "default": backend}
        yield in_folder
        return
    pytest.importorskip("boto3")

    def in_bucket(age: dt.timedelta) -> None:
        there = buckets.Bucket.objects
        there.update({key: (body, timezone.now() - age) for key, (body, _) in there.items()})

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with buckets.served() as address:
        options = {"bucket_name": buckets.NAME, "endpoint_url": address, "region_name": "eu-west-1"}
        backend = {"BACKEND": "generations.buckets.Bucket", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend}
        yield in_bucket


@pytest.fixture
def api(aged: object) -> Caller:
    made = caller("ingest")
    Project.objects.filter(pk=made.project.pk).update(created_at=timezone.now() - 2 * LONG)
    return made


def forget() -> int:
    return retention.forget_unnamed()


def is_here(project: Project) -> bool:
    return default_storage.exists(attachments.folder(project) + DIGEST)


Aged = Callable[[dt.timedelta], None]


def test_a_file_whose_span_never_came_goes_and_is_asked_for_again(api: Caller, aged: Aged) -> None:
    upload(api)
    given = default_storage.save(attachments.new_key(api.project), ContentFile(b"of Literal's, without a step"))
    aged(LONG / 3)
    assert forget() == 0
    aged(LONG)

    assert forget() == 2

    assert not is_here(api.project)
    assert not default_storage.exists(given)
    assert default_storage.listdir(f"attachments/{api.project.pk}/media")[1] == []
    (entry,) = AuditEntry.objects.filter(project=api.project, action="retention.files")
    assert entry.detail == {"count": 2}
    assert ask(api).json["uploadUrl"]
    assert forget() == 0


def test_what_a_row_names_stays_however_old_it_is(api: Caller, aged: Aged) -> None:
    upload(api)
    post(api, span(1, attributes=genai(IMAGE)))
    aged(LONG)

    assert forget() == 0
    assert is_here(api.project)


def test_what_is_older_than_its_project_is_left(api: Caller, aged: Aged) -> None:
    """Whoever gives a new installation the bucket of an old one has its files in it, and may yet restore the rows."""
    upload(api)
    aged(3 * LONG)

    assert forget() == 0
    assert is_here(api.project)


@pytest.mark.parametrize("how", ["asked", "uploaded", "span", "inside"])
def test_a_file_that_somebody_found_here_stays_from_then_on(api: Caller, aged: Aged, how: str) -> None:
    url = ask(api).json["uploadUrl"]
    upload(api)
    aged(LONG)

    match how:
        case "asked":
            assert ask(api).json["uploadUrl"] is None
        case "uploaded":
            assert put(api, url).status == 200
        case "span":
            assert attachments.placed(api.project, ask(api).json["mediaId"]) is not None
        case "inside":
            post(api, span(2, attributes=genai({"type": "image_url", "image_url": {"url": URL}})))

    assert not attachments.forget(api.project, attachments.folder(api.project) + DIGEST)
    assert forget() == 0
    post(api, span(1, attributes=genai(IMAGE)))
    if how != "inside":
        assert REFERENCE in messages(api.project)
        assert len(kept(api.project)) == 1


@pytest.mark.django_db(transaction=True)
def test_who_asks_while_a_file_is_being_forgotten_is_told_to_upload_it(api: Caller, aged: Aged) -> None:
    upload(api)
    aged(LONG)
    key = attachments.folder(api.project) + DIGEST
    answers: list[Any] = []
    done = threading.Event()

    def client() -> None:
        answers.append(ask(api).json)
        connection.close()
        done.set()

    with attachments.alone(key):
        asking = threading.Thread(target=client)
        asking.start()
        assert not done.wait(0.3)
        default_storage.delete(key)
    asking.join()

    assert answers[0]["uploadUrl"]
    upload(api)
    post(api, span(1, attributes=genai(IMAGE)))
    assert REFERENCE in messages(api.project)


@pytest.fixture
def refused(aged: Aged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What has the storage refuse to make new, or to read, what is in it by now: an archive, or a folder of others."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    def refuse() -> None:
        if buckets.Bucket.objects:
            buckets.Bucket.frozen.update(buckets.Bucket.objects)
        else:
            monkeypatch.setattr(os, "utime", denied)

    buckets.Bucket.objects.clear()
    return refuse


@pytest.mark.parametrize("how", ["asked", "inside", "uploaded", "span"])
def test_what_a_storage_will_not_make_new_fails_no_batch_and_is_not_taken(
    api: Caller, aged: Aged, refused: Callable[[], None], how: str
) -> None:
    url = ask(api).json["uploadUrl"]
    upload(api)
    aged(LONG)
    refused()

    assert forget() == 0
    match how:
        case "asked":
            if again := ask(api).json["uploadUrl"]:
                assert put(api, again).status == 200
            assert ask(api).json["uploadUrl"] is None
        case "uploaded":
            assert put(api, url).status == 200
            assert ask(api).json["uploadUrl"] is None
        case "inside":
            assert post(api, span(2, attributes=genai({"type": "image_url", "image_url": {"url": URL}}))).json == {}
            assert REFERENCE in messages(api.project)
        case "span":
            assert post(api, span(1, attributes=genai(IMAGE))).json == {}

    assert forget() == 0
    assert is_here(api.project)


@pytest.mark.parametrize("aged", ["bucket"], indirect=True)
def test_a_span_waits_for_a_bucket_that_lets_nobody_in(api: Caller, aged: Aged) -> None:
    upload(api)
    buckets.Bucket.closed.add(buckets.NAME)

    assert post(api, span(1, attributes=genai(IMAGE))).status == 503

    buckets.Bucket.closed.clear()
    assert post(api, span(1, attributes=genai(IMAGE))).json == {}
    assert REFERENCE in messages(api.project)


@pytest.mark.parametrize("aged", ["bucket"], indirect=True)
def test_nobody_is_told_of_a_file_that_could_not_be_made_new_for_a_moment(
    api: Caller, aged: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    upload(api)
    aged(LONG)
    with monkeypatch.context() as moment:
        moment.setattr(buckets.Bucket, "do_PUT", lambda handler: handler.send_error(503))

        assert ask(api).status == 503

    assert forget() == 1
    assert ask(api).json["uploadUrl"]


@pytest.mark.django_db(transaction=True)
def test_of_a_file_to_come_nobody_waits(api: Caller) -> None:
    answers: list[Any] = []

    def client() -> None:
        answers.append(post(api, span(1, attributes=genai({"type": "image_url", "image_url": {"url": URL}}))).json)
        connection.close()

    with attachments.alone(attachments.folder(api.project) + DIGEST):
        sending = threading.Thread(target=client)
        sending.start()
        sending.join(120)
        assert answers == [{}]
    sending.join()


@pytest.mark.django_db(transaction=True)
def test_a_file_is_made_new_once_and_who_waits_for_that_is_not_refused(api: Caller, aged: Aged) -> None:
    upload(api)
    aged(LONG)
    key = attachments.folder(api.project) + DIGEST
    answers: list[Any] = []

    def client() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10ms'")
            answers.append(attachments.seen(key))
            with attachments.alone(key):
                cursor.execute("SHOW lock_timeout")
                answers.append(cursor.fetchone())
        connection.close()

    storage: Any = default_storage
    buckets.Bucket.copied.clear()
    with attachments.alone(key):
        asking = threading.Thread(target=client)
        asking.start()
        asking.join(0.5)
        storage.renew(key)
    asking.join()

    assert answers == [True, ("10ms",)]
    assert buckets.Bucket.copied in ([], [key])


def test_a_turn_ends_in_time_whatever_there_is_to_do(api: Caller, aged: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        default_storage.save(attachments.new_key(api.project), ContentFile(b"%d" % number))
    aged(LONG)
    with monkeypatch.context() as patched:
        clock = itertools.count(0, 10)
        patched.setattr(unnamed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        first = forget()
    assert 0 < first < 5

    assert forget() == 9 - first
    entries = AuditEntry.objects.filter(action="retention.files")
    assert sum(entries.values_list("detail__count", flat=True)) == 9


def test_a_folder_of_many_files_is_listed_without_holding_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "attachments" / "1" / "sha256"
    folder.mkdir(parents=True)
    for number in range(4_000):
        (folder / f"{number:064}").touch()
    (tmp_path / "attachments" / "1" / "given").touch()
    storage = WholeFiles(location=str(tmp_path))

    tracemalloc.start()
    try:
        number = sum(1 for _ in storage.listed("attachments/1/"))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert number == 4_001
    assert most < 100_000
    middle = f"attachments/1/sha256/{2_000:064}"
    assert sum(1 for _ in storage.listed("attachments/1/", after=middle)) == 1_999
    assert sum(1 for _ in storage.listed("attachments/1/", until=middle)) == 2_002
    assert list(storage.listed("attachments/2/")) == []


class Guarded(WholeFiles):
    """A folder from which one file of a project goes, and no other."""

    project = 0
    gone: ClassVar[list[str]] = []

    def delete(self, name: str) -> None:
        if name.startswith(f"attachments/{self.project}/") and "/media/" not in name:
            if self.gone:
                raise PermissionError(1, "Operation not permitted")
            self.gone.append(name)
        super().delete(name)


@pytest.mark.parametrize("aged", ["folder"], indirect=True)
def test_a_file_that_cannot_be_removed_hides_neither_what_went_nor_other_projects(
    api: Caller, aged: Aged, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [caller("ingest") for _ in range(4)]
    Project.objects.update(created_at=timezone.now() - 2 * LONG)
    for one in [api, *others]:
        upload(one)
    default_storage.save(attachments.new_key(api.project), ContentFile(b"of Literal's, without a step"))
    backend = {**settings.STORAGES["default"], "BACKEND": f"{__name__}.Guarded"}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    monkeypatch.setattr(Guarded, "project", api.project.pk)
    monkeypatch.setattr(Guarded, "gone", [])
    aged(LONG)

    assert forget() == 5

    told = AuditEntry.objects.filter(action="retention.files").values_list("project", "detail__count")
    assert sorted(told) == [(project, 1) for project in sorted(one.project.pk for one in [api, *others])]


@pytest.mark.parametrize("fails", [False, True])
def test_files_of_a_project_go_with_it_and_not_before(
    api: Caller, aged: Aged, superuser: Any, fails: bool, django_capture_on_commit_callbacks: Any
) -> None:
    upload(api)
    other = caller("ingest")
    upload(other)
    api.project.keys.update(revoked_at=timezone.now())
    client = Client()
    client.force_login(superuser)

    def at_last(**_: object) -> None:
        if fails:
            raise OperationalError("The connection is lost.")

    post_delete.connect(at_last, sender=Project)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            client.post(reverse("admin:generations_project_delete", args=[api.project.pk]), {"post": "yes"})
    finally:
        post_delete.disconnect(at_last, sender=Project)

    assert Project.objects.filter(pk=api.project.pk).exists() == fails
    assert is_here(api.project) == fails
    assert is_here(other.project)
