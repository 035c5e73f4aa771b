"""Scheduled exports are made in time and once, and who may say so."""

import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from generations import access, exporting, filters, recording, tasks
from generations.access import Grant, NotAllowed, Scope
from generations.exporting import schedules
from generations.exporting.occurrences import Rhythm
from generations.models import AuditEntry, ExportSchedule, Job
from generations.records import InvalidRecord
from tests.exports import folder, grant, plain
from tests.scheduling import SAID, delivered, files, root, run, schedule

__all__ = ["folder", "grant", "root", "schedule"]
pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("rhythm", "after", "expected"),
    [
        (Rhythm("hour", minute=15), "2026-03-04T05:06:07Z", "2026-03-04T05:15:00Z"),
        (Rhythm("hour", minute=15), "2026-03-04T05:15:00Z", "2026-03-04T06:15:00Z"),
        (Rhythm("hour", minute=15, zone="Asia/Kolkata"), "2026-03-04T05:40:00Z", "2026-03-04T05:45:00Z"),
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-03-04T01:30:00Z", "2026-03-05T01:30:00Z"),
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-03-04T01:29:59Z", "2026-03-04T01:30:00Z"),
        # Clocks go from 2 to 3 and back again: once each, and the next day at half past two again.
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        (Rhythm("day", 30, 2, zone="Europe/Prague"), "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        (Rhythm("day", 0, 23, zone="Pacific/Auckland"), "2026-03-04T09:00:00Z", "2026-03-04T10:00:00Z"),
        (Rhythm("week", 0, 6, weekday=0), "2026-03-04T00:00:00Z", "2026-03-09T06:00:00Z"),
        (Rhythm("week", 0, 6, weekday=2), "2026-03-04T06:00:00Z", "2026-03-11T06:00:00Z"),
        (Rhythm("week", 0, 0, weekday=0, zone="America/New_York"), "2026-03-07T12:00:00Z", "2026-03-09T04:00:00Z"),
    ],
)
def test_the_next_time_is_that_of_clocks_in_the_zone(rhythm: Rhythm, after: str, expected: str) -> None:
    assert rhythm.after(at(after)) == at(expected)


def test_a_run_is_made_once_when_its_time_has_come(grant: Grant, root: Path) -> None:
    schedule = schedules.create(grant, {**SAID, "every": "hour", "minute": 0})
    planned = schedule.next_at

    assert schedules.due(planned - dt.timedelta(seconds=1)) == []
    [job] = schedules.due(planned)
    assert schedules.due(planned) == []

    schedule.refresh_from_db()
    assert schedule.next_at == planned + dt.timedelta(hours=1)
    assert (job.schedule_id, job.kind, job.project_id) == (schedule.pk, "export", grant.project.pk)
    # The next one waits for this one, and then makes good all that was missed.
    late = planned + dt.timedelta(hours=5, minutes=10)
    assert schedules.due(late) == []
    assert exporting.run(job.pk)
    [second] = schedules.due(late)
    schedule.refresh_from_db()
    assert schedule.next_at == planned + dt.timedelta(hours=6)
    assert second.pk != job.pk


@pytest.mark.django_db(transaction=True)
def test_schedulers_at_once_make_one_run(root: Path) -> None:
    grant = access.of_system(access.create_project("At once"))
    planned = schedules.create(grant, SAID).next_at
    made: list[Job] = []
    ready = threading.Barrier(4)

    def look() -> None:
        ready.wait()
        made.extend(schedules.due(planned))
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == Job.objects.filter(project=grant.project).count() == 1


def test_the_sweeper_begins_what_is_due(
    grant: Grant, schedule: ExportSchedule, django_capture_on_commit_callbacks: Any
) -> None:
    ExportSchedule.objects.filter(pk=schedule.pk).update(next_at=timezone.now())

    with django_capture_on_commit_callbacks() as sent:
        tasks.sweep()

    assert (len(sent), Job.objects.filter(schedule=schedule).count()) == (1, 1)


def test_a_paused_schedule_is_not_run(grant: Grant, schedule: ExportSchedule) -> None:
    schedules.change(grant, schedule.pk, {"paused": True})
    assert schedules.due(schedule.next_at + dt.timedelta(days=9)) == []

    schedules.change(grant, schedule.pk, {"paused": False})

    # What was missed on purpose is not made good.
    schedule.refresh_from_db()
    assert schedule.next_at > timezone.now()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"compression": "brotli"}, "compression"),
        ({"compression": 1}, "compression"),
        ({"format": "xlsx"}, "format"),
        ({"format": ["csv"]}, "format"),
        ({"kind": "colours"}, "kind"),
        ({"filter": {"modl.id": 1}}, "modl.id"),
        ({"filter": []}, "filter"),
        ({"filter": "x"}, "filter"),
        ({"fields": "id"}, "fields"),
        ({"fields": ["idd"]}, "fields"),
        ({"every": "month"}, "every"),
        ({"minute": 60}, "minute"),
        ({"hour": -1}, "hour"),
        ({"hour": True}, "hour"),
        ({"weekday": 7}, "weekday"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": None}, "zone"),
        ({"incremental": "yes"}, "incremental"),
        ({"paused": 1}, "paused"),
        ({"incremental": True, "kind": "threads"}, "incremental"),
    ],
)
def test_what_could_not_be_done_is_refused_and_changes_nothing(
    grant: Grant, schedule: ExportSchedule, said: dict[str, Any], field: str
) -> None:
    tried: list[Callable[[], object]] = [
        lambda: schedules.create(grant, {**SAID, "name": "Another", **said}),
        lambda: schedules.change(grant, schedule.pk, said),
    ]
    for attempt in tried:
        with pytest.raises((InvalidRecord, filters.BadFilter)) as refusal:
            attempt()
        refused_field = refusal.value.field if isinstance(refusal.value, InvalidRecord | filters.BadFilter) else ""
        assert refused_field == field

    before = ExportSchedule.objects.get()
    assert (before.name, before.format, before.revision) == ("Nightly calls", "jsonl", 1)


