"""Gives up on a database that is there and does not answer, as a machine that is frozen or a disk that hangs.

A server that ends says so by closing its connections, and one that cannot be reached is found out by TCP. One that
stands still does neither: whoever asked it waits for as long as that lasts, and soon all threads do. So while somebody
waits and no connection comes back, the server is asked for no more than a sign of life: over a connection that nobody
has, and for another one. Where it gives none, the pool gives out no connections until it does, so that whoever comes is
told to come again; a little later those that wait are ended here, and told the same.

A server that is only slow gives that sign: thirty programs on two processors hold up `SELECT 1` for 0.14 s at most and
another connection for 0.5 s. Time in which this process itself was not let run is not counted.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus

from generations import outages
from observability.postgresql.base import Pool

LOOKS_EVERY: Final = 0.125
QUIET: Final = 0.3
"""Seconds in which somebody waited and no connection came back, after which the server is asked."""
REFUSED_AFTER: Final = 0.75
ENDED_AFTER: Final = 1.2
"""Seconds that it has for a sign, until nobody is let to it and until those that wait for it are ended."""
_ASKED_ANEW_AFTER: Final = 5
"""Seconds that an attempt to connect has: one that was lost on its way is not answered."""

log = logging.getLogger(__name__)


class _Question(threading.Thread):
    """Asks for a sign of life, and waits for it by itself.

    Over `one`, a connection of the pool that nobody has, which goes back there; or by connecting.
    """

    def __init__(self, pool: Pool, one: psycopg.Connection[Any] | None) -> None:
        super().__init__(name="silence: asking", daemon=True)
        self.pool = pool
        self.one = one
        self.has_sign = False
        self.start()

    def run(self) -> None:
        if self.one is None:
            self.has_sign = self._is_let_in()
            return
        with suppress(psycopg.Error):
            self.one.execute("SELECT 1")
            self.has_sign = True
        self.pool.take_back(self.one)

    def _is_let_in(self) -> bool:
        address: Any = self.pool.conninfo
        given: Any = self.pool.kwargs
        try:
            psycopg.connect(address, **{**(given or {}), "connect_timeout": _ASKED_ANEW_AFTER}).close()
        except ConnectionTimeout:
            return False
        except psycopg.OperationalError:
            return True  # it refuses, or is gone: those who wait are told
        return True


class Watch:
    """Looks after the connections of one pool that are out."""

    def __init__(
        self,
        pool: Pool,
        quiet: float = QUIET,
        refused_after: float = REFUSED_AFTER,
        ended_after: float = ENDED_AFTER,
    ) -> None:
        self.pool = pool
        self.quiet = quiet
        self.refused_after = refused_after
        self.ended_after = ended_after
        self._returned = pool.returned
        self._looked = time.monotonic()
        self._waited = 0.0
        """Seconds in which no connection came back; once the server is asked, those since then."""
        self._questions: list[_Question] = []

    def look(self) -> int:
        """Ask the server where nobody was answered for a while, and draw the consequences. How many were ended."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, 2 * LOOKS_EVERY), now
        waiting = [one for one in list(self.pool.out) if _waits(one)]
        if not self.pool.is_silent and (not waiting or self._returned != self.pool.returned):
            self._begin_anew()
            return 0
        self._waited += passed
        if not self._questions:
            if self._waited >= self.quiet:
                self._waited = 0.0
                self._questions.append(_Question(self.pool, self.pool.at_rest()))
            return 0
        if any(asked.has_sign for asked in self._questions):
            self._begin_anew()
            return 0
        return self._without_a_sign(waiting)

    def _without_a_sign(self, waiting: list[psycopg.Connection[Any]]) -> int:
        self._questions = [asked for asked in self._questions if asked.is_alive()]
        if all(asked.one is not None for asked in self._questions) and self._waited >= self.refused_after / 2:
            self._questions.append(_Question(self.pool, None))
        if self._waited >= self.refused_after and not self.pool.is_silent:
            self._tell(True)
            log.error("The database answers nobody: whoever comes is told to come again.")
        if self._waited < self.ended_after:
            return 0
        if ended := sum(_end(one) for one in waiting if one in self.pool.out):
            # Those that nobody has may be as dead, and would be given out next.
            self.pool.drain()
            log.error("The database answered nobody: %d connections to it were ended.", ended)
        return ended

    def _begin_anew(self) -> None:
        self._returned, self._waited = self.pool.returned, 0.0
        for asked in self._questions:
            if asked.one is not None and asked.is_alive():
                _end(asked.one)  # the server is there, and this connection to it is not
        self._questions = []
        if self.pool.is_silent:
            self._tell(False)
            log.warning("The database answers again.")

    def _tell(self, is_silent: bool) -> None:
        self.pool.is_silent = is_silent
        outages.note_silent(is_silent)


def _waits(one: psycopg.Connection[Any]) -> bool:
    """Whether somebody has asked something over a connection and has no answer yet."""
    return bool(one.pgconn.transaction_status == TransactionStatus.ACTIVE)


def _end(one: psycopg.Connection[Any]) -> bool:
    """End the socket of a connection that another thread waits for, which hears of it as of a server that went."""
    with suppress(OSError, ValueError, psycopg.Error), socket.socket(fileno=os.dup(one.fileno())) as held:
        # The descriptor may be another's by now, if the connection was closed just then.
        peer = held.getpeername()
        if one.info.port == (int(str(peer).rpartition(".")[2]) if isinstance(peer, str) else peer[1]):
            held.shutdown(socket.SHUT_RDWR)
            return True
    return False


def begin() -> None:
    """Look after the pool of this process for as long as it lives."""
    pool: Any = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend
    if pool is None:
        return
    watch = Watch(pool)

    def keep_looking() -> None:
        while True:
            time.sleep(LOOKS_EVERY)
            try:
                watch.look()
            except (OSError, RuntimeError, psycopg.Error):
                log.exception("The connections to the database could not be looked after; it is tried again.")

    threading.Thread(target=keep_looking, name="silence", daemon=True).start()
