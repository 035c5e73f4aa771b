"""Believable traces for benchmarks: an agent with two model calls and a tool, in protobuf, the same in every run."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from bench.calls import MODELS

SPANS: Final = 4
"""Spans of one trace; its children come first and its root last, as exporters send them."""
_WORDS: Final = 4_000
_BEGIN: Final = ("", *"bcdfglmnprstv", "st", "tr", "pr")
_END: Final = ("a", "e", "i", "o", "u", "er", "in", "on", "al", "ent")


def body(first: int, traces: int, seed: str = "") -> bytes:
    """An ExportTraceServiceRequest with traces number `first` and on, spread over the last six days."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _fill(group.resource, {"service.name": "shop", "telemetry.sdk.name": "opentelemetry"})
    scope = group.scope_spans.add()
    scope.scope.name = "bench"
    for n in range(first, first + traces):
        _trace(scope, n, random.Random(f"{seed}/{n}"))
    return request.SerializeToString()


def _trace(scope: Any, n: int, chance: random.Random) -> None:
    model, provider, _ = chance.choices(MODELS, [m[2] for m in MODELS])[0]
    began = int((time.time() - 60 - 6 * 86_400 * chance.random()) * 1e9)
    question, answer = (_prose(chance, int(chance.lognormvariate(4.9, 0.6))) for _ in range(2))
    system = _prose(random.Random(n % 5), 90)
    call, arguments = f"call_{chance.getrandbits(64):016x}", {"query": question[:40], "limit": 10}
    results = {"results": [{"id": m, "text": _prose(chance, 25)} for m in range(3)]}
    who = {"gen_ai.conversation.id": f"session-{n // 5}", "user.id": f"user-{int(chance.paretovariate(0.8)) % 5000}"}
    asks = _message("assistant", {"type": "tool_call", "id": call, "name": "search_orders", "arguments": arguments})
    asked = [_message("system", _text(system)), _message("user", _text(question))]
    told = _message("tool", {"type": "tool_call_response", "id": call, "response": results})
    said = _message("assistant", _text(answer))
    history = [*asked, asks, told]
    first, tool, second = (int(chance.lognormvariate(mean, 0.6) * 1e6) for mean in (6.5, 5, 7.2))
    spans = [
        (f"chat {model}", 0, first, _call(model, provider, f"{call}-1", asked, asks, "tool_call")),
        (
            "execute_tool search_orders",
            first,
            tool,
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "search_orders",
                "gen_ai.tool.call.id": call,
                "gen_ai.tool.call.arguments": json.dumps(arguments),
                "gen_ai.tool.call.result": json.dumps(results),
            },
        ),
        (
            f"chat {model}",
            first + tool,
            second,
            _call(model, provider, f"{call}-2", history, said, "stop"),
        ),
        (
            "invoke_agent support",
            0,
            first + tool + second,
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "support",
                "gen_ai.input.messages": json.dumps(asked[1:]),
                "gen_ai.output.messages": json.dumps([said]),
            },
        ),
    ]
    trace_id = chance.getrandbits(128).to_bytes(16, "big")
    ids = [chance.getrandbits(64).to_bytes(8, "big") for _ in spans]
    for place, (name, offset, duration, attributes) in enumerate(spans):
        span = scope.spans.add(trace_id=trace_id, span_id=ids[place], name=name, kind=1)
        span.parent_span_id = b"" if place == SPANS - 1 else ids[-1]
        span.start_time_unix_nano, span.end_time_unix_nano = began + offset, began + offset + duration
        _fill(span, {**attributes, **who})


def _prose(chance: random.Random, words: int) -> str:
    """So many words, as seldom and as often as those of a language: what they are packed to is what prose is packed to,
    and that is most of the work of a table that keeps them."""
    known, often = _vocabulary()
    return " ".join(chance.choices(known, cum_weights=often, k=max(1, words)))


@cache
def _vocabulary() -> tuple[Sequence[str], Sequence[float]]:
    chance = random.Random(1)
    syllables = [begin + end for begin in _BEGIN for end in _END]
    made = ("".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3, 3, 4)))) for _ in itertools.count())
    known = [*itertools.islice(dict.fromkeys(itertools.islice(made, 3 * _WORDS)), _WORDS)]
    return known, [*itertools.accumulate(1 / (n + 2) for n in range(len(known)))]


def _call(model: str, provider: str, id: str, asked: list[Any], given: Any, reason: str) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.response.id": id,
        "gen_ai.response.finish_reasons": [reason],
        "gen_ai.usage.input_tokens": len(json.dumps(asked)) // 4,
        "gen_ai.usage.output_tokens": len(json.dumps(given)) // 4,
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([{**given, "finish_reason": reason}]),
    }


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _message(role: str, part: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": [part]}


def _fill(holder: Any, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        pair = holder.attributes.add(key=name)
        if isinstance(value, str):
            pair.value.string_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, float):
            pair.value.double_value = value
        else:
            for one in value:
                pair.value.array_value.values.add().string_value = one
