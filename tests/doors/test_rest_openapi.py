"""The OpenAPI page: served without anything from outside, true to the routes, and true to what they answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from generations.api.door import door
from generations.api.errors import CODES
from generations.ingest import rest
from tests.doors.rest import caller

pytestmark = pytest.mark.django_db
OUTSIDE = re.compile(r"""(?:src|href|url|action)\s*[=(:]\s*["']?(?:https?:)?//""", re.IGNORECASE)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(door.get_openapi_schema(path_prefix="/api/")))
    return loaded


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]


def test_the_page_is_served_without_a_key_and_asks_nothing_from_outside() -> None:
    page = Client().get("/api/docs")

    assert page.status_code == 200
    html = page.content.decode()
    assert not OUTSIDE.search(html)
    assert '"validatorUrl": null' in html
    assert '"url": "/api/openapi.json"' in html
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', html)
    assert len(files) >= 3
    for name in files:
        path = finders.find(name)
        assert isinstance(path, str), name
        if name.endswith(".css"):
            assert not OUTSIDE.search(Path(path).read_text()), name


def test_the_document_is_served_and_refers_only_to_what_it_has(schema: dict[str, Any]) -> None:
    served = Client().get("/api/openapi.json").json()

    assert served == schema
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)))
    assert names == set(schema["components"]["schemas"])
    for body in schema["components"]["schemas"].values():
        jsonschema_rs.meta.validate(body)


def test_every_operation_is_described_guarded_and_tells_its_refusals(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert set(operation["tags"]) <= {tag["name"] for tag in schema["tags"]}, where
        assert len(operation["description"]) > 40, where
        assert operation["x-scope"] in ("ingest", "read", "write", "admin"), where
        assert operation["security"] == [{"bearer": []}, {"key": []}], where
        assert {"400", "401", "403", "404", "503"} <= set(operation["responses"]), where
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
                assert answer["description"] == CODES[int(status)]
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]
            assert "example" in content.get("application/json", {}) or list(content) == ["multipart/form-data"], where
            assert {"413", "415", "422"} <= set(operation["responses"]), where
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(names) == len(set(names)) == 92


def test_every_parameter_is_described_and_so_is_each_field_that_can_be_asked_for(schema: dict[str, Any]) -> None:
    silent = [
        (method, path, one["name"])
        for method, path, operation in operations(schema)
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    known = schema["components"]["schemas"]

    assert silent == []
    for name, metadata in (("Generation", ("userId", "sessionId", "tags")), ("Step", ("userId", "tags"))):
        for form in (name, f"{name}Sent"):
            properties = known[form]["properties"]
            assert all(properties["metadata"]["properties"][one].get("description") for one in metadata), form
            assert all(properties[one].get("description") for one in ("id", "timestamp", "type", "threadId")), form


def test_every_schema_is_one_that_makers_of_clients_can_read(schema: dict[str, Any]) -> None:
    """Lists say of what; values that are enumerated are of one type: else whole operations are left out of a client."""

    def schemas(part: Any, at: str) -> list[tuple[str, dict[str, Any]]]:
        inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        below = [found for name, one in inner if name != "example" for found in schemas(one, f"{at}/{name}")]
        return below + ([(at, part)] if isinstance(part, dict) else [])

    odd = []
    for at, one in schemas(schema, ""):
        types = one.get("type")
        if "array" in (types if isinstance(types, list) else [types]) and "items" not in one:
            odd.append(at)
        listed = one["enum"] if isinstance(one.get("enum"), list) else ()
        if len({type(value) for value in listed if value is not None}) > 1 or (listed and "type" not in one):
            odd.append(at)

    assert odd == []


def test_the_examples_are_taken_as_they_stand(schema: dict[str, Any]) -> None:
    api = caller("admin")
    schedule = api.post("/api/export-schedules", {"name": "One to change", "destination": "there"}).json["id"]
    api.post("/api/generations", {"id": "generation-123"})
    dataset = api.post("/api/datasets", {"name": "One to fill"}).json["id"]
    (item,) = api.post(f"/api/datasets/{dataset}/items", {"items": [{"input": 1}]}).data
    experiment = api.post("/api/experiments", {"name": "One to fill"}).json["id"]

    rule = {"name": "One to change", "kind": "regex", "options": {"pattern": "."}}
    evaluator = api.post("/api/evaluators", rule).json["id"]

    for method, path, operation in operations(schema):
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            continue
        example = operation["requestBody"]["content"]["application/json"]["example"]
        id = dataset if "datasets" in path else experiment if "experiments" in path else "generation-123"
        id = schedule if "schedules" in path else evaluator if "evaluators" in path else id
        address = path.replace("{id}", id).replace("{name}", "greeting").replace("{item}", item["id"])
        assert api.send(method, address, example).status in (200, 201, 202), (method, address)


def test_the_schema_of_a_generation_holds_what_is_answered(schema: dict[str, Any]) -> None:
    api = caller()
    api.post(
        "/api/generations",
        {
            "id": "g",
            "model": {"id": "gpt-4", "name": "GPT-4", "version": "1", "provider": "openai"},
            "messages": [{"role": "user", "content": "Hi"}],
            "output": {"content": "Yo", "alternatives": [{"content": "Hey", "score": -0.5}], "type": "json"},
            "usage": {"promptTokens": 3, "completionTokens": 4},
            "performance": {"latency": 1},
            "metadata": {"userId": "u", "tags": ["t"], "anything": [1, None]},
            "feedback": {"rating": 4, "thumbs": "up", "categories": ["a"]},
            "scores": [{"name": "x", "value": -1, "metadata": {"y": 1}}],
            "attachments": [{"id": "f", "name": "a.png", "url": "https://example.com/a.png", "size": 3}],
            "promptVersion": {"name": "greet", "version": 2},
            "threadId": "t",
            "variables": {"name": "Ann"},
            "error": "Boom",
        },
    )
    document = api.get("/api/generations/g").json
    validator = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/Generation", "components": schema["components"]}
    )

    validator.validate(document)
    with pytest.raises(jsonschema_rs.ValidationError, match="Additional properties"):
        validator.validate({**document, "colour": 1})


