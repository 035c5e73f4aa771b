"""What the conventions and the libraries beyond the captures say, each in the fewest attributes that show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations.ingest.otlp import logs
from generations.ingest.otlp.shapes import Event, LogEvent, Span
from generations.ingest.otlp.spans import Told, told
from generations.records import GenerationRecord

START = 1_790_000_000_000_000_000
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Peru?"}]
ANSWER = {"role": "assistant", "content": "Lima."}


def tell(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]], scope: str = "tests", **more: Any) -> Told:
    happened = tuple(Event(name, START + n, said) for n, (name, said) in enumerate(events))
    return told(Span("a" * 32, "b" * 16, None, "span", START, START + 10**9, attributes, happened, scope=scope, **more))


def call(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]], **more: Any) -> GenerationRecord:
    generation = tell(attributes, *events, **more).generation
    assert generation is not None
    return generation


def wanted(name: str, arguments: str, id: str | None = "c1") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


# -------------------------------------------------------------------------------------------------------------- events
def test_messages_and_choices_in_the_events_of_a_span_are_its_content_and_are_not_kept_twice() -> None:
    def event(name: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return name, {"gen_ai.system": "az.ai.inference", "gen_ai.event.content": json.dumps(body)}

    one = tell(
        CALL,
        event("gen_ai.system.message", QUESTION[0]),
        event("gen_ai.user.message", QUESTION[1]),
        event("gen_ai.choice", {"message": {"content": "Lima."}, "finish_reason": "stop", "index": 0}),
        ("retry", {"after": 1}),
    )

    assert one.generation is not None
    assert one.generation.messages == QUESTION
    assert one.generation.message_completion == ANSWER
    assert one.generation.finish_reason == "stop"
    assert [event["name"] for event in one.step.events or ()] == ["retry"]


def test_a_stream_of_thousands_of_chunks_keeps_the_events_that_came_after_them() -> None:
    chunks = [(f"mlflow.chunk.item.{n}", {"mlflow.chunk.value": "a word"}) for n in range(1_200)]

    one = tell(CALL, *chunks, ("exception", {"exception.message": "The stream broke off"}), status=2)

    assert [event["name"] for event in one.step.events or ()] == ["exception"]


def test_blocks_of_bedrock_in_events_are_messages_calls_and_results() -> None:
    called = [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Lima"}}}]
    said = [{"toolResult": {"toolUseId": "c1", "status": "success", "content": [{"text": "sunny"}]}}]

    record = call(
        {**CALL, "gen_ai.server.time_to_first_token": 250},
        ("gen_ai.user.message", {"content": '[{"text": "How is Lima?"}]'}),
        ("gen_ai.assistant.message", {"content": json.dumps(called)}),
        ("gen_ai.tool.message", {"content": json.dumps(said)}),
        ("gen_ai.choice", {"message": '[{"text": "Sunny."}]', "finish_reason": "end_turn"}),
        scope="strands.telemetry.tracer",
    )

    assert record.messages == [
        {"role": "user", "content": "How is Lima?"},
        {"role": "assistant", "content": None, "tool_calls": [wanted("weather", '{"city":"Lima"}')]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    assert record.message_completion == {"role": "assistant", "content": "Sunny."}
    assert record.time_to_first_token == 0.25


def test_the_event_of_all_details_may_come_in_pieces_with_the_span() -> None:
    pieces = (
        {"gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]'},
        {"gen_ai.input.messages": json.dumps(QUESTION[1:])},
        {"gen_ai.output.messages": json.dumps([{**ANSWER, "finish_reason": "stop"}])},
    )

    record = call(CALL, *(("gen_ai.client.inference.operation.details", said) for said in pieces))

    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)


@pytest.mark.parametrize("asked", [json.dumps(QUESTION), "Capital of Peru?"])
def test_the_oldest_events_hold_a_whole_request_and_a_whole_answer(asked: str) -> None:
    record = call(
        CALL,
        ("gen_ai.content.prompt", {"gen_ai.prompt": asked}),
        ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([ANSWER])}),
    )

    assert record.messages == (QUESTION if asked.startswith("[") else QUESTION[1:])
    assert record.message_completion == ANSWER


def test_events_in_an_attribute_are_the_messages_and_the_last_of_them_the_answer() -> None:
    said = [{"event.name": f"gen_ai.{m['role']}.message", **m} for m in QUESTION]
    choice = {"event.name": "gen_ai.choice", "index": 0, "message": ANSWER}

    for last in (choice, {"event.name": "gen_ai.assistant.message", **ANSWER}):
        record = call({**CALL, "events": json.dumps([*said, last])})
        assert (record.messages, record.message_completion) == (QUESTION, ANSWER)


def test_what_a_tool_was_given_and_said_in_events_is_the_input_and_output_of_its_step() -> None:
    step = tell(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
        ("gen_ai.tool.message", {"role": "tool", "content": '{"city": "Lima"}', "id": "c1"}),
        ("gen_ai.choice", {"message": '[{"text": "sunny"}]', "id": "c1"}),
    ).step

    assert (step.type, step.input, step.output) == ("tool", {"city": "Lima"}, [{"text": "sunny"}])


def test_the_body_of_a_log_event_may_be_json_in_a_text() -> None:
    def heard(name: str, body: Any, n: int) -> LogEvent:
        return LogEvent(name, START + n, "a" * 32, "b" * 16, json.dumps(body), {})

    events = [heard(f"gen_ai.{m['role']}.message", m, n) for n, m in enumerate(QUESTION)]
    events.append(heard("gen_ai.choice", {"message": ANSWER, "finish_reason": "stop", "index": 0}, 9))

    fields = logs.fields(logs.parts(events, {}))

    assert (fields["messages"], fields["message_completion"]) == (QUESTION, ANSWER)


# --------------------------------------------------------------------------------------------------- whole and untyped
LANGCHAIN = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"]}
ASKED: dict[str, dict[str, Any]] = {
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "Capital of Peru?"}]}],
        "config": {"system_instruction": {"parts": [{"text": "Be brief."}]}},
    },
    "bedrock": {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "Capital of Peru?"}]}],
    },
    "anthropic": {"model": "claude-haiku-4-5", "system": "Be brief.", "messages": QUESTION[1:]},
    "langchain": {
        "messages": [
            [{"type": "system", "content": "Be brief."}, {**LANGCHAIN, "kwargs": {"content": "Capital of Peru?"}}]
        ]
    },
    "ollama": {"model": "llama3", "messages": QUESTION},
}
GIVEN: dict[str, dict[str, Any]] = {
    "gemini": {"candidates": [{"content": {"role": "model", "parts": [{"text": "Lima."}]}, "finishReason": "STOP"}]},
    "bedrock": {"output": {"message": {"role": "assistant", "content": [{"text": "Lima."}]}}, "stopReason": "end_turn"},
    "anthropic": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Lima."}]},
    "langchain": {"generations": [[{"text": "Lima.", "message": {"type": "ai", "content": "Lima."}}]]},
    "ollama": {"message": ANSWER, "done_reason": "stop"},
}


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("gen_ai.prompt", "gen_ai.completion"),
        ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"),
        ("genkit:input", "genkit:output"),
        ("braintrust.input_json", "braintrust.output_json"),
        ("mlflow.spanInputs", "mlflow.spanOutputs"),
    ],
)
@pytest.mark.parametrize("form", ASKED)
def test_whole_requests_and_answers_of_every_provider_are_messages(form: str, sent: str, received: str) -> None:
    record = call({**CALL, sent: json.dumps(ASKED[form]), received: json.dumps(GIVEN[form])})

    assert record.messages == QUESTION
    assert record.message_completion == ANSWER


def test_langchain_says_who_answered_and_what_was_counted_beside_the_words() -> None:
    said = {
        "type": "ai",
        "content": "",
        "tool_calls": [{"name": "weather", "args": {"city": "Lima"}, "id": "c1", "type": "tool_call"}],
        "response_metadata": {
            "model_name": "gpt-4o-mini-2024-07-18",
            "id": "chatcmpl-1",
            "finish_reason": "tool_calls",
        },
        "usage_metadata": {
            "input_tokens": 51,
            "output_tokens": 21,
            "total_tokens": 72,
            "input_token_details": {"cache_read": 8},
            "output_token_details": {"reasoning": 4},
        },
    }
    record = call(
        {
            "langsmith.span.kind": "llm",
            "gen_ai.operation.name": "chat",
            "langsmith.metadata.ls_temperature": 0.2,
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.system": "langchain",
            "gen_ai.completion": json.dumps({"generations": [[{"text": "", "message": said}]]}),
        }
    )

    assert record.message_completion == {
        "role": "assistant",
        "content": "",
        "tool_calls": [wanted("weather", '{"city":"Lima"}')],
    }
    assert (record.prompt_tokens, record.cached_tokens, record.completion_tokens) == (51, 8, 21)
    assert (record.reasoning_tokens, record.total_tokens) == (4, 72)
    assert (record.model_id, record.model_version) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (record.response_id, record.finish_reason, record.provider) == ("chatcmpl-1", "tool_calls", "openai")
    assert record.parameters == {"temperature": 0.2}


def test_calls_of_tools_in_messages_of_their_own_are_items_of_one_answer() -> None:
    parts = [{"type": "tool_call", "id": id, "name": "f", "arguments": {}} for id in ("c1", "c2")]
    items = [{"role": "assistant", "parts": [part], "finish_reason": "tool_call"} for part in parts]

    record = call({**CALL, "gen_ai.output.messages": json.dumps(items)})

    assert record.alternatives in (None, ())
    assert record.message_completion == {
        "role": "assistant",
        "content": None,
        "tool_calls": [wanted("f", "{}", "c1"), wanted("f", "{}", "c2")],
    }


def test_definitions_of_tools_lose_the_wrapping_of_their_provider() -> None:
    schema = {"type": "object", "properties": {}}
    tools = [
        {"toolSpec": {"name": "a", "inputSchema": {"json": schema}}},
        {"functionDeclarations": [{"name": "b", "parameters": schema}, {"name": "c", "parametersJsonSchema": schema}]},
        {"type": "function", "name": "d", "parameters": schema},
    ]

    record = call({**CALL, "gen_ai.tool.definitions": json.dumps(tools)})

    assert record.tools == [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name in ("a", "b", "c", "d")
    ]


def test_a_text_that_looks_like_the_parts_of_a_provider_stays_what_was_said() -> None:
    text = '[{"text": "not a part"}]'

    record = call({**CALL, "gen_ai.input.messages": json.dumps([{"role": "user", "content": text}])})

    assert record.messages == [{"role": "user", "content": text}]


# --------------------------------------------------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("attributes", "type", "step"),
    [
        ({"gen_ai.operation.name": "acompletion"}, "chat", "llm"),
        ({"llm.request.type": "aembedding"}, "embedding", "embedding"),
        ({"gen_ai.operation.name": "anthropic_messages"}, "chat", "llm"),
        ({"gen_ai.operation.name": "text_completions"}, "completion", "llm"),
        ({"genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-2.5-flash"}, "chat", "llm"),
        ({"braintrust.span_attributes": '{"type": "llm"}'}, "chat", "llm"),
        ({"lmnr.span.type": "LLM"}, "chat", "llm"),
        ({"gen_ai.span.kind": "LLM"}, "chat", "llm"),
        ({"span.type": "llm_request", "model": "claude-haiku-4-5"}, "chat", "llm"),
        ({"langsmith.span.kind": "prompt", "gen_ai.operation.name": "chat"}, None, "run"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o-mini"}, None, "run"),
        ({"gen_ai.operation.name": "create_agent", "gen_ai.request.model": "gpt-4o-mini"}, None, "run"),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}, None, "tool"),
        ({"gen_ai.operation.name": "retrieval"}, None, "retrieval"),
        ({"genkit:metadata:subtype": "tool"}, None, "tool"),
        ({"gen_ai.span.kind": "RERANKER"}, None, "rerank"),
        ({"gen_ai.operation.name": "framework", "spring.ai.kind": "tool_call"}, None, "tool"),
        ({"gen_ai.operation.name": "framework", "spring.ai.kind": "chat_client"}, None, "run"),
        ({"spring.ai.kind": "vector_store", "db.operation.name": "query"}, None, "retrieval"),
    ],
)
def test_what_is_a_call_and_what_is_other_work(attributes: dict[str, Any], type: str | None, step: str) -> None:
    one = tell(attributes)

    assert (one.generation and one.generation.type, one.step.type) == (type, step)


TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.usage.input_tokens": 62,
            "gen_ai.usage.output_tokens": 21,
            "gen_ai.usage.cache_read.input_tokens": 30,
            "gen_ai.usage.cache_creation.input_tokens": 12,
            "gen_ai.usage.reasoning.output_tokens": 4,
        },
        {
            "gen_ai.usage.input_tokens": 62,
            "gen_ai.usage.output_tokens": 21,
            "gen_ai.usage.cached_input_tokens": "30",
            "gen_ai.usage.cache_write_input_tokens": 12,
            "gen_ai.usage.reasoning_output_tokens": 4.0,
        },
        {
            "gen_ai.usage.input_tokens": 62,
            "gen_ai.usage.output_tokens": 21,
            "gen_ai.usage.input_token_details": "{'cache_read': 30, 'cache_creation': 12}",
            "gen_ai.usage.output_token_details": "{'reasoning': 4}",
        },
        {
            "gen_ai.usage.input_tokens": 62,
            "gen_ai.usage.output_tokens": 21,
            "gen_ai.usage.details.cache_read_tokens": 30,
            "gen_ai.usage.details.cache_write_tokens": 12,
            "gen_ai.usage.details.reasoning_tokens": 4,
        },
        {
            "braintrust.metrics": '{"prompt_tokens": 62, "completion_tokens": 21, "prompt_cached_tokens": 30,'
            ' "prompt_cache_creation_tokens": 12, "completion_reasoning_tokens": 4}'
        },
        {
            "llm.token_count.prompt": 62,
            "llm.token_count.completion": 21,
            "llm.token_count.prompt_details.cache_read": 30,
            "llm.token_count.prompt_details.cache_write": 12,
            "llm.token_count.completion_details.reasoning": 4,
        },
        {
            "ai.usage.inputTokens": 62,
            "ai.usage.outputTokens": 21,
            "ai.response.providerMetadata": '{"openai": {"reasoningTokens": 4},'
            ' "anthropic": {"cacheReadInputTokens": 30, "cacheCreationInputTokens": 12}}',
        },
    ],
)
def test_counts_are_the_same_by_whatever_name(attributes: dict[str, Any]) -> None:
    record = call({**CALL, **attributes})

    assert [getattr(record, name) for name in TOKENS] == [62, 21, 30, 12, 4]


def test_counts_of_an_instrumentation_that_has_the_cache_beside_the_input_are_made_gross() -> None:
    said = {
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 21,
        "gen_ai.usage.cache_read.input_tokens": 30,
    }

    beside = call({**CALL, **said}, scope="opentelemetry.instrumentation.bedrock")
    within = call({**CALL, **said})

    assert (beside.prompt_tokens, beside.cached_tokens) == (80, 30)
    assert (within.prompt_tokens, within.cached_tokens) == (50, 30)


@pytest.mark.parametrize(
    "name",
    [
        *("gen_ai.conversation.id", "gen_ai.thread.id", "session.id", "gcp.vertex.agent.session_id"),
        *("mlflow.trace.session", "lmnr.association.properties.session_id", "langsmith.metadata.conversation_id"),
        *("$session_id", "spring.ai.chat.client.conversation.id"),
    ],
)
def test_a_thread_has_many_names(name: str) -> None:
    assert call({**CALL, name: "chat-1"}).thread_id == "chat-1"


@pytest.mark.parametrize("name", ["user.id", "posthog.distinct_id", "ai.telemetry.metadata.posthog_distinct_id"])
def test_a_user_has_many_names(name: str) -> None:
    record = call({**CALL, name: "ada"})

    assert (record.user_id, record.metadata) == ("ada", None)


def test_weave_names_its_conversations() -> None:
    thread = tell({**CALL, "gen_ai.conversation.id": "chat-1", "gen_ai.conversation.name": "Geography"}).thread

    assert thread is not None
    assert (thread.id, thread.name) == ("chat-1", "Geography")


def test_a_thread_and_a_user_of_the_resource_hold_for_spans_that_name_none() -> None:
    resource = {"session.id": "chat-1", "user.id": "ada"}

    record = call(CALL, resource=resource)
    other = call({**CALL, "session.id": "chat-2", "user.id": "bob"}, resource=resource)

    assert (record.thread_id, record.user_id) == ("chat-1", "ada")
    assert (other.thread_id, other.user_id) == ("chat-2", "bob")


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 0.25),
        ({"gen_ai.latency.time_to_first_token": "0.25"}, 0.25),
        ({"braintrust.metrics": '{"time_to_first_token": 0.25}'}, 0.25),
        ({"ttft_ms": 250}, 0.25),
    ],
)
def test_the_first_token_has_many_names(attributes: dict[str, Any], seconds: float) -> None:
    assert call({**CALL, **attributes}).time_to_first_token == seconds


def test_the_first_chunk_that_an_sdk_kept_is_not_the_first_where_it_dropped_some() -> None:
    chunk: tuple[str, dict[str, Any]] = ("gen_ai.content.completion.chunk", {})
    first: tuple[str, dict[str, Any]] = ("First Token Stream Event", {})

    assert call(CALL, chunk).time_to_first_token == 0.0
    assert call(CALL, first, dropped_events=372).time_to_first_token == 0.0
    one = tell(CALL, chunk, dropped_events=372)
    assert one.generation is not None
    assert one.generation.time_to_first_token is None
    assert (one.step.attributes or {})["droppedEventsCount"] == 372


def test_words_for_nothing_are_nothing() -> None:
    record = call({**CALL, "gen_ai.response.model": "none", "gen_ai.system": "strands-agents"})

    assert (record.model_id, record.model_version, record.provider) == ("gpt-4o-mini", None, "openai")
    assert call({**CALL, "gen_ai.response.finish_reasons": ["FinishReason.STOP"]}).finish_reason == "stop"


@pytest.mark.parametrize(
    ("name", "provider"),
    [("groq/llama-3.1-8b-instant", "groq"), ("openai/gpt-4o", "openai"), ("meta-llama/L-8B", None)],
)
def test_who_serves_a_model_is_read_from_its_name_where_nobody_says_so(name: str, provider: str | None) -> None:
    record = call({"gen_ai.operation.name": "chat", "gen_ai.request.model": name})

    assert (record.model_id, record.provider) == (name, provider)
