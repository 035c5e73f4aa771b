"""Spans that several write to a project at the same time: who waits for whom, and what comes of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction

from generations import recording, trusting
from generations.models import Generation, Participant, Project, Step, Tag, Thread
from generations.recording import locking
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import BARE, START, calls, request, span, steps

pytestmark = pytest.mark.django_db(transaction=True)

ONE, OTHER = "1" * 32, "2" * 32
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""In this database: another worker's tests wait for locks of theirs, on the same server."""


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


@contextmanager
def writing(project: Project, names: Collection[str]) -> Iterator[Callable[[Callable[[], Any]], bool]]:
    """While another request writes spans of these traces and answers: what tells whether something waits for it.

    That which waits is through when this ends.
    """
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(locking.beside(project.pk, names))
            taken.set()
            free.wait(240)
        connections.close_all()

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    taken.wait(240)

    def waits(act: Callable[[], Any]) -> bool:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()
            connections.close_all()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        is_waiting = False
        with connection.cursor() as cursor:
            while not is_waiting and not done.wait(0.01):
                cursor.execute(WAITING)
                is_waiting = cursor.fetchone()[0] > 0
        return is_waiting

    try:
        yield waits
    finally:
        free.set()
        for thread in threads:
            thread.join()


def send(api: Caller, *spans: dict[str, Any]) -> None:
    answer = Caller(api.project, api.token).post("/v1/traces", request(*spans))
    assert (answer.status, answer.json) == (200, {})


def test_spans_of_one_trace_wait_for_each_other_and_those_of_two_do_not(api: Caller) -> None:
    with writing(api.project, [ONE]) as waits:
        assert not waits(lambda: send(api, span(1, traceId=OTHER)))
        assert waits(lambda: send(api, span(2, traceId=ONE)))


def test_one_answer_told_in_two_traces_is_waited_for(api: Caller) -> None:
    with writing(api.project, [ONE, "chatcmpl-1"]) as waits:
        assert waits(lambda: send(api, span(1, traceId=OTHER, attributes=BARE | {"gen_ai.response.id": "chatcmpl-1"})))


def test_whoever_writes_by_other_doors_waits_and_so_does_a_request_of_very_many_traces(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = {"id": "g", "model": "gpt-4o-mini"}
    with writing(api.project, [ONE]) as waits:
        assert waits(lambda: Caller(api.project, api.token).post("/api/generations", call))

    monkeypatch.setattr(recording, "MOST", 2)
    with writing(api.project, [ONE]) as waits:
        assert waits(lambda: send(api, *(span(n, traceId=f"{n:032x}") for n in range(3, 6))))


def test_an_answer_stored_in_another_trace_is_told_once_though_nobody_knew_of_that_trace(api: Caller) -> None:
    told = BARE | {"gen_ai.response.id": "chatcmpl-7"}
    send(api, span(1, traceId=ONE, attributes=told))
    again = request(span(2, traceId=OTHER, attributes=told))
    again["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"] = "another instrumentation"

    # The trace of the stored call was not named: what is written begins anew, alone.
    with writing(api.project, ["something else"]) as waits:
        assert waits(lambda: Caller(api.project, api.token).post("/v1/traces", again))

    assert (steps(api), len(calls(api))) == (2, 1)


def test_what_many_write_at_once_is_what_one_writes_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = caller("ingest"), caller("ingest")
    chance = random.Random(7)
    spans = [
        span(
            100 * trace + n + 1,
            traceId=f"{trace + 1:032x}",
            parent=None if n == 0 else 100 * trace + 1,
            attributes=BARE
            | {"gen_ai.operation.name": "chat" if n else "invoke_agent"}
            | ({"gen_ai.response.id": f"r{trace}/{n}"} if n else {"session.id": f"s{trace % 5}"})
            | {"user.id": f"u{trace % 5 % 3}", "langfuse.trace.tags": f'["t{trace % 4}"]'},
        )
        for trace in range(24)
        for n in range(5)
    ]
    for one in spans:
        one["startTimeUnixNano"] = str(START + chance.randrange(10**12))
        one["endTimeUnixNano"] = str(START + 2 * 10**12)
    send(alone, *spans)
    chance.shuffle(spans)
    batches = [spans[n : n + 10] for n in range(0, len(spans), 10)]

    # As in several processes: nobody takes others along.
    def by_itself(
        what: str,
        project: int,
        items: Any,
        write: Callable[[Any, Any], Any],
        trust: trusting.Trust | None,
        *,
        beside: bool = False,
    ) -> Any:
        return write(items, [] if trust is None else [trust])

    monkeypatch.setattr(recording, "together", by_itself)
    sent: list[int] = []

    def work(mine: list[list[dict[str, Any]]]) -> None:
        try:
            for batch in mine:
                send(together, *batch)
                sent.append(len(batch))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(batches[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(sent) == len(spans)
    assert said(together.project) == said(alone.project)


def said(project: Project) -> list[Any]:
    """What is stored, in the order of the ids."""
    rows = [
        Step.objects.in_project(project.pk).values_list(
            "public_id", "parent_id", "thread_id", "user_id", "tags", "started_at"
        ),
        Generation.objects.in_project(project.pk).values_list(
            "public_id", "thread_id", "user_id", "tags", "response_id", "started_at"
        ),
        Thread.objects.in_project(project.pk).values_list("public_id", "user_id", "started_at", "last_activity_at"),
        Participant.objects.in_project(project.pk).values_list("public_id", "identifier"),
        Tag.objects.filter(project=project).values_list("name", "colour"),
    ]
    return [sorted(some, key=repr) for some in rows]
