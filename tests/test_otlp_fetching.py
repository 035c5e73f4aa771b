"""Answers that are fetched later, and requests that ask no model: one generation a call that was made."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from generations.models import Generation, GenerationPayload, Step
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import CHAT, START, calls, span, steps
from tests.test_otlp_captures import stored

pytestmark = pytest.mark.django_db

GENAI = "opentelemetry.instrumentation.genai.openai"
QUESTION = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Capital of Peru?"}]}])
ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Lima."}], "finish_reason": "stop"}])
ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.id": "resp_1",
    "gen_ai.input.messages": QUESTION,
}
WAITING = {"gen_ai.operation.name": "fetch_response", "gen_ai.response.id": "resp_1"}
FETCHED = {**WAITING, "gen_ai.output.messages": ANSWER}
DAY = 86_400 * 10**9


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def send(api: Caller, *spans: dict[str, Any], scope: str = GENAI) -> None:
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}
    assert api.post("/v1/traces", body).json == {}


def later(number: int, days: int, attributes: dict[str, Any], *, elsewhere: bool = True, **more: Any) -> dict[str, Any]:
    """A span that came so many days after the first, in a trace of its own."""
    made = span(number, attributes=attributes, **more)
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        made[name] = str(int(made[name]) + days * DAY + 10 * 10**9)
    return {**made, "traceId": f"{number:032x}"} if elsewhere else made


def payload(call: Generation) -> GenerationPayload:
    return GenerationPayload.objects.in_project(call.project_id).get(uid=call.uid)


@pytest.mark.parametrize("days", [0, 40])
@pytest.mark.parametrize("together", [True, False])
def test_what_was_answered_in_the_background_is_that_of_the_call_that_asked(
    api: Caller, days: int, together: bool
) -> None:
    spans = [span(1, attributes=ASKED), later(2, days, WAITING), later(3, days, FETCHED), later(4, days + 1, FETCHED)]
    for some in [spans] if together else [[one] for one in spans]:
        send(api, *some)

    (call,) = calls(api)
    assert call.span_id == f"{1:016x}"
    assert call.finish_reason == "stop"
    assert payload(call).message_completion == {"role": "assistant", "content": "Lima."}
    assert [m["content"] for m in payload(call).messages or ()] == ["Capital of Peru?"]
    assert steps(api) == 4


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_asking_and_fetching_makes_no_difference(
    api: Caller, order: tuple[int, ...], elsewhere: bool
) -> None:
    spans = [
        span(1, attributes=ASKED),
        later(2, 0, WAITING, elsewhere=elsewhere),
        later(3, 0, FETCHED, elsewhere=elsewhere),
        later(4, 0, FETCHED, elsewhere=elsewhere),
    ]
    send(api, *spans)
    other = caller("ingest")
    for n in order:
        send(other, spans[n])

    (call,) = calls(other)
    assert payload(call).message_completion == {"role": "assistant", "content": "Lima."}
    assert stored(other.project) == stored(api.project)


def test_the_answer_that_was_fetched_stays_when_the_call_comes_again(api: Caller) -> None:
    send(api, span(1, attributes=ASKED))
    send(api, later(3, 0, FETCHED))
    send(api, span(1, attributes=ASKED))
    send(api, span(2, parent=1, attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}))

    (call,) = calls(api)
    assert payload(call).message_completion == {"role": "assistant", "content": "Lima."}


def test_what_another_trace_told_of_a_call_stays_when_its_span_comes_again(api: Caller) -> None:
    bare = {name: said for name, said in CHAT.items() if "output" not in name and "response.id" not in name}
    bare["gen_ai.response.id"] = "chatcmpl-9"
    whole = {**CHAT, "gen_ai.response.id": "chatcmpl-9", "gen_ai.response.time_to_first_chunk": {"doubleValue": 0.5}}
    send(api, span(1, attributes=whole), scope="one")
    twin = {**span(2, attributes={**bare, "user.id": "ada", "gen_ai.prompt.name": "capital"}), "traceId": f"{7:032x}"}
    send(api, twin, scope="other")
    before = [(one.prompt_name, one.prompt_tokens) for one in calls(api)]
    send(api, span(1, attributes=whole), scope="one")

    assert before == [(one.prompt_name, one.prompt_tokens) for one in calls(api)]
    assert [one.prompt_name for one in calls(api)] == ["capital"]


def test_an_answer_of_an_id_that_stand_ins_repeat_is_that_of_the_last_call_before(api: Caller) -> None:
    send(api, span(1, attributes=ASKED), later(2, 1, ASKED), later(5, 4, ASKED))
    send(api, later(3, 2, FETCHED))

    assert [one.span_id for one in calls(api) if payload(one).message_completion] == [f"{2:016x}"]
    assert len(calls(api)) == 3


def test_an_answer_that_nobody_here_asked_for_is_no_call(api: Caller) -> None:
    send(api, span(3, attributes=FETCHED))

    assert calls(api) == []
    assert [one.type for one in Step.objects.in_project(api.project.pk)] == ["llm"]


OPENINFERENCE = "openinference.instrumentation.openai"


def answered(**more: Any) -> str:
    return json.dumps({"object": "response", "id": "resp_1", "output": [], **more})


def test_openinference_tells_of_fetching_as_of_asking_and_of_requests_that_ask_no_model(api: Caller) -> None:
    llm = {"openinference.span.kind": "LLM", "llm.system": "openai", "input.value": "{}"}
    llm |= {"input.mime_type": "application/json", "llm.invocation_parameters": "{}"}
    asked = {
        **llm,
        "input.value": '{"model": "gpt-4o-mini", "input": "Capital of Peru?", "background": true}',
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Capital of Peru?",
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "output.value": answered(status="queued"),
    }
    waiting = {**llm, "llm.model_name": "gpt-4o-mini-2024-07-18", "output.value": answered(status="in_progress")}
    fetched = {
        **waiting,
        "output.value": answered(status="completed"),
        "llm.token_count.prompt": "52",
        "llm.token_count.completion": "22",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "text",
        "llm.output_messages.0.message.contents.0.message_content.text": "Lima.",
    }
    send(api, span(1, attributes=asked), scope=OPENINFERENCE)
    send(api, later(2, 0, waiting), later(3, 0, fetched), later(4, 0, fetched), scope=OPENINFERENCE)
    listed = {**llm, "output.value": '{"object": "list", "data": []}'}
    send(api, later(5, 0, listed), later(6, 0, {**listed, "input.value": '{"query": "x"}'}), scope=OPENINFERENCE)
    counted = {**asked, "output.value": '{"object": "response.input_tokens", "input_tokens": 12}'}
    send(api, {**later(7, 0, counted), "name": "InputTokenCountResponse"}, scope=OPENINFERENCE)

    (call,) = calls(api)
    assert (call.prompt_tokens, call.completion_tokens) == (52, 22)
    assert payload(call).message_completion == {"role": "assistant", "content": "Lima."}
    assert steps(api) == 7


def test_a_call_that_is_told_again_with_each_fetch_from_its_start_on_is_one(api: Caller) -> None:
    said = {**ASKED, "gen_ai.response.finish_reasons": '["stop"]', "gen_ai.output.messages": ANSWER}
    first, second = span(1, attributes=said), {**span(2, attributes=said), "traceId": f"{2:032x}"}
    second["startTimeUnixNano"] = first["startTimeUnixNano"]
    send(api, first, scope="opentelemetry.instrumentation.openai.v1")
    send(api, second, scope="opentelemetry.instrumentation.openai.v1")
    after = {**span(3, attributes=said), "startTimeUnixNano": str(START + 10**6), "traceId": f"{3:032x}"}
    send(api, after, scope="opentelemetry.instrumentation.openai.v1")

    assert len(calls(api)) == 2


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("openinference.instrumentation.anthropic", "messages.count_tokens"),
        ("com.anthropic.sdk.python", "anthropic.messages.count_tokens"),
        ("openlit.instrumentation.openai", "responses.cancel gpt-4o"),
    ],
)
def test_to_count_tokens_or_to_cancel_asks_no_model_unless_it_answers(api: Caller, scope: str, name: str) -> None:
    asked = {name: said for name, said in ASKED.items() if name != "gen_ai.response.id"}
    send(api, {**span(1, attributes=asked), "name": name}, scope=scope)
    send(api, {**span(2, attributes={**asked, "gen_ai.output.messages": ANSWER}), "name": name}, scope=scope)

    assert [call.span_id for call in calls(api)] == [f"{2:016x}"]


@pytest.mark.parametrize("name", ["cancel", "booking.cancel", "token_count", "count_tokens claude"])
def test_a_span_that_is_named_for_a_function_of_an_application_is_the_call_that_it_tells_of(
    api: Caller, name: str
) -> None:
    asked = {name: said for name, said in ASKED.items() if name != "gen_ai.response.id"}
    send(api, {**span(1, attributes=asked, status={"code": 2, "message": "timed out"}), "name": name}, scope="shop")

    assert [call.error for call in calls(api)] == ["timed out"]


LLM = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
WORDS = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Capital of Peru?"}


@pytest.mark.parametrize("scope", ["shop", "openinference.instrumentation.langchain", OPENINFERENCE])
@pytest.mark.parametrize(
    "more",
    [{"input.value": "{}"}, {"input.value": "{}", "llm.response.id": "resp_7"}, {"url": "/chat/completions/"}],
    ids=["no input", "no input, an id", "an address"],
)
def test_what_was_asked_with_messages_fetches_nothing(api: Caller, scope: str, more: dict[str, Any]) -> None:
    send(api, span(1, attributes={**LLM, **WORDS, **more, "llm.token_count.prompt": "5"}), scope=scope)

    assert [call.prompt_tokens for call in calls(api)] == [5]


@pytest.mark.parametrize(
    ("name", "more", "status"),
    [
        ("ChatCompletion", {}, {"code": 2, "message": "timed out"}),
        ("Response", {}, {"code": 2, "message": "timed out"}),
        ("CreateEmbeddings", {"llm.token_count.prompt": "5"}, {}),
        ("Whatever", {"llm.token_count.prompt": "5"}, {}),
        ("Whatever", WORDS, {}),
    ],
)
def test_a_call_that_names_no_model_is_one_all_the_same(
    api: Caller, name: str, more: dict[str, Any], status: dict[str, Any]
) -> None:
    told = {"openinference.span.kind": "LLM", "llm.system": "openai", **more}
    send(api, {**span(1, attributes=told, status=status), "name": name}, scope=OPENINFERENCE)

    assert len(calls(api)) == 1
