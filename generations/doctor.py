"""Checks of an installation: what is well, what will go wrong soon, what is wrong now, and what to do about it."""

from __future__ import annotations

import datetime as dt
import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import OperationalError

from generations import operations, outages, partitions, providers, suitability

Level = Literal["well", "warning", "wrong"]
GIGABYTE: Final = 1_000_000_000
_SCARCE: Final = 2 * GIGABYTE
_DAYS_LEFT: Final = 14
_WAITED_LONG: Final = dt.timedelta(minutes=5)
_SKEW: Final = 5.0
_SAID: Final = 300
_ROOM: Final = "Make room there: it goes on by itself."
_MENDING: Final = (
    "See that the bucket {} is there and may be written to: credentials are found as boto3 finds them,"
    " STORAGE_ENDPOINT_URL names a store other than AWS."
)
_BROKERS: Final = ("redis", "rediss", "amqp", "amqps")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `said` is how it is, `todo` what to do when it is not well."""

    check: str
    level: Level
    said: str
    todo: str = ""


def examine(*, buckets: bool = True) -> Iterator[Finding]:
    """Every finding, in the order in which an operator would look. Nothing is changed, but a probe that is removed.
    Without `buckets`, nothing is written into those: not the checks `of_buckets`."""
    for check in (_settings, _folder, _disk):
        yield from check()
    if (silence := _silence()) is None:
        yield from _database()
        if missing := _missing():
            names = ", ".join(missing[:3])
            lacks = "1 migration is" if len(missing) == 1 else f"{len(missing)} migrations are"
            said = f"{lacks} missing ({names}{', ...' if len(missing) > 3 else ''})."
            yield Finding("database", "wrong", said, "Run `manage.py prepare`, or start with `manage.py up`.")
        # What is asked of the tables would only say once more that they are not what they should be.
        for ask in (_clock, _connections, *(() if missing else (_growth, _memory, _months, _keys, _jobs, _sums))):
            yield from ask()
    else:
        yield Finding("database", "wrong", f"It does not answer: {silence}", _awakening(silence))
    of_files = {"storage": _storage, "exports": _export_buckets}
    left_out = () if buckets else of_buckets()
    for look in (_broker, *(look for name, look in of_files.items() if name not in left_out), _processes):
        yield from look()


def of_buckets() -> tuple[str, ...]:
    """The checks that write into buckets, which somebody pays for."""
    return ("storage", "exports") if _is_bucket() else ("exports",)


def _settings() -> Iterator[Finding]:
    version = sys.version.split()[0]
    if settings.DEBUG:
        yield Finding("settings", "warning", "DEBUG is on: errors are shown in full.", "Set DEBUG=false.")
    if len(settings.SECRET_KEY) < 32:
        yield Finding("settings", "warning", "SECRET_KEY is short.", "Take 50 random characters.")
    for guess in settings.MISSPELT:
        yield Finding("settings", "warning", guess, "Correct the name, or take it out of the environment.")
    public = urlsplit(settings.PUBLIC_URL)
    is_open = settings.HOST not in ("127.0.0.1", "::1", "localhost")
    if is_open and public.scheme != "https":
        yield Finding(
            "settings",
            "warning",
            f"It listens on {settings.HOST} and people reach it at {settings.PUBLIC_URL}, without encryption.",
            "Put a proxy with TLS before it, and set PUBLIC_URL=https://...",
        )
    yield Finding("settings", "well", f"Python {version}, reached at {operations.address() or settings.PUBLIC_URL}")


def _folder() -> Iterator[Finding]:
    key = settings.DATA_DIR / "secret-key"
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Finding("folder", "wrong", f"Others may read {key}.", f"chmod 600 {key}")
    if not settings.DATA_DIR.exists():
        yield Finding("folder", "well", f"{settings.DATA_DIR} is not made yet")
        return
    yield _written(settings.DATA_DIR, "folder")
    for folder in operations.folders()[1:]:
        # A volume that was put there belongs to whoever made it; the folder of a database is its server's.
        if not (folder / "PG_VERSION").exists() and (found := _written(folder, "folder")).level != "well":
            yield found


def _written(folder: Path, check: str) -> Finding:
    """Whether a file can be made in a folder; it is removed again."""
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"x")
    except OSError as error:
        todo = _to_write_again(error) or "Give it to this user."
        return Finding(check, "wrong", f"{folder} cannot be written: {error}", todo)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return Finding(check, "well", str(folder))


def _to_write_again(error: OSError) -> str | None:
    """What to do about a disk that takes nothing; None where the disk is not the reason."""
    if error.errno in (errno.EROFS, errno.EIO):
        return "See what the kernel says of that disk (dmesg), mend it, and mount it so that it can be written to."
    return _ROOM if outages.of(error) else None


def _disk() -> Iterator[Finding]:
    for disk in operations.disks():
        if disk.free < _SCARCE:
            said = f"{disk.free / GIGABYTE:.1f} GB are free where {disk.folder} is."
            todo = "Make room: shorten what is kept in the project's settings, or move that folder to a larger disk."
            yield Finding("disk", "wrong", said, todo)
        else:
            yield Finding("disk", "well", f"{disk.free / GIGABYTE:,.0f} GB are free where {disk.folder} is")


def unanswered() -> str | None:
    """That the database does not answer, why, and what to do; None when it does."""
    silence = _silence()
    return None if silence is None else f"The database does not answer: {silence.rstrip('.')}. {_awakening(silence)}"


def _silence() -> str | None:
    """Why the database does not answer; None when it does. The pool would ask again for ten seconds."""
    try:
        psycopg.connect(**suitability.address()).close()
    except psycopg.Error as error:
        return str(error).strip().partition("\n")[0]
    return None


_AWAKENINGS: Final = (
    ("No space left", "Make room on the disk of the database: it goes on by itself."),
    ("startup parameter", suitability.DIRECTLY),
    ("the database system is", "Wait a moment: it starts, stops or recovers. If that goes on, its log says why."),
    ("too many", "Lower DATABASE_POOL_SIZE, or let the database have more connections (max_connections)."),
    ("connection slots", "Lower DATABASE_POOL_SIZE, or let the database have more connections (max_connections)."),
    ("pg_hba.conf", "Let this machine and user in there (pg_hba.conf), or correct DATABASE_URL."),
    ("authentication", "Correct the user and the password in DATABASE_URL."),
    ("permission denied", "Let that user in, as a superuser: GRANT CONNECT ON DATABASE ... TO ..."),
    ("not permitted to log in", "Let that user in, as a superuser: ALTER ROLE ... LOGIN"),
    ("not currently accepting", "Let it be connected to, as a superuser: ALTER DATABASE ... ALLOW_CONNECTIONS true"),
    ("role ", "Make that user in the database, or correct the user in DATABASE_URL."),
    ("database ", "Make that database (createdb), or correct the name behind the last / of DATABASE_URL."),
    ("resolve host", "Correct the host in DATABASE_URL: there is none of that name."),
)
"""What to do about a database that does not answer, by what it or the way to it says."""


def _awakening(silence: str) -> str:
    said = silence.rpartition("failed: ")[2]
    otherwise = "Start Generations, or the database that DATABASE_URL names; or correct its host and port."
    return next((todo for sign, todo in _AWAKENINGS if sign in said), otherwise)


def _missing() -> list[str]:
    """The migrations that the database has not had."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{one.app_label}.{one.name}" for one, _ in plan]


