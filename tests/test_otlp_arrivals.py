"""What is stored does not depend on how it came: beside its log events, before or after them, in parts or again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from generations.models import Feedback, Participant, Score, Thread
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import BARE, CHAT, TRACE, post, span
from tests.test_otlp_captures import stored
from tests.test_otlp_joining import FIRST, SYSTEM, USER, event, log

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
