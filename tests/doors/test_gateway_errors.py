"""The gateway when something is wrong: it is told as it is, in the form of the clients, and recorded."""

from __future__ import annotations

import socketserver
import threading
from typing import Any

import httpx
import pytest

from generations import access, presence, providers
from generations.gateway import routes, upstream, views
from tests.doors.gateway import (
    CHAT,
    EVENTS,
    JSON,
    STREAM,
    all_recorded,
    api,
    call,
    completion,
    content,
    go_away,
    provider,
    read_until,
    recorded,
)
from tests.doors.rest import Caller, caller
from tests.scripted import Answer, Scripted

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db


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
    read_until(iter(response.streaming_content), b"Hel")

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


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:{port}/v1", "http://localhost:{port}/v1", "http://169.254.169.254/v1", "http://[::1]:{port}/v1"],
)
def test_no_call_goes_to_the_house_itself_unless_it_is_allowed(
    provider: Scripted, settings: Any, endpoint: str
) -> None:
    settings.EGRESS_PRIVATE = []
    upstream.let_go()
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


def test_a_provider_that_is_silent_for_too_long_is_504_and_recorded_as_too_slow(
    api: Caller, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(presence, "LOOK", 0.01)
    provider.delay = 30

    response = call(api)

    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_unreachable")
    record = recorded(api).record
    assert (record.error_type, record.messages) == ("too_slow", CHAT["messages"])
    assert "silent for too long" in str(record.error)


def test_a_stream_that_is_cut_is_cut_for_the_client_and_recorded_as_far_as_it_came(
    api: Caller, provider: Scripted
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Closing(api, head + b"%x\r\n%b\r\n" % (len(STREAM[1]), STREAM[1])):
        response = call(api, {**CHAT, "stream": True})
        pieces = iter(response.streaming_content)
        assert read_until(pieces, b"Hel") == STREAM[1]
        with pytest.raises(ConnectionResetError):
            next(pieces)

    record = recorded(api).record
    assert record.error_type == "broken"
    assert record.message_completion is not None and record.message_completion["content"] == "Hel"


def test_a_provider_that_dies_before_it_answers_is_told_and_recorded(api: Caller, provider: Scripted) -> None:
    with Closing(api, b"") as closing:
        response = call(api)

    assert (response.status_code, closing.asked) == (502, 1)
    assert "was lost" in response.json()["error"]["message"]
    record = recorded(api).record
    assert (record.error_type, record.messages) == ("broken", CHAT["messages"])


def test_a_connection_that_was_closed_while_it_was_kept_costs_no_call(api: Caller, provider: Scripted) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with Closing(api, head % len(completion()) + completion()) as closing:
        answers = [content(call(api)) for _ in range(3)]

    assert (answers, closing.asked) == ([completion()] * 3, 3)
    assert [one.record.error for one in all_recorded(api)] == [None] * 3


class Closing:
    """The project's provider, which answers each connection's first request with these bytes, and closes it."""

    def __init__(self, api: Caller, answer: bytes) -> None:
        outer = self
        self.asked = 0

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                length = 0
                while (line := self.rfile.readline().strip().lower()) != b"":
                    length = int(line[15:]) if line.startswith(b"content-length:") else length
                self.rfile.read(length)
                outer.asked += 1
                self.wfile.write(answer)

        self._server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        providers.save(access.of_system(api.project), kind="vllm", name="main", secret="k", endpoint=url)
        routes._known.clear()

    def __enter__(self) -> Closing:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
