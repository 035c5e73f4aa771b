"""That a request is being answered, told to whoever sends it again meanwhile, in whatever process of whatever machine.

A claim is an advisory lock of the database: it ends with the process that holds it, however that ends, so that nothing
has to be renewed or swept. All claims of a process are held by one connection of its own, opened for the first of them
and closed after the last: calls to models take minutes, and the pool's connections are for short work.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from django.db import OperationalError, connection

from generations import outages, prepared

_SPACE: Final = b"generations.claims/"
_PATIENCE: Final = 2.0
"""Seconds to wait for others of this process that ask the database for theirs."""
_lock = threading.Lock()
_held: set[int] = set()
_session: psycopg.Connection[Any] | None = None


class UnderWay(Exception):
    """Somebody else is at it. Doors answer 409."""

    retry_after: Final = 1

    def __str__(self) -> str:
        return "The first request with this Idempotency-Key is still being answered; ask again in a moment."


class Claim:
    """What is claimed, until `release` or the end of a `with`."""

    def __init__(self, number: int | None) -> None:
        self._number = number

    def release(self) -> None:
        """Let others have it; doing so again does nothing."""
        number, self._number = self._number, None
        if number is not None:
            _release(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def claim(name: str | None) -> Claim:
    """The claim of a name, which is one of all projects; of None, one that everybody may have at once.

    Raises UnderWay while another has it, and OperationalError where the database cannot be reached.
    """
    if name is None or prepared.are_sessions_shared():
        # A lock of a session that is everybody's would be everybody's too, and might never be given back.
        return Claim(None)
    number = int.from_bytes(hashlib.sha256(_SPACE + name.encode()).digest()[:8], signed=True)
    if not _lock.acquire(timeout=_PATIENCE):
        raise OperationalError("The database has not answered the one before.")
    try:
        if number in _held:
            raise UnderWay
        if not _taken(number):
            _end_if_idle()
            raise UnderWay
        _held.add(number)
    finally:
        _lock.release()
    return Claim(number)


def _taken(number: int) -> bool:
    global _session
    if _session is not None and not _is_there(_session):
        # A server that was restarted meanwhile has forgotten what was claimed. That cannot be mended: the calls go on.
        _session.close()
        _session = None
    if _session is None:
        if outages.is_silent():
            raise OperationalError("The database answers nobody at the moment.")
        with connection.wrap_database_errors:
            _session = psycopg.connect(**connection.get_connection_params(), autocommit=True)
    with connection.wrap_database_errors, _looked_after(_session):
        row = _session.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    return row is not None and bool(row[0])


@contextmanager
def _looked_after(session: psycopg.Connection[Any]) -> Iterator[None]:
    """Have the session ended if the database stands still, as those of the pool are while somebody has them."""
    pool: Any = getattr(connection, "pool", None)
    if pool is None:
        yield
        return
    pool.out.add(session)
    try:
        yield
    finally:
        pool.out.discard(session)
        pool.returned += 1


def _is_there(session: psycopg.Connection[Any]) -> bool:
    with suppress(psycopg.Error), _looked_after(session):
        session.execute("SELECT 1")
        return True
    return False


def _release(number: int) -> None:
    with _lock:
        _held.discard(number)
        if _session is not None:
            # Said also before it is closed, whose end the server sees a moment later. What is gone holds nothing.
            with suppress(psycopg.Error), _looked_after(_session):
                _session.execute("SELECT pg_advisory_unlock(%s)", [number])
        _end_if_idle()


def _end_if_idle() -> None:
    global _session
    if _session is not None and not _held:
        _session.close()
        _session = None
