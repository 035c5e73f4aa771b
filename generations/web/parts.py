"""The parts of a message, in every provider's shape: text, reasoning, calls of tools and their results, files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.ingest import media
from generations.records import Json
from generations.web import markup
from generations.web.markup import Shown

PARTS: Final = 40
"""The most parts of one message that are shown."""
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
SOUNDS: Final = frozenset({"audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "audio/mp4"})
# https://docs.claude.com/en/docs/build-with-claude/extended-thinking: `data` of redacted thinking is encrypted, and
# `signature` stands alone where thinking is left out; encrypted_content is that of OpenAI's Responses.
_SEALED: Final = ("data", "encrypted_content", "signature")


@dataclass(slots=True)
class Block:
    """A piece of a message. `kind` is text, markdown, json, call, result, reasoning, hidden, picture, sound, link or
    note; what is hidden is reasoning that its provider encrypted.

    `place` is the pointer to what it shows; `shown` its HTML, or None when it is to be asked for; `size` is in bytes.
    """

    kind: str
    place: str
    size: int = 0
    shown: Shown | None = None
    label: str = ""
    address: str = ""
    call_id: str = ""
    answered_by: str = ""


def blocks(said: Json, place: str) -> Iterator[Block]:
    """The parts of a message, in the order in which they are to be read."""
    if not isinstance(said, Mapping):
        yield Block("text" if isinstance(said, str) else "json", place)
        return
    for key in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(said.get(key), str) and said[key]:
            yield Block("reasoning", place + markup.pointer(key), label="Reasoning")
    kind = said.get("type")
    if kind in ("function_call", "function_call_output", "reasoning"):
        yield _part(said, place)
        return
    key = "content" if "content" in said or "parts" not in said else "parts"
    content = said.get(key)
    spot = place + markup.pointer(key)
    answers = str(said.get("tool_call_id") or "")
    if isinstance(content, list):
        for index, part in enumerate(content[:PARTS]):
            block = _part(part, spot + markup.pointer(index))
            block.call_id = block.call_id or answers
            yield block
        if len(content) > PARTS:
            yield Block("note", spot, label=f"{len(content) - PARTS:,} more parts: see the JSON")
    elif content is not None and content != "":
        kind = "result" if answers else "text"
        yield Block(kind if isinstance(content, str) or answers else "json", spot, call_id=answers)
    yield from _beside(said, place)


def _beside(said: Mapping[str, Json], place: str) -> Iterator[Block]:
    """What stands beside a message's content: a refusal, a sound, calls of tools."""
    if isinstance(said.get("refusal"), str) and said["refusal"]:
        yield Block("text", place + markup.pointer("refusal"), label="Refusal")
    if isinstance(said.get("audio"), Mapping) and said["audio"].get("data"):
        yield Block("sound", place + "/audio/data", label="audio/wav")
        if isinstance(said["audio"].get("transcript"), str) and said["audio"]["transcript"]:
            yield Block("text", place + "/audio/transcript", label="Transcript")
    calls = said.get("tool_calls")
    for index, call in enumerate(calls[:PARTS] if isinstance(calls, list) else ()):
        yield _call(call, place + markup.pointer("tool_calls", index))
    if isinstance(said.get("function_call"), Mapping):
        yield _call(said["function_call"], place + "/function_call")


def _part(part: Json, place: str) -> Block:
    """One part of a message's content."""
    if isinstance(part, str):
        return Block("text", place)
    if not isinstance(part, Mapping):
        return Block("json", place)
    kind = str(part.get("type") or "")
    if kind in ("tool_use", "tool_call", "function_call") or isinstance(part.get("functionCall"), Mapping):
        nested = "functionCall" in part
        return _call(part["functionCall"] if nested else part, place + ("/functionCall" if nested else ""))
    for key in ("tool_use_id", "call_id"):
        if kind in ("tool_result", "function_call_output") and part.get(key):
            inner = "content" if "content" in part else "output"
            return Block("result", place + (f"/{inner}" if inner in part else ""), call_id=str(part[key]))
    if kind == "tool_call_response":
        inner = "result" if "result" in part else "response"
        return Block("result", place + (f"/{inner}" if inner in part else ""), call_id=str(part.get("id") or ""))
    if kind in ("thinking", "reasoning", "redacted_thinking"):
        return _reasoning(part, place)
    file = _file(part, place)
    if file is not None:
        return file
    for key in ("text", "content", "refusal", "input_text", "output_text"):
        if isinstance(part.get(key), str):
            return Block("text", place + markup.pointer(key), label="Refusal" if key == "refusal" else "")
    return Block("json", place, label=kind[:60])


