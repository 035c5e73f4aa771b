"""Statements that a connection plans once: what is asked before each write costs more to plan than to answer."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from django.db import ProgrammingError, connection, transaction
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName

T = TypeVar("T")

MOST: Final = 8
"""Statements that a connection keeps, each with a plan for every partition; there is one for each project."""


_FOREIGN: Final = (DuplicatePreparedStatement, InvalidSqlStatementName)
"""What is said to who meets a session that is not its own."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with the types of its parameters, which it names $1, $2 ...

    `{project}` in it becomes the project as a literal, by which a distributed database finds the rows.
    """

    name: str
    types: Sequence[str]
    sql: str


class _Sessions:
    """What each connection has prepared: names, the one asked longest ago first."""

    def __init__(self) -> None:
        self.names: WeakKeyDictionary[Any, dict[str, bool]] = WeakKeyDictionary()
        self.are_shared = False
        """Whether something between us and the database gives each transaction another session."""


_sessions: Final = _Sessions()


def fetch(
    cursor: Any, statement: Statement, project: int, params: Sequence[Any], *, before: str = ""
) -> list[tuple[Any, ...]]:
    """The rows that a statement answers with these parameters, asked in one message after `before`.

    Call it in a transaction, or `alone`, and that within `again`.
    """
    known = _sessions.names.setdefault(connection.connection, {})
    name = f"{statement.name}_{project}"
    if _sessions.are_shared:
        name += f"_{uuid.uuid4().hex}"
    if not known.pop(name, False):
        if len(known) >= MOST:
            cursor.execute(f"DEALLOCATE {(oldest := next(iter(known)))}")
            del known[oldest]
        # One plan for whatever is asked for: keys of an index are looked up, a hundred of them or none.
        sql = statement.sql.format(project=project)
        cursor.execute(
            f"SET plan_cache_mode TO force_generic_plan; PREPARE {name} ({', '.join(statement.types)}) AS {sql}"
        )
    # It stays prepared even if what comes now fails: for a lock that was waited for in vain, say.
    known[name] = True
    try:
        cursor.execute(f"{before}EXECUTE {name}({', '.join(['%s'] * len(params))})", params)
    except ProgrammingError as error:
        if isinstance(error.__cause__, _FOREIGN):
            del known[name]
        raise
    if before:
        cursor.nextset()
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    if _sessions.are_shared:
        cursor.execute(f"DEALLOCATE {name}")
        del known[name]
    return rows


def array(values: Collection[str | dt.datetime | None]) -> str:
    """Texts or times in PostgreSQL's notation. Of a list, psycopg would ask each one for its type."""
    if not values:
        return "{}"
    told = [value if value is None else value if isinstance(value, str) else value.isoformat() for value in values]
    escaped = ("NULL" if one is None else '"' + one.replace("\\", r"\\").replace('"', r"\"") + '"' for one in told)
    return f"{{{','.join(escaped)}}}"


def alone() -> AbstractContextManager[None]:
    """What a statement needs around it that is asked by itself: a transaction where only that is sure to stay in one
    session, and nothing elsewhere, where its beginning and its end would be two messages more."""
    return transaction.atomic() if _sessions.are_shared else nullcontext()


def again(work: Callable[[], T]) -> T:
    """What `work` returns, a transaction; a second time if the first one met a session that is not its own."""
    try:
        return work()
    except ProgrammingError as error:
        if _sessions.are_shared or not isinstance(error.__cause__, _FOREIGN):
            raise
        _sessions.are_shared = True
        return work()
