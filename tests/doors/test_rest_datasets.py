"""Datasets over REST are filled from a filter, and their items changed and removed."""

from __future__ import annotations

from typing import Any

import pytest

from generations import access, bulk, datasets
from generations.models import Job
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    """A caller with a key."""
    return caller("write")


@pytest.fixture
def dataset(api: Caller) -> str:
    """The address of an empty dataset."""
    return f"/api/datasets/{api.post('/api/datasets', {'name': 'Questions'}).json['id']}"


def test_all_that_match_are_added_once_in_their_order(api: Caller, dataset: str) -> None:
    for number in range(3):
        api.post("/api/generations", {"id": f"g{number}", "model": {"id": f"m{number % 2}"}, "input": {"content": "?"}})

    begun = api.post(f"{dataset}/fill", {"filters": {"model.id": "m0"}, "order": "timestamp"})
    assert (begun.status, begun.json["state"], begun.json["result"]) == (202, "queued", None)
    assert bulk.run(begun.json["id"])
    watched = api.get(begun.headers["Location"]).json

    assert (watched["state"], watched["result"]) == ("done", {"matched": 2, "added": 2})
    assert (watched["kind"], watched["filters"], watched["order"]) == ("generations", {"model.id": "m0"}, "timestamp")
    assert [item["generationId"] for item in api.get(f"{dataset}/items").data] == ["g2", "g0"]
    again = api.post(f"{dataset}/fill", {}).json
    bulk.run(again["id"])
    assert api.get(f"{dataset}/fills/{again['id']}").json["result"] == {"matched": 3, "added": 1}


def test_one_that_asks_again_with_its_key_begins_it_once(api: Caller, dataset: str) -> None:
    key = {"Idempotency-Key": "questions-of-may"}

    first, again, other = (
        api.send("POST", f"{dataset}/fill", {}, headers=said).json["id"]
        for said in (key, key, {"Idempotency-Key": "questions-of-june"})
    )

    assert first == again != other
    assert Job.objects.filter(project=api.project).count() == 2


def test_a_change_of_nothing_is_none(api: Caller, dataset: str) -> None:
    (item,) = api.post(f"{dataset}/items", [{"input": 1}]).data
    before = api.get(dataset).json["version"]

    answer = api.send("PATCH", f"{dataset}/items/{item['id']}", {})

    assert (answer.status, answer.json, api.get(dataset).json["version"]) == (200, item, before)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"filters": {"modle.id": "x"}}, "modle.id"),
        ({"filters": [1]}, "filters"),
        ({"filters": {"timestamp": {"gte": "soon"}}}, "timestamp"),
        ({"kind": "scores"}, "kind"),
        ({"kind": 3}, "kind"),
        ({"order": "colour"}, "order"),
        ({"order": 3}, "order"),
        ({"filter": {}}, "filter"),
    ],
)
def test_what_cannot_fill_is_refused_by_its_name(api: Caller, dataset: str, sent: dict[str, Any], field: str) -> None:
    answer = api.post(f"{dataset}/fill", sent)

    assert (answer.status, answer.error["field"]) in {(400, field), (422, field)}, answer.json
    assert not Job.objects.exists()


def test_who_may_not_write_changes_nothing(api: Caller, dataset: str) -> None:
    (item,) = api.post(f"{dataset}/items", [{"input": 1}]).data
    fill = api.post(f"{dataset}/fill", {}).json["id"]
    reader = caller("read", project=api.project)

    for method, address in (
        ("POST", f"{dataset}/fill"),
        ("PATCH", f"{dataset}/items/{item['id']}"),
        ("DELETE", f"{dataset}/items/{item['id']}"),
        ("POST", f"{dataset}/fills/{fill}/cancel"),
    ):
        assert reader.send(method, address, {} if method != "DELETE" else None).status == 403, address
    assert reader.get(f"{dataset}/fills/{fill}").json["state"] == "queued"
    assert api.post(f"{dataset}/fills/{fill}/cancel", {}).json["state"] == "cancelled"
    assert api.get(f"{dataset}/items").data == [item]


def test_the_filling_of_another_dataset_is_not_this_ones(api: Caller, dataset: str) -> None:
    fill = api.post(f"{dataset}/fill", {}).json["id"]
    (item,) = api.post(f"{dataset}/items", [{"input": 1}]).data
    other = f"/api/datasets/{api.post('/api/datasets', {'name': 'Others'}).json['id']}"

    for method, address in (
        ("GET", f"fills/{fill}"),
        ("POST", f"fills/{fill}/cancel"),
        ("PATCH", f"items/{item['id']}"),
        ("DELETE", f"items/{item['id']}"),
    ):
        answer = api.send(method, f"{other}/{address}", {"input": 2} if method == "PATCH" else None)
        assert (answer.status, answer.error["code"]) == (404, "not_found"), address
    assert api.get(f"{dataset}/items").data == [item]


def test_an_item_is_changed_as_a_new_version_and_what_is_not_named_stays(api: Caller, dataset: str) -> None:
    first = {"input": {"q": 1}, "expectedOutput": "one", "metadata": {"a": 1}, "split": "train", "generationId": "g"}
    (item,) = api.post(f"{dataset}/items", [first]).data

    changed = api.send("PATCH", f"{dataset}/items/{item['id']}", {"expectedOutput": "two", "split": None})
    emptied = api.send("PATCH", f"{dataset}/items/{changed.json['id']}", {"metadata": None, "expectedOutput": None})

    assert (changed.status, emptied.status) == (200, 200)
    same = {"datasetId", "input", "metadata", "generationId"}
    assert {name: changed.json[name] for name in same} == {name: item[name] for name in same}
    assert (changed.json["expectedOutput"], "split" in changed.json) == ("two", False)
    assert (emptied.json["metadata"], "expectedOutput" in emptied.json) == ({}, False)
    assert [row["id"] for row in api.get(f"{dataset}/items").data] == [emptied.json["id"]]
    assert api.get(f"{dataset}/items?version=2").data == [item]
    # Somebody who still has the first one is not told that he changed what he no longer sees.
    assert api.send("PATCH", f"{dataset}/items/{item['id']}", {"input": 3}).status == 404
    assert api.get(dataset).json["version"] == 4


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"input": None}, "item.input"),
        ({"inptu": 1}, "item.inptu"),
        ({"metadata": [1]}, "item.metadata"),
        ({"split": 3}, "item.split"),
        ({"split": "x" * 101}, "item.split"),
        ({"generationId": 3}, "item.generationId"),
        ({"intermediarySteps": {}}, "item.intermediarySteps"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_its_name(
    api: Caller, dataset: str, sent: dict[str, Any], field: str
) -> None:
    (item,) = api.post(f"{dataset}/items", [{"input": 1}]).data

    answer = api.send("PATCH", f"{dataset}/items/{item['id']}", sent)

    assert (answer.status, answer.error["field"]) in {(400, field), (422, field)}, answer.json
    assert api.get(f"{dataset}/items").data == [item]


def test_an_item_is_taken_out_once_and_past_versions_keep_it(api: Caller, dataset: str) -> None:
    (item,) = api.post(f"{dataset}/items", [{"input": 1}]).data

    assert api.send("DELETE", f"{dataset}/items/{item['id']}").status == 204
    assert api.send("DELETE", f"{dataset}/items/{item['id']}").status == 404
    assert api.send("DELETE", f"{dataset}/items/nope").status == 404

    assert api.get(f"{dataset}/items").data == []
    assert api.get(f"{dataset}/items?version=2").data == [item]
    assert datasets.item(access.of_system(api.project), item["id"]) is not None
