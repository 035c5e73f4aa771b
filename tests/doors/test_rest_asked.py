"""What stands in a query and is not known there, or names another project: refused, whatever the method."""

from __future__ import annotations

import pytest

from generations import access
from tests.doors.rest import Caller, caller, rows

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
