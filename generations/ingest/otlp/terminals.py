"""Log events by which agents in a terminal (Claude Code, Codex, Gemini CLI) tell of their calls, as generations.

https://code.claude.com/docs/en/monitoring-usage, https://developers.openai.com/codex/config-advanced and
https://geminicli.com/docs/cli/telemetry describe them. No span tells of these calls: an event has the counts, others
what was asked and answered, and they belong together by the conversation and by their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from generations.cleaning import MAX_TEXT
from generations.ingest import openai
from generations.ingest.otlp import content, dialects, messages, names, spans, usage, values
from generations.ingest.otlp.counts import COUNTS
from generations.ingest.otlp.events import DETAILS
from generations.ingest.otlp.fields import RESOURCE
from generations.ingest.otlp.shapes import LogEvent
from generations.reading import compact
from generations.records import GenerationRecord, Json

_PROVIDERS: Final = {"claude_code": "anthropic", "gemini_cli": "google"}
"""Whose models an agent calls; Codex calls those of others too."""
_CALLS: Final = frozenset(
    {
        "claude_code.api_request",
        "claude_code.api_error",
        "codex.sse_event",
        "gemini_cli.api_response",
        "gemini_cli.api_error",
    }
)
"""Events of a call that has ended. Of Codex's, those that have counts."""
_SAID: Final = {
    "claude_code.user_prompt": "prompt",
    "claude_code.assistant_response": "response",
    "codex.user_prompt": "prompt",
    "gemini_cli.api_request": "request_text",
}
"""Events of words, and the attribute that has them: those of an answer come after its call, the others before."""
_BEGUN: Final = "codex.api_request"
"""The event whose time and duration say when the call began that ends with the next one of its conversation."""
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_tokens": ("input_tokens", "input_token_count"),
    "completion_tokens": ("output_tokens", "output_token_count"),
    "total_tokens": ("total_token_count",),
    "cached_tokens": ("cache_read_tokens", "cached_token_count", "cached_content_token_count"),
    "cache_write_tokens": ("cache_creation_tokens", "cache_write_token_count"),
    "reasoning_tokens": ("reasoning_token_count", "thoughts_token_count"),
    "thread_id": ("session.id", "conversation.id"),
    "user_id": ("user.id", "user.email", "user.account_id"),
    "error": ("error", "error.message", "error_message"),
    "error_type": ("error.type", "error_type", "status_code"),
    "response_id": ("gen_ai.response.id", "request_id"),
}
_HIDDEN: Final = frozenset({"<REDACTED>", "[REDACTED]", ""})
_WORDS: Final = frozenset({"prompt", "response", "response_text", "request_text"})
"""Attributes that are content, and are not kept beside it."""
_WHEN: Final = "event.timestamp"
"""The attribute in which Gemini CLI's two events of one call are alike."""


def calls(heard: Iterable[LogEvent]) -> list[GenerationRecord]:
    """The calls that these events tell of. An event within a span tells of what that span tells, Codex's aside."""
    found: list[dict[str, Any]] = []
    last: dict[str, dict[str, Any]] = {}
    asked: dict[str, list[Json]] = {}
    begun: dict[str, int] = {}
    for name, event in sorted(_named(heard), key=lambda one: (one[1].time, _place(one[1]))):
        thread = _text(event.attributes, "thread_id") or ""
        if name == _BEGUN:
            begun[thread] = event.time - _nanoseconds(event.attributes)
        elif name == DETAILS:
            call = last.get(thread) if event.span_id is None else None
            if call is not None and call["attributes"].get(_WHEN) == event.attributes.get(_WHEN):
                call.update(_detailed(event.attributes, call.get("messages", [])))
        elif name in _SAID:
            said = event.attributes.get(_SAID[name])
            if not isinstance(said, str) or said in _HIDDEN:
                continue
            if _SAID[name] != "response":
                asked[thread] = messages.conversation(said if _SAID[name] == "request_text" else [said])
            elif thread in last:
                last[thread]["message_completion"] = {"role": "assistant", "content": said}
        else:
            call = _call(name, event, begun.pop(thread, None))
            if thread in asked:
                call["messages"] = asked.pop(thread)
            last[thread] = call
            found.append(call)
    return [GenerationRecord(**{k: v for k, v in call.items() if v is not None}) for call in found]


def _named(heard: Iterable[LogEvent]) -> Iterable[tuple[str, LogEvent]]:
    """The events that are read, with the names that agents have given them, in an attribute or in the body."""
    for event in heard:
        for said in (event.name, event.attributes.get("event.name"), event.body):
            if not isinstance(said, str) or not (said in _CALLS or said in _SAID or said in (_BEGUN, DETAILS)):
                continue
            is_told = event.span_id is not None and said in _CALLS and not said.startswith("codex.")
            if not is_told and (said != "codex.sse_event" or "input_token_count" in event.attributes):
                yield said, event
            break


