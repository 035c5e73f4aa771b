"""What the tests of recording share: a moment, and short ways to look at what came out."""

import datetime as dt

from generations import recording
from generations.models import Generation, Project

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)


def one(project: Project, id: str = "g1") -> Generation:
    row: Generation = Generation.objects.in_project(project.pk).get(public_id=id)
    return row


def states(receipts: list[recording.Receipt]) -> list[str]:
    return [receipt.state for receipt in receipts]
