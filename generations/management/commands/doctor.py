"""Checks settings, folder, disk, database, clock, broker, storage and processes, and says what to do."""

import json
import os
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand

from generations import doctor

_MARKS: Final = {"well": "ok     ", "warning": "warning", "wrong": "WRONG  "}


class Command(BaseCommand):
    """`manage.py doctor`: ends with 1 when something is wrong. Changes nothing."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a finding and line")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        try:
            for finding in doctor.examine():
                found.append(finding)
                self._tell(finding, as_json=options["json"])
            self.stdout.flush()
        except BrokenPipeError:
            # Whoever reads it, `head` say, has seen enough; nor is anything left to be written at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if any(finding.level == "wrong" for finding in found):
            sys.exit(1)

    def _tell(self, finding: doctor.Finding, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(asdict(finding)))
            return
        self.stdout.write(f"{_MARKS[finding.level]}  {finding.check:<12} {finding.said}")
        if finding.level != "well" and finding.todo:
            self.stdout.write(f"{'':23}{finding.todo}")
