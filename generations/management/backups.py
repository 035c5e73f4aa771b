"""What a backup is: a folder with the database as pg_dump writes it, the attachments, and a manifest. Knows no Django.

manifest.json   when, of which PostgreSQL, how many rows in each table, sizes and checksums of what follows
database.dump   pg_dump's custom format: `pg_restore` reads it without us
files.jsonl     one line a file: its storage key, size in bytes and SHA-256
files/          the files, each under its storage key
secret-key      what the copy needs to read its stored credentials; left out when SECRET_KEY is set outside
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from generations.management import embedded, lifetimes, supervising

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
LISTING: Final = "files.jsonl"
FILES: Final = "files"
KEY: Final = "secret-key"
_PIECE: Final = 1024 * 1024
_ALL_KNOWN: Final = 170_000
"""From this PostgreSQL on a server knows each setting with which pg_restore begins."""
_UNKNOWN: Final = b"SET transaction_timeout = 0;\n"
_SETTINGS: Final = 50
"""Lines at the beginning of a dump as text, which end with its settings."""
# libpq's own names for what a URL may say (libpq, "Environment Variables").
_VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


class BackupError(Exception):
    """A backup could not be made, read or put back; the sentence says why and what to do."""


def database_url(data_dir: Path) -> str:
    """The database that the environment names, or the embedded one of this folder."""
    return os.environ.get("DATABASE_URL") or embedded.url(data_dir)


@contextmanager
def database(data_dir: Path) -> Iterator[str]:
    """The URL of a database that answers: an embedded one that does not run is started for the while."""
    if os.environ.get("DATABASE_URL") or supervising.is_held(data_dir):
        yield database_url(data_dir)
        return
    with supervising.only_one(data_dir):
        server = embedded.Server(data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextmanager
def one_at_a_time(data_dir: Path) -> Iterator[None]:
    """Be the only backup of this folder: two under one name would write to the same files. Raises BackupError."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "backup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("Another backup of it is being made. Wait until that one has ended.") from None
        yield


def run(program: str, arguments: list[str], url: str, server_version: int) -> None:
    """Run one of PostgreSQL's programs against a database. Raises BackupError with what it said.

    It ends with this process, however that one ends. The password goes by the environment, where other users of the
    machine do not see it.
    """
    name, environment = _addressed(url)
    done = subprocess.run(
        [_program(program, server_version), f"--dbname={name}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=lifetimes.tied(signal.SIGTERM),
        check=False,
    )
    if done.returncode != 0:
        raise BackupError(f"{program} failed: {done.stderr.strip()[-2000:]}")


def fill_by_text(dump: Path, url: str, server_version: int) -> None:
    """Fill a database with what psql reads of a dump, in one transaction. Raises BackupError with what was said.

    By itself pg_restore begins with a setting that servers before PostgreSQL 17 do not know, and so ends there.
    """
    name, environment = _addressed(url)
    read = [_program("pg_restore", server_version), "--no-owner", "--no-privileges", "--file=-", str(dump)]
    write = [_program("psql", server_version), f"--dbname={name}", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    tied = lifetimes.tied(signal.SIGTERM)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(read, stdout=subprocess.PIPE, stderr=said, preexec_fn=tied) as reader,
        subprocess.Popen(
            write, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, preexec_fn=tied
        ) as writer,
    ):
        assert reader.stdout is not None
        assert writer.stdin is not None
        # One that ends early says why.
        with suppress(BrokenPipeError), writer.stdin as text:
            text.write(b"BEGIN;\n")
            text.writelines(line for line in islice(reader.stdout, _SETTINGS) if line != _UNKNOWN)
            shutil.copyfileobj(reader.stdout, text, _PIECE)
            # Without it all is taken back.
            if reader.wait() == 0:
                text.write(b"COMMIT;\n")
        reader.stdout.close()
        if reader.wait() or writer.wait():
            said.seek(0)
            raise BackupError(f"pg_restore failed: {said.read().decode(errors='replace').strip()[-2000:]}")


def _addressed(url: str) -> tuple[str, dict[str, str]]:
    """The name of a database, and the environment in which PostgreSQL's programs find its server."""
    told = conninfo_to_dict(url)
    said = {_VARIABLES[name]: str(value) for name, value in told.items() if name in _VARIABLES and value is not None}
    return str(told.get("dbname") or embedded.DATABASE), {**os.environ, **said}


def _program(name: str, server_version: int) -> str:
    """The system's program when it is new enough for the server, else the one that comes with the embedded server.

    The system's is asked first for an outside server: it knows TLS, for which the embedded one is not built.
    """
    own = embedded.programs() / name
    found = [path for path in ([shutil.which(name), own] if os.environ.get("DATABASE_URL") else [own]) if path]
    for path in found:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"\) (\d+)", told)
        if version and int(version[1]) >= server_version // 10_000:
            return str(path)
    raise BackupError(f"No {name} of version {server_version // 10_000} or newer is installed; the database needs one.")


