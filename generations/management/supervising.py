"""Runs the whole of Generations on one machine and keeps it running. Knows no Django.

One process starts the embedded PostgreSQL (unless DATABASE_URL names another), has the database
prepared, then starts web, worker and beat, starts again what ends, and ends all of them with itself,
by a signal when it is asked to and by the kernel's hand when it is killed.
"""

import argparse
import fcntl
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from generations.management import embedded, lifetimes, listening, places, sweeping
from generations.management.children import Child, ForkServer, Process, spawn

_STOP_WITHIN: Final = 4.5  # of the 5 seconds that are promised
_POSTGRES_SHARE: Final = 1.5
_LONGEST_PAUSE: Final = 10.0
PARTS: Final = ("web", "worker", "beat")
"""What a machine may run of it, beside others that run the rest."""
_SHARED: Final = {
    "DATABASE_URL": "the PostgreSQL that all machines use",
    "CELERY_BROKER_URL": "the Redis or RabbitMQ that all machines use",
    "SECRET_KEY": "the one key of all machines: what one has signed or encrypted another has to read",
}


class Refusal(Exception):
    """It cannot start; the sentence says why and what to do."""


class Supervisor:
    """The state of one `manage.py up`."""

    def __init__(self, data_dir: Path, *, demo: bool, only: tuple[str, ...] = PARTS) -> None:
        self.data_dir = data_dir
        self.demo = demo
        self.only = only
        self.postgres: embedded.Server | None = None
        self.preparation: subprocess.Popen[str] | None = None
        self.seeding: subprocess.Popen[bytes] | None = None
        self.server: ForkServer | None = None
        self.children: list[Child] = []
        self.announced = False
        self.address = ""
        self._told: dict[str, Any] = {}
        self._untold = ""

    def run(self) -> None:
        """Start everything, say so, and watch until `lifetimes.Stop`."""
        began = time.monotonic()
        self.preparation = _spawn_preparation()
        settings = self._hear("The settings or the code cannot be loaded; the reason is above.")
        if not os.environ.get("DATABASE_URL"):
            buffers = {"shared_buffers": f"{settings['DATABASE_BUFFERS_MB']}MB"}
            self.postgres = embedded.Server(self.data_dir, log_mb=settings["DATABASE_LOG_MB"], settings=buffers)
        with ExitStack() as open_while_running:
            listeners: list[socket.socket] = []
            address = f"{' and '.join(self.only)}, beside other machines"
            if "web" in self.only:
                listeners = open_while_running.enter_context(
                    listening.listening(settings["HOST"], settings["PORT"], settings["WEB_PROCESSES"])
                )
                address = f"http://{listening.reached_at(settings['HOST'])}:{settings['PORT']}/"
                address = self.address = settings["PUBLIC_URL"] or address
            parts = _parts(self.only, listeners, settings)
            self.server = ForkServer(parts, tuple(one.fileno() for one in listeners))
            self.server.begin()  # loads while the database starts
            if self.postgres:
                self.postgres.start(tell=_say)
            self._prepare(settings)
            self.children = [Child(name, self.server, marks_ready=_part(name) != "web") for name in parts]
            for child in self.children:
                child.start()
            self._watch(listeners, began, address)

    def stop(self) -> None:
        """End every process: TERM, then KILL; the database last, so that work in hand can be put away."""
        deadline = time.monotonic() + _STOP_WITHIN
        children = [child.process for child in self.children if child.process is not None]
        running = [p for p in (*children, self.seeding, self.preparation) if p is not None and p.poll() is None]
        for process in running:
            process.terminate()
        # The second signal tells Celery to put back what it has not finished.
        for sent, until in ((signal.SIGQUIT, deadline - 2.7), (signal.SIGKILL, deadline - _POSTGRES_SHARE)):
            _wait(running, until)
            for process in running:
                if process.poll() is None:
                    process.send_signal(sent)
        _wait(running, deadline)
        if self.server:
            self.server.stop()
        if self.postgres:
            self.postgres.stop(max(deadline - time.monotonic(), 0.2))
        places.state(self.data_dir).unlink(missing_ok=True)

    def _hear(self, refusal: str) -> dict[str, Any]:
        assert self.preparation is not None and self.preparation.stdout is not None
        line = self.preparation.stdout.readline()
        if not line:
            raise Refusal(refusal)
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _prepare(self, settings: dict[str, Any]) -> None:
        assert self.preparation is not None and self.preparation.stdin is not None
        self.preparation.stdin.write("go\n")
        self.preparation.stdin.flush()
        made = self._hear("The database could not be prepared; the reason is above.")["made"]
        self.preparation.wait()
        self.preparation = None
        if made:
            _say(_first_start(made, settings["PUBLIC_URL"]))

    def _watch(self, listeners: list[socket.socket], began: float, address: str) -> None:
        wakened, _ = lifetimes.woken_by_signals()
        while True:
            if self.postgres and not self.postgres.is_running():
                _say("PostgreSQL ended and is started again.")
                self._tell()
                self._start_again(self.postgres)
            if self.postgres:
                self.postgres.shorten_log()
            ready = self._look_after()
            if ready and not self.announced and (not listeners or listening.answers_ready(listeners[0])):
                self.announced = True
                # First the line, then the 200: who waits for either finds both.
                _say(f"Generations is ready after {time.monotonic() - began:.1f} s: {address}")
                self._tell()
            if self.announced and self.demo:
                self._seed()
            assert self.server is not None
            awaited = [wakened, *self.server.sockets()]
            if wakened in select.select(awaited, [], [], 1.0 if self.announced and ready else 0.05)[0]:
                os.read(wakened, 4096)

    def _start_again(self, postgres: embedded.Server) -> None:
        """Start the database that had run already, however long it cannot: on a full disk, say, until there is room.

        Meanwhile web says so to whoever asks, and is started again like the other parts when it ends.
        """
        pause = 1.0
        while True:
            try:
                postgres.start(tell=_say, meanwhile=self._look_after)
                return
            except (embedded.CannotStart, OSError) as error:
                _say(f"{error} It is tried again in {pause:.0f} s.")
            until = time.monotonic() + pause
            while time.monotonic() < until:
                self._look_after()
                time.sleep(0.1)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _look_after(self) -> bool:
        """Start again the parts that have ended, and tell how each is. Returns whether all are ready."""
        for child in self.children:
            if said := child.keep_running():
                _say(said)
        return self._tell()

    def _tell(self) -> bool:
        """Write how each part is to the file that /healthz reads. Returns whether all are ready.

        Web is not told to be so before it has answered a first time, nor while one of its processes is not there.
        """
        parts: dict[str, str] = {}
        for child in self.children:
            part, state = _part(child.name), self._state(child)
            parts[part] = state if parts.get(part, "ready") == "ready" else parts[part]
        if self.postgres:
            parts["postgresql"] = "ready" if self.postgres.is_ready() else "starting"
        told = {
            "supervisor": os.getpid(),
            "address": self.address,
            "parts": parts if self.announced else parts | {"web": "starting"},
        }
        if told != self._told:
            self._told = told
            file = places.state(self.data_dir)
            unfinished = file.with_suffix(".new")
            try:
                unfinished.write_text(json.dumps(told))
                unfinished.replace(file)
            except OSError as error:
                # A full disk: it is told again at the next turn, and is no reason to end what runs.
                self._told = {}
                if str(error) != self._untold:
                    self._untold = str(error)
                    _say(f"How the parts are cannot be told: {error}")
        return all(state == "ready" for state in parts.values())

    def _state(self, child: Child) -> str:
        if child.is_ready(self.data_dir):
            return "ready"
        return "starting" if child.is_running() else "restarting"

    def _seed(self) -> None:
        """Write the demonstration data once in the life of this folder."""
        done = self.data_dir / "demo-seeded"
        if self.seeding is None:
            self.demo = not done.exists()
            if self.demo:
                self.seeding = spawn([sys.executable, "manage.py", "seed"])
        elif (code := self.seeding.poll()) is not None:
            self.demo = False
            if code == 0:
                done.touch()
            _say("The demonstration data is in." if code == 0 else "The demonstration data could not be written.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `manage.py up` understands."""
    parser.add_argument("--demo", action="store_true", help="write a week of demonstration data after the first start")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="run this part alone, beside other machines that run the others; may be given several times",
    )


