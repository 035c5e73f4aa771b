"""Input types that say what a REST document says, and how they become one: the door reads both with the same eyes."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from generations.graphql import scalars
from generations.graphql.inputs import (
    GenerationFeedbackThumbs,
    GenerationInputType,
    GenerationOutputType,
    GenerationType,
    ScoreType,
)


def may(description: str) -> Any:
    """A field that may be left out; null empties what is stored."""
    return strawberry.field(default=strawberry.UNSET, description=description)


def document(given: Any) -> Any:
    """An input as a REST document: camelCase names, what was left out is absent, moments and money as texts."""
    if dataclasses.is_dataclass(given):
        return {
            to_camel_case(one.name): document(value)
            for one in dataclasses.fields(given)
            if (value := getattr(given, one.name)) is not strawberry.UNSET
        }
    if isinstance(given, Enum):
        return given.value
    if isinstance(given, list):
        return [document(one) for one in given]
    if isinstance(given, dt.datetime):
        return scalars.written(given)
    return str(given) if isinstance(given, Decimal) else given


@strawberry.input(description="Which model answered.")
class ModelInput:
    """The model of a generation."""

    id: str | None = may("The model's id as it was called: `gpt-4o-mini`.")
    name: str | None = may("The model's name as people call it.")
    version: str | None = may("The version that answered.")
    provider: str | None = may("Who answered: `openai`, `anthropic`, ...")


@strawberry.input(description="What was sent to the model.")
class InputInput:
    """The input of a generation."""

    type: GenerationInputType | None = may("What it is made of.")
    content: JSON | None = may("What was sent: a text is a prompt, a list of messages a chat; any JSON value.")
    tokens: int | None = may("All input tokens, cached ones included.")


@strawberry.enum(description="How an alternative came to be.")
class AlternativeKind(Enum):
    """Kinds of alternatives."""

    choice = strawberry.enum_value("choice", description="Another choice of the same answer.")
    beam = strawberry.enum_value("beam", description="Another beam of the search.")
    scored = strawberry.enum_value("scored", description="A value that was scored, not sampled.")
    retry = strawberry.enum_value("retry", description="An answer to the same request, sent again.")
    fallback = strawberry.enum_value("fallback", description="The answer of another model.")
    edit = strawberry.enum_value("edit", description="The answer as a person put it right.")


@strawberry.input(description="Another answer to the same call.")
class AlternativeInput:
    """An alternative."""

    index: int | None = may("Its place among the answers, from 0; else its place in the list.")
    kind: AlternativeKind | None = may("How it came to be.")
    content: JSON | None = may("The answer: a text, a message or any JSON value.")
    tokens: int | None = may("Its tokens.")
    score: float | None = may("Its score, as the model's backend gave it.")
    finish_reason: str | None = may("Why it ended.")
    logprobs: JSON | None = may("Log-probabilities of its tokens.")


@strawberry.input(description="What the model answered.")
class OutputInput:
    """The output of a generation."""

    type: GenerationOutputType | None = may("What it is made of.")
    content: JSON | None = may("What came back: a text, a message, or any JSON value.")
    tokens: int | None = may("All output tokens, reasoning included.")
    alternatives: list[AlternativeInput] | None = may("Other answers to the same call; they replace those stored.")


@strawberry.input(description="Tokens, and what they cost. What is not given is reckoned where it can be.")
class UsageInput:
    """Token counts and cost of a generation."""

    prompt_tokens: int | None = may("All input tokens, cached ones included.")
    completion_tokens: int | None = may("All output tokens, reasoning included.")
    total_tokens: int | None = may("Input and output tokens together.")
    cached_tokens: int | None = may("Input tokens that were read from the provider's cache.")
    cache_write_tokens: int | None = may("Input tokens that were written to the cache.")
    reasoning_tokens: int | None = may("Output tokens spent on reasoning that is not shown.")
    input_audio_tokens: int | None = may("Input tokens that were audio.")
    output_audio_tokens: int | None = may("Output tokens that were audio.")
    estimated: bool | None = may("Whether the counts are an estimate.")
    cost: Decimal | None = may("What the call cost; else it is reckoned from prices.")
    input_cost: Decimal | None = may("The part of the cost that the input made.")
    output_cost: Decimal | None = may("The part of the cost that the output made.")
    currency: str | None = may("The currency of the costs, as ISO 4217: `USD`.")
    cost_source: str | None = may("Where the price is from.")
    cost_arithmetic: JSON | None = may("How the cost was reckoned: an object.")


@strawberry.input(description="How long the call took, in seconds.")
class PerformanceInput:
    """Durations of a generation."""

    latency: float | None = may("Seconds from sending the request to the last of the answer.")
    time_to_first_token: float | None = may("Seconds until the first token arrived.")
    tokens_per_second: float | None = may("Output tokens for each second.")


@strawberry.input(description="The prompt version that a generation was made with.")
class PromptReferenceInput:
    """The prompt version of a generation."""

    id: str | None = may("The id of the prompt version.")
    name: str | None = may("The name of the prompt.")
    version: int | None = may("The number of the version.")


@strawberry.input(description="What a user of the application said of an answer. At least one part is given.")
class FeedbackInput:
    """A piece of feedback."""

    rating: float | None = may("From 1 to 5.")
    thumbs: GenerationFeedbackThumbs | None = may("Up or down.")
    comment: str | None = may("What they wrote.")
    categories: list[str] | None = may("Labels such as `accurate` or `helpful`.")
    timestamp: dt.datetime | None = may("When it was given; else now.")
    user_id: str | None = may("Who gave it.")
    metadata: JSON | None = may("Anything else: an object.")


@strawberry.input(description="One judgement.")
class ScoreInput:
    """A score inside a generation."""

    id: str | None = may("The id of the score; else one of name, type and author, so that a replay adds no other.")
    name: str | None = may("What was judged: `correctness`, `tone`, ...")
    type: ScoreType | None = may("Who judged: a person, a model or code.")
    value: float | None = may("The judgement as a number.")
    label: str | None = may("The judgement as a word.")
    comment: str | None = may("Why, in words.")
    author: str | None = may("The person, model or program that judged.")
    timestamp: dt.datetime | None = may("When it was judged; else now.")
    tags: list[str] | None = may("Tags of the score itself.")
    metadata: JSON | None = may("Anything else: an object.")


@strawberry.input(description="A file beside a generation. Its bytes lie at `url`.")
class AttachmentInput:
    """An attachment."""

    id: str | None = may("The id of the attachment.")
    name: str | None = may("Its file name.")
    mime: str | None = may("Its media type: `image/png`.")
    size: float | None = may("Its size in bytes.")
    sha256: str | None = may("The hash of its bytes, in hexadecimal.")
    url: str | None = may("Where it lies.")
    timestamp: dt.datetime | None = may("When it was attached; else now.")
    metadata: JSON | None = may("Anything else: an object.")


@strawberry.input(description="One call to a model. What is left out is unknown, or stays as it is; null empties it.")
class GenerationInput:
    """A generation, in the shape that REST takes it in."""

    timestamp: dt.datetime | None = may("When the call began; else now.")
    end_timestamp: dt.datetime | None = may("When the answer was complete.")
    type: GenerationType | None = may("What kind of call it was.")
    name: str | None = may("What you call it.")
    model: ModelInput | None = may("Which model answered.")
    input: InputInput | None = may("What was sent.")
    output: OutputInput | None = may("What came back.")
    messages: JSON | None = may("The messages of a chat, as they were sent: a list of objects.")
    message_completion: JSON | None = may("The message that a chat model answered: an object.")
    prompt: str | None = may("The text that was sent to be completed.")
    completion: str | None = may("The text that a completion model answered.")
    variables: JSON | None = may("Values of the prompt template's variables: an object.")
    tools: JSON | None = may("Tools that the model could call: a list.")
    parameters: JSON | None = may("Settings: an object with temperature, topP, maxTokens and any others.")
    usage: UsageInput | None = may("Tokens and cost.")
    performance: PerformanceInput | None = may("Durations.")
    metadata: JSON | None = may("An object with requestId, userId, sessionId, tags and the like, and any others.")
    feedback: FeedbackInput | None = may("What a user said of it.")
    scores: list[ScoreInput] | None = may("Judgements on it.")
    attachments: list[AttachmentInput] | None = may("Files beside it.")
    finish_reason: str | None = may("Why the answer ended.")
    selected_choice: int | None = may("The index of the alternative that was used.")
    error: str | None = may("What went wrong.")
    error_type: str | None = may("The kind of error.")
    error_detail: str | None = may("The error in full: a body, a stack trace.")
    logprobs: JSON | None = may("Log-probabilities of the answer's tokens.")
    thread_id: str | None = may("The id of its thread.")
    step_id: str | None = may("The id of the step that made it.")
    trace_id: str | None = may("The OpenTelemetry trace.")
    span_id: str | None = may("The OpenTelemetry span.")
    response_id: str | None = may("The provider's id of the answer.")
    environment: str | None = may("production, staging, ...")
    release: str | None = may("The release of the application.")
    prompt_version: PromptReferenceInput | None = may("The prompt version it was made with.")
    request_attributes: JSON | None = may("Attributes of the request: an object.")
    response_attributes: JSON | None = may("Attributes of the response: an object.")
    attributes: JSON | None = may("Attributes of the span it came in: an object.")
