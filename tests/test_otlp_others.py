"""Names by which libraries that are read of, and not run, tell of calls: each as its published package writes them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.spans import told
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import TRACE, calls, post, span
from tests.test_otlp_conventions import ANSWER, CALL, QUESTION, call, tell

ASKED = {"model": "claude-haiku-4-5", "max_tokens": 20, "messages": QUESTION[1:], "system": "Be brief."}
GIVEN = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Lima."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 20, "cache_read_input_tokens": 12, "cache_creation_input_tokens": 30, "output_tokens": 4},
}


# --------------------------------------------------------------------------------------------------------- Judgeval 1.x
JUDGED = {
    "judgment.span_kind": "llm",
    "judgment.llm.model": "claude-haiku-4-5",
    "judgment.usage.non_cached_input_tokens": 20,
    "judgment.usage.cache_read_input_tokens": 12,
    "judgment.usage.cache_creation_input_tokens": 30,
    "judgment.usage.output_tokens": 4,
    "judgment.session_id": "chat-1",
    "judgment.customer_user_id": "ada",
}


@pytest.mark.parametrize("more", [{}, {"judgment.usage.metadata": json.dumps(GIVEN["usage"])}])
def test_judgeval_counts_the_cache_beside_and_repeats_what_the_provider_counted(more: dict[str, str]) -> None:
    sent = {"gen_ai.prompt": json.dumps(ASKED), "gen_ai.completion": json.dumps(GIVEN)}

    record = call({**JUDGED, **sent, **more}, scope="judgeval")

    assert (record.type, record.model_id, record.thread_id, record.user_id) == (
        "chat",
        "claude-haiku-4-5",
        "chat-1",
        "ada",
    )
    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)
    assert (record.prompt_tokens, record.cached_tokens, record.cache_write_tokens) == (62, 12, 30)
    assert (record.completion_tokens, record.response_id) == (4, "msg_1")


def test_judgeval_s_own_calls_say_what_was_given_made_and_paid() -> None:
    record = call(
        {
            **JUDGED,
            "judgment.input": "Capital of Peru?",
            "judgment.output": "Lima.",
            "judgment.usage.total_cost_usd": 0.01,
        }
    )
    tool = tell({"judgment.span_kind": "tool", "judgment.input": '{"city": "Lima"}', "judgment.output": "sunny"}).step

    assert (record.messages, record.message_completion) == (QUESTION[1:], ANSWER)
    assert record.cost == Decimal("0.01")
    assert (tool.type, tool.input, tool.output) == ("tool", {"city": "Lima"}, "sunny")


# ---------------------------------------------------------------------------------------------- Confident AI's DeepEval
def test_deepeval_s_names_are_those_of_a_span_and_of_its_trace() -> None:
    record = call(
        {
            "confident.span.type": "llm",
            "confident.span.name": "answer",
            "confident.span.input": json.dumps(QUESTION),
            "confident.span.output": "Lima.",
            "confident.span.provider": "OpenAI",
            "confident.llm.model": "gpt-4o-mini",
            "confident.llm.input_token_count": 14,
            "confident.llm.output_token_count": 3,
            "confident.trace.thread_id": "chat-1",
            "confident.trace.user_id": "ada",
            "confident.trace.tags": ["geography"],
            "confident.trace.metadata": '{"plan": "pro"}',
            "confident.trace.environment": "staging",
        }
    )

    assert (record.name, record.model_id, record.provider) == ("answer", "gpt-4o-mini", "openai")
    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)
    assert (record.prompt_tokens, record.completion_tokens) == (14, 3)
    assert (record.thread_id, record.user_id, record.environment) == ("chat-1", "ada", "staging")
    assert (list(record.tags or ()), record.metadata) == (["geography"], {"plan": "pro"})


# -------------------------------------------------------------------------------------------------------------- TruLens
def test_trulens_tells_of_generations_counts_and_records() -> None:
    about = {"ai.observability.conversation_id": "chat-1"}
    record = call(
        {
            **about,
            "ai.observability.span_type": "generation",
            "ai.observability.cost.model": "gpt-4o-mini",
            "ai.observability.cost.num_prompt_tokens": 14,
            "ai.observability.cost.num_completion_tokens": 3,
            "ai.observability.cost.num_tokens": 17,
            "ai.observability.generation.time_to_first_token_ms": 250.0,
        }
    )
    root = tell(
        {
            **about,
            "ai.observability.span_type": "record_root",
            "ai.observability.record_root.input": "Capital of Peru?",
            "ai.observability.record_root.output": "Lima.",
            "ai.observability.cost.model": "gpt-4o-mini",
            "ai.observability.cost.num_prompt_tokens": 14,
        }
    )

    assert (record.model_id, record.prompt_tokens, record.completion_tokens) == ("gpt-4o-mini", 14, 3)
    assert (record.total_tokens, record.time_to_first_token, record.thread_id) == (17, 0.25, "chat-1")
    assert (root.generation, root.step.type, root.step.input, root.step.output) == (
        None,
        "run",
        "Capital of Peru?",
        "Lima.",
    )


# --------------------------------------------------------------------------------------------------------------- Sentry
def test_sentry_s_older_names_are_messages_answer_tools_and_counts() -> None:
    record = call(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.messages": json.dumps(QUESTION),
            "gen_ai.request.available_tools": json.dumps([{"name": "weather", "parameters": {"type": "object"}}]),
            "gen_ai.response.text": "Lima.",
            "gen_ai.usage.input_tokens": 14,
            "gen_ai.usage.input_tokens.cached": 8,
            "gen_ai.usage.input_tokens.cache_write": 2,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.output_tokens.reasoning": 1,
        }
    )

    assert (record.messages, record.message_completion) == (QUESTION, ANSWER)
    assert [tool["function"]["name"] for tool in record.tools or ()] == ["weather"]
    assert not record.parameters
    assert (record.prompt_tokens, record.cached_tokens, record.cache_write_tokens) == (14, 8, 2)
    assert (record.completion_tokens, record.reasoning_tokens) == (3, 1)


# ------------------------------------------------------------------------------------------------ tools, memory, guards
@pytest.mark.parametrize(
    ("operation", "asked", "given", "type"),
    [
        ("execute_tool", "gen_ai.tool.input", "gen_ai.tool.output", "tool"),  # Sentry, Mastra, VeADK, OpenLLMetry
        ("search_memory", "gen_ai.memory.query.text", "gen_ai.memory.records", "retrieval"),
        ("guardrail", "gen_ai.guardrail.input", "gen_ai.guardrail.output", "run"),  # OpenLLMetry
        ("task", "gen_ai.task.input", "gen_ai.task.output", "run"),  # OpenLLMetry
    ],
)
def test_other_work_was_given_and_made_something(operation: str, asked: str, given: str, type: str) -> None:
    step = tell({"gen_ai.operation.name": operation, asked: '{"city": "Lima"}', given: "sunny"}).step

    assert (step.type, step.input, step.output) == (type, {"city": "Lima"}, "sunny")


# ------------------------------------------------------------------------------------ Alibaba's, Volcengine's, Respan's
@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai.session.id": "chat-1", "gen_ai.user.id": "ada"},  # LoongSuite, VeADK
        {"judgment.session_id": "chat-1", "judgment.customer_id": "ada"},
        {"respan.threads.thread_identifier": "chat-1", "respan.customer_params.customer_identifier": "ada"},
    ],
)
def test_who_asked_and_where_has_many_names(said: dict[str, str]) -> None:
    record = call({**CALL, **said, "respan.metadata.plan": "pro"})

    assert (record.thread_id, record.user_id, record.metadata) == ("chat-1", "ada", {"plan": "pro"})


def test_a_cost_in_two_parts_is_that_of_the_first_pair_of_names() -> None:
    """Laminar's, beside which OpenInference may say the same."""
    laminar = {"gen_ai.usage.input_cost": 0.001, "gen_ai.usage.output_cost": 0.002}

    assert call({**CALL, **laminar}).cost == Decimal("0.003")
    assert call({**CALL, **laminar, "llm.cost.prompt": 0.001, "llm.cost.completion": 0.002}).cost == Decimal("0.003")


