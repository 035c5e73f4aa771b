"""Changes to a stored generation in the product's own JSON: merged, or set by `$set`."""

import dataclasses
from typing import Any

import pytest

from generations import records
from generations.ingest import rest
from generations.records import FeedbackRecord, GenerationRecord, InvalidRecord

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
STORED = GenerationRecord(
    id="g",
    type="chat",
    messages=CHAT,
    message_completion={"role": "assistant", "content": "Yo"},
    user_id="u",
    tags=("a",),
    metadata={"plan": "pro", "deep": {"x": 1, "y": 2}},
    parameters={"temperature": 1, "seed": 7},
    feedback=FeedbackRecord(id="f", generation_id="g", rating=2.0, comment="meh"),
)


def amended(document: Any, stored: GenerationRecord | None = STORED) -> dict[str, Any]:
    said = rest.amendment("g", document, stored)
    merged = STORED if stored is None else stored
    return rest.document(dataclasses.replace(records.merge(merged, said), cleared=frozenset()))


def test_the_seeds_update_sets_feedback_as_a_new_one() -> None:
    said = rest.amendment("g", {"$set": {"feedback": {"rating": 5, "thumbs": "up"}}}, STORED)

    assert said == GenerationRecord(id="g", feedback=FeedbackRecord(generation_id="g", rating=5.0, thumbs="up"))


def test_a_merge_reaches_into_free_objects_and_null_removes_a_key() -> None:
    document = amended({"metadata": {"deep": {"y": None, "z": 3}, "new": 1}, "parameters": {"seed": None}})

    assert document["metadata"] == {"userId": "u", "tags": ["a"], "plan": "pro", "deep": {"x": 1, "z": 3}, "new": 1}
    assert document["parameters"] == {"temperature": 1}


def test_a_merge_of_feedback_changes_the_one_that_is_shown() -> None:
    assert amended({"feedback": {"rating": 4}})["feedback"] == {"id": "f", "rating": 4, "comment": "meh"}
    assert amended({"$set": {"feedback.rating": 4}})["feedback"] == {"id": "f", "rating": 4, "comment": "meh"}


def test_dotted_paths_set_that_alone() -> None:
    document = amended({"$set": {"metadata.deep.y": 5, "metadata.userId": "v", "usage.cost": 2, "model.id": "m"}})

    assert document["metadata"] == {"userId": "v", "tags": ["a"], "plan": "pro", "deep": {"x": 1, "y": 5}}
    assert document["usage"] == {"cost": 2.0}
    assert document["model"] == {"id": "m"}


def test_set_replaces_a_free_object_whole() -> None:
    document = amended({"$set": {"metadata": {"only": True}, "parameters": {}}})

    assert document["metadata"] == {"only": True}
    assert document["parameters"] == {}


def test_null_empties_a_field_in_both_forms() -> None:
    for change in ({"metadata": {"userId": None}}, {"$set": {"metadata.userId": None}}):
        assert amended(change)["metadata"] == {"tags": ["a"], "plan": "pro", "deep": {"x": 1, "y": 2}}
    assert amended({"metadata": None})["metadata"] == {}
    assert amended({"feedback": None})["feedback"] == {"id": "f"}
    assert amended({"$set": {"feedback": None}})["feedback"] == {"id": "f"}


def test_a_new_answer_of_a_chat_is_its_message() -> None:
    document = amended({"output": {"content": "Hello"}})

    assert document["messageCompletion"] == {"role": "assistant", "content": "Hello"}
    assert document["type"] == "chat"
    assert "completion" not in document


def test_a_text_of_a_chat_is_that_of_its_message_and_leaves_the_rest_of_it() -> None:
    calls = {"role": "assistant", "content": "Hi", "tool_calls": [{"id": "c"}]}
    chat = dataclasses.replace(STORED, message_completion=calls)

    document = amended({"completion": "Hello"}, chat)
    both = amended({"completion": "Hello", "messageCompletion": {"role": "assistant", "content": "x"}}, chat)
    changed = amended({"completion": "Hello", "type": "completion"}, chat)

    assert document["messageCompletion"] == document["output"]["content"] == {**calls, "content": "Hello"}
    assert "completion" not in document
    assert (both["completion"], both["messageCompletion"]["content"]) == ("Hello", "x")
    assert changed["completion"] == "Hello"


def test_without_the_stored_row_the_first_level_is_merged() -> None:
    assert amended({"metadata": {"plan": "free"}}, None)["metadata"]["deep"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scores": None}, "scores: null is not valid; expected a list; what is in it is added"),
        ({"$set": {"attachments": None}}, "attachments: null is not valid"),
        ({"id": "h"}, "id: 'h' is not valid; expected 'g', as in the address, or nothing"),
        ({"$set": []}, r"\$set: \[\] is not valid; expected an object"),
        ({"$unset": {"x": 1}}, r"\$unset: \{'x': 1\} is not valid; expected \$set, or the fields that change"),
        ({"$set": {}, "name": "x"}, r"name: 'x' is not valid; expected it within \$set, or no \$set"),
        ({"$set": {"usage.costs": 1}}, "usage.costs: there is no such field; did you mean 'usage.cost'"),
        ({"usage.cost": 1, "usage": {"cost": 2}}, "usage: .* expected each path once"),
        ({"usage": {"cost": 2}, "usage.cost": 1}, "usage.cost: 1 is not valid; expected each path once"),
        ({"metadata..x": 1}, "expected names between the dots"),
        ([], "generation: .* expected an object"),
    ],
)
def test_a_wrong_change_is_refused(change: Any, sentence: str) -> None:
    with pytest.raises(InvalidRecord, match=sentence):
        rest.amendment("g", change, STORED)


def test_a_change_nested_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}

    with pytest.raises(InvalidRecord, match="levels of nesting"):
        rest.amendment("g", {"metadata": deep}, STORED)