def _reasoning(part: Mapping[str, Any], place: str) -> Block:
    """What the model thought; of what the provider keeps to itself, encrypted or signed, only that it did."""
    for key in ("thinking", "text", "content", "summary"):
        if part.get(key):
            return Block("reasoning", place + markup.pointer(key), label="Reasoning")
    hidden = next((part[key] for key in _SEALED if isinstance(part.get(key), str)), "")
    return Block("hidden", place, len(hidden), label="Reasoning that the provider does not show")


def _file(part: Mapping[str, Any], place: str) -> Block | None:
    """An image, a sound or a document, inline or at an address."""
    kind = str(part.get("type") or "")
    for key in ("image_url", "audio_url", "video_url"):
        held = part.get(key)
        address = held.get("url") if isinstance(held, Mapping) else held
        if isinstance(address, str):
            inside = place + markup.pointer(key) + ("/url" if isinstance(held, Mapping) else "")
            return _inline(address, inside) or Block("link", inside, label=key.split("_")[0], address=address[:2000])
    # OpenAI's completions hold a document in `file`, its responses in the part itself.
    for held, inside in ((part.get("file"), f"{place}/file"), (part, place)):
        if isinstance(held, Mapping) and isinstance(held.get("file_data"), str):
            return _inline(held["file_data"], f"{inside}/file_data", str(held.get("filename") or ""))
    for key in ("source", "inline_data", "inlineData", "input_audio"):
        held = part.get(key)
        if not isinstance(held, Mapping):
            continue
        if isinstance(held.get("url"), str):
            return Block("link", place + markup.pointer(key), label=kind or "file", address=held["url"][:2000])
        if isinstance(held.get("data"), str):
            if (kept := media.reference(held["data"])) is not None:
                return _binary(kept.mime, place + markup.pointer(key, "data"), kept.size)
            return _binary(mime_of(held), place + markup.pointer(key, "data"), len(held["data"]) * 3 // 4)
    return None


def _inline(address: str, place: str, name: str = "") -> Block | None:
    if (kept := media.reference(address)) is not None:
        return _binary(kept.mime, place, kept.size, name)
    if not address.startswith("data:"):
        return None
    mime = address[5:].split(",", 1)[0].split(";", 1)[0].lower()
    return _binary(mime, place, len(address) * 3 // 4, name)


def mime_of(held: Json) -> str:
    """The type of a file that is held as `{"data": base64, ...}`, in lower case; empty when it is not said."""
    if not isinstance(held, Mapping):
        return ""
    said = held.get("media_type") or held.get("mime_type") or held.get("mimeType")
    mime = str(said or f"audio/{held.get('format', 'wav')}").lower()
    return "audio/mpeg" if mime == "audio/mp3" else mime


def _binary(mime: str, place: str, size: int, name: str = "") -> Block:
    kind = "picture" if mime in PICTURES else "sound" if mime in SOUNDS else "file"
    label = mime[:80] if kind != "file" else f"{name[:80] or 'A file'} of type {mime[:80] or 'unknown'}"
    return Block(kind, place, size, label=label)


def _call(call: Json, place: str) -> Block:
    """A call of a tool; the place is that of its arguments."""
    if not isinstance(call, Mapping):
        return Block("json", place)
    inner = "/function" if isinstance(call.get("function"), Mapping) else ""
    function = call["function"] if inner else call
    name = str(function.get("name") or "tool")[:200]
    id = str(call.get("id") or call.get("call_id") or "")
    for key in ("arguments", "args", "input"):
        if key in function:
            return Block("call", place + inner + markup.pointer(key), label=name, call_id=id)
    return Block("call", place, label=name, call_id=id)
