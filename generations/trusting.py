"""Keys as a process remembers them, and whether that is what the database still says: asked in the transaction that
writes, for who writes waits for an answer there anyway."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from generations import prepared
from generations.models import ApiKey, Project

LAST_USE_GRAIN: Final = dt.timedelta(minutes=1)
log = logging.getLogger(__name__)


class Outdated(Exception):
    """A remembered grant is not what the database says by now, or was not compared with that: look, by `by_key`."""


class Trust:
    """That a key and its project are still what this process remembers of them, until that was compared with what the
    database says, by `fetch` or `outdated`."""

    __slots__ = ("hash", "is_confirmed", "project", "row", "used_at")

    def __init__(self, hash: bytes, row: tuple[Any, ...], project: Project) -> None:
        self.hash = hash
        self.row = row
        self.project = project
        self.is_confirmed = False
        self.used_at: dt.datetime | None = None
        """When the key was used last, as it was said when this was confirmed."""


def sure(trust: Trust | None) -> None:
    """Raise Outdated where a grant is only remembered: before what shares no transaction."""
    if trust is not None and not trust.is_confirmed:
        raise Outdated


def outdated(trusts: Iterable[Trust]) -> set[Trust]:
    """Those of these whose key or project is not what is remembered any more; one query for each key. The others are
    confirmed."""
    of_keys: dict[bytes, list[Trust]] = {}
    for trust in trusts:
        of_keys.setdefault(trust.hash, []).append(trust)
    old: set[Trust] = set()
    for hash, some in of_keys.items():
        row = _row_again(hash)
        gone = {trust for trust in some if not _is_as_remembered(trust, row)}
        old |= gone
        note_use([trust for trust in some if trust not in gone])
    return old


def fetch(cursor: Any, trusts: Sequence[Trust], asked: prepared.Asked, *, before: str = "") -> list[tuple[Any, ...]]:
    """What is answered to a statement that is planned once, in one message with what confirms those who are trusted.

    To be called in the transaction that writes, before it does. Raises Outdated where one of them is not to be
    confirmed, or where they have several keys, of which `outdated` tells.
    """
    hash = one_key(trusts)
    if hash is None:
        return prepared.fetch_all(cursor, [asked], before=before)[0]
    again = prepared.Asked(_again(), prepared.ANY, [hash])
    rows, answered = prepared.fetch_all(cursor, [again, asked], before=before)
    row = next(iter(rows), None)
    if not all(_is_as_remembered(trust, row) for trust in trusts):
        raise Outdated
    return answered


def one_key(trusts: Sequence[Trust]) -> bytes | None:
    """The hash of the key of these, None where there are none. Raises Outdated where they have several keys: each is to
    be looked at by itself, before anything is made ready for nothing."""
    hashes = {trust.hash for trust in trusts}
    if len(hashes) > 1:
        raise Outdated
    return next(iter(hashes), None)


def note_use(trusts: Sequence[Trust]) -> None:
    """Note that the key of those who were confirmed is used. To be called after what they write: so nobody waits for
    the key's row, and what is written stays so where this cannot be."""
    if trusts:
        try:
            use(trusts[0].row[_column("id")], trusts[0].used_at)
        except (OperationalError, InterfaceError) as error:
            log.warning("That a key was used could not be noted: %s", error)


def _is_as_remembered(trust: Trust, row: tuple[Any, ...] | None) -> bool:
    # When a key was used last says nothing of what it may do.
    used = _column("last_used_at")
    if row is None or row[:used] + row[used + 1 :] != trust.row[:used] + trust.row[used + 1 :]:
        return False
    trust.is_confirmed, trust.used_at = True, row[used]
    trust.project.note_horizons()
    return True


def use(pk: uuid.UUID, last_used_at: dt.datetime | None) -> None:
    """Note that a key is used, if that was not done within LAST_USE_GRAIN."""
    now = timezone.now()
    if last_used_at is None or now - last_used_at > LAST_USE_GRAIN:
        # Once a minute and not once a call: a busy key would otherwise be the hottest row of the database.
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USE_GRAIN)
        ApiKey.objects.filter(stale, pk=pk).update(last_used_at=now)


def row_of(hash: bytes) -> tuple[Any, ...] | None:
    """What the rows of a key and its project say. The statement is written once: Django takes ten times as long as the
    database."""
    with connection.cursor() as cursor:
        cursor.execute(_statement()[0], [hash])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _row_again(hash: bytes) -> tuple[Any, ...] | None:
    """The same, for those who write: by a statement that is planned once, for that takes ten times as long as to find
    the rows."""

    def asked() -> list[tuple[Any, ...]]:
        with prepared.alone(), connection.cursor() as cursor:
            return prepared.fetch(cursor, _again(), prepared.ANY, [hash])

    return next(iter(prepared.again(asked)), None)


@cache
def _again() -> prepared.Statement:
    return prepared.Statement("key", ("bytea",), _statement()[0].replace("%s", "$1"))


def made_of(row: tuple[Any, ...]) -> ApiKey:
    """The key with its project."""
    made: list[Any] = []
    for model, columns in _statement()[1]:
        values = [make(v, None, connection) if make else v for v, (_, make) in zip(row, columns, strict=False)]
        made.append(model.from_db(connection.alias, [name for name, _ in columns], values))
        row = row[len(columns) :]
    key: ApiKey = made[0]
    key.project = made[1]
    return key


@cache
def _column(name: str) -> int:
    """The place of a column of the key in its row."""
    return [attname for attname, _ in _statement()[1][0][1]].index(name)


@cache
def _statement() -> tuple[str, list[tuple[Any, list[tuple[str, Any]]]]]:
    """The statement, and for each of the two models the names of what it selects and what makes values of columns."""
    sql, _ = ApiKey.objects.select_related("project").filter(hash=b"").query.sql_with_params()
    models: list[tuple[Any, list[tuple[str, Any]]]] = [
        (model, [(field.attname, getattr(field, "from_db_value", None)) for field in model._meta.concrete_fields])
        for model in (ApiKey, Project)
    ]
    return sql, models
