"""`Idempotency-Key`: a request that is sent again records nothing twice, also where no id was given."""

from __future__ import annotations

from typing import Any

import pytest

from generations.models import Attachment, Feedback, Generation, Score, Step
from tests.doors.rest import Answer, Caller, caller

pytestmark = pytest.mark.django_db

CALL = {
    "model": {"id": "gpt-4o-mini"},
    "input": {"content": "Hello"},
    "attachments": [{"name": "a.png", "url": "https://example.com/a.png"}],
}


@pytest.fixture
def api() -> Caller:
    api = caller()
    assert api.post("/api/generations", {**CALL, "id": "known"}).status == 201
    return api


def sent(api: Caller, path: str, body: Any, key: str | None = "k1") -> Answer:
    return api.send("POST", path, body, headers={} if key is None else {"Idempotency-Key": key})


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/api/generations", CALL, Generation),
        ("/api/generations/batch", [CALL, CALL], Generation),
        ("/api/steps/batch", {"steps": [{"name": "search"}, {"name": "search"}]}, Step),
        ("/api/scores", {"name": "ok", "type": "HUMAN", "value": 1, "generationId": "known"}, Score),
        ("/api/generations/known/scores", {"name": "ok", "type": "HUMAN", "value": 1}, Score),
        ("/api/generations/known/feedback", {"rating": 4}, Feedback),
    ],
)
def test_what_is_sent_again_with_the_same_key_is_recorded_once(api: Caller, path: str, body: Any, model: Any) -> None:
    def count() -> int:
        return int(model.objects.in_project(api.project.pk).count())

    before = count()
    first = sent(api, path, body)
    once = count()
    second = sent(api, path, body)

    assert first.status in (200, 201)
    assert second.status == 200
    assert once - before == (2 if "batch" in path else 1)
    assert count() == once
    sent(api, path, body, "another key")
    sent(api, path, body, None)
    assert count() == once + 2 * (once - before)


def test_another_body_with_the_same_key_is_recorded_as_what_it_is(api: Caller) -> None:
    first, second = sent(api, "/api/generations", CALL), sent(api, "/api/generations", {**CALL, "name": "other"})

    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]
    assert "name" not in api.get(f"/api/generations/{first.json['id']}").json


def test_the_same_feedback_on_another_call_is_its_own(api: Caller) -> None:
    api.post("/api/generations", {**CALL, "id": "other"})

    for id in ("known", "other"):
        assert sent(api, f"/api/generations/{id}/feedback", {"rating": 4}).status == 201


def test_an_attachment_without_an_id_is_there_once_however_often_its_call_is_sent(api: Caller) -> None:
    other = {**CALL, "attachments": [{"name": "a.png", "url": "https://example.com/b.png"}]}
    for call in (CALL, CALL, other):
        api.post("/api/generations", {**call, "id": "g"})

    stored = Attachment.objects.in_project(api.project.pk).filter(generation_id="g")

    assert stored.count() == 2
    assert {one.url for one in stored} == {"https://example.com/a.png", "https://example.com/b.png"}


def test_an_id_that_is_given_is_kept(api: Caller) -> None:
    assert sent(api, "/api/generations", {**CALL, "id": "mine"}).json["id"] == "mine"


def test_an_id_is_of_its_project_alone(api: Caller) -> None:
    other = caller()

    assert sent(api, "/api/generations", CALL).status == 201
    assert sent(other, "/api/generations", CALL).status == 201


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_refused(api: Caller, key: str) -> None:
    answer = sent(api, "/api/generations", CALL, key)

    assert (answer.status, answer.error["field"]) == (400, "Idempotency-Key")
    assert answer.error["expected"] == "1 to 255 characters"
    assert Generation.objects.in_project(api.project.pk).count() == 1
