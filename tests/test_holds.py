"""What a legal hold keeps is deleted at no door, whoever asks, until the hold is released."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from generations import access, holds, recording, retention
from generations.models import Attachment, AuditEntry, Generation, Score, Step, Thread
from generations.records import AttachmentRecord, GenerationRecord, ScoreRecord, StepRecord, ThreadRecord
from tests.doors import literal
from tests.doors.rest import Answer, Caller, caller

pytestmark = pytest.mark.django_db
SENTENCE = 'The legal hold "Case 7" keeps this'


def said(answer: Answer) -> str:
    """The body, with quotes as they are."""
    return answer.content.decode().replace("\\", "")


def rest(kind: str, id: str) -> Callable[[Caller], str]:
    return lambda api: said(api.delete(f"/api/{kind}/{id}"))


def graphql(mutation: str) -> Callable[[Caller], str]:
    return lambda api: (
        api.post("/graphql/", {"query": f"mutation {{ {mutation} {{ id }} }}"}).content.decode().replace("\\", "")
    )


def literal_ai(mutation: str) -> Callable[[Caller], str]:
    return lambda api: (
        literal.send(api, {"query": f"mutation {{ {mutation} {{ id }} }}"}).content.decode().replace("\\", "")
    )


DOORS: dict[str, Callable[[Caller], str]] = {
    "REST, a call": rest("generations", "call"),
    "GraphQL, a call": graphql('deleteGeneration(id: "call")'),
    "Literal AI, the step of a call": literal_ai('deleteStep(id: "step")'),
    "Literal AI, the thread of a call": literal_ai('deleteThread(id: "thread")'),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("document", [{"metadata.userId": "mia"}, None])
def test_what_is_held_is_deleted_at_no_door_until_it_is_released(door: str, document: dict[str, str] | None) -> None:
    api = caller("write")
    recording.record(
        api.project,
        [
            ThreadRecord(id="thread"),
            StepRecord(id="step", thread_id="thread", name="s"),
            GenerationRecord(id="call", step_id="step", thread_id="thread", user_id="mia", prompt="Hello"),
        ],
    )
    admin = access.of_system(api.project)
    hold = retention.add_hold(admin, reason="Case 7", kind="generations", document=document)

    refused = DOORS[door](api)
    kept = [model.objects.in_project(api.project.pk).count() for model in (Thread, Step, Generation)]
    audited = AuditEntry.objects.filter(action__endswith=".delete").count()
    retention.release_hold(admin, hold.pk)
    done = DOORS[door](api)

    assert SENTENCE in refused
    assert (kept, audited) == ([1, 1, 1], 0)
    assert SENTENCE not in done
    assert not Generation.objects.in_project(api.project.pk).exists()


def test_what_no_hold_is_on_is_deleted_as_ever_and_another_projects_holds_are_its_own() -> None:
    api, other = caller("write"), access.create_project("Other")
    recording.record(api.project, [GenerationRecord(id="free", user_id="bob"), GenerationRecord(id="call")])
    document = {"metadata.userId": "mia"}
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations", document=document)
    retention.add_hold(access.of_system(other), reason="Case 8", kind="generations")

    assert [api.delete(f"/api/generations/{id}").status for id in ("free", "call")] == [204, 204]


@pytest.mark.parametrize("belonging", [{"generation_id": "call"}, {"step_id": "step"}, {"thread_id": "thread"}])
def test_scores_and_files_of_what_is_held_are_kept_with_it(belonging: dict[str, Any]) -> None:
    api = caller("write")
    call = GenerationRecord(id="call", step_id="step", thread_id="thread", user_id="mia", prompt="Hello")
    score = ScoreRecord(id="score", name="quality", type="HUMAN", value=1.0, **belonging)
    file = AttachmentRecord(id="file", name="a.png", url="https://files.example/a.png", **belonging)
    recording.record(api.project, [StepRecord(id="step", thread_id="thread", name="s"), call, score, file])
    admin = access.of_system(api.project)
    hold = retention.add_hold(admin, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})
    deletions = [
        rest("scores", "score"),
        graphql('deleteScore(id: "score")'),
        literal_ai('deleteAttachment(id: "file")'),
    ]

    refused = [delete(api) for delete in deletions]
    kept = [model.objects.in_project(api.project.pk).count() for model in (Score, Attachment)]
    retention.release_hold(admin, hold.pk)
    for delete in deletions:
        delete(api)

    assert all(SENTENCE in one and "what it belongs to" in one for one in refused), refused
    assert kept == [1, 1]
    assert [model.objects.in_project(api.project.pk).count() for model in (Score, Attachment)] == [0, 0]


def test_a_thread_is_kept_for_a_call_that_was_made_in_one_of_its_steps() -> None:
    api = caller("write")
    recording.record(
        api.project,
        [
            StepRecord(id="step", thread_id="thread", name="s"),
            StepRecord(id="other", thread_id="free", name="s"),
            GenerationRecord(id="call", step_id="step", user_id="mia"),
        ],
    )
    document = {"metadata.userId": "mia"}
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations", document=document)

    refused, done = (literal_ai(f'deleteThread(id: "{id}")')(api) for id in ("thread", "free"))

    assert SENTENCE in refused
    assert SENTENCE not in done
    assert [one.public_id for one in Thread.objects.in_project(api.project.pk)] == ["thread"]


def test_rest_says_that_it_is_held_as_a_conflict() -> None:
    api = caller("write")
    recording.record(api.project, [GenerationRecord(id="call")])
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")

    answer = api.delete("/api/generations/call")

    assert (answer.status, answer.json["error"]["code"]) == (409, "held")


EMPTYING: dict[str, Callable[[Caller], Answer]] = {
    "REST, a change": lambda api: api.patch("/api/generations/call", {"output": {"content": None}}),
    "REST, a path": lambda api: api.patch("/api/generations/call", {"$set": {"output.content": None}}),
    "REST, sent again": lambda api: api.post("/api/generations", {"id": "call", "output": {"content": None}}),
    "REST, a batch": lambda api: api.post("/api/generations/batch", [{"id": "call", "output": {"content": None}}]),
    "GraphQL, a change": lambda api: api.post(
        "/graphql/", {"query": 'mutation { updateGeneration(id: "call", set: {output: {content: null}}) { id } }'}
    ),
    "GraphQL, sent again": lambda api: api.post(
        "/graphql/", {"query": 'mutation { createGeneration(id: "call", input: {output: {content: null}}) { id } }'}
    ),
}


@pytest.mark.parametrize("door", EMPTYING)
def test_what_is_held_is_emptied_at_no_door_until_it_is_released(door: str) -> None:
    api = caller("write")
    call = {"id": "call", "input": {"content": "Hello"}, "output": {"content": "Hi"}, "metadata": {"userId": "mia"}}
    assert api.post("/api/generations", call).status == 201
    admin = access.of_system(api.project)
    hold = retention.add_hold(admin, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})

    refused = said(EMPTYING[door](api))
    kept = api.get("/api/generations/call").json["output"]["content"]
    retention.release_hold(admin, hold.pk)
    EMPTYING[door](api)

    # Who may only send is not told of the case.
    sentence = "A legal hold keeps this" if "again" in door or "batch" in door else SENTENCE
    assert f"{sentence} generation" in refused and "Nothing was emptied; release it first" in refused
    assert ("Case 7" in refused) == (sentence == SENTENCE)
    assert kept == "Hi"
    assert (api.get("/api/generations/call").json.get("output") or {}).get("content") is None


def test_of_a_batch_only_what_would_empty_something_is_rejected_and_more_is_taken_into_what_is_held() -> None:
    api = caller("write")
    api.post("/api/generations", {"id": "call", "output": {"content": "Hi"}, "name": "greeting"})
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")

    answer = api.post(
        "/api/generations/batch",
        [
            {"id": "other", "output": {"content": "Ho"}},
            {"id": "call", "metadata": {"plan": "pro"}, "name": None},
            {"id": "call", "metadata": {"plan": "free"}},
            {"id": "call", "usage": {"promptTokens": None}},
        ],
    )

    assert [one["state"] for one in answer.json["receipts"]] == ["stored", "rejected", "merged", "merged"]
    now = api.get("/api/generations/call").json
    assert (now["name"], now["metadata"]["plan"]) == ("greeting", "free")


def test_an_answer_of_what_is_held_is_selected_all_the_same() -> None:
    api = caller("write")
    others = [{"index": 0, "content": "Hi"}, {"index": 1, "content": "Ho"}]
    call = {"id": "call", "output": {"content": "Hi", "alternatives": others}, "finishReason": "stop"}
    assert api.post("/api/generations", call).status == 201
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")

    for choice in (1, None):
        assert api.patch("/api/generations/call", {"selectedChoice": choice}).status == 200


@pytest.mark.django_db(transaction=True)
def test_a_hold_is_added_behind_a_deletion_that_is_under_way_and_before_one_that_is_not() -> None:
    api = caller("write")
    recording.record(api.project, [GenerationRecord(id=id, prompt="Hello") for id in ("first", "second")])
    other = connection.copy()
    try:
        with other.cursor() as deleting, connection.cursor() as own:
            deleting.execute("BEGIN")
            deleting.execute(*holds.shared(api.project.pk))
            own.execute("SET lock_timeout = '100ms'")

            with pytest.raises(OperationalError, match="lock timeout"):
                retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")

            deleting.execute("ROLLBACK")
            deleting.execute("BEGIN")
            deleting.execute(recording.alone(api.project.pk))
            with pytest.raises(OperationalError, match="lock timeout"):
                retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")
            own.execute("SET lock_timeout = DEFAULT")
    finally:
        other.close()
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")
    assert api.delete("/api/generations/second").status == 409
