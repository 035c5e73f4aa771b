"""Calls of `log_llm_data` to any vendor: the answer, the choices, the tokens and why it ended, wherever these stand."""

from __future__ import annotations

from typing import Any

import pytest

from generations.models import Alternative, GenerationPayload
from tests.doors.gantry import event, log, reasons, rows
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db

PROMPT = {"model": "m", "prompt": "Hello"}


@pytest.fixture
def api() -> Caller:
    return caller("write")


@pytest.mark.parametrize(
    ("vendor", "asked", "answered", "told"),
    [
        (
            "cohere",
            {**PROMPT, "k": 0},
            {
                "id": "r1",
                "generations": [{"text": "A", "finish_reason": "COMPLETE"}],
                "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}},
            },
            ("m", "Hello", "A", "COMPLETE", 3, 4, "writer:r1"),
        ),
        (
            "cohere",
            {"model": "command-r", "message": "Hello"},
            {"generation_id": "r1", "text": "A", "finish_reason": "COMPLETE"},
            ("command-r", "Hello", "A", "COMPLETE", None, None, "writer:r1"),
        ),
        (
            "anthropic",
            {"model": "claude-2", "prompt": "Hello"},
            {"id": "r1", "completion": "A", "stop_reason": "stop_sequence"},
            ("claude-2", "Hello", "A", "stop_sequence", None, None, "writer:r1"),
        ),
        (
            "ai21",
            PROMPT,
            {"id": "r1", "completions": [{"data": {"text": "A"}, "finishReason": {"reason": "endoftext"}}]},
            ("m", "Hello", "A", "endoftext", None, None, "writer:r1"),
        ),
        (
            "ollama",
            PROMPT,
            {"response": "A", "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4},
            ("m", "Hello", "A", "stop", 3, 4, None),
        ),
        (
            "bedrock",
            {"modelId": "titan", "inputText": "Hello"},
            {"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "A", "completionReason": "FINISH"}]},
            ("titan", "Hello", "A", "FINISH", 3, 4, None),
        ),
        (
            "google",
            {"contents": [{"parts": [{"text": "Hello"}]}]},
            {
                "responseId": "r1",
                "modelVersion": "gemini",
                "candidates": [{"content": {"parts": [{"text": "A, "}, {"text": "then B"}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4},
            },
            ("gemini", "Hello", "A, then B", "STOP", 3, 4, "writer:r1"),
        ),
        ("huggingface", {"inputs": "Hello"}, [{"generated_text": "A"}], (None, "Hello", "A", None, None, None, None)),
        (
            "replicate",
            {"input": "Hello"},
            {"id": "r1", "output": "A"},
            (None, "Hello", "A", None, None, None, "writer:r1"),
        ),
    ],
)
def test_the_answer_of_each_vendor_is_found_and_all_that_came_is_kept(
    api: Caller, vendor: str, asked: dict[str, Any], answered: Any, told: tuple[Any, ...]
) -> None:
    log(api, event(api_request=asked, api_response=answered), path=f"{vendor}/completions")

    (row,) = rows(api)
    said = GenerationPayload.objects.in_project(api.project.pk).get()
    id = row.public_id if told[-1] is not None else None
    assert (
        row.model_id,
        said.prompt,
        said.completion,
        row.finish_reason,
        row.prompt_tokens,
        row.completion_tokens,
        id,
    ) == told
    assert (row.provider, row.metadata.get("problems")) == (vendor, None)
    assert said.attributes == {"api_request": asked, "api_response": answered}
    assert reasons(api) == ""


def test_choices_of_any_vendor_are_alternatives_by_their_index_also_beside_one_without_a_text(api: Caller) -> None:
    choices = [{"text": "A"}, {"likelihood": -3}, {"text": "C", "finish_reason": "MAX_TOKENS"}]

    log(
        api,
        event(api_request=PROMPT, api_response={"id": "r1", "generations": choices}, selected_choice_index=2),
        path="cohere/completions",
    )

    (row,) = rows(api)
    said = GenerationPayload.objects.in_project(api.project.pk).get()
    others = Alternative.objects.in_project(api.project.pk).order_by("index").values_list("index", "content")
    assert (row.selected_choice, said.completion, row.finish_reason) == (2, "C", "MAX_TOKENS")
    assert list(others) == [(0, "A"), (1, {"likelihood": -3}), (2, "C")]


@pytest.mark.parametrize("answered", [{}, None, [], {"id": "r1", "verdict": ["?"]}, {"id": "r1", "choices": []}])
def test_a_response_without_an_answer_is_kept_and_said(api: Caller, answered: Any) -> None:
    log(api, event(api_request=PROMPT, api_response=answered))

    (row,) = rows(api)
    (problem,) = row.metadata["problems"]
    assert "expected" in problem
    assert reasons(api) == f"Kept as it came. {problem}"
    assert GenerationPayload.objects.in_project(api.project.pk).get().output == answered


def test_parts_of_a_response_that_have_no_field_are_kept_beside_those_that_have(api: Caller) -> None:
    odd = {"prompt_filter_results": [{"hate": "safe"}]}

    log(api, event(api_response={"id": "r1", "choices": [{"text": "A"}], **odd}))

    said = GenerationPayload.objects.in_project(api.project.pk).get()
    assert (said.completion, said.attributes) == ("A", {"api_response": odd})


# -------------------------------------------------------------------------------------------------------------- streams
CHUNK = {"id": "r1", "object": "chat.completion.chunk"}
PIECES = [{**CHUNK, "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Hel", "lo")]


@pytest.mark.parametrize(
    ("answered", "attributes", "times"),
    [
        (PIECES, {"chunk_times": [0.25, 1.5]}, (0.25, 1.5)),
        (PIECES, {"chunks": [{"time": 0.25, "text": "Hel"}, {"time": 1.5, "text": "lo"}]}, (0.25, 1.5)),
        (PIECES, {"chunkTimesMs": [250, 1500]}, (0.25, 1.5)),
        (PIECES, {"chunks": [{"elapsed_ms": 250}, {"elapsed_ms": 1500}], "latency": 2, "ttft": 0.2}, (0.2, 2.0)),
        ([{**one, "time": at} for one, at in zip(PIECES, (0.25, 1.5), strict=True)], {}, (0.25, 1.5)),
        # Moments do not say when the call began.
        (PIECES, {"chunk_timestamps": [1_795_000_000.25, 1_795_000_001.5]}, (None, None)),
        (PIECES, {"chunk_times": ["soon", 1.5]}, (None, None)),
    ],
)
def test_a_stream_that_was_put_together_keeps_when_its_pieces_came(
    api: Caller, answered: Any, attributes: dict[str, Any], times: tuple[float | None, float | None]
) -> None:
    asked = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    log(api, event(api_request=asked, api_response=answered, response_attributes=attributes), path="chat/completions")

    (row,) = rows(api)
    said = GenerationPayload.objects.in_project(api.project.pk).get()
    assert said.message_completion == {"role": "assistant", "content": "Hello"}
    assert (row.time_to_first_token, row.latency) == times
    assert row.response_attributes == (attributes or {"chunk_times": [0.25, 1.5]})
    assert "problems" not in row.metadata
