"""Make versions of prompts, and move their labels."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from generations import prompts
from generations.access import Scope
from generations.graphql.connections import BadArgument
from generations.graphql.errors import not_found
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import document, may
from generations.graphql.nodes import Batch
from generations.graphql.types.prompts import Prompt, PromptVersion


@strawberry.input(description="A version of a prompt: messages or a template, and what the model is called with.")
class PromptVersionInput:
    """The names of a version's document."""

    messages: JSON | None = may("The messages of a chat, with `{{variables}}`: a list of objects.")
    template: str | None = may("The text of a completion, with `{{variables}}`.")
    settings: JSON | None = may("Settings that the model is called with: an object.")
    tools: JSON | None = may("Tools that the model may call: a list.")
    input_defaults: JSON | None = may("Values of variables that nobody gives: an object.")
    model: str | None = may("The model that it is meant for.")
    provider: str | None = may("Who serves the model.")
    description: str | None = may("What has changed.")
    labels: list[str] | None = may("Labels to put on it: `prod`, `test`, ...")


@strawberry.input(description="Where a label is to be.")
class PromptLabelInput:
    """A label and the version to put it on."""

    name: str = strawberry.field(description="The label: `prod`, `test`, ...")
    version: int | None = strawberry.field(description="The number of the version to put it on; null takes it away.")


Name = Annotated[str, strawberry.argument(description="The name of the prompt.")]


@strawberry.type
class PromptMutations:
    """Mutations of prompts."""

    @guarded(
        Scope.WRITE,
        "Make a version of a prompt, and the prompt when there is none of the name. When a version has this very "
        "content, it is the answer and nothing is made; its labels are put on it either way.",
    )
    def create_prompt_version(
        self,
        info: Info,
        name: Name,
        input: Annotated[PromptVersionInput, strawberry.argument(description="What it says.")],
    ) -> PromptVersion | None:
        """The version of this content."""
        grant = info.context.grant
        row, _ = prompts.publish(grant, name, **prompts.content_of(document(input)))
        return PromptVersion(row=row, batch=Batch(grant, [row]))

    @guarded(
        Scope.WRITE,
        "Move labels of a prompt, all of them in one step or none. Labels that are not named stay where they are.",
    )
    def move_prompt_labels(
        self,
        info: Info,
        name: Name,
        labels: Annotated[list[PromptLabelInput], strawberry.argument(description="Each label with its version.")],
    ) -> Prompt | None:
        """The prompt, with its labels as they are then."""
        grant = info.context.grant
        found = prompts.named(grant, name)
        if found is None:
            raise not_found("prompt", name, "name")
        wanted = {one.name: one.version for one in labels}
        if len(wanted) < len(labels):
            raise BadArgument("labels", [one.name for one in labels], "each label once")
        prompts.move(grant, found, wanted)
        return Prompt(row=found, batch=Batch(grant, [found]))
