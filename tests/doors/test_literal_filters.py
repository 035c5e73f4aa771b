"""Every filter and order that the types of Literal AI's two clients allow, asked of the lists over HTTP.

Each list holds three rows. For a field, `a` has less than `b`; `c` has none where the clients call the field optional,
and else more than `b`. All filters ask with the value of `b`: what each operator finds follows from the field's kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.doors.literal import ask, batch, client, send
from tests.doors.rest import Caller

TEXT = {"eq": "b", "neq": "ac", "ilike": "b", "nilike": "ac"}
LIST = {"in": "b", "nin": "ac"}
NUMBER = {"eq": "b", "neq": "ac", "gt": "", "gte": "b", "lt": "a", "lte": "ab"}
TIME = {"gt": "", "gte": "b", "lt": "a", "lte": "ab"}
NULL = {"is": "c", "nis": "ab"}
MORE = {"gt": "c", "gte": "bc"}
"""What `c` changes where it has more than `b` and not nothing."""


@dataclass(frozen=True)
class Asked:
    """A field with the value of `b`, and what each operator finds."""

    field: str
    value: Any
    finds: dict[str, str]
    path: str | None = None


LISTS: dict[str, list[Asked]] = {
    "threads": [
        Asked("id", "b", TEXT),
        Asked("createdAt", "2026-01-02T00:00:00Z", TIME | MORE),
        Asked("name", "Bananas", TEXT | NULL),
        Asked("metadata", "y", TEXT | NULL, "k"),
        Asked("tokenCount", 20, NUMBER | NULL),
        Asked("stepType", ["tool"], LIST),
        Asked("stepName", "Beta", TEXT | NULL),
        Asked("stepOutput", "second", TEXT | NULL, "content"),
        Asked("tags", ["y"], LIST | NULL),
        Asked("participantId", "bob", TEXT | NULL),
        Asked("participantIdentifiers", ["bob"], LIST | NULL),
        Asked("scoreValue", 2, NUMBER),
        Asked("duration", 2, NUMBER | NULL),
    ],
    "steps": [
        Asked("id", "b", TEXT),
        Asked("name", "Beta", TEXT | NULL),
        Asked("input", "two", TEXT | NULL, "content"),
        Asked("output", "second", TEXT | NULL, "content"),
        Asked("participantIdentifier", ["bob"], LIST | NULL),
        Asked("participantIdentifiers", ["bob"], LIST | NULL),
        # A step that was sent without a start began when it came.
        Asked("startTime", "2026-01-02T00:00:00Z", TIME | MORE | {"is": "", "nis": "abc"}),
        Asked("endTime", "2026-01-02T00:00:02Z", TIME | NULL),
        Asked("metadata", "y", TEXT | NULL, "k"),
        Asked("parentId", "p-b", TEXT | NULL),
        Asked("threadId", "b", TEXT),
        Asked("error", "Broke", TEXT | NULL),
        Asked("tags", ["y"], LIST | NULL),
    ],
    "participants": [
        Asked("id", "bob", TEXT),
        Asked("createdAt", None, TIME | MORE),
        Asked("identifier", ["bob"], LIST | NULL | {"is": "", "nis": "abc"}),
        Asked("lastEngaged", None, TIME | MORE | {"is": "", "nis": "abc"}),
        # Nobody has an unknown number of threads.
        Asked(
            "threadCount",
            1,
            NUMBER | {"eq": "ab", "neq": "c", "gte": "ab", "lt": "c", "lte": "abc", "is": "", "nis": "abc"},
        ),
        Asked("tokenCount", 20, NUMBER | NULL),
        Asked("metadata", "y", TEXT | NULL, "k"),
    ],
    "scores": [
        Asked("id", None, TEXT),
        Asked("createdAt", None, TIME | MORE),
        Asked("participant", ["bob"], LIST | NULL),
        Asked("name", "bq", TEXT),
        Asked("tags", ["y"], LIST | NULL),
        Asked("value", 2, NUMBER | MORE),
        Asked("type", "HUMAN", TEXT),
        Asked("comment", "better", TEXT | NULL),
    ],
    "generations": [
        Asked("id", "b", TEXT),
        Asked("createdAt", "2026-01-02T00:00:00Z", TIME | MORE),
        Asked("error", "Broke", TEXT | NULL),
        Asked("provider", "bprovider", TEXT | NULL),
        Asked("model", "bmodel", TEXT | NULL),
        Asked("promptLineage", "pb", TEXT | NULL),
        Asked("promptVersion", 1, NUMBER | NULL),
        Asked("duration", 2, NUMBER | NULL),
        Asked("score", 2, NUMBER | NULL),
        Asked("tokenCount", 20, NUMBER | NULL),
        Asked("tags", ["y"], LIST | NULL),
        Asked("participant", ["bob"], LIST | NULL),
    ],
}
INPUT_TYPES = {name: ("T" if name == "threads" else name[0]) + name[1:] + "InputType" for name in LISTS}


def stocked() -> Caller:
    """A project with three rows in each list."""
    who = client()
    version = """mutation V($l: String!, $t: Json) {
        createPromptVersion(lineageId: $l, templateMessages: $t) { id version }
    }"""
    for name, plan in (("ann", "x"), ("bob", "y"), ("cid", None)):
        metadata = None if plan is None else {"k": plan}
        create = "mutation P($i: String!, $m: Json) { createParticipant(identifier: $i, metadata: $m) { id } }"
        ask(who, create, i=name, m=metadata)
    for n, (id, user, plan, tag) in enumerate((("a", "ann", "x", "x"), ("b", "bob", "y", "y"))):
        lineage = ask(who, "mutation L($n: String!) { createPromptLineage(name: $n) { id } }", n=f"p{id}")
        prompts = [
            ask(who, version, l=lineage["createPromptLineage"]["id"], t=[{"role": "user", "content": f"{id}{number}"}])
            for number in range(n + 1)
        ]
        upsert = """mutation T($i: String!, $n: String, $m: Json, $p: String, $t: [String!]) {
            upsertThread(id: $i, name: $n, metadata: $m, participantId: $p, tags: $t) { id }
        }"""
        ask(who, upsert, i=id, n=("Apples", "Bananas")[n], m={"k": plan}, p=user, t=[tag])
        day = f"2026-01-0{n + 1}"
        generation = {
            "type": "CHAT",
            "provider": f"{id}provider",
            "model": f"{id}model",
            "promptId": prompts[n]["createPromptVersion"]["id"],
            "duration": n + 1,
            "tokenCount": 10 * (n + 1),
            "tags": [tag],
        }
        made = {
            "id": id,
            "threadId": id,
            "parentId": f"p-{id}",
            "name": ("Alpha", "Beta")[n],
            "type": ("run", "tool")[n],
            "startTime": f"{day}T00:00:00Z",
            "endTime": f"{day}T00:00:0{n + 1}Z",
            "error": ("Absent", "Broke")[n],
            "input": {"content": ("one", "two")[n]},
            "output": {"content": ("first", "second")[n]},
            "metadata": {"k": plan},
            "tags": [tag],
            "generation": generation,
        }
        assert send(who, batch(made)).json["data"]["step0"]["ok"]
    score = """mutation S($n: String!, $k: ScoreType!, $v: Float!, $s: String, $c: String, $t: [String!]) {
        createScore(name: $n, type: $k, value: $v, stepId: $s, comment: $c, tags: $t) { id }
    }"""
    ask(who, score, n="aq", k="AI", v=1, s="a", c="bad", t=["x"])
    ask(who, score, n="bq", k="HUMAN", v=2, s="b", c="better", t=["y"])
    ask(who, score, n="cq", k="CODE", v=3, s=None, c=None, t=None)
    ask(who, 'mutation { upsertThread(id: "c") { id } }')
    assert send(who, batch({"id": "c", "generation": {"type": "CHAT"}})).json["data"]["step0"]["ok"]
    return who


def rows(who: Caller, kind: str, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a list, each with what the tests below need of it."""
    return [edge["node"] for edge in ask(who, query(kind), f=filters)[kind]["edges"]]