def _database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,"
            " pg_database_size(current_database()), lower('Ä') = 'ä'"
        )
        version, major, size, has_letters = cursor.fetchone()
    for lack in (*suitability.lacks(), suitability.newer(), suitability.pooler()):
        if lack is not None:
            yield Finding("database", "wrong", lack.said, lack.todo)
    if major > suitability.NEWEST:
        said = f"PostgreSQL {version} is newer than what this version was tried with ({suitability.NEWEST})."
        yield Finding("database", "warning", said, "Look for a newer version of Generations.")
    if not has_letters:
        said = "Its locale knows upper and lower case of a to z alone: filters that ignore case find no Ä by ä."
        todo = "Where that matters, restore a backup into one made by `createdb --locale C.UTF-8 --template template0`."
        yield Finding("database", "warning", said, todo)
    yield Finding("database", "well", f"PostgreSQL {version}, {size / GIGABYTE:,.2f} GB")


def _growth() -> Iterator[Finding]:
    daily, disk = operations.daily_growth(), operations.disks()[0]
    if not settings.DATABASES["default"]["HOST"].startswith("/"):
        # It is on another machine, whose disk is not ours to see.
        return
    if daily and disk.free >= _SCARCE and disk.free / daily < _DAYS_LEFT:
        yield Finding(
            "disk",
            "warning",
            f"At {daily / GIGABYTE:.2f} GB a day the disk is full in {disk.free / daily:.0f} days.",
            "Make room, or shorten what is kept.",
        )


