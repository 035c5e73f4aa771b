"""Tells what stands behind an error that is no fault of the request: the database, a disk or a
storage of files that cannot serve now.

Every door answers such an error with 503 and `Retry-After`, in its own form and with these words.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg.errors
import psycopg_pool
from django.db import InterfaceError, InternalError, OperationalError

SOON: Final = 1
LATER: Final = 5
"""Not more: exporters whose patience is ten seconds in all give up at once what they are told to keep for longer."""
ERRORS: Final = (OperationalError, InterfaceError, InternalError, OSError)
"""What `of` may know the reason of."""


class StorageAway(OSError):
    """Files lie elsewhere, and cannot be kept or had there now."""


class StorageRefuses(StorageAway):
    """The storage answers, and will not do this with this file: it lies in an archive, or its rules are against it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Why there is no answer now; `retry_after` are the seconds after which it may be asked again."""

    code: str
    sentence: str
    retry_after: int


_NO_CONNECTION: Final = Outage(
    "no_connection", "No connection to the database could be had in time. Try again in a moment.", SOON
)
_LOCKED: Final = Outage("busy", "Somebody else is writing the same. Nothing was changed: try again in a moment.", SOON)
_TOO_SLOW: Final = Outage(
    "too_slow", "This question takes too long to answer. Narrow it by time, model or user.", LATER
)
_CANCELLED: Final = Outage(
    "cancelled", "This was ended by whoever looks after the database. Nothing was changed: try again in a moment.", SOON
)
_BY_SOMEBODY: Final = "user request"
"""What PostgreSQL says of a statement that did not take too long; in other languages it is told as one that did."""
_DISK_FULL: Final = Outage(
    "disk_full", "The server's disk is full. Nothing of this was stored: send it again when there is room.", LATER
)
_DISK: Final = Outage(
    "disk_away", "The server's disk cannot be used now. Nothing of this was stored: send it again later.", LATER
)
_READ_ONLY: Final = Outage(
    "read_only", "The database takes no changes now. Nothing of this was stored: send it again in a moment.", LATER
)
_STORAGE: Final = Outage(
    "storage_away", "The storage of files does not answer. Nothing of this was stored: send it again.", LATER
)
_AWAY: Final = Outage("unavailable", "The database does not answer. Try again in a moment.", LATER)
AWAY: Final = (_AWAY, _NO_CONNECTION)
"""What is told of a database that cannot be had at all."""
PASSING: Final = (*AWAY, _LOCKED)
"""What is over soon, whoever asks: a page may ask again by itself."""
_KNOWN: Final[tuple[tuple[type[BaseException], Outage], ...]] = (
    (psycopg_pool.PoolTimeout, _NO_CONNECTION),
    (psycopg_pool.TooManyRequests, _NO_CONNECTION),
    (psycopg.errors.QueryCanceled, _TOO_SLOW),
    (psycopg.errors.LockNotAvailable, _LOCKED),
    (psycopg.errors.DeadlockDetected, _LOCKED),
    (psycopg.errors.DiskFull, _DISK_FULL),
    (psycopg.errors.ReadOnlySqlTransaction, _READ_ONLY),
)
_OF_THE_SYSTEM: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _DISK_FULL),
    **dict.fromkeys((errno.EROFS, errno.EIO), _DISK),
}
"""A file system is mounted read-only when its disk fails."""


_FULL_FOR: Final = 15.0
"""Seconds: those who were told that a disk is full come again within less."""
_full_at: float | None = None


def note_full() -> None:
    """The database has just refused a change because its disk is full."""
    global _full_at
    _full_at = time.monotonic()


def is_full() -> bool:
    """Whether the database refused this process something for a full disk a moment ago."""
    return _full_at is not None and time.monotonic() - _full_at < _FULL_FOR


_is_silent = False
_when_silent: list[Callable[[], None]] = []


def note_silent(is_so: bool) -> None:
    """The database answers nobody, or it does again. Called of each change."""
    global _is_silent
    _is_silent = is_so
    for told in _when_silent:
        told()


def is_silent() -> bool:
    """Whether the database is known to answer nobody: whoever asks it now is refused at once."""
    return _is_silent


def when_silent(told: Callable[[], None]) -> None:
    """Have something called whenever that has changed, from another thread."""
    _when_silent.append(told)


def of(error: BaseException) -> Outage | None:
    """The outage that an error tells of; None for any other error."""
    if isinstance(error, StorageAway):
        return _STORAGE
    if isinstance(error, OSError):
        return _OF_THE_SYSTEM.get(error.errno or 0)
    if not isinstance(error, OperationalError | InterfaceError | InternalError):
        return None
    if isinstance(error.__cause__, psycopg.errors.QueryCanceled) and _BY_SOMEBODY in str(error.__cause__):
        return _CANCELLED
    known = next((outage for kind, outage in _KNOWN if isinstance(error.__cause__, kind)), None)
    # Of PostgreSQL's internal errors most are faults of ours.
    return known or (None if isinstance(error, InternalError) else _AWAY)


class Shortly(logging.Filter):
    """A task that an outage ended is one line of the log: it comes again, and where it stood then helps nobody."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or of(error) in (None, _TOO_SLOW):
            return True
        said = record.args if isinstance(record.args, dict) else {}
        record.msg, record.args = "%s was not done and comes again: %s", (said.get("name", "A task"), error)
        record.exc_info = record.exc_text = None
        return True
