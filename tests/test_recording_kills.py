"""What was answered with success is there after `kill -9` of any process under load, counted one by one.

`KILLS=50 pytest -s tests/test_recording_kills.py` kills that often; the count is printed.
"""

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from typing import Any

import httpx
import psycopg
import pytest

from generations.management import embedded
from tests.stack import Stack

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "6"))
WRITERS = 8
VICTIMS = ("web", "postgresql", "everything", "one")
"""All processes of a name, all that there are, or any one of them: the supervisor, worker, beat or a connection too."""


class Writer(threading.Thread):
    """Sends single calls and small batches until told to stop, and keeps the ids that were answered with success."""

    def __init__(self, stack: Stack, number: int, stopping: threading.Event) -> None:
        super().__init__()
        self.stack, self.number, self.stopping = stack, number, stopping
        self.acknowledged: list[str] = []
        self.failures: Counter[str] = Counter()

    def run(self) -> None:
        """Send, and send something new whatever came back."""
        numbers = itertools.count()
        with self.stack.client() as client:
            while not self.stopping.is_set():
                size = 5 if self.number % 4 == 0 else 1
                ids = [f"{self.number}-{next(numbers)}" for _ in range(size)]
                documents = [self.document(id) for id in ids]
                try:
                    if size == 1:
                        answer = client.post("/api/generations", json=documents[0])
                    else:
                        answer = client.post("/api/generations/batch", json=documents)
                except httpx.TransportError as error:
                    self.failures[type(error).__name__] += 1
                    self.stopping.wait(0.05)
                    continue
                if not answer.is_success:
                    self.failures[str(answer.status_code)] += 1
                    self.stopping.wait(0.05)
                elif size == 1:
                    self.acknowledged += ids
                else:
                    self.acknowledged += [r["id"] for r in answer.json()["receipts"] if r["state"] != "rejected"]

    def document(self, id: str) -> dict[str, Any]:
        """A call that brings a thread, a user and a tag along."""
        return {
            "id": id,
            "model": {"id": "gpt-4", "provider": "openai"},
            "messages": [{"role": "user", "content": f"What is {id}? " * 20}],
            "output": {"content": "That " * 50},
            "usage": {"promptTokens": 10, "completionTokens": 5},
            "threadId": f"thread-{self.number % 3}",
            "metadata": {"userId": f"user-{self.number % 5}", "tags": ["killed"]},
        }


def kill(stack: Stack, victim: str, chance: random.Random) -> None:
    """End these processes as a power cut would, and wait until all is ready again."""
    words = {"web": "generations: web", "postgresql": "postgres"}.get(victim, "")
    found = [pid for pid, command in stack.processes().items() if words in command]
    killed = [chance.choice(found)] if victim == "one" else found
    for pid in killed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it went with another that was killed
            continue
    assert stack.process is not None
    if stack.process.pid in killed:
        stack.process.wait(120)
        stack.launch()
    stack.wait_until_ready(120)


def stored(stack: Stack) -> Counter[str]:
    """How often each id is stored, with its facts and its text."""
    with psycopg.connect(embedded.url(stack.data_dir)) as connection:
        rows = connection.execute(
            "SELECT public_id FROM generation JOIN generation_payload USING (project_id, uid, started_at)"
        ).fetchall()
    return Counter(row[0] for row in rows)


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="an outside server is not ours to kill")
def test_nothing_that_was_acknowledged_is_lost(stack: Stack) -> None:
    chance = random.Random(0)
    victims = [VICTIMS[n % len(VICTIMS)] for n in range(KILLS)]
    chance.shuffle(victims)
    stack.start()
    stopping = threading.Event()
    writers = [Writer(stack, n, stopping) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for victim in victims:
            time.sleep(chance.uniform(0.2, 1.5))
            kill(stack, victim, chance)
        time.sleep(0.5)
    finally:
        stopping.set()
        for writer in writers:
            writer.join()
    # It may have said that all is ready before it saw that one of its processes was killed.
    stack.wait_until_ready()

    acknowledged = {id for writer in writers for id in writer.acknowledged}
    there = stored(stack)
    failures = sum((writer.failures for writer in writers), Counter())
    print(
        f"{len(victims)} kills ({dict(Counter(victims))}): {len(acknowledged)} acknowledged, {len(there)} stored,"
        f" {len(acknowledged - there.keys())} lost; not acknowledged: {dict(failures)}"
    )
    assert acknowledged
    assert acknowledged - there.keys() == set()
    assert set(there.values()) == {1}
    assert "500" not in failures, stack.output()[-8000:]
