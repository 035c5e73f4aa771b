"""A person at the real Chainlit by its sockets and addresses, and what of it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.literal import running
from tests.stack import Stack

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = [pytest.mark.slow]


def talk(stack: Stack, python: Path, url: str, *arguments: str) -> Any:
    read = running.run(stack, [python, PROGRAMS / "talk.py", *arguments], CHAINLIT_URL=url)
    return json.loads(read.strip().splitlines()[-1])


def test_a_chat_is_kept_judged_found_resumed_and_deleted(live_stack: Stack, python: Path, chainlit: str) -> None:
    assert talk(live_stack, python, chainlit) == {
        "answer": "You said Hello there",
        "feedback": True,
        "changed": True,
        "feedback read": [[0.0, "good"]],
        "listed": [True],
        "found": 1,
        "by feedback": 1,
        "taken back": 200,
        "feedback left": [],
        "steps": [
            ["Agent", "run"],
            ["Assistant", "assistant_message"],
            ["Chats", "llm"],
            ["Completes", "llm"],
            ["Greeter", "assistant_message"],
            ["on_chat_start", "run"],
            ["on_message", "run"],
            ["user", "user_message"],
            ["weather", "tool"],
        ],
        "elements": {
            "drawing.svg": ["file", "image/svg+xml", "*", 92],
            "note": ["text", "text/plain; charset=utf-8", "*", 13],
            "square": ["image", "image/png", "*", 100],
        },
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
    tool = {"type": "function", "function": {"name": "weather", "description": "The weather of a city"}}
    variables = {"variable1": "variable1 value", "variable2": "variable2 value"}
    assert completion["type"] == "completion"
    assert (completion["model"]["id"], completion["model"]["provider"]) == ("gpt-3.5-turbo", "openai")
    assert completion["prompt"] == (
        "Hello, this is a template.\nThis is a variable1 variable1 value\nAnd this is variable2 variable2 value\n"
    )
    assert completion["completion"] == "The openai completion"
    assert completion["error"] == "The line was cut"
    assert completion["parameters"] == {
        "model": "gpt-3.5-turbo",
        "temperature": 0,
        "stopSequences": ["END"],
        "topP": 0.5,
    }
    assert chat["type"] == "chat"
    assert (chat["model"]["id"], chat["model"]["provider"]) == ("gpt-4o", "openai")
    assert [message["role"] for message in chat["messages"]] == ["system", "user", "assistant", "tool"]
    assert chat["messages"][2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Lisbon"}'}
    assert chat["messageCompletion"] == {"role": "assistant", "content": "The sky is **clear**."}
    assert chat["parameters"] == {"temperature": 0.25, "n": 1}
    for generation in found:
        assert generation["variables"] == variables
        assert generation["tools"] == [tool]
        assert generation["metadata"]["tags"] == ["seed"]
        usage, performance = generation["usage"], generation["performance"]
        assert (usage["promptTokens"], usage["completionTokens"], usage["totalTokens"]) == (3, 4, 7)
        assert (performance["latency"], performance["timeToFirstToken"]) == (2.0, 0.12)
        assert performance["tokensPerSecond"] == 2.0
