"""A call to a vendor whose form is none that is read in full: the texts that stand where vendors keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from generations.ingest.gantry.values import seconds
from generations.records import Alternative, GenerationRecord, Json

Path = tuple[str, ...]
_PROMPTS: Final[Sequence[Path]] = (
    ("prompt",),
    ("message",),
    ("inputText",),
    ("inputs",),
    ("input",),
    ("instances", "*", "prompt"),
    ("contents", "*", "parts", "*", "text"),
)
_ANSWERS: Final[Sequence[tuple[Path, Path, Path]]] = (
    (("choices", "*"), ("text",), ("finish_reason",)),
    (("choices", "*"), ("message", "content"), ("finish_reason",)),
    (("generations", "*"), ("text",), ("finish_reason",)),
    (("completions", "*"), ("data", "text"), ("finishReason", "reason")),
    (("results", "*"), ("outputText",), ("completionReason",)),
    (("results", "*"), ("generated_text",), ("stop_reason",)),
    (("candidates", "*"), ("content", "parts", "*", "text"), ("finishReason",)),
    (("candidates", "*"), ("output",), ()),
    (("predictions", "*"), ("content",), ()),
    (("outputs", "*"), ("text",), ("stop_reason",)),
    (("*",), ("generated_text",), ("details", "finish_reason")),
    ((), ("generated_text",), ("details", "finish_reason")),
    ((), ("message", "content", "*", "text"), ("finish_reason",)),
    ((), ("message", "content"), ("done_reason",)),
    ((), ("text",), ("finish_reason",)),
    ((), ("completion",), ("stop_reason",)),
    ((), ("generation",), ("stop_reason",)),
    ((), ("output", "*"), ()),
    ((), ("output",), ()),
    ((), ("response",), ("done_reason",)),
)
"""Where vendors other than OpenAI and Anthropic keep their answers: each choice, its text (in pieces, where it says
`*`), and why it ended there."""
_COUNTS: Final[Mapping[str, Sequence[Path]]] = {
    "prompt_tokens": (
        ("usage", "prompt_tokens"),
        ("usage", "input_tokens"),
        ("usage", "tokens", "input_tokens"),
        ("usage", "billed_units", "input_tokens"),
        ("meta", "tokens", "input_tokens"),
        ("meta", "billed_units", "input_tokens"),
        ("usageMetadata", "promptTokenCount"),
        ("prompt_eval_count",),
        ("inputTextTokenCount",),
        ("prompt_token_count",),
        ("results", "*", "input_token_count"),
    ),
    "completion_tokens": (
        ("usage", "completion_tokens"),
        ("usage", "output_tokens"),
        ("usage", "tokens", "output_tokens"),
        ("usage", "billed_units", "output_tokens"),
        ("meta", "tokens", "output_tokens"),
        ("meta", "billed_units", "output_tokens"),
        ("usageMetadata", "candidatesTokenCount"),
        ("eval_count",),
        ("generation_token_count",),
        ("results", "*", "tokenCount"),
        ("results", "*", "generated_token_count"),
    ),
}
ANSWERS: Final = frozenset({"completion", "message_completion", "output"})
"""The fields of a record of which one holds the answer."""
_MODELS: Final = ("model", "modelId", "model_id")
_ANSWERING_MODELS: Final = ("model", "modelVersion", "model_id")
_IDS: Final = ("id", "responseId", "response_id", "generation_id")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: its text, or all of the choice where that is not a text, and why it ended there."""

    content: Json
    finish_reason: str | None


def choices(answered: Json) -> list[Choice]:
    """The answers of a response in any vendor's form, by their index; none where no text of one is found."""
    for listed, text, reason in _ANSWERS:
        nodes = list(_at(answered, listed))
        texts = ["".join(_texts(node, text)) or None for node in nodes]
        if any(texts):
            return [
                Choice(found if found is not None else node, next(iter(_texts(node, reason)), None) if reason else None)
                for node, found in zip(nodes, texts, strict=True)
            ]
    return []


def told_by(answered: Json, *, is_chat: bool) -> dict[str, Any]:
    """The fields of the record that a response in any vendor's form gives: its answers, and the tokens it counts."""
    fields: dict[str, Any] = {}
    if found := choices(answered):
        first, *others = found
        if is_chat:
            fields["message_completion"] = {"role": "assistant", "content": first.content}
        else:
            fields["completion" if isinstance(first.content, str) else "output"] = first.content
        fields["finish_reason"] = first.finish_reason
        if others:
            fields["alternatives"] = tuple(
                Alternative(index=n, content=other.content, finish_reason=other.finish_reason)
                for n, other in enumerate(others)
            )
    for name, paths in _COUNTS.items():
        counts = (n for path in paths for n in _at(answered, path))
        fields[name] = next((n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n >= 0), None)
    fields["response_id"] = _first(answered, _IDS)
    return {name: value for name, value in fields.items() if value is not None}


def of_any_vendor(asked: Json, answered: Json, beside: Mapping[str, Json]) -> GenerationRecord:
    """A call in a form of its own: what was asked, and the answers that are found where vendors keep them."""
    request: Mapping[str, Json] = asked if isinstance(asked, Mapping) else {}
    messages = request.get("messages")
    is_chat = isinstance(messages, list)
    fields = told_by(answered, is_chat=is_chat)
    is_answered = not ANSWERS.isdisjoint(fields)
    fields["type"] = ("chat" if is_chat else "completion") if is_answered else "other"
    if is_answered:
        # What is read of it is not all that it says.
        fields["attributes"] = {"api_request": asked, "api_response": answered}
    else:
        fields["output"] = answered
    prompts = next((found for path in _PROMPTS if (found := _texts(request, path))), [])
    if is_chat and is_answered:
        fields["messages"] = messages
    elif prompts:
        fields["prompt"] = "\n".join(prompts)
    else:
        fields["input"] = asked
    known = {"prompt", "message", "messages", "inputs", "input", "inputText", "contents", "instances", *_MODELS}
    model = _first(request, _MODELS) or _first(answered, _ANSWERING_MODELS)
    return GenerationRecord(
        id="-",
        model_id=model,
        parameters={name: value for name, value in request.items() if name not in known} or None,
        latency=seconds(beside, "latency", "duration"),
        time_to_first_token=seconds(beside, "time_to_first_token", "ttft"),
        **fields,
    )


def _first(node: Json, names: Sequence[str]) -> str | None:
    return next((found for name in names for found in _texts(node, (name,))), None)


def _texts(node: Json, path: Path) -> list[str]:
    return [found for found in _at(node, path) if isinstance(found, str)]


def _at(node: Json, path: Path) -> Iterator[Json]:
    """What stands at a path; each item where it says `*`."""
    if not path:
        yield node
    elif path[0] == "*":
        for item in node if isinstance(node, list) else ():
            yield from _at(item, path[1:])
    elif isinstance(node, Mapping) and path[0] in node:
        yield from _at(node[path[0]], path[1:])
