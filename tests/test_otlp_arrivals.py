"""What is stored does not depend on how it came: beside its log events, before or after them, in parts or again."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from generations.models import Feedback, Participant, Score, Thread
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import BARE, CHAT, TRACE, post, span
from tests.test_otlp_captures import body, stored
from tests.test_otlp_joining import FIRST, SYSTEM, USER, event, log
from tests.test_otlp_terminals import GEMINI
from tests.test_otlp_terminals import log as tell

pytestmark = pytest.mark.django_db

SAID = {"session.id": "chat-1", "user.id": "ada"}


def seen(api: Caller) -> list[Any]:
    """When threads and participants were there."""
    threads = Thread.objects.in_project(api.project.pk).values_list("public_id", "started_at", "last_activity_at")
    people = Participant.objects.in_project(api.project.pk).values_list("public_id", "last_seen_at")
    return [*threads, *people]


def test_a_call_whose_messages_came_before_its_span_makes_its_thread_no_younger() -> None:
    parts: list[Callable[[Caller], Answer]] = [
        lambda api: log(api, USER),
        lambda api: post(api, span(2, attributes=SAID)),
        lambda api: post(api, span(1, parent=2, attributes=CHAT)),
    ]
    found = []
    for order in itertools.permutations(parts):
        api = caller("ingest")
        for part in order:
            assert part(api).json == {}
        found.append(seen(api))

    assert found[1:] == found[:-1]
    assert len(found[0]) == 2


ANSWER = {**CHAT, "gen_ai.response.id": "chatcmpl-1"}


def judged(name: str, value: float) -> dict[str, Any]:
    """An evaluation that names the answer, and no span."""
    said: dict[str, Any] = {
        "gen_ai.evaluation.name": {"stringValue": name},
        "gen_ai.evaluation.score.value": {"doubleValue": value},
        "gen_ai.response.id": {"stringValue": "chatcmpl-1"},
    }
    attributes = [{"key": key, "value": value} for key, value in said.items()]
    return {**event("gen_ai.evaluation.result", ""), "traceId": "", "spanId": "", "attributes": attributes}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_an_evaluation_is_of_the_answer_that_it_names_though_that_comes_later(order: tuple[int, ...]) -> None:
    api = caller("ingest")
    parts = [
        lambda: log(api, judged("Relevance", 0.5)),
        lambda: log(api, judged("user_feedback", 1.0)),
        lambda: post(api, span(1, attributes=BARE)),
        lambda: post(api, span(2, parent=1, attributes=ANSWER)),
    ]
    for place in (*order, *order[:2]):
        assert parts[place]().json == {}

    call = f"{TRACE}-{2:016x}"
    scores = Score.objects.in_project(api.project.pk).order_by("name")
    assert list(scores.values_list("name", "generation_id", "step_id")) == [
        ("Relevance", call, call),
        ("user_feedback", call, call),
    ]
    (feedback,) = Feedback.objects.in_project(api.project.pk)
    assert (feedback.thumbs, feedback.generation_id, feedback.is_latest) == ("up", call, True)


def test_what_is_said_once_and_comes_twice_in_a_request_is_one_answer() -> None:
    """As a collector puts together what was sent and what was sent again."""
    found = []
    for times in (1, 2):
        api = caller("ingest")
        post(api, span(1, attributes=BARE))
        assert log(api, *[SYSTEM] * times, USER, *[FIRST] * times).json == {}
        found.append(stored(api.project))

    assert found[0] == found[1]
    assert found[0]["Alternative"] == []


# -------------------------------------------------------------------------------------------- agents in a terminal
def single(name: str) -> list[bytes]:
    """Each log record of a capture in a request of its own."""
    parts = []
    for group in ExportLogsServiceRequest.FromString(body(name)).resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                request = ExportLogsServiceRequest()
                outer = request.resource_logs.add(resource=group.resource)
                outer.scope_logs.add(scope=scope.scope).log_records.append(record)
                parts.append(request.SerializeToString())
    return parts


def heard(parts: Sequence[bytes]) -> dict[str, Any]:
    """What is stored of these requests."""
    api = caller("ingest")
    for part in parts:
        assert api.send("POST", "/v1/logs", raw=part, type="application/x-protobuf").status == 200
    return stored(api.project)


@pytest.mark.parametrize("name", ["claude-code-prompt.logs.pb", "codex-prompt.logs.pb"])
def test_a_conversation_in_a_terminal_is_the_same_whichever_of_its_events_come_together(name: str) -> None:
    whole, parts = heard([body(name)]), single(name)

    assert heard(parts) == whole
    assert heard(parts[::-1]) == whole
    for seed in range(4):
        draw = random.Random(seed)
        assert heard(draw.sample([*parts, *parts], 2 * len(parts))) == whole, seed


def test_three_events_of_one_call_of_gemini_cli_may_come_in_any_order_and_again() -> None:
    asked = json.dumps([{"role": "user", "parts": [{"text": "The capital of Peru?"}]}])
    details = {"gen_ai.system_instructions": "Be brief.", "gen_ai.request.temperature": 1, "event.timestamp": "T3"}
    events: list[dict[str, Any]] = [
        {"at": 1, "span": True, "event.name": "gemini_cli.api_request", "request_text": asked},
        {"at": 3, "event.name": "gemini_cli.api_response", "event.timestamp": "T3", "duration_ms": 2000},
        {"at": 3.001, "event.name": "gen_ai.client.inference.operation.details", **details},
        {"at": 9, "event.name": "gemini_cli.api_response", "event.timestamp": "T9", "duration_ms": 1000},
    ]
    found: list[dict[str, Any]] = []
    one_by_one: list[list[tuple[int, ...]]] = [[(n,) for n in order] for order in itertools.permutations(range(4))]
    orders: list[list[tuple[int, ...]]] = [[(0, 1, 2, 3)], [(0, 1), (2,), (3,)]]
    for order in orders + one_by_one:
        api = caller("ingest")
        for part in [*order, order[-1]]:
            assert tell(api, *({**GEMINI, **events[n]} for n in part), scope="gemini-cli") == {}
        found.append(stored(api.project))

    assert found[1:] == found[:-1]
    first, second = (json.loads(row) for row in found[0]["GenerationPayload"])
    assert [m["content"] for m in first["messages"] or second["messages"]] == ["Be brief.", "The capital of Peru?"]
    assert found[0]["Step"] == []


def test_how_long_a_call_took_is_unknown_where_nothing_says_when_it_began() -> None:
    api = caller("ingest")
    tell(api, {"at": 2, "event.name": "codex.sse_event", "conversation.id": "chat-1", "input_token_count": 50})

    (call,) = (json.loads(row) for row in stored(api.project)["Generation"])
    assert (call["latency"], call["start_assumed"]) == (None, True)
