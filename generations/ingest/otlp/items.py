"""What OpenAI's newer interface has in a conversation beside messages, as messages: calls, results and thoughts.

https://platform.openai.com/docs/api-reference/responses/create, `input` and `output`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.reading import compact
from generations.records import Json

_CALLS: Final = frozenset({"function_call", "custom_tool_call", "tool_call"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_ENDS: Final = ("_call", "_call_output")


def is_item(given: Json) -> bool:
    """Whether this is such an item, which names its type and no role."""
    if not isinstance(given, dict) or "role" in given:
        return False
    kind = given.get("type")
    return isinstance(kind, str) and (kind == "reasoning" or kind.endswith(_ENDS))


def message(item: Mapping[str, Json]) -> dict[str, Json] | None:
    """The message that an item is; None for thoughts that nobody may read. What is not known is kept as a part."""
    kind = item.get("type")
    if kind in _CALLS:
        arguments = item.get("arguments", item.get("input"))
        called = {"id": item.get("call_id", item.get("id")), "name": item.get("name"), "arguments": arguments}
        return {"role": "assistant", "content": None, "tool_calls": [called]}
    if kind in _RESULTS:
        output = item.get("output")
        content = output if isinstance(output, str | list) else compact(output)
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}
    if kind == "reasoning":
        return {"role": "assistant", "content": None, "reasoning": text} if (text := thought(item)) else None
    return {"role": "tool" if str(kind).endswith("_output") else "assistant", "content": [dict(item)]}


def thought(part: Mapping[str, Json]) -> str:
    """The text of a part that was thought: as it stands, or in the parts of a content or a summary."""
    for name in ("content", "text", "thinking", "summary"):
        said = part.get(name)
        if isinstance(said, str) and said:
            return said
        if isinstance(said, list) and (texts := [str(one["text"]) for one in said if _has_text(one)]):
            return "\n".join(texts)
    return ""


def _has_text(part: Json) -> bool:
    return isinstance(part, dict) and bool(part.get("text"))
