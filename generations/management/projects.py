"""The project that a command works on, named by its slug or the only one there is."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError

from generations import access
from generations.access import Grant
from generations.models import Project


def add_argument(parser: ArgumentParser) -> None:
    """Adds `--project SLUG` to a command."""
    parser.add_argument("--project", metavar="SLUG", help="the project; may be left out when there is only one")


def grant(slug: str | None) -> Grant:
    """A grant for a command run by whoever runs the server. Raises CommandError naming the projects there are."""
    slugs = list(Project.objects.order_by("slug").values_list("slug", flat=True)[:50])
    if not slugs:
        raise CommandError("There is no project yet: start once with `python manage.py up`, which makes one.")
    if slug is None and len(slugs) > 1:
        raise CommandError(f"Say which project with --project; there are: {', '.join(slugs)}.")
    project = Project.objects.filter(slug=slug or slugs[0]).first()
    if project is None:
        raise CommandError(f"There is no project '{slug}'; there are: {', '.join(slugs)}.")
    return access.of_system(project)
