"""Writes a believable week of calls into a project, to look around in or to load it."""

import datetime as dt
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generations import demo, moments
from generations.management import projects
from generations.management.progress import Progress


class Command(BaseCommand):
    """`manage.py seed`: the same arguments write the same rows, so that running it twice adds none."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        projects.add_argument(parser)
        parser.add_argument("--generations", type=int, default=demo.DEFAULT_GENERATIONS, metavar="N")
        parser.add_argument("--days", type=int, default=demo.DEFAULT_DAYS, metavar="N")
        parser.add_argument("--now", metavar="ISO", help="when the week ends; the last full hour when left out")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another number makes another week")

    def handle(
        self, *args: Any, project: str | None, generations: int, days: int, now: str | None, seed: int, **options: Any
    ) -> None:
        grant = projects.grant(project)
        bar, began = Progress(sys.stderr, generations), time.monotonic()
        try:
            seeded = demo.seed(
                grant,
                generations=generations,
                days=days,
                now=_moment(now),
                number=seed,
                progress=lambda so_far: bar.show(so_far.generations, f"{so_far.generations} generations"),
            )
        except ValueError as problem:
            raise CommandError(str(problem)) from None
        seconds = time.monotonic() - began
        bar.close(f"{seeded.generations} generations")
        counts = ", ".join(f"{count} {kind}s" for kind, count in sorted(seeded.kinds.items()))
        known = f" ({seeded.known} were there already)" if seeded.known else ""
        self.stdout.write(f"Recorded in project {grant.project.slug} in {seconds:.1f} s: {counts}{known}.")


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return moments.read(text)
    except ValueError:
        raise CommandError(f"--now: {text!r} is not a time in ISO 8601, such as 2026-05-04T12:00:00Z") from None
