"""Log events by which agents in a terminal (Claude Code, Codex, Gemini CLI) tell of their calls, as generations.

https://code.claude.com/docs/en/monitoring-usage, https://developers.openai.com/codex/config-advanced and
https://geminicli.com/docs/cli/telemetry describe them. No span tells of these calls: an event has the counts, others
what was asked and answered, and they belong together by the conversation and by their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from generations import vendors
from generations.cleaning import MAX_TEXT
from generations.ingest.otlp import calls, content, definitions, dialects, messages, names, raw, spans, usage, values
from generations.ingest.otlp.counts import COUNTS
from generations.ingest.otlp.events import DETAILS
from generations.ingest.otlp.fields import RESOURCE
from generations.ingest.otlp.shapes import LogEvent, Span
from generations.reading import compact
from generations.records import Json

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
ASKED: Final = {
    "claude_code.user_prompt": "prompt",
    "codex.user_prompt": "prompt",
    "gemini_cli.api_request": "request_text",
}
"""Events of words that come before their call, and the attribute that has them."""
PLACED: Final = "gemini_cli.api_request"
"""The one of them that stands in the span of its call, where Gemini CLI sends spans; its answer's event does not."""
ANSWER: Final = "claude_code.assistant_response"
ANSWERED: Final = {ANSWER: "response", "claude_code.api_response_body": "body"}
"""Events of words that come after their call; of the second, which has the provider's whole answer, last."""
TURNS: Final = "answer."
"""Beginning of the attributes of a turn's step that keep what was answered, by the id that the call's span has too."""
BEGUN: Final = frozenset({"codex.api_request", "codex.websocket_request"})
"""Events whose time and duration say when the call began that ends with the next one of its conversation; with an
error, they are of a call that failed."""
_MODELS: Final = ("/responses", "/chat/completions")
"""Beginnings of endpoints at which Codex asks models, and not for something else."""
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
    "error_type": ("error.type", "error_type", "status_code", "http.response.status_code"),
    "response_id": ("gen_ai.response.id", "request_id"),
}
HIDDEN: Final = frozenset({"<REDACTED>", "[REDACTED]", ""})
_WORDS: Final = frozenset({"prompt", "response", "response_text", "request_text"})
"""Attributes that are content, and are not kept beside it."""
WHEN: Final = "event.timestamp"
"""The attribute in which Gemini CLI's two events of one call are alike."""


class Event(NamedTuple):
    """An event under the name that agents have given it; `step` is the id of the step that it waited as."""

    name: str
    said: LogEvent
    step: str | None = None

    @property
    def id(self) -> str:
        """The id of its call, or of the step that it waits as."""
        return self.step or _id(self.name.partition(".")[0], self.said)

    @property
    def place(self) -> tuple[int, float, int]:
        """When it comes among others."""
        return self.said.time, values.number(self.said.attributes.get("event.sequence")) or 0.0, 0

    @property
    def thread(self) -> str:
        """The conversation that it is of; empty where it says none."""
        return text(self.said.attributes, "thread_id") or ""


def named(told: Iterable[LogEvent]) -> list[Event]:
    """The events that are read, with the names that agents have given them, in an attribute or in the body."""
    return [Event(name, event) for name, event in _named(told)]


def question(name: str, said: str) -> list[Json]:
    """The messages that the words of an event of this name are."""
    return messages.conversation(said if ASKED[name] == "request_text" else [said])


