"""Memory of a running copy while spans come in without a pause: by part, and of what in each web process.

    python bench/lasting.py [--spans 720000] [--senders 4] [--every 40000]

720,000 spans are an hour of 200 a second, sent as fast as they are taken. `manage.py up` with durable settings; batches
of 100 spans, each sender on one connection. A line of the table for each `every` spans: what parts hold,
with their share of what is shared (PSS); of each web process what is its own, heap and anonymous memory, and its share.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import http.client
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import ROOT, hardware
from bench.processes import free_port, parts, pss, wait
from bench.spans import SPANS, body

KEY = "gen_only-for-benchmarks"
BATCH = 100
AFTER = 30.0
"""Seconds without spans, after which memory is looked at once more."""


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--spans", type=int, default=720_000)
    arguments.add_argument("--senders", type=int, default=4)
    arguments.add_argument("--every", type=int, default=40_000)
    asked = arguments.parse_args()
    folder, port = Path(tempfile.mkdtemp(prefix="generations-bench-")), free_port()
    environment = {**os.environ, "DATA_DIR": str(folder), "PORT": str(port), "BOOTSTRAP_API_KEY": KEY}
    environment.pop("DATABASE_URL", None)
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {hardware()}, load {os.getloadavg()[0]:.1f}\n", flush=True)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "manage.py", "up"]
        up = subprocess.Popen(command, cwd=ROOT, env={**environment, "LOG_LEVEL": "WARNING"}, stdout=log, stderr=log)
    try:
        wait(port, "/healthz", up)
        _watch(asked, up.pid, port)
    finally:
        up.terminate()
        up.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _watch(asked: argparse.Namespace, supervisor: int, port: int) -> None:
    taken, again = multiprocessing.Value("q"), multiprocessing.Value("q")
    each = asked.spans // asked.senders // BATCH
    senders = [
        multiprocessing.Process(target=_send, args=(port, n * each, each, taken, again)) for n in range(asked.senders)
    ]
    print("| spans | seconds | sent again | all MB | web | worker | database | rest |", end="")
    print(" each web process: heap, anonymous, shared |\n|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    began, due = time.monotonic(), 0
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        if taken.value >= due:
            _say(supervisor, taken.value, time.monotonic() - began, again.value)
            due += asked.every
        time.sleep(0.2)
    _say(supervisor, taken.value, time.monotonic() - began, again.value)
    time.sleep(AFTER)
    _say(supervisor, taken.value, time.monotonic() - began, again.value)


def _send(port: int, first: int, batches: int, taken: Any, again: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {KEY}"}
    traces = BATCH // SPANS
    for n in range(first, first + batches):
        content = body(n * traces, traces)
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/v1/traces", content, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    break
            with again.get_lock():
                again.value += 1
            connection.close()  # the next request opens it again
            time.sleep(1)
        with taken.get_lock():
            taken.value += BATCH


def _say(supervisor: int, spans: int, seconds: float, again: int) -> None:
    held = {part: sum(map(pss, pids)) / 1e6 for part, pids in parts(supervisor).items()}
    rest = sum(held.values()) - held["web"] - held["worker"] - held["database"]
    webs = (
        ", ".join(f"{kinds[kind] / 1e6:.1f}" for kind in ("heap", "anonymous", "shared"))
        for kinds in map(_kinds, parts(supervisor)["web"])
    )
    print(f"| {spans:,} | {seconds:.0f} | {again} | {sum(held.values()):.0f} | {held['web']:.0f} |", end="")
    print(f" {held['worker']:.0f} | {held['database']:.0f} | {rest:.0f} | {'; '.join(webs)} |", flush=True)


def _kinds(pid: int) -> Counter[str]:
    """Bytes of a process by what they are for: the heap, other memory of its own, and what it shares."""
    found: Counter[str] = Counter()
    name = ""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            head, *rest = line.split()
            if not head.endswith(":"):
                name = rest[4] if len(rest) > 4 else ""
            elif head.startswith("Private_"):
                kind = "heap" if name == "[heap]" else "anonymous" if not name or name[0] == "[" else "shared"
                found[kind] += int(rest[0]) * 1024
            elif head == "Pss:":
                found["pss"] += int(rest[0]) * 1024
    found["shared"] = found["pss"] - found["heap"] - found["anonymous"]
    return found


if __name__ == "__main__":
    main()
