"""The end of an export: a checksum that is its file's, and nothing where it was not to be."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from generations import datasets, exporting, jobs, recording
from generations.access import Grant
from generations.datasets import NewItem
from generations.models import ExportSchedule, Job
from tests.exports import content, export, folder, grant, left_behind, lines, plain
from tests.scheduling import files, root, schedule

__all__ = ["folder", "grant", "root", "schedule"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def at_its_end(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the row of the job that is about to finish."""
    finish = jobs.Lease.finish

    def change(**values: Any) -> None:
        def late(lease: jobs.Lease, *given: Any, **named: Any) -> None:
            Job.objects.filter(pk=lease.job.pk).update(**values)
            finish(lease, *given, **named)

        monkeypatch.setattr(jobs.Lease, "finish", late)

    return change


@pytest.mark.parametrize("format", ["jsonl", "jsonl.gz", "csv", "csv.zst", "parquet"])
def test_checksum_and_size_are_those_of_the_file(grant: Grant, format: str) -> None:
    recording.record(grant.project, [plain(n) for n in range(7)])

    job = export(grant, format=format)

    told = exporting.manifest_of(job)
    assert told["sha256"] == job.result["sha256"] == hashlib.sha256(content(job)).hexdigest()
    assert (told["bytes"], told["rows"]) == (len(content(job)), 7)


@pytest.mark.parametrize("values", [{"cancel_requested_at": Now()}, {"leased_by": "another"}])
def test_a_file_that_is_stored_when_its_job_is_not_to_finish_is_taken_back(
    grant: Grant, at_its_end: Callable[..., None], values: dict[str, Any]
) -> None:
    recording.record(grant.project, [plain(1)])
    at_its_end(**values)

    job = export(grant)

    assert job.state == ("cancelled" if "cancel_requested_at" in values else "running")
    assert left_behind() == []


def test_a_file_that_was_delivered_when_its_run_is_cancelled_is_withdrawn(
    grant: Grant, schedule: ExportSchedule, root: Path, at_its_end: Callable[..., None]
) -> None:
    recording.record(grant.project, [plain(1)])
    at_its_end(cancel_requested_at=Now())
    job = exporting.schedules.run_now(grant, schedule.pk)

    assert job is not None and exporting.run(job.pk)

    job.refresh_from_db()
    assert (job.state, files(root)) == ("cancelled", [])


def test_items_are_those_of_the_version_that_is_named(grant: Grant) -> None:
    made = datasets.create(grant, name="Golden")
    one, _ = datasets.add_items(grant, str(made.pk), [NewItem(input={"n": n}) for n in (1, 2)])
    datasets.remove_items(grant, str(made.pk), [str(one.pk)])
    versions = {}
    for version in (1, 2, 3):
        job = export(grant, kind="datasets", version=version)
        versions[version] = sorted(line["input"]["n"] for line in lines(job))

    assert versions == {1: [], 2: [1, 2], 3: [2]}
