"""Event tables in the database: how they are created, and the monthly partitions that hold their rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel
from django.db.migrations.state import ProjectState

PARTITIONED: Final = (
    "step",
    "step_payload",
    "generation",
    "generation_payload",
    "alternative",
    "generation_search",
)
_TEXTS: Final = frozenset(table for table in PARTITIONED if table.endswith("_payload"))
_READ: Final = frozenset({"generation_search"})
"""Those whose texts are read by the thousand, and so from the page rather than from beside it."""
_PAGE: Final = 8160
"""Bytes of the widest row that fits on a page: PostgreSQL's most for `toast_tuple_target`."""
_SAMPLED: Final = 10
"""The statistics target of columns in tables of texts, of which PostgreSQL reads 300 rows for each one: with its 100,
an ANALYZE holds 30,000 rows at a time, which are 120 MB of texts. They are looked up by their keys alone."""
MONTHS_AHEAD: Final = 2
_LOCK: Final = 0x47454E31  # one maker of partitions at a time; any fixed number that nothing else locks
_ASKED_AT_ONCE: Final = 200

_known: set[tuple[str, str]] = set()


class CreateEventTable(CreateModel):
    """Create a model's table with the key that the database needs and Django's admin would refuse.

    The model declares `uid` as its primary key; the table gets `(project_id, uid)`, and in the tables that are
    partitioned by month `(project_id, uid, started_at)`.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Create the table and its indexes; partitions are made by `ensure`."""
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        editor: Any = schema_editor
        sql, params = editor.table_sql(model)
        table = model._meta.db_table
        partitioned = table in PARTITIONED
        key = '"project_id", "uid"' + (', "started_at"' if partitioned else "")
        head, found, tail = sql.partition(" PRIMARY KEY")
        if not found:
            raise ValueError(f"{table}: no primary key to replace in {sql}")
        body = (head + tail).rstrip()
        sql = f"{body[:-1]}, CONSTRAINT {table}_pkey PRIMARY KEY ({key}))"
        if partitioned:
            sql += ' PARTITION BY RANGE ("started_at")'
        editor.execute(sql, params or None)
        editor.deferred_sql.extend(editor._model_indexes_sql(model))


def month_of(moment: dt.datetime) -> dt.date:
    """The first day of the month, UTC, that a row started at `moment` is kept in."""
    return moment.astimezone(dt.UTC).date().replace(day=1)


def months_of(moments: Sequence[dt.datetime]) -> set[dt.date]:
    """The months that rows started at these moments are kept in."""
    ends = {month_of(min(moments)), month_of(max(moments))} if moments else set()
    return ends if len(ends) < 2 else {*map(month_of, moments)}


def next_month(month: dt.date) -> dt.date:
    """The first day of the month after."""
    return (month + dt.timedelta(days=32)).replace(day=1)


def named(table: str, month: dt.date) -> str:
    """What the partition of a table is called that holds the rows of a month."""
    return f"{table}_p{month:%Y%m}"


def unknown(months: Iterable[dt.date]) -> set[dt.date]:
    """Those of these months whose partitions this process has not seen yet."""
    database = str(connection.settings_dict["NAME"])
    return {month for month in months if (database, month.isoformat()) not in _known}


def ensure(months: Iterable[dt.date]) -> int:
    """Make the partitions of these months where they are missing; returns how many tables were made.

    Known ones cost nothing: each process remembers what it has seen, for each database it has talked to.
    """
    wanted = unknown(months)
    if not wanted:
        return 0
    database = str(connection.settings_dict["NAME"])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        names = {named(table, month): (table, month) for month in sorted(wanted) for table in PARTITIONED}
        cursor.execute("SELECT name FROM unnest(%s::text[]) AS t(name) WHERE to_regclass(name) IS NULL", [list(names)])
        missing = sorted(row[0] for row in cursor.fetchall())
        for name in missing:
            _make(cursor, name, *names[name])
        # Remembered only once it is true for everybody: a rollback takes the new tables back.
        seen = {(database, month.isoformat()) for month in wanted}
        transaction.on_commit(lambda: _known.update(seen))
    return len(missing)


def _make(cursor: Any, name: str, table: str, month: dt.date) -> None:
    # CREATE TABLE ... PARTITION OF would lock the parent against every reader; ATTACH does not.
    cursor.execute(
        f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)'
        + (f" WITH (toast_tuple_target = {_PAGE})" if table in _READ or (table in _TEXTS and _packs(cursor)) else "")
    )
    if table in _TEXTS | _READ:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0", [name])
        columns = ", ".join(f'ALTER "{column}" SET STATISTICS {_SAMPLED}' for (column,) in cursor.fetchall())
        cursor.execute(f'ALTER TABLE "{name}" {columns}')
    cursor.execute(
        f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)',
        [f"{month} 00:00+00", f"{next_month(month)} 00:00+00"],
    )


def _packs(cursor: Any) -> bool:
    """Whether the server only has pglz. To pack texts of 2 to 8 KB by it took a fifth of all the database's time in
    writing, and saved an eighth of the room: what fits on a page is left as it is then."""
    cursor.execute("SELECT current_setting('default_toast_compression') = 'pglz'")
    return bool(cursor.fetchone()[0])


def ensure_ahead(now: dt.datetime) -> int:
    """Make this month's partitions, last month's, and those of the months ahead."""
    month = month_of(now)
    months = [(month - dt.timedelta(days=1)).replace(day=1), month]
    for _ in range(MONTHS_AHEAD):
        months.append(next_month(months[-1]))
    return ensure(months)


def holders(table: str, projects: Sequence[int]) -> list[int]:
    """Which of these projects have rows in an event table, or in a partition of one.

    A step along the key for each, however many rows there are; asked for by number, so that a cluster can send each
    question to the machine that has the project.
    """
    part = f'(SELECT project_id FROM "{table}" WHERE project_id = %s LIMIT 1)'  # noqa: S608
    found: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(projects), _ASKED_AT_ONCE):
            some = projects[start : start + _ASKED_AT_ONCE]
            cursor.execute(" UNION ALL ".join([part] * len(some)), some)
            found += (int(row[0]) for row in cursor.fetchall())
    return sorted(found)


def forget() -> None:
    """Ask the database again which partitions there are. For whoever drops some."""
    _known.clear()
