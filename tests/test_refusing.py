"""What is refused before a view is asked is refused in the form of the door: to whom comes too often, for what is too
large, and at addresses that there are not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from generations.api.prometheus import DOORS
from generations.models import IngestReject
from observability import refusing, wsgi
from observability.wsgi import BoundedBodies
from tests.doors.rest import caller

PAGE = "https://app.example.com"
JSON, PROTOBUF = "application/json", "application/x-protobuf"
FORMS = [
    ("/v1/traces", PROTOBUF, b"\x08%c\x12"),
    ("/v1/traces", JSON, b'{"code":%d,'),
    ("/otlp/v1/nothing", JSON, b'{"code":%d,'),
    ("/graphql/", JSON, b'{"errors":[{"message":"'),
    ("/api/graphql", JSON, b'{"errors": [{"message": "'),
    ("//api/graphql", JSON, b'{"errors": [{"message": "'),
    ("/api/export/dataset", JSON, b'{"errors": [{"message": "'),
    ("/api/v1/datasets", JSON, b'{"response":"error","error":"'),
    ("/api/public/scores", JSON, b'{"error":"'),
    ("/v1/chat/completions", JSON, b'{"error":{"message":"'),
    ("/openai/deployments/x/y", JSON, b'{"error":{"message":"'),
    ("/api/generations", "", b'{"error":{"code":"'),
    ("/files/attachments/1/a", "", b""),
]


def meta(path: str, kind: str, **more: str) -> dict[str, str]:
    return {"PATH_INFO": path, "CONTENT_TYPE": kind, **more}


@pytest.mark.parametrize(("path", "kind", "told"), FORMS)
def test_every_door_says_in_its_form_that_one_is_to_come_again(path: str, kind: str, told: bytes) -> None:
    answer = refusing.busy(meta(path, kind), "Later.")

    assert (answer.status_code, answer["Retry-After"]) == (502 if "response" in str(told) else 503, "1")
    assert answer.content.startswith(told % 14 if b"%" in told else told)
    assert b"Later." in answer.content


@pytest.mark.parametrize(("path", "kind", "told"), [one for one in FORMS if one[0] != "/v1/traces"])
def test_every_door_says_in_its_form_that_a_body_is_too_large(path: str, kind: str, told: bytes) -> None:
    if path.startswith("/otlp"):
        # It sees so itself, and tells the project: tests/test_wsgi.py.
        assert refusing.too_large(meta(path, kind), "Smaller.") is None
        return
    answer = refusing.too_large(meta(path, kind), "Smaller.")

    assert answer is not None
    assert (answer.status_code, answer["Connection"]) == (413, "close")
    assert answer.content.startswith(told)
    assert b"Smaller." in answer.content


def test_who_may_read_a_file_from_elsewhere_may_read_that_it_is_to_come_again() -> None:
    answer = refusing.busy(meta("/files/attachments/1/a", "", HTTP_ORIGIN=PAGE), "Later.")

    assert (answer["Access-Control-Allow-Origin"], answer["Retry-After"]) == ("*", "1")
    assert "Retry-After" in answer["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/otlp", "/otel/v1/x", "/gateway/KEY", "/openai/", "/graphql/x",
                                  "/api", "/api/nothing", "/api/v1/x", "/api/public/x", "/api/upload/a b",
                                  "/api/a%0Ab"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_below_a_doors_that_is_none_is_told_in_json_with_those_that_are(path: str, method: str) -> None:
    strict = Client(enforce_csrf_checks=True)

    answer = strict.generic(method, path, b"{}", JSON)

    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (404, JSON)
    assert b"There is nothing at " in answer.content
    assert b" /" in answer.content.partition(b". ")[2]


def test_an_exporter_of_protobuf_is_told_of_a_wrong_address_in_protobuf() -> None:
    answer = Client().post("/otlp/v1/spans", b"x", PROTOBUF)

    assert (answer.status_code, answer["Content-Type"]) == (404, PROTOBUF)
    assert answer.content.startswith(b"\x08\x05\x12")
    assert b"/v1/traces" in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_a_program_that_sends_to_a_page_is_told_where_to(kind: str) -> None:
    strict = Client(enforce_csrf_checks=True)

    told, form = strict.post("/", b"{}", kind), strict.post("/login/", {"username": "mia"})

    assert (told.status_code, form.status_code) == (403, 403)
    assert "spans to /v1/traces" in told.json()["error"]["message"]
    assert form["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/generations/", "//api/generations", "/api//generations"])
def test_a_slash_too_many_is_told(path: str) -> None:
    answer = Client().get("/", PATH_INFO=path)

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"There is nothing at {path}. Perhaps it is /api/generations."


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/v1/metrics", "GET", "POST"),
        ("/api/my-project", "GET", "POST"),
        ("/api/upload/abc", "GET", "POST, PUT"),
        ("/api/docs", "PUT", "GET, HEAD"),
        ("/api/openapi.json", "PATCH", "GET, HEAD"),
    ],
)
def test_a_method_that_an_address_does_not_know_is_refused_with_those_it_knows(
    path: str, method: str, allowed: str
) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, path)

    assert (answer.status_code, answer["Allow"], answer["Content-Type"]) == (405, allowed, JSON)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/api/ping"])
def test_what_only_says_that_it_is_there_says_so_to_every_method(path: str) -> None:
    assert Client(enforce_csrf_checks=True).post(path, b"", JSON).status_code in (200, 503)


def test_a_page_whose_origin_is_let_in_may_read_that_it_is_to_come_again_and_that_there_is_nothing(
    settings: Any,
) -> None:
    settings.OTLP_ORIGINS = frozenset({PAGE})

    busy = refusing.busy(meta("/v1/traces", JSON, HTTP_ORIGIN=PAGE), "Later.")
    stranger = refusing.busy(meta("/v1/traces", JSON, HTTP_ORIGIN="https://other.example"), "Later.")
    nothing = Client().post("/otlp/v1/spans", b"", JSON, headers={"Origin": PAGE})

    assert [one["Access-Control-Allow-Origin"] for one in (busy, nothing)] == [PAGE, PAGE]
    assert "Retry-After" in busy["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in stranger


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_too_large_is_accepted_and_told_to_the_project(settings: Any) -> None:
    """At a refusal Gantry's client drops all events that stand behind it."""
    settings.INGEST_MAX_BYTES = 10
    api, answered = caller("ingest"), []
    environ = {
        **meta("/api/v1/logging/openai/completions", JSON, CONTENT_LENGTH="11", REQUEST_METHOD="POST"),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_X_GANTRY_API_KEY": api.token,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b"x" * 11),
    }
    bounded = wsgi.application.application
    whole = BoundedBodies(bounded.application, 10, bounded.refuse)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answered.append(status)

    whole(environ, start_response)

    assert [status[:3] for status in answered] == ["200"]
    assert "larger than 10 bytes" in IngestReject.objects.get(project=api.project).reason


