"""The socket that callers reach, held by the supervisor, and the first question that is asked over it."""

import errno
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager


class CannotListen(Exception):
    """The port or the address cannot be had; the sentence says why and what to do."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The socket that callers reach, from before the first request to after the last.

    After a `kill -9` the predecessor's web process is gone within moments: waited for shortly.
    """
    taken = (
        f"Port {port} of {host} is in use by another program. "
        f"Stop it, or choose another port: PORT={port + 1 if port < 65535 else port - 1} make run"
    )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise CannotListen(f"HOST is {host}, which is no address of this machine.") from None
    for attempt in range(2):
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection has it from here: an answer in pieces would else wait for its caller's delayed
            # acknowledgement of the first one, which takes 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(address)
            listener.listen(1024)
            break
        except OSError as error:
            listener.close()
            if attempt:
                raise CannotListen(taken if error.errno == errno.EADDRINUSE else str(error)) from error
            time.sleep(0.5)
    with listener:
        yield listener


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
