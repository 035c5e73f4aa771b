"""What Langfuse's handlers for LangChain, and LiteLLM for Langfuse, say in ways of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.test_otlp_conventions import call

GENERATION = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o-mini"}
QUESTION = {"role": "user", "content": "How is the weather in Lima and Cusco?"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {"type": "object"}},
}
CALLED: list[dict[str, Any]] = [
    {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": f'{{"city":"{city}"}}'}}
    for n, city in enumerate(("Lima", "Cusco"))
]


def asked(*said: Any) -> dict[str, str]:
    return {**GENERATION, "langfuse.observation.input": json.dumps(said)}


def test_tools_that_stand_among_the_messages_are_tools() -> None:
    result = {"role": "tool", "tool_call_id": "call_0", "content": {"sky": "clear"}}

    record = call(asked(QUESTION, result, {"role": "tool", "content": TOOL}))

    assert record.tools == [TOOL]
    assert record.messages == [QUESTION, result]


def test_results_that_are_said_by_their_tool_are_those_of_its_calls_in_their_order() -> None:
    said = [{"role": "get_weather", "content": text, "additional_kwargs": {}} for text in ("sunny", "rainy")]
    answer = {"role": "assistant", "content": "", "tool_calls": CALLED}

    record = call(asked(QUESTION, answer, *said, {"role": "critic", "content": "Go on."}))

    assert (record.messages or [])[2:] == [
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_1", "content": "rainy"},
        {"role": "critic", "content": "Go on."},
    ]


@pytest.mark.parametrize("names", [("_session_id", "_user_id", "_tags"), ("SessionId", "UserId", "Tags")])
def test_a_call_below_nothing_has_its_thread_in_the_metadata_that_the_handler_reads(names: tuple[str, ...]) -> None:
    said = ("chat-1", "ada", ["geo"])
    about = {
        f"langfuse.observation.metadata.langfuse{name}": json.dumps(v) for name, v in zip(names, said, strict=True)
    }

    record = call({**asked(QUESTION), **about, "langfuse.observation.metadata.plan": '"pro"'})

    assert (record.thread_id, record.user_id, list(record.tags or ())) == ("chat-1", "ada", ["geo"])
    assert record.metadata == {"plan": "pro"}


# -------------------------------------------------------------------------------------------- LiteLLM's `langfuse_otel`
LITELLM: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "langfuse.observation.type": "generation",
    "llm.model_name": "o4-mini",
}


def test_a_summary_of_what_was_thought_is_no_part_of_the_answer() -> None:
    said = [{"role": "reasoning_summary", "content": "It is Lima."}, {"role": "assistant", "content": "Lima."}]

    record = call({**LITELLM, "langfuse.observation.output": json.dumps(said)})

    assert record.message_completion == {"role": "assistant", "content": "Lima.", "reasoning": "It is Lima."}


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "reasoning_summary"])
def test_what_a_message_says_that_was_thought_is_kept_by_one_name(name: str) -> None:
    said = {"role": "assistant", "content": "Lima.", name: "It is Lima."}

    record = call({**LITELLM, "langfuse.observation.output": json.dumps(said)})

    assert record.message_completion == {"role": "assistant", "content": "Lima.", "reasoning": "It is Lima."}


def test_an_embedding_that_is_called_a_generation_is_known_by_its_model() -> None:
    record = call(
        {
            **LITELLM,
            "openinference.span.kind": "EMBEDDING",
            "llm.model_name": "text-embedding-3-small",
            "langfuse.observation.input": json.dumps([{"role": "user", "content": text} for text in ("Lima", "Cusco")]),
        }
    )

    assert (record.type, record.input) == ("embedding", ["Lima", "Cusco"])


def test_other_answers_are_told_where_the_first_is_the_same() -> None:
    def said(first: str) -> dict[str, str]:
        found = {"llm.invocation_parameters": '{"n": 2}', "langfuse.observation.output": json.dumps(answer)}
        for n, text in enumerate((first, "Lima!")):
            found |= {f"llm.output_messages.{n}.message.role": "assistant"}
            found |= {f"llm.output_messages.{n}.message.content": text}
        return {**LITELLM, **found}

    answer = {"role": "assistant", "content": "Lima."}
    record, other = call(said("Lima.")), call(said("It is Lima."))

    assert (record.message_completion, other.message_completion) == (answer, answer)
    assert [one.content for one in record.alternatives or ()] == [{"role": "assistant", "content": "Lima!"}]
    assert other.alternatives is None


def test_tools_among_the_settings_are_tools_where_nothing_else_is() -> None:
    given = json.dumps({"tools": [{"type": "function", **TOOL["function"]}], "temperature": 0})

    record = call({**LITELLM, "llm.invocation_parameters": given})

    assert (record.tools, record.parameters) == ([TOOL], {"temperature": 0})


def test_the_user_whom_a_proxy_names_where_nobody_is_named_is_nobody() -> None:
    assert call({**LITELLM, "user.id": "default_user_id"}).user_id is None
    assert call({**LITELLM, "user.id": "default_user_id", "llm.user": "ada"}).user_id == "ada"


def test_what_openai_s_newer_interface_was_asked_beside_its_tools_are_messages() -> None:
    calls = [{"type": "function_call", "call_id": one["id"], **one["function"]} for one in CALLED]
    results = [{"type": "function_call_output", "call_id": one["id"], "output": "sunny"} for one in CALLED]
    flat = {"type": "function", **TOOL["function"]}
    said = {"input": [QUESTION, *calls, *results], "tools": [flat], "tool_choice": "auto", "parallel_tool_calls": True}

    record = call({**GENERATION, "langfuse.observation.input": json.dumps(said)})

    assert record.tools == [TOOL]
    found = record.messages or []
    assert found[0] == QUESTION
    assert [one["id"] for message in found for one in message.get("tool_calls") or ()] == ["call_0", "call_1"]
    assert [one.get("tool_call_id") for one in found if one["role"] == "tool"] == ["call_0", "call_1"]


def test_an_input_of_an_application_that_has_an_input_and_more_is_kept_as_it_is() -> None:
    said = {"input": "Lima", "language": "es"}

    assert call({**GENERATION, "langfuse.observation.input": json.dumps(said)}).input == said


def test_instructions_that_stand_before_the_messages_as_well_are_said_once() -> None:
    said = [{"role": "system", "content": "Be brief."}, QUESTION]
    for input in (said, {"input": said, "tools": [TOOL]}, said[1:]):
        record = call(
            {
                **GENERATION,
                "langfuse.observation.input": json.dumps(input),
                "langfuse.observation.metadata.instructions": "Be brief.",
            }
        )
        assert record.messages == said
