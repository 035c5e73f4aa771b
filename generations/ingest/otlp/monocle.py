"""Calls that Monocle tells of in events of its spans, as the attributes that say the same.

Its spans name what they are in `span.type`, a model and who has it as numbered entities, and what was said in three
events, as JSON of messages of one member: `{"user": "The capital of Peru?"}`. https://github.com/monocle2ai/monocle
(monocle_apptrace, instrumentation/metamodel; version 0.8.15). It tells neither settings nor tools that were offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.ingest.otlp.messages import listed, loaded
from generations.ingest.otlp.shapes import ERROR, Span
from generations.ingest.otlp.values import number
from generations.records import Json

SCOPE: Final = "monocle_apptrace"
_ASKED, _GIVEN, _COUNTED = "data.input", "data.output", "metadata"
TOLD: Final = frozenset({_ASKED, _GIVEN, _COUNTED})
"""The events that are read."""
_COUNTS: Final[Mapping[str, str]] = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cache_read_input_tokens": "cache_read.input_tokens",
}
_MODELS: Final = "model."
_PROVIDERS: Final = "inference."


def said(span: Span) -> dict[str, Json]:
    """What the events of a span say, by the names of the conventions; of work that is no call, what it was given."""
    told = {event.name: event.attributes for event in span.events if event.name in TOLD}
    asked, given = (told.get(name, {}).get(key) for name, key in ((_ASKED, "input"), (_GIVEN, "response")))
    kind = str(span.attributes.get("span.type"))
    if not kind.startswith(("inference", "embedding")):
        return {name: value for name, value in (("input.value", asked), ("output.value", given)) if value}
    entities = _entities(span.attributes)
    provider = next((type[len(_PROVIDERS) :] for type in entities if type.startswith(_PROVIDERS)), None)
    found: dict[str, Json] = {
        "gen_ai.request.model": next((name for type, name in entities.items() if type.startswith(_MODELS)), None),
        "gen_ai.provider.name": provider,
        "gen_ai.input.messages": [one for text in _texts(asked) for one in _message(text, "user")],
        "gen_ai.output.messages": None if span.status == ERROR else _message(given, "assistant"),
        "gen_ai.response.finish_reasons": told.get(_COUNTED, {}).get("finish_reason"),
        **_counts(told.get(_COUNTED, {}), provider),
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _entities(a: Mapping[str, Json]) -> dict[str, Json]:
    """What is numbered in the attributes: its name by its type."""
    types = ((name, type) for name, type in a.items() if name.startswith("entity.") and name.endswith(".type"))
    return {str(type): a.get(f"{name.removesuffix('.type')}.name") for name, type in types}


def _texts(asked: Json) -> list[Json]:
    asked = loaded(asked)
    return listed(asked) if isinstance(asked, list) else [asked]


def _message(text: Json, role: str) -> list[Json]:
    """The message that a text is, or that its JSON has as its one member; `role` is whose it is otherwise."""
    inner = loaded(text)
    if not isinstance(inner, dict) or len(inner) != 1:
        return [{"role": role, "content": text}] if text else []
    ((name, content),) = inner.items()
    calls = [one for one in map(_call, content) if one] if isinstance(content, list) else []
    if calls:
        return [{"role": "assistant", "content": None, "tool_calls": calls}]
    return [{"role": name, "content": content}]


def _call(given: Json) -> dict[str, Json] | None:
    """A call of a tool: in an answer it has an id, among what was asked it has none and its function's name."""
    one = loaded(given)
    if not isinstance(one, dict) or one.keys().isdisjoint(("tool_name", "tool_function")):
        return None
    name = one.get("tool_name", one.get("tool_function"))
    return {"id": one.get("tool_id"), "name": name, "arguments": one.get("tool_arguments")}


def _counts(counted: Mapping[str, Json], provider: str | None) -> dict[str, Json]:
    found = {name: number(counted.get(theirs)) for theirs, name in _COUNTS.items()}
    cached, sent = found["cache_read.input_tokens"], found["input_tokens"]
    if provider == "anthropic" and cached and sent is not None:  # it repeats what is counted beside
        found |= {"input_tokens": sent + cached, "total_tokens": None}
    return {f"gen_ai.usage.{name}": count for name, count in found.items()}
