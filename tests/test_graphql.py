"""GraphQL shows what was recorded: every part of a row, and how one row leads to another."""

from __future__ import annotations

from decimal import Decimal

import pytest

from generations import datasets
from generations.datasets import NewItem
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.asking import NOON, Door, door, minutes, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db


FULL = """
query ($id: ID!) {
  generation(id: $id) {
    id type name timestamp endTimestamp
    model { id name version provider }
    input { type content tokens preview }
    output { type content tokens preview alternatives { hasMore nodes { index kind content score } } }
    messages messageCompletion prompt completion variables tools
    parameters { temperature topP maxTokens stopSequences presencePenalty frequencyPenalty all }
    usage { promptTokens completionTokens totalTokens cachedTokens estimated cost inputCost currency costSource }
    performance { latency timeToFirstToken tokensPerSecond }
    metadata tags userId sessionId environment release threadId stepId traceId finishReason error errorType errorDetail
    promptVersion { id name version }
    feedback { rating thumbs comment categories timestamp userId isLatest }
    feedbackHistory { nodes { rating } }
    scores { nodes { name type value label generationId } }
    attachments { nodes { id name mime size url } }
    thread { id name participant { identifier } }
    step { id type parent { id } }
    participant { id identifier }
  }
}
"""


def test_a_generation_shows_all_that_was_recorded(door: Door) -> None:
    store(
        door,
        ParticipantRecord(id="u1", identifier="Ann"),
        ThreadRecord(id="t1", name="Peru", user_id="u1", started_at=NOON),
        StepRecord(id="root", type="run", started_at=NOON, thread_id="t1"),
        StepRecord(id="s1", type="llm", started_at=NOON, thread_id="t1", parent_id="root"),
        GenerationRecord(
            id="g1",
            name="answer",
            started_at=NOON,
            ended_at=minutes(0.05),
            model_id="gpt-4o",
            model_name="GPT-4o",
            provider="openai",
            messages=[{"role": "user", "content": "Capital of Peru?"}],
            message_completion={"role": "assistant", "content": "Lima"},
            variables={"country": "Peru"},
            tools=[{"type": "function", "function": {"name": "look_up"}}],
            parameters={"temperature": 0.2, "max_tokens": 50, "stop": "END", "seed": 7},
            prompt_tokens=12,
            completion_tokens=3,
            cached_tokens=4,
            cost=Decimal("0.00042"),
            currency="USD",
            time_to_first_token=0.5,
            metadata={"plan": "pro"},
            tags=("prod",),
            user_id="u1",
            session_id="se1",
            thread_id="t1",
            step_id="s1",
            prompt_name="capitals",
            prompt_version=3,
            finish_reason="stop",
            alternatives=(Alternative(index=1, content="Lima, Peru", score=-0.5),),
            scores=(ScoreRecord(id="sc1", name="facts", type="HUMAN", value=1.0),),
            feedback=FeedbackRecord(rating=4, thumbs="up", categories=("helpful",), created_at=minutes(9)),
            attachments=(AttachmentRecord(id="at1", name="map.png", mime="image/png", size=2_000_000_000, url="x:/"),),
        ),
        FeedbackRecord(id="old", generation_id="g1", rating=1, created_at=minutes(5)),
    )

    shown = door.read(FULL, {"id": "g1"})["generation"]

    assert shown == {
        "id": "g1",
        "type": "chat",
        "name": "answer",
        "timestamp": "2026-11-20T12:00:00Z",
        "endTimestamp": "2026-11-20T12:00:03Z",
        "model": {"id": "gpt-4o", "name": "GPT-4o", "version": None, "provider": "openai"},
        "input": {
            "type": "text",
            "content": {"messages": [{"role": "user", "content": "Capital of Peru?"}]},
            "tokens": 12,
            "preview": "Capital of Peru?",
        },
        "output": {
            "type": "text",
            "content": "Lima",
            "tokens": 3,
            "preview": "Lima",
            "alternatives": {
                "hasMore": False,
                "nodes": [{"index": 1, "kind": "choice", "content": "Lima, Peru", "score": -0.5}],
            },
        },
        "messages": [{"role": "user", "content": "Capital of Peru?"}],
        "messageCompletion": {"role": "assistant", "content": "Lima"},
        "prompt": None,
        "completion": None,
        "variables": {"country": "Peru"},
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
        "parameters": {
            "temperature": 0.2,
            "topP": None,
            "maxTokens": 50,
            "stopSequences": ["END"],
            "presencePenalty": None,
            "frequencyPenalty": None,
            "all": {"temperature": 0.2, "maxTokens": 50, "stopSequences": ["END"], "seed": 7},
        },
        "usage": {
            "promptTokens": 12,
            "completionTokens": 3,
            "totalTokens": 15,
            "cachedTokens": 4,
            "estimated": None,
            "cost": "0.00042",
            "inputCost": None,
            "currency": "USD",
            "costSource": "given",
        },
        "performance": {"latency": 3.0, "timeToFirstToken": 0.5, "tokensPerSecond": 1.0},
        "metadata": {"userId": "u1", "sessionId": "se1", "tags": ["prod"], "plan": "pro"},
        "tags": ["prod"],
        "userId": "u1",
        "sessionId": "se1",
        "environment": None,
        "release": None,
        "threadId": "t1",
        "stepId": "s1",
        "traceId": None,
        "finishReason": "stop",
        "error": None,
        "errorType": None,
        "errorDetail": None,
        "promptVersion": {"id": None, "name": "capitals", "version": 3},
        "feedback": {
            "rating": 4.0,
            "thumbs": "up",
            "comment": None,
            "categories": ["helpful"],
            "timestamp": "2026-11-20T12:09:00Z",
            "userId": None,
            "isLatest": True,
        },
        "feedbackHistory": {"nodes": [{"rating": 1.0}, {"rating": 4.0}]},
        "scores": {"nodes": [{"name": "facts", "type": "HUMAN", "value": 1.0, "label": None, "generationId": "g1"}]},
        "attachments": {
            "nodes": [{"id": "at1", "name": "map.png", "mime": "image/png", "size": 2_000_000_000, "url": "x:/"}]
        },
        "thread": {"id": "t1", "name": "Peru", "participant": {"identifier": "Ann"}},
        "step": {"id": "s1", "type": "llm", "parent": {"id": "root"}},
        "participant": {"id": "u1", "identifier": "Ann"},
    }


