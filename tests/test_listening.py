"""The socket on which the server is called."""

import socket

from generations.management.listening import listening
from tests.stack import free_port


def test_a_piece_of_an_answer_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    with (
        listening("127.0.0.1", free_port()) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        answering, _ = listener.accept()
        with answering:
            assert answering.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
