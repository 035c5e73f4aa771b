"""What frameworks beyond the conventions say in ways of their own, in the fewest attributes that show it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from generations.ingest.otlp import couples
from generations.ingest.otlp.shapes import ERROR, Span
from generations.ingest.otlp.spans import told
from generations.records import revised
from tests.test_otlp_conventions import ANSWER, CALL, QUESTION, call, tell, wanted

WEATHER = wanted("get_weather", '{"city":"Lima"}')


# ------------------------------------------------------------------------------------------------------------- Mastra
INFERENCE = {
    "mastra.span.type": "model_inference",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": ""}]}]),
    "gen_ai.response.finish_reasons": '["tool-calls"]',
    "gen_ai.usage.input_tokens": 90,
}
STEP = {
    "mastra.span.type": "model_step",
    "gen_ai.operation.name": "agent_step",
    "mastra.model_step.input": json.dumps(QUESTION),
    "mastra.model_step.output": json.dumps(
        {"text": "", "toolCalls": [{"toolCallId": "c1", "toolName": "get_weather", "args": {"city": "Lima"}}]}
    ),
}


def test_what_mastra_s_step_was_said_becomes_the_inference_s_below_it() -> None:
    inference, step = call(INFERENCE), call(STEP)
    one = couples.Call(revised(inference, id="inference"), "step", "mastra")
    other = couples.Call(revised(step, id="step"), None, "mastra")

    (whole,) = couples.settle([one, other]).records

    assert (whole.id, whole.prompt_tokens, whole.finish_reason) == ("inference", 90, "tool_calls")
    assert whole.messages == QUESTION
    assert whole.message_completion == {"role": "assistant", "content": None, "tool_calls": [WEATHER]}


def test_mastra_names_thread_user_tags_and_metadata_its_own_way() -> None:
    said = {"mastra.metadata.threadId": "chat-1", "mastra.metadata.resourceId": "ada", "mastra.metadata.plan": "pro"}

    step = tell(
        {"mastra.span.type": "agent_run", "mastra.agent_run.input": "Hi", "mastra.tags": '["geo"]', **said}
    ).step

    assert (step.type, step.input, step.thread_id, step.user_id) == ("run", "Hi", "chat-1", "ada")
    assert list(step.tags or ()) == ["geo"]
    assert (step.metadata or {})["plan"] == "pro"
    assert not any(name.endswith(".input") for name in step.attributes or {})


def test_a_first_token_before_its_call_is_of_another_call() -> None:
    def waited(moment: str) -> float | None:
        return call({**INFERENCE, "mastra.completion_start_time": moment}).time_to_first_token

    # The call begins at 14:13:20.
    assert waited("2026-09-21T14:13:20.250Z") == 0.25
    assert waited("2026-09-21T14:13:19.000Z") is None


def test_a_call_that_ended_by_an_error_and_says_no_more_has_failed() -> None:
    record = call({**CALL, "gen_ai.response.finish_reasons": '["error"]'})

    assert (record.finish_reason, record.error) == ("error", "error")
    assert call({**CALL, "gen_ai.response.finish_reasons": '["stop"]'}).error is None


# ------------------------------------------------------------------------------------------------------------ Langfuse
LANGFUSE = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({"langfuse.observation.cost_details": '{"input": 0.001, "output": 0.002}'}, "0.003"),
        ({"langfuse.observation.cost_details": '{"input": 0.001, "output": 0.002, "total": 0.004}'}, "0.004"),
        ({"langfuse.observation.cost_details": '{"input": 0, "output": 0}'}, None),
        ({"llm.cost.prompt": 0.001, "llm.cost.completion": 0.002}, "0.003"),
        ({"llm.cost.prompt": 0.001, "llm.cost.total": 0.004}, "0.004"),
    ],
)
def test_a_cost_without_a_total_is_that_of_its_parts(said: dict[str, Any], cost: str | None) -> None:
    assert call({**LANGFUSE, **said}).cost == (None if cost is None else Decimal(cost))


def test_langfuse_s_call_of_the_newer_interface_is_a_chat_with_its_instructions() -> None:
    record = call(
        {
            **LANGFUSE,
            "langfuse.observation.input": '"Capital of Peru?"',
            "langfuse.observation.output": "Lima.",
            "langfuse.observation.metadata.instructions": "Be brief.",
            "langfuse.observation.model.parameters": '{"parallel_tool_calls": true}',
        }
    )

    assert (record.type, record.messages, record.message_completion) == ("chat", QUESTION, ANSWER)


# ------------------------------------------------------------------------------------------------------- Future AGI's
def test_the_names_of_the_conventions_may_be_spread_out_as_openinference_s_are() -> None:
    record = call(
        {
            "gen_ai.span.kind": "LLM",
            "gen_ai.request.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.request.parameters": '{"model": "gpt-4o-mini", "n": 2, "max_tokens": 20}',
            "gen_ai.input.messages.0.message.role": "system",
            "gen_ai.input.messages.0.message.content": "Be brief.",
            "gen_ai.input.messages.1.message.role": "user",
            "gen_ai.input.messages.1.message.content": "Capital of Peru?",
            "gen_ai.output.messages.0.message.role": "assistant",
            "gen_ai.output.messages.0.message.content": "Lima.",
            "gen_ai.output.messages.1.message.role": "assistant",
            "gen_ai.output.messages.1.message.content": "Lima, of course.",
            "gen_ai.usage.input_tokens": 51,
            "gen_ai.usage.input_tokens.cache_read": 8,
            "gen_ai.usage.output_tokens": 25,
            "gen_ai.usage.output_tokens.reasoning": 4,
            "input.value": "Be brief.",
            "output.value": "Lima.",
        }
    )

    assert (record.model_id, record.model_version) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)
    assert [one.content for one in record.alternatives or ()] == [{**ANSWER, "content": "Lima, of course."}]
    assert record.parameters == {"n": 2, "maxTokens": 20}
    assert (record.prompt_tokens, record.cached_tokens, record.reasoning_tokens) == (51, 8, 4)


# ------------------------------------------------------------------------------------------------------------- Laminar
def test_laminar_s_texts_to_embed_are_no_chat() -> None:
    record = call(
        {
            "lmnr.span.type": "LLM",
            "gen_ai.request.model": "text-embedding-3-small",
            "gen_ai.input.messages": '[{"content": "Lima"}]',
        }
    )

    assert (record.type, record.prompt, record.messages) == ("embedding", "Lima", None)


def test_laminar_s_instructions_are_of_the_call_and_its_empty_settings_are_none() -> None:
    record = call(
        {
            "lmnr.span.type": "LLM",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.reasoning_effort": [],
            "gen_ai.input.messages": json.dumps(QUESTION[1:]),
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
        }
    )

    assert (record.messages, record.parameters) == (QUESTION, None)


# ----------------------------------------------------------------------------------------------------- others in short
def test_anthropic_s_instructions_among_the_settings_are_a_message_and_no_setting() -> None:
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.invocation_parameters": '{"model": "claude-haiku-4-5", "max_tokens": 50, "system": "Be brief."}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Capital of Peru?",
        }
    )

    assert (record.messages, record.parameters) == (QUESTION, {"maxTokens": 50})


def test_a_result_that_the_user_brings_is_the_tool_s() -> None:
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.tool_call_id": "c1",
            "llm.input_messages.0.message.content": "sunny",
        }
    )

    assert record.messages == [{"role": "tool", "tool_call_id": "c1", "content": "sunny"}]


def test_ids_of_calls_that_the_attributes_lack_are_those_of_the_whole_request() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Lima"}'}}
    names = "llm.output_messages.0.message.tool_calls.0.tool_call.function"
    answer = {"lc": 1, "id": ["AIMessage"], "kwargs": {"content": "", "additional_kwargs": {}, "tool_calls": [called]}}

    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.output_messages.0.message.role": "assistant",
            f"{names}.name": "get_weather",
            f"{names}.arguments": '{"city":"Lima"}',
            "output.value": json.dumps({"generations": [[{"text": "", "message": answer}]]}),
        }
    )

    assert (record.message_completion or {})["tool_calls"] == [WEATHER]


def test_a_result_that_is_said_a_second_time_as_a_text_is_one_message() -> None:
    parts = [
        {"type": "text", "content": "sunny"},
        {"type": "tool_call_response", "id": "c1", "response": "sunny"},
    ]

    record = call({**CALL, "gen_ai.input.messages": json.dumps([{"role": "tool", "parts": parts}])})

    assert record.messages == [{"role": "tool", "tool_call_id": "c1", "content": "sunny"}]


@pytest.mark.parametrize(
    "name",
    [
        "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash",
        "publishers/google/models/gemini-2.5-flash",
        "models/gemini-2.5-flash",
    ],
)
def test_google_s_path_of_a_model_is_the_model_at_its_end(name: str) -> None:
    assert call({"gen_ai.operation.name": "chat", "gen_ai.request.model": name}).model_id == "gemini-2.5-flash"
    assert (
        call({**CALL, "gen_ai.request.model": "accounts/fireworks/models/x"}).model_id == "accounts/fireworks/models/x"
    )


def test_a_completion_of_parts_is_a_chat() -> None:
    record = call(
        {
            "llm.request.type": "completion",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": '[{"type": "text", "text": "Capital of Peru?"}]',
        }
    )

    assert (record.type, record.messages) == ("chat", QUESTION[1:])


def test_settings_that_are_texts_of_numbers_are_numbers() -> None:
    said = {"gen_ai.request.temperature": "0.2", "gen_ai.request.max_tokens": "50", "gen_ai.request.seed": "x"}

    assert call({**CALL, **said}).parameters == {"temperature": 0.2, "maxTokens": 50, "seed": "x"}


def test_langsmith_s_event_of_an_exception_is_a_failure_whatever_the_status_says() -> None:
    thrown = ("exception", {"exception.message": "The model is asleep.", "exception.type": "Error"})

    failed = call(CALL, thrown, scope="langsmith")

    assert (failed.error, failed.error_type) == ("The model is asleep.", "Error")
    assert call(CALL, thrown).error is None
    assert call(CALL, thrown, status=ERROR).error == "The model is asleep."


def test_langwatch_says_messages_counts_and_cost_with_their_types() -> None:
    said = {
        "langwatch.span.type": "llm",
        "gen_ai.request.model": "gpt-4o-mini",
        "langwatch.input": json.dumps({"type": "chat_messages", "value": QUESTION}),
        "langwatch.output": json.dumps({"type": "text", "value": "Sunny."}),
        "langwatch.params": json.dumps({"temperature": 0.5}),
        "langwatch.metrics": json.dumps({"cost": 0.25, "reasoning_tokens": 4, "first_token_ms": 500}),
        "gen_ai.usage.input_tokens": 90,
        "gen_ai.usage.output_tokens": 9,
        "langwatch.thread.id": "chat-1",
        "metadata": json.dumps({"user_id": "ada", "labels": ["geo"], "plan": "pro"}),
    }

    told = call(said)

    assert (told.messages, told.message_completion) == (QUESTION, {"role": "assistant", "content": "Sunny."})
    assert (told.prompt_tokens, told.completion_tokens, told.reasoning_tokens) == (90, 9, 4)
    assert (str(told.cost), told.time_to_first_token, told.parameters) == ("0.25", 0.5, {"temperature": 0.5})
    assert (told.thread_id, told.user_id, told.tags) == ("chat-1", "ada", ("geo",))
    work = {"type": "json", "value": {"city": "Lima"}}
    tool = tell({"langwatch.span.type": "tool", "langwatch.input": json.dumps(work)}).step
    assert (tool.type, tool.input) == ("tool", {"city": "Lima"})
    assert tell({"langwatch.span.type": "rag"}).step.type == "retrieval"


def test_agentops_names_its_work_and_what_it_was_given_its_own_way() -> None:
    entity = {"agentops.entity.name": "answer", "agentops.entity.input": '{"args": ["Lima"]}', "agentops.tags": '["a"]'}

    told = tell({"agentops.span.kind": "workflow", **entity, "agentops.entity.output": "Sunny."})

    step = told.step
    assert (told.generation, step.type, step.name) == (None, "run", "answer")
    assert (step.input, step.output, step.tags) == ({"args": ["Lima"]}, "Sunny.", ("a",))
    streamed = {"gen_ai.streaming.time_to_first_token": 0.25, "gen_ai.request.model": "gpt-4o-mini"}
    assert call({"agentops.span.kind": "llm", **streamed}).time_to_first_token == 0.25


def test_sessions_are_threads_by_whichever_name_they_come() -> None:
    for name in ("honeyhive.session_id", "galileo.session.id", "ag.session.id", "langwatch.thread.id"):
        assert call({"gen_ai.request.model": "gpt-4o-mini", name: "chat-1"}).thread_id == "chat-1", name


def test_honeyhive_s_models_are_calls_and_its_metadata_is_metadata() -> None:
    told = call({"honeyhive_event_type": "model", "honeyhive_metadata.plan": "pro"})

    assert (told.type, told.metadata) == ("chat", {"plan": "pro"})
    assert tell({"honeyhive_event_type": "chain", "gen_ai.request.model": "gpt-4o-mini"}).generation is None


def test_langtrace_s_embeddings_are_embeddings() -> None:
    assert (
        call({"gen_ai.operation.name": "embed", "gen_ai.request.model": "text-embedding-3-small"}).type == "embedding"
    )


# ------------------------------------------------------------------------------------ Pipecat, Genkit, AutoGen, others
def test_messages_answer_and_tools_in_plain_attributes_are_the_call_s() -> None:
    record = call(
        {
            **CALL,
            "input": json.dumps(QUESTION[1:]),
            "output": "Lima.",
            "tools": '[{"type": "function", "function": {"name": "get_weather"}}]',
            "tool_choice": "auto",
            "gen_ai.system_instructions": "Be brief.",
            "stream": True,
            "metrics.ttfb": 0.25,
        }
    )

    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)
    assert [one["function"]["name"] for one in record.tools or ()] == ["get_weather"]
    assert (record.parameters, record.time_to_first_token) == ({"tool_choice": "auto"}, 0.25)


def test_genkit_says_who_answers_before_the_model_and_has_settings_in_its_request() -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "config": {"temperature": 0.5, "apiKey": "k"}}
    record = call(
        {
            "genkit:metadata:subtype": "model",
            "genkit:name": "googleai/gemini-2.5-flash",
            "genkit:input": json.dumps(asked),
        },
        status=ERROR,
    )

    assert (record.provider, record.parameters) == ("googleai", {"temperature": 0.5})
    assert record.messages == [{"role": "user", "content": "Hi"}]
    assert told(Span("a" * 32, "b" * 16, "c" * 16, "generate", 1, 2, {"genkit:type": "util"})).step.type == "run"


def test_a_text_to_embed_in_a_message_is_a_text() -> None:
    asked = {"input": [{"content": [{"text": "Lima"}]}], "options": {}}

    record = call({"genkit:metadata:subtype": "embedder", "genkit:input": json.dumps(asked)})

    assert (record.type, record.prompt, record.messages) == ("embedding", "Lima", None)


def test_results_of_tools_that_are_values_of_a_message_are_messages() -> None:
    said = [{"name": "get_weather", "content": text, "call_id": id} for id, text in (("c1", "sunny"), ("c2", "rain"))]
    spelt = {f"llm.input_messages.0.function.{n}": json.dumps(one) for n, one in enumerate(said)}
    record = call({"openinference.span.kind": "LLM", "llm.input_messages.0.message.role": "function", **spelt})

    assert record.messages == [
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
    ]


def test_the_reason_for_an_answer_s_end_may_stand_in_the_answer_alone() -> None:
    given = {"finish_reason": "function_calls", "content": [], "usage": {}}

    record = call({"openinference.span.kind": "LLM", "output.value": json.dumps(given)})

    assert record.finish_reason == "tool_calls"


def test_a_text_that_langchain_in_javascript_leaves_out_is_that_of_its_request() -> None:
    said = {
        "type": "constructor",
        "id": ["langchain_core", "messages", "SystemMessage"],
        "kwargs": {"content": [{"type": "text", "text": "Be brief."}]},
    }
    answer = {"id": ["langchain_core", "messages", "AIMessage"], "kwargs": {"id": "chatcmpl-1", "content": "Lima."}}
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "Capital of Peru?",
            "input.value": json.dumps({"messages": [[said, QUESTION[1]]]}),
            "output.value": json.dumps({"generations": [[{"text": "Lima.", "message": answer}]]}),
        }
    )

    assert record.messages == QUESTION
    assert (record.message_completion, record.response_id) == (ANSWER, "chatcmpl-1")


def test_an_embedding_that_langfuse_calls_a_generation_is_one() -> None:
    said = {"langfuse.observation.type": "generation", "langfuse.observation.input": '["Lima", "Cusco"]'}

    record = call({**said, "langfuse.observation.model.name": "text-embedding-3-small"})

    assert (record.type, record.input) == ("embedding", ["Lima", "Cusco"])


def test_what_spring_ai_gave_a_tool_and_had_of_it_is_the_step_s() -> None:
    step = tell(
        {
            "gen_ai.operation.name": "framework",
            "spring.ai.kind": "tool_call",
            "spring.ai.tool.call.arguments": '{"city": "Lima"}',
            "spring.ai.tool.call.result": "sunny",
        }
    ).step

    assert (step.type, step.input, step.output) == ("tool", {"city": "Lima"}, "sunny")


def test_how_a_tool_was_chosen_is_a_setting() -> None:
    chosen = '{"type":"tool","toolName":"get_weather"}'

    record = call({"ai.operationId": "ai.generateText.doGenerate", "ai.prompt.toolChoice": chosen})

    assert record.parameters == {"tool_choice": {"type": "tool", "toolName": "get_weather"}}
