"""The gateway: what goes in comes out, whatever becomes of its record; and the record says what there was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection
from django.test import Client

from generations import access, providers, recording
from generations.bundles import Bundle, of_generations
from generations.gateway import journal, routes, upstream, views
from generations.models import Generation, IngestReject
from tests.doors.rest import Caller, caller
from tests.scripted import Answer, Scripted

pytestmark = pytest.mark.django_db

JSON = {"Content-Type": "application/json"}
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def completion(text: str = "Hello", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    told = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": [choice]}
    # Blanks and an order that no library would write: what passes is not parsed and written anew.
    return json.dumps({**told, "usage": USAGE, **more}, indent=3).encode()


def chunk(**delta: Any) -> bytes:
    told = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [{"index": 0, **delta}]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


STREAM = [
    chunk(delta={"role": "assistant", "content": ""}),
    chunk(delta={"content": "Hel"}),
    chunk(delta={"content": "lo"}, finish_reason="stop"),
    b"data: [DONE]\n\n",
]
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}


@pytest.fixture
def provider(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Who answers calls; the only private address that may be called."""
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    settings.DATA_DIR = tmp_path
    upstream.client.cache_clear()
    while journal.record_one():
        pass  # what another test left
    views._known.clear()
    routes._known.clear()
    monkeypatch.setattr(journal, "start", lambda: None)
    # An answer that is closed before its end would close the connection in which a test stands.
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    server = Scripted()
    server.answer = lambda *_: (200, JSON, completion())
    settings.GATEWAY_UPSTREAM = f"{server.url}/v1"
    yield server
    server.close()
    upstream.client.cache_clear()


@pytest.fixture
def api(provider: Scripted) -> Caller:
    """A key of a project that has the provider."""
    made = caller("ingest")
    grant = access.of_system(made.project)
    providers.save(grant, kind="vllm", name="main", secret="sk-theirs", endpoint=f"{provider.url}/v1")
    return made


def call(api: Caller, document: Any = CHAT, path: str = "/v1/chat/completions", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.client.post(path, json.dumps(document), content_type="application/json", headers=named)


def content(response: Any) -> bytes:
    return bytes(b"".join(response.streaming_content) if response.streaming else response.content)


def go_away(response: Any) -> None:
    """Close an answer before its end, as a server does whose client went away."""
    response.close()


def recorded(api: Caller) -> Bundle:
    (one,) = all_recorded(api)
    return one


def all_recorded(api: Caller) -> list[Bundle]:
    while journal.record_one():
        pass
    rows = list(Generation.objects.in_project(api.project.pk).order_by("created_at"))
    return of_generations(api.project, rows)


# --------------------------------------------------------------------------------------------------------------- bytes
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


# -------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_errors_are_answered_as_they_are(api: Caller, provider: Scripted, status: int) -> None:
    error = b'{"error": {"message": "No.", "type": "x", "code": "y"}}'
    provider.script = [(status, {**JSON, "Retry-After": "7"}, error)]

    response = call(api)

    assert (response.status_code, content(response), response["Retry-After"]) == (status, error, "7")
    record = recorded(api).record
    assert (record.error, record.error_type) == ("No.", "y")


def test_an_upstream_that_is_not_there_is_told_and_recorded(api: Caller, provider: Scripted) -> None:
    provider.close()

    response = call(api)

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_unreachable"
    record = recorded(api).record
    assert record.error is not None and "main cannot be reached" in record.error
    assert record.messages == CHAT["messages"]


def test_an_answer_that_breaks_off_is_cut_for_the_client_too_and_recorded_as_far_as_it_came(
    api: Caller, provider: Scripted
) -> None:
    provider.cut_after = 20

    response = call(api)
    with pytest.raises(ConnectionResetError):
        content(response)
    go_away(response)

    record = recorded(api).record
    assert record.error is not None and "broke off" in record.error
    assert record.messages == CHAT["messages"]


def test_a_client_that_goes_away_ends_the_call_and_leaves_what_had_come(api: Caller, provider: Scripted) -> None:
    provider.script = [(200, EVENTS, STREAM)]
    provider.pause = 0.02
    response = call(api, {**CHAT, "stream": True})
    pieces = iter(response.streaming_content)
    read = b""
    while b"Hel" not in read:
        read += next(pieces)

    go_away(response)

    record = recorded(api).record
    assert record.error == "The client went away."
    assert record.message_completion is not None
    assert record.message_completion["content"].startswith("Hel")
    assert views._streams._value == views._streams._initial_value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "said"), [(b"{", "not JSON"), (b"[]", "a JSON object"), (b"\xff", "not JSON"), (b"", "not JSON")]
)
def test_what_is_no_call_is_refused_in_the_form_of_the_clients(api: Caller, body: bytes, said: str) -> None:
    response = api.client.post("/v1/chat/completions", body, content_type="application/json")

    assert response.status_code == 400
    assert said in response.json()["error"]["message"]
    assert all_recorded(api) == []


def test_odd_bodies_of_an_upstream_pass_and_leave_a_record(api: Caller, provider: Scripted) -> None:
    odd: list[Answer] = [
        (200, {"Content-Type": "text/html"}, b"<h1>It works</h1>"),
        (200, JSON, b'{"choices": 3}'),
        (200, EVENTS, [b"data: {\n\n", b"data: [1]\n\n", b": hello\n\n"]),
        (200, JSON, b""),
        (502, {"Content-Type": "text/html"}, b"Bad gateway"),
    ]
    provider.script = list(odd)

    for _, _, body in odd:
        assert content(call(api)) == (body if isinstance(body, bytes) else b"".join(body))

    found = all_recorded(api)
    assert len(found) == len(odd)
    assert [one.record.error is not None for one in found][-1] is True


