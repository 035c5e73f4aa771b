"""One or several processes answer on one socket, and begin and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.stack import ROOT

pytestmark = pytest.mark.slow
WITHIN = 60.0


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
