"""What Langfuse's handlers for LangChain say in ways of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.test_otlp_conventions import call

GENERATION = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o-mini"}
QUESTION = {"role": "user", "content": "How is the weather in Lima and Cusco?"}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {"type": "object"}},
}
CALLED = [
    {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": f'{{"city":"{city}"}}'}}
    for n, city in enumerate(("Lima", "Cusco"))
]


def asked(*said: Any) -> dict[str, str]:
    return {**GENERATION, "langfuse.observation.input": json.dumps(said)}


def test_tools_that_stand_among_the_messages_are_tools() -> None:
    result = {"role": "tool", "tool_call_id": "call_0", "content": {"sky": "clear"}}

    record = call(asked(QUESTION, result, {"role": "tool", "content": TOOL}))

    assert record.tools == [TOOL]
    assert record.messages == [QUESTION, result]


def test_results_that_are_said_by_their_tool_are_those_of_its_calls_in_their_order() -> None:
    said = [{"role": "get_weather", "content": text, "additional_kwargs": {}} for text in ("sunny", "rainy")]
    answer = {"role": "assistant", "content": "", "tool_calls": CALLED}

    record = call(asked(QUESTION, answer, *said, {"role": "critic", "content": "Go on."}))

    assert (record.messages or [])[2:] == [
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_1", "content": "rainy"},
        {"role": "critic", "content": "Go on."},
    ]


@pytest.mark.parametrize("names", [("_session_id", "_user_id", "_tags"), ("SessionId", "UserId", "Tags")])
def test_a_call_below_nothing_has_its_thread_in_the_metadata_that_the_handler_reads(names: tuple[str, ...]) -> None:
    said = ("chat-1", "ada", ["geo"])
    about = {
        f"langfuse.observation.metadata.langfuse{name}": json.dumps(v) for name, v in zip(names, said, strict=True)
    }

    record = call({**asked(QUESTION), **about, "langfuse.observation.metadata.plan": '"pro"'})

    assert (record.thread_id, record.user_id, list(record.tags or ())) == ("chat-1", "ada", ["geo"])
    assert record.metadata == {"plan": "pro"}
