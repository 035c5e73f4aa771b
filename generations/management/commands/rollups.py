"""Makes the rollups of hours that changed, as the worker does every few seconds; or all of them anew."""

import math
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generations import rollups
from generations.management import projects


class Command(BaseCommand):
    """`manage.py rollups`: safe at any time; answers are complete before, during and after it."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="distrust all rollups first")
        parser.add_argument("--project", help="with --rebuild: of this project only, by its slug")

    def handle(self, *args: Any, rebuild: bool, project: str | None, **options: Any) -> None:
        if project is not None and not rebuild:
            raise CommandError("--project goes with --rebuild: marked hours are made for all projects.")
        if rebuild:
            only = None if project is None else projects.grant(project).project
            self.stdout.write(f"Marked {rollups.rebuild(only):,} hours to be made anew.")
        self.stdout.write(f"Made the rollups of {rollups.compact(seconds=math.inf):,} hours.")
