"""The schema of `schema.graphql` with its resolvers, and documents that are parsed and checked once."""

from __future__ import annotations

from collections.abc import Iterator
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
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from generations.literal import mutations, queries

DOCUMENTS: Final = 128
MAX_DOCUMENT: Final = 2 << 20
MAX_QUERIES: Final = 20
"""Fields of `Query` and fragments in one document: each is a list or an object of its own. The clients ask for one."""
MAX_DEPTH: Final = 20


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
    errors = _excess(parsed)
    if not errors and only_steps(parsed, {}) is None:
        # Each version of the clients declares other types and arguments of a step. What is not read of one is no reason
        # to refuse it: they would drop the whole batch.
        errors = validate(SCHEMA, parsed, max_errors=5)
    return tuple(errors) if errors else parsed


def _excess(parsed: DocumentNode) -> list[GraphQLError]:
    """What of a document is more than any client asks for. Of fragments each counts for each use of it, and so does the
    use: those that hold nothing but others would double at each level for nothing."""
    named = {one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)}
    left = MAX_QUERIES

    def walk(selected: SelectionSetNode | None, depth: int, counts: bool) -> None:
        nonlocal left
        if depth > MAX_DEPTH:
            raise GraphQLError(f"The document is more than {MAX_DEPTH} levels deep.")
        for node in selected.selections if selected else ():
            if isinstance(node, FieldNode):
                left -= counts
                walk(node.selection_set, depth + 1, counts=False)
            elif isinstance(node, InlineFragmentNode):
                walk(node.selection_set, depth + 1, counts)
            elif isinstance(node, FragmentSpreadNode) and counts:
                left -= 1
                walk(named[node.name.value].selection_set if node.name.value in named else None, depth + 1, counts)
            if left < 0:
                raise GraphQLError(f"The document asks for more than {MAX_QUERIES} things at once.")

    try:
        for one in parsed.definitions:
            if isinstance(one, OperationDefinitionNode):
                walk(one.selection_set, 1, one.operation is OperationType.QUERY)
            elif isinstance(one, FragmentDefinitionNode):
                walk(one.selection_set, 1, counts=False)
    except GraphQLError as error:
        return [error]
    return []


def only_steps(parsed: DocumentNode, variables: dict[str, Any]) -> list[tuple[str, dict[str, Any], list[str]]] | None:
    """The alias and arguments of each `ingestStep` of a document that does nothing else; None for any other. Beside
    them what is to be told of variables that the document neither declares nor is given: they say nothing.

    Arguments are taken as they are: coercion by type would let one bad variable reject its neighbours.
    """
    operations = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    if len(parsed.definitions) != 1 or not operations or operations[0].operation is not OperationType.MUTATION:
        return None
    known = {one.variable.name.value for one in operations[0].variable_definitions or ()} | variables.keys()
    found: list[tuple[str, dict[str, Any], list[str]]] = []
    for node in operations[0].selection_set.selections:
        if not isinstance(node, FieldNode) or node.name.value != "ingestStep":
            return None
        read = {one.name.value: _value(one.value, variables) for one in node.arguments or ()}
        given = {name: value for name, value in read.items() if value is not Undefined}
        lost = [
            f"{one.name.value}: the variable ${name} is not declared by this document and has no value"
            for one in node.arguments or ()
            for name in _named(one.value)
            if name not in known
        ]
        found.append((node.alias.value if node.alias else node.name.value, given, lost))
    return found


def _value(node: ValueNode, variables: dict[str, Any]) -> Any:
    """A value, with null where something within it has none."""
    if isinstance(node, VariableNode):
        return value_from_ast_untyped(node, variables)
    return value_from_ast_untyped(node, {**dict.fromkeys(_named(node)), **variables})


def _named(value: ValueNode) -> Iterator[str]:
    """The variables in a value."""
    if isinstance(value, VariableNode):
        yield value.name.value
    for part in getattr(value, "values", ()):
        yield from _named(part)
    for one in getattr(value, "fields", ()):
        yield from _named(one.value)
