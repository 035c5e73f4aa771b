"""What a person would read of a call: the text of contents, messages and tool calls in every provider's shape."""

from __future__ import annotations

import json
from typing import Final

import orjson

from generations.records import PREVIEW, GenerationRecord, Json


def text_of(content: Json) -> str:
    """The text a person would read in a message's content: a string, a list of parts, or an object."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for text in map(text_of, content) if text)
    if isinstance(content, dict):
        for key in ("text", "content", "output_text", "input_text", "refusal", "parts"):
            if key in content and isinstance(content[key], (str, list)):
                return text_of(content[key])
        kind = content.get("type")
        if isinstance(kind, str) and kind not in ("text", "object"):
            return f"[{kind}]"
        return compact(content)
    return str(content)


def compact(value: Json) -> str:
    """`value` as short JSON text, without white space."""
    try:
        return orjson.dumps(value, default=str).decode("utf-8", "replace")
    except TypeError:  # an integer beyond 64 bits, a lone surrogate, or nesting beyond what orjson takes
        return json.dumps(value, ensure_ascii=True, default=str)


def tool_calls_of(message: Json) -> list[tuple[str, str]]:
    """(name, arguments as text) of each tool call in an assistant's message, whatever the provider's shape."""
    if not isinstance(message, dict):
        return []
    found: list[tuple[str, str]] = []
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            function = call.get("function") if isinstance(call.get("function"), dict) else call
            assert isinstance(function, dict)
            arguments = function.get("arguments", function.get("args", ""))
            found.append(
                (str(function.get("name") or ""), arguments if isinstance(arguments, str) else compact(arguments))
            )
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        found.append((str(legacy.get("name") or ""), str(legacy.get("arguments") or "")))
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") in ("tool_use", "tool_call"):
            arguments = part.get("input", part.get("arguments", ""))
            found.append((str(part.get("name") or ""), arguments if isinstance(arguments, str) else compact(arguments)))
    return found


def message_text(message: Json) -> str:
    """What a person would read in a message: its text, else its tool calls as `name(arguments)`."""
    if not isinstance(message, dict):
        return text_of(message)
    content = message.get("content", message.get("parts"))
    if isinstance(content, str) and len(message) == 2 and "role" in message:
        return content  # nothing but a role beside it
    if isinstance(content, list):
        content = [p for p in content if not (isinstance(p, dict) and p.get("type") in ("tool_use", "tool_call"))]
    text = text_of(content)
    calls = " ".join(f"{name}({arguments})" for name, arguments in tool_calls_of(message))
    return f"{text}\n{calls}" if text and calls else text or calls


def input_text(record: GenerationRecord) -> str:
    """What was asked: the last message that is not the assistant's, the prompt, or the input as text."""
    if record.messages:
        others = (m for m in reversed(record.messages) if isinstance(m, dict) and m.get("role") not in _NOT_ASKING)
        return message_text(next(others, record.messages[-1]))
    return record.prompt if record.prompt is not None else text_of(record.input)


def output_text(record: GenerationRecord) -> str:
    """What was answered, as text."""
    if record.message_completion is not None:
        return message_text(record.message_completion)
    return record.completion if record.completion is not None else text_of(record.output)


_NOT_ASKING: Final = ("assistant", "system")


def error_text(error: str | None, detail: str | None) -> str | None:
    """What failed, as a person reads it: the message, then its detail, which may begin with it or be a mere trace."""
    if not error or not detail or detail.startswith(error):
        return detail or error
    return f"{error}\n\n{detail}"


def preview(text: str) -> str | None:
    """The first characters of `text` on one line, or None when there are none."""
    if not text:
        return None
    head = text[:PREVIEW]
    if head.isprintable() and "  " not in head and head.strip() == head != "":
        return head
    # Words part with a blank each, so that what is read further on only goes on with what was read so far.
    short = " ".join(text[: PREVIEW + PREVIEW // 4].split())
    if len(short) < PREVIEW < len(text):
        short = " ".join(text[: PREVIEW * 4].split())
    return short[:PREVIEW] or None


def seen(text: str) -> str:
    """The text with marks in the place of what a terminal obeys, and of what turns the order of text around."""
    return text if text.isprintable() else text.translate(_UNSEEN)


_UNSEEN: Final = {
    code: f"\u27e8U+{code:04X}\u27e9"
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\t\n\r\f"
}
"""Characters that are shown by their numbers: those of control, and those that embed, override and isolate."""
