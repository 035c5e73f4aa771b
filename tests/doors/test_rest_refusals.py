"""A refusal names what the caller wrote, in the caller's own words, at every address."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Door
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.mark.parametrize(
    ("sent", "field", "meant"),
    [
        ({"alternatives": []}, "alternatives", "output.alternatives"),
        ({"tags": ["a"]}, "tags", "metadata.tags"),
        ({"cost": 1}, "cost", "usage.cost"),
        ({"latency": 1}, "latency", "performance.latency"),
        ({"total_tokens": 1}, "total_tokens", "usage.totalTokens"),
    ],
)
def test_a_name_that_there_is_none_of_is_told_as_it_was_written(
    api: Caller, sent: dict[str, Any], field: str, meant: str
) -> None:
    api.post("/api/generations", {"id": "g"})
    sentence = f"{field}: there is no such field; did you mean '{meant}'?"

    one = api.post("/api/generations", sent)
    changed = api.send("PATCH", "/api/generations/g", sent)
    whole = api.send("PATCH", "/api/generations/g", {"$set": sent})
    [receipt] = api.post("/api/generations/batch", [sent]).json["receipts"]

    for answer in (one, changed, whole):
        assert (answer.status, answer.error["field"], answer.error["message"]) == (422, field, sentence)
    assert (receipt["field"], receipt["reason"]) == (field, sentence)


@pytest.mark.parametrize(
    ("method", "path", "sent", "field"),
    [
        ("PATCH", "/api/generations/g", {"selectedChoice": 7}, "selectedChoice"),
        ("PATCH", "/api/generations/g", {"output": {"alternatives": [{}] * 2_000}}, "output.alternatives"),
        ("POST", "/api/generations", {"output": {"alternatives": [{}] * 2_000}}, "output.alternatives"),
        ("POST", "/api/generations", {"name": "x" * 2_000_000}, "name"),
        ("PUT", "/api/generations/g/tags", {"add": ["x" * 300]}, "add"),
        ("POST", "/api/generations/g/scores", {"name": "n", "value": 1, "tags": 5}, "tags"),
        ("POST", "/api/generations/g/scores", {"name": "n", "value": 1, "tags": ["x" * 300]}, "tags"),
        ("POST", "/api/prompts/p/versions", {"template": "x", "provider": 5}, "provider"),
    ],
)
def test_what_cannot_be_stored_is_told_by_its_path(
    api: Caller, method: str, path: str, sent: dict[str, Any], field: str
) -> None:
    api.post("/api/generations", {"id": "g"})

    answer = api.send(method, path, sent)

    assert (answer.status, answer.error["field"]) == (422, field)
    assert answer.error["message"].startswith(f"{field}: ")
    assert answer.error.keys() >= {"value", "expected"}


@pytest.mark.parametrize(
    ("mutation", "field"),
    [
        ('addTags(kind: GENERATION, ids: ["g"], tags: ["$LONG"]) { changed }', "tags"),
        ('updateGeneration(id: "g", set: {selectedChoice: 7}) { id }', "selectedChoice"),
        ('updateGeneration(id: "g", set: {model: {id: "$LONG"}}) { id }', "model.id"),
        ('createScore(on: {generationId: "g"}, input: {name: "n", value: 1, tags: ["$LONG"]}) { id }', "tags"),
        ('updateScore(id: "s", set: {tags: ["$LONG"]}) { id }', "tags"),
    ],
)
def test_graphql_tells_it_by_the_path_of_its_input(mutation: str, field: str) -> None:
    door = Door.of("Refusals")
    door.read('mutation { createGeneration(id: "g", input: {scores: [{id: "s", name: "n", value: 1}]}) { id } }')

    answer = door.ask(f"mutation {{ {mutation.replace('$LONG', 'x' * 3_000)} }}")

    assert answer.codes == ["BAD_INPUT"]
    assert answer.errors[0]["extensions"]["field"] == field
    assert answer.errors[0]["message"].startswith(f"{field}: ")
    assert answer.errors[0]["extensions"].keys() >= {"value", "expected"}
