"""Clients that tell of their calls by themselves, beside an instrumentation that tells of them as well: one call."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from generations.ingest.otlp import clients, couples, lending
from generations.records import GenerationRecord
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import START, calls, span, steps
from tests.test_otlp_captures import stored

pytestmark = pytest.mark.django_db

ANTHROPIC = "com.anthropic.sdk.python"
OTHER = "langtrace_python_sdk"
MODEL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-haiku-4-5",
}
CLIENTS = {
    **MODEL,
    "gen_ai.response.id": "msg_1",
    "gen_ai.usage.input_tokens": "67",
    "gen_ai.usage.output_tokens": "20",
}
ANSWER = '[{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}]}]'
OTHERS = {
    **MODEL,
    "gen_ai.output.messages": ANSWER,
    "gen_ai.usage.input_tokens": "25",
    "gen_ai.usage.output_tokens": "20",
}


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def at(number: int, begin: int, end: int, scope: str, attributes: dict[str, Any], **more: Any) -> tuple[str, Any]:
    """A span from one millisecond to another, by its scope."""
    made = span(number, attributes=attributes, **{"parent": 9, **more})
    made["startTimeUnixNano"], made["endTimeUnixNano"] = str(START + begin * 10**6), str(START + end * 10**6)
    return scope, made


def send(api: Caller, *told: tuple[str, Any]) -> None:
    groups = [{"scope": {"name": scope}, "spans": [one]} for scope, one in told]
    assert api.post("/v1/traces", {"resourceSpans": [{"scopeSpans": groups}]}).json == {}


ROOT = at(9, 0, 900, "shop", {"app": "x"}, parent=None)
CALL = [ROOT, at(1, 10, 100, OTHER, OTHERS), at(2, 20, 90, ANTHROPIC, CLIENTS)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("split", [(3,), (1, 2), (1, 1, 1)])
def test_what_a_client_tells_by_itself_is_the_call_around_it(
    api: Caller, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    send(api, *CALL)
    other = caller("ingest")
    spans = [CALL[n] for n in order]
    for size in split:
        send(other, *spans[:size])
        spans = spans[size:]

    (call,) = calls(other)
    assert (call.span_id, call.response_id) == (f"{1:016x}", "msg_1")
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (67, 20, 87), "The client counts all."
    assert steps(other) == 3
    assert stored(other.project) == stored(api.project)


@pytest.mark.parametrize("turn", range(5))
def test_calls_at_the_same_time_are_each_told_of_once(api: Caller, turn: int) -> None:
    spans = [
        *CALL,
        at(3, 15, 120, OTHER, OTHERS),
        at(4, 30, 110, ANTHROPIC, {**CLIENTS, "gen_ai.response.id": "msg_2"}),
    ]
    for one in spans[turn:] + spans[:turn]:
        send(api, one)

    assert sorted(str(call.response_id) for call in calls(api)) == ["msg_1", "msg_2"]


@pytest.mark.parametrize(
    "told",
    [
        at(2, 200, 300, ANTHROPIC, CLIENTS),
        at(2, 20, 90, ANTHROPIC, {**CLIENTS, "gen_ai.usage.output_tokens": "21"}),
        at(2, 20, 90, ANTHROPIC, {**CLIENTS, "gen_ai.request.model": "claude-opus-4-5"}),
        at(2, 20, 90, "another", CLIENTS),
        at(2, 20, 90, ANTHROPIC, {**MODEL, "error.type": "overloaded"}, status={"code": 2, "message": "overloaded"}),
    ],
    ids=["later", "other counts", "other model", "no client", "an attempt that failed"],
)
def test_what_differs_is_another_call(api: Caller, told: tuple[str, Any]) -> None:
    send(api, *CALL[:2], told)

    assert len(calls(api)) == 2


@pytest.mark.parametrize("together", [True, False])
def test_calls_of_two_traces_stay_two_whatever_they_share(api: Caller, together: bool) -> None:
    told = [at(1, 10, 100, OTHER, OTHERS, parent=None), at(2, 20, 90, ANTHROPIC, CLIENTS, parent=None)]
    told[1][1]["traceId"] = f"{5:032x}"
    for some in [told] if together else [[one] for one in told]:
        send(api, *some)

    assert len(calls(api)) == 2


def asking(words: str) -> dict[str, str]:
    return {"gen_ai.input.messages": f'[{{"role": "user", "parts": [{{"type": "text", "content": "{words}"}}]}}]'}


@pytest.mark.parametrize(("words", "number"), [("Capital of Peru?", 1), ("A poem.", 2)])
def test_calls_that_ask_for_something_else_are_two(api: Caller, words: str, number: int) -> None:
    send(api, ROOT, at(1, 10, 100, OTHER, {**OTHERS, **asking("Capital of Peru?")}))
    send(api, at(2, 20, 90, ANTHROPIC, {**CLIENTS, **asking(words)}))

    assert len(calls(api)) == number


def test_files_and_blanks_are_no_words() -> None:
    parts = [{"type": "file", "file": {"filename": "a.pdf"}}, {"type": "text", "text": "Sum it up."}]
    one = GenerationRecord(id="a", messages=[{"role": "user", "content": parts}])
    other = GenerationRecord(
        id="a", messages=[{"role": "user", "content": "attachment:3f?type=application/pdf Sum  it up."}]
    )

    assert lending.words(one) == lending.words(other) == "Sumitup."


@pytest.mark.parametrize("provider", ["aws.bedrock", "gcp.vertex_ai", None])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1)])
def test_who_sells_a_model_makes_no_difference(api: Caller, provider: str | None, order: tuple[int, ...]) -> None:
    others = {name: said for name, said in OTHERS.items() if name != "gen_ai.provider.name"}
    if provider:
        others["gen_ai.provider.name"] = provider
    told = [ROOT, at(1, 10, 100, OTHER, others), CALL[2]]
    for n in order:
        send(api, told[n])

    assert [call.response_id for call in calls(api)] == ["msg_1"]


def test_what_ends_after_a_call_was_not_made_for_it(api: Caller) -> None:
    send(api, ROOT, at(1, 10, 100, OTHER, OTHERS), at(2, 20, 300, ANTHROPIC, CLIENTS))

    assert len(calls(api)) == 2


TWO = {**CLIENTS, "gen_ai.response.id": "msg_2"}
WRAPPED = [at(1, 10, 300, OTHER, OTHERS), at(2, 40, 290, ANTHROPIC, CLIENTS), at(3, 30, 250, ANTHROPIC, TWO)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("split", [(3,), (1, 2), (2, 1), (1, 1, 1)])
def test_two_calls_of_a_client_within_one_that_tells_of_one_are_two_in_any_order(
    api: Caller, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    send(api, ROOT)
    spans = [WRAPPED[n] for n in order]
    for size in split:
        send(api, *spans[:size])
        spans = spans[size:]

    assert sorted(str(call.response_id) for call in calls(api)) == ["msg_1", "msg_2"]


def test_a_longer_call_leaves_the_shorter_one_its_own(api: Caller) -> None:
    send(
        api,
        ROOT,
        at(1, 10, 60, OTHER, OTHERS),
        at(2, 20, 50, ANTHROPIC, CLIENTS),
        at(3, 15, 100, OTHER, OTHERS),
        at(4, 50, 90, ANTHROPIC, TWO),
    )

    assert sorted(str(call.response_id) for call in calls(api)) == ["msg_1", "msg_2"]


WITHIN = [at(1, 10, 300, OTHER, OTHERS), at(2, 20, 90, ANTHROPIC, CLIENTS), at(3, 15, 100, OTHER, OTHERS)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("split", [(3,), (1, 2), (2, 1), (1, 1, 1)])
def test_what_a_call_counted_itself_is_its_own_again_when_the_client_s_turns_out_to_be_another_s(
    api: Caller, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    send(api, ROOT)
    spans = [WITHIN[n] for n in order]
    for size in split:
        send(api, *spans[:size])
        spans = spans[size:]
    send(api, WITHIN[1])

    found = [(call.response_id, call.prompt_tokens, call.completion_tokens, call.total_tokens) for call in calls(api)]
    assert found == [(None, 25, 20, 45), ("msg_1", 67, 20, 87)]


FAILED = {**MODEL, "error.type": "invalid_request_error"}
ASKED = {**MODEL, "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Fail."}]}]'}
COUNTED = {name: value for name, value in OTHERS.items() if name != "gen_ai.output.messages"}
AT_ONCE = [
    at(1, 10, 300, OTHER, ASKED, status={"code": 2}),
    at(2, 20, 290, ANTHROPIC, FAILED, parent=1, status={"code": 2}),
    at(3, 30, 200, OTHER, COUNTED),
    at(4, 40, 190, ANTHROPIC, CLIENTS, parent=3),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 3, 0, 2), (3, 0, 2, 1)])
@pytest.mark.parametrize("split", [(4,), (2, 2), (1, 1, 1, 1)])
def test_a_call_that_failed_takes_no_call_from_another_at_the_same_time(
    api: Caller, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    send(api, ROOT)
    spans = [AT_ONCE[n] for n in order]
    for size in split:
        send(api, *spans[:size])
        spans = spans[size:]

    assert sorted(str(call.response_id) for call in calls(api)) == ["None", "msg_1"]


LOGFIRE = "logfire.anthropic"
STREAM = [
    at(1, 10, 180, LOGFIRE, MODEL),
    at(2, 20, 350, ANTHROPIC, CLIENTS, parent=1),
    at(3, 360, 360, LOGFIRE, {**OTHERS, "duration": 0.178}),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("split", [(3,), (1, 2), (2, 1), (1, 1, 1)])
def test_a_stream_that_is_told_when_it_is_over_is_the_call_of_the_client_that_ends_within(
    api: Caller, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    send(api, ROOT)
    spans = [STREAM[n] for n in order]
    for size in split:
        send(api, *spans[:size])
        spans = spans[size:]

    (call,) = calls(api)
    assert (call.span_id, call.response_id, call.prompt_tokens) == (f"{3:016x}", "msg_1", 67)


def test_a_stream_that_broke_off_is_one_call_that_failed(api: Caller) -> None:
    broken = {**MODEL, "error.type": "connection_error"}
    begun = {**OTHERS, "gen_ai.usage.output_tokens": "1"}
    send(api, ROOT, STREAM[0], at(2, 20, 350, ANTHROPIC, broken, parent=1, status={"code": 2}))
    send(api, at(3, 360, 360, LOGFIRE, {**begun, "duration": 0.178}))

    (call,) = calls(api)
    assert (call.error, call.completion_tokens) == ("connection_error", 1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("counted", [21, 20, None])
def test_what_a_client_counts_of_a_stream_is_what_counts(
    api: Caller, order: tuple[int, int], counted: int | None
) -> None:
    counts = {"gen_ai.usage.input_tokens": "67", "gen_ai.usage.output_tokens": counted and str(counted)}
    told = [at(1, 10, 100, OTHER, {**CLIENTS, **OTHERS, **counts}), at(2, 20, 90, ANTHROPIC, CLIENTS)]
    send(api, ROOT)
    for n in order:
        send(api, told[n])

    (call,) = calls(api)
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (67, 20, 87)


def test_what_a_client_does_not_count_is_what_the_other_counts(api: Caller) -> None:
    broken = {name: value for name, value in CLIENTS.items() if name != "gen_ai.usage.output_tokens"}
    send(api, ROOT, at(1, 10, 100, OTHER, {**CLIENTS, **OTHERS, "gen_ai.usage.input_tokens": "67"}))
    send(api, at(2, 20, 90, ANTHROPIC, broken))

    (call,) = calls(api)
    assert (call.prompt_tokens, call.completion_tokens) == (67, 20)


def test_calls_of_a_client_within_one_another_are_looked_through_once(api: Caller) -> None:
    """Ten thousand of them, each within the one before, would keep the project for an hour if each looked up all."""
    told = [
        couples.Call(GenerationRecord(id=str(n), model_id="claude", completion_tokens=n), str(n - 1), ANTHROPIC)
        for n in range(1, 10_000)
    ]
    other = couples.Call(GenerationRecord(id="0", model_id="claude"), None, OTHER)

    assert clients.settled({call.record.id: call for call in told}) == frozenset()
    assert len(clients.settled({call.record.id: call for call in [*told, other]})) == 10_000
