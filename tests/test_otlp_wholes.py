"""Whatever form a request and a response have, and in whichever attributes they come: what was said is kept."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

import pytest

from generations.ingest.otlp import raw
from generations.ingest.otlp.answers import ANSWERED, SENT
from generations.ingest.otlp.shapes import Event, Span
from generations.ingest.otlp.spans import told
from generations.records import GenerationRecord

CALL: Final = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
START: Final = 1_790_000_000_000_000_000
PAIRS: Final = (
    ("gen_ai.input.messages", "gen_ai.output.messages"),
    ("langfuse.observation.input", "langfuse.observation.output"),
    *((asked, given) for asked, given in raw.PAIRS if given and "embed" not in asked and "rerank" not in asked),
)
APART: Final = ("langwatch.input", "gcp.vertex.agent.llm_request", "gen_ai.request.messages")
"""Those that have one form alone: a value with its type, Gemini's requests, a text."""
ASKED: Final[dict[str, Any]] = {
    "a text": "question?",
    "a message": {"role": "user", "content": "question?"},
    "messages": [{"role": "user", "content": "question?"}],
    "messages with parts": [{"role": "user", "parts": [{"type": "text", "content": "question?"}]}],
    "OpenAI's": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "question?"}]},
    "OpenAI's newer": {"model": "gpt-4o-mini", "input": "question?"},
    "without a model": {"messages": [{"role": "user", "content": "question?"}]},
    "Gemini's": {"contents": [{"parts": [{"text": "question?"}]}]},
    "a prompt": {"prompt": "question?"},
    "Hugging Face's": {"inputs": "question?", "parameters": {}},
    "Titan's": {"inputText": "question?"},
    "Cohere's": {"message": "question?"},
    "variables": {"about": "question?", "chat_history": []},
    "texts": ["question?"],
    "objects": [{"about": "question?"}],
}
GIVEN: Final[dict[str, Any]] = {
    "a text": "answer!",
    "a message": {"role": "assistant", "content": "answer!"},
    "messages": [{"role": "assistant", "content": "answer!"}],
    "OpenAI's": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "answer!"}}],
    },
    "Gemini's": {"candidates": [{"content": {"role": "model", "parts": [{"text": "answer!"}]}}]},
    "LangChain's": {"generations": [[{"text": "answer!"}]]},
    "Ollama's": {"response": "answer!", "done": True},
    "Hugging Face's": [{"generated_text": "answer!"}],
    "Titan's": {"results": [{"outputText": "answer!"}]},
    "Cohere's": {"text": "answer!", "generation_id": "1"},
    "an object by a schema": {"verdict": "answer!", "rating": 5},
    "an object with names of responses": {"id": 7, "type": "bug", "message": "answer!", "error": None},
    "with its reasoning": {"completion": "answer!", "reasoning": None},
    "a content": {"content": "answer!"},
    "texts": ["answer!"],
    "objects": [{"verdict": "answer!"}],
}


def call(attributes: dict[str, Any], events: tuple[Event, ...] = ()) -> GenerationRecord:
    said = {**CALL, **attributes}
    span = Span("a" * 32, "b" * 16, None, "span", START, START + 10**9, said, scope="tests", events=events)
    generation = told(span).generation
    assert generation is not None
    return generation


def kept(record: GenerationRecord, names: frozenset[str]) -> str:
    return json.dumps([getattr(record, name) for name in sorted(names)])


@pytest.mark.parametrize("pair", [one for one in PAIRS if one[0] not in APART], ids=lambda pair: pair[0])
def test_what_was_asked_and_what_came_back_are_kept_in_whatever_form(pair: tuple[str, str]) -> None:
    lost = []
    for (asked, question), (given, answer) in itertools.product(ASKED.items(), GIVEN.items()):
        texts = [one if isinstance(one, str) else json.dumps(one) for one in (question, answer)]

        record = call(dict(zip(pair, texts, strict=True)))

        if "question?" not in kept(record, SENT):
            lost.append(f"{asked} asked, with {given} given")
        if "answer!" not in kept(record, ANSWERED):
            lost.append(f"{given} given, with {asked} asked")
    assert lost == []


@pytest.mark.parametrize("form", ["OpenAI's", "without a model", "a message", "messages", "Gemini's"])
@pytest.mark.parametrize("pair", PAIRS[:1], ids=lambda pair: pair[0])
def test_a_request_where_messages_are_expected_is_read_as_one(pair: tuple[str, str], form: str) -> None:
    record = call({pair[0]: json.dumps(ASKED[form]), pair[1]: json.dumps(GIVEN["OpenAI's"])})

    assert record.messages == [{"role": "user", "content": "question?"}]
    assert record.message_completion == {"role": "assistant", "content": "answer!"}


