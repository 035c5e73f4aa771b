"""A database that stands still: who asks is told to come again, and once it moves nothing is lost and nothing twice."""

import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from generations.management import embedded
from tests.stack import Stack

pytestmark = pytest.mark.slow


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    """Every process of PostgreSQL stopped."""
    server = stack.pid_of("bin/postgres")
    os.kill(server, signal.SIGSTOP)  # first: from here on there are no more of them
    stopped = [*map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split()), server]
    assert len(stopped) > 3
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def span() -> dict[str, object]:
    now = str(time.time_ns())
    made = {"traceId": uuid.uuid4().hex, "spanId": uuid.uuid4().hex[:16], "name": "x"}
    spans = [{**made, "startTimeUnixNano": now, "endTimeUnixNano": now}]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def step() -> dict[str, str]:
    return {"query": f'mutation {{ a: upsertStep(id: "{uuid.uuid4()}", name: "x", type: "run") {{ id }} }}'}


DOORS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "REST": lambda client: client.get("/api/generations"),
    "OTLP": lambda client: client.post("/v1/traces", json=span()),
    "GraphQL": lambda client: client.post("/graphql/", json={"query": "{ generations(first: 1) { nodes { id } } }"}),
    "Literal": lambda client: client.post("/api/graphql", json=step()),
    "Gantry": lambda client: client.get("/api/v1/applications"),
    "page": lambda client: client.get("/projects/"),
    "health": lambda client: client.get("/healthz"),
}


@pytest.mark.skipif(bool(os.environ.get("OUTSIDE_DATABASE_URL")), reason="an outside server is not ours to stop")
def test_a_database_that_stands_still_is_told_at_every_door_and_nothing_is_lost_or_twice(stack: Stack) -> None:
    stack.start()
    acknowledged: list[str] = []
    answers: Counter[int] = Counter()
    is_over = threading.Event()

    def write(writer: int) -> None:
        number = 0
        with stack.client() as client:
            while not is_over.is_set():
                answer = client.post("/api/generations", json={"id": f"{writer}-{number}", "output": {"content": "x"}})
                answers[answer.status_code] += 1
                if answer.status_code == 503:
                    assert int(answer.headers["Retry-After"]) > 0
                    time.sleep(0.1)
                    continue  # the same again
                acknowledged.append(f"{writer}-{number}")
                number += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for one in writers:
        one.start()
    told: dict[str, httpx.Response] = {}
    try:
        with stack.client() as client:
            client.cookies.set(f"generations_session_{stack.port}", "x" * 32)
            for _ in range(3):
                before = len(acknowledged)
                while len(acknowledged) < before + 50:
                    time.sleep(0.02)
                with frozen(stack):
                    # One after the other, each of which would take a thread for as long as nothing moves.
                    for door, ask in DOORS.items():
                        told[door] = ask(client)
                assert {door: one.status_code for door, one in told.items()} == {
                    door: 502 if door == "Gantry" else 503 for door in DOORS
                }
                assert all("Retry-After" in one.headers for one in told.values())
            stack.wait_until_ready()
            before = len(acknowledged)
            while len(acknowledged) < before + 50:
                time.sleep(0.02)
    finally:
        is_over.set()
        for one in writers:
            one.join()
    with psycopg.connect(embedded.url(stack.data_dir)) as connection:
        rows = Counter(row[0] for row in connection.execute("SELECT public_id FROM generation").fetchall())

    assert {201, 503} <= set(answers) <= {200, 201, 503}, answers  # 200: it was stored, and told as in doubt
    assert set(acknowledged) - set(rows) == set()
    assert set(rows.values()) == {1}
    assert "answers again" in stack.output()
