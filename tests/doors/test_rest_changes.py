"""What is there over REST is changed, put away and deleted there, too: datasets, threads, participants, steps."""

from __future__ import annotations

from typing import Any

import pytest

from generations import access, retention
from generations.models import AuditEntry, Generation, Step, Thread
from tests.doors.rest import Caller, caller, ids, rows

pytestmark = pytest.mark.django_db
NAMED = ("name", "description", "metadata")


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.fixture
def dataset(api: Caller) -> str:
    """The address of a dataset with an item."""
    said = {"name": "Questions", "description": "Those of May", "metadata": {"owner": "ann"}}
    made = f"/api/datasets/{api.post('/api/datasets', said).json['id']}"
    api.post(f"{made}/items", [{"input": 1}])
    return made


# ------------------------------------------------------------------------------------------------------------ datasets
def test_of_a_dataset_what_is_absent_stays_and_what_is_null_is_emptied(api: Caller, dataset: str) -> None:
    before = api.get(dataset).json

    renamed = api.patch(dataset, {"name": "Hard questions"}).json
    emptied = api.patch(dataset, {"description": None, "metadata": None}).json
    nothing = api.patch(dataset, {}).json

    assert [renamed[name] for name in NAMED] == ["Hard questions", before["description"], before["metadata"]]
    assert [emptied[name] for name in NAMED] == ["Hard questions", "", {}]
    assert nothing == emptied == api.get(dataset).json
    assert (emptied["id"], emptied["version"]) == (before["id"], before["version"])


def test_a_dataset_is_put_away_and_brought_back(api: Caller, dataset: str) -> None:
    away = api.patch(dataset, {"archived": True, "name": "Old"}).json
    back = api.patch(dataset, {"archived": False}).json

    assert (away["name"], away["archivedAt"] > "2020") == ("Old", True)
    assert "archivedAt" not in back
    done = set(AuditEntry.objects.filter(project=api.project).values_list("action", flat=True))
    assert {"dataset.update", "dataset.archive", "dataset.restore"} <= done


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Others"}, "name"),
        ({"name": 3, "archived": True}, "name"),
        ({"description": 3}, "description"),
        ({"metadata": [1]}, "metadata"),
        ({"archived": None}, "archived"),
        ({"archived": "yes", "name": "New"}, "archived"),
        ({"archived": True, "name": "Others"}, "name"),
        ({"type": "generation"}, "type"),
        ({"desription": "x"}, "desription"),
    ],
)
def test_what_a_dataset_cannot_be_is_refused_whole(api: Caller, dataset: str, sent: Any, field: str) -> None:
    api.post("/api/datasets", {"name": "Others"})
    before = api.get(dataset).json

    answer = api.patch(dataset, sent)

    assert (answer.status, answer.error["field"]) == (422, field), answer.json
    assert answer.error["expected"]
    assert api.get(dataset).json == before


def test_a_dataset_is_deleted_with_its_items(api: Caller, dataset: str) -> None:
    experiment = api.post("/api/experiments", {"name": "e", "datasetId": dataset.rpartition("/")[2]}).json["id"]

    assert api.delete(dataset).status == 204

    assert (rows()["Dataset"], rows()["DatasetItem"]) == (0, 0)
    assert [api.send(how, dataset).status for how in ("GET", "DELETE")] == [404, 404]
    assert api.patch(dataset, {"name": "x"}).status == 404
    assert api.get(f"/api/experiments/{experiment}").status == 200


# -------------------------------------------------------------------------------------------- threads and participants
def test_a_thread_is_named_before_and_after_something_happens_in_it(api: Caller) -> None:
    made = api.put("/api/threads/t 1", {"name": "Refund", "userId": "ann", "tags": ["a"], "metadata": {"order": 7}})
    api.post("/api/generations", {"id": "g", "threadId": "t 1"})
    changed = api.put("/api/threads/t 1", {"id": "t 1", "name": "Refund of 7", "tags": None})

    assert (made.status, changed.status) == (201, 200)
    assert {name: changed.json.get(name) for name in ("id", "name", "userId", "tags", "metadata")} == {
        "id": "t 1", "name": "Refund of 7", "userId": "ann", "tags": [], "metadata": {"order": 7},
    }  # fmt: skip
    assert ids(api.get("/api/threads?name=Refund of 7")) == ["t 1"]
    assert api.get("/api/participants/ann").status == 200


def test_a_thread_is_in_the_environment_of_the_key_unless_it_names_one() -> None:
    api = caller(environment="staging")

    assert api.put("/api/threads/t", {}).json["environment"] == "staging"
    assert api.put("/api/threads/u", {"environment": "test"}).json["environment"] == "test"
    # Once it is there it stays where it is, and what is null is emptied.
    assert api.put("/api/threads/u", {"name": "Mine"}).json["environment"] == "test"
    assert "environment" not in api.put("/api/threads/u", {"environment": None}).json
    assert "environment" not in api.put("/api/threads/v", {"environment": None}).json


