"""What is remembered of the names of attributes changes nothing of what a span tells, and is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from generations.ingest import media
from generations.ingest.otlp import calls, decode, definitions, dialects, kinds, messages, names, spans, spelt
from generations.ingest.otlp.shapes import Span
from tests.test_otlp_conventions import call, tell

DATA: Final = Path(__file__).parent / "data" / "otlp"
REMEMBERED: Final = (
    names._about,
    calls._settled,
    calls._named_model,
    calls._named_provider,
    kinds._types_said,
    messages._reason_before,
    definitions._tools_before,
    definitions._defined_before,
    dialects._is_secret,
)
ODD: Final[tuple[Any, ...]] = (
    *(
        "",
        "None",
        '"in quotes"',
        "[Scrubbed due to 'x']",
        "a\0b",
        "[]",
        "{}",
        "1",
        "true",
        "assistant",
        "user",
        "model",
    ),
    *(
        '[{"type": "text", "text": "hi"}]',
        '{"temperature": 1, "api_key": "k"}',
        "x" * 600,
        "data:image/png;base64,iVBO",
    ),
    *(0, 1, True, 0.0, 1.0, -1, None, ["a"], [], {"x": 1}),
)


def captured() -> list[Span]:
    found = [decode.spans_of_protobuf(path.read_bytes()) for path in sorted(DATA.glob("*[!s].pb"))]
    return [span for spans_ in found for span in spans_ if isinstance(span, Span)]


def changed(originals: list[Span], number: int) -> Iterator[Span]:
    """Spans that lack some of their attributes, or have odd values in some, or some of others."""
    chance = random.Random(7)
    for _ in range(number):
        span, other = chance.choice(originals), chance.choice(originals)
        attributes = dict(span.attributes)
        for _ in range(chance.choice((1, 2, 5))):
            name = chance.choice([*attributes, *other.attributes, "llm.input_messages.0.message.content"])
            if chance.random() < 0.3:
                attributes.pop(name, None)
            else:
                attributes[name] = chance.choice((*ODD, other.attributes.get(name)))
        yield replace(span, attributes=attributes)


def forget() -> None:
    for remembered in REMEMBERED:
        remembered.cache_clear()


def test_a_span_tells_the_same_whether_its_like_came_before_or_not() -> None:
    originals = captured()
    assert len(originals) > 100
    for span in [*originals, *changed(originals, 600)]:
        forget()
        first = repr(spans.told(span))
        assert repr(spans.told(span)) == first


def test_messages_that_are_spelt_as_most_are_come_to_what_any_others_do() -> None:
    originals = [span for span in captured() if any(name.startswith("llm.") for name in span.attributes)]
    seen = 0
    for span in [*originals, *changed(originals, 2_000)]:
        about = names.about(span.attributes)
        for start, outlines in (("llm.input_messages.", about.asked), ("llm.output_messages.", about.given)):
            said = spelt.spoken(outlines, span.attributes) if outlines else None
            if said is not None:
                seen += 1
                assert said == messages.conversation(spelt.valued(about.lists[start], span.attributes))
    assert seen > 500


def test_no_number_of_senders_with_names_of_their_own_makes_a_process_grow() -> None:
    forget()
    for n in range(1_500):
        tool = f'[{{"type": "function", "function": {{"name": "t{n}"}}}}]'
        spans.told(
            Span(
                *("a" * 32, "b" * 16, None, "chat", 1, 2),
                {
                    "gen_ai.operation.name": "chat",
                    f"gen_ai.request.own_{n}": n,
                    "gen_ai.request.model": f"models/m{n}",
                    "gen_ai.system": f"p{n}",
                    "gen_ai.response.finish_reasons": f"r{n}",
                    "gen_ai.tool.definitions": tool,
                    "llm.tools.0.tool.json_schema": tool,
                    "llm.invocation_parameters": f'{{"a{n}": 1}}',
                },
            )
        )
    for remembered in REMEMBERED:
        about = remembered.cache_info()
        assert about.maxsize is not None and about.maxsize <= 512
        assert about.currsize == about.maxsize


@pytest.mark.parametrize(
    ("remembered", "attributes"),
    [
        (names._about, {f"{n}.{'x' * 100}": 1 for n in range(100)}),
        (
            kinds._types_said,
            {
                "gen_ai.operation.name": "x" * 600,
                **dict.fromkeys(kinds._OF_CALLS, "m"),
                "gen_ai.usage.output_tokens": 1,
            },
        ),
        (kinds._types_said, {"gen_ai.operation.name": "chat", **{f"{n}.{'x' * 100}": 1 for n in range(100)}}),
        (messages._reason_before, {"gen_ai.response.finish_reasons": "x" * 600}),
        (calls._settled, {f"gen_ai.request.{n}": n for n in range(30)}),
        (calls._settled, {f"gen_ai.request.{'x' * 9_000}": 1}),
        (calls._settled, {"gen_ai.request.note": "x" * 600}),
        (calls._settled, {"llm.invocation_parameters": f'{{"note": "{"x" * 600}"}}'}),
        (calls._named_model, {"gen_ai.request.model": "x" * 600}),
        (calls._named_provider, {"gen_ai.system": "x" * 600}),
        (definitions._tools_before, {"gen_ai.tool.definitions": f'[{{"name": "{"x" * 9_000}"}}]'}),
        (definitions._defined_before, {"llm.tools.0.tool.json_schema": f'{{"name": "{"x" * 9_000}"}}'}),
        (dialects._is_secret, {"llm.invocation_parameters": f'{{"{"x" * 600}": 1}}'}),
    ],
    ids=[
        "names",
        "a kind",
        "names with a kind",
        "a reason",
        "settings",
        "a name",
        "a setting",
        "JSON",
        "a model",
        "a provider",
        "tools",
        "a tool",
        "a member",
    ],
)
def test_what_is_long_is_read_and_not_remembered(remembered: Any, attributes: dict[str, Any]) -> None:
    forget()
    told = spans.told(Span("a" * 32, "b" * 16, None, "chat", 1, 2, {"gen_ai.operation.name": "chat", **attributes}))
    assert told.generation is not None
    assert remembered.cache_info().currsize == 0


def test_a_record_of_which_no_file_is_suspected_has_none() -> None:
    records = [
        record
        for span in [*captured(), *changed(captured(), 600)]
        for told in [spans.told(span)]
        for record in (told.step, told.generation)
        if record is not None
    ]
    suspected = [media.may_hold([record]) for record in records]
    assert any(suspected) and not all(suspected)
    for record, is_suspected in zip(records, suspected, strict=True):
        found: dict[str, media.Media] = {}
        if not is_suspected:
            assert media.taken_out(record, found) is record
            assert media.attached(record, "folder/") is record
            assert found == {}


def test_settings_that_equal_earlier_ones_keep_their_own_type() -> None:
    plain = Span("a" * 32, "b" * 16, None, "chat", 1, 2, {"gen_ai.operation.name": "chat"})
    for value in (1, 1.0, True, "1"):
        told = spans.told(replace(plain, attributes={**plain.attributes, "gen_ai.request.level": value}))
        assert told.generation is not None and told.generation.parameters is not None
        assert [type(told.generation.parameters["level"])] == [type(value)]


PARTS: Final = (
    *("true", "false", "null", "t", "rue", "-", "+", ".", "e", "E", "0", "00", "1", "92", "e5", "1e400", "NaN"),
    *(" ", "\n", "\t", "\r", "\v", "\u00a0", "\u0661", chr(0xD800), "\0", ",", "[", "]", "{}", '"', "a"),
)


def test_texts_are_taken_for_json_just_where_they_are() -> None:
    chance = random.Random(1)
    for _ in range(20_000):
        text = "".join(chance.choices(PARTS, k=chance.randint(0, 5)))

        found = messages.loaded(text)

        try:
            told = orjson.loads(text) if text[:1] in messages._JSON_BEGINS else text
        except orjson.JSONDecodeError:
            told = text
        assert (found, type(found)) == (told, type(told)), text


@pytest.mark.parametrize("said", ["unknown", "UNKNOWN", ["unknown"], '["unknown"]', ["FINISH_REASON_UNSPECIFIED"]])
def test_a_reason_that_is_not_known_is_none_as_a_text_and_in_a_list(said: Any) -> None:
    record = call({"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": said})

    assert record.finish_reason is None


# -------------------------------------------------------------------------------- attributes that are maps of others
ASKED: Final[list[Any]] = [{"role": "user", "parts": [{"type": "text", "content": "Capital of Peru?"}]}]
ANSWERED: Final[list[Any]] = [{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}]}]
MODEL: Final[dict[str, Any]] = {"gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"}
COUNTED: Final[dict[str, Any]] = {"input_tokens": 9, "output_tokens": 4, "cache_read": {"input_tokens": 2}}
SAID: Final[dict[str, Any]] = {
    "operation": {"name": "chat"},
    "request": {"model": "gpt-4o"},
    "usage": COUNTED,
    "input": {"messages": ASKED},
    "output": {"messages": ANSWERED},
}
CALLED: Final[dict[str, Any]] = {"tool_call": {"id": "c1", "function": {"name": "find", "arguments": {"of": "Peru"}}}}


@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai": SAID},
        {**MODEL, "gen_ai.operation.name": "chat", "gen_ai.usage": COUNTED, "gen_ai.input": {"messages": ASKED}},
        {
            **MODEL,
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": ASKED,
            "gen_ai.usage": '{"prompt_tokens": 9, "completion_tokens": 4, "input_cached_tokens": 2}',
        },
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.token_count": {"prompt": 9, "completion": 4, "prompt_details.cache_read": 2},
            "llm.input_messages": [{"message": {"role": "user", "content": "Capital of Peru?"}}],
        },
    ],
    ids=["all", "usage", "usage as JSON", "OpenInference"],
)
def test_attributes_may_be_maps_and_lists_of_others(said: dict[str, Any]) -> None:
    found = call(said)

    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (9, 4, 2)
    assert found.messages == [{"role": "user", "content": "Capital of Peru?"}]


def test_what_a_tool_is_given_stays_whole_in_a_list_of_messages() -> None:
    said = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
    found = call({**said, "llm.output_messages": [{"message": {"role": "assistant", "tool_calls": [CALLED]}}]})

    (wanted,) = (found.message_completion or {})["tool_calls"]
    assert wanted["function"] == {"name": "find", "arguments": '{"of":"Peru"}'}


def test_what_was_said_in_a_map_is_not_kept_a_second_time() -> None:
    assert "Lima." not in str(tell({"gen_ai": SAID}).step.attributes)


def test_a_map_with_names_longer_than_any_is_left_as_it_came() -> None:
    said = {"llm.input_messages": [{"x" * 100_000: list(range(5))}]}

    assert names.spread(said, ["llm.input_messages"]) == said


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        *(("classify", "chat"), ("transcription", "chat"), ("embed_texts", "embedding"), ("rerank_texts", "rerank")),
        *((name, None) for name in ("execute_task", "plan", "create_memory", "my_agent", "invoke_workflow")),
    ],
)
def test_an_operation_of_a_name_of_its_own_is_a_call_where_a_model_was_told_something(
    operation: str, kind: str | None
) -> None:
    found = tell({**MODEL, "gen_ai.operation.name": operation, "gen_ai.input.messages": ASKED}).generation

    assert (found and found.type) == kind
    assert tell({**MODEL, "gen_ai.operation.name": operation}).generation is None
