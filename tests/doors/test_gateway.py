"""The gateway: what goes in comes out byte for byte, and the record says what there was."""

from __future__ import annotations

import json

import pytest

from generations.gateway import journal
from tests.doors.gateway import (
    CHAT,
    EVENTS,
    JSON,
    STREAM,
    USAGE,
    all_recorded,
    api,
    call,
    completion,
    content,
    provider,
    recorded,
)
from tests.doors.rest import Caller
from tests.scripted import Scripted

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db


def test_a_call_passes_as_it_is_and_is_recorded_as_what_it_was(api: Caller, provider: Scripted) -> None:
    response = call(api, x_custom="kept", x_generations_user="ann")

    assert (response.status_code, content(response)) == (200, completion())
    ((method, path, headers, body),) = provider.requests
    assert (method, path, json.loads(body)) == ("POST", "/v1/chat/completions", CHAT)
    sent = {name.lower(): value for name, value in headers.items()}
    assert sent["authorization"] == "Bearer sk-theirs"
    assert sent["x-custom"] == "kept"
    assert not [name for name in sent if name.startswith("x-generations")]
    one = recorded(api)
    assert one.generation.public_id == response["X-Generations-Id"]
    record = one.record
    assert (record.type, record.model_id, record.model_version) == ("chat", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (record.messages, record.message_completion) == (
        CHAT["messages"],
        {"role": "assistant", "content": "Hello"},
    )
    assert (record.prompt_tokens, record.completion_tokens, record.parameters) == (9, 3, {"temperature": 0.5})
    assert (record.user_id, record.provider, record.error) == ("ann", "main", None)
    assert record.latency is not None and record.latency > 0
    assert record.time_to_first_token is None
    assert list(journal.folder().iterdir()) == []


def test_a_stream_passes_piece_by_piece_and_is_put_together(api: Caller, provider: Scripted) -> None:
    provider.script = [(200, EVENTS, STREAM)]
    provider.pause = 0.02

    response = call(api, {**CHAT, "stream": True})
    pieces = list(response.streaming_content)

    assert b"".join(pieces) == b"".join(STREAM)
    assert len(pieces) > 1
    assert response["Content-Type"] == EVENTS["Content-Type"]
    assert response["X-Accel-Buffering"] == "no"  # nginx before it passes the pieces on as they come
    record = recorded(api).record
    assert record.message_completion == {"role": "assistant", "content": "Hello"}
    assert record.finish_reason == "stop"
    assert record.time_to_first_token is not None and record.latency is not None
    assert 0 < record.time_to_first_token < record.latency


def test_choices_tools_and_every_kind_of_call_become_what_they_are(api: Caller, provider: Scripted) -> None:
    two = [{"index": n, "text": text, "finish_reason": "stop"} for n, text in enumerate("AB")]
    provider.script = [
        (200, JSON, json.dumps({"id": "a", "object": "text_completion", "choices": two}).encode()),
        (200, JSON, json.dumps({"object": "list", "data": [{"embedding": [0.1]}], "usage": USAGE}).encode()),
        (200, JSON, json.dumps({"id": "r", "object": "response", "output": [], "status": "completed"}).encode()),
    ]
    content(call(api, {"model": "m", "prompt": "P", "n": 2}, "/v1/completions"))
    content(call(api, {"model": "text-embedding-3-small", "input": ["x"]}, "/v1/embeddings"))
    content(call(api, {"model": "m", "input": "Q"}, "/v1/responses"))

    first, second, third = (one.record for one in all_recorded(api))
    assert (first.type, first.prompt, first.completion) == ("completion", "P", "A")
    assert [(other.index, other.content, other.kind) for other in first.alternatives or ()] == [(0, "B", "choice")]
    assert (second.type, second.input, second.prompt_tokens) == ("embedding", ["x"], 9)
    assert (third.type, third.messages) == ("chat", [{"role": "user", "content": "Q"}])


def test_other_addresses_pass_and_are_not_recorded(api: Caller, provider: Scripted) -> None:
    provider.answer = lambda *_: (200, JSON, b'{"object": "list", "data": []}')

    assert content(api.client.get("/v1/models?limit=3")) == b'{"object": "list", "data": []}'
    assert content(api.client.put("/v1/files/file-1")) == b'{"object": "list", "data": []}'

    assert [request[:2] for request in provider.requests] == [
        ("GET", "/v1/models?limit=3"),
        ("PUT", "/v1/files/file-1"),
    ]
    assert all_recorded(api) == []


def test_what_an_application_says_of_its_call_stands_in_the_record(api: Caller) -> None:
    content(
        call(
            api,
            x_generations_user="ann",
            x_generations_thread="t1",
            x_generations_tags="prod, eu",
            x_generations_metadata='{"plan": "pro"}',
            x_generations_prompt="greeting:3",
            x_generations_environment="staging",
        )
    )
    content(call(api, x_generations_metadata="no json", x_generations_session="s1", x_generations_prompt="bare"))

    first, second = (one.record for one in all_recorded(api))
    assert (first.user_id, first.thread_id, first.tags) == ("ann", "t1", ("prod", "eu"))
    assert (first.metadata, first.environment) == ({"plan": "pro"}, "staging")
    assert (first.prompt_name, first.prompt_version) == ("greeting", 3)
    assert "x-generations-metadata: 'no json' is no JSON object" in str(second.metadata)
    assert (second.session_id, second.thread_id, second.prompt_name) == ("s1", "s1", "bare")
