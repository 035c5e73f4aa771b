"""What providers answer, read once: texts for the caller, and the record's fields by the wire formats' adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from generations.llm.calls import Answer, Choice, Fields, Json, Piece
from generations.llm.errors import Broken, NotConfigured


def need_key(missing: str | None, model: str) -> None:
    """Raises NotConfigured when the key that this model needs, by the name of its variable, is missing."""
    if missing is not None:
        raise NotConfigured(f"There is no key for {model}: pass api_key=, or set {missing}.")


def joined(events: Sequence[Json]) -> dict[str, Json]:
    """The response that a stream's events amount to."""
    from generations.ingest import streams
    from generations.records import InvalidRecord

    try:
        return streams.response(events)
    except InvalidRecord as problem:
        raise Broken(f"The stream is no answer of a known kind: {problem}") from problem


def models_of(reply: Json) -> list[str]:
    """The names in a provider's list of models."""
    listed = reply.get("data") if isinstance(reply, Mapping) else None
    if not isinstance(listed, list):
        raise Broken("The provider's answer is no list of models.")
    return sorted(str(one["id"]) for one in listed if isinstance(one, Mapping) and one.get("id"))


def choices_of(response: Json) -> list[dict[str, Json]]:
    """The choices of a response, as they came."""
    choices = response.get("choices") if isinstance(response, Mapping) else None
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise Broken("The provider's answer has no choices.")
    return choices


def openai_answer(shape: str, body: Mapping[str, Json], response: Json, provider: str | None, expected: int) -> Answer:
    """The answer in a response of OpenAI's kind; Broken when it has fewer choices than `expected`."""
    from generations.ingest import openai
    from generations.reading import message_text
    from generations.records import InvalidRecord

    if not isinstance(response, Mapping):
        raise Broken("The provider's answer is no object.")
    try:
        fields = openai.generation(shape, body, response)
    except InvalidRecord as problem:
        raise Broken(f"The provider's answer is not as it should be: {problem}") from problem
    if provider is not None:
        fields["provider"] = provider
    choices = choices_of(response) if expected or "choices" in response else []
    if len(choices) < expected:
        raise Broken(f"The provider gave {len(choices)} of {expected} answers.")
    ordered = sorted(enumerate(choices), key=lambda pair: pair[1].get("index", pair[0]))
    made = []
    for _, choice in ordered:
        message = choice.get("message")
        text = message_text(message) if isinstance(message, Mapping) else choice.get("text")
        made.append(Choice(text if isinstance(text, str) else "", choice.get("finish_reason"), _sum(choice)))
    return Answer(tuple(made), fields)


def anthropic_answer(body: Mapping[str, Json], response: Json, *, is_whole: bool = True) -> Answer:
    """The answer in a message of Anthropic's."""
    from generations.ingest import anthropic
    from generations.reading import message_text
    from generations.records import InvalidRecord

    if not isinstance(response, Mapping) or (is_whole and not isinstance(response.get("content"), list)):
        raise Broken("The provider's answer has no content.")
    try:
        fields = anthropic.generation(body, response)
    except InvalidRecord as problem:
        raise Broken(f"The provider's answer is not as it should be: {problem}") from problem
    message = fields.get("message_completion")
    text = message_text(message) if message else ""
    return Answer((Choice(text, fields.get("finish_reason")),) if message else (), fields)


def pieces(event: Json) -> Iterator[Piece]:
    """The parts of answers in an event of a stream; an event that has none is one without text."""
    has_any = False
    if isinstance(event, Mapping):
        for choice in event.get("choices") or ():
            if not isinstance(choice, Mapping):
                continue
            inner = choice.get("delta", choice.get("message"))
            text = inner.get("content") if isinstance(inner, Mapping) else choice.get("text")
            index = choice["index"] if isinstance(choice.get("index"), int) else 0
            yield Piece(
                text if isinstance(text, str) else "",
                index,
                choice.get("finish_reason"),
                None if has_any else event,
            )
            has_any = True
        delta = event.get("delta")
        if event.get("type") == "content_block_delta" and isinstance(delta, Mapping):
            yield Piece(str(delta.get("text") or ""), 0, None, event)
            has_any = True
    if not has_any:
        yield Piece("", 0, None, event)


def tokens_of(response: Mapping[str, Json]) -> Fields:
    """The token counts of a response."""
    from generations.ingest.usage import openai_tokens
    from generations.records import InvalidRecord

    try:
        return openai_tokens(response.get("usage"))
    except InvalidRecord:
        return {}


def shared_usage(
    usage: Json, prompts: Sequence[str], choices: Mapping[int, Mapping[str, Json]], n: int
) -> list[dict[str, Any] | None]:
    """The tokens of a batch, shared out by the length of its texts: estimates whose sums are exact. None: not told."""
    if not isinstance(usage, Mapping):
        return [None] * len(prompts)
    answers = [sum(len(str(choices[at * n + k].get("text") or "")) for k in range(n)) for at in range(len(prompts))]
    shares: list[dict[str, Any]] = [{} for _ in prompts]
    for name, weights in (("prompt_tokens", [len(p) for p in prompts]), ("completion_tokens", answers)):
        total = usage.get(name)
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            for share, count in zip(shares, _apportioned(total, weights), strict=True):
                share[name] = count
    return [share or None for share in shares]


def _apportioned(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts of `total` in proportion to `weights`, that sum to it."""
    whole = sum(weights) or len(weights)
    bounds, seen = [0], 0
    for weight in weights:
        seen += weight if sum(weights) else 1
        bounds.append(round(total * seen / whole))
    return [after - before for before, after in pairwise(bounds)]


def _sum(choice: Mapping[str, Json]) -> float | None:
    """The sum of the log-probabilities of an answer's tokens, where they are told."""
    told = choice.get("logprobs")
    if not isinstance(told, Mapping):
        return None
    values = told.get("token_logprobs")
    if not isinstance(values, list):
        content = told.get("content")
        values = (
            [part.get("logprob") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
        )
    numbers = [value for value in values if isinstance(value, int | float)]
    return float(sum(numbers)) if numbers else None
