"""The rows of an export: which ones, fixed by one statement, and what they are in a file, a batch at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import F, QuerySet

from generations import bundles, filters, horizons
from generations.exporting import collected, settling, statements
from generations.exporting.collected import Documents
from generations.exporting.columns import Column
from generations.exporting.dialects import CSV, Dialect
from generations.exporting.settling import dumped, loaded
from generations.exporting.snapshots import Snapshot
from generations.exporting.writers import Line, line_of
from generations.models import Participant, Project, Thread

Key = collected.Key
BATCH_ROWS: Final = 4_000
"""Whose documents one statement makes. None of them is held longer than it takes to write it."""
READ_ROWS: Final = 100
"""Whose documents are made in Python at once, and held."""


@dataclass(frozen=True, slots=True)
class Source:
    """How the rows of one list are found. `order` is the default; `key` is what a row is fetched by again, its moment
    second, and the caller's id third where others refer to it."""

    key: tuple[str, ...]
    order: str
    narrow: Callable[[int, filters.Condition | None], QuerySet[Any]]
    read: Callable[[Project, Sequence[Key]], Documents] | None = None
    """Documents made in Python, for the lists that `statements` does not make."""
    is_within: bool = False
    """Whether the rows are what stands in those of the list: items of datasets. They have an order of their own."""


def ordering(kind: str, order: str | None, project_pk: int) -> list[Any]:
    """ORDER BY of an order like `-usage.cost`, ties broken so that no two runs differ; unknown values come last.

    Raises BadFilter for a field that there is none of, or that cannot be sorted by.
    """
    source = SOURCES[kind]
    ties: list[Any] = [F(name).desc() for name in reversed(source.key[:2])]
    if not order or order == source.order:
        return ties
    if source.is_within:
        raise filters.BadFilter("order", order, f"{source.order} or none: rows of {kind} are exported the newest first")
    value: Any = filters.ordered(kind, order).expression(project_pk)
    value = F(value) if isinstance(value, str) else value
    return [value.desc(nulls_last=True) if order.startswith("-") else value.asc(nulls_last=True), *ties]


