"""What agents and the clients below them say in ways of their own, each in the fewest attributes that show it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from generations.ingest.otlp.shapes import ERROR, Span
from generations.ingest.otlp.spans import told
from tests.test_otlp_conventions import ANSWER, CALL, QUESTION, call, tell, wanted

LLM: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.model_name": "mistral-small-latest"}
COUNTED: dict[str, Any] = {**LLM, "llm.token_count.prompt": 51, "llm.token_count.completion": 21}


def test_an_answer_that_came_did_not_fail_whatever_reason_it_is_said_to_have_ended_by() -> None:
    """OpenTelemetry's own for LangChain 1.3b0, of OpenAI's newer interface."""
    said = {**CALL, "gen_ai.response.finish_reasons": ["error"]}
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}]}])

    answered = call({**said, "gen_ai.output.messages": answer})

    assert (answered.error, answered.message_completion) == (None, ANSWER)
    assert call(said).error == "error"
    own = call({**said, "gen_ai.output.messages": answer}, scope="opentelemetry.instrumentation.genai.langchain")
    assert (answered.finish_reason, own.finish_reason) == ("error", None)


# ------------------------------------------------------------------------------------------------------------------ AG2
AG2: Final = "opentelemetry.instrumentation.ag2"
USED: dict[str, Any] = {"ag2.span.type": "usage", "gen_ai.usage.input_tokens": 500, "gen_ai.usage.output_tokens": 20}


@pytest.mark.parametrize(
    ("kind", "is_call"), [("model_call", False), ("subtask", False), ("compaction", True), ("aggregation", True)]
)
def test_what_ag2_counts_once_more_is_no_call_and_what_it_counts_there_alone_is_one(kind: str, is_call: bool) -> None:
    one = tell({**USED, "ag2.usage.kind": kind, "gen_ai.response.model": "gpt-4o-mini"}, scope=AG2)

    assert (one.generation is not None) is is_call


@pytest.mark.parametrize(
    ("model", "sent", "answered"), [("claude-haiku-4-5", 542, 20), ("gemini-2.5-flash", 500, 27), ("gpt-5", 500, 20)]
)
def test_ag2_repeats_what_each_provider_counts(model: str, sent: int, answered: int) -> None:
    about = {**USED, "ag2.span.type": "llm", **CALL, "gen_ai.request.model": model, "gen_ai.usage.thinking_tokens": 7}
    cached = {"gen_ai.usage.cache_read_input_tokens": 30, "gen_ai.usage.cache_creation_input_tokens": 12}

    record = call(about | cached, scope=AG2)

    assert (record.prompt_tokens, record.completion_tokens, record.reasoning_tokens) == (sent, answered, 7)
    assert (record.cached_tokens, record.cache_write_tokens) == (30, 12)


def test_a_function_that_phoenix_decorates_as_a_call_is_one_with_its_argument_and_the_text_that_it_returns() -> None:
    about = {"openinference.span.kind": "LLM", "input.value": json.dumps({"messages": QUESTION}), "user.id": "unknown"}

    record = call({**about, "output.value": "Lima."})

    assert (record.messages, record.message_completion, record.user_id) == (QUESTION, ANSWER, None)


def test_messages_beside_a_whole_answer_of_openai_are_what_was_asked() -> None:
    """Cloudflare's AI Gateway."""
    whole = {"id": "c1", "choices": [{"message": ANSWER, "finish_reason": "stop"}]}

    record = call({**CALL, "gen_ai.prompt_json": json.dumps(QUESTION), "gen_ai.completion_json": json.dumps(whole)})

    assert (record.messages, record.message_completion, record.finish_reason) == (QUESTION, ANSWER, "stop")


def test_vs_code_says_in_milliseconds_when_the_first_token_came() -> None:
    assert call({**CALL, "copilot_chat.time_to_first_token": 250}).time_to_first_token == 0.25


