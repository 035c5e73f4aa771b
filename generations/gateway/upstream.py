"""Whom a call is sent on to, and the connections to them: checked against what may be called, kept open, shared.

Python's own HTTP client, and no more of it than passing on takes: what is done here is what the gateway adds to a call.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

from generations import presence, providers
from generations.llm.errors import Broken, InvalidCall, LLMError, TooSlow, Unreachable

CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 600.0
"""How long an upstream may be silent: as long as OpenAI's own clients wait."""
KEPT_SECONDS: Final = 30.0
"""How long a connection is kept that nobody needs."""
MOST_KEPT: Final = 100
"""Connections to one upstream that are kept."""
PIECE: Final = 1 << 16
_ADDRESS: Final = "!$%&'()*+,/:;=?@[]~-._"


class Gone(Exception):
    """Whoever asked has left before the answer came."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One who answers. `key` is the header by which it knows who calls, in place of the caller's own."""

    name: str
    base: str
    key: tuple[str, str]


class Answer:
    """An answer of which the body is still to be read, by `pieces` as they come, or whole by `read`."""

    def __init__(self, upstream: Upstream, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self._upstream = upstream
        self._connection = connection
        self._response = response
        self.status_code = response.status
        self.headers = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises LLMError when it breaks off."""
        response = self._response
        while True:
            try:
                piece = response.read1(PIECE)
            except (OSError, http.client.HTTPException, ValueError) as problem:
                raise _lost(self._upstream, problem) from problem
            if not piece:
                break
            yield piece
            if response.length == 0:
                break
        if response.length:
            raise Broken(f"{self._upstream.base} ended the answer {response.length} bytes before its end.")
        response.close()

    def read(self) -> bytes:
        """The whole body. Raises LLMError."""
        return b"".join(self.pieces())

    def close(self) -> None:
        """Keep the connection for others where the answer came to its end, and close it otherwise."""
        if self._response.isclosed() and not self._response.will_close:
            _keep(self._connection)
        else:
            self._connection.end()


def send(
    upstream: Upstream,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    watch: presence.Watch | None = None,
) -> Answer:
    """An answer of which the body is still to be read. Raises LLMError, and Gone when `watch` says so."""
    place = urlsplit(upstream.base)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise InvalidCall(f"endpoint: {upstream.base!r} is not an address")
    target = quote(f"{place.path.rstrip('/')}/{path}", safe=_ADDRESS)
    is_there = None if watch is None else watch.is_there
    while True:
        connection = _kept(place.scheme, place.netloc)
        is_fresh = connection is None
        connection = connection or _opened(upstream, place.scheme, place.netloc)
        try:
            response = connection.ask(method, target, [*headers, upstream.key], body, is_there)
            return Answer(upstream, connection, response)
        except ConnectionError as problem:
            connection.end()
            if is_fresh:
                raise _lost(upstream, problem) from problem
            # It was closed while it was kept, before anything of this call was answered: asked anew.
        except (OSError, http.client.HTTPException, ValueError) as problem:
            connection.end()
            raise _lost(upstream, problem) from problem
        except Gone:
            connection.end()
            raise


def _lost(upstream: Upstream, problem: Exception) -> LLMError:
    if isinstance(problem, TimeoutError):
        return TooSlow(f"{upstream.base} was silent for too long.")
    why = str(problem) or type(problem).__name__
    return Broken(f"The connection to {upstream.base} was lost: {why}")


# --------------------------------------------------------------------------------------------------------- connections
class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, and to no other."""

    auto_open = 0

    def __init__(self, scheme: str, netloc: str, sock: socket.socket) -> None:
        self.host_header = netloc.rpartition("@")[2]
        super().__init__(self.host_header)
        self.place = scheme, netloc
        self.wire = _Wire(sock)
        self.sock: Any = self.wire
        self.idle_since = 0.0

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        is_there: Callable[[], bool] | None,
    ) -> http.client.HTTPResponse:
        """Send a request, and wait for the head of its answer as long as whoever asked `is_there`."""
        self.wire.is_there = is_there
        self.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", self.host_header)
        for name, value in headers:
            self.putheader(name, value)
        if body or method in ("POST", "PUT", "PATCH"):
            self.putheader("Content-Length", str(len(body)))
        self.endheaders(body)
        response = self.getresponse()
        # Pieces that are passed on show by themselves whether anybody takes them.
        self.wire.is_there = None
        return response

    def is_stale(self) -> bool:
        """Whether the upstream has closed it, or sent what nobody asked for."""
        poll = select.poll()
        poll.register(self.wire.socket, select.POLLIN)
        return bool(poll.poll(0))

    def end(self) -> None:
        """Close it."""
        self.close()
        self.wire.socket.close()


class _Wire:
    """A socket as `http.client` uses one; while it waits, it looks whether whoever asked is still there."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.is_there: Callable[[], bool] | None = None

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.settimeout(SILENT_SECONDS)
        self.socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What comes, to be read."""
        self.socket.settimeout(presence.LOOK)
        return io.BufferedReader(_Coming(self), PIECE)

    def close(self) -> None:
        """Nothing: an answer may still be read when its request is over. `_Connection.end` closes the socket."""


class _Coming(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        until = 0.0
        while True:
            try:
                return self._wire.socket.recv_into(buffer)
            except TimeoutError:
                now = time.monotonic()
                until = until or now + SILENT_SECONDS
                if now > until:
                    raise
                if self._wire.is_there is not None and not self._wire.is_there():
                    raise Gone from None


_idle: Final[dict[tuple[str, str], deque[_Connection]]] = {}


def _kept(scheme: str, netloc: str) -> _Connection | None:
    """A connection that is still good, the one that was used last."""
    idle = _idle.get((scheme, netloc))
    while idle:
        with suppress(IndexError):  # another thread took it
            found = idle.pop()
            if found.idle_since + KEPT_SECONDS > time.monotonic() and not found.is_stale():
                return found
            found.end()
    return None


def _keep(connection: _Connection) -> None:
    connection.idle_since = time.monotonic()
    _idle.setdefault(connection.place, deque()).append(connection)
    # Of all upstreams: of one that nobody calls again they would stay open for good.
    for idle in list(_idle.values()):
        with suppress(IndexError):  # another thread took it
            while len(idle) > MOST_KEPT or idle[0].idle_since + KEPT_SECONDS < connection.idle_since:
                idle.popleft().end()


def let_go() -> None:
    """Close the connections that nobody needs."""
    for idle in _idle.values():
        while idle:
            idle.pop().end()


def _opened(upstream: Upstream, scheme: str, netloc: str) -> _Connection:
    """A new connection. Raises Unreachable, and ForbiddenHost for where none may go."""
    place = urlsplit(upstream.base)
    host, port = place.hostname or "", place.port or (443 if scheme == "https" else 80)
    address = providers.egress().resolved_now(host, port)
    try:
        sock = socket.create_connection((address, port), CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "https":
            sock = _tls().wrap_socket(sock, server_hostname=host)
    except TimeoutError as problem:
        raise Unreachable(f"No connection to {upstream.base} in time.") from problem
    except (OSError, ValueError) as problem:
        raise Unreachable(f"No connection to {upstream.base}: {problem}") from problem
    return _Connection(scheme, netloc, sock)


@cache
def _tls() -> ssl.SSLContext:
    import httpx  # a sixth of a second and 10 MB, paid by the first call; it knows which certificates to trust

    return httpx.create_ssl_context(trust_env=False)
