"""The nested objects of a generation and a step: each a view of the same row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import relations, scalars
from generations.graphql.connections import SLICE, Slice
from generations.graphql.nodes import Batch, column, resolved
from generations.graphql.types.judgements import Alternative, Behind, First
from generations.ingest.rest_parameters import normalized


@strawberry.type(description="Which model answered.")
class Model:
    """The model of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    id: str | None = column("model_id", "The model's id as it was called: `gpt-4o-mini`.")
    name: str | None = column("model_name", "The model's name as people call it.")
    version: str | None = column("model_version", "The version that answered, where the provider tells it.")
    provider: str | None = column("provider", "Who answered: `openai`, `anthropic`, ...")


@strawberry.type(description="Tokens, and what they cost. Unknown is null, never 0.")
class Usage:
    """Token counts and cost of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    prompt_tokens: int | None = column("prompt_tokens", "All input tokens, cached ones included.")
    completion_tokens: int | None = column("completion_tokens", "All output tokens, reasoning included.")
    total_tokens: int | None = column("total_tokens", "Input and output tokens together.")
    cached_tokens: int | None = column("cached_tokens", "Input tokens that were read from the provider's cache.")
    cache_write_tokens: int | None = column("cache_write_tokens", "Input tokens that were written to the cache.")
    reasoning_tokens: int | None = column("reasoning_tokens", "Output tokens spent on reasoning that is not shown.")
    input_audio_tokens: int | None = column("input_audio_tokens", "Input tokens that were audio.")
    output_audio_tokens: int | None = column("output_audio_tokens", "Output tokens that were audio.")
    estimated: bool | None = column("tokens_estimated", "Whether the counts are an estimate and not the provider's.")
    cost: Decimal | None = column("cost", "What the call cost, in `currency`.")
    input_cost: Decimal | None = column("input_cost", "The part of the cost that the input made.")
    output_cost: Decimal | None = column("output_cost", "The part of the cost that the output made.")
    currency: str | None = column("currency", "The currency of the costs, as ISO 4217: `USD`.")
    cost_source: str | None = column(
        "cost_source", "Where the price is from: the caller, an override, or public prices."
    )


@strawberry.type(description="How long the call took, in seconds.")
class Performance:
    """Durations of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    latency: float | None = column("latency", "Seconds from sending the request to the last of the answer.")
    time_to_first_token: float | None = column("time_to_first_token", "Seconds until the first token arrived.")
    tokens_per_second: float | None = column("tokens_per_second", "Output tokens for each second.")


@strawberry.type(description="How long the step took, in seconds.")
class StepPerformance:
    """Durations of a step."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    latency: float | None = column("latency", "Seconds from start to end.")


@strawberry.type(description="The prompt version that a generation was made with.")
class PromptReference:
    """The prompt version of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    id: str | None = column("prompt_version_id", "The id of the prompt version.")
    name: str | None = column("prompt_name", "The name of the prompt.")
    version: int | None = column("prompt_version", "The number of the version.")


@strawberry.type(description="Settings that the model was called with.")
class Parameters:
    """Settings of a generation, by their usual names and in full."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    @resolved("Every setting, under the name that it was recorded with or its usual one.")
    def all(self) -> JSON:
        """All settings, as every door shows them."""
        return scalars.json(self._known())

    @resolved("How freely tokens are chosen; 0 takes the likeliest.")
    def temperature(self) -> float | None:
        """The recorded temperature."""
        return self._number("temperature")

    @resolved("The share of probability that tokens are chosen from.")
    def top_p(self) -> float | None:
        """The recorded nucleus."""
        return self._number("topP")

    @resolved("The most tokens that the answer may have.")
    def max_tokens(self) -> int | None:
        """The recorded bound of the answer."""
        found = self._number("maxTokens")
        return int(found) if found is not None and abs(found) < 2**31 else None

    @resolved("Texts that end the answer.")
    def stop_sequences(self) -> list[str] | None:
        """The recorded stops."""
        found = self._known().get("stopSequences")
        return [str(text) for text in found] if isinstance(found, list) else None

    @resolved("Penalty on tokens that have occurred at all.")
    def presence_penalty(self) -> float | None:
        """The recorded presence penalty."""
        return self._number("presencePenalty")

    @resolved("Penalty on tokens by how often they have occurred.")
    def frequency_penalty(self) -> float | None:
        """The recorded frequency penalty."""
        return self._number("frequencyPenalty")

    def _known(self) -> dict[str, Any]:
        return normalized(self.row.parameters or {})

    def _number(self, name: str) -> float | None:
        found = self._known().get(name)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


@strawberry.type(description="What was sent to the model.")
class Input:
    """The input of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    type: str = column("input_type", "text, image, audio or multimodal.")
    tokens: int | None = column("prompt_tokens", "All input tokens, cached ones included.")
    preview: str | None = column("input_preview", "The first 200 characters of what a person would read of it.")

    @resolved("What was sent: any JSON value; `{messages}` of a chat; the text of a completion.")
    def content(self) -> JSON | None:
        """The input as every door shows it."""
        return scalars.json(relations.content(self).sent)


@strawberry.type(description="What the model answered.")
class Output:
    """The output of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    type: str = column("output_type", "text, image, audio, code, json or other.")
    tokens: int | None = column("completion_tokens", "All output tokens, reasoning included.")
    preview: str | None = column("output_preview", "The first 200 characters of what a person would read of it.")

    @resolved("What came back: any JSON value; the text or message of a chat; a completion.")
    def content(self) -> JSON | None:
        """The output as every door shows it."""
        return scalars.json(relations.content(self).received)

    @resolved("Other answers to the same call, by their index.")
    def alternatives(self, first: First = SLICE, after: Behind = None) -> Slice[Alternative]:
        """Alternatives in order."""
        found: Slice[Alternative] = relations.hanging(
            self, models.Alternative, Alternative, "generation_uid", ("index", "uid"), first, after, key="uid"
        )
        return found
