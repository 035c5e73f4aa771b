"""Keeps several web processes equally busy, by what each has in hand.

A connection stays with the process that it was dealt out to for as long as it lasts. A process that has more in hand
than another for a while answers with `Connection: close`: that caller comes again, and is dealt out anew.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SMOOTHED: Final = 4
"""Requests over which it is looked at how much more one has than another."""
_BYTES: Final = 8


def counts(processes: int) -> memoryview:
    """How many requests each process has in hand, in memory that those share which this one becomes."""
    return memoryview(mmap.mmap(-1, processes * _BYTES)).cast("q")


class Balanced:
    """A WSGI application that sends callers away, and answers them first, while this process has more of them."""

    def __init__(self, application: WSGIApplication, place: int, in_hand: memoryview) -> None:
        self.application = application
        self._place = place
        self._in_hand = in_hand
        in_hand[place] = 0  # one that was killed here left what it had
        self._others = [n for n in range(len(in_hand)) if n != place]
        self._guard = threading.Lock()
        self._ahead = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._guard:
            self._in_hand[self._place] += 1
            is_too_many = self._is_too_many()
        try:
            return self.application(environ, _last(start_response) if is_too_many else start_response)
        finally:
            with self._guard:
                self._in_hand[self._place] -= 1

    def _is_too_many(self) -> bool:
        """Whether one should go: from two requests more than the idlest other on, of many from a quarter more."""
        mine = self._in_hand[self._place]
        least = min(self._in_hand[n] for n in self._others)
        self._ahead += (mine - least - self._ahead) / _SMOOTHED
        if self._ahead <= 1 + mine / 8:
            return False
        self._ahead = 0.0
        return True


def _last(start_response: StartResponse) -> Any:
    """Begins an answer that is the last one on its connection."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        kept = [(name, value) for name, value in headers if name.lower() != "connection"]
        return start_response(status, [*kept, ("Connection", "close")], *more)

    return start
