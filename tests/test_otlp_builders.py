"""Builders of applications whose exporters write spans by hand, read as their sources write them."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.test_otlp_conventions import ANSWER, CALL, call, tell

ASKED: Final = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Which city?"}]
ANSWERED: Final = {"role": "assistant", "content": "Lima."}
SHOWN: Final = json.dumps([{"role": one["role"], "text": one["content"], "files": []} for one in ASKED])
"""What was asked, as Dify keeps it of a node of a workflow."""


# ---------------------------------------------------------------------------------------------------------------- Dify
# core/ops/arize_phoenix_trace, tencent_trace and aliyun_trace in https://github.com/langgenius/dify
def test_dify_tells_arize_of_a_node_with_texts_a_whole_answer_and_whose_plugin_was_asked() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    record = call(
        {
            "openinference.span.kind": "LLM",
            "input.value": SHOWN,
            "output.value": json.dumps({"text": "Lima.", "usage": usage, "finish_reason": "stop"}),
            "llm.provider": "langgenius/gemini/google",
            "llm.model_name": "gemini-2.5-flash",
            "llm.token_count.prompt": 10,
            "session.id": "chat-1",
        }
    )

    assert (record.messages, record.message_completion, record.finish_reason) == (ASKED, ANSWERED, "stop")
    assert (record.provider, record.model_id, record.thread_id) == ("google", "gemini-2.5-flash", "chat-1")


def test_dify_tells_tencent_of_a_generation() -> None:
    record = call(
        {
            "gen_ai.span.kind": "GENERATION",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.provider.name": "langgenius/openai/openai",
            "gen_ai.prompt": SHOWN,
            "gen_ai.completion": "Lima.",
        }
    )

    assert (record.type, record.provider) == ("chat", "openai")
    assert (record.messages, record.message_completion) == (ASKED, ANSWERED)


@pytest.mark.parametrize(("kind", "type"), [("WORKFLOW", "run"), ("TOOL", "tool"), ("RETRIEVER", "retrieval")])
def test_other_nodes_of_dify_are_steps(kind: str, type: str) -> None:
    told = tell({"gen_ai.span.kind": kind, "gen_ai.framework": "dify"})

    assert (told.generation, told.step.type) == (None, type)


def test_a_text_with_its_usage_answers_a_question_that_is_no_list_of_messages() -> None:
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "whisper-1",
            "input.value": json.dumps({"file": "a.wav", "language": "en"}),
            "output.value": json.dumps({"text": "Lima.", "usage": {"seconds": 3}}),
        }
    )

    assert record.message_completion == ANSWERED
    assert "a.wav" in json.dumps([record.messages, record.input, record.parameters])


def test_an_agent_with_settings_and_messages_and_no_kind_is_no_call() -> None:
    said = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Which city?"}

    assert tell({"gen_ai.agent.name": "support", "llm.invocation_parameters": "{}", **said}).generation is None


def test_a_thought_is_no_answer() -> None:
    said = [{"type": "thinking", "text": "Hm."}, {"type": "text", "text": "Lima."}]

    record = call({"gen_ai.request.model": "m", "gen_ai.output.messages": json.dumps(said)})

    assert record.message_completion == {**ANSWERED, "reasoning": "Hm."}


def test_a_tool_that_is_asked_for_beside_a_text_is_kept() -> None:
    asked = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "input.value": SHOWN,
            "output.value": json.dumps({"text": "Let me see.", "tool_calls": [asked], "usage": {}}),
        }
    )

    assert record.message_completion == {"role": "assistant", "content": "Let me see.", "tool_calls": [asked]}


# ------------------------------------------------------------------------------------------------------------- Flowise
@pytest.mark.parametrize("asked", [ASKED, "Which city?"])
def test_flowise_tells_what_was_asked_and_answered_as_json(asked: Any) -> None:
    """`_endOtelSpan` in src/handler.ts of flowise-components 3.1."""
    said = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.token_count.total": 13}
    record = call({**said, "input.value": json.dumps(asked), "output.value": json.dumps("Lima.")})

    assert record.messages == (asked if isinstance(asked, list) else [{"role": "user", "content": asked}])
    assert (record.message_completion, record.total_tokens) == (ANSWERED, 13)


# -------------------------------------------------------------------------------------------------- Cloudflare's agents
CLOUD: Final = "cloudflare.agents."


def test_cloudflare_s_agents_have_reasons_and_totals_of_their_own() -> None:
    """`TraceAttribute` in src/observability/genai/attributes.ts of agents 0.32."""
    about = {f"{CLOUD}response.finish_reason": "tool-calls", f"{CLOUD}usage.total_tokens": 13}
    record = call({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", **about})

    assert (record.finish_reason, record.total_tokens) == ("tool_calls", 13)


@pytest.mark.parametrize("start", [f"{CLOUD}metadata.", f"{CLOUD}runtime_context."])
def test_what_a_run_of_cloudflare_s_agents_is_told_is_its_metadata(start: str) -> None:
    said = {f"{start}sessionId": "chat-1", f"{start}userId": "ada", f"{start}plan": "pro"}
    told = tell({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", **said})

    assert (told.generation, told.step.type) == (None, "run")
    assert (told.step.thread_id, told.step.user_id, told.step.metadata) == ("chat-1", "ada", {"plan": "pro"})


def test_what_dspy_has_of_an_answer_beside_its_text_makes_it_no_less_an_answer() -> None:
    """DSPy 3.4 beside OpenInference: of OpenAI's newer interface, of what was thought, and of several."""
    alone = call({**CALL, "output.value": json.dumps([{"text": "Lima."}])})
    thought = {"text": "Lima.", "reasoning_content": "Hm."}
    several = call(
        {
            **CALL,
            "llm.invocation_parameters": '{"n": 2}',
            "output.value": json.dumps([thought, {"text": "Cusco.", "logprobs": None}]),
        }
    )

    assert alone.message_completion == ANSWER
    assert several.message_completion == {**ANSWER, "reasoning": "Hm."}
    assert [one.content["content"] for one in several.alternatives or ()] == ["Cusco."]


