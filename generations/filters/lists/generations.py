"""What can be asked about generations."""

from __future__ import annotations

from dataclasses import replace

from generations import pricing
from generations.filters.declaring import (
    boolean,
    enum,
    event_id,
    keys,
    long_text,
    number,
    score_values,
    tags,
    text,
    time,
)
from generations.filters.fields import Catalogue, Field, Relation
from generations.filters.kinds import Kind
from generations.filters.sources import Extract, Failed, LatestFeedback, Payload, Previews
from generations.models import Generation, GenerationPayload
from generations.records import GENERATION_TYPES, INPUT_TYPES, OUTPUT_TYPES, THUMBS

_WHAT = (
    event_id("generation", "generation"),
    time("timestamp", "started_at", "start", "When the call began.", "startTime", "startedAt"),
    time("endTimestamp", "ended_at", "end", "When the call ended.", "endTime", "endedAt"),
    enum("type", "type", GENERATION_TYPES, "type", "What kind of call it was."),
    text("name", "name", "name", "What the application calls this call."),
    text("model.id", "model_id", "model", "The model that answered, as the provider names it.", "modelId", "model"),
    text("model.name", "model_name", "model name", "The model's name for people.", "modelName"),
    text("model.version", "model_version", "model version", "The model's version.", "modelVersion"),
    text("model.provider", "provider", "provider", "Who answered the call.", "provider"),
    enum("input.type", "input_type", INPUT_TYPES, "input type", "What was sent.", "inputType"),
    enum("output.type", "output_type", OUTPUT_TYPES, "output type", "What came back.", "outputType"),
    Field(
        "input.content",
        Kind.TEXT,
        Payload(GenerationPayload, ("prompt",), ("messages", "input"), "input_preview"),
        "input",
        "Text anywhere in what was sent. Reads every payload that the other conditions leave.",
        aliases=("input",),
        operators=("contains",),
    ),
    Field(
        "output.content",
        Kind.TEXT,
        Payload(GenerationPayload, ("completion",), ("message_completion", "output"), "output_preview"),
        "output",
        "Text anywhere in what came back. Reads every payload that the other conditions leave.",
        aliases=("output",),
        operators=("contains",),
    ),
    Field(
        "text",
        Kind.TEXT,
        Previews(("input_preview", "output_preview"), "generation"),
        "text",
        "Text in the first characters of what was sent or came back, those that lists show.",
        operators=("contains",),
    ),
    Field(
        "search",
        Kind.TEXT,
        Extract("input_preview"),
        "text searched",
        "Words, all of which occur in what was sent or came back, in any case, with or without accents; "
        "in double quotes: a phrase. Of long texts the first and the last part are searched.",
        operators=("contains",),
    ),
    text("finishReason", "finish_reason", "finish reason", "Why the model stopped."),
    number("selectedChoice", "selected_choice", "selected choice", "The alternative taken, from 0.", groupable=True),
)
_ERRORS = (
    enum(
        "status",
        Failed("error", "error", "success"),
        ("success", "error"),
        "status",
        "Whether the call ended in an error.",
    ),
    boolean("hasError", Failed("error", True, False), "failed", "Whether the call ended in an error."),
    long_text("error", "error", "error", "The message of the error that the call ended in."),
    text("errorType", "error_type", "error type", "The kind of error, as the provider or the library names it."),
)
_NUMBERS = (
    number(
        "usage.promptTokens",
        "prompt_tokens",
        "input tokens",
        "Tokens sent, of which some may be cached.",
        "input.tokens",
        "promptTokens",
    ),
    number(
        "usage.completionTokens",
        "completion_tokens",
        "output tokens",
        "Tokens that came back, of which some may be reasoning.",
        "output.tokens",
        "completionTokens",
    ),
    number("usage.totalTokens", "total_tokens", "total tokens", "Tokens sent and received.", "totalTokens"),
    number("usage.cachedTokens", "cached_tokens", "cached tokens", "Tokens sent that the provider had in its cache."),
    number("usage.cacheWriteTokens", "cache_write_tokens", "cache write tokens", "Tokens sent that were put there."),
    number("usage.reasoningTokens", "reasoning_tokens", "reasoning tokens", "Tokens spent on reasoning."),
    number("usage.inputAudioTokens", "input_audio_tokens", "input audio tokens", "Tokens of audio sent."),
    number("usage.outputAudioTokens", "output_audio_tokens", "output audio tokens", "Tokens of audio received."),
    boolean("usage.estimated", "tokens_estimated", "tokens estimated", "Whether tokens were counted by us."),
    number("usage.cost", "cost", "cost", "What the call cost, in its currency.", "cost"),
    number("usage.inputCost", "input_cost", "input cost", "What its input cost."),
    number("usage.outputCost", "output_cost", "output cost", "What its output cost."),
    replace(
        text("usage.currency", "currency", "currency", "The currency of its cost.", "currency"),
        spelt=lambda said: pricing.currency_of(said) or said,
    ),
    text("usage.costSource", "cost_source", "cost source", "Where the price came from.", "costSource"),
    number("performance.latency", "latency", "latency", "Seconds from start to end.", "latency", "duration"),
    number(
        "performance.timeToFirstToken",
        "time_to_first_token",
        "time to first token",
        "Seconds until the answer began.",
        "timeToFirstToken",
    ),
    number(
        "performance.tokensPerSecond",
        "tokens_per_second",
        "tokens per second",
        "How fast the answer came.",
        "tokensPerSecond",
    ),
)
_WHERE = (
    text("environment", "environment", "environment", "Where the application runs: production, staging, ..."),
    text("release", "release", "release", "The application's version."),
    text("metadata.userId", "user_id", "user", "The end user's id.", "userId", "user.id"),
    text("metadata.sessionId", "session_id", "session", "The session's id.", "sessionId"),
    text("metadata.requestId", "request_id", "request", "The request's id.", "requestId"),
    text("metadata.functionId", "function_id", "function", "The function that made the call.", "functionId"),
    text("metadata.workflowId", "workflow_id", "workflow", "The workflow that made the call.", "workflowId"),
    text("metadata.agentId", "agent_id", "agent", "The agent that made the call.", "agentId"),
    text("threadId", "thread_id", "thread", "The id of its thread.", "thread.id"),
    text("stepId", "step_id", "step", "The id of its step.", "step.id"),
    text("traceId", "trace_id", "trace", "The id of its trace.", "trace.id"),
    text("spanId", "span_id", "span", "The id of its span.", "span.id", groupable=False),
    text("responseId", "response_id", "response", "The provider's id of the answer.", "response.id", groupable=False),
    text("promptVersion.name", "prompt_name", "prompt", "The name of the prompt it was made from.", "promptName"),
    number(
        "promptVersion.version",
        "prompt_version",
        "prompt version",
        "The number of the prompt version it was made from.",
        "promptVersion",
        groupable=True,
    ),
    text("promptVersion.id", "prompt_version_id", "prompt version id", "The prompt version's id.", "promptVersionId"),
    tags("tags", "tags", "tags", "Its tags.", "metadata.tags", "tag"),
    keys("metadata", "metadata", "metadata", "What else the application said of the call."),
    keys("parameters", "parameters", "parameter", "The settings it was made with: temperature, topP, maxTokens, ..."),
    keys("requestAttributes", "request_attributes", "request attribute", "Attributes of the request."),
    keys("responseAttributes", "response_attributes", "response attribute", "Attributes of the response."),
    time("createdAt", "created_at", "recording", "When it was first recorded."),
    time("updatedAt", "updated_at", "last change", "When it was last changed."),
)
_JUDGED = (
    number("feedback.rating", LatestFeedback("rating"), "rating", "1 to 5, of the latest feedback.", groupable=True),
    enum("feedback.thumbs", LatestFeedback("thumbs"), THUMBS, "thumbs", "Up or down, of the latest feedback."),
    text(
        "feedback.comment",
        LatestFeedback("comment"),
        "feedback comment",
        "The comment of the latest feedback.",
        groupable=False,
    ),
    tags("feedback.categories", LatestFeedback("categories"), "feedback categories", "Those of the latest feedback."),
    text("feedback.userId", LatestFeedback("user_id"), "feedback user", "Who gave the latest feedback."),
    time("feedback.timestamp", LatestFeedback("created_at"), "feedback time", "When the latest feedback was given."),
    score_values("generation_id", "generation"),
)

CATALOGUE = Catalogue(
    kind="generations",
    model=Generation,
    time="timestamp",
    order="-timestamp",
    noun="generations",
    fields=(*_WHAT, *_ERRORS, *_NUMBERS, *_WHERE, *_JUDGED),
    relations=(
        Relation("scores", "scores", "generation_id", "public_id", "score", "Its scores.", aliases=("score",)),
        Relation("threads", "threads", "public_id", "thread_id", "thread", "The thread it is part of."),
    ),
    unfiltered={
        "start_assumed": "the writer's memory of a start that was never said; the start itself is asked for",
        "uid": "computed from the id, which is asked for instead",
    },
)
