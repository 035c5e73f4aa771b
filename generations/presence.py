"""Whether whoever asked is still there, while a thread has nothing to send to them yet.

WSGI cannot say: it is told that a caller left only by sending. But the web server closes its socket as soon as the
caller closes theirs, and the sockets of a process can be seen in /proc. Which of them is this request's is not told
either, so it is found out by leaving out: that connection has received something, and has sent nothing since. Of
several such connections (calls that came at the same moment) none is guessed at: the call goes on until all are closed.
Where there is no /proc, everybody is there until they are sent something.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOK: Final = 0.5
"""Seconds of waiting after which it is worth a look."""
SLACK: Final = 0.05
"""Seconds by which the kernel's clock may be off, which counts in ticks of up to 10 ms."""
_FILES: Final = Path("/proc/self/fd")
# linux/tcp.h: eight bytes, thirteen numbers among which are the milliseconds since data was last sent and received.
_TCP_INFO: Final = struct.Struct("8x9I I I I")
_Place = tuple[int, str]
"""A file descriptor and what it leads to: numbers are used again, this pair is not."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """One who is waiting for an answer since `asked`, in seconds of the monotonic clock."""

    place: _Place
    asked: float


class Watch:
    """A request that waits. Its caller is looked for when somebody first asks, so that quick answers cost nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.since = time.monotonic()
        self.places: frozenset[_Place] | None = None
        with _lock:
            _waiting.append(self)

    def is_there(self) -> bool:
        """False once the caller has closed the connection."""
        if self.places is None:
            with _lock:
                _find(self.port)
        else:
            # Of those that it may be, the ones that have been answered meanwhile are others'.
            self.places = frozenset(place for place in self.places if _is_waiting(place))
        return self.places is None or bool(self.places)

    def close(self) -> None:
        """The waiting is over. Who was not found until here is not looked for any more: they are sent something."""
        with _lock, suppress(ValueError):
            _waiting.remove(self)


_here = threading.local()
_lock: Final = threading.Lock()
_waiting: Final[list[Watch]] = []


class Seen:
    """A WSGI application behind which `watch` knows the request that its thread works on."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _here.port = int(environ.get("SERVER_PORT") or 0)
        return self.application(environ, start_response)


def watch() -> Watch | None:
    """The caller of this thread's request, which has been read to its end; None where no server told of one."""
    port = getattr(_here, "port", 0)
    return Watch(port) if port else None


def _find(port: int) -> None:
    """Find the callers of all who wait at this port, first come first: one's known connection is not another's."""
    found = _asking(port)
    if found is None:
        return
    for one in sorted((other for other in _waiting if other.port == port), key=lambda other: other.since):
        if one.places is not None:
            continue
        taken = {
            place
            for other in _waiting
            if other.places is not None and len(other.places) == 1 and other.since < one.since - SLACK
            for place in other.places
        }
        one.places = frozenset(
            each.place for each in found if each.asked <= one.since + SLACK and each.place not in taken
        )


def _asking(port: int) -> list[_Connection] | None:
    """The connections to this port that wait for an answer; None where they cannot be seen."""
    found, can_see = [], False
    for place in _sockets():
        with suppress(OSError), _borrowed(place[0]) as held:
            if held.family not in (socket.AF_INET, socket.AF_INET6) or held.type != socket.SOCK_STREAM:
                continue
            if held.getsockname()[1] != port:
                continue
            if held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                can_see = True  # the server's own socket: what is here is all there is
            elif (silent := _silent(held)) is not None:
                found.append(_Connection(place, time.monotonic() - silent))
    return found if can_see else None


def _silent(connection: socket.socket) -> float | None:
    """For how many seconds nothing has come, and nothing was sent either; None where something was sent since."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    *_, sent, _, received = _TCP_INFO.unpack(told)
    return received / 1000 if sent >= received else None


def _is_waiting(place: _Place) -> bool:
    try:
        with _borrowed(place[0]) as held:
            return str((_FILES / str(place[0])).readlink()) == place[1] and _silent(held) is not None
    except OSError:
        return False


def _borrowed(descriptor: int) -> socket.socket:
    """A socket of somebody else's, by a descriptor of our own that may be closed."""
    own = os.dup(descriptor)
    try:
        return socket.socket(fileno=own)
    except OSError:
        os.close(own)  # it was closed just now, and its number taken by what is none
        raise


def _sockets() -> Iterator[_Place]:
    with suppress(OSError):
        for entry in list(_FILES.iterdir()):
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:"):
                    yield int(entry.name), target
