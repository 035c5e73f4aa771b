"""Put tags on rows and take them off; give tags a colour and a meaning."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry
from django.db import IntegrityError, transaction

from generations import access, models, recording
from generations.access import Grant, Scope
from generations.cleaning import MAX_TAG, clean_string
from generations.graphql.connections import BadArgument
from generations.graphql.errors import Code, Refused, not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.nodes import Batch
from generations.graphql.types.collections import Tag

MOST_IDS = 1_000
MAX_COLOUR = 20
MAX_DESCRIPTION = 10_000


@strawberry.enum(description="What carries tags.")
class Taggable(Enum):
    """Kinds of rows with tags."""

    GENERATION = strawberry.enum_value("generation", description="Generations.")
    STEP = strawberry.enum_value("step", description="Steps.")
    THREAD = strawberry.enum_value("thread", description="Threads.")


@strawberry.type(description="How many rows a change of tags has changed.")
class Tagging:
    """The result of tagging."""

    changed: int = strawberry.field(description="Rows that were changed; the others were so already, or are not there.")


Kind = Annotated[Taggable, strawberry.argument(description="What the ids name.")]
Ids = Annotated[list[strawberry.ID], strawberry.argument(description=f"Ids, at most {MOST_IDS}.")]
Labels = Annotated[list[str], strawberry.argument(description="The tags.")]
Name = Annotated[str, strawberry.argument(description="The label.")]
Colour = Annotated[str | None, strawberry.argument(description="The colour to show it in: `#a33`, `teal`.")]
Description = Annotated[str | None, strawberry.argument(description="What it means.")]


@strawberry.type
class TagMutations:
    """Mutations of tags."""

    @guarded(Scope.WRITE, "Put tags on rows. Tags that are new come into being.")
    def add_tags(self, info: Info, kind: Kind, ids: Ids, tags: Labels) -> Tagging | None:
        """Add tags to many rows at once."""
        return _retagged(info.context.grant, kind, ids, tags, [])

    @guarded(Scope.WRITE, "Take tags off rows.")
    def remove_tags(self, info: Info, kind: Kind, ids: Ids, tags: Labels) -> Tagging | None:
        """Remove tags from many rows at once."""
        return _retagged(info.context.grant, kind, ids, [], tags)

    @guarded(Scope.WRITE, "Make a tag, before anything carries it.")
    def create_tag(self, info: Info, name: Name, colour: Colour = None, description: Description = None) -> Tag | None:
        """A new tag."""
        grant = info.context.grant
        label = clean_string(name).strip()
        if not 1 <= len(label) <= MAX_TAG:
            raise BadArgument("name", name, f"1 to {MAX_TAG} characters")
        tag = models.Tag(project=grant.project, name=label, **_shown(colour, description))
        try:
            with transaction.atomic():
                tag.save(force_insert=True)
                access.audit(grant, "tag.create", "tag", label)
        except IntegrityError:
            raise Refused(Code.CONFLICT, f"There is a tag '{label[:80]}' already.", "name", label[:80]) from None
        return Tag(row=tag, batch=Batch(grant, [tag]))

    @guarded(Scope.WRITE, "Change how a tag is shown and what it means; null leaves a part as it is.")
    def update_tag(self, info: Info, name: Name, colour: Colour = None, description: Description = None) -> Tag | None:
        """A tag, changed."""
        grant = info.context.grant
        with transaction.atomic():
            tag = models.Tag.objects.select_for_update().filter(project=grant.project, name=clean_string(name)).first()
            if tag is None:
                raise not_found("tag", name, "name")
            changes = _shown(colour, description)
            for field, value in changes.items():
                setattr(tag, field, value)
            tag.save(update_fields=list(changes))
            access.audit(grant, "tag.update", "tag", tag.name, {"changed": sorted(changes)})
        return Tag(row=tag, batch=Batch(grant, [tag]))


def _retagged(grant: Grant, kind: Taggable, ids: list[strawberry.ID], add: list[str], remove: list[str]) -> Tagging:
    if len(ids) > MOST_IDS:
        raise BadArgument("ids", len(ids), f"at most {MOST_IDS} at once")
    subject, names = str(kind.value), [clean_string(id) for id in ids]
    with transaction.atomic():
        changed = recording.retag(
            grant.project, subject, names, add=map(clean_string, add), remove=map(clean_string, remove)
        )
        if changed:
            detail = {"rows": changed, "added": add, "removed": remove}
            access.audit(grant, f"{subject}.tag", subject, names[0] if len(names) == 1 else "", detail)
    return Tagging(changed=changed)


def _shown(colour: str | None, description: str | None) -> dict[str, str]:
    given = {"colour": colour, "description": description}
    shown = {name: clean_string(value).strip() for name, value in given.items() if value is not None}
    for name, limit in (("colour", MAX_COLOUR), ("description", MAX_DESCRIPTION)):
        if len(shown.get(name, "")) > limit:
            raise BadArgument(name, shown[name], f"at most {limit} characters")
    return shown
