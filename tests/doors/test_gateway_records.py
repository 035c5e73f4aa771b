"""The gateway's records: they survive a killed server and an absent database, and stop no answer."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from generations import access, providers, recording
from generations.gateway import journal, routes, views
from generations.models import Generation, IngestReject
from tests.doors.gateway import (
    CHAT,
    EVENTS,
    STREAM,
    all_recorded,
    api,
    call,
    completion,
    content,
    go_away,
    provider,
    read_until,
    recorded,
)
from tests.doors.rest import Caller
from tests.scripted import Scripted

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db


def test_what_a_killed_process_left_is_recorded_as_far_as_it_came(
    api: Caller, provider: Scripted, tmp_path: Path
) -> None:
    provider.script = [(200, EVENTS, STREAM)]
    provider.pause = 0.02
    response = call(api, {**CHAT, "stream": True})
    read_until(iter(response.streaming_content), b"Hel")
    (held,) = journal.folder().iterdir()
    # As it would lie there: without its owner, and broken off within a frame.
    left = journal.folder() / "left-behind"
    shutil.copy(held, left)
    left.write_bytes(left.read_bytes() + b"D\x00\x00")
    held_before = journal.sweep()
    (row,) = Generation.objects.in_project(api.project.pk)
    go_away(response)

    assert held_before == 1
    assert not left.exists()
    assert row.error == "Nobody saw the end of the answer: the server was stopped."
    # The call itself was still under way: its file was left alone, and its end completes the record.
    assert recorded(api).record.error == "The client went away."


def test_a_disk_that_takes_nothing_leaves_the_answer_as_it_is(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("generations.gateway.journal.os.write", full)

    assert content(call(api)) == completion()
    assert all_recorded(api) == []


def test_what_cannot_be_recorded_stands_on_the_page_of_what_comes_in(api: Caller) -> None:
    deep: Any = "leaf"
    for _ in range(240):
        deep = {"a": deep}

    content(call(api, {**CHAT, "metadata": {"deep": deep}}))

    kept = IngestReject.objects.filter(project=api.project).count()
    assert len(all_recorded(api)) + IngestReject.objects.filter(project=api.project).count() - kept == 1


def test_more_than_there_is_room_for_is_503(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_streams", threading.BoundedSemaphore(1))
    views._streams.acquire()
    response = call(api)
    views._streams.release()

    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert content(call(api)) == completion()


def test_a_key_that_was_good_passes_while_the_database_is_away(
    api: Caller, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    content(call(api))

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(views, "KNOWN_FOR", -1.0)
        patch.setattr(routes, "KNOWN_FOR", -1.0)
        patch.setattr(access, "by_key", away)
        patch.setattr(providers, "opened", away)
        patch.setattr(recording, "record", away)
        assert content(call(api)) == completion()
        journal.record_ended()
        assert journal.record_ended() is False
        assert len(list(journal.folder().iterdir())) == 2
    assert journal.sweep() == 2

    assert len(all_recorded(api)) == 2


def test_the_file_of_a_call_that_has_just_begun_is_left_to_it() -> None:
    """Between its making and its lock another process may come by."""
    journal.folder().mkdir(parents=True, exist_ok=True)
    path = journal.folder() / "begun"
    path.touch()

    journal.sweep()

    assert path.exists()
    os.utime(path, (time.time() - journal.BEGINS_SECONDS - 1,) * 2)
    journal.sweep()
    assert not path.exists()