def query(kind: str) -> str:
    names = {"participants": "id createdAt lastEngaged", "scores": "id name createdAt"}.get(kind, "id")
    return f"query Q($f: [{INPUT_TYPES[kind]}!]) {{ {kind}(filters: $f) {{ edges {{ node {{ {names} }} }} }} }}"


def letters(kind: str, found: list[dict[str, Any]]) -> str:
    return "".join(str(row["name" if kind == "scores" else "id"])[0] for row in found)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", LISTS)
def test_every_field_finds_what_each_of_its_operators_says(kind: str) -> None:
    who = stocked()
    second = next(row for row in rows(who, kind, []) if letters(kind, [row]) == "b")

    wrong = []
    for asked in LISTS[kind]:
        for operator, expected in asked.finds.items():
            value = second[asked.field] if asked.value is None else asked.value
            value = None if operator in ("is", "nis") else value
            said = {"field": asked.field, "operator": operator, "value": value}
            if asked.path:
                said["path"] = asked.path
            answer = send(who, {"query": query(kind), "variables": {"f": [said]}}).json
            if "errors" in answer:
                wrong.append((said, answer["errors"][0]["message"]))
                continue
            found = "".join(sorted(letters(kind, [edge["node"] for edge in answer["data"][kind]["edges"]])))
            if found != expected:
                wrong.append((said, f"{found!r} instead of {expected!r}"))
    assert not wrong, "\n".join(map(str, wrong))


ORDERS = [
    ("threads", "createdAt", "cba", "abc"),
    ("threads", "tokenCount", "bac", "abc"),
    ("threads", "participant", "bac", "abc"),
    ("steps", "createdAt", "cba", "abc"),
    ("scores", "createdAt", "cba", "abc"),
    ("generations", "createdAt", "cba", "abc"),
    ("generations", "tokenCount", "bac", "abc"),
    ("generations", "model", "bac", "abc"),
    ("generations", "provider", "bac", "abc"),
    ("generations", "duration", "bac", "abc"),
    ("generations", "participant", "bac", "abc"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "column", "down", "up"), ORDERS, ids=[f"{o[0]} {o[1]}" for o in ORDERS])
