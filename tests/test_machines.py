"""Several machines: one runs web, another the worker, on one PostgreSQL and one broker; and what each does alone."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
import redis

from generations.management import embedded
from tests.stack import ROOT, Stack, free_port

pytestmark = pytest.mark.slow


@dataclass
class Broker:
    """A Redis that can go and come back."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and return when it answers."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        wait_for(lambda: b"PONG" in _said(self.port))

    def waiting(self, queue: str) -> int:
        """How many messages nobody has taken."""
        with redis.Redis(port=self.port) as asked:
            return int(asked.llen(queue))

    def stop(self) -> None:
        """Be gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _said(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(100)
    except OSError:
        return b""


@dataclass
class Machines:
    """Two machines, and what they share."""

    web: Stack
    worker: Stack
    server: embedded.Server
    broker: Broker


def wait_for(condition: Callable[[], Any], within: float = 120) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    if shutil.which("redis-server") is None:
        pytest.skip("SEVERAL MACHINES ARE NOT TESTED: redis-server is not installed (apt-get install redis-server)")
    folder = tmp_path_factory.mktemp("machines")
    broker = Broker(free_port(), folder)
    server = embedded.Server(folder / "database", log_mb=32)
    stacks: list[Stack] = []
    with contextlib.ExitStack() as ending:
        server.start()
        ending.callback(server.stop)
        broker.start()
        ending.callback(broker.stop)
        shared = {"DATABASE_URL": server.url, "CELERY_BROKER_URL": broker.url, "SECRET_KEY": "of all machines " * 4}
        for name in ("web", "worker"):
            # The files are shared as well: by a bucket, or by a folder that both have mounted.
            (folder / name).mkdir()
            (folder / "files").mkdir(exist_ok=True)
            (folder / name / "media").symlink_to(folder / "files")
            stacks.append(Stack(folder / name, port=free_port(), **shared))
            ending.callback(stacks[-1].discard)
        web, worker = stacks
        web.start("--only=web", within=120)
        worker.launch("--only=worker", "--only=beat")
        wait_for(lambda: "is ready after" in worker.output())
        yield Machines(web, worker, server, broker)


def names(stack: Stack) -> list[str]:
    """The parts that run there."""
    words = {"web": ": web", "worker": ": worker", "beat": ": beat", "db": "bin/postgres"}
    return [name for name, word in words.items() if any(word in line for line in stack.processes().values())]


def export(client: httpx.Client, format: str = "jsonl") -> str:
    """Ask for everything as a file; the id of the job."""
    answer = client.post("/api/generations/export", json={"format": format})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def is_done(client: httpx.Client, job: str) -> bool:
    answer = client.get(f"/api/exports/{job}")
    return answer.status_code == 200 and answer.json()["state"] == "done"


def test_each_machine_runs_its_part_and_one_does_what_the_other_was_asked_for(machines: Machines) -> None:
    assert (names(machines.web), names(machines.worker)) == (["web"], ["worker", "beat"])
    assert "Sign in at" in machines.web.output() + machines.worker.output()
    with machines.web.client() as client:
        client.post("/api/generations", json={"id": "one", "output": {"content": "Hello"}}).raise_for_status()
        job = export(client)
        wait_for(lambda: is_done(client, job))
        content = client.get(f"/api/exports/{job}/download", follow_redirects=True)

        assert '"id":"one"' in content.text.replace(" ", "")
        assert set(client.get("/healthz").json()["parts"]) == {"web", "database", "migrations"}


def test_another_copy_on_the_same_broker_has_a_queue_of_its_own(machines: Machines) -> None:
    """What one asks for would otherwise be taken by the worker of the other, which knows no such job."""
    asked = "from observability.celery import app, scheduler; app.send_task('generations.tasks.sweep')\n"
    told = "names = {one.amqp.default_queue.name for one in (app, scheduler)}; assert len(names) == 1; print(*names)"
    queues = []
    for stack, key in ((machines.web, ""), (machines.worker, ""), (machines.web, "of the other copy " * 4)):
        environment = stack.environment() | ({"SECRET_KEY": key} if key else {})
        done = subprocess.run(
            [sys.executable, "-c", asked + told], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        queues.append(done.stdout.strip())

    ours, also_ours, theirs = queues
    assert ours == also_ours != theirs
    wait_for(lambda: machines.broker.waiting(ours) == 0)
    assert machines.broker.waiting(theirs) == 1


def test_without_the_broker_writes_go_on_and_what_waited_is_done_when_it_is_back(machines: Machines) -> None:
    with machines.web.client() as client:
        machines.broker.stop()
        try:
            for number in range(5):
                answer = client.post("/api/generations", json={"id": f"without-{number}"})
                assert answer.status_code == 201, answer.text
            logged = client.post(
                "/api/v1/logging/openai/completions",
                json={
                    "application": "without",
                    "api_request": {"model": "m", "prompt": "Hi"},
                    "api_response": {"id": "r", "choices": [{"text": "Hello", "index": 0}]},
                },
            )
            assert logged.status_code == 200, logged.text
            found = [export(client), export(client, "parquet")]
            assert {client.get(f"/api/exports/{job}").json()["state"] for job in found} == {"queued"}
        finally:
            machines.broker.start()

        wait_for(lambda: all(is_done(client, job) for job in found))
        content = client.get(f"/api/exports/{found[1]}/download", follow_redirects=True).content
        table = pq.read_table(io.BytesIO(content))
        assert {f"without-{number}" for number in range(5)} <= set(table["id"].to_pylist())
        assert "Hello" in table["completion"].to_pylist()


DOORS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "write": lambda client: client.post("/api/generations", json={"id": "never"}),
    "read": lambda client: client.get("/api/generations"),
    "page": lambda client: client.get(
        "/operations/", headers={"Cookie": f"generations_session_{client.base_url.port}={'x' * 32}"}
    ),
    "graphql": lambda client: client.post("/graphql/", json={"query": "{ generations(first: 1) { nodes { id } } }"}),
    "literal": lambda client: client.post(
        "/api/graphql", json={"query": "{ threads(first: 1) { edges { node { id } } } }"}
    ),
    "otlp": lambda client: client.post("/v1/traces", json={"resourceSpans": []}),
    "export": lambda client: client.post("/api/generations/export", json={"format": "parquet"}),
    "gantry": lambda client: client.post(
        "/api/v1/logging/openai/completions",
        json={"application": "a", "api_request": {"model": "m", "prompt": "Hi"}, "api_response": {"choices": []}},
    ),
    "gantry, reading": lambda client: client.get("/api/v1/applications"),
    "health": lambda client: client.get("/healthz"),
}
AGAIN = {door: 502 if door.startswith("gantry") else 503 for door in DOORS}
"""What each answers while it cannot do what it is asked: Gantry's client sends again after 502, and not after 503."""


