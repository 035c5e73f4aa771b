"""What frameworks in JavaScript say in ways of their own, each in the fewest attributes that show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.test_otlp_conventions import CALL, call, tell


# ------------------------------------------------------------------------------------------------------------------- Ax
def used(**counts: int) -> tuple[str, dict[str, Any]]:
    return "gen_ai.usage", {f"gen_ai.usage.{name}_tokens": count for name, count in counts.items()}


def test_ax_counts_what_was_cached_in_the_total_alone_and_what_was_thought_beside() -> None:
    cached = call(CALL, used(input=43, output=21, total=72))
    thought = call(CALL, used(input=43, output=21, total=79, thoughts=7))
    unsaid = call(CALL, used(input=43, output=21))

    assert (cached.prompt_tokens, cached.completion_tokens, cached.total_tokens) == (51, 21, 72)
    assert (thought.prompt_tokens, thought.completion_tokens, thought.reasoning_tokens) == (51, 28, 7)
    assert (unsaid.prompt_tokens, unsaid.completion_tokens) == (43, 21)


def test_settings_that_ax_says_were_not_set_are_none_and_a_stream_ends_as_its_last_choice_does() -> None:
    about = {"gen_ai.request.top_p": "Not set", "gen_ai.request.llm_is_streaming": True}
    chunks = [("gen_ai.choice", {"index": 0, "finish_reason": reason}) for reason in (None, None, "stop")]

    record = call({**CALL, **about}, *chunks)

    assert (record.parameters, record.finish_reason) == ({"stream": True}, "stop")


# ---------------------------------------------------------------------------------------------------------- TanStack AI
def test_tanstack_s_span_around_calls_is_none_though_it_names_their_model() -> None:
    whole = {"gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 105}

    assert tell({**whole, "tanstack.ai.iterations": 2}).generation is None
    assert call(whole).prompt_tokens == 105


def test_tanstack_names_an_interface_behind_the_provider() -> None:
    """Version 0.58 with its adapter for OpenAI, 0.23."""
    assert call({"gen_ai.request.model": "x", "gen_ai.system": "openai-chat"}).provider == "openai"


# -------------------------------------------------------------------------------------------------------------- Genkit
def test_an_answer_by_a_schema_is_its_json() -> None:
    """Genkit 1.42, which has a part for it that is no text."""
    said = {"message": {"role": "model", "content": [{"data": {"city": "Lima"}}]}, "finishReason": "stop"}

    record = call({"genkit:metadata:subtype": "model", "genkit:name": "x", "genkit:output": json.dumps(said)})

    assert record.message_completion == {"role": "assistant", "content": '{"city":"Lima"}'}


# ------------------------------------------------------------------------------------------------------------ LangSmith
@pytest.mark.parametrize(
    ("said", "reason"),
    [("stop, stop", "stop"), ("tool_calls, stop", "tool_calls"), ("cut off, badly", "cut off, badly")],
)
def test_the_reasons_of_several_answers_in_one_text_are_the_first_s_for_a_call(said: str, reason: str) -> None:
    """LangSmith 0.12, of `n: 2`."""
    assert call({**CALL, "gen_ai.response.finish_reasons": said}).finish_reason == reason
