"""Looks at the statements that are sent: each must name the project of every event table that it touches.

The planner is asked, not the text: of every scan of an event table its plan has to show `project_id` compared with a
literal. That is what a cluster can send to the one machine that has the project.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest
from django.db import connection

from generations import distribution
from generations.at_once import Copies

_ROOT = Path(__file__).resolve().parent.parent
_LITERAL = re.compile(r"\bproject_id\b\)? = (?:'?\d+'?(?:::bigint)?\b|ANY \('\{[\d,]*\}'::bigint\[\]\))")
_COPIED = re.compile(r"COPY \((.*)\) TO STDOUT", re.DOTALL)
_FILLED = re.compile(r'COPY "?(\w+)"? \((.*?)\) FROM STDIN', re.DOTALL)
_ASKED = re.compile(r"^\s*EXECUTE |; EXECUTE ")
"""A statement that was prepared before names its tables there; its plan does here."""
_STATEMENT = re.compile(r"""(?:[^;'"$]|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|\$)+""", re.DOTALL)
_CONDITIONS = ("Index Cond", "Filter", "Recheck Cond", "Join Filter", "Hash Cond", "One-Time Filter")


@dataclass
class Watched:
    """Statements that touched event tables, and those that did so without naming the project."""

    seen: set[str] = field(default_factory=set)
    """The tables that were scanned or written."""
    wrong: list[str] = field(default_factory=list)

    def look(self, statement: str, plan: dict[str, Any]) -> None:
        """Judge one statement by its plan."""
        for table, conditions in _scans(plan):
            self.seen.add(table)
            if not _LITERAL.search(conditions):
                self.wrong.append(f"{table} [{conditions or 'no condition'}] in: {' '.join(statement.split())[:1500]}")


@contextmanager
def watching() -> Iterator[Watched]:
    """Ask for the plan of every statement that this thread sends over Django's connection, with COPY and cursors of
    the server, which go past Django."""
    watched = Watched()
    tables = re.compile(rf"\b({'|'.join(distribution.tables())})(_p\d{{6}})?\b")
    copy, declare = psycopg.Cursor.copy, psycopg.ServerCursor.execute

    def explain(statement: str, params: Any) -> None:
        raw = connection.connection
        if raw is None or not (tables.search(statement) or _ASKED.search(statement)) or not _is_ours():
            return
        with raw.cursor() as cursor:
            rendered = cursor.mogrify(statement, params) if params else statement
            for part in _parts(rendered):
                if tables.search(part) or _ASKED.search(part):
                    for plan in _plans(cursor, part):
                        watched.look(part, plan)

    def fills(statement: str) -> None:
        for into in _FILLED.finditer(statement):
            if tables.fullmatch(into[1]):
                watched.seen.add(into[1])
                if "project_id" not in into[2]:
                    watched.wrong.append(f"{into[1]} in: {into[0]}")

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if isinstance(sql, Copies):
            fills(sql)
        elif not many:
            explain(sql, params)
        return run(sql, params, many, context)

    def copying(cursor: Any, statement: Any, params: Any = None, **options: Any) -> Any:
        text = statement if isinstance(statement, str) else statement.as_string(cursor.connection)
        if out := _COPIED.search(text):
            explain(out[1], params)
        else:
            fills(text)
        return copy(cursor, statement, params, **options)

    def declaring(cursor: Any, statement: Any, params: Any = None, **options: Any) -> Any:
        explain(statement, params)
        return declare(cursor, statement, params, **options)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(execute):
        patch.setattr(psycopg.Cursor, "copy", copying)
        patch.setattr(psycopg.ServerCursor, "execute", declaring)
        yield watched


def _is_ours() -> bool:
    """Whether the product sends this, and not a test that looks at what is stored."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(_ROOT / "generations") or file.match("django/core/handlers/base.py"):
            return True
        if file.is_relative_to(_ROOT / "tests") and file != Path(__file__):
            return False
        frame = frame.f_back
    return False


def _parts(message: str) -> list[str]:
    """The statements of one message: what stands between semicolons that are in no text, name or block."""
    return [part.strip() for part in (found[0] for found in _STATEMENT.finditer(message)) if part.strip()]


def _plans(cursor: Any, statement: str) -> Iterator[dict[str, Any]]:
    """The plan of a statement; none of what has no plan, such as TRUNCATE or a statement that is refused anyway."""
    inside = cursor.connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    if cursor.connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
        return
    if inside:
        cursor.execute("SAVEPOINT watched")
    try:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        answer = cursor.fetchone()[0]
    except psycopg.Error:
        if inside:
            cursor.execute("ROLLBACK TO SAVEPOINT watched")
        return
    if inside:
        cursor.execute("RELEASE SAVEPOINT watched")
    for one in json.loads(answer) if isinstance(answer, str) else answer:
        yield one["Plan"]


def _scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, conditions) of every scan in a plan, partitions by the name of their whole."""
    name = plan.get("Relation Name")
    if name is not None and plan["Node Type"] != "ModifyTable":
        table = re.sub(r"_p\d{6}$", "", name)
        if table in distribution.tables():
            yield table, " AND ".join(_conditions(plan))
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)


def _conditions(plan: dict[str, Any]) -> Iterator[str]:
    for name in _CONDITIONS:
        if name in plan:
            yield str(plan[name])
    for inner in plan.get("Plans", ()):
        if inner["Node Type"].startswith("Bitmap"):
            yield from _conditions(inner)