@pytest.mark.parametrize("name", ["gen_ai.embeddings.input.texts", "gen_ai.embeddings.input"])
def test_texts_to_embed_may_stand_by_themselves(name: str) -> None:
    """Splunk's and Sentry's."""
    embed = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}

    assert call({**embed, name: '["Lima"]'}).prompt == "Lima"
    assert call({**embed, name: ["Lima", "Cusco"]}).input == ["Lima", "Cusco"]


# ------------------------------------------------------------------------------------------------------- reranked texts
RERANK: dict[str, Any] = {"gen_ai.operation.name": "rerank", "gen_ai.request.model": "rerank-v3.5"}


@pytest.mark.parametrize(
    "said",
    [
        {**RERANK, "ai.documents": ["Lima", "Cusco"], "ai.ranking": ['{"index": 1}']},
        {
            "ai.operationId": "ai.rerank.doRerank",
            "ai.model.id": "rerank-v3.5",
            "ai.documents": ["Lima", "Cusco"],
            "ai.ranking": ['{"index": 1}'],
        },
        {
            **RERANK,
            "gen_ai.operation.name": "rerank_documents",
            "gen_ai.rerank.input_documents": '["Lima", "Cusco"]',
            "gen_ai.rerank.output_documents": '[{"index": 1}]',
        },
    ],
    ids=["vercel 7", "vercel 6", "loongsuite"],
)
def test_a_rerank_is_a_call_with_its_documents(said: dict[str, Any]) -> None:
    one = tell(said)

    assert one.generation is not None
    assert (one.generation.type, one.step.type, one.generation.model_id) == ("rerank", "rerank", "rerank-v3.5")
    assert one.generation.input == ["Lima", "Cusco"]
    assert one.generation.output in ([{"index": 1}], ['{"index": 1}'])


