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
    assert len(names) == len(set(names)) == 74


def test_the_examples_are_taken_as_they_stand(schema: dict[str, Any]) -> None:
    api = caller("admin")
    schedule = api.post("/api/export-schedules", {"name": "One to change", "destination": "there"}).json["id"]
    api.post("/api/generations", {"id": "generation-123"})
    dataset = api.post("/api/datasets", {"name": "One to fill"}).json["id"]
    experiment = api.post("/api/experiments", {"name": "One to fill"}).json["id"]

    rule = {"name": "One to change", "kind": "regex", "options": {"pattern": "."}}
    evaluator = api.post("/api/evaluators", rule).json["id"]

    for method, path, operation in operations(schema):
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            continue
        example = operation["requestBody"]["content"]["application/json"]["example"]
        id = dataset if "datasets" in path else experiment if "experiments" in path else "generation-123"
        id = schedule if "schedules" in path else evaluator if "evaluators" in path else id
        address = path.replace("{id}", id).replace("{name}", "greeting")
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
