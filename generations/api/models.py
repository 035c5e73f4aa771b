"""Calls to models: generate and score, whole or as a stream that ends when whoever asked goes away."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, Final

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from ninja import Router

from generations import bundles, generating, llm
from generations.access import Grant, Scope
from generations.api import errors, receive, repeats
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import Schema, closed, ref, sent
from generations.api.operations import AGAIN, operation
from generations.generating import Asked
from generations.ingest import rest

router = Router()
MODELS: Final = "Models"
BEAT: Final = 1.0
"""Seconds of silence after which a stream sends a comment: only by sending is it found out that nobody listens."""
MOST: Final = 8 << 20

_TEXT: Final[Schema] = {"type": "string"}
_ANY_OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}
_MODEL: Final[Schema] = {**_TEXT, "description": "`ngram:`, `random`, or `NAME/MODEL` of a provider of the project."}
_CONTEXT: Final[dict[str, Schema]] = {
    **dict.fromkeys(
        ("id", "name", "threadId", "stepId", "userId", "sessionId", "environment", "release", "promptVersionId"), _TEXT
    ),
    "tags": {"type": "array", "items": _TEXT},
    "metadata": _ANY_OBJECT,
    "variables": {
        **_ANY_OBJECT,
        "description": "Values for `{{name}}` in the prompt or the messages. With them, an empty object too, each name"
        " needs one, else 422 names those without; without them a text is sent as it stands.",
    },
}
_ASKED: Final = sent(
    ("model",),
    model=_MODEL,
    prompt=_TEXT,
    messages={"type": "array", "items": _ANY_OBJECT, "minItems": 1, "description": "In the place of a prompt."},
    tools={"type": "array", "items": _ANY_OBJECT},
    decoder={"type": "string", "enum": ["argmax", "sample", "beam"]},
    n={"type": "integer", "minimum": 1, "maximum": 128},
    maxTokens={"type": "integer", "minimum": 1},
    parameters={**_ANY_OBJECT, "description": "temperature, topP, stopSequences, seed and whatever the model has."},
    stream={"type": "boolean", "description": "Answer with server-sent events: pieces, then `done` or `error`."},
    **_CONTEXT,
)
_ASKED_TO_SCORE: Final = sent(
    ("model", "prompt", "values"),
    model=_MODEL,
    prompt=_TEXT,
    values={"type": "array", "items": {**_TEXT, "minLength": 1}, "minItems": 1, "maxItems": generating.MOST_VALUES},
    separator={**_TEXT, "description": "What stands between prompt and value; nothing unless given."},
    straddle={"type": "string", "enum": ["include", "exclude", "error"]},
    **_CONTEXT,
)
_NUMBER: Final[Schema] = {"type": "number"}
_TOKEN: Final[dict[str, Schema]] = {
    "token": _TEXT,
    "logprob": {"type": ["number", "null"], "description": "Natural; null where the model does not say it."},
    "offset": {"type": ["integer", "null"], "description": "Where it begins in prompt and value, in characters."},
    "isValue": {"type": "boolean", "description": "Whether it counts as the value's."},
}
_SCORED_VALUE: Final[dict[str, Schema]] = {
    "value": _TEXT,
    "sum": {**_NUMBER, "description": "The sum of its tokens' log-probabilities."},
    "mean": {**_NUMBER, "description": "The sum by its tokens."},
    "normalized": {**_NUMBER, "description": "The sum by its tokens to a power below 1, so that length counts less."},
    "prob": {**_NUMBER, "description": "Its share of the probability of all values, 0 to 1."},
    "straddles": {"type": "boolean", "description": "Whether a token stands across its border with the prompt."},
    "tokens": {"type": "array", "items": closed(tuple(_TOKEN), **_TOKEN)},
}
_SCORED: Final[dict[str, Schema]] = {
    "generationId": {**_TEXT, "description": "The recorded call."},
    "model": _TEXT,
    "prompt": _TEXT,
    "best": {**_TEXT, "description": "The likeliest value."},
    "values": {"type": "array", "items": closed(tuple(_SCORED_VALUE), **_SCORED_VALUE)},
}
_ANSWERED: Final = closed(
    ("texts", "generation"), texts={"type": "array", "items": _TEXT}, generation=ref("Generation")
)


@router.get(
    "/models",
    **operation(
        "List models",
        tag=MODELS,
        scope=Scope.READ,
        ok={200: closed(("data",), data={"type": "array", "items": closed(("id",), id=_TEXT)})},
    ),
)
def list_models(request: HttpRequest) -> HttpResponse:
    """The models that may be called, as far as their names are known."""
    return answer({"data": [{"id": name} for name in generating.models(grant_of(request))]})


@router.post(
    "/generate",
    **operation(
        "Generate text",
        tag=MODELS,
        scope=Scope.WRITE,
        sent=_ASKED,
        example={"model": "ngram:", "prompt": "Hello", "maxTokens": 10},
        ok={200: _ANSWERED},
        headers=[AGAIN],
        refuses=(409, 429, 502),
    ),
)
def generate(request: HttpRequest) -> HttpResponseBase:
    """Calls a model and records the call. With `stream`, the answer are server-sent events: `{"index", "text"}` for
    each piece, then `done` with the generation, or `error`; leaving ends the call.
    """
    grant = grant_of(request)
    document = receive.mapping(request, limit=MOST)
    asked = generating.asked(repeats.named(request, document))
    with ExitStack() as held:
        # One that names its record asks for a call each time.
        if "id" not in document:
            held.enter_context(repeats.claimed(request, grant))
        there = None if "id" in document else _answered_before(grant, asked)
        if not asked.is_stream:
            if there is not None:
                return answer(there)
            done = generating.generate(grant, asked)
            return answer({"texts": done.texts, "generation": rest.document(done.record)})
        said = events(generating.stream(grant, asked)) if there is None else _said_again(there)
        response = StreamingHttpResponse(_Held(said, held.pop_all()), content_type="text/event-stream; charset=utf-8")
    # Nothing between here and the caller may gather pieces before it passes them on.
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Held:
    """The pieces of a stream, and what is held until it is closed: also where nobody has begun to read it."""

    def __init__(self, pieces: Iterator[bytes], held: ExitStack) -> None:
        self._pieces, self._held = pieces, held

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            self.close()
            raise

    def close(self) -> None:
        with self._held:
            if isinstance(self._pieces, Generator):
                self._pieces.close()


def _answered_before(grant: Grant, asked: Asked) -> dict[str, Any] | None:
    """What a request with the same `Idempotency-Key` was answered; None where it had no key, or its call failed."""
    id = asked.options.get("record", {}).get("id")
    there = None if id is None else bundles.generation(grant.project, id)
    if there is None or there.record.error is not None:
        return None
    document = rest.document(there.record)
    output = document.get("output") or {}
    others = [other for other in output.get("alternatives") or () if (other["kind"], other["index"]) != ("beam", 0)]
    said = [output.get("content"), *(other["content"] for other in others)]
    # Of an answer to messages the text alone is told.
    texts = [one.get("content") if isinstance(one, dict) else one for one in said]
    return {"texts": [text or "" for text in texts], "generation": document}


def _said_again(answered: dict[str, Any]) -> Iterator[bytes]:
    """A stream of what was answered before."""
    for index, text in enumerate(answered["texts"]):
        yield event(None, {"index": index, "text": text})
    yield event("done", answered)


@router.post(
    "/score",
    **operation(
        "Score continuations",
        tag=MODELS,
        scope=Scope.WRITE,
        sent=_ASKED_TO_SCORE,
        example={"model": "ngram:", "prompt": "The sea is", "values": [" blue", " grey"]},
        ok={200: closed(tuple(_SCORED), **_SCORED)},
        headers=[AGAIN],
        refuses=(409, 429, 502),
    ),
)
def score(request: HttpRequest) -> HttpResponse:
    """How likely each value is to follow the prompt: `sum`, `mean`, `normalized`, `prob` and the tokens of each."""
    grant = grant_of(request)
    document = receive.mapping(request, limit=MOST)
    asked = generating.asked_to_score(repeats.named(request, document))
    with repeats.claimed(request, grant):
        # One that names its record asks for a call each time.
        there = None if "id" in document else generating.scored_before(grant, asked)
        result = generating.score(grant, asked) if there is None else there
    return answer({"generationId": result.generation_id, **result.to_dict()})


def events(stream: llm.Stream) -> Iterator[bytes]:
    """A stream as server-sent events. Closing it ends the call."""
    try:
        with generating.streaming(), closing(stream.beating(BEAT)) as pieces:
            for piece in pieces:
                if piece is None:
                    yield b": waiting\n\n"
                elif piece.text:
                    yield event(None, {"index": piece.index, "text": piece.text})
    except (llm.LLMError, generating.Full) as problem:
        refusal = errors.REFUSALS[llm.LLMError if isinstance(problem, llm.LLMError) else generating.Full](problem)
        said: dict[str, Any] = {"code": refusal.code, "message": refusal.message, "generationId": stream.id}
        yield event("error", {"error": said})
        return
    assert stream.completion is not None
    done = stream.completion
    yield event("done", {"texts": done.texts, "generation": rest.document(done.record)})


def event(name: str | None, document: object) -> bytes:
    """A server-sent event whose data is a line of JSON."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + orjson.dumps(document, default=str) + b"\n\n"
