"""A call to a vendor whose form is none that is read in full: the first texts that stand where vendors keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
_ANSWERS: Final[Sequence[Path]] = (
    ("choices", "*", "text"),
    ("choices", "*", "message", "content"),
    ("generations", "*", "text"),
    ("completions", "*", "data", "text"),
    ("results", "*", "outputText"),
    ("candidates", "*", "content", "parts", "*", "text"),
    ("predictions", "*", "content"),
    ("outputs", "*", "text"),
    ("*", "generated_text"),
    ("generated_text",),
    ("message", "content", "*", "text"),
    ("message", "content"),
    ("text",),
    ("completion",),
    ("generation",),
    ("output", "*"),
    ("output",),
    ("response",),
)
"""Where vendors other than OpenAI and Anthropic keep the text of their answers; `*` is each item of a list."""
_COUNTS: Final[Mapping[str, Sequence[Path]]] = {
    "prompt_tokens": (
        ("usage", "prompt_tokens"),
        ("usage", "input_tokens"),
        ("meta", "tokens", "input_tokens"),
        ("meta", "billed_units", "input_tokens"),
        ("usageMetadata", "promptTokenCount"),
        ("prompt_eval_count",),
        ("inputTextTokenCount",),
        ("prompt_token_count",),
    ),
    "completion_tokens": (
        ("usage", "completion_tokens"),
        ("usage", "output_tokens"),
        ("meta", "tokens", "output_tokens"),
        ("meta", "billed_units", "output_tokens"),
        ("usageMetadata", "candidatesTokenCount"),
        ("eval_count",),
        ("generation_token_count",),
    ),
}


def of_any_vendor(asked: Json, answered: Json, beside: Mapping[str, Json]) -> GenerationRecord:
    """A call in a form of its own: the first texts that are found where vendors keep them."""
    request: Mapping[str, Json] = asked if isinstance(asked, Mapping) else {}
    texts = next((found for path in _ANSWERS if (found := _texts(answered, path))), [])
    fields: dict[str, Any] = {"type": "completion" if texts else "other"}
    messages = request.get("messages")
    prompts = next((found for path in _PROMPTS if (found := _texts(request, path))), [])
    if isinstance(messages, list) and texts:
        fields |= {"type": "chat", "messages": messages}
    elif prompts:
        fields["prompt"] = "\n".join(prompts)
    else:
        fields["input"] = asked
    if texts and fields["type"] == "chat":
        fields["message_completion"] = {"role": "assistant", "content": texts[0]}
    elif texts:
        fields["completion"] = texts[0]
    else:
        fields["output"] = answered
    if len(texts) > 1:
        fields["alternatives"] = tuple(Alternative(index=n, content=text) for n, text in enumerate(texts[1:]))
    for name, paths in _COUNTS.items():
        counts = (n for path in paths for n in _at(answered, path))
        fields[name] = next((n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n >= 0), None)
    steering = {k: v for k, v in request.items() if k not in {"prompt", "message", "messages", "inputs", "input"}}
    model = steering.pop("model", None) or next(iter(_texts(answered, ("model",))), None)
    response_id = next(iter(_at(answered, ("id",))), None)
    return GenerationRecord(
        id="-",
        model_id=model if isinstance(model, str) else None,
        response_id=response_id if isinstance(response_id, str) else None,
        parameters=steering or None,
        latency=seconds(beside, "latency", "duration"),
        time_to_first_token=seconds(beside, "time_to_first_token", "ttft"),
        **fields,
    )


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