def _call(name: str, event: LogEvent, start: int | None) -> dict[str, Any]:
    a = event.attributes
    if start is None:
        start = event.time - _nanoseconds(a)
    model = values.identifier(a.get("model"))
    counts = {n: c for n in COUNTS if n in _NAMES and (c := _number(a, _NAMES[n])) is not None}
    agent = name.partition(".")[0]
    said = hashlib.blake2b(f"{event.time}\0{compact(a)}".encode("utf-8", "replace"), digest_size=16).hexdigest()
    cost = values.number(a.get("cost_usd"))
    waited = values.number(a.get("ttft_ms"))
    error = _text(a, "error") if name.endswith("_error") else None
    reason = messages.finish_reason(a.get("finish_reasons"))
    thread = _text(a, "thread_id")
    return {
        "id": f"{agent}-{said}",
        "type": "chat",
        "name": name,
        "model_id": model,
        "provider": _PROVIDERS.get(agent) or openai.provider_of(model),
        "thread_id": thread,
        "session_id": thread,
        "user_id": _text(a, "user_id"),
        "started_at": values.moment(start),
        "ended_at": values.moment(event.time),
        "time_to_first_token": None if waited is None else waited / 1000,
        "finish_reason": reason,
        "cost": Decimal(repr(cost)) if cost and 0 < cost < 1e9 else None,
        "error": "error" if error is None and name.endswith("_error") else error,
        "error_type": _text(a, "error_type") if name.endswith("_error") else None,
        "response_id": _text(a, "response_id"),
        "message_completion": _streamed(messages.loaded(a.get("response_text"))),
        "environment": _resource(event, "environment"),
        "release": _resource(event, "release"),
        "trace_id": event.trace_id,
        "attributes": {k: v for k, v in a.items() if k not in _WORDS} | {"scope": event.scope},
        # Claude Code counts what was cached beside the input.
        **usage.gross(counts, ("cached_tokens",) if agent == "claude_code" else ()),
    }


def _streamed(chunks: Json) -> dict[str, Json] | None:
    """The answer whose chunks Gemini CLI lists as the provider sent them."""
    listed = chunks if isinstance(chunks, list) else [chunks]
    parts: list[Json] = []
    for part in (part for chunk in listed for part in _parts(chunk)):
        before, here = _only_text(parts[-1]) if parts else None, _only_text(part)
        if before is not None and here is not None:
            parts[-1] = {"text": before + here}
        else:
            parts.append(part)
    return messages.message({"role": "assistant", "parts": parts})[0] if parts else None


def _only_text(part: Json) -> str | None:
    text = part.get("text") if isinstance(part, dict) and len(part) == 1 else None
    return text if isinstance(text, str) else None


def _parts(chunk: Json) -> list[Json]:
    found = dialects.member(chunk, "candidates>0>content>parts") if isinstance(chunk, dict) else None
    return found if isinstance(found, list) else []


def _detailed(a: Mapping[str, Json], asked: list[Json]) -> dict[str, Any]:
    """What an event of all details says of a call, of which it is known already what was `asked`."""
    about = names.about(a)
    found: dict[str, Any] = content.read(a, about, "chat", None)
    if "messages" in found and "gen_ai.input.messages" not in a:
        found["messages"] = [*found["messages"], *asked]
    if tools := messages.tools(spans.first(a, about, "tools")):
        found["tools"] = tools
    if response := values.identifier(a.get("gen_ai.response.id")):
        found["response_id"] = response
    return found


def _text(a: Mapping[str, Json], field: str) -> str | None:
    found = next((a[n] for n in _NAMES.get(field, ()) if a.get(n) not in (None, "")), None)
    return values.text(found) if field == "error" else (values.identifier(found) or "")[:MAX_TEXT] or None


def _number(a: Mapping[str, Json], names: Iterable[str]) -> int | None:
    found = next((count for n in names if (count := values.number(a.get(n))) is not None), None)
    return int(found) if found is not None and 0 <= found < 2**31 else None


def _nanoseconds(a: Mapping[str, Json]) -> int:
    """How long a call took, by its event; 0 where that does not say it."""
    return int((values.number(a.get("duration_ms")) or 0) * 1e6)


def _place(event: LogEvent) -> float:
    return values.number(event.attributes.get("event.sequence")) or 0


def _resource(event: LogEvent, field: str) -> str | None:
    return values.short(next((event.resource[n] for n in RESOURCE[field] if event.resource.get(n)), None))
