"""Values that are cleaned together come out as they do one by one, without any of the short cuts."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generations import cleaning
from generations.recording.tables import dumped
from generations.records import GenerationRecord, InvalidRecord, StepRecord

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
NAMED_UTC = dt.timezone(dt.timedelta(0), "Z")

texts = st.sampled_from(
    [
        "",
        "a",
        "ü 東京 🔥",
        "a\0b",
        "\ud800",
        "a\\u0000b",
        "\\",
        "line\nline\r\u2028",
        "null",
        '"',
        "x" * 600,
        "\x01\x02",
    ]
)
numbers = st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, 2**70, 10**301, True, 0.0, -0.0, 1.5, 1e15, 1e16, -0.5])
floats = st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308, 5e-324])
amounts = st.sampled_from([Decimal("0.1"), Decimal("1E+20"), Decimal("NaN"), Decimal(-1), Decimal(3)])
moments = st.sampled_from(
    [
        NOW,
        NOW.replace(tzinfo=None),
        NOW.replace(tzinfo=NAMED_UTC),
        NOW.astimezone(dt.timezone(dt.timedelta(hours=-7))),
        NOW + dt.timedelta(days=2),
        NOW + dt.timedelta(days=2, microseconds=1),
        cleaning.EARLIEST,
        cleaning.EARLIEST - dt.timedelta(microseconds=1),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-7))),
    ]
)
leaves = st.none() | texts | numbers | floats | amounts | moments
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
tags = st.lists(texts | st.just(" a "), max_size=3).map(tuple)


def call(fields: dict[str, Any]) -> GenerationRecord:
    return GenerationRecord(**fields)


def step(fields: dict[str, Any]) -> StepRecord:
    return StepRecord(**fields)


calls = st.fixed_dictionaries(
    {"id": texts},
    optional={
        "model_id": texts,
        "type": texts,
        "error": texts,
        "started_at": moments,
        "ended_at": moments,
        "prompt_tokens": numbers,
        "latency": numbers | floats,
        "cost": amounts | numbers | floats,
        "tokens_estimated": st.booleans(),
        "tags": tags,
        "metadata": objects,
        "messages": st.lists(values, max_size=3),
        "input": values,
        "output": texts | objects,
    },
).map(call)
steps = st.fixed_dictionaries(
    {"id": st.just("s")}, optional={"input": values, "output": texts | objects, "attributes": objects, "tags": tags}
).map(step)


def told(cleaned: list[Any], packed: cleaning.Packed) -> list[Any]:
    """What came out, with objects and lists as the JSON that is stored of them."""

    def stored(value: Any) -> bytes | None:
        if isinstance(value, dict | list | tuple):
            return packed[id(value)][1] if id(value) in packed else dumped(value)
        return repr(value).encode("utf-8", "surrogatepass")

    return [
        str(one)
        if isinstance(one, InvalidRecord)
        else {name: stored(getattr(one, name)) for name in type(one).__dataclass_fields__}
        for one in cleaned
    ]


@given(st.lists(calls, min_size=1, max_size=5) | st.lists(steps, min_size=1, max_size=5))
@example([StepRecord(id="s", input={"a": float("nan")}), StepRecord(id="s", input={"a": None, "b": ["null"]})])
@example([StepRecord(id="s", output={"a": 1}), StepRecord(id="s", output={"a": "\0"}), StepRecord(id="s", output="\0")])
@example([GenerationRecord(id="g", latency=1.0), GenerationRecord(id="h", latency=float("nan"))])
@example([GenerationRecord(id="g", started_at=NOW), GenerationRecord(id="h", started_at=NOW.replace(tzinfo=None))])
@example([GenerationRecord(id="g", messages=[(1, 2.5)]), GenerationRecord(id="h", messages=[2**70])])
def test_together_or_one_by_one_is_the_same(items: list[Any]) -> None:
    together: cleaning.Packed = {}
    fast = told(cleaning.clean_alike(items, now=NOW, packed=together), together)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "_are_sound", lambda *_: False)
        patch.setattr(cleaning, "_are_json", lambda *_: False)
        slow = told([one for item in items for one in cleaning.clean_alike([item], now=NOW)], {})

    assert fast == slow


def test_the_very_same_value_in_many_records_is_cleaned_in_each() -> None:
    tags = (" a", "a")
    wrong = {"k": float("inf")}
    first, second = cleaning.clean_alike([GenerationRecord(id=id, tags=tags) for id in "gh"], now=NOW)
    refused = cleaning.clean_alike([GenerationRecord(id=id, metadata=wrong) for id in "gh"], now=NOW)

    assert isinstance(first, GenerationRecord) and isinstance(second, GenerationRecord)
    assert first.tags == second.tags == ("a",)
    assert [isinstance(one, InvalidRecord) for one in refused] == [True, True]
