"""The sockets that callers reach, held by the supervisor, and the first question that is asked over them.

Each web process has one of its own, all at one address, and Linux deals connections out to them by a hash. Of a common
socket the process that was idle last takes each connection, and one would have most of them for as long as they last.
"""

import errno
import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

Address = tuple[int, Any]
"""The family and what a socket of it is bound to."""
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What is said of an address that this machine has not, and of one of a protocol that it does not speak."""


class CannotListen(Exception):
    """The port or the address cannot be had; the sentence says why and what to do."""


@contextmanager
def listening(host: str, port: int, number: int = 1) -> Iterator[list[socket.socket]]:
    """So many sockets that callers reach, from before the first request to after the last; one where no more can be.

    Of the addresses of a name they are at the first that this machine has, IPv4 before IPv6: who calls a name tries all
    of them, who writes an address mostly writes 127.0.0.1. After a `kill -9` the predecessor's web process is gone
    within moments: waited for shortly.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise CannotListen(_why(errno.EADDRNOTAVAIL, host, port)) from None
    addresses = sorted(((family, address) for family, *_, address in found), key=lambda one: one[0] != socket.AF_INET)
    for attempt in range(2):
        try:
            sockets = _listening_at_first(addresses, number)
            break
        except OSError as error:
            if attempt:
                raise CannotListen(_why(error.errno, host, port) or str(error)) from error
            time.sleep(0.5)
    with ExitStack() as stack:
        for one in sockets:
            stack.enter_context(one)
        yield sockets


def _why(number: int | None, host: str, port: int) -> str | None:
    """What to do about an error of that number; None when nothing is known about it."""
    if number == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        return f"Port {port} of {host} is in use by another program. Stop it, or take another: PORT={other} make run"
    if number in _ABSENT:
        return f"HOST is {host}, which is no address of this machine."
    if number == errno.EACCES:
        return f"PORT is {port}, which is for root alone here. Choose one from 1024 on, such as PORT=8000."
    return None


def _listening_at_first(addresses: Sequence[Address], number: int) -> list[socket.socket]:
    """Sockets at the first of these addresses that this machine has. What another program has is not passed over."""
    for family, address in addresses[:-1]:
        try:
            return _listening(family, address, number)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return _listening(*addresses[-1], number)


def _listening(family: int, address: Any, number: int) -> list[socket.socket]:
    with ExitStack() as if_refused:

        def opened() -> socket.socket:
            made = if_refused.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection has it from here: an answer in pieces would else wait for its caller's delayed
            # acknowledgement of the first one, which takes 40 ms.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made

        first = opened()
        first.bind(address)  # alone, or another copy that has the port would not be noticed
        sockets = [first]
        if number > 1 and sys.platform == "linux":
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            for _ in range(number - 1):
                sockets.append(opened())
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sockets[-1].bind(first.getsockname())
        for one in sockets:
            one.listen(1024)
        if_refused.pop_all()
    return sockets


def answers_ready(listener: socket.socket) -> bool:
    """Whether /healthz, asked by the shortest possible client, finds every part ready but the announcement."""
    address = listener.getsockname()
    host = reached_at(address[0])
    try:
        with socket.create_connection((host, address[1]), timeout=5) as asked:
            asked.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with asked.makefile("rb") as answer:
                body = answer.read().partition(b"\r\n\r\n")[2]
        parts: dict[str, str] = json.loads(body)["parts"]
    except (OSError, ValueError, KeyError):
        return False
    return all(state == "ready" for name, state in parts.items() if name != "web")


def reached_at(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
