"""What products that watch applications, and clients of providers, write in ways of their own, each in few names."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.spans import told
from tests.test_otlp_conventions import ANSWER, CALL, START, call, tell, wanted

OTHER = {"role": "assistant", "content": "Lima, of course."}
WEATHER = {"name": "get_weather", "description": "The weather.", "parameters": {"type": "object"}}


# ---------------------------------------------------------------------------------------------------- LiteLLM's OTel V2
@pytest.mark.parametrize("name", ["content", "parts"])
def test_as_many_reasons_as_answers_are_told_of_several_answers(name: str) -> None:
    def said(text: str) -> Any:
        return text if name == "content" else [{"type": "text", "content": text}]

    given = [{"role": "assistant", name: said(text)} for text in ("Lima.", "Lima, of course.")]
    answers = {**CALL, "gen_ai.output.messages": json.dumps(given)}

    several = call({**answers, "gen_ai.response.finish_reasons": ["stop", "length"]})
    items = call({**answers, "gen_ai.response.finish_reasons": ["stop"]})

    assert (several.message_completion, several.finish_reason) == (ANSWER, "stop")
    assert [(one.content, one.finish_reason) for one in several.alternatives or ()] == [(OTHER, "length")]
    assert items.alternatives is None


CALLING = {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Lima"}}


@pytest.mark.parametrize("item", [{"type": "reasoning", "content": "Peru."}, CALLING])
def test_items_of_one_answer_are_one_however_many_reasons_are_told_beside_them(item: dict[str, Any]) -> None:
    given = [{"role": "assistant", "parts": [part]} for part in (item, {"type": "text", "content": "Lima."})]
    said = {**CALL, "gen_ai.output.messages": json.dumps(given), "gen_ai.response.finish_reasons": ["stop", "stop"]}

    record = call(said)

    called: dict[str, Any] = {"tool_calls": [wanted("get_weather", '{"city":"Lima"}')]}
    more = called if item is CALLING else {"reasoning": "Peru."}
    assert (record.message_completion, record.finish_reason, record.alternatives) == ({**ANSWER, **more}, "stop", None)


def test_litellm_s_own_cost_is_the_call_s() -> None:
    assert call({**CALL, "litellm.cost.total": 0.0001, "litellm.cost.input": 0.00004}).cost == Decimal("0.0001")


# --------------------------------------------------------------------------------------------------------------- Sentry
def sentry(text: str, *reasons: str, **more: Any) -> dict[str, Any]:
    said = {"gen_ai.response.text": text, "gen_ai.response.finish_reasons": json.dumps(reasons)}
    return {**CALL, **said, **{f"gen_ai.response.{name}": value for name, value in more.items()}}


def test_sentry_s_calls_of_tools_are_the_answer_s() -> None:
    called = [wanted("get_weather", '{"city": "Lima"}')]
    used = [{"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Lima"}}]
    item = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city": "Lima"}'}

    chat = call(sentry('[""]', "tool_calls", tool_calls=json.dumps(called)))
    responses = call(sentry("", "completed", tool_calls=json.dumps([item])))
    claude = call(sentry("Let me look.", "tool_use", tool_calls=json.dumps(used)))

    whole = {"role": "assistant", "content": None, "tool_calls": called}
    assert (chat.message_completion, chat.finish_reason) == (whole, "tool_calls")
    assert (responses.message_completion, responses.finish_reason) == (whole, "stop")
    assert claude.message_completion == {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [wanted("get_weather", '{"city":"Lima"}')],
    }


def test_a_stream_of_the_newer_interface_ends_as_it_ended_and_says_its_text_once() -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Lima."}]}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Peru."}]}

    record = call(sentry("Lima.", "in_progress", "completed", tool_calls=json.dumps([thought, said]), streaming=True))

    assert (record.message_completion, record.finish_reason) == ({**ANSWER, "reasoning": "Peru."}, "stop")


def test_sentry_s_several_texts_are_several_answers_and_a_list_that_a_model_wrote_is_none() -> None:
    several = call(sentry('["Lima.","Lima, of course."]', "stop", "length"))
    single = call(sentry('["Lima."]', "stop"))
    written = call(sentry('["Lima.","Cusco."]', "stop", "stop", streaming=True))

    assert several.message_completion == single.message_completion == ANSWER
    assert [(one.content, one.finish_reason) for one in several.alternatives or ()] == [(OTHER, "length")]
    assert (written.alternatives, single.alternatives) == (None, None)


def test_sentry_s_text_that_is_the_json_of_a_list_of_objects_is_that_text() -> None:
    one, two = '[{"name":"X"}]', '[{"k":1},{"k":2}]'

    alone = call(sentry(one, "stop"))
    beside = call(sentry(two, "stop", tool_calls=json.dumps([wanted("get_weather", "{}")])))

    assert alone.output == [{"name": "X"}]
    assert beside.message_completion is not None
    assert beside.message_completion["content"] == two


# ------------------------------------------------------------------------------------------------------------- AgentOps
def test_agentops_s_tools_are_no_settings_and_its_embeddings_no_chats() -> None:
    tools = {f"gen_ai.request.functions.0.{name}": value for name, value in WEATHER.items()}
    tools["gen_ai.request.functions.0.parameters"] = '{"type": "object"}'
    about = {"gen_ai.request.model": "gpt-4o-mini", "gen_ai.request.streaming": False}
    asked = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Lima"}
    given = {f"gen_ai.completion.{n}.role": "assistant" for n in range(2)}

    chat = call({**about, **asked, "gen_ai.request.type": "chat", **tools})
    embedding = call({**about, **asked, **given, "gen_ai.request.type": "embedding"})

    assert (chat.type, chat.tools, chat.parameters) == (
        "chat",
        [{"type": "function", "function": WEATHER}],
        {"stream": False},
    )
    assert (embedding.type, embedding.prompt, embedding.alternatives) == ("embedding", "Lima", None)


@pytest.mark.parametrize(
    ("said", "type"), [("rerank", "rerank"), ("unknown", "chat"), ("vision", "chat"), ("token_count", None)]
)
def test_agentops_s_kinds_that_say_nothing_of_the_work_leave_it_to_what_else_there_is(
    said: str, type: str | None
) -> None:
    asked = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Lima", "gen_ai.request.model": "gpt-4o-mini"}

    generation = tell({**asked, "gen_ai.request.type": said}).generation

    assert (generation.type if generation else None) == type


# ------------------------------------------------------------------------------------------------------------ Mirascope
def test_mirascope_counts_parts_in_an_object_and_names_the_interface_with_the_model() -> None:
    counts = {"input_tokens": 51, "output_tokens": 21, "total_tokens": 72}
    parts = {"cache_read_tokens": 8, "cache_write_tokens": 2, "reasoning_tokens": 4}
    said = {
        **CALL,
        "gen_ai.request.model": "openai/gpt-4o-mini:completions",
        "gen_ai.response.model": "openai/gpt-4o-mini:completions",
        "gen_ai.usage.input_tokens": 51,
        "gen_ai.usage.output_tokens": 21,
        "mirascope.response.usage": json.dumps(counts | parts),
    }

    record = call(said)

    assert (record.model_id, record.model_version) == ("openai/gpt-4o-mini", None)
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (51, 21, 8)
    assert (record.cache_write_tokens, record.reasoning_tokens) == (2, 4)


def test_mirascope_s_session_tags_and_metadata_are_the_trace_s() -> None:
    step = tell(
        {
            "mirascope.type": "trace",
            "mirascope.ops.session.id": "chat-1",
            "mirascope.trace.tags": ["geography"],
            "mirascope.trace.metadata": '{"plan":"pro"}',
            "mirascope.trace.arg_values": '{"city":"Lima"}',
            "mirascope.trace.output": "Sunny.",
        }
    ).step

    assert (step.thread_id, list(step.tags or ()), step.metadata) == ("chat-1", ["geography"], {"plan": "pro"})
    assert (step.input, step.output) == ({"city": "Lima"}, "Sunny.")


def test_a_model_that_is_named_by_nothing_but_an_interface_keeps_its_name() -> None:
    assert call({**CALL, "gen_ai.request.model": ":responses"}).model_id == ":responses"


# ------------------------------------------------------------------------------------------- OpenTelemetry's for agents
def test_what_an_answer_calls_is_read_where_python_shows_it() -> None:
    shown = "ResponseFunctionToolCall(arguments='{{\"city\": \"{0}\"}}', call_id='{0}', "
    shown += "name='get_weather', type='function_call')"
    listed = [{"type": "text", "content": shown.format(city)} for city in ("Lima", "Cusco")]
    whole = "{'content': None, 'role': 'assistant', 'tool_calls': [{'id': 'Lima', 'type': 'function', 'function': "
    whole += "{'name': 'get_weather', 'arguments': '{\"city\": \"Lima\"}'}}]}"
    calls = [wanted("get_weather", f'{{"city": "{city}"}}', city) for city in ("Lima", "Cusco")]

    def answer(*parts: dict[str, str], scope: str = "opentelemetry.instrumentation.openai_agents") -> Any:
        said = json.dumps([{"role": "assistant", "parts": parts}])
        return call({**CALL, "gen_ai.output.messages": said}, scope=scope).message_completion

    assert answer(*listed) == {"role": "assistant", "content": None, "tool_calls": calls}
    assert answer({"type": "text", "content": whole}) == {"role": "assistant", "content": None, "tool_calls": calls[:1]}
    assert answer({"type": "text", "content": "print(x)"}) == {"role": "assistant", "content": "print(x)"}
    assert answer({"type": "text", "content": whole}, scope="others")["content"] == whole


SHOWN = "f(type='function_call', call_id={}, name={}, arguments={})"


@pytest.mark.parametrize("value", ["{(1, 2): 3}", "0x" + "f" * 9_000, "{1}", "b'x'", "1j", "...", "{[]: 1}"])
@pytest.mark.parametrize("place", range(3))
def test_what_python_shows_that_json_has_not_is_the_text_that_it_is(value: str, place: int) -> None:
    text = SHOWN.format(*(value if n == place else "'c'" for n in range(3)))
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text}]}])

    record = call({**CALL, "gen_ai.output.messages": said}, scope="opentelemetry.instrumentation.openai_agents")

    assert record.message_completion == {"role": "assistant", "content": text}


@pytest.mark.parametrize("value", ["{(1, 2): 3}", "{1}", "b'x'", "{[]: 1}"])
def test_so_are_settings_that_python_shows(value: str) -> None:
    assert call({**CALL, "llm.invocation_parameters": f"{{'seed': {value}}}"}).parameters is None


def test_an_answer_of_more_shown_objects_than_are_read_keeps_the_rest_as_texts() -> None:
    texts = [SHOWN.format(f"'c{n}'", "'n'", "'{}'") for n in range(30)]
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text} for text in texts]}])

    record = call({**CALL, "gen_ai.output.messages": said}, scope="opentelemetry.instrumentation.openai_agents")

    assert record.message_completion is not None
    assert len(record.message_completion["tool_calls"]) == 20
    assert [part["text"] for part in record.message_completion["content"]] == texts[20:]


# ------------------------------------------------------------------------------------------------------ Mistral, Cohere
@pytest.mark.parametrize(
    ("operation", "type"),
    [("embeddings_v1_embeddings_post", "embedding"), ("chat_completion_v1_chat_completions_post", "chat")],
)
def test_mistral_s_client_of_version_1_names_its_methods(operation: str, type: str) -> None:
    about = {"gen_ai.request.model": "mistral-embed", "mistral_ai.operation.id": operation}

    assert call({**about, "gen_ai.usage.prompt_tokens": 32, "gen_ai.usage.output_tokens": 0}).type == type


def test_what_cohere_embeds_are_texts_and_what_it_ranks_is_one_answer() -> None:
    """OpenLLMetry's, version 0.62."""
    parts = json.dumps([{"type": "text", "text": city} for city in ("Lima", "Cusco")])
    ranked = {f"gen_ai.completion.{n}.content": f"Doc {n}, Score: {n}" for n in range(2)}
    asked = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": parts}

    embedding = call({"llm.request.type": "embedding", **asked})
    rerank = call({"llm.request.type": "rerank", "gen_ai.prompt.0.content": "capital", **ranked})

    assert embedding.input == ["Lima", "Cusco"]
    assert (rerank.output, rerank.alternatives) == (["Doc 0, Score: 0", "Doc 1, Score: 1"], None)


