"""The client where the network is at its worst: a server that is away, busy, slow, cut off, or not there at all."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from generations.client import Generations, GenerationsError, Unreachable
from generations.client.connection import wait_before
from tests.scripted import Answer, Scripted
from tests.stack import free_port

ROOT = Path(__file__).resolve().parent.parent


def found(*ids: str) -> Answer:
    answer = {"data": [{"id": id} for id in ids], "page": {"next": None}}
    return 200, {}, json.dumps(answer).encode()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.client.connection.FIRST_WAIT", 0.02)
    monkeypatch.setattr("generations.client.outbox.LINGER", 0.05)


def client_of(server: Scripted, **options: Any) -> Generations:
    return Generations(server.url, "gen_key", **{"timeout": 60.0, **options})


# -------------------------------------------------------------------------------------------------------- patience
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_question_is_asked_again_while_the_server_is_busy(server: Scripted, status: int) -> None:
    server.script = [(status, {}, b"busy"), (status, {}, b"busy"), found("g1")]

    assert [g["id"] for g in client_of(server).find()] == ["g1"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(server: Scripted, form: str) -> None:
    def answer(method: str, path: str, body: bytes) -> Answer:
        # A date has whole seconds: two from now are at least one.
        until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        busy = 503, {"Retry-After": "1" if form == "seconds" else until}, b""
        return found() if len(server.requests) > 1 else busy

    server.answer = answer

    list(client_of(server).find())

    assert server.times[1] - server.times[0] >= 0.9


def test_a_refusal_is_not_repeated(server: Scripted) -> None:
    error = {"error": {"code": "bad_filter", "message": "No.", "field": "model.idd"}}
    server.script = [(400, {}, json.dumps(error).encode())]

    with pytest.raises(GenerationsError, match=r"No\.") as refusal:
        client_of(server).aggregate([])

    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (400, "bad_filter", "model.idd")
    assert len(server.requests) == 1


def test_nobody_there_is_said_after_the_attempts() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(Unreachable, match=f"No answer from {url}") as problem:
        Generations(url, "k", attempts=2).aggregate([])

    assert not problem.value.was_sent


def test_starting_an_export_is_not_repeated_once_it_may_have_arrived(server: Scripted, tmp_path: Path) -> None:
    server.script = [(502, {}, b"")]

    with pytest.raises(GenerationsError):
        client_of(server).export(to=tmp_path / "x.jsonl")

    assert len(server.requests) == 1


def test_something_else_than_the_server_is_recognised(server: Scripted) -> None:
    server.script = [(200, {}, b"<html>Welcome to nginx!</html>")]

    with pytest.raises(GenerationsError, match="something other than JSON"):
        list(client_of(server).find())


def test_waits_grow_and_are_scattered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.client.connection.FIRST_WAIT", 0.5)

    waits = [[wait_before(attempt) for _ in range(50)] for attempt in (1, 2, 3, 20)]

    for longest, some in zip((0.5, 1, 2, 30), waits, strict=True):
        assert all(longest / 2 <= wait <= longest for wait in some)
        assert len(set(some)) > 10


# ------------------------------------------------------------------------------------------------------- the queue
def test_recording_neither_waits_nor_fails_while_the_server_is_away(caplog: pytest.LogCaptureFixture) -> None:
    client = Generations(f"http://127.0.0.1:{free_port()}", "k")

    began = time.monotonic()
    for _ in range(200):
        client.create(model="gpt-4", prompt="x")
    took = time.monotonic() - began

    assert took < 4
    assert not client.flush(0.3)
    with caplog.at_level(logging.ERROR):
        client.close(0.2)
    assert "200 generations could not be sent in 0.2 s and are lost." in caplog.messages


def test_a_batch_that_was_not_answered_is_sent_again_with_the_same_ids(server: Scripted) -> None:
    server.script = [(503, {}, b""), (504, {}, b"")]
    client = client_of(server)

    ids = client.create_many([{"prompt": "a"}, {"prompt": "b"}])

    assert client.flush(60)
    assert server.lines() == ids * 3
    assert len(set(ids)) == 2


def test_a_batch_whose_answer_was_cut_off_is_sent_again(server: Scripted) -> None:
    server.cut_after = 5
    client = client_of(server)

    id = client.create(prompt="a")

    assert client.flush(60)
    assert server.lines() == [id, id]


def test_a_full_queue_drops_counts_and_says_so_once(server: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    server.delay = 0.5
    client = client_of(server, max_queued=5)

    with caplog.at_level(logging.WARNING):
        client.create_many({"prompt": str(n)} for n in range(12))

    assert client.dropped == 7
    assert len([m for m in caplog.messages if "queue is full" in m]) == 1
    assert client.flush(60)
    assert len(server.lines()) == 5


def test_bytes_are_bounded_too(server: Scripted) -> None:
    server.delay = 0.3
    client = client_of(server, max_queued_bytes=10_000)

    client.create_many({"prompt": "x" * 3_000} for _ in range(5))

    assert client.dropped == 2
    assert client.flush(60)


def test_a_batch_that_is_too_large_is_halved(server: Scripted) -> None:
    server.script = [(413, {}, b"")]
    client = client_of(server)

    ids = client.create_many({"prompt": str(n)} for n in range(4))

    assert client.flush(60)
    assert server.lines() == [*ids, *ids[:2], *ids[2:]]


def test_a_wrong_key_rejects_and_does_not_loop(server: Scripted) -> None:
    error = json.dumps({"error": {"code": "not_authenticated", "message": "Unknown key."}}).encode()
    server.answer = lambda method, path, body: (401, {}, error)
    client = client_of(server)

    id = client.create(prompt="x")

    assert client.flush(60)
    assert len(server.requests) == 1
    assert [(r.id, r.reason, r.code) for r in client.rejected] == [(id, "Unknown key.", "not_authenticated")]


def test_an_answer_without_receipts_loses_no_thread(server: Scripted) -> None:
    server.script = [(200, {}, b"[]"), (200, {}, b"hello")]
    client = client_of(server)

    first = client.create(prompt="x")
    assert client.flush(60)
    second = client.create(prompt="x")
    assert client.flush(60)
    third = client.create(prompt="x")

    assert client.flush(60)
    assert [r.id for r in client.rejected] == [first, second]
    assert server.lines()[-1] == third


def test_large_bodies_are_packed_and_small_ones_are_not(server: Scripted) -> None:
    client = client_of(server)

    client.create(prompt="x")
    client.flush()
    client.create(prompt="x" * 5_000)
    client.flush()

    encodings = [headers.get("Content-Encoding") for _, _, headers, _ in server.requests]
    lengths = [int(headers["Content-Length"]) for _, _, headers, _ in server.requests]
    assert encodings == [None, "gzip"]
    assert lengths[1] < 300


def test_leaving_the_block_delivers_what_was_queued_as_it_was_then(server: Scripted) -> None:
    document: dict[str, Any] = {"id": "g1", "metadata": {"step": 1}}

    with client_of(server) as client:
        client.create(document)
        document["metadata"]["step"] = 2

    assert json.loads(server.requests[0][3])["metadata"] == {"step": 1}


def test_many_threads_may_record_at_once(server: Scripted) -> None:
    client = client_of(server)
    ids: list[str] = []

    def work() -> None:
        ids.extend(client.create(prompt=str(n)) for n in range(100))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client.flush(60)
    assert sorted(server.lines()) == sorted(ids)
    assert len(set(ids)) == 800


def test_a_child_after_a_fork_sends_its_own_and_not_its_parents(server: Scripted) -> None:
    client = client_of(server)
    client.create(id="warm", prompt="x")
    assert client.flush(60)
    client.create(id="parents", prompt="x")

    child = os.fork()
    if child == 0:
        try:
            client.create(id="childs", prompt="x")
            os._exit(0 if client.flush(60) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert client.flush(60)
    assert sorted(server.lines()) == ["childs", "parents", "warm"]


def test_where_no_thread_can_be_started_flushing_sends_by_itself(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    client = client_of(server)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        id = client.create(prompt="x")

    monkeypatch.setattr(client._outbox, "_start", lambda: None)
    assert client.flush(60)
    assert server.lines() == [id]


def test_a_stranger_that_answers_404_is_not_taken_for_the_server(server: Scripted) -> None:
    server.script = [(404, {}, b"<h1>Not Found</h1>")]

    with pytest.raises(GenerationsError) as problem:
        client_of(server).get("g1")

    assert problem.value.status == 404


# ------------------------------------------------------------------------------------------------------- processes
def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_program_that_just_ends_has_delivered(server: Scripted) -> None:
    done = run(
        "from generations.client import Generations\nGenerations().create(id='last', prompt='x')",
        GENERATIONS_URL=server.url,
        GENERATIONS_API_KEY="k",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert server.lines() == ["last"]


def test_importing_it_loads_neither_django_nor_httpx() -> None:
    done = run(
        """
        import sys
        from generations.client import Generations
        Generations("http://localhost:1", "k")
        print([name for name in ("django", "httpx", "uuid6", "orjson", "psycopg") if name in sys.modules])
        """
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_no_key_is_said_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENERATIONS_API_KEY", raising=False)

    with pytest.raises(ValueError, match="set GENERATIONS_API_KEY"):
        Generations("http://localhost:1")
    with pytest.raises(ValueError, match="expected http://"):
        Generations("localhost", "k")


# --------------------------------------------------------------------------------------------------------- exports
def test_a_download_goes_on_where_it_broke_off(server: Scripted, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    digest = hashlib.sha256(content).hexdigest()
    done = {"id": "j1", "state": "done", "download": "/file", "result": {"bytes": len(content), "sha256": digest}}

    def answer(method: str, path: str, body: bytes) -> Answer:
        if path == "/file":
            asked = server.requests[-1][2].get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if not start:
                server.cut_after = 100_000
            return (206 if start else 200), {"ETag": f'"{digest}"'}, content[start:]
        return 200, {}, json.dumps({**done, "state": "running"} if len(server.requests) < 3 else done).encode()

    server.answer = answer

    path = client_of(server).export("jsonl", to=tmp_path / "out.jsonl")

    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]
    first, second = (headers for _, path, headers, _ in server.requests if path == "/file")
    assert "Range" not in first
    assert second["Range"].startswith("bytes=")
    assert second["If-Range"] == f'"{digest}"'


def test_a_failed_export_says_why_and_leaves_no_file(server: Scripted, tmp_path: Path) -> None:
    job = {"id": "j1", "state": "failed", "error": "The disk is full."}
    server.answer = lambda method, path, body: (200, {}, json.dumps(job).encode())

    with pytest.raises(GenerationsError, match=r"The export has failed\. The disk is full\."):
        client_of(server).export(to=tmp_path / "out.jsonl")

    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_is_thrown_away(server: Scripted, tmp_path: Path) -> None:
    job = {"id": "j1", "state": "done", "download": "/file", "result": {"bytes": 3, "sha256": "0" * 64}}
    server.answer = lambda method, path, body: (200, {}, b"abc" if path == "/file" else json.dumps(job).encode())

    with pytest.raises(GenerationsError, match="arrived damaged"):
        client_of(server).export(to=tmp_path / "out.jsonl")

    assert list(tmp_path.iterdir()) == []
