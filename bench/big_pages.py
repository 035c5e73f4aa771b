"""Times, weights and queries of the pages of one call, step and thread at the largest that they are asked to show.

    python bench/big_pages.py [--times 20]

A trace of 20,000 steps, 130 of them below each other, once with a trace id and once by its parents alone; a thread of
2,000 turns; an answer of 20 MB; a word of 1 MB. Times are the server's, from the first middleware to the last byte, in
one process with one connection; those of the processor beside them, as that does not depend on who else is there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine

if TYPE_CHECKING:
    from generations.records import Record

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
STEPS, DEEP, TURNS = 20_000, 130, 2_000
WARM_UP = 2
PAGES = {
    "step: the top of a trace of 20,000": "steps/traced-0/",
    "step: its deepest, 130 levels down": "steps/traced-129/",
    "step: one of its last": "steps/traced-19999/",
    "step: below one of its steps": "steps/traced-0/tree/?of=traced-0",
    "step: found by a text": "steps/traced-0/tree/?find=step+19",
    "step: the top, by parents alone": "steps/parents-0/",
    "step: 130 levels down, by parents alone": "steps/parents-129/",
    "thread of 2,000 turns: from the beginning": "threads/long/",
    "thread of 2,000 turns: from the end": "threads/long/?order=-timestamp",
    "thread of 2,000 turns: around a turn": "threads/long/?currentStepId=turn-1000",
    "generation: an answer of 20 MB": "generations/huge/",
    "generation: its next piece": "generations/huge/block/?at=/completion&from=10000000",
    "generation: as JSON": "generations/huge/?view=json",
    "generation: words of 1 MB": "generations/word/",
    "generation: 1,000 messages": "generations/talk/",
    "generation: around its 500th message": "generations/talk/?message=500",
}


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=20)
    asked = arguments.parse_args()
    with databases("pages"):
        from django.conf import settings
        from django.db import connection
        from django.test import Client

        from generations import access, recording
        from generations.models import User

        settings.ALLOWED_HOSTS = ["testserver"]
        owner = User.objects.create_superuser("bench")
        project = access.create_project("Bench", owner)
        waiting = _records()
        while batch := list(itertools.islice(waiting, 2_000)):
            recording.record(project, batch)
        client = Client()
        client.force_login(owner)
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}\n")
        print("| page | p50 ms | p95 ms | processor p50 ms | KB | queries |\n|---|---:|---:|---:|---:|---:|")
        for name, path in PAGES.items():
            address = f"/projects/{project.slug}/{path}"
            queries: list[object] = []
            with connection.execute_wrapper(_noting(queries)):
                answer = client.get(address)
            assert answer.status_code == 200, (name, answer.status_code)
            gc.freeze()  # what is loaded is looked through no more: as in the processes of the server
            took, used = [], []
            for turn in range(WARM_UP + asked.times):
                wall, processor = time.perf_counter(), time.process_time()
                client.get(address)
                if turn >= WARM_UP:
                    took.append(1000 * (time.perf_counter() - wall))
                    used.append(1000 * (time.process_time() - processor))
            p50, p95 = statistics.median(took), sorted(took)[int(len(took) * 0.95)]
            weight = len(answer.content) / 1000
            print(f"| {name} | {p50:.0f} | {p95:.0f} | {statistics.median(used):.0f} | {weight:.0f} | {len(queries)} |")


def _noting(queries: list[object]) -> Callable[..., Any]:
    """What Django calls around each query: it notes that there was one."""

    def note(execute: Callable[..., Any], *arguments: Any) -> Any:
        queries.append(arguments[0])
        return execute(*arguments)

    return note


def _records() -> Iterator[Record]:
    from generations.records import GenerationRecord, StepRecord

    for prefix, trace in (("traced", "t" * 32), ("parents", None)):
        for n in range(STEPS):
            above = None if n == 0 else n - 1 if n < DEEP else n * 7919 % (n // 6)
            yield StepRecord(
                id=f"{prefix}-{n}",
                parent_id=None if above is None else f"{prefix}-{above}",
                trace_id=trace,
                type=("run", "tool", "retrieval", "llm")[n % 4],
                name=f"step {n}",
                started_at=NOON + dt.timedelta(milliseconds=7 * n),
                ended_at=NOON + dt.timedelta(milliseconds=7 * n + 900),
                error="It broke" if n % 997 == 500 else None,
                input={"asked": n},
                output=f"answered {n}",
            )
            if n % 4 == 3 and n < 8_000:
                yield GenerationRecord(
                    id=f"{prefix}-call-{n}",
                    step_id=f"{prefix}-{n}",
                    trace_id=trace,
                    started_at=NOON + dt.timedelta(milliseconds=7 * n),
                    model_id="gpt-4o",
                    prompt="Hello?",
                    latency=0.5,
                )
    for n in range(TURNS):
        yield StepRecord(
            id=f"turn-{n}",
            type="user_message" if n % 2 == 0 else "assistant_message",
            thread_id="long",
            started_at=NOON + dt.timedelta(seconds=n),
            output={"content": f"Line {n}, **as** it was said. " * 10},
        )
    yield GenerationRecord(id="huge", started_at=NOON, prompt="Count", completion="0123456789 123456789\n" * 1_000_000)
    yield GenerationRecord(id="word", started_at=NOON, prompt="W" * 1_000_000, completion="w" * 1_000_000)
    said = [{"role": "user", "content": f"message {n} {'x' * 900}"} for n in range(1_000)]
    yield GenerationRecord(id="talk", started_at=NOON, messages=said, completion="Done")


if __name__ == "__main__":
    main()