def _memory() -> Iterator[Finding]:
    if not settings.DATABASES["default"]["HOST"].startswith("/"):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_bytes(current_setting('shared_buffers')), pg_database_size(current_database())")
        kept, size = cursor.fetchone()
    if better := better_buffers(kept, size, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        said = f"The database keeps {kept / 2**20:,.0f} MB of its {size / GIGABYTE:,.1f} GB in memory of its own."
        yield Finding("database", "warning", said, f"Set DATABASE_BUFFERS_MB={better}, if nothing else needs it.")


def better_buffers(kept: int, size: int, memory: int) -> int | None:
    """MB in which an embedded database of this size had better keep its pages; None when it has enough, or the machine
    too little. All in bytes: what it keeps them in, how large it is, the memory of the machine."""
    better = min(memory // 16, size // 16) // 2**20
    return better if kept * 100 < size and kept * 2 < better * 2**20 else None


def _clock() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        told, after = cursor.fetchone()[0], timezone.now()
    skew = (before - told).total_seconds() if told < before else (told - after).total_seconds() if told > after else 0.0
    if skew > _SKEW:
        yield Finding("clock", "wrong", f"This machine and the database differ by {skew:.0f} s.", "Run NTP on both.")
    else:
        yield Finding("clock", "well", f"{told:%Y-%m-%d %H:%M:%S} UTC, and the database agrees")


def _months() -> Iterator[Finding]:
    month = partitions.month_of(timezone.now())
    wanted = [partitions.named("generation", one) for one in (month, partitions.next_month(month))]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM unnest(%s::text[]) AS t(name) WHERE to_regclass(name) IS NULL", [wanted])
        if cursor.fetchone()[0]:
            yield Finding(
                "months",
                "warning",
                "The tables of this month or the next are not made yet.",
                "Beat makes them every ten minutes: see that it runs.",
            )


def _keys() -> Iterator[Finding]:
    if count := providers.unreadable():
        yield Finding(
            "keys",
            "wrong",
            f"{count} of the keys of providers cannot be read: kept under another SECRET_KEY.",
            "Set the one of before: it stands in secret-key of the first machine's DATA_DIR, and of a backup.",
        )


def _connections() -> Iterator[Finding]:
    now = operations.connections()
    if now.used > 0.8 * now.most:
        yield Finding(
            "connections",
            "warning",
            f"{now.used} of {now.most} are in use.",
            "Lower DATABASE_POOL_SIZE, or allow more.",
        )
    else:
        yield Finding("connections", "well", f"{now.used} of {now.most} in use")


def _jobs() -> Iterator[Finding]:
    waiting = [queue for queue in operations.queues() if queue.state == "queued"]
    oldest = min((queue.oldest for queue in waiting), default=None)
    count = sum(queue.count for queue in waiting)
    if oldest is not None and timezone.now() - oldest > _WAITED_LONG:
        minutes = (timezone.now() - oldest).total_seconds() / 60
        yield Finding(
            "jobs", "wrong", f"{count} wait, the oldest for {minutes:,.0f} minutes.", "See that a worker and beat run."
        )
    else:
        yield Finding("jobs", "well", f"{count} wait")
    for one in operations.failed():
        yield Finding(
            "failures",
            "warning",
            f"{one.count} of kind {one.kind} failed within a day, the last at {one.last:%H:%M} UTC: {one.said[:_SAID]}",
            "Each tells why on its page; the admin site lists those of all projects.",
        )


def _sums() -> Iterator[Finding]:
    hours = operations.hours_to_sum_up()
    level: Level = "warning" if hours > 1_000 else "well"
    said = "1 hour is to be summed up" if hours == 1 else f"{hours:,} hours are to be summed up"
    yield Finding("sums", level, said, "See that a worker and beat run; it catches up.")


def _broker() -> Iterator[Finding]:
    options: dict[str, Any] = dict(getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {}))
    if options:
        folders = [Path(options[name]) for name in ("data_folder_in", "processed_folder", "control_folder")]
        refused = [found for folder in folders if folder.is_dir() and (found := _written(folder, "broker")).todo]
        yield from refused[:1] or [Finding("broker", "well", f"the folder {folders[0]}")]
        return
    where = urlsplit(settings.CELERY_BROKER_URL)
    if where.scheme not in _BROKERS:
        todo = "CELERY_BROKER_URL begins with redis:// or amqp://; without one, a folder is the queue."
        yield Finding("broker", "wrong", f"{where.scheme or 'A broker without a name'}:// is no broker.", todo)
        return
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=3) as asked:
            asked.ensure_connection(max_retries=1, timeout=3, errback=None)
    except (OSError, OperationalError) as error:
        yield Finding(
            "broker", "wrong", f"{where.hostname} does not answer: {error}", "Start it, or correct CELERY_BROKER_URL."
        )
    else:
        yield Finding("broker", "well", f"{where.scheme} on {where.hostname}")


