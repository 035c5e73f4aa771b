"""A streamed answer put together: the chunks or events as they came, as the one response they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from generations.records import InvalidRecord, Json

_TEXTS: Final = ("content", "refusal", "reasoning_content", "reasoning")
"""Parts of a message that come in pieces of text."""


def response(chunks: Sequence[Json]) -> dict[str, Json]:
    """The response that a stream's chunks amount to: OpenAI chat, completions and responses, Anthropic messages.

    Raises InvalidRecord for chunks of another kind.
    """
    events = [c for c in chunks if isinstance(c, Mapping)]
    if len(events) != len(chunks) or not events:
        raise InvalidRecord("response", chunks, "an object, or the list of a stream's chunks")
    if any(e.get("type") == "message_start" for e in events):
        return _anthropic(events)
    if any(isinstance(e.get("choices"), list) for e in events):
        return _openai(events)
    last = next((e for e in reversed(events) if isinstance(e.get("response"), Mapping)), None)
    if last is not None:
        return dict(last["response"])
    raise InvalidRecord("response", events[0], "chunks of an OpenAI or Anthropic stream")


def _openai(chunks: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    whole: dict[str, Json] = {}
    choices: dict[int, dict[str, Json]] = {}
    is_chat = True
    for chunk in chunks:
        for name, value in chunk.items():
            if name not in ("choices", "object") and value is not None:
                whole[name] = value
        pieces = chunk.get("choices")
        for piece in pieces if isinstance(pieces, list) else ():
            if not isinstance(piece, Mapping):
                raise InvalidRecord("response.choices", piece, "an object")
            index = piece["index"] if isinstance(piece.get("index"), int) else 0
            choice = choices.setdefault(index, {"index": index})
            if piece.get("finish_reason") is not None:
                choice["finish_reason"] = piece["finish_reason"]
            _add_logprobs(choice, piece.get("logprobs"))
            delta = piece.get("delta")
            if isinstance(delta, Mapping):
                _add_delta(choice.setdefault("message", {"role": "assistant"}), delta)
            elif isinstance(piece.get("text"), str):
                is_chat = False
                choice["text"] = choice.get("text", "") + piece["text"]
    whole["object"] = "chat.completion" if is_chat else "text_completion"
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


def _add_delta(message: dict[str, Json], delta: Mapping[str, Json]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            _add_tool_calls(message.setdefault("tool_calls", []), value if isinstance(value, list) else [])
        elif name in _TEXTS:
            message[name] = f"{message.get(name) or ''}{value}" if isinstance(value, str) else message.get(name)
        elif value is not None:
            message[name] = value
    message.setdefault("content", None)


def _add_tool_calls(calls: list[dict[str, Json]], pieces: Sequence[Json]) -> None:
    for piece in pieces:
        if not isinstance(piece, Mapping):
            raise InvalidRecord("response.choices.delta.tool_calls", piece, "an object")
        index = piece["index"] if isinstance(piece.get("index"), int) else max(len(calls) - 1, 0)
        if not 0 <= index <= len(calls):
            raise InvalidRecord("response.choices.delta.tool_calls.index", index, "the calls one after another")
        if index == len(calls):
            calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
        call, function = calls[index], piece.get("function")
        if piece.get("id"):
            call["id"] = piece["id"]
        if isinstance(function, Mapping):
            call["function"]["name"] += str(function.get("name") or "")
            call["function"]["arguments"] += str(function.get("arguments") or "")


def _add_logprobs(choice: dict[str, Json], logprobs: Json) -> None:
    if not isinstance(logprobs, Mapping):
        return
    known = choice.setdefault("logprobs", {})
    for name, value in logprobs.items():
        known[name] = known[name] + value if isinstance(value, list) and isinstance(known.get(name), list) else value


def _anthropic(events: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    message: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
    arguments: dict[int, str] = {}
    blocks: dict[int, dict[str, Json]] = {}
    for event in events:
        index = event["index"] if isinstance(event.get("index"), int) else 0
        delta = event["delta"] if isinstance(event.get("delta"), Mapping) else {}
        match event.get("type"):
            case "message_start" if isinstance(event.get("message"), Mapping):
                message |= {k: v for k, v in event["message"].items() if k != "content"}
            case "content_block_start" if isinstance(event.get("content_block"), Mapping):
                blocks[index] = dict(event["content_block"])
            case "content_block_delta":
                block = blocks.setdefault(index, {"type": "text"})
                for name in ("text", "thinking", "signature"):
                    if isinstance(delta.get(name), str):
                        block[name] = f"{block.get(name) or ''}{delta[name]}"
                if isinstance(delta.get("partial_json"), str):
                    arguments[index] = arguments.get(index, "") + delta["partial_json"]
            case "message_delta":
                message |= {k: v for k, v in delta.items() if v is not None}
                if isinstance(event.get("usage"), Mapping):
                    known = message["usage"] if isinstance(message.get("usage"), Mapping) else {}
                    message["usage"] = {**known, **event["usage"]}
            case "error":
                message = {"type": "error", "error": event.get("error")}
    for index, text in arguments.items():
        try:
            blocks.setdefault(index, {"type": "tool_use"})["input"] = orjson.loads(text or "{}")
        except orjson.JSONDecodeError:
            blocks[index]["input"] = text  # cut off by the length limit: what came is kept as text
    if "content" in message:
        message["content"] = [blocks[index] for index in sorted(blocks)]
    return message
