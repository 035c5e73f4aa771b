"""Runs everything: database, migrations, web, worker and beat, until it is told to stop."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from generations.management import supervising


class Command(BaseCommand):
    """`manage.py up`, for `manage.py help` and `call_command`: manage.py itself skips Django for it."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        supervising.add_arguments(parser)

    def handle(self, *args: Any, demo: bool, only: list[str] | None, **options: Any) -> None:
        parts = [f"--only={part}" for part in only or ()]
        sys.exit(supervising.main([*(["--demo"] if demo else []), *parts]))
