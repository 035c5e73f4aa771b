"""What is stored does not depend on how it came: beside its log events, before or after them, in parts or again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from generations.models import Participant, Thread
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import CHAT, post, span
from tests.test_otlp_joining import USER, log

pytestmark = pytest.mark.django_db

SAID = {"session.id": "chat-1", "user.id": "ada"}


def seen(api: Caller) -> list[Any]:
    """When threads and participants were there."""
    threads = Thread.objects.in_project(api.project.pk).values_list("public_id", "started_at", "last_activity_at")
    people = Participant.objects.in_project(api.project.pk).values_list("public_id", "last_seen_at")
    return [*threads, *people]


def test_a_call_whose_messages_came_before_its_span_makes_its_thread_no_younger() -> None:
    parts = [
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