def main(arguments: list[str]) -> int:
    """Run until TERM or INT; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Runs everything: database, web, worker and beat. Settings come from the environment.",
    )
    add_arguments(parser)
    given = parser.parse_args(arguments)
    only = tuple(part for part in PARTS if part in (given.only or PARTS))
    os.chdir(places.ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")
    # Threads in arenas of their own would hold twice the memory (mallopt(3), M_ARENA_MAX).
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    # Large pieces are given back when they are free: left alone, these bounds grow with what is freed, up to 32 MB.
    for bound in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        os.environ.setdefault(bound, str(128 * 1024))
    data_dir = places.data_dir()
    os.environ["DATA_DIR"] = str(data_dir)
    lifetimes.stop_by_signals()
    try:
        if only != PARTS and (lacking := [name for name in _SHARED if not os.environ.get(name)]):
            raise Refusal(f"A part alone needs {'; '.join(f'{name}, {_SHARED[name]}' for name in lacking)}.")
        sweeping.sweep()
        with only_one(data_dir), sweeping.holding(places.passing(data_dir)):
            make_secret_key(data_dir)
            for folder in (places.counters(data_dir), places.ready(data_dir)):
                folder.mkdir()
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(places.counters(data_dir))
            supervisor = Supervisor(data_dir, demo=given.demo, only=only)
            try:
                supervisor.run()
            finally:
                lifetimes.ignore_stopping()
                supervisor.stop()
    except (Refusal, embedded.CannotStart, listening.CannotListen, OSError) as refused:
        print(f"Generations cannot start. {refused}", file=sys.stderr)
        return 1
    except lifetimes.Stop:
        _say("Generations has stopped.")
    return 0


def _parts(
    only: tuple[str, ...], listeners: list[socket.socket], settings: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """What is run, by name: each process of web is a part of its own."""
    number = settings["WEB_PROCESSES"]
    parts: dict[str, dict[str, Any]] = {}
    if "web" in only:
        for place in range(number):
            parts[f"web {place + 1} of {number}"] = {
                "target": "observability.wsgi:application",
                "file_descriptor": listeners[place % len(listeners)].fileno(),
                "threads": settings["WEB_THREADS"],
                "streams": settings["GATEWAY_STREAMS"],
                "place": place,
            }
    celery = {"worker": "app", "beat": "scheduler"}
    return parts | {one: {"target": f"observability.celery:{celery[one]}"} for one in only if one in celery}


def _part(name: str) -> str:
    """The part that a process of that name belongs to."""
    return name.partition(" ")[0]


def _spawn_preparation() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "prepare", "--for-supervisor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lifetimes.tied(signal.SIGKILL),
        start_new_session=True,
    )


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Make and hold this folder; the kernel lets go of it however this process ends. Raises Refusal."""
    with _opened(data_dir) as lock:
        for attempt in range(2):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt:
                    raise Refusal(_held(data_dir, lock)) from None
                time.sleep(0.3)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _opened(data_dir: Path) -> TextIO:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return places.lock(data_dir).open("a+")
    except OSError as error:
        raise Refusal(f"DATA_DIR is {data_dir}, which cannot be made or written to: {error.strerror}.") from error


