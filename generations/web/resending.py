"""A stored call as the request that makes it again, and as a program to paste: for curl, Python and JavaScript. Pure.

OpenAI's interface is what everybody answers to, Anthropic's is its own. Messages and tools of any provider's shape
become those of the interface that is spoken; what is in its shape already stays as it was sent.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from generations.ingest import media
from generations.reading import compact, text_of
from generations.records import Json

Kept = Callable[[media.Reference], bytes | None]
"""Gives the bytes of a file that a message refers to, or None when they are not kept any more."""

ANSWER_TOKENS: Final = 4096
"""What Anthropic is asked for where nobody said: it takes no call without a bound."""
UNSENT: Final = frozenset(
    {
        *("api_key", "apikey", "apiKey", "authorization", "headers", "extra_headers", "base_url", "api_base"),
        *("stream", "stream_options", "timeout", "model", "messages", "prompt", "input", "tools", "extra_body"),
    }
)
"""Parameters that belong to the client and not to the request, or that have a place of their own in it."""
NAMES: Final = {
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "stopSequences": "stop",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
ADDRESSES: Final = {
    "openai": ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "xai": ("https://api.x.ai/v1", "XAI_API_KEY"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": ("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "fireworks": ("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "google": ("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
}
"""Where providers answer in OpenAI's interface, and the variable in which their clients expect the key."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call that can be made again. `base` may be overruled by the environment variable `base_variable`.

    `key_header` is the header that carries the key, with what stands before the key in it.
    """

    base: str
    base_variable: str
    path: str
    key_variable: str
    key_header: tuple[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Json]


def request(
    said: Mapping[str, Json], *, kind: str, model: str | None, provider: str | None, kept: Kept
) -> Request | None:
    """The request behind a call's document; None where nothing was recorded that could be sent."""
    known, id = (provider or "").lower(), model or ""
    given = said.get("parameters")
    parameters = {n: v for n, v in given.items() if n not in UNSENT} if isinstance(given, Mapping) else {}
    messages = said.get("messages")
    if not messages and kind not in ("completion", "embedding"):
        held = said.get("input") if said.get("input") is not None else said.get("prompt")
        inner = held.get("messages") if isinstance(held, Mapping) else None
        messages = inner or ([{"role": "user", "content": text_of(held)}] if held else None)
    if isinstance(messages, list) and messages:
        messages = [_restored(message, kept) for message in messages]
        if "anthropic" in known or id.startswith("claude"):
            return _to_anthropic(id, messages, said.get("tools"), parameters)
        body = {"model": id, "messages": [made for m in messages for made in _for_openai(m)]}
        body |= _openai_names(parameters, id) | _tools(said.get("tools"), _openai_tool)
        return _to_openai(known, "/chat/completions", body)
    if kind == "embedding" and said.get("input") is not None:
        return _to_openai(known, "/embeddings", {"model": id, "input": said["input"], **parameters})
    if said.get("prompt"):
        return _to_openai(
            known, "/completions", {"model": id, "prompt": said["prompt"], **_openai_names(parameters, id)}
        )
    return None


# -------------------------------------------------------------------------------------------------------- as programs
def as_curl(made: Request) -> str:
    """A command for a shell."""
    header, before = made.key_header
    lines = [
        f'curl "${{{made.base_variable}:-{made.base}}}{made.path}"',
        "-H 'Content-Type: application/json'",
        f'-H "{header}: {before}${made.key_variable}"',
        *(f"-H '{name}: {value}'" for name, value in made.headers.items()),
        "--data-binary @- <<'JSON'",
    ]
    return " \\\n  ".join(lines) + "\n" + _seen(json.dumps(made.body, indent=2, ensure_ascii=False)) + "\nJSON\n"


def as_python(made: Request) -> str:
    """A program for Python 3 that needs nothing else."""
    header, before = made.key_header
    key = f'os.environ["{made.key_variable}"]'
    headers = [
        '    "Content-Type": "application/json",',
        f'    "{header}": {f"{before!r} + {key}" if before else key},',
        *(f"    {name!r}: {value!r}," for name, value in made.headers.items()),
    ]
    return "\n".join(
        [
            "import json",
            "import os",
            "import urllib.request",
            "",
            f"body = {_literal(made.body, _PYTHON)}",
            f'base = os.environ.get("{made.base_variable}", "{made.base}")',
            "headers = {",
            *headers,
            "}",
            f'request = urllib.request.Request(base + "{made.path}", json.dumps(body).encode(), headers)',
            "with urllib.request.urlopen(request) as answer:",
            "    print(json.dumps(json.load(answer), indent=2, ensure_ascii=False))",
            "",
        ]
    )