def test_a_name_is_given_once_in_a_project(grant: Grant, schedule: ExportSchedule) -> None:
    with pytest.raises(InvalidRecord, match="a name that no other schedule"):
        schedules.create(grant, SAID)

    assert schedules.create(access.of_system(access.create_project("Other")), SAID).name == "Nightly calls"


def test_another_project_sees_and_does_nothing(grant: Grant, schedule: ExportSchedule) -> None:
    stranger = access.of_system(access.create_project("Stranger"))

    assert schedules.every(stranger) == []
    for found in (
        schedules.find(stranger, schedule.pk),
        schedules.change(stranger, schedule.pk, {"paused": True}),
        schedules.delete(stranger, schedule.pk),
        schedules.run_now(stranger, schedule.pk),
        schedules.find(grant, "no id"),
    ):
        assert found is None
    assert schedules.runs(stranger, schedule, 5) == []
    assert not ExportSchedule.objects.get().is_paused and not Job.objects.exists()


def test_only_an_admin_makes_changes_runs_and_deletes(grant: Grant, schedule: ExportSchedule) -> None:
    member = Grant(project=grant.project, scopes=frozenset({Scope.READ, Scope.WRITE, Scope.INGEST}))

    assert schedules.every(member) == [schedule]
    tried: list[Callable[[], object]] = [
        lambda: schedules.create(member, {**SAID, "name": "Mine"}),
        lambda: schedules.change(member, schedule.pk, {"paused": True}),
        lambda: schedules.delete(member, schedule.pk),
        lambda: schedules.run_now(member, schedule.pk),
    ]
    for attempt in tried:
        with pytest.raises(NotAllowed):
            attempt()
    with pytest.raises(NotAllowed):
        schedules.every(Grant(project=grant.project, scopes=frozenset({Scope.INGEST})))
    assert ExportSchedule.objects.count() == 1 and not Job.objects.exists()


def test_a_deleted_schedule_stops_its_run_and_leaves_its_files(
    grant: Grant, schedule: ExportSchedule, root: Path
) -> None:
    done = run(grant, schedule)
    waiting = schedules.run_now(grant, schedule.pk)
    assert waiting is not None and schedules.run_now(grant, schedule.pk) == waiting

    schedules.delete(grant, schedule.pk)

    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (waiting.state, done.schedule, len(files(root))) == ("cancelled", None, 2)
    assert [entry.action for entry in AuditEntry.objects.filter(subject_kind="schedule").order_by("created_at")] == [
        "schedule.create",
        "schedule.delete",
    ]


# ------------------------------------------------------------------------------------- a clock that was ahead, set back
def test_what_changes_after_a_clock_was_set_back_is_in_the_next_increment(grant: Grant, root: Path) -> None:
    """A run of a server that was a day ahead said that it delivered all up to tomorrow."""
    made = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(grant.project, [plain(0)])
    run(grant, made)
    ExportSchedule.objects.update(complete_until=timezone.now() + DAY)
    recording.record(grant.project, [plain(1)])

    after = run(grant, made)
    then = run(grant, made)

    assert delivered(root, after) == ["g00000", "g00001"]
    assert then.result["manifest"]["changedSince"] is not None


def test_a_run_that_a_clock_was_set_back_under_says_nothing_of_where_the_next_one_begins(
    grant: Grant, root: Path
) -> None:
    made = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(grant.project, [plain(0)])
    run(grant, made)
    begun = schedules.run_now(grant, made.pk)
    assert begun is not None
    ExportSchedule.objects.update(complete_until=None)

    assert exporting.run(begun.pk)

    assert ExportSchedule.objects.get(pk=made.pk).complete_until is None
    assert delivered(root, run(grant, made)) == ["g00000"]


def test_notes_of_what_left_are_not_told_by_a_run_that_was_ahead(grant: Grant) -> None:
    made = schedules.create(grant, {**SAID, "incremental": True})
    ExportSchedule.objects.update(complete_until=timezone.now() + DAY)

    exporting.forget_told()

    assert ExportSchedule.objects.get(pk=made.pk).complete_until is None


@pytest.mark.parametrize(("every", "ahead"), [("hour", DAY), ("day", 3 * DAY), ("week", 30 * DAY)])
def test_a_turn_that_a_clock_put_off_too_far_comes_by_the_clock_as_it_is(
    grant: Grant, every: str, ahead: dt.timedelta
) -> None:
    made = schedules.create(grant, {**SAID, "every": every})
    ExportSchedule.objects.update(next_at=made.next_at + ahead)

    assert schedules.due() == []
    assert ExportSchedule.objects.get(pk=made.pk).next_at == schedules.rhythm(made).after(timezone.now())
