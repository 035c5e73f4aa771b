"""Events a second from the Gantry client's own sender into a running copy, beside the least that such a door can do.

    python bench/gantry.py [--calls 300] [--events 3000] [--senders 1,4]

`manage.py up` with durable settings on an embedded PostgreSQL. The client runs in its own environment, as the tests
install it: `log_llm_data` sends a request for each call, one after the other in its background thread, `log` up to 500
events a request. What is told is what was counted in the database afterwards, over the time from the first request to
the last answer. In turn with it, and with the very same client: `gantry_bare.py`, which decodes and copies into one
table, served in the same way on the same PostgreSQL. The processor's time of all processes of the server is told by
itself, because senders take the processors away from what they measure.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import ROOT, hardware
from bench.processes import family, free_port, wait
from bench.processes import parts as parts_of

KEY: Final = "gen_only-for-benchmarks"
THREADS: Final = 8
SENDER: Final = Path(__file__).with_name("gantry_sender.py")


@dataclass
class Target:
    """One that takes events in: its address, how many it has stored, and the processes of each part of it."""

    name: str
    url: str
    count: Callable[[], int]
    parts: Callable[[], dict[str, list[int]]]


@dataclass
class Told:
    """What one run came to."""

    stored: int
    lost: int
    seconds: float
    processor: dict[str, float]
    """Seconds of processor time of each part of the server, and of the client."""

    @property
    def rate(self) -> float:
        return self.stored / self.seconds

    @property
    def a_core(self) -> float:
        """Events for a second of the processor: of what answers and stores, not of what works behind it."""
        return self.stored / (self.processor["web"] + self.processor["database"])


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=300, help="by `log_llm_data`, of each sender")
    arguments.add_argument("--events", type=int, default=3_000, help="by `log`, of each sender")
    arguments.add_argument("--senders", default="1,4", help="how many at once")
    asked = arguments.parse_args()
    from tests.clients import environments

    python = environments.python("gantry")
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {hardware()}, load {os.getloadavg()[0]:.1f}\n")
    heads = ("sent by", "senders", "stored, events/s", "lost", "bare, events/s", "of the bare limit")
    print(f"| {' | '.join(heads)} | events/s a core: web and database | bare |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    spent: list[str] = []
    with tempfile.TemporaryDirectory(prefix="generations-bench-") as folder, _targets(Path(folder)) as targets:
        for target in targets:
            _run(target, python, "calls", 40, 2, "warm")
        for what, number in (("calls", asked.calls), ("events", asked.events)):
            for senders in map(int, asked.senders.split(",")):
                ours, bare = (_run(target, python, what, number, senders, f"{what}{senders}") for target in targets)
                name = "`log_llm_data`" if what == "calls" else "`log`"
                print(
                    f"| {name} | {senders} | {ours.rate:,.0f} | {ours.lost} | {bare.rate:,.0f}"
                    f" | {ours.rate / bare.rate:.2f} | {ours.a_core:,.0f} | {bare.a_core:,.0f} |",
                    flush=True,
                )
                spent += [f"- {name}, {senders}: {_processor(ours)}; bare: {_processor(bare)}"]
    print("\nMilliseconds of processor time an event:\n")
    print("\n".join(spent))


def _processor(told: Told) -> str:
    return ", ".join(f"{part} {1000 * seconds / told.stored:.2f}" for part, seconds in told.processor.items())


def _run(target: Target, python: Path, what: str, number: int, senders: int, prefix: str) -> Told:
    before, used = target.count(), _used(target)
    own = {"PATH": os.environ["PATH"], "GANTRY_LOGS_LOCATION": target.url, "GANTRY_API_KEY": KEY}
    processes = [
        subprocess.Popen(
            # -P: this folder has a module of the client's name.
            [str(python), "-P", str(SENDER), what, str(number), f"{prefix}-{n}"],
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(senders)
    ]
    said: list[dict[str, Any]] = []
    for process in processes:
        out, problems = process.communicate(timeout=300)
        if process.returncode != 0:
            raise SystemExit(problems)
        said.append(json.loads(out.strip().splitlines()[-1]))
    spent = {part: now - used.get(part, 0) for part, now in _used(target).items()}
    stored = target.count() - before
    return Told(
        stored=stored,
        lost=number * senders - stored,
        seconds=max(one["last"] for one in said) - min(one["first"] for one in said),
        processor={**spent, "client": sum(one["processor"] for one in said)},
    )


def _used(target: Target) -> dict[str, float]:
    """Seconds of processor time that each part has used, with its children that ended."""
    used = {}
    for part, pids in target.parts().items():
        used[part] = 0.0
        for pid in pids:
            with contextlib.suppress(OSError):
                numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                used[part] += sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")
    return used


@contextlib.contextmanager
def _targets(folder: Path) -> Iterator[list[Target]]:
    """A running copy, and the bare door on its PostgreSQL."""
    import psycopg

    from bench import gantry_bare
    from generations.management import embedded

    server = embedded.Server(folder)
    server.start()
    assert server.process is not None
    database = server.process.pid
    admin = psycopg.connect(server.url, autocommit=True)
    urls = {}
    for name in ("ours", "bare"):
        admin.execute(f"CREATE DATABASE {name}")
        urls[name] = urlsplit(server.url)._replace(path=f"/{name}").geturl()
    rows = {name: psycopg.connect(url, autocommit=True) for name, url in urls.items()}
    rows["bare"].execute(gantry_bare.TABLE)
    port, listening = free_port(), socket.create_server(("127.0.0.1", 0))
    environment = {
        **os.environ,
        "DATABASE_URL": urls["ours"],
        "DATA_DIR": str(folder / "ours"),
        "PORT": str(port),
        "BOOTSTRAP_API_KEY": KEY,
        "BARE_DATABASE_URL": urls["bare"],
        "PYTHONPATH": str(ROOT),
        "LOG_LEVEL": "WARNING",
    }
    fd = listening.fileno()
    serving = ["-m", "bench.served", "bench.gantry_bare:application"]
    with (folder / "log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        least = subprocess.Popen(
            [sys.executable, *serving, "--fd", str(fd), "--threads", str(THREADS)],
            cwd=ROOT,
            env=environment,
            pass_fds=(fd,),
        )
    count = "SELECT count(*) FROM {}"
    try:
        wait(port, "/healthz", up)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
            for name, kind in (("bench-writer", "Completion"), ("bench-plain", "Custom")):
                made = client.post("/api/v1/applications", json={"model_name": name, "model_type": kind})
                made.raise_for_status()
        yield [
            Target(
                "Generations",
                url,
                lambda: int(rows["ours"].execute(count.format("generation")).fetchone()[0]),  # type: ignore[index]
                lambda: {**parts_of(up.pid), "database": family(database)},
            ),
            Target(
                "bare",
                f"http://127.0.0.1:{listening.getsockname()[1]}",
                lambda: int(rows["bare"].execute(count.format("event")).fetchone()[0]),  # type: ignore[index]
                lambda: {"web": family(least.pid), "database": family(database)},
            ),
        ]
    finally:
        for process in (up, least):
            process.terminate()
            process.wait(30)
        for connection in (*rows.values(), admin):
            connection.close()
        server.stop()
        # Files of the server go a moment after it.
        time.sleep(0.2)


if __name__ == "__main__":
    main()
