"""GraphQL changes what was recorded: generations, scores, feedback; a refused change leaves no trace."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from generations.access import Scope
from generations.models import AuditEntry, Feedback, Generation, Score
from generations.records import GenerationRecord, ParticipantRecord, ScoreRecord, StepRecord, ThreadRecord
from tests.asking import NOON, Door, door, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------------------------------------------------- generations
CREATE = """
mutation ($id: ID, $input: GenerationInput!) {
  createGeneration(id: $id, input: $input) {
    id state
    generation {
      type model { id } input { content } output { content alternatives { nodes { index content } } }
      usage { totalTokens cost } metadata userId feedback { rating thumbs } scores { nodes { name value } }
      parameters { all } performance { latency }
    }
  }
}
"""

WHOLE: dict[str, Any] = {
    "timestamp": "2026-11-20T13:00:00+01:00",
    "type": "chat",
    "model": {"id": "local-7b", "provider": "me"},
    "input": {"content": [{"role": "user", "content": "Hi"}]},
    "output": {"content": "Hello", "alternatives": [{"content": "Hey"}, {"content": "Yo", "kind": "beam"}]},
    "usage": {"promptTokens": 5, "completionTokens": 2, "cost": "0.00000123", "currency": "USD"},
    "performance": {"latency": 1.5},
    "parameters": {"temperature": 0, "seed": 1},
    "metadata": {"userId": "ann", "plan": "pro"},
    "feedback": {"rating": 5, "thumbs": "up"},
    "scores": [{"name": "tone", "value": 1, "type": "HUMAN"}],
}


@pytest.mark.parametrize("number", [-5, 2**31, 2**63 - 1, -(2**63)])
def test_what_was_answered_may_be_any_number_and_is_kept_exactly(door: Door, number: int) -> None:
    answer = door.read(CREATE, {"id": "n", "input": {"output": {"content": number}}})["createGeneration"]

    assert answer["generation"]["output"]["content"] == number


def test_a_generation_is_stored_as_it_was_sent(door: Door) -> None:
    answer = door.read(CREATE, {"id": "g1", "input": WHOLE})["createGeneration"]

    assert answer == {
        "id": "g1",
        "state": "stored",
        "generation": {
            "type": "chat",
            "model": {"id": "local-7b"},
            "input": {"content": {"messages": [{"role": "user", "content": "Hi"}]}},
            "output": {
                "content": "Hello",
                "alternatives": {"nodes": [{"index": 0, "content": "Hey"}, {"index": 1, "content": "Yo"}]},
            },
            "usage": {"totalTokens": 7, "cost": "0.00000123"},
            "metadata": {"userId": "ann", "plan": "pro"},
            "userId": "ann",
            "feedback": {"rating": 5.0, "thumbs": "up"},
            "scores": {"nodes": [{"name": "tone", "value": 1.0}]},
            "parameters": {"all": {"temperature": 0, "seed": 1}},
            "performance": {"latency": 1.5},
        },
    }
    assert Generation.objects.get(public_id="g1").started_at == NOON


def test_sent_again_a_generation_is_unchanged_and_with_more_it_is_merged(door: Door) -> None:
    door.read(CREATE, {"id": "g1", "input": WHOLE})

    again = door.read(CREATE, {"id": "g1", "input": WHOLE})["createGeneration"]
    more = door.read(CREATE, {"id": "g1", "input": {"metadata": {"seat": 3}}})["createGeneration"]

    assert (again["state"], more["state"]) == ("unchanged", "merged")
    assert more["generation"]["metadata"] == {"userId": "ann", "plan": "pro", "seat": 3}
    assert (Generation.objects.count(), Score.objects.count(), Feedback.objects.count()) == (1, 1, 1)


def test_without_an_id_a_generation_gets_one(door: Door) -> None:
    answer = door.read(CREATE, {"input": {"name": "nameless"}})["createGeneration"]

    assert Generation.objects.get().public_id == answer["id"]


def test_an_id_that_is_empty_is_refused_and_none_is_made_up(door: Door) -> None:
    answer = door.ask('mutation { createGeneration(id: "", input: {}) { id } }')

    assert (answer.codes, answer.errors[0]["extensions"]["field"]) == (["BAD_INPUT"], "id")
    assert not Generation.objects.in_project(door.project.pk).exists()


def test_who_may_only_send_cannot_read_what_is_stored_under_an_id(door: Door) -> None:
    store(door, GenerationRecord(id="secret", prompt="the plan"))

    answer = door.ask(CREATE, {"id": "secret", "input": {"name": "x"}}, token=door.key(Scope.INGEST))

    assert answer.status == 200
    assert answer.data == {"createGeneration": {"id": "secret", "state": "merged", "generation": None}}
    assert answer.codes == ["FORBIDDEN"]


UPDATE = """
mutation ($id: ID!, $set: GenerationInput!) {
  updateGeneration(id: $id, set: $set) {
    name metadata tags usage { totalTokens } error feedback { rating comment } messages
  }
}
"""


def test_a_change_leaves_out_what_stays_and_empties_what_is_null(door: Door) -> None:
    store(
        door,
        GenerationRecord(
            id="g",
            name="old",
            error="broke",
            metadata={"plan": "pro", "a": {"b": 1, "c": 2}},
            total_tokens=7,
            messages=[{"role": "user", "content": "Hi"}],
        ),
    )

    changed = door.read(
        UPDATE,
        {
            "id": "g",
            "set": {
                "error": None,
                "metadata": {"plan": None, "a": {"c": 3}, "tags": ["new"]},
                "feedback": {"rating": 4, "comment": "Better"},
            },
        },
    )["updateGeneration"]

    assert changed == {
        "name": "old",
        "metadata": {"a": {"b": 1, "c": 3}, "tags": ["new"]},
        "tags": ["new"],
        "usage": {"totalTokens": 7},
        "error": None,
        "feedback": {"rating": 4.0, "comment": "Better"},
        "messages": [{"role": "user", "content": "Hi"}],
    }
    entry = AuditEntry.objects.get(action="generation.update")
    assert (entry.subject_id, entry.detail) == ("g", {"fields": ["error", "feedback", "metadata"]})


def test_a_deleted_generation_takes_along_what_hangs_on_it(door: Door) -> None:
    door.read(CREATE, {"id": "g1", "input": WHOLE})

    gone = door.read('mutation { deleteGeneration(id: "g1") { id } }')
    again = door.ask('mutation { deleteGeneration(id: "g1") { id } }')

    assert gone == {"deleteGeneration": {"id": "g1"}}
    assert (again.data, again.codes) == ({"deleteGeneration": None}, ["NOT_FOUND"])
    assert (Generation.objects.count(), Score.objects.count(), Feedback.objects.count()) == (0, 0, 0)
    assert AuditEntry.objects.filter(action="generation.delete").count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"usage": {"promptTokens": -1}}, "usage.promptTokens"),
        ({"usage": {"cost": "-0.1"}}, "usage.cost"),
        ({"performance": {"latency": -1}}, "performance.latency"),
        ({"feedback": {"rating": 6}}, "feedback.rating"),
        ({"scores": [{"value": 1}]}, "scores[0].name"),
        ({"metadata": ["not", "an", "object"]}, "metadata"),
        ({"messages": "not a list"}, "messages"),
        ({"metadata": {"tags": "t" * 201}}, None),
        ({"model": {"id": "m" * 2_000}}, "model.id"),
        ({"output": {"alternatives": [{"index": 1}, {"index": 1}]}}, None),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name_and_nothing_is(
    door: Door, given: dict[str, Any], field: str | None
) -> None:
    answer = door.ask(CREATE, {"id": "g", "input": given})

    assert (answer.data, answer.codes) == ({"createGeneration": None}, ["BAD_INPUT"])
    if field is not None:
        assert answer.errors[0]["extensions"]["field"] == field
    assert not Generation.objects.exists()


# --------------------------------------------------------------------------------------------------------------- scores
SCORE = """
mutation ($on: ScoreTarget!, $input: ScoreInput!) {
  createScore(on: $on, input: $input) { id name type value label comment author generationId stepId threadId }
}
"""


def test_a_score_is_created_changed_and_deleted(door: Door) -> None:
    store(door, GenerationRecord(id="g"))

    made = door.read(SCORE, {"on": {"generationId": "g"}, "input": {"name": "tone", "value": 0.5}})["createScore"]
    change = 'mutation ($id: ID!) { updateScore(id: $id, set: {value: 1, comment: "Kind"}) { name value comment } }'
    changed = door.read(change, {"id": made["id"]})["updateScore"]
    door.read("mutation ($id: ID!) { deleteScore(id: $id) { id } }", {"id": made["id"]})

    assert made == {
        "id": made["id"],
        "name": "tone",
        "type": "CODE",
        "value": 0.5,
        "label": None,
        "comment": None,
        "author": "key admin",
        "generationId": "g",
        "stepId": None,
        "threadId": None,
    }
    assert changed == {"name": "tone", "value": 1.0, "comment": "Kind"}
    assert not Score.objects.exists()


def test_two_scores_of_a_name_are_two(door: Door) -> None:
    store(door, StepRecord(id="s"), ThreadRecord(id="t"))

    for target in ({"stepId": "s"}, {"stepId": "s"}, {"threadId": "t"}):
        door.read(SCORE, {"on": target, "input": {"name": "tone", "type": "HUMAN", "value": 1, "author": "Ann"}})

    assert list(Score.objects.order_by("thread_id").values_list("step_id", "thread_id", "author")) == [
        (None, "t", "Ann"),
        ("s", None, "Ann"),
        ("s", None, "Ann"),
    ]


@pytest.mark.parametrize(
    ("on", "given", "codes"),
    [
        ({"generationId": "nothing"}, {"name": "tone", "value": 1}, ["NOT_FOUND"]),
        ({"generationId": "theirs"}, {"name": "tone", "value": 1}, ["NOT_FOUND"]),
        ({"experimentItemId": "nothing"}, {"name": "tone", "value": 1}, ["NOT_FOUND"]),
        ({"generationId": "g"}, {"value": 1}, ["BAD_INPUT"]),
        ({"generationId": "g"}, {"name": "tone", "value": 1e16}, ["BAD_INPUT"]),
        ({"generationId": "g", "stepId": "s"}, {"name": "tone"}, ["BAD_REQUEST"]),
        ({}, {"name": "tone"}, ["BAD_REQUEST"]),
    ],
)
def test_a_score_on_nothing_or_of_nothing_is_refused(
    door: Door, on: dict[str, str], given: dict[str, Any], codes: list[str]
) -> None:
    store(door, GenerationRecord(id="g"))
    store(Door.of("Elsewhere"), GenerationRecord(id="theirs"))

    answer = door.ask(SCORE, {"on": on, "input": given})

    assert answer.codes == codes
    assert not Score.objects.exists()


def test_another_projects_score_can_be_neither_changed_nor_deleted(door: Door) -> None:
    store(Door.of("Elsewhere"), ScoreRecord(id="theirs", name="tone", value=1, generation_id="g"))

    changed = door.ask('mutation { updateScore(id: "theirs", set: {value: 0}) { id } }')
    deleted = door.ask('mutation { deleteScore(id: "theirs") { id } }')

    assert changed.codes == deleted.codes == ["NOT_FOUND"]
    assert Score.objects.get().value == 1


def test_feedback_is_added_and_the_latest_is_shown(door: Door) -> None:
    store(door, GenerationRecord(id="g"))
    document = 'mutation ($i: FeedbackInput!) { addFeedback(generationId: "g", input: $i) { rating thumbs userId } }'

    first = door.read(document, {"i": {"rating": 2, "timestamp": "2026-11-20T12:00:00Z"}})
    second = door.read(document, {"i": {"thumbs": "up", "userId": "ann", "categories": ["helpful"]}})
    nothing = door.ask(document, {"i": {}})
    nowhere = door.ask('mutation { addFeedback(generationId: "no", input: {rating: 1}) { rating } }')

    assert first == {"addFeedback": {"rating": 2.0, "thumbs": None, "userId": None}}
    assert second == {"addFeedback": {"rating": None, "thumbs": "up", "userId": "ann"}}
    assert (nothing.codes, nowhere.codes) == (["BAD_INPUT"], ["NOT_FOUND"])
    assert list(Feedback.objects.order_by("created_at").values_list("rating", "is_latest")) == [
        (2.0, False),
        (None, True),
    ]


# ------------------------------------------------------------------------------------------------------------- together
def test_a_refused_mutation_leaves_the_others_of_a_request_their_answers(door: Door) -> None:
    answer = door.ask(
        """mutation {
          a: createTag(name: "one") { name }
          b: createTag(name: "one") { name }
          c: createTag(name: "two") { name }
        }"""
    )

    assert answer.status == 200
    assert answer.data == {"a": {"name": "one"}, "b": None, "c": {"name": "two"}}
    assert [error["path"] for error in answer.errors] == [["b"]]


def test_moments_are_kept_to_the_microsecond_and_in_utc(door: Door) -> None:
    moment = dt.datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    store(door, GenerationRecord(id="g", started_at=moment), ParticipantRecord(id="u"))

    assert door.read('{ generation(id: "g") { timestamp } }') == {
        "generation": {"timestamp": "2026-03-29T06:59:59.123456Z"}
    }