def test_a_participant_is_described_before_and_after_they_do_something(api: Caller) -> None:
    made = api.put("/api/participants/u7", {"identifier": "ann@example.com", "metadata": {"plan": "pro"}})
    api.post("/api/generations", {"id": "g", "metadata": {"userId": "u7"}})
    changed = api.put("/api/participants/u7", {"id": "u7", "metadata": {"plan": "free"}})

    assert (made.status, changed.status) == (201, 200)
    assert (changed.json["identifier"], changed.json["metadata"]["plan"]) == ("ann@example.com", "free")
    assert api.get("/api/participants/u7").json == changed.json


@pytest.mark.parametrize("room", ["threads", "participants"])
@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"id": "another"}, "id"),
        ({"id": ""}, "id"),
        ({"id": ["t"]}, "id"),
        ({"metadata": "x"}, "metadata"),
        ({"nmae": "x"}, "nmae"),
    ],
)
def test_what_cannot_be_put_is_refused_by_its_name(api: Caller, room: str, sent: Any, field: str) -> None:
    answer = api.put(f"/api/{room}/t", sent)

    assert (answer.status, answer.error["field"]) == (422, field), answer.json
    assert answer.error["expected"]
    assert (rows()["Thread"], rows()["Participant"]) == (0, 0)


# ----------------------------------------------------------------------------------------------------------- deletions
def test_a_step_is_deleted_with_its_calls_and_a_thread_with_all_that_is_in_it(api: Caller) -> None:
    api.post("/api/steps/batch", [{"id": one, "threadId": "t"} for one in ("s", "other")])
    api.post("/api/steps/batch", [{"id": "below", "parentId": "s", "threadId": "u"}])
    api.post("/api/generations/batch", [{"id": "g", "stepId": "s"}, {"id": "h", "threadId": "t"}, {"id": "i"}])

    assert [api.delete("/api/steps/s").status for _ in range(2)] == [204, 404]
    assert set(Step.objects.in_project(api.project.pk).values_list("public_id", flat=True)) == {"other", "below"}
    assert [api.delete("/api/threads/t").status for _ in range(2)] == [204, 404]

    assert list(Generation.objects.in_project(api.project.pk).values_list("public_id", flat=True)) == ["i"]
    assert list(Step.objects.in_project(api.project.pk).values_list("public_id", flat=True)) == ["below"]
    assert list(Thread.objects.in_project(api.project.pk).values_list("public_id", flat=True)) == ["u"]


def test_what_names_a_step_that_never_came_is_not_deleted_with_it(api: Caller) -> None:
    api.post("/api/generations", {"id": "g", "stepId": "s"})

    assert api.delete("/api/steps/s").status == 404
    assert api.get("/api/generations/g").status == 200
    assert not AuditEntry.objects.filter(project=api.project, action="step.delete").exists()


@pytest.mark.parametrize("room", ["threads", "participants"])
def test_nothing_is_put_at_an_address_where_it_would_not_be_found(api: Caller, room: str) -> None:
    answer = api.put(f"/api/{room}/a%00b", {})

    assert (answer.status, answer.error["field"]) == (422, "id")
    assert api.get(f"/api/{room}").json["data"] == []


def test_what_a_legal_hold_keeps_is_not_deleted(api: Caller) -> None:
    api.post("/api/steps/batch", [{"id": "s", "threadId": "t"}])
    api.post("/api/generations", {"id": "g", "stepId": "s", "threadId": "t"})
    admin = access.of_system(api.project)
    retention.add_hold(admin, reason="Case 7", kind="generations", document={"id": "g"})

    for address in ("/api/steps/s", "/api/threads/t"):
        answer = api.delete(address)
        assert (answer.status, answer.error["code"]) == (409, "held"), address
    assert api.get("/api/generations/g").status == 200


def test_a_score_is_read_by_its_id(api: Caller) -> None:
    given = api.post("/api/scores", {"id": "a/b", "name": "n", "value": 0.5, "stepId": "s"}).json

    assert api.get("/api/scores/a/b").json == given
    assert api.get("/api/scores/none").error["code"] == "not_found"


# -------------------------------------------------------------------------------------------------------------- scopes
def test_a_key_without_the_scope_changes_nothing(api: Caller, dataset: str) -> None:
    api.post("/api/steps/batch", [{"id": "s", "threadId": "t", "metadata": {"userId": "u"}}])
    before = rows(), api.get(dataset).json, api.get("/api/threads/t").json
    reader, sender = (caller(scope, project=api.project) for scope in ("read", "ingest"))

    for how, address in (
        ("PATCH", dataset), ("DELETE", dataset), ("DELETE", "/api/steps/s"), ("DELETE", "/api/threads/t"),
    ):  # fmt: skip
        for key in (reader, sender):
            assert key.send(how, address, {"name": "x"} if how == "PATCH" else None).status == 403, (how, address)
    for address in ("/api/threads/t", "/api/participants/u"):
        for key in (reader, sender):
            assert key.put(address, {"metadata": {"a": 1}}).status == 403, address
        assert caller(name="Elsewhere").delete(address).status in (404, 405)
    assert sender.get("/api/scores/s").status == 403

    assert (rows(), api.get(dataset).json, api.get("/api/threads/t").json) == before