def test_every_door_of_programs_has_a_form() -> None:
    programs = {door for _, door in DOORS} - {"admin", "static", "files", "health"}

    assert set(refusing._THERE) == programs


TOO_MANY = "&".join(f"a{n}=1" for n in range(1_001))
"""More parameters than are read."""


@pytest.mark.django_db
def test_a_page_says_why_a_request_is_not_read() -> None:
    client = Client()
    asked = client.get(f"/login/?{TOO_MANY}")
    sent = client.post("/login/", TOO_MANY, "application/x-www-form-urlencoded")

    for answer in (asked, sent):
        assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")
        assert "More than 1,000 parameters were sent" in answer.content.decode()


def test_a_name_that_is_not_ours_is_told_to_people_and_programs(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALLOWED_HOSTS = ["ours.example"]
    page = Client().get("/login/", HTTP_HOST="other.example")
    program = Client().post("/login/", b"{}", JSON, HTTP_HOST="other.example")

    assert (page.status_code, program.status_code) == (400, 400)
    assert "adds the name to ALLOWED_HOSTS" in page.content.decode()
    assert page["Content-Type"].startswith("text/html")
    assert "adds the name to ALLOWED_HOSTS" in program.json()["error"]["message"]
    logged = [one for one in caplog.records if one.name == "django.security.DisallowedHost"]
    assert [(one.exc_info, "other.example" in one.getMessage()) for one in logged] == [(None, True)] * 2


@pytest.mark.django_db
def test_too_many_parameters_are_refused_in_the_form_of_the_door() -> None:
    api = caller("read")

    assert api.get(f"/api/generations?{TOO_MANY}").error["code"] == "too_many_parameters"
    assert "1,000 parameters" in api.get(f"/graphql/?{TOO_MANY}").json["errors"][0]["message"]
