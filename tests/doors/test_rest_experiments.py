"""Experiments and prompts over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from generations.models import AuditEntry, Experiment, ExperimentItem, Prompt, PromptVersion, Score
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db

GREETING: dict[str, Any] = {
    "messages": [{"role": "system", "content": "Greet {{name}}."}],
    "settings": {"temperature": 0.2},
    "model": "gpt-4o",
}


@pytest.fixture
def api() -> Caller:
    return caller()


# ---------------------------------------------------------------------------------------------------------- experiments
def test_an_experiment_is_made_with_its_results_and_read_with_its_numbers(api: Caller) -> None:
    dataset = api.post("/api/datasets", {"name": "Questions"}).json["id"]
    (item,) = api.post(f"/api/datasets/{dataset}/items", {"items": [{"input": "Two and two?"}]}).data
    result = {"datasetItemId": item["id"], "output": "Four.", "scores": [{"name": "correct", "value": 1}]}

    made = api.post("/api/experiments", {"name": "first", "datasetId": dataset, "items": [result]})
    more = api.post(f"/api/experiments/{made.json['id']}/items", {"items": [{"output": "x", "input": "y"}]})

    assert (made.status, more.status) == (201, 201)
    told = api.get(f"/api/experiments/{made.json['id']}").json
    assert (told["name"], told["datasetId"], told["count"]) == ("first", dataset, 2)
    assert told["means"] == {"correct": {"count": 1, "mean": 1, "low": None, "high": None}}
    assert [one["output"] for one in api.get(f"/api/experiments/{told['id']}/items").data] == ["x", "Four."]
    assert [one["name"] for one in api.get("/api/experiments").data] == ["first"]
    score = Score.objects.in_project(api.project.pk).get()
    assert (score.type, score.experiment_item_id) == ("AI", str(ExperimentItem.objects.get(output="Four.").pk))


def test_two_experiments_are_compared_item_by_item(api: Caller) -> None:
    ids = [
        api.post(
            "/api/experiments",
            {
                "name": name,
                "items": [
                    {"input": n, "scores": [{"name": "correct", "value": value}]} for n, value in enumerate(values)
                ],
            },
        ).json["id"]
        for name, values in (("a", [0, 0, 1]), ("b", [1, 0.5, 0]))
    ]

    base, other = api.get(f"/api/experiments/compare?id={ids[0]}&id={ids[1]}").data

    assert (base["differences"], other["means"]["correct"]["mean"]) == ({}, 0.5)
    difference = other["differences"]["correct"]
    assert (difference["wins"], difference["losses"], difference["count"]) == (2, 1, 3)
    assert difference["mean"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "dataset": "y"}, "dataset"),
        ({"name": "x", "items": {}}, "items"),
        ({"name": "x", "items": [5]}, "items[0]"),
        ({"name": "x", "items": [{"ouput": 1}]}, "items[0].ouput"),
        ({"name": "x", "items": [{"runId": 5}]}, "items[0].runId"),
        ({"name": "x", "items": [{"scores": [{"name": "y", "value": "high"}]}]}, "items[0].scores[0].value"),
        ({"name": "x", "items": [{}, {"runId": "r" * 513}]}, "items[1].runId"),
        ({"name": "x", "items": [{"generationId": "g" * 513}]}, "items[0].generationId"),
        ({"name": "x", "promptVersionId": "v" * 513}, "promptVersionId"),
        ({"name": "x", "items": [{}, {"input": ["x" * (8 << 20)]}]}, "items[1].input"),
        ({"name": "x", "items": [{"scores": [{"name": "a"}, {"name": "n" * 9_999}]}]}, "items[0].scores[1].name"),
    ],
)
def test_a_bad_experiment_is_refused_and_nothing_of_it_is_made(api: Caller, asked: Any, field: str) -> None:
    answer = api.post("/api/experiments", asked)

    assert answer.status == 422
    assert answer.error["field"] == field
    assert answer.error["message"].startswith(f"{field}: ")
    assert answer.error.keys() >= {"value", "expected"}
    assert (Experiment.objects.count(), ExperimentItem.objects.count()) == (0, 0)


def test_another_projects_experiment_is_not_there(api: Caller) -> None:
    theirs = caller(name="Other").post("/api/experiments", {"name": "theirs"}).json["id"]

    assert api.get(f"/api/experiments/{theirs}").status == 404
    assert api.get(f"/api/experiments/{theirs}/items").status == 404
    assert api.post(f"/api/experiments/{theirs}/items", {"items": []}).status == 404
    assert api.send("DELETE", f"/api/experiments/{theirs}").status == 404
    assert api.get("/api/experiments/compare?id=x&id=y").status == 404
    assert api.get("/api/experiments/compare?id=x").status == 400
    assert api.get("/api/experiments").data == []


# -------------------------------------------------------------------------------------------------------------- prompts
def test_a_version_is_made_once_and_handed_out_by_its_label(api: Caller) -> None:
    first = api.post("/api/prompts/greeting/versions", {**GREETING, "labels": ["prod"]})
    again = api.post("/api/prompts/greeting/versions", GREETING)
    second = api.post(
        "/api/prompts/greeting/versions", {**GREETING, "settings": {"temperature": 1}, "labels": ["test"]}
    )

    assert (first.status, again.status, second.status) == (201, 200, 201)
    assert (first.json["version"], again.json["id"], second.json["version"]) == (0, first.json["id"], 1)
    assert (first.json["inputs"], first.json["labels"]) == (["name"], ["prod"])
    assert api.get("/api/prompts/greeting?label=prod").json["version"] == 0
    assert api.get("/api/prompts/greeting?label=test").json["settings"] == {"temperature": 1}
    assert api.get("/api/prompts/greeting").json["version"] == 1
    assert api.get("/api/prompts/greeting?version=0").json["version"] == 0
    assert [one["version"] for one in api.get("/api/prompts/greeting/versions").data] == [1, 0]
    assert api.get("/api/prompts").data[0]["labels"] == {"prod": 0, "test": 1}


def test_an_unchanged_version_is_answered_304_and_a_moved_label_is_not(api: Caller) -> None:
    api.post("/api/prompts/greeting/versions", {**GREETING, "labels": ["prod"]})
    api.post("/api/prompts/greeting/versions", {**GREETING, "model": "gpt-4", "settings": {"temperature": 0}})
    etag = api.get("/api/prompts/greeting?label=prod").headers["ETag"]
    address = "/api/prompts/greeting?label=prod"

    same = api.client.get(address, headers={"If-None-Match": f'"x", {etag}'})
    api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"prod": 1}})
    moved = api.client.get(address, headers={"If-None-Match": etag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert same.headers["Cache-Control"] == "private, no-cache"
    # A cache that is told another type takes it for that of the body that it has (RFC 9111, 3.2).
    assert "Content-Type" not in same.headers
    assert (moved.status_code, moved.json()["version"]) == (200, 1)


def test_labels_are_moved_together_or_not_at_all(api: Caller) -> None:
    for n in range(3):
        api.post("/api/prompts/greeting/versions", {"template": f"Version {n}"})
    api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"prod": 0, "test": 1}})

    swapped = api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"prod": 1, "test": 2, "old": 0}})
    refused = api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"prod": 2, "test": 9}})
    taken = api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"old": None}})

    assert swapped.json["labels"] == {"old": 0, "prod": 1, "test": 2}
    assert (refused.status, refused.error["message"]) == (404, "The prompt 'greeting' has no version 9.")
    assert taken.json["labels"] == {"prod": 1, "test": 2}
    entries = AuditEntry.objects.filter(action="prompt.label").order_by("created_at")
    assert [entry.detail for entry in entries][2:] == [
        {"label": "prod", "version": 1, "from": 0},
        {"label": "test", "version": 2, "from": 1},
        {"label": "old", "version": 0, "from": None},
        {"label": "old", "version": None, "from": 0},
    ]
    # A label that is where it is asked to be is not moved, and nothing is noted.
    api.send("PUT", "/api/prompts/greeting/labels", {"labels": {"prod": 1}})
    assert entries.count() == 6


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "field"),
    [
        ("POST", "/versions", {}, 422, "messages"),
        ("POST", "/versions", {"messages": "x"}, 422, "messages"),
        ("POST", "/versions", {"template": "x", "settings": []}, 422, "settings"),
        ("POST", "/versions", {"template": "x", "colour": 1}, 422, "colour"),
        ("POST", "/versions", {"template": "x", "labels": ["latest"]}, 422, "labels"),
        ("POST", "/versions", {"template": "x", "labels": [5]}, 422, "labels[0]"),
        ("POST", "/versions", {"template": "x", "labels": [None]}, 422, "labels[0]"),
        ("POST", "/versions", {"messages": [[]]}, 422, "messages[0]"),
        ("POST", "/versions", {"messages": [{"role": "user", "content": "x" * (4 << 20)}]}, 422, "messages"),
        ("POST", "/versions", {"template": "x" * ((4 << 20) + 1)}, 422, "template"),
        ("POST", "/versions", {"template": "x", "inputDefaults": {"a": "x" * (4 << 20)}}, 422, "inputDefaults"),
        ("POST", "/versions", {"template": "x", "model": "m" * 513}, 422, "model"),
        ("POST", "/versions", {"template": "x", "provider": "p" * 513}, 422, "provider"),
        ("POST", "/versions", {"template": "x", "description": "d" * 10_001}, 422, "description"),
        ("PUT", "/labels", {"labels": {"": 0}}, 422, "labels"),
        ("PUT", "/labels", {"labels": {"prod": "0"}}, 422, "labels"),
        ("PUT", "/labels", {"labels": ["prod"]}, 422, "labels"),
        ("GET", "?label=none", None, 404, None),
        ("GET", "?version=7", None, 404, None),
        ("GET", "?version=x", None, 400, "version"),
        ("GET", "?version=0&label=prod", None, 400, "version"),
        ("GET", "/compare", None, 400, "version"),
        ("GET", "/compare?version=0&days=900", None, 400, "days"),
        ("GET", "/compare?version=0&days=9&days=3", None, 400, "days"),
        ("GET", "/compare?version=0&version=7", None, 404, None),
    ],
)
def test_what_cannot_be_asked_of_a_prompt(
    api: Caller, method: str, path: str, sent: Any, status: int, field: str | None
) -> None:
    api.post("/api/prompts/greeting/versions", {"template": "Hello"})

    answer = api.send(method, f"/api/prompts/greeting{path}", sent)

    assert (answer.status, answer.error.get("field")) == (status, field)
    assert PromptVersion.objects.in_project(api.project.pk).get().labels == []


def test_what_no_database_takes_is_left_out_of_a_version(api: Caller) -> None:
    sent = {"template": "x", "inputDefaults": {"a": "n\0ul"}, "model": "m\0", "provider": "p\0"}

    made = api.post("/api/prompts/greeting/versions", sent)

    assert made.status == 201
    assert [made.json[name] for name in ("inputDefaults", "model", "provider")] == [{"a": "nul"}, "m", "p"]


def test_a_deleted_prompt_is_handed_out_at_no_address_until_it_is_made_again(api: Caller) -> None:
    api.post("/api/prompts/greeting/versions", {"template": "Hello", "labels": ["prod"]})
    Prompt.objects.filter(project=api.project).update(deleted_at=timezone.now())

    gone = [api.get(f"/api/prompts/greeting{path}") for path in ("", "?label=prod", "/versions", "/compare?version=0")]
    moved = api.put("/api/prompts/greeting/labels", {"labels": {"test": 0}})
    again = api.post("/api/prompts/greeting/versions", {"template": "Hello again"})

    assert [answer.status for answer in [*gone, moved]] == [404] * 5
    assert (again.status, again.json["version"]) == (201, 1)
    assert api.get("/api/prompts/greeting?label=prod").json["version"] == 0
    assert [row["name"] for row in api.get("/api/prompts").data] == ["greeting"]


def test_another_projects_prompt_is_not_there_and_reading_keys_do_not_write(api: Caller) -> None:
    caller(name="Other").post("/api/prompts/theirs/versions", GREETING)
    reader = caller("read", name="Read")

    assert api.get("/api/prompts/theirs").status == 404
    assert api.send("PUT", "/api/prompts/theirs/labels", {"labels": {"prod": 0}}).status == 404
    assert reader.post("/api/prompts/x/versions", GREETING).status == 403
    assert reader.post("/api/experiments", {"name": "x"}).status == 403
    assert Prompt.objects.count() == 1


def test_experiments_and_prompts_are_narrowed_ordered_and_paged_by_their_fields(api: Caller) -> None:
    for name in ("b", "a", "c"):
        api.post("/api/experiments", {"name": name, "promptVersionId": f"v-{name}"})
        api.post(f"/api/prompts/{name}/versions", {"template": name, "labels": ["prod"]})
    Prompt.objects.filter(name="c").update(deleted_at="2026-03-01T00:00:00Z")

    def names(path: str) -> list[str]:
        return [row["name"] for row in api.get(path).data]

    page = api.get("/api/experiments?order=name&limit=2").json
    gone = api.get("/api/experiments?name=b").data[0]["id"]
    api.send("DELETE", f"/api/experiments/{gone}")

    assert [row["name"] for row in page["data"]] == ["a", "b"]
    # The row that the page ended with is gone, and the next one is there all the same.
    assert names(f"/api/experiments?order=name&limit=2&after={page['page']['next']}") == ["c"]
    assert names("/api/experiments?promptVersionId=v-a") == ["a"]
    assert names("/api/prompts?name__in=a,c&order=name") == ["a"]
    assert names("/api/prompts") == ["a", "b"]
    assert api.get("/api/prompts?name=a&count=true").json["count"] == {"value": 1, "exact": True}
    assert api.get("/api/prompts/a?lable=prod").error["message"].endswith("; did you mean label?")
