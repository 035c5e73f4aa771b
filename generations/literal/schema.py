"""The schema of `schema.graphql` with its resolvers, and documents that are parsed and checked once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    build_schema,
    parse,
    validate,
    value_from_ast_untyped,
)
from graphql.language import FieldNode, OperationDefinitionNode, OperationType

from generations.literal import mutations, queries

DOCUMENTS: Final = 128
MAX_DOCUMENT: Final = 2 << 20


def _built() -> GraphQLSchema:
    schema = build_schema((Path(__file__).parent / "schema.graphql").read_text())
    for root, resolvers in (("Query", queries.RESOLVERS), ("Mutation", mutations.RESOLVERS)):
        kind = schema.get_type(root)
        assert isinstance(kind, GraphQLObjectType)
        if set(kind.fields) != set(resolvers):
            raise AssertionError(f"{root}: resolvers and fields differ: {set(kind.fields) ^ set(resolvers)}")
        for name, resolve in resolvers.items():
            kind.fields[name].resolve = resolve
    return schema


SCHEMA: Final = _built()


@lru_cache(maxsize=DOCUMENTS)
def document(text: str) -> DocumentNode | tuple[GraphQLError, ...]:
    """A document, or what is wrong with it. The clients send few different ones, over and over."""
    try:
        parsed = parse(text, no_location=True)
    except GraphQLError as error:
        return (error,)
    errors = validate(SCHEMA, parsed, max_errors=5)
    return tuple(errors) if errors else parsed


def only_steps(parsed: DocumentNode, variables: dict[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
    """The alias and arguments of each `ingestStep` of a document that does nothing else; None for any other.

    Arguments are taken as they are: coercion by type would let one bad variable reject its neighbours.
    """
    operations = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.MUTATION:
        return None
    found: list[tuple[str, dict[str, Any]]] = []
    for node in operations[0].selection_set.selections:
        if not isinstance(node, FieldNode) or node.name.value != "ingestStep":
            return None
        read = {one.name.value: value_from_ast_untyped(one.value, variables) for one in node.arguments or ()}
        given = {name: value for name, value in read.items() if value is not Undefined}
        found.append((node.alias.value if node.alias else node.name.value, given))
    return found
