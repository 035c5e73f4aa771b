"""Calls that LlamaIndex's own package tells of in events of its spans, as the attributes that say the same.

Its spans are named for methods and have no attributes; an event begins and one ends a call, with the fields of
LlamaIndex's objects: https://github.com/run-llama/llama_index (llama-index-observability-otel, and
llama_index.core.instrumentation.events). A stream has no event of its end, as its span is over before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from generations.ingest.otlp.messages import listed, loaded
from generations.ingest.otlp.shapes import Event
from generations.records import Json

SCOPE: Final = "llamaindex.opentelemetry.tracer"
_OPERATIONS: Final[Mapping[str, str]] = {
    "LLMChat": "chat",
    "LLMCompletion": "text_completion",
    "Embedding": "embeddings",
}
TOLD: Final = frozenset(f"{name}{end}" for name in _OPERATIONS for end in ("StartEvent", "EndEvent"))
"""The events that are read."""
_MODEL: Final = "model_dict."
_RAW: Final = "response.raw."
_USAGE: Final = "response.raw.usage."
_COUNTED: Final = "response.additional_kwargs."
_ANSWER: Final = "response.message."


def said(events: Iterable[Event]) -> dict[str, Json]:
    """What these events of a span say of its call, by the names of the conventions; nothing where there is none."""
    whole: dict[str, Json] = {}
    operation = None
    for event in events:
        if event.name in TOLD:
            operation = _OPERATIONS[event.name.removesuffix("StartEvent").removesuffix("EndEvent")]
            whole |= {name: value for name, value in event.attributes.items() if value != "null"}
    if operation is None:
        return {}
    given = _under(whole, _ANSWER) or ({"content": whole["response.text"]} if "response.text" in whole else {})
    choice = next(iter(_list(whole.get(f"{_RAW}choices"))), None)
    ended = choice.get("finish_reason") if isinstance(choice, dict) else whole.get(f"{_RAW}stop_reason")
    found: dict[str, Json] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _provider(whole.get(f"{_MODEL}class_name")),
        "gen_ai.request.model": whole.get(f"{_MODEL}model_name") or whole.get(f"{_MODEL}model"),
        "gen_ai.request.temperature": whole.get(f"{_MODEL}temperature"),
        "gen_ai.response.model": whole.get(f"{_RAW}model"),
        "gen_ai.response.id": whole.get(f"{_RAW}id"),
        "gen_ai.response.finish_reasons": [ended] if ended else None,
        "gen_ai.usage.raw": _under(whole, _USAGE) or _under(whole, _COUNTED) or None,
        "gen_ai.tool.definitions": whole.get("additional_kwargs.tools"),
        "gen_ai.input.messages": _asked(whole) or None,
        "gen_ai.output.messages": [_message({"role": "assistant", **given})] if given else None,
        "tool_choice": whole.get("additional_kwargs.tool_choice"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _asked(whole: Mapping[str, Json]) -> list[Json]:
    texts = [whole["prompt"]] if "prompt" in whole else _list(whole.get("chunks"))
    return [_message(one) for one in _list(whole.get("messages"))] or [
        {"role": "user", "content": text} for text in texts
    ]


def _message(given: Json) -> Json:
    """One of LlamaIndex's messages, whose content is in blocks, and its calls perhaps in blocks and beside them."""
    if not isinstance(given, dict) or "blocks" not in given:
        return given
    beside = loaded(given.get("additional_kwargs"))
    beside = beside if isinstance(beside, dict) else {}
    calls = _list(beside.get("tool_calls"))
    blocks = [one for one in _list(given["blocks"]) if isinstance(one, dict)]
    parts = [_part(one) for one in blocks if not (calls and one.get("block_type") == "tool_call")]
    made: dict[str, Json] = {"role": given.get("role"), "parts": [part for part in parts if part != _EMPTY]}
    if calls:
        made["tool_calls"] = calls
    if (answers := beside.get("tool_call_id")) is not None:
        made["tool_call_id"] = answers
    return made


_EMPTY: Final[Mapping[str, Json]] = {"type": "text", "content": ""}


def _part(block: dict[str, Json]) -> Json:
    match block.get("block_type"):
        case "text":
            return {"type": "text", "content": block.get("text")}
        case "thinking":
            return {"type": "reasoning", "content": block.get("content")}
        case "tool_call":
            names = {"id": "tool_call_id", "name": "tool_name", "arguments": "tool_kwargs"}
            return {"type": "tool_call", **{name: block.get(theirs) for name, theirs in names.items()}}
        case "image" if block.get("url"):
            return {"type": "uri", "modality": "image", "uri": block["url"]}
        case "image" if block.get("image"):
            about = {"modality": "image", "mime_type": block.get("image_mimetype")}
            return {"type": "blob", **about, "content": block["image"]}
        case kind:
            return {"type": kind, **block}


def _under(whole: Mapping[str, Json], start: str) -> dict[str, Any]:
    """The object whose members are told apart, by names with its own before them."""
    made: dict[str, Any] = {}
    for name, value in whole.items():
        if name.startswith(start) and value is not None:
            node = made
            *path, key = name[len(start) :].split(".")
            for step in path:
                inner = node.get(step)
                if not isinstance(inner, dict):
                    inner = node[step] = {}
                node = inner
            node[key] = value
    return made


def _list(value: Json) -> list[Json]:
    return listed(loaded(value))


def _provider(name: Json) -> str | None:
    """Whose class of models this is, where its name says so: `openai_llm`."""
    said = name.lower() if isinstance(name, str) else ""
    return said.removesuffix("_llm") if said.endswith("_llm") else None
