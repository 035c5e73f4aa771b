"""Steps, threads, participants and datasets over REST."""

from __future__ import annotations

from typing import Any

import pytest

from generations.models import ExperimentItem
from tests.doors.rest import Caller, caller, ids, rows

pytestmark = pytest.mark.django_db

STEP: dict[str, Any] = {
    "id": "s1",
    "timestamp": "2026-03-04T05:06:07Z",
    "endTimestamp": "2026-03-04T05:06:09Z",
    "type": "tool",
    "name": "search",
    "threadId": "t1",
    "input": {"q": "weather"},
    "output": ["rain"],
    "metadata": {"userId": "ann", "tags": ["slow"], "index": "web"},
    "scores": [{"id": "sc", "name": "useful", "type": "AI", "value": 0.5, "timestamp": "2026-03-04T06:00:00Z"}],
}


@pytest.fixture
def api() -> Caller:
    return caller()


# ----------------------------------------------------------------------------------------------- steps
def test_a_step_is_recorded_and_shown_as_it_was_sent(api: Caller) -> None:
    api.post("/api/steps/batch", {"steps": [STEP]})

    shown = api.get("/api/steps/s1").json

    assert {name: value for name, value in shown.items() if name not in ("createdAt", "updatedAt")} == {
        **STEP,
        "performance": {"latency": 2},
    }
    assert api.post("/api/steps/batch", [shown]).json["counts"]["unchanged"] == 1


def test_steps_are_found_by_their_fields(api: Caller) -> None:
    api.post("/api/steps/batch", [STEP, {"id": "s2", "parentId": "s1", "type": "run", "error": "Boom"}])

    assert ids(api.get("/api/steps?type=tool")) == ["s1"]
    assert ids(api.get("/api/steps?parentId=s1")) == ["s2"]
    assert ids(api.get("/api/steps?hasError=true")) == ["s2"]
    assert ids(api.get("/api/steps?performance.latency__gte=2&metadata.index=web")) == ["s1"]
    assert api.get("/api/steps?id=s1&fields=name,input").data == [{"name": "search", "input": {"q": "weather"}}]
    assert (api.get("/api/steps?fields=model").status, api.get("/api/steps?colour=x").status) == (400, 400)


def test_a_bad_step_is_named_by_its_path(api: Caller) -> None:
    answer = api.post(
        "/api/steps/batch",
        [{"id": "a", "typ": "tool"}, {"id": "b", "type": "hammer"}, {"id": "c", "name": "n" * 2000}, {"id": "d"}],
    )

    assert [(r["state"], r.get("field")) for r in answer.json["receipts"]] == [
        ("rejected", "typ"), ("rejected", "type"), ("rejected", "name"), ("stored", None),
    ]  # fmt: skip
    assert "did you mean 'type'?" in answer.json["receipts"][0]["reason"]


# ----------------------------------------------------------------------------------------------- threads
def test_a_thread_is_shown_with_what_happened_in_it(api: Caller) -> None:
    api.post("/api/steps/batch", [STEP])
    calls = [{"id": f"g{n}", "threadId": "t1", "timestamp": f"2026-03-04T05:06:1{n}Z"} for n in range(3)]
    api.post("/api/generations/batch", calls)

    thread = api.get("/api/threads/t1?limit=2").json

    assert thread["id"] == "t1"
    assert (thread["timestamp"], thread["lastActivityAt"]) == ("2026-03-04T05:06:07Z", "2026-03-04T05:06:12Z")
    assert [step["id"] for step in thread["steps"]["data"]] == ["s1"]
    assert thread["steps"]["next"] is None
    assert [call["id"] for call in thread["generations"]["data"]] == ["g0", "g1"]
    more = api.get(f"/api/generations?threadId=t1&order=timestamp&limit=2&after={thread['generations']['next']}")
    assert ids(more) == ["g2"]
    assert ids(api.get("/api/threads?userId=ann")) == ["t1"]
    assert api.get("/api/threads/t1?limit=0").status == 400


def test_participants_come_into_being_with_what_they_did(api: Caller) -> None:
    api.post("/api/steps/batch", [STEP])

    (participant,) = api.get("/api/participants").data

    assert (participant["id"], participant["identifier"]) == ("ann", "ann")
    assert participant["lastSeenAt"] == "2026-03-04T05:06:07Z"


# ----------------------------------------------------------------------------------------------- datasets
def test_a_dataset_is_made_and_filled_by_hand_and_from_what_was_recorded(api: Caller) -> None:
    api.post("/api/generations", {"id": "g", "input": {"content": "Two and two?"}, "output": {"content": "Four."}})
    api.post("/api/steps/batch", [STEP])

    made = api.post("/api/datasets", {"name": "Hard", "description": "Wrong in March", "metadata": {"by": "ann"}})
    items = f"/api/datasets/{made.json['id']}/items"
    written = api.post(items, {"items": [{"input": {"q": 1}, "expectedOutput": 2, "metadata": {"n": 1}}]})
    called = api.post(items, {"generationIds": ["g"], "metadata": {"from": "g"}})
    stepped = api.post(items, {"stepIds": ["s1"]})

    assert (made.status, made.json["version"], made.headers["Location"]) == (
        201, 1, f"/api/datasets/{made.json['id']}",
    )  # fmt: skip
    assert (written.status, called.status, stepped.status) == (201, 201, 201)
    assert written.data[0]["expectedOutput"] == 2
    assert called.data[0]["input"] == {"prompt": "Two and two?"}
    assert (called.data[0]["expectedOutput"], called.data[0]["generationId"]) == ("Four.", "g")
    assert stepped.data[0]["stepId"] == "s1"
    assert api.get(f"/api/datasets/{made.json['id']}").json["version"] == 4
    assert [row["name"] for row in api.get("/api/datasets?name=Hard").data] == ["Hard"]
    whole = ids(api.get(items))
    first = api.get(f"{items}?limit=2")
    rest = api.get(f"{items}?limit=2&after={first.json['page']['next']}")
    assert [*ids(first), *ids(rest)] == whole == [stepped.data[0]["id"], called.data[0]["id"], written.data[0]["id"]]
    assert rest.json["page"]["next"] is None
    assert ids(api.get(f"{items}?version=2")) == [written.data[0]["id"]]