class Keys:
    """The keys of all rows that match, in order, held by the database: its memory and disk, not this process's.

    A cursor "with hold" is filled by one statement and then needs no transaction.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._name = connection.ops.quote_name(cursor.name)

    def count(self) -> int:
        """How many there are. Costs a walk over what is already found."""
        with connection.cursor() as plain:
            plain.execute(f"MOVE FORWARD ALL IN {self._name}")
            count = int(plain.rowcount)
            plain.execute(f"MOVE ABSOLUTE 0 IN {self._name}")
        return count

    def batches(self, number: int | None = None) -> Iterator[list[Key]]:
        """The keys in order, so many at a time, else BATCH_ROWS."""
        while batch := self._cursor.fetchmany(number or BATCH_ROWS):
            yield batch


@contextmanager
def keys(
    kind: str, project: Project, rows: QuerySet[Any], order: str | None, snapshot: Snapshot | None = None
) -> Iterator[Keys]:
    """The keys of these rows of a list: as the snapshot shows them, or as they are now."""
    found = rows.order_by(*ordering(kind, order, project.pk)).values_list(*SOURCES[kind].key)
    # A condition that nothing can satisfy is a statement too: one without rows.
    sql, params = found.query.get_compiler(connection=connection, elide_empty=False).as_sql()
    connection.ensure_connection()
    raw: Any = connection.connection
    with closing(raw.cursor(name=f"export_{uuid.uuid4().hex}", scrollable=True, withhold=True)) as cursor:
        cursor.itersize = BATCH_ROWS
        with snapshot.reading() if snapshot else nullcontext(), connection.wrap_database_errors:
            # As text, moments are read by Django's Python, which takes longer than all else about a key.
            cursor.execute(sql, params, binary=True)
        yield Keys(cursor)


def documents(
    kind: str,
    project: Project,
    batch: Sequence[Key],
    wanted: Sequence[Column] | None = None,
    *,
    stamped: bool = False,
) -> Iterator[bytes]:
    """The documents of these rows as JSON, in their order, one after the other as they are read.

    `wanted` leaves out what none of these columns shows. Rows that are not there any more are left out. A constant
    number of statements for each list.
    """
    read = SOURCES[kind].read
    if read is not None:
        for start in range(0, len(batch), READ_ROWS):
            some = batch[start : start + READ_ROWS]
            found = dict(read(project, some))
            yield from (dumped(found[key[0]]) for key in some if key[0] in found)
        return
    with _copied(kind, statements.documents(kind, wanted, stamped=stamped), project, batch) as copy:
        copy.set_types(["bool", "bytea"])
        for is_open, text in copy.rows():
            yield dumped(settling.finished(kind, text)) if is_open else text


def lines(
    kind: str, project: Project, batch: Sequence[Key], columns: Sequence[Column], dialect: Dialect = CSV
) -> Iterator[Line]:
    """These columns of these rows as lines of a table, without their ends."""
    if not statements.is_table(kind, columns):
        for document in documents(kind, project, batch, columns):
            yield line_of(columns, loaded(document), dialect)
        return
    delimiter = ord(dialect.delimiter)
    with _copied(kind, statements.table(kind, columns, dialect), project, batch) as copy:
        # > CopyData messages (always one per row)   PostgreSQL's protocol, "COPY Operations"
        for row in copy:
            # Not copied: most of a line is long texts.
            line = memoryview(row)
            if line[0] == delimiter:
                yield line[1:-1]
            else:
                text = bytes.fromhex(bytes(line).decode().partition(dialect.delimiter)[0])
                yield line_of(columns, settling.finished(kind, text), dialect)


@contextmanager
def _copied(kind: str, sql: str, project: Project, batch: Sequence[Key]) -> Iterator[Any]:
    moments = [key[1] for key in batch]
    first, shown = min(moments), horizons.of(project.pk, kind.removesuffix("s"))
    params = {
        "project": project.pk,
        "uids": _array(key[0].hex for key in batch),
        "ids": _array(key[2] for key in batch) if len(batch[0]) > 2 else "{}",
        "moments": _array(moment.isoformat() for moment in moments),
        "first": first,
        "shown": first if shown is None else max(first, shown),
        "last": max(moments),
    }
    # Django wraps the errors of its own calls only, and COPY is psycopg's.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(cursor.mogrify(sql, params)) as copy,
    ):
        yield copy


def _array(texts: Iterable[str]) -> str:
    """An array as PostgreSQL reads it. Psycopg looks at each text five times to find out whether it needs quotes."""
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]
    return "{" + ",".join(quoted) + "}"


# ------------------------------------------------------------------------------------------------------ lists and rows
def _threads(project: Project, batch: Sequence[Key]) -> Documents:
    rows = Thread.objects.in_project(project.pk).filter(uid__in=[key[0] for key in batch])
    return ((row.uid, bundles.thread_document(row)) for row in rows)


def _participants(project: Project, batch: Sequence[Key]) -> Documents:
    rows = Participant.objects.in_project(project.pk).filter(uid__in=[key[0] for key in batch])
    return ((row.uid, bundles.participant_document(row)) for row in rows)


def _narrow(kind: str) -> Callable[[int, filters.Condition | None], QuerySet[Any]]:
    return lambda project_pk, condition: filters.narrow(kind, project_pk, condition)


SOURCES: Final[dict[str, Source]] = {
    "generations": Source(("uid", "started_at", "public_id"), "-timestamp", _narrow("generations")),
    "steps": Source(("uid", "started_at", "public_id"), "-timestamp", _narrow("steps")),
    "threads": Source(("uid", "last_activity_at"), "-lastActivityAt", _narrow("threads"), _threads),
    "participants": Source(("uid", "last_seen_at"), "-lastSeen", _narrow("participants"), _participants),
    "scores": Source(("uid", "created_at"), "-timestamp", _narrow("scores")),
    "datasets": Source(("pk", "created_at"), "-createdAt", collected.items_of, collected.items, is_within=True),
    "experiments": Source(("pk", "created_at"), "-createdAt", collected.results_of, collected.results, is_within=True),
    "prompts": Source(("uid", "created_at"), "-createdAt", collected.versions_of, collected.versions, is_within=True),
    "tags": Source(("pk", "created_at"), "-createdAt", _narrow("tags"), collected.tags),
}
