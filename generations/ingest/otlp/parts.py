"""Parts and messages that name their kind in ways of their own, as the ones that the conventions have.

Bedrock's (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html), Gemini's
(https://ai.google.dev/api/caching#Part), Genkit's (https://genkit.dev) and Haystack's parts
(https://docs.haystack.deepset.ai) say what they are by the one member that they have; LangChain's messages
(https://python.langchain.com/api_reference/core/messages.html) by their class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from generations.records import Json

_CALLS: Final = ("toolUse", "functionCall", "function_call", "toolRequest", "tool_call")
_RESULTS: Final = ("toolResult", "functionResponse", "function_response", "toolResponse", "tool_call_result")
_DATA: Final = ("inlineData", "inline_data", "fileData", "file_data", "media")
_BLOCKS: Final = ("image", "document", "video", "audio")
_OTHERS: Final = ("text", "reasoningContent", "reasoning", "cachePoint", "json", "function")
_KINDS: Final = frozenset({*_CALLS, *_RESULTS, *_DATA, *_BLOCKS, *_OTHERS})
_ROLES: Final[Mapping[str, str]] = {
    "model": "assistant",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "systemmessage": "system",
    "toolmessage": "tool",
    "tool-call": "assistant",  # smolagents', whose model is told so
    "tool-response": "user",
    "unknown": "assistant",  # as OpenLLMetry calls the chunks of LangChain's answers
}

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://|data:|attachment:|@@@langfuseMedia:")
"""What tells where an image is begins so, or what is one as a whole; the last is Langfuse's, who has it cut out."""
CAPITALS: Final = ("System", "User", "Assistant", "Tool")
"""Roles as Semantic Kernel writes them in .NET."""


def is_place(name: str) -> bool:
    """Whether a name says which one of a list something is: no list is so long that it takes more digits."""
    return name.isascii() and name.isdigit() and len(name) < 10


def is_typed(value: Json) -> bool:
    """Whether a value is a part that names its type."""
    return isinstance(value, dict) and "type" in value


def is_part(value: Json) -> bool:
    """Whether a value is a part of a message: it names its type, or is one by the member that it has."""
    return isinstance(value, dict) and ("type" in value or not _KINDS.isdisjoint(value) or _is_object(value))


def _is_object(part: Mapping[str, Json]) -> bool:
    """Whether a part is an answer by a schema, as Genkit has it."""
    return part.keys() == {"data"} and isinstance(part["data"], dict)


def typed(part: Json) -> Json:
    """A part with its type; those that have one, and what is not known, as they are."""
    if isinstance(part, dict) and part.get("type") == "function" and _is_called(part):
        return {**part, "type": "tool_call"}  # Langtrace's; the definition of a tool has the same type
    if isinstance(part, dict) and part.get("type") in ("file", "image"):
        return _pictured(part) or part
    if isinstance(part, dict) and _is_object(part):
        try:
            return {"type": "text", "text": orjson.dumps(part["data"]).decode()}
        except orjson.JSONEncodeError:  # nested too deep: refused where it is stored, and it alone
            return part
    if not isinstance(part, dict) or "type" in part or _KINDS.isdisjoint(part):
        return _thought(part) if isinstance(part, dict) and part.get("type") == "text" else part
    if isinstance(text := part.get("text"), str):
        return {"type": "thinking" if part.get("thought") is True else "text", "text": text}
    for name in _CALLS:
        if isinstance(inner := part.get(name), dict):
            arguments = next((inner[n] for n in ("input", "args", "arguments") if n in inner), None)
            called = inner.get("name", inner.get("tool_name"))
            return {"type": "tool_call", "id": _id(inner), "name": called, "arguments": arguments}
    if isinstance(inner := part.get("function"), dict):  # Rig's: https://docs.rs/rig-core, completion/message.rs
        return {"type": "tool_call", "id": part.get("id"), **inner}
    for name in _RESULTS:
        if isinstance(inner := part.get(name), dict):
            names = ("response", "output", "content", "result")
            given = next((inner[n] for n in names if inner.get(n) is not None), None)
            return {"type": "tool_call_response", "id": _id(inner) or inner.get("name"), "response": said(given)}
    for name in ("reasoningContent", "reasoning"):
        if (thought := part.get(name)) is not None:
            inner = thought.get("reasoningText", thought) if isinstance(thought, dict) else thought
            text = inner.get("text", inner.get("reasoning_text")) if isinstance(inner, dict) else inner
            return {"type": "reasoning", "content": text}
    return _file(part) or part


def _is_called(part: Mapping[str, Json]) -> bool:
    inner = part.get("function")
    return "arguments" in (inner if isinstance(inner, dict) else part)