def _is_bucket() -> bool:
    return "bucket_name" in settings.STORAGES["default"].get("OPTIONS", {})


def _mending(error: OSError) -> str:
    if not _is_bucket():
        return _to_write_again(error) or f"Let this user write to {settings.MEDIA_ROOT}."
    return _MENDING.format(settings.STORAGES["default"]["OPTIONS"]["bucket_name"])


def _storage() -> Iterator[Finding]:
    key = f"doctor/{uuid.uuid4().hex}"
    try:
        kept = default_storage.save(key, ContentFile(b"probe"))
        with default_storage.open(kept) as content:
            same = content.read() == b"probe"
        default_storage.delete(kept)
    except OSError as error:
        yield Finding("storage", "wrong", f"A file could not be kept: {error}", _mending(error))
        return
    if same:
        yield Finding("storage", "well", "a file was kept, read and removed")
    else:
        yield Finding("storage", "wrong", "A file came back changed.", "See the bucket's settings.")


def _export_buckets() -> Iterator[Finding]:
    """Whether scheduled exports may write to their buckets: they may be let do nothing else there."""
    if not settings.EXPORT_BUCKETS:
        return
    # Some 30 MB that only those need who have buckets.
    from generations.buckets import Bucket

    for name in settings.EXPORT_BUCKETS:
        bucket = Bucket(bucket_name=name, endpoint_url=settings.STORAGE_ENDPOINT_URL or None)
        try:
            bucket.save("doctor/probe", ContentFile(b"probe"))
        except OSError as error:
            yield Finding("exports", "wrong", f"Exports cannot be put into {name}: {error}", _MENDING.format(name))
            continue
        with suppress(OSError):
            bucket.delete("doctor/probe")
        yield Finding("exports", "well", f"the bucket {name} takes files")


def _processes() -> Iterator[Finding]:
    parts = operations.parts()
    if not parts:
        yield Finding("processes", "well", "`manage.py up` does not run here; its processes are not looked for")
    for name, state in parts.items():
        if state != "ready":
            yield Finding("processes", "wrong", f"{name} is {state}.", "The log of `manage.py up` says why.")
    if parts and all(state == "ready" for state in parts.values()):
        yield Finding("processes", "well", f"{', '.join(parts)} {'are' if len(parts) > 1 else 'is'} ready")
