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


LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "field", "expected"),
    [
        ("POST", "/api/generate", {"model": "nope", "prompt": "a"}, 422, "model", "one of ngram:, random"),
        ("POST", "/api/generate", {"model": "ngram:", "prompt": "a", "n": LONG}, 422, "n", "a whole number"),
        ("POST", "/api/generate", {"model": "ngram:", "prompt": "a", "maxTokens": LONG}, 422, "maxTokens", "a whole"),
        ("POST", "/api/generate", {"model": "ngram:", "prompt": [1]}, 422, "prompt", "a text"),
        ("POST", "/api/generate", {"model": "ngram:", "messages": 5}, 422, "messages", "a list of messages"),
        ("POST", "/api/score", {"model": "ngram:", "prompt": "a", "values": "b", "straddle": LONG}, 422,
         "straddle", "one of"),
        ("POST", "/api/generations/query", {"sort": "wrong"}, 400, "sort", "a field of generations"),
        ("POST", "/api/generations/query", {"order": "wrong"}, 400, "order", "a field of generations"),
        ("POST", "/api/generations/query", {"filter": {"id": "x" * (1 << 20)}}, 413, "body", "at most 1048576 bytes"),
        ("PATCH", "/api/generations/g", {"$set": {"name": "a"}, "model": {"id": "b"}}, 422, "model", "within $set"),
        ("PATCH", "/api/generations/g", {"$unset": {"name": 1}}, 422, "$unset", "$set, or the fields"),
    ],
)  # fmt: skip
def test_a_refusal_is_short_and_names_field_and_what_would_be_right(
    api: Caller, method: str, path: str, sent: Any, status: int, field: str, expected: str
) -> None:
    api.post("/api/generations", {"id": "g"})

    answer = api.send(method, path, sent)

    assert (answer.status, answer.error["field"]) == (status, field), answer.content[:500]
    assert expected in answer.error["expected"]
    assert len(answer.content) < 1_000


def test_what_a_body_names_and_is_not_there_is_told_by_its_field(api: Caller) -> None:
    dataset = f"/api/datasets/{api.post('/api/datasets', {'name': 'd'}).json['id']}"
    experiment = f"/api/experiments/{api.post('/api/experiments', {'name': 'e'}).json['id']}"
    of_none = [{"input": 1}, {"input": 2, "datasetItemId": "none"}]

    for path, sent, field in (
        ("/api/experiments", {"name": "f", "datasetId": "none"}, "datasetId"),
        ("/api/experiments", {"name": "f", "items": of_none}, "items[1].datasetItemId"),
        (f"{experiment}/items", {"items": of_none}, "items[1].datasetItemId"),
        (f"{dataset}/items", {"generationIds": ["none"]}, "generationIds"),
        (f"{dataset}/items", {"stepIds": ["none"]}, "stepIds"),
    ):
        answer = api.post(path, sent)
        assert (answer.status, answer.error["field"], answer.error["value"]) == (404, field, "none"), answer.content
