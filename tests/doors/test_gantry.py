"""The Gantry door: what is well authenticated is never refused, nothing is stored twice, no key reads another room."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from generations import access, datasets, prompts, recording
from generations.access import Scope
from generations.api.gantry.urls import urlpatterns
from generations.models import (
    Application,
    AuditEntry,
    DatasetItem,
    Feedback,
    Generation,
    GenerationPayload,
    IngestReject,
    Job,
    Score,
)
from tests.doors.rest import Answer, Caller, caller
from tests.web import signed_in

pytestmark = pytest.mark.django_db

CHOICES = [{"text": "A", "index": 0, "finish_reason": "stop"}, {"text": "B", "index": 1, "finish_reason": "length"}]


@pytest.fixture
def api() -> Caller:
    return caller("write")


def event(**changes: Any) -> dict[str, Any]:
    return {
        "application": "writer",
        "api_request": {"model": "text-davinci-003", "prompt": "Hello"},
        "api_response": {"id": "r1", "object": "text_completion", "created": 1_763_000_000, "choices": CHOICES},
        "request_attributes": {},
        "response_attributes": {},
        "feedback": {},
        "selected_choice_index": 0,
        "session_id": None,
        "tags": {},
        **changes,
    }


def log(api: Caller, *events: Any, path: str = "openai/completions") -> list[Answer]:
    return [api.post(f"/api/v1/logging/{path}", one) for one in events]


def rows(api: Caller) -> list[Generation]:
    return list(Generation.objects.in_project(api.project.pk).order_by("created_at", "public_id"))


def reasons(api: Caller) -> str:
    return "\n".join(IngestReject.objects.filter(project=api.project).values_list("reason", flat=True))


OK = {"response": "ok"}


# -------------------------------------------------------------------------------------------------------------- events
def test_an_event_that_is_sent_again_is_stored_once_and_another_of_the_same_response_beside_it(api: Caller) -> None:
    other = event(selected_choice_index=1)

    assert [(a.status, a.json) for a in log(api, event(), event(), other, other, event())] == [(200, OK)] * 5

    first, second = rows(api)
    assert first.public_id == "writer:r1"
    assert second.public_id.startswith("writer:r1:")
    assert [row.selected_choice for row in (first, second)] == [0, 1]
    texts = GenerationPayload.objects.in_project(api.project.pk).values_list("uid", "completion")
    assert dict(texts) == {first.uid: "A", second.uid: "B"}


def test_calls_without_a_response_id_are_one_when_sent_again_at_once_and_two_later(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dt.datetime(2026, 11, 20, 12, 4, 59, tzinfo=dt.UTC)
    monkeypatch.setattr("generations.api.gantry.events.timezone.now", lambda: moment)
    mute = event(api_response={"choices": CHOICES[:1]})
    log(api, mute)
    # The slots of five minutes meet here.
    moment += dt.timedelta(seconds=3)
    log(api, mute, mute)
    assert len(rows(api)) == 1
    moment += dt.timedelta(hours=1)
    log(api, mute)

    assert len(rows(api)) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"selected_choice_index": 7}, "selected_choice_index: 7 is not valid; expected the index of one of the 2"),
        ({"selected_choice_index": -1}, "selected_choice_index: -1"),
        ({"selected_choice_index": "1"}, "selected_choice_index: '1'"),
        ({"request_attributes": ["a"]}, "request_attributes: ['a'] is not valid; expected an object"),
        ({"response_attributes": 3}, "response_attributes: 3"),
        ({"feedback": "good"}, "feedback: 'good'"),
        ({"tags": "prod"}, "tags: 'prod'"),
        ({"tags": {"version_number": "one"}}, "tags.version_number: 'one'"),
        ({"tags": {"version_number": 12}}, "tags.version_number: 12 is not valid; expected the number of a version"),
        ({"api_response": "Bad gateway"}, "response: 'Bad gateway'"),
        ({"api_response": {"choices": "none"}}, "response.choices"),
        ({"api_response": {"id": "r1", "choices": CHOICES, "usage": {"prompt_tokens": "five"}}}, "prompt_tokens"),
        ({"api_request": None, "api_response": None}, "api_response"),
        ({"api_request": {"model": "m", "messages": "hi"}, "api_response": {"id": "r1"}}, "request.messages"),
    ],
)
def test_what_is_wrong_with_an_event_is_kept_with_it_and_told_where_one_looks(
    api: Caller, changes: dict[str, Any], said: str
) -> None:
    (answer,) = log(api, event(**changes))

    assert (answer.status, answer.json) == (200, OK)
    (row,) = rows(api)
    assert any(said in problem for problem in row.metadata["problems"]), row.metadata["problems"]
    assert said in reasons(api)
    page = signed_in(api.project).get(f"/projects/{api.project.slug}/settings/ingestion/")
    assert page.status_code == 200
    assert said.partition(":")[0] in page.content.decode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "The body is not JSON"),
        (b"\xff\xfe", "The body is not JSON"),
        (b"[]", "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b"{}", "expected an application's name"),
        (b'{"application": 5}', "application: 5"),
        (b'{"application": "  "}', "expected an application's name"),
    ],
)
def test_what_is_no_event_is_accepted_and_kept_for_a_day(api: Caller, body: bytes, said: str) -> None:
    for path in ("logging/openai/completions", "logging/chat/completions", "ingest/raw"):
        answer = api.send("POST", f"/api/v1/{path}", raw=body, type="application/json")
        assert (answer.status, answer.json) == (200, OK), path

    assert rows(api) == []
    assert said in reasons(api) or "metadata.func_name" in reasons(api)
    assert IngestReject.objects.filter(project=api.project, body=body).exists()


def test_what_even_the_writer_refuses_is_stored_without_that_part(api: Caller) -> None:
    deep: Any = "leaf"
    for _ in range(300):
        deep = {"a": deep}

    (answer,) = log(api, event(request_attributes={"deep": deep}))

    assert answer.status == 200
    (row,) = rows(api)
    assert (row.public_id, row.type) == ("writer:r1", "other")
    assert "levels of nesting" in str(row.metadata["problems"])
    payload = GenerationPayload.objects.in_project(api.project.pk).get()
    assert payload.input == {"model": "text-davinci-003", "prompt": "Hello"}


def test_a_bad_event_among_others_costs_only_itself(api: Caller) -> None:
    good = {"event_id": "e1", "metadata": {"func_name": "plain"}, "inputs": {"q": 1}, "outputs": {"y": "\x00NUL"}}
    bad = [7, {"event_id": "x"}, {"metadata": {"func_name": "plain"}, "feedback": {"ok": 1}}]

    answer = api.post("/api/v1/ingest/raw", {"events": [bad[0], good, *bad[1:]]})

    assert (answer.status, answer.json) == (200, OK)
    (row,) = rows(api)
    assert row.public_id == "plain:e1"
    assert "feedback_id" in reasons(api)
    assert Score.objects.in_project(api.project.pk).count() == 0


def test_a_database_that_is_away_is_502_after_which_the_client_sends_again(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(recording, "record", away)

    (answer,) = log(api, event())

    assert (answer.status, answer.headers["Retry-After"]) == (502, "5")


def test_older_clients_post_elsewhere(api: Caller) -> None:
    old = event()
    old["open_ai_api_request"], old["open_ai_api_response"] = old.pop("api_request"), old.pop("api_response")
    docs = {"application": "writer", "request": {"model": "m", "messages": []}, "response": {"id": "r2", "choices": []}}

    assert api.post("/api/v1/logging/completions", old).json == OK
    assert api.post("/api/v1/chat/completions/", docs).json == OK

    assert {row.public_id: row.type for row in rows(api)} == {"writer:r1": "completion", "writer:r2": "chat"}


# ------------------------------------------------------------------------------------------------------------ feedback
def feedback(api: Caller, key: str, application: str = "writer", **said: Any) -> None:
    one = {"event_id": f"{key}{said}", "metadata": {"func_name": application}, "feedback": said, "feedback_id": key}
    assert api.post("/api/v1/ingest/raw", {"events": [one]}).json == OK


@pytest.mark.parametrize("first", ["feedback", "call"])
@pytest.mark.parametrize("key", ["r1", "s1"])
def test_feedback_by_response_or_session_finds_its_call_whichever_comes_first(
    api: Caller, first: str, key: str
) -> None:
    call = event(session_id="s1")
    if first == "call":
        log(api, call)
    feedback(api, key, rating=4, tone="warm", ok=True)
    if first == "feedback":
        log(api, call)
    feedback(api, key, rating=2)

    scores = Score.objects.in_project(api.project.pk).filter(generation_id="writer:r1")
    assert {one.name: (one.value, one.label) for one in scores} == {
        "rating": (2.0, None),
        "tone": (None, "warm"),
        "ok": (1.0, "true"),
    }
    said = Feedback.objects.in_project(api.project.pk)
    assert sorted(one.rating or 0 for one in said) == [2.0, 4.0]
    assert {one.generation_id for one in said} == {"writer:r1"}
    assert [one.rating for one in said if one.is_latest] == [2.0]
    assert len(rows(api)) == 1


# ------------------------------------------------------------------------------------------------------------ versions
CONFIGURATION = "/api/v1/cms/writer/configurations/default_writer_configuration"


def version(api: Caller, template: str = "Explain {{topic}}") -> Any:
    data = {"prompt": template, "prompt_inputs": ["topic"], "model": "gpt-4", "params": {"n": 1}, "vendor": "openai"}
    return api.post(f"{CONFIGURATION}/versions", {"configuration_data": data, "description": "d"}).json["data"]


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


# ---------------------------------------------------------------------------------------------------------- the gate
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


# --------------------------------------------------------------------------------------------------------------- files
def put(api: Caller, *parts: bytes) -> dict[str, Any]:
    begun = api.get(f"/api/v1/ingest/file-preupload?filename=f&num_parts={len(parts)}&filetype=EVENTS").json
    for url, content in zip(begun["upload_urls"], parts, strict=True):
        answer = Client().put(url, content, content_type="application/octet-stream")
        assert (answer.status_code, answer["ETag"][0]) == (200, '"')
    return {
        "upload_id": begun["upload_id"],
        "key": begun["key"],
        "parts": [{"PartNumber": n} for n in range(1, len(parts) + 1)],
        "data_link": {"file_type": "EVENTS", "application": "plain", "run_name": "r"},
    }


def test_a_file_of_events_in_parts_is_stored_line_by_line_and_sending_it_twice_changes_nothing(api: Caller) -> None:
    lines = [
        json.dumps({"event_id": f"e{n}", "metadata": {"func_name": "plain"}, "inputs": {"n": n}, "outputs": {}})
        for n in range(3)
    ]
    whole = "\n".join([*lines, "no json", ""]).encode()

    answer = api.post("/api/v1/ingest/file", put(api, whole[:70], whole[70:]))
    again = api.post("/api/v1/ingest/file", put(api, whole))

    assert answer.json["response"] == again.json["response"] == "ok"
    assert [row.public_id for row in rows(api)] == ["plain:e0", "plain:e1", "plain:e2"]
    assert [job.result for job in Job.objects.filter(project=api.project)] == [
        {"events": 4, "stored": 3, "refused": 1}
    ] * 2


def test_parts_are_put_only_at_an_address_that_was_signed_and_read_only_by_their_project(api: Caller) -> None:
    asked = put(api, b"{}")
    stranger = caller("write")

    assert Client().put("/api/v1/ingest/parts/forged", b"x").status_code == 403
    refused = stranger.post("/api/v1/ingest/file", asked)
    assert (refused.status, "parts: 1" in refused.json["error"]) == (400, True)
    assert api.get("/api/v1/ingest/file-preupload?num_parts=0").status == 400


# ----------------------------------------------------------------------------------------------------------- questions
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"filters": {"a": 1}}, "filters"),
        ({"filters": [{"feature_name": "inputs.q"}]}, "filters.inputs.q"),
        ({"filters": [{"feature_name": "inputs.q", "near": 3}]}, "filters.inputs.q"),
        ({"filters": [{"equals": 3}]}, "filters.feature_name"),
        ({"filters": [{"feature_name": "inputs.q", "category_query": "a"}]}, "filters.category_query"),
        ({"tags": []}, ""),
        ({"tags": ["a"]}, "tags"),
    ],
)
def test_a_question_that_cannot_be_answered_names_its_part(api: Caller, asked: dict[str, Any], field: str) -> None:
    api.post("/api/v1/applications", {"model_name": "plain"})

    answer = api.post("/api/v1/applications/plain/raw_data", asked)

    assert answer.status == (400 if field else 200)
    assert answer.json.get("error", "").startswith(field)


def test_pages_of_rows_concatenate_to_the_list_and_filters_are_the_clients(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "plain"})
    events = [
        {
            "event_id": f"e{n:02}",
            "timestamp": f"2026-11-20T12:00:{n:02}",
            "metadata": {"func_name": "plain"},
            "inputs": {"n": n, "word": "ab" if n % 2 else "abc"},
            "outputs": {"big": n > 5},
        }
        for n in range(10)
    ]
    api.post("/api/v1/ingest/raw", {"events": events})

    def ask(**asked: Any) -> Any:
        return api.post("/api/v1/applications/plain/raw_data?start_time=2026-11-20T12:00:00", asked).json

    whole = [row["inputs.n"] for row in ask()["events"]]
    assert whole == list(range(10))
    pages: list[int] = []
    while True:
        answer = ask(limit=3, offset=len(pages))
        pages += [row["inputs.n"] for row in answer["events"]]
        if not answer["metadata"]["has_next"]:
            break
        assert answer["metadata"]["count"] > len(pages)
    assert pages == whole
    assert [row["inputs.n"] for row in ask(order="descending", limit=2)["events"]] == [9, 8]
    for query, found in (
        ({"lower_bound": 7}, [8, 9]),
        ({"inclusive_lower_bound": 8}, [8, 9]),
        ({"upper_bound": 2}, [0, 1]),
        ({"inclusive_upper_bound": 1}, [0, 1]),
        ({"equals": 4}, [4]),
        ({"not_number_query": 4}, [0, 1, 2, 3, 5, 6, 7, 8, 9]),
        ({"null_value": True}, []),
    ):
        rows_ = ask(filters=[{"feature_name": "inputs.n", **query}])["events"]
        assert [row["inputs.n"] for row in rows_] == found, query
    assert len(ask(filters=[{"feature_name": "inputs.word", "string_query": "abc"}])["events"]) == 5
    assert len(ask(filters=[{"feature_name": "inputs.word", "string_query": "^(?!(ab)$).*$"}])["events"]) == 5
    assert len(ask(filters=[{"feature_name": "outputs.big", "boolean_query": True}])["events"]) == 4
    assert len(ask(filters=[{"feature_name": "inputs.word", "category_query": ["ab"]}])["events"]) == 5


# ------------------------------------------------------------------------------------------------------------ datasets
def test_a_table_that_is_pushed_becomes_items_of_the_dataset(api: Caller) -> None:
    made = api.post("/api/v1/datasets", {"name": "ds"}).json["data"]
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("t.csv", b"q,expected_output\ncats,purr\n")
    answer = api.client.post(f"/api/v1/datasets/{made['id']}/file", {"file": file, "commit_msg": "rows"})

    assert (answer.status_code, answer.json()["data"]["message"]) == (200, "rows")
    (item,) = DatasetItem.objects.filter(dataset=made["id"])
    assert (item.input, item.expected_output) == ({"q": "cats"}, {"content": "purr"})


def test_a_file_of_a_dataset_is_had_only_at_an_address_that_was_signed(api: Caller) -> None:
    made = api.post("/api/v1/datasets", {"name": "ds"}).json["data"]
    put_at = api.post(f"/api/v1/datasets/{made['id']}/presign/putobject", {"obj_keys": ["o/a"]}).json["data"]["o/a"]
    kept = Client().put(put_at, b"bytes", content_type="application/octet-stream")
    info = {"obj_key": "o/a", "version_id": kept["x-amz-version-id"]}
    get_at = api.post(f"/api/v1/datasets/{made['id']}/presign/getobject", {"obj_infos": [info]}).json["data"]["o/a"]

    assert b"".join(Client().get(get_at).streaming_content) == b"bytes"  # type: ignore[attr-defined]
    assert Client().get(put_at).status_code == 404
    assert Client().put(get_at, b"x").status_code == 404
    assert Client().get("/api/v1/dataset-files/forged").status_code == 403
    assert Scope.READ in Scope


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