@pytest.mark.django_db
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_rerank_that_vercel_tells_of_in_two_spans_is_one_call(order: tuple[int, int]) -> None:
    api: Caller = caller("ingest")
    above = {1: None, 2: 1}

    for number in order:
        post(api, span(number, parent=above[number], attributes=RERANK))

    (one,) = calls(api)
    assert (one.public_id, one.type) == (f"{TRACE}-{2:016x}", "rerank")


# ----------------------------------------------------------------------------------------------------------- .NET, Java
@pytest.mark.parametrize(
    "named",
    [
        (("gen_ai.content.prompt", "gen_ai.prompt", QUESTION), ("gen_ai.content.completion", "gen_ai.completion", 1)),
        (("gen_ai.user.message", "gen_ai.event.content", QUESTION[1]), ("gen_ai.choice", "gen_ai.event.content", 2)),
    ],
)
def test_semantic_kernel_in_dotnet_begins_roles_and_reasons_with_capitals(named: Any) -> None:
    """Semantic Kernel's ModelDiagnostics, with sensitive data, in its older and its newer form."""
    message = {"role": "Assistant", "content": "Lima."}
    given = {1: [message], 2: {"index": 0, "message": message, "finish_reason": "Stop"}}
    events = [
        (name, {member: json.dumps(given.get(said, said) if isinstance(said, int) else said)})
        for name, member, said in named
    ]
    counts = {"gen_ai.response.prompt_tokens": 50, "gen_ai.response.completion_tokens": 20}

    said = call({**CALL, **counts, "gen_ai.response.finish_reason": "Stop"}, *events)

    assert said.messages is not None and said.messages[-1] == QUESTION[1]
    assert (said.message_completion, said.finish_reason) == (ANSWER, "stop")
    assert (said.prompt_tokens, said.completion_tokens) == (50, 20)


