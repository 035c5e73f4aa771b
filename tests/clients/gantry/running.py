"""Programs that use the real Gantry client, run in its own environment with the address and key of a running copy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.clients import environments
from tests.stack import Stack

PROGRAMS: Final = Path(__file__).parent / "programs"
_KEPT: Final = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def command(program: str) -> list[str]:
    """What starts a program of this folder."""
    return [str(environments.python("gantry")), str(PROGRAMS / program)]


def environment(stack: Stack, **besides: str) -> dict[str, str]:
    """What a program finds in its environment: the copy's address and key as its users give them."""
    own = {"GANTRY_LOGS_LOCATION": stack.url, "GANTRY_API_KEY": stack.api_key, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**_KEPT, **own, **besides}


def results(stack: Stack, program: str, folder: Path, **besides: str) -> tuple[dict[str, Any], str]:
    """The JSON that a program prints last, and all else that it printed, its warnings with it."""
    done = subprocess.run(
        command(program),
        env=environment(stack, **besides),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    *printed, last = done.stdout.strip().splitlines()
    return json.loads(last), "\n".join([*printed, done.stderr])
