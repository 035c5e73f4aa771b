"""Runs a client's program in the client's own environment against the running server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.stack import Stack

PROGRAMS = Path(__file__).parent / "programs"
EXPECTED = Path(__file__).parent / "expected"


def run(stack: Stack, command: Sequence[str | Path], *, cwd: Path = PROGRAMS, **more: str) -> str:
    """What a program prints, given the server's address and key as its users give them: by two variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {
        **kept,
        "LITERAL_API_URL": stack.url,
        "LITERAL_API_KEY": stack.api_key,
        "TRACELOOP_TELEMETRY": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def results(stack: Stack, command: Sequence[str | Path], *, cwd: Path = PROGRAMS, **more: str) -> dict[str, Any]:
    """The one object that a program prints."""
    read: dict[str, Any] = json.loads(run(stack, command, cwd=cwd, **more).strip().splitlines()[-1])
    return read


def expected(name: str) -> dict[str, Any]:
    """What a program's results have to be, by their names."""
    read: dict[str, Any] = json.loads((EXPECTED / f"{name}.json").read_text())
    return read


def compare(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Fail with the first result that differs: a difference of two whole documents is hard to read."""
    for name in wanted:
        there = found.get(name, "is missing")
        assert there == wanted[name], f"{name}:\n{json.dumps(there)}\ninstead of\n{json.dumps(wanted[name])}"
    assert set(found) == set(wanted)
