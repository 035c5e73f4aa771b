"""A file whose last row is removed while somebody stores another row that names it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from generations import attachments
from generations.ingest.media import Media
from generations.models import Attachment, Project
from generations.retention import removing
from generations.whole_files import WholeFiles
from tests.doors.rest import Caller, caller
from tests.doors.test_langfuse_media import IMAGE, ask, put, upload
from tests.doors.test_otlp import post, span
from tests.test_otlp_media import DIGEST, URL, genai

pytestmark = pytest.mark.django_db(transaction=True)
INSIDE = {"type": "image_url", "image_url": {"url": URL}}


class Slow(WholeFiles):
    """A folder far away, which takes its time to delete."""

    asked: ClassVar[threading.Event] = threading.Event()
    may: ClassVar[threading.Event] = threading.Event()

    def delete(self, name: str) -> None:
        if name.endswith(DIGEST):
            self.asked.set()
            assert self.may.wait(240)
        super().delete(name)


@pytest.fixture
def slow(settings: Settings, tmp_path: Path) -> Iterator[None]:
    backend: dict[str, Any] = {"BACKEND": f"{__name__}.Slow", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    Slow.asked.clear()
    Slow.may.clear()
    yield
    Slow.may.set()


@pytest.fixture
def api(slow: None) -> Caller:
    return caller("ingest")


def alongside(work: Callable[[], Any]) -> threading.Thread:
    """Somebody else, with a connection of their own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def rows(project: Project, **given: Any) -> list[Attachment]:
    return list(Attachment.objects.in_project(project.pk).filter(**given))


def remover(project: Project, step: str) -> threading.Thread:
    """Who removes the step's file as its last row, and has looked for others, and found none."""
    ids = [row.public_id for row in rows(project, generation_id=step)]
    assert len(ids) == 1
    thread = alongside(lambda: removing.remove(project, "attachment", ids))
    assert Slow.asked.wait(240)
    return thread


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def first(api: Caller) -> str:
    """A call with the file, and its id."""
    post(api, span(1, attributes=genai(INSIDE)))
    (row,) = rows(api.project)
    return str(row.generation_id)


@pytest.mark.parametrize("how", ["inside", "uploaded"])
def test_a_file_is_there_for_a_row_that_came_while_the_last_one_was_removed(api: Caller, how: str) -> None:
    kept = first(api)
    url = ask(api, observationId=f"{2:016x}").json["uploadUrl"]
    if how == "uploaded":
        post(api, span(2, attributes=genai(IMAGE)))
    answers: list[int] = []

    def send() -> None:
        if how == "inside":
            answers.append(post(api, span(2, attributes=genai(INSIDE))).status)
        else:
            answers.append(put(api, url).status)

    removing_ = remover(api.project, kept)
    sending = alongside(send)
    wait_for(lambda: len(rows(api.project)) == 2)
    Slow.may.set()
    removing_.join(240)
    sending.join(240)

    assert answers == [200]
    assert default_storage.exists(attachments.folder(api.project) + DIGEST)


def test_who_asks_for_a_file_while_its_last_row_is_removed_is_told_to_upload_it(api: Caller) -> None:
    upload(api)
    post(api, span(1, attributes=genai(IMAGE)))
    (row,) = rows(api.project)
    said: list[Any] = []
    removing_ = remover(api.project, str(row.generation_id))
    # What tells of the file goes first; it is told again as if this had come before.
    attachments.place(api.project, Media(DIGEST, "image/png", b"x"))

    asking = alongside(lambda: said.append(ask(api, observationId=f"{2:016x}").json["uploadUrl"]))
    asking.join(0.5)
    assert said == []
    Slow.may.set()
    removing_.join(240)
    asking.join(240)

    assert said
    assert said[0]


def test_the_lock_of_a_file_is_let_go_before_others_are_waited_for(api: Caller) -> None:
    """Who removes it waits for the writers' lock next, which somebody may have who waits for this one."""
    kept = first(api)
    (row,) = rows(api.project, generation_id=kept)
    Slow.may.set()
    seen: list[list[str]] = []
    key = attachments.folder(api.project) + DIGEST

    with transaction.atomic():
        attachments.delete(row, Attachment.objects.in_project(api.project.pk).exclude(pk=row.pk))
        asking = alongside(lambda: seen.append(attachments.have_gone([key])))
        asking.join(120)
        assert seen == [[key]]
