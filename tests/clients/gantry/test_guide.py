"""The guide's own lines: what docs/from-gantry.md says to type is typed, and does what it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.clients import environments
from tests.clients.gantry import running
from tests.clients.literal.test_roundtrip import new_project
from tests.stack import ROOT, Stack

GUIDE = (ROOT / "docs" / "from-gantry.md").read_text()

pytestmark = [pytest.mark.slow]


def test_the_first_lines_of_the_guide_make_an_application_with_a_version(live_stack: Stack, tmp_path: Path) -> None:
    _, key = new_project(live_stack, "From Gantry")
    [switch] = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S)
    [program] = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.M | re.S)
    assert re.findall(r"^export (\w+)=", switch, re.M) == ["GANTRY_LOGS_LOCATION", "GANTRY_API_KEY"]

    done = subprocess.run(
        [environments.python("gantry"), "-c", program],
        cwd=tmp_path,
        env=running.environment(live_stack, GANTRY_API_KEY=key),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    with httpx.Client(base_url=live_stack.url, headers={"Authorization": f"Bearer {key}"}) as client:
        labelled = client.get("/api/prompts/writer", params={"label": "test"}).json()
    assert "Explain {{topic}}" in str(labelled)
    [address] = re.findall(rf"{live_stack.url}\S+", done.stdout + done.stderr)
    assert httpx.get(address.rstrip(".")).status_code in (200, 302)
