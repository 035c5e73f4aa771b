"""A call to an OpenAI-style API as its request and response bodies: chat, completions, responses, embeddings.

The shapes are those of https://platform.openai.com/docs/api-reference, which many other servers speak too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from generations import vendors
from generations.ingest.usage import Fields, openai_tokens, settings
from generations.records import Alternative, InvalidRecord, Json

OBJECTS: Final[Mapping[str, str]] = {
    "chat.completion": "openai.chat",
    "text_completion": "openai.completion",
    "response": "openai.responses",
    "list": "openai.embeddings",
}
_NOT_SETTINGS: Final = frozenset(
    {
        "model", "messages", "prompt", "input", "instructions", "tools", "functions", "user", "metadata",
        "stream_options",
    }
)  # fmt: skip


def shape_of(request: Mapping[str, Json], response: Mapping[str, Json]) -> str | None:
    """Which of OpenAI's calls this is, told from the response's object or else from what was asked; None: neither."""
    kind = response.get("object")
    if isinstance(kind, str) and kind in OBJECTS:
        return OBJECTS[kind]
    if "messages" in request:
        return "openai.chat"
    if "prompt" in request:
        return "openai.completion"
    if "input" in request:
        asked = str(request.get("model", ""))
        is_embedding = "embed" in asked or "encoding_format" in request or "dimensions" in request
        return "openai.embeddings" if is_embedding else "openai.responses"
    return "openai.chat" if "choices" in response else None


def generation(shape: str, request: Mapping[str, Json], response: Mapping[str, Json]) -> Fields:
    """The fields of a record that a call says of itself. Raises InvalidRecord naming the part that is not as it should.

    The model is the one that was asked for; the one that answered is `model_version` where it differs.
    """
    asked, answered = _text(request, "request.model"), _text(response, "response.model")
    fields: Fields = {
        "model_id": asked or answered,
        "provider": vendors.provider_of(asked or answered),
        "parameters": settings(request, _NOT_SETTINGS) or None,
    }
    if answered and answered != asked and asked:
        fields["model_version"] = answered
    if isinstance(request.get("metadata"), Mapping):
        fields["metadata"] = dict(request["metadata"])
    return fields | openai_tokens(response.get("usage")) | content(shape, request, response)


def content(shape: str, request: Mapping[str, Json], response: Mapping[str, Json]) -> Fields:
    """Of these fields, what was sent and what came back, without settings and counts. Raises InvalidRecord likewise."""
    fields: Fields = {"response_id": _text(response, "response.id")}
    if isinstance(request.get("user"), str):
        fields["user_id"] = request["user"]
    extra = {k: response[k] for k in ("system_fingerprint", "service_tier") if response.get(k) is not None}
    if extra:
        fields["response_attributes"] = extra
    tools = request.get("tools", request.get("functions"))
    if tools is not None:
        fields["tools"] = _list(tools, "request.tools")
    _READ[shape](fields, request, response)
    return fields


def _chat(fields: Fields, request: Mapping[str, Json], response: Mapping[str, Json]) -> None:
    fields["type"] = "chat"
    if "messages" in request:
        fields["messages"] = _list(request["messages"], "request.messages")
        fields["input_type"] = input_type(fields["messages"])
    fields["output_type"] = _output_type(request)
    choices = _choices(response)
    if not choices:
        return
    first, *others = choices
    message = first.get("message")
    if message is not None:
        fields["message_completion"] = dict(_object(message, "response.choices[0].message"))
        if fields["message_completion"].get("audio"):
            fields["output_type"] = "audio"
    fields["finish_reason"] = _text(first, "response.choices[0].finish_reason")
    fields["logprobs"] = first.get("logprobs")
    if others:
        fields["alternatives"] = _alternatives(others, "message")


def _completion(fields: Fields, request: Mapping[str, Json], response: Mapping[str, Json]) -> None:
    fields["type"] = "completion"
    prompt = request.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    fields["prompt" if isinstance(prompt, str) else "input"] = prompt
    choices = _choices(response)
    if not choices:
        return
    first, *others = choices
    fields["completion"] = _text(first, "response.choices[0].text")
    fields["finish_reason"] = _text(first, "response.choices[0].finish_reason")
    fields["logprobs"] = first.get("logprobs")
    if others:
        fields["alternatives"] = _alternatives(others, "text")


def _responses(fields: Fields, request: Mapping[str, Json], response: Mapping[str, Json]) -> None:
    fields["type"] = "chat"
    messages: list[Json] = []
    instructions = request.get("instructions", response.get("instructions"))
    if instructions:
        messages.append({"role": "system", "content": instructions})
    asked = request.get("input")
    if isinstance(asked, str):
        messages.append({"role": "user", "content": asked})
    elif asked is not None:
        messages.extend(_list(asked, "request.input"))
    if messages:
        fields["messages"] = messages
        fields["input_type"] = input_type(messages)
    fields["output_type"] = _output_type(request)
    output = response.get("output")
    if output:
        items = _list(output, "response.output")
        fields["message_completion"] = answer([_object(item, "response.output") for item in items])
    incomplete = response.get("incomplete_details")
    why = _text(incomplete, "response.incomplete_details.reason") if isinstance(incomplete, Mapping) else None
    fields["finish_reason"] = why or _text(response, "response.status")


def answer(items: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """One assistant's message of the output items: their text, the calls of functions, and all else as parts."""
    parts: list[Json] = []
    calls: list[Json] = []
    for item in items:
        if item.get("type") == "message" and isinstance(item.get("content"), list):
            parts.extend(item["content"])
        elif item.get("type") == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            calls.append({"id": item.get("call_id", item.get("id")), "type": "function", "function": function})
        else:
            parts.append(dict(item))
    message: dict[str, Json] = {"role": "assistant", "content": parts or None}
    only = parts[0] if len(parts) == 1 else None
    if isinstance(only, Mapping) and only.get("type") == "output_text" and not only.get("annotations"):
        message["content"] = only.get("text")
    if calls:
        message["tool_calls"] = calls
    return message


