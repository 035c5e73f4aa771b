"""Make and revoke API keys."""

from __future__ import annotations

import datetime as dt
import uuid
from enum import Enum
from typing import Annotated

import strawberry

from generations import access
from generations.access import Scope
from generations.graphql.errors import Code, Refused, not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.generations import Id
from generations.graphql.nodes import Batch
from generations.graphql.types.accounts import Key
from generations.records import InvalidRecord


@strawberry.enum(description="What a key may do.")
class KeyScope(Enum):
    """Scopes of keys."""

    INGEST = strawberry.enum_value("ingest", description="Send in what happened.")
    READ = strawberry.enum_value("read", description="Read everything in the project.")
    WRITE = strawberry.enum_value("write", description="Ingest, read and change.")
    ADMIN = strawberry.enum_value("admin", description="All of these, and keys.")


@strawberry.type(description="A key that was made, with its token. Keep it: it is told only this once.")
class KeyMade:
    """A new key."""

    key: Key = strawberry.field(description="The key.")
    token: str = strawberry.field(description="What to send as `Authorization: Bearer TOKEN` or `x-api-key: TOKEN`.")


@strawberry.type
class KeyMutations:
    """Mutations of keys."""

    @guarded(Scope.ADMIN, "Make an API key for this project.")
    def create_key(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="What people call it.")],
        scopes: Annotated[list[KeyScope] | None, strawberry.argument(description="What it may do; else WRITE.")] = None,
        environment: Annotated[str, strawberry.argument(description="The environment it is for.")] = "",
        expires_at: Annotated[
            dt.datetime | None, strawberry.argument(description="When it stops to work; else never.")
        ] = None,
    ) -> KeyMade | None:
        """A key and its token."""
        grant = info.context.grant
        wanted = access.DEFAULT_SCOPES if scopes is None else [str(scope.value) for scope in scopes]
        try:
            key, token = access.create_key(
                grant, name=name, scopes=wanted, environment=environment, expires_at=expires_at
            )
        except InvalidRecord as error:
            raise Refused(Code.BAD_INPUT, str(error), error.field, error.value, error.expected) from None
        return KeyMade(key=Key(row=key, batch=Batch(grant, [key])), token=token)

    @guarded(Scope.ADMIN, "Revoke an API key. It stops to work at once, and for ever.")
    def revoke_key(self, info: Info, id: Id) -> Key | None:
        """A key, revoked."""
        grant = info.context.grant
        try:
            key = access.revoke_key(grant, str(uuid.UUID(id)))
        except ValueError:
            key = None
        if key is None:
            raise not_found("key", id)
        return Key(row=key, batch=Batch(grant, [key]))
