"""What a request may cost: the size and depth of its document, and how many rows it may ask for in all.

Fragments are measured once and counted where they are used, so that a document that doubles at every level is
refused in the time that it takes to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from generations.graphql.connections import PAGE
from generations.graphql.errors import Code
from generations.graphql.naming import explained
from generations.graphql.nodes import Part

MAX_TOKENS: Final = 2_000
MAX_DEPTH: Final = 14
MAX_ALIASES: Final = 50
MAX_FIELDS: Final = 600
MAX_COST: Final = 20_000
CACHED: Final = 256
CACHED_LENGTH: Final = 16 * 1024
"""Longer documents are checked anew each time: a cache of large ones would hold a client's memory for it."""

COSTS: Final[Mapping[str, int]] = {"aggregateGenerations": 500, "totalCount": 100}
"""Fields that cost more than a row, in rows."""

_WRAPPERS: Final = frozenset({"nodes", "edges", "node", "pageInfo"})
"""Fields that only wrap the rows of a list, which are counted with the list."""

_RULES: Final = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that was parsed and validated, or why it cannot be executed."""

    document: DocumentNode | None
    errors: list[GraphQLError]


def too_complex(message: str, limit: int, node: Any = None) -> GraphQLError:
    """The refusal of a document that asks for too much."""
    return GraphQLError(message, nodes=node, extensions={"code": Code.TOO_COMPLEX.value, "limit": limit})


def _unclear(operations: list[OperationDefinitionNode]) -> GraphQLError:
    names = ", ".join(one.name.value for one in operations if one.name is not None)
    extensions = {"code": Code.BAD_REQUEST.value, "field": "operationName", "expected": f"one of {names[:500]}"}
    return GraphQLError("The document has several operations, and none of them is named.", extensions=extensions)


class Limits(SchemaExtension):
    """Parses, bounds and validates a document, once for every time that it is sent again; then bounds its rows."""

    def on_parse(self) -> Iterator[None]:
        """Parse and validate, or find what that came to the last time."""
        context = self.execution_context
        schema: Any = context.schema
        query = context.query or ""
        check = _remembered if len(query) <= CACHED_LENGTH else checked
        found = check(schema._schema, query)
        if found.document is None:
            # It is raised each time: what it remembers of the last one would grow.
            raise found.errors[0].with_traceback(None)
        context.graphql_document = found.document
        self._errors = found.errors
        yield

    def on_validate(self) -> Iterator[None]:
        """Tell what the validation found, and whether it is clear which operation is meant."""
        context = self.execution_context
        assert context.graphql_document is not None
        operations = [d for d in context.graphql_document.definitions if isinstance(d, OperationDefinitionNode)]
        unclear = len(operations) > 1 and context._provided_operation_name is None
        context.pre_execution_errors = self._errors or ([_unclear(operations)] if unclear else [])
        yield

    def on_execute(self) -> Iterator[None]:
        """Refuse before anything is fetched when too much would be."""
        context = self.execution_context
        schema: Any = context.schema
        assert context.graphql_document is not None
        error = over_cost(schema._schema, context.graphql_document, context.operation_name, context.variables or {})
        if error is not None:
            context.result = ExecutionResult(data=None, errors=[error])
        yield


def checked(schema: GraphQLSchema, query: str) -> Checked:
    """`query` parsed, bounded and validated."""
    try:
        document = parse(query, max_tokens=MAX_TOKENS)
        errors = oversize(document) or explained(validate(schema, document, _RULES, max_errors=20), schema)
    except GraphQLError as error:
        if "token" in error.message and str(MAX_TOKENS) in error.message:
            error = too_complex(f"The document has more than {MAX_TOKENS} tokens.", MAX_TOKENS)
        return Checked(None, [error])
    except RecursionError:
        return Checked(None, [too_complex("The document is nested too deep to be read.", MAX_DEPTH)])
    return Checked(document, errors)


_remembered = lru_cache(maxsize=CACHED)(checked)


# ------------------------------------------------------------------------------------------------ size of a document
@dataclass(frozen=True, slots=True)
class Size:
    """How deep, how wide and how often renamed a selection is, with its fragments spread out."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0


def oversize(document: DocumentNode) -> list[GraphQLError]:
    """Why the document is refused for its size; nothing when it is not."""
    measure = _Measure(_fragments(document))
    errors = []
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        size = measure.of(definition.selection_set)
        for found, limit, what in (
            (size.depth, MAX_DEPTH, "levels deep"),
            (size.aliases, MAX_ALIASES, "aliases long"),
            (size.fields, MAX_FIELDS, "fields long"),
        ):
            if found > limit:
                message = f"The operation is {_shown(found)} {what}; at most {limit} are taken."
                errors.append(too_complex(message, limit, definition))
    return errors


