"""One or several processes answer on one socket, and begin and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
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
from tests.stack import ROOT

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
def served(folder: Path, processes: int) -> Iterator[tuple[subprocess.Popen[bytes], str, list[int]]]:
    """The first process, where it answers, and the ids of the others, once all have begun."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = str(listener.fileno())
        command = [sys.executable, "-m", "generations.management.serving", "tests.answering:application", "--fd", fd]
        first = subprocess.Popen(
            [*command, "--threads", "2", "--processes", str(processes)],
            cwd=ROOT,
            env={**os.environ, "BEGUN_FOLDER": str(folder)},
            pass_fds=(listener.fileno(),),
        )
        try:
            wait_for(lambda: len(list(folder.iterdir())) == processes)
            pids = {int(file.name) for file in folder.iterdir()}
            yield first, f"http://127.0.0.1:{listener.getsockname()[1]}/", sorted(pids - {first.pid})
        finally:
            first.kill()
            first.wait()


@pytest.mark.parametrize("processes", [1, 3])
def test_each_process_begins_and_term_ends_all(tmp_path: Path, processes: int) -> None:
    with served(tmp_path, processes) as (first, url, others):
        assert len(others) == processes - 1
        assert all((tmp_path / str(pid)).read_text() == str(first.pid) for pid in others)
        assert int(httpx.get(url, timeout=WITHIN).text) in (first.pid, *others)
        first.terminate()
        assert first.wait(WITHIN) == 0
        assert not [pid for pid in others if is_there(pid)]


def test_when_one_of_them_is_killed_all_end_so_that_they_are_started_again(tmp_path: Path) -> None:
    with served(tmp_path, 3) as (first, _, others):
        os.kill(others[0], signal.SIGKILL)
        assert first.wait(WITHIN) == 1
        assert not [pid for pid in others if is_there(pid)]


def test_when_the_first_is_killed_the_others_end(tmp_path: Path) -> None:
    with served(tmp_path, 2) as (first, _, others):
        first.kill()
        first.wait()
        wait_for(lambda: not [pid for pid in others if is_there(pid)])


def test_callers_that_keep_their_connections_are_shared_out_among_the_processes(tmp_path: Path) -> None:
    said: list[str] = []
    is_over = threading.Event()

    def call(url: str) -> None:
        with httpx.Client(timeout=WITHIN) as client:
            while not is_over.is_set():
                said.append(client.get(url).text)

    def are_shared_out() -> bool:
        counted = Counter(said[-40:])
        return len(counted) == 2 and min(counted.values()) >= 15

    with served(tmp_path, 2) as (_, url, _):
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
