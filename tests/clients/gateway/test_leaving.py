"""Who goes away ends the call: the provider sees the connection closed, and what had come is recorded as cancelled."""

from __future__ import annotations

import json
import queue
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.stack import Stack

pytestmark = pytest.mark.slow

PATIENCE: Final = 120
CHAT: Final = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE: Final = b'data: {"id": "c", "choices": [{"index": 0, %b}]}\n\n'
DONE: Final = b'{"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": {"content": "Hello"}}]}'


class Slow:
    """A provider that thinks until it is told to answer, and streams without an end; it sees who goes away."""

    def __init__(self) -> None:
        self.asked: queue.Queue[str] = queue.Queue()
        self.left: queue.Queue[str] = queue.Queue()
        self.answers: set[str] = set()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                length = 0
                while (line := self.rfile.readline().strip().lower()) != b"":
                    length = int(line[15:]) if line.startswith(b"content-length:") else length
                document = json.loads(self.rfile.read(length))
                marked = str(document.get("user"))
                outer.asked.put(marked)
                try:
                    if document.get("stream") is True:
                        self._stream(b'"delta": {"content": "Hel"}' if "messages" in document else b'"text": "Hel"')
                    self._answer(marked)
                except OSError:
                    outer.left.put(marked)

            def _stream(self, said: bytes) -> None:
                self.wfile.write(HEAD % b"text/event-stream")
                piece = PIECE % said
                while True:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    time.sleep(0.05)

            def _answer(self, marked: str) -> None:
                self.connection.settimeout(0.05)
                while marked not in outer.answers:
                    try:
                        if not self.connection.recv(1):
                            raise ConnectionResetError
                    except TimeoutError:
                        continue
                self.wfile.write(HEAD % b"application/json" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 32

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Both:
    """The provider, and a copy of the server that calls it."""

    stack: Stack
    provider: Slow

    def ask(self, path: str, document: dict[str, Any]) -> socket.socket:
        """A caller's connection, once the provider has been asked."""
        body = json.dumps(document).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.stack.api_key}\r\n"
            f"X-Generations-Name: {document.get('user')}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        caller = socket.create_connection(("127.0.0.1", self.stack.port), PATIENCE)
        caller.sendall(head.encode() + body)
        assert self.provider.asked.get(timeout=PATIENCE) == str(document.get("user"))
        return caller

    def cancelled(self, name: str) -> dict[str, Any]:
        """The record of the call of this name, once the provider has seen it cancelled."""
        assert self.provider.left.get(timeout=PATIENCE) in (name, "None")
        deadline = time.monotonic() + PATIENCE
        with self.stack.client() as client:
            while True:
                found = client.get("/api/generations", params={"name": name}).json()["data"]
                if found or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            (one,) = found
            told: dict[str, Any] = client.get(f"/api/generations/{one['id']}").json()
        assert told["errorType"] == "cancelled"
        assert "went away" in told["error"]
        return told


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One of each."""
    provider = Slow()
    stack = Stack(tmp_path_factory.mktemp("leaving") / "data", EGRESS_PRIVATE="127.0.0.1")
    try:
        stack.start()
        stack.manage(
            "shell",
            "--no-imports",
            "-c",
            "from generations import access, models, providers\n"
            "grant = access.of_system(models.Project.objects.get())\n"
            f"providers.save(grant, kind='vllm', name='slow', secret='sk', endpoint='{provider.url}')",
        )
        yield Both(stack, provider)
    finally:
        stack.discard()
        provider.close()


def until(caller: socket.socket, words: bytes) -> bytes:
    """What comes until these words have come."""
    read = b""
    while words not in read:
        more = caller.recv(1 << 16)
        assert more, read
        read += more
    return read


def test_a_call_through_the_gateway_ends_with_its_caller(both: Both) -> None:
    about = {**CHAT, "user": "whole"}
    both.ask("/v1/chat/completions", about).close()

    one = both.cancelled("whole")

    assert one["messages"] == CHAT["messages"]
    assert one["output"].get("content") is None


def test_a_stream_through_the_gateway_ends_with_its_caller_and_leaves_what_had_come(both: Both) -> None:
    caller = both.ask("/v1/chat/completions", {**CHAT, "user": "stream", "stream": True})
    until(caller, b"Hel")
    caller.close()

    one = both.cancelled("stream")

    assert one["output"]["content"].startswith("Hel")


@pytest.mark.parametrize(
    ("path", "more"), [("/api/generate", {"maxTokens": 3}), ("/api/score", {"values": [" a", " b"]})]
)
def test_a_call_of_the_servers_own_ends_with_its_caller(both: Both, path: str, more: dict[str, Any]) -> None:
    name = path.rpartition("/")[2]
    both.ask(path, {"model": "slow/m", "prompt": "Hello", "name": name, **more}).close()

    one = both.cancelled(name)

    assert one["input"]["content"] == "Hello"


def test_a_stream_of_the_servers_own_ends_with_its_caller_and_leaves_what_had_come(both: Both) -> None:
    document = {"model": "slow/m", "prompt": "Hello", "name": "streamed", "stream": True, "maxTokens": 3}
    caller = both.ask("/api/generate", document)
    until(caller, b"Hel")
    caller.close()

    one = both.cancelled("streamed")

    assert one["output"]["content"].startswith("Hel")


def test_one_who_goes_away_ends_no_others_call(both: Both) -> None:
    stays = both.ask("/v1/chat/completions", {**CHAT, "user": "stays"})
    both.ask("/v1/chat/completions", {**CHAT, "user": "goes"}).close()

    both.provider.answers.add("stays")

    assert DONE in until(stays, DONE)
    stays.close()
    assert both.cancelled("goes")["messages"] == CHAT["messages"]
