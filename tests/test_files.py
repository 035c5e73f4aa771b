"""Lines of files of calls, each shape with the exact record that it means."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generations.ingest import files
from generations.records import GenerationRecord, InvalidRecord, stored_fields

DATA = Path(__file__).parent / "data"
LINES = [json.loads(line) for line in (DATA / "calls.jsonl").read_text().splitlines()]
REQUESTS = dict(
    files.request_of_line(json.loads(line)) for line in (DATA / "batch_requests.jsonl").read_text().splitlines()
)
PAIR: dict[str, Any] = {
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "response": {"object": "chat.completion", "model": "gpt-4o", "choices": []},
}


def record(number: int) -> GenerationRecord:
    return files.read(LINES[number - 1], REQUESTS.get).record


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type, misc]


def test_each_line_is_recognised_by_its_shape() -> None:
    assert [files.read(line).shape for line in LINES] == [
        "openai.chat",
        "openai.chat",
        "openai.chat",
        "anthropic.messages",
        "openai.chat",
        "openai.chat",
        "openai.chat",
        "anthropic.messages",
        "anthropic.messages",
        "anthropic.messages",
        "openai.responses",
        "openai.embeddings",
        "openai.completion",
        "openai.chat",
        "generation",
    ]


def test_a_chat_completion_says_model_settings_tokens_and_what_stands_beside_it() -> None:
    call = record(1)

    assert (call.type, call.model_id, call.model_version, call.provider) == (
        "chat",
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "openai",
    )
    assert call.parameters == {
        "temperature": 0.2,
        "topP": 0.9,
        "maxTokens": 100,
        "stopSequences": ["END"],
        "seed": 42,
    }
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (51, 25, 76)
    assert (call.cached_tokens, call.reasoning_tokens, call.input_audio_tokens) == (8, 4, 0)
    assert call.messages == LINES[0]["request"]["messages"]
    assert call.message_completion == {"role": "assistant", "content": "Air scatters blue light more than red."}
    assert (call.finish_reason, call.response_id, call.user_id) == ("stop", "chatcmpl-9f1", "end-user-7")
    assert (call.thread_id, call.tags) == ("physics-1", ("physics", "short"))
    assert call.started_at == utc(2026, 2, 2, 2, 40, 1, 250_000)
    assert call.ended_at == utc(2026, 2, 2, 2, 40, 2, 750_000)
    assert call.latency == 1.5
    assert call.metadata == {"plan": "pro", "experiment": "b"}
    assert call.response_attributes == {"system_fingerprint": "fp_1"}
    assert call.cost is None


@pytest.mark.parametrize(
    ("usage", "fields"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 6},  # DeepSeek's
            {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cached_tokens": 6},
        ),
        ({"prompt_tokens": 10}, {"prompt_tokens": 10, "total_tokens": 10}),
        ({"completion_tokens": 4}, {"completion_tokens": 4}),
        (
            {"input_tokens": 10.0, "input_tokens_details": {"cache_write_tokens": 2, "cached_tokens": 0}},
            {"prompt_tokens": 10, "total_tokens": 10, "cached_tokens": 0, "cache_write_tokens": 2},
        ),
    ],
)
def test_what_servers_leave_out_of_their_counts_or_say_elsewhere_is_found(
    usage: dict[str, Any], fields: dict[str, int]
) -> None:
    call = files.read({**PAIR, "response": {**PAIR["response"], "usage": usage}}).record

    counts = {name: getattr(call, name) for name in stored_fields(GenerationRecord) if name.endswith("_tokens")}
    assert {name: value for name, value in counts.items() if value is not None} == fields


def test_choices_beside_the_first_become_alternatives_in_their_order() -> None:
    call = record(2)

    assert call.message_completion == {"role": "assistant", "content": "A robin."}
    assert call.alternatives is not None
    assert [(a.index, a.content["content"], a.finish_reason) for a in call.alternatives] == [
        (0, "A European robin.", "length"),
        (1, "A wren?", "stop"),
    ]
    assert call.input_type == "multimodal"
    assert call.started_at == utc(2026, 2, 2, 2, 4, 5)
    assert call.prompt_tokens is None


def test_tool_calls_and_tools_are_kept_as_they_were_sent() -> None:
    call = record(3)

    assert call.tools == LINES[2]["request"]["tools"]
    assert call.message_completion == LINES[2]["response"]["choices"][0]["message"]
    assert (call.output_type, call.finish_reason) == ("json", "tool_calls")


def test_anthropics_cache_tokens_are_counted_into_the_input() -> None:
    call = record(4)

    assert (call.prompt_tokens, call.cached_tokens, call.cache_write_tokens) == (62, 30, 12)
    assert (call.completion_tokens, call.total_tokens) == (3, 65)
    assert call.messages == [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Capital of Peru?"},
    ]
    assert call.message_completion == {"role": "assistant", "content": [{"type": "text", "text": "Lima."}]}
    assert (call.provider, call.user_id, call.finish_reason) == ("anthropic", "u-9", "end_turn")
    assert call.parameters == {"maxTokens": 300, "temperature": 0.5}
    assert call.started_at == utc(2026, 2, 2, 2, 40, 0, 123_000)


def test_a_batchs_results_are_joined_to_their_requests() -> None:
    call = record(5)

    assert (call.id, call.request_id, call.metadata) == ("batch_req_1", "req_77", {"custom_id": "row-1"})
    assert call.messages == [{"role": "user", "content": "I love it"}]
    assert (call.model_id, call.model_version) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert call.parameters == {"maxTokens": 3}
    assert record(8).messages == [{"role": "user", "content": "Six times seven?"}]


def test_a_batchs_results_alone_still_say_what_came_back() -> None:
    call = files.read(LINES[4]).record

    assert call.messages is None
    assert call.model_id == "gpt-4o-mini-2024-07-18"
    assert call.message_completion == {"role": "assistant", "content": "Positive"}


def test_failures_are_generations_with_an_error() -> None:
    refused, expired, invalid, late, broken = (record(n) for n in (6, 7, 9, 10, 14))

    assert (refused.error, refused.error_type) == ("Rate limit reached", "rate_limit_exceeded")
    assert refused.response_attributes == {"status_code": 429}
    assert refused.messages == [{"role": "user", "content": "Meh"}]
    assert expired.error_type == "batch_expired"
    assert (invalid.error, invalid.error_type) == ("max_tokens is required", "invalid_request_error")
    assert (late.error, late.error_type) == ("The request was expired before the model answered.", "expired")
    assert (broken.error, broken.error_type, broken.latency) == ("Connection reset by peer", None, 0.25)
    assert broken.started_at == utc(2026, 2, 2, 3, 4, 5)
    assert all(call.message_completion is None for call in (refused, expired, invalid, late, broken))


def test_a_response_becomes_a_chat_with_its_function_calls() -> None:
    call = record(11)

    assert call.messages == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    assert call.message_completion == {
        "role": "assistant",
        "content": "Hello, friend!",
        "tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "wave", "arguments": "{}"}}],
    }
    assert (call.prompt_tokens, call.cached_tokens, call.completion_tokens, call.reasoning_tokens) == (10, 4, 6, 2)
    assert (call.finish_reason, call.parameters) == ("completed", {"maxTokens": 50})


def test_embeddings_and_text_completions_keep_what_was_sent_and_came_back() -> None:
    embedding, completion = record(12), record(13)

    assert (embedding.type, embedding.input, embedding.output_type) == ("embedding", ["one", "two"], "other")
    assert embedding.output == LINES[11]["response"]["data"]
    assert (embedding.prompt_tokens, embedding.completion_tokens) == (2, None)
    assert (completion.type, completion.prompt, completion.completion) == ("completion", "Once upon", " a time")
    assert completion.alternatives is not None
    assert [a.content for a in completion.alternatives] == [" a hill"]


def test_a_generation_as_it_is_exported_is_read_as_rest_reads_it() -> None:
    call = record(15)

    assert (call.id, call.model_id, call.tags, call.metadata) == ("own-1", "gpt-4", ("kept",), {"plan": "free"})


def test_the_same_content_has_the_same_id_and_another_time_another() -> None:
    later = {**PAIR, "time": 1_770_000_000}

    assert files.read(PAIR).record.id == files.read(json.loads(json.dumps(PAIR))).record.id
    assert files.read(PAIR).record.id.startswith("import-")
    assert files.read(PAIR).record.id != files.read(later).record.id
    assert files.read({**PAIR, "thread": "a"}).record.id != files.read({**PAIR, "thread": "b"}).record.id


def test_a_streams_chunks_are_put_together() -> None:
    chunks: list[dict[str, Any]] = [
        {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [{"index": 0, "delta": delta}]}
        for delta in (
            {"role": "assistant", "content": "Hel"},
            {"content": "lo"},
            {"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": '{"a"'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        )
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})

    call = files.read({**PAIR, "response": chunks}).record

    assert call.message_completion == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    assert (call.finish_reason, call.total_tokens, call.response_id) == ("tool_calls", 5, "c1")


def test_anthropics_events_are_put_together() -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m1", "model": "claude-x", "usage": {"input_tokens": 7}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "there"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    ]

    call = files.read({"request": {"model": "claude-x", "messages": []}, "response": events}).record

    assert call.message_completion == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Hi there"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
    }
    assert (call.prompt_tokens, call.completion_tokens, call.finish_reason) == (7, 4, "tool_use")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_770_000_000, utc(2026, 2, 2, 2, 40)),
        (1_770_000_000_500, utc(2026, 2, 2, 2, 40, 0, 500_000)),
        (1_770_000_000_500_000, utc(2026, 2, 2, 2, 40, 0, 500_000)),
        (1_770_000_000_500_000_000, utc(2026, 2, 2, 2, 40, 0, 500_000)),
        ("1770000000", utc(2026, 2, 2, 2, 40)),
        ("2026-02-02", utc(2026, 2, 2)),
        ("2026-02-02T02:40:00Z", utc(2026, 2, 2, 2, 40)),
    ],
)
def test_times_are_read_by_their_size_or_as_iso(value: object, expected: dt.datetime) -> None:
    assert files.moment(value) == expected


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ([1, 2], "line", "a JSON object on each line"),
        ({"messages": []}, "line", files.EXPECTED),
        ({"custom_id": "a", "method": "POST", "body": {}}, "line", "the batch's results"),
        ({**PAIR, "time": "yesterday"}, "time", "a time in ISO 8601"),
        ({**PAIR, "time": True}, "time", "a time in ISO 8601"),
        ({**PAIR, "tags": 1}, "tags", "a list of texts"),
        ({**PAIR, "request_attributes": ["a"]}, "request_attributes", "an object"),
        ({**PAIR, "response": {"text": "?"}}, "response", "an answer in OpenAI's or Anthropic's form"),
        ({**PAIR, "latency": "fast"}, "latency", "a number of seconds"),
        ({**PAIR, "thread": [1]}, "thread", "a text"),
        ({**PAIR, "metadata": "pro"}, "metadata", "an object"),
        ({"request": "hello", "response": {}}, "request", "an object"),
        ({"request": {"messages": "hello"}, "response": {}}, "request.messages", "a list"),
        ({**PAIR, "response": "hello"}, "response", "an object"),
        ({**PAIR, "response": [1]}, "response", "the list of a stream's chunks"),
        ({"custom_id": "a", "result": {"type": "lost"}}, "result.type", "succeeded, errored, canceled or expired"),
        (
            {**PAIR, "response": {"choices": [], "usage": {"prompt_tokens": "12"}}},
            "response.usage.prompt_tokens",
            "a whole number of tokens",
        ),
        (
            {**PAIR, "response": {"choices": [], "usage": {"prompt_tokens": 12.5}}},
            "response.usage.prompt_tokens",
            "a whole number of tokens",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(line: object, field: str, expected: str) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        files.read(line)

    assert refusal.value.field == field
    assert expected in refusal.value.expected


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    ["request", "response", "error", "custom_id", "result", "body", "status_code", "id", "time", "tags", "thread",
     "messages", "model", "choices", "message", "delta", "index", "content", "usage", "input", "output", "type",
     "object", "prompt", "text", "tool_calls", "function", "metadata", "latency", "params", "prompt_tokens",
     "input_tokens", "input_tokens_details", "content_block", "logprobs", "instructions", "system", "created"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["message", "message_start", "content_block_start", "content_block_delta", "message_delta", "error", "succeeded",
     "errored", "chat.completion", "response", "list", "text_completion", "output_text", "function_call", "claude-x"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)


def some(names: str, inner: st.SearchStrategy[Any] = DOCUMENTS) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these names."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names.split(), inner))


BODIES = some("choices usage output content object type error model created id data")
DELTAS = some("role content tool_calls logprobs text partial_json")
CHUNKS = st.lists(
    some("choices", st.lists(some("index delta text logprobs", DELTAS | DOCUMENTS), max_size=3))
    | some("type message index delta content_block usage error response", DELTAS | DOCUMENTS),
    max_size=5,
)


@given(
    st.dictionaries(NAMES, DOCUMENTS, max_size=8)
    | st.fixed_dictionaries({"request": BODIES | some("model messages input prompt"), "response": BODIES | CHUNKS})
    | st.fixed_dictionaries({"custom_id": SCALARS, "response": some("status_code body request_id", BODIES)})
)
def test_any_line_is_either_a_record_or_refused_by_name(line: dict[str, Any]) -> None:
    try:
        call = files.read(line)
    except InvalidRecord as refusal:
        assert refusal.field
        assert refusal.expected
    else:
        assert call.record.id
        assert call.shape in files.SHAPES
