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
    revised,
)

Pricing = Callable[[GenerationRecord, Mapping[str, Any]], pricing.Price | None]
"""The price of a call, some of whose fields are to be others than it has."""

TOKENS: Final = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
PRICED: Final = frozenset(
    {
        *TOKENS,
        *("input_audio_tokens", "output_audio_tokens", "model_id", "model_version", "provider", "type"),
        *("cost", "cost_source"),
    }
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
        name: None for name, sources in _DERIVED.items() if sources & said and name not in said and _follows(old, name)
    }
    if isinstance(old, GenerationRecord) and isinstance(new, GenerationRecord) and _says_text(new):
        # What was derived while the text was not there yet is derived again.
        derived = {"input_type": _input_type(old), "output_type": _output_type(old)}
        stale |= {name: None for name, value in derived.items() if name not in said and getattr(old, name) == value}
        if new.type is None and old.type == "chat" and new.prompt is not None and old.messages is None:
            stale["type"] = None
    if "latency" in said and "ended_at" not in said and _ends_by_latency(old):
        stale["ended_at"] = None
    if isinstance(old, GenerationRecord) and said & PRICED and pricing.is_reckoned(old):
        stale |= dict.fromkeys(COSTS)
    return revised(old, **stale) if stale else old


def _follows(old: Any, name: str) -> bool:
    """Whether a field has the very value that follows from the others: what was said otherwise is not derived."""
    value = getattr(old, name, None)
    if value is None:
        return False
    if name == "latency":
        return bool(old.started_at and old.ended_at and value == (old.ended_at - old.started_at).total_seconds())
    return bool(
        value == (_total(old, old.type) if name == "total_tokens" else _rate(old.completion_tokens, old.latency))
    )


def _ends_by_latency(old: Any) -> bool:
    """Whether its end is what follows from its start and latency."""
    if old.started_at is None or old.ended_at is None or old.latency is None or old.latency >= 1e8:
        return False
    return bool(old.ended_at == old.started_at + dt.timedelta(seconds=old.latency))


Following = tuple[dict[str, Any], dict[str, Any]]
"""The fields of a record that follow from the others, and the values of the columns that are no fields of it."""


def following(
    whole: Any, new: Any, old: Any | None, beside: dict[str, Any], price: Pricing, now: dt.datetime
) -> Following:
    """What follows from `whole`, a record that is `new` merged into `old`, `beside` which stand these columns."""
    if isinstance(whole, GenerationRecord):
        return _of_generation(whole, new, old, beside, price, now)
    if isinstance(whole, StepRecord):
        start, assumed = _start(whole, old, beside, now)
        told: dict[str, Any] = {"started_at": start, "type": whole.type or "undefined"}
        told |= _timing(whole, start, assumed)
        if whole.error is not None:
            told |= _bounded_error(whole)
        beside |= {"start_assumed": assumed, "updated_at": now}
        beside.setdefault("created_at", now)
        if old is None or new.input is not None or new.output is not None or new.cleared:
            asked, answered = whole.input, whole.output
            beside["input_preview"] = None if asked is None else reading.glimpse(asked)
            beside["output_preview"] = None if answered is None else reading.glimpse(answered)
        return told, beside
    if isinstance(whole, ThreadRecord):
        started, active = whole.started_at or now, whole.last_activity_at
        if old is not None:
            # Widened and never narrowed: an old batch may be sent again after a newer one.
            started = min(filter(None, (whole.started_at, old.started_at)), default=now)
            active = max(filter(None, (active, old.last_activity_at)), default=None)
        active = started if active is None or active < started else active
        beside.setdefault("created_at", now)
        return {"started_at": started, "last_activity_at": active}, beside
    if isinstance(whole, ParticipantRecord):
        seen = max(filter(None, (whole.seen_at, getattr(old, "seen_at", None))), default=now)
        beside.setdefault("created_at", now)
        return {"identifier": whole.identifier or whole.id, "seen_at": seen}, beside
    told = {"created_at": whole.created_at or now}
    beside["updated_at"] = now
    if isinstance(whole, ScoreRecord):
        told["type"] = whole.type or "CODE"
    elif isinstance(whole, FeedbackRecord):
        beside.setdefault("is_latest", False)
    return told, beside


