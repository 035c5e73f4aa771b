"""What is written by habit from elsewhere is taken where it means one thing, and told what is meant where not."""

from __future__ import annotations

import pytest

from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller()


def test_texts_stand_for_what_was_sent_and_answered(api: Caller) -> None:
    stored = api.post("/api/generations", {"model": "gpt-4o-mini", "input": "Why?", "output": "Because."}).json

    assert stored["model"]["id"] == "gpt-4o-mini"
    assert stored["input"] == {"type": "text", "content": "Why?"}
    assert stored["output"] == {"type": "text", "content": "Because."}


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        ("/api/generations", "sort", "order"),
        ("/api/generations", "page", "after"),
        ("/api/generations", "per_page", "limit"),
        ("/api/generations", "where", "filter"),
        ("/api/generations", "since", "from"),
        ("/api/generations", "q", "text"),
        ("/api/datasets", "orderBy", "order"),
    ],
)
def test_another_name_of_a_lists_parameter_is_told_with_the_right_one(
    api: Caller, path: str, name: str, meant: str
) -> None:
    answer = api.get(f"{path}?{name}=x")

    assert (answer.status, answer.error["field"]) == (400, name)
    assert answer.error["expected"].endswith(f"did you mean {meant}?")


def test_a_dataset_that_is_asked_for_by_its_name_is_told_to_be_named_by_its_id(api: Caller) -> None:
    api.post("/api/datasets", {"name": "questions"})
    read = api.get("/api/datasets/questions")
    filled = api.post("/api/datasets/questions/items", {"items": [{"input": 1}]})

    for answer in (read, filled):
        assert answer.status == 404
        assert answer.error["message"].endswith("Name it by its id: a list narrowed by its name has that.")


@pytest.mark.parametrize(
    ("kind", "name", "ours"),
    [
        ("generations", "startTime", "timestamp"),
        ("generations", "input_tokens", "usage.promptTokens"),
        ("steps", "endedAt", "endTimestamp"),
        ("steps", "session_id", "threadId"),
    ],
)
def test_a_field_that_others_call_otherwise_is_told_with_our_name(api: Caller, kind: str, name: str, ours: str) -> None:
    [receipt] = api.post(f"/api/{kind}/batch", [{"id": "x", name: 1}]).json["receipts"]

    assert receipt["expected"] == f"did you mean '{ours}'?"


def test_a_list_where_one_is_taken_is_told_where_lists_are(api: Caller) -> None:
    refused = api.post("/api/generations", [{"id": "a"}, {"id": "b"}])

    assert refused.status == 400
    assert (
        refused.error["message"] == "This address takes one object; a list of them is sent to /api/generations/batch."
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "scores"), ("PUT", "scores/s1"), ("POST", "generations/a/scores"), ("POST", "generations/a/feedback"),
        ("PATCH", "generations/a"), ("POST", "datasets"), ("POST", "exports"), ("POST", "generate"),
    ],
)  # fmt: skip
def test_a_list_where_only_one_is_taken_is_told_to_come_one_by_one(api: Caller, method: str, path: str) -> None:
    refused = api.send(method, f"/api/{path}", [{"name": "a"}, {"name": "b"}])

    assert (refused.status, refused.error["code"], refused.error["field"]) == (400, "malformed_json", "body")
    assert refused.error["message"] == "This address takes one object and no list: send a request for each."


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/api/generation", "/api/generations"),
        ("/api/generatoins/a/feedback", "/api/generations/a/feedback"),
        ("/api/Dataset/x/items", "/api/datasets/x/items"),
        ("/api/export", "/api/exports"),
        ("/api/export_schedules", "/api/export-schedules"),
        ("/api/v1/generations", "/api/generations"),
        ("//api//v2/score/", "/api/score"),
        ("/api/publc/ingestion", "/api/public/ingestion"),
        ("/api/public/score", "/api/public/scores"),
        ("/api/nothing-of-the-kind", None),
    ],
)
def test_who_asks_at_an_address_that_is_none_is_told_the_nearest(api: Caller, path: str, meant: str | None) -> None:
    refused = api.client.generic("POST", "/", b"{}", "application/json", PATH_INFO=path)

    assert refused.status_code == 404
    assert (f"Perhaps it is {meant}." if meant else "There are /api/datasets,") in refused.content.decode()


def test_a_program_at_an_address_of_nobody_is_told_where_to_in_its_own_form(api: Caller) -> None:
    refused = api.post("/generations/", {"id": "a"})

    assert (refused.status, refused.error["code"]) == (404, "not_found")
    assert "Programs send generations to /api/generations" in refused.error["message"]


def test_a_call_of_a_model_that_is_named_with_its_provider_has_a_cost_and_keeps_its_name(api: Caller) -> None:
    usage = {"promptTokens": 1000, "completionTokens": 100}
    name = "anthropic/claude-3-5-sonnet-20240620"

    stored = api.post("/api/generations", {"model": {"id": name}, "usage": usage}).json

    assert (stored["model"], stored["usage"]["cost"]) == ({"id": name}, 0.0045)


def test_a_list_that_is_asked_for_two_lengths_says_so_and_what_was_sent_is_told(api: Caller) -> None:
    twice = api.get("/api/evaluations?limit=1&limit=2")
    compared = api.get("/api/experiments/compare?id=one")

    assert (twice.status, twice.error["field"], twice.error["expected"]) == (400, "limit", "it once")
    assert (compared.status, compared.error["value"]) == (400, "'one'")


def test_a_participant_is_found_by_id_as_in_the_list_also_with_a_slash_in_it(api: Caller) -> None:
    api.post("/api/generations", {"id": "a", "threadId": "t", "metadata": {"userId": "team/mia b"}})

    found = api.get("/api/participants/team%2Fmia%20b")
    theirs = api.get("/api/generations?metadata.userId=team/mia b").data

    assert (found.status, found.json) == (200, api.get("/api/participants").data[0])
    assert found.json["id"] == "team/mia b"
    assert [one["id"] for one in theirs] == ["a"]
    assert [api.get(f"/api/participants/{id}").status for id in ("nobody", "%00")] == [404, 404]


def test_exports_are_found_by_the_kind_that_they_show(api: Caller) -> None:
    for kind in ("generations", "steps"):
        api.post("/api/exports", {"kind": kind})

    assert [row["kind"] for row in api.get("/api/exports?parameters.kind=steps").data] == ["steps"]
    for asked in ("kind=steps", "kind__in=steps,import"):
        refused = api.get(f"/api/exports?{asked}")
        assert (refused.status, refused.error["field"]) == (400, asked.partition("=")[0])
        assert "parameters.kind" in refused.error["expected"]
    assert len(api.get("/api/exports?kind=export").data) == 2
