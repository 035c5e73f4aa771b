"""Print the GraphQL schema, as it is committed: `manage.py print_schema > generations/graphql/schema.graphql`."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

# By name and not by import: a command is a door too, and doors do not know each other.
SCHEMA: Final = "generations.graphql.schema"


class Command(BaseCommand):
    """Writes the schema to the standard output, or with `--write` to the committed file."""

    help = "Print the schema of /graphql/ as text."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """One switch."""
        parser.add_argument("--write", action="store_true", help="Write it to the file that is committed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print or write."""
        schema = import_module(SCHEMA)
        if options["write"]:
            schema.COMMITTED.write_text(schema.printed(), encoding="utf-8")
        else:
            self.stdout.write(schema.printed(), ending="")
