"""GraphQL lists: how they are narrowed, ordered and paged."""

from __future__ import annotations

from typing import Any

import pytest

from generations.records import (
    GenerationRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.asking import Door, door, minutes, some, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db


def ids(door: Door, where: str, kind: str = "generations") -> list[str]:
    """The ids of a list narrowed by `where`, the oldest first."""
    data = door.read(f"{{ {kind}(where: {where}) {{ nodes {{ id }} }} }}")
    return [node["id"] for node in reversed(data[kind]["nodes"])]


# -------------------------------------------------------------------------------------------------------------- filters
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
                '{and: [{or: [{userId: {eq: "ann"}}, {tags: {contains: "eu"}}]}, {not: {feedback: {rating: {lt: 3}}}}],'
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


# ---------------------------------------------------------------------------------------------------- order and cursors
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


# ---------------------------------------------------------------------------------------------------------- bad filters
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
        ({"not": None}, "not"),
        ({"scores": {"some": None}}, "scores.some"),
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
