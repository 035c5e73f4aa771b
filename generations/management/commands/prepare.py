"""Brings the database up to date and makes the first project, owner and key; `up` runs it at each start."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

# Any number, the same for all who prepare one database.
_LOCK = 7_236_531_001
# The settings that the supervisor goes by.
_TOLD = (
    *("HOST", "PORT", "PUBLIC_URL", "DATABASE_LOG_MB", "DATABASE_BUFFERS_MB"),
    *("WEB_PROCESSES", "WEB_THREADS", "GATEWAY_STREAMS"),
)


class Command(BaseCommand):
    """`manage.py prepare`: may run any number of times, and in several places at once."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--for-supervisor",
            action="store_true",
            help="talk to the supervisor: tell the settings, wait for a line, tell what was made, in JSON",
        )

    def handle(self, *args: Any, for_supervisor: bool, **options: Any) -> None:
        for guess in settings.MISSPELT:
            self.stderr.write(guess)
        if for_supervisor:
            # Loaded while the database starts; the supervisor says when that is done.
            self._tell({name: getattr(settings, name) for name in _TOLD})
            if not sys.stdin.readline():
                return
        from generations import suitability

        # Before anything is claimed for a session, which might stay so.
        if pooler := suitability.pooler():
            raise CommandError(f"{pooler.said} {pooler.todo}")
        with _alone():
            _migrate()
            _count_statements()
            from generations import access

            try:
                made = access.bootstrap(settings.BOOTSTRAP_API_KEY or None, settings.BOOTSTRAP_PASSWORD or None)
            except ValidationError as error:
                raise CommandError(f"BOOTSTRAP_PASSWORD cannot be used. {' '.join(error.messages)}") from None
        if for_supervisor:
            self._tell({"made": asdict(made) if made else None})
        elif made:
            self.stdout.write(f"Project: {made.project_name}\nUser name: {made.username}\nPassword: {made.password}")
            self.stdout.write(f"API key: {made.api_key}\nThey are shown only this once.")

    def _tell(self, what: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(what))
        self.stdout.flush()


@contextmanager
def _alone() -> Iterator[None]:
    """One after the other, when several machines start at once."""
    with connection.cursor() as cursor:
        # Asked for again and again, not waited for: who waits inside PostgreSQL holds up
        # CREATE INDEX CONCURRENTLY, and with it the migration that is waited for.
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if cursor.fetchone() == (True,):
                break
            time.sleep(0.2)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _migrate() -> None:
    """Apply what is missing. Nothing missing costs two queries, and is nothing that the database could refuse."""
    from generations import suitability

    if newer := suitability.newer():
        raise CommandError(f"{newer.said} {newer.todo}")
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        if lacks := suitability.lacks():
            raise CommandError(" ".join(f"{one.said} {one.todo}" for one in lacks))
        call_command("migrate", interactive=False, verbosity=0)


def _count_statements() -> None:
    """Make the counters of statements readable, where the server keeps them and lets us."""
    with connection.cursor() as cursor:
        # CASE, because AND promises no order: to others the second question is refused with an error.
        cursor.execute(
            "SELECT CASE WHEN rolsuper THEN current_setting('shared_preload_libraries') LIKE '%%pg_stat_statements%%'"
            " AND EXISTS (SELECT FROM pg_available_extensions"
            " WHERE name = 'pg_stat_statements' AND installed_version IS NULL)"
            " END FROM pg_roles WHERE rolname = current_user"
        )
        if cursor.fetchone() == (True,):
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