def test_rig_s_calls_of_tools_are_known_by_their_function_and_results_by_a_type_in_one_word() -> None:
    called = {"id": "c1", "call_id": None, "function": {"name": "get_weather", "arguments": {"city": "Lima"}}}
    result = {"type": "toolresult", "id": "c1", "content": [{"text": "sunny"}]}
    asked = [{"role": "assistant", "content": [called]}, {"role": "user", "content": [result]}]

    record = call({**CALL, "gen_ai.input.messages": json.dumps(asked)}, scope="rig::completions")

    assert record.messages == [
        {"role": "assistant", "content": None, "tool_calls": [wanted("get_weather", '{"city":"Lima"}')]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]


# ------------------------------------------------------------------------------------------------------- Guardrails AI
GUARD: dict[str, Any] = {"openinference.span.kind": "GUARDRAIL", "user.id": "unknown"}


def test_guardrails_calls_are_told_as_guards_with_settings_as_python_shows_them() -> None:
    about = {"llm.invocation_parameters": "{'model': 'openai/gpt-4o-mini', 'temperature': 0, 'api_key': 'sk'}"}
    counts = {"llm.token_count.prompt": 51, "llm.token_count.completion": 21}

    record = call({**GUARD, **about, **counts}, scope="guardrails-ai")

    assert (record.type, record.model_id, record.prompt_tokens) == ("chat", "openai/gpt-4o-mini", 51)
    assert (record.parameters, record.user_id) == ({"temperature": 0}, None)
    assert tell({**GUARD, "input.value": "Lima."}, scope="guardrails-ai").generation is None


# ------------------------------------------------------------------------------------------ OpenTelemetry's packages
def test_opentelemetry_s_own_for_bedrock_repeats_what_that_counts_beside() -> None:
    counts = {"gen_ai.usage.input_tokens": 500, "gen_ai.usage.cache_read.input_tokens": 30}

    record = call({**CALL, **counts}, scope="opentelemetry.instrumentation.genai.bedrock")

    assert (record.prompt_tokens, record.cached_tokens) == (530, 30)


def test_portkey_is_not_who_made_the_model_that_it_passes_a_call_on_to() -> None:
    assert call({**CALL, "gen_ai.provider.name": "portkey"}).provider == "openai"


# -------------------------------------------------------------------------------------------------------- Vercel's SDK
def test_vercel_s_sdk_up_to_version_5_counts_what_bedrock_caches_beside_and_from_6_on_within() -> None:
    said: dict[str, Any] = {"ai.operationId": "ai.streamText.doStream", "ai.model.provider": "amazon-bedrock"}
    counts = {"ai.usage.inputTokens": 500, "ai.usage.cachedInputTokens": 30, "ai.usage.outputTokens": 20}

    five = call({**said, **counts, "ai.usage.totalTokens": 520}, scope="ai")
    six = call({**said, **counts, "ai.usage.inputTokenDetails.noCacheTokens": 470}, scope="ai")

    assert (five.prompt_tokens, five.total_tokens, six.prompt_tokens) == (530, 550, 500)


# ------------------------------------------------------------------------------------------------------------- Haystack
def test_a_call_of_haystack_s_agent_that_failed_is_a_call_and_its_other_work_is_not() -> None:
    asked: dict[str, Any] = {
        "messages": [{"role": "user", "meta": {}, "name": None, "content": [{"text": "Capital of Peru?"}]}]
    }

    failed = call({"haystack.agent.step.llm.input": json.dumps(asked)}, status=ERROR, message="The model is asleep.")
    tool = tell(
        {
            "haystack.tool.name": "get_weather",
            "haystack.agent.step.tool.input": '{"city": "Lima"}',
            "haystack.agent.step.tool.output": "sunny",
        }
    )

    assert (failed.type, failed.error, failed.messages) == ("chat", "The model is asleep.", QUESTION[1:])
    assert (tool.generation, tool.step.type) == (None, "tool")
    assert (tool.step.input, tool.step.output) == ({"city": "Lima"}, "sunny")
    assert tell({"haystack.agent.step": 0}).step.type == "run"


def test_haystack_s_embedders_say_of_themselves_what_generators_say_of_each_reply() -> None:
    given = {"embedding": [0.25], "meta": {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 16}}}
    record = call(
        {
            "haystack.component.type": "OpenAITextEmbedder",
            "haystack.component.input": '{"text": "Lima"}',
            "haystack.component.output": json.dumps(given),
        }
    )

    assert (record.type, record.model_id, record.prompt_tokens) == ("embedding", "text-embedding-3-small", 16)
    assert (record.prompt, record.output) == ("Lima", None)


