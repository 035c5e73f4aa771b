"""Follow the rules of retention now: `manage.py retention [--project SLUG] [--dry-run]`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations import retention
from generations.models import Project


class Command(BaseCommand):
    """Expires what is due, or with `--dry-run` counts it, and prints the report as JSON, a line a project."""

    help = "Expire what the rules of retention say, in one project or in all that have rules."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, and whether to count alone."""
        parser.add_argument("--project", help="The slug of one project; without it all that have rules.")
        parser.add_argument("--dry-run", action="store_true", help="Count what is due and expire nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow the rules of each project in turn."""
        projects = Project.objects.filter(retention_rules__isnull=False).distinct()
        if options["project"]:
            projects = Project.objects.filter(slug=options["project"])
            if not projects:
                raise CommandError(f"--project: there is no project '{options['project']}'.")
        if not projects:
            self.stderr.write("No project has rules of retention, so nothing is due: they are made in its settings.")
        for project in projects:
            report = retention.plan(project, is_dry=options["dry_run"])
            self.stdout.write(json.dumps({"project": project.slug, **report.document()}))
