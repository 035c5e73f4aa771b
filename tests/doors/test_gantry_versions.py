"""Versions of Gantry's applications: made, labelled, tied to the calls that they made; and who may see them."""

from __future__ import annotations

import pytest
from django.test import Client

from generations import access, datasets, prompts
from generations.api.gantry.urls import urlpatterns
from generations.models import (
    Application,
    AuditEntry,
    Generation,
    Prompt,
)
from tests.doors.gantry import CHOICES, CONFIGURATION, OK, event, log, rows, version
from tests.doors.rest import Caller, caller
from tests.web import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("write")


def test_versions_of_the_same_content_are_new_ones_and_labels_move_with_a_note(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "writer", "model_type": "Completion"})
    first, second = version(api), version(api)
    assert [first["version"], second["version"]] == [1, 2]

    for one in (first, second):
        api.send("PATCH", f"{CONFIGURATION}/releases", {"version_id": one["id"], "env": "prod", "description": ""})

    released = api.get(f"{CONFIGURATION}/releases?latest=True&env=prod").json["data"]
    assert [one["version"]["version"] for one in released] == [2]
    grant = access.of_system(api.project)
    prompt = prompts.named(grant, "writer")
    assert prompt is not None
    assert {one.version: one.labels for one in prompts.versions(grant, prompt)} == {1: [], 2: ["prod"]}
    moved = AuditEntry.objects.filter(project=api.project, action="prompt.label").order_by("pk")
    assert [entry.detail for entry in moved] == [
        {"label": "prod", "version": 1, "from": None},
        {"label": "prod", "version": 2, "from": 1},
    ]


def test_a_call_is_tied_to_the_version_it_names_or_whose_template_it_fills(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "writer", "model_type": "Completion"})
    first, second = version(api, "Explain {{topic}}"), version(api, "Tell {{topic}}")
    request = {"model": "gpt-4", "prompt": "Explain cats"}
    values = {"prompt_values": {"topic": "cats"}}
    answers = [{"id": id, "choices": CHOICES} for id in ("named", "filled", "neither")]
    log(
        api,
        event(api_response=answers[0], tags={"version_number": 2}),
        event(api_response=answers[1], api_request=request, request_attributes=values),
        event(api_response=answers[2], request_attributes=values),
    )

    ties = {row.response_id: (row.prompt_version, row.prompt_version_id) for row in rows(api)}
    assert ties == {"named": (2, second["id"]), "filled": (1, first["id"]), "neither": (None, None)}


def test_what_is_wrong_with_an_application_or_a_version_is_named(api: Caller) -> None:
    for document, field in (
        ({}, "model_name"),
        ({"model_name": "x" * 201}, "model_name"),
        ({"model_name": "a", "model_type": "Chatty"}, "model_type"),
        ({"model_name": "a", "model_type": 1}, "model_type"),
    ):
        answer = api.post("/api/v1/applications", document)
        assert (answer.status, answer.json["error"].startswith(field)) == (400, True), document
    api.post("/api/v1/applications", {"model_name": "writer"})
    for data, field in (
        (None, "configuration_data"),
        ({"prompt": 1}, "configuration_data.prompt"),
        ({"prompt": "x", "params": []}, ""),
        ({"prompt": "x", "params": "a"}, "configuration_data.params"),
        ({"prompt": "x", "prompt_inputs": [1]}, "configuration_data.prompt_inputs"),
    ):
        answer = api.post(f"{CONFIGURATION}/versions", {"configuration_data": data})
        assert answer.status == (400 if field else 200), data
        assert answer.json.get("error", "").startswith(field)
    for release in ({"env": "staging", "version_id": "x"}, {"env": "prod"}, {"env": "prod", "version_id": "x"}):
        assert api.send("PATCH", f"{CONFIGURATION}/releases", release).status in (400, 404)


