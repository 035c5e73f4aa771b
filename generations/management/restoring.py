"""Puts a backup back into an empty place: checks all of it, then the database, the files and the secret key."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from generations.management import backups, embedded, places, supervising


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `manage.py restore` understands."""
    parser.add_argument("folder", type=Path, help="what `manage.py backup` made")


def main(arguments: list[str]) -> int:
    """Restore into DATA_DIR, and DATABASE_URL when it is set; returns the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py restore", description=__doc__)
    add_arguments(parser)
    folder: Path = parser.parse_args(arguments).folder
    data_dir = places.data_dir()
    os.environ["DATA_DIR"] = str(data_dir)
    began = time.monotonic()
    try:
        manifest = backups.read(folder)
        with ExitStack() as held:
            held.enter_context(supervising.only_one(data_dir))
            key = _secret_key(folder, data_dir)
            if not os.environ.get("DATABASE_URL"):
                server = embedded.Server(data_dir)
                held.callback(server.stop)
                server.start()
            backups.put_back(folder, manifest, backups.database_url(data_dir))
            if key is not None:
                places.keep_secret_key(data_dir, key)
            supervising.make_secret_key(data_dir)
            _put_files(folder)
    except (
        backups.BackupError,
        supervising.Refusal,
        embedded.CannotStart,
        OSError,
        psycopg.OperationalError,
    ) as refused:
        print(f"The backup was not restored. {refused}", file=sys.stderr)
        return 1
    told = sum(manifest["rows"].values())
    print(
        f"Restored the backup of {manifest['made_at']} in {time.monotonic() - began:.1f} s: {told:,} rows in"
        f" {len(manifest['rows'])} tables, as many as were backed up, and {manifest['files']:,} files."
    )
    return 0


def _secret_key(folder: Path, data_dir: Path) -> str | None:
    """The backup's secret key, when this folder is to get it. A folder that has another is somebody's: BackupError."""
    kept, there = folder / backups.KEY, places.secret_key(data_dir)
    if os.environ.get("SECRET_KEY") or not kept.is_file():
        return None
    key = kept.read_text().strip()
    if not there.exists():
        return key
    if there.read_text().strip() != key:
        raise backups.BackupError(
            f"{there} is not the backup's secret key, without which its stored credentials cannot be read."
            " Restore into a new DATA_DIR."
        )
    return None


def _put_files(folder: Path) -> None:
    """Give the files to the storage that the settings name, then apply the migrations that the backup lacks, and say of
    exports that their files are gone."""
    import django

    django.setup()
    from django.core.files import File
    from django.core.files.storage import default_storage
    from django.core.management import call_command

    for said in backups.listing(folder):
        if not default_storage.exists(said["key"]):
            with (folder / backups.FILES / said["key"]).open("rb") as content:
                default_storage.save(said["key"], File(content))
    call_command("prepare")
    from generations import exporting

    exporting.forget_lost()
