"""Calls that several spans tell of: none is lost, whatever came first and whatever else is stored of their trace."""

from __future__ import annotations

import itertools

import pytest

from generations import recording
from generations.models import Step
from generations.records import Json, StepRecord
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import BARE, CHAT, TRACE, calls, post, span
from tests.test_otlp_clients import ANSWER, ANTHROPIC, MODEL, OTHER, at, send
from tests.test_otlp_joining import payload

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


# ------------------------------------------------------------------------------------ attributes that look like a note
OWN: dict[str, Json] = {
    "a text": "call me",
    "a list": [1],
    "another's": {"number": "555-0100"},
    "into a map": {"into": {"id": 5}},
    "into a number": {"into": 5},
    "alternatives that are none": {"into": None, "alternatives": [{"other": 1}]},
    "alternatives without a place": {"into": None, "alternatives": [{"content": "Hi"}]},
    "tokens that are words": {"into": None, "prompt_tokens": "many"},
    "tokens without end": {"into": None, "prompt_tokens": 10**40},
    "messages that are none": {"into": None, "messages": {"role": "user"}},
    "messages that are numbers": {"into": None, "messages": [5, None, {"content": 5}]},
    "a model that is a map": {"into": None, "model_id": {"name": "gpt-4o"}},
    "fetched for a map": {"fetched": True, "response_id": {"id": "resp_1"}},
    "fetched for a list": {"fetched": True, "response_id": ["resp_1"]},
}


@pytest.mark.parametrize("given", OWN.values(), ids=OWN)
def test_an_attribute_of_a_step_that_is_named_as_a_note_keeps_no_call_from_being_stored(
    api: Caller, given: Json
) -> None:
    id = f"{TRACE}-{2:016x}"
    post(api, span(8, attributes={"app": "x"}))
    step = Step.objects.in_project(api.project.pk).get()
    own = StepRecord(id=id, type="llm", parent_id=step.public_id, trace_id=TRACE, attributes={"call": given})
    (receipt,) = recording.record(api.project, [own])
    assert receipt.state != "rejected"

    waiting = {**{k: v for k, v in BARE.items() if "usage" not in k}, "gen_ai.response.id": "resp_1"}
    for number, said in ((1, CHAT), (3, waiting)):
        assert post(api, span(number, parent=8, attributes=said)).json == {}
    assert post(api, span(4, parent=2, attributes=CHAT)).json == {}

    assert [call.span_id for call in calls(api)] == [f"{number:016x}" for number in (1, 3, 4)]


# ------------------------------------------------------------------------------------------------- told as one by turns
ONE = {"gen_ai.response.id": "msg_1"}
COUNTED = {"gen_ai.usage.input_tokens": "67", "gen_ai.usage.output_tokens": "20"}
HTTP = {"http.request.method": "POST"}
GATEWAY = "gateway"
CIRCLES = {
    "a client's beside a gateway's, and a wrapper without a model": [
        at(1, 0, 300, OTHER, {"gen_ai.operation.name": "chat", "gen_ai.output.messages": ANSWER}),
        at(2, 10, 290, GATEWAY, {**MODEL, **COUNTED}, parent=1),
        at(3, 20, 280, ANTHROPIC, {**MODEL, **ONE, **COUNTED}),
    ],
    "two of one answer": [
        at(3, 0, 300, GATEWAY, {**MODEL, **ONE, **COUNTED}),
        at(2, 5, 290, "http", HTTP, parent=3),
        at(1, 10, 280, OTHER, {**MODEL, **ONE, **COUNTED}, parent=2),
    ],
    "a client's below a gateway's": [
        at(3, 0, 300, GATEWAY, {**MODEL, **COUNTED}),
        at(2, 5, 290, "http", HTTP, parent=3),
        at(1, 10, 280, ANTHROPIC, {**MODEL, **ONE, **COUNTED}, parent=2),
    ],
    "a client's above a gateway's": [
        at(3, 0, 300, ANTHROPIC, {**MODEL, **ONE, **COUNTED}),
        at(2, 5, 290, "http", HTTP, parent=3),
        at(1, 10, 280, GATEWAY, {**MODEL, **ONE, **COUNTED}, parent=2),
    ],
}


@pytest.mark.parametrize("split", [(1, 1, 1), (1, 2), (2, 1), (3,)])
@pytest.mark.parametrize("shape", CIRCLES)
def test_a_call_of_which_each_span_gave_way_to_another_is_still_there(shape: str, split: tuple[int, ...]) -> None:
    """Which of its spans it is may depend on what came first; what was said of it does not."""
    words = set()
    for order in itertools.permutations(CIRCLES[shape]):
        api = caller("ingest")
        waiting = list(order)
        for size in split:
            send(api, *waiting[:size])
            del waiting[:size]
        (call,) = calls(api)
        assert (call.response_id, call.prompt_tokens, call.completion_tokens) == ("msg_1", 67, 20)
        words.add(str(payload(api).message_completion))
    assert len(words) == 1


TWO = {"gen_ai.response.id": "msg_2"}
WHOLE = {**MODEL, **COUNTED, "gen_ai.output.messages": ANSWER}
ASKED = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Capital of Peru?"}]}]'}
TWICE = {
    "two of a client beside one of a wrapper and what is in it": [
        at(1, 0, 300, OTHER, WHOLE),
        at(2, 11, 295, GATEWAY, {**WHOLE, **ASKED}, parent=1),
        at(3, 10, 290, ANTHROPIC, {**MODEL, **ONE, **COUNTED}),
        at(4, 12, 280, ANTHROPIC, {**MODEL, **TWO, **COUNTED}),
    ],
    "two of a client beside one": [
        at(1, 10, 300, OTHER, WHOLE),
        at(2, 40, 290, ANTHROPIC, {**MODEL, **ONE, **COUNTED}),
        at(3, 30, 250, ANTHROPIC, {**MODEL, **TWO, **COUNTED}),
    ],
    "two that have one answer's id beside one": [
        at(1, 0, 300, OTHER, {**WHOLE, **ONE}),
        at(2, 5, 290, GATEWAY, {**MODEL, **ONE, **COUNTED}),
        at(3, 2, 295, GATEWAY, {**MODEL, **ONE, **COUNTED}),
    ],
}


@pytest.mark.parametrize("shape", TWICE)
def test_one_that_was_told_of_keeps_its_place_so_that_another_stays_a_call(shape: str) -> None:
    spans = TWICE[shape]
    answers = {answer for answer in ("msg_1", "msg_2") if answer in str(spans)}
    for order in itertools.permutations(spans):
        for size in (1, 2):
            api = caller("ingest")
            for start in range(0, len(order), size):
                send(api, *order[start : start + size])
            found = calls(api)
            assert (len(found), len({call.response_id for call in found})) == (2, len(answers))
