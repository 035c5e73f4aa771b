"""An endpoint that speaks OpenAI's completions and chat as a real one does, with an n-gram model behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from generations.llm.backends.ngrams import END, Ngrams
from tests.scripted import Answer, Scripted

TEXT = "the cat sat on the mat\n\nthe cat ate\n\nthe dog sat on the cat"
MODEL = Ngrams(TEXT, 2)
JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream"}


@pytest.fixture
def endpoint() -> Iterator[Scripted]:
    server = Scripted()
    server.answer = answered
    yield server
    server.close()


def answered(method: str, path: str, body: bytes) -> Answer:
    """Completions with echo, log-probabilities, lists of prompts, n and streams; chat as the completion of a text."""
    asked = json.loads(body)
    if "messages" in asked:
        return reply(asked, chat(asked))
    prompts = [asked["prompt"]] if isinstance(asked["prompt"], str) else asked["prompt"]
    n = asked.get("n", 1)
    choices = [choice(asked, prompt, at * n + k) for at, prompt in enumerate(prompts) for k in range(n)]
    told = sum(len(c.pop("made")) for c in choices)
    sent = sum(len(MODEL.tokens(prompt)) for prompt in prompts)
    # Listed as they are ready, which is not the order of the prompts.
    return reply(
        asked, {"id": "cmpl-1", "object": "text_completion", "choices": choices[::-1], "usage": usage(sent, told)}
    )


def choice(asked: dict[str, Any], prompt: str, index: int) -> dict[str, Any]:
    before = MODEL.tokens(prompt)
    made: list[int] = []
    reason = "length"
    while len(made) < asked["max_tokens"]:
        shares = MODEL.distribution([*before, *made])
        token = shares.index(max(shares))
        if token == END:
            reason = "stop"
            break
        made.append(token)
    ids = [*before, *made] if asked.get("echo") else made
    tokens = MODEL.pieces(ids)
    text = "".join(tokens)
    told: dict[str, Any] = {"index": index, "text": text, "finish_reason": reason, "logprobs": None, "made": made}
    if asked.get("logprobs"):
        starts = [0]
        for token_text in tokens[:-1]:
            starts.append(starts[-1] + len(token_text))
        known = MODEL.logprobs([] if asked.get("echo") else before, ids)
        first = [None] if asked.get("echo") else known[:1]
        told["logprobs"] = {"tokens": tokens, "token_logprobs": [*first, *known[1:]], "text_offset": starts}
    return told


def chat(asked: dict[str, Any]) -> dict[str, Any]:
    said = str(asked["messages"][-1]["content"])
    made = choice({"max_tokens": 50}, said, 0)
    choices = [
        {"index": k, "finish_reason": made["finish_reason"], "message": {"role": "assistant", "content": made["text"]}}
        for k in range(asked.get("n", 1))
    ]
    counts = usage(len(MODEL.tokens(said)), len(made["made"]))
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-2", "choices": choices, "usage": counts}


def usage(sent: int, told: int) -> dict[str, int]:
    return {"prompt_tokens": sent, "completion_tokens": told, "total_tokens": sent + told}


def reply(asked: dict[str, Any], response: dict[str, Any]) -> Answer:
    if not asked.get("stream"):
        return 200, JSON, json.dumps(response).encode()
    return 200, EVENTS, events(response)


def events(response: dict[str, Any]) -> list[bytes]:
    """A response as a stream of events, word by word."""
    made: list[dict[str, Any]] = []
    for one in response["choices"]:
        message = one.get("message")
        words = str(message["content"] if message else one["text"]).split(" ")
        for at, word in enumerate(words):
            text = f" {word}" if at else word
            piece: dict[str, Any] = {"delta": {"content": text}} if message else {"text": text}
            made.append({"choices": [{"index": one["index"], "finish_reason": None, **piece}]})
        ending: dict[str, Any] = {"delta": {}} if message else {"text": ""}
        made.append({"choices": [{"index": one["index"], "finish_reason": one["finish_reason"], **ending}]})
    made.append({"choices": [], "usage": response["usage"]})
    kind = "chat.completion.chunk" if "message" in response["choices"][0] else "text_completion"
    shared = {"id": response["id"], "object": kind, "model": response.get("model", "m")}
    return [f"data: {json.dumps(shared | one)}\n\n".encode() for one in made] + [b"data: [DONE]\n\n"]
