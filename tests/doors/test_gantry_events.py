"""Gantry's events: what is well authenticated is never refused, nothing is stored twice, feedback finds its call."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from generations import recording
from generations.models import (
    Feedback,
    GenerationPayload,
    IngestReject,
    Score,
)
from tests.doors.gantry import CHOICES, OK, event, feedback, log, reasons, rows
from tests.doors.rest import Caller, caller
from tests.web import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("write")


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


@pytest.mark.django_db(transaction=True)
def test_a_call_costs_its_key_a_look_and_one_transaction(api: Caller) -> None:
    # The partition of the month is there from the first one on, and what each connection prepares from the second.
    for n in range(2):
        log(api, event(session_id="s", api_response={"id": f"r{n}", "choices": CHOICES}))

    with CaptureQueriesContext(connection) as sent:
        log(api, event(session_id="s", api_response={"id": "r3", "choices": CHOICES}))

    # Django notes a BEGIN of its own; what is sent begins with the first statement.
    begun = ['SELECT "api_key"', "EXECUTE logged_", "BEGIN", "BEGIN; SELECT pg_advisory_xact_lock", "EXECUTE write_"]
    # What came in is counted every few seconds, in tests at once.
    begun += ["COMMIT", "INSERT INTO intake"]
    said = [query["sql"] for query in sent]
    assert len(said) == len(begun), said
    assert [sql[: len(start)] for sql, start in zip(said, begun, strict=True)] == begun


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
    # What is stored all the same is one click away.
    assert f'href="/projects/{api.project.slug}/generations/{quote(row.public_id, safe=":")}/"' in page.content.decode()


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
    assert (row.public_id, row.type, row.request_attributes) == ("writer:r1", "completion", None)
    (problem,) = row.metadata["problems"]
    assert problem.startswith("request_attributes.deep.a")
    assert "levels of nesting" in problem
    payload = GenerationPayload.objects.in_project(api.project.pk).get()
    assert (payload.prompt, payload.completion) == ("Hello", "A")


def test_what_is_refused_of_a_response_stays_with_the_call_as_it_came(api: Caller) -> None:
    answered = {"id": "r1", "choices": CHOICES, "usage": {"prompt_tokens": 2**31, "completion_tokens": 4}}

    log(api, event(api_response=answered, session_id="s", tags={"team": "a"}))

    (row,) = rows(api)
    assert (row.prompt_tokens, row.completion_tokens, row.thread_id) == (None, 4, "s")
    assert row.metadata["problems"] == [
        "prompt_tokens: 2147483648 is not valid; expected a whole number from 0 to 2147483647",
        "total_tokens: 2147483652 is not valid; expected a whole number from 0 to 2147483647",
    ]
    payload = GenerationPayload.objects.in_project(api.project.pk).get()
    assert payload.attributes["api_response"] == answered


def test_what_no_column_can_hold_is_left_out_of_texts_and_costs_no_event(api: Caller) -> None:
    bodies = [
        rb"""{"application": "writer", "api_request": {"prompt": "a"}, "api_response": {"id": "nul\u0000"},
        "session_id": "s\u0000", "tags": {"k\u0000": "v\u0000"}, "feedback": {"n\u0000": "v\u0000"}}""",
        rb"""{"application": "writer\u0000", "api_request": {"prompt": "half \ud83d"}, "api_response":
        {"id": "half", "choices": [{"text": "\ud800?"}]}, "response_attributes": {"share": NaN}}""",
    ]

    answers = [
        api.send("POST", "/api/v1/logging/openai/completions", raw=one, type="application/json") for one in bodies
    ]

    assert [(one.status, one.json) for one in answers] == [(200, OK)] * 2
    nul, half = rows(api)
    assert (nul.public_id, nul.thread_id, nul.metadata["labels"]) == ("writer:nul", "s", {"k": "v"})
    assert (half.public_id, half.name, half.response_attributes) == ("writer:half", "writer", {"share": None})
    texts = (
        GenerationPayload.objects.in_project(api.project.pk).filter(uid=half.uid).values_list("prompt", "completion")
    )
    assert list(texts) == [("half \ufffd", "\ufffd?")]
    assert [one.name for one in Score.objects.in_project(api.project.pk)] == ["n"]


def test_what_the_database_refuses_costs_that_event_and_no_other(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    record = recording.record

    def refusing(project: Any, items: Any) -> Any:
        if any("odd" in str(item.id) for item in items):
            raise DataError("no place for it\nHINT: none")
        return record(project, items)

    monkeypatch.setattr(recording, "record", refusing)
    sent = [
        {"event_id": id, "metadata": {"func_name": "plain"}, "inputs": {}, "feedback_id": id}
        for id in ("a", "odd", "c")
    ]

    assert api.post("/api/v1/ingest/raw", {"events": sent}).json == OK

    assert [row.public_id for row in rows(api)] == ["plain:a", "plain:c"]
    assert reasons(api) == "The database refuses a value: no place for it"


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


# ------------------------------------------------------------------------------------------------------------- feedback
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
