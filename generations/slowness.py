"""Ends the waiting for a body that comes too slowly, or not at all: each keeps a thread until it is here.

The web server waits for ever, and whoever reads a body cannot be woken. But the sockets of a process can be seen in
/proc, and one that is shut for reading ends its body: whoever waited finds it broken off, and says so to the caller.
Progress counts, not the whole time: 64 MiB over a slow line take minutes. Which of the sockets a thread waits for is
not told, so nothing is ended that could be waiting for an answer instead: of a connection that brings less than LEAST
the bytes come all the time, which those of a question do not; and one that brings nothing more is only ended where no
request that has its body came at that moment. Where there is no /proc, nothing is ended.
"""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from generations import presence

PATIENCE: Final = 60.0
"""Seconds in which LEAST has to come."""
PATIENCE_OF_MANY: Final = 10.0
MANY: Final = 64
"""From so many on that are waited for in one process, there is less patience: others need threads as well."""
LEAST: Final = 1_000
"""Bytes a second; a modem brings five times as much."""
EVERY: Final = 5.0
"""Seconds between two looks."""
SPARE: Final = 8
"""Threads that are free where nobody waits for one."""
SLACK: Final = 1.0
LATE: Final = 5.0
"""Seconds before and after a request has its body, in which that may have come: a thread may have been late."""
# linux/tcp.h: the milliseconds since data was last sent and received, bytes of ours that arrived, and bytes received.
_TCP_INFO: Final = struct.Struct("=44xI4xI64xQQ")


@dataclass(slots=True)
class _Progress:
    """What is seen of a connection since its first look: when that was, how much had come, and when it last grew."""

    since: float
    first: int
    bytes: int
    grew: float


class Bodies:
    """The requests of a process, and which of them wait for their bodies; `room` is how many there may be at once."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.ended = -math.inf
        """When a body was last given up."""
        self._lock = threading.Lock()
        self._waiting: dict[object, float] = {}
        self._whole: dict[object, float] = {}
        self._full: float | None = None
        self._seen: dict[presence.Place, _Progress] = {}

    @contextmanager
    def request(self, body: Any) -> Iterator[Body]:
        """A request that begins, and the way to its body."""
        one = Body(body, self)
        with self._lock:
            self._whole[one] = time.monotonic()
            if self._full is None and len(self._whole) + len(self._waiting) == self.room:
                self._full = time.monotonic()
        try:
            yield one
        finally:
            with self._lock:
                self._whole.pop(one, None)
                if len(self._whole) + len(self._waiting) < (self.room or 0) / 2:
                    self._full = None

    @contextmanager
    def waited(self, one: object) -> Iterator[None]:
        """Some of a body is waited for."""
        with self._lock:
            self._whole.pop(one, None)
            self._waiting[one] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._waiting[one]
                self._whole[one] = time.monotonic()

    def look(self, port: int) -> int:
        """Give up the bodies that come too slowly to this port; returns how many."""
        now = time.monotonic()
        with self._lock:
            waiting, whole, full = list(self._waiting.values()), list(self._whole.values()), self._full
        if len(waiting) + len(whole) < (self.room or 0) - SPARE:
            full = None  # nobody waits for a thread
        patience = PATIENCE_OF_MANY if len(waiting) >= MANY else PATIENCE
        if not any(now - since > patience for since in waiting):
            self._seen.clear()
            return 0
        there, number = {}, 0
        for place in presence.sockets():
            with suppress(OSError), presence.borrowed(place[0]) as held:
                if (told := _asking(held, port)) is None:
                    continue
                silent, received = told
                seen = self._seen.get(place) or _Progress(now, received, received, now)
                if received > seen.bytes:
                    seen.bytes, seen.grew = received, now
                there[place] = seen
                came = now - silent
                is_slow = seen.grew - seen.since > patience / 2 and now - seen.since > patience
                is_slow = is_slow and received - seen.first < LEAST * (now - seen.since)
                may_wait = any(came - SLACK <= begun <= came + LATE for begun in whole)
                may_wait = may_wait or (full is not None and came > full - SLACK)
                if is_slow or (silent > patience and not may_wait):
                    del there[place]
                    number += 1
                    self.ended = time.monotonic()  # before the body ends, or who waits for it would not know why
                    held.shutdown(socket.SHUT_RD)
        self._seen = there
        return number

    def keep_looking(self, port: int) -> None:
        """Look now and then, for as long as the process lives."""

        def look() -> None:
            while True:
                time.sleep(EVERY)
                self.look(port)

        threading.Thread(target=look, name="slow bodies", daemon=True).start()


class Body:
    """A body that is waited for; `was_given_up` says whether it may be one that was."""

    def __init__(self, body: Any, bodies: Bodies) -> None:
        self._body = body
        self._bodies = bodies
        self.was_given_up = False

    def read(self, size: int = -1) -> bytes:
        return self._had(self._body.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._had(self._body.readline, size)

    def _had(self, read: Any, size: int) -> bytes:
        began = time.monotonic()
        with self._bodies.waited(self):
            found: bytes = read(size)
        now = time.monotonic()
        if now - began > PATIENCE_OF_MANY and now - self._bodies.ended < LATE:
            self.was_given_up = True
        return found


def _asking(held: socket.socket, port: int) -> tuple[float, int] | None:
    """For how long a connection to this port, not answered since, has brought nothing, and how much before."""
    if held.family not in (socket.AF_INET, socket.AF_INET6) or held.type != socket.SOCK_STREAM:
        return None
    if held.getsockname()[1] != port or held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    told = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    sent, received, acknowledged, total = _TCP_INFO.unpack(told)
    # Of an answer within the same tick of the clock it is not known which was first.
    return (received / 1000, total) if not acknowledged or sent > received else None