def answers(attributes: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """By the id that their calls' spans have, the answers that the attributes of a turn's step keep.

    A provider's whole answer, which says what tools were called, is preferred to its text.
    """
    kept = sorted(name for name in attributes if name.startswith(TURNS))  # a text before the whole
    found = ((name[len(TURNS) :].rpartition(".")[0], attributes[name]) for name in kept)
    return {response: said for response, said in found if isinstance(said, dict)}


def _id(agent: str, event: LogEvent) -> str:
    said = f"{event.time}\0{compact(event.attributes)}".encode("utf-8", "replace")
    return f"{agent}-{hashlib.blake2b(said, digest_size=16).hexdigest()}"


def answer(name: str, event: LogEvent) -> dict[str, Any]:
    """What was answered, as a text or in a whole answer of Anthropic's; one that is cut is none."""
    said = event.attributes.get(ANSWERED[name])
    if not isinstance(said, str) or said in HIDDEN:
        return {}
    if name == ANSWER:
        return {"message_completion": {"role": "assistant", "content": said}}
    whole = messages.loaded(said)
    if not isinstance(whole, dict) or whole.get("type") != "message":
        return {}
    found = raw.read(None, whole, "chat")
    answer = found.get("message_completion")
    if isinstance(answer, dict) and answer.get("reasoning") in HIDDEN:
        del answer["reasoning"]
    return {"message_completion": answer, "finish_reason": messages.finish_reason(found.get("finish_reason"))}


def _named(told: Iterable[LogEvent]) -> Iterable[tuple[str, LogEvent]]:
    """The events that are read, with the names that agents have given them, in an attribute or in the body."""
    for event in told:
        for said in (event.name, event.attributes.get("event.name"), event.body):
            if not isinstance(said, str) or said not in _READ:
                continue
            is_told = event.span_id is not None and said in _CALLS and not said.startswith("codex.")
            if not is_told and _is_of_a_call(said, event.attributes):
                yield said, event
            break


_READ: Final = _CALLS | ASKED.keys() | ANSWERED.keys() | BEGUN | {DETAILS}
WAITING: Final = sorted(_READ - _CALLS)
"""Names of the steps that events wait as."""
CALLED: Final = sorted(_CALLS | BEGUN)
"""Names of calls."""


def _is_of_a_call(name: str, a: Mapping[str, Json]) -> bool:
    if name == "codex.sse_event":
        return "input_token_count" in a
    return name not in BEGUN or str(a.get("endpoint", _MODELS[0])).startswith(_MODELS)


def call(name: str, event: LogEvent, start: int | None) -> dict[str, Any]:
    a = event.attributes
    if start is None and (lasted := nanoseconds(a)):
        start = event.time - lasted
    model = values.identifier(a.get("model"))
    counts = {n: c for n in COUNTS if n in _NAMES and (c := _number(a, _NAMES[n])) is not None}
    agent = name.partition(".")[0]
    cost = values.number(a.get("cost_usd"))
    waited = values.number(a.get("ttft_ms"))
    has_failed = name.endswith("_error") or name in BEGUN
    reason = messages.finish_reason(a.get("finish_reasons"))
    thread = text(a, "thread_id")
    return {
        "id": _id(agent, event),
        "type": "chat",
        "name": name,
        "model_id": model,
        "provider": _PROVIDERS.get(agent) or vendors.provider_of(model),
        "thread_id": thread,
        "session_id": thread,
        "user_id": text(a, "user_id"),
        "started_at": None if start is None else values.moment(start),
        "ended_at": values.moment(event.time),
        "time_to_first_token": None if waited is None else waited / 1000,
        "finish_reason": reason,
        "cost": Decimal(repr(cost)) if cost and 0 < cost < 1e9 else None,
        "error": (text(a, "error") or "error") if has_failed else None,
        "error_type": text(a, "error_type") if has_failed else None,
        "response_id": text(a, "response_id"),
        "message_completion": _streamed(messages.loaded(a.get("response_text"))),
        "environment": resource(event, "environment"),
        "release": resource(event, "release"),
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


def detailed(event: LogEvent, call: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of all details says of a call, of which something is known already."""
    a = event.attributes
    about = names.about(a)
    found: dict[str, Any] = content.read(a, about, "chat", None)
    if "messages" in found and "gen_ai.input.messages" not in a:
        found["messages"] = [*found["messages"], *(call.get("messages") or ())]
    if call.get("message_completion"):  # of a stream, Gemini CLI lists each chunk here as an answer
        found = {name: value for name, value in found.items() if name not in _GIVEN}
    if settings := calls.settings_of(Span("", "", None, "", 0, 0, a, scope=event.scope), about):
        found["parameters"] = settings
    if tools := definitions.tools(spans.first(a, about, "tools")):
        found["tools"] = tools
    if response := values.identifier(a.get("gen_ai.response.id")):
        found["response_id"] = response
    return found


_GIVEN: Final = frozenset({"message_completion", "alternatives", "finish_reason"})


def text(a: Mapping[str, Json], field: str) -> str | None:
    found = next((a[n] for n in _NAMES.get(field, ()) if a.get(n) not in (None, "")), None)
    return values.text(found) if field == "error" else (values.identifier(found) or "")[:MAX_TEXT] or None


def _number(a: Mapping[str, Json], names: Iterable[str]) -> int | None:
    found = next((count for n in names if (count := values.number(a.get(n))) is not None), None)
    return int(found) if found is not None and 0 <= found < 2**31 else None


def nanoseconds(a: Mapping[str, Json]) -> int:
    """How long a call took, by its event; 0 where that does not say it."""
    return int((values.number(a.get("duration_ms")) or 0) * 1e6)


def resource(event: LogEvent, field: str) -> str | None:
    return values.short(next((event.resource[n] for n in RESOURCE[field] if event.resource.get(n)), None))