def test_what_is_not_known_is_null_and_what_has_not_come_yet_is_absent(door: Door) -> None:
    store(door, StepRecord(id="s", started_at=NOON, parent_id="not yet"), GenerationRecord(id="g", step_id="later"))

    data = door.read(
        """{
          generation(id: "g") {
            stepId step { id } thread { id } feedback { rating } input { content } usage { cost totalTokens }
          }
          step(id: "s") { parentId parent { id } input thread { id } }
        }"""
    )

    assert data["generation"] == {
        "stepId": "later",
        "step": None,
        "thread": None,
        "feedback": None,
        "input": {"content": None},
        "usage": {"cost": None, "totalTokens": None},
    }
    assert data["step"] == {"parentId": "not yet", "parent": None, "input": None, "thread": None}


def test_another_projects_rows_cannot_be_named_or_listed(door: Door) -> None:
    other = Door.of("Elsewhere")
    store(other, GenerationRecord(id="theirs", thread_id="t"), StepRecord(id="theirs"), ScoreRecord(id="x", name="n"))
    theirs = datasets.create(other.grant, name="Theirs")
    datasets.add_items(other.grant, str(theirs.pk), [NewItem(input="secret")])
    store(door, GenerationRecord(id="ours", thread_id="t"))

    data = door.read(
        """query ($set: ID!) {
          generation(id: "theirs") { id }
          step(id: "theirs") { id }
          score(id: "x") { id }
          dataset(id: $set) { id }
          datasets { nodes { id } }
          threads { nodes { id generations { nodes { id } } } }
          generations { nodes { id } totalCount { value exact } }
        }""",
        {"set": str(theirs.pk)},
    )

    assert data == {
        "generation": None,
        "step": None,
        "score": None,
        "dataset": None,
        "datasets": {"nodes": []},
        "threads": {"nodes": [{"id": "t", "generations": {"nodes": [{"id": "ours"}]}}]},
        "generations": {"nodes": [{"id": "ours"}], "totalCount": {"value": 1, "exact": True}},
    }


