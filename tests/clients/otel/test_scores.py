"""Langfuse's SDKs score what they record: each score is stored once, on what it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.otel import running
from tests.stack import Stack

pytestmark = [pytest.mark.slow]


@pytest.mark.parametrize("environment", ["otel-newest", "otel-earlier"])
def test_scores_of_langfuse_s_sdk_are_on_the_span_the_trace_and_the_session(
    environment: str, live_stack: Stack, tmp_path: Path
) -> None:
    ran = running.ran(
        live_stack, "Langfuse's SDK", environment, program="langfuse_scores.py", cases=(), folder=tmp_path
    )

    (root,) = [step for step in ran.steps if step["name"] == "answer"]
    with live_stack.client() as client:
        found = client.get("/api/scores", params={"order": "-timestamp", "limit": "4"}).json()["data"]
    told = {
        score["name"]: [score.get(name) for name in ("value", "label", "comment", "stepId", "threadId")]
        for score in found
    }
    assert told == {
        "polite": [None, "yes", "It says please.", root["id"], None],
        "solved": [1.0, None, None, root["id"], None],
        "correct": [0.75, None, None, root["id"], None],
        "kept": [3.5, None, None, None, "chat-1"],
    }
