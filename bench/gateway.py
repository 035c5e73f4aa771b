"""What the gateway adds to a call, and 200 streams through it, beside going direct and beside LiteLLM's proxy.

    python bench/gateway.py [--calls 400] [--rounds 3] [--streams 200] [--without-litellm]

A scripted upstream that thinks for 100 ms; `manage.py up` in front of it; and LiteLLM's proxy, as it starts by default,
installed by its lock into an environment that is kept. The ways take turns. What is added is the difference of
percentiles to going direct. Streams come at once and bring 20 pieces a second each; that all bytes came, and that each
call was recorded, is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import ROOT, hardware
from bench.processes import family, free_port, parts, pss, wait

KEY = "gen_only-for-benchmarks"
THINKS = 0.1
PIECES, PAUSE = 200, 0.05
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How does a gateway work? " * 40}]}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}


@dataclass
class Way:
    """One of the ways to the upstream. `streams` are (bytes, seconds to the first, seconds in all) of each stream."""

    name: str
    port: int
    path: str
    key: str
    parts: Callable[[], dict[str, list[int]]] = dict
    calls: dict[int, list[float]] = field(default_factory=dict)
    streams: list[tuple[int, float, float]] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def main() -> None:
    """Run as the module says and print two tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=400, help="of each way, each number of callers and each round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--streams", type=int, default=200)
    arguments.add_argument("--without-litellm", action="store_true")
    asked = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="generations-bench-")))
        upstream = stack.enter_context(_upstream())
        direct = Way("direct", upstream, "/v1/chat/completions", "sk-theirs")
        ours = stack.enter_context(_ours(base, upstream))
        ways = [direct, ours]
        if not asked.without_litellm and (program := _installed()):
            ways.append(stack.enter_context(_litellm(program, base, upstream)))
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {hardware()}, load {os.getloadavg()[0]:.1f} before\n")
        asyncio.run(_measure(ways, asked))
        made = 20 + 2 * asked.calls * asked.rounds + asked.streams
        _say(ways, made - ours.failed, _recorded(ours.port, made - ours.failed))


async def _measure(ways: list[Way], asked: argparse.Namespace) -> None:
    for way in ways:
        await _calls(way, 1, 20)
        way.calls.clear()
    for _ in range(asked.rounds):
        for callers in (1, 10):
            for way in ways:
                await _calls(way, callers, asked.calls)
    for way in ways:
        await _streams(way, asked.streams)


# ------------------------------------------------------------------------------------------------------------ callers
async def _calls(way: Way, callers: int, number: int) -> None:
    """So many calls by so many callers, each on one connection."""
    left = [number]

    async def caller() -> None:
        connection = await asyncio.open_connection("127.0.0.1", way.port)
        while left[0] > 0:
            left[0] -= 1
            began = time.perf_counter()
            status, _, _ = await _asked(connection, way, CHAT)
            way.calls.setdefault(callers, []).append(time.perf_counter() - began)
            way.failed += status != 200
        connection[1].close()

    await asyncio.gather(*(caller() for _ in range(callers)))


async def _streams(way: Way, number: int) -> None:
    async def stream() -> None:
        connection = await asyncio.open_connection("127.0.0.1", way.port)
        began = time.perf_counter()
        status, size, first = await _asked(connection, way, {**CHAT, "stream": True})
        way.streams.append((size, first - began, time.perf_counter() - began))
        way.failed += status != 200
        connection[1].close()

    async def watched() -> None:
        while True:
            for part, pids in way.parts().items():
                way.memory[part] = max(way.memory.get(part, 0), sum(map(pss, pids)))
            await asyncio.sleep(1)

    watching = asyncio.create_task(watched())
    await asyncio.gather(*(stream() for _ in range(number)))
    watching.cancel()


