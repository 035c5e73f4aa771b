"""What patterns read takes time that grows with its length, whatever it is; nobody waits for another one's text."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db

LONG = 40_000


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/api/prompts/p/versions", {"template": "{{" + " " * LONG}, 201),
        ("/api/prompts/p/versions", {"messages": [{"role": "user", "content": "{{# a" + " " * LONG}]}, 201),
        ("/api/generations", {"_" * LONG: 1}, 422),
        ("/api/generations", {"usage": {"_" * LONG: 1}}, 422),
        ("/api/generations/query", {"filters": {"timestamp": {"gte": "11:11" * LONG}}}, 400),
        ("/api/generations/query", {"filters": {"timestamp": {"gte": "11:11:" * LONG + " x"}}}, 400),
    ],
)
def test_a_long_text_of_any_kind_is_answered_at_once(api: Caller, path: str, sent: dict[str, Any], status: int) -> None:
    began = time.process_time()

    answer = api.post(path, sent)

    assert answer.status == status, answer.json
    assert time.process_time() - began < 5


def test_variables_are_found_beside_parts_that_are_no_text(api: Caller) -> None:
    parts = [{"type": "text", "text": 5}, {"type": "text", "text": None}, {"type": "text", "text": "{{{ #who }}}"}, 7]

    made = api.post("/api/prompts/p/versions", {"messages": [{"role": "user", "content": parts}]})

    assert (made.status, made.json["inputs"]) == (201, ["who"])
