"""What follows from a record and was not said: durations, totals, previews, cost. Pure; used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from generations import pricing, reading, records
from generations.cleaning import MAX_ERROR
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    R,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

Pricing = Callable[[GenerationRecord], pricing.Price | None]

TOKENS: Final = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
PRICED: Final = frozenset(
    {*TOKENS, "input_audio_tokens", "output_audio_tokens", "model_id", "provider", "type", "cost", "cost_source"}
)
"""What a price depends on."""
COSTS: Final = ("cost", "input_cost", "output_cost", "currency", "cost_source", "cost_arithmetic")
_DERIVED: Final[Mapping[str, frozenset[str]]] = {
    "total_tokens": frozenset({"prompt_tokens", "completion_tokens"}),
    "latency": frozenset({"ended_at", "started_at"}),
    "tokens_per_second": frozenset({"completion_tokens", "latency", "ended_at", "started_at"}),
}
_MODALITIES: Final = ("image", "audio", "video", "file", "document")


def without_stale(old: R, new: R) -> R:
    """`old` without what was derived from fields that `new` says anew, so that it is derived again."""
    if not isinstance(old, GenerationRecord | StepRecord):
        return old
    said = {
        name
        for name in records.stored_fields(type(new))
        if name in new.cleared or (getattr(new, name) is not None and getattr(new, name) != getattr(old, name))
    }
    stale: dict[str, Any] = {
        name: None
        for name, sources in _DERIVED.items()
        if sources & said and name not in said and getattr(old, name, None) is not None
    }
    if isinstance(old, GenerationRecord) and isinstance(new, GenerationRecord) and _says_text(new):
        # What was derived while the text was not there yet is derived again.
        stale |= {name: None for name in ("input_type", "output_type") if name not in said}
        if new.type is None and old.type == "chat" and new.prompt is not None and old.messages is None:
            stale["type"] = None
    if isinstance(old, GenerationRecord) and old.cost_source != pricing.GIVEN and (said & PRICED or "cost" in said):
        stale |= dict.fromkeys(COSTS)
    return replace(old, **stale) if stale else old  # type: ignore[return-value]


def complete(
    whole: R, new: R, old: R | None, extra: dict[str, Any], price: Pricing, now: dt.datetime
) -> tuple[R, dict[str, Any]]:
    """`whole` with what follows from it, and the values of the columns that are no fields of the record."""
    done: Any
    if isinstance(whole, GenerationRecord):
        assert isinstance(new, GenerationRecord)
        done, assumed = _started(whole, old, extra, now)
        is_priced_anew = old is None or any(
            name in new.cleared or (getattr(new, name) is not None and getattr(new, name) != getattr(old, name))
            for name in PRICED
        )
        done = _generation(done, price if is_priced_anew else _unpriced, assumed)
        extra |= {"start_assumed": assumed, "updated_at": now}
        extra.setdefault("created_at", now)
        if old is None or _says_text(new):
            extra["input_preview"] = reading.preview(reading.input_text(done))
            extra["output_preview"] = reading.preview(reading.output_text(done))
    elif isinstance(whole, StepRecord):
        assert isinstance(new, StepRecord)
        done, assumed = _started(whole, old, extra, now)
        done = _timed(_error_bounded(replace(done, type=done.type or "undefined")), assumed)
        extra |= {"start_assumed": assumed, "updated_at": now}
        extra.setdefault("created_at", now)
        if old is None or new.input is not None or new.output is not None or new.cleared:
            extra["input_preview"] = reading.preview(reading.text_of(done.input))
            extra["output_preview"] = reading.preview(reading.text_of(done.output))
    elif isinstance(whole, ThreadRecord):
        started = whole.started_at or now
        active = max(filter(None, (whole.last_activity_at, started)), default=now)
        done = replace(whole, started_at=started, last_activity_at=active)
        extra.setdefault("created_at", now)
    elif isinstance(whole, ParticipantRecord):
        done = replace(whole, identifier=whole.identifier or whole.id, seen_at=whole.seen_at or now)
        extra.setdefault("created_at", now)
    elif isinstance(whole, ScoreRecord):
        done = replace(whole, type=whole.type or "CODE", created_at=whole.created_at or now)
        extra["updated_at"] = now
    elif isinstance(whole, FeedbackRecord):
        done = replace(whole, created_at=whole.created_at or now)
        extra.setdefault("is_latest", False)
    else:
        done = replace(whole, created_at=whole.created_at or now)
    return done, extra


def _started(whole: Any, old: Any, extra: Mapping[str, Any], now: dt.datetime) -> tuple[Any, bool]:
    """`whole` with a start, and whether it is only assumed. A known start stays: partitions and rollups stand on it."""
    if old is not None and not extra.get("start_assumed") and "started_at" not in whole.cleared:
        return replace(whole, started_at=old.started_at), False
    if whole.started_at is not None and (old is None or whole.started_at != old.started_at):
        return whole, False
    if old is not None:
        return replace(whole, started_at=old.started_at), bool(extra.get("start_assumed"))
    if whole.ended_at is not None:
        return replace(whole, started_at=whole.ended_at - dt.timedelta(seconds=whole.latency or 0)), not whole.latency
    return replace(whole, started_at=now), True


def _unpriced(record: GenerationRecord) -> None:
    """No price: nothing that a price depends on was said."""


def _timed(record: Any, assumed: bool) -> Any:
    """`record` with its end or its latency derived from the other. A start that is assumed tells none."""
    if assumed:
        return record
    if record.latency is None and record.ended_at is not None:
        seconds = (record.ended_at - record.started_at).total_seconds()
        return replace(record, latency=seconds) if seconds >= 0 else record
    if record.ended_at is None and record.latency is not None and record.latency < 1e9:
        return replace(record, ended_at=record.started_at + dt.timedelta(seconds=record.latency))
    return record


def _error_bounded(record: Any) -> Any:
    """`record` with a long error cut in the facts and kept whole in the payload."""
    if record.error is not None and len(record.error) > MAX_ERROR:
        return replace(record, error=record.error[:MAX_ERROR], error_detail=record.error)
    return record


def _generation(record: GenerationRecord, price: Pricing, assumed: bool) -> GenerationRecord:
    changes: dict[str, Any] = {}
    if record.type is None:
        changes["type"] = "completion" if record.messages is None and record.prompt is not None else "chat"
    if record.model_id is None and record.model_name is not None:
        changes["model_id"] = record.model_name
    if record.input_type is None:
        changes["input_type"] = _input_type(record)
    if record.output_type is None:
        changes["output_type"] = "json" if isinstance(record.output, dict | list) else "text"
    if record.total_tokens is None and record.prompt_tokens is not None:
        if record.completion_tokens is not None:
            changes["total_tokens"] = min(record.prompt_tokens + record.completion_tokens, 2**31 - 1)
        elif record.type in pricing.WITHOUT_COMPLETION:
            changes["total_tokens"] = record.prompt_tokens
    timed: GenerationRecord = _timed(_error_bounded(replace(record, **changes) if changes else record), assumed)
    if timed.tokens_per_second is None and timed.completion_tokens and timed.latency:
        timed = replace(timed, tokens_per_second=round(timed.completion_tokens / timed.latency, 3))
    return _priced(timed, price)


def _priced(record: GenerationRecord, price: Pricing) -> GenerationRecord:
    if record.cost is not None:
        if record.cost_source is None:
            return replace(record, cost_source=pricing.GIVEN, currency=record.currency or "USD")
        return record
    found = price(record)
    if found is None:
        return record
    return replace(
        record,
        cost=found.cost,
        input_cost=found.input_cost,
        output_cost=found.output_cost,
        currency=found.currency,
        cost_source=found.source,
        cost_arithmetic=found.arithmetic,
    )


def _input_type(record: GenerationRecord) -> str:
    for message in record.messages or ():
        content = message.get("content", message.get("parts")) if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            kind = str(part.get("type", "")) if isinstance(part, Mapping) else ""
            if any(modality in kind for modality in _MODALITIES):
                return "multimodal"
    return "text"


def _says_text(new: GenerationRecord) -> bool:
    names = ("messages", "message_completion", "prompt", "completion", "input", "output")
    return any(getattr(new, name) is not None or name in new.cleared for name in names)
