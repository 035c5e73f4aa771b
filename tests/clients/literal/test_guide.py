"""The guide's own lines: what docs/from-literal-ai.md says to type is typed, and does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.clients.literal.test_roundtrip import new_project
from tests.stack import ROOT, Stack

GUIDE = "\n" + (ROOT / "docs" / "from-literal-ai.md").read_text()

pytestmark = [pytest.mark.slow]


def block(language: str, heading: str) -> str:
    """The first block of code of a language below a heading."""
    section = GUIDE.split(f"\n{heading}\n", 1)[1]
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_lines_of_the_guide_switch_dump_and_import(live_stack: Stack, tmp_path: Path) -> None:
    python = environments.python("literalai-0.1.300")
    (_, first), (slug, second) = new_project(live_stack, "Guide, from"), new_project(live_stack, "Guide, to")
    lines = block("sh", "# From Literal AI").splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "export LITERAL_API_URL",
        "export LITERAL_API_KEY",
        lines[2],  # takes an old name away
    ]
    assert lines[2].startswith("unset ")
    running.run(live_stack, [python, "roundtrip.py", "fill"], LITERAL_API_KEY=first)

    running.run(
        live_stack, [python, "-c", block("python", "## Bringing what there is")], cwd=tmp_path, LITERAL_API_KEY=first
    )
    commands = [shlex.split(line, comments=True) for line in block("sh", "## Bringing what there is").splitlines()]
    assert [command[:4] for command in commands] == [[".venv/bin/python", "manage.py", "import", "literal"]] * 2
    told = [
        live_stack.manage("import", "literal", str(tmp_path / command[4]), *command[5:], "--project", slug)
        for command in commands
    ]

    assert "Nothing was stored." in told[0]
    assert " 0 refused in project" in told[1]
    assert "        1 x score\n" in told[1]
    running.run(live_stack, [python, "-c", CHECK], LITERAL_API_KEY=second)


CHECK = """
from literalai import LiteralClient
thread = LiteralClient().api.get_thread("talk")
assert (thread.name, len(thread.steps)) == ("A talk", 4), thread
"""
