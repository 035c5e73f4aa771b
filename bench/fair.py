"""What a project that sends a hundred times as much does to the others.

    python bench/fair.py [--others 8] [--rate 4] [--times 50] [--connections 64] [--seconds 15] [--rounds 4]

A server as `manage.py up` starts it, on an embedded PostgreSQL with durable settings. Each of the others sends one call
after the other at its rate, on one connection; the time of a request counts from when it was due. Then the same again
while one more project sends so many times as much, on many connections, and comes again when it is told to. Of 1,920
requests 19 are beyond a p99; how far apart those of the rounds are says what the machine does to it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import random
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.creates import document, serve
from bench.database import databases, machine


@dataclass
class Told:
    """Seconds of the requests that were answered with success, and how many were told to come again."""

    seconds: list[float] = field(default_factory=list)
    again: int = 0
    failed: int = 0

    def within(self, part: float) -> float:
        """Milliseconds within which this part of them was answered."""
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * part))]

    def add(self, other: Told) -> None:
        """Take in what another round was told."""
        self.seconds += other.seconds
        self.again += other.again
        self.failed += other.failed


class Connection:
    """One sender with one connection."""

    def __init__(self, port: int, token: str, number: int) -> None:
        self.port, self.token, self.number = port, token, number
        self.chance = random.Random(number)

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self) -> tuple[int, float]:
        """Create a call; the status, and the seconds of `Retry-After`."""
        body = json.dumps(document(self.chance, self.number)).encode()
        head = f"POST /api/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        status = int((await self.reader.readline()).split()[1])
        length, wait = 0, 0.0
        while (line := await self.reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"retry-after":
                wait = float(value)
        await self.reader.readexactly(length)
        return status, wait


async def steady(port: int, token: str, number: int, rate: float, until: float, told: Told) -> None:
    """Send at a rate. Who is told to come again does, and the time goes on."""
    one = Connection(port, token, number)
    await one.open()
    due = time.perf_counter() + random.Random(number).random() / rate
    while due < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while True:
            status, wait = await one.send()
            if status != 503:
                break
            told.again += 1
            await asyncio.sleep(wait)
        if status == 201:
            told.seconds.append(time.perf_counter() - due)
        else:
            told.failed += 1
        due += 1 / rate
    one.writer.close()


async def load(port: int, tokens: list[str], asked: argparse.Namespace, others: Told, many: Told | None) -> None:
    """The others for so many seconds; beside them the one that sends much, if there is a place for what it is told."""
    until = time.perf_counter() + asked.seconds
    senders = [steady(port, token, n, asked.rate, until, others) for n, token in enumerate(tokens[1:])]
    if many is not None:
        rate = asked.rate * asked.times / asked.connections
        senders += [steady(port, tokens[0], 100 + n, rate, until, many) for n in range(asked.connections)]
    await asyncio.gather(*senders)


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--others", type=int, default=8)
    arguments.add_argument("--rate", type=float, default=4, help="calls a second of each of the others")
    arguments.add_argument("--times", type=float, default=50)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=15)
    arguments.add_argument("--rounds", type=int, default=4)
    asked = arguments.parse_args()
    with databases("fair"):
        from django.db import connection

        from generations import access

        tokens = []
        for n in range(asked.others + 1):
            project = access.create_project(f"Bench {n}")
            tokens.append(access.create_key(access.of_system(project), name="bench", scopes=("write",))[1])
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            port = listener.getsockname()[1]
            server = serve(listener, str(connection.settings_dict["NAME"]), "observability.wsgi:application")
            try:
                alone, beside, many = Told(), Told(), Told()
                ratios = []
                asyncio.run(load(port, tokens, argparse.Namespace(**{**vars(asked), "seconds": 2}), Told(), Told()))
                for _ in range(asked.rounds):
                    one, other = Told(), Told()
                    asyncio.run(load(port, tokens, asked, one, None))
                    asyncio.run(load(port, tokens, asked, other, many))
                    ratios.append(other.within(0.99) / one.within(0.99))
                    alone.add(one)
                    beside.add(other)
            finally:
                server.terminate()
                server.wait(30)
        load_of_others = f"{asked.others} others at {asked.rate:g} calls/s each"
        print(
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {machine()}, {load_of_others}, load {os.getloadavg()[0]:.1f}\n"
        )
        print("| | calls | calls/s | p50 ms | p95 ms | p99 ms | told to come again | failed |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        span = asked.seconds * asked.rounds
        for name, told in (("the others alone", alone), ("the others beside", beside), ("the one", many)):
            print(
                f"| {name} | {len(told.seconds):,} | {len(told.seconds) / span:,.0f} | {told.within(0.5):.0f}"
                f" | {told.within(0.95):.0f} | {told.within(0.99):.0f} | {told.again} | {told.failed} |"
            )
        of_rounds = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
        print(f"\np99 of the others, beside / alone: {beside.within(0.99) / alone.within(0.99):.2f}", end="")
        print(f" (of the rounds {of_rounds}); p50: {beside.within(0.5) / alone.within(0.5):.2f}")


if __name__ == "__main__":
    main()
