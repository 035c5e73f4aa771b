"""Google's and Amazon's interfaces to models, as much of them as the page's programs call.

What is on their wires is noted in the words of OpenAI's interface, in which everything is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

Json = Any
_GEMINI: Final = re.compile(r"/v1beta/models/([^/:]+):generateContent")
_BEDROCK: Final = re.compile(r"/model/([^/]+)/converse")


@dataclass(frozen=True)
class Said:
    """One answer: as it goes out, and what was asked and answered in the words of OpenAI's interface."""

    answer: dict[str, Any]
    request: dict[str, Any]
    response: dict[str, Any]


def said(path: str, asked: Mapping[str, Json], number: int) -> Said | None:
    """What one of these interfaces answers; None at the address of none."""
    if named := _GEMINI.fullmatch(path.partition("?")[0]):
        return _gemini(named[1], asked, number)
    if named := _BEDROCK.fullmatch(path):
        return _bedrock(unquote(named[1]), asked, number)
    return None


def _gemini(model: str, asked: Mapping[str, Json], number: int) -> Said:
    messages = [message for content in asked["contents"] for message in _of_gemini(content)]
    if system := asked.get("systemInstruction"):
        messages.insert(0, {"role": "system", "content": system["parts"][0]["text"]})
    settings = asked.get("generationConfig") or {}
    tools = [one for tool in asked.get("tools") or () for one in tool["functionDeclarations"]]
    if tools and messages[-1]["role"] != "tool":
        cities = enumerate(("Lima", "Cusco"))
        calls = [{"id": f"call_{number}_{n}", "name": "get_weather", "args": {"city": city}} for n, city in cities]
        content = {"role": "model", "parts": [{"functionCall": call} for call in calls]}
    else:
        content = {"role": "model", "parts": [{"text": f"The capital of Peru is Lima ({number})."}]}
    answer = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 50 + number,
            "cachedContentTokenCount": 8,
            "candidatesTokenCount": 16 + number,
            "thoughtsTokenCount": 4,
            "totalTokenCount": 70 + 2 * number,
        },
        "modelVersion": model,
        "responseId": f"gemini-{number}",
    }
    request = {
        "model": model,
        "messages": messages,
        "tools": [
            {
                "name": one["name"],
                "description": one["description"],
                "parameters": one.get("parametersJsonSchema") or one.get("parameters"),
            }
            for one in tools
        ],
        **_named(settings, temperature="temperature", top_p="topP", max_tokens="maxOutputTokens", stop="stopSequences"),
    }
    usage = {
        "prompt_tokens": 50 + number,
        "completion_tokens": 20 + number,
        "total_tokens": 70 + 2 * number,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    (message,) = _of_gemini(content)
    return Said(answer, request, _answered(f"gemini-{number}", model, message, "stop", usage))


def _of_gemini(content: Mapping[str, Json]) -> list[Json]:
    """A content's parts as messages: what tools answered is a message for each."""
    answered = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
    if answered:
        return [
            {"role": "tool", "content": json.dumps(one["response"], separators=(",", ":")), "tool_call_id": one["id"]}
            for one in answered
        ]
    texts = [part["text"] for part in content["parts"] if "text" in part]
    calls = [
        {"id": one["id"], "function": {"name": one["name"], "arguments": json.dumps(one["args"])}}
        for part in content["parts"]
        if (one := part.get("functionCall"))
    ]
    role = "assistant" if content.get("role") == "model" else "user"
    return [{"role": role, "content": "".join(texts) or None, **({"tool_calls": calls} if calls else {})}]


def _bedrock(model: str, asked: Mapping[str, Json], number: int) -> Said:
    said = [{"role": "system", "content": one["text"]} for one in asked.get("system") or ()]
    said += [{"role": one["role"], "content": one["content"][0]["text"]} for one in asked["messages"]]
    text = f"The capital of Peru is Lima ({number})."
    usage = {
        "inputTokens": 20 + number,
        "outputTokens": 15 + number,
        "totalTokens": 77 + 2 * number,
        "cacheReadInputTokens": 30,
        "cacheWriteInputTokens": 12,
    }
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": usage,
        "metrics": {"latencyMs": 10},
    }
    settings = asked.get("inferenceConfig") or {}
    named = _named(settings, temperature="temperature", top_p="topP", max_tokens="maxTokens", stop="stopSequences")
    beside = {
        "input_tokens": 20 + number,
        "output_tokens": 15 + number,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 12,
    }
    message = {"role": "assistant", "content": text}
    return Said(
        answer, {"model": model, "messages": said, **named}, _answered(None, model, message, "end_turn", beside)
    )


def _named(settings: Mapping[str, Json], **names: str) -> dict[str, Json]:
    return {ours: settings[theirs] for ours, theirs in names.items() if theirs in settings}


def _answered(id: str | None, model: str, message: Json, reason: str, usage: Json) -> dict[str, Json]:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"id": id, "model": model, "choices": [choice], "usage": usage}
