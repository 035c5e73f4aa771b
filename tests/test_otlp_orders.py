"""Traces of calls, tools and agents drawn at random: the same rows in any order, however they are split."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import orjson
import pytest

from generations import recording
from generations.api import otlp_joining
from generations.ingest.otlp.decode_json import spans_of_json
from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.spans import Told, told
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import BARE, CHAT, START, calls, post, request, span
from tests.test_otlp_captures import stored

pytestmark = pytest.mark.django_db

MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
ASKED = {"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello %d"}]}]'}
ANSWERED = {"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hi %d"}]}]'}
COUNTED = {"gen_ai.usage.input_tokens": "1%d", "gen_ai.usage.output_tokens": "2%d"}
FAILED = {"code": 2, "message": "rate limited"}
OTHERS: tuple[dict[str, str], ...] = (
    {"gen_ai.operation.name": "execute_tool"},
    {"http.request.method": "POST"},
    {"gen_ai.operation.name": "invoke_agent"},
)
SHARED = {"session.id": "chat-%d", "user.id": "user-%d", "tag.tags": '["tag-%d"]'}


def trace(draw: random.Random) -> list[dict[str, Any]]:
    """A trace of up to nine spans, most of them calls that say more or less of what they were asked and answered."""
    spans: list[dict[str, Any]] = []
    moments = draw.sample(range(1_000), 9)
    for number in range(1, draw.randint(3, 9)):
        more: dict[str, Any] = {}
        attributes = dict(draw.choice(OTHERS))
        if draw.random() < 0.7:
            attributes = dict(MODEL)
            for part in (ASKED, ANSWERED, COUNTED):
                attributes |= part if draw.random() < 0.6 else {}
            if draw.random() < 0.25:
                more = {"status": FAILED}
                for name in ANSWERED:
                    attributes.pop(name, None)
            if draw.random() < 0.3:
                attributes["gen_ai.response.id"] = f"answer-{draw.randint(1, 2)}"
        if draw.random() < 0.3:
            attributes |= {name: said % draw.randint(1, 2) for name, said in SHARED.items() if draw.random() < 0.5}
        parent = draw.choice(spans)["spanId"] if spans and draw.random() < 0.9 else ""
        at = START + moments.pop() * 10**7
        spans.append(
            {
                "traceId": f"{draw.choice([1, 1, 1, 2]) if not parent else int(spans[0]['traceId'], 16):032x}",
                "spanId": f"{number:016x}",
                "parentSpanId": parent,
                "name": f"span {number}",
                "startTimeUnixNano": str(at),
                "endTimeUnixNano": str(at + 10**9),
                "attributes": [
                    {"key": k, "value": {"stringValue": v.replace("%d", str(number))}} for k, v in attributes.items()
                ],
                **more,
            }
        )
    return spans


def rows(api: Caller, spans: list[dict[str, Any]], sizes: list[int]) -> dict[str, Any]:
    """What is stored when these spans came in requests of these sizes."""
    waiting = list(spans)
    for size in sizes:
        assert api.post("/v1/traces", request(*waiting[:size])).json == {}
        del waiting[:size]
    assert not waiting
    return there(api)


def there(api: Caller) -> dict[str, Any]:
    """What is stored, whatever it was told by first."""
    found = stored(api.project)
    # Whose a thread with two users is depends on whom it was told of first.
    found["Thread"] = [{**json.loads(row), "user_id": None} for row in found["Thread"]]
    return found


def sizes(draw: random.Random, whole: int) -> list[int]:
    """How many spans each request has."""
    found: list[int] = []
    while sum(found) < whole:
        found.append(min(draw.randint(1, 4), whole - sum(found)))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_trace_is_stored_the_same_in_any_order_and_split(seed: int) -> None:
    draw = random.Random(seed)
    spans = trace(draw)
    whole = rows(caller("ingest"), spans, [len(spans)])
    for _ in range(2):
        draw.shuffle(spans)
        assert rows(caller("ingest"), spans, sizes(draw, len(spans))) == whole


@pytest.mark.parametrize("seed", range(20))
def test_a_trace_is_stored_the_same_by_requests_that_share_a_transaction(seed: int) -> None:
    draw = random.Random(seed)
    spans = trace(draw)
    whole = rows(caller("ingest"), spans, [len(spans)])
    draw.shuffle(spans)
    api = caller("ingest")
    together: list[tuple[Told, recording.Ready | None]] = []
    for size in sizes(draw, len(spans)):
        part = [told(one) for one in spans_of_json(orjson.dumps(request(*spans[:size]))) if isinstance(one, Span)]
        del spans[:size]
        ready = None
        if draw.random() < 0.4:  # as large ones are
            part, ready = otlp_joining._readied(api.project, part)
        together += [(one, ready) for one in part]

    refused = otlp_joining._write(api.project, together)

    assert refused == [[]] * len(together)
    assert there(api) == whole


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_attempt_that_failed_below_a_call_that_did_not_is_a_call_of_its_own(order: tuple[int, ...]) -> None:
    api = caller("ingest")
    tried = [
        span(1, attributes={**CHAT, "gen_ai.prompt.name": "greeting"}),
        span(2, parent=1, attributes=BARE, status=FAILED),
        span(3, parent=1, attributes=CHAT),
    ]
    for place in order:
        post(api, tried[place])

    failed, answered = calls(api)
    assert (failed.span_id, failed.error, failed.prompt_name) == (f"{2:016x}", "rate limited", None)
    assert (answered.span_id, answered.error, answered.prompt_name) == (f"{3:016x}", None, "greeting")


def test_what_a_call_had_of_the_one_above_is_taken_back_when_there_turn_out_to_be_two_below() -> None:
    api = caller("ingest")
    post(api, span(1, attributes={**CHAT, "gen_ai.prompt.name": "greeting"}), span(2, parent=1, attributes=CHAT))
    assert [call.prompt_name for call in calls(api)] == ["greeting"]

    post(api, span(3, parent=1, attributes=CHAT))

    assert [((call.span_id or "")[-1], call.prompt_name) for call in calls(api)] == [("2", None), ("3", None)]