def as_javascript(made: Request) -> str:
    """A program for Node.js 18 and newer, or for a browser's console where `process.env` is replaced."""
    header, before = made.key_header
    key = f"process.env.{made.key_variable}"
    headers = [
        '    "Content-Type": "application/json",',
        f'    "{header}": {f"{json.dumps(before)} + {key}" if before else key},',
        *(f"    {json.dumps(name)}: {json.dumps(value)}," for name, value in made.headers.items()),
    ]
    return "\n".join(
        [
            f"const body = {_literal(made.body, _JAVASCRIPT)};",
            f'const base = process.env.{made.base_variable} ?? "{made.base}";',
            f'fetch(base + "{made.path}", {{',
            '  method: "POST",',
            "  headers: {",
            *headers,
            "  },",
            "  body: JSON.stringify(body),",
            "}).then((answer) => answer.json()).then((answer) => console.log(JSON.stringify(answer, null, 2)));",
            "",
        ]
    )


LANGUAGES: Final[Mapping[str, Callable[[Request], str]]] = {
    "curl": as_curl,
    "python": as_python,
    "javascript": as_javascript,
}

_PYTHON: Final = {"true": "True", "false": "False", "null": "None"}
# An object's literal takes `"__proto__": ...` for its prototype, and not for a key.
_JAVASCRIPT: Final = {'"__proto__"': '["__proto__"]'}


def _literal(value: Json, words: Mapping[str, str], indent: str = "") -> str:
    """`value` as a literal: JSON, with the words that another language has for some of it."""
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        keys = {name: _quoted(str(name)) for name in value}
        inner = ",\n".join(
            f"{deeper}{words.get(keys[name], keys[name])}: {_literal(part, words, deeper)}"
            for name, part in value.items()
        )
        return f"{{\n{inner},\n{indent}}}"
    if isinstance(value, list) and value:
        inner = ",\n".join(deeper + _literal(part, words, deeper) for part in value)
        return f"[\n{inner},\n{indent}]"
    return _quoted(value) if isinstance(value, str) else words.get(text := json.dumps(value), text)


def _quoted(text: str) -> str:
    return _seen(json.dumps(text, ensure_ascii=False))


