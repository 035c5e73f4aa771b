"""The product's own JSON, whatever is in it: a document that is read back makes the same document."""

import dataclasses
import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from generations import records
from generations.ingest import rest
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ScoreRecord,
    StepRecord,
)

texts = st.text(max_size=8)
ids = st.text(min_size=1, max_size=8)
counts = st.integers(0, 2**31 - 1)
numbers = st.floats(0, 1e6)
# What can be stored: the writer pulls in whatever lies outside.
moments = st.datetimes(
    dt.datetime(2000, 1, 1), dt.datetime(2026, 1, 1), timezones=st.just(dt.UTC)  # noqa: DTZ001
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
names = texts | st.sampled_from(["userId", "tags", "messages", "role", "content", "top_p", "topP", "stop", "plan"])
objects = st.dictionaries(names, json_values, max_size=4)
roles = st.sampled_from(["system", "user", "assistant", "tool"])
messages = st.builds(lambda r, c, more: {**more, "role": r, "content": c}, roles, texts | json_values, objects)
conversations = st.lists(messages, max_size=3)
contents = json_values | conversations | st.builds(lambda m: {"messages": m}, conversations) | messages
tags = st.lists(ids, max_size=3).map(tuple)


def filled(kind: type, /, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records of `kind` with each field absent or drawn by its type, or from a strategy of its own."""
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "str": texts,
        "int": counts,
        "float": numbers,
        "bool": st.booleans(),
        "Decimal": st.decimals(0, 1000, places=8),
        "dt.datetime": moments,
        "dict[str, Json]": objects,
        "list[Json]": st.lists(json_values, max_size=3),
        "tuple[str, ...]": tags,
        "Json": json_values,
    }
    drawn = {}
    for field in dataclasses.fields(kind):
        if field.name == "cleared":
            continue
        own = strategies.get(field.name, by_type.get(str(field.type).partition(" |")[0]))
        if own is not None:
            drawn[field.name] = st.none() | own if "None" in str(field.type) or field.type == "Json" else own
    return st.builds(kind, **drawn)


scores = filled(ScoreRecord, id=ids, type=st.sampled_from(records.SCORE_TYPES))
feedbacks = filled(FeedbackRecord, rating=st.floats(1, 5), thumbs=st.sampled_from(records.THUMBS))
attachments = filled(AttachmentRecord, id=ids)
alternatives = filled(Alternative, kind=st.sampled_from(records.ALTERNATIVE_KINDS))
generations = filled(
    GenerationRecord,
    id=ids,
    type=st.sampled_from(records.GENERATION_TYPES),
    input_type=st.sampled_from(records.INPUT_TYPES),
    output_type=st.sampled_from(records.OUTPUT_TYPES),
    input=contents,
    output=contents,
    messages=conversations,
    message_completion=messages,
    alternatives=st.lists(alternatives, max_size=2).map(tuple),
    scores=st.lists(scores, max_size=2).map(tuple),
    feedback=feedbacks,
    attachments=st.lists(attachments, max_size=2).map(tuple),
)
steps = filled(
    StepRecord,
    id=ids,
    type=st.sampled_from(records.STEP_TYPES),
    scores=st.lists(scores, max_size=2).map(tuple),
    attachments=st.lists(attachments, max_size=2).map(tuple),
)


@given(generations)
@settings(max_examples=60)
def test_a_document_read_back_makes_the_same_document(record: GenerationRecord) -> None:
    document = rest.document(record)

    assert rest.document(rest.generation(document)) == document


@given(steps)
@settings(max_examples=40)
def test_a_steps_document_read_back_makes_the_same_document(record: StepRecord) -> None:
    document = rest.step_document(record)

    assert rest.step_document(rest.step(document)) == document


@given(generations)
@settings(max_examples=60)
def test_every_path_of_a_document_may_be_asked_for(record: GenerationRecord) -> None:
    document = rest.document(record, created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    paths = rest.check_fields(list(document))
    assert rest.document(record, paths) | {"createdAt": "2026-01-01T00:00:00Z"} == document


@given(json_values)
def test_any_json_is_read_or_refused_by_name(value: Any) -> None:
    for key in ("input", "output", "usage", "metadata", "scores", "feedback", "messages", "attachments", "timestamp"):
        try:
            rest.generation({key: value})
        except InvalidRecord as refusal:
            assert refusal.field.startswith(key)
