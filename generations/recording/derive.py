"""What follows from a record and was not said: durations, totals, previews, cost. Pure; used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from generations import pricing, reading, records
from generations.cleaning import MAX_ERROR, MAX_INT, MAX_NUMBER
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    R,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
    fill,
    revised,
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
    return revised(old, **stale) if stale else old


def complete(
    whole: R, new: R, old: R | None, extra: dict[str, Any], price: Pricing, now: dt.datetime
) -> tuple[R, dict[str, Any]]:
    """`whole` with what follows from it, and the values of the columns that are no fields of the record."""
    done: Any
    if isinstance(whole, GenerationRecord):
        assert isinstance(new, GenerationRecord)
        start, assumed = _start(whole, old, extra, now)
        done = revised(whole, **_generation(whole, start, assumed))
        if old is None or _is_said_anew(PRICED, new, old):
            fill(done, **_cost(done, price))
        extra |= {"start_assumed": assumed, "updated_at": now}
        extra.setdefault("created_at", now)
        if old is None or _says_text(new):
            extra["input_preview"] = reading.preview(reading.input_text(done))
            extra["output_preview"] = reading.preview(reading.output_text(done))
    elif isinstance(whole, StepRecord):
        assert isinstance(new, StepRecord)
        start, assumed = _start(whole, old, extra, now)
        told = {"started_at": start, "type": whole.type or "undefined"}
        done = revised(whole, **told, **_timing(whole, start, assumed), **_bounded_error(whole))
        extra |= {"start_assumed": assumed, "updated_at": now}
        extra.setdefault("created_at", now)
        if old is None or new.input is not None or new.output is not None or new.cleared:
            extra["input_preview"] = reading.preview(reading.text_of(done.input))
            extra["output_preview"] = reading.preview(reading.text_of(done.output))
    elif isinstance(whole, ThreadRecord):
        # Widened and never narrowed: an old batch may be sent again after a newer one.
        started = min(filter(None, (whole.started_at, getattr(old, "started_at", None))), default=now)
        active = max(filter(None, (whole.last_activity_at, getattr(old, "last_activity_at", None), started)))
        done = revised(whole, started_at=started, last_activity_at=active)
        extra.setdefault("created_at", now)
    elif isinstance(whole, ParticipantRecord):
        seen = max(filter(None, (whole.seen_at, getattr(old, "seen_at", None))), default=now)
        done = revised(whole, identifier=whole.identifier or whole.id, seen_at=seen)
        extra.setdefault("created_at", now)
    elif isinstance(whole, ScoreRecord):
        done = revised(whole, type=whole.type or "CODE", created_at=whole.created_at or now)
        extra["updated_at"] = now
    elif isinstance(whole, FeedbackRecord):
        done = revised(whole, created_at=whole.created_at or now)
        extra.setdefault("is_latest", False)
        extra["updated_at"] = now
    else:
        done = revised(whole, created_at=whole.created_at or now)
    return done, extra


def _start(whole: Any, old: Any, extra: Mapping[str, Any], now: dt.datetime) -> tuple[dt.datetime, bool]:
    """When it started, and whether that is only assumed. A known start stays: partitions and rollups stand on it."""
    if old is not None and not extra.get("start_assumed") and "started_at" not in whole.cleared:
        return old.started_at, False
    if whole.started_at is not None and (old is None or whole.started_at != old.started_at):
        return whole.started_at, False
    if old is not None:
        return old.started_at, bool(extra.get("start_assumed"))
    if whole.ended_at is not None:
        return whole.ended_at - dt.timedelta(seconds=min(whole.latency or 0, 1e8)), not whole.latency
    return now, True


def _timing(record: Any, start: dt.datetime, assumed: bool) -> dict[str, Any]:
    """The end or the latency derived from the other. A start that is assumed, or after the end, tells none."""
    if assumed:
        return {}
    if record.latency is None and record.ended_at is not None:
        seconds = (record.ended_at - start).total_seconds()
        return {"latency": seconds} if seconds >= 0 else {}
    if record.ended_at is None and record.latency is not None and record.latency < 1e8:
        return {"ended_at": start + dt.timedelta(seconds=record.latency)}
    return {}


def _bounded_error(record: Any) -> dict[str, Any]:
    """A long error, cut in the facts and kept whole in the payload."""
    if record.error is not None and len(record.error) > MAX_ERROR:
        return {"error": record.error[:MAX_ERROR], "error_detail": record.error}
    return {}


def _generation(record: GenerationRecord, start: dt.datetime, assumed: bool) -> dict[str, Any]:
    """What a generation leaves unsaid and what follows from the rest."""
    changes: dict[str, Any] = {"started_at": start, **_timing(record, start, assumed), **_bounded_error(record)}
    kind = record.type
    if kind is None:
        kind = changes["type"] = "completion" if record.messages is None and record.prompt is not None else "chat"
    if record.model_id is None and record.model_name is not None:
        changes["model_id"] = record.model_name
    if record.input_type is None:
        changes["input_type"] = _input_type(record)
    if record.output_type is None:
        changes["output_type"] = "json" if isinstance(record.output, dict | list) else "text"
    if record.total_tokens is None and record.prompt_tokens is not None:
        if record.completion_tokens is not None:
            changes["total_tokens"] = min(record.prompt_tokens + record.completion_tokens, MAX_INT)
        elif kind in pricing.WITHOUT_COMPLETION:
            changes["total_tokens"] = record.prompt_tokens
    latency, tokens = changes.get("latency", record.latency), record.completion_tokens
    # A latency as good as none tells no rate: it would be beyond what is taken from a caller, or infinite.
    if record.tokens_per_second is None and tokens and latency is not None and tokens / MAX_NUMBER < latency:
        changes["tokens_per_second"] = round(tokens / latency, 3)
    return changes


def _cost(record: GenerationRecord, price: Pricing) -> dict[str, Any]:
    """What the call cost: as given, else as reckoned, else nothing."""
    if record.cost is not None:
        if record.cost_source is None:
            return {"cost_source": pricing.GIVEN, "currency": record.currency or "USD"}
        return {}
    return costs(price(record))


def costs(found: pricing.Price | None) -> dict[str, Any]:
    """The fields that a price fills; none when it is not known."""
    if found is None:
        return {}
    return {
        "cost": found.cost,
        "input_cost": found.input_cost,
        "output_cost": found.output_cost,
        "currency": found.currency,
        "cost_source": found.source,
        "cost_arithmetic": found.arithmetic,
    }


def _input_type(record: GenerationRecord) -> str:
    for message in record.messages or ():
        content = message.get("content", message.get("parts")) if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = str(part.get("type", "")) if isinstance(part, dict) else ""
            if any(modality in kind for modality in _MODALITIES):
                return "multimodal"
    return "text"


def _is_said_anew(names: Iterable[str], new: Any, old: Any) -> bool:
    """Whether `new` says any of these fields differently from `old`."""
    return any(
        name in new.cleared or (getattr(new, name) is not None and getattr(new, name) != getattr(old, name))
        for name in names
    )


def _says_text(new: GenerationRecord) -> bool:
    names = ("messages", "message_completion", "prompt", "completion", "input", "output")
    return any(getattr(new, name) is not None or name in new.cleared for name in names)
