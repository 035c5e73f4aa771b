"""The printed program that logs each request and response: run with the real clients, it does what its page says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.gantry import running
from tests.scripted import Answer, Scripted
from tests.stack import Stack

pytestmark = [pytest.mark.slow]

APPLICATION = "seed-writer"
TEMPLATE = "Explain {{topic}} briefly."


@pytest.fixture(scope="module")
def provider() -> Iterator[Scripted]:
    """What answers in the place of the retired model: a text for each choice that is asked for."""
    numbers = itertools.count(1)

    def answered(method: str, path: str, body: bytes) -> Answer:
        assert (method, path) == ("POST", "/v1/completions")
        asked = json.loads(body)
        choices = [
            {"text": f"{letter} of {asked['prompt'].split()[1]}", "index": n, "logprobs": None, "finish_reason": "stop"}
            for n, letter in enumerate("ABC"[: asked.get("n", 1)])
        ]
        answer = {
            "id": f"cmpl-{next(numbers)}",
            "object": "text_completion",
            "created": 1_795_000_000,
            "model": asked["model"],
            "choices": choices,
            "usage": {"prompt_tokens": 4, "completion_tokens": 3 * len(choices), "total_tokens": 4 + 3 * len(choices)},
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    server = Scripted()
    server.answer = answered
    yield server
    server.close()


@pytest.fixture(scope="module")
def logged(
    live_stack: Stack, provider: Scripted, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str, dict[str, dict[str, Any]]]:
    """What the program told, what was printed, and the generations that are there afterwards, by their id."""
    configuration = f"/api/v1/cms/{APPLICATION}/configurations/default_{APPLICATION}_configuration"
    data = {"prompt": TEMPLATE, "model": "gpt-3.5-turbo-instruct", "params": {"temperature": 0.5}, "vendor": "openai"}
    with live_stack.client() as client:
        client.post("/api/v1/applications", json={"model_name": APPLICATION, "model_type": "Completion"})
        for prompt in (TEMPLATE, "Something {{else}}"):
            sent = {"configuration_data": {**data, "prompt": prompt}, "description": "By hand"}
            made = client.post(f"{configuration}/versions", json=sent).json()["data"]
            if made["version"] == 1:
                client.patch(f"{configuration}/releases", json={"version_id": made["id"], "env": "test"})
    told, printed = running.results(
        live_stack,
        "seed.py",
        tmp_path_factory.mktemp("seed"),
        GANTRY_APP_NAME=APPLICATION,
        OPENAI_API_BASE=f"{provider.url}/v1",
        OPENAI_API_KEY="sk-theirs",
    )
    with live_stack.client() as client:
        rows = client.get("/api/generations", params={"metadata.application": APPLICATION}).json()["data"]
        found = {row["id"]: client.get(f"/api/generations/{row['id']}").json() for row in rows}
    return told, printed, found


def test_the_program_pulls_the_labelled_version_and_sends_what_it_makes(logged: Any, provider: Scripted) -> None:
    told, printed, _ = logged

    assert told["config"] == {
        "prompt": TEMPLATE,
        "prompt_inputs": [],
        "model": "gpt-3.5-turbo-instruct",
        "params": {"temperature": 0.5},
        "vendor": "openai",
    }
    assert [json.loads(body) for _, _, _, body in provider.requests] == [
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Explain cats briefly."},
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Explain dogs briefly.", "n": 3, "temperature": 0.5},
    ]
    assert (told["one"], told["three"]) == ("A of cats", ["A of dogs", "B of dogs", "C of dogs"])
    assert " ERROR " not in printed


def test_the_request_and_its_response_are_one_generation_tied_to_the_version(logged: Any) -> None:
    call = logged[2][f"{APPLICATION}:cmpl-1"]

    assert (call["type"], call["model"]["provider"]) == ("completion", "openai")
    assert (call["prompt"], call["output"]["content"]) == ("Explain cats briefly.", "A of cats")
    assert (call["promptVersion"]["name"], call["promptVersion"]["version"]) == (APPLICATION, 1)
    assert call["promptVersion"]["id"] is not None
    assert call["variables"] == {"topic": "cats"}
    assert call["requestAttributes"] == {"prompt_values": {"topic": "cats"}}
    assert (call["usage"]["promptTokens"], call["usage"]["completionTokens"]) == (4, 3)
    # Feedback that was sent after the fact.
    assert call["feedback"]["comment"] == "Late."
    assert "problems" not in call["metadata"]


def test_of_several_choices_the_selected_one_is_the_answer_and_the_first_where_none_is_said(logged: Any) -> None:
    found = logged[2]
    chosen, default = sorted((call for call in found.values() if call["responseId"] == "cmpl-2"), key=_length)

    assert len(found) == 3
    assert (chosen["selectedChoice"], chosen["output"]["content"]) == (1, "B of dogs")
    assert (default["selectedChoice"], default["output"]["content"]) == (0, "A of dogs")
    for call in (chosen, default):
        assert [one["content"] for one in call["output"]["alternatives"]] == ["A of dogs", "B of dogs", "C of dogs"]
        assert call["parameters"] == {"n": 3, "temperature": 0.5}
        assert call["requestAttributes"] == {"prompt_values": {"topic": "dogs"}, "plan": "pro"}
        # A stream is logged as one response, with the time until it began.
        assert call["performance"]["timeToFirstToken"] == 0.25
        assert call["performance"]["latency"] == 1.5
        assert call["threadId"] == call["metadata"]["sessionId"] == "seed-session"
        # Nothing said which version it was: what was sent does.
        assert call["promptVersion"]["version"] == 1
    assert (chosen["feedback"]["rating"], default.get("feedback")) == (4, None)


def _length(call: dict[str, Any]) -> int:
    """What an order goes by: another event of the same response has an id with more behind it."""
    return len(call["id"])
