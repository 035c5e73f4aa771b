"""One or several processes answer on one socket; who is killed is started again, and the others go on."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from generations.management import balancing
from generations.management.children import Child, ForkServer

pytestmark = pytest.mark.slow
WITHIN = 240.0


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def served(folder: Path, processes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Child], str]]:
    """The processes, and where they answer, once all have begun."""
    monkeypatch.setenv("BEGUN_FOLDER", str(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given = {"target": "tests.answering:application", "file_descriptor": listener.fileno()}
        given |= {"threads": 2, "streams": 0}
        parts = {f"web {n} of {processes}": given | {"place": n} for n in range(processes)}
        server = ForkServer(parts, (listener.fileno(),))
        children = [Child(name, server) for name in parts]
        try:
            for child in children:
                child.start()
            wait_for(lambda: [child.keep_running() for child in children] and begun(folder) >= pids(children))
            yield children, f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.stop()


def begun(folder: Path) -> set[int | None]:
    return {int(file.name) for file in folder.iterdir()}


def pids(children: list[Child]) -> set[int | None]:
    return {child.process.pid if child.process and not child.process.poll() else None for child in children}


@pytest.mark.parametrize("processes", [1, 3])
def test_each_process_begins_and_term_ends_it(tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, processes, monkeypatch) as (children, url):
        there = pids(children)
        assert len(there) == processes
        assert int(httpx.get(url, timeout=WITHIN).text) in there
        for child in children:
            assert child.process is not None
            child.process.terminate()
        wait_for(lambda: not any(child.is_running() for child in children))
        assert {child.process and child.process.returncode for child in children} == {0}


def test_when_one_is_killed_it_alone_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, 3, monkeypatch) as (children, url):
        before = [child.process.pid if child.process else None for child in children]
        assert before[0] is not None
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: any(child.keep_running() for child in children))
        wait_for(lambda: begun(tmp_path) >= pids(children))
        after = [child.process.pid if child.process else None for child in children]
        assert after[1:] == before[1:]
        assert after[0] not in before
        assert int(httpx.get(url, timeout=WITHIN).text) in after


def test_a_new_one_has_nothing_in_hand_of_what_the_killed_one_had() -> None:
    in_hand = balancing.counts(2)
    in_hand[0] = 7

    balancing.Balanced(lambda environ, start: [], 0, in_hand)

    assert list(in_hand) == [0, 0]


def test_callers_that_keep_their_connections_are_shared_out_among_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    is_over = threading.Event()

    def call(url: str) -> None:
        with httpx.Client(timeout=WITHIN) as client:
            while not is_over.is_set():
                said.append(client.get(url).text)

    def are_shared_out() -> bool:
        counted = Counter(said[-40:])
        return len(counted) == 2 and min(counted.values()) >= 15

    with served(tmp_path, 2, monkeypatch) as (_, url):
        # All of them come to the socket that both processes accept from.
        callers = [threading.Thread(target=call, args=(f"{url}?10",)) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            wait_for(are_shared_out)
        finally:
            is_over.set()
            for caller in callers:
                caller.join()


def test_who_has_no_more_than_another_sends_nobody_away() -> None:
    in_hand = balancing.counts(2)
    heads: list[list[tuple[str, str]]] = []

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Connection", "keep-alive")])
        return []

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        heads.append(headers)

    def asked(times: int) -> list[str]:
        heads.clear()
        for _ in range(times):
            balanced({}, start)
        return [dict(head)["Connection"] for head in heads]

    balanced = balancing.Balanced(answer, 0, in_hand)
    in_hand[1] = 1
    assert asked(100) == ["keep-alive"] * 100
    in_hand[0] = 3
    assert asked(100).count("close") > 5
    in_hand[0] = 1
    assert "close" not in asked(100)[20:]
