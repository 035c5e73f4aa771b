"""Conversations by OpenAI's newer interface as whole requests have them: calls, results and thoughts are messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations.ingest.otlp import messages
from tests.test_otlp_conventions import CALL, call

CALLS = [
    {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": "get_weather", "arguments": arguments}
    for n, arguments in enumerate(('{"city": "Lima"}', '{"city": "Cusco"}'))
]
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Two cities."}]}
SECRET = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "x"}
RESULTS = [{"type": "function_call_output", "call_id": f"call_{n}", "output": f"sunny ({n})"} for n in (0, 1)]
ASKED = [{"role": "user", "content": "How is the weather?"}, THOUGHT, *CALLS, *RESULTS]
TEXT = {
    "type": "message",
    "role": "assistant",
    "id": "msg_1",
    "content": [{"type": "output_text", "text": "Sunny.", "annotations": []}],
}

CALLED = [
    {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": one["arguments"]}}
    for n, one in enumerate(CALLS)
]
CONVERSATION = [
    ASKED[0],
    {"role": "assistant", "content": None, "reasoning": "Two cities.", "tool_calls": CALLED},
    *({"role": "tool", "tool_call_id": f"call_{n}", "content": f"sunny ({n})"} for n in (0, 1)),
]
REQUEST = {"model": "gpt-4o-mini", "input": ASKED}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [THOUGHT, TEXT]}


@pytest.mark.parametrize(
    "said",
    [
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.spanInputs": json.dumps(REQUEST),
            "mlflow.spanOutputs": json.dumps(RESPONSE),
        },
        {
            "langsmith.span.kind": "llm",
            "gen_ai.prompt": json.dumps(REQUEST),
            "gen_ai.completion": json.dumps(RESPONSE),
        },
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": json.dumps(ASKED),
            "langfuse.observation.output": json.dumps(RESPONSE["output"]),
        },
    ],
    ids=["mlflow", "langsmith", "langfuse"],
)
def test_calls_results_and_thoughts_among_messages_are_told_whole(said: dict[str, Any]) -> None:
    record = call(said)

    assert record.messages == CONVERSATION
    assert record.message_completion == {"role": "assistant", "content": "Sunny.", "reasoning": "Two cities."}


def test_thoughts_that_nobody_may_read_are_no_message() -> None:
    assert messages.conversation([ASKED[0], SECRET, TEXT]) == [
        ASKED[0],
        {"role": "assistant", "content": "Sunny."},
    ]


def test_a_turn_of_items_alone_is_a_conversation() -> None:
    record = call({"langfuse.observation.type": "generation", "langfuse.observation.input": json.dumps(RESULTS)})

    assert record.messages == CONVERSATION[2:]


def test_an_item_that_is_not_known_is_kept_as_a_part() -> None:
    searched = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "Lima"}}
    screen = {"type": "computer_call_output", "call_id": "c_1", "output": {"type": "computer_screenshot"}}

    assert messages.conversation([searched, screen]) == [
        {"role": "assistant", "content": [searched]},
        {"role": "tool", "content": [screen]},
    ]


def test_answers_in_a_row_that_are_messages_stay_apart() -> None:
    said = [{"role": "assistant", "content": text} for text in ("Sunny.", "Very.")]

    assert messages.conversation(said) == said


def test_items_of_one_answer_that_have_its_status_for_a_reason_are_one_answer() -> None:
    answers = [
        {"role": "assistant", "parts": [{"type": kind, "content": text}], "finish_reason": "completed"}
        for kind, text in (("reasoning", "Two cities."), ("text", "Sunny."))
    ]

    record = call(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "o4-mini",
            "gen_ai.output.messages": json.dumps(answers),
        }
    )

    assert record.message_completion == {"role": "assistant", "content": "Sunny.", "reasoning": "Two cities."}
    assert record.alternatives is None


def test_an_answer_that_is_nothing_but_its_parts_is_an_answer() -> None:
    called = {"type": "tool_call", "id": "call_0", "name": "get_weather", "arguments": {"city": "Lima"}}

    record = call(
        {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps([{"text": "I look."}, called])}
    )

    assert record.message_completion == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{**CALLED[0], "function": {"name": "get_weather", "arguments": '{"city":"Lima"}'}}],
    }


@pytest.mark.parametrize("id", ["__fake_id__", "resp_1"])
def test_a_whole_answer_alone_in_a_list_is_the_answer_with_all_that_it_counts(id: str) -> None:
    usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 3}
    item = {**TEXT, "id": id, "provider_data": {"response_id": "chatcmpl-1"}}
    record = call(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o-mini",
            "output.value": json.dumps([{"id": id, "object": "response", "output": [item], "usage": usage}]),
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 3,
        }
    )

    assert record.message_completion == {"role": "assistant", "content": "Sunny."}
    assert (record.prompt_tokens, record.cached_tokens) == (10, 8)
    assert record.response_id == ("resp_1" if id == "resp_1" else "chatcmpl-1")


def test_answers_without_a_reason_for_their_end_are_not_taken_for_chunks_of_one() -> None:
    """Where several were asked for, or what was said is in no parts, nothing says that they run on."""
    first, second = ({"role": "assistant", "content": words} for words in ("Lima.", "Cusco."))
    plain = json.dumps([{**first, "finish_reason": ""}, {**second, "finish_reason": "stop"}])
    asked = json.dumps(
        [
            {"role": "assistant", "parts": [{"type": "text", "content": said["content"]}], "finish_reason": why}
            for said, why in ((first, ""), (second, "stop"))
        ]
    )

    kept = call({**CALL, "gen_ai.output.messages": plain})
    several = call({**CALL, "gen_ai.output.messages": asked, "gen_ai.request.choice.count": 2})

    assert kept.message_completion is not None
    assert "Lima." in str(kept.message_completion)
    assert "Cusco." in str(kept.message_completion)
    assert (several.message_completion, [one.content for one in several.alternatives or ()]) == (first, [second])


def test_data_that_is_nested_too_deep_is_left_as_it_is() -> None:
    """Genkit's answers by a schema are such parts; what cannot be stored is refused by the writer, and alone."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}

    kept = call({**CALL, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"data": deep}]}])})

    assert kept.messages is not None
    assert "'a': {'a'" in str(kept.messages)
