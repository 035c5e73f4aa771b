"""Spreads the event tables over a Citus cluster by their project: which they are, what stands in the way, the doing.

Everything else stays an ordinary table of the coordinator. That needs no foreign key between the two kinds, and the
project in every key and in every statement: the first is asked of the catalogue here, the second of the statements
themselves by the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction

from generations.models.collections import PromptVersion
from generations.models.recorded import Event

COLUMN: Final = "project_id"
EXTENSION: Final = "citus"


class CannotDistribute(Exception):
    """The tables stay as they are; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A table that was spread, and how many rows it has."""

    table: str
    rows: int


@cache
def tables() -> tuple[str, ...]:
    """The tables that are spread, those of events and of what is derived from them. The first one leads."""
    models = (model for model in apps.get_models() if issubclass(model, Event) or model is PromptVersion)
    return tuple(sorted(model._meta.db_table for model in models))


def statements() -> list[str]:
    """What is sent to the cluster, in this order and in one transaction."""
    first, *others = tables()
    return [
        f"SELECT create_distributed_table('{first}', '{COLUMN}', colocate_with => 'none')",
        *(f"SELECT create_distributed_table('{name}', '{COLUMN}', colocate_with => '{first}')" for name in others),
    ]


def afterwards() -> list[str]:
    """What is sent after the commit: the rows that were copied to the workers leave the coordinator."""
    return [f"SELECT truncate_local_data_after_distributing_table('{name}')" for name in tables()]


def obstacles() -> list[str]:
    """What the cluster would refuse of the tables as they are, a sentence each. None after the product's migrations."""
    with connection.cursor() as cursor:
        found: list[str] = []
        for question in (_KEYS, _REFERENCES, _TRIGGERS, _SEQUENCES, _COLUMNS):
            cursor.execute(question, {"tables": list(tables()), "column": COLUMN})
            found += [str(row[0]) for row in cursor.fetchall()]
    return found


def distribute(tell: Callable[[str], None] = lambda text: None) -> list[Spread]:
    """Spread all event tables, or none; returns what was spread. Writers wait until it is done.

    Done again it finds nothing to do. Raises CannotDistribute without the extension, without workers, for obstacles,
    and when a table has not as many rows afterwards as before.
    """
    need_extension()
    if in_the_way := obstacles():
        raise CannotDistribute(f"The cluster would refuse these tables: {'; '.join(in_the_way)}.")
    found: list[Spread] = []
    with transaction.atomic(), connection.cursor() as cursor:
        _need_workers(cursor)
        left = [name for name in tables() if name not in _spread(cursor)]
        if not left:
            return []
        if len(left) != len(tables()):
            raise CannotDistribute(
                f"Some tables are spread already and these are not: {', '.join(left)}. Take the others back with"
                " undistribute_table() first."
            )
        cursor.execute(f"LOCK TABLE {', '.join(left)} IN SHARE ROW EXCLUSIVE MODE")
        before = {name: _count(cursor, name) for name in left}
        for statement in statements():
            tell(statement)
            cursor.execute(statement)
        for name in left:
            if (rows := _count(cursor, name)) != before[name]:
                raise CannotDistribute(f"{name} has {rows} rows instead of {before[name]}. Nothing was changed.")
            found.append(Spread(name, before[name]))
    with connection.cursor() as cursor:
        for statement in afterwards():
            tell(statement)
            cursor.execute(statement)
    return found


def need_extension() -> None:
    """Raise CannotDistribute where this database has no Citus, with what to install or to run."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [EXTENSION])
        if not cursor.fetchone():
            raise CannotDistribute(
                "This PostgreSQL has no Citus. Install it on the coordinator and on every worker, add 'citus' to"
                " shared_preload_libraries, or name a cluster in DATABASE_URL. Until then one server does: see"
                " deploy/README.md for how far."
            )
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = %s", [EXTENSION])
        if not cursor.fetchone():
            raise CannotDistribute(
                "Citus is installed here and this database does not use it. Run CREATE EXTENSION citus in it and in the"
                " database of the same name on every worker."
            )


def _need_workers(cursor: Any) -> None:
    cursor.execute("SELECT count(*) FROM citus_get_active_worker_nodes()")
    if not cursor.fetchone()[0]:
        raise CannotDistribute("The cluster has no workers. Add each with SELECT citus_add_node('its-host', 5432).")


def _spread(cursor: Any) -> set[str]:
    cursor.execute("SELECT logicalrelid::text FROM pg_dist_partition WHERE partmethod = 'h'")
    return {str(row[0]) for row in cursor.fetchall()}


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608
    return int(cursor.fetchone()[0])


# A partition is named by its whole; what a whole has, its partitions have too.
_OWN: Final = (
    " coalesce(i.inhparent, c.oid)::regclass::text = ANY(%(tables)s) AND c.relnamespace = 'public'::regnamespace"
)
_KEYS: Final = (
    "SELECT format('%%s: the unique index %%s is without %%s', c.relname, x.indexrelid::regclass, %(column)s)"  # noqa: S608
    " FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    f" WHERE (x.indisunique OR x.indisexclusion) AND {_OWN} AND NOT EXISTS (SELECT FROM pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum = ANY(x.indkey[0:x.indnkeyatts - 1]))"
    " ORDER BY 1"
)
_REFERENCES: Final = (
    "SELECT DISTINCT format('%%s: the foreign key %%s leads to %%s', c.relname, k.conname, k.confrelid::regclass)"  # noqa: S608
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    f" WHERE k.contype = 'f' AND ({_OWN} OR k.confrelid::regclass::text = ANY(%(tables)s)) ORDER BY 1"
)
_TRIGGERS: Final = (
    "SELECT format('%%s: it has the trigger %%s', c.relname, t.tgname)"  # noqa: S608
    " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    f" WHERE NOT t.tgisinternal AND {_OWN} ORDER BY 1"
)
_SEQUENCES: Final = (
    "SELECT format('%%s: %%s draws its values from a sequence', c.relname, a.attname)"  # noqa: S608
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    f" WHERE (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%') AND {_OWN} ORDER BY 1"
)
_COLUMNS: Final = (
    "SELECT format('%%s: %%s is no bigint that is always there', c.relname, %(column)s)"  # noqa: S608
    " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    f" WHERE c.relkind IN ('r', 'p') AND {_OWN} AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid"
    " AND a.attname = %(column)s AND a.atttypid = 'bigint'::regtype AND a.attnotnull) ORDER BY 1"
)