def _embeddings(fields: Fields, request: Mapping[str, Json], response: Mapping[str, Json]) -> None:
    fields["type"] = "embedding"
    asked = request.get("input")
    fields["prompt" if isinstance(asked, str) else "input"] = asked
    fields["output"] = response.get("data")
    fields["output_type"] = "other"


_READ: Final = {
    "openai.chat": _chat,
    "openai.completion": _completion,
    "openai.responses": _responses,
    "openai.embeddings": _embeddings,
}
_NOT_TEXT: Final = frozenset(
    {"image", "image_url", "input_image", "audio", "input_audio", "file", "input_file", "document"}
)


def input_type(messages: Sequence[Json]) -> str:
    """`multimodal` when a message holds an image, a sound or a file, else `text`."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and str(part.get("type")) in _NOT_TEXT:
                return "multimodal"
    return "text"


def _output_type(request: Mapping[str, Json]) -> str:
    text = request.get("text")
    wanted = request.get("response_format", text.get("format") if isinstance(text, dict) else None)
    return "json" if isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema") else "text"


def _choices(response: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The choices in the order of their index: servers may list them as they are ready."""
    found = [_object(c, "response.choices") for c in _list(response.get("choices") or [], "response.choices")]
    return sorted(found, key=lambda c: c["index"] if isinstance(c.get("index"), int) else 0)


def _alternatives(choices: Sequence[Mapping[str, Json]], key: str) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            index=place,
            content=choice.get(key),
            finish_reason=_text(choice, "response.choices.finish_reason"),
            logprobs=choice.get("logprobs"),
        )
        for place, choice in enumerate(choices)
    )


def _text(node: Mapping[str, Json], path: str) -> str | None:
    value = node.get(path.rsplit(".", 1)[-1])
    if value is None or isinstance(value, str):
        return value
    raise InvalidRecord(path, value, "a text")


def _list(value: Json, path: str) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidRecord(path, value, "a list")
    return value


def _object(value: Json, path: str) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise InvalidRecord(path, value, "an object")
    return value