def test_the_extensions_for_ai_in_dotnet_name_dimensions_and_the_loop_of_tools() -> None:
    """Microsoft.Extensions.AI 10."""
    vectors = {"gen_ai.operation.name": "embeddings", "gen_ai.request.embedding.dimensions": 256}

    assert call({**CALL, **vectors}).parameters == {"dimensions": 256}
    below = Span("a" * 32, "b" * 16, "c" * 16, "span", 1, 2, {"gen_ai.operation.name": "orchestrate_tools"})
    assert told(below).step.type == "run"


def test_what_spring_ai_says_is_none_is_none_and_its_list_of_one_text_is_the_answer() -> None:
    """Spring AI 1.x over Micrometer, which has a word for what there is not."""
    said = call(
        {
            **CALL,
            "gen_ai.response.id": "none",
            "gen_ai.request.max_tokens": "none",
            "gen_ai.request.tool.names": '["get_weather"]',
            "gen_ai.prompt": '["Capital of Peru?"]',
            "gen_ai.completion": '["Lima."]',
        },
        scope="org.springframework.boot",
    )

    assert (said.response_id, said.parameters) == (None, None)
    assert (said.messages, said.message_completion) == ([QUESTION[1]], ANSWER)
    assert call({**CALL, "tool_choice": "none"}).parameters == {"tool_choice": "none"}


# ----------------------------------------------------------------------------------------------------- LiteLLM's proxy
def test_what_a_caller_said_to_litellm_s_proxy_is_read_as_python_shows_it() -> None:
    said = {"session_id": "chat-1", "tags": ["it's", "geo"], "is_paid": True, "team": None}

    record = call({**CALL, "metadata.requester_metadata": str(said), "metadata.user_api_key_end_user_id": "ada"})
    other = call({**CALL, "metadata.requester_metadata": "{'session_id': no"})

    assert (record.thread_id, record.user_id, list(record.tags or ())) == ("chat-1", "ada", ["it's", "geo"])
    assert (other.thread_id, other.tags) == (None, None)


# ------------------------------------------------------------------------------------------- NVIDIA's NeMo Guardrails
NEMO = {
    "gen_ai.operation.name": "self_check_input",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 51,
    "gen_ai.usage.output_tokens": 21,
}


def test_a_call_whose_operation_has_a_name_of_its_own_is_a_call_with_what_its_events_say() -> None:
    """NVIDIA's NeMo Guardrails name the check; the conventions let them."""
    record = call(
        NEMO,
        ("gen_ai.content.prompt", {"content": "Is this fine? Hello"}),
        ("gen_ai.content.completion", {"content": "No"}),
    )

    assert (record.type, record.model_id, record.prompt_tokens, record.completion_tokens) == (
        "chat",
        "gpt-4o-mini",
        51,
        21,
    )
    assert record.messages == [{"role": "user", "content": "Is this fine? Hello"}]
    assert record.message_completion == {"role": "assistant", "content": "No"}


@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai.operation.name": "invoke_agent"},
        {"gen_ai.operation.name": "agent_step"},
        {"gen_ai.agent.name": "forecaster"},
        {"gen_ai.tool.name": "get_weather"},
        {"gen_ai.workflow.name": "answer"},
        {"gen_ai.response.model": None},
    ],
)
def test_work_that_only_repeats_what_calls_counted_is_none_whatever_it_is_called(said: dict[str, Any]) -> None:
    attributes = {name: value for name, value in {**NEMO, **said}.items() if value is not None}

    assert tell(attributes).generation is None


def test_an_embedding_may_have_a_name_of_its_own_too() -> None:
    assert call({**NEMO, "gen_ai.operation.name": "embed_documents"}).type == "embedding"
