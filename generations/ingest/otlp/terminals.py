"""Log events by which agents in a terminal (Claude Code, Codex, Gemini CLI, Qwen Code) tell of their calls.

https://code.claude.com/docs/en/monitoring-usage, https://developers.openai.com/codex/config-advanced and
https://geminicli.com/docs/cli/telemetry describe them. No span tells of these calls: an event has the counts, others
what was asked and answered, and they belong together by the conversation and by their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
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
from generations.records import GenerationRecord, Json, StepRecord, revised

_PROVIDERS: Final = {"claude_code": "anthropic", "gemini_cli": "google"}
"""Whose models an agent calls; Codex calls those of others too."""
_CALLS: Final = frozenset(
    {
        "claude_code.api_request",
        "claude_code.api_error",
        "codex.sse_event",
        "gemini_cli.api_response",
        "gemini_cli.api_error",
        "qwen-code.api_response",
        "qwen-code.api_error",
    }
)
"""Events of a call that has ended. Of Codex's, those that have counts."""
_ASKED: Final = {
    "claude_code.user_prompt": "prompt",
    "codex.user_prompt": "prompt",
    "gemini_cli.api_request": "request_text",
    "qwen-code.api_request": "request_text",
}
"""Events of words that come before their call, and the attribute that has them."""
_PLACED: Final = "gemini_cli.api_request"
"""The one of them that stands in the span of its call, where Gemini CLI sends spans; its answer's event does not."""
ASKED: Final = frozenset(_ASKED)
"""Names of the steps that words are for which no call has come."""
_ANSWER: Final = "claude_code.assistant_response"
_ANSWERED: Final = {_ANSWER: "response", "claude_code.api_response_body": "body"}
"""Events of words that come after their call; of the second, which has the provider's whole answer, last."""
_TURNS: Final = "answer."
"""Beginning of the attributes of a turn's step that keep what was answered, by the id that the call's span has too."""
_BEGUN: Final = frozenset({"codex.api_request", "codex.websocket_request"})
"""Events whose time and duration say when the call began that ends with the next one of its conversation; with an
error, they are of a call that failed."""
_STARTED_APART: Final = "codex.sse_event"
"""The event of a call that does not say when that began; where no event before it does, that is unknown."""
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
    "response_id": ("gen_ai.response.id", "request_id", "response_id"),
}
_HIDDEN: Final = frozenset({"<REDACTED>", "[REDACTED]", ""})
_WORDS: Final = frozenset({"prompt", "response", "response_text", "request_text"})
"""Attributes that are content, and are not kept beside it."""
_WITHIN: Final = {
    "qwen-code.api_request": ("request_text", "gen_ai.input.messages"),
    "qwen-code.api_response": ("response_text", "gen_ai.output.messages"),
}
"""Qwen Code's events that stand in the span of their call where it sends spans (from version 0.24 on): the attribute of
each that is content, and the conventions' name for that."""
_WHEN: Final = "event.timestamp"
"""The attribute in which Gemini CLI's two events of one call are alike."""


class Heard(NamedTuple):
    """The calls that were told of; and words as steps of their threads: those of which the call has not come yet, and
    answers within a span as what that made."""

    calls: list[GenerationRecord]
    words: list[StepRecord]


