"""The sockets on which the server is called."""

import socket
from contextlib import ExitStack
from typing import Any

import pytest

from generations.management.listening import CannotListen, listening
from tests.stack import free_port


def test_a_piece_of_an_answer_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    with (
        listening("127.0.0.1", free_port()) as (listener,),
        socket.create_connection(listener.getsockname()),
    ):
        answering, _ = listener.accept()
        with answering:
            assert answering.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_connections_are_dealt_out_to_the_sockets(host: str) -> None:
    to = {"::": "127.0.0.1"}.get(host, host)
    with ExitStack() as stack:
        sockets = stack.enter_context(listening(host, free_port(), 2))
        for one in sockets:
            one.setblocking(False)
        asked = []
        for _ in range(64):
            stack.enter_context(socket.create_connection((to, sockets[0].getsockname()[1])))
            asked.append(_who_is_asked(sockets, stack))

    assert set(asked) == {0, 1}


def _who_is_asked(sockets: list[socket.socket], stack: ExitStack) -> int | None:
    """The place of the socket at which a connection waits, which is taken in."""
    for place, one in enumerate(sockets):
        try:
            stack.enter_context(one.accept()[0])
        except BlockingIOError:
            continue
        return place
    return None


def test_a_port_that_another_copy_has_is_refused_with_what_to_do() -> None:
    port = free_port()
    with listening("127.0.0.1", port, 2):  # noqa: SIM117
        with pytest.raises(CannotListen, match=f"Port {port} of 127.0.0.1 is in use"), listening("127.0.0.1", port, 2):
            pass
    with listening("127.0.0.1", port, 2) as sockets:
        assert len(sockets) == 2


V4, V6 = (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))
ABSENT_V4, ABSENT_V6 = (socket.AF_INET, ("192.0.2.1", 0)), (socket.AF_INET6, ("2001:db8::1", 0, 0, 0))


@pytest.mark.parametrize(
    ("has", "reached"),
    [([V6, V4], V4), ([V4, V6], V4), ([ABSENT_V6, V4], V4), ([V6, ABSENT_V4], V6), ([ABSENT_V4, V4], V4), ([V6], V6)],
)
def test_of_a_names_addresses_the_first_that_is_this_machines_is_listened_at_and_ipv4_before_ipv6(
    monkeypatch: pytest.MonkeyPatch, has: list[Any], reached: Any
) -> None:
    told = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in has]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **how: told)

    with listening("localhost", 0) as (listener,):
        assert listener.getsockname()[0] == reached[1][0]


def test_an_address_that_another_program_has_is_not_passed_over_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.1", free_port()) as (other,):
        port = other.getsockname()[1]
        told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **how: told)

        with pytest.raises(CannotListen, match=f"Port {port} of localhost is in use"), listening("localhost", port):
            pass