# --------------------------------------------------------------------------------------------------------- Vercel's SDK
@pytest.mark.parametrize("name", ["generateText", "streamText", "generateObject", "streamObject", "embedMany"])
def test_vercel_s_span_around_calls_is_a_run_wherever_it_stands(name: str) -> None:
    above = {"ai.operationId": f"ai.{name}", "ai.model.id": "gpt-4o-mini"}

    told_of = told(Span("a" * 32, "b" * 16, "c" * 16, "span", 1, 2, above))

    assert (told_of.step.type, told_of.generation) == ("run", None)


# --------------------------------------------------------------------------------------------------------- xAI's client
GROK = {**CALL, "gen_ai.request.model": "grok-4", "gen_ai.usage.input_tokens": 51, "gen_ai.usage.output_tokens": 21}


def test_xai_s_client_has_calls_of_tools_as_json_and_reasons_users_and_counts_by_names_of_its_own() -> None:
    called = [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Lima"}}}]
    record = call(
        {
            **GROK,
            "gen_ai.usage.cached_prompt_text_tokens": 8,
            "user_id": "ada",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "",
            "gen_ai.completion.0.tool_calls": json.dumps(called),
            "gen_ai.response.finish_reasons": ["REASON_TOOL_CALLS"],
        }
    )

    assert record.message_completion == {
        "role": "assistant",
        "content": "",
        "tool_calls": [wanted("get_weather", '{"city":"Lima"}')],
    }
    assert (record.finish_reason, record.user_id, record.cached_tokens) == ("tool_calls", "ada", 8)


def test_each_of_xai_s_answers_ends_for_its_own_reason_and_its_streams_tell_when_they_began() -> None:
    said = {
        **{f"gen_ai.completion.{n}.content": text for n, text in enumerate(("Lima.", "Lima, of course."))},
        **{f"gen_ai.completion.{n}.role": "assistant" for n in range(2)},
    }
    record = call({**GROK, **said, "gen_ai.response.finish_reasons": ["REASON_STOP", "REASON_MAX_LEN"]})
    unsaid = call({**GROK, "gen_ai.response.finish_reasons": ["REASON_INVALID"]})
    began = dt.datetime.fromtimestamp(START / 1e9 + 0.5, dt.UTC).isoformat()
    stream = call({**GROK, "gen_ai.completion.start_time": began})

    assert (record.message_completion, record.finish_reason) == (ANSWER, "stop")
    assert [(one.content, one.finish_reason) for one in record.alternatives or ()] == [(OTHER, "length")]
    assert (unsaid.finish_reason, stream.time_to_first_token) == (None, 0.5)


def test_a_plain_user_id_is_a_user_beside_a_call_alone() -> None:
    query, asked = tell({"db.system": "postgresql", "user_id": 77}).step, tell({**GROK, "user_id": "ada"})

    assert query.user_id is None
    assert asked.generation is not None
    assert (asked.step.user_id, asked.generation.user_id) == ("ada", "ada")


# ---------------------------------------------------------------------------------------- LangWatch, Laminar, Langtrace
def test_langwatch_s_tools_are_told_and_its_several_answers_are_several() -> None:
    said = [{"type": "chat_messages", "value": [one]} for one in (ANSWER, OTHER)]
    record = call(
        {
            "langwatch.span.type": "llm",
            "gen_ai.request.model": "openai/gpt-4o-mini",
            "langwatch.params": json.dumps({"n": 2, "tools": [{"type": "function", "function": WEATHER}]}),
            "langwatch.output": json.dumps({"type": "list", "value": said}),
        }
    )

    assert record.tools == [{"type": "function", "function": WEATHER}]
    assert (record.message_completion, [one.content for one in record.alternatives or ()]) == (ANSWER, [OTHER])


@pytest.mark.parametrize(
    "value",
    [
        [{"type": "conversation", "value": [{"role": "user", "content": text}]} for text in ("a", "b")],
        [{"type": "chat_messages", "value": [{"role": "user", "content": "a"}, ANSWER]}] * 2,
    ],
)
def test_other_lists_of_what_has_a_type_and_a_value_are_kept_whole(value: Any) -> None:
    about = {"langwatch.span.type": "llm", "gen_ai.request.model": "gpt-4o-mini"}

    record = call({**about, "langwatch.output": json.dumps({"type": "list", "value": value})})

    assert (record.output, record.alternatives) == (value, None)


def test_laminar_s_answers_by_anthropic_say_in_them_why_they_ended() -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "Lima."}], "stop_reason": "end_turn"}

    record = call({**CALL, "gen_ai.output.messages": json.dumps([said])})

    assert (record.message_completion, record.finish_reason) == (ANSWER, "end_turn")


