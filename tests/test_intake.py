"""What comes in, and what is refused: counted and kept within bounds, shown to the project's members alone."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import intake, recording, retention
from generations.intake import Body, Refusal
from generations.models import IngestReject, Intake, Project
from generations.models.accounts import Role
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import TRACE, message, request, span
from tests.web import call, signed_in, text
from tests.web import project as new_project

pytestmark = pytest.mark.django_db

BODY = Body(b"<script>alert(1)</script>", 25, "application/json")


@pytest.fixture
def project() -> Project:
    return new_project()


def page(project: Project, role: str = Role.MEMBER) -> Any:
    return signed_in(project, role).get(f"/projects/{project.slug}/settings/ingestion/")


def raised(error: Exception) -> Any:
    raise error


def rejects(project: Project) -> list[IngestReject]:
    return list(IngestReject.objects.filter(project=project).order_by("-last_at", "-id"))


# ------------------------------------------------------------------------------------------------------------- refused
def test_refusals_of_one_kind_are_one_row_with_their_number_and_the_first_body(project: Project) -> None:
    for n in range(3):
        intake.keep(project, "rest", [Refusal(f"id: '{n}' is wrong", "id", n)] * 2, Body(b"%d" % n, 1), "curl/8")
    intake.keep(project, "rest", [Refusal("name: 'x' is wrong", "name")], BODY)

    found = {row.field: row for row in rejects(project)}
    assert [(found[f].count, bytes(found[f].body or b"")) for f in ("id", "name")] == [(6, b"0"), (1, BODY.content)]
    assert (found["id"].reason, found["id"].index, found["id"].agent) == ("id: '0' is wrong", 0, "curl/8")


def test_a_client_that_sends_nothing_but_garbage_fills_no_disk(project: Project) -> None:
    for n in range(intake.MOST_REASONS + 20):
        intake.keep(project, "rest", [Refusal("no such field", f"field {n}")], Body(b"x" * (2 << 20), 2 << 20))

    found = rejects(project)
    assert len(found) == intake.MOST_REASONS
    assert {row.field for row in found} == {f"field {n}" for n in range(20, intake.MOST_REASONS + 20)}
    assert sum(row.body is not None for row in found) == intake.MOST_BODIES - 20
    assert all(len(row.body or b"") <= intake.MAX_BODY for row in found)


def test_many_kinds_in_one_request_keep_one_body_and_a_bounded_number_of_rows(project: Project) -> None:
    intake.keep(project, "rest", [Refusal("no such field", f"field {n}", n) for n in range(1_000)], BODY)

    found = rejects(project)
    assert len(found) == intake.MOST_TOLD
    assert sum(row.body is not None for row in found) == 1


def test_bodies_go_after_a_day_and_reasons_after_a_month(project: Project) -> None:
    now = timezone.now()
    for n, days in enumerate((0, 2, 31)):
        intake.keep(project, "rest", [Refusal("bad", f"f{n}")], BODY)
        moment = now - dt.timedelta(days=days)
        IngestReject.objects.filter(field=f"f{n}").update(created_at=moment, last_at=moment)

    retention.forget_refused_bodies()
    retention.forget_intake()

    assert [(row.field, row.body is None) for row in rejects(project)] == [("f0", False), ("f1", True)]


# ------------------------------------------------------------------------------------------------------------- counted
def test_every_door_is_counted_with_the_program_that_came_by_it() -> None:
    api = caller("write")
    agent = {"User-Agent": "shop/1.0"}
    api.send("POST", "/api/generations", {"prompt": "a"}, headers=agent)
    api.send("POST", "/api/generations/batch", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": 3}], headers=agent)
    api.send("POST", "/api/generations", {"prompt": 3}, headers=agent)
    api.send("POST", "/api/generations", raw=b"{", headers=agent)
    api.send("POST", "/api/generations/search", raw=b"{", headers=agent)
    body = request(span(1), span(2, spanId=""))
    sdk = {"name": "opentelemetry", "language": "python", "version": "1.45.2"}
    body["resourceSpans"][0]["resource"] = {
        "attributes": [{"key": f"telemetry.sdk.{k}", "value": {"stringValue": v}} for k, v in sdk.items()]
    }
    api.send("POST", "/v1/traces", body, headers={"User-Agent": "OTel-OTLP-Exporter-Python/1.45.2"})
    api.send("POST", "/v1/traces", raw=b"\xff", type="application/x-protobuf", headers=agent)
    api.send("POST", "/v1/logs", raw=b"x", type="text/xml", headers=agent)
    query = (
        "mutation AddStep($id_0: String!, $tags_0: [String!]) { step0: ingestStep(id: $id_0, tags: $tags_0) { ok } }"
    )
    api.send("POST", "/api/graphql", {"query": query, "variables": {"id_0": "a", "tags_0": 5}}, headers=agent)

    counted = {(s.door, s.agent): (s.requests, s.day, s.refused) for s in intake.sources(api.project)}
    assert counted == {
        ("rest", "shop/1.0"): (4, 6, 3),
        ("otlp.traces", "opentelemetry python 1.45.2, OTel-OTLP-Exporter-Python/1.45.2"): (1, 2, 1),
        ("otlp.traces", "shop/1.0"): (1, 1, 1),
        ("otlp.logs", "shop/1.0"): (1, 1, 1),
        ("literal", "shop/1.0"): (1, 1, 1),
    }
    told = {(row.door, row.field): row for row in rejects(api.project)}
    assert {"prompt", "body"} <= {field for door, field in told if door == "rest"}
    assert told["rest", "prompt"].count == 2
    assert bytes(told["rest", "body"].body or b"") == b"{"
    assert ("otlp.traces", "spanId") in told


def test_rates_are_those_of_the_last_minute_hour_and_day_and_the_last_seen_outlives_them(project: Project) -> None:
    now = timezone.now()
    for minutes, items in ((0, 1), (30, 10), (300, 100), (3_000, 1_000)):
        moment = now - dt.timedelta(minutes=minutes)
        Intake.objects.create(project=project, door="rest", agent="a", minute=moment, items=items, last_at=moment)
    Intake.objects.create(project=project, door="rest", agent="b", minute=moment, items=7, last_at=moment)

    retention.forget_intake()

    found = {s.agent: (s.minute, s.hour, s.day, s.last_seen) for s in intake.sources(project)}
    assert found == {"a": (1, 11, 111, now), "b": (0, 0, 0, moment)}
    assert Intake.objects.filter(project=project).count() == 4


def test_counts_wait_for_others_and_are_written_together(
    project: Project, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.INTAKE_SECONDS = 1_000
    tally = intake._Tally()
    with django_assert_num_queries(1):
        for n in range(100):
            tally.add((project.pk, "rest", f"agent {n}"), 2, 1)
    with django_assert_num_queries(1):
        tally.write()

    found = {s.agent: (s.requests, s.day, s.refused) for s in intake.sources(project)}
    assert found == {"agent 0": (1, 2, 1), **{f"agent {n}": (1, 2, 1) for n in range(1, 6)}, "others": (94, 188, 94)}


def test_a_machine_that_has_just_started_writes_its_first_counts_at_once(
    project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    settings.INTAKE_SECONDS = 10
    monkeypatch.setattr(intake, "time", SimpleNamespace(monotonic=lambda: 3.0))  # since it was switched on
    with django_assert_num_queries(1):
        intake._Tally().add((project.pk, "rest", "agent"), 2, 1)


def failing_at(table: str) -> Any:
    """Every statement about this table fails, as if somebody held it."""

    def execute(go_on: Any, sql: str, *args: Any) -> Any:
        if table in sql:
            raise OperationalError("canceling statement due to lock timeout")
        return go_on(sql, *args)

    return connection.execute_wrapper(execute)


def test_what_cannot_be_counted_now_is_counted_with_what_comes_next(project: Project) -> None:
    tally = intake._Tally()
    with failing_at("intake"):
        tally.add((project.pk, "rest", "a"), 2, 1)
    assert intake.sources(project) == []

    tally.add((project.pk, "rest", "b"), 3, 0)

    assert {s.agent: (s.requests, s.day, s.refused) for s in intake.sources(project)} == {
        "a": (1, 2, 1),
        "b": (1, 3, 0),
    }


def test_counts_of_a_project_that_is_gone_are_given_up(project: Project) -> None:
    tally = intake._Tally()
    with connection.execute_wrapper(lambda go_on, sql, *args: raised(IntegrityError("no such project"))):
        tally.add((project.pk, "rest", "a"), 2, 1)

    tally.add((project.pk, "rest", "b"), 3, 0)

    assert [s.agent for s in intake.sources(project)] == ["b"]


@pytest.mark.parametrize("path", ["/api/generations/batch", "/v1/traces"])
def test_what_was_stored_is_answered_and_counted_also_where_refusals_cannot_be_noted(path: str) -> None:
    api = caller("ingest")
    sent = request(span(1), span(2, spanId="")) if path == "/v1/traces" else [{"prompt": "a"}, {"prompt": 3}]

    with failing_at("ingest_reject"):
        answer = api.post(path, sent)

    assert answer.status == 200
    assert [(s.day, s.refused) for s in intake.sources(api.project)] == [(2, 1)]
    assert rejects(api.project) == []


# ---------------------------------------------------------------------------------------------------------------- page
def test_the_page_tells_who_sends_what_and_what_was_refused(project: Project) -> None:
    api = caller("ingest", project=project)
    api.send("POST", "/v1/traces", raw=message(3).SerializeToString(), type="application/x-protobuf")
    api.post("/v1/traces", request(span(1), span(2, spanId="<b>")))

    shown = page(project)

    words = text(shown)
    assert shown.status_code == 200
    assert "OpenTelemetry traces" in words and "spanId" in words and "8 bytes that are not all zero" in words
    assert b"<b>" not in shown.content
    assert "http://testserver/api/graphql" in words  # a door that nobody came by is told of


def test_a_reason_is_told_whole_with_how_long_ago(project: Project) -> None:
    reason = f"id: '{'x' * 80}… is not valid; expected at most 512 characters, got 3000"
    intake.keep(project, "rest", [Refusal(reason, "id")], BODY)
    intake.count(project, "rest", "curl/8", 1, 1)
    Intake.objects.update(last_at=timezone.now() - dt.timedelta(minutes=3, seconds=5))

    shown = page(project)

    words = text(shown)
    assert "expected at most 512 characters, got 3000" in words
    assert '<span class="whole" dir="auto">id: ' in shown.content.decode()  # no class cuts it after two lines
    assert "3 min ago" in words
    assert "Nothing has come by these" in words


def test_an_empty_list_says_that_what_was_sent_was_refused(project: Project) -> None:
    client = signed_in(project)
    for kind in ("generations", "steps", "threads"):
        assert "refused" not in text(client.get(f"/projects/{project.slug}/{kind}/"))

    intake.keep(project, "rest", [Refusal("usage.promptTokens: 'many' is not valid", "usage.promptTokens")] * 3, BODY)

    for kind in ("generations", "steps", "threads"):
        shown = client.get(f"/projects/{project.slug}/{kind}/")
        assert "Something was sent, and refused 3 times since yesterday." in text(shown)
        assert f'href="/projects/{project.slug}/settings/ingestion/"' in shown.content.decode()


def test_an_empty_list_is_asked_for_again_and_comes_only_when_something_changed(project: Project) -> None:
    client = signed_in(project)
    address = f"/projects/{project.slug}/generations/"
    asked = {"HX-Request": "true", "HX-Trigger": "waiting-0"}

    assert client.get(address, headers=asked).status_code == 204
    intake.keep(project, "rest", [Refusal("bad", "f")], BODY)
    assert "refused 1 time since" in text(client.get(address, headers=asked))
    assert client.get(address, headers=asked | {"HX-Trigger": "waiting-1"}).status_code == 204
    recording.record(project, [call(0)])
    assert "gpt-4o" in text(client.get(address, headers=asked | {"HX-Trigger": "waiting-1"}))


def test_an_empty_project_says_what_to_do(project: Project) -> None:
    words = text(page(project))

    assert "Nothing has come in yet" in words and "Nothing was refused" in words


def test_a_body_is_a_file_that_no_browser_shows(project: Project) -> None:
    intake.keep(project, "rest", [Refusal("bad", "f")], BODY)
    (row,) = rejects(project)
    client = signed_in(project)
    address = f"/projects/{project.slug}/settings/ingestion/{row.pk}/body/"
    assert address in client.get(f"/projects/{project.slug}/settings/ingestion/").content.decode()

    answer = client.get(address)

    assert (answer.status_code, answer.content) == (200, BODY.content)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]

    IngestReject.objects.update(body_type="application/x-protobuf")
    assert client.get(address).headers["Content-Type"] == "application/octet-stream"
    IngestReject.objects.update(body=None)
    assert client.get(address).status_code == 404
    assert "gone after a day" not in text(client.get(f"/projects/{project.slug}/settings/ingestion/"))
    IngestReject.objects.update(created_at=timezone.now() - dt.timedelta(days=1))
    assert "gone after a day" in text(client.get(f"/projects/{project.slug}/settings/ingestion/"))


def test_bodies_are_for_those_of_the_project_who_may_write(project: Project) -> None:
    intake.keep(project, "rest", [Refusal("bad", "f")], BODY)
    (row,) = rejects(project)
    other = new_project("Other")
    address = f"/projects/{project.slug}/settings/ingestion/{row.pk}/body/"
    foreign = f"/projects/{other.slug}/settings/ingestion/{row.pk}/body/"

    viewer, stranger = signed_in(project, Role.VIEWER, "vera"), signed_in(other, Role.OWNER, "otto")

    assert viewer.get(address).status_code == 403
    assert "for members who may write" in text(viewer.get(f"/projects/{project.slug}/settings/ingestion/"))
    assert [stranger.get(a).status_code for a in (address, foreign)] == [404, 404]
    assert stranger.get(f"/projects/{project.slug}/settings/ingestion/").status_code == 404
    assert stranger.get(f"/projects/{other.slug}/settings/ingestion/{uuid.uuid4()}/body/").status_code == 404
    assert "bad" not in text(stranger.get(f"/projects/{other.slug}/settings/ingestion/"))


def test_the_page_takes_as_many_queries_for_many_rows_as_for_one(project: Project) -> None:
    intake.keep(project, "rest", [Refusal("bad", "f")], BODY)
    client = signed_in(project)
    address = f"/projects/{project.slug}/settings/ingestion/"
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for n in range(50):
        intake.keep(project, "rest", [Refusal("bad", f"f{n}")], BODY)
        intake.count(project, "rest", f"agent {n}", 1, 1)
    with CaptureQueriesContext(connection) as many:
        client.get(address)

    assert len(few) == len(many)


# ------------------------------------------------------------------------------------------------------------ settings
def test_generic_spans_are_kept_until_an_administrator_says_otherwise(project: Project) -> None:
    api: Caller = caller("ingest", project=project)
    admin, member = signed_in(project, Role.ADMIN, "ada"), signed_in(project, Role.MEMBER, "max")
    address = f"/projects/{project.slug}/settings/"
    form = {"name": project.name, "time_zone": "UTC"}

    assert member.post(address, form).status_code == 403
    project.refresh_from_db()
    assert project.keep_generic_spans

    assert admin.post(address, form).status_code == 302
    assert not Project.objects.get(pk=project.pk).keep_generic_spans
    api.post("/v1/traces", request(span(1, attributes={"http.request.method": "GET"}), span(2)))
    steps = json.loads(caller("read", project=project).get("/api/steps").content)["data"]
    assert [step["name"] for step in steps] == ["span 2"]

    assert admin.post(address, {**form, "keep_generic_spans": "on"}).status_code == 302
    project.refresh_from_db()
    assert project.keep_generic_spans


def test_calls_and_steps_lead_to_the_logs_that_the_project_names(project: Project) -> None:
    api: Caller = caller("ingest", project=project)
    admin = signed_in(project, Role.ADMIN, "ada")
    address = f"/projects/{project.slug}/settings/"
    form = {"name": project.name, "time_zone": "UTC", "keep_generic_spans": "on"}
    api.post("/v1/traces", request(span(1)))
    pages = [f"/projects/{project.slug}/{kind}/{TRACE}-{1:016x}/" for kind in ("generations", "steps")]
    assert not any(b"logs.example" in admin.get(page).content for page in pages)

    for wrong in ("javascript:alert({trace_id})", "https://logs.example", "logs/{trace_id}"):
        refused = admin.post(address, {**form, "logs_url": wrong})
        assert (refused.status_code, "with {trace_id} or {span_id} in it" in text(refused)) == (400, True)
    logs = "https://logs.example/?q={trace_id}&span={span_id}&from={start}"
    assert admin.post(address, {**form, "logs_url": logs}).status_code == 302

    expected = f'href="https://logs.example/?q={TRACE}&amp;span={1:016x}&amp;from=2026-'
    assert [expected in admin.get(page).content.decode() for page in pages] == [True, True]
    assert logs.replace("&", "&amp;") in admin.get(address).content.decode()