def test_what_python_shows_in_the_place_of_messages_and_tools_is_neither() -> None:
    """OpenInference's of Haystack, whose attributes have the roles but not the calls."""
    shown = ["ChatMessage(_role=<ChatRole.USER: 'user'>)", "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>)"]
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Capital of Peru?",
            "llm.input_messages.1.message.role": "assistant",
            "input.value": json.dumps({"messages": shown, "tools": ["Tool(name='get_weather')"]}),
        }
    )

    assert record.messages == [QUESTION[1], {"role": "assistant", "content": None}]
    assert not record.tools


# ---------------------------------------------------------------------------------- Google's, Strands, smolagents
def test_settings_of_google_s_requests_are_kept_without_what_may_hold_a_key() -> None:
    config = {"temperature": 0, "systemInstruction": "Be brief.", "httpOptions": {"headers": {"x-goog-api-key": "k"}}}
    asked = {"contents": [{"role": "user", "parts": [{"text": "Capital of Peru?"}]}], "config": config}

    record = call({"gen_ai.agent.name": "forecaster", "gcp.vertex.agent.llm_request": json.dumps(asked)})

    assert (record.type, record.messages, record.parameters) == ("chat", QUESTION, {"temperature": 0})


def test_the_text_in_a_tool_s_blocks_is_what_the_tool_said() -> None:
    """Strands, by the newest conventions."""
    part = {"type": "tool_call_response", "id": "c1", "response": [{"text": "sunny"}]}

    record = call({**CALL, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [part]}])})

    assert record.messages == [{"role": "tool", "tool_call_id": "c1", "content": "sunny"}]


def test_strands_in_javascript_calls_tools_by_a_name_of_its_own() -> None:
    part = {"type": "toolUse", "toolUseId": "c1", "name": "weather", "input": {"city": "Lima"}}
    answer = {"message": json.dumps([part]), "finish_reason": "toolUse"}

    record = call(CALL, ("gen_ai.choice", answer))

    assert record.message_completion == {
        "role": "assistant",
        "content": None,
        "tool_calls": [wanted("weather", '{"city":"Lima"}')],
    }
    assert record.finish_reason == "tool_calls"


def test_roles_that_smolagents_gives_calls_of_tools_and_results_are_those_that_the_model_is_told() -> None:
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "tool-call",
            "llm.input_messages.0.message.content": "Calling tools: ...",
            "llm.input_messages.1.message.role": "tool-response",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "Observation: sunny",
        }
    )

    assert [one["role"] for one in record.messages or ()] == ["assistant", "user"]


def test_attributes_that_openinference_s_of_strands_repeats_are_no_metadata() -> None:
    said = {"plan": "pro", "gen_ai.system": "strands-agents", "gen_ai.usage.input_tokens": 51}

    assert call({**LLM, "metadata": json.dumps(said)}).metadata == {"plan": "pro"}


# --------------------------------------------------------------------------------------- OpenInference of clients
def test_ollama_s_settings_are_in_an_object_within() -> None:
    settings = {"stream": False, "options": {"temperature": 0, "num_predict": 100, "api_key": "k"}}

    record = call({**LLM, "llm.invocation_parameters": json.dumps(settings)})

    assert record.parameters == {"stream": False, "temperature": 0, "maxTokens": 100}


@pytest.mark.parametrize(("counted", "cached", "thought"), [(51, 8, 4), (50, None, None)])
def test_parts_of_a_count_are_those_of_the_whole_answer_if_it_counts_the_same(
    counted: int, cached: int | None, thought: int | None
) -> None:
    """Mistral's and Together's count the whole only."""
    usage = {
        "prompt_tokens": counted,
        "completion_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }

    record = call({**COUNTED, "output.value": json.dumps({"usage": usage})})

    assert (record.prompt_tokens, record.completion_tokens) == (51, 21)
    assert (record.cached_tokens, record.reasoning_tokens) == (cached, thought)


def test_what_gemini_thought_is_what_openllmetry_s_total_has_beyond_input_and_output() -> None:
    counts = {"gen_ai.usage.input_tokens": 51, "gen_ai.usage.output_tokens": 21, "gen_ai.usage.total_tokens": 76}

    record = call({**CALL, **counts}, scope="opentelemetry.instrumentation.google_generativeai")

    assert (record.prompt_tokens, record.completion_tokens, record.reasoning_tokens) == (51, 25, 4)
    assert (call({**CALL, **counts}).completion_tokens, call({**CALL, **counts}).reasoning_tokens) == (21, None)


ADK: dict[str, Any] = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.usage.input_tokens": 51,
    "gen_ai.usage.output_tokens": 25,
}


