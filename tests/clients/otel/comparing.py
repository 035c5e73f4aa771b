"""What a call on the wire has to be stored as, and what it was stored as, in the same few plain fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pytest

from tests.clients.otel.provider import REFUSAL, Exchange

Json = Any
Fields = dict[str, Any]

_SETTINGS: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "stopSequences": "stop",
    "seed": "seed",
    "n": "n",
}
"""Settings by our names and by those of the wire."""
_PRICES: Final = {
    "gpt-4o-mini": (0.15, 0.075, 0.15, 0.6),
    "gpt-3.5-turbo-instruct": (1.5, 1.5, 1.5, 2.0),
    "text-embedding-3-small": (0.02, 0.02, 0.02, 0.0),
    "claude-haiku-4-5": (1.0, 0.1, 1.25, 5.0),
    "anthropic.claude-haiku-4-5-20251001-v1:0": (1.1, 0.11, 1.375, 5.5),
    "gemini-2.5-flash": (0.3, 0.03, 0.3, 2.5),
}
"""Dollars for a million tokens: sent, read from the cache, written to it, answered."""
_TYPES: Final = {"/v1/completions": "completion", "/v1/embeddings": "embedding"}


def wanted(exchange: Exchange) -> Fields:
    """What has to be stored of a call, but for its cost."""
    asked, given = exchange.request, exchange.response
    settings = {ours: asked.get(theirs) for ours, theirs in _SETTINGS.items()}
    settings["maxTokens"] = settings["maxTokens"] or asked.get("max_output_tokens")
    return {
        "type": _TYPES.get(exchange.path, "chat"),
        "model": asked["model"],
        "answeringModel": None if given.get("model") == asked["model"] else given.get("model"),
        "provider": _provider(exchange.path),
        **settings,
        **_sent(exchange.path, asked),
        "tools": [_tool(one) for one in asked.get("tools") or ()],
        "responseId": given.get("id"),
        "error": REFUSAL if exchange.status != 200 else None,
        "isStream": bool(asked.get("stream")),
        **_answered(given),
        **_tokens(given.get("usage")),
    }


def _provider(path: str) -> str:
    if path == "/v1/messages":
        return "anthropic"
    return "google" if "/models/" in path else "aws" if path.endswith("/converse") else "openai"


def _sent(path: str, asked: Mapping[str, Json]) -> Fields:
    if path == "/v1/completions":
        return {"messages": asked["prompt"]}
    if path == "/v1/embeddings":
        return {"messages": asked["input"]}
    given = asked.get("messages", asked.get("input"))
    said: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else list(map(_item, given))
    system = asked.get("instructions", asked.get("system"))
    return {"messages": messages([*([{"role": "system", "content": system}] if system else []), *said])}


def _item(given: Mapping[str, Json]) -> Mapping[str, Json]:
    """An item of the newer interface's input as a message: calls of tools and their results have no role there."""
    if given.get("type") == "function_call":
        function = {"name": given["name"], "arguments": given["arguments"]}
        return {"role": "assistant", "tool_calls": [{"id": given["call_id"], "function": function}]}
    if given.get("type") == "function_call_output":
        return {"role": "tool", "content": given["output"], "tool_call_id": given["call_id"]}
    return given


def _answered(given: Mapping[str, Json]) -> Fields:
    fields: Fields = {"answer": None, "alternatives": [], "finishReason": None}
    if "choices" in given:
        first, *others = given["choices"]
        fields["finishReason"] = first["finish_reason"]
        fields["answer"] = first["text"] if "text" in first else _message(first["message"])
        fields["alternatives"] = [_message(one["message"]) for one in others]
    elif "output" in given:
        texts = [part["text"] for item in given["output"] for part in item.get("content", ())]
        calls = [(i["call_id"], i["name"], json.loads(i["arguments"])) for i in given["output"] if "call_id" in i]
        fields["answer"] = {"role": "assistant", "content": texts[0] if texts else None, "calls": calls}
    elif "content" in given:
        fields["answer"] = {"role": "assistant", "content": given["content"][0]["text"], "calls": []}
        fields["finishReason"] = given["stop_reason"]
    return fields


