"""Where the gateway sends a call, and whom it asks next."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generations import access, providers
from generations.gateway import upstream
from tests.doors.gateway import CHAT, JSON, api, call, completion, content, provider, recorded
from tests.doors.rest import Caller
from tests.scripted import Scripted

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db


def test_another_attempt_and_another_provider_are_asked_and_told(api: Caller, provider: Scripted) -> None:
    second = Scripted()
    second.answer = lambda *_: (200, JSON, completion("From the other"))
    grant = access.of_system(api.project)
    providers.save(
        grant, kind="vllm", name="main", secret=None, endpoint=f"{provider.url}/v1", options={"fallback": ["spare"]}
    )
    providers.save(grant, kind="vllm", name="spare", secret="sk-2", endpoint=f"{second.url}/v1")
    provider.answer = lambda *_: (503, {**JSON, "Retry-After": "0"}, b'{"error": {"message": "Busy."}}')
    try:
        response = call(api, x_generations_provider="main", x_generations_retries="1")
        assert json.loads(content(response))["choices"][0]["message"]["content"] == "From the other"
    finally:
        second.close()

    assert (len(provider.requests), len(second.requests)) == (2, 1)
    assert "sk-2" in str(second.requests[0][2])
    one = recorded(api)
    assert one.record.provider == "spare"
    assert [(other.kind, other.content["provider"], other.content["status"]) for other in one.alternatives] == [
        ("fallback", "main", 503)
    ] * 2


def test_an_attempt_after_which_the_same_provider_answered_is_a_retry(api: Caller, provider: Scripted) -> None:
    provider.script = [(429, {**JSON, "Retry-After": "0"}, b'{"error": {"message": "Busy."}}')]

    assert content(call(api, x_generations_retries="2")) == completion()

    assert [(other.kind, other.content) for other in recorded(api).alternatives] == [
        ("retry", {"provider": "main", "status": 429, "error": '{"error": {"message": "Busy."}}'})
    ]


def test_a_provider_is_chosen_by_header_or_by_what_stands_before_the_models_slash(
    api: Caller, provider: Scripted
) -> None:
    other = Scripted()
    other.answer = lambda *_: (200, JSON, completion())
    providers.save(access.of_system(api.project), kind="vllm", name="other", secret="k", endpoint=f"{other.url}/v1")
    try:
        content(call(api, {**CHAT, "model": "other/llama"}))
        content(call(api, x_generations_provider="other"))
        content(call(api, {**CHAT, "model": "meta-llama/llama"}))
        refused = call(api, x_generations_provider="third")
    finally:
        other.close()

    assert [json.loads(body)["model"] for *_, body in other.requests] == ["llama", "gpt-4o-mini"]
    assert [json.loads(body)["model"] for *_, body in provider.requests] == ["meta-llama/llama"]
    assert (refused.status_code, "third" in refused.json()["error"]["message"]) == (400, True)


def test_a_connection_to_who_is_called_no_more_is_closed_when_its_time_is_over(
    api: Caller, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Scripted()
    other.answer = lambda *_: (200, JSON, completion())
    providers.save(access.of_system(api.project), kind="vllm", name="other", secret="k", endpoint=f"{other.url}/v1")
    try:
        content(call(api, {**CHAT, "model": "other/llama"}))
        (kept,) = upstream._idle["http", other.url.removeprefix("http://")]
        assert kept.wire.socket.fileno() > 0

        monkeypatch.setattr(upstream, "KEPT_SECONDS", 0.0)
        content(call(api))
    finally:
        other.close()

    assert kept.wire.socket.fileno() == -1


def test_a_key_that_another_machine_encrypted_with_its_own_secret_key_is_named(api: Caller, settings: Any) -> None:
    settings.SECRET_KEY = "that-of-another-machine-0123456789012345678901234567890"

    answer = call(api, CHAT)

    assert answer.status_code == 400
    assert "was kept under another secret key of this server." in answer.json()["error"]["message"]
