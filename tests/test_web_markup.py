"""Text as HTML: cut, marked and rendered, whatever is in it."""

import re
import time

import pytest
from django.utils.html import escape
from hypothesis import given, settings
from hypothesis import strategies as st

from generations import reading
from generations.web import markup
from generations.web.gate import CallersId
from generations.web.markup import Variables


@given(st.text(max_size=3000), st.integers(min_value=500, max_value=4000))
def test_pieces_follow_one_another_and_make_the_whole_text(text: str, room: int) -> None:
    pieces, start = [], 0
    while True:
        shown = markup.plain(text, room, start)
        assert markup.weight(shown.html) <= room
        assert "<" not in shown.html
        pieces.append(text[start : shown.rest])
        if shown.rest is None:
            break
        assert shown.rest > start
        start = shown.rest

    assert "".join(pieces) == text


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.text(max_size=60))
def test_marks_change_nothing_but_the_marks(values: dict[str, str], text: str) -> None:
    marked = markup.plain(text, variables=Variables(values)).html

    assert marked.count("<a ") == marked.count("</a>")
    bare = re.sub(r'<a class="var v\d" href="#variable-\d+" title="[^"]*">', "", str(marked))
    assert bare.replace("</a>", "") == escape(reading.seen(text))


@given(st.text(max_size=200) | st.text(alphabet="[]()!*_`<>\"'&:/ \nahref", max_size=200))
@settings(max_examples=300)
def test_markdown_makes_only_harmless_elements(text: str) -> None:
    shown = markup.markdown(text)

    assert shown is not None
    for forbidden in ("<script", "<img", "<iframe", "<style", "<input", "<svg", "<form", " on", "javascript:"):
        if forbidden.startswith("<"):
            assert forbidden not in shown.html
    assert 'href="javascript' not in shown.html.lower()
    assert 'href="data' not in shown.html.lower()


def test_an_image_in_markdown_is_a_link() -> None:
    shown = markup.markdown("![a cat](https://images.example/cat.png)")

    assert shown is not None
    assert shown.html == (
        '<p><a href="https://images.example/cat.png" rel="noopener noreferrer nofollow">a cat</a></p>\n'
    )


@pytest.mark.parametrize(
    "hostile", ["[", "*", "`", "> ", "|", "![", "_a", "[a](<", "1. ", "\\", "a\n\n", "a|b\n-|-\n" + "|\n" * 12_000]
)
def test_hostile_markdown_takes_no_time_to_speak_of(hostile: str) -> None:
    text = (hostile * (markup.MARKDOWN_LIMIT // len(hostile) + 1))[: markup.MARKDOWN_LIMIT]
    began = time.process_time()

    markup.markdown(text)

    assert time.process_time() - began < 3


def test_values_that_stand_everywhere_take_no_time_to_speak_of() -> None:
    variables = Variables({f"v{n}": "a" for n in range(400)} | {"long": "aaab"})
    began = time.process_time()

    shown = markup.plain("a" * 60_000 + "b", variables=variables)

    assert time.process_time() - began < 3
    assert 'title="long">aaab</a>' in shown.html


def test_a_template_is_followed_from_left_to_right() -> None:
    spans = markup.template_spans("{{a}}{{b}} of {c}", "112 of 3", Variables({"a": "1", "b": "12", "c": "3"}))

    assert spans == [(0, 1, "a"), (1, 3, "b"), (7, 8, "c")]


@pytest.mark.parametrize(
    ("template", "text"), [("Hi {{a}}", "Hello x"), ("Hi {{a}}!", "Hi x?"), ("no holes", "no holes"), ("{{b}}", "y")]
)
def test_a_text_that_was_not_made_from_the_template_is_not_said_to_be(template: str, text: str) -> None:
    assert markup.template_spans(template, text, Variables({"a": "x"})) is None


@given(st.text(min_size=1, max_size=80))
def test_any_id_survives_being_a_segment_of_a_path(id: str) -> None:
    converter = CallersId()
    segment = converter.to_url(id)

    assert "/" not in segment
    assert segment not in (".", "..")
    assert converter.to_python(segment) == id


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_a_pointer_finds_what_it_points_to(value: object) -> None:
    document = {"a/b": {"~c": [value]}}

    assert markup.at(document, markup.pointer("a/b", "~c", 0)) == value


@pytest.mark.parametrize("place", ["a", "/b", "/a/1", "/a/-", "/a/x", "/a/0/0", "/a/²"])
def test_a_pointer_to_nothing_is_refused(place: str) -> None:
    with pytest.raises(markup.NoSuchPart):
        markup.at({"a": ["x"]}, place)


def test_the_numbers_of_a_vector_follow_one_another() -> None:
    value = {"vectors": [[0.25, -1e-07, 3], [1]], "mixed": [1, "2"], "said": "[\n  1,\n  2\n]", "none": []}

    shown = markup.pretty(value)

    assert "    [0.25, -1e-7, 3],\n" in shown
    assert markup.parsed(shown) == value
    assert len(markup.pretty([0.5] * 5000).splitlines()) == 1
