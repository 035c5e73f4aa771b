"""`Idempotency-Key`: a request that is sent again records nothing twice, also where no id was given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from generations import exporting
from generations.models import (
    Attachment,
    AuditEntry,
    DatasetItem,
    Experiment,
    ExperimentItem,
    Feedback,
    Generation,
    Job,
    Score,
    Step,
)
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


ITEMS = [{"input": {"question": "Two and two?"}}, {"input": {"question": "And three?"}}]


@pytest.mark.parametrize(
    "body", [{"items": ITEMS}, ITEMS, {"generationIds": ["known"], "metadata": {"a": 1}}, {"stepIds": ["step"]}]
)
def test_items_that_are_sent_again_are_added_once(api: Caller, body: Any) -> None:
    api.post("/api/steps/batch", {"steps": [{"id": "step", "name": "search", "input": {"a": 1}}]})
    dataset = api.post("/api/datasets", {"name": "Hard ones"}).json["id"]
    other = caller(name="Other")
    path = f"/api/datasets/{dataset}/items"

    first, second = sent(api, path, body), sent(api, path, body)

    assert (first.status, second.status) == (201, 201)
    assert second.data == first.data
    assert api.get(f"/api/datasets/{dataset}").json["version"] == 2
    assert DatasetItem.objects.count() == len(first.data)
    sent(api, path, body, "another key")
    sent(api, path, body, None)
    assert DatasetItem.objects.count() == 3 * len(first.data)
    assert sent(other, path, body).status == 404


def test_an_experiment_and_its_results_that_are_sent_again_are_made_once(api: Caller) -> None:
    results = {"items": [{"output": n, "scores": [{"name": "correct", "value": n}]} for n in (0, 1)]}
    body = {"name": "Short prompt", **results}

    first, second = sent(api, "/api/experiments", body), sent(api, "/api/experiments", body)
    more, again = (sent(api, f"/api/experiments/{first.json['id']}/items", results) for _ in range(2))

    assert [one.status for one in (first, second, more, again)] == [201] * 4
    assert (second.json, again.data) == (first.json, more.data)
    assert (Experiment.objects.count(), ExperimentItem.objects.count()) == (1, 4)
    assert Score.objects.in_project(api.project.pk).count() == 4
    for key in ("another key", None):
        assert sent(api, "/api/experiments", body, key).json["id"] != first.json["id"]
    sent(caller(name="Other"), "/api/experiments", body)
    assert (Experiment.objects.count(), ExperimentItem.objects.count()) == (4, 10)
    # One of them is erased with its participant: the others are told.
    ExperimentItem.objects.get(pk=more.data[0]["id"]).delete()
    assert sent(api, f"/api/experiments/{first.json['id']}/items", results).data == more.data[1:]


@pytest.mark.parametrize(("path", "body"), [("/api/generations/export", {"format": "csv"}), ("/api/exports", {})])
def test_an_export_that_is_asked_for_again_is_made_once(api: Caller, path: str, body: Any) -> None:
    other = caller(name="Other")

    first, second = sent(api, path, body), sent(api, path, body)
    exporting.run(first.json["id"])
    third = sent(api, path, body)

    assert (first.status, second.status, third.status) == (202, 202, 202)
    assert first.json["id"] == second.json["id"] == third.json["id"]
    assert third.json["state"] == "done" and third.headers["Location"] == first.headers["Location"]
    assert Job.objects.count() == AuditEntry.objects.filter(action="export.start").count() == 1
    others = [sent(api, path, body, "another key"), sent(api, path, {"format": "parquet"}), sent(other, path, body)]
    assert len({one.json["id"] for one in (first, *others)}) == 4


def test_a_file_that_is_sent_again_is_imported_once(api: Caller) -> None:
    def send(content: bytes, key: str = "k1", **fields: str) -> Any:
        file = SimpleUploadedFile("calls.jsonl", content)
        return api.client.post("/api/imports", {"file": file, **fields}, headers={"Idempotency-Key": key})

    lines = b'{"id": "a", "input": {"content": "Hi"}}\n'
    first, second = send(lines), send(lines)
    others = [send(lines, "another key"), send(lines * 2), send(lines, **{"as": "calls"})]

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert len({one.json()["id"] for one in (first, *others)}) == Job.objects.count() == 4
    assert len(default_storage.listdir(f"imports/{api.project.pk}")[1]) == 4


@pytest.mark.parametrize(("decoder", "n"), [("argmax", 1), ("sample", 3), ("beam", 2)])
def test_a_model_is_called_once_and_its_answer_told_again(api: Caller, decoder: str, n: int) -> None:
    body = {"model": "ngram:", "prompt": "The sea", "maxTokens": 4, "n": n, "decoder": decoder}

    first = sent(api, "/api/generate", body)
    second = sent(api, "/api/generate", body)
    streamed = sent(api, "/api/generate", {**body, "stream": True})
    again = sent(api, "/api/generate", {**body, "stream": True})

    assert len(first.json["texts"]) == n
    assert second.json["texts"] == first.json["texts"]
    assert second.json["generation"]["id"] == first.json["generation"]["id"]
    assert second.json["generation"]["timestamp"] == first.json["generation"]["timestamp"]
    assert Generation.objects.in_project(api.project.pk).filter(public_id__startswith="again-").count() == 2
    ends = [json.loads(one.content.rpartition(b"data: ")[2]) for one in (streamed, again)]
    assert ends[1]["texts"] == ends[0]["texts"]
    assert ends[1]["generation"]["timestamp"] == ends[0]["generation"]["timestamp"]
    sent(api, "/api/generate", body, "another key")
    assert Generation.objects.in_project(api.project.pk).filter(public_id__startswith="again-").count() == 3
