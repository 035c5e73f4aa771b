"""Events of agents in a terminal come in any requests, in any order and again: the same calls, and no wrong answer."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations.models import Generation, Score, Step
from generations.recording import record
from generations.records import ScoreRecord
from tests.doors.rest import caller
from tests.test_otlp_terminals import CODEX, COUNTED, log, told

pytestmark = pytest.mark.django_db

Event = dict[str, Any]
MAIN, TITLE, AGENT = "repl_main_thread", "generate_session_title", "agent:builtin:general-purpose"


def asked(at: float, session: str, turn: str, words: str) -> Event:
    said = {"event.name": "claude_code.user_prompt", "session.id": session, "prompt.id": turn, "prompt": words}
    return {"at": at, **said}


def called(at: float, session: str, turn: str, n: int, source: str, response: str | None) -> list[Event]:
    """A call of Claude Code that took a second, and its answer a moment later; None: the call was refused."""
    about = {"session.id": session, "prompt.id": turn, "request_id": f"req_{n}", "query_source": source}
    about |= {"agent_id": f"agent-{n}"} if source == AGENT else {}
    call = {"at": at, "model": "claude-haiku-4-5", "duration_ms": 1000, **about}
    if response is None:
        return [{**call, "event.name": "claude_code.api_error", "error": "Overloaded", "status_code": "529"}]
    said = {"at": at + 0.01, "event.name": "claude_code.assistant_response", "response": response}
    return [{**call, "event.name": "claude_code.api_request", "input_tokens": n, "output_tokens": 5}, {**about, **said}]


def codex(at: float, session: str, n: int) -> list[Event]:
    begun = {**CODEX, "event.name": "codex.api_request", "duration_ms": 100, "endpoint": "/responses"}
    whole = {**COUNTED, "at": at + 3, "input_token_count": n}
    return [{**begun, "at": at + 0.1, "conversation.id": session}, {**whole, "conversation.id": session}]


def qwen(at: float, turn: str, n: int, words: str, response: str) -> list[Event]:
    about = {"session.id": "qwen-1", "model": "qwen3-coder-plus", "prompt_id": turn}
    request = json.dumps([{"role": "user", "parts": [{"text": words}]}])
    answer = {"duration_ms": 2900, "input_token_count": n, "output_token_count": 9, "response_text": response}
    return [
        {**about, "at": at, "event.name": "qwen-code.api_request", "request_text": request},
        {**about, "at": at + 3, "event.name": "qwen-code.api_response", "response_id": f"chatcmpl-{n}", **answer},
    ]


def sessions() -> list[Event]:
    """Three agents, as their newest versions tell of what they do, in the order of time."""
    prompt = {**CODEX, "event.name": "codex.user_prompt"}
    found = [
        asked(0, "claude-1", "p1", "The capital of Peru?"),
        *called(1.9, "claude-1", "p1", 1, TITLE, "Capitals"),
        *called(2.0, "claude-1", "p1", 2, MAIN, None),
        *called(3.2, "claude-1", "p1", 3, MAIN, "I ask others."),
        *called(4.2, "claude-1", "p1", 4, AGENT, "Lima, says one."),
        *called(4.205, "claude-1", "p1", 5, AGENT, "Lima, says another."),
        *called(6.2, "claude-1", "p1", 6, MAIN, "Lima."),
        asked(7.0, "claude-1", "p2", "And of Chile?"),
        *called(8.5, "claude-1", "p2", 7, MAIN, "Santiago."),
        asked(0.5, "claude-2", "p3", "Of Kenya?"),
        *called(2.5, "claude-2", "p3", 8, "sdk", "Nairobi."),
        {**prompt, "at": 0, "conversation.id": "codex-1", "prompt": "Of Spain?"},
        *codex(0.2, "codex-1", 21),
        *codex(3.4, "codex-1", 22),
        {**prompt, "at": 6.9, "conversation.id": "codex-1", "prompt": "Of Italy?"},
        *codex(7.0, "codex-1", 23),
        *qwen(1.0, "q1", 31, "Of Cuba?", "Havana."),
        *qwen(1.5, "q1#agent", 32, "Of Fiji?", "Suva."),
        *qwen(5.0, "q1", 33, "Of Mali?", "[1, 2]"),
    ]
    return sorted(found, key=lambda event: float(event["at"]))


def stored(*requests: Sequence[Event]) -> dict[Any, dict[str, Any]]:
    """What is stored of the calls once these requests came, each twice, by what tells each of them."""
    api = caller("ingest")
    for request in requests:
        for _ in range(2):
            assert log(api, *(dict(event) for event in request)) == {}
    calls = {call.get("response_id") or call["prompt_tokens"]: call for call in told(api)}
    assert len(calls) == len(told(api))
    return calls


def said(call: dict[str, Any]) -> tuple[str | None, str | None]:
    """The words and the answer of a call."""
    words = call.get("messages", [{"content": None}])[-1]["content"]
    return words, call.get("message_completion", {}).get("content")


def test_calls_in_one_request_have_their_own_words_answers_and_times() -> None:
    calls = stored(sessions())

    assert {name: said(call) for name, call in calls.items()} == {
        "req_1": (None, "Capitals"),
        "req_2": ("The capital of Peru?", None),
        "req_3": ("The capital of Peru?", "I ask others."),
        "req_4": (None, "Lima, says one."),
        "req_5": (None, "Lima, says another."),
        "req_6": (None, "Lima."),
        "req_7": ("And of Chile?", "Santiago."),
        "req_8": ("Of Kenya?", "Nairobi."),
        21: ("Of Spain?", None),
        22: (None, None),
        23: ("Of Italy?", None),
        "chatcmpl-31": ("Of Cuba?", "Havana."),
        "chatcmpl-32": ("Of Fiji?", "Suva."),
        "chatcmpl-33": ("Of Mali?", "[1, 2]"),
    }
    assert [calls[n]["latency"] for n in (21, 22, 23)] == [pytest.approx(3.0)] * 3
    assert [calls[n]["prompt_tokens"] for n in ("chatcmpl-31", "req_3")] == [31, 3]


def test_events_cut_into_requests_anywhere_and_sent_twice_tell_the_same() -> None:
    events = sessions()
    whole = stored(events)

    assert stored(*([event] for event in events)) == whole
    for place in range(1, len(events)):
        assert stored(events[:place], events[place:]) == whole, events[place]


@pytest.mark.parametrize("seed", range(12))
def test_requests_in_any_order_tell_of_as_many_calls_and_no_answer_is_another_s(seed: int) -> None:
    events = sessions()
    whole = stored(events)
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(events)), chance.randint(2, len(events) - 1)))
    requests = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    chance.shuffle(requests)

    found = stored(*requests)

    assert found.keys() == whole.keys()
    assert {name: said(call)[1] for name, call in found.items()} == {
        name: said(call)[1] for name, call in whole.items()
    }
    turns: dict[str | int, str] = {
        **dict.fromkeys(["req_2", "req_3", "req_6"], "The capital of Peru?"),
        "req_7": "And of Chile?",
    }
    turns |= {"req_8": "Of Kenya?", 21: "Of Spain?", 22: "Of Spain?", 23: "Of Spain?"}  # the last that came before it
    for name, call in found.items():
        words = said(call)[0]
        assert words in (None, said(whole[name])[0], turns.get(name))
        assert call["latency"] == whole[name]["latency"] if "latency" in call and isinstance(name, str) else True
        assert call.get("latency") != 0


def test_an_answer_that_is_here_is_not_written_over_and_what_was_said_of_a_call_stays() -> None:
    api = caller("ingest")
    call, answer = called(2.0, "claude-1", "p1", 1, MAIN, "Lima.")
    body = {"type": "message", "role": "assistant", "stop_reason": "tool_use"}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    raw = {**answer, "event.name": "claude_code.api_response_body"}
    other = {**raw, "body": json.dumps({**body, "content": [{"type": "text", "text": "Quito."}, tool]})}
    whole = {**raw, "body": json.dumps({**body, "content": [{"type": "text", "text": "Lima."}, tool]})}
    log(api, dict(call))
    id = Generation.objects.in_project(api.project.pk).get().public_id
    record(api.project, [ScoreRecord(id="s", name="right", value=1.0, generation_id=id)])
    for request in ([answer], [{**answer, "response": "Quito."}], [other], [whole], [call, answer], [answer], [call]):
        log(api, *(dict(event) for event in request))

    (found,) = told(api)
    assert (found["message_completion"]["content"], found["finish_reason"]) == ("Lima.", "tool_calls")
    assert [one["function"]["name"] for one in found["message_completion"]["tool_calls"]] == ["Bash"]
    assert Score.objects.in_project(api.project.pk).get().generation_id == id
    assert not Step.objects.in_project(api.project.pk).exists()


def test_an_answer_before_its_call_waits_and_one_of_another_session_is_another_s() -> None:
    api = caller("ingest")
    call, answer = called(2.0, "claude-1", "p1", 1, MAIN, "Lima.")
    log(api, dict(answer), {**answer, "session.id": "claude-2", "response": "Quito."})
    log(api, dict(call))
    assert [said(found) for found in told(api)] == [(None, "Lima.")]
    log(api, dict(answer))

    assert [said(found) for found in told(api)] == [(None, "Lima.")]
    assert Step.objects.in_project(api.project.pk).count() == 2


def test_a_prompt_is_not_the_next_one_s_call_s_though_both_were_sent_again() -> None:
    """A Collector sends what it is not sure of again, after what came later."""
    api = caller("ingest")
    first = [asked(0, "claude-1", "p1", "The capital of Peru?"), *called(2.0, "claude-1", "p1", 1, MAIN, "Lima.")]
    log(api, *(dict(event) for event in first))
    log(api, asked(3, "claude-1", "p2", "And of Chile?"))
    log(api, *(dict(event) for event in first[1:]))

    assert [said(call) for call in told(api)] == [("The capital of Peru?", "Lima.")]


def test_what_the_system_was_told_comes_with_the_answer_and_the_words_in_a_request_before() -> None:
    about = {"session.id": "chat-1", "model": "gemini-2.5-flash", "prompt_id": "q1", "event.timestamp": "T3"}
    asked = json.dumps([{"role": "user", "parts": [{"text": "The capital of Peru?"}]}])
    api = caller("ingest")
    log(api, {**about, "at": 1, "event.name": "gemini_cli.api_request", "request_text": asked})
    details = {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.system_instructions": "Be brief."}
    answer = {"event.name": "gemini_cli.api_response", "duration_ms": 9000, "input_token_count": 5}
    for _ in range(2):
        log(api, {**about, **answer, "at": 10}, {**about, **details, "at": 10.001})

    (call,) = told(api)
    assert [one["content"] for one in call["messages"]] == ["Be brief.", "The capital of Peru?"]


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_a_long_session_is_asked_as_often_and_as_little_as_a_short_one(agent: str) -> None:
    api = caller("ingest")

    def asks(count: int, start: int) -> int:
        """The statements of a request with the ends of so many calls that began in the one before."""
        begins, ends = [], []
        for n in range(start, start + count):
            if agent == "codex":
                begin, end = codex(4.0 * n, f"chat-{n}", n + 1)
            else:
                end, begin = called(4.0 * n, "claude-1", f"p{n}", n, MAIN, "Lima.")
            begins.append(begin)
            ends.append(end)
        log(api, *begins)
        with CaptureQueriesContext(connection) as found:
            log(api, *ends)
        return len(found)

    asks(1, 0)
    few, many = asks(1, 1), asks(9, 2)

    assert (few, few) == (many, asks(1, 20))
    assert len(told(api)) == 12
