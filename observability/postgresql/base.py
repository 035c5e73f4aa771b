"""Django's PostgreSQL backend with another pool, which gives out the connection that was used last, with transactions
that begin in the message of their first statement, and with statements that are asked for by their name.

What a server's process has planned and looked up is there for the next request, and what is too many is soon idle and
closed: each holds megabytes. psycopg's own pool gives out the one that rested longest, so that all stay and all grow.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg import ClientCursor, errors, generators
from psycopg.adapt import PyFormat
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.waiting import Wait
from psycopg_pool import ConnectionPool

from generations import outages
from generations.at_once import Copies
from generations.prepared import Execute, Prepare


class Pool(ConnectionPool[Any]):
    """A pool that is a stack. What it overrides is psycopg_pool's own: tests/test_pool.py tells when that goes.

    `out` are the connections that somebody has, `returned` says how often one came back that is still good. While
    it `is_silent` it gives out none: the server answers nobody (`silence`).

    One to a server that takes no changes is given out for a few seconds only. After a fail-over the name leads to
    another server before long, and who kept his connection would be refused by the old one until it is shut down.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        self.out: set[Any] = set()
        self.returned = 0
        self.is_silent = False
        super().__init__(*given, **named)

    def getconn(self, timeout: float | None = None) -> Any:
        """A connection, which is to be given back with `putconn`."""
        if self.is_silent:
            raise psycopg.OperationalError("The database answers nobody at the moment.")
        found = super().getconn(timeout)
        self.out.add(found)
        return found

    def putconn(self, conn: Any) -> None:
        """Give it back."""
        self.out.discard(conn)
        self.returned += not conn.closed
        if time.monotonic() - conn._created_at > READ_ONLY_FOR and takes_no_changes(conn):
            conn._expire_at = 0.0
        super().putconn(conn)

    def at_rest(self) -> Any:
        """A connection that nobody has, if there is one; it is nobody's still, and goes back with `take_back`."""
        if not self._pool:
            return None
        try:
            return super().getconn(timeout=0.05)
        except psycopg.OperationalError:
            return None

    def take_back(self, conn: Any) -> None:
        """Put one with the others that nobody has, or what is left of it."""
        super().putconn(conn)

    def _get_ready_connection(self, timeout: float | None) -> Any:
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)


READ_ONLY_FOR: Final = 5.0
"""Seconds for which a connection to a server that takes no changes is kept."""
_SAID_OF_ITSELF: Final = ("in_hot_standby", "default_transaction_read_only")
"""What a server tells its clients without being asked, since version 14."""


def takes_no_changes(connection: Any) -> bool:
    """Whether the server said so of itself: a standby, or one whose provider or operator has closed it for a while."""
    if connection.closed:
        return False
    return any(connection.info.parameter_status(name) == "on" for name in _SAID_OF_ITSELF)


def check(connection: Any) -> None:
    """Raise an error for a connection that died, without asking the server: it says so by closing its end."""
    asked = select.poll()
    asked.register(connection.fileno(), select.POLLIN)
    if asked.poll(0):
        ConnectionPool.check_connection(connection)


_FOUND_GONE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word, as behind a cable that was pulled, is found to be so in half a minute: TCP
alone waits for a quarter of an hour. What DATABASE_URL says of the same comes before this."""
_PIECE: Final = 128 * 1024
"""Bytes of rows that are sent at a time."""
_backend: Any = base  # whose stubs know of no pool and of no cursor


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for by its name, for those who look at what a cursor sent."""

    connection: Any
    sql: str
    params: Any

    @property
    def query(self) -> bytes:
        """The SQL that does the same."""
        return ClientCursor(self.connection).mogrify(self.sql, self.params).encode()


