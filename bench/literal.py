"""Steps a second from Literal AI's real Python client, beside the same calls through the REST batch doors.

    python bench/literal.py [--steps 5000] [--threads 100] [--rounds 3]

A server of its own is started as users start it (`manage.py up`). The client is installed from its lock file, as the
tests do. Both send the same steps with the same generations, one request after the other, in turns. Afterwards the
documents that the client makes are answered in this process under a profiler.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.calls import call
from bench.database import databases, machine

CLIENT: Final = "literalai-0.1.300"
SIZES: Final = (5, 50)
"""What the client collects for a request: as it is, and as large as a REST batch."""
REST_SIZE: Final = 50


def main() -> None:
    """Run as the module says and print two tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=5_000)
    arguments.add_argument("--threads", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    given = os.environ.get("DATABASE_URL", "")
    with databases("literal"):
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}\n")
        profile = _profile(asked.steps)
    # The server makes its own database, unless it was given one.
    os.environ.pop("DATABASE_URL", None)
    if given:
        os.environ["DATABASE_URL"] = given
    _live(asked.steps, asked.threads, asked.rounds)
    print()
    print(profile)


def _live(steps: int, threads: int, rounds: int) -> None:
    from tests.clients import environments

    os.environ.setdefault("OUTSIDE_DATABASE_URL", os.environ.get("DATABASE_URL", ""))
    from tests.stack import Stack

    python = environments.python(CLIENT)
    folder = Path(tempfile.mkdtemp(prefix="generations-bench-"))
    stack = Stack(folder / "data")
    seconds: dict[str, list[float]] = {}
    try:
        stack.start()
        for n in range(rounds):
            talks = _talks(steps, threads, f"{n}-")
            file = folder / "talks.json"
            file.write_text(json.dumps(talks))
            for size in SIZES:
                seconds.setdefault(f"the client, {size} steps a request", []).append(_send(stack, python, file, size))
            name = f"REST, {REST_SIZE} generations and {REST_SIZE} steps, two requests"
            seconds.setdefault(name, []).append(_rest(stack, talks))
    finally:
        stack.discard()
    print("| way | steps/s, median | slowest | fastest |")
    print("|---|---:|---:|---:|")
    for name, times in seconds.items():
        rates = sorted(steps / one for one in times)
        print(f"| {name} | {statistics.median(rates):,.0f} | {rates[0]:,.0f} | {rates[-1]:,.0f} |")


def _talks(steps: int, threads: int, prefix: str) -> list[dict[str, Any]]:
    size = max(1, steps // threads)
    return [
        {
            "id": f"talk-{prefix}{first}",
            "user": f"user-{first % 500}",
            "calls": [_plain(f"{prefix}{n}", n) for n in range(first, min(first + size, steps))],
        }
        for first in range(0, steps, size)
    ]


def _plain(id: str, n: int) -> dict[str, Any]:
    made = call(n)
    return {
        "id": f"step-{id}",
        "provider": made.provider,
        "model": made.model_id,
        "settings": made.parameters or {},
        "messages": made.messages,
        "answer": made.message_completion or {"role": "assistant", "content": ""},
        "input": made.prompt_tokens,
        "output": made.completion_tokens or 0,
        "duration": made.latency,
    }


def _send(stack: Any, python: Path, file: Path, size: int) -> float:
    environment = {"LITERAL_API_URL": stack.url, "LITERAL_API_KEY": stack.api_key, "TRACELOOP_TELEMETRY": "false"}
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("literal_sender.py")), str(file), str(size)],
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])


def _rest(stack: Any, talks: list[dict[str, Any]]) -> float:
    """Seconds of the same as two lists: each step, and the generation in it."""
    now = dt.datetime.now(dt.UTC).isoformat()
    steps: list[dict[str, Any]] = []
    generations: list[dict[str, Any]] = []
    for talk in talks:
        for one in talk["calls"]:
            common = {"id": one["id"], "threadId": talk["id"], "name": "answer", "timestamp": now}
            text = {"content": one["messages"][-1]["content"]}
            steps.append(
                {**common, "type": "llm", "input": text, "output": one["answer"], "metadata": {"tags": ["bench"]}}
            )
            generations.append(
                {
                    **common,
                    "stepId": one["id"],
                    "type": "chat",
                    "model": {"id": one["model"], "provider": one["provider"]},
                    "messages": one["messages"],
                    "messageCompletion": one["answer"],
                    "usage": {"promptTokens": one["input"], "completionTokens": one["output"]},
                }
            )
    began = time.perf_counter()
    with stack.client() as client:
        for first in range(0, len(steps), REST_SIZE):
            for path, rows in (("/api/steps/batch", steps), ("/api/generations/batch", generations)):
                answer = client.post(path, json=rows[first : first + REST_SIZE])
                assert answer.status_code == 200, answer.text
                assert answer.json()["counts"]["rejected"] == 0, answer.text[:500]
    return time.perf_counter() - began


# ------------------------------------------------------------------------------------------------------------- profile
def _profile(steps: int) -> str:
    """The five functions that cost most by themselves, and the share of GraphQL, over batches of fifty steps."""
    from django.test import Client

    from generations import access
    from tests.doors.literal import batch

    project = access.create_project("Bench")
    _, token = access.create_key(access.of_system(project), name="bench")
    client = Client(headers={"x-api-key": token, "host": "localhost"})
    bodies = [
        batch(*(_ingested(n) for n in range(first, first + REST_SIZE)))
        for first in range(0, min(steps, 2_000), REST_SIZE)
    ]
    client.post("/api/graphql", bodies[0], content_type="application/json")
    profile = cProfile.Profile()
    for body in bodies[1:]:
        raw = json.dumps(body)
        profile.enable()
        answer = client.post("/api/graphql", raw, content_type="application/json")
        profile.disable()
        assert answer.status_code == 200, answer.content[:500]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in stats.values())
    lines = ["| function | calls a step | share of the time, by itself |", "|---|---:|---:|"]
    top = sorted(stats.items(), key=lambda item: -item[1][2])[:5]
    done = (len(bodies) - 1) * REST_SIZE
    for (file, _, name), (_, calls, own, _, _) in top:
        where = f"{Path(file).parent.name}/{Path(file).name}: " if file != "~" else ""
        lines.append(f"| `{where}{name}` | {calls / done:.1f} | {own / total:.1%} |")
    graphql = sum(
        row[3] for (file, _, name), row in stats.items() if name in ("document", "only_steps") and "literal" in file
    )
    lines.append(
        f"\nThe document parsed, checked and read: {graphql / total:.1%} of {1000 * total / done:.2f} ms a step."
    )
    return "\n".join(lines)


def _ingested(n: int) -> dict[str, Any]:
    one = _plain(str(n), n)
    return {
        "id": one["id"],
        "threadId": f"talk-{n // 50}",
        "type": "llm",
        "name": "answer",
        "startTime": "2026-11-01T00:00:00.000000Z",
        "endTime": "2026-11-01T00:00:01.000000Z",
        "input": {"content": one["messages"][-1]["content"]},
        "output": {"content": one["answer"]["content"]},
        "tags": ["bench"],
        "scores": [],
        "attachments": [],
        "generation": {
            "type": "CHAT",
            "provider": one["provider"],
            "model": one["model"],
            "settings": one["settings"],
            "messages": one["messages"],
            "messageCompletion": one["answer"],
            "inputTokenCount": one["input"],
            "outputTokenCount": one["output"],
            "duration": one["duration"],
        },
    }


if __name__ == "__main__":
    main()