# ------------------------------------------------------------------------------------------------------------- the gate
def test_another_projects_key_sees_and_changes_nothing(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "writer", "model_type": "Completion"})
    made = version(api)
    log(api, event())
    api.post("/api/v1/datasets", {"name": "ds"})
    application = Application.objects.get(project=api.project)
    dataset = datasets.named(access.of_system(api.project), "ds")
    assert dataset is not None
    stranger = caller("write")
    stranger.post("/api/v1/applications", {"model_name": "theirs"})
    before = (Application.objects.count(), dataset.version, Generation.objects.in_project(api.project.pk).count())

    asked = [
        stranger.get("/api/v1/applications/writer"),
        stranger.get(f"/api/v1/applications/{application.pk}"),
        stranger.get("/api/v1/models/writer/schemas"),
        stranger.post(f"/api/v1/applications/{application.pk}/raw_data", {}),
        stranger.send("DELETE", f"/api/v1/applications/{application.pk}"),
        stranger.post(f"/api/v1/applications/{application.pk}/hard_delete", {}),
        stranger.get(f"{CONFIGURATION}/versions"),
        stranger.get(f"{CONFIGURATION.replace('writer', 'theirs', 1)}/versions/{made['id']}/data"),
        stranger.get(f"/api/v1/datasets/{dataset.pk}"),
        stranger.get(f"/api/v1/datasets/{dataset.pk}/commits"),
        stranger.send("DELETE", f"/api/v1/datasets/{dataset.pk}"),
        stranger.post(f"/api/v1/datasets/{dataset.pk}/presign/putobject", {"obj_keys": ["a"]}),
    ]

    assert {answer.status for answer in asked} == {404}
    assert stranger.get("/api/v1/applications").json["data"].keys() == {"theirs"}
    assert stranger.get("/api/v1/datasets").json["data"] == []
    after = (Application.objects.count(), dataset.version, Generation.objects.in_project(api.project.pk).count())
    assert after == before


def test_every_address_wants_a_key_with_its_scope() -> None:
    ingest, reader, nobody = caller("ingest"), caller("read"), Caller(access.create_project("x"), "gen_wrong")
    told: dict[str, set[int]] = {}
    for method, path in (
        ("GET", "applications"),
        ("POST", "applications"),
        ("GET", "applications/a/schemas"),
        ("POST", "applications/a/raw_data"),
        ("POST", "aggregate/query"),
        ("GET", "datasets"),
        ("POST", "datasets"),
        ("PATCH", "cms/a/configurations/b/releases"),
        ("POST", "logging/openai/completions"),
        ("POST", "ingest/raw"),
        ("GET", "ingest/file-preupload"),
        ("POST", "ingest/file"),
    ):
        assert nobody.send(method, f"/api/v1/{path}", {}).status == 401, path
        may_not = reader if "ingest" in path or "logging" in path else ingest
        answer = may_not.send(method, f"/api/v1/{path}", {})
        assert answer.status == 403, path
        assert "has no scope" in answer.json["error"]
        told.setdefault(path, set()).add(answer.status)
    assert len(urlpatterns) > 30


def test_the_clients_own_header_opens_and_a_ping_needs_none(api: Caller) -> None:
    client = Client()

    assert client.get("/api/ping").json() == OK
    assert client.get("/api/v1/auth-ping", headers={"x-gantry-api-key": api.token or ""}).json() == OK
    assert client.get("/api/v1/auth-ping").status_code == 401


def test_the_address_that_the_client_prints_leads_to_the_prompts_page(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "writer", "model_type": "Completion"})
    version(api)
    address = "/applications/writer/versions/"
    prompt = Prompt.objects.get(project=api.project, name="writer")

    theirs = signed_in(api.project).get(address)
    others = signed_in(access.create_project("Others"), name="eve").get(address)
    nobodys = Client().get(address)

    assert (theirs.status_code, theirs.headers["Location"]) == (
        302,
        f"/projects/{api.project.slug}/prompts/{prompt.pk}/",
    )
    assert others.status_code == 404
    assert (nobodys.status_code, nobodys.headers["Location"]) == (302, f"/login/?next={address}")
