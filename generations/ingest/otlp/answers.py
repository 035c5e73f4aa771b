"""Messages and answers as the fields of a record that hold them for each type of call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from generations.ingest.otlp import items, messages, parts
from generations.ingest.otlp.dialects import member
from generations.records import Alternative, Json

Fields = dict[str, Any]
"""Values of a GenerationRecord by field name; what is absent is not in it."""
SENT: Final = frozenset({"messages", "prompt", "input"})
"""The fields that hold what was asked."""
ANSWERED: Final = frozenset({"message_completion", "completion", "output"})
"""The fields that hold what came back."""


def asked_fields(asked: Sequence[Json], kind: str) -> Fields:
    """Messages as what a call of this type keeps: a completion's are its prompt, an embedding's its texts."""
    if not asked:
        return {}
    if kind not in ("completion", "embedding"):
        return {"messages": list(asked)}
    texts = [m.get("content") if isinstance(m, dict) else m for m in asked]
    if len(texts) == 1 and isinstance(inner := texts[0], list) and kind == "embedding":
        texts = inner
    return {"prompt": texts[0]} if len(texts) == 1 and isinstance(texts[0], str) else {"input": texts}


def answered(given: Sequence[Json], kind: str, is_choices: bool) -> Fields:
    """Answers as the first of them and its alternatives, or as items of one answer."""
    answers: list[dict[str, Json]] = []
    reasons: list[str | None] = []
    for one in given:
        if made := messages.message({"role": "assistant", "content": one} if isinstance(one, str) else one):
            answers.append(made[0])
            said = one.get("finish_reason", one.get("stop_reason")) if isinstance(one, dict) else None
            reasons.append(None if said is None else messages.finish_reason(said))
    if not answers:
        return {}
    fields: Fields = {}
    if reason := reasons[0] if is_choices else next(filter(None, reversed(reasons)), None):
        fields["finish_reason"] = reason
    is_text = kind == "completion"
    if is_choices and len(answers) > 1:
        first, *others = answers
        fields["alternatives"] = tuple(
            Alternative(index=n, content=one.get("content") if is_text else one, finish_reason=reasons[n + 1])
            for n, one in enumerate(others)
        )
    else:
        first = answers[0] if len(answers) == 1 else messages.joined(answers)
    if is_text and isinstance(first.get("content"), str):
        fields["completion"] = first["content"]
    else:
        fields["message_completion"] = first
    return fields


def reasoned(answers: list[Json], reasons: Json) -> list[Json]:
    """The answers with the reasons for their ends, where one of each is told beside them.

    The conventions have as many reasons in `gen_ai.response.finish_reasons` as answers, in their order:
    https://github.com/open-telemetry/semantic-conventions-genai
    """
    told = messages.loaded(reasons)
    if not isinstance(told, list) or len(told) != len(answers):
        return answers
    pairs = zip(answers, told, strict=True)
    return [{"finish_reason": why, **one} if isinstance(one, dict) else one for one, why in pairs]


def is_messages(value: Json) -> bool:
    """Whether a value is a list of messages, perhaps with other items of a conversation among them."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(m, dict) and ("role" in m or "type" in m) for m in value)
        and any(
            "role" in m or ("content" in m and parts.message(m).get("role")) or "kwargs" in m or items.is_item(m)
            for m in value
        )
    )


def may_be_message(one: Json) -> bool:
    """Whether a value says anything that is known of messages."""
    if type(one) is not dict:
        return isinstance(one, str | list)
    return "role" in one or not _OF_MESSAGES.isdisjoint(one) or parts.is_part(one) or type(one.get("message")) is dict


_OF_MESSAGES: Final = frozenset({"content", "parts", "tool_calls", "toolCalls", "finish_reason"})


def alone(value: Json) -> Json:
    """A whole answer out of a list of it alone, with the id that it had; anything else as it is.

    OpenInference has so what came of a stream by OpenAI's Agents and the older interface. Their own id is made up: the
    provider's is with each item (openai-agents 0.24, agents/models/chatcmpl_stream_handler.py).
    """
    if not isinstance(value, list) or len(value) != 1 or not isinstance(whole := value[0], dict):
        return value
    if whole.get("object") != "response":
        return value
    if whole.get("id") != _NO_ID:
        return whole
    ids = [member(item, "provider_data>response_id") for item in whole.get("output") or ()]
    return {**whole, "id": next((id for id in ids if isinstance(id, str)), None)}


_NO_ID: Final = "__fake_id__"