def test_a_step_leads_to_its_children_and_generations_and_a_thread_to_both(door: Door) -> None:
    store(
        door,
        StepRecord(id="run", type="run", started_at=minutes(0), thread_id="t", input={"q": 1}, output={"a": 2}),
        *(StepRecord(id=f"c{n}", started_at=minutes(n), parent_id="run", thread_id="t") for n in range(1, 4)),
        GenerationRecord(id="g1", started_at=minutes(1), step_id="run", thread_id="t"),
        ScoreRecord(id="s1", name="whole", step_id="run", value=1),
        ScoreRecord(id="s2", name="talk", thread_id="t", value=0),
        ThreadRecord(id="t", user_id="u"),
    )

    data = door.read(
        """{
          step(id: "run") {
            input output
            children(first: 2) { hasMore nodes { id } }
            latest: children(first: 1, newestFirst: true) { nodes { id } }
            generations { hasMore nodes { id } }
            scores { nodes { name } }
          }
          thread(id: "t") {
            steps(first: 4) { hasMore nodes { id } }
            generations { nodes { id step { id } } }
            scores { nodes { name } }
          }
          participant(id: "u") { threads { nodes { id } } }
        }"""
    )

    assert data["step"] == {
        "input": {"q": 1},
        "output": {"a": 2},
        "children": {"hasMore": True, "nodes": [{"id": "c1"}, {"id": "c2"}]},
        "latest": {"nodes": [{"id": "c3"}]},
        "generations": {"hasMore": False, "nodes": [{"id": "g1"}]},
        "scores": {"nodes": [{"name": "whole"}]},
    }
    assert data["thread"] == {
        "steps": {"hasMore": False, "nodes": [{"id": "run"}, {"id": "c1"}, {"id": "c2"}, {"id": "c3"}]},
        "generations": {"nodes": [{"id": "g1", "step": {"id": "run"}}]},
        "scores": {"nodes": [{"name": "talk"}]},
    }
    assert data["participant"] == {"threads": {"nodes": [{"id": "t"}]}}


def test_a_dataset_shows_its_items_by_version_and_where_they_are_from(door: Door) -> None:
    store(door, GenerationRecord(id="g", prompt="2+2=", completion="4", type="completion"))
    made = datasets.create(door.grant, name="Sums", metadata={"level": 1})
    [item] = datasets.add_generations(door.grant, str(made.pk), ["g"])
    [latest] = datasets.add_items(door.grant, str(made.pk), [NewItem(input={"q": "3+3="}, expected_output="6")])
    datasets.add_items(door.grant, str(made.pk), [])
    datasets.remove_items(door.grant, str(made.pk), [str(item.pk)])

    data = door.read(
        """{
          dataset(name: "Sums") {
            name version type metadata
            items { nodes { input expectedOutput } }
            before: items(version: 3, first: 1) { hasMore nodes { input } }
            after: items(after: "$LATEST") { nodes { input } }
            first: items(version: 2) { nodes { input expectedOutput generationId removedIn generation { id } } }
          }
        }""".replace("$LATEST", str(latest.pk))
    )

    assert data["dataset"] == {
        "name": "Sums",
        "version": 4,
        "type": "key_value",
        "metadata": {"level": 1},
        "items": {"nodes": [{"input": {"q": "3+3="}, "expectedOutput": "6"}]},
        "after": {"nodes": []},
        "before": {"hasMore": True, "nodes": [{"input": {"q": "3+3="}}]},
        "first": {
            "nodes": [
                {
                    "input": {"prompt": "2+2="},
                    "expectedOutput": "4",
                    "generationId": "g",
                    "removedIn": 4,
                    "generation": {"id": "g"},
                }
            ]
        },
    }


def test_items_after_one_that_the_dataset_has_not_are_refused(door: Door) -> None:
    sums, others = (datasets.create(door.grant, name=name) for name in ("Sums", "Others"))
    [item] = datasets.add_items(door.grant, str(others.pk), [NewItem(input=1)])
    document = 'query ($after: ID!) { dataset(name: "Sums") { items(after: $after) { nodes { id } } } }'

    for after in (str(item.pk), "nothing", "nul\0"):
        answer = door.ask(document, {"after": after})
        assert (answer.codes, answer.errors[0]["extensions"]["field"]) == (["BAD_INPUT"], "after")

    many = door.ask("query ($after: ID!) { datasets { nodes { items(after: $after) { hasMore } } } }", {"after": "x"})
    assert "one dataset" in many.errors[0]["message"]
    assert datasets.items(sums).count() == 0


def test_a_score_leads_back_to_what_was_judged(door: Door) -> None:
    store(
        door,
        GenerationRecord(id="g", thread_id="t", model_id="m", scores=(ScoreRecord(id="s1", name="tone", value=1),)),
        ScoreRecord(id="s2", name="talk", thread_id="t", value=0),
        ScoreRecord(id="s3", name="early", step_id="not yet", value=0),
    )

    data = door.read(
        """{ scores(orderBy: {field: ID, direction: ASC}) {
          nodes { id generation { model { id } } step { id } thread { id } }
        } }"""
    )

    assert data["scores"]["nodes"] == [
        {"id": "s1", "generation": {"model": {"id": "m"}}, "step": None, "thread": None},
        {"id": "s2", "generation": None, "step": None, "thread": {"id": "t"}},
        {"id": "s3", "generation": None, "step": None, "thread": None},
    ]