@pytest.mark.parametrize(
    ("document", "status", "field"),
    [
        ({}, 422, "name"),
        ({"name": ""}, 422, "name"),
        ({"name": 1}, 422, "name"),
        ({"name": "x" * 201}, 422, "name"),
        ({"name": "taken"}, 422, "name"),
        ({"name": "new", "type": "list"}, 422, "type"),
        ({"name": "new", "metadata": []}, 422, "metadata"),
        ({"name": "new", "colour": "red"}, 422, "colour"),
    ],
)
def test_a_dataset_that_cannot_be_made_is_refused(api: Caller, document: Any, status: int, field: str) -> None:
    api.post("/api/datasets", {"name": "taken"})
    before = rows()

    answer = api.post("/api/datasets", document)

    code = "invalid_record" if field == "colour" else "invalid_dataset"
    assert (answer.status, answer.error["code"], answer.error["field"]) == (status, code, field)
    assert rows() == before


def test_a_name_that_no_dataset_or_item_has_is_told_with_the_nearest(api: Caller) -> None:
    dataset = api.post("/api/datasets", {"name": "taken"}).json["id"]

    made = api.post("/api/datasets", {"nam": "x"})
    added = api.post(f"/api/datasets/{dataset}/items", {"items": [{"inputt": 1}]})

    assert made.error["message"] == "nam: there is no such field; did you mean 'name'?"
    assert added.error["message"] == "items[0].inputt: there is no such field; did you mean 'items[0].input'?"


def test_a_list_of_items_is_taken_as_one(api: Caller) -> None:
    dataset = api.post("/api/datasets", {"name": "d"}).json["id"]

    added = api.post(f"/api/datasets/{dataset}/items", [{"input": 1}, {"input": {"q": 2}}])

    assert [item["input"] for item in added.json["data"]] == [1, {"q": 2}]


@pytest.mark.parametrize(
    ("document", "status", "field"),
    [
        ({}, 422, "items"),
        ({"items": [], "generationIds": []}, 422, "items"),
        ({"items": [{"input": 1}], "metadata": {}}, 422, "items"),
        ({"items": {}}, 422, "items"),
        ({"items": [1]}, 422, "items[0]"),
        ({"items": [{"input": 1}, {"expectedOutput": 1}]}, 422, "items[1].input"),
        ({"items": [{"input": 1, "output": 1}]}, 422, "items[0].output"),
        ({"items": [{"input": 1, "stepId": 1}]}, 422, "items[0].stepId"),
        ({"items": [{"input": 1, "metadata": []}]}, 422, "items[0].metadata"),
        ({"items": [{"input": 1, "intermediarySteps": {}}]}, 422, "items[0].intermediarySteps"),
        ({"generationIds": [1]}, 422, "generationIds"),
        ({"generationIds": "g"}, 422, "generationIds"),
        ({"generationIds": [], "metadata": []}, 422, "metadata"),
        ({"generationIds": ["nope"]}, 404, "generationIds"),
        ({"stepIds": ["nope"]}, 404, "stepIds"),
        ([{"input": 1}, {"expectedOutput": 1}], 422, "items[1].input"),
        (1, 400, "body"),
    ],
)
def test_items_that_cannot_be_added_are_refused_all_of_them(
    api: Caller, document: Any, status: int, field: str | None
) -> None:
    dataset = api.post("/api/datasets", {"name": "d"}).json["id"]
    before = rows()

    answer = api.post(f"/api/datasets/{dataset}/items", document)

    assert (answer.status, answer.error.get("field")) == (status, field)
    assert rows() == before
    assert api.get(f"/api/datasets/{dataset}").json["version"] == 1


def test_a_list_goes_on_where_it_was_when_the_row_before_is_gone(api: Caller) -> None:
    made = api.post("/api/experiments", {"name": "x", "items": [{"input": n} for n in range(5)]}).json["id"]
    items = f"/api/experiments/{made}/items"
    whole = ids(api.get(items))
    first = api.get(f"{items}?limit=2")
    ExperimentItem.objects.filter(pk__in=whole[:2]).delete()

    rest = api.get(f"{items}?after={first.json['page']['next']}")

    assert [*ids(first), *ids(rest)] == whole


def test_a_wrong_page_of_items_is_refused(api: Caller) -> None:
    dataset = api.post("/api/datasets", {"name": "d"}).json["id"]

    for query in (
        "limit=0",
        "limit=1001",
        "limit=x",
        "after=x",
        "version=x",
        "version=0",
        "version=2",
        "after=0199a0f0-0000-7000-8000-000000000000",
        "after=WyJ4IiwieSJd",
        "after=W10",
        "after=NQ",
    ):
        assert api.get(f"/api/datasets/{dataset}/items?{query}").status == 400, query
