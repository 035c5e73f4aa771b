"""What goes wrong with a running copy: a full disk, a lock that is held, a thousand writers of one id."""

import asyncio
import errno
import os
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from generations.management import embedded
from generations.recording import locking
from tests.stack import Stack

pytestmark = pytest.mark.slow


def wait_for(condition: Callable[[], bool], within: float = 120) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)


def fill(ballast: Path, left: int) -> None:
    """Leave so many bytes of the disk that the file is on."""
    with ballast.open("wb") as file:
        while True:
            status = os.statvfs(ballast.parent)
            if (more := status.f_bavail * status.f_frsize - left) <= 0:
                return
            try:
                os.posix_fallocate(file.fileno(), 0, more)
            except OSError as error:
                # The copy has taken some of it since it was asked how much there is.
                if error.errno != errno.ENOSPC:
                    raise
            else:
                return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("A FULL DISK IS NOT TESTED: a file system of its own cannot be mounted here (root can)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="an outside server has a disk of its own")
def test_a_full_disk_is_said_nothing_acknowledged_is_lost_and_it_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    stack = Stack(small_disk / "data")
    stack.log = tmp_path / "log"
    acknowledged: list[str] = []
    answers: Counter[int] = Counter()
    told: list[str] = []
    try:
        stack.start(within=120)
        ballast = small_disk / "ballast"
        fill(ballast, 24 * 2**20)
        with stack.client() as client:
            for number in range(600):
                # Nothing that packs well.
                text = "".join(uuid.uuid4().hex for _ in range(8000))
                answer = client.post("/api/generations", json={"id": f"g{number}", "output": {"content": text}})
                answers[answer.status_code] += 1
                if answer.status_code == 201:
                    acknowledged.append(f"g{number}")
                elif answers[503] > 12:
                    break
                else:
                    assert int(answer.headers["Retry-After"]) > 0
                    told.append(answer.json()["error"]["message"])
            ballast.unlink()
            wait_for(lambda: client.post("/api/generations", json={"id": "after"}).is_success)
            stack.wait_until_ready(120)
        with psycopg.connect(embedded.url(stack.data_dir)) as connection:
            kept = {row[0] for row in connection.execute("SELECT public_id FROM generation").fetchall()}
    finally:
        stack.discard()

    assert set(answers) == {201, 503}, (answers, told)
    assert any("disk is full" in one or "database" in one for one in told), told
    assert acknowledged
    assert set(acknowledged) - kept == set()


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="an outside server has a disk of its own")
def test_whoever_is_started_again_on_a_full_disk_answers_all_the_same(small_disk: Path, tmp_path: Path) -> None:
    stack = Stack(small_disk / "data")
    stack.log = tmp_path / "log"
    answers: Counter[int] = Counter()
    try:
        stack.start(within=120)
        ballast = small_disk / "ballast"
        fill(ballast, 0)
        pids = {name: stack.pid_of(name) for name in (": web 1", ": worker", ": beat")}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: any(": web 1" in line for pid, line in stack.processes().items() if pid not in pids.values()))
        with stack.client() as client:
            for _ in range(20):
                answers[client.get("/api/generations").status_code] += 1
                answers[client.post("/api/generations", json={"output": {"content": "x" * 9000}}).status_code] += 1
                answers[client.get("/metrics").status_code] += 1
            ballast.unlink()
            stack.wait_until_ready(120)
            job = client.post("/api/generations/export", json={"format": "jsonl"}).json()["id"]
            wait_for(lambda: client.get(f"/api/exports/{job}").json()["state"] == "done")
    finally:
        stack.discard()

    assert set(answers) <= {200, 201, 503}, answers
    assert stack.output().count("web 1 of 2 ended") == 1 and "web 2 of 2 ended" not in stack.output(), stack.output()


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="an outside server is started by others")
def test_a_part_that_ends_while_the_database_cannot_start_is_started_again(stack: Stack) -> None:
    stack.start()
    control = stack.data_dir / "postgres" / "global" / "pg_control"
    aside = control.with_name("pg_control.aside")
    control.rename(aside)
    os.kill(stack.pid_of("bin/postgres"), signal.SIGKILL)
    wait_for(lambda: "PostgreSQL ended and is started again" in stack.output())

    before = {words: stack.pid_of(words) for words in (": web 1", ": worker")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    for words, pid in before.items():
        wait_for(lambda w=words, p=pid: any(w in c and n != p for n, c in stack.processes().items()))  # type: ignore[misc]
    wait_for(lambda: httpx.get(f"{stack.url}/healthz", timeout=60).status_code == 503)
    aside.rename(control)

    stack.wait_until_ready()


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="the database of a copy is not known here")
def test_who_finds_a_project_locked_is_told_to_come_again_and_not_kept(live_stack: Stack) -> None:
    live_stack.wait_until_ready()
    with live_stack.client() as client, psycopg.connect(embedded.url(live_stack.data_dir)) as other:
        project = other.execute("SELECT id FROM project WHERE slug = 'default'").fetchone()
        assert project is not None
        locking.lock(other, project[0])

        kept = client.post("/api/generations", json={"id": "locked"})
        other.rollback()
        free = client.post("/api/generations", json={"id": "locked"})

    assert (kept.status_code, kept.headers["Retry-After"]) == (503, "1")
    assert kept.json()["error"]["code"] == "busy"
    assert free.status_code == 201


def test_a_thousand_writers_of_one_id_are_all_heard(live_stack: Stack) -> None:
    number = 1000
    id = f"one-{uuid.uuid4().hex}"
    answers: Counter[int] = Counter()

    async def write(client: httpx.AsyncClient, n: int) -> None:
        while True:
            answer = await client.post("/api/generations", json={"id": id, "metadata": {f"k{n}": n}})
            answers[answer.status_code] += 1
            if answer.status_code != 503:
                return
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    async def all_at_once() -> None:
        limits = httpx.Limits(max_connections=number)
        headers = {"Authorization": f"Bearer {live_stack.api_key}"}
        async with httpx.AsyncClient(base_url=live_stack.url, headers=headers, limits=limits, timeout=300) as client:
            await asyncio.gather(*(write(client, n) for n in range(number)))

    live_stack.wait_until_ready()
    asyncio.run(all_at_once())

    with live_stack.client() as client:
        found = client.get(f"/api/generations/{id}").json()
    assert answers[201] == 1
    assert answers[201] + answers[200] == number
    assert set(answers) <= {200, 201, 503}
    assert {name: value for name, value in found["metadata"].items() if name.startswith("k")} == {
        f"k{n}": n for n in range(number)
    }