async def _asked(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], way: Way, document: object
) -> tuple[int, int, float]:
    """(status, bytes of the body, the moment of the first of them) of one call."""
    reader, writer = connection
    body = json.dumps(document).encode()
    head = (
        f"POST {way.path} HTTP/1.1\r\nHost: 127.0.0.1:{way.port}\r\nAuthorization: Bearer {way.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(answered.split(" ", 2)[1])
    if "content-length:" in answered:
        length = int(answered.split("content-length:", 1)[1].split("\r\n", 1)[0])
        await reader.readexactly(length)
        return status, length, time.perf_counter()
    size, first = 0, 0.0
    while length := int(await reader.readline(), 16):
        first = first or time.perf_counter()
        await reader.readexactly(length + 2)
        size += length
    await reader.readline()
    return status, size, first


# ---------------------------------------------------------------------------------------------------------------- ways
@contextlib.contextmanager
def _upstream() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.gateway_upstream", str(port)], cwd=ROOT)
    try:
        wait(port, "/", process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def _ours(base: Path, upstream: int) -> Iterator[Way]:
    port = free_port()
    environment = {
        **os.environ,
        "DATA_DIR": str(base / "ours"),
        "PORT": str(port),
        "BOOTSTRAP_API_KEY": KEY,
        "EGRESS_PRIVATE": "127.0.0.1",
        "GATEWAY_UPSTREAM": f"http://127.0.0.1:{upstream}/v1",
        "LOG_LEVEL": "WARNING",
    }
    with (base / "ours.log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait(port, "/healthz", up)
        yield Way("gateway", port, f"/gateway/{KEY}/v1/chat/completions", "sk-theirs", lambda: parts(up.pid))
    finally:
        up.terminate()
        up.wait(60)


def _installed() -> Path | None:
    """LiteLLM's program, installed once; None, and told, where its packages cannot be had."""
    from tests.clients import environments

    try:
        return environments.python("litellm-1.106.2").with_name("litellm")
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        print(f"LITELLM IS LEFT OUT, it could not be installed: {str(problem)[-500:]}\n")
        return None


@contextlib.contextmanager
def _litellm(program: Path, base: Path, upstream: int) -> Iterator[Way]:
    port, config = free_port(), base / "litellm.yaml"
    model = {"model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-theirs"}
    # JSON is YAML.
    listed = [{"model_name": "gpt-4o-mini", "litellm_params": model}]
    config.write_text(json.dumps({"model_list": listed, "general_settings": {"master_key": "sk-bench"}}))
    command = [str(program), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with (base / "litellm.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=base, env=environment, stdout=log, stderr=log)
    try:
        wait(port, "/health/liveliness", process)
        path = "/v1/chat/completions"
        yield Way("LiteLLM's proxy", port, path, "sk-bench", lambda: {"proxy": family(process.pid)})
    finally:
        process.terminate()
        process.wait(60)


# ----------------------------------------------------------------------------------------------------------- the answer
def _recorded(port: int, expected: int) -> int:
    """How many generations there are, once they are all recorded or a minute has passed."""
    address = f"http://127.0.0.1:{port}/api/generations/aggregate"
    asked = b'[{"$group": {"_id": null, "count": {"$sum": 1}}}]'
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(urllib.request.Request(address, asked, headers)) as answer:
            found = json.load(answer)["data"]
        count = int(found[0]["count"]) if found else 0
        if count >= expected or time.monotonic() > deadline:
            return count
        time.sleep(0.5)


def _within(seconds: list[float], part: float) -> float:
    """Milliseconds within which this part of them lies."""
    return 1000 * sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * part))]


def _compare(ways: list[Way]) -> None:
    """What is added, as parts of what the last way adds."""
    direct, ours, *others = ways
    for other in others:
        for callers, base in direct.calls.items():
            ratios = [
                (_within(ours.calls[callers], part) - _within(base, part))
                / (_within(other.calls[callers], part) - _within(base, part))
                for part in (0.5, 0.99)
            ]
            told = f"{ratios[0]:.2f} at p50, {ratios[1]:.2f} at p99"
            print(f"\nAdded with {callers} callers, beside what {other.name} adds (1.00): {told}.", end="")
    if others:
        print()


def _say(ways: list[Way], expected: int, recorded: int) -> None:
    direct = ways[0]
    print("| way | callers | calls | p50 ms | p99 ms | adds at p50 | adds at p99 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for callers, base in direct.calls.items():
        for way in ways:
            took = way.calls[callers]
            halves = [_within(took, part) for part in (0.5, 0.99)]
            more = [mine - _within(base, part) for mine, part in zip(halves, (0.5, 0.99), strict=True)]
            print(f"| {way.name} | {callers} | {len(took)} | {halves[0]:.1f} | {halves[1]:.1f}", end="")
            print(" | | |" if way is direct else f" | {more[0]:.1f} | {more[1]:.1f} |")
    _compare(ways)
    print("\n| way | streams | whole | first piece ms, p50 | p99 | all of it s, p50 | p99 | memory MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    whole = max(size for size, _, _ in direct.streams)
    for way in ways:
        firsts, lasts = [f for _, f, _ in way.streams], [last for *_, last in way.streams]
        came = sum(size >= whole for size, _, _ in way.streams)
        told = [_within(firsts, part) for part in (0.5, 0.99)] + [_within(lasts, part) / 1000 for part in (0.5, 0.99)]
        memory = sum(way.memory.values()) / 1e6
        print(f"| {way.name} | {len(way.streams)} | {came} | {told[0]:.0f} | {told[1]:.0f}", end="")
        print(f" | {told[2]:.1f} | {told[3]:.1f} | {memory:.0f} |")
    for way in ways[1:]:
        print(f"\n{way.name}: " + ", ".join(f"{part} {size / 1e6:.0f} MB" for part, size in way.memory.items()), end="")
        print(f"; {way.failed} calls failed.")
    print(f"\nRecorded: {recorded} of {expected}. Load {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