def test_the_schema_of_scores_holds_what_is_answered(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/score"]["post"]
    said = operation["responses"]["200"]["content"]["application/json"]["schema"]
    example = operation["requestBody"]["content"]["application/json"]["example"]

    answer = caller().post("/api/score", example).json

    jsonschema_rs.Draft202012Validator(said).validate(answer)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.Draft202012Validator(said).validate({**answer, "colour": 1})


def test_every_path_of_the_document_is_in_the_schema(schema: dict[str, Any]) -> None:
    def has(path: str) -> bool:
        node: Any = schema["components"]["schemas"]["Generation"]
        for part in path.split("."):
            if "$ref" in node:
                node = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
            if part not in node.get("properties", {}):
                return False
            node = node["properties"][part]
        return True

    assert [path for path in rest.PATHS if not has(path)] == []


def test_what_may_be_null_as_the_document_says_is_taken_for_absent(schema: dict[str, Any]) -> None:
    api = caller("admin")
    ids = {
        "datasets": api.post("/api/datasets", {"name": "One"}).json["id"],
        "experiments": api.post("/api/experiments", {"name": "One"}).json["id"],
        "evaluators": api.post("/api/evaluators", {"name": "one", "kind": "numeric"}).json["id"],
        "export-schedules": api.post("/api/export-schedules", {"name": "One", "destination": "there"}).json["id"],
    }
    api.post("/api/generations", {"id": "g"})
    tried = []

    for method, path, operation in operations(schema):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        said, example = content.get("schema", {}), content.get("example", {})
        nullable = [n for n, one in said.get("properties", {}).items() if "null" in one.get("type", ())]
        if not nullable or path == "/api/evaluators/{id}/trigger":
            continue
        document = dict.fromkeys([n for n in nullable if n not in ("prompt", "messages")]) | example
        document |= {"evaluators": ["one"]} if "evaluators" in document else {}
        address = path.format(id=ids.get(path.split("/")[2], "g"), name="p")
        answer = api.send(method, address, document)
        assert answer.status < 300, (method, path, answer.content)
        tried.append(path)

    assert {"/api/exports", "/api/generate", "/api/evaluations", "/api/prompts/{name}/versions"} <= set(tried)


def test_a_body_of_which_nothing_is_required_may_be_left_out(schema: dict[str, Any]) -> None:
    api = caller()

    for method, path, operation in operations(schema):
        if operation.get("requestBody", {}).get("required") is False and "{" not in path:
            assert api.send(method, path, None).status < 300, path


@pytest.mark.parametrize(
    "sent",
    [
        {"id": 5},
        {"timestamp": 1_790_000_000},
        {"metadata": {"userId": 7}},
        {"usage": {"cost": "0.0012"}},
        {"scores": [{"name": "x", "value": 1, "id": 9}]},
        {"attachments": [{"id": 3, "name": "a"}]},
    ],
)
def test_what_is_taken_in_more_forms_than_one_is_in_the_document(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    said = {"$ref": "#/components/schemas/GenerationSent", "components": schema["components"]}

    jsonschema_rs.Draft202012Validator(said).validate(sent)

    assert caller().post("/api/generations", sent).status == 201