@pytest.mark.parametrize(
    ("provider", "model", "answered"),
    [
        ("openai", "openai/gpt-4o-mini", 21),  # by LiteLLM
        ("gcp.gemini", "gpt-4o-mini", 21),  # by OpenAI's own client, of which it does not know the provider
        ("gcp.gemini", "gemini-2.5-flash", 25),
        ("anthropic", "claude-haiku-4-5", 25),
    ],
)
def test_what_a_model_thought_is_in_the_output_once_though_google_s_adk_adds_it_to_an_output_that_has_it(
    provider: str, model: str, answered: int
) -> None:
    """From 2.6 on, which is when it began to say how much was thought by the conventions' name."""
    said = {**ADK, "gen_ai.provider.name": provider, "gen_ai.request.model": model}
    thought = {**said, "gen_ai.usage.reasoning.output_tokens": 4}

    counted = call(thought, scope="gcp.vertex.agent")
    earlier = call({**said, "gen_ai.usage.experimental.reasoning_tokens": 4}, scope="gcp.vertex.agent")

    assert (counted.completion_tokens, counted.total_tokens, counted.reasoning_tokens) == (answered, None, 4)
    assert earlier.completion_tokens == 25


def test_chunks_of_a_stream_are_one_answer_whether_the_whole_stands_behind_them_or_not() -> None:
    """Google's ADK 2.13, with what was said captured: of LiteLLM's models with the whole, of Gemini without."""

    def said(reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
        return {"role": "assistant", "parts": list(parts), "finish_reason": reason}

    def text(words: str) -> dict[str, Any]:
        return {"type": "text", "content": words}

    wanted_ = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Lima"}}
    begun = {**wanted_, "arguments": None}
    spoken = [said("", text("Li")), said("", text("ma.")), said("stop", text("Lima."))]
    called = [said("", begun), said("", begun), said("stop", wanted_)]
    apart = [said("", text("Li")), said("stop", text("ma."))]
    left = [said("", text("Li")), said("", text("ma."))]
    thought = [said("", {"type": "reasoning", "content": "Hm"}), said("", text("Li")), said("stop", text("ma."))]

    answer, tools, both, torn, mused = (
        call({**CALL, "gen_ai.output.messages": json.dumps(given)}) for given in (spoken, called, apart, left, thought)
    )

    assert answer.message_completion == both.message_completion == torn.message_completion == ANSWER
    assert mused.message_completion == {**ANSWER, "reasoning": "Hm"}
    assert tools.message_completion is not None
    assert [one["function"]["arguments"] for one in tools.message_completion["tool_calls"]] == ['{"city":"Lima"}']


def test_tools_of_litellm_are_known_also_where_its_messages_are_those_of_the_conventions() -> None:
    """LiteLLM's proxy 1.106: OpenLLMetry's names for the tools alone."""
    given = [{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}], "finish_reason": "stop"}]
    record = call(
        {
            "gen_ai.operation.name": "acompletion",
            "gen_ai.output.messages": json.dumps(given),
            "llm.request.functions.0.name": "get_weather",
            "llm.request.functions.0.parameters": '{"type": "object"}',
        }
    )

    assert record.tools is not None
    (tool,) = record.tools
    assert (tool["function"]["name"], tool["function"]["parameters"]) == ("get_weather", {"type": "object"})


