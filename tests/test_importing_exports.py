"""What is exported here as JSON Lines comes in again elsewhere as what it was, whatever list it is of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from generations import exporting
from generations.importing import working
from generations.models import Generation
from tests.doors.rest import Answer, Caller, caller
from tests.exports import folder

__all__ = ["folder"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]

GENERATION: dict[str, Any] = {
    "id": "g1", "type": "chat", "name": "answer", "timestamp": "2026-11-20T10:00:00.123456Z",
    "endTimestamp": "2026-11-20T10:00:02Z",
    "model": {"id": "gpt-4o", "name": "GPT", "version": "v", "provider": "openai"},
    "input": {"content": {"messages": [{"role": "user", "content": "Hi"}]}},
    "output": {
        "content": "Yo",
        "alternatives": [
            {"index": 0, "content": "Yo", "kind": "choice", "tokens": 2, "score": -0.5, "finishReason": "stop"},
            {"index": 1, "content": "Hey", "kind": "beam", "logprobs": {"a": [1]}},
        ],
    },
    "parameters": {"temperature": 0.2, "custom": [1]},
    "usage": {"promptTokens": 9, "completionTokens": 3, "cachedTokens": 2, "cost": 0.0123, "currency": "EUR"},
    "performance": {"latency": 2.5, "timeToFirstToken": 0.3},
    "metadata": {
        "userId": "ann", "sessionId": "s", "requestId": "r", "functionId": "f", "workflowId": "w", "agentId": "a",
        "tags": ["t", "z"], "own": {"y": [1, None]},
    },
    "feedback": {"id": "f1", "rating": 4, "thumbs": "up", "comment": "Good", "timestamp": "2026-11-20T11:00:00Z"},
    "scores": [{"id": "s1", "name": "q", "value": 0.5, "type": "AI", "timestamp": "2026-11-20T11:00:00Z"}],
    "attachments": [{"id": "a1", "name": "f.png", "mime": "image/png", "url": "https://example.com/f.png", "size": 3}],
    "finishReason": "stop", "selectedChoice": 0, "error": "e", "errorType": "T", "errorDetail": "d",
    "logprobs": [{"t": 1}], "threadId": "th", "stepId": "st", "traceId": "tr", "spanId": "sp", "responseId": "re",
    "environment": "prod", "release": "1", "promptVersion": {"name": "greet", "version": 3},
    "requestAttributes": {"a": 1}, "responseAttributes": {"b": 2}, "attributes": {"k": "v"}, "variables": {"v": 1},
    "tools": [{"type": "function", "function": {"name": "f"}}],
}  # fmt: skip
STEPS: list[dict[str, Any]] = [
    {
        "id": "st", "threadId": "th", "type": "tool", "name": "Look", "input": {"a": 1}, "output": [1, None],
        "metadata": {"userId": "ann", "tags": ["st"], "own": 1}, "error": "bad", "timestamp": "2026-11-20T09:59:00Z",
        "endTimestamp": "2026-11-20T10:03:00Z", "attributes": {"k": 1}, "environment": "prod",
    },
    {"id": "em", "parentId": "st", "threadId": "th", "type": "embedding", "timestamp": "2026-11-20T09:59:01Z"},
]  # fmt: skip
LISTS = ("participants", "threads", "steps", "generations", "scores")


def exported(api: Caller, kind: str, **more: Any) -> bytes:
    job = api.post("/api/exports", {"kind": kind, **more}).json["id"]
    exporting.run(job)
    answer: Any = api.client.get(f"/api/exports/{job}/download")
    return b"".join(answer.streaming_content)


def imported(api: Caller, content: bytes, name: str, **fields: Any) -> Any:
    answer: Any = api.client.post("/api/imports", {"file": SimpleUploadedFile(name, content), **fields})
    started = Answer(answer.status_code, answer.headers, answer.content)
    assert started.status == 202, started.content
    assert working.run(started.json["id"])
    return api.get(started.headers["Location"]).json["result"]


def documents(content: bytes, *but: str) -> dict[str, Any]:
    """The rows by their ids, without `but`."""
    found = [json.loads(line) for line in content.splitlines()]
    return {row["id"]: {name: value for name, value in row.items() if name not in but} for row in found}


@pytest.fixture
def here() -> Caller:
    """A caller of a project where something of everything is."""
    api = caller("write", name="Here")
    api.post("/api/generations", GENERATION)
    api.post("/api/steps/batch", STEPS)
    api.post("/api/scores", {"id": "s2", "name": "ok", "label": "fine", "threadId": "th", "tags": ["x"]})
    return api


def test_every_list_comes_in_as_what_it_was_and_is_exported_equal(here: Caller) -> None:
    there = caller("write", name="There")
    files = {kind: exported(here, kind) for kind in LISTS}

    results = {kind: imported(there, files[kind], f"{kind}.jsonl") for kind in LISTS}

    assert {kind: result["refused"] for kind, result in results.items()} == dict.fromkeys(LISTS, 0)
    for kind in LISTS:
        # It is there since now; and a thread that comes whole tells that its user was seen at its last activity.
        but = ("createdAt", "lastSeenAt")
        assert documents(exported(there, kind), *but) == documents(files[kind], *but), kind
    assert len(documents(files["steps"])) == 2
    assert Generation.objects.in_project(there.project.pk).count() == 1


def test_the_same_export_again_changes_nothing(here: Caller) -> None:
    for kind in LISTS:
        file = exported(here, kind)
        result = imported(here, file, f"{kind}.jsonl")
        assert (result["unchanged"], result["stored"]) == (len(file.splitlines()), 0), kind


def test_a_preview_tells_what_rows_are(here: Caller) -> None:
    answer: Any = here.client.post(
        "/api/imports/preview", {"file": SimpleUploadedFile("steps.jsonl", exported(here, "steps", order="timestamp"))}
    )

    rows = answer.json()["rows"]
    assert [(row["shape"], row["document"]["id"], row["problem"]) for row in rows] == [
        ("step", "st", None),
        ("step", "em", None),
    ]


def test_items_of_a_dataset_are_told_where_they_belong_and_come_in_equal(here: Caller) -> None:
    dataset = here.post("/api/datasets", {"name": "Hard"}).json["id"]
    items: list[dict[str, Any]] = [
        {"input": {"q": 1}, "expectedOutput": "a", "metadata": {"m": [1]}, "split": "test"},
        {"input": "text"},
    ]
    here.post(f"/api/datasets/{dataset}/items", {"items": items})
    file = exported(here, "datasets")
    there = caller("write", name="There")
    new = there.post("/api/datasets", {"name": "Hard"}).json["id"]

    refused = imported(there, file, "items.jsonl")
    imported(there, file, "items.jsonl", dataset=new)

    assert refused["refused"] == 2
    assert "a dataset beside the file" in refused["refusals"][0]["reason"]
    assert not Generation.objects.in_project(there.project.pk).exists()
    shown = there.get(f"/api/datasets/{new}/items").data
    told = ("input", "expectedOutput", "metadata", "split")
    assert sorted(([row.get(name) for name in told] for row in shown), key=str) == sorted(
        ([row.get(name, {} if name == "metadata" else None) for name in told] for row in items), key=str
    )


def test_rows_that_are_no_calls_are_told_where_they_go_and_become_none(here: Caller) -> None:
    here.post("/api/experiments", {"name": "Short", "items": [{"input": 1, "output": 2}]})
    here.post("/api/prompts/hi/versions", {"template": "Hi"})
    there = caller("write", name="There")

    for kind, said in (
        ("experiments", "/api/experiments/{id}/items"),
        ("prompts", "/api/prompts/{name}/versions"),
        ("tags", "tags come with the rows"),
    ):
        file = exported(here, kind)
        result = imported(there, file, f"{kind}.jsonl")
        assert (result["refused"], result["stored"]) == (len(file.splitlines()), 0), kind
        assert said in result["refusals"][0]["reason"]
    assert not Generation.objects.in_project(there.project.pk).exists()
