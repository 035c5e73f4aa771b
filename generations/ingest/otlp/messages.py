"""Messages of each dialect in the one shape that is stored: OpenAI's, with reasoning as a field of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import orjson

from generations.ingest.otlp import items
from generations.ingest.otlp import parts as kinds
from generations.reading import compact
from generations.records import Json

_OF_NET: Final = {"Stop": "stop", "Length": "length", "ToolCalls": "tool_calls", "ContentFilter": "content_filter"}
_SAME_REASON: Final = {
    "tool_call": "tool_calls",
    "tool-calls": "tool_calls",
    "tool_use": "tool_calls",
    "toolUse": "tool_calls",
    "endTurn": "end_turn",
    "function_calls": "tool_calls",
    "completed": "stop",
    "TOOL_CALLS": "tool_calls",
    **dict.fromkeys(("MAX_LEN", "MAX_CONTEXT"), "length"),  # xAI's
    **_OF_NET,
}


_NAMED_OTHERWISE: Final = frozenset(
    {"model", "unknown", "tool-call", "tool-response", "reasoning_summary", *kinds.CAPITALS}
)
_JSON_BEGINS: Final = frozenset('[{"-0123456789tfn')
_MANY_BEGIN: Final = frozenset("-0123456789tfn")
_ALONE: Final = re.compile(r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)[ \t\n\r]*")
"""JSON that is no object, list or text."""


def loaded(value: Json) -> Json:
    """The JSON in a text, or the value as it is."""
    if type(value) is str and (begin := value[:1]) in _JSON_BEGINS:
        # To say where a text is no JSON, orjson goes through all of it: 5 us for a word, 28 for 2,000 characters.
        if begin in _MANY_BEGIN and _ALONE.fullmatch(value) is None:
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def said(value: Json) -> Json:
    """What was said: the JSON in a text, which may be a number alone."""
    return found if isinstance(found := loaded(value), str | list | dict) else value


def finish_reason(value: Json) -> str | None:
    """The first reason of a text, a list or a list in JSON, with the spellings of a call of tools made one."""
    return _reason_before(value) if type(value) is str and len(value) <= _LONGEST_REASON else _reason(value)


_LONGEST_REASON: Final = 100
_REASONS: Final = re.compile(r"\w+(, \w+)+")
_NO_REASONS: Final = frozenset({"", "unknown", "finish_reason_unspecified", "invalid", "in_progress"})
"""What Vercel's SDK, Gemini, xAI and, before an answer ends, OpenAI say for no reason: none, however it is sent."""


def _reason(value: Json) -> str | None:
    value = loaded(value)
    if isinstance(value, list):
        value = next((one for one in value if one != "in_progress"), None)  # as Sentry has it, of streams
    if isinstance(value, str) and value.startswith("FinishReason."):
        value = value[13:].partition(",")[0].lower()  # as Python shows what Semantic Kernel has, of each answer
    if isinstance(value, str) and ", " in value and _REASONS.fullmatch(value):
        value = value.partition(", ")[0]  # as LangSmith's in JavaScript joins those of several answers
    if not isinstance(value, str):
        return None
    value = value.removeprefix("REASON_")  # xAI's
    # Gemini and Cohere shout theirs.
    reason = _SAME_REASON.get(value, value.lower() if value.isupper() else value)
    return None if reason in _NO_REASONS else reason


_reason_before: Final = lru_cache(maxsize=128)(_reason)


def conversation(value: Json) -> list[Json]:
    """A list of messages out of a list, a single message or a text; results of tools become messages of their own."""
    value = said(value)
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value else []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return []
    if len(value) == 1 and isinstance(value[0], list):  # LangChain's calls take several conversations
        value = value[0]
    found: list[Json] = []
    was_item = False
    for one in value:
        made = _known(one) if type(one) is dict else None
        is_item = False
        if made is None:
            made = message(_asked(one))
            is_item = items.is_item(one)
        found += _continued(found, made) if is_item or was_item else made
        was_item = is_item
    return found


