"""The schema: queries and mutations put together, with their limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from graphql import GraphQLError, GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, Undefined
from strawberry import Schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from generations.graphql import scalars
from generations.graphql.limits import Limits
from generations.graphql.mutations import Mutation
from generations.graphql.queries import Query


class _Schema(Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: the door tells errors to whoever asked, and to the log what nobody expected."""


COMMITTED: Final = Path(__file__).with_name("schema.graphql")
"""Where the schema is kept as text, for whoever reads or generates from it."""


def _without_null_defaults(graphql: GraphQLSchema) -> None:
    """Arguments that may be left out have no default: "= null" beside each of them tells nobody anything."""
    for named in graphql.type_map.values():
        if isinstance(named, GraphQLInputObjectType):
            optional: list[Any] = list(named.fields.values())
        elif isinstance(named, GraphQLObjectType):
            optional = [argument for field in named.fields.values() for argument in field.args.values()]
        else:
            continue
        for one in optional:
            if one.default_value is None:
                one.default_value = Undefined


schema = _Schema(
    query=Query,
    mutation=Mutation,
    extensions=[Limits],
    config=StrawberryConfig(scalar_map=scalars.MAP),
)
_without_null_defaults(schema._schema)


def printed() -> str:
    """The schema as text, as it is committed beside this module."""
    return schema.as_str().rstrip() + "\n"