def _shown(number: int) -> str:
    return str(number) if number < 1_000_000 else "millions of"


class _Measure:
    """Measures selections; each fragment once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, Size] = {}

    def of(self, selections: SelectionSetNode | None) -> Size:
        """The size of a selection. Introspection has its own bound among the rules of validation."""
        depth = fields = aliases = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                if node.name.value.startswith("__"):
                    continue
                below = self.of(node.selection_set)
                below = Size(below.depth + 1, below.fields + 1, below.aliases + (node.alias is not None))
            elif isinstance(node, InlineFragmentNode):
                below = self.of(node.selection_set)
            else:
                assert isinstance(node, FragmentSpreadNode)
                below = self._fragment(node.name.value)
            depth, fields, aliases = max(depth, below.depth), fields + below.fields, aliases + below.aliases
        return Size(depth, fields, aliases)

    def _fragment(self, name: str) -> Size:
        if name not in self._known:
            # A fragment within itself measures nothing here; validation refuses it.
            self._known[name] = Size()
            found = self._fragments.get(name)
            self._known[name] = self.of(found.selection_set if found else None)
        return self._known[name]


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


# -------------------------------------------------------------------------------------------------- cost of execution
def over_cost(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]
) -> GraphQLError | None:
    """Why a valid document is refused for the rows that it asks for; None when it is not."""
    operation = next(
        d
        for d in document.definitions
        if isinstance(d, OperationDefinitionNode)
        and (operation_name is None or (d.name is not None and d.name.value == operation_name))
    )
    root = schema.get_root_type(operation.operation)
    cost = _Cost(schema, _fragments(document), _defaults(operation, variables)).of(operation.selection_set, root)
    if cost <= MAX_COST:
        return None
    return too_complex(
        f"The operation asks for up to {_shown(cost)} rows; at most {MAX_COST} are given at once. "
        "Ask for less with `first`, most of all in lists within lists.",
        MAX_COST,
        operation,
    )


def _defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        d.variable.name.value: int(d.default_value.value)
        for d in operation.variable_definitions or ()
        if isinstance(d.default_value, IntValueNode)
    }
    return {**values, **variables}


class _Cost:
    """Counts the rows that selections of a valid document may bring; each fragment once."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._known: dict[str, int] = {}

    def of(self, selections: SelectionSetNode | None, on: GraphQLNamedType | None) -> int:
        """The rows that a selection on a type may bring."""
        total = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self._field(node, on)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                total += self.of(node.selection_set, self._schema.type_map[condition.name.value] if condition else on)
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value)
        return total

    def _fragment(self, name: str) -> int:
        if name not in self._known:
            fragment = self._fragments[name]
            on = self._schema.type_map[fragment.type_condition.name.value]
            self._known[name] = self.of(fragment.selection_set, on)
        return self._known[name]

    def _field(self, node: FieldNode, on: GraphQLNamedType | None) -> int:
        name = node.name.value
        if name.startswith("__") or not isinstance(on, GraphQLObjectType):
            return 0
        field = on.fields[name]
        below = get_named_type(field.type)
        inside = self.of(node.selection_set, below)
        if "first" in field.args:
            return self._rows(node, field) * (1 + inside)
        own = COSTS.get(name, 0)
        is_row = isinstance(below, GraphQLObjectType) and name not in _WRAPPERS and self._is_fetched(field)
        return own + is_row + inside

    def _rows(self, node: FieldNode, field: GraphQLField) -> int:
        """How many rows the list may bring: what `first` or `last` says, within reason."""
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                if isinstance(value, VariableNode):
                    given = self._variables.get(value.name.value)
                    # 200.0 is a whole number to GraphQL.
                    if isinstance(given, int) or (isinstance(given, float) and given.is_integer()):
                        return max(int(given), 1)
                elif isinstance(value, IntValueNode):
                    return max(int(value.value), 1)
        default = field.args["first"].default_value
        return default if isinstance(default, int) else PAGE

    @staticmethod
    def _is_fetched(field: GraphQLField) -> bool:
        definition = field.extensions.get("strawberry-definition")
        return not isinstance(definition, Part) and definition is not None and definition.base_resolver is not None
