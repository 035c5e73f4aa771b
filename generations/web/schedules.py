"""Scheduled exports as the page of exports shows them."""

from __future__ import annotations

import uuid
import zoneinfo
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict

from generations import exporting, filters
from generations.access import Grant, Scope
from generations.exporting import schedules
from generations.exporting.changes import KINDS as WITH_CHANGES
from generations.filters import BadFilter
from generations.models import ExportSchedule, Job
from generations.web import stale

RUNS: Final = 5
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule as the page shows it."""

    row: ExportSchedule
    sentence: str
    when: str
    runs: list[Job]
    as_of: str


@dataclass(frozen=True, slots=True)
class Given:
    """What was sent of a schedule and could not be kept, with why: of a new one, or of the one with this id."""

    fields: QueryDict
    problem: str
    of: uuid.UUID | None = None

    @property
    def row(self) -> dict[str, Any]:
        """It as the form shows a row."""
        weekday = self.fields.get("weekday", "")
        return self.fields.dict() | {"weekday": next((n for n, _ in enumerate(WEEKDAYS) if str(n) == weekday), 0)}


def context(grant: Grant, given: Given | None = None) -> dict[str, Any]:
    """What the page's part about schedules needs, in two queries however many there are."""
    found = schedules.every(grant)
    runs: dict[uuid.UUID | None, list[Job]] = {}
    for job in schedules.last_runs(grant, RUNS):
        runs.setdefault(job.schedule_id, []).append(job)
    return {
        "schedules": [Shown(row, _sentence(row), _when(row), runs.get(row.pk, []), as_of(row)) for row in found],
        "given": given,
        "new_problem": given.problem if given and given.of is None else "",
        "new_schedule": given.row if given and given.of is None else None,
        "kinds": exporting.KINDS,
        "formats": exporting.FORMATS,
        "compressions": exporting.COMPRESSIONS,
        "everies": ExportSchedule.Every.choices,
        "weekdays": list(enumerate(WEEKDAYS)),
        "zones": sorted(zoneinfo.available_timezones()) if grant.may(Scope.ADMIN) else [],
        "with_changes": ", ".join(WITH_CHANGES),
    }


def as_of(row: ExportSchedule) -> str:
    """What the form of a schedule is filled with, in a word."""
    content = (row.name, row.destination, row.format, row.compression)
    return stale.mark(*content, row.every, row.hour, row.minute, row.weekday, row.zone)


def _sentence(row: ExportSchedule) -> str:
    try:
        condition = filters.from_document(row.kind, row.filter)
    except BadFilter:
        return "a filter of an earlier version"
    return filters.sentence(row.kind, condition) if condition else f"all {row.kind}"


def _when(row: ExportSchedule) -> str:
    if row.every == ExportSchedule.Every.HOUR:
        return f"every hour at :{row.minute:02}"
    day = "every day" if row.every == ExportSchedule.Every.DAY else f"every {WEEKDAYS[row.weekday]}"
    return f"{day} at {row.hour:02}:{row.minute:02} {row.zone}"
