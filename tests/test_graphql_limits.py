"""What a GraphQL request may ask for: how deep, how often, how many rows; and that finding out costs nothing."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from generations.access import Scope
from generations.graphql import limits
from generations.graphql.schema import schema
from tests.asking import Door, door

__all__ = ["door"]
pytestmark = pytest.mark.django_db


def nested(levels: int) -> str:
    return "{ steps(first: 1) { nodes " + "{ parent " * levels + "{ id }" + " }" * levels + " } }"


def aliased(times: int, field: str) -> str:
    return "{ " + " ".join(f"a{n}: {field}" for n in range(times)) + " }"


def doubling(levels: int) -> str:
    fragments = " ".join(
        f"fragment f{n} on Step {{ a: parent {{ ...f{n + 1} }} b: parent {{ ...f{n + 1} }} }}" for n in range(levels)
    )
    return f"{{ steps {{ nodes {{ ...f0 }} }} }} {fragments} fragment f{levels} on Step {{ id }}"


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (nested(20), limits.MAX_DEPTH),
        (aliased(51, "me { name }"), limits.MAX_ALIASES),
        ("{ " + "me { name } " * 600 + "}", limits.MAX_TOKENS),
        ("{" * 1_500, limits.MAX_TOKENS),
        ("query ($w: [[[" + "[" * 1_000, limits.MAX_DEPTH),
        (doubling(8), limits.MAX_ALIASES),
        (doubling(40), limits.MAX_DEPTH),
        ("{ generations(first: 200) { nodes { thread { generations(first: 100) { nodes { id } } } } } }", None),
        (aliased(50, "generations(first: 200) { nodes { step { id } thread { id } } }"), None),
        (aliased(41, "aggregateGenerations { groups { count } }"), None),
    ],
)
def test_too_much_is_refused_before_anything_is_fetched(
    door: Door, query: str, limit: int | None, django_assert_max_num_queries: Any
) -> None:
    token = door.key(Scope.READ)

    with django_assert_max_num_queries(2):  # the key, and that it was used
        answer = door.ask(query, token=token)

    assert (answer.status, answer.data) == (400, None)
    assert set(answer.codes) <= {"TOO_COMPLEX", "BAD_REQUEST"}
    if limit is None:
        limit = limits.MAX_COST
    if answer.codes[0] == "TOO_COMPLEX":
        assert limit in [error["extensions"]["limit"] for error in answer.errors]


def test_the_cost_of_a_list_counts_what_variables_say(door: Door) -> None:
    query = """query ($first: Int!, $inner: Int! = 100) {
      threads(first: $first) { nodes { generations(first: $inner) { nodes { id } } } }
    }"""

    many = door.ask(query, {"first": 200}, token=door.key(Scope.READ))
    few = door.ask(query, {"first": 200, "inner": 5}, token=door.key(Scope.READ))
    whole = door.ask(query, {"first": 200.0, "inner": 100.0}, token=door.key(Scope.READ))

    assert (many.status, many.codes) == (whole.status, whole.codes) == (400, ["TOO_COMPLEX"])
    assert many.errors[0]["message"].startswith("The operation asks for up to 20200 rows; at most 20000")
    assert few.data == {"threads": {"nodes": []}}


def test_a_fragment_within_itself_is_refused(door: Door) -> None:
    answer = door.ask("{ steps { nodes { ...f } } } fragment f on Step { parent { ...f } }")

    assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])


def test_variables_nested_without_end_are_refused(door: Door) -> None:
    deep: Any = {"id": {"eq": "x"}}
    for _ in range(450):
        deep = {"not": deep}

    answer = door.ask("query ($w: GenerationWhere) { generations(where: $w) { nodes { id } } }", {"w": deep})

    assert (answer.status, answer.data) == (400, None)
    assert "nested too deep" in answer.errors[0]["message"]


def test_json_nested_without_end_is_refused(door: Door) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]

    answer = door.ask(
        "mutation ($i: GenerationInput!) { createGeneration(input: $i) { id } }", {"i": {"metadata": {"deep": deep}}}
    )

    assert (answer.status, answer.data) == (200, {"createGeneration": None})
    assert answer.codes[0] in ("BAD_INPUT", "TOO_COMPLEX")


def test_introspection_is_allowed_and_bounded(door: Door) -> None:
    from graphql import get_introspection_query

    whole = door.ask(get_introspection_query(input_value_deprecation=True), token=door.key(Scope.INGEST))
    endless = "{ __schema { types " + "{ fields { type " * 8 + "{ name }" + " } }" * 8 + " } }"

    assert whole.status == 200
    assert len(whole.data["__schema"]["types"]) > 100
    assert door.ask(endless, token=door.key(Scope.READ)).status == 400


def test_a_document_is_read_once_and_remembered(door: Door) -> None:
    query = "{ me { name } } # remembered"
    limits._remembered.cache_clear()

    for _ in range(3):
        assert door.ask(query, token=door.key(Scope.READ)).status == 200

    assert limits._remembered.cache_info()[:2] == (2, 1)


def test_what_is_remembered_of_a_document_that_cannot_be_read_does_not_grow(door: Door) -> None:
    query = "{ me { name "
    ours: Any = schema

    def remembered() -> int:
        assert door.ask(query, token=door.key(Scope.READ)).status == 400
        return len(list(traceback.walk_tb(limits._remembered(ours._schema, query).errors[0].__traceback__)))

    assert remembered() == remembered()
