"""Gives up on a database that is there and does not answer, as a machine that is frozen or a disk that hangs.

A server that ends says so by closing its connections, and one that cannot be reached is found out by TCP. One that
stands still does neither: whoever asked it waits for as long as that lasts, and soon all threads do. So while
connections are out and none comes back, one that nobody has asks the server something, and then it is asked for another
one. Where neither is answered in time, those that wait are ended here, and each of their requests is told to come
again.
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

from observability.postgresql.base import Pool

LOOKS_EVERY: Final = 1.0
SILENT: Final = 2.0
"""Seconds in which no connection came back, after which the server is asked."""
PATIENCE: Final = 5
"""Seconds that it has to let somebody in."""

log = logging.getLogger(__name__)


class Watch:
    """Looks after the connections of one pool that are out."""

    def __init__(self, pool: Pool, silent: float = SILENT, patience: int = PATIENCE) -> None:
        self.pool = pool
        self.silent = silent
        self.patience = patience
        self._returned = pool.returned
        self._since = time.monotonic()

    def look(self) -> int:
        """End the connections that are out if the server answers nobody. Returns how many were ended."""
        now = time.monotonic()
        out = list(self.pool.out)
        if not out or self._returned != self.pool.returned:
            self._returned, self._since = self.pool.returned, now
            return 0
        if now - self._since < self.silent or self._answers() or self._lets_in():
            return 0
        if self._returned != self.pool.returned:
            return 0  # somebody was answered meanwhile
        ended = [one for one in out if one in self.pool.out and _end(one)]
        # Those that nobody has are as dead, and would be given out next.
        self.pool.drain()
        log.error("The database answered nobody for %d s: %d connections to it were ended.", self.patience, len(ended))
        return len(ended)

    def _answers(self) -> bool:
        """Whether a connection that nobody has is answered, if there is one."""
        if not self.pool.get_stats().get("pool_available"):
            return False
        try:
            one = self.pool.getconn(timeout=0.05)
        except psycopg.OperationalError:
            return False
        answered = threading.Event()

        def ask() -> None:
            with suppress(psycopg.Error):
                one.execute("SELECT 1")
                answered.set()

        asking = threading.Thread(target=ask, name="silence: asking", daemon=True)
        asking.start()
        is_answered = answered.wait(min(self.silent or self.patience, self.patience))
        if not is_answered:
            _end(one)
        asking.join()
        self.pool.putconn(one)
        self._returned += 1
        if is_answered:
            self._since = time.monotonic()
        return is_answered

    def _lets_in(self) -> bool:
        address: Any = self.pool.conninfo
        given: Any = self.pool.kwargs
        try:
            psycopg.connect(address, **{**(given or {}), "connect_timeout": self.patience}).close()
        except ConnectionTimeout:
            return False
        except psycopg.OperationalError:
            return True  # it refuses, or is gone: those who wait are told
        self._since = time.monotonic()
        return True


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