def test_instructions_go_before_a_request_that_stands_where_messages_are_expected() -> None:
    record = call(
        {
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
            "gen_ai.input.messages": json.dumps(ASKED["OpenAI's"]),
        }
    )

    assert record.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "question?"}]


def test_choices_beside_a_whole_request_are_choices() -> None:
    given = [{"role": "assistant", "content": text, "finish_reason": "stop"} for text in ("Lima.", "Cusco.")]

    record = call({"gen_ai.input.messages": json.dumps(ASKED["OpenAI's"]), "gen_ai.output.messages": json.dumps(given)})

    assert record.messages == [{"role": "user", "content": "question?"}]
    assert record.message_completion == {"role": "assistant", "content": "Lima."}
    assert [one.content for one in record.alternatives or ()] == [{"role": "assistant", "content": "Cusco."}]


@pytest.mark.parametrize("text", ['{"city": "Lima"}', "[1, 2]", "12"])
def test_json_in_a_json_text_is_what_somebody_said(text: str) -> None:
    record = call({"gen_ai.input.messages": json.dumps(text), "gen_ai.output.messages": json.dumps(text)})

    assert record.messages == [{"role": "user", "content": text}]
    assert record.message_completion == {"role": "assistant", "content": text}


def test_why_an_answer_ended_is_told_without_it() -> None:
    record = call({"gen_ai.output.messages": json.dumps([{"finish_reason": "stop"}])})

    assert (record.finish_reason, record.output) == ("stop", None)


def test_a_number_alone_is_what_somebody_said() -> None:
    record = call({"gen_ai.input.messages": "12", "gen_ai.output.messages": "42"})

    assert record.messages == [{"role": "user", "content": "12"}]
    assert record.message_completion == {"role": "assistant", "content": "42"}


@pytest.mark.parametrize(
    "response",
    [
        {"id": "resp_1", "object": "response", "status": "queued"},
        {"text": "", "toolCalls": []},
        {"output": None},
        {"choices": []},
        {"id": "resp_1", "model": "gpt-4o-mini"},
        {"error": {"message": "Rate limit reached"}},
        {},
    ],
    ids=json.dumps,
)
def test_a_response_that_says_nothing_is_no_answer(response: dict[str, Any]) -> None:
    record = call({"input.value": json.dumps(ASKED["OpenAI's"]), "output.value": json.dumps(response)})

    assert record.messages == [{"role": "user", "content": "question?"}]
    assert json.loads(kept(record, ANSWERED)) == [None, None, None]


def test_a_count_of_tokens_is_no_answer() -> None:
    counted = {"openinference.span.kind": "LLM", "llm.model_name": "claude-haiku-4-5"}
    asked = {"messages": [{"role": "user", "content": "question?"}], "model": "claude-haiku-4-5"}

    record = call({**counted, "input.value": json.dumps(asked), "output.value": json.dumps({"input_tokens": 12})})

    assert json.loads(kept(record, ANSWERED)) == [None, None, None]


@pytest.mark.parametrize("form", ["as its body", "in a message", "spread", "in a text", "in a name of its own"])
def test_what_events_say_is_kept_in_whatever_form(form: str) -> None:
    asked, given = {"role": "user", "content": "question?"}, {"role": "assistant", "content": "answer!"}
    forms: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "as its body": ({"body": json.dumps(asked)}, {"event_body": json.dumps({"index": 0, "message": given})}),
        "in a message": ({"message": json.dumps(asked)}, {"message": json.dumps(given)}),
        "spread": (
            {f"message.{name}": said for name, said in asked.items()},
            {"index": 0, **{f"message.{name}": said for name, said in given.items()}},
        ),
        "in a text": ({"content": "question?"}, {"content": "answer!"}),
        "in a name of its own": ({"text": "question?"}, {"index": 0, "text": "answer!"}),
    }
    events = tuple(
        Event(name, START, said)
        for name, said in zip(("gen_ai.user.message", "gen_ai.choice"), forms[form], strict=True)
    )

    record = call({}, events)

    assert "question?" in kept(record, SENT)
    assert "answer!" in kept(record, ANSWERED)


def test_events_without_content_say_what_ended_an_answer_and_no_more() -> None:
    events = (Event("gen_ai.choice", START, {"index": 0, "finish_reason": "tool_calls"}),)

    record = call({}, events)

    assert (record.finish_reason, record.message_completion) == ("tool_calls", {"role": "assistant", "content": None})
