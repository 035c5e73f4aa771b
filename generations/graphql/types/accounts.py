"""Who asks, in which project, and with which keys it may be entered."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from generations import access, models
from generations.access import Grant
from generations.graphql.connections import LARGEST_SLICE, SLICE, Slice, bounded, slice_of
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.judgements import First

Named = Annotated[str, strawberry.argument(description="Only those that have this in their names.")]


@strawberry.type(description="A room of its own: everything that is recorded belongs to exactly one.")
class Project:
    """A row of projects."""

    row: strawberry.Private[models.Project]

    slug: str = column("slug", "Its name in addresses and in the header `X-Project`.")
    name: str = column("name", "Its name for people.")
    time_zone: str = column("time_zone", "The zone that its days begin in: `Europe/Prague`.")
    currency: str = column("currency", "The currency that its costs are shown in.")
    created_at: dt.datetime = column("created_at", "When it was made.")


@strawberry.type(description="Who asks: a person who is signed in, or an API key.")
class Viewer:
    """The holder of the grant."""

    grant: strawberry.Private[Grant]

    @resolved("The user name of the person, or the name of the key.")
    def name(self) -> str:
        """What people call it."""
        return self.grant.actor

    @resolved("Whether it is an API key.")
    def is_key(self) -> bool:
        """Whether a key was sent."""
        return self.grant.key is not None

    @resolved("What it may do in this project: ingest, read, write, admin.")
    def scopes(self) -> list[str]:
        """Scopes, with those that are implied."""
        return sorted(scope.value for scope in self.grant.scopes)

    @resolved("The projects that may be named in `X-Project`, by name.")
    def projects(self, first: First = SLICE, named: Named = "") -> Slice[Project]:
        """The first of a person's projects, or the one of the key."""
        limit = bounded(first, LARGEST_SLICE)
        if self.grant.user is None:
            found = [one for one in (self.grant.project,) if named.lower() in one.name.lower()]
        else:
            found = access.projects_of(self.grant.user, named=named, most=limit + 1)
        return slice_of(found, limit, lambda project: Project(row=project))


@strawberry.type(description="An API key. Its token was told when it was made, and is not kept.")
class Key:
    """A row of keys."""

    row: strawberry.Private[models.ApiKey]
    batch: strawberry.Private[Batch[models.ApiKey]]

    id: strawberry.ID = column("pk", "The id of the key.")
    name: str = column("name", "What people call it.")
    prefix: str = column("prefix", "The beginning of the token, to tell keys apart.")
    scopes: list[str] = column("scopes", "What it was given: ingest, read, write, admin.")
    environment: str = column("environment", "The environment that it is for; empty for any.")
    created_at: dt.datetime = column("created_at", "When it was made.")
    expires_at: dt.datetime | None = column("expires_at", "When it stops to work; null for never.")
    revoked_at: dt.datetime | None = column("revoked_at", "When it was revoked; null while it works.")
    last_used_at: dt.datetime | None = column("last_used_at", "When it was last used, to the minute; null before that.")
