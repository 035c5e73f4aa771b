"""One picture of the database for many statements, so that a file shows everything as it was at one moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, connection, transaction

SORTING: Final = "32MB"
"""Memory for putting a batch of documents in order; with the usual 4 MB they would go to disk."""
MARGIN: Final = dt.timedelta(minutes=1)
"""How far the clocks of those who write may be apart, and how long a write may wait before its transaction begins."""
_HOLDER: Final = "generations export"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was committed at one moment. `name` is PostgreSQL's; empty inside of a caller's transaction.

    `complete_until`: whatever the snapshot does not show was changed at or after this moment.
    """

    name: str
    taken_at: dt.datetime
    complete_until: dt.datetime

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A short transaction that sees the snapshot and writes nothing."""
        with transaction.atomic(), connection.cursor() as cursor:
            if self.name:
                cursor.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                    f" SET TRANSACTION SNAPSHOT '{self.name}'"
                )
            cursor.execute(f"SET LOCAL work_mem = '{SORTING}'")
            yield

    @contextmanager
    def copying(self) -> Iterator[None]:
        """The same for documents, of which the planner may expect fewer than there are: it is not to keep each row's
        texts in case that another has the same, nor to go through all that hangs on rows for each of them."""
        with self.reading(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_memoize = off; SET LOCAL enable_material = off")
            yield


@contextmanager
def held() -> Iterator[Snapshot]:
    """A snapshot of now, held open by a connection of its own, so that this thread's stays free for its lease.

    Inside of a transaction that is open already, that one is the picture. On a cluster each machine has its own.
    """
    # Before the snapshot: who commits in between is in it, and who does not is not forgotten.
    moments = _moments()
    if connection.in_atomic_block:
        yield Snapshot("", *moments)
        return
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET LOCAL application_name = '{_HOLDER}'")
            cursor.execute("SELECT pg_export_snapshot()")
            try:
                yield Snapshot(str(cursor.fetchone()[0]), *moments)
            finally:
                # A server that went away took its transaction with it.
                with suppress(DatabaseError):
                    cursor.execute("ROLLBACK")
    finally:
        holder.close()


def _moments() -> tuple[dt.datetime, dt.datetime]:
    """Now, and the moment up to which all that was begun has ended: when the oldest open transaction began."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT clock_timestamp(), least(min(xact_start), clock_timestamp()) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND pid <> pg_backend_pid() AND application_name NOT IN (%s, 'pg_dump')",
            [_HOLDER],
        )
        now, oldest = cursor.fetchone()
    return now, oldest - MARGIN
