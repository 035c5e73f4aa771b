"""What stands in a query and is not known there, or names another project: refused, whatever the method."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from generations import access
from tests.doors.rest import Answer, Caller, caller, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("write")


WRITES = [
    ("POST", "/api/generations", {"model": {"id": "gpt-4o"}}),
    ("POST", "/api/generations/batch", {"generations": [{"model": {"id": "gpt-4o"}}]}),
    ("PATCH", "/api/generations/one", {"name": "x"}),
    ("DELETE", "/api/generations/one", None),
    ("POST", "/api/generations/query", {}),
    ("POST", "/api/scores", {"name": "x", "value": 1, "stepId": "s"}),
    ("POST", "/api/datasets", {"name": "x"}),
    ("PUT", "/api/threads/one", {"name": "x"}),
    ("POST", "/api/exports", {"kind": "generations"}),
]


@pytest.mark.parametrize(("method", "path", "document"), WRITES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_write_with_a_parameter_that_it_does_not_know_writes_nothing(
    api: Caller, method: str, path: str, document: object
) -> None:
    before = rows()
    refused = api.send(method, f"{path}?dry_run=1", document)

    assert (refused.status, refused.error["code"], refused.error["field"]) == (400, "bad_filter", "dry_run")
    assert rows() == before


@pytest.mark.parametrize("path", ["/api/generations", "/api/generations/one", "/api/tags", "/api/models"])
def test_a_project_that_is_not_the_key_s_is_refused(api: Caller, path: str) -> None:
    other = access.create_project("Another")
    for slug in ("nope", other.slug):
        refused = api.get(f"{path}?project={slug}")

        assert (refused.status, refused.error["field"], refused.error["value"]) == (400, "project", f"'{slug}'")
        assert refused.error["expected"].startswith(f"'{api.project.slug}'")
    assert api.get(f"{path}?project={api.project.slug}").status in (200, 404)
    sent = api.send("POST", f"/api/generations?project={other.slug}", {"model": {"id": "gpt-4o"}})
    assert (sent.status, sent.error["field"]) == (400, "project")
    assert api.send("POST", f"/api/generations?project={api.project.slug}", {"model": {"id": "gpt-4o"}}).status == 201


@pytest.mark.parametrize("name", ["foo", "model.idd", "model.id__near", "usage.cost__contains"])
def test_a_filter_that_is_not_known_is_refused_also_without_a_value(api: Caller, name: str) -> None:
    refused = api.get(f"/api/generations?{name}=")

    assert (refused.status, refused.error["code"]) == (400, "bad_filter")
    assert api.get("/api/generations?model.id=&model.provider__in=").status == 200


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"prompt": "a", "max_tokens": 1}, "max_tokens"),
        ({"prompt": "a", "maxTokens": -1}, "maxTokens"),
    ],
)
def test_what_a_model_cannot_be_asked_is_refused(api: Caller, said: dict[str, object], field: str) -> None:
    refused = api.post("/api/generate", {"model": "ngram:", **said})

    assert (refused.status, refused.error["field"]) == (422, field)
    assert "None" not in refused.error["message"]


@pytest.mark.parametrize("number", ["x", "-1", "99999999999999999999"])
def test_a_number_of_a_version_that_is_none_is_told_which_are(api: Caller, number: str) -> None:
    api.post("/api/prompts/greeting/versions", {"template": "Hello"})
    refused = api.get(f"/api/prompts/greeting?version={number}")

    assert (refused.status, refused.error["expected"]) == (400, "a whole number from 0 to 999999999")
    assert api.get("/api/prompts/greeting?version=0").status == 200


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"columns": "x"}, "columns"),
        ({"columns": '{"question": "bogus"}'}, "columns.question"),
        ({"dataset": "nope"}, "dataset"),
        ({"as": ["table", "calls"]}, "as"),
        ({"file": 2}, "file"),
    ],
)
def test_what_is_wrong_in_the_form_of_an_import_is_named(api: Caller, form: dict[str, object], field: str) -> None:
    files = [SimpleUploadedFile("log.csv", b"question,answer\nHi,Hello\n") for _ in range(2 if "file" in form else 1)]
    said = {"as": "table", **form, "file": files}
    before = rows()
    response: Any = api.client.post("/api/imports", said)
    refused = Answer(response.status_code, response.headers, response.content)

    assert refused.status in (404, 422), refused.json
    assert refused.error["field"] == field
    assert rows() == before
