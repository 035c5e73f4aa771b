"""A number that most JSON libraries cannot write is shown by every page and answered by every door."""

import json
from typing import Any

import pytest

from generations.models import Prompt
from tests import web
from tests.doors.rest import caller
from tests.doors.test_otlp import post, span, steps

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


@pytest.mark.parametrize("number", [1e300, -1e300, 5e-324, 1.7976931348623157e308])
@pytest.mark.parametrize("place", PLACES)
def test_numbers_that_would_be_read_for_a_minute_are_refused_by_name(place: str, number: float) -> None:
    """A million of them are six megabytes on their way in, and three hundred where they are read."""
    api = caller()
    many = api.post("/api/generations", {"id": "many", **PLACES[place]([number] * 60_000)})
    few = api.post("/api/generations", {"id": "few", **PLACES[place]([number] * 100)})

    assert (many.status, few.status) == (422, 201)
    assert many.json["error"]["expected"].startswith(("at most 16777216 digits", "at most 1048576 bytes"))
    assert api.get("/api/generations/many").status == 404


def test_a_long_list_of_ordinary_numbers_is_kept_whatever_is_said_beside_it() -> None:
    api = caller()
    numbers = [0.25, 1.5e-5, 123456.75, 1e-7] * 30_000
    body = {"id": "a", "output": {"content": {"vector": numbers, "said": "1e300 " * 60_000}}}

    assert api.post("/api/generations", body).status == 201
    assert api.get("/api/generations/a").json["output"]["content"]["vector"] == numbers


ENDLESS = "9" * 5_000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize("digits", [ENDLESS, "\u00b2"])
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("dashboard/tiles/", {"remove": "@"}),
        ("evaluate/", {"of": "generations", "maxItems": "@"}),
        ("playground/", {"role": "user", "content": "Hello", "place": "@", "kept": "1"}),
        ("playground/stream/?column=@", {}),
        ("lists/generations/filter/?do=apply&g.@=all", None),
        ("prompts/{prompt}/labels/", {"label": "prod", "version": "@"}),
    ],
)
def test_digits_without_end_and_what_only_looks_like_one_are_no_fault_of_a_page(
    path: str, form: dict[str, str] | None, digits: str
) -> None:
    api = caller()
    api.post("/api/prompts/p/versions", {"template": "Hello"})
    prompt = Prompt.objects.get(project_id=api.project.pk).pk
    person = web.signed_in(api.project)
    address = f"/projects/{api.project.slug}/{path.format(prompt=prompt).replace('@', digits)}"
    sent = {name: value.replace("@", digits) for name, value in (form or {}).items()}

    answer = person.get(address) if form is None else person.post(address, sent)

    assert answer.status_code < 500
    assert answer.status_code != 404, "there is such a page"


@pytest.mark.parametrize("digits", [ENDLESS, "\u00b2"])
def test_nor_of_a_door(digits: str) -> None:
    api = caller()
    query = f"{{ generations(first: {digits}) {{ nodes {{ id }} }} }}"

    assert api.post("/graphql/", {"query": query}).status == 400
    for path in ("generations?limit=", "generations?usage.totalTokens=", "datasets/x/items?version="):
        assert api.get(f"/api/{path}{digits}").status in (400, 404)


@pytest.mark.parametrize("place", [ENDLESS, "\u00b2", "-1", "\u0663"])
def test_a_name_that_says_no_place_loses_no_span(place: str) -> None:
    api = caller("ingest")
    named = {"openinference.span.kind": "LLM", f"llm.input_messages.{place}.message.role": "user"}
    calls = f"llm.output_messages.0.message.tool_calls.{place}.tool_call.function.name"
    within = {"openinference.span.kind": "LLM", calls: "look"}
    said = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps({place: {"role": "user"}})}

    answer = post(api, *(span(n, attributes=one) for n, one in enumerate((named, within, said), 1)))

    assert (answer.status, answer.json, steps(api)) == (200, {}, 3)
