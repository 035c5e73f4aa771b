"""The one domain record: what every wire format becomes before it is written. Knows no Django.

Three values of a field are told apart everywhere: absent (`None`, not in `cleared`: what is stored stays), cleared
(`None` and its name in `cleared`: stored as null) and given. A field that is both given and in `cleared` replaces
what is stored where it would otherwise be merged (`metadata` and its kin).
"""

from __future__ import annotations

import datetime as dt
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final, TypeVar

from generations import making

Json = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

PREVIEW: Final = 200

GENERATION_TYPES: Final = (
    "chat",
    "completion",
    "embedding",
    "image",
    "audio",
    "rerank",
    "moderation",
    "scoring",
    "other",
)
INPUT_TYPES: Final = ("text", "image", "audio", "multimodal")
OUTPUT_TYPES: Final = ("text", "image", "audio", "code", "json", "other")
STEP_TYPES: Final = (
    "run",
    "llm",
    "tool",
    "embedding",
    "retrieval",
    "rerank",
    "agent",
    "chain",
    "user_message",
    "assistant_message",
    "system_message",
    "message",
    "undefined",
)
SCORE_TYPES: Final = ("HUMAN", "AI", "CODE")
ALTERNATIVE_KINDS: Final = ("choice", "beam", "scored", "retry", "fallback", "edit")
THUMBS: Final = ("up", "down")


