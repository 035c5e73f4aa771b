"""Bodies that come too slowly are given up, over real connections; who is only slow, or waits for an answer, is not."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from generations import slowness
from generations.slowness import Bodies

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are seen in /proc")


class Reader:
    """The reading side of a connection, as a web server's body: all that is asked for, or what came before the end."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    readline = read


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"PATIENCE": 1.0, "PATIENCE_OF_MANY": 0.5, "SLACK": 0.05, "LATE": 0.1}.items():
        monkeypatch.setattr(slowness, name, seconds)


class Server:
    """A port, and who reads so many bytes from each connection to it."""

    def __init__(self) -> None:
        self.bodies = Bodies()
        self.threads = ThreadPoolExecutor(100)
        self.left = ExitStack()
        self.listener = self.left.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
        self.port: int = self.listener.getsockname()[1]

    def sender(self, size: int, then: Callable[[], object] = lambda: None) -> tuple[socket.socket, Future[bytes]]:
        """A client's end, and what its request reads of a body of this size before it does something else."""
        client = self.left.enter_context(socket.create_connection(("127.0.0.1", self.port)))
        here = self.left.enter_context(self.listener.accept()[0])

        def answer() -> bytes:
            with self.bodies.request(Reader(here)) as body:
                found = body.read(size)
                then()
                here.sendall(b"given up" if body.was_given_up else b"done")
                return found

        return client, self.threads.submit(answer)


@pytest.fixture
def server(quick: None) -> Iterator[Server]:
    made = Server()
    with made.left:
        yield made
        made.left.close()
        made.threads.shutdown()


def test_a_body_of_which_nothing_more_comes_is_given_up_and_its_sender_is_told(server: Server) -> None:
    client, reading = server.sender(100)
    client.sendall(b"begin")
    assert server.bodies.look(server.port) == 0
    time.sleep(1.2)

    assert server.bodies.look(server.port) == 1
    assert reading.result(10) == b"begin"
    assert client.recv(100) == b"given up"


def test_a_body_that_comes_byte_by_byte_is_given_up_and_one_over_a_slow_line_is_not(server: Server) -> None:
    (slow, given_up), (honest, whole) = server.sender(10_000), server.sender(12_000)
    ended = 0
    for n in range(40):
        if n < 30:
            honest.sendall(b"x" * 400)
        if not given_up.done():
            slow.sendall(b"x")
        time.sleep(0.1)
        ended += server.bodies.look(server.port)

    assert ended == 1
    assert 0 < len(given_up.result(10)) < 100
    assert len(whole.result(10)) == 12_000
    assert honest.recv(100) == b"done"


def test_who_waits_for_an_answer_is_left_alone_while_others_are_given_up(server: Server) -> None:
    answer = threading.Event()
    asking, asked = server.sender(5, then=lambda: answer.wait(20))
    asking.sendall(b"hello")
    time.sleep(0.5)
    silent, reading = server.sender(5)
    silent.sendall(b"h")
    time.sleep(1.3)

    assert server.bodies.look(server.port) == 1
    assert reading.result(10) == b"h"
    assert server.bodies.look(server.port) == 0
    answer.set()
    assert (asked.result(10), asking.recv(100)) == (b"hello", b"done")


def test_many_are_given_up_sooner(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "MANY", 50)
    monkeypatch.setattr(slowness, "PATIENCE", 600.0)
    waiting = [server.sender(100)[1] for _ in range(60)]
    time.sleep(0.8)

    assert server.bodies.look(server.port) == 60
    assert [one.result(10) for one in waiting] == [b""] * 60
