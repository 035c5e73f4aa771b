"""Lists that belong to one row: they are walked to their end, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_named_type

from generations import datasets, prompts
from generations.datasets import NewItem
from generations.graphql.schema import schema
from generations.records import Alternative, AttachmentRecord, FeedbackRecord, GenerationRecord, StepRecord
from tests.asking import Door, door, minutes, store
from tests.test_graphql_collections import experiment, queue

__all__ = ["door"]
pytestmark = pytest.mark.django_db
FEW = frozenset({"reviews", "projects"})
"""Lists that are short by their nature: the turns of an item, the projects of a person, which are found by `named`."""

LISTS = {
    "alternatives": ('generation(id: "g") { output { alternatives(%s) { %s } } }', "index"),
    "feedbackHistory": ('generation(id: "g") { feedbackHistory(%s) { %s } }', "id"),
    "attachments": ('generation(id: "g") { attachments(%s) { %s } }', "id"),
    "attachments of a step": ('step(id: "st") { attachments(%s) { %s } }', "id"),
    "items of a dataset": ('dataset(name: "Set") { items(%s) { %s } }', "id"),
    "items of an experiment": ("experiments { nodes { items(%s) { %s } } }", "id"),
    "versions": ('prompt(name: "answer") { versions(%s) { %s } }', "version"),
    "items of a queue": ("reviewQueues { nodes { items(%s) { %s } } }", "id"),
}


@pytest.fixture
def filled(door: Door) -> Door:
    """Five of everything but results of an experiment, of which there are two."""
    store(
        door,
        GenerationRecord(
            id="g",
            started_at=minutes(0),
            completion="0",
            alternatives=tuple(Alternative(index=n, content=str(n)) for n in range(5)),
            attachments=tuple(AttachmentRecord(id=f"a{n}", name="f", generation_id="g") for n in range(5)),
        ),
        StepRecord(
            id="st",
            started_at=minutes(0),
            attachments=tuple(AttachmentRecord(id=f"b{n}", name="f", step_id="st") for n in range(5)),
        ),
        *(FeedbackRecord(id=f"f{n}", generation_id="g", rating=n + 1, created_at=minutes(n)) for n in range(5)),
        *(GenerationRecord(id=f"g{n}", started_at=minutes(n)) for n in range(5)),
    )
    made = datasets.create(door.grant, name="Set")
    datasets.add_items(door.grant, str(made.pk), [NewItem(input=n) for n in range(5)])
    experiment(door)
    for n in range(5):
        prompts.publish(door.grant, "answer", template=f"In {n} words")
    queue(door, *(f"g{n}" for n in range(5)))
    return door


def inner(data: Any) -> Any:
    """The slice in an answer: what has `nodes` and `hasMore`."""
    while "hasMore" not in data:
        data = next(iter(data.values())) if isinstance(data, dict) else data[0]
    return data


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_walked_to_its_end(filled: Door, name: str) -> None:
    shape, key = LISTS[name]
    wanted = f"hasMore endCursor nodes {{ {key} }}"
    whole = inner(filled.read(f"{{ {shape % ('first: 100', wanted)} }}"))

    found, cursor, more = [], None, True
    while more:
        arguments = f'first: 2, after: "{cursor}"' if cursor else "first: 2"
        part = inner(filled.read(f"{{ {shape % (arguments, wanted)} }}"))
        found += part["nodes"]
        cursor, more = part["endCursor"], part["hasMore"]

    assert found == whole["nodes"]
    assert len(found) == (2 if name == "items of an experiment" else 5)


@pytest.mark.parametrize("after", ["", "x", "Wzhd", "bm9uZQ", "é"])
def test_a_cursor_that_is_none_is_refused_by_name(filled: Door, after: str) -> None:
    answer = filled.ask(f'{{ generation(id: "g") {{ attachments(after: "{after}") {{ nodes {{ id }} }} }} }}')

    assert answer.codes == ["BAD_CURSOR"]
    assert answer.errors[0]["extensions"]["field"] == "after"


def test_every_list_of_one_row_leads_to_its_end() -> None:
    types: dict[str, Any] = {name: kind for name, kind in schema._schema.type_map.items() if hasattr(kind, "fields")}
    roots = {str(get_named_type(field.type)).removesuffix("Connection") for field in types["Query"].fields.values()}
    without = [
        f"{name}.{field_name}"
        for name, kind in types.items()
        for field_name, field in kind.fields.items()
        if (shown := str(get_named_type(field.type))).endswith("Slice")
        and "after" not in field.args
        and shown.removesuffix("Slice") not in roots
        and field_name not in FEW
    ]

    assert without == []
