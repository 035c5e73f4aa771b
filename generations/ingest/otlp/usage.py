"""Token counts of every dialect made gross: input with what was cached, output with what was reasoning."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from generations.ingest.otlp import dialects
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.names import About
from generations.records import Json

_READ: Final = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "input_cached")
_WRITTEN: Final = ("input_cache_creation", "cache_creation_input_tokens", "input_cache_write")
_THOUGHT: Final = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning")


def tokens_of(attributes: Mapping[str, Json], about: About, beside: Collection[str] = ()) -> dict[str, int]:
    """The token counts that a span says, gross; what it does not say is not in it.

    `beside` has those of cached_tokens and reasoning_tokens that are known not to be within input and output.
    """
    found: dict[str, int] = {}
    for name, inner in about.usage:
        details = dialects.member(attributes[name], inner) if inner else loaded(attributes[name])
        if isinstance(details, Mapping):
            found = _detailed(details)
            break
    is_detailed = bool(found)
    for name, places in about.counts:
        if name not in found and (count := _held(attributes, places)) is not None:
            found[name] = count
    whole = attributes.get(_WHOLE)
    if "cached_tokens" not in found and isinstance(whole, str) and '"cached_tokens"' in whole:
        return _told_in(whole, found)
    if found.get("prompt_tokens") == 0 == found.get("completion_tokens"):
        return {}  # of a call that was answered nobody counted any: OpenLIT's of a stream by Groq
    return gross(found, () if is_detailed else beside)


_WHOLE: Final = "output.value"
"""OpenInference's whole answer, of which its packages for Mistral and Together count the whole and not the parts."""


def _told_in(answer: str, found: dict[str, int]) -> dict[str, int]:
    """These counts with what the answer of the provider says of the same ones."""
    usage = dialects.member(answer, "usage") or dialects.member(answer, "0>usage")  # the only one of a list
    details = _detailed(usage) if isinstance(usage, Mapping) else {}
    is_same = all(details.get(name) == found[name] for name in ("prompt_tokens", "completion_tokens") if name in found)
    return gross({**details, **found} if is_same else found)


def gross(found: dict[str, int], beside: Collection[str] = ()) -> dict[str, int]:
    """Counts with the cached and reasoning tokens within, where they were counted beside.

    They were beside when they are among `beside`, more than the whole, or when only all of them together make up the
    total.
    """
    sent, answered, total = found.get("prompt_tokens"), found.get("completion_tokens"), found.get("total_tokens")
    cached = found.get("cached_tokens", 0) + found.get("cache_write_tokens", 0)
    thought = found.get("reasoning_tokens", 0)
    if not cached and not thought and total is None:
        return found
    whole = (sent or 0) + (answered or 0)
    if sent is not None and cached and ("cached_tokens" in beside or cached > sent or total == whole + cached):
        found["prompt_tokens"] = sent + cached
    is_apart = "reasoning_tokens" in beside or total == whole + thought
    if answered is not None and thought and (is_apart or thought > answered):
        found["completion_tokens"] = answered + thought
    sent, answered = found.get("prompt_tokens"), found.get("completion_tokens")
    if total is not None and sent is not None and answered is not None and total < sent + answered:
        found["total_tokens"] = sent + answered
    return found


