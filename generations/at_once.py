"""Sends statements in one message, as one transaction: what they lock is not held while this process waits for a
processor between them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Self

from django.db import connection, transaction

Statement = tuple[str, Sequence[Any]]


class Copies(str):
    """Statements that COPY rows FROM STDIN, asked for in one message: the database goes on to the next by itself, where
    to ask for each would be another message, and to wait for its answer. Our cursors send the `rows` of each, in order,
    and join their pieces when it is their turn: no more than one table's are there twice.
    """

    __slots__ = ("rows",)
    rows: Sequence[Sequence[bytes]]

    def __new__(cls, told: Sequence[tuple[str, Sequence[bytes]]]) -> Self:
        """Of each statement and its rows in pieces; there is at least one."""
        made = super().__new__(cls, "; ".join(statement for statement, _ in told))
        made.rows = [rows for _, rows in told]
        return made


def send(statements: Sequence[Statement], *, ends: bool = False) -> list[list[tuple[Any, ...]]]:
    """What each statement answers, in order, nothing where that is no rows. All of them are done, or none.

    A message is a transaction by itself. Inside of one it is a part of that, which the message `ends` as well, in the
    place of the outermost `atomic`; in a test, which takes everything back, it does not. What a statement sets LOCAL
    holds for those after it, and then to the end of the transaction.
    """
    is_inside = connection.in_atomic_block
    sql, params = "; ".join(sql for sql, _ in statements), [value for _, values in statements for value in values]
    if ends and len(connection.atomic_blocks) == 1:
        sql += "; COMMIT"
    answers: list[list[tuple[Any, ...]]] = []
    with transaction.atomic() if is_inside and not ends else nullcontext(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        while True:
            answers.append(cursor.fetchall() if cursor.description else [])
            if not cursor.nextset():
                return answers[: len(statements)]
