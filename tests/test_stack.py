"""What tests start copies with: a port that is theirs until they listen there, and processes told from their forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pytest_django.fixtures import Settings

from tests.stack import Stack, free_port, given_to_anybody

FORKS = "import os, sys; os.fork(); print(flush=True); sys.stdin.read()"
"""Two processes with one command line, as there are for a moment whenever one is forked."""


def test_a_port_for_a_copy_is_none_that_whoever_connects_may_be_given() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50
    assert [port for port in ports if port in given_to_anybody()] == []


def test_each_worker_of_a_run_has_a_folder_of_its_own(settings: Settings) -> None:
    assert str(settings.DATA_DIR) == os.environ["DATA_DIR"]
    assert f"-{os.environ.get('PYTEST_XDIST_WORKER', '')}-" in settings.DATA_DIR.parent.name
    assert settings.MEDIA_ROOT.is_relative_to(settings.DATA_DIR)


def test_a_process_is_told_from_what_it_forked_a_moment_ago(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    environment = {**os.environ, "DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", FORKS, "a part"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as part:
        assert part.stdout is not None
        for _ in range(2):
            part.stdout.readline()

        assert [one for one in stack.processes().values() if "a part" in one] == 2 * [" ".join(command)]
        assert stack.pid_of("a part") == part.pid
        part.communicate()