def with_thoughts(found: dict[str, int]) -> dict[str, int]:
    """Counts of Gemini's with what it thought, which is what the total has beyond input and output.

    > totalTokenCount: Total token count for the generation request (prompt + thoughts + response candidates).
    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    thought = found.get("total_tokens", 0) - found.get("prompt_tokens", 0) - found.get("completion_tokens", 0)
    if thought <= 0 or "reasoning_tokens" in found or "prompt_tokens" not in found:
        return found
    return {**found, "completion_tokens": found.get("completion_tokens", 0) + thought, "reasoning_tokens": thought}


def without_thoughts(found: dict[str, int]) -> dict[str, int]:
    """Counts without what was thought, where it is in the output twice."""
    answered, thought = found.get("completion_tokens", 0), found.get("reasoning_tokens", 0)
    return {**found, "completion_tokens": answered - thought} if answered >= 2 * thought else found


def written_apart(details: Json) -> int:
    """What was written to the cache by how long it is kept: LangChain says no whole of that, or 0, of Anthropic's.

    `_create_usage_metadata` in langchain_anthropic/chat_models.py; Langfuse puts its prefix before each name.
    """
    if not isinstance(details, dict):
        return 0
    return sum(count for name, value in details.items() if name.endswith(_KEPT) and (count := _count(value)))


_KEPT: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def _detailed(details: Mapping[str, Json]) -> dict[str, int]:
    """Counts in one of five forms: as OpenAI's two APIs and Gemini's say them, whole, or in buckets that exclude each
    other."""
    if "promptTokenCount" in details:
        return _gemini(details)
    sent = _first(details, ("prompt_tokens", "input_tokens"))
    answered = _first(details, ("completion_tokens", "output_tokens"))
    nested_in = _nested(details, "prompt_tokens_details", "input_tokens_details")
    nested_out = _nested(details, "completion_tokens_details", "output_tokens_details")
    written = _first(details, _WRITTEN)
    found: dict[str, int | None] = {
        "cached_tokens": _first({**details, **nested_in}, ("cached_tokens", *_READ)),
        "cache_write_tokens": written or written_apart(details) or written,
        "reasoning_tokens": _first({**details, **nested_out}, ("reasoning_tokens", *_THOUGHT)),
        "input_audio_tokens": _first(nested_in, ("audio_tokens",)),
        "output_audio_tokens": _first(nested_out, ("audio_tokens",)),
        "total_tokens": _first(details, ("total_tokens", "total")),
    }
    if sent is None and answered is None:
        sent = _bucketed(details, "input")
        answered = _bucketed(details, "output")
        extra = (found["cached_tokens"] or 0) if "cache_read_input_tokens" in details else 0
        extra += (found["cache_write_tokens"] or 0) if "cache_creation_input_tokens" in details else 0
        sent = sent + extra if sent is not None else None
    elif "cache_read_input_tokens" in details or "cache_creation_input_tokens" in details:
        # Anthropic's own form, which counts the cache beside the input.
        whole = (sent or 0) + (answered or 0)
        if sent is not None and found["total_tokens"] != whole:
            sent += (found["cached_tokens"] or 0) + (found["cache_write_tokens"] or 0)
    found["prompt_tokens"], found["completion_tokens"] = sent, answered
    return {name: count for name, count in found.items() if count is not None}


def _gemini(details: Mapping[str, Json]) -> dict[str, int]:
    """Gemini's own counts, of which the output is without what was thought."""
    found = {field: count for field, name in _GEMINI if (count := _count(details.get(name))) is not None}
    if "completion_tokens" in found:
        found["completion_tokens"] += found.get("reasoning_tokens", 0)
    return found


_GEMINI: Final = (
    ("prompt_tokens", "promptTokenCount"),
    ("completion_tokens", "candidatesTokenCount"),
    ("total_tokens", "totalTokenCount"),
    ("cached_tokens", "cachedContentTokenCount"),
    ("reasoning_tokens", "thoughtsTokenCount"),
)


def _bucketed(details: Mapping[str, Json], kind: str) -> int | None:
    counts = [c for n, v in details.items() if n == kind or n.startswith(f"{kind}_") if (c := _count(v)) is not None]
    return sum(counts) if counts else None


def _nested(details: Mapping[str, Json], *names: str) -> Mapping[str, Any]:
    return next((found for n in names if isinstance(found := details.get(n), dict)), {})


def _held(attributes: Mapping[str, Json], places: Iterable[tuple[str, str | None]]) -> int | None:
    for name, inner in places:
        value = attributes[name]
        if inner is not None:
            value = dialects.member(value, inner)
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _first(values: Mapping[str, Json], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = values.get(name)
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _count(value: Json) -> int | None:
    if type(value) is int:
        return value if 0 <= value < 2**31 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = int(float(value))
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < 2**31 else None
