"""A provider of models: several interfaces, answering by what they are asked, and remembering both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.clients.otel import clouds
from tests.scripted import Answer, Scripted

Json = Any
_JSON = {"Content-Type": "application/json"}
_EVENTS = {"Content-Type": "text/event-stream"}
REFUSAL = "The model is asleep."
"""What is said to whoever asks for a failure."""


@dataclass(frozen=True)
class Exchange:
    """One call as it was on the wire: a stream's answer is the whole that its parts make."""

    path: str
    request: dict[str, Any]
    status: int
    response: dict[str, Any]


@dataclass
class Provider:
    """The server. Each of its answers has an id and token counts of its own, so that none is taken for another."""

    server: Scripted = field(default_factory=Scripted)
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.answer = self._answer
        self.server.pause = 0.01

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL has to be; Anthropic's client wants it without the last part."""
        return f"{self.server.url}/v1"

    def _answer(self, method: str, path: str, body: bytes) -> Answer:
        request = json.loads(body or b"{}")
        number = len(self.exchanges) + 1
        if "Please fail." in json.dumps(request.get("messages", request.get("input"))):
            response: Json = {"error": {"message": REFUSAL, "type": "invalid_request_error", "code": "asleep"}}
            self.exchanges.append(Exchange(path, request, 400, response))
            return 400, _JSON, json.dumps(response).encode()
        if (said := clouds.said(path, request, number)) is not None:
            self.exchanges.append(Exchange(path, said.request, 200, said.response))
            return 200, _JSON, json.dumps(said.answer).encode()
        made = _INTERFACES.get(path)
        if made is None:
            return 404, _JSON, b'{"error": {"message": "There is no such interface."}}'
        response, streamed = made(request, number)
        self.exchanges.append(Exchange(path, request, 200, response))
        if request.get("stream"):
            return 200, _EVENTS, streamed()
        return 200, _JSON, json.dumps(response).encode()


_Made = tuple[dict[str, Any], Callable[[], list[bytes]]]


def _chat(request: Mapping[str, Json], number: int) -> _Made:
    last = request["messages"][-1]
    if request.get("tools") and last["role"] != "tool":
        calls = _calls(number)
        if "Observation:" in str(last["content"]):  # smolagents says so what tools gave, and is answered by one
            calls = [_call(f"call_{number}", "final_answer", answer=f"It is sunny ({number}).")]
        message: Json = {"role": "assistant", "content": None, "tool_calls": calls}
        reason = "tool_calls"
    else:
        text = f"The capital of Peru is Lima ({number})."
        if "at length" in str(last["content"]):
            text = " ".join(["Lima,"] * 200 + [text])
        if "[[ ## answer ## ]]" in str(last["content"]):  # as DSPy asks for it
            text = f"[[ ## answer ## ]]\n{text}\n\n[[ ## completed ## ]]"
        message, reason = {"role": "assistant", "content": text}, "stop"
    choices = [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}]
    for n in range(1, request.get("n") or 1):
        other = {"role": "assistant", "content": f"Lima, of course ({number}.{n})."}
        choices.append({"index": n, "message": other, "finish_reason": "length", "logprobs": None})
    whole = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": _answering(request),
        "choices": choices,
        "usage": {
            "prompt_tokens": 50 + number,
            "completion_tokens": 20 + number,
            "total_tokens": 70 + 2 * number,
            "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
        },
    }
    if not request.get("stream"):
        return whole, list
    if not (request.get("stream_options") or {}).get("include_usage"):
        whole.pop("usage")
    return whole, lambda: _chat_chunks(whole)