class Cursor(_backend.Cursor):  # type: ignore[misc]  # for that it is Any
    """Sends BEGIN with the first statement of a transaction, where psycopg would wait for an answer to it, and what is
    kept in the session by its name."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send a statement, or several, and wait for what is answered."""
        connection = self.connection
        begins = (
            isinstance(query, str)
            and not isinstance(query, Copies)
            and not connection.autocommit
            and connection.isolation_level is None
            and connection.pgconn.transaction_status == TransactionStatus.IDLE
        )
        if not begins:
            return super().execute(query, params, **options)
        # psycopg's own, which a test tells of: what it takes for autocommit it begins nothing for.
        connection._autocommit = True
        try:
            first = query.begun() if isinstance(query, Execute) else f"BEGIN; {query}"
            super().execute(first, params, **options)
        finally:
            connection._autocommit = False
        self.nextset()
        return self

    def _execute_gen(self, query: Any, params: Any = None, **options: Any) -> Any:
        if isinstance(query, Prepare):
            return self._prepared(query)
        if isinstance(query, Execute):
            return self._executed(query, params)
        if isinstance(query, Copies):
            return self._copied(query)
        return super()._execute_gen(query, params, **options)

    def _prepared(self, asked: Prepare) -> Any:
        yield from self._start_query(asked)
        self._query = _Asked(self.connection, asked, None)
        types = [self.adapters.types.get_oid(name) for name in asked.types]
        self._pgconn.send_prepare(asked.name.encode(), asked.sql.encode(), types)
        yield from self._answered()

    def _executed(self, asked: Execute, params: Any) -> Any:
        yield from self._start_query(asked)
        self._query = _Asked(self.connection, asked, params)
        values = self._tx.dump_sequence(params, [PyFormat.TEXT] * len(params))
        is_alone = len(asked.kept) == 1 and not (asked.before or asked.after)
        if not is_alone:
            self._pgconn.enter_pipeline_mode()
        for one in asked.before:
            self._pgconn.send_query_params(one.encode(), None)
        given = iter(values)
        for name, number in asked.kept:
            self._pgconn.send_query_prepared(name.encode(), [*islice(given, number)])
        for one in asked.after:
            self._pgconn.send_query_params(one.encode(), None)
        if not is_alone:
            self._pgconn.pipeline_sync()
        yield from self._answered()

    def _copied(self, asked: Copies) -> Any:
        yield from self._start_query(asked)
        self._query = _Asked(self.connection, asked, None)
        self._pgconn.send_query(asked.encode())
        (result,) = yield from generators.execute(self._pgconn)
        done = []
        for pieces in asked.rows:
            if result.status != ExecStatus.COPY_IN:
                self._raise_for_result(result)
            # A connection holds what it has not sent yet, and never gives back the memory that it took for that.
            rows = b"".join(pieces)
            for start in range(0, len(rows), _PIECE):
                yield from self._put(self._pgconn.put_copy_data, rows[start : start + _PIECE])
            yield from self._put(self._pgconn.put_copy_end)
            result, *more = yield from generators.fetch_many(self._pgconn)
            self._check_results([result])
            done.append(result)
            result = more[0] if more else result
        self._set_results(done)

    def _put(self, put: Callable[..., int], *given: bytes) -> Any:
        """Put something into the connection, and wait until it has been sent."""
        while not put(*given):
            yield Wait.W
        while self._pgconn.flush():
            yield Wait.W

    def _answered(self) -> Any:
        """Wait for all that is answered to what was sent."""
        results = yield from generators.execute(self._pgconn)
        if self._pgconn.pipeline_status:
            while results[-1].status != ExecStatus.PIPELINE_SYNC:
                results += yield from generators.fetch_many(self._pgconn)
            results.pop()
            self._pgconn.exit_pipeline_mode()
        self._check_results(results)
        self._set_results(results)


class _Noting(DatabaseErrorWrapper):
    """Turns errors of psycopg into Django's, and takes note of a disk that is full."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, errors.DiskFull):
            outages.note_full()
        super().__exit__(kind, error, trace)


class DatabaseWrapper(_backend.DatabaseWrapper):  # type: ignore[misc]  # for that it is Any
    """A connection of Django's that comes from such a pool and has such cursors."""

    @cached_property
    def wrap_database_errors(self) -> _Noting:
        """What every statement, COPY and commit is done within."""
        return _Noting(self)

    def get_connection_params(self) -> dict[str, Any]:
        """What psycopg is told of a connection."""
        return {**_FOUND_GONE, **super().get_connection_params(), "cursor_factory": Cursor}

    @property
    def pool(self) -> Any:
        """The pool of this database; None where there is to be none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if options and self.alias != NO_DB_ALIAS and self.alias not in self._connection_pools:
            parameters = {**self.get_connection_params(), "autocommit": True}
            made = Pool(kwargs=parameters, open=False, configure=self._configure_connection, check=check, **options)
            # Several threads may come here at once; none has opened its pool yet.
            self._connection_pools.setdefault(self.alias, made)
        return super().pool
