"""Agents in a terminal that tell of their calls in log events: one generation a call, with what belongs to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations.models import Generation, GenerationPayload, Step, StepPayload
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import START, TRACE, post, span

pytestmark = pytest.mark.django_db

DATA = Path(__file__).parent / "data" / "otlp"
SECOND = 10**9


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def told(api: Caller) -> list[dict[str, Any]]:
    """What is stored of the calls, in their order, without what is not known."""
    names = (
        *("name", "model_id", "provider", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"),
        *(
            "cache_write_tokens",
            "reasoning_tokens",
            "thread_id",
            "release",
            "environment",
            "error",
            "error_type",
            "response_id",
        ),
        *("finish_reason", "latency", "time_to_first_token"),
    )
    found = []
    for row in Generation.objects.in_project(api.project.pk).order_by("started_at", "public_id"):
        payload = GenerationPayload.objects.in_project(api.project.pk).filter(uid=row.uid).first()
        said = {name: getattr(row, name) for name in names}
        said |= {name: getattr(payload, name, None) for name in ("messages", "message_completion")}
        found.append({name: value for name, value in said.items() if value is not None})
    return found


def send(api: Caller, name: str) -> None:
    answer = api.send("POST", "/v1/logs", raw=(DATA / name).read_bytes(), type="application/x-protobuf")
    assert (answer.status, answer.content) == (200, b"")


def log(api: Caller, *events: dict[str, Any], scope: str = "tests") -> dict[str, Any]:
    """Send log records of these attributes: `at` is their second, `span` that they stand in one."""
    records = []
    for event in events:
        record: dict[str, Any] = {"timeUnixNano": str(START + int(event.pop("at") * SECOND))}
        if event.pop("span", False):
            record |= {"traceId": TRACE, "spanId": "1" * 16}
        records.append(record | {"attributes": [{"key": k, "value": _value(v)} for k, v in event.items()]})
    whole = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": scope}, "logRecords": records}]}]}
    answer = api.post("/v1/logs", whole)
    assert answer.status == 200
    body: dict[str, Any] = answer.json
    return body


def _value(given: Any) -> dict[str, Any]:
    if isinstance(given, int):
        return {"intValue": given}
    return {"doubleValue": given} if isinstance(given, float) else {"stringValue": given}


def test_claude_code_tells_of_a_call_with_the_cache_beside_the_input_and_of_the_words_around_it(api: Caller) -> None:
    send(api, "claude-code-prompt.logs.pb")
    send(api, "claude-code-prompt.logs.pb")

    assert told(api) == [
        {
            "name": "claude_code.api_request",
            "model_id": "claude-haiku-4-5",
            "provider": "anthropic",
            "prompt_tokens": 210 + 30 + 12,
            "completion_tokens": 205,
            "total_tokens": 457,
            "cached_tokens": 30,
            "cache_write_tokens": 12,
            "thread_id": "cd129211-d4c7-4d13-9dff-e1d3543ea280",
            "release": "2.1.197",
            "latency": 0.028,
            "messages": [{"role": "user", "content": "What is the capital of Peru?"}],
            "message_completion": {"role": "assistant", "content": "The capital of Peru is Lima (190)."},
        }
    ]
    call = Generation.objects.in_project(api.project.pk).get()
    assert str(call.cost.normalize()) == "0.001253"
    kept = GenerationPayload.objects.in_project(api.project.pk).get().attributes
    assert kept["query_source"] == "sdk"
    assert "prompt" not in kept


def test_codex_tells_of_a_call_in_the_event_that_has_its_counts(api: Caller) -> None:
    send(api, "codex-prompt.logs.pb")

    first, second = told(api)

    assert first == {
        "name": "codex.sse_event",
        "model_id": "gpt-5-mini",
        "provider": "openai",
        "prompt_tokens": 242,
        "completion_tokens": 212,
        "total_tokens": 454,
        "cached_tokens": 8,
        "cache_write_tokens": 0,
        "reasoning_tokens": 4,
        "thread_id": "01a1ff81-dd2f-77b3-ba46-3426b0899460",
        "release": "0.169.0",
        "environment": "staging",
        "latency": pytest.approx(0.1466, abs=1e-3),
        "time_to_first_token": 0.0,
        "messages": [{"role": "user", "content": "What is the capital of Peru?"}],
    }
    assert (second["prompt_tokens"], second["completion_tokens"], second["time_to_first_token"]) == (243, 213, 0.005)
    assert "messages" not in second


GEMINI: dict[str, Any] = {"session.id": "chat-1", "model": "gemini-2.5-flash"}


def test_gemini_cli_tells_of_a_call_in_three_events_of_which_those_in_a_span_make_none(api: Caller) -> None:
    asked = [{"role": "user", "parts": [{"text": "The capital of Peru?"}]}]
    chunks = [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Li"}]}}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "ma."}]}, "finishReason": "STOP"}]},
    ]
    details = {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.system_instructions": "Be brief."}
    # Its version 0.61 lists each chunk as an answer there, of the system, with the reason why the last one ended.
    listed = [
        {"finish_reason": "stop", "role": "system", "parts": [{"type": "text", "content": c}]} for c in ("Li", "ma.")
    ]
    answered = {"gen_ai.output.messages": json.dumps(listed), "gen_ai.request.temperature": 1}
    log(
        api,
        {**GEMINI, "at": 1, "span": True, "event.name": "gemini_cli.api_request", "request_text": json.dumps(asked)},
        {**GEMINI, **details, "at": 1, "span": True},
        {
            **GEMINI,
            "at": 3,
            "event.name": "gemini_cli.api_response",
            "event.timestamp": "T3",
            "duration_ms": 2000,
            "input_token_count": 50,
            "output_token_count": 20,
            "thoughts_token_count": 7,
            "cached_content_token_count": 8,
            "total_token_count": 77,
            "response_text": json.dumps(chunks),
        },
        {**GEMINI, **details, **answered, "at": 3.001, "event.timestamp": "T3", "gen_ai.response.id": "gem-1"},
        scope="gemini-cli",
    )

    assert told(api) == [
        {
            "name": "gemini_cli.api_response",
            "model_id": "gemini-2.5-flash",
            "provider": "google",
            "prompt_tokens": 50,
            "completion_tokens": 27,
            "total_tokens": 77,
            "cached_tokens": 8,
            "reasoning_tokens": 7,
            "thread_id": "chat-1",
            "response_id": "gem-1",
            "latency": 2.0,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "The capital of Peru?"},
            ],
            "message_completion": {"role": "assistant", "content": "Lima."},
        }
    ]
    assert not Step.objects.in_project(api.project.pk).exists()
    row = Generation.objects.in_project(api.project.pk).get()
    assert (row.parameters, row.trace_id, row.step_id) == ({"temperature": 1}, TRACE, f"{TRACE}-{'1' * 16}")


def test_qwen_code_tells_of_a_call_as_gemini_cli_does_with_its_answer_as_a_text(api: Caller) -> None:
    about = {"session.id": "chat-1", "model": "qwen3-coder-plus", "prompt_id": "p1"}
    request = json.dumps([{"role": "user", "parts": [{"text": "The capital of Peru?"}]}])
    counts = {"input_token_count": 50, "output_token_count": 2, "total_token_count": 52}
    answered = {**about, "event.name": "qwen-code.api_response", "duration_ms": 1900, **counts}
    log(
        api,
        {**about, "at": 1, "event.name": "qwen-code.api_request", "request_text": request},
        {**answered, "at": 3, "response_id": "chatcmpl-1", "response_text": "[1, 2]"},
    )

    (call,) = told(api)
    assert (call["messages"], call["message_completion"]) == (WORDS, {"role": "assistant", "content": "[1, 2]"})
    assert (call["model_id"], call["response_id"], call["thread_id"]) == ("qwen3-coder-plus", "chatcmpl-1", "chat-1")
    assert (call["prompt_tokens"], call["completion_tokens"], call["latency"]) == (50, 2, pytest.approx(1.9))


def test_when_a_call_of_codex_began_is_unknown_where_no_event_says_so(api: Caller) -> None:
    log(api, {**COUNTED, "at": 2})

    (call,) = told(api)
    assert "latency" not in call
    assert call["prompt_tokens"] == 50


def test_a_call_that_failed_is_one_too_and_words_that_were_hidden_are_none(api: Caller) -> None:
    said = {"session.id": "chat-1", "prompt.id": "p"}
    failed = {**said, "event.name": "claude_code.api_error", "model": "claude-haiku-4-5", "status_code": "529"}
    log(
        api,
        {**said, "at": 1, "event.name": "claude_code.user_prompt", "prompt": "<REDACTED>"},
        {**failed, "at": 2, "error": "Overloaded", "duration_ms": 500},
    )

    (call,) = told(api)
    assert (call["error"], call["error_type"], call["latency"], call["thread_id"]) == (
        "Overloaded",
        "529",
        0.5,
        "chat-1",
    )
    assert "messages" not in call


CODEX: dict[str, Any] = {"conversation.id": "chat-1", "model": "gpt-5-mini"}
COUNTED: dict[str, Any] = {**CODEX, "event.name": "codex.sse_event", "input_token_count": 50, "output_token_count": 20}
WORDS = [{"role": "user", "content": "The capital of Peru?"}]


def test_words_are_those_of_the_next_call_of_their_thread_though_that_comes_in_another_request(api: Caller) -> None:
    prompt = {**CODEX, "event.name": "codex.user_prompt", "prompt": "The capital of Peru?"}
    begun = {**CODEX, "event.name": "codex.api_request", "duration_ms": 100, "endpoint": "/responses"}
    log(api, {**prompt, "at": 0}, {**prompt, "at": 0, "conversation.id": "chat-2"})
    log(api, {**begun, "at": 1.0}, {**COUNTED, "at": 2})
    log(api, {**begun, "at": 2.5}, {**COUNTED, "at": 3})
    log(api, {**COUNTED, "at": 2})

    assert [call.get("messages") for call in told(api)] == [WORDS, None]
    steps = Step.objects.in_project(api.project.pk).order_by("thread_id")
    assert [(step.name, step.thread_id) for step in steps] == [
        ("codex.user_prompt", "chat-1"),
        ("codex.user_prompt", "chat-2"),
    ]
    payloads = StepPayload.objects.in_project(api.project.pk).values_list("input", flat=True)
    assert list(payloads) == ["The capital of Peru?"] * 2


def test_a_request_asks_as_often_for_the_words_of_many_threads_as_for_those_of_one(api: Caller) -> None:
    def queries(*threads: str) -> int:
        about = [{**CODEX, "conversation.id": thread} for thread in threads]
        log(api, *({**one, "at": 0, "event.name": "codex.user_prompt", "prompt": "The capital?"} for one in about))
        with CaptureQueriesContext(connection) as asked:
            log(api, *({**COUNTED, **one, "at": 2} for one in about))
        return len(asked)

    queries("chat-0")  # the first of a process reads what is remembered

    assert queries("chat-1") == queries(*(f"chat-{n}" for n in range(2, 22)))
    assert {call["messages"][0]["content"] for call in told(api)} == {"The capital?"}


def test_a_request_of_codex_that_was_refused_is_a_call_that_failed_and_another_was_made(api: Caller) -> None:
    prompt = {**CODEX, "event.name": "codex.user_prompt", "prompt": "The capital of Peru?"}
    begun = {**CODEX, "event.name": "codex.api_request", "duration_ms": 100, "endpoint": "/responses"}
    refused = {"error.message": "http 500", "http.response.status_code": "500"}
    log(api, {**prompt, "at": 0})
    log(api, {**begun, **refused, "at": 1}, {**begun, **refused, "at": 1, "endpoint": "/models"})
    log(api, {**begun, "at": 2}, {**COUNTED, "at": 3})

    failed, answered = told(api)
    assert (failed["error"], failed["error_type"], failed["latency"]) == ("http 500", "500", pytest.approx(0.1))
    assert (answered["prompt_tokens"], answered["latency"]) == (50, pytest.approx(1.1))
    assert failed["messages"] == answered["messages"] == WORDS


def test_claude_code_s_whole_answer_says_which_tools_were_called_and_why_it_ended(api: Caller) -> None:
    said = {"session.id": "chat-1", "model": "claude-haiku-4-5"}
    called = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    body = {"id": "msg_1", "type": "message", "role": "assistant", "content": [called], "stop_reason": "tool_use"}
    log(
        api,
        {**said, "at": 2, "event.name": "claude_code.api_request", "input_tokens": 5, "output_tokens": 3},
        {**said, "at": 2, "event.sequence": 3, "event.name": "claude_code.api_response_body", "body": json.dumps(body)},
    )

    (call,) = told(api)
    assert call["finish_reason"] == "tool_calls"
    (tool,) = call["message_completion"]["tool_calls"]
    assert (tool["id"], tool["function"]["name"]) == ("toolu_1", "Bash")


@pytest.mark.parametrize("order", ["logs first", "span first", "one by one"])
@pytest.mark.parametrize("is_whole", [False, True])
def test_words_of_qwen_code_within_a_span_are_those_of_its_call(api: Caller, order: str, is_whole: bool) -> None:
    """As version 0.24 tells them; the span has content too with `includeSensitiveSpanAttributes`."""
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "qwen3-coder-plus",
        "gen_ai.usage.input_tokens": "9",
    }
    about |= {"gen_ai.usage.output_tokens": "5", "thoughts_token_count": "4", "gen_ai.conversation.id": "chat-1"}
    if is_whole:
        tool = {"type": "tool_call", "id": "call_1", "name": "Bash", "arguments": {"command": "ls"}}
        given = [{"type": "text", "content": "Let me see."}, tool]
        asked = [{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}]
        asked.append({"role": "user", "parts": [{"type": "text", "content": "The capital of Peru?"}]})
        about |= {"gen_ai.input.messages": json.dumps(asked)}
        about |= {"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": given}])}
    call = span(0x1111111111111111, attributes=about)
    request = json.dumps([{"role": "user", "parts": [{"text": "The capital of Peru?"}]}])
    said = {"session.id": "chat-1", "model": "qwen3-coder-plus", "span": True}
    events: list[dict[str, Any]] = [
        {**said, "at": 1, "event.name": "qwen-code.api_request", "request_text": request},
        {
            **said,
            "at": 2,
            "event.name": "qwen-code.api_response",
            "response_text": "Let me see.",
            "input_token_count": 9,
        },
    ]
    sent: dict[str, list[Any]] = {
        "logs first": [events, call, events],
        "span first": [call, events, events],
        "one by one": [events[1:], call, events[:1]],
    }
    for part in sent[order]:
        if isinstance(part, list):
            log(api, *(dict(event) for event in part), scope="qwen-code")
        else:
            assert post(api, part).status == 200

    (found,) = told(api)
    assert (found["model_id"], found["prompt_tokens"], found["reasoning_tokens"]) == ("qwen3-coder-plus", 9, 4)
    assert found["messages"][-1] == {"role": "user", "content": "The capital of Peru?"}
    assert len(found["messages"]) == 1 + is_whole
    assert found["message_completion"]["content"] == "Let me see."
    assert ("tool_calls" in found["message_completion"]) == is_whole
    assert Step.objects.in_project(api.project.pk).count() == 1


def test_an_event_within_a_span_tells_of_what_that_span_tells(api: Caller) -> None:
    request = {"session.id": "chat-1", "event.name": "claude_code.api_request", "model": "m", "input_tokens": 1}
    log(api, {**request, "at": 1, "span": True})

    assert told(api) == []


@pytest.mark.parametrize("logs_first", [True, False])
def test_an_answer_within_a_span_is_what_that_made(api: Caller, logs_first: bool) -> None:
    """Claude Code's spans of a turn say what was asked, and in none of them is the answer."""
    about = {"span.type": "interaction", "user_prompt": "The capital of Peru?"}
    turn = span(0x1111111111111111, attributes=about)
    said = {"session.id": "chat-1", "event.name": "claude_code.assistant_response", "at": 2, "span": True}
    if not logs_first:
        assert post(api, turn).status == 200
    log(api, {**said, "response": "Let me see."}, {**said, "at": 3, "response": "Lima."})
    if logs_first:
        assert post(api, turn).status == 200

    step = Step.objects.in_project(api.project.pk).get()
    assert step.type == "run"
    payload = StepPayload.objects.in_project(api.project.pk).get()
    assert (payload.input, payload.output) == ("The capital of Peru?", "Lima.")
    assert told(api) == []