def _chat_chunks(whole: Mapping[str, Json]) -> list[bytes]:
    start = {**{name: whole[name] for name in ("id", "created", "model")}, "object": "chat.completion.chunk"}

    def chunk(delta: Json, reason: str | None = None) -> Json:
        return {**start, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}

    (choice,) = whole["choices"]
    message = choice["message"]
    found = [chunk({"role": "assistant", "content": None if message["content"] is None else ""})]
    for word in (message["content"] or "").split(" "):
        if word:
            found.append(chunk({"content": f"{word} " if not word.endswith(".") else word}))
    for n, call in enumerate(message.get("tool_calls", ())):
        arguments = call["function"]["arguments"]
        found.append(chunk({"tool_calls": [{**call, "index": n, "function": {**call["function"], "arguments": ""}}]}))
        for half in (arguments[:6], arguments[6:]):
            found.append(chunk({"tool_calls": [{"index": n, "function": {"arguments": half}}]}))
    found.append(chunk({}, choice["finish_reason"]))
    if "usage" in whole:
        found.append({**start, "choices": [], "usage": whole["usage"]})
    return [b"data: %b\n\n" % json.dumps(one).encode() for one in found] + [b"data: [DONE]\n\n"]


def _calls(number: int) -> list[Json]:
    return [_call(f"call_{number}_{n}", "get_weather", city=city) for n, city in enumerate(("Lima", "Cusco"))]


def _call(id: str, name: str, **arguments: str) -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _completion(request: Mapping[str, Json], number: int) -> _Made:
    return {
        "id": f"cmpl-{number}",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": _answering(request),
        "choices": [{"index": 0, "text": f" Lima ({number}).", "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 5 + number, "completion_tokens": 3, "total_tokens": 8 + number},
    }, list


def _embeddings(request: Mapping[str, Json], number: int) -> _Made:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    return {
        "object": "list",
        "model": request["model"],
        "data": [{"object": "embedding", "index": n, "embedding": [0.25, -0.5]} for n, _ in enumerate(texts)],
        "usage": {"prompt_tokens": 10 + number, "total_tokens": 10 + number},
    }, list


def _responses(request: Mapping[str, Json], number: int) -> _Made:
    asked = request["input"]
    is_answered = isinstance(asked, list) and asked[-1].get("type") == "function_call_output"
    if request.get("tools") and not is_answered:
        output: list[Json] = [
            {
                "id": f"fc_{call['id']}",
                "type": "function_call",
                "call_id": call["id"],
                "status": "completed",
                **call["function"],
            }
            for call in _calls(number)
        ]
    else:
        text = {"type": "output_text", "text": f"The capital of Peru is Lima ({number}).", "annotations": []}
        output = [
            {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
        ]
    whole = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": _answering(request),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": request.get("tools") or [],
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": {
            "input_tokens": 50 + number,
            "input_tokens_details": {"cached_tokens": 8},
            "output_tokens": 20 + number,
            "output_tokens_details": {"reasoning_tokens": 4},
            "total_tokens": 70 + 2 * number,
        },
    }
    return whole, lambda: _response_events(whole)


def _response_events(whole: Mapping[str, Json]) -> list[bytes]:
    (item,) = whole["output"]
    (part,) = item["content"]
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    empty = {**whole, "status": "in_progress", "output": [], "usage": None}
    told: list[Json] = [
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **at, "delta": text, "logprobs": []}
            for text in (part["text"][:9], part["text"][9:])
        ),
        {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [
        b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps({**one, "sequence_number": n}).encode())
        for n, one in enumerate(told)
    ]


def _messages(request: Mapping[str, Json], number: int) -> _Made:
    whole = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{"type": "text", "text": f"The capital of Peru is Lima ({number})."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 20 + number,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 12,
            "output_tokens": 15 + number,
        },
    }
    return whole, lambda: _message_events(whole)


def _message_events(whole: Mapping[str, Json]) -> list[bytes]:
    (part,) = whole["content"]
    usage = whole["usage"]
    told: list[Json] = [
        {
            "type": "message_start",
            "message": {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {**part, "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
            for text in (part["text"][:9], part["text"][9:])
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": usage["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in told]


def _answering(request: Mapping[str, Json]) -> str:
    return "gpt-4o-mini-2024-07-18" if request["model"] == "gpt-4o-mini" else str(request["model"])


_INTERFACES: Mapping[str, Callable[[Mapping[str, Json], int], _Made]] = {
    "/v1/chat/completions": _chat,
    "/v1/completions": _completion,
    "/v1/embeddings": _embeddings,
    "/v1/responses": _responses,
    "/v1/messages": _messages,
}
