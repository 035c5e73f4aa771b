"""What tests of scheduled exports share: a root to deliver to, a schedule, and a run of it."""

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from generations import exporting
from generations.access import Grant
from generations.exporting import schedules
from generations.models import ExportSchedule, Job
from tests.exports import folder, grant

__all__ = ["folder", "grant"]
SAID = {"name": "Nightly calls", "destination": "nightly", "fields": ["id"]}


@pytest.fixture
def root(folder: Path, settings: Settings) -> Path:
    settings.EXPORT_FOLDER = folder / "scheduled"
    return folder / "scheduled"


@pytest.fixture
def schedule(grant: Grant, root: Path) -> ExportSchedule:
    return schedules.create(grant, SAID)


def run(grant: Grant, schedule: ExportSchedule) -> Job:
    job = schedules.run_now(grant, schedule.pk)
    assert job is not None and exporting.run(job.pk)
    job.refresh_from_db()
    return job


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def delivered(root: Path, job: Job) -> list[str]:
    return [json.loads(line)["id"] for line in (root / job.result["delivered"]).read_text().splitlines()]