CALLED = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
WHOLE = [{"type": "thinking", "thinking": "<REDACTED>"}, {"type": "text", "text": "Let me see."}, CALLED]


@pytest.mark.parametrize("order", ["logs first", "spans first", "turn last", "one by one"])
def test_answers_in_a_turn_are_those_of_its_calls_by_the_id_of_the_request(api: Caller, order: str) -> None:
    """As Claude Code 2.1 tells them; the whole answer only with OTEL_LOG_RAW_API_BODIES, and cut at 60 KB."""
    turn = span(0x1111111111111111, attributes={"span.type": "interaction", "user_prompt": "The capital of Peru?"})
    about = {"span.type": "llm_request", "model": "claude-haiku-4-5", "output_tokens": "5"}
    calls = [
        span(n, parent=0x1111111111111111, attributes={**about, "gen_ai.response.id": f"req_{n}"} | said)
        for n, said in ((2, {"response.model_output": "Let me see."}), (3, {}), (4, {}))
    ]
    whole = json.dumps({"id": "msg_1", "type": "message", "role": "assistant", "content": WHOLE})
    said = {"session.id": "chat-1", "span": True}
    text, body = "claude_code.assistant_response", "claude_code.api_response_body"
    events: list[dict[str, Any]] = [
        {**said, "at": 2, "event.name": text, "response": "Let me see.", "request_id": "req_2"},
        {**said, "at": 2, "event.name": body, "body": whole, "request_id": "req_2", "event.sequence": 2},
        {**said, "at": 3, "event.name": text, "response": "Lima.", "request_id": "req_3"},
        {**said, "at": 3, "event.name": body, "body": whole[:40], "request_id": "req_3", "event.sequence": 2},
    ]
    sent: dict[str, list[Any]] = {
        "logs first": [events, [turn, *calls]],
        "spans first": [[turn, *calls], events, events[2:], events[:1]],
        "turn last": [calls[:1], events[1:], events[:1], calls, [turn]],
        "one by one": [[calls[1]], *([event] for event in reversed(events)), [turn], [calls[2]], [calls[0]]],
    }
    for part in sent[order]:
        if "event.name" in part[0]:
            log(api, *(dict(event) for event in part))
        else:
            group = {"scope": {"name": "com.anthropic.claude_code.tracing"}, "spans": part}
            assert api.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [group]}]}).status == 200

    first, second, third = told(api)
    assert first["message_completion"]["content"] == "Let me see."
    assert [one["function"]["name"] for one in first["message_completion"]["tool_calls"]] == ["Bash"]
    assert first["message_completion"].keys() == {"role", "content", "tool_calls"}
    assert second["message_completion"] == {"role": "assistant", "content": "Lima."}
    assert ("message_completion" in third, third["response_id"]) == (False, "req_4")
    assert Step.objects.in_project(api.project.pk).count() == 4


def test_calls_go_where_the_key_belongs_and_nonsense_among_them_refuses_none(api: Caller) -> None:
    request = {"event.name": "claude_code.api_request", "model": "m"}
    odd = {
        "input_tokens": "many",
        "cost_usd": -1.0,
        "duration_ms": "1e400",
        "ttft_ms": "soon",
        "session.id": "x" * 9_000,
    }

    assert log(api, {**request, "at": 1, **odd}, {**request, "at": 2, "input_tokens": 5}) == {}

    assert [call.get("prompt_tokens") for call in told(api)] == [None, 5]
    assert told(caller("ingest")) == []
