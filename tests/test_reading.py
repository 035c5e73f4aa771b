"""The text that a person would read in contents, messages and tool calls of every shape."""

import base64
from typing import Any

import pytest

from generations import reading
from generations.records import GenerationRecord


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("plain", "plain"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "text", "content": "part"}], "part"),
        ([{"type": "image_url", "image_url": {"url": "data:..."}}], "[image_url]"),
        ({"text": "in an object"}, "in an object"),
        ({"a": 1}, '{"a":1}'),
        (7, "7"),
    ],
)
def test_content_is_read_in_every_shape(content: Any, text: str) -> None:
    assert reading.text_of(content) == text


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]}, [("f", '{"a":1}')]),
        ({"tool_calls": [{"name": "f", "args": {"a": 1}}]}, [("f", '{"a":1}')]),
        ({"tool_calls": True}, []),
        ({"function_call": {"name": "old", "arguments": "{}"}}, [("old", "{}")]),
        ({"content": [{"type": "tool_use", "name": "g", "input": {"b": 2}}]}, [("g", '{"b":2}')]),
        ({"content": "no call"}, []),
        ("not a message", []),
    ],
)
def test_tool_calls_are_found_in_every_providers_shape(message: Any, calls: list[tuple[str, str]]) -> None:
    assert reading.tool_calls_of(message) == calls


def test_a_message_reads_as_its_text_and_its_calls() -> None:
    message = {"content": "Let me look.", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}

    assert reading.message_text(message) == "Let me look.\nf({})"


def test_what_was_asked_is_the_last_message_that_is_not_the_assistants() -> None:
    record = GenerationRecord(
        id="g",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
        ],
        completion="Bye",
    )

    assert reading.input_text(record) == "Hi"
    assert reading.output_text(record) == "Bye"


CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}]}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "[7]"}


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        ([CALL, {"role": "tool", "content": "[7]"}], "Open when?"),
        ([CALL, {"type": "function_call_output", "call_id": "c1", "output": "[7]"}], "Open when?"),
        ([CALL, {"role": "user", "content": [RESULT]}], "Open when?"),
        ([CALL, {"role": "user", "content": [RESULT, {"type": "text", "text": "And when not?"}]}], "And when not?"),
        ([CALL, {"role": "tool", "content": "[7]"}, {"role": "user", "content": ""}], "Open when?"),
    ],
)
def test_what_tools_answered_is_not_what_was_asked(since: list[Any], asked: str) -> None:
    assert reading.asked([{"role": "user", "content": "Open when?"}, *since]) == asked


def test_where_nobody_asked_the_last_word_of_others_is_told() -> None:
    assert reading.asked([CALL, {"role": "tool", "content": "[7]"}]) == "[7]"
    assert reading.asked([{"role": "system", "content": "Begin."}, CALL]) == "find({})"
    assert reading.asked([{"role": "user", "content": [RESULT]}]) == "[7]"


def test_a_preview_is_one_bounded_line() -> None:
    assert reading.preview("a\n\n b\tc") == "a b c"
    assert len(reading.preview("x" * 1_000_000) or "") == 200
    assert reading.preview(" \n ") is None


VECTOR = [0.25, -1, *[0.5] * 94]
PACKED = base64.b64encode(b"\0" * 4 * 96).decode()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (VECTOR, "1 vector of 96 numbers"),
        ([VECTOR] * 3, "3 vectors of 96 numbers"),
        ({"object": "list", "data": [{"index": 0, "embedding": VECTOR}] * 2, "usage": {}}, "2 vectors of 96 numbers"),
        ({"data": [{"embedding": PACKED}]}, "1 vector of 96 numbers"),
        ({"embeddings": {"float": [VECTOR] * 2}}, "2 vectors of 96 numbers"),
        ({"embedding": {"values": VECTOR * 20}}, "1 vector of 1,920 numbers"),
        ({"embeddings": [{"values": VECTOR}]}, "1 vector of 96 numbers"),
        # What only looks alike is read as it is.
        ([1, 2, 3], "1 2 3"),
        ([*VECTOR, True], None),
        ([VECTOR, VECTOR[:70]], None),
        ({"text": "A page", "embedding": VECTOR}, "A page"),
        ({"embedding": "see the file"}, '{"embedding":"see the file"}'),
        ("x" * 96, "x" * 96),
        # What stands beside numbers, and measurements, are to be read.
        ({"values": VECTOR, "answer": "Sell now"}, None),
        ({"embedding": VECTOR, "error": "quota"}, None),
        ({"data": [19.5] * 72, "status": "failed"}, None),
        ({"data": VECTOR}, None),
        ([19.5] * 72, None),
        ([0, 1] * 40, None),
        ({"values": "A" * 400}, None),
        ({"embedding": [0, 1] * 40}, "1 vector of 80 numbers"),
    ],
)
def test_an_embedding_is_told_by_its_vectors_and_not_by_numbers(given: Any, told: str | None) -> None:
    if told is None:
        assert "vector" not in str(reading.glimpse(given))
    else:
        assert reading.glimpse(given) == reading.answered(GenerationRecord(id="e", output=given)) == told


def test_what_is_nested_deep_is_no_embedding() -> None:
    deep: Any = VECTOR
    for _ in range(5_000):
        deep = [deep]

    assert reading.vectors_of(deep) is None


@pytest.mark.parametrize("value", [{"n": 2**80}, {"s": "\ud800"}])
def test_whatever_json_cannot_be_packed_fast_is_packed_all_the_same(value: Any) -> None:
    assert reading.compact(value).startswith("{")


FRAMES = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{FRAMES}ValueError: No\n", "ValueError: No"),
        # What a message goes on with says less than how it begins.
        (
            f"{FRAMES}pydantic.ValidationError: 1 error for Trip\ncity\n  Field required\n",
            "pydantic.ValidationError: 1 error for Trip",
        ),
        (f"{FRAMES}KeyError: 'a'\n\nDuring handling of it:\n\n{FRAMES}LookupError: none\n", "LookupError: none"),
        (FRAMES, None),
        ("Rate limit reached\nTry again", None),
    ],
)
def test_a_trace_is_told_by_the_line_behind_its_calls(text: str, told: str | None) -> None:
    assert reading.raised(text) == told
