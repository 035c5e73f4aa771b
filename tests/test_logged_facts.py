"""What an application says beside a call that it logs: filtered by, grouped by, exported and shown, fact by fact."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from generations import access
from generations.records import Json
from tests import web
from tests.doors.gantry import CHOICES, event, log, version
from tests.doors.rest import Caller, caller, ids
from tests.exports import content, export, folder, lines

__all__ = ["folder"]
pytestmark = pytest.mark.django_db

FACTS: dict[str, tuple[Json, str]] = {
    "requestAttributes.plan": ("pro", '"plan" : "pro"'),
    "requestAttributes.deep.seat": (3, '"seat" : 3'),
    "responseAttributes.region": ("eu-west", '"region" : "eu-west"'),
    "metadata.sessionId": ("s1", "s1"),
    "threadId": ("s1", "s1"),
    "feedback.rating": (4.0, "4 /5"),
    "feedback.thumbs": ("up", "Thumbs up 4 /5"),
    "tags": ("cohort:b", "cohort:b"),
    "metadata.labels.cohort": ("b", '"cohort" : "b"'),
    "model.provider": ("cohere", "cohere"),
    "promptVersion.name": ("writer", "writer"),
    "promptVersion.version": (1, "version 1"),
    "selectedChoice": (1, "Choice 2 selected"),
}
"""What is said of the first of two calls and not of the second, by the path of its filter; how its page shows it."""


@pytest.fixture
def api() -> Caller:
    api = caller("write")
    api.post("/api/v1/applications", {"model_name": "writer", "model_type": "Completion"})
    version(api)
    told = event(
        api_request={"model": "command", "prompt": "Explain cats"},
        request_attributes={"plan": "pro", "deep": {"seat": 3}, "prompt_values": {"topic": "cats"}},
        response_attributes={"region": "eu-west"},
        feedback={"rating": 4, "thumbs": "up"},
        session_id="s1",
        selected_choice_index=1,
        tags={"cohort": "b"},
    )
    log(api, told, path="cohere/completions")
    log(api, event(application="other", api_response={"id": "r2", "choices": CHOICES[:1]}, selected_choice_index=0))
    return api


@pytest.mark.parametrize("path", FACTS)
def test_it_is_filtered_by_at_rest_and_on_the_list(api: Caller, path: str) -> None:
    value = FACTS[path][0]
    asked = f"{quote(path)}={quote(str(value))}"

    assert ids(api.get(f"/api/generations?{asked}")) == ["writer:r1"]
    assert ids(api.get(f"/api/generations?{quote(path)}__ne={quote(str(value))}")) == ["other:r2"]
    assert ids(api.post("/api/generations/query", {"filter": {path: value}})) == ["writer:r1"]
    page = web.signed_in(api.project).get(f"/projects/{api.project.slug}/generations/?from=2020-01-01&{asked}")
    assert web.ids(page) == ["writer:r1"]


@pytest.mark.parametrize("path", FACTS)
def test_it_is_grouped_by(api: Caller, path: str) -> None:
    groups = api.post("/api/generations/aggregate", [{"$group": {"_id": f"${path}", "n": {"$sum": 1}}}]).data

    # Keys of free objects are grouped as texts.
    value = FACTS[path][0]
    assert [group["n"] for group in groups if group["_id"] in (value, str(value))] == [1], groups
    assert sum(group["n"] for group in groups) == 2


@pytest.mark.parametrize("path", FACTS)
def test_it_is_exported(api: Caller, path: str) -> None:
    grant, value = access.of_system(api.project), FACTS[path][0]

    documents = lines(export(grant, fields=["id", path]))
    table = content(export(grant, format="csv", fields=["id", path])).decode("utf-8-sig")

    name = "metadata.tags" if path == "tags" else path
    found = {one["id"]: _at(one, name) for one in documents}
    assert found["writer:r1"] in (value, [value])
    assert found["other:r2"] not in (value, [value])
    row = next(row for row in csv.DictReader(io.StringIO(table)) if row["id"] == "writer:r1")
    assert row[name] in (str(value), f"{value:g}" if isinstance(value, float) else "", json.dumps([value]))


@pytest.mark.parametrize("path", FACTS)
def test_it_is_shown_on_the_page_of_the_call(api: Caller, path: str) -> None:
    client = web.signed_in(api.project)
    slug, words = api.project.slug, FACTS[path][1]

    page, other = (
        web.text(client.get(f"/projects/{slug}/generations/{quote(id)}/")) for id in ("writer:r1", "other:r2")
    )

    assert words in page
    assert words not in other


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document
