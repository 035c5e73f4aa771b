"""Puts a backup back into an empty DATA_DIR, or an empty database that DATABASE_URL names."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from generations.management import restoring


class Command(BaseCommand):
    """`manage.py restore`, for `manage.py help` and `call_command`: manage.py itself begins it without Django."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        restoring.add_arguments(parser)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        sys.exit(restoring.main([str(folder)]))
