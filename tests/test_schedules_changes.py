"""Incremental exports hold what was recorded or changed since the last one, and miss nothing."""

import datetime as dt
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from generations import access, exporting, recording, retention
from generations.access import Grant
from generations.exporting import schedules
from generations.models import Attachment, Feedback, Generation, Job, Score
from generations.records import AttachmentRecord, FeedbackRecord, ParticipantRecord, ScoreRecord
from tests.exports import before_each_batch, folder, grant, plain
from tests.scheduling import SAID, delivered, root, run, schedule

__all__ = ["folder", "grant", "root", "schedule"]
pytestmark = pytest.mark.django_db


def age(grant: Grant) -> None:
    """Let everything have been written ten minutes ago: well before a run that begins now."""
    written = timezone.now() - dt.timedelta(minutes=10)
    for model in (Generation, Score, Feedback, Attachment):
        model._default_manager.filter(project_id=grant.project.pk).update(updated_at=written)


@pytest.mark.parametrize("few", [20_000, 2])
def test_an_incremental_run_holds_what_was_recorded_or_changed_since(
    grant: Grant, root: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("generations.exporting.changes._FEW", few)
    project = grant.project
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(project, [plain(n) for n in range(6)])
    age(grant)

    first = run(grant, schedule)
    recording.record(project, [plain(6), plain(1, completion="changed"), plain(2)])
    recording.record(project, [ScoreRecord(id="s", name="q", value=1, generation_id="g00003")])
    old = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    recording.record(project, [FeedbackRecord(id="f", rating=5, generation_id="g00004", created_at=old)])
    recording.record(project, [AttachmentRecord(id="a", url="https://x.test", generation_id="g00005", created_at=old)])
    second = run(grant, schedule)
    age(grant)
    third = run(grant, schedule)

    assert delivered(root, first) == [f"g{n:05}" for n in range(6)]
    assert exporting.manifest_of(first)["changedSince"] is None
    # g00002 came again and said nothing new.
    assert delivered(root, second) == ["g00001", "g00003", "g00004", "g00005", "g00006"]
    assert exporting.manifest_of(second)["changedSince"] is not None
    assert (third.state, third.result["rows"]) == ("done", 0)


def test_a_run_that_is_made_again_holds_changes_since_the_same_moment(grant: Grant, root: Path) -> None:
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(grant.project, [plain(1)])
    age(grant)
    run(grant, schedule)
    recording.record(grant.project, [plain(2)])
    second = run(grant, schedule)

    again = exporting.again(grant, second.pk)

    assert again is not None
    assert second.parameters["since"]
    assert again.parameters["since"] == second.parameters["since"]
    assert exporting.again(grant, again.pk) is not None


def test_a_run_that_failed_is_made_good_by_the_next(grant: Grant, root: Path) -> None:
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    run(grant, schedule)
    recording.record(grant.project, [plain(1)])
    job = schedules.run_now(grant, schedule.pk)
    assert job is not None
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED)
    recording.record(grant.project, [plain(2)])

    assert delivered(root, run(grant, schedule)) == ["g00001", "g00002"]


@pytest.mark.django_db(transaction=True)
def test_what_an_open_transaction_writes_during_a_run_is_in_the_next_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It has been open for longer than clocks may differ.
    monkeypatch.setattr("generations.exporting.snapshots.MARGIN", dt.timedelta(seconds=1))
    grant = access.of_system(access.create_project("Late"))
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    writing, go_on = threading.Event(), threading.Event()

    def write_late() -> None:
        with transaction.atomic():
            recording.record(grant.project, [plain(1)])
            writing.set()
            go_on.wait(60)
        connection.close()

    thread = threading.Thread(target=write_late)
    thread.start()
    assert writing.wait(60)
    time.sleep(1.1)
    try:
        first = run(grant, schedule)
    finally:
        go_on.set()
        thread.join()
    schedule.refresh_from_db()

    assert delivered(root, first) == []
    row = Generation.objects.in_project(grant.project.pk).get()
    assert schedule.complete_until is not None and schedule.complete_until <= row.updated_at
    assert delivered(root, run(grant, schedule)) == ["g00001"]


def test_a_change_of_what_is_exported_begins_anew(grant: Grant, root: Path) -> None:
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(grant.project, [plain(1)])
    age(grant)
    run(grant, schedule)

    schedules.change(grant, schedule.pk, {"hour": 5})
    assert delivered(root, run(grant, schedule)) == []
    under_way = schedules.run_now(grant, schedule.pk)
    schedules.change(grant, schedule.pk, {"filter": {"id": {"$ne": "x"}}})
    assert under_way is not None and exporting.run(under_way.pk)

    # The run of before does not say that this one has been.
    assert delivered(root, run(grant, schedule)) == ["g00001"]


def test_an_export_reads_nothing_while_an_erasure_waits_for_an_import(
    grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record(grant.project, [plain(1), plain(2, user_id="mia")])
    imported = Job.objects.create(project=grant.project, kind=Job.Kind.IMPORT, state=Job.State.RUNNING)
    erasure, job = retention.erase(grant, "mia"), exporting.start(grant)
    read: list[int] = []

    before_each_batch(monkeypatch, read.append)
    assert retention.run_erasure(erasure.pk)
    assert exporting.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts, read) == ("queued", 0, [])

    Job.objects.filter(pk=imported.pk).update(state=Job.State.DONE)
    assert retention.run_erasure(erasure.pk)
    assert exporting.run(job.pk)
    job.refresh_from_db()
    assert (job.state, read) == ("done", [1])


def test_an_erasure_in_the_middle_makes_the_export_begin_anew(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.record(grant.project, [ParticipantRecord(id="mia"), *(plain(n) for n in range(6))])
    recording.record(grant.project, [plain(6, user_id="mia")])
    job = exporting.start(grant)

    def erase(batch: int) -> None:
        if batch == 2 and not Job.objects.filter(kind=Job.Kind.ERASURE).exists():
            assert retention.run_erasure(retention.erase(grant, "mia").pk)

    before_each_batch(monkeypatch, erase)

    assert exporting.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result) == ("queued", {})
    assert exporting.run(job.pk)

    job.refresh_from_db()
    with exporting.open_file(job) as file:
        assert b"mia" not in file.read()
