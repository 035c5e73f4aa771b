"""GraphQL reads: what is in an answer, how lists are narrowed, ordered and paged, and what an answer costs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import datasets, recording
from generations.datasets import NewItem
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    Record,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.asking import Door

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def door() -> Door:
    return Door.of("GraphQL")


def minutes(n: float) -> dt.datetime:
    return NOON + dt.timedelta(minutes=n)


def store(door: Door, *items: Record) -> None:
    receipts = recording.record(door.project, items)
    assert [r for r in receipts if r.state == "rejected"] == []


def ids(door: Door, where: str, kind: str = "generations") -> list[str]:
    """The ids of a list narrowed by `where`, the oldest first."""
    data = door.read(f"{{ {kind}(where: {where}) {{ nodes {{ id }} }} }}")
    return [node["id"] for node in reversed(data[kind]["nodes"])]


def some(door: Door) -> None:
    """Five generations that differ in what filters ask about."""
    store(
        door,
        GenerationRecord(
            id="a", started_at=minutes(0), model_id="gpt-4o", provider="openai", user_id="ann", tags=("prod", "eu"),
            metadata={"plan": "pro", "seats": 5}, total_tokens=100, prompt="Hello", completion="Hi",
        ),
        GenerationRecord(
            id="b", started_at=minutes(1), model_id="gpt-4o-mini", provider="openai", user_id="bob", tags=("prod",),
            metadata={"plan": "free", "seats": 1}, total_tokens=200, error="rate limited", error_type="RateLimit",
        ),
        GenerationRecord(
            id="c", started_at=minutes(2), model_id="claude-sonnet-4", provider="anthropic", user_id="ann",
            metadata={"plan": "pro", "deep": {"a.b": True}}, total_tokens=300,
            feedback=FeedbackRecord(rating=5, thumbs="up"),
            scores=(ScoreRecord(name="tone", value=0.9), ScoreRecord(name="facts", value=0.2)),
        ),
        GenerationRecord(
            id="d", type="embedding", started_at=minutes(3), model_id="embed-3", provider="openai", total_tokens=None,
            scores=(ScoreRecord(name="tone", value=0.4),), environment="staging",
        ),
        GenerationRecord(
            id="e", started_at=minutes(4), model_id="gpt-4o", provider="azure", tags=("eu",), total_tokens=500,
            feedback=FeedbackRecord(rating=2, thumbs="down"),
        ),
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- an answer
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
    datasets.add_items(door.grant, str(made.pk), [NewItem(input={"q": "3+3="}, expected_output="6")])
    datasets.remove_items(door.grant, str(made.pk), [str(item.pk)])

    data = door.read(
        """{
          dataset(name: "Sums") {
            name version type metadata
            items { nodes { input expectedOutput } }
            before: items(version: 3, first: 1) { hasMore nodes { input } }
            first: items(version: 2) { nodes { input expectedOutput generationId removedIn generation { id } } }
          }
        }"""
    )

    assert data["dataset"] == {
        "name": "Sums",
        "version": 4,
        "type": "key_value",
        "metadata": {"level": 1},
        "items": {"nodes": [{"input": {"q": "3+3="}, "expectedOutput": "6"}]},
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


# ------------------------------------------------------------------------------------------------------------- filters
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('{model: {id: {eq: "gpt-4o"}}}', ["a", "e"]),
        ('{model: {id: {startsWith: "gpt-4o"}, provider: {ne: "azure"}}}', ["a", "b"]),
        ('{model: {id: {in: ["embed-3", "claude-sonnet-4"]}}}', ["c", "d"]),
        ("{usage: {totalTokens: {gte: 200, lt: 500}}}", ["b", "c"]),
        ("{usage: {totalTokens: {exists: false}}}", ["d"]),
        ("{usage: {totalTokens: {eq: null}}}", ["d"]),
        ("{type: {eq: embedding}}", ["d"]),
        ("{type: {nin: [embedding, image]}}", ["a", "b", "c", "e"]),
        ("{status: {eq: error}}", ["b"]),
        ("{hasError: {eq: false}}", ["a", "c", "d", "e"]),
        ('{userId: {eq: "ann"}}', ["a", "c"]),
        ('{tags: {contains: "eu"}}', ["a", "e"]),
        ('{tags: {all: ["eu", "prod"]}}', ["a"]),
        ('{tags: {in: ["eu", "prod"]}}', ["a", "b", "e"]),
        ('{timestamp: {gte: "2026-11-20T12:02:00Z"}}', ["c", "d", "e"]),
        ('{timestamp: {lt: "2026-11-20T14:02:00+02:00"}}', ["a", "b"]),
        ('{timestamp: {eq: "2026-11-20"}}', ["a", "b", "c", "d", "e"]),
        ('{timestamp: {lt: "now-3650d"}}', []),
        ('{metadata: [{path: "plan", eq: "pro"}]}', ["a", "c"]),
        ('{metadata: [{path: "seats", gte: 2}]}', ["a"]),
        ('{metadata: [{path: "plan", eq: "pro"}, {path: "seats", exists: true}]}', ["a"]),
        ('{metadata: [{path: "deep.\\"a.b\\"", eq: true}]}', ["c"]),
        ("{feedback: {rating: {gte: 4}}}", ["c"]),
        ("{feedback: {thumbs: {eq: down}}}", ["e"]),
        ('{scores: {some: {name: {eq: "tone"}, value: {gte: 0.8}}}}', ["c"]),
        ('{scores: {some: {name: {eq: "tone"}, value: {lt: 0.3}}}}', []),
        ("{scores: {some: {}}}", ["c", "d"]),
        ('{scores: {none: {name: {eq: "tone"}}}}', ["a", "b", "e"]),
        ("{scores: {every: {value: {gt: 0.3}}, some: {}}}", ["d"]),
        ('{or: [{userId: {eq: "bob"}}, {environment: {eq: "staging"}}]}', ["b", "d"]),
        ('{not: {model: {provider: {eq: "openai"}}}}', ["c", "e"]),
        (
            (
                '{and: [{or: [{userId: {eq: "ann"}}, {tags: {contains: "eu"}}]}, {not: {feedback: {rating: {lt: 3}}}}], '
                'model: {provider: {in: ["openai", "anthropic"]}}}'
            ),
            ["a", "c"],
        ),
        ("{}", ["a", "b", "c", "d", "e"]),
    ],
)
def test_a_list_holds_exactly_what_the_filter_says(door: Door, where: str, expected: list[str]) -> None:
    some(door)

    assert ids(door, where) == expected


def test_a_filter_may_come_in_variables(door: Door) -> None:
    some(door)

    data = door.read(
        "query ($where: GenerationWhere) { generations(where: $where) { nodes { id } totalCount { value exact } } }",
        {
            "where": {
                "or": [{"model": {"id": {"in": ["embed-3"]}}}, {"metadata": [{"path": "seats", "in": [1, 7]}]}],
                "type": {"in": ["chat", "embedding"]},
            }
        },
    )

    assert data["generations"] == {"nodes": [{"id": "d"}, {"id": "b"}], "totalCount": {"value": 2, "exact": True}}


def test_steps_threads_participants_scores_and_tags_are_narrowed_alike(door: Door) -> None:
    store(
        door,
        StepRecord(id="tool", type="tool", started_at=minutes(0), thread_id="t1"),
        StepRecord(id="run", type="run", started_at=minutes(1), thread_id="t2", error="broke"),
        ThreadRecord(id="t1", name="One", user_id="ann", started_at=minutes(0), last_activity_at=minutes(0)),
        ThreadRecord(id="t2", name="Two", user_id="bob", started_at=minutes(1), last_activity_at=minutes(1)),
        GenerationRecord(id="g", thread_id="t2", started_at=minutes(1), model_id="m", tags=("red", "blue")),
        ScoreRecord(id="s1", name="tone", type="HUMAN", value=1, thread_id="t1", created_at=minutes(0)),
        ScoreRecord(id="s2", name="tone", type="AI", value=0, thread_id="t2", created_at=minutes(1)),
    )

    assert ids(door, "{type: {eq: tool}}", "steps") == ["tool"]
    assert ids(door, '{scores: {some: {type: {eq: AI}}}, name: {contains: "w"}}', "threads") == ["t2"]
    assert ids(door, '{generations: {some: {model: {id: {eq: "m"}}}}}', "threads") == ["t2"]
    assert ids(door, '{threads: {some: {name: {eq: "One"}}}}', "participants") == ["ann"]
    assert ids(door, '{value: {gt: 0.5}, threadId: {in: ["t1", "t2"]}}', "scores") == ["s1"]
    tags = door.read('{ tags(where: {name: {startsWith: "b"}}) { nodes { name } } }')
    assert tags == {"tags": {"nodes": [{"name": "blue"}]}}


# --------------------------------------------------------------------------------------------------- order and cursors
PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String, $order: GenerationOrder) {
  generations(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


def page(door: Door, **variables: Any) -> tuple[list[str], dict[str, Any]]:
    found = door.read(PAGE, variables)["generations"]
    return [edge["node"]["id"] for edge in found["edges"]], found["pageInfo"]


def test_pages_forward_and_back_are_the_list(door: Door) -> None:
    some(door)

    first, one = page(door, first=2)
    second, two = page(door, first=2, after=one["endCursor"])
    third, three = page(door, first=2, after=two["endCursor"])
    back, four = page(door, last=2, before=three["startCursor"])
    start, five = page(door, last=2, before=four["startCursor"])

    assert (first, second, third) == (["e", "d"], ["c", "b"], ["a"])
    assert (back, start) == (["c", "b"], ["e", "d"])
    assert [(p["hasPreviousPage"], p["hasNextPage"]) for p in (one, two, three, four, five)] == [
        (False, True),
        (True, True),
        (True, False),
        (True, True),
        (False, True),
    ]


def test_a_list_is_ordered_by_any_sortable_field_with_the_unknown_last(door: Door) -> None:
    some(door)

    most, info = page(door, first=3, order={"field": "USAGE_TOTAL_TOKENS"})
    rest, _ = page(door, first=3, after=info["endCursor"], order={"field": "USAGE_TOTAL_TOKENS"})
    least, _ = page(door, order={"field": "USAGE_TOTAL_TOKENS", "direction": "ASC"})

    assert most + rest == ["e", "c", "b", "a", "d"]
    assert least == ["a", "b", "c", "e", "d"]


def test_every_edge_has_the_cursor_of_its_row(door: Door) -> None:
    some(door)
    edges = door.read(PAGE, {"first": 5})["generations"]["edges"]

    followed = [page(door, first=1, after=edge["cursor"])[0] for edge in edges]

    assert followed == [["d"], ["c"], ["b"], ["a"], []]


@pytest.mark.parametrize(
    ("variables", "code", "field"),
    [
        ({"after": "nonsense"}, "BAD_CURSOR", "after"),
        ({"after": "OTHER ORDER"}, "BAD_CURSOR", "after"),
        ({"first": 0}, "BAD_INPUT", "first"),
        ({"first": 201}, "BAD_INPUT", "first"),
        ({"last": 5}, "BAD_INPUT", "last"),
        ({"first": 1, "last": 1}, "BAD_INPUT", "last"),
        ({"first": 1, "before": "x"}, "BAD_INPUT", "before"),
        ({"after": "x", "before": "x"}, "BAD_INPUT", "before"),
        ({"last": 1, "after": "x", "before": "x"}, "BAD_INPUT", "after"),
    ],
)
def test_a_page_that_cannot_be_is_refused_with_its_reason(
    door: Door, variables: dict[str, Any], code: str, field: str
) -> None:
    some(door)
    if variables.get("after") == "OTHER ORDER":
        variables["after"] = page(door, first=1, order={"field": "USAGE_TOTAL_TOKENS"})[1]["endCursor"]

    answer = door.ask(PAGE, variables)

    assert (answer.status, answer.data, answer.codes) == (400, None, [code])
    assert answer.errors[0]["extensions"]["field"] == field
    assert answer.errors[0]["path"] == ["generations"]


def test_a_cursor_of_another_project_or_filter_is_refused(door: Door) -> None:
    other = Door.of("Elsewhere")
    some(door)
    some(other)
    theirs = page(other, first=1)[1]["endCursor"]
    ours = page(door, first=1)[1]["endCursor"]

    foreign = door.ask(PAGE, {"after": theirs})
    narrowed = door.ask(
        'query ($after: String) { generations(where: {userId: {eq: "ann"}}, after: $after) { nodes { id } } }',
        {"after": ours},
    )

    assert foreign.codes == narrowed.codes == ["BAD_CURSOR"]
    assert foreign.status == narrowed.status == 400


# --------------------------------------------------------------------------------------------------------- bad filters
@pytest.mark.parametrize(
    "where",
    [
        '{modle: {id: {eq: "x"}}}',
        '{model: {id: {like: "x"}}}',
        '{type: {eq: "chat"}}',
        "{type: {eq: chatt}}",
        '{usage: {totalTokens: {gt: "many"}}}',
        "{scores: {most: {}}}",
        '{metadata: [{eq: "no path"}]}',
    ],
)
def test_what_is_unknown_is_refused_by_graphql_itself(door: Door, where: str) -> None:
    answer = door.ask(f"{{ generations(where: {where}) {{ nodes {{ id }} }} }}")

    assert (answer.status, answer.data) == (400, None)
    assert set(answer.codes) == {"BAD_REQUEST"}
    assert answer.errors[0]["locations"]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"timestamp": {"gte": "yesterday"}}, "timestamp"),
        ({"or": []}, "or"),
        ({"not": {}}, "$not"),
        ({"model": None}, "model"),
        ({"userId": {"eq": "nul\0"}}, "metadata.userId"),
        ({"userId": {"gt": None}}, None),
        ({"metadata": [{"path": "plan", "eq": {"an": "object"}}]}, "metadata.plan"),
        ({"metadata": [{"path": "", "eq": 1}]}, "metadata."),
        ({"userId": {"in": [str(n) for n in range(1_001)]}}, "metadata.userId"),
        ({"or": [{"userId": {"eq": str(n)}} for n in range(201)]}, "filter"),
    ],
)
def test_a_filter_that_says_nothing_sensible_is_refused_by_name(
    door: Door, where: dict[str, Any], field: str | None
) -> None:
    answer = door.ask("query ($w: GenerationWhere) { generations(where: $w) { nodes { id } } }", {"w": where})

    assert (answer.status, answer.data) == (400, None)
    if field is None:
        assert answer.codes == ["BAD_REQUEST"]
    else:
        assert (answer.codes, answer.errors[0]["extensions"]["field"]) == (["BAD_FILTER"], field)


# ---------------------------------------------------------------------------------------------------------------- cost
WIDE = """
query ($first: Int!) {
  generations(first: $first) {
    totalCount { value exact }
    nodes {
      id input { content } output { content alternatives(first: 2) { nodes { content } } } messages metadata
      feedback { rating } feedbackHistory(first: 2) { nodes { rating } } scores(first: 2) { nodes { name } }
      attachments(first: 1) { nodes { name } }
      participant { identifier }
      thread { name participant { identifier } generations(first: 2) { nodes { id scores { nodes { name } } } } }
      step { name children(first: 2) { nodes { id input } } parent { name } scores(first: 1) { nodes { name } } }
    }
  }
}
"""


def queries(door: Door, document: str, variables: dict[str, Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        door.read(document, variables)
    return [query["sql"] for query in captured]


def test_fifty_rows_with_all_their_relations_cost_as_many_queries_as_one(door: Door) -> None:
    for n in range(50):
        store(
            door,
            StepRecord(id=f"p{n}", started_at=minutes(n)),
            StepRecord(id=f"s{n}", started_at=minutes(n), parent_id=f"p{n}", thread_id=f"t{n}"),
            StepRecord(id=f"c{n}", started_at=minutes(n), parent_id=f"s{n}", thread_id=f"t{n}", input=n),
            ThreadRecord(id=f"t{n}", user_id=f"u{n}", name=f"Thread {n}"),
            GenerationRecord(
                id=f"g{n}",
                started_at=minutes(n),
                thread_id=f"t{n}",
                step_id=f"s{n}",
                user_id=f"u{n}",
                messages=[{"role": "user", "content": str(n)}],
                alternatives=(Alternative(index=1, content="other"),),
                scores=(ScoreRecord(name="tone", value=n),),
                feedback=FeedbackRecord(rating=3),
                attachments=(AttachmentRecord(id=f"a{n}", name="file"),),
            ),
        )
    queries(door, WIDE, {"first": 1})  # the key's last use is written once

    one = queries(door, WIDE, {"first": 1})
    fifty = queries(door, WIDE, {"first": 50})

    assert len(one) == len(fifty) == 19
    data = door.read(WIDE, {"first": 50})["generations"]
    assert [node["thread"]["generations"]["nodes"][0]["id"] for node in data["nodes"]] == [
        f"g{n}" for n in reversed(range(50))
    ]
    assert data["nodes"][0]["step"]["children"]["nodes"] == [{"id": "c49", "input": 49}]
    # Every question to an event table names its project, or a cluster would ask all its workers.
    asked = [sql for sql in fifty if "api_key" not in sql]
    assert all(f'"project_id" = {door.project.pk}' in sql or f"project_id = {door.project.pk}" in sql for sql in asked)


def test_what_is_not_selected_is_not_fetched(door: Door) -> None:
    some(door)
    queries(door, "{ me { name } }", {})

    asked = queries(door, "{ generations { nodes { id model { id } usage { cost } input { preview } tags } } }", {})

    assert len(asked) == 2  # the key, the page


def test_fifty_datasets_with_items_cost_as_many_queries_as_one(door: Door) -> None:
    for n in range(50):
        made = datasets.create(door.grant, name=f"Set {n}")
        store(door, GenerationRecord(id=f"g{n}", started_at=minutes(n), prompt="x"))
        datasets.add_generations(door.grant, str(made.pk), [f"g{n}"])
    document = """
    query ($first: Int!) { datasets(first: $first) { nodes { name items { nodes { input generation { id } } } } } }
    """
    queries(door, document, {"first": 1})

    one = queries(door, document, {"first": 1})
    fifty = queries(door, document, {"first": 50})

    assert len(one) == len(fifty) == 4
