"""Copies everything that is kept into a folder, while Generations runs or while it does not."""

import datetime as dt
import json
import shutil
import tempfile
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from generations.management import backups, embedded, lifetimes, places, supervising


class Command(BaseCommand):
    """`manage.py backup`: the folder is whole or not there."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, nargs="?", help="a folder that does not exist yet; named by the time")
        parser.add_argument("--without-files", action="store_true", help="leave the attachments out")
        parser.add_argument(
            "--without-secret-key", action="store_true", help="leave it out; stored credentials need it to be read"
        )
        parser.add_argument(
            "--verify", action="store_true", help="restore it into a database of its own, count the rows, throw it away"
        )

    def handle(
        self,
        *args: Any,
        folder: Path | None,
        without_files: bool,
        without_secret_key: bool,
        verify: bool,
        **options: Any,
    ) -> None:
        began, now = time.monotonic(), timezone.now()
        folder = folder or Path(f"generations-backup-{now:%Y%m%dT%H%M%SZ}")
        if folder.exists():
            raise CommandError(f"{folder} exists. Name a folder that does not: a backup is never written over another.")
        lifetimes.stop_by_signals()
        try:
            with backups.one_at_a_time(settings.DATA_DIR), ExitStack() as unless_whole:
                unfinished = folder.with_name(f"{folder.name}.unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)  # of one that was killed
                unfinished.mkdir(parents=True, mode=0o700)
                unless_whole.callback(shutil.rmtree, unfinished, ignore_errors=True)
                manifest = self._make(unfinished, now, with_files=not without_files, with_key=not without_secret_key)
                if verify:
                    _verify(unfinished, manifest)
                unfinished.rename(folder)
                unless_whole.pop_all()
        except lifetimes.Stop:
            raise CommandError("The backup was broken off, and nothing of it is left.") from None
        except (backups.BackupError, embedded.CannotStart, supervising.Refusal, psycopg.Error, OSError) as problem:
            raise CommandError(str(problem)) from problem
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self.stdout.write(
            f"Backed up {sum(manifest['rows'].values()):,} rows and {manifest['files']:,} files to {folder}"
            f" ({size / 1e6:,.1f} MB) in {time.monotonic() - began:.1f} s{', restored and counted' if verify else ''}."
        )
        for key in manifest["missing"]:
            self.stderr.write(f"Not in the storage, and so not in the backup: {key}")

    def _make(self, folder: Path, now: dt.datetime, *, with_files: bool, with_key: bool) -> dict[str, Any]:
        with backups.database(settings.DATA_DIR) as url, psycopg.connect(url) as connection:
            # Rows, files and the dump are of one moment, whatever is written meanwhile.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            found: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
            server = connection.info.server_version
            arguments = ["--format=custom", "--compress=3", "--no-owner", "--no-privileges", f"--snapshot={found[0]}"]
            if server >= 170_000:
                # Counters of this server, and not every other has the extension.
                arguments.append("--exclude-extension=pg_stat_statements")
            backups.run("pg_dump", [*arguments, f"--file={folder / backups.DUMP}"], url, server)
            count, missing = _copy_files(connection, folder) if with_files else (0, [])
            if not with_files:
                (folder / backups.LISTING).touch()
            parts = [backups.DUMP, backups.LISTING]
            if with_key and places.secret_key(settings.DATA_DIR).is_file():
                shutil.copy(places.secret_key(settings.DATA_DIR), folder / backups.KEY)
                parts.append(backups.KEY)
            manifest = {
                "format": backups.FORMAT,
                "made_at": now.isoformat(timespec="seconds"),
                "postgresql": server,
                "rows": backups.rows(connection),
                "files": count,
                "missing": missing,
                "parts": {name: backups.about(folder / name) for name in parts},
            }
        (folder / backups.MANIFEST).write_text(json.dumps(manifest, indent=2))
        return manifest


def _copy_files(connection: psycopg.Connection[Any], folder: Path) -> tuple[int, list[str]]:
    """Copy every attachment's file; returns how many, and the keys of those that are not in the storage."""
    count, missing = 0, []
    # Files do not change once a row names them, so that copying them later than the dump copies the same.
    with connection.cursor("files") as cursor, (folder / backups.LISTING).open("w") as listing:
        cursor.execute(
            "SELECT DISTINCT storage_key FROM attachment WHERE starts_with(storage_key, 'attachments/') ORDER BY 1"
        )
        for (key,) in cursor:
            if ".." in key.split("/"):
                continue
            try:
                with default_storage.open(key) as content:
                    size, digest = backups.copy(content, folder / backups.FILES / key)
            except FileNotFoundError:
                missing.append(key)
                continue
            listing.write(json.dumps({"key": key, "bytes": size, "sha256": digest}) + "\n")
            count += 1
    return count, missing


def _verify(folder: Path, manifest: dict[str, Any]) -> None:
    """Restore the database into an embedded one of its own and count. Raises BackupError when anything is missing."""
    backups.read(folder)
    with tempfile.TemporaryDirectory(prefix="generations-verify-") as scratch:
        server = embedded.Server(Path(scratch), durable=False)
        server.start()
        try:
            backups.put_back(folder, manifest, server.url)
        finally:
            server.stop()