def _continued(found: list[Json], made: list[Json]) -> list[Json]:
    """These messages, of which the first may belong to the last answer that was found, and is put into it then."""
    if found and made and found[-1]["role"] == made[0]["role"] == "assistant":
        return [joined([found.pop(), made[0]]), *made[1:]]
    return made


def _asked(one: Json) -> Json:
    """What says nothing but its content, as what was asked: Laminar's texts to embed, and Gemini's first messages."""
    return {"role": "user", **one} if isinstance(one, dict) and one.keys() in ({"content"}, {"parts"}) else one


def system(value: Json) -> list[Json]:
    """Instructions as a message of the system: parts, JSON of parts, or a text."""
    value = loaded(value)
    if isinstance(value, str):
        return [{"role": "system", "content": value}] if value else []
    parts = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return message({"role": "system", "parts": parts}) if parts else []


def message(given: Json) -> list[Json]:
    """One message of any dialect, as one or, where it holds results of several tools, more."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, dict):
        return []
    if len(given) == 1 and isinstance(inner := given.get("message"), dict):
        given = inner  # OpenInference
    if (known := _known(given)) is not None:
        return known
    inner = given.get("message")
    if isinstance(inner, dict) and "role" not in given and "content" not in given:
        given = {**given, **inner}  # old choice events
    if items.is_item(given):
        item = items.message(given)
        if item is None:
            return []
        given = item
    given = kinds.message(given)
    if _OF_MESSAGES.isdisjoint(given) and kinds.is_part(given):
        given = {"parts": [given]}  # all of an answer, as Rig has it
    parts = given.get("parts", given.get("contents"))
    content = loaded(given.get("content")) if isinstance(given.get("content"), str) else given.get("content")
    if not isinstance(parts, list):
        # A text may be JSON that somebody said; only a list of typed parts is taken for parts.
        is_part = kinds.is_typed if isinstance(given.get("content"), str) else kinds.is_part
        if isinstance(content, list) and content and all(map(is_part, content)):
            parts = content
        elif isinstance(given.get("content"), str):
            content = given["content"]
    role = str(given.get("role") or "assistant")
    if role == "user" and given.get("tool_call_id"):
        role = "tool"  # as Anthropic's interface has it, and OpenInference with it
    if role == "tool" and isinstance(parts, list) and (inner := _about_a_part(parts)):
        given = {**inner, **given}
    made: dict[str, Json] = {"role": role}
    for name in ("name", "tool_call_id", "reasoning", "refusal", "audio", "annotations", "function_call"):
        if given.get(name) not in (None, "", [], {}):
            made[name] = given[name]
    if "reasoning" not in made and (thought := next((text for name in _THOUGHTS if (text := given.get(name))), None)):
        made["reasoning"] = thought
    calls = [call(one) for one in listed(loaded(given.get("tool_calls", given.get("toolCalls"))))]
    results: list[Json] = []
    if isinstance(parts, list):
        told, results = _told_by(parts, calls)
        made |= told
    else:
        made["content"] = content
    if calls:
        made["tool_calls"] = calls
    if results and not calls and (made.get("content") is None or _is_said_twice(role, made["content"], results)):
        return results
    return [made, *results]


def _about_a_part(parts: list[Json]) -> Mapping[str, Json]:
    """What stands beside the only part of a message: the id of a tool's call, in OpenInference's of BeeAI."""
    (one,) = parts if len(parts) == 1 else (None,)
    inner = one.get("message") if isinstance(one, dict) and "message_content" in one else None
    return {"tool_call_id": inner.get("tool_call_id")} if isinstance(inner, dict) else {}


def _told_by(parts: list[Json], calls: list[Json]) -> tuple[dict[str, Json], list[Json]]:
    """What the parts of a message show and what was thought, and the results of tools among them; calls of tools are
    added to those there are."""
    shown: list[Json] = []
    reasoning: list[str] = []
    results: list[Json] = []
    for part in parts:
        if isinstance(part, dict) and isinstance(inner := part.get("message_content"), dict):
            # OpenInference has the call of a part of Anthropic's beside what it says of the part.
            part = {**inner, "tool_call": part["tool_call"]} if "tool_call" in part else inner
        part = kinds.typed(part)
        kind = part.get("type") if isinstance(part, dict) else None
        # The last as Strands has it in JavaScript.
        if kind in ("tool_call", "tool-call", "tool_use", "toolUse"):
            one = call(part)
            if one["id"] is None or one["id"] not in [c["id"] for c in calls]:
                calls.append(one)
        elif kind == "function_call":  # LangChain's, of OpenAI's newer interface, beside the calls
            item = items.message(part) or {}
            calls += [one for one in map(call, item["tool_calls"]) if one["id"] not in [c["id"] for c in calls]]
        elif kind in ("tool_call_response", "tool-result", "tool_result", "toolresult"):  # the last is Rig's
            results.append(_result(part))
        elif kind in ("reasoning", "thinking"):
            reasoning.append(items.thought(part))
        elif kind != "input_json_delta" or not calls:  # pieces of a call, which LangChain in JavaScript has beside
            shown.append(content_part(part))
    texts = [p["text"] for p in shown if isinstance(p, dict) and set(p) == {"type", "text"} and p["type"] == "text"]
    told: dict[str, Json] = {"content": (texts[0] if len(shown) == len(texts) == 1 else shown) if shown else None}
    if any(reasoning):
        told["reasoning"] = "\n".join(filter(None, reasoning))
    return told, results


def _known(given: dict[str, Json]) -> list[Json] | None:
    """A message of nothing but a role and a text, or of parts that the conventions have; None for any other, which
    takes longer."""
    number = len(given)
    if "role" not in given or number > 3 or (number == 3 and "finish_reason" not in given):
        return None
    role = given["role"]
    is_agreed = role in _AGREED
    if not is_agreed and (number > 2 or type(role) is not str or not role or role in _NAMED_OTHERWISE):
        return None
    if "parts" in given:
        try:
            return _of_parts(role, given["parts"], is_agreed)
        except (KeyError, TypeError):  # other parts than these
            return None
    text = given.get("content") if number == 2 else None
    return [{"role": role, "content": text}] if type(text) is str and text[:1] != "[" else None  # perhaps of parts


_AGREED: Final = ("user", "assistant", "tool", "system")


def _of_parts(role: str, parts: Json, is_agreed: bool) -> list[Json] | None:
    """One text at most, calls of tools and their results. Raises KeyError and TypeError for parts of other kinds."""
    if type(parts) is not list or not parts:
        return None
    part = parts[0]
    if len(parts) == 1 and part["type"] == "text" and len(part) == 2:
        text = part["content"] if "content" in part else part["text"]
        return [{"role": role, "content": text}] if type(text) is str else None
    if not is_agreed:
        return None
    text, calls, results = None, [], []
    for part in parts:
        kind, number = part["type"], len(part)
        if kind == "text" and number == 2 and text is None and type(said := part["content"]) is str:
            text = said
        elif kind == "tool_call" and number == 4 and type(part["id"]) is str:
            calls.append(_called(part["id"], part["name"], part["arguments"]))
        elif kind == "tool_call_response" and number == 3:
            results.append(_answered(part["id"], part["response"]))
        else:
            return None
    if not calls:
        is_said = text is None or _is_said_twice(role, text, results)
        return results if is_said else [{"role": role, "content": text}, *results]
    if len(calls) > 1 and len({one["id"] for one in calls}) < len(calls):
        return None
    return [{"role": role, "content": text, "tool_calls": calls}, *results]


def _is_said_twice(role: str, text: Json, results: list[dict[str, Json]]) -> bool:
    """Whether a text is that of a tool's result beside it: OpenTelemetry's own says both of OpenAI's agents."""
    return role == "tool" and any(one["content"] == text for one in results)


