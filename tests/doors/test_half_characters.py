"""Half of a character, which JavaScript sends when it cuts one in two, and NUL: no door falls over them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations.ingest import rest_fields, values
from generations.models import Score
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db

HALF = "\ud800"


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.mark.parametrize(("sent", "kept"), [(HALF, "�"), (f"a{HALF}", "a�"), ("a\0b", "ab")])
def test_a_call_whose_id_no_database_takes_is_known_again(api: Caller, sent: str, kept: str) -> None:
    first = api.post("/api/generations", {"id": sent})
    again = api.post("/api/generations", {"id": sent, "name": "again"})

    assert (first.status, first.json["id"]) == (201, kept)
    assert (again.status, again.json["id"], again.json["name"]) == (200, kept, "again")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "/api/experiments", {"name": "x", "datasetId": HALF}, 404),
        ("POST", "/api/experiments", {"name": "x", "items": [{"datasetItemId": HALF}]}, 404),
        ("POST", "/api/generations/query", {"filter": {HALF: 1}}, 400),
        ("POST", "/api/generations/aggregate", [{"$group": {"_id": HALF}}], 400),
        ("PATCH", "/api/generations/g", {"$set": {HALF: 1}}, 422),
        ("POST", "/api/evaluations", {"evaluators": [HALF], "over": {"kind": "stored"}}, 422),
    ],
)
def test_what_cannot_be_found_or_stored_is_refused_in_the_one_form(
    api: Caller, method: str, path: str, sent: Any, status: int
) -> None:
    api.post("/api/generations", {"id": "g"})

    answer = api.send(method, path, sent)

    assert answer.status == status, answer.content
    assert answer.error["message"]


@pytest.mark.parametrize("tag", [f"a{HALF}", "a\0"])
def test_a_tag_is_one_without(api: Caller, tag: str) -> None:
    api.post("/api/generations", {"id": "g"})

    answer = api.put("/api/generations/g/tags", {"add": [tag]})

    assert (answer.status, [one[0] for one in answer.json["tags"]]) == (200, ["a"])


def test_a_score_of_langfuse_is_stored_beside_one_that_is_none(api: Caller) -> None:
    def event(id: str, **body: Any) -> dict[str, Any]:
        return {"id": id, "type": "score-create", "body": {"id": id, "name": "n", "value": 1, **body}}

    batch = [event(f"a{HALF}", traceId=HALF), event("b", traceId="t\0"), {"id": HALF, "type": HALF}]
    answer = api.post("/api/public/ingestion", {"batch": batch})
    alone = api.post("/api/public/scores", {"name": HALF, "value": 1, "traceId": HALF})

    assert (answer.status, len(answer.json["successes"]), len(answer.json["errors"])) == (207, 2, 1)
    assert alone.status == 200
    assert Score.objects.in_project(api.project.pk).count() == 3


ODD = f"a\0b{HALF}"
TABLES = {
    "": rest_fields.GENERATION,
    "output.alternatives": rest_fields.ALTERNATIVE,
    "attachments": rest_fields.ATTACHMENT,
    "scores": rest_fields.SCORE,
    "feedback": rest_fields.FEEDBACK,
}


def texts() -> list[str]:
    """Where a text may stand in a document of a generation."""
    kinds = (values.text, values.error, values.anything)
    return [
        ".".join(filter(None, (group, path)))
        for group, table in TABLES.items()
        for path, slot in table.items()
        if slot.read in kinds and path != "prompt"  # whose place `input.content` takes
    ]


@pytest.mark.parametrize("path", texts())
def test_no_text_of_a_call_is_the_end_of_it(api: Caller, path: str) -> None:
    group = next(group for group in reversed(TABLES) if path.startswith(group))
    leaf = path.removeprefix(f"{group}.")
    said: Any = {"name": "n", leaf: ODD} if group == "scores" else {leaf: ODD}
    if group in ("output.alternatives", "attachments", "scores"):
        said = [said]
    for name in reversed(group.split(".") if group else ()):
        said = {name: said}
    if not group and "." in path:
        head, _, tail = path.partition(".")
        said = {head: {tail: ODD}}

    answer = api.post("/api/generations", {"id": "g", **said})

    assert answer.status == 201, answer.content
    assert "ab�" in json.dumps(api.get("/api/generations/g").json, ensure_ascii=False)
