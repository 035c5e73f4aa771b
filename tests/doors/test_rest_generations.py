"""Generations over REST: recorded, merged, changed, rated, scored, tagged, deleted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from generations.models import AuditEntry, Feedback, Generation, Participant, Tag
from tests.doors.rest import Caller, caller, rows

pytestmark = pytest.mark.django_db

CALL: dict[str, Any] = {
    "id": "generation-123",
    "timestamp": "2026-03-04T05:06:07Z",
    "model": {"id": "gpt-4", "provider": "openai"},
    "input": {"type": "text", "content": "Two and two?"},
    "output": {"type": "text", "content": "Four.", "alternatives": [{"content": "4", "score": 0.25}]},
    "parameters": {"temperature": 0.5, "topP": 1},
    "usage": {"promptTokens": 1000, "completionTokens": 500},
    "metadata": {"userId": "user-456", "tags": ["maths"], "plan": "pro"},
    "performance": {"latency": 1.5, "timeToFirstToken": 0.25},
}


@pytest.fixture
def api() -> Caller:
    return caller()


def without_stamps(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("createdAt", "updatedAt")}


# ---------------------------------------------------------------------------------------------- recording
def test_a_generation_is_recorded_and_answered_as_it_is_stored(api: Caller) -> None:
    answer = api.post("/api/generations", CALL)

    assert answer.status == 201
    assert without_stamps(answer.json) == {
        "id": "generation-123",
        "timestamp": "2026-03-04T05:06:07Z",
        "type": "completion",
        "model": {"id": "gpt-4", "provider": "openai"},
        "input": {"type": "text", "content": "Two and two?", "tokens": 1000},
        "output": {
            "type": "text",
            "content": "Four.",
            "tokens": 500,
            "alternatives": [{"index": 0, "kind": "choice", "content": "4", "score": 0.25}],
        },
        "parameters": {"temperature": 0.5, "topP": 1},
        "usage": answer.json["usage"],
        "metadata": {"userId": "user-456", "tags": ["maths"], "plan": "pro"},
        "performance": answer.json["performance"],
        "prompt": "Two and two?",
        "completion": "Four.",
        "endTimestamp": "2026-03-04T05:06:08.500000Z",
    }
    assert answer.json["usage"]["totalTokens"] == 1500
    # 1000 tokens at 30 and 500 at 60 dollars a million.
    assert answer.json["usage"]["cost"] == 0.06
    assert answer.json["performance"]["latency"] == 1.5
    assert api.get("/api/generations/generation-123").json == answer.json


NUMBERS = [0, -5, 2**31, -(2**40), 2**63 - 1, -(2**63), -0.5, 1e-9, True]


@pytest.mark.parametrize("filling", [0, 40])
def test_what_was_sent_or_answered_may_be_any_number_and_is_kept_exactly(api: Caller, filling: int) -> None:
    """Few rows are written by one statement, and many by COPY."""
    calls = [
        {"id": f"n{n}", "input": {"content": number}, "output": {"content": number}} for n, number in enumerate(NUMBERS)
    ]
    sent = api.post("/api/generations/batch", [*calls, *({"id": f"x{n}"} for n in range(filling))])
    api.post("/api/steps/batch", [{"id": "step", "input": -(2**62), "output": 2**31}])

    assert sent.json["counts"]["stored"] == len(NUMBERS) + filling
    for n, number in enumerate(NUMBERS):
        found = api.get(f"/api/generations/n{n}").json
        assert (found["input"]["content"], found["output"]["content"]) == (number, number)
        assert type(found["output"]["content"]) is type(number)
    step = api.get("/api/steps/step").json
    assert (step["input"], step["output"]) == (-(2**62), 2**31)


def test_a_number_beyond_all_that_is_kept_is_refused(api: Caller) -> None:
    answer = api.post("/api/generations", {"id": "a", "output": {"content": 10**400}})

    assert (answer.status, answer.error["field"]) == (422, "output")
    assert not any(rows().values())


def test_a_second_record_of_an_id_is_merged_and_a_replay_changes_nothing(api: Caller) -> None:
    first = api.post("/api/generations", CALL)
    second = api.post("/api/generations", {"id": "generation-123", "error": "Too slow", "metadata": {"plan": "free"}})
    third = api.post("/api/generations", {"id": "generation-123", "error": None})
    fourth = api.post("/api/generations", {"id": "generation-123", "error": None})

    assert [first.status, second.status, third.status, fourth.status] == [201, 200, 200, 200]
    assert second.json["error"] == "Too slow"
    assert second.json["metadata"] == {"userId": "user-456", "tags": ["maths"], "plan": "free"}
    assert second.json["output"] == first.json["output"]
    assert "error" not in third.json
    assert fourth.json == third.json
    assert Generation.objects.in_project(api.project.pk).count() == 1


def test_what_was_answered_can_be_sent_back(api: Caller) -> None:
    stored = api.post("/api/generations", CALL).json

    again = api.post("/api/generations", stored)

    assert again.status == 200
    assert again.json == stored


def test_a_generation_without_id_and_time_gets_both(api: Caller) -> None:
    document = api.post("/api/generations", {"output": {"content": "Hi"}}).json

    assert len(document["id"]) == 36
    assert abs(dt.datetime.fromisoformat(document["timestamp"]) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_unknown_tokens_and_cost_have_no_name_rather_than_a_zero(api: Caller) -> None:
    document = api.post("/api/generations", {"id": "g", "model": {"id": "my-own-model"}}).json

    assert document["usage"] == {}
    assert document["performance"] == {}


def test_the_environment_of_a_key_stands_in_for_none() -> None:
    api = caller(environment="staging")

    assert api.post("/api/generations", {"id": "a"}).json["environment"] == "staging"
    assert api.post("/api/generations", {"id": "b", "environment": "production"}).json["environment"] == "production"


@pytest.mark.parametrize(
    ("id", "address"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a/b"),
        ("with space & ümlaut?", "with%20space%20%26%20%C3%BCmlaut%3F"),
        ("chatcmpl-1:2", "chatcmpl-1:2"),
        ("new\nline", "new%0Aline"),
        ("trailing/", "trailing%2F"),
        ("x" * 512, "x" * 512),
    ],
)
def test_an_id_may_be_any_text(api: Caller, id: str, address: str) -> None:
    assert api.post("/api/generations", {"id": id}).status == 201

    assert api.get(f"/api/generations/{address}").json["id"] == id
    assert api.post(f"/api/generations/{address}/feedback", {"rating": 3}).status == 201
    assert api.delete(f"/api/generations/{address}").status == 204


def test_head_is_get_without_the_body(api: Caller) -> None:
    api.post("/api/generations", CALL)
    whole = api.get("/api/generations/generation-123")

    head = api.send("HEAD", "/api/generations/generation-123")

    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))


def test_only_the_fields_that_are_asked_for_are_shown(api: Caller) -> None:
    api.post("/api/generations", CALL)

    one = api.get("/api/generations/generation-123?fields=input.content,usage.totalTokens,metadata.plan")

    assert one.json == {
        "input": {"content": "Two and two?"},
        "usage": {"totalTokens": 1500},
        "metadata": {"plan": "pro"},
    }


# ---------------------------------------------------------------------------------------------- changing
def test_the_seeds_update_sets_feedback(api: Caller) -> None:
    api.post("/api/generations", CALL)

    answer = api.patch(
        "/api/generations/generation-123",
        {
            "$set": {
                "feedback": {
                    "rating": 5,
                    "thumbs": "up",
                    "comment": "Excellent response, very helpful",
                    "timestamp": "2026-03-05T00:00:00Z",
                    "userId": "user-456",
                }
            }
        },
    )

    assert answer.status == 200
    feedback = answer.json["feedback"]
    assert {name: feedback[name] for name in feedback if name != "id"} == {
        "rating": 5,
        "thumbs": "up",
        "comment": "Excellent response, very helpful",
        "timestamp": "2026-03-05T00:00:00Z",
        "userId": "user-456",
    }


def test_a_change_is_merged_at_any_depth(api: Caller) -> None:
    api.post("/api/generations", {**CALL, "metadata": {"deep": {"x": 1, "y": 2}, "old": 1}})

    merged = api.patch("/api/generations/generation-123", {"metadata": {"deep": {"y": 3}, "old": None}})
    pathed = api.patch("/api/generations/generation-123", {"$set": {"metadata.deep.x": 9, "parameters.seed": 7}})

    assert merged.json["metadata"] == {"deep": {"x": 1, "y": 3}}
    assert pathed.json["metadata"] == {"deep": {"x": 9, "y": 3}}
    assert pathed.json["parameters"] == {"temperature": 0.5, "topP": 1, "seed": 7}
    assert api.get("/api/generations/generation-123").json == pathed.json


def test_a_change_is_kept_in_the_audit_by_the_names_of_what_changed(api: Caller) -> None:
    api.post("/api/generations", CALL)

    api.patch("/api/generations/generation-123", {"name": "A", "metadata": {"plan": None}})
    api.patch("/api/generations/generation-123", {"$set": {"metadata.plan": "pro", "usage.cost": 1}})
    refused = api.patch("/api/generations/generation-123", {"name": "B", "nme": "C"})

    entries = AuditEntry.objects.filter(action="generation.update").order_by("created_at")
    assert refused.status == 422
    assert [(entry.subject_id, entry.detail) for entry in entries] == [
        ("generation-123", {"fields": ["metadata", "name"]}),
        ("generation-123", {"fields": ["metadata", "usage"]}),
    ]


def test_a_change_may_empty_a_field_and_move_the_start(api: Caller) -> None:
    api.post("/api/generations", CALL)

    document = api.patch(
        "/api/generations/generation-123", {"metadata": {"userId": None}, "timestamp": "2026-02-04T05:06:07Z"}
    ).json

    assert document["metadata"] == {"tags": ["maths"], "plan": "pro"}
    assert document["timestamp"] == "2026-02-04T05:06:07Z"
    assert Generation.objects.in_project(api.project.pk).count() == 1


def test_a_changed_answer_takes_the_place_of_the_old_one_in_every_form(api: Caller) -> None:
    chat = {"id": "c", "messages": [{"role": "user", "content": "Hi"}], "output": {"content": "Yo"}}
    api.post("/api/generations", chat)

    document = api.patch("/api/generations/c", {"output": {"content": "Good morning"}}).json

    assert document["output"]["content"] == "Good morning"
    assert document["messageCompletion"] == {"role": "assistant", "content": "Good morning"}


def test_what_is_not_there_cannot_be_changed_rated_scored_tagged_or_deleted(api: Caller) -> None:
    before = rows()

    for method, path, document in (
        ("GET", "/api/generations/nope", None),
        ("PATCH", "/api/generations/nope", {"name": "x"}),
        ("DELETE", "/api/generations/nope", None),
        ("POST", "/api/generations/nope/feedback", {"rating": 3, "userId": "u"}),
        ("POST", "/api/generations/nope/scores", {"name": "x", "value": 1}),
        ("PUT", "/api/generations/nope/tags", {"add": ["x"]}),
        ("GET", "/api/steps/nope", None),
        ("GET", "/api/threads/nope", None),
        ("DELETE", "/api/scores/nope", None),
        ("GET", "/api/exports/nope", None),
        ("POST", "/api/exports/nope/cancel", None),
        ("GET", "/api/datasets/nope", None),
        ("GET", "/api/datasets/nope/items", None),
        ("POST", "/api/datasets/nope/items", {"items": []}),
    ):
        answer = api.send(method, path, document)
        assert (answer.status, answer.error["code"]) == (404, "not_found"), path
        assert "'nope'" in answer.error["message"]

    assert rows() == before


def test_deleting_takes_everything_along_and_is_noted(api: Caller) -> None:
    api.post("/api/generations", {**CALL, "feedback": {"rating": 3}, "scores": [{"name": "x", "value": 1}]})

    gone = api.delete("/api/generations/generation-123")
    assert (gone.status, gone.headers.get("Content-Type")) == (204, None)

    left = rows()
    assert {name for name, count in left.items() if count} == {"Participant", "Tag"}
    assert AuditEntry.objects.get(action="generation.delete").subject_id == "generation-123"
    assert api.delete("/api/generations/generation-123").status == 404


# ---------------------------------------------------------------------------------------------- judging
def test_feedback_is_given_and_the_latest_is_shown() -> None:
    api, by_ingest = caller(), None
    by_ingest = caller("ingest", project=api.project)
    api.post("/api/generations", CALL)

    first = by_ingest.post(
        "/api/generations/generation-123/feedback",
        {
            "rating": 4,
            "thumbs": "up",
            "comment": "Very helpful response",
            "categories": ["accurate", "helpful"],
            "userId": "user-789",
            "timestamp": "2026-03-04T06:00:00Z",
        },
    )
    second = by_ingest.post(
        "/api/generations/generation-123/feedback", {"thumbs": "down", "timestamp": "2026-03-04T07:00:00Z"}
    )

    assert (first.status, second.status) == (201, 201)
    assert {name: value for name, value in first.json.items() if name != "id"} == {
        "generationId": "generation-123",
        "rating": 4,
        "thumbs": "up",
        "comment": "Very helpful response",
        "categories": ["accurate", "helpful"],
        "userId": "user-789",
        "timestamp": "2026-03-04T06:00:00Z",
    }
    shown = api.get("/api/generations/generation-123").json["feedback"]
    assert (shown["thumbs"], shown.get("rating")) == ("down", None)
    assert Feedback.objects.in_project(api.project.pk).count() == 2
    assert Participant.objects.in_project(api.project.pk).filter(public_id="user-789").exists()


def test_scores_are_given_changed_listed_and_deleted(api: Caller) -> None:
    api.post("/api/generations", CALL)

    given = api.post("/api/generations/generation-123/scores", {"id": "s1", "name": "correct", "value": 1})
    changed = api.put(
        "/api/scores/s1", {"name": "correct", "value": 0.5, "type": "AI", "generationId": "generation-123"}
    )

    assert (given.status, changed.status) == (201, 200)
    assert changed.json["value"] == 0.5
    assert api.get("/api/scores?name=correct&value__lt=1").data == [changed.json]
    inside = api.get("/api/generations/generation-123").json["scores"]
    assert inside == [{name: value for name, value in changed.json.items() if name != "generationId"}]
    assert api.delete("/api/scores/s1").status == 204
    assert api.get("/api/scores").data == []
    assert "scores" not in api.get("/api/generations/generation-123").json


def test_a_score_may_be_on_a_step_that_is_not_recorded_yet(api: Caller) -> None:
    answer = api.post("/api/scores", {"name": "helpful", "label": "yes", "stepId": "step-1"})

    assert answer.status == 201
    assert (answer.json["stepId"], answer.json["label"]) == ("step-1", "yes")


def test_tags_are_added_and_removed(api: Caller) -> None:
    api.post("/api/generations", CALL)

    answer = api.put("/api/generations/generation-123/tags", {"add": ["reviewed", "hard"], "remove": ["maths"]})
    again = api.put("/api/generations/generation-123/tags", {"add": ["reviewed", "hard"], "remove": ["maths"]})

    assert answer.json == again.json == {"tags": ["reviewed", "hard"]}
    assert api.get("/api/generations/generation-123").json["metadata"]["tags"] == ["reviewed", "hard"]
    assert [tag["name"] for tag in api.get("/api/tags?order=name").data] == ["hard", "maths", "reviewed"]
    assert Tag.objects.filter(project=api.project).count() == 3


def test_null_empties_the_feedback_that_is_shown_and_never_deletes_scores(api: Caller) -> None:
    api.post("/api/generations", {"id": "g", "feedback": {"rating": 4, "comment": "c", "categories": ["x"]}})
    api.post("/api/generations/g/scores", {"id": "s", "name": "n", "value": 1})
    before = api.get("/api/generations/g").json["feedback"]

    emptied = api.patch("/api/generations/g", {"feedback": None})
    refused = api.patch("/api/generations/g", {"scores": None})
    again = api.patch("/api/generations/g", {"feedback": None})

    assert emptied.json["feedback"] == {"id": before["id"], "timestamp": before["timestamp"]}
    assert api.get("/api/generations?feedback.rating__exists=true").data == []
    assert (refused.status, refused.error["field"]) == (422, "scores")
    assert again.json == api.get("/api/generations/g").json
    assert [score["id"] for score in again.json["scores"]] == ["s"]


def test_more_tags_than_fit_are_refused_and_none_is_added(api: Caller) -> None:
    api.post("/api/generations", CALL)
    api.put("/api/generations/generation-123/tags", {"add": [f"t{n}" for n in range(99)]})

    answer = api.put("/api/generations/generation-123/tags", {"add": ["one more"]})

    assert (answer.status, answer.error["field"]) == (422, "add")
    assert "one more" not in api.get("/api/generations/generation-123").json["metadata"]["tags"]
    assert not Tag.objects.filter(name="one more").exists()


@pytest.mark.parametrize("said", ["a\0b", "a\ud800b", " ab "])
def test_a_tag_is_taken_away_by_what_it_was_put_on_with(api: Caller, said: str) -> None:
    api.post("/api/generations", {"id": "tagged", "metadata": {"tags": ["kept"]}})

    put = api.put("/api/generations/tagged/tags", {"add": [said]})
    taken = api.put("/api/generations/tagged/tags", {"remove": [said]})

    assert (put.status, len(put.json["tags"])) == (200, 2)
    assert (taken.status, taken.json) == (200, {"tags": ["kept"]})
