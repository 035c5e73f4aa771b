"""What is meant by a name that GraphQL does not know: it names the nearest one itself, where one is near."""

from __future__ import annotations

import re
from typing import Final

from graphql import GraphQLError, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

_UNKNOWN: Final = re.compile(
    r"Expected value of type '(?P<input>\w+)[!\]]*' not to include unknown field '(?P<given>\w+)'"
    r"|Cannot query field '(?P<field>\w+)' on type '(?P<type>\w+)'"
)
_FEW: Final = 24
"""Names of a type that are told all; of one that has more, those that are alike."""


def explained(errors: list[GraphQLError], schema: GraphQLSchema) -> list[GraphQLError]:
    """The errors of a request; where one is of an unknown field and says no more, it says which there are."""
    for error in errors:
        found = None if "Did you mean" in error.message else _UNKNOWN.match(error.message)
        if found is not None and (names := _names(schema, found["input"] or found["type"])):
            given = (found["given"] or found["field"]).lower()
            alike = [name for name in names if given in name.lower() or name.lower() in given]
            told = names if len(names) <= _FEW else alike[:_FEW]
            if told:
                error.message = f"{error.message} There {'is' if len(told) == 1 else 'are'} {', '.join(told)}."
    return errors


def _names(schema: GraphQLSchema, type: str) -> list[str]:
    known = schema.get_type(type)
    if isinstance(known, GraphQLInputObjectType | GraphQLObjectType | GraphQLInterfaceType):
        return list(known.fields)
    return []
