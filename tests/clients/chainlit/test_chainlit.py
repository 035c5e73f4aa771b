"""The real Chainlit, headless, with the running server as its data layer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.stack import Stack, free_port

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with Chainlit."""
    return environments.python("chainlit-2.12.0")


@pytest.fixture(scope="module")
def chainlit(live_stack: Stack, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Chainlit."""
    folder, port = tmp_path_factory.mktemp("chainlit"), free_port()
    shutil.copy(PROGRAMS / "app.py", folder / "app.py")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITERAL_API_URL": live_stack.url,
        "LITERAL_API_KEY": live_stack.api_key,
        "CHAINLIT_AUTH_SECRET": "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz",
        "TRACELOOP_TELEMETRY": "false",
    }
    command = [str(python), "-m", "chainlit", "run", "app.py", "--headless", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())


def talk(stack: Stack, python: Path, url: str, *arguments: str) -> Any:
    read = running.run(stack, [python, PROGRAMS / "talk.py", *arguments], CHAINLIT_URL=url)
    return json.loads(read.strip().splitlines()[-1])


def test_a_chat_is_kept_judged_found_resumed_and_deleted(live_stack: Stack, python: Path, chainlit: str) -> None:
    assert talk(live_stack, python, chainlit) == {
        "answer": "You said Hello there",
        "feedback": True,
        "changed": True,
        "listed": [True],
        "found": 1,
        "by feedback": 1,
        "steps": [
            ["Assistant", "assistant_message"],
            ["Chats", "llm"],
            ["Completes", "llm"],
            ["on_message", "run"],
            ["user", "user_message"],
        ],
        "feedback read": [0.0],
        "element": ["of an element", "*"],
        "renamed": 200,
        "resumed": True,
        "deleted": 200,
        "left": [],
    }


def test_both_kinds_of_generation_arrive_with_every_attribute(live_stack: Stack, python: Path, chainlit: str) -> None:
    (thread,) = talk(live_stack, python, chainlit, "keep")["ids"]

    with live_stack.client() as client:
        found = client.get("/api/generations", params={"threadId": thread, "order": "timestamp"}).json()["data"]

    completion, chat = found
    assert completion["type"] == "completion"
    assert completion["model"]["id"] == "gpt-3.5-turbo"
    assert completion["model"]["provider"] == "openai"
    assert (completion["prompt"], completion["completion"]) == ("Hello, v1", "The openai completion")
    assert completion["variables"] == {"variable1": "v1"}
    assert completion["tools"] == [{"type": "function"}]
    assert completion["parameters"]["temperature"] == 0
    assert completion["error"] == "none really"
    assert completion["metadata"]["tags"] == ["seed"]
    usage = completion["usage"]
    assert (usage["promptTokens"], usage["completionTokens"], usage["totalTokens"]) == (3, 4, 7)
    performance = completion["performance"]
    assert (performance["latency"], performance["timeToFirstToken"], performance["tokensPerSecond"]) == (2.0, 0.12, 2.0)
    assert chat["messages"] == [{"role": "user", "content": "Hi"}]
    assert chat["messageCompletion"] == {"role": "assistant", "content": "Hello"}
