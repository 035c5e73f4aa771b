"""The same list at the other doors: what a page hands over is what they take."""

from typing import Any

import pytest
from graphql import GraphQLError
from graphql.utilities import validate_input_value

from generations import filters
from generations.filters import Kind
from generations.graphql.schema import schema
from generations.web import doors

VALUES: dict[Kind, Any] = {
    Kind.TEXT: "x",
    Kind.NUMBER: 1,
    Kind.TIME: "2026-11-20T10:00:00Z",
    Kind.BOOL: True,
    Kind.TAGS: "a",
    Kind.JSON: "pro",
}
DYNAMIC = {
    "metadata": "metadata.plan",
    "parameters": "parameters.temperature",
    "requestAttributes": 'requestAttributes."gen_ai.system"',
    "responseAttributes": "responseAttributes.a.b",
    "scores": "scores.helpfulness",
}


def taken(kind: str, document: dict[str, Any]) -> list[str]:
    """What GraphQL has against the `where` of a filter document."""
    condition = filters.from_document(kind, document)
    assert condition is not None
    return wrong_in(f"{doors.NOUNS[kind]}Where", doors.where(condition))


def wrong_in(input_type: str, value: Any) -> list[str]:
    wrong: list[str] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        wrong.append(f"{path}: {error.message}")

    validate_input_value(value, schema._schema.type_map[input_type], note)  # type: ignore[arg-type]
    return wrong


EVERY = [(kind, field) for kind in doors.NOUNS for field in filters.fields(kind)]


@pytest.mark.parametrize(("kind", "field"), EVERY, ids=[f"{kind} {field.path}" for kind, field in EVERY])
def test_every_field_of_a_list_is_one_of_graphql(kind: str, field: filters.Field) -> None:
    path = DYNAMIC.get(field.path, field.path)
    value = field.choices[0] if field.kind is Kind.ENUM and field.choices else VALUES.get(field.kind)
    operator = "contains" if field.operators[0] == "contains" else "gte" if path.startswith("scores.") else "eq"

    assert taken(kind, {path: {operator: 1 if path.startswith("scores.") else value}}) == []


@pytest.mark.parametrize("kind", doors.NOUNS)
def test_every_order_of_a_list_is_one_of_graphql(kind: str) -> None:
    for field in filters.fields(kind):
        if field.sortable:
            assert wrong_in(f"{doors.NOUNS[kind]}Order", doors.order(f"-{field.path}")) == [], field.path


def test_nested_conditions_are_taken_too() -> None:
    document = {
        "or": [
            {"metadata.userId": "u"},
            {"not": {"tags": {"in": ["a", "b"]}}},
            {"and": [{"model.id": {"startsWith": "gpt"}}, {"scores": {"some": {"name": "q", "value": {"gte": 1}}}}]},
        ]
    }

    assert taken("generations", document) == []
