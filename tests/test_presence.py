"""Whether whoever asked is still there: found among this process's own connections, and never guessed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from generations import presence
from generations.presence import Watch


class Server:
    """Connections as a web server in this process has them."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.opened: list[socket.socket] = [self.listening]

    def asked(self) -> socket.socket:
        """The server's end of a connection over which a request has come."""
        client = socket.create_connection(("127.0.0.1", self.port))
        here, _ = self.listening.accept()
        self.opened += [client, here]
        client.sendall(b"GET")
        assert here.recv(3) == b"GET"
        return here


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    for one in made.opened:
        one.close()


def test_a_caller_is_there_until_the_connection_is_closed(server: Server) -> None:
    connection = server.asked()
    with closing(Watch(server.port)) as watch:
        assert watch.is_there()
        assert watch.is_there()
        connection.close()
        assert not watch.is_there()


def test_one_who_left_before_the_first_look_is_gone(server: Server) -> None:
    connection = server.asked()
    with closing(Watch(server.port)) as watch:
        connection.close()
        assert not watch.is_there()


def test_a_number_that_another_connection_has_now_is_not_taken_for_the_caller(server: Server) -> None:
    connection = server.asked()
    with closing(Watch(server.port)) as watch:
        assert watch.is_there()
        # Closes it, and gives its number to the other.
        os.dup2(server.asked().fileno(), connection.fileno())
        assert not watch.is_there()


def test_of_two_who_asked_at_once_none_is_taken_for_gone_while_one_of_them_may_be_it(server: Server) -> None:
    first, second = server.asked(), server.asked()
    with closing(Watch(server.port)) as one, closing(Watch(server.port)) as other:
        assert one.is_there() and other.is_there()
        first.close()
        assert one.is_there() and other.is_there()
        # The kernel's clock ticks: what is sent in the same tick as something came counts as sent before.
        time.sleep(presence.SLACK)
        second.sendall(b"200")
        assert not one.is_there()


def test_one_who_asked_later_is_told_apart(server: Server) -> None:
    server.asked()
    with closing(Watch(server.port)) as early:
        assert early.is_there()
        early.since -= 10
        later = server.asked()
        with closing(Watch(server.port)) as late:
            assert late.is_there()
            later.close()
            assert not late.is_there()
            assert early.is_there()


def test_nobody_is_gone_where_the_servers_own_socket_cannot_be_seen(server: Server) -> None:
    connection = server.asked()
    server.listening.close()
    with closing(Watch(server.port)) as watch:
        connection.close()
        assert watch.is_there()


def test_a_thread_without_a_request_watches_nobody() -> None:
    # One of its own: this thread may have worked on requests of other tests.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(presence.watch).result() is None
