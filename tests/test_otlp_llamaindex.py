"""Calls in events of LlamaIndex's own spans (llama-index-observability-otel), in the fewest attributes that show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations.ingest.otlp import llamaindex
from tests.test_otlp_conventions import ANSWER, QUESTION, call, tell, wanted

MODEL: dict[str, Any] = {"model_dict.class_name": "openai_llm", "model_dict.model_name": "gpt-4o-mini"}
ASKED = json.dumps(
    [
        {"role": role, "blocks": [{"block_type": "text", "text": text}]}
        for role, text in (("system", "Be brief."), ("user", "Capital of Peru?"))
    ]
)
TOLD: dict[str, Any] = {"scope": llamaindex.SCOPE}


def blocks(*given: dict[str, Any]) -> str:
    return json.dumps(given)


def answered(**said: Any) -> Any:
    """A call whose answer is a message with these members."""
    end = {f"response.message.{name}": value for name, value in said.items()}
    start = {**MODEL, "messages": ASKED}
    return call({}, ("LLMChatStartEvent", start), ("LLMChatEndEvent", {"messages": ASKED, **end}), **TOLD)


def test_a_chat_is_what_its_two_events_say() -> None:
    said = answered(role="assistant", blocks=blocks({"block_type": "text", "text": "Lima."}))

    assert (said.type, said.model_id, said.provider) == ("chat", "gpt-4o-mini", "openai")
    assert (said.messages, said.message_completion) == (QUESTION, ANSWER)


def test_a_stream_has_what_was_asked() -> None:
    said = call({}, ("LLMChatStartEvent", {**MODEL, "messages": ASKED}), **TOLD)

    assert (said.messages, said.message_completion, said.prompt_tokens) == (QUESTION, None, None)


@pytest.mark.parametrize(
    "counts",
    [
        {"response.raw.usage.prompt_tokens": 50, "response.raw.usage.prompt_tokens_details.cached_tokens": 8},
        {"response.raw.usage.input_tokens": 30, "response.raw.usage.cache_read_input_tokens": 20},
        {"response.additional_kwargs.prompt_tokens": 50},
    ],
)
def test_counts_are_the_provider_s_where_they_are_told_or_else_llamaindex_s(counts: dict[str, int]) -> None:
    said = call({}, ("LLMChatStartEvent", MODEL), ("LLMChatEndEvent", {**counts, "response.delta": "null"}), **TOLD)

    assert said.prompt_tokens == 50


def test_blocks_are_calls_thoughts_and_images() -> None:
    called = {"block_type": "tool_call", "tool_call_id": "c1", "tool_name": "get_weather", "tool_kwargs": {"city": "L"}}
    beside = [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"L"}'}}]
    said = answered(role="assistant", blocks=blocks({"block_type": "thinking", "content": "Hm."}, called))
    twice = answered(
        role="assistant",
        blocks=blocks({"block_type": "text", "text": ""}, called),
        **{"additional_kwargs.tool_calls": json.dumps(beside)},
    )
    seen = answered(role="assistant", blocks=blocks({"block_type": "image", "url": "https://x.example/a.png"}))

    calls = [wanted("get_weather", '{"city":"L"}')]
    assert said.message_completion == {"role": "assistant", "content": None, "reasoning": "Hm.", "tool_calls": calls}
    assert twice.message_completion == {"role": "assistant", "content": None, "tool_calls": calls}
    assert seen.message_completion["content"][0]["image_url"] == {"url": "https://x.example/a.png"}


def test_a_prompt_that_is_json_stays_the_text_that_it_was() -> None:
    end = {"prompt": '{"a": 1}', "response.text": "[1]"}
    said = call(
        {}, ("LLMCompletionStartEvent", {**MODEL, "prompt": '{"a": 1}'}), ("LLMCompletionEndEvent", end), **TOLD
    )

    assert (said.type, said.prompt, said.completion) == ("completion", '{"a": 1}', "[1]")


def test_events_of_others_and_what_is_none_of_its_objects_break_nothing() -> None:
    broken = {"messages": '[{"blocks": [1, {}]}]', "response.raw.usage.a": 1, "response.raw.usage.a.b": 2}

    assert call({}, ("LLMChatEndEvent", {**MODEL, **broken}), **TOLD).type == "chat"
    assert tell({}, ("LLMChatEndEvent", {**MODEL, **broken})).generation is None
    assert tell({}, ("other", MODEL), **TOLD).generation is None