def message(given: Mapping[str, Json]) -> dict[str, Json]:
    """A message with the role that the conventions name it by, and without LangChain's wrapping."""
    whole = dict(given)
    if isinstance(inner := given.get("kwargs"), dict) and isinstance(path := given.get("id"), list) and path:
        whole = {"type": str(path[-1]), **inner}
        whole.pop("id", None)  # of the message, not of a call
    role = whole.get("role") or whole.get("type")
    if isinstance(role, str) and (known := _ROLES.get(role.lower())):
        whole["role"] = known
    elif role in CAPITALS and "role" in whole:
        whole["role"] = role.lower()
    elif "role" not in whole and "content" in whole and role in ("system", "tool", "user", "assistant"):
        whole["role"] = role
    if "role" in given and "content" not in whole and isinstance(text := whole.get("text"), str):
        whole["content"] = text  # Dify's, with files beside
    if whole.get("role") == "reasoning_summary":  # LiteLLM's, of an answer by OpenAI's newer interface
        whole |= {"role": "assistant", "content": None, "reasoning": whole.get("content")}
    if isinstance(said := whole.get("function"), list):  # results of tools, as OpenInference has AutoGen's
        results = [one for text in said if isinstance(one := _loaded(text), dict)]
        whole["parts"] = [
            {"type": "tool_call_response", "id": one.get("call_id"), "response": one.get("content")} for one in results
        ]
    return whole


def _loaded(text: Json) -> Json:
    try:
        return orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError:
        return text


def _thought(part: dict[str, Json]) -> Json:
    """A text that is the JSON of Bedrock's reasoning, as OpenLLMetry has it, as that reasoning."""
    text = part.get("content")
    if isinstance(text, str) and text.startswith('{"reasoningContent"'):
        return typed(inner) if isinstance(inner := _loaded(text), dict) else part
    return part


def _id(inner: Mapping[str, Json]) -> Json:
    if isinstance(origin := inner.get("origin"), dict):  # of Haystack's results
        return origin.get("id")
    return next((inner[n] for n in ("toolUseId", "id", "ref") if inner.get(n) is not None), None)


def said(given: Json) -> Json:
    """What a tool said: the text or the JSON in Bedrock's blocks, where there is one."""
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict) and len(given[0]) == 1:
        return next((given[0][n] for n in ("text", "json") if n in given[0]), given)
    if isinstance(given, dict) and set(given) == {"result"}:  # as Gemini wraps it
        return given["result"]
    return given


def _pictured(part: Mapping[str, Json]) -> dict[str, Json] | None:
    """An image or a sound of Vercel's, or an image of Anthropic's, as the conventions have it; None for anything else.

    https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message, https://docs.claude.com/en/api/messages
    """
    source = part.get("source")
    held = source if isinstance(source, dict) else part
    mime = held.get("mediaType", held.get("media_type"))
    data = next((text for n in ("data", "url", "image") if isinstance(text := held.get(n), str)), None)
    modality = str(mime or part["type"]).partition("/")[0]
    if data is None or modality not in ("image", "audio"):
        return None
    if _ADDRESS.match(data):
        return {"type": "uri", "modality": modality, "mime_type": mime, "uri": data} if modality == "image" else None
    return {"type": "blob", "modality": modality, "mime_type": mime, "content": data} if mime else None


def picture(said: Json, mime: Json) -> dict[str, Json]:
    """An image as OpenAI has it, by where it is or by its data."""
    is_data = isinstance(said, str) and _ADDRESS.match(said) is None
    url = f"data:{mime or 'image/png'};base64,{said}" if is_data else said
    return {"type": "image_url", "image_url": {"url": url}}


def _file(part: Mapping[str, Json]) -> dict[str, Json] | None:
    for name in (*_DATA, *_BLOCKS):
        inner: Any = part.get(name)
        if not isinstance(inner, dict):
            continue
        mime = next((inner[n] for n in ("mimeType", "mime_type", "contentType") if inner.get(n)), None)
        if mime is None and name in _BLOCKS and isinstance(inner.get("format"), str):
            mime = f"{'application' if name == 'document' else name}/{inner['format']}"
        source: Any = inner.get("source")
        data = inner.get("data", source.get("bytes") if isinstance(source, dict) else None)
        address = next((inner[n] for n in ("fileUri", "file_uri", "url") if inner.get(n)), None)
        modality = "image" if name == "media" and mime is None else str(mime or name).partition("/")[0]
        about = {"modality": modality, "mime_type": mime}
        if isinstance(data, str):
            return {"type": "blob", **about, "content": data}
        if isinstance(address, str):
            return {"type": "uri", **about, "uri": address}
    return None


def tool(given: Mapping[str, Json]) -> list[Json]:
    """The definitions in one of Bedrock's, Haystack's or Gemini's, or the one that is given."""
    for name in ("toolSpec", "data"):
        if isinstance(inner := given.get(name), dict) and "name" in inner:
            return [inner]
    for name in ("functionDeclarations", "function_declarations"):
        if isinstance(listed := given.get(name), list):
            return listed
    return [dict(given)]


def schema(given: Json) -> Json:
    """A schema without Bedrock's wrapping."""
    return given["json"] if isinstance(given, dict) and set(given) == {"json"} else given
