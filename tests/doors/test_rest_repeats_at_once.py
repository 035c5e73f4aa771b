"""`Idempotency-Key` while the first request is still being answered, and after what it asked for came to nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
import pytest
from django.db import connection

from generations import claims, jobs
from generations.models import Experiment, Generation, Job, Step
from tests.completing import endpoint
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_models import kept
from tests.doors.test_rest_evaluations import filled
from tests.scripted import Scripted

__all__ = ["endpoint"]
pytestmark = pytest.mark.django_db


def sent(api: Caller, path: str, body: Any, key: str = "k1") -> Answer:
    return api.send("POST", path, body, headers={"Idempotency-Key": key})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "more"), [("generate", {}), ("score", {"values": [" a"]})])
def test_a_call_that_is_asked_for_again_while_it_is_made_is_made_once(
    endpoint: Scripted, settings: Any, path: str, more: dict[str, Any], stream: bool
) -> None:
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    api = caller()
    kept(api.project, endpoint)
    body = {"model": "mine/m", "prompt": "the cat", **more, **({"stream": True} if stream and not more else {})}
    meanwhile: list[Answer] = []
    answered = endpoint.answer

    def slowly(method: str, at: str, asked: bytes) -> Any:
        if not meanwhile:
            meanwhile.append(sent(Caller(api.project, api.token), f"/api/{path}", body))
            meanwhile.append(sent(Caller(api.project, api.token), f"/api/{path}", body, "another key"))
            connection.close()
        return answered(method, at, asked)

    endpoint.answer = slowly
    first = sent(api, f"/api/{path}", body)
    refused, other = meanwhile

    assert (first.status, refused.status, other.status) == (200, 409, 200)
    assert refused.error["code"] == "under_way" and refused.headers["Retry-After"] == "1"
    assert Generation.objects.in_project(api.project.pk).count() == len(endpoint.requests) == 2
    again = sent(api, f"/api/{path}", body)
    assert again.status == 200
    assert Generation.objects.in_project(api.project.pk).count() == 2
    # What was answered is told again, to the last of its tokens.
    assert len(endpoint.requests) == 2
    if more:
        assert again.json == first.json


@pytest.mark.parametrize("straddle", ["include", "exclude"])
def test_scores_are_told_again_to_the_last_token(straddle: str) -> None:
    api = caller()
    body = {"model": "ngram:", "prompt": "The sea is", "values": [" blue", " grey", "s"], "straddle": straddle}

    first, again = (sent(api, "/api/score", body) for _ in range(2))
    other = sent(api, "/api/score", body, "another key")

    assert (first.status, again.json) == (200, first.json)
    assert other.json["generationId"] != first.json["generationId"]
    assert Generation.objects.in_project(api.project.pk).count() == 2


@pytest.mark.parametrize("logprobs", [{"prompt": {}}, {"prompt": {"tokens": []}, "tokens": [" a"]}, {"prompt": None}])
def test_scores_whose_record_was_changed_meanwhile_are_no_error(logprobs: dict[str, Any]) -> None:
    api = caller("write")
    body = {"model": "ngram:", "prompt": "The sea is", "values": [" blue", " grey"]}
    first = sent(api, "/api/score", body)
    others = [{"index": n, "kind": "scored", "content": " blue", "logprobs": logprobs} for n in range(2)]
    changed = {"output": {"alternatives": others}}
    assert api.patch(f"/api/generations/{first.json['generationId']}", changed).status == 200

    assert sent(api, "/api/score", body).status < 500


def test_a_stream_that_nobody_reads_is_claimed_no_longer(endpoint: Scripted, settings: Any) -> None:
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    api = caller()
    kept(api.project, endpoint)
    body = json.dumps({"model": "mine/m", "prompt": "the cat", "stream": True})

    def begun() -> Any:
        return api.client.post("/api/generate", body, "application/json", headers={"Idempotency-Key": "k1"})

    def closed(response: Any) -> None:
        # As a server does when the caller has gone, without the end of the test's transaction.
        for close in response._resource_closers:
            close()

    unread = begun()
    assert begun().status_code == 409
    closed(unread)
    left = begun()
    assert next(iter(left.streaming_content))
    closed(left)

    last = begun()
    assert last.status_code == 200
    closed(last)


def test_a_claim_holds_in_other_processes_and_ends_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first = claims.claim("a")
    theirs: psycopg.Connection[Any] = claims._session  # type: ignore[assignment]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claims, "_held", set())
        elsewhere.setattr(claims, "_session", None)
        with pytest.raises(claims.UnderWay):
            claims.claim("a")
        with claims.claim("b"), pytest.raises(claims.UnderWay):
            claims.claim("a")
        theirs.close()  # as the kernel does; the server sees it a moment later
        deadline = time.monotonic() + 240
        while True:
            try:
                with claims.claim("a"):
                    break
            except claims.UnderWay:
                assert time.monotonic() < deadline
        assert claims._session is None
    with claims.claim("c"):
        pass
    first.release()
    first.release()
    assert not claims._held and claims._session is None
    with claims.claim(None), claims.claim(None):
        pass


@pytest.mark.parametrize("path", ["/api/generations/export", "/api/exports"])
@pytest.mark.parametrize("state", ["failed", "expired"])
def test_a_job_that_came_to_nothing_is_made_anew_and_once(api: Caller, path: str, state: str) -> None:
    first = sent(api, path, {}).json["id"]
    Job.objects.filter(pk=first).update(state=state)

    second, third = sent(api, path, {}).json, sent(api, path, {}).json
    Job.objects.filter(pk=second["id"]).update(state=state)
    fourth = sent(api, path, {}).json

    assert second["id"] == third["id"] != first
    assert second["state"] == fourth["state"] == "queued"
    assert len({first, second["id"], fourth["id"]}) == Job.objects.count() == 3


def test_a_job_that_somebody_cancelled_is_not_begun_again_by_a_repeat(api: Caller) -> None:
    first = sent(api, "/api/exports", {}).json["id"]
    api.post(f"/api/exports/{first}/cancel", {})

    again = sent(api, "/api/exports", {}).json

    assert (again["id"], again["state"]) == (first, "cancelled")


def test_an_evaluation_is_begun_once_also_when_what_it_is_of_has_gone(api: Caller) -> None:
    dataset, evaluator = filled(api)
    body = {"of": "dataset", "dataset": dataset, "evaluators": [evaluator]}

    first, second = sent(api, "/api/evaluations", body), sent(api, "/api/evaluations", body)
    api.delete(f"/api/datasets/{dataset}")
    third = sent(api, "/api/evaluations", body)

    assert (first.status, second.status, third.status) == (202, 202, 202)
    assert first.json["id"] == second.json["id"] == third.json["id"]
    assert Job.objects.count() == Experiment.objects.count() == 1


@pytest.mark.parametrize(("name", "id"), [("generationIds", "g1"), ("stepIds", "s1")])
def test_items_are_told_again_when_what_they_were_made_from_has_gone(api: Caller, name: str, id: str) -> None:
    api.post("/api/generations", {"id": "g1", "input": {"content": "Hi"}})
    api.post("/api/steps/batch", {"steps": [{"id": "s1", "name": "search", "input": {"a": 1}}]})
    dataset = api.post("/api/datasets", {"name": "Hard ones"}).json["id"]
    body = {name: [id]}

    first = sent(api, f"/api/datasets/{dataset}/items", body)
    for kind in (Generation, Step):
        kind.objects.in_project(api.project.pk).delete()
    second = sent(api, f"/api/datasets/{dataset}/items", body)
    other = sent(api, f"/api/datasets/{dataset}/items", body, "another key")

    assert (first.status, second.status, other.status) == (201, 201, 404)
    assert second.data == first.data
    assert api.get(f"/api/datasets/{dataset}").json["version"] == 2


def test_an_evaluation_that_is_being_begun_is_not_begun_twice(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, evaluator = filled(api)
    body = {"of": "dataset", "dataset": dataset, "evaluators": [evaluator]}
    meanwhile: list[Answer] = []
    create = jobs.create

    def late(*given: Any, **named: Any) -> Job:
        meanwhile.append(sent(api, "/api/evaluations", body))
        return create(*given, **named)

    monkeypatch.setattr(jobs, "create", late)
    first = sent(api, "/api/evaluations", body)

    assert (first.status, meanwhile[0].status, meanwhile[0].error["code"]) == (202, 409, "under_way")
    assert Job.objects.count() == Experiment.objects.count() == 1


@pytest.fixture
def api() -> Caller:
    return caller()
