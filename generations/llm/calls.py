"""What is asked of a model and what comes back, between the library's face and its backends."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from generations import filling
from generations.llm.errors import InvalidCall

Json = Any
Fields = dict[str, Any]
"""Values of a generation's record by field name; what is not known is not in it."""

DECODERS: Final = ("argmax", "sample", "beam")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call for text. Either `prompt` or `messages` is there; `settings` hold what steers it, in OpenAI's words."""

    prompt: str | None = None
    messages: list[dict[str, Json]] | None = None
    tools: list[Json] | None = None
    decoder: str = "argmax"
    n: int = 1
    settings: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a call. `score` is a beam's sum of log-probabilities."""

    text: str
    finish_reason: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """All answers to one call, in order, and what the provider said of it as fields of the record."""

    choices: tuple[Choice, ...]
    fields: Fields

    @property
    def text(self) -> str:
        """The first answer."""
        return self.choices[0].text if self.choices else ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer as it arrives. `chunk` is the provider's own event."""

    text: str
    index: int = 0
    finish_reason: str | None = None
    chunk: Json = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A text as the model sees it: its tokens, how likely each was after those before it, and where each begins.

    A log-probability is None where the provider gives none: at the first token of a text. `offsets` count characters
    of the text.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """What scoring gave: a text for each value, and what the provider said of the call as fields of the record."""

    texts: tuple[Scored, ...]
    fields: Fields


class Backend(Protocol):
    """A way to one model. All its methods run on the library's own event loop."""

    provider: str | None

    async def complete(self, requests: Sequence[Request]) -> list[Answer]:
        """An answer to each of several requests that differ in their prompts alone."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Piece]:
        """One answer in parts. Closing it early ends the call."""
        ...

    def answer_of(self, request: Request, chunks: Sequence[Json], *, is_whole: bool) -> Answer:
        """The answer that the chunks of a stream's pieces amount to, so far as they came."""
        ...

    async def score(self, prompt: str, values: Sequence[str]) -> Scores:
        """The tokens of `prompt + value`, for each value, in one request where the backend can."""
        ...

    def batch_key(self, request: Request) -> object:
        """Requests with equal keys may be completed together; None for those that must be alone."""
        ...


def request_of(
    prompt: str | Sequence[Mapping[str, Json]],
    *,
    max_tokens: int | None,
    decoder: str,
    n: int,
    tools: Sequence[Json] | None,
    settings: Mapping[str, Json],
) -> Request:
    """What was asked, checked. Raises InvalidCall naming the argument."""
    if decoder not in DECODERS:
        raise InvalidCall(f"decoder: {decoder!r} is not valid; expected one of {', '.join(DECODERS)}")
    if not is_count(n) or n > 128:
        raise InvalidCall(f"n: {n!r} is not valid; expected a whole number from 1 to 128")
    if max_tokens is not None and not is_count(max_tokens):
        raise InvalidCall(f"max_tokens: {max_tokens!r} is not valid; expected a whole number of 1 or more, or nothing")
    chosen = {name: value for name, value in settings.items() if value is not None}
    if decoder == "argmax":
        chosen.setdefault("temperature", 0)
    if decoder == "sample":
        chosen.setdefault("temperature", 1)
    _check_settings(chosen)
    if max_tokens is not None:
        chosen["max_tokens"] = max_tokens
    text, messages = _sent(prompt)
    return Request(
        prompt=text, messages=messages, tools=list(tools) if tools else None, decoder=decoder, n=n, settings=chosen
    )


def is_count(value: object) -> bool:
    """Whether this is a whole number of 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_settings(chosen: Mapping[str, Json]) -> None:
    for name, least, most in (("temperature", 0.0, 100.0), ("top_p", 0.0, 1.0)):
        value = chosen.get(name)
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not least <= value <= most:
            raise InvalidCall(f"{name}: {value!r} is not valid; expected a number from {least:g} to {most:g}")
    stop = chosen.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if stops is not None and not (isinstance(stops, list | tuple) and all(isinstance(s, str) and s for s in stops)):
        raise InvalidCall(f"stop: {stop!r} is not valid; expected a text, or a list of texts, none of them empty")


def _sent(prompt: object) -> tuple[str | None, list[dict[str, Json]] | None]:
    if isinstance(prompt, str):
        return prompt, None
    if isinstance(prompt, Sequence) and prompt and all(isinstance(m, Mapping) and "role" in m for m in prompt):
        return None, [dict(m) for m in prompt]
    raise InvalidCall(f"prompt: {_short(prompt)} is not valid; expected a text, or messages with a role each")


def values_of(prompt: object, values: object) -> list[str]:
    """The values to score, checked: texts of at least one character. Raises InvalidCall naming the argument."""
    if not isinstance(prompt, str):
        raise InvalidCall(f"prompt: {_short(prompt)} is not valid; expected a text")
    given = [values] if isinstance(values, str) else values
    if not isinstance(given, Sequence) or not given:
        raise InvalidCall(f"values: {_short(values)} is not valid; expected a text, or a list of at least one")
    for place, value in enumerate(given):
        if not isinstance(value, str) or not value:
            raise InvalidCall(f"values[{place}]: {_short(value)} is not valid; expected a text that is not empty")
    return list(given)


def holes(template: str | Sequence[Mapping[str, Json]]) -> list[str]:
    """The names of a template's variables, each once: of a text, or of the texts in messages' contents."""

    def texts(content: Json) -> Iterator[str]:
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                yield from texts(part)
        elif isinstance(content, Mapping) and isinstance(content.get("text"), str):
            yield content["text"]

    contents: list[Json] = [template] if isinstance(template, str) else [one.get("content") for one in template]
    return list(dict.fromkeys(name for one in contents for text in texts(one) for name in filling.names(text)))


def check_filled(template: str | Sequence[Mapping[str, Json]], variables: Mapping[str, Json]) -> None:
    """Refuse a template of which something would be sent unfilled. Raises InvalidCall naming all that has no value."""
    missing = [name for name in holes(template) if name not in variables]
    if missing:
        known = ", ".join(sorted(map(str, variables))) or "none"
        raise InvalidCall(
            f"variables: there is no value for {', '.join(map(repr, missing))} of the template; given are: {known}"
        )


def rendered(template: str, variables: Mapping[str, Json]) -> str:
    """`template` with each `{{name}}` replaced by its variable. Raises InvalidCall for those that have no value."""
    check_filled(template, variables)
    return filling.filled(template, variables)


def rendered_messages(messages: Sequence[Mapping[str, Json]], variables: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Messages with the variables put into the texts of their contents. Raises InvalidCall as `rendered` does."""
    check_filled(messages, variables)

    def content(given: Json) -> Json:
        if isinstance(given, str):
            return filling.filled(given, variables)
        if isinstance(given, list):
            return [content(part) for part in given]
        if isinstance(given, Mapping) and isinstance(given.get("text"), str):
            return {**given, "text": filling.filled(given["text"], variables)}
        return given

    return [{**message, "content": content(message.get("content"))} for message in messages]


def _short(value: object) -> str:
    import reprlib

    return reprlib.repr(value)