def is_held(data_dir: Path) -> bool:
    """Whether a supervisor, or somebody else who must be alone, holds this folder now."""
    try:
        with places.lock(data_dir).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _held(data_dir: Path, lock: TextIO) -> str:
    lock.seek(0)
    return (
        f"It already runs with the folder {data_dir} (process {lock.read().strip() or 'unknown'}). "
        "Stop it first, or set another DATA_DIR and PORT for a second copy."
    )


def make_secret_key(data_dir: Path) -> None:
    """Make a secret key for a folder that has none, unless the environment brings one."""
    if not os.environ.get("SECRET_KEY") and not places.secret_key(data_dir).exists():
        places.keep_secret_key(data_dir, secrets.token_urlsafe(48))


def _first_start(made: dict[str, str], address: str) -> str:
    body = (
        '{"model": {"id": "gpt-4o"}, "input": {"type": "text", "content": "Say hello"}, '
        '"output": {"type": "text", "content": "Hello!"}, "usage": {"promptTokens": 9, "completionTokens": 3}}'
    )
    return (
        "\nThis is the first start. What follows is shown only this once:\n\n"
        f"  project    {made['project_name']}\n"
        f"  user name  {made['username']}\n"
        f"  password   {made['password']}\n"
        f"  API key    {made['api_key']}\n\n"
        f"Sign in at {address}/ or send a generation:\n\n"
        f"  curl {address}/api/generations -H 'Authorization: Bearer {made['api_key']}' \\\n"
        f"    -H 'Content-Type: application/json' -d '{body}'\n"
    )


def _wait(processes: "list[Process | subprocess.Popen[bytes] | subprocess.Popen[str]]", until: float) -> None:
    while time.monotonic() < until and any(p.poll() is None for p in processes):
        time.sleep(0.02)


def _say(text: str) -> None:
    # What it is written to may be full, which is no reason to end what runs.
    with suppress(OSError):
        print(text, flush=True)