def _tokens(usage: Mapping[str, Json] | None) -> Fields:
    names = ("promptTokens", "completionTokens", "totalTokens", "cachedTokens", "cacheWriteTokens", "reasoningTokens")
    fields: Fields = dict.fromkeys(names)
    if usage is None:
        return fields
    if "cache_creation_input_tokens" in usage:  # Anthropic counts the cache beside the input
        read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
        sent, answered = usage["input_tokens"] + read + written, usage["output_tokens"]
        return fields | dict(zip(names, (sent, answered, sent + answered, read, written), strict=False))
    fields["promptTokens"] = usage.get("prompt_tokens", usage.get("input_tokens"))
    fields["completionTokens"] = usage.get("completion_tokens", usage.get("output_tokens"))
    fields["totalTokens"] = usage["total_tokens"]
    for name, side, detail in (
        ("cachedTokens", ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
        ("reasoningTokens", ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"),
    ):
        fields[name] = next((usage[s][detail] for s in side if s in usage), None)
    return fields


def cost(exchange: Exchange, fields: Fields) -> Json:
    """What a call with these tokens costs; None without tokens."""
    if fields["promptTokens"] is None:
        return None
    read, written = fields["cachedTokens"] or 0, fields["cacheWriteTokens"] or 0
    tokens = (fields["promptTokens"] - read - written, read, written, fields["completionTokens"] or 0)
    prices = _PRICES[exchange.request["model"]]
    return pytest.approx(sum(n * price for n, price in zip(tokens, prices, strict=True)) / 1e6, rel=1e-9)


def found(stored: Mapping[str, Json]) -> Fields:
    """The same fields of a generation as the interface shows it, which leaves out what is unknown."""
    usage, settings, output, model = (stored.get(name) or {} for name in ("usage", "parameters", "output", "model"))
    kept = stored.get("messages") or stored.get("prompt") or stored["input"].get("content")
    answer = stored.get("messageCompletion")
    first_token = stored["performance"].get("timeToFirstToken")
    begun, ended = (datetime.fromisoformat(stored[n]) for n in ("timestamp", "endTimestamp"))
    latency = stored["performance"]["latency"]
    assert latency == pytest.approx((ended - begun).total_seconds(), abs=1e-5)
    assert latency > 0
    assert first_token is None or 0 < first_token <= latency
    return {
        "type": stored["type"],
        "model": model.get("id"),
        "answeringModel": model.get("version"),
        "provider": model.get("provider"),
        **{name: settings.get(name) for name in _SETTINGS},
        "messages": messages(kept) if stored.get("messages") else kept,
        "tools": [_tool(one) for one in stored.get("tools") or ()],
        "responseId": stored.get("responseId"),
        "error": REFUSAL if REFUSAL in (stored.get("error") or "") else stored.get("error"),
        "isStream": first_token is not None,
        "answer": _message(answer) if answer else stored.get("completion") or output.get("content"),
        "alternatives": [_message(one["content"]) for one in output.get("alternatives") or ()],
        "finishReason": stored.get("finishReason"),
        **{name: usage.get(name) for name in _tokens(None)},
        "cost": usage.get("cost"),
    }


def context(stored: Mapping[str, Json]) -> Fields:
    """To whom and where a generation belongs."""
    about = dict(stored["metadata"])
    named = {name: about.pop(name, None) for name in ("sessionId", "userId", "tags")}
    named |= {name: stored.get(name) for name in ("threadId", "environment", "release")}
    return {**named, "metadata": about}


def messages(given: Sequence[Mapping[str, Json]]) -> list[Json]:
    """Messages as role, content and calls of tools, whatever empty fields they have beside."""
    return [_message(one) for one in given]


def _message(given: Mapping[str, Json]) -> Json:
    calls = [
        (one["id"], one["function"]["name"], json.loads(one["function"]["arguments"]))
        for one in given.get("tool_calls") or ()
    ]
    content = given.get("content") or None
    if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
        content = content[0]["text"]  # which says as much as the text alone
    plain = {"role": given["role"], "content": content, "calls": calls}
    return plain | ({"tool_call_id": given["tool_call_id"]} if given.get("tool_call_id") else {})


def _tool(given: Mapping[str, Json]) -> Json:
    function = given.get("function", given)
    return {name: function.get(name) for name in ("name", "description", "parameters")}
