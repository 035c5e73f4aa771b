"""The sockets on which the server is called."""

import socket
from contextlib import ExitStack

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