# ---------------------------------------------------------------------------------------------------- retry, fallback
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
    assert [(other.kind, other.content["status"]) for other in one.alternatives] == [("retry", 503), ("retry", 503)]


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


# ------------------------------------------------------------------------------------------------------------ the gate
def test_our_key_in_the_address_leaves_the_providers_own_where_it_was(provider: Scripted) -> None:
    api = caller("ingest")
    client = Client(headers={"authorization": "Bearer sk-their-own"})

    response = client.post(f"/gateway/{api.token}/v1/chat/completions", CHAT, content_type="application/json")

    assert content(response) == completion()
    ((_, path, headers, _),) = provider.requests
    assert (path, headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-their-own")
    assert recorded(api).record.message_completion == {"role": "assistant", "content": "Hello"}


def test_no_key_a_wrong_one_and_one_that_may_only_read_are_refused(provider: Scripted) -> None:
    reader = caller("read")
    for client, status in (
        (Client(), 401),
        (Client(headers={"authorization": "Bearer gen_wrong"}), 401),
        (reader.client, 403),
    ):
        response = client.post("/v1/chat/completions", CHAT, content_type="application/json")
        assert (response.status_code, set(response.json()["error"])) == (status, {"message", "type", "param", "code"})
    assert provider.requests == []


def test_a_project_without_a_provider_is_told_what_to_do(provider: Scripted) -> None:
    response = call(caller("ingest"))

    assert response.status_code == 400
    assert "/gateway/KEY/v1" in response.json()["error"]["message"]


def test_a_key_that_was_good_passes_while_the_database_is_away(
    api: Caller, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    content(call(api))

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(views, "KNOWN_FOR", -1.0)
        patch.setattr(routes, "KNOWN_FOR", -1.0)
        patch.setattr(access, "by_key", away)
        patch.setattr(providers, "opened", away)
        patch.setattr(recording, "record", away)
        assert content(call(api)) == completion()
        journal.record_one()
        assert journal.record_one() is False
        assert len(list(journal.folder().iterdir())) == 2
    assert journal.sweep() == 2

    assert len(all_recorded(api)) == 2


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:{port}/v1", "http://localhost:{port}/v1", "http://169.254.169.254/v1", "http://[::1]:{port}/v1"],
)
def test_no_call_goes_to_the_house_itself_unless_it_is_allowed(
    provider: Scripted, settings: Any, endpoint: str
) -> None:
    settings.EGRESS_PRIVATE = []
    upstream.client.cache_clear()
    api = caller("ingest")
    port = httpx.URL(provider.url).port
    providers.save(
        access.of_system(api.project), kind="vllm", name="x", secret="k", endpoint=endpoint.format(port=port)
    )

    response = call(api)

    assert response.status_code == 502
    assert provider.requests == []
    assert "never called" in str(response.json()) or "private network" in str(response.json())


def test_a_redirect_is_answered_and_not_followed(api: Caller, provider: Scripted) -> None:
    provider.script = [(307, {"Location": "http://169.254.169.254/latest"}, b"")]

    response = call(api)

    assert (response.status_code, response["Location"]) == (307, "http://169.254.169.254/latest")
    assert len(provider.requests) == 1


# ---------------------------------------------------------------------------------------------------------- the record
def test_what_a_killed_process_left_is_recorded_as_far_as_it_came(
    api: Caller, provider: Scripted, tmp_path: Path
) -> None:
    provider.script = [(200, EVENTS, STREAM)]
    provider.pause = 0.02
    response = call(api, {**CHAT, "stream": True})
    pieces = iter(response.streaming_content)
    read = b""
    while b"Hel" not in read:
        read += next(pieces)
    (held,) = journal.folder().iterdir()
    # As it would lie there: without its owner, and broken off within a frame.
    left = journal.folder() / "left-behind"
    shutil.copy(held, left)
    left.write_bytes(left.read_bytes() + b"D\x00\x00")
    held_before = journal.sweep()
    (row,) = Generation.objects.in_project(api.project.pk)
    go_away(response)

    assert held_before == 1
    assert not left.exists()
    assert row.error == "Nobody saw the end of the answer: the server was stopped."
    # The call itself was still under way: its file was left alone, and its end completes the record.
    assert recorded(api).record.error == "The client went away."


def test_a_disk_that_takes_nothing_leaves_the_answer_as_it_is(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("generations.gateway.journal.os.write", full)

    assert content(call(api)) == completion()
    assert all_recorded(api) == []


def test_what_cannot_be_recorded_stands_on_the_page_of_what_comes_in(api: Caller) -> None:
    deep: Any = "leaf"
    for _ in range(240):
        deep = {"a": deep}

    content(call(api, {**CHAT, "metadata": {"deep": deep}}))

    kept = IngestReject.objects.filter(project=api.project).count()
    assert len(all_recorded(api)) + IngestReject.objects.filter(project=api.project).count() - kept == 1


def test_more_than_there_is_room_for_is_503(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(views, "_streams", threading.BoundedSemaphore(1))
    views._streams.acquire()
    response = call(api)
    views._streams.release()

    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert content(call(api)) == completion()
