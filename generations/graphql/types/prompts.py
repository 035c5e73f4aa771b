"""Prompts and their versions."""

from __future__ import annotations

import datetime as dt
from typing import Final

import strawberry
from strawberry.scalars import JSON

from generations import models, paging, prompts
from generations.graphql import relations
from generations.graphql.connections import LARGEST_SLICE, SLICE, Slice, bounded, slice_of
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.judgements import Behind, First

_NEWEST_FIRST: Final = ("-version",)


@strawberry.type(description="An immutable state of a prompt: template, model, settings and tools.")
class PromptVersion:
    """A row of prompt versions."""

    row: strawberry.Private[models.PromptVersion]
    batch: strawberry.Private[Batch[models.PromptVersion]]

    id: strawberry.ID = column("public_id", "The id of the version, which generations made with it carry.")
    prompt_id: strawberry.ID = column("prompt_uid", "The prompt that it is a version of.")
    version: int = column("version", "Its number among the versions of the prompt, from 0.")
    labels: list[str] = column("labels", "The labels that are on it now: `prod`, `test`, ...")
    tags: list[str] = column("tags", "Its tags.")
    messages: JSON | None = column(
        "template_messages", "The messages of a chat, with `{{variables}}`; null when it has a template."
    )
    template: str | None = column(
        "template", "The text of a completion, with `{{variables}}`; null when it has messages."
    )
    inputs: JSON = column("inputs", "The variables that the template names: a list.")
    input_defaults: JSON = column("input_defaults", "Values of variables that nobody gives.")
    model: str | None = column("model_id", "The model that it is meant for; null when none was said.")
    provider: str | None = column("provider", "Who serves the model; null when none was said.")
    settings: JSON = column("settings", "Settings that the model is called with.")
    tools: JSON | None = column("tools", "Tools that the model may call; null when none was said.")
    description: str = column("description", "What has changed.")
    metadata: JSON = column("metadata", "Anything else that belongs to it.")
    created_at: dt.datetime = column("created_at", "When it was made.")


@strawberry.type(description="A label of a prompt, and the version that it is on.")
class PromptLabel:
    """Where a label is."""

    name: str = strawberry.field(description="The label.")
    version: int = strawberry.field(description="The number of the version that carries it.")


@strawberry.type(description="A named line of versions.")
class Prompt:
    """A row of prompts."""

    row: strawberry.Private[models.Prompt]
    batch: strawberry.Private[Batch[models.Prompt]]

    id: strawberry.ID = column("pk", "The id of the prompt.")
    name: str = column("name", "Its name; a project has it once.")
    description: str = column("description", "What it is for.")
    type: str = column("type", "chat or completion.")
    created_at: dt.datetime = column("created_at", "When it was made.")

    @resolved("Its labels, each with the version that it is on, by name.")
    def labels(self) -> list[PromptLabel]:
        """Labels; one query for all prompts of the batch."""
        batch = self.batch
        found = batch.once("labels", lambda: prompts.labels_of(batch.grant, [row.pk for row in batch.rows]))
        return [PromptLabel(name=name, version=n) for name, n in sorted(found.get(self.row.pk, {}).items())]

    @resolved("Its versions, the newest first.")
    def versions(self, first: First = SLICE, after: Behind = None) -> Slice[PromptVersion]:
        """Versions without drafts; one statement for all prompts of the batch."""
        limit = bounded(first, LARGEST_SLICE)
        batch, groups = relations.following(
            self.batch, models.PromptVersion, "prompt_uid", _NEWEST_FIRST, limit + 1, key="pk", after=after
        )
        # The numbers of drafts are below 0: they come last.
        rows = [row for row in groups.get(self.row.pk, ()) if row.version >= 0]
        return slice_of(
            rows,
            limit,
            lambda row: PromptVersion(row=row, batch=batch),
            lambda row: paging.place(row, _NEWEST_FIRST),
        )
