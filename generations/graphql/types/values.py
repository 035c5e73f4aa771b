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

    id: str | None = column("model_id", "The model's id as it was called: `gpt-4o-mini`; null when it is not known.")
    name: str | None = column("model_name", "The model's name as people call it; null when it is not known.")
    version: str | None = column(
        "model_version", "The version that answered, where the provider tells it; null when it is not known."
    )
    provider: str | None = column("provider", "Who answered: `openai`, `anthropic`, ... Null when it is not known.")


@strawberry.type(description="Tokens, and what they cost. Unknown is null, never 0.")
class Usage:
    """Token counts and cost of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    prompt_tokens: int | None = column(
        "prompt_tokens", "All input tokens, cached ones included; null when it is not known."
    )
    completion_tokens: int | None = column(
        "completion_tokens", "All output tokens, reasoning included; null when it is not known."
    )
    total_tokens: int | None = column("total_tokens", "Input and output tokens together; null when it is not known.")
    cached_tokens: int | None = column(
        "cached_tokens", "Input tokens that were read from the provider's cache; null when it is not known."
    )
    cache_write_tokens: int | None = column(
        "cache_write_tokens", "Input tokens that were written to the cache; null when it is not known."
    )
    reasoning_tokens: int | None = column(
        "reasoning_tokens", "Output tokens spent on reasoning that is not shown; null when it is not known."
    )
    input_audio_tokens: int | None = column(
        "input_audio_tokens", "Input tokens that were audio; null when it is not known."
    )
    output_audio_tokens: int | None = column(
        "output_audio_tokens", "Output tokens that were audio; null when it is not known."
    )
    estimated: bool | None = column(
        "tokens_estimated", "Whether the counts are an estimate and not the provider's; null when it is not known."
    )
    cost: Decimal | None = column(
        "cost", "What the call cost, in `currency`; null when it is not known, and never 0 for that."
    )
    input_cost: Decimal | None = column(
        "input_cost", "The part of the cost that the input made; null when it is not known."
    )
    output_cost: Decimal | None = column(
        "output_cost", "The part of the cost that the output made; null when it is not known."
    )
    currency: str | None = column(
        "currency", "The currency of the costs, as ISO 4217: `USD`; null when there is no cost."
    )
    cost_source: str | None = column(
        "cost_source", "Where the price is from: the caller, an override, or public prices; null when there is no cost."
    )


@strawberry.type(description="How long the call took, in seconds.")
class Performance:
    """Durations of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    latency: float | None = column(
        "latency", "Seconds from sending the request to the last of the answer; null when it is not known."
    )
    time_to_first_token: float | None = column(
        "time_to_first_token", "Seconds until the first token arrived; null when it is not known."
    )
    tokens_per_second: float | None = column(
        "tokens_per_second", "Output tokens for each second; null when it is not known."
    )


@strawberry.type(description="How long the step took, in seconds.")
class StepPerformance:
    """Durations of a step."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    latency: float | None = column("latency", "Seconds from start to end; null while the end is not known.")


@strawberry.type(description="The prompt version that a generation was made with.")
class PromptReference:
    """The prompt version of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    id: str | None = column("prompt_version_id", "The id of the prompt version; null when it is not known.")
    name: str | None = column("prompt_name", "The name of the prompt; null when it is not known.")
    version: int | None = column("prompt_version", "The number of the version; null when it is not known.")


@strawberry.type(description="Settings that the model was called with.")
class Parameters:
    """Settings of a generation, by their usual names and in full."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    @resolved("Every setting, under the name that it was recorded with or its usual one.")
    def all(self) -> JSON:
        """All settings, as every door shows them."""
        return scalars.json(self._known())

    @resolved("How freely tokens are chosen; 0 takes the likeliest; null when it was not set.")
    def temperature(self) -> float | None:
        """The recorded temperature."""
        return self._number("temperature")

    @resolved("The share of probability that tokens are chosen from; null when it was not set.")
    def top_p(self) -> float | None:
        """The recorded nucleus."""
        return self._number("topP")

    @resolved("The most tokens that the answer may have; null when it was not set.")
    def max_tokens(self) -> int | None:
        """The recorded bound of the answer."""
        found = self._number("maxTokens")
        return int(found) if found is not None and abs(found) < 2**31 else None

    @resolved("Texts that end the answer; null when it was not set.")
    def stop_sequences(self) -> list[str] | None:
        """The recorded stops."""
        found = self._known().get("stopSequences")
        return [str(text) for text in found] if isinstance(found, list) else None

    @resolved("Penalty on tokens that have occurred at all; null when it was not set.")
    def presence_penalty(self) -> float | None:
        """The recorded presence penalty."""
        return self._number("presencePenalty")

    @resolved("Penalty on tokens by how often they have occurred; null when it was not set.")
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
    tokens: int | None = column("prompt_tokens", "All input tokens, cached ones included; null when it is not known.")
    preview: str | None = column(
        "input_preview",
        "The first 200 characters of what a person would read of it; null when there is none, or its text has expired.",
    )

    @resolved(
        "What was sent: any JSON value; `{messages}` of a chat; the text of a completion; null when there is none, or "
        "its text has expired."
    )
    def content(self) -> JSON | None:
        """The input as every door shows it."""
        return scalars.json(relations.content(self).sent)


@strawberry.type(description="What the model answered.")
class Output:
    """The output of a generation."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    type: str = column("output_type", "text, image, audio, code, json or other.")
    tokens: int | None = column(
        "completion_tokens", "All output tokens, reasoning included; null when it is not known."
    )
    preview: str | None = column(
        "output_preview",
        "The first 200 characters of what a person would read of it; null when there is none, or its text has expired.",
    )

    @resolved(
        "What came back: any JSON value; the text or message of a chat; a completion; null when there is none, or "
        "its text has expired."
    )
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
