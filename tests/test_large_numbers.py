"""A number that most JSON libraries cannot write is shown by every page and answered by every door."""

from typing import Any

import pytest

from tests import web
from tests.doors.rest import caller

pytestmark = pytest.mark.django_db

PLACES: dict[str, Any] = {
    "output": lambda n: {"output": {"content": n}},
    "within an input": lambda n: {"input": {"content": {"n": [n]}}},
    "metadata": lambda n: {"metadata": {"n": n}},
    "parameters": lambda n: {"parameters": {"n": n}},
    "messages": lambda n: {"input": {"content": {"messages": [{"role": "user", "content": "x", "n": n}]}}},
}


@pytest.mark.parametrize("number", [1e30, 10**30, 2**64 + 1, -(2**63) - 1, 2**64 - 1, 1e300])
@pytest.mark.parametrize("place", PLACES)
def test_a_call_with_a_large_number_is_shown(place: str, number: float) -> None:
    api = caller()
    person = web.signed_in(api.project)
    person.raise_request_exception = False
    assert api.post("/api/generations", {"id": "a", **PLACES[place](number)}).status == 201

    said = {f"/api/generations{path}": api.get(f"/api/generations{path}").status for path in ("", "/a")}
    asked = {"query": '{ generation(id: "a") { input { content } output { content } metadata } }'}
    said["/graphql/"] = api.post("/graphql/", asked).status
    for path in ("generations/", "generations/a/", "generations/a/?view=json", "playground/?generation=a"):
        said[path] = person.get(f"/projects/{api.project.slug}/{path}").status_code

    assert set(said.values()) == {200}, said


@pytest.mark.parametrize("size", [2**31, 5_000_000_000, 2**53 - 1])
def test_a_file_may_be_larger_than_32_bits_tell(size: int) -> None:
    api = caller("write")
    beside = {"id": "file", "url": "https://files.example/film.mp4"}
    mutation = 'mutation($of: GenerationInput!) { createGeneration(id: "b", input: $of) { id } }'

    asked = api.post("/api/generations", {"id": "a", "attachments": [{**beside, "size": size}]})
    of = {"attachments": [{**beside, "id": "other", "size": size}]}
    created = api.post("/graphql/", {"query": mutation, "variables": {"of": of}})
    told = api.post("/graphql/", {"query": '{ generation(id: "b") { attachments { nodes { size } } } }'})

    assert asked.status == 201, asked.content
    assert "errors" not in created.json
    assert [api.get(f"/api/generations/{id}").json["attachments"][0]["size"] for id in "ab"] == [size, size]
    assert told.json == {"data": {"generation": {"attachments": {"nodes": [{"size": size}]}}}}
    too_large = api.post("/api/generations", {"id": "c", "attachments": [{**beside, "size": 2**53}]})
    assert (too_large.status, too_large.json["error"]["expected"]) == (422, f"a whole number from 0 to {2**53 - 1}")
