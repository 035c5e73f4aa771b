"""Whether a database can take what is kept here: what it lacks, asked of the server, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.db import connection
from django.db.migrations.loader import MigrationLoader

OLDEST: Final = 15
"""The first major version of PostgreSQL that can be used."""
NEWEST: Final = 18
"""The last one that was tried. Its successors are not refused: they take what it takes."""
EXTENSIONS: Final = ("pg_trgm", "btree_gin")


@dataclass(frozen=True, slots=True)
class Lack:
    """Something without which nothing can be kept: `said` is how it is, `todo` what to do."""

    said: str
    todo: str


def lacks() -> list[Lack]:
    """What the database lacks that DATABASE_URL names; an extension that is there already needs no right to make it."""
    with connection.cursor() as cursor:
        cursor.execute(_QUESTION, {"extensions": list(EXTENSIONS)})
        version, major, encoding, user, name, may_make, is_read_only, absent, may_not_be_made = cursor.fetchone()
    found = []
    if major < OLDEST:
        found.append(Lack(f"PostgreSQL {version} is too old.", f"Use PostgreSQL {OLDEST} or newer."))
    if encoding != "UTF8":
        todo = f"Make another with `createdb --encoding UTF8 --locale C.UTF-8 --template template0 --owner {user}`."
        found.append(Lack(f"The database {name} is encoded as {encoding}, which has not every letter.", todo))
    if is_read_only:
        found.append(Lack(f"The database {name} takes no changes.", "Name the primary server in DATABASE_URL."))
    if not may_make:
        todo = f'Make it the owner, as a superuser: ALTER DATABASE "{name}" OWNER TO "{user}"'
        found.append(Lack(f"The user {user} may make no tables in the database {name}.", todo))
    if absent:
        said = f"PostgreSQL's own extensions are not installed there: {', '.join(absent)}."
        found.append(Lack(said, "Install them beside the server: on Debian they are in the package postgresql."))
    if may_not_be_made and may_make:
        todo = "; ".join(f"CREATE EXTENSION {extension}" for extension in may_not_be_made)
        said = f"The user {user} may make no extensions in the database {name}."
        found.append(Lack(said, f"Have a superuser do it, in that database: {todo}"))
    return found


def address() -> dict[str, Any]:
    """What a connection of our own is made with, beside the pool."""
    told = connection.settings_dict
    options = {name: value for name, value in told["OPTIONS"].items() if name != "pool"}
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    said = {name: told[setting] for name, setting in names.items() if told[setting]}
    return {**options, **said, "connect_timeout": 3}


DIRECTLY: Final = "Name the server itself in DATABASE_URL: each process keeps its connections (DATABASE_POOL_SIZE)."


def pooler() -> Lack | None:
    """That something before the database takes settings from connections, or gives each transaction another session.

    Requests would wait for locks without end, and what is claimed for a session would stay claimed, or be another's.
    None too where the database does not answer.
    """
    given = address()
    probe = {**given, "options": f"{given.get('options', '')} -c lock_timeout=1234ms".strip(), "autocommit": True}
    try:
        with psycopg.connect(**probe) as one:
            patience, pid = _session(one)
            # Who answers is the server that was connected to, or somebody stands between.
            is_direct = one.info.backend_pid == pid
            if is_direct or patience == _PATIENCE:
                return None if is_direct or not _moves(one, given) else _UNSTEADY
    except psycopg.Error as error:
        if "startup parameter" not in str(error):
            return None
    return Lack("A connection pooler before the database passes on no settings.", DIRECTLY)


_PATIENCE: Final = "1234ms"
_UNSTEADY: Final = Lack("A connection pooler before the database gives each transaction another session.", DIRECTLY)


def _session(connected: psycopg.Connection[Any]) -> tuple[str, int]:
    row = connected.execute("SELECT current_setting('lock_timeout'), pg_backend_pid()").fetchone()
    assert row is not None
    return row[0], row[1]


def _moves(one: psycopg.Connection[Any], given: dict[str, Any]) -> bool:
    """Whether a connection is another session once somebody else is in a transaction in the one that it was."""
    before = _session(one)
    with psycopg.connect(**given) as other:
        _session(other)
        return _session(one) != before


def newer() -> Lack | None:
    """That a newer version of this program has changed the database: with tables that this one does not know."""
    loader = MigrationLoader(connection)
    newest = max(name for app, name in loader.graph.nodes if app == _APP)
    applied = (name for app, name in loader.applied_migrations if app == _APP)
    if not (unknown := sorted(name for name in applied if name[:_NUMBER] > newest[:_NUMBER])):
        return None
    said = f"A newer version of Generations has changed the database ({unknown[-1]}; this one knows up to {newest})."
    todo = "Start the newer version, or restore a backup that was made before into another DATA_DIR or database."
    return Lack(said, todo)


_APP: Final = "generations"
_NUMBER: Final = 4
"""Digits at the beginning of a migration's name."""
_QUESTION: Any = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
    pg_encoding_to_char(d.encoding), current_user, d.datname,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    current_setting('transaction_read_only') = 'on',
    ARRAY(SELECT name FROM unnest(%(extensions)s::text[]) AS name
        WHERE name NOT IN (SELECT e.name FROM pg_available_extensions e) ORDER BY 1),
    ARRAY(SELECT e.name FROM pg_available_extensions e WHERE e.name = ANY(%(extensions)s)
        AND e.installed_version IS NULL AND NOT has_database_privilege(d.oid, 'CREATE') ORDER BY 1)
FROM pg_database d WHERE d.datname = current_database()
"""