class InvalidRecord(ValueError):
    """A value that cannot be stored: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = shown(value)
        self.expected = expected
        super().__init__(f"{field}: {self.value} is not valid; expected {expected}")

    def at(self, field: str) -> InvalidRecord:
        """The same refusal, of the field as whoever sent the value knows it."""
        moved: InvalidRecord = type(self).__new__(type(self))
        moved.field, moved.value, moved.expected = field, self.value, self.expected
        said = str(self)
        moved.args = (field + said.removeprefix(self.field) if said.startswith(self.field) else said,)
        return moved


class _Short(reprlib.Repr):
    """Values as Python shows them, cut short; but null, true and false as whoever sent them wrote them."""

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: N802
        return "null"

    def repr_bool(self, value: bool, level: int) -> str:
        return "true" if value else "false"


_SHORT: Final = _Short()
_SHORT.maxlevel, _SHORT.maxother, _SHORT.maxlong = 2, 80, 40


def shown(value: object, limit: int = 80) -> str:
    """`value` as a short, printable text for an error message; of a document only the top."""
    try:
        text = repr(value[: limit * 2]) if isinstance(value, str) else _SHORT.repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nesting beyond Python's own limit
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def payload_field() -> Any:
    """A field that is stored in the payload table, away from the facts that lists read."""
    return field(default=None, metadata={"payload": True})


def child_field() -> Any:
    """A field whose rows are stored in tables of their own."""
    return field(default=(), metadata={"child": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRecord:
    """The end user of the application. `id` is what other records name in `user_id`."""

    id: str
    identifier: str | None = None
    metadata: dict[str, Json] | None = None
    seen_at: dt.datetime | None = None
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRecord:
    """A conversation or session."""

    id: str
    name: str | None = None
    user_id: str | None = None
    environment: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: dict[str, Json] | None = None
    started_at: dt.datetime | None = None
    last_activity_at: dt.datetime | None = None
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord:
    """One judgement on a generation, a step, a thread or an experiment item. `id` is made when absent."""

    id: str | None = None
    name: str
    type: str | None = None
    value: float | None = None
    label: str | None = None
    comment: str | None = None
    author: str | None = None
    generation_id: str | None = None
    step_id: str | None = None
    thread_id: str | None = None
    experiment_item_id: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: dict[str, Json] | None = None
    created_at: dt.datetime | None = None
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRecord:
    """What a user of the application said: rating 1 to 5, thumbs, comment, categories. The latest one is shown."""

    id: str | None = None
    generation_id: str | None = None
    step_id: str | None = None
    rating: float | None = None
    thumbs: str | None = None
    comment: str | None = None
    categories: tuple[str, ...] | None = None
    user_id: str | None = None
    created_at: dt.datetime | None = None
    metadata: dict[str, Json] | None = None
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRecord:
    """A file beside a step, a generation or a thread; its bytes are in the storage under `storage_key`."""

    id: str
    name: str | None = None
    mime: str | None = None
    size: int | None = None
    sha256: str | None = None
    storage_key: str | None = None
    url: str | None = None
    step_id: str | None = None
    generation_id: str | None = None
    thread_id: str | None = None
    metadata: dict[str, Json] | None = None
    created_at: dt.datetime | None = None
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another answer to the same call. `index` is its place among them, from 0; `score` is as the backend gave it."""

    index: int
    kind: str = "choice"
    content: Json = None
    tokens: int | None = None
    score: float | None = None
    finish_reason: str | None = None
    logprobs: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One unit of work in a tree of them. Parents may come later, or never."""

    id: str
    type: str | None = None
    name: str | None = None
    thread_id: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    latency: float | None = None
    error: str | None = None
    user_id: str | None = None
    environment: str | None = None
    release: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: dict[str, Json] | None = None
    input: Json = payload_field()
    output: Json = payload_field()
    attributes: dict[str, Json] | None = payload_field()
    events: list[Json] | None = payload_field()
    error_detail: str | None = payload_field()
    scores: tuple[ScoreRecord, ...] = child_field()
    attachments: tuple[AttachmentRecord, ...] = child_field()
    cleared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """One call to a model: what was sent, what came back, what it cost and how long it took.

    Tokens are gross: `prompt_tokens` include `cached_tokens` and `cache_write_tokens`, `completion_tokens` include
    `reasoning_tokens`. Durations are seconds. `cost` is given only when the caller knows it; otherwise it is computed.
    What was sent is `messages` (chat) or `prompt` (text) or `input` (anything else); what came back likewise is
    `message_completion`, `completion` or `output`.
    """

    id: str
    type: str | None = None
    name: str | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    model_id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    provider: str | None = None
    input_type: str | None = None
    output_type: str | None = None
    error: str | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    tokens_estimated: bool | None = None
    cost: Decimal | None = None
    input_cost: Decimal | None = None
    output_cost: Decimal | None = None
    currency: str | None = None
    cost_source: str | None = None
    latency: float | None = None
    time_to_first_token: float | None = None
    tokens_per_second: float | None = None
    environment: str | None = None
    release: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    function_id: str | None = None
    workflow_id: str | None = None
    agent_id: str | None = None
    thread_id: str | None = None
    step_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    response_id: str | None = None
    prompt_name: str | None = None
    prompt_version: int | None = None
    prompt_version_id: str | None = None
    selected_choice: int | None = None
    tags: tuple[str, ...] | None = None
    metadata: dict[str, Json] | None = None
    parameters: dict[str, Json] | None = None
    request_attributes: dict[str, Json] | None = None
    response_attributes: dict[str, Json] | None = None
    input: Json = payload_field()
    output: Json = payload_field()
    messages: list[Json] | None = payload_field()
    message_completion: dict[str, Json] | None = payload_field()
    prompt: str | None = payload_field()
    completion: str | None = payload_field()
    variables: dict[str, Json] | None = payload_field()
    tools: list[Json] | None = payload_field()
    logprobs: Json = payload_field()
    attributes: dict[str, Json] | None = payload_field()
    error_detail: str | None = payload_field()
    cost_arithmetic: dict[str, Json] | None = payload_field()
    alternatives: tuple[Alternative, ...] | None = field(default=None, metadata={"child": True})
    scores: tuple[ScoreRecord, ...] = child_field()
    feedback: FeedbackRecord | None = field(default=None, metadata={"child": True})
    attachments: tuple[AttachmentRecord, ...] = child_field()
    cleared: frozenset[str] = frozenset()


Record = (
    ParticipantRecord | ThreadRecord | StepRecord | GenerationRecord | ScoreRecord | FeedbackRecord | AttachmentRecord
)
R = TypeVar("R", bound=Record)

KINDS: Final[dict[type[Any], str]] = {
    ParticipantRecord: "participant",
    ThreadRecord: "thread",
    StepRecord: "step",
    GenerationRecord: "generation",
    ScoreRecord: "score",
    FeedbackRecord: "feedback",
    AttachmentRecord: "attachment",
}
MERGED: Final = frozenset({"metadata", "request_attributes", "response_attributes", "attributes"})
"""Objects whose keys are merged with what is stored, rather than replaced, unless the field is in `cleared`."""


_QUICK: Final[dict[type[Any], making.Quick[Any]]] = {kind: making.quick(kind) for kind in KINDS}
_COPIED: Final[dict[type[Any], Callable[[Any], Any]]] = {kind: ways.copied for kind, ways in _QUICK.items()}
made_step: Final[Callable[..., StepRecord]] = _QUICK[StepRecord].made
made_generation: Final[Callable[..., GenerationRecord]] = _QUICK[GenerationRecord].made
making.quick(Alternative)


# ---------------------------------------------------------------------------------------------------------- shape
_STORED: Final = {
    kind: tuple(
        f.name
        for f in fields(kind)
        if f.name not in ("id", "cleared") and not f.metadata.get("payload") and not f.metadata.get("child")
    )
    for kind in KINDS
}
_PAYLOAD: Final = {kind: tuple(f.name for f in fields(kind) if f.metadata.get("payload")) for kind in KINDS}


def stored_fields(kind: type[Any]) -> tuple[str, ...]:
    """Names of the fields kept in the row of facts, in declaration order, without the id."""
    return _STORED[kind]


def payload_fields(kind: type[Any]) -> tuple[str, ...]:
    """Names of the fields kept in the payload table, in declaration order."""
    return _PAYLOAD[kind]


def revised(record: R, /, **changes: Any) -> R:
    """`record` with these fields changed; twenty times as fast as `dataclasses.replace` on sixty fields."""
    new: R = _COPIED[type(record)](record)
    fill(new, **changes)
    return new


def fill(record: Record, /, **changes: Any) -> None:
    """Set fields of a record that nobody else holds yet."""
    for name, value in changes.items():
        object.__setattr__(record, name, value)


def merge(old: R, new: R) -> R:
    """`old` as it stands after `new` was said of it: given wins, absent stays, cleared empties."""
    changes: dict[str, Any] = {}
    for name in (*stored_fields(type(new)), *payload_fields(type(new))):
        value = getattr(new, name)
        if name in new.cleared:
            changes[name] = value
        elif value is not None:
            known = getattr(old, name)
            if name in MERGED and isinstance(known, Mapping) and isinstance(value, Mapping):
                value = {**known, **value}
            changes[name] = value
    for name in ("alternatives", "feedback"):
        if name in type(new).__dataclass_fields__ and (getattr(new, name) is not None or name in new.cleared):
            changes[name] = getattr(new, name)
    for name in ("scores", "attachments"):
        if name in type(new).__dataclass_fields__ and getattr(new, name):
            changes[name] = (*getattr(old, name), *getattr(new, name))
    changes["cleared"] = old.cleared | new.cleared
    return revised(old, **changes)
