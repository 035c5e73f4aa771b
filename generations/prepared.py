"""Statements that a connection plans once: what is asked before each write costs more to plan than to answer."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from django.db import ProgrammingError, connection, transaction
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName

T = TypeVar("T")

MOST: Final = 12
"""Statements that a connection keeps, some with a plan for every partition; most are of one project each."""
ANY: Final = 0
"""The project of a statement that is the same for all."""
FIRST, LAST = 0.2, 30.0
"""Seconds after which a plan is made anew: at first, and, each time twice as many, in the end.

A table that nobody analysed since it was empty (each month begins with one) is planned as a page or two, where reading
all rows of a project costs no more than finding one: such a plan may not outlive the table's first thousand rows.
"""

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


class Prepare(str):
    """The SQL that keeps a statement in a session, which our cursors say in the terms of the protocol: only what was
    kept so may be asked for so through every pooler."""

    __slots__ = ("name", "sql", "types")
    name: str
    types: Sequence[str]
    sql: str

    def __new__(cls, name: str, types: Sequence[str], sql: str) -> Prepare:
        """Of a name, the types of the parameters, and the statement."""
        made = super().__new__(cls, f"PREPARE {name} ({', '.join(types)}) AS {sql}")
        made.name, made.types, made.sql = name, types, sql
        return made


class Execute(str):
    """The SQL that does a kept statement, between others, in one message. Our cursors send its name and the parameters
    as they are: to write a literal of a long text, and to read that, costs both sides.

    There may be several: the parameters are those of one after the other.
    """

    __slots__ = ("after", "before", "kept")
    kept: Sequence[tuple[str, int]]
    before: Sequence[str]
    after: Sequence[str]

    def __new__(cls, *kept: tuple[str, int], before: Sequence[str] = (), after: Sequence[str] = ()) -> Execute:
        """Of each its name and how many parameters there are, and the statements around them."""
        asked = [f"EXECUTE {name}({', '.join(['%s'] * number)})" for name, number in kept]
        made = super().__new__(cls, "; ".join([*before, *asked, *after]))
        made.kept, made.before, made.after = kept, before, after
        return made

    def begun(self) -> Execute:
        """The same as the first of a transaction."""
        return Execute(*self.kept, before=["BEGIN", *self.before], after=self.after)


class Asked(NamedTuple):
    """A statement that is asked for, of a project, with parameters."""

    statement: Statement
    project: int
    params: Sequence[Any]


@dataclass(slots=True)
class _Plan:
    """When it was made, and for how many seconds it is good."""

    at: float
    seconds: float


class _Sessions:
    """What each connection has prepared: names, the one asked longest ago first."""

    def __init__(self) -> None:
        self.names: WeakKeyDictionary[Any, dict[str, _Plan]] = WeakKeyDictionary()
        self.are_shared = False
        """Whether something between us and the database gives each transaction another session."""
        self.doubted = 0.0
        """When plans were last doubted."""

    def plan(self, known: dict[str, _Plan], name: str) -> tuple[_Plan | None, _Plan]:
        """The plan that a connection has of a statement, and the one that is to be: the same while it is good."""
        now, plan = time.monotonic(), known.pop(name, None)
        if plan is None or plan.at < self.doubted:
            return plan, _Plan(now, FIRST)
        return plan, plan if now < plan.at + plan.seconds else _Plan(now, min(2 * plan.seconds, LAST))


_sessions: Final = _Sessions()


def fetch(
    cursor: Any, statement: Statement, project: int, params: Sequence[Any], *, before: str = "", ends: bool = False
) -> list[tuple[Any, ...]]:
    """The rows that a statement answers with these parameters; see `fetch_all`."""
    return fetch_all(cursor, [Asked(statement, project, params)], before=before, ends=ends)[0]


def fetch_all(
    cursor: Any, asked: Sequence[Asked], *, before: str = "", ends: bool = False
) -> list[list[tuple[Any, ...]]]:
    """The rows that each statement answers, all asked in one message after `before`, a statement.

    With `ends` the message ends the transaction as well, as a rule, in the place of the outermost `atomic`. Call it in
    a transaction, or `alone`, and that within `again`.
    """
    known = _sessions.names.setdefault(connection.connection, {})
    kept = [(_kept(cursor, known, one), len(one.params)) for one in asked]
    try:
        after = ["COMMIT"] if ends and not _sessions.are_shared else []
        params = [value for one in asked for value in one.params]
        cursor.execute(_said(Execute(*kept, before=[before] if before else [], after=after)), params)
    except ProgrammingError as error:
        if isinstance(error.__cause__, _FOREIGN):
            for name, _ in kept:
                known.pop(name, None)
        raise
    rows: list[list[tuple[Any, ...]]] = []
    for place in range(len(kept)):
        if before or place:
            cursor.nextset()
        rows.append(cursor.fetchall())
    if _sessions.are_shared:
        cursor.execute("; ".join(f"DEALLOCATE {name}" for name, _ in kept))
    return rows


def _kept(cursor: Any, known: dict[str, _Plan], asked: Asked) -> str:
    """The name that the session of the cursor has for a statement, with a plan that is good."""
    name = f"{asked.statement.name}_{asked.project}"
    if _sessions.are_shared:
        name += f"_{uuid.uuid4().hex}"
    there, plan = _sessions.plan(known, name)
    if plan is not there:
        # One plan for whatever is asked for: keys of an index are looked up, a hundred of them or none.
        said = ["SET plan_cache_mode TO force_generic_plan"]
        gone = None if _sessions.are_shared else name if there else next(iter(known)) if len(known) >= MOST else None
        if gone:
            known.pop(gone, None)
            said.append(f"DEALLOCATE {gone}")
        cursor.execute("; ".join(said))
        sql = asked.statement.sql.format(project=asked.project)
        cursor.execute(_said(Prepare(name, asked.statement.types, sql)))
    # It stays prepared even if what comes now fails: for a lock that was waited for in vain, say.
    if not _sessions.are_shared:
        known[name] = plan
    return name


def _said(statement: str) -> str:
    """As plain SQL where sessions are shared: there what the protocol calls a statement is the pooler's."""
    return str(statement) if _sessions.are_shared else statement


def are_sessions_shared() -> bool:
    """Whether it was seen that something between us and the database gives each transaction another session."""
    return _sessions.are_shared


def doubt() -> None:
    """Have every statement planned anew: there is a table that the plans know as empty, and it is being filled."""
    _sessions.doubted = time.monotonic()


def found(columns: str, table: str, column: str, keys: str, more: str = "") -> str:
    """SQL of the rows of `table`, called so, whose `column` is one of an array.

    Each is looked up by itself: the planner prefers the index of that column as soon as a table has some four hundred
    rows, analysed or not. For `column = ANY(keys)` it reads all rows of the project until the table is analysed.
    """
    rows = f"SELECT * FROM {table} WHERE project_id = {{project}} AND {column} = wanted.key{more} OFFSET 0"  # noqa: S608
    return f"SELECT {columns} FROM unnest({keys}) AS wanted (key) CROSS JOIN LATERAL ({rows}) AS {table}"  # noqa: S608


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
    were_shared = _sessions.are_shared
    try:
        return work()
    except ProgrammingError as error:
        if were_shared or not isinstance(error.__cause__, _FOREIGN):
            raise
        _sessions.are_shared = True
        return work()
