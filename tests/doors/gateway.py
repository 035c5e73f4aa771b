"""A provider behind the gateway, calls through it, and what was recorded of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from generations import access, providers
from generations.bundles import Bundle, of_generations
from generations.gateway import journal, routes, upstream, views
from generations.models import Generation
from tests.doors.rest import Caller, caller
from tests.scripted import Scripted

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
    upstream.let_go()
    while journal.record_ended():
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
    upstream.let_go()


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


def read_until(pieces: Iterator[bytes], text: bytes) -> bytes:
    """What comes until this has come."""
    read = b""
    while text not in read:
        read += next(pieces)
    return read


def go_away(response: Any) -> None:
    """Close an answer before its end, as a server does whose client went away."""
    response.close()


def recorded(api: Caller) -> Bundle:
    (one,) = all_recorded(api)
    return one


def all_recorded(api: Caller) -> list[Bundle]:
    while journal.record_ended():
        pass
    rows = list(Generation.objects.in_project(api.project.pk).order_by("started_at"))
    return of_generations(api.project, rows)
