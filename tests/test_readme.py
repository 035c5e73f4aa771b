"""What README.md says to type: typed, in its order, into one shell, against a running copy."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, Stack

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()


def blocks(language: str, heading: str) -> list[str]:
    """The blocks of code in one language below a heading, as they are printed."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> "Shell":
    return Shell(tmp_path_factory.mktemp("typed"))


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """As after the first start: with one project, in which nothing is."""
    stack = Stack(tmp_path_factory.mktemp("readme") / "data")
    try:
        stack.start()
        yield stack
    finally:
        stack.discard()


class Shell:
    """Runs blocks as somebody does who copies them; curl fails for answers that are errors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("manage.py", "tests"):
            (folder / name).symlink_to(ROOT / name)
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (programs / "python").chmod(0o755)

    def types(self, stack: Stack, typed: str) -> str:
        """What is printed. The address and the key are those of `stack` and not of the page."""
        first = 'set -euo pipefail\ncurl() { command curl -sS --fail-with-body "$@"; echo; }\n'
        address = {"GENERATIONS_URL": stack.url, "GENERATIONS_API_KEY": stack.api_key, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["bash", "-c", first + typed],
            cwd=self.folder,
            env=stack.environment() | address,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{typed}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def answers(self, stack: Stack, typed: str) -> list[Any]:
        """What is printed, when each line of it is JSON."""
        return [json.loads(line) for line in self.types(stack, typed).splitlines() if line]


def test_the_two_commands_are_there() -> None:
    [both] = blocks("bash", "Two commands")
    makefile = (ROOT / "Makefile").read_text()

    for command in re.findall(r"^make (\S+)", both, re.M):
        assert re.search(rf"^{command}:", makefile, re.M), command


def test_a_generation_is_sent_and_found_again_as_printed(own_stack: Stack, shell: Shell) -> None:
    address, curl, file, graphql = blocks("bash", "Send one generation")
    assert address.startswith("export GENERATIONS_URL=http://127.0.0.1:8000 GENERATIONS_API_KEY=gen_")

    [made] = shell.answers(own_stack, curl)
    [python] = blocks("python", "Send one generation")
    (shell.folder / "send.py").write_text(python)
    from_python = shell.types(own_stack, ".venv/bin/python send.py").split()
    from_file = shell.types(own_stack, file)
    [from_graphql] = shell.answers(own_stack, graphql)

    assert made["id"] == "hello-1"
    assert len(from_python) == 2 and float(from_python[1]) > 0
    assert "stored" in from_file
    assert from_graphql["data"]["createGeneration"] == {"id": "hello-2", "state": "stored"}

    [ask] = blocks("bash", "Find it again")
    found, rated, added_up, exported = shell.answers(own_stack, ask)

    assert [row["id"] for row in found["data"]] == ["hello-1"]
    assert (rated["rating"], rated["thumbs"]) == (4, "up")
    assert {"_id": "gpt-4o-mini"}.items() <= added_up["data"][0].items()
    with own_stack.client() as client:
        hello = client.get("/api/generations/hello-1").json()
        assert hello["usage"]["totalTokens"] == 17
        assert hello["usage"]["cost"] > 0
        assert hello["feedback"]["categories"] == ["accurate", "helpful"]
        deadline = time.monotonic() + 240
        while (job := client.get(f"/api/exports/{exported['id']}").json())["state"] != "done":
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        rows = [json.loads(line) for line in client.get(job["download"]).text.splitlines()]
        assert {"hello-1", "hello-2"} <= {row["id"] for row in rows}
        assert set(rows[0]) <= {"id", "input", "output", "feedback"}

        [question] = blocks("graphql", "Find it again")
        answer = client.post("/graphql/", json={"query": question}).json()
        assert "errors" not in answer
        assert answer["data"]["generations"]["totalCount"] == {"value": 2, "exact": True}
