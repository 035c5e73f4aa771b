"""Calls that several spans tell of, in shapes that were seen: the same rows in every order, split and told again.

Clients that tell by themselves stand beside an instrumentation or below it, gateways around both; which of them is the
call depends on all of them, so that whoever comes last may make a call of what was none.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
import pytest

from generations import access
from generations.api import otlp_joining
from generations.ingest.otlp.decode_json import spans_of_json
from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.spans import Told, told
from tests.doors.test_otlp import START, span
from tests.test_otlp_captures import stored

pytestmark = pytest.mark.django_db

CLIENT, MISTRAL, OTHER, GATEWAY = "com.anthropic.sdk.python", "mistralai_sdk_tracer", "langtrace_python_sdk", "gateway"
LOGFIRE = "logfire.anthropic"
WRAPPER = {"gen_ai.operation.name": "chat"}
MODEL = {**WRAPPER, "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-haiku-4-5"}
ASKED = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Capital of Peru?"}]}]'}
ANSWERED = {"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}]}]'}
COUNTED = {"gen_ai.usage.input_tokens": "67", "gen_ai.usage.output_tokens": "20"}
FEWER = {**COUNTED, "gen_ai.usage.input_tokens": "25"}
ONE, TWO = ({"gen_ai.response.id": f"msg_{n}"} for n in (1, 2))
NAMED = {"gen_ai.prompt.name": "capital"}
WHOLE = {**MODEL, **ANSWERED, **FEWER}
FAILED = {"code": 2, "message": "overloaded"}
DURATION = {"duration": {"doubleValue": 0.178}}
Scoped = tuple[str, dict[str, Any]]


def at(number: int, begin: int, end: int, scope: str, said: dict[str, Any], below: int = 9, **more: Any) -> Scoped:
    """A span from one millisecond to another, by its scope."""
    made = span(number, attributes=said, parent=below, **more)
    made["startTimeUnixNano"], made["endTimeUnixNano"] = str(START + begin * 10**6), str(START + end * 10**6)
    return scope, made


def elsewhere(one: Scoped) -> Scoped:
    """The span in another trace."""
    return one[0], {**one[1], "traceId": f"{5:032x}"}


SHAPES: Final[dict[str, list[Scoped]]] = {
    "a client's beside a gateway's, and a wrapper without a model": [
        at(1, 0, 300, OTHER, {**WRAPPER, **ASKED, **ANSWERED}),
        at(2, 10, 290, GATEWAY, {**MODEL, **COUNTED}, 1),
        at(3, 20, 280, CLIENT, {**MODEL, **ONE, **COUNTED}),
    ],
    "a client's below a gateway's, beside another": [
        at(1, 0, 300, OTHER, WHOLE),
        at(2, 5, 290, GATEWAY, {**MODEL, **COUNTED}),
        at(3, 10, 280, CLIENT, {**MODEL, **ONE, **COUNTED}, 2),
    ],
    "a client's beside another, with a call below it": [
        at(1, 10, 100, OTHER, WHOLE),
        at(2, 20, 90, CLIENT, {**MODEL, **ONE, **COUNTED}),
        at(3, 30, 80, MISTRAL, {**MODEL, **COUNTED}, 2),
    ],
    "a client's beside another, with a call below that": [
        at(1, 10, 100, OTHER, WHOLE),
        at(2, 20, 90, CLIENT, {**MODEL, **ONE, **COUNTED}),
        at(3, 15, 95, GATEWAY, {**MODEL, **NAMED}, 1),
    ],
    "two of a client within one": [
        at(1, 10, 300, OTHER, WHOLE),
        at(2, 40, 290, CLIENT, {**MODEL, **ONE, **COUNTED}),
        at(3, 30, 250, CLIENT, {**MODEL, **TWO, **COUNTED}),
    ],
    "a client's within another's within a gateway's": [
        at(1, 0, 300, GATEWAY, {**MODEL, **FEWER}),
        at(2, 5, 295, "http", {"http.request.method": "POST"}, 1),
        at(3, 10, 290, OTHER, {**WHOLE, **NAMED}, 2),
        at(4, 20, 280, CLIENT, {**MODEL, **ONE, **COUNTED}, 3),
    ],
    "two at the same time, each with a client's beside": [
        at(1, 0, 300, OTHER, WHOLE),
        at(2, 10, 290, CLIENT, {**MODEL, **ONE, **COUNTED}),
        at(3, 0, 200, OTHER, {**WHOLE, **NAMED}),
        at(4, 20, 190, CLIENT, {**MODEL, **TWO, **COUNTED}),
    ],
    "an attempt that failed, and another, beside one": [
        at(1, 0, 300, OTHER, {**WHOLE, **NAMED}),
        at(2, 10, 50, CLIENT, {**MODEL, "error.type": "overloaded"}, status=FAILED),
        at(3, 60, 290, CLIENT, {**MODEL, **ONE, **COUNTED}),
    ],
    "streams that are told when they are over": [
        at(1, 10, 180, LOGFIRE, MODEL),
        at(2, 20, 350, CLIENT, {**MODEL, **ONE, **COUNTED}, 1),
        at(3, 360, 360, LOGFIRE, {**WHOLE, **DURATION}),
        at(4, 380, 380, LOGFIRE, {**WHOLE, **DURATION}),
        at(5, 30, 370, CLIENT, {**MODEL, **TWO, **COUNTED}),
    ],
    "answers of one id, each at the same time as the next": [
        at(1, 0, 100, OTHER, {**WHOLE, **ONE}),
        at(2, 90, 200, "second", {**WHOLE, **ONE}),
        at(3, 190, 300, "third", {**MODEL, **ONE, **COUNTED}),
        at(4, 290, 400, "fourth", {**MODEL, **ONE, **COUNTED}),
    ],
    "an answer of one id in two traces": [
        at(1, 0, 300, OTHER, {**WHOLE, **ONE, **NAMED}),
        elsewhere(at(2, 10, 290, CLIENT, {**MODEL, **ONE, **COUNTED})),
        at(3, -10, 310, GATEWAY, MODEL, 8),
    ],
    "five within one another": [
        at(n, n * 10, 300 - n * 10, f"scope {n}", MODEL | (ANSWERED if n in (2, 4) else NAMED), n - 1)
        for n in range(1, 6)
    ],
}


def parsed(spans: Iterable[Scoped]) -> list[Told]:
    """What these spans tell."""
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": [one]} for scope, one in spans]}]}
    return [told(one) for one in spans_of_json(orjson.dumps(body)) if isinstance(one, Span)]


def rows(requests: Iterable[Sequence[Scoped]]) -> dict[str, Any]:
    """What these requests leave in a project of their own."""
    project = access.create_project("A project of its own")
    for some in requests:
        assert otlp_joining.write_spans(project, parsed(some), has_files=False) == []
    return stored(project)


def requests(spans: Sequence[Scoped]) -> Iterator[list[list[Scoped]]]:
    """The spans one by one in each order of three, or in some; and in some orders by twos and threes, twice as well."""
    draw = random.Random(len(spans))
    orders = list(itertools.permutations(spans))
    for order in draw.sample(orders, min(8, len(orders))):
        yield [[one] for one in order]
    for order in draw.sample(orders, 3):
        waiting, parts = list(order), []
        while waiting:
            size = draw.randint(1, 3)
            parts.append(waiting[:size])
            del waiting[:size]
        yield [*parts, *draw.sample(parts, len(parts))]


@pytest.mark.parametrize("shape", SHAPES)
def test_calls_that_several_tell_of_are_the_same_in_every_order_and_split(shape: str) -> None:
    spans = SHAPES[shape]
    whole = rows([spans])

    assert whole["Generation"]
    for some in requests(spans):
        assert rows(some) == whole, [[one["spanId"][-1] for _, one in part] for part in some]
