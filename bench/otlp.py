"""Stored spans a second through `/v1/traces` of a running copy, beside the least that such a door can do.

    python bench/otlp.py [--spans 20000] [--small 1000] [--rounds 2] [--mlflow PYTHON] [--phoenix PYTHON]

`manage.py up` with durable settings; 4 senders of 100-span batches, then 16 senders of one trace (4 spans) a post. What
is told is what was counted in the database afterwards, over the time until the last answer. In turn with it, and with
the very same bodies: `bench/bare.py`, which decodes and copies into one table, served in the same way on the same
PostgreSQL. With the Python of an environment where they are installed, MLflow and Phoenix as well, on SQLite as they
start by default.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import http.client
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import ROOT, machine
from bench.processes import family, free_port, pss, wait
from bench.processes import parts as parts_of
from bench.spans import SPANS, body

KEY = "gen_only-for-benchmarks"
THREADS = 8


@dataclass
class Target:
    """One that takes spans in: where, and how many it has stored."""

    name: str
    port: int
    headers: dict[str, str]
    count: Callable[[], int]
    parts: Callable[[], dict[str, list[int]]]
    """The processes of each part of it."""
    rates: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0
    lost: int = 0
    memory: list[dict[str, int]] = field(default_factory=list)
    """Bytes of each part, while it works."""
    processor: dict[str, dict[str, float]] = field(default_factory=dict)
    """Milliseconds of processor time for 100 spans, by workload and part."""


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--spans", type=int, default=20_000, help="in batches of 100, each round")
    arguments.add_argument("--small", type=int, default=1_000, help="posts of one trace, each round")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--mlflow", help="a Python that has MLflow")
    arguments.add_argument("--phoenix", help="a Python that has Phoenix")
    asked = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        targets = [*stack.enter_context(_ours(folder)), *(stack.enter_context(t) for t in _peers(asked, folder))]
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {_machine(folder)}\n")
        for target in targets:
            _round(target, "warm", 0, 200, 20, 4, keep=False)
        for n in range(asked.rounds):
            for target in targets:
                _round(target, "batches of 100", n, asked.spans, 100 // SPANS, 4)
            for target in targets:
                _round(target, "one trace a post", n, asked.small * SPANS, 1, 16)
        _say(targets)


# ---------------------------------------------------------------------------------------------------------- measuring
def _round(target: Target, what: str, number: int, spans: int, traces: int, senders: int, *, keep: bool = True) -> None:
    posts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for first in range(0, spans // SPANS, traces):
        posts.put(body(first, traces, f"{what}{number}"))
    sent = posts.qsize() * traces * SPANS
    before = target.count()
    used = _used(target)
    refused = [0]
    threads = [threading.Thread(target=_send, args=(target, posts, refused)) for _ in range(senders)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(1)
        if keep:
            target.memory.append({part: sum(map(pss, pids)) for part, pids in target.parts().items()})
        for thread in threads:
            thread.join(0.05)
    seconds = time.perf_counter() - began
    spent = {part: now - used.get(part, 0) for part, now in _used(target).items()}
    stored = target.count() - before
    deadline = time.perf_counter() + 600
    while stored < sent - refused[0] * traces * SPANS and time.perf_counter() < deadline:
        # Some answer first and store later.
        time.sleep(0.5)
        now = target.count() - before
        if now != stored:
            seconds, deadline = time.perf_counter() - began, time.perf_counter() + 20
        stored = now
        if time.perf_counter() - began > seconds + 20:
            break
    if keep:
        target.rates.setdefault(what, []).append(stored / seconds)
        target.processor[what] = {part: 1e5 * seconds / sent for part, seconds in spent.items()}
        target.refused += refused[0]
        target.lost += sent - refused[0] * traces * SPANS - stored


def _send(target: Target, posts: queue.SimpleQueue[bytes], refused: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
    headers = {"Content-Type": "application/x-protobuf", **target.headers}
    while True:
        try:
            content = posts.get_nowait()
        except queue.Empty:
            return
        try:
            connection.request("POST", "/v1/traces", content, headers)
            answer = connection.getresponse()
            answer.read()
            is_taken = answer.status == 200
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
            is_taken = False
        refused[0] += not is_taken


def _used(target: Target) -> dict[str, float]:
    """Seconds of processor time that each part has used, and this process, which sends."""
    tick = os.sysconf("SC_CLK_TCK")
    used = {"sender": time.process_time()}
    for part, pids in target.parts().items():
        used[part] = 0.0
        for pid in pids:
            with contextlib.suppress(OSError):
                numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                used[part] += (int(numbers[11]) + int(numbers[12])) / tick
    return used


def _say(targets: list[Target]) -> None:
    bare = targets[1].rates
    print("| target | workload | stored spans/s | of the bare limit | refused | lost | memory MB, first and last |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for target in targets:
        for what, rates in target.rates.items():
            best, ratio = sum(rates) / len(rates), sum(rates) / sum(bare[what])
            share = max(1, len(target.memory) // 10)
            whole = [sum(parts.values()) for parts in target.memory]
            ends = [sum(some) / share / 1e6 for some in (whole[:share], whole[-share:])]
            print(
                f"| {target.name} | {what} | {best:,.0f} | {ratio:.2f} | {target.refused} | {target.lost}"
                f" | {ends[0]:.0f}, {ends[1]:.0f} |"
            )
    print("\nMilliseconds of processor time for 100 spans, in the last round:\n")
    for target in targets:
        for what, parts in target.processor.items():
            print(f"- {target.name}, {what}: " + ", ".join(f"{part} {ms:.1f}" for part, ms in parts.items()))
    print("\nMB of each part, first and last:\n")
    for target in targets:
        first, last = target.memory[0], target.memory[-1]
        told = (f"{part} {first[part] / 1e6:.0f}, {last.get(part, 0) / 1e6:.0f}" for part in first)
        print(f"- {target.name}: {'; '.join(told)}")


# ------------------------------------------------------------------------------------------------------------ targets
@contextlib.contextmanager
def _folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="generations-bench-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[list[Target]]:
    """A running copy, and the bare door on its PostgreSQL."""
    import psycopg

    from bench import bare
    from generations.management import embedded

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")
    server = embedded.Server(folder)
    server.start()
    admin = psycopg.connect(server.url, autocommit=True)
    admin.execute("CREATE DATABASE ours")
    admin.execute("CREATE DATABASE bare")
    urls = {one: urlsplit(server.url)._replace(path=f"/{one}").geturl() for one in ("ours", "bare")}
    rows = {one: psycopg.connect(url, autocommit=True) for one, url in urls.items()}
    rows["bare"].execute(bare.TABLE)
    port, bare_socket = free_port(), socket.create_server(("127.0.0.1", 0))
    environment = {
        **os.environ,
        "DATABASE_URL": urls["ours"],
        "DATA_DIR": str(folder / "ours"),
        "PORT": str(port),
        "BOOTSTRAP_API_KEY": KEY,
        "WEB_THREADS": str(THREADS),
        "BARE_DATABASE_URL": urls["bare"],
        "PYTHONPATH": str(ROOT),
        "LOG_LEVEL": "WARNING",
    }
    fd = bare_socket.fileno()
    serve = ["-m", "bench.served", "bench.bare:application", "--fd", str(fd)]
    log = (folder / "log").open("wb")
    up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    least = subprocess.Popen(
        [sys.executable, *serve, "--threads", str(THREADS)], cwd=ROOT, env=environment, pass_fds=(fd,)
    )
    assert server.process is not None
    database = server.process.pid
    try:
        wait(port, "/healthz", up)
        yield [
            Target(
                "Generations",
                port,
                {"Authorization": f"Bearer {KEY}"},
                lambda: int(rows["ours"].execute("SELECT count(*) FROM step").fetchone()[0]),  # type: ignore[index]
                lambda: {**parts_of(up.pid), "database": _without(database, "bare")},
            ),
            Target(
                "bare: decode and COPY",
                bare_socket.getsockname()[1],
                {},
                lambda: int(rows["bare"].execute("SELECT count(*) FROM span").fetchone()[0]),  # type: ignore[index]
                lambda: {"web": family(least.pid), "database": _without(database, "ours")},
            ),
        ]
    finally:
        for process in (up, least):
            process.terminate()
            process.wait(30)
        for connection in (*rows.values(), admin):
            connection.close()
        server.stop()


def _without(server: int, other: str) -> list[int]:
    """The processes of PostgreSQL, without the connections of the other's database: their titles say whose they are."""
    own = []
    for pid in family(server):
        with contextlib.suppress(OSError):
            if f" {other} ".encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
                own.append(pid)
    return own


