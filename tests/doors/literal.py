"""A caller of Literal AI's interface for tests: documents as its clients build them, and requests with a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from tests.doors.rest import Answer, Caller, caller

GRAPHQL = "/api/graphql"
ARGUMENTS = {
    "id": "String!", "threadId": "String", "rootRunId": "String", "type": "StepType", "startTime": "DateTime",
    "endTime": "DateTime", "error": "String", "input": "Json", "output": "Json", "metadata": "Json",
    "parentId": "String", "name": "String", "tags": "[String!]", "generation": "GenerationPayloadInput",
    "scores": "[ScorePayloadInput!]", "attachments": "[AttachmentPayloadInput!]",
}  # fmt: skip


def batch(*steps: dict[str, Any]) -> dict[str, Any]:
    """One document with an aliased mutation for each step, as the clients build it."""
    declared: list[str] = []
    fields: list[str] = []
    variables: dict[str, Any] = {}
    for n, step in enumerate(steps):
        declared += [f"${name}_{n}: {kind}" for name, kind in ARGUMENTS.items()]
        given = ", ".join(f"{name}: ${name}_{n}" for name in ARGUMENTS)
        fields.append(f"step{n}: ingestStep({given}) {{ ok message }}")
        variables |= {f"{name}_{n}": value for name, value in step.items()}
    return {"query": f"mutation AddStep({', '.join(declared)}) {{ {' '.join(fields)} }}", "variables": variables}


def client(project: Any = None) -> Caller:
    """A caller with a key; the header is the one that these clients send."""
    made = caller(project=project)
    made.client = Client(headers={"x-api-key": made.token or ""})
    return made


def send(who: Caller, document: Any) -> Answer:
    return who.post(GRAPHQL, document)


def ask(who: Caller, query: str, **variables: Any) -> Any:
    answer = send(who, {"query": query, "variables": variables}).json
    assert "errors" not in answer, answer
    return answer["data"]


def upload_address(who: Caller) -> str:
    """Where a file may be put, as a path."""
    url: str = who.post("/api/upload/file", {"contentType": "text/plain"}).json["post"]["url"]
    return urlsplit(url).path