def test_while_the_database_is_away_everything_says_so_and_nothing_acknowledged_is_lost(machines: Machines) -> None:
    acknowledged = []
    with machines.web.client() as client:
        for number in range(20):
            if client.post("/api/generations", json={"id": f"before-{number}"}).is_success:
                acknowledged.append(f"before-{number}")
        machines.server.stop()
        try:
            with ThreadPoolExecutor(len(DOORS)) as all_at_once:
                asked = {door: all_at_once.submit(ask, client) for door, ask in DOORS.items()}
            answers = {door: asking.result() for door, asking in asked.items()}
        finally:
            machines.server.start()
        wait_for(lambda: client.post("/api/generations", json={"id": "after"}).is_success)
        found = {id for id in acknowledged if client.get(f"/api/generations/{id}").status_code == 200}

        assert {door: answer.status_code for door, answer in answers.items()} == AGAIN
        assert {door for door, answer in answers.items() if "Retry-After" not in answer.headers} <= {"health"}
        assert len(acknowledged) == 20
        assert found == set(acknowledged)
        assert client.get("/api/generations/never").status_code == 404


@pytest.mark.parametrize("missing", ["DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY"])
def test_a_part_alone_is_refused_what_it_could_not_share(tmp_path: Path, missing: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": "postgresql://nowhere.invalid/x",
        "CELERY_BROKER_URL": "redis://nowhere.invalid/0",
        "SECRET_KEY": "x" * 50,
    }
    del environment[missing]

    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--only", "worker"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"A part alone needs {missing}, " in done.stderr
    assert not (tmp_path / "data").exists()
