"""The gateway when something is wrong: it is told as it is, in the form of the clients, and recorded."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from generations import access, providers
from generations.gateway import upstream, views
from tests.doors.gateway import (
    CHAT,
    EVENTS,
    JSON,
    STREAM,
    all_recorded,
    api,
    call,
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
