"""Answers of agents in a terminal, as texts or as the chunks that came of a stream."""

from __future__ import annotations

from generations.ingest.otlp import dialects, messages
from generations.records import Json


def answer(said: Json) -> dict[str, Json] | None:
    """The answer whose chunks Gemini CLI lists as the provider sent them, or the text that Qwen Code tells."""
    chunks = messages.loaded(said)
    listed = chunks if isinstance(chunks, list) else [chunks]
    parts: list[Json] = []
    for part in (part for chunk in listed for part in _parts(chunk)):
        before, here = _only_text(parts[-1]) if parts else None, _only_text(part)
        if before is not None and here is not None:
            parts[-1] = {"text": before + here}
        else:
            parts.append(part)
    if parts:
        made: dict[str, Json] = messages.message({"role": "assistant", "parts": parts})[0]
        return made
    return {"role": "assistant", "content": said} if isinstance(said, str) and said and not _is_told(listed) else None


def _is_told(listed: list[Json]) -> bool:
    """Whether these are chunks, though none of them has a part."""
    return any(isinstance(chunk, dict) and ("candidates" in chunk or "usageMetadata" in chunk) for chunk in listed)


def _only_text(part: Json) -> str | None:
    text = part.get("text") if isinstance(part, dict) and len(part) == 1 else None
    return text if isinstance(text, str) else None


def _parts(chunk: Json) -> list[Json]:
    found = dialects.member(chunk, "candidates>0>content>parts") if isinstance(chunk, dict) else None
    return found if isinstance(found, list) else []