def _of_generation(
    whole: GenerationRecord,
    new: GenerationRecord,
    old: GenerationRecord | None,
    beside: dict[str, Any],
    price: Pricing,
    now: dt.datetime,
) -> Following:
    start, assumed = _start(whole, old, beside, now)
    told = _generation(whole, start, assumed)
    if old is None or _is_said_anew(PRICED, new, old):
        told |= _cost(whole, told, price)
    beside |= {"start_assumed": assumed, "updated_at": now}
    beside.setdefault("created_at", now)
    if old is None or _says_text(new):
        beside["input_preview"] = reading.preview(reading.input_text(whole))
        beside["output_preview"] = reading.answered(whole)
    return told, beside


def _start(whole: Any, old: Any, extra: Mapping[str, Any], now: dt.datetime) -> tuple[dt.datetime, bool]:
    """When it started, and whether that is only assumed. A known start stays: partitions and rollups stand on it."""
    if old is not None and not extra.get("start_assumed") and "started_at" not in whole.cleared:
        return old.started_at, False
    if whole.started_at is not None and (old is None or whole.started_at != old.started_at):
        return whole.started_at, False
    assumed = old is None or bool(extra.get("start_assumed"))
    if assumed and whole.ended_at is not None:
        start = whole.ended_at - dt.timedelta(seconds=min(whole.latency or 0, 1e8))
        # It began before its end, and when the first was heard of it at the latest.
        if old is None or whole.latency or start < old.started_at:
            return start, not whole.latency
    return (now if old is None else old.started_at), assumed


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
    """A long error, cut in the facts and kept whole in the payload. Of a trace, facts keep what it ends with."""
    if len(record.error) > MAX_ERROR:
        told = reading.raised(record.error) or record.error
        return {"error": told[:MAX_ERROR], "error_detail": record.error}
    return {}


def _generation(record: GenerationRecord, start: dt.datetime, assumed: bool) -> dict[str, Any]:
    """What a generation leaves unsaid and what follows from the rest."""
    changes: dict[str, Any] = {"started_at": start}
    changes |= _timing(record, start, assumed)
    if record.error is not None:
        changes |= _bounded_error(record)
    kind = record.type
    if kind is None:
        kind = changes["type"] = "completion" if record.messages is None and record.prompt is not None else "chat"
    if record.model_id is None and record.model_name is not None:
        changes["model_id"] = record.model_name
    if record.input_type is None:
        changes["input_type"] = _input_type(record)
    if record.output_type is None:
        changes["output_type"] = _output_type(record)
    if record.total_tokens is None and (total := _total(record, kind)) is not None:
        changes["total_tokens"] = total
    if record.tokens_per_second is None:
        rate = _rate(record.completion_tokens, changes.get("latency", record.latency))
        if rate is not None:
            changes["tokens_per_second"] = rate
    return changes


def _total(record: GenerationRecord, kind: str | None) -> int | None:
    if record.prompt_tokens is not None and record.completion_tokens is not None:
        return min(record.prompt_tokens + record.completion_tokens, MAX_INT)
    return record.prompt_tokens if kind in pricing.WITHOUT_COMPLETION else None


def _rate(tokens: int | None, latency: float | None) -> float | None:
    """Tokens for each second. A latency as good as none tells no rate: it would be beyond what is taken from a caller,
    or infinite."""
    return round(tokens / latency, 3) if tokens and latency is not None and tokens / MAX_NUMBER < latency else None


def _cost(record: GenerationRecord, told: Mapping[str, Any], price: Pricing) -> dict[str, Any]:
    """What the call cost, with what is told of it besides: as given, else as reckoned, else nothing."""
    if record.cost is not None:
        if record.cost_source is None:
            return {"cost_source": pricing.GIVEN, "currency": record.currency or "USD"}
        return {}
    return costs(price(record, told))


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


def _output_type(record: GenerationRecord) -> str:
    return "json" if isinstance(record.output, dict | list) else "text"


def _is_said_anew(names: Iterable[str], new: Any, old: Any) -> bool:
    """Whether `new` says any of these fields differently from `old`."""
    return any(
        name in new.cleared or (getattr(new, name) is not None and getattr(new, name) != getattr(old, name))
        for name in names
    )


def _says_text(new: GenerationRecord) -> bool:
    names = ("messages", "message_completion", "prompt", "completion", "input", "output")
    return any(getattr(new, name) is not None or name in new.cleared for name in names)
