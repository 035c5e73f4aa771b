"""Events with all details of a call that come without its span: the call is there with its model, tokens and cost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from generations.models import Generation, GenerationPayload, Step
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import START, TRACE, calls, post, span

pytestmark = pytest.mark.django_db

SECOND = 1_000_000_000
SAID = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-7",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.request.temperature": 0.5,
    "gen_ai.conversation.id": "chat-9",
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 100,
}
WORDS = {
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}], "finish_reason": "stop"}]
    ),
}


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def value(given: Any) -> dict[str, Any]:
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(one) for one in given]}}
    kind = {int: "intValue", float: "doubleValue"}.get(type(given), "stringValue")
    return {kind: given}


def log(api: Caller, said: dict[str, Any], *, number: int | None = None, at: int = SECOND, scope: str = "mine") -> None:
    """Send the event of a call that ended so many nanoseconds after the start, within span `number` or in none."""
    place = {} if number is None else {"traceId": TRACE, "spanId": f"{number:016x}"}
    record = {
        "eventName": "gen_ai.client.inference.operation.details",
        "timeUnixNano": str(START + at),
        "attributes": [{"key": name, "value": value(one)} for name, one in said.items()],
        **place,
    }
    resource = {"attributes": [{"key": "service.version", "value": value("1.4")}]}
    logs = [{"resource": resource, "scopeLogs": [{"scope": {"name": scope}, "logRecords": [record]}]}]
    assert api.post("/v1/logs", {"resourceLogs": logs}).json == {}


def words(api: Caller) -> list[str]:
    (payload,) = GenerationPayload.objects.in_project(api.project.pk)
    answer: Any = payload.message_completion or {}
    return [*(one["content"] for one in payload.messages or ()), answer.get("content")]


def is_whole(call: Generation) -> bool:
    """Whether a call has all that the event says of it."""
    assert (call.model_id, call.provider, call.model_version) == ("gpt-4o-mini", "openai", "gpt-4o-mini-2024-07-18")
    assert (call.prompt_tokens, call.completion_tokens, call.finish_reason) == (1_000, 100, "stop")
    assert call.cost == Decimal("0.00021")
    assert (call.thread_id, call.release, call.parameters) == ("chat-9", "1.4", {"temperature": 0.5})
    return True


@pytest.mark.parametrize("number", [1, None])
def test_a_call_of_which_there_is_an_event_alone_has_all_that_this_says(api: Caller, number: int | None) -> None:
    for _ in range(2):
        log(api, {**SAID, **WORDS}, number=number)

    (call,) = calls(api)
    (step,) = Step.objects.in_project(api.project.pk)
    assert is_whole(call)
    assert words(api) == ["Hello", "Hi"]
    assert (step.type, step.name, step.thread_id) == ("llm", "chat gpt-4o-mini", "chat-9")
    assert call.step_id == step.public_id
    assert call.ended_at is not None and call.ended_at.timestamp() == pytest.approx(START / 1e9 + 1)
    assert call.latency is None


@pytest.mark.parametrize("is_first", [True, False])
def test_the_span_of_such_an_event_is_the_same_call_in_either_order(api: Caller, is_first: bool) -> None:
    sent: list[Callable[[], object]] = [
        lambda: log(api, {**SAID, **WORDS}, number=1),
        lambda: post(api, {**span(1, attributes=SAID), "endTimeUnixNano": str(START + 2 * SECOND)}),
    ]
    for one in sent if is_first else reversed(sent):
        one()

    (call,) = calls(api)
    assert (call.model_id, call.prompt_tokens, call.thread_id) == ("gpt-4o-mini", 1_000, "chat-9")
    assert call.started_at.timestamp() == pytest.approx(START / 1e9, abs=1)
    assert call.ended_at is not None and call.ended_at.timestamp() == pytest.approx(START / 1e9 + 2)
    assert words(api) == ["Hello", "Hi"]


def test_an_event_of_an_agent_makes_no_call(api: Caller) -> None:
    log(api, {**WORDS, "gen_ai.operation.name": "invoke_agent"}, number=1)
    log(api, {**WORDS, "gen_ai.operation.name": "invoke_agent"})

    assert calls(api) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_call_that_an_event_and_two_spans_tell_of_is_one(api: Caller, order: tuple[int, ...]) -> None:
    sent: list[Callable[[], object]] = [
        lambda: log(api, {**SAID, **WORDS}, number=1),
        lambda: post(api, span(1, attributes=SAID)),
        lambda: post(api, span(2, parent=1, attributes=SAID)),
    ]
    for n in order:
        sent[n]()

    (call,) = calls(api)
    assert (call.prompt_tokens, call.completion_tokens) == (1_000, 100)
    assert words(api) == ["Hello", "Hi"]


def test_an_event_in_no_span_completes_the_call_that_a_span_told_of_with_the_same_answer(api: Caller) -> None:
    post(api, {**span(1, attributes=SAID), "endTimeUnixNano": str(START + SECOND)})
    log(api, {**SAID, **WORDS}, at=SECOND + 5_000)

    (call,) = calls(api)
    assert call.span_id == f"{1:016x}"
    assert words(api) == ["Hello", "Hi"]


def test_two_events_in_no_span_are_two_calls_also_where_a_server_answers_all_with_one_id(api: Caller) -> None:
    log(api, {**SAID, **WORDS})
    log(api, {**SAID, **WORDS}, at=2 * SECOND)
    log(api, {"gen_ai.usage.input_tokens": 3}, at=3 * SECOND)

    assert sorted(call.prompt_tokens or 0 for call in calls(api)) == [3, 1_000, 1_000]


def test_another_projects_call_is_not_completed(api: Caller) -> None:
    other = caller("ingest")
    post(other, {**span(1, attributes=SAID), "endTimeUnixNano": str(START + SECOND)})
    log(api, {**SAID, **WORDS})

    assert len(calls(api)) == len(calls(other)) == 1
    assert GenerationPayload.objects.in_project(other.project.pk).exclude(messages=None).count() == 0