def heard(told: Iterable[LogEvent]) -> Heard:
    """What these events tell. An event within a span tells of what that span tells, Codex's aside."""
    found: list[dict[str, Any]] = []
    last: dict[str, dict[str, Any]] = {}
    asked: dict[str, tuple[list[Json], StepRecord | None]] = {}
    begun: dict[str, int] = {}
    made: dict[str, StepRecord] = {}
    placed: dict[str, LogEvent] = {}
    for name, event in sorted(_named(told), key=lambda one: (one[1].time, _place(one[1]))):
        thread = _text(event.attributes, "thread_id") or ""
        is_begun = name in _BEGUN
        if is_begun and "error.message" not in event.attributes:
            begun[thread] = event.time - _nanoseconds(event.attributes)
        elif name == DETAILS:
            call = last.get(thread) if event.span_id is None else None
            if call is not None and call["attributes"].get(_WHEN) == event.attributes.get(_WHEN):
                call.update(_detailed(event, call))
        elif name in _ASKED:
            if name == _PLACED and event.trace_id and event.span_id:
                placed[thread] = event
            said = event.attributes.get(_ASKED[name])
            if isinstance(said, str) and said not in _HIDDEN:
                asked[thread] = question(name, said), _words(name, said, event)
        elif name in _ANSWERED:
            if event.trace_id and event.span_id:
                _make(made, name, event)
            elif thread in last:
                last[thread].update(_answer(name, event))
        else:
            call = _call(name, event, None if is_begun else begun.pop(thread, None))
            if thread in asked:
                call["messages"] = asked[thread][0]
                if call["error"] is None:  # another attempt may follow
                    del asked[thread]
            if (place := placed.pop(thread, None)) is not None:
                call |= {"trace_id": place.trace_id, "step_id": f"{place.trace_id}-{place.span_id}"}
            last[thread] = call
            found.append(call)
    return Heard(
        [GenerationRecord(**{k: v for k, v in call.items() if v is not None}) for call in found],
        [*made.values(), *(words for _, words in asked.values() if words is not None)],
    )


def within(event: LogEvent) -> LogEvent:
    """An event of words that stands in the span of its call, as the conventions would have it; any other as it is."""
    name = event.attributes.get("event.name", event.name)
    if event.span_id is None or not isinstance(name, str) or name not in _WITHIN:
        return event
    said, same = _WITHIN[name]
    words = event.attributes.get(said)
    if not isinstance(words, str) or words in _HIDDEN:
        return event
    told: list[Json] = question(name, words) if name in ASKED else [{"role": "assistant", "content": words}]
    return replace(event, name=DETAILS, body=None, attributes={same: told}) if told else event


def question(name: str, said: str) -> list[Json]:
    """The messages that the words of an event of this name are."""
    return messages.conversation(said if _ASKED[name] == "request_text" else [said])


def _words(name: str, said: str, event: LogEvent) -> StepRecord | None:
    """Words whose call may come in another request: agents send what they have every few seconds."""
    agent, thread = name.partition(".")[0], _text(event.attributes, "thread_id")
    if thread is None or (agent == "claude_code" and event.span_id is not None):
        return None  # the span that they stand in has them
    moment = values.moment(event.time)
    return StepRecord(
        id=_id(agent, event),
        type="undefined",
        name=name,
        thread_id=thread,
        user_id=_text(event.attributes, "user_id"),
        started_at=moment,
        ended_at=moment,
        environment=_resource(event, "environment"),
        release=_resource(event, "release"),
        input=said,
    )


def _make(made: dict[str, StepRecord], name: str, event: LogEvent) -> None:
    """Say of the step of the span that an answer stands in, the turn's, what that made, and keep it for its call."""
    if not (answer := _answer(name, event).get("message_completion")):
        return
    id = f"{event.trace_id}-{event.span_id}"
    step = made.get(id) or StepRecord(id=id, trace_id=event.trace_id, span_id=event.span_id)
    if response := _text(event.attributes, "response_id"):
        key = f"{_TURNS}{response}.{'text' if name == _ANSWER else 'whole'}"
        made[id] = step = revised(step, attributes={**(step.attributes or {}), key: answer})
    if name == _ANSWER:
        made[id] = revised(step, output=answer["content"])