def rows(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many rows each table has, as this transaction sees them. Partitions are counted with their whole."""
    names = [
        row[0]
        for row in connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"
        )
    ]
    counted = {}
    for name in names:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
        counted[name] = int(connection.execute(query).fetchone()[0])  # type: ignore[index]  # a count has a row
    return counted


def copy(source: IO[bytes], target: Path) -> tuple[int, str]:
    """Write a file; returns its size in bytes and its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as written:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            written.write(piece)
    return size, digest.hexdigest()


def about(path: Path) -> dict[str, Any]:
    """The size and checksum of a file, as the manifest says them."""
    with path.open("rb") as opened:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a backup, after every file in it was found to be what the manifest says. Raises BackupError."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}.") from None
    except ValueError:
        raise BackupError(f"{folder / MANIFEST} is not whole.") from None
    if not isinstance(manifest, dict):
        raise BackupError(f"{folder / MANIFEST} is not whole.")
    if manifest.get("format") != FORMAT:
        raise BackupError(f"{folder} has format {manifest.get('format')!r}; this version reads format {FORMAT}.")
    if not _is_whole(manifest):
        raise BackupError(f"{folder / MANIFEST} is not whole.")
    for name, said in manifest["parts"].items():
        _compare(folder / name, said)
    for line in listing(folder):
        _compare(folder / FILES / line["key"], line)
    return manifest


def _is_whole(manifest: dict[str, Any]) -> bool:
    said = {"made_at": str, "postgresql": int, "rows": dict, "files": int, "parts": dict}
    return all(isinstance(manifest.get(name), kind) for name, kind in said.items()) and (
        {DUMP, LISTING} <= manifest["parts"].keys()
        and all(isinstance(part, dict) and part.keys() >= {"bytes", "sha256"} for part in manifest["parts"].values())
    )


def listing(folder: Path) -> Iterator[dict[str, Any]]:
    """The files of a backup: key, bytes, sha256. Raises BackupError for a key that leads out of the folder."""
    with (folder / LISTING).open() as lines:
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if said["key"].startswith("/") or ".." in said["key"].split("/"):
                raise BackupError(f"{folder / LISTING} names {said['key']!r}, which is outside of the backup.")
            yield said


def _compare(path: Path, said: dict[str, Any]) -> None:
    try:
        found = about(path)
    except FileNotFoundError:
        raise BackupError(f"{path} is missing from the backup.") from None
    if found != {"bytes": said["bytes"], "sha256": said["sha256"]}:
        is_as_long = found["bytes"] == said["bytes"]
        how = "its checksum is another" if is_as_long else f"{found['bytes']} bytes instead of {said['bytes']}"
        raise BackupError(f"{path} is not what was backed up: {how}.")


def put_back(folder: Path, manifest: dict[str, Any], url: str) -> None:
    """Fill an empty database from a backup, in one transaction, and compare its rows. Raises BackupError.

    A database that has tables is left as it is.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.info.server_version
        if version // 10_000 < manifest["postgresql"] // 10_000:
            raise BackupError(
                f"The backup is of PostgreSQL {manifest['postgresql'] // 10_000} and this server is older:"
                f" {version // 10_000}. Restore into {manifest['postgresql'] // 10_000} or newer."
            )
        if there := rows(connection):
            raise BackupError(
                f"The database is not empty ({', '.join(list(there)[:3])}, ...). Restore into a new DATA_DIR,"
                " or name an empty database in DATABASE_URL: nothing is ever overwritten."
            )
        if version < _ALL_KNOWN:
            fill_by_text(folder / DUMP, url, version)
        else:
            whole = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(folder / DUMP)]
            run("pg_restore", whole, url, version)
        found = rows(connection)
        wrong = [name for name, count in manifest["rows"].items() if found.get(name) != count]
        if wrong:
            told = ", ".join(f"{name}: {found.get(name)} of {manifest['rows'][name]}" for name in wrong[:5])
            raise BackupError(f"Not all rows came back: {told}. Use nothing of what is there now.")
        connection.execute("ANALYZE")
