"""Call a model: generate text and score continuations; each call is recorded."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from generations import generating, models
from generations.access import Scope
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import document, may
from generations.graphql.nodes import found
from generations.graphql.types.events import Generation


@strawberry.input(description="What is said of a call beside the call itself.")
class CallInput:
    """The context of a call."""

    model: str = strawberry.field(description="`ngram:`, `random`, or `NAME/MODEL` of a provider of the project.")
    variables: JSON | None = may(
        "Values for `{{name}}` in the prompt or the messages. With them, an empty object too, each name needs one; "
        "without them a text is sent as it stands."
    )
    name: str | None = may("What the call is for.")
    thread_id: str | None = may("The thread it belongs to.")
    step_id: str | None = may("The step it hangs on.")
    user_id: str | None = may("The end user.")
    prompt_version_id: str | None = may("The version of a prompt that it was made from.")
    tags: list[str] | None = may("Labels.")
    metadata: JSON | None = may("Anything else, by names of your own.")


@strawberry.input(description="What a model is to go on with: a prompt, or messages.")
class GenerateInput(CallInput):
    """A call for text."""

    prompt: str | None = may("The text to go on with.")
    messages: list[JSON] | None = may("The conversation to answer, in place of a prompt.")
    tools: list[JSON] | None = may("The tools that the model may call.")
    decoder: str | None = may("argmax, sample or beam.")
    n: int | None = may("How many answers, 1 unless given.")
    max_tokens: int | None = may("How long an answer may be.")
    parameters: JSON | None = may("temperature, topP, stopSequences, seed and whatever the model has.")


@strawberry.input(description="Values that may follow a prompt.")
class ScoreValuesInput(CallInput):
    """A call for scores."""

    prompt: str = strawberry.field(description="The text that all values follow.")
    values: list[str] = strawberry.field(description="The continuations, as they stand: nothing is put between.")
    separator: str | None = may("What stands between prompt and value; nothing unless given.")
    straddle: str | None = may("Whose a token across their border is: include (the value's), exclude, or error.")


@strawberry.type(description="A call that was made.")
class Called:
    """What calls have in common."""

    generation_id: strawberry.ID = strawberry.field(description="The id of the recorded generation.")

    @guarded(Scope.READ, "The recorded generation; null for a key without it.")
    def generation(self, info: Info) -> Generation | None:
        """The row, read anew."""
        shown: Generation | None = found(
            info.context.grant, models.Generation, "generation", Generation, self.generation_id
        )
        return shown


@strawberry.type(description="Text that a model generated.")
class Generated(Called):
    """Answers."""

    texts: list[str] = strawberry.field(description="The answers, without the prompt.")


@strawberry.type(description="How likely a model finds one value.")
class ValueScore:
    """One value."""

    value: str = strawberry.field(description="The value.")
    sum: float = strawberry.field(description="The log-probability of all of it.")
    mean: float = strawberry.field(description="For each of its tokens.")
    normalized: float = strawberry.field(description="The sum divided by the number of tokens to the power of 0.7.")
    prob: float = strawberry.field(description="Its share of the probability among all values.")
    straddles: bool = strawberry.field(description="Whether its first token begins in the prompt.")
    tokens: JSON = strawberry.field(description="Tokens of prompt and value: token, logprob, offset, isValue.")


@strawberry.type(description="How likely a model finds several values.")
class Scored(Called):
    """All values."""

    best: str = strawberry.field(description="The value with the highest sum.")
    values: list[ValueScore] = strawberry.field(description="The values in the order that was given.")


@strawberry.type
class ModelMutations:
    """Mutations that call models."""

    @guarded(Scope.WRITE, "Generate text with a model. The call is recorded, also when it fails.")
    def generate(
        self, info: Info, input: Annotated[GenerateInput, strawberry.argument(description="What is asked.")]
    ) -> Generated | None:
        """Call a model for text."""
        done = generating.generate(info.context.grant, generating.asked(_given(input)))
        return Generated(generation_id=strawberry.ID(done.id), texts=done.texts)

    @guarded(Scope.WRITE, "Score how likely values are to follow a prompt. The call is recorded, also when it fails.")
    def score(
        self, info: Info, input: Annotated[ScoreValuesInput, strawberry.argument(description="What is asked.")]
    ) -> Scored | None:
        """Call a model for scores."""
        result = generating.score(info.context.grant, generating.asked_to_score(_given(input)))
        told = result.to_dict()
        return Scored(
            generation_id=strawberry.ID(result.generation_id or ""),
            best=told["best"],
            values=[ValueScore(**value) for value in told["values"]],
        )


def _given(input: CallInput) -> dict[str, Any]:
    said: dict[str, Any] = document(input)
    return {name: value for name, value in said.items() if value is not None}