def test_azure_s_inference_client_calls_a_model_chat_that_was_named_once_for_all_calls() -> None:
    """azure-ai-inference 1.0.0b9: `_add_request_chat_attributes` in its tracing.py."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.inference", "gen_ai.request.model": "chat"}
    version = {"gen_ai.response.model": "gpt-4o-mini-2024-07-18"}

    def models(name: str, attributes: dict[str, Any]) -> tuple[str | None, str | None]:
        record = told(Span("a" * 32, "b" * 16, None, name, 1, 2, attributes)).generation
        assert record is not None
        return record.model_id, record.model_version

    assert models("chat", said | version) == ("gpt-4o-mini-2024-07-18", None)
    assert models("chat", said) == (None, None)
    # A deployment may be called so, and is then in the span's name too.
    assert models("chat chat", said | version) == ("chat", "gpt-4o-mini-2024-07-18")
    assert models("chat", {**said, "gen_ai.system": "openai"}) == ("chat", None)


def test_semantic_kernel_says_of_each_answer_why_it_ended() -> None:
    said = {**CALL, "gen_ai.response.finish_reason": "FinishReason.STOP,FinishReason.LENGTH"}

    assert call(said).finish_reason == "stop"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (
            {"messages": QUESTION, "tools": "", "stop": ""},  # Mistral's
            {"id": "r1", "choices": [{"index": 0, "message": ANSWER, "finish_reason": "stop"}]},
        ),
        (
            {"messages": QUESTION},  # Cohere's
            {"id": "r1", "message": {"role": "assistant", "content": [{"type": "text", "text": "Lima."}]}},
        ),
    ],
    ids=["mistral", "cohere"],
)
def test_the_id_of_an_answer_is_that_in_the_whole_answer(asked: dict[str, Any], given: dict[str, Any]) -> None:
    record = call({**LLM, "input.value": json.dumps(asked), "output.value": json.dumps(given)})

    assert (record.response_id, record.messages, record.message_completion) == ("r1", QUESTION, ANSWER)


# ---------------------------------------------------------------------------------------------------- a gateway's
def test_cloudflare_s_gateway_says_provider_request_and_answer_by_names_of_its_own() -> None:
    """https://developers.cloudflare.com/ai-gateway/observability/otel-integration/"""
    record = call(
        {
            "gen_ai.request.model": "@cf/meta/llama-3.1-8b-instruct",
            "gen_ai.model.provider": "workers-ai",
            "gen_ai.prompt_json": json.dumps({"messages": QUESTION}),
            "gen_ai.completion_json": json.dumps({"choices": [{"message": ANSWER, "finish_reason": "stop"}]}),
            "gen_ai.usage.input_tokens": 14,
            "gen_ai.usage.output_tokens": 3,
        }
    )

    assert (record.type, record.provider) == ("chat", "workers-ai")
    assert (record.messages, record.message_completion, record.finish_reason) == (QUESTION, ANSWER, "stop")
    assert (record.prompt_tokens, record.completion_tokens) == (14, 3)


@pytest.mark.parametrize(
    "said, type", [({"mcp_data": "null"}, "tool"), ({"handoffs": "[]"}, "run"), ({"sdk_span_type": "task"}, "run")]
)
def test_logfire_s_work_of_openai_s_agents_is_known_by_what_only_it_has(said: dict[str, str], type: str) -> None:
    """Logfire 5.2 over OpenAI's agents 0.24."""
    below = Span("a" * 32, "b" * 16, "c" * 16, "span", 1, 2, {**said, "gen_ai.system": "openai"})

    assert told(below).step.type == type


def test_langchain_over_langfuse_says_in_metadata_who_was_asked() -> None:
    """Langfuse's SDK 4.18."""
    said = call(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "claude-sonnet-4-5-20250929",
            "langfuse.observation.metadata.ls_provider": "anthropic",
            "langfuse.observation.metadata.ls_model_name": "claude-sonnet-4-5",
            "langfuse.observation.metadata.is_langchain_root": True,
        }
    )

    assert (said.provider, said.model_id, said.metadata) == ("anthropic", "claude-sonnet-4-5", None)
    assert said.model_version == "claude-sonnet-4-5-20250929"


@pytest.mark.parametrize(
    "said, counted",
    [
        ({"metadata.usage_object": "{'cache_creation_input_tokens': 12, 'a': None}"}, (12, None)),
        ({"mlflow.spanOutputs": '{"usage": {"completion_tokens_details": {"reasoning_tokens": 4}}}'}, (None, 4)),
        ({"mlflow.spanOutputs": '{"usage": {"output_tokens_details": {"reasoning_tokens": 4}}}'}, (None, 4)),
    ],
)
def test_litellm_and_mlflow_have_parts_of_counts_in_what_the_provider_said(
    said: dict[str, str], counted: tuple[int | None, int | None]
) -> None:
    """LiteLLM 1.106, MLflow 3.18."""
    counts = {"gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 20}
    found = call({**CALL, **counts, **said})

    assert (found.cache_write_tokens, found.reasoning_tokens) == counted