def answers(attributes: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """By the id that their calls' spans have, the answers that the attributes of a turn's step keep.

    A provider's whole answer, which says what tools were called, is preferred to its text.
    """
    kept = sorted(name for name in attributes if name.startswith(_TURNS))  # a text before the whole
    found = ((name[len(_TURNS) :].rpartition(".")[0], attributes[name]) for name in kept)
    return {response: said for response, said in found if isinstance(said, dict)}


def _id(agent: str, event: LogEvent) -> str:
    said = f"{event.time}\0{compact(event.attributes)}".encode("utf-8", "replace")
    return f"{agent}-{hashlib.blake2b(said, digest_size=16).hexdigest()}"


def _answer(name: str, event: LogEvent) -> dict[str, Any]:
    """What was answered, as a text or in a whole answer of Anthropic's; one that is cut is none."""
    said = event.attributes.get(_ANSWERED[name])
    if not isinstance(said, str) or said in _HIDDEN:
        return {}
    if name == _ANSWER:
        return {"message_completion": {"role": "assistant", "content": said}}
    whole = messages.loaded(said)
    if not isinstance(whole, dict) or whole.get("type") != "message":
        return {}
    found = raw.read(None, whole, "chat")
    answer = found.get("message_completion")
    if isinstance(answer, dict) and answer.get("reasoning") in _HIDDEN:
        del answer["reasoning"]
    return {"message_completion": answer, "finish_reason": messages.finish_reason(found.get("finish_reason"))}


def _named(told: Iterable[LogEvent]) -> Iterable[tuple[str, LogEvent]]:
    """The events that are read, with the names that agents have given them, in an attribute or in the body."""
    for event in told:
        for said in (event.name, event.attributes.get("event.name"), event.body):
            if not isinstance(said, str) or said not in _READ:
                continue
            is_told = event.span_id is not None and (
                (said in _CALLS and not said.startswith("codex.")) or said in _WITHIN
            )
            if not is_told and _is_of_a_call(said, event.attributes):
                yield said, event
            break


_READ: Final = _CALLS | ASKED | _ANSWERED.keys() | _BEGUN | {DETAILS}


def _is_of_a_call(name: str, a: Mapping[str, Json]) -> bool:
    if name == "codex.sse_event":
        return "input_token_count" in a
    return name not in _BEGUN or str(a.get("endpoint", _MODELS[0])).startswith(_MODELS)


def _call(name: str, event: LogEvent, start: int | None) -> dict[str, Any]:
    a = event.attributes
    if start is None and not name.startswith(_STARTED_APART):
        start = event.time - _nanoseconds(a)
    model = values.identifier(a.get("model"))
    counts = {n: c for n in COUNTS if n in _NAMES and (c := _number(a, _NAMES[n])) is not None}
    agent = name.partition(".")[0]
    cost = values.number(a.get("cost_usd"))
    waited = values.number(a.get("ttft_ms"))
    has_failed = name.endswith("_error") or name in _BEGUN
    reason = messages.finish_reason(a.get("finish_reasons"))
    thread = _text(a, "thread_id")
    return {
        "id": _id(agent, event),
        "type": "chat",
        "name": name,
        "model_id": model,
        "provider": _PROVIDERS.get(agent) or vendors.provider_of(model),
        "thread_id": thread,
        "session_id": thread,
        "user_id": _text(a, "user_id"),
        "started_at": None if start is None else values.moment(start),
        "ended_at": values.moment(event.time),
        "time_to_first_token": None if waited is None else waited / 1000,
        "finish_reason": reason,
        "cost": Decimal(repr(cost)) if cost and 0 < cost < 1e9 else None,
        "error": (_text(a, "error") or "error") if has_failed else None,
        "error_type": _text(a, "error_type") if has_failed else None,
        "response_id": _text(a, "response_id"),
        "message_completion": _streamed(messages.loaded(a.get("response_text"))) or _spoken(agent, a),
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


def _spoken(agent: str, attributes: Mapping[str, Json]) -> dict[str, Json] | None:
    """The answer as the text that Qwen Code tells, whatever it says."""
    said = attributes.get("response_text")
    is_told = agent == "qwen-code" and isinstance(said, str) and said not in _HIDDEN
    return {"role": "assistant", "content": said} if is_told else None


def _only_text(part: Json) -> str | None:
    text = part.get("text") if isinstance(part, dict) and len(part) == 1 else None
    return text if isinstance(text, str) else None


def _parts(chunk: Json) -> list[Json]:
    found = dialects.member(chunk, "candidates>0>content>parts") if isinstance(chunk, dict) else None
    return found if isinstance(found, list) else []


def _detailed(event: LogEvent, call: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of all details says of a call, of which something is known already."""
    a = event.attributes
    about = names.about(a)
    found: dict[str, Any] = content.read(a, about, "chat", None)
    if "messages" in found and "gen_ai.input.messages" not in a:
        found["messages"] = [*found["messages"], *call.get("messages", [])]
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
