"""Calls created one a request over REST, beside one ORM create a request in the same server.

    python bench/creates.py [--connections 64] [--seconds 4] [--rounds 3]

A server as `manage.py up` starts it, on an embedded PostgreSQL with durable settings; the load comes from this process.
The ways take turns. The plain view stores facts and text of a call in one transaction and nothing else; ours merges,
prices, and writes the thread, the user, the tags and the marks too. What was answered 201 is counted in the database.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.calls import text
from bench.database import ROOT, databases, machine

WAYS = {
    "ORM create": ("/orm", False),
    "POST /api/generations": ("/api/generations", False),
    "POST /api/generations/batch, one item": ("/api/generations/batch", True),
}


@dataclass
class Taken:
    """What came back of one way: seconds of each request, and how many were answered otherwise than with success."""

    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    failed: int = 0

    def within(self, part: float) -> float:
        """Milliseconds within which this part of the requests were answered."""
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * part))]


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with databases("creates"):
        from django.db import connection

        from generations import access
        from generations.models import Generation

        project = access.create_project("Bench")
        _, token = access.create_key(access.of_system(project), name="bench", scopes=("write",))
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            port = listener.getsockname()[1]
            server = serve(listener, str(connection.settings_dict["NAME"]))
            try:
                taken = {name: Taken() for name in WAYS}
                for name in WAYS:
                    asyncio.run(_load(port, token, name, 4, 1.0, Taken()))
                for _ in range(asked.rounds):
                    for name, one in taken.items():
                        asyncio.run(_load(port, token, name, asked.connections, asked.seconds, one))
            finally:
                server.terminate()
                server.wait(30)
        stored = Generation.objects.in_project(project.pk).filter(public_id__startswith="counted").count()
        answered = sum(len(one.seconds) for one in taken.values())
        assert stored >= answered, f"{answered} were answered with success, {stored} are stored"
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}, {asked.connections} connections\n")
        print("| way | requests/s | / ORM | p50 ms | p99 ms | / ORM | failed |\n|---|---:|---:|---:|---:|---:|---:|")
        plain = taken["ORM create"]
        for name, one in taken.items():
            rate, of_plain = statistics.median(one.rates), statistics.median(plain.rates)
            print(
                f"| {name} | {rate:,.0f} | {rate / of_plain:.2f} | {one.within(0.5):.0f} | {one.within(0.99):.0f}"
                f" | {one.within(0.99) / plain.within(0.99):.2f} | {one.failed} |"
            )


def serve(
    listener: socket.socket, database: str, target: str = "bench.creates_server:application"
) -> subprocess.Popen[bytes]:
    """The server's process, on this socket, as `manage.py up` starts it."""
    url = os.environ["DATABASE_URL"].replace("@/generations?", f"@/{database}?")
    fd = listener.fileno()
    return subprocess.Popen(
        [sys.executable, "-m", "bench.served", target, "--fd", str(fd), "--threads", "8"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        pass_fds=(fd,),
    )


async def _load(port: int, token: str, way: str, connections: int, seconds: float, taken: Taken) -> None:
    began = time.perf_counter()
    before = len(taken.seconds)
    await asyncio.gather(*(_one_connection(port, token, way, n, began + seconds, taken) for n in range(connections)))
    taken.rates.append((len(taken.seconds) - before) / (time.perf_counter() - began))


async def _one_connection(port: int, token: str, way: str, number: int, until: float, taken: Taken) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path, is_list = WAYS[way]
    chance = random.Random(number)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "
    while time.perf_counter() < until:
        call = document(chance, number)
        body = json.dumps([call] if is_list else call).encode()
        began = time.perf_counter()
        writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        status = int((await reader.readline()).split()[1])
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = await reader.readexactly(length)
        if status in (200, 201) and b'"rejected"' not in answer.replace(b'"rejected":0', b""):
            taken.seconds.append(time.perf_counter() - began)
        else:
            taken.failed += 1
    writer.close()


def document(chance: random.Random, number: int) -> dict[str, object]:
    """A call that brings a thread, a user and a tag along."""
    now = dt.datetime.now(dt.UTC)
    return {
        "id": f"counted-{number}-{time.perf_counter_ns()}",
        "timestamp": now.isoformat(),
        "model": {"id": "gpt-4o-mini", "provider": "openai"},
        "messages": [{"role": "user", "content": text(chance, 150)}],
        "output": {"content": text(chance, 80)},
        "usage": {"promptTokens": 200, "completionTokens": 90},
        "threadId": f"thread-{number}",
        "metadata": {"userId": f"user-{number % 20}", "tags": ["chat"]},
    }


if __name__ == "__main__":
    main()
