"""Which JSON path of the REST shape holds which field of a record: one table, read in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.ingest import values
from generations.ingest.values import (
    anything,
    array,
    currency,
    flag,
    identifier,
    iso,
    mapping,
    moment,
    money,
    number,
    objects,
    one_of,
    plain,
    positive,
    rating,
    size,
    text,
    texts,
    whole,
)
from generations.records import (
    ALTERNATIVE_KINDS,
    GENERATION_TYPES,
    INPUT_TYPES,
    OUTPUT_TYPES,
    SCORE_TYPES,
    STEP_TYPES,
    THUMBS,
    InvalidRecord,
    Json,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A field of a record at a path: how it is read from JSON and how it is written back."""

    attribute: str
    read: values.Reading
    write: Callable[[Any], Json] = lambda value: value


def _times(attribute: str) -> Slot:
    return Slot(attribute, moment, iso)


def _amount(attribute: str) -> Slot:
    return Slot(attribute, money, float)


def _labels(attribute: str) -> Slot:
    return Slot(attribute, texts, list)


OWN_METADATA: Final[Mapping[str, Slot]] = {
    "requestId": Slot("request_id", identifier),
    "userId": Slot("user_id", identifier),
    "sessionId": Slot("session_id", identifier),
    "functionId": Slot("function_id", identifier),
    "workflowId": Slot("workflow_id", identifier),
    "agentId": Slot("agent_id", identifier),
    "tags": _labels("tags"),
}
"""Names in `metadata` that are fields of a generation; every other name in it is the caller's own."""

OWN_STEP_METADATA: Final[Mapping[str, Slot]] = {name: OWN_METADATA[name] for name in ("userId", "tags")}

GENERATION: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "timestamp": _times("started_at"),
    "type": Slot("type", one_of(GENERATION_TYPES)),
    "name": Slot("name", text),
    "model.id": Slot("model_id", text),
    "model.name": Slot("model_name", text),
    "model.version": Slot("model_version", identifier),
    "model.provider": Slot("provider", text),
    "input.type": Slot("input_type", one_of(INPUT_TYPES)),
    "input.content": Slot("input", anything),
    "input.tokens": Slot("prompt_tokens", whole),
    "output.type": Slot("output_type", one_of(OUTPUT_TYPES)),
    "output.content": Slot("output", anything),
    "output.tokens": Slot("completion_tokens", whole),
    "output.alternatives": Slot("alternatives", array),
    "parameters": Slot("parameters", mapping),
    "usage.promptTokens": Slot("prompt_tokens", whole),
    "usage.completionTokens": Slot("completion_tokens", whole),
    "usage.totalTokens": Slot("total_tokens", whole),
    "usage.cachedTokens": Slot("cached_tokens", whole),
    "usage.cacheWriteTokens": Slot("cache_write_tokens", whole),
    "usage.reasoningTokens": Slot("reasoning_tokens", whole),
    "usage.inputAudioTokens": Slot("input_audio_tokens", whole),
    "usage.outputAudioTokens": Slot("output_audio_tokens", whole),
    "usage.estimated": Slot("tokens_estimated", flag),
    "usage.cost": _amount("cost"),
    "usage.inputCost": _amount("input_cost"),
    "usage.outputCost": _amount("output_cost"),
    "usage.currency": Slot("currency", currency),
    "usage.costSource": Slot("cost_source", text),
    "usage.costArithmetic": Slot("cost_arithmetic", mapping),
    "metadata": Slot("metadata", mapping),
    "performance.latency": Slot("latency", positive),
    "performance.timeToFirstToken": Slot("time_to_first_token", positive),
    "performance.tokensPerSecond": Slot("tokens_per_second", positive),
    "feedback": Slot("feedback", mapping),
    "scores": Slot("scores", array),
    "messages": Slot("messages", objects),
    "messageCompletion": Slot("message_completion", mapping),
    "prompt": Slot("prompt", text),
    "completion": Slot("completion", text),
    "variables": Slot("variables", mapping),
    "tools": Slot("tools", array),
    "logprobs": Slot("logprobs", anything),
    "endTimestamp": _times("ended_at"),
    "finishReason": Slot("finish_reason", text),
    "selectedChoice": Slot("selected_choice", whole),
    "error": Slot("error", values.error),
    "errorType": Slot("error_type", text),
    "errorDetail": Slot("error_detail", text),
    "threadId": Slot("thread_id", identifier),
    "stepId": Slot("step_id", identifier),
    "traceId": Slot("trace_id", identifier),
    "spanId": Slot("span_id", identifier),
    "responseId": Slot("response_id", identifier),
    "environment": Slot("environment", text),
    "release": Slot("release", text),
    "promptVersion.id": Slot("prompt_version_id", identifier),
    "promptVersion.name": Slot("prompt_name", text),
    "promptVersion.version": Slot("prompt_version", whole),
    "requestAttributes": Slot("request_attributes", mapping),
    "responseAttributes": Slot("response_attributes", mapping),
    "attributes": Slot("attributes", mapping),
    "attachments": Slot("attachments", array),
}

