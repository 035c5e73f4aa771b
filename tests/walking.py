"""The GraphQL schema as introspection tells it, walked: a document for each way from one type to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_required_argument,
)

from tests.asking import Door

LONGEST = 6
"""Fields in a row; a way from a list to what hangs on what hangs on its rows is six."""


@dataclass(frozen=True)
class Edge:
    """A field that leads from one type to another, and how it is come by from the root."""

    path: tuple[str, ...]
    on: str
    to: GraphQLObjectType
    own: str

    @property
    def name(self) -> str:
        return f"{self.on}.{self.path[-1].partition('(')[0]}"

    @property
    def query(self) -> str:
        """What asks for all that its type has to say for itself."""
        return "{ " + " { ".join(self.path) + " { " + self.own + " }" * (len(self.path) + 1)


def introspected(door: Door) -> GraphQLSchema:
    """The schema as anybody sees it who asks for it."""
    return build_client_schema(door.read(get_introspection_query()))


def said_by(kind: GraphQLObjectType, arguments: Mapping[str, str]) -> str:
    """The fields of a type that are values, as they are asked for."""
    fields = [
        name + _said(kind.name, name, field, arguments)
        for name, field in kind.fields.items()
        if isinstance(get_named_type(field.type), GraphQLScalarType | GraphQLEnumType)
    ]
    return " ".join(["__typename", *fields])


def edges(schema: GraphQLSchema, arguments: Mapping[str, str]) -> Iterator[Edge]:
    """Every field that leads to an object, by each way that does not come by a type twice, short ones first.

    `arguments` holds what is said in the brackets behind a field that needs something said. Raises KeyError for a
    field that is not in it.
    """
    assert schema.query_type is not None
    line: list[tuple[tuple[str, ...], GraphQLObjectType, frozenset[str]]] = [((), schema.query_type, frozenset())]
    for path, on, met in line:
        for name, field in on.fields.items():
            to: Any = get_named_type(field.type)
            if isinstance(to, GraphQLObjectType):
                way = (*path, name + _said(on.name, name, field, arguments))
                yield Edge(way, on.name, to, said_by(to, arguments))
                if to.name not in met and len(way) < LONGEST:
                    line.append((way, to, met | {to.name}))


def _said(on: str, name: str, field: GraphQLField, arguments: Mapping[str, str]) -> str:
    needed = any(is_required_argument(one) for one in field.args.values())
    said = arguments.get(f"{on}.{name}", "first: 3" if "first" in field.args else "")
    if needed and not said:
        raise KeyError(f"{on}.{name} needs something said: name it in the test")
    return f"({said})" if said else ""
