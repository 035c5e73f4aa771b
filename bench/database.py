"""Databases for a benchmark: on an embedded PostgreSQL that is thrown away, or on the server of DATABASE_URL."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@contextmanager
def databases(*names: str, keep: Path | None = None) -> Iterator[list[Callable[[], None]]]:
    """Databases with all tables and nothing in them, dropped at the end; each is called to turn to it.

    Durable, as in production. The first one is turned to already. With a folder to keep them in they are there again
    the next time, as they were left, and brought up to date.
    """
    from generations.management import embedded

    folder = keep.resolve() if keep else Path(tempfile.mkdtemp(prefix="generations-bench-"))
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks")
    os.environ.update(DJANGO_SETTINGS_MODULE="observability.settings", DATA_DIR=str(folder), LOG_LEVEL="ERROR")
    server = None
    try:
        if not os.environ.get("DATABASE_URL"):
            server = embedded.Server(folder)
            server.start()
            os.environ["DATABASE_URL"] = server.url

        import django

        django.setup()
        with _databases([f"bench_{name}" + ("" if keep else f"_{os.getpid()}") for name in names], bool(keep)) as made:
            yield made
    finally:
        if server is not None:
            server.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _databases(names: list[str], are_kept: bool) -> Iterator[list[Callable[[], None]]]:
    from django.core.management import call_command
    from django.db import connections
    from django.db.backends.base.base import BaseDatabaseWrapper

    server: Any = connections["default"]
    made: list[BaseDatabaseWrapper] = []

    def use(wrapper: BaseDatabaseWrapper) -> None:
        # What Django calls the default connection, everything of ours talks to.
        connections["default"] = wrapper

    try:
        for name in names:
            with server.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{name}"')
            wrapper = server.copy()
            wrapper.settings_dict["NAME"] = name
            wrapper.settings_dict["OPTIONS"].pop("pool", None)
            made.append(wrapper)
            use(wrapper)
            call_command("migrate", verbosity=0)
        use(made[0])
        yield [partial(use, wrapper) for wrapper in made]
    finally:
        use(server)
        for wrapper in made:
            wrapper.close()
            if are_kept:
                continue
            with server.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{wrapper.settings_dict["NAME"]}" WITH (FORCE)')
        server.close()
        server.close_pool()


def processor() -> float:
    """Seconds that the database, this process and those that it waited for have taken."""
    waited = os.times()
    return time.process_time() + waited.children_user + waited.children_system + _of_server()


def taken(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` returns, and the processor's seconds that it takes of this process and of the database."""
    server, own = _of_server(), time.process_time()
    answer = work()
    own = time.process_time() - own
    return answer, own + _of_server() - server


def _of_server() -> float:
    """Seconds that the database's processes have taken: to the nanosecond of those that live, and of those that have
    ended to the hundredth, as the server that started them knows."""
    server = _server()
    ended = sum(_stat(server)[11:15]) / os.sysconf("SC_CLK_TCK")
    living = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return ended + sum(map(_seconds, living))


@cache
def _server() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return _stat(cursor.fetchone()[0])[1]


def _seconds(pid: str) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat behind its state: its parent is the second, its times begin at the twelfth."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return [0, *map(int, text.rpartition(")")[2].split()[1:])]


def machine() -> str:
    """One line on where this runs."""
    import psycopg
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0].split()[0]
    return f"{hardware()}, PostgreSQL {version}, psycopg {psycopg.__version__}"


def hardware() -> str:
    """The same without a database."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gigabytes = int(memory.split()[1]) / 1024**2
    return f"{os.cpu_count()} x {processor}, {gigabytes:.0f} GB, Python {platform.python_version()}"
