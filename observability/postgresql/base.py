"""Django's PostgreSQL backend with another pool, which gives out the connection that was used last, and with
transactions that begin in the message of their first statement.

What a server's process has planned and looked up is there for the next request, and what is too many is soon idle and
closed: each holds megabytes. psycopg's own pool gives out the one that rested longest, so that all stay and all grow.
"""

from __future__ import annotations

import select
from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool


class Pool(ConnectionPool[Any]):
    """A pool that is a stack. What it overrides is psycopg_pool's own: tests/test_pool.py tells when that goes."""

    def _get_ready_connection(self, timeout: float | None) -> Any:
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)


def check(connection: Any) -> None:
    """Raise an error for a connection that died, without asking the server: it says so by closing its end."""
    asked = select.poll()
    asked.register(connection.fileno(), select.POLLIN)
    if asked.poll(0):
        ConnectionPool.check_connection(connection)


_backend: Any = base  # whose stubs know of no pool and of no cursor


class Cursor(_backend.Cursor):  # type: ignore[misc]  # for that it is Any
    """Sends BEGIN with the first statement of a transaction, where psycopg would wait for an answer to it."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send a statement, or several, and wait for what is answered."""
        connection = self.connection
        begins = (
            isinstance(query, str)
            and not connection.autocommit
            and connection.isolation_level is None
            and connection.pgconn.transaction_status == TransactionStatus.IDLE
        )
        if not begins:
            return super().execute(query, params, **options)
        # psycopg's own, which a test tells of: what it takes for autocommit it begins nothing for.
        connection._autocommit = True
        try:
            super().execute(f"BEGIN; {query}", params, **options)
        finally:
            connection._autocommit = False
        self.nextset()
        return self


class DatabaseWrapper(_backend.DatabaseWrapper):  # type: ignore[misc]  # for that it is Any
    """A connection of Django's that comes from such a pool and has such cursors."""

    def get_connection_params(self) -> dict[str, Any]:
        """What psycopg is told of a connection."""
        return {**super().get_connection_params(), "cursor_factory": Cursor}

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
