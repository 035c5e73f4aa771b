"""What LangChain says of an answer, as LangSmith and Langfuse pass it on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.test_otlp_conventions import call

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Which city?"}]}
CALLED = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city": "Lima"}',
}


def answered(**said: Any) -> dict[str, str]:
    inner = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": said}
    return {
        "langsmith.span.kind": "llm",
        "gen_ai.request.model": "claude-haiku-4-5",
        "gen_ai.completion": json.dumps({"generations": [[{"text": "", "message": inner}]]}),
    }


def test_a_call_that_stands_among_the_parts_as_well_is_one_call() -> None:
    calls = [{"name": "get_weather", "args": {"city": "Lima"}, "id": "call_1", "type": "tool_call"}]

    for more in ({"tool_calls": calls}, {}):
        answer = call(answered(content=[THOUGHT, CALLED], **more)).message_completion
        assert answer is not None
        assert (answer["content"], answer["reasoning"]) == (None, "Which city?")
        assert [one["id"] for one in answer["tool_calls"]] == ["call_1"]


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({"cache_creation": 0, "ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 3}, 15),
        ({"cache_creation": 15, "ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 3}, 15),
        ({"cache_creation": 0}, 0),
        ({"cache_read": 30}, None),
    ],
)
def test_what_was_written_to_anthropic_s_cache_is_counted_by_how_long_it_is_kept(
    details: dict[str, int], written: int | None
) -> None:
    usage = {"input_tokens": 80, "output_tokens": 9, "total_tokens": 89, "input_token_details": details}
    parts = {f"input_{name}": count for name, count in details.items()}
    bucketed = {"input": 80 - sum(details.values()), "output": 9, "total": 89, **parts}
    langfuse = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": json.dumps(bucketed)}

    record, other = call(answered(content="Hi", usage_metadata=usage)), call(langfuse)

    assert (record.prompt_tokens, record.cache_write_tokens) == (80, written)
    assert (other.prompt_tokens, other.cache_write_tokens) == (80, written)


def test_langsmith_s_counts_of_a_completion_and_its_lists_in_texts_are_read() -> None:
    response = {"object": "text_completion", "choices": [{"text": "Lima."}], "usage": {"prompt_tokens": 5}}
    said = {
        "langsmith.span.kind": "llm",
        "gen_ai.prompt": '{"model": "gpt-3.5-turbo-instruct", "prompt": "The capital of Peru is"}',
        "langsmith.metadata.ls_stop": '["END", "STOP"]',
    }

    record = call({**said, "gen_ai.completion": json.dumps(response)})

    assert (record.type, record.prompt, record.prompt_tokens) == ("completion", "The capital of Peru is", 5)
    assert record.parameters == {"stopSequences": ["END", "STOP"]}


def test_a_model_that_answers_by_the_name_it_was_asked_by_has_no_other_version() -> None:
    said = answered(content="Hi", response_metadata={"model_name": "claude-haiku-4-5", "id": "msg_1"})

    record = call(said)

    assert (record.model_id, record.model_version, record.response_id) == ("claude-haiku-4-5", None, "msg_1")


@pytest.mark.parametrize("has_calls", [True, False])
def test_a_stream_of_langchain_in_javascript_has_its_words_its_calls_once_and_its_reason(has_calls: bool) -> None:
    text = {"index": 0, "type": "text", "text": "Let me look."}
    begun = {"index": 1, "type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": ""}
    pieces = {"index": 1, "type": "input_json_delta", "input": '{"city": "Lima"}'}
    calls = [{"name": "get_weather", "args": {"city": "Lima"}, "id": "toolu_1", "type": "tool_call"}]
    more = {"content": [text, begun, pieces], "tool_calls": calls} if has_calls else {"content": [text]}
    said = {**more, "additional_kwargs": {"stop_reason": "tool_use" if has_calls else "end_turn"}}
    inner = {"lc": 1, "type": "constructor", "id": ["AIMessageChunk"], "kwargs": said}
    whole = json.dumps({"generations": [[{"text": "", "message": inner}]]})
    about = {"openinference.span.kind": "LLM", "llm.model_name": "claude-haiku-4-5"}

    # OpenInference says nothing of content that is a list of parts.
    record = call({**about, "output.value": whole, "llm.output_messages.0.message.role": "assistant"})

    answer = record.message_completion or {}
    assert answer["content"] == "Let me look."
    assert [one["id"] for one in answer.get("tool_calls", ())] == (["toolu_1"] if has_calls else [])
    assert record.finish_reason == ("tool_calls" if has_calls else "end_turn")


def test_what_logfire_knows_of_a_claude_agent_s_call_when_it_begins_is_what_was_sent() -> None:
    said = {"input_tokens": 65, "output_tokens": 1, "cache_read.input_tokens": 30, "cache_creation.input_tokens": 12}
    about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-haiku-4-5"}

    record = call({**about, **{f"gen_ai.usage.partial.{name}": count for name, count in said.items()}})

    assert (record.prompt_tokens, record.cached_tokens, record.cache_write_tokens) == (65, 30, 12)
    assert record.completion_tokens is None