def test_every_order_goes_both_ways_and_back_with_what_is_unknown_last(
    kind: str, column: str, down: str, up: str
) -> None:
    who = stocked()

    for direction, expected in (("DESC", down), ("ASC", up)):
        assert walked(who, kind, "after", {"column": column, "direction": direction}) == expected
        assert walked(who, kind, "before", {"column": column, "direction": direction}) == expected


def walked(who: Caller, kind: str, way: str, order: dict[str, str] | None) -> str:
    """The letters of a list, read one row at a time from one end to the other; backward from the last row."""
    by = f", $o: {kind.capitalize()}OrderByInput" if order else ""
    asked = f"""query Q($c: ID, $n: Int{by}) {{ {kind}(first: $n, {way}: $c{", orderBy: $o" if order else ""}) {{
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        edges {{ cursor node {{ id {"name" if kind == "scores" else ""} }} }}
    }} }}"""
    more = {"o": order} if order else {}
    if way == "after":
        found, cursor, is_more = "", None, True
        while is_more:
            page = ask(who, asked, c=cursor, n=1, **more)[kind]
            found += letters(kind, [edge["node"] for edge in page["edges"]])
            cursor, is_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found
    whole = ask(who, asked, c=None, n=50, **more)[kind]["edges"]
    cursor, found, is_more = whole[-1]["cursor"], letters(kind, [whole[-1]["node"]]), True
    while is_more:
        page = ask(who, asked, c=cursor, n=1, **more)[kind]
        found = letters(kind, [edge["node"] for edge in page["edges"]]) + found
        cursor, is_more = page["pageInfo"]["startCursor"], page["pageInfo"]["hasPreviousPage"]
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["after", "before"])
def test_users_are_paged_both_ways_the_newest_first(way: str) -> None:
    assert walked(stocked(), "participants", way, None) == "cba"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("threads", {"field": "colour", "operator": "eq", "value": "red"}, "colour"),
        ("steps", {"field": "name", "operator": "like", "value": "red"}, "like"),
        ("scores", {"field": "value", "operator": "gt", "value": "many"}, "many"),
        ("generations", {"field": "createdAt", "operator": "gt", "value": "yesterday"}, "yesterday"),
        ("threads", {"field": "metadata", "operator": "ilike", "value": "x"}, "path"),
        ("participants", "everybody", "everybody"),
    ],
)
def test_a_filter_that_means_nothing_is_named(kind: str, said: Any, message: str) -> None:
    answer = send(client(), {"query": query(kind), "variables": {"f": [said]}})

    assert answer.status == 200
    assert message in answer.json["errors"][0]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["after", "before"])
@pytest.mark.parametrize("column", ["tokenCount", "createdAt"])
def test_a_cursor_that_is_none_of_this_list_is_named(column: str, way: str) -> None:
    asked = f"query Q($c: ID, $o: ThreadsOrderByInput) {{ threads({way}: $c, orderBy: $o) {{ edges {{ cursor }} }} }}"

    answer = send(client(), {"query": asked, "variables": {"c": "elsewhere", "o": {"column": column}}})

    assert answer.status == 200
    assert "elsewhere" in answer.json["errors"][0]["message"]


@pytest.mark.django_db
def test_a_prompt_is_asked_for_by_the_id_of_its_lineage_as_by_its_name() -> None:
    who = stocked()
    id = ask(who, '{ promptLineage(name: "pb") { id } }')["promptLineage"]["id"]

    assert (
        letters("generations", rows(who, "generations", [{"field": "promptLineage", "operator": "eq", "value": id}]))
        == "b"
    )


@pytest.mark.django_db
def test_scores_are_asked_for_by_the_name_that_stands_as_path() -> None:
    who = stocked()
    for kind, field in (("threads", "scoreValue"), ("generations", "score")):
        for path, expected in (("bq", "b"), ("aq", "")):
            said = {"field": field, "operator": "eq", "value": 2, "path": path}
            assert letters(kind, rows(who, kind, [said])) == expected


@pytest.mark.django_db
def test_all_filters_of_a_list_have_to_hold() -> None:
    who = stocked()
    first = {"field": "name", "operator": "ilike", "value": "a"}
    second = {"field": "tokenCount", "operator": "gt", "value": 10}

    assert letters("threads", rows(who, "threads", [first])) == "ba"
    assert letters("threads", rows(who, "threads", [first, second])) == "b"


@pytest.mark.django_db
def test_a_filter_that_is_null_is_told_as_graphql_tells_it() -> None:
    query = "query($f: [generationsInputType!]) { generations(first: 3, filters: $f) { edges { node { id } } } }"
    answer = send(client(), {"query": query, "variables": {"f": [None]}})

    assert answer.status == 200
    assert "Expected value of non-null type" in answer.json["errors"][0]["message"]