STEP: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "timestamp": _times("started_at"),
    "type": Slot("type", one_of(STEP_TYPES)),
    "name": Slot("name", text),
    "threadId": Slot("thread_id", identifier),
    "parentId": Slot("parent_id", identifier),
    "rootId": Slot("root_id", identifier),
    "input": Slot("input", anything),
    "output": Slot("output", anything),
    "metadata": Slot("metadata", mapping),
    "performance.latency": Slot("latency", positive),
    "scores": Slot("scores", array),
    "endTimestamp": _times("ended_at"),
    "error": Slot("error", values.step_error),
    "errorDetail": Slot("error_detail", text),
    "traceId": Slot("trace_id", identifier),
    "spanId": Slot("span_id", identifier),
    "environment": Slot("environment", text),
    "release": Slot("release", text),
    "attributes": Slot("attributes", mapping),
    "events": Slot("events", array),
    "attachments": Slot("attachments", array),
}

THREAD: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "name": Slot("name", text),
    "userId": Slot("user_id", identifier),
    "environment": Slot("environment", text),
    "tags": _labels("tags"),
    "metadata": Slot("metadata", mapping),
    "timestamp": _times("started_at"),
    "lastActivityAt": _times("last_activity_at"),
}

PARTICIPANT: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "identifier": Slot("identifier", text),
    "metadata": Slot("metadata", mapping),
    "lastSeenAt": _times("seen_at"),
}

FEEDBACK: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "rating": Slot("rating", rating, plain),
    "thumbs": Slot("thumbs", one_of(THUMBS)),
    "comment": Slot("comment", text),
    "categories": _labels("categories"),
    "timestamp": _times("created_at"),
    "userId": Slot("user_id", identifier),
    "metadata": Slot("metadata", mapping),
}

SCORE: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "name": Slot("name", text),
    "type": Slot("type", one_of(SCORE_TYPES)),
    "value": Slot("value", number, plain),
    "label": Slot("label", text),
    "comment": Slot("comment", text),
    "author": Slot("author", text),
    "timestamp": _times("created_at"),
    "generationId": Slot("generation_id", identifier),
    "stepId": Slot("step_id", identifier),
    "threadId": Slot("thread_id", identifier),
    "experimentItemId": Slot("experiment_item_id", identifier),
    "tags": _labels("tags"),
    "metadata": Slot("metadata", mapping),
}

ALTERNATIVE: Final[Mapping[str, Slot]] = {
    "index": Slot("index", whole),
    "kind": Slot("kind", one_of(ALTERNATIVE_KINDS)),
    "content": Slot("content", anything),
    "tokens": Slot("tokens", whole),
    "score": Slot("score", number),
    "finishReason": Slot("finish_reason", text),
    "logprobs": Slot("logprobs", anything),
}

ATTACHMENT: Final[Mapping[str, Slot]] = {
    "id": Slot("id", identifier),
    "name": Slot("name", text),
    "mime": Slot("mime", text),
    "size": Slot("size", size),
    "sha256": Slot("sha256", text),
    "url": Slot("url", text),
    "timestamp": _times("created_at"),
    "metadata": Slot("metadata", mapping),
}

READ_ONLY: Final = frozenset({"createdAt", "updatedAt"})
"""Told in every document and ignored when they come back: the store alone says when it heard of a row."""

PATHS: Final[tuple[str, ...]] = (
    *(path for path in GENERATION if path not in ("metadata", "feedback")),
    *(f"metadata.{name}" for name in OWN_METADATA),
    "metadata",
    *(f"feedback.{name}" for name in FEEDBACK),
    "createdAt",
    "updatedAt",
)
"""Every path of a generation's document, as `fields` may name them: also the columns of a flat export."""

STEP_PATHS: Final[tuple[str, ...]] = (
    *STEP,
    *(f"metadata.{name}" for name in OWN_STEP_METADATA),
    "createdAt",
    "updatedAt",
)


def groups(table: Mapping[str, Slot]) -> frozenset[str]:
    """Names of the objects of fixed fields in a table: `model`, `usage` and so on."""
    return frozenset(path.partition(".")[0] for path in table if "." in path)


def path_of(attribute: str, table: Mapping[str, Slot] = GENERATION) -> str:
    """The JSON path of a record's field, to say a store's refusal in the caller's words."""
    own = OWN_METADATA if table is GENERATION else OWN_STEP_METADATA if table is STEP else {}
    preferred = {"prompt_tokens": "usage.promptTokens", "completion_tokens": "usage.completionTokens"}
    if attribute in preferred:
        return preferred[attribute]
    for path, slot in table.items():
        if slot.attribute == attribute:
            return path
    return next((f"metadata.{name}" for name, slot in own.items() if slot.attribute == attribute), attribute)


def translated(error: InvalidRecord, table: Mapping[str, Slot] = GENERATION) -> InvalidRecord:
    """A refusal of the store, in the paths of the document of `table`."""
    head, dot, inner = error.field.partition(".")
    # What an adapter refuses is a path already.
    if head in table or head in groups(table):
        return error
    return error.at(path_of(head, table) + dot + inner)
