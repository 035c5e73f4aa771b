"""Who may do what over REST: every route, walked, so that one without a gate fails here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.utils import timezone

from generations import access, exporting
from generations.access import Scope
from generations.api.auth import Gate
from generations.api.door import door
from generations.models import ApiKey, Job, User
from tests.doors.rest import Caller, caller, rows

pytestmark = pytest.mark.django_db


class Route(NamedTuple):
    method: str
    path: str
    scope: Scope

    @property
    def address(self) -> str:
        """An address of the route, with an id that nothing has."""
        return re.sub(r"\{[^}]*\}", "nope", self.path)


def walked() -> Iterator[Route]:
    for router in door._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    gates = operation.auth_callbacks
                    assert len(gates) == 1, f"{method} {router.prefix}{path} has no gate"
                    (gate,) = gates
                    assert isinstance(gate, Gate)
                    yield Route(method, f"/api{router.prefix}{path}", gate.scope)


ROUTES = sorted(walked())
ENOUGH = {
    Scope.INGEST: {Scope.INGEST, Scope.WRITE, Scope.ADMIN},
    Scope.READ: {Scope.READ, Scope.WRITE, Scope.ADMIN},
    Scope.WRITE: {Scope.WRITE, Scope.ADMIN},
    Scope.ADMIN: {Scope.ADMIN},
}


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_the_walk_finds_the_routes() -> None:
    assert len(ROUTES) == 92
    assert Route("POST", "/api/generations/batch", Scope.INGEST) in ROUTES
    assert Route("DELETE", "/api/generations/{anyid:id}", Scope.WRITE) in ROUTES
    assert Route("POST", "/api/generations/{anyid:id}/feedback", Scope.INGEST) in ROUTES


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_a_route_needs_a_key_that_is_known_valid_and_has_the_scope(route: Route) -> None:
    api = caller()
    expired = caller(project=api.project)
    ApiKey.objects.filter(hash=access.hash_of(str(expired.token))).update(
        expires_at=timezone.now() - dt.timedelta(seconds=1)
    )
    revoked = caller(project=api.project)
    ApiKey.objects.filter(hash=access.hash_of(str(revoked.token))).update(revoked_at=timezone.now())
    before = rows()

    for one, sentence in (
        (Caller(api.project, None), "No API key"),
        (Caller(api.project, "gen_wrong"), "not known"),
        (Caller(api.project, "  "), "Authorization"),
        (expired, "expired on"),
        (revoked, "was revoked on"),
    ):
        answer = one.send(route.method, route.address, {})
        assert (answer.status, answer.error["code"]) == (401, "not_authenticated")
        assert sentence in answer.error["message"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    for scope in Scope:
        answer = caller(scope, project=api.project).send(route.method, route.address, [])
        if scope in ENOUGH[route.scope]:
            assert answer.status not in (401, 403)
        else:
            assert (answer.status, answer.error["code"]) == (403, "not_allowed")
            assert f"no scope '{route.scope}'" in answer.error["message"]

    assert rows() == before


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method != "GET"], ids=named)
def test_a_session_changes_nothing(route: Route) -> None:
    user = User.objects.create_user("ann", password="x")
    project = access.create_project("Theirs", user)
    client = Client()
    client.force_login(user)

    response = client.generic(route.method, f"{route.address}?project={project.slug}", b"{}", "application/json")

    assert response.status_code == 401


def test_a_signed_in_member_reads_a_project_by_its_slug() -> None:
    user = User.objects.create_user("ann", password="x")
    api = caller(project=access.create_project("Theirs", user))
    foreign = access.create_project("Others")
    api.post("/api/generations", {"id": "a"})
    client = Client()
    client.force_login(user)

    def status(address: str) -> Any:
        response = client.get(address)
        return response.status_code, response.json().get("error", {}).get("code")

    assert client.get(f"/api/generations?project={api.project.slug}").json()["data"][0]["id"] == "a"
    assert client.get(f"/api/generations/a?project={api.project.slug}").json()["id"] == "a"
    assert status("/api/generations") == (401, "not_authenticated")
    assert status(f"/api/generations?project={foreign.slug}") == (404, "not_found")
    assert status("/api/generations?project=nope") == (404, "not_found")
    # A key counts more than a session, also when it is wrong.
    wrong = client.get(f"/api/generations?project={api.project.slug}", headers={"x-api-key": "gen_wrong"})
    assert wrong.status_code == 401


def test_a_key_comes_in_either_header() -> None:
    api = caller()
    client = Client()

    for headers in (
        {"authorization": f"Bearer {api.token}"},
        {"authorization": f"bearer   {api.token} "},
        {"x-api-key": str(api.token)},
    ):
        assert client.get("/api/generations", headers=headers).status_code == 200
    for headers in ({"authorization": f"Basic {api.token}"}, {"authorization": f"{api.token}"}, {"x-api-key": ""}):
        assert client.get("/api/generations", headers=headers).status_code == 401


def test_ids_of_another_project_are_not_there() -> None:
    theirs, ours = caller(), caller()
    theirs.post("/api/generations", {"id": "g", "threadId": "t", "scores": [{"id": "s", "name": "x", "value": 1}]})
    theirs.post("/api/steps/batch", [{"id": "st"}])
    dataset = theirs.post("/api/datasets", {"name": "d"}).json["id"]
    (item,) = theirs.post(f"/api/datasets/{dataset}/items", {"items": [{"input": 1}]}).data
    fill = theirs.post(f"/api/datasets/{dataset}/fill", {}).json["id"]
    export = theirs.post("/api/generations/export", {}).json["id"]
    before = rows()

    for method, address, document in (
        ("GET", "/api/generations/g", None),
        ("PATCH", "/api/generations/g", {"name": "ours"}),
        ("DELETE", "/api/generations/g", None),
        ("POST", "/api/generations/g/feedback", {"rating": 1}),
        ("POST", "/api/generations/g/scores", {"name": "x"}),
        ("PUT", "/api/generations/g/tags", {"add": ["x"]}),
        ("GET", "/api/steps/st", None),
        ("GET", "/api/threads/t", None),
        ("DELETE", "/api/scores/s", None),
        ("GET", f"/api/datasets/{dataset}", None),
        ("GET", f"/api/datasets/{dataset}/items", None),
        ("POST", f"/api/datasets/{dataset}/items", {"items": [{"input": 2}]}),
        ("PATCH", f"/api/datasets/{dataset}/items/{item['id']}", {"input": 2}),
        ("DELETE", f"/api/datasets/{dataset}/items/{item['id']}", None),
        ("POST", f"/api/datasets/{dataset}/fill", {}),
        ("GET", f"/api/datasets/{dataset}/fills/{fill}", None),
        ("POST", f"/api/datasets/{dataset}/fills/{fill}/cancel", None),
        ("GET", f"/api/exports/{export}", None),
        ("GET", f"/api/exports/{export}/download", None),
        ("POST", f"/api/exports/{export}/cancel", None),
    ):
        answer = ours.send(method, address, document)
        assert (answer.status, answer.error["code"]) == (404, "not_found"), address

    assert rows() == before
    assert Job.objects.get(pk=export).state == Job.State.QUEUED
    # The same ids may be theirs and ours.
    assert ours.post("/api/generations", {"id": "g", "name": "ours"}).status == 201
    assert "name" not in theirs.get("/api/generations/g").json


def test_a_signed_download_needs_no_key_and_opens_that_export_alone() -> None:
    api = caller()
    first, second = (api.post("/api/generations/export", {"format": form}).json["id"] for form in ("jsonl", "csv"))
    exporting.run(first)
    exporting.run(second)
    path = api.get(f"/api/exports/{first}").json["download"]
    nobody = Caller(api.project, None)

    assert nobody.get(path).status == 200
    other = nobody.get(path.replace(first, second))
    assert (other.status, other.error["code"]) == (403, "bad_signature")
    assert nobody.get(path[:-1]).status == 403
    assert nobody.get(f"/api/exports/{first}/download").status == 401
    assert nobody.get(f"/api/exports/nope/download?signature={path.partition('=')[2]}").status == 403
    # The signature opens the file and nothing else.
    assert nobody.get(f"/api/exports/{first}?signature={path.partition('=')[2]}").status == 401
    assert Caller(api.project, "gen_wrong").get(path).status == 401


def test_a_signature_runs_out(settings: Any) -> None:
    api = caller()
    export = api.post("/api/generations/export", {}).json["id"]
    exporting.run(export)
    path = api.get(f"/api/exports/{export}").json["download"]

    settings.EXPORT_EXPIRY_HOURS = -1

    answer = Caller(api.project, None).get(path)
    assert (answer.status, answer.error["code"]) == (403, "bad_signature")


@pytest.mark.parametrize(
    "address",
    ["/api", "/api/", "/api/nope", "/api/generations/", "/api/nope%0Anope", "/api/generations/x/y/"],
)
def test_an_address_that_is_none_is_a_404_in_the_one_form(address: str) -> None:
    answer = caller().get(address)

    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PUT", "/api/generations", {"GET", "POST"}),
        ("GET", "/api/generations/batch", {"POST"}),
        ("POST", "/api/generations/x", {"GET", "PATCH", "DELETE"}),
        ("OPTIONS", "/api/generations", {"GET", "POST"}),
        ("TRACE", "/api/scores", {"GET", "POST"}),
        ("POST", "/api/openapi.json", None),
    ],
)
def test_a_method_that_is_not_known_is_a_405(method: str, address: str, allowed: set[str] | None) -> None:
    answer = caller().send(method, address)

    if allowed is not None:
        assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("method", "address", "elsewhere"),
    [
        ("POST", "/api/prompts", "POST is a method of /api/prompts/{name}/versions."),
        ("PATCH", "/api/generations", "PATCH is a method of /api/generations/{id}."),
        ("PUT", "/api/tags", None),
        ("PUT", "/api/threads", "PUT is a method of /api/threads/{id}."),
    ],
)
def test_who_sends_to_the_wrong_address_is_told_the_right_one(method: str, address: str, elsewhere: str | None) -> None:
    message = caller().send(method, address).error["message"]

    assert message.partition("; it knows ")[2].partition(". ")[2] == (elsewhere or "")


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET"], ids=named)
def test_a_question_that_an_address_does_not_know_is_refused_and_not_passed_over(route: Route) -> None:
    answer = caller().get(f"{route.address}?lable=prod")

    assert (answer.status, answer.error["code"], answer.error["field"]) == (400, "bad_filter", "lable")
