"""Hostile requests made from the OpenAPI document: never a 5xx, and every answer as the document says it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from generations import evaluating, exporting
from generations.api.door import door
from tests.doors.rest import Caller, caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(door.get_openapi_schema(path_prefix="/api/"))))
OPERATIONS = [(method, path) for path, methods in SCHEMA.raw_schema["paths"].items() for method in methods]


@pytest.fixture
def api(transactional_db: None) -> Caller:
    """A key that may do everything, in a project where something is found."""
    api = caller("admin")
    api.post(
        "/api/generations/batch",
        [{"id": str(n), "threadId": "0", "feedback": {"rating": 4}, "metadata": {"userId": "u"}} for n in range(3)],
    )
    api.post("/api/steps/batch", [{"id": "0", "threadId": "0"}])
    api.post("/api/generations/0/scores", {"id": "0", "name": "x", "value": 1})
    return api


def known_id(api: Caller, path: str) -> str:
    """The id of something that an address of `path` leads to."""
    if path.startswith("/api/exports"):
        id: str = api.post("/api/generations/export", {}).json["id"]
        exporting.run(id)
        return id
    if path.startswith("/api/datasets"):
        dataset: str = api.post("/api/datasets", {"name": "Known"}).json["id"]
        api.post(f"/api/datasets/{dataset}/items", {"generationIds": ["0"]})
        return dataset
    if path.startswith("/api/experiments"):
        items = [{"output": "x", "generationId": "0", "scores": [{"name": "y", "value": 1}]}]
        experiment: str = api.post("/api/experiments", {"name": "Known", "items": items}).json["id"]
        return experiment
    if path.startswith("/api/evaluat"):
        evaluator: str = api.post(
            "/api/evaluators", {"name": "any", "kind": "regex", "options": {"pattern": "."}}
        ).json["id"]
        if path.startswith("/api/evaluators"):
            return evaluator
        begun: str = api.post("/api/evaluations", {"evaluators": ["any"]}).json["id"]
        evaluating.run(begun)
        return begun
    if path.startswith("/api/prompts"):
        api.post("/api/prompts/known/versions", {"template": "Hello {{name}}", "labels": ["prod"]})
        return "known"
    return "0"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_is_answered_by_a_fault(method: str, path: str, api: Caller) -> None:
    from observability.wsgi import application

    SCHEMA.app = application
    headers = {"Authorization": f"Bearer {api.token}"}
    id = known_id(api, path)

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=SCHEMA[path][method].as_strategy(), is_known=st.booleans())
    def hostile(case: schemathesis.Case[Any], is_known: bool) -> None:
        for name in ("id", "name"):
            if is_known and f"{{{name}}}" in path:
                case.path_parameters[name] = id
        case.call_and_validate(headers=headers, checks=CHECKS)

    hostile()
