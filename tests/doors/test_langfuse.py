"""Langfuse's addresses for scores: each on its span, its trace or its session, and every other event told why not."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest

from generations.models import Feedback, IngestReject, Score
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import BARE, CHAT, TRACE, post, span

pytestmark = pytest.mark.django_db

SPAN = f"{2:016x}"


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def event(id: str = "s1", kind: str = "score-create", **body: Any) -> dict[str, Any]:
    """An event as the SDK sends it."""
    whole = {"id": id, "traceId": TRACE, "name": "correct", "value": 0.5, **body}
    said = {name: value for name, value in whole.items() if value is not None}
    return {"id": f"event-{id}", "type": kind, "timestamp": "2026-09-21T14:13:30Z", "body": said}


def send(api: Caller, *events: Any) -> Answer:
    return api.post("/api/public/ingestion", {"batch": list(events), "metadata": {"sdk_name": "python"}})


def score(api: Caller) -> Score:
    found: Score = Score.objects.get(project_id=api.project.pk)
    return found


def test_a_score_on_an_observation_is_on_its_generation_and_one_sent_again_is_the_same(api: Caller) -> None:
    post(api, span(1, attributes={}), span(2, parent=1, attributes=CHAT))
    for value in (0.25, 0.5):
        answer = send(api, event(observationId=SPAN, value=value, comment="Nearly.", metadata={"by": "rule"}))
        assert (answer.status, answer.json["errors"]) == (207, [])
        assert answer.json["successes"] == [{"id": "event-s1", "status": 201}]

    found = score(api)
    assert (found.public_id, found.name, found.value, found.comment) == ("s1", "correct", 0.5, "Nearly.")
    assert (found.generation_id, found.step_id, found.type) == (f"{TRACE}-{SPAN}", f"{TRACE}-{SPAN}", "CODE")
    assert found.metadata == {"by": "rule", "traceId": TRACE, "observationId": SPAN}
    assert found.created_at.isoformat() == "2026-09-21T14:13:30+00:00"


def test_a_score_on_a_span_whose_call_another_span_tells_of_is_on_that_call(api: Caller) -> None:
    post(api, span(1, attributes=BARE), span(2, parent=1, attributes=CHAT))

    send(api, event(observationId=f"{1:016x}"))

    assert score(api).generation_id == f"{TRACE}-{SPAN}"


@pytest.mark.parametrize("order", ["root, score", "score, root", "child, score, root"])
def test_a_score_on_a_trace_is_on_its_root_whichever_comes_first(api: Caller, order: str) -> None:
    sent = {
        "root": lambda: post(api, span(1, attributes={})),
        "child": lambda: post(api, span(2, parent=1, attributes=CHAT)),
        "score": lambda: send(api, event()),
    }
    for name in order.split(", "):
        assert sent[name]().status in (200, 207)

    found = score(api)
    assert (found.step_id, found.value, found.metadata) == (f"{TRACE}-{1:016x}", 0.5, {"traceId": TRACE})


SERVICE: Final[dict[str, dict[str, Any]]] = {
    # Another service began the trace, with a span that does not come.
    "top": {"number": 1, "parent": 9, "attributes": {}},
    "work": {"number": 2, "parent": 1, "attributes": {}},
    "call": {"number": 3, "parent": 2, "attributes": CHAT},
}


@pytest.mark.parametrize(
    "order", ["top work call score", "score top work call", "call work top score", "call score work top"]
)
def test_a_score_on_a_trace_that_another_service_began_is_on_the_first_span_of_this_one(
    api: Caller, order: str
) -> None:
    for name in order.split():
        done = send(api, event()) if name == "score" else post(api, span(**SERVICE[name]))
        assert done.status in (200, 207)

    found = score(api)
    assert (found.step_id, found.name, found.value, found.type) == (f"{TRACE}-{1:016x}", "correct", 0.5, "CODE")


@pytest.mark.parametrize("order", ["root top own score", "score own top root", "top score own root"])
def test_a_score_on_a_trace_goes_to_the_root_of_all_services_and_leaves_one_on_a_span_where_it_is(
    api: Caller, order: str
) -> None:
    sent = {
        "root": lambda: post(api, span(9, attributes={}, startTimeUnixNano="1789999999000000000")),
        "top": lambda: post(api, span(**SERVICE["top"])),
        "score": lambda: send(api, event()),
        "own": lambda: send(api, event("s2", observationId=f"{1:016x}", value=0.25)),
    }
    for name in order.split():
        assert sent[name]().status in (200, 207)

    found = Score.objects.in_project(api.project.pk).values_list("public_id", "step_id", "value")
    assert sorted(found) == [("s1", f"{TRACE}-{9:016x}", 0.5), ("s2", f"{TRACE}-{1:016x}", 0.25)]


def test_a_user_s_vote_on_a_trace_is_feedback_on_the_root_that_comes_later(api: Caller) -> None:
    send(api, event(name="user-feedback", value=1))
    post(api, span(**{**SERVICE["call"], "parent": None}))

    (found,) = Feedback.objects.in_project(api.project.pk)
    assert (found.generation_id, found.step_id, found.thumbs) == (*[f"{TRACE}-{3:016x}"] * 2, "up")


def test_a_score_on_a_session_is_on_its_thread(api: Caller) -> None:
    send(api, event(traceId=None, sessionId="chat-1", value=1, dataType="BOOLEAN"))

    found = score(api)
    assert (found.thread_id, found.step_id, found.value) == ("chat-1", None, 1.0)


@pytest.mark.parametrize("kind", ["CATEGORICAL", "TEXT", None])
def test_a_score_in_words_is_a_label(api: Caller, kind: str | None) -> None:
    send(api, event(value="polite", dataType=kind))

    assert (score(api).label, score(api).value) == ("polite", None)


def test_a_user_s_vote_is_feedback_as_well(api: Caller) -> None:
    post(api, span(2, attributes=CHAT))
    send(api, event(observationId=SPAN, name="user-feedback", value=1))

    assert score(api).type == "HUMAN"
    assert Feedback.objects.get(project_id=api.project.pk).thumbs == "up"


def test_each_event_that_cannot_be_stored_is_answered_by_itself(api: Caller) -> None:
    wrong = [
        event("a", kind="trace-create"),
        event("b", value="much", dataType="NUMERIC"),
        event("c", traceId=None, datasetRunId="run-1"),
        event("d", name=" "),
        event("e", value=None),
        event("f", value=1, dataType="COLOUR"),
        {"id": "event-g", "type": "score-create", "body": 7},
        7,
        event("i"),
    ]

    answer = send(api, *wrong)

    assert answer.status == 207
    assert answer.json["successes"] == [{"id": "event-i", "status": 201}]
    told = {error["id"]: (error["status"], error["message"]) for error in answer.json["errors"]}
    assert [status for status, _ in told.values()] == [400] * 8
    for id, said in {"a": "'trace-create'", "b": "'much'", "c": "sessionId", "f": "'COLOUR'", "g": "body"}.items():
        assert said in told[f"event-{id}"][1]
    assert score(api).public_id == "i"
    kept = IngestReject.objects.filter(project_id=api.project.pk)
    assert {row.door for row in kept} == {"langfuse"}
    assert sum(row.count for row in kept) == 8


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"batch": 3}', b'"' * 9])
def test_a_body_that_is_none_is_refused(api: Caller, body: bytes) -> None:
    answer = api.send("POST", "/api/public/ingestion", raw=body, type="application/json")

    assert (answer.status, sorted(answer.json)) == (400, ["error", "message"])


def test_one_score_by_itself_is_answered_with_its_id(api: Caller) -> None:
    answer = api.post("/api/public/scores", {"traceId": TRACE, "observationId": SPAN, "name": "correct", "value": True})
    again = api.post("/api/public/scores", {"traceId": TRACE, "observationId": SPAN, "name": "correct", "value": True})
    wrong = api.post("/api/public/scores", {"traceId": TRACE, "name": "correct"})

    assert (answer.status, answer.json) == (200, {"id": score(api).public_id})
    assert again.json == answer.json
    assert (wrong.status, "value" in wrong.json["message"]) == (400, True)


def test_several_scores_are_answered_with_how_many_were_taken(api: Caller) -> None:
    """As version 5 of the Python SDK sends them, each with its time."""
    good = {"id": "s1", "traceId": TRACE, "name": "correct", "value": 1.0, "timestamp": "2026-09-21T14:13:30.5Z"}

    all_well = api.post("/api/public/scores", [good])
    answer = api.post("/api/public/scores", [{**good, "name": "x"}, {"traceId": TRACE, "name": "correct"}])

    assert (all_well.status, all_well.json) == (202, {"message": "Accepted"})
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (207, 1, 1)
    assert "value" in answer.json["errors"][0]["message"]
    assert (score(api).name, score(api).created_at.isoformat()) == ("x", "2026-09-21T14:13:30.500000+00:00")


def test_the_key_is_the_secret_half_and_needs_the_scope_for_what_comes_in() -> None:
    api = caller("ingest")
    basic = {"authorization": "Basic " + base64.b64encode(f"pk-lf-any:{api.token}".encode()).decode()}
    nobody = Caller(api.project, None)
    addresses = {"/api/public/ingestion": {"batch": []}, "/api/public/scores": event()["body"]}
    for address, body in addresses.items():
        assert nobody.send("POST", address, body, headers=basic).status in (200, 207)
        assert nobody.send("POST", address, body).status == 401
        assert caller("read").post(address, body).status == 403
        assert api.get(address).status == 405

    told = nobody.send("GET", "/api/public/projects", headers=basic).json
    assert [project["name"] for project in told["data"]] == [api.project.name]


def test_a_score_waits_for_a_root_of_its_own_project(api: Caller) -> None:
    send(api, event())
    post(caller("ingest"), span(1, attributes={}))

    assert score(api).step_id == TRACE