def test_langtrace_s_parts_that_are_functions_are_calls_and_its_texts_to_embed_are_content() -> None:
    called = [wanted("get_weather", '{"city": "Lima"}')]
    said = json.dumps([{"role": "assistant", "content": called}])
    asked = json.dumps([{"role": "user", "content": ["Lima", "Cusco"]}])
    about = {"gen_ai.operation.name": "openai.responses.create", "gen_ai.request.model": "gpt-4o-mini"}

    chat = call(about, ("gen_ai.content.completion", {"gen_ai.completion": said}))
    texts = {"gen_ai.operation.name": "embed", "gen_ai.request.embedding_inputs": '[["Lima", "Cusco"]]'}
    embedding = call(texts, ("gen_ai.content.prompt", {"gen_ai.prompt": asked}))

    assert (chat.type, chat.message_completion) == (
        "chat",
        {"role": "assistant", "content": None, "tool_calls": called},
    )
    assert (embedding.input, embedding.parameters) == (["Lima", "Cusco"], None)


@pytest.mark.parametrize(
    "tool", [{"type": "function", **WEATHER}, {"type": "function", "function": WEATHER}], ids=["flat", "nested"]
)
def test_the_definition_of_a_tool_in_a_message_is_no_call(tool: dict[str, Any]) -> None:
    parts = [{"type": "text", "text": "Is this right?"}, tool]

    record = call({**CALL, "gen_ai.input.messages": json.dumps([{"role": "user", "content": parts}])})

    assert record.messages == [{"role": "user", "content": parts}]


def test_agenta_s_sessions_and_users_are_the_trace_s() -> None:
    step = tell({"ag.type.node": "workflow", "ag.session.id": "chat-1", "ag.user.id": "ada"}).step

    assert (step.type, step.thread_id, step.user_id) == ("run", "chat-1", "ada")