_OF_MESSAGES: Final = frozenset({"role", "content", "parts", "contents", "tool_calls", "toolCalls"})
_THOUGHTS: Final = ("reasoning_content", "reasoning_summary")
"""What others call the reasoning of a message: DeepSeek's and what speaks as it does, and LiteLLM."""


def call(given: Json) -> dict[str, Json]:
    """A call of a tool, with its arguments as text."""
    given = loaded(given)
    if not isinstance(given, dict):
        return {"id": None, "type": "function", "function": {"name": None, "arguments": str(given)}}
    if isinstance(given.get("tool_call"), dict):
        given = given["tool_call"]
    function = given.get("function") if isinstance(given.get("function"), dict) else given
    arguments = next((function[n] for n in ("arguments", "input", "args") if function.get(n) is not None), None)
    id = next((given[n] for n in ("id", "toolCallId", "toolUseId") if n in given), None)
    return _called(id, function.get("name", function.get("toolName")), arguments)


def _called(id: Json, name: Json, arguments: Json) -> dict[str, Json]:
    text = arguments if isinstance(arguments, str) else compact(arguments or {})
    return {"id": id or None, "type": "function", "function": {"name": name, "arguments": text}}


def _result(part: Mapping[str, Json]) -> dict[str, Json]:
    names = ("response", "result", "output", "content")
    value = next((part[n] for n in names if part.get(n) is not None), None)
    return _answered(part.get("id", part.get("toolCallId", part.get("tool_use_id"))), value)


