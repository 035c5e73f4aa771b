"""The real Chainlit, headless, with the running server as its data layer."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import environments
from tests.stack import Stack, free_port

PROGRAMS = Path(__file__).parent / "programs"
# Every user brings a key, which Chainlit then keeps with the session: it must not be seen here.
CONFIGURATION = """
[meta]
generated_by = "2.12.0"

[project]
user_env = ["OPENAI_API_KEY"]
persist_user_env = true

[features.spontaneous_file_upload]
enabled = true
accept = ["*/*"]
max_files = 3
max_size_mb = 5

[UI]
name = "Assistant"
cot = "full"
"""


@pytest.fixture(scope="package")
def python() -> Path:
    """The interpreter of an environment with Chainlit."""
    return environments.python("chainlit-2.12.0")


@pytest.fixture(scope="package")
def chainlit(live_stack: Stack, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Chainlit."""
    folder, port = tmp_path_factory.mktemp("chainlit"), free_port()
    shutil.copy(PROGRAMS / "app.py", folder / "app.py")
    (folder / ".chainlit").mkdir()
    (folder / ".chainlit" / "config.toml").write_text(CONFIGURATION)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITERAL_API_URL": live_stack.url,
        "LITERAL_API_KEY": live_stack.api_key,
        "CHAINLIT_AUTH_SECRET": "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz",
        "TRACELOOP_TELEMETRY": "false",
    }
    # -d puts a link to the page of the thread below each answer.
    command = [str(python), "-m", "chainlit", "run", "app.py", "--headless", "--port", str(port), "-d"]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(120)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(url, timeout=60)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())
