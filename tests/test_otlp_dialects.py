"""What single instrumentations say in ways of their own, each in the fewest attributes that show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations.ingest.otlp.shapes import ERROR, Span
from generations.ingest.otlp.spans import Told, told
from generations.records import GenerationRecord

CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
START = 1_790_000_000_000_000_000


def tell(attributes: dict[str, Any], *, scope: str = "tests", length: int = 10**9, **more: Any) -> Told:
    """What a span with these attributes tells."""
    span = Span("a" * 32, "b" * 16, None, "span", START, START + length, {**CALL, **attributes}, scope=scope, **more)
    return told(span)


def call(attributes: dict[str, Any], **more: Any) -> GenerationRecord:
    generation = tell(attributes, **more).generation
    assert generation is not None
    return generation


def test_what_a_scrubber_put_in_the_place_of_a_value_is_no_value() -> None:
    said = {"session.id": "[Scrubbed due to 'session']", "user.id": "__REDACTED__", "logfire.tags": ["LLM"]}

    record = call(said)

    assert (record.thread_id, record.session_id, record.user_id, record.tags) == (None, None, None, None)
    assert call({"user.id": "None"}).user_id is None
    assert call({"user.id": "Nonesuch"}).user_id == "Nonesuch"


def test_settings_that_an_instrumentation_makes_up_are_not_kept_and_those_that_were_set_are() -> None:
    openlit = {
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.seed": 0,
        "gen_ai.request.max_tokens": -1,
    }
    langfuse = {"langfuse.observation.model.parameters": '{"temperature": 1.0, "top_p": 1, "max_tokens": "Infinity"}'}

    assert call(openlit, scope="openlit.instrumentation.openai").parameters == {"topP": 0.9}
    assert call(langfuse, scope="langfuse-sdk").parameters == {"temperature": 1.0}
    assert call(openlit).parameters == {"temperature": 1.0, "topP": 0.9, "seed": 0, "maxTokens": -1}


def test_a_provider_s_own_counts_are_read_with_what_was_cached_and_thought() -> None:
    openai = '{"prompt_tokens": 51, "completion_tokens": 21, "prompt_tokens_details": {"cached_tokens": 8}, '
    openai += '"completion_tokens_details": {"reasoning_tokens": 4}}'
    anthropic = '{"input_tokens": 20, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 12, '
    anthropic += '"output_tokens": 15}'

    one, other = (call({"gen_ai.usage.input_tokens": 51, "gen_ai.usage.raw": raw}) for raw in (openai, anthropic))

    assert (one.prompt_tokens, one.cached_tokens, one.completion_tokens, one.reasoning_tokens) == (51, 8, 21, 4)
    assert (other.prompt_tokens, other.cached_tokens, other.cache_write_tokens) == (62, 30, 12)


def test_instructions_that_are_said_among_the_messages_too_are_kept_once() -> None:
    system = '[{"type": "text", "content": "Be brief."}]'
    asked = '{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}'
    both = f'[{{"role": "system", "parts": {system}}}, {asked}]'

    for messages in (f"[{asked}]", both):
        record = call({"gen_ai.system_instructions": system, "gen_ai.input.messages": messages})
        assert record.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


def test_a_stream_of_logfire_is_the_span_that_tells_its_end_as_long_as_that_says() -> None:
    asked = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]'}
    answer = {"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]'}

    opened = tell(asked, scope="logfire.openai")
    ended = call({**asked, **answer, "duration": 0.25}, scope="logfire.openai", length=0)
    left = call({**asked, "duration": 0.5}, scope="logfire.openai", length=0)
    failed = call(asked, scope="logfire.openai", status=ERROR, message="asleep")

    assert opened.generation is None
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert (ended.ended_at - ended.started_at).total_seconds() == 0.25
    assert failed.error == "asleep"
    assert left.messages == [{"role": "user", "content": "Hello"}], "A stream that was left before a word came."


def test_a_result_of_a_tool_is_what_the_tool_said_and_not_its_wrapping() -> None:
    wrapped = '{"type": "text", "value": "sunny"}'
    part = f'{{"type": "tool-result", "toolCallId": "call_1", "toolName": "weather", "output": {wrapped}}}'

    record = call(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.prompt.messages": f'[{{"role": "tool", "content": [{part}]}}]',
        }
    )

    assert record.messages == [{"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]


@pytest.mark.parametrize(("key", "found"), [("prompt", "completion"), ("messages", "chat")])
def test_what_a_whole_request_asks_with_tells_a_completion_from_a_chat(key: str, found: str) -> None:
    said = {"openinference.span.kind": "LLM", "input.value": f'{{"model": "gpt-3.5-turbo-instruct", "{key}": "Hello"}}'}

    assert call(said).type == found


def test_a_request_without_what_was_asked_is_not_what_was_asked() -> None:
    record = call({"gen_ai.operation.name": "embeddings", "request_data": '{"model": "text-embedding-3-small"}'})

    assert (record.type, record.input, record.prompt) == ("embedding", None, None)


def test_what_frameworks_tell_of_themselves_is_no_metadata() -> None:
    record = call({"metadata": '{"plan": "pro", "ls_provider": "openai", "lc_agent_name": "guide"}'})

    assert record.metadata == {"plan": "pro"}
    assert record.agent_id == "guide"


@pytest.mark.parametrize(("kind", "found"), [('"response"', "chat"), (None, "completion")])
def test_a_text_that_langfuse_was_given_is_a_prompt_but_for_the_interface_that_takes_texts_as_messages(
    kind: str | None, found: str
) -> None:
    said = {"langfuse.observation.type": "generation", "langfuse.observation.input": "Hello"}
    said |= {"langfuse.observation.output": "Hi"} | ({"langfuse.observation.metadata.object": kind} if kind else {})

    record = call(said)

    assert record.type == found
    assert (record.prompt, record.completion) == (("Hello", "Hi") if found == "completion" else (None, None))
    assert record.messages == ([{"role": "user", "content": "Hello"}] if found == "chat" else None)


# ------------------------------------------------------------------------------------------- what others say otherwise
@pytest.mark.parametrize("value", [5, 1.5, None, True, "a text"])
def test_a_prompt_that_is_no_prompt_of_openinference_breaks_nothing(value: Any) -> None:
    assert call({"llm.prompts.0": value}).prompt is None


def test_an_answer_that_is_empty_is_another_one_where_the_one_before_it_tells_its_own_reason() -> None:
    said = {f"gen_ai.completion.{n}.finish_reason": "stop" for n in range(2)}
    answer = {"gen_ai.completion.0.content": "Lima.", "gen_ai.completion.0.role": "assistant"}
    two = call({"gen_ai.request.model": "m", **answer, **said})
    assert [other.finish_reason for other in two.alternatives or ()] == ["stop"]
    one = call({"gen_ai.request.model": "m", **answer, "gen_ai.completion.1.finish_reason": "length"})
    assert (one.alternatives, one.finish_reason) == (None, "length")


@pytest.mark.parametrize("calls", [5, "call_1", {"id": "call_1"}])
def test_a_call_of_a_tool_that_is_listed_after_an_answer_whose_calls_are_no_list_is_one(calls: Any) -> None:
    said = {"gen_ai.completion.0.tool_calls": calls, "gen_ai.completion.1.tool_call_id": "c1"}

    record = call({**said, "gen_ai.completion.1.content": '{"name": "f", "arguments": "{}"}'})

    assert record.id
    assert "'name': 'f'" in str((record.message_completion, record.alternatives))


@pytest.mark.parametrize("number", [1, 2])
def test_whole_answers_in_a_list_are_no_chunks_of_a_stream(number: int) -> None:
    whole = {
        "id": "c1",
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "Lima."}}],
    }
    said = {"input.value": '[{"role": "user", "content": "?"}]', "output.value": json.dumps([whole] * number)}

    record = call(said)

    assert (record.messages, record.output) == ([{"role": "user", "content": "?"}], [whole] * number)


@pytest.mark.parametrize("usage", [7, {"prompt_tokens": "many"}, {"prompt_tokens": -1}])
def test_chunks_that_count_what_is_no_count_are_kept_as_they_came(usage: Any) -> None:
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"content": "Lima."}}],
        "usage": usage,
    }

    assert call({"output.value": json.dumps([chunk])}).output == [chunk]


@pytest.mark.parametrize("word", ["unknown", "Not set"])
def test_a_word_that_names_nobody_may_be_what_a_tool_was_given_and_what_it_answers(word: str) -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "input.value": word, "output.value": word, "user.id": word}

    step = tell(tool).step

    assert (step.type, step.input, step.output, step.user_id) == ("tool", word, word, None)
    assert tell({**tool, "output.value": "None"}).step.output is None


@pytest.mark.parametrize("nothing", ["{}", "[]"])
def test_an_empty_answer_beside_a_whole_request_is_none(nothing: str) -> None:
    asked = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "?"}]}'

    record = call({"input.value": asked, "output.value": nothing})

    assert (record.messages, record.output) == ([{"role": "user", "content": "?"}], None)
    assert call({"input.value": asked, "output.value": "Lima."}).message_completion is not None


@pytest.mark.parametrize(
    ("given", "field", "found"),
    [
        ({"role": "assistant", "content": "Lima."}, "message_completion", {"role": "assistant", "content": "Lima."}),
        ({"text": "Lima."}, "output", {"text": "Lima."}),
        (
            {"id": "c1", "choices": [{"message": {"role": "assistant", "content": "Lima."}}]},
            "message_completion",
            {"role": "assistant", "content": "Lima."},
        ),
    ],
)
@pytest.mark.parametrize("member", [{"content": "?"}, {"parts": [{"type": "text", "content": "?"}]}])
def test_what_is_answered_to_messages_is_told_whichever_object_it_is(
    given: dict[str, Any], field: str, found: Any, member: dict[str, Any]
) -> None:
    said = {"input.value": json.dumps([{"role": "user", **member}]), "output.value": json.dumps(given)}

    record = call(said)

    assert (record.messages, getattr(record, field)) == ([{"role": "user", "content": "?"}], found)


def test_what_a_function_was_given_is_no_setting_unless_it_is_a_request() -> None:
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "?"}], "temperature": 0.5}

    assert call({"inputs": json.dumps({"question": "?", "history": [1, 2]})}).parameters is None
    assert call({"inputs": json.dumps(request)}).parameters == {"temperature": 0.5}