def _seen(text: str) -> str:
    """JSON with escapes in the place of what a terminal obeys and an editor does not show."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_UNSEEN: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


# --------------------------------------------------------------------------------------------------- OpenAI's interface
def _to_openai(provider: str, path: str, body: Mapping[str, Json]) -> Request:
    base, key = next((found for name, found in ADDRESSES.items() if name in provider), ADDRESSES["openai"])
    return Request(base, "OPENAI_BASE_URL", path, key, ("Authorization", "Bearer "), {}, body)


def _openai_names(parameters: Mapping[str, Json], model: str) -> dict[str, Json]:
    names = dict(NAMES)
    if model.startswith(("o1", "o3", "o4", "gpt-5")):
        names["maxTokens"] = "max_completion_tokens"
    return {names.get(name, name): value for name, value in parameters.items()}


def _for_openai(message: Json) -> list[Json]:
    """One message, or several where it held the results of several tools."""
    if not isinstance(message, Mapping):
        return [{"role": "user", "content": text_of(message)}]
    parts = message.get("parts") if "content" not in message else message.get("content")
    role = {"model": "assistant"}.get(str(message.get("role")), message.get("role") or "user")
    if not isinstance(parts, list):
        return [{**message, "role": role}]
    kinds = {str(part.get("type")) for part in parts if isinstance(part, Mapping)}
    if "parts" not in message and kinds <= {"text", "image_url", "input_audio", "file", "refusal"}:
        return [{**message, "role": role}]
    said, calls, results = _sorted(parts)
    made: list[Json] = [{"role": "tool", "tool_call_id": id, "content": text_of(result)} for id, result in results]
    if said or calls or not results:
        content: Json = [{"type": "text", "text": text_of(part)} if _is_text(part) else _image(part) for part in said]
        whole = {
            "role": role,
            "content": content[0]["text"] if len(said) == 1 and _is_text(said[0]) else content or None,
        }
        if calls:
            whole["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": _text(arguments)}}
                for id, name, arguments in calls
            ]
        made.append(whole)
    return made


def _openai_tool(name: str, description: str | None, schema: Json) -> Json:
    held = {"name": name, "description": description, "parameters": schema or {"type": "object", "properties": {}}}
    return {"type": "function", "function": {key: value for key, value in held.items() if value is not None}}


# ------------------------------------------------------------------------------------------------ Anthropic's interface
def _to_anthropic(model: str, messages: list[Json], tools: Json, parameters: Mapping[str, Json]) -> Request:
    names = {**NAMES, "stopSequences": "stop_sequences"}
    body: dict[str, Json] = {"model": model, "max_tokens": ANSWER_TOKENS, "messages": []}
    body |= {names.get(name, name): value for name, value in parameters.items()}
    rules = [m for m in messages if isinstance(m, Mapping) and m.get("role") in ("system", "developer")]
    if rules and "system" not in body:
        body["system"] = rules[0]["content"] if len(rules) == 1 and "content" in rules[0] else _joined(rules)
    body["messages"] = [_for_anthropic(message) for message in messages if message not in rules]
    body |= _tools(tools, _anthropic_tool)
    key_header = ("x-api-key", "")
    headers = {"anthropic-version": "2023-06-01"}
    base = "https://api.anthropic.com"
    return Request(base, "ANTHROPIC_BASE_URL", "/v1/messages", "ANTHROPIC_API_KEY", key_header, headers, body)


def _for_anthropic(message: Json) -> Json:
    if not isinstance(message, Mapping):
        return {"role": "user", "content": text_of(message)}
    role = "assistant" if message.get("role") in ("assistant", "model") else "user"
    content = message.get("content", message.get("parts"))
    if message.get("role") == "tool":
        id = message.get("tool_call_id")
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": text_of(content)}]}
    calls = message.get("tool_calls")
    if isinstance(content, str) and not calls:
        return {"role": role, "content": content}
    said, held, results = _sorted(content if isinstance(content, list) else [content] if content else [])
    blocks: list[Json] = [{"type": "tool_result", "tool_use_id": id, "content": text_of(r)} for id, r in results]
    blocks += [{"type": "text", "text": text_of(part)} if _is_text(part) else part for part in said]
    held += [_call(call) for call in calls or () if isinstance(call, Mapping)]
    blocks += [{"type": "tool_use", "id": id, "name": name, "input": _object(given)} for id, name, given in held]
    return {"role": role, "content": blocks}


def _anthropic_tool(name: str, description: str | None, schema: Json) -> Json:
    held = {"name": name, "description": description, "input_schema": schema or {"type": "object", "properties": {}}}
    return {key: value for key, value in held.items() if value is not None}


# ----------------------------------------------------------------------------------------------------- shapes of parts
_Call = tuple[str, str, Json]


def _sorted(parts: list[Json]) -> tuple[list[Json], list[_Call], list[tuple[str, Json]]]:
    """What was said, the calls of tools (id, name, arguments), and the results of tools (id, result)."""
    said: list[Json] = []
    calls: list[_Call] = []
    results: list[tuple[str, Json]] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else "text"
        if kind in ("tool_use", "tool_call"):
            calls.append(_call(part))
        elif kind in ("tool_result", "tool_call_response"):
            id = str(part.get("tool_use_id") or part.get("id") or "")
            results.append((id, part.get("content", part.get("result", part.get("response")))))
        elif kind not in ("thinking", "redacted_thinking", "reasoning"):
            said.append(part)
    return said, calls, results


def _call(part: Mapping[str, Any]) -> _Call:
    function = part["function"] if isinstance(part.get("function"), Mapping) else part
    given: Json = next((function[name] for name in ("arguments", "input", "args") if name in function), {})
    return str(part.get("id") or ""), str(function.get("name") or ""), given


def _tools(tools: Json, made: Callable[[str, str | None, Json], Json]) -> dict[str, Json]:
    shown = []
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, Mapping):
            continue
        inner = tool["function"] if isinstance(tool.get("function"), Mapping) else tool
        schema = inner.get("parameters", inner.get("input_schema"))
        # A tool of the provider's own has a type and no schema: it is sent as it was.
        is_own = schema is None and tool.get("type") not in (None, "function", "custom")
        native = made(str(inner.get("name") or ""), inner.get("description"), schema)
        shown.append(tool if is_own or set(native) == set(tool) else native)
    return {"tools": shown} if shown else {}


def _joined(messages: list[Json]) -> str:
    return "\n\n".join(text_of(message.get("content", message.get("parts"))) for message in messages)


def _is_text(part: Json) -> bool:
    return not isinstance(part, Mapping) or part.get("type") in ("text", "input_text", "output_text", None)


def _image(part: Json) -> Json:
    source = part.get("source") if isinstance(part, Mapping) else None
    if isinstance(source, Mapping) and isinstance(source.get("data"), str):
        url = f"data:{source.get('media_type') or 'image/png'};base64,{source['data']}"
        return {"type": "image_url", "image_url": {"url": url}}
    return part


def _text(arguments: Json) -> str:
    return arguments if isinstance(arguments, str) else compact(arguments)


def _object(given: Json) -> Json:
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given or "{}")
    except ValueError:
        return {"arguments": given}


def _restored(value: Json, kept: Kept, key: str = "") -> Json:
    """The value with the files inside again that it refers to, as they were sent."""
    if isinstance(value, Mapping):
        return {name: _restored(part, kept, str(name)) for name, part in value.items()}
    if isinstance(value, list):
        return [_restored(part, kept, key) for part in value]
    found = media.reference(value)
    content = kept(found) if found is not None else None
    if found is None or content is None:
        return value
    data = base64.b64encode(content).decode()
    return data if key == "data" else f"data:{quote(found.mime, safe='/')};base64,{data}"
