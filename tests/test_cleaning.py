"""What cleaning lets through can be stored, and what it refuses it names."""

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generations import cleaning, records
from generations.records import GenerationRecord, InvalidRecord

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)

any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)


@given(any_text)
def test_clean_text_is_storable_utf8_without_nul(text: str) -> None:
    clean = cleaning.clean_string(text)

    assert "\0" not in clean
    clean.encode()
    assert cleaning.clean_string(clean) == clean


@given(any_text.filter(lambda t: "\0" not in t and not any(0xD800 <= ord(c) < 0xE000 for c in t)))
def test_sound_text_is_left_as_it_is(text: str) -> None:
    assert cleaning.clean_string(text) == text


@given(any_json)
def test_clean_json_is_json_that_the_store_takes(value: Any) -> None:
    clean = cleaning.clean_json("input", value, cleaning.MAX_PAYLOAD)

    text = json.dumps(clean, allow_nan=False)
    assert "\\u0000" not in text
    assert cleaning.clean_json("input", clean, cleaning.MAX_PAYLOAD) == clean


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.lists(st.sampled_from(["a", "b"]), max_size=3))
def test_not_a_number_is_refused_wherever_it_hides(number: float, path: list[str]) -> None:
    value: Any = number
    for key in reversed(path):
        value = {key: [value]}

    with pytest.raises(InvalidRecord) as refused:
        cleaning.clean(GenerationRecord(id="g", input={"x": value}), now=NOW)

    assert refused.value.field.startswith("input.x")


@given(st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.just(dt.timezone(dt.timedelta(hours=14)))))
def test_every_moment_ends_up_in_a_partition_that_may_be(moment: dt.datetime) -> None:
    clamped = cleaning.clamp(moment, NOW)

    assert cleaning.EARLIEST <= clamped <= NOW + cleaning.LATEST_AHEAD
    assert clamped.tzinfo == dt.UTC


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": "x" * 513}, "at most 512 characters, got 513"),
        ({"id": "g", "model_id": "x" * 513}, "model_id"),
        ({"id": "g", "prompt_tokens": -1}, "a whole number from 0 to 2147483647"),
        ({"id": "g", "prompt_tokens": 2**31}, "a whole number from 0 to 2147483647"),
        ({"id": "g", "latency": -0.1}, "not negative"),
        ({"id": "g", "latency": 1e16}, "between"),
        ({"id": "g", "cost": Decimal("-0.1")}, "not negative"),
        ({"id": "g", "time_to_first_token": -0.1}, "not negative"),
        ({"id": "g", "tags": ("x" * 201,)}, "at most 200 characters each"),
        ({"id": "g", "metadata": {"k": "x" * (1 << 20)}}, "at most 1048576 bytes"),
        ({"id": "g", "input": {1, 2}}, "a JSON value"),
        ({"id": "g", "feedback": records.FeedbackRecord(thumbs="sideways")}, "'up' or 'down'"),
        ({"id": "g", "alternatives": (records.Alternative(index=0), records.Alternative(index=0))}, "each index once"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRecord, match=message):
        cleaning.clean(GenerationRecord(**fields), now=NOW)


def test_nesting_is_bounded() -> None:
    value: Any = 1
    for _ in range(300):
        value = [value]

    with pytest.raises(InvalidRecord, match="250 levels"):
        cleaning.clean(GenerationRecord(id="g", input=value), now=NOW)


def test_tags_are_trimmed_and_told_once() -> None:
    clean = cleaning.clean(GenerationRecord(id="g", tags=(" a", "a", "", "b\0")), now=NOW)

    assert clean.tags == ("a", "b")


def test_what_is_clean_already_is_not_copied() -> None:
    record = GenerationRecord(id="g", model_id="m", started_at=NOW, latency=1.0, tags=("a",))

    assert cleaning.clean(record, now=NOW) is record
