"""Tokens and settings as model providers write them, in the one spelling and arithmetic of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generations.ingest.rest_parameters import normalized
from generations.records import InvalidRecord, Json

Fields = dict[str, Any]
"""Values of a GenerationRecord by field name; what is absent is not in it."""


def settings(request: Mapping[str, Json], without: frozenset[str]) -> dict[str, Json]:
    """What of `request` steers the call: all of it but the fields in `without`, and nulls."""
    return normalized({name: value for name, value in request.items() if name not in without and value is not None})


def openai_tokens(usage: Json) -> Fields:
    """Token counts of an OpenAI answer (chat, completions, responses, embeddings), which are gross already."""
    counts = _mapping("response.usage", usage)
    if not counts:
        return {}
    prompt = _first(counts, "prompt_tokens", "input_tokens")
    completion = _first(counts, "completion_tokens", "output_tokens")
    total = _count(counts, "total_tokens")
    if total is None and prompt is not None:
        total = prompt + (completion or 0)
    sent = _details(counts, "prompt_tokens_details", "input_tokens_details")
    answered = _details(counts, "completion_tokens_details", "output_tokens_details")
    cached = _count(sent, "cached_tokens")
    if cached is None:
        cached = _count(counts, "prompt_cache_hit_tokens")  # as DeepSeek says it
    return _given(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cached_tokens=cached,
        cache_write_tokens=_count(sent, "cache_write_tokens"),
        reasoning_tokens=_count(answered, "reasoning_tokens"),
        input_audio_tokens=_count(sent, "audio_tokens"),
        output_audio_tokens=_count(answered, "audio_tokens"),
    )


def anthropic_tokens(usage: Json) -> Fields:
    """Token counts of an Anthropic answer, made gross.

    Anthropic counts cache reads and writes beside `input_tokens`, OpenAI within: here `prompt_tokens` include both.
    """
    counts = _mapping("response.usage", usage)
    fresh = _count(counts, "input_tokens")
    read = _count(counts, "cache_read_input_tokens")
    written = _count(counts, "cache_creation_input_tokens")
    completion = _count(counts, "output_tokens")
    prompt = None if fresh is None else fresh + (read or 0) + (written or 0)
    return _given(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=None if prompt is None or completion is None else prompt + completion,
        cached_tokens=read,
        cache_write_tokens=written,
    )


def _mapping(name: str, value: Json) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRecord(name, value, "an object of token counts")
    return value


def _details(counts: Mapping[str, Json], *names: str) -> Mapping[str, Json]:
    for name in names:
        if counts.get(name) is not None:
            return _mapping(f"response.usage.{name}", counts[name])
    return {}


def _first(counts: Mapping[str, Json], *names: str) -> int | None:
    return next((n for n in (_count(counts, name) for name in names) if n is not None), None)


def _count(counts: Mapping[str, Json], name: str) -> int | None:
    value = counts.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 0:
        raise InvalidRecord(f"response.usage.{name}", value, "a whole number of tokens")
    return int(value)


def _given(**fields: int | None) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
