"""Clients that know nothing of the gateway but its address: they are told the same as by the provider, and recorded."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.clients import environments
from tests.clients.otel.provider import Provider
from tests.stack import Stack

pytestmark = pytest.mark.slow

PROGRAMS: Final = Path(__file__).parent / "programs"
KEPT: Final = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


@dataclass
class Both:
    """A provider, and a copy of the server whose gateway leads to it."""

    stack: Stack
    provider: Provider

    def run(self, command: list[str | Path], *, through: bool, cwd: Path = PROGRAMS) -> dict[str, Any]:
        """What a program prints that is given an address and a key as its users give them."""
        self.provider.exchanges.clear()
        base = f"{self.stack.url}/gateway/{self.stack.api_key}/v1" if through else self.provider.url
        done = subprocess.run(
            [str(part) for part in command],
            env={**KEPT, "OPENAI_BASE_URL": base, "OPENAI_API_KEY": "sk-their-own", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return told

    def recorded(self, number: int, **filters: str) -> list[dict[str, Any]]:
        """The newest generations in the order in which they began; they are recorded behind the answer."""
        deadline = time.monotonic() + 240
        with self.stack.client() as client:
            while True:
                found = client.get("/api/generations", params={"limit": "100", **filters}).json()["data"]
                if len(found) >= number or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            return [client.get(f"/api/generations/{one['id']}").json() for one in reversed(found)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One of each."""
    provider = Provider()
    stack = Stack(
        tmp_path_factory.mktemp("gateway") / "data", EGRESS_PRIVATE="127.0.0.1", GATEWAY_UPSTREAM=provider.url
    )
    try:
        stack.start()
        yield Both(stack, provider)
    finally:
        stack.discard()
        provider.server.close()


def test_openais_client_is_told_the_same_and_each_call_is_recorded(both: Both) -> None:
    command: list[str | Path] = [environments.python("otel-newest"), PROGRAMS / "calls.py"]

    direct = both.run(command, through=False)
    began = datetime.now(UTC)
    through = both.run(command, through=True)

    assert through == direct
    wanted = both.provider.exchanges
    found = both.recorded(len(wanted), **{"from": began.isoformat()})
    assert [one["type"] for one in found] == ["chat", "chat", "chat", "completion", "embedding", "chat", "chat"]
    assert {one["model"]["provider"] for one in found} == {"127.0.0.1"}
    for one, exchange in zip(found, wanted, strict=True):
        assert one["model"]["id"] == exchange.request["model"]
        assert one["performance"]["latency"] > 0
        usage = exchange.response.get("usage")
        if usage:
            assert one["usage"]["totalTokens"] == usage["total_tokens"]
    whole, stream, tools, text, embedded, response, refused = found
    assert whole["messages"] == [{"role": "user", "content": "What is the capital of Peru?"}]
    assert (whole["output"]["content"], whole["metadata"]["userId"]) == ("The capital of Peru is Lima (1).", "ann")
    assert [other["content"]["content"] for other in whole["output"]["alternatives"]] == ["Lima, of course (1.1)."]
    assert stream["output"]["content"] == "The capital of Peru is Lima (2)."
    assert 0 < stream["performance"]["timeToFirstToken"] < stream["performance"]["latency"]
    assert tools["messageCompletion"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert (text["prompt"], text["completion"]) == ("Peru:", " Lima (4).")
    assert embedded["input"]["content"] == ["a", "b"]
    assert response["output"]["content"] == direct["response"]
    assert refused["error"] == "The model is asleep."


def test_openais_client_in_javascript_is_told_the_same(both: Both) -> None:
    place = environments.node("otel-js")
    # Programs have to lie where node looks for packages.
    program = environments.laid(place / "gateway.mjs", (PROGRAMS / "calls.mjs").read_text())
    command: list[str | Path] = ["node", program]

    direct = both.run(command, through=False, cwd=place)

    assert both.run(command, through=True, cwd=place) == direct
    assert len(direct["stream"]) > 3


def test_langchain_is_told_the_same(both: Both) -> None:
    command: list[str | Path] = [environments.python("literalai-instrumentations"), PROGRAMS / "chain.py"]

    direct = both.run(command, through=False)

    assert both.run(command, through=True) == direct
    assert len(direct["pieces"]) > 3


CASES: Final[tuple[dict[str, Any], ...]] = (
    {"prompt": "Hello", "values": [" World", " Apples", " Oranges"]},
    {"prompt": "The answer is:", "values": [" yes", " no", " it depends, as so often"]},
)


@pytest.fixture(scope="module")
def completions(both: Both) -> Iterator[str]:
    """An endpoint that scores, as LMQL needs one, and the project's provider."""
    programs = PROGRAMS.parents[1] / "lmql" / "programs"
    command = [str(environments.python("lmql-0.7.3")), str(programs / "endpoint.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        both.stack.manage(
            "shell",
            "--no-imports",
            "-c",
            "from generations import access, models, providers\n"
            "grant = access.of_system(models.Project.objects.get())\n"
            f"providers.save(grant, kind='vllm', name='default', secret='sk-theirs', endpoint='{url}/v1')",
        )
        yield url
        process.kill()


def lmql(endpoint: str, **environment: str) -> dict[str, Any]:
    """What real LMQL says of the cases."""
    program = PROGRAMS.parents[1] / "lmql" / "programs" / "asking.py"
    done = subprocess.run(
        [environments.python("lmql-0.7.3"), program, endpoint, json.dumps(CASES)],
        env={**KEPT, "OPENAI_API_KEY": "sk-none", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    # It asks again what comes slowly, and says so: that depends on the machine.
    return {name: value for name, value in told.items() if name != "told"}


def test_lmql_scores_and_generates_the_same_by_address_and_by_azures_variables(both: Both, completions: str) -> None:
    direct = lmql(completions)

    assert lmql(f"{both.stack.url}/gateway/{both.stack.api_key}") == direct
    # A program that names no endpoint at all: only its environment says where to.
    azure = {"OPENAI_API_TYPE": "azure", "OPENAI_API_BASE": both.stack.url, "OPENAI_API_KEY": both.stack.api_key}
    assert lmql("", **azure) == direct

    found = both.recorded(12, **{"model.id": "davinci-x"})  # six a run, or more where it asks again
    scored = [one for one in found if one["parameters"].get("maxTokens") == 0]
    assert {one["model"]["provider"] for one in found} == {"default"}
    assert {json.dumps(one["input"]["content"]) for one in scored} == {
        json.dumps([case["prompt"] + value for value in case["values"]]) for case in CASES
    }


def test_a_call_that_was_under_way_when_the_server_was_killed_is_recorded_when_it_is_back(both: Both) -> None:
    both.provider.server.pause = 1.0
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Tell me all."}], "stream": True}
    address = f"{both.stack.url}/gateway/{both.stack.api_key}/v1/chat/completions"
    pids = [both.stack.pid_of(f"generations: web {number}") for number in (1, 2)]
    try:
        with (
            pytest.raises(httpx.TransportError),
            httpx.stream(
                "POST", address, json=body, headers={"Authorization": "Bearer sk-their-own"}, timeout=60
            ) as answer,
        ):
            for n, _ in enumerate(answer.iter_raw()):
                if n == 2:
                    for pid in pids:
                        os.kill(pid, 9)
    finally:
        both.provider.server.pause = 0.01
    both.stack.wait_until_ready()

    (one,) = both.recorded(1, error__contains="Nobody saw the end")

    assert one["messages"] == body["messages"]
    assert one["output"]["content"].startswith("The")