def _peers(asked: argparse.Namespace, folder: Path) -> Iterator[contextlib.AbstractContextManager[Target]]:
    if asked.mlflow:
        port, base = free_port(), folder / "mlflow"
        options = ["--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{base}/mlflow.db"]
        command = [asked.mlflow, "-m", "mlflow", "server", *options, "--workers", "2"]
        headers = {"x-mlflow-experiment-id": "0"}
        yield _peer("MLflow", command, port, base, "mlflow.db", headers, "/health")
    if asked.phoenix:
        port, base = free_port(), folder / "phoenix"
        command = [asked.phoenix, "-m", "phoenix.server.main", "serve"]
        yield _peer("Phoenix", command, port, base, "phoenix.db", {}, "/healthz")


@contextlib.contextmanager
def _peer(
    name: str, command: list[str], port: int, base: Path, database: str, headers: dict[str, str], ready: str
) -> Iterator[Target]:
    import sqlite3

    base.mkdir()
    environment = {
        **os.environ,
        "MLFLOW_MODEL_CATALOG_URI": "",
        "PHOENIX_PORT": str(port),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(base),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    log = (base / "log").open("wb")
    process = subprocess.Popen(command, cwd=base, env=environment, stdout=log, stderr=log, start_new_session=True)

    def count() -> int:
        with contextlib.closing(sqlite3.connect(f"file:{base / database}?mode=ro", uri=True, timeout=30)) as rows:
            return int(rows.execute("SELECT count(*) FROM spans").fetchone()[0])

    try:
        wait(port, ready, process, within=420)
        yield Target(name, port, headers, count, lambda: {"server": family(process.pid)})
    finally:
        for pid in reversed(family(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)
        process.wait(60)


def _machine(folder: Path) -> str:
    from generations.management import embedded

    os.environ.update(DATA_DIR=str(folder), SECRET_KEY="only-for-benchmarks", DATABASE_URL=embedded.url(folder))
    import django

    django.setup()
    return machine()


if __name__ == "__main__":
    main()