# -------------------------------------------------------------------------------------------------------------- MLflow
HOLLOW: Final = {"choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "", "tool_calls": None}}]}


def streamed(whole: dict[str, Any], *pieces: Any, first: int = 0) -> Any:
    """A call as MLflow 3.18 has it: its whole, and an event for each chunk with one of these deltas, and a last one."""
    ended = {"choices": [{"index": 0, "delta": {"tool_calls": None}, "finish_reason": "tool_calls"}]}
    chunks = [*({"choices": [{"index": 0, "delta": {"tool_calls": [one] if one else None}}]} for one in pieces), ended]
    events = [
        (f"mlflow.chunk.item.{first + n}", {"mlflow.chunk.value": json.dumps(one)}) for n, one in enumerate(chunks)
    ]
    return call({"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanOutputs": json.dumps(whole)}, *events)


def test_calls_of_tools_that_mlflow_has_of_a_stream_in_its_chunks_alone_are_the_answer_s() -> None:
    named = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": ""}}
    rest = {"index": 0, "id": None, "function": {"name": None, "arguments": '{"city":"Lima"}'}}
    said = {"choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "Lima."}}]}

    record = streamed(HOLLOW, None, named, rest)
    assert record.message_completion["content"] is None
    assert record.message_completion["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Lima"}'}}
    ]
    assert record.finish_reason == "tool_calls"
    for other in (streamed(HOLLOW, named, rest, first=3), streamed(HOLLOW, None), streamed(HOLLOW, "x")):
        assert not (other.message_completion or {}).get("tool_calls")
    assert streamed(said, named, rest).message_completion == {"role": "assistant", "content": "Lima."}
