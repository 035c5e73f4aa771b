"""Spreads the tables of events over a Citus cluster, by project; --plan only says how, and what stands in the way."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generations import distribution


class Command(BaseCommand):
    """`manage.py distribute`: all tables or none; ends with 1 when it cannot."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", action="store_true", help="change nothing: print the statements")

    def handle(self, *args: Any, plan: bool, **options: Any) -> None:
        if plan:
            self._plan()
            return
        try:
            spread = distribution.distribute(self.stdout.write)
        except distribution.CannotDistribute as error:
            raise CommandError(str(error)) from error
        for one in spread:
            self.stdout.write(f"{one.table}: {one.rows:,} rows")
        self.stdout.write("The tables are spread." if spread else "The tables are spread already.")

    def _plan(self) -> None:
        in_the_way = distribution.obstacles()
        for one in in_the_way:
            self.stdout.write(f"-- refused: {one}")
        self.stdout.write("BEGIN;")
        for statement in distribution.statements():
            self.stdout.write(f"{statement};")
        self.stdout.write("COMMIT;")
        for statement in distribution.afterwards():
            self.stdout.write(f"{statement};")
        self.stdout.write("-- every other table stays on the coordinator")
        try:
            distribution.need_extension()
        except distribution.CannotDistribute as error:
            self.stdout.write(f"-- not yet: {error}")
        if in_the_way:
            raise CommandError(f"A cluster would refuse {len(in_the_way)} of these.")
