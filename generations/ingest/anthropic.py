"""A call to Anthropic's Messages API as its request and response bodies (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.ingest.openai import input_type
from generations.ingest.usage import Fields, anthropic_tokens, settings
from generations.records import InvalidRecord, Json

_NOT_SETTINGS: Final = frozenset({"model", "messages", "system", "tools", "metadata"})


def is_ours(request: Mapping[str, Json], response: Mapping[str, Json]) -> bool:
    """Whether a request and its response speak Anthropic's Messages API rather than OpenAI's."""
    if response.get("type") == "message" or (response.get("type") == "error" and "error" in response):
        return True
    if "choices" in response or "object" in response:
        return False
    asked = request.get("model")
    return "messages" in request and ("system" in request or (isinstance(asked, str) and asked.startswith("claude")))


def generation(request: Mapping[str, Json], response: Mapping[str, Json]) -> Fields:
    """The fields of a record that a call says of itself; the system prompt becomes the first message.

    Raises InvalidRecord naming the part that is not as it should be.
    """
    asked, answered = _text(request, "request.model"), _text(response, "response.model")
    fields: Fields = {
        "type": "chat",
        "model_id": asked or answered,
        "provider": "anthropic",
        "response_id": _text(response, "response.id"),
        "finish_reason": _text(response, "response.stop_reason"),
        "parameters": settings(request, _NOT_SETTINGS) or None,
        "output_type": "text",
    }
    if asked and answered and answered != asked:
        fields["model_version"] = answered
    messages = request.get("messages")
    if messages is not None:
        if not isinstance(messages, list):
            raise InvalidRecord("request.messages", messages, "a list")
        system = request.get("system")
        fields["messages"] = [{"role": "system", "content": system}, *messages] if system else messages
        fields["input_type"] = input_type(messages)
    if request.get("tools") is not None:
        if not isinstance(request["tools"], list):
            raise InvalidRecord("request.tools", request["tools"], "a list")
        fields["tools"] = request["tools"]
    about = request.get("metadata")
    if isinstance(about, Mapping) and isinstance(about.get("user_id"), str):
        fields["user_id"] = about["user_id"]
    content = response.get("content")
    if content is not None:
        fields["message_completion"] = {"role": response.get("role", "assistant"), "content": content}
    extra = {k: response[k] for k in ("stop_sequence", "service_tier") if response.get(k) is not None}
    if extra:
        fields["response_attributes"] = extra
    return fields | anthropic_tokens(response.get("usage"))


def _text(node: Mapping[str, Json], path: str) -> str | None:
    value = node.get(path.rsplit(".", 1)[-1])
    if value is None or isinstance(value, str):
        return value
    raise InvalidRecord(path, value, "a text")