def _answered(id: Json, value: Json) -> dict[str, Json]:
    if isinstance(value, dict) and value.keys() == {"type", "value"}:  # as Vercel's SDK wraps it
        value = value["value"]
    if isinstance(value, list):
        value = kinds.said(value)
    return {"role": "tool", "tool_call_id": id or None, "content": value if isinstance(value, str) else compact(value)}


def content_part(part: Json) -> Json:
    """A part of a content: texts and images as OpenAI has them, whatever else as it is."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text") and not part.get("annotations"):
        return {"type": "text", "text": part.get("text", part.get("content"))}
    image = part.get("image")
    if isinstance(image, dict):  # OpenInference: image.image.url
        image = image.get("image", image)
        return {"type": "image_url", "image_url": {"url": image.get("url") if isinstance(image, dict) else image}}
    modality, mime = part.get("modality"), part.get("mime_type")
    if kind == "binary" and mime is None:  # Pydantic AI's in its older formats
        kind, mime = "blob", part.get("media_type")
        modality, part = str(mime).partition("/")[0], {**part, "type": kind, "mime_type": mime}
    if kind == "blob" and modality == "audio":
        form = str(mime or "audio/wav").rpartition("/")[2]
        return {"type": "input_audio", "input_audio": {"data": part.get("content"), "format": form}}
    if kind in ("blob", "uri") and modality == "image":
        return kinds.picture(part.get("uri" if kind == "uri" else "content"), mime)
    if kind == "file" and part.get("file_id"):
        return {"type": "file", "file": {"file_id": part["file_id"]}}
    return dict(part)


def joined(answers: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Successive items of one answer (reasoning, text, calls of tools) as one message."""
    whole: dict[str, Json] = {"role": "assistant", "content": None}
    for one in answers:
        for name, value in one.items():
            if name == "role" or value in (None, "", []):
                continue
            there = whole.get(name)
            if there is None:
                whole[name] = value
            elif name == "content":
                whole[name] = [*_parts(there), *_parts(value)]
            elif isinstance(there, list) and isinstance(value, list):
                whole[name] = [*there, *value]
            elif name == "reasoning":
                whole[name] = f"{there}\n{value}"
    return whole


def _parts(content: Json) -> list[Json]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def listed(value: Json) -> list[Json]:
    """A list, or the values of an object whose names are places, in their order."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value and all(kinds.is_place(k) for k in value):
        return [value[k] for k in sorted(value, key=int)]
    return []
