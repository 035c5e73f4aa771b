"""The real thing for tests: `manage.py up` in a folder and on a port of its own."""

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 240.0
"""Seconds: a machine that runs other tests beside this one has taken 60 for a first start."""
_numbers = itertools.count()
_ports: set[int] = set()


class Stack:
    """One copy of Generations. `url`, `api_key`, `username` and `password` are what a test needs of it."""

    username = "owner"

    def __init__(self, data_dir: Path, *, port: int | None = None, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = f"gen_{uuid.uuid4().hex}"
        self.password = uuid.uuid4().hex
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._database = _Database() if os.environ["OUTSIDE_DATABASE_URL"] else None
        broker = os.environ.get("CELERY_BROKER_URL", "")
        self._broker = _database_of_its_own(broker) if broker else ""
        self._environment = environment

    def environment(self) -> dict[str, str]:
        """What the processes of this copy find in their environment."""
        kept = {n: v for n, v in os.environ.items() if n not in {"DATABASE_URL", "SECRET_KEY", "CELERY_BROKER_URL"}}
        kept |= {"DATA_DIR": str(self.data_dir), "PORT": str(self.port), "DEBUG": "false", "LOG_LEVEL": "INFO"}
        kept |= {"BOOTSTRAP_API_KEY": self.api_key, "BOOTSTRAP_PASSWORD": self.password}
        if self._database:
            kept["DATABASE_URL"] = self._database.url
        if self._broker:
            kept["CELERY_BROKER_URL"] = self._broker
        return {name: value for name, value in (kept | self._environment).items() if value}

    def start(self, *arguments: str, within: float = PATIENCE) -> float:
        """Start, and return after how many seconds it was ready."""
        began = time.monotonic()
        self.launch(*arguments)
        self.wait_until_ready(within)
        return time.monotonic() - began

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start without waiting."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def wait_until_ready(self, within: float = PATIENCE) -> dict[str, str]:
        """Wait for 200 of /healthz; returns its parts."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"It ended:\n{self.output()}"
            try:
                answer = httpx.get(f"{self.url}/healthz", timeout=deadline - time.monotonic())
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                parts: dict[str, str] = answer.json()["parts"]
                return parts
            time.sleep(0.05)
        raise AssertionError(f"It was not ready within {within} s:\n{self.output()}")

    def output(self) -> str:
        """All that it has printed since it was last started."""
        return self.log.read_text(errors="replace")

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py beside it; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> dict[int, str]:
        """Every living process that has this copy's folder in its environment, with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"DATA_DIR={self.data_dir}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
        return {pid: command for pid, command in found.items() if command}

    def pid_of(self, words: str) -> int:
        """The one process with these words in its command line.

        What was forked a moment ago still has those of what it was forked from, and is not it.
        """
        found = [pid for pid, command in self.processes().items() if words in command]
        (pid,) = [pid for pid in found if _parent_of(pid) not in {None, *found}]
        return pid

    def stop(self) -> float:
        """Ask it to stop; returns after how many seconds it had."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        return time.monotonic() - began

    def discard(self) -> None:
        """End it however it is, with all that belongs to it."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if self._database:
            self._database.drop()

    def client(self) -> httpx.Client:
        """A client with this copy's address and key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.api_key}"}, timeout=120)


class _Database:
    """A database for one copy on the server that the run was given."""

    def __init__(self) -> None:
        self._server = os.environ["OUTSIDE_DATABASE_URL"]
        self._name = f"live_{uuid.uuid4().hex}"
        self.url = urlsplit(self._server)._replace(path=f"/{self._name}").geturl()
        self._do("CREATE DATABASE {}")

    def drop(self) -> None:
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self._name)))


def _parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return None


def given_to_anybody() -> range:
    """The ports of which the kernel gives one to whoever connects, or listens at any."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(first), int(last) + 1)


def free_port() -> int:
    """A port that nobody listens on right now, and that nobody will be given who does not ask for it by its number.

    Until a copy listens there, seconds pass in which other tests connect and listen, thousands of times in a run. Each
    worker of xdist has ports of its own.
    """
    own = range(20_000 + _worker() % 4, min(32_000, given_to_anybody().start), 4)
    for port in random.SystemRandom().sample(own, len(own)):
        if port not in _ports:
            with socket.socket() as asked, suppress(OSError):
                asked.bind(("127.0.0.1", port))
                _ports.add(port)
                return port
    raise AssertionError("No port is free.")


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def _database_of_its_own(broker: str) -> str:
    """The tests themselves use 0, each copy another, each worker of xdist other ones."""
    if not broker.startswith("redis://"):
        return broker
    return urlsplit(broker)._replace(path=f"/{1 + _worker() % 2 * 200 + next(_numbers) % 200}").geturl()


@pytest.fixture(scope="session")
def live_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running copy, shared by the tests of a session: leave it as it can be used by others.

    Each worker of xdist has one, and tests go to whichever is free: count on nothing that another test has left there.
    """
    stack = Stack(tmp_path_factory.mktemp("live") / "data")
    try:
        stack.start()
        yield stack
    finally:
        stack.discard()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A copy that is not started yet, for one test alone."""
    stack = Stack(tmp_path / "data")
    try:
        yield stack
    finally:
        stack.discard()


def managed(command: str, address: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py with the database of this address."""
    return subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=False,
    )
