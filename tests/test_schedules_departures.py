"""Incremental exports tell what is gone: rows that were deleted, scores that moved on, text that expired."""

import datetime as dt
import hashlib
import json
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from generations import access, exporting, recording, retention, tasks
from generations.access import Grant
from generations.exporting import schedules
from generations.models import Departure, ExportSchedule, Generation, Job
from generations.records import ScoreRecord, StepRecord, revised
from generations.retention import removing
from tests.exports import before_each_batch, folder, grant, plain
from tests.scheduling import SAID, delivered, root, run
from tests.test_schedules_changes import age

__all__ = ["folder", "grant", "root"]
pytestmark = pytest.mark.django_db


def gone(root: Path, job: Job) -> list[str]:
    """The ids in the file beside a run's, which is as its manifest says."""
    manifest = exporting.manifest_of(job)
    path = root / f"{job.result['delivered']}.gone.jsonl"
    content = path.read_bytes()
    lines = [json.loads(line) for line in content.splitlines()]
    assert manifest["gone"] == {
        "file": path.name,
        "rows": len(lines),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert all(dt.datetime.fromisoformat(line.get("deletedAt") or line["unmatchedAt"]) for line in lines)
    return [line["id"] for line in lines]


def begun(grant: Grant, root: Path, kind: str = "generations") -> ExportSchedule:
    """An incremental schedule that delivered all that there is, some while ago."""
    schedule = schedules.create(grant, {**SAID, "kind": kind, "incremental": True, "name": f"All {kind}"})
    age(grant)
    first = run(grant, schedule)
    assert exporting.manifest_of(first)["gone"] is None
    assert not (root / f"{first.result['delivered']}.gone.jsonl").exists()
    return schedule


@pytest.mark.parametrize("few", [20_000, 0])
def test_a_score_that_is_deleted_or_moved_brings_what_it_was_on(
    grant: Grant, root: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("generations.exporting.changes._FEW", few)
    recording.record(grant.project, [plain(n) for n in range(5)])
    scores = [ScoreRecord(id=f"s{n}", name="q", value=1, generation_id=f"g{n:05}") for n in range(3)]
    recording.record(grant.project, scores)
    calls, judged = begun(grant, root), begun(grant, root, "scores")

    assert removing.erase(grant, "score", "s0")
    moved = ScoreRecord(id="s1", generation_id="g00004", name="q", value=1, type="CODE")
    recording.record(grant.project, [moved, ScoreRecord(id="s2", value=1, name="q", generation_id="g00002")])
    of_calls, of_scores = run(grant, calls), run(grant, judged)

    assert delivered(root, of_calls) == ["g00000", "g00001", "g00004"]
    assert gone(root, of_calls) == []
    assert delivered(root, of_scores) == ["s1"]
    assert gone(root, of_scores) == ["s0"]


def test_what_was_deleted_at_any_door_is_told_once_but_for_what_is_there_again(grant: Grant, root: Path) -> None:
    recording.record(grant.project, [plain(n) for n in range(3)])
    recording.record(
        grant.project,
        [
            plain(3),
            plain(4, user_id="mia", scores=(ScoreRecord(id="theirs", name="q", value=1),)),
            plain(5, step_id="step"),
            StepRecord(id="step", scores=(ScoreRecord(id="of-step", name="q", value=1),)),
        ],
    )
    calls, steps, judged = (begun(grant, root, kind) for kind in ("generations", "steps", "scores"))

    removing.erase(grant, "generation", "g00000")
    removing.erase(grant, "generation", "g00001")
    removing.erase(grant, "step", "step")
    recording.record(grant.project, [plain(1)])
    retention.add_rule(grant, kind="generations", what="all", days=30, document={"id": "g00003"})
    for job in (retention.start(grant, is_dry=False), retention.erase(grant, "mia")):
        tasks.run_job(str(job.pk))
    told = [run(grant, one) for one in (calls, steps, judged)]
    age(grant)
    Departure.objects.update(at=timezone.now() - dt.timedelta(minutes=10))
    again = [run(grant, one) for one in (calls, steps, judged)]

    assert [sorted(gone(root, job)) for job in told] == [
        ["g00000", "g00003", "g00004", "g00005"],
        ["step"],
        ["of-step", "theirs"],
    ]
    assert delivered(root, told[0]) == ["g00001"]
    assert [gone(root, job) for job in again] == [[], [], []]


def test_by_which_rules_text_expired_is_told(grant: Grant, root: Path) -> None:
    recording.record(grant.project, [plain(n) for n in range(3)])
    calls, steps = begun(grant, root), begun(grant, root, "steps")

    rule = {"metadata.plan": "free"}
    retention.add_rule(grant, kind="generations", what="text", days=30, document=rule)
    for is_dry in (True, False):
        tasks.run_job(str(retention.start(grant, is_dry=is_dry).pk))
    job = Job.objects.get(kind=Job.Kind.RETENTION, parameters__dry=False)
    of_calls, of_steps = run(grant, calls), run(grant, steps)

    assert job.finished_at is not None
    (line,) = exporting.manifest_of(of_calls)["textExpired"]
    assert line["filter"] == rule
    assert timezone.now() - dt.datetime.fromisoformat(line["before"]) < dt.timedelta(days=30, minutes=5)
    assert abs(dt.datetime.fromisoformat(line["at"]) - job.finished_at) < dt.timedelta(seconds=1)
    assert exporting.manifest_of(of_steps)["textExpired"] == []


def test_nothing_is_noted_for_nobody_and_nothing_is_kept_that_was_told(grant: Grant, root: Path) -> None:
    other = access.of_system(access.create_project("Other"))
    recording.record(other.project, [plain(1)])
    removing.erase(other, "generation", "g00001")
    assert not Departure.objects.exists()

    recording.record(grant.project, [plain(n) for n in range(3)])
    first, second = begun(grant, root), begun(grant, root, "scores")
    for n in range(3):
        removing.erase(grant, "generation", f"g{n:05}")
        Departure.objects.filter(public_id=f"g{n:05}").update(at=timezone.now() - dt.timedelta(minutes=30 - 10 * n))
    moments = [timezone.now() - dt.timedelta(minutes=minutes) for minutes in (5, 15)]
    for schedule, moment in zip((first, second), moments, strict=True):
        ExportSchedule.objects.filter(pk=schedule.pk).update(complete_until=moment)

    tasks.tidy()
    assert list(Departure.objects.values_list("public_id", flat=True)) == ["g00002"]

    for schedule in (first, second):
        schedules.delete(grant, schedule.pk)
    tasks.tidy()
    assert not Departure.objects.exists()


def test_what_is_deleted_during_a_first_run_is_told_by_the_second(
    grant: Grant, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record(grant.project, [plain(n) for n in range(3)])
    begun(grant, root, "scores")
    schedule = schedules.create(grant, {**SAID, "incremental": True, "name": "Calls"})

    def delete(batch: int) -> None:
        if batch == 2:
            removing.erase(grant, "generation", "g00000")
            ExportSchedule.objects.exclude(pk=schedule.pk).update(complete_until=timezone.now())
            tasks.tidy()

    with monkeypatch.context() as patched:
        before_each_batch(patched, delete)
        first = run(grant, schedule)
    tasks.tidy()
    second = run(grant, schedule)

    assert first.state == Job.State.DONE, first.error
    assert gone(root, second) == ["g00000"]


def test_a_schedule_that_delivered_nothing_for_long_is_not_waited_for_and_begins_anew(grant: Grant, root: Path) -> None:
    recording.record(grant.project, [plain(n) for n in range(3)])
    schedule = begun(grant, root)
    assert removing.erase(grant, "generation", "g00001")
    own = ExportSchedule.objects.filter(pk=schedule.pk)

    tasks.tidy()
    assert Departure.objects.count() == 1

    own.update(complete_until=timezone.now() - exporting.departures.LONGEST - dt.timedelta(minutes=1))
    tasks.tidy()
    assert Departure.objects.count() == 0
    anew = run(grant, ExportSchedule.objects.get(pk=schedule.pk))
    assert delivered(root, anew) == ["g00000", "g00002"]
    assert exporting.manifest_of(anew)["gone"] is None


def test_what_changed_and_matches_the_filter_no_longer_is_told(grant: Grant, root: Path) -> None:
    quality = [ScoreRecord(id=f"s{n}", name="q", value=1, generation_id=f"g{n:05}") for n in range(4)]
    recording.record(grant.project, [plain(n, tags=("kept",)) for n in range(6)])
    recording.record(grant.project, quality)
    said = {**SAID, "incremental": True, "filter": {"scores.q": {"$gte": 1}, "tags": "kept"}}
    calls = schedules.create(grant, said)
    judged = schedules.create(grant, {**said, "name": "Scores", "kind": "scores", "filter": {"value": {"$gte": 1}}})
    age(grant)
    assert len(delivered(root, run(grant, calls))) == len(delivered(root, run(grant, judged))) == 4
    Generation.objects.in_project(grant.project.pk).update(created_at=timezone.now() - dt.timedelta(minutes=10))
    type(calls).objects.filter(pk__in=[calls.pk, judged.pk]).update(
        complete_until=timezone.now() - dt.timedelta(minutes=5)
    )

    recording.record(grant.project, [revised(quality[0], value=0)])
    recording.retag(grant.project, "generation", ["g00001"], remove=["kept"])
    removing.erase(grant, "score", "s2")
    recording.record(grant.project, [plain(7)])
    of_calls, of_scores = run(grant, calls), run(grant, judged)

    assert delivered(root, of_calls) == []
    assert sorted(gone(root, of_calls)) == ["g00000", "g00001", "g00002"]
    assert sorted(gone(root, of_scores)) == ["s0", "s2"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_schedule_begins_to_be_incremental_when_what_is_being_deleted_is_gone(
    grant: Grant, root: Path, is_new: bool
) -> None:
    recording.record(grant.project, [plain(0)])
    schedule = None if is_new else schedules.create(grant, SAID)
    deleted, begun = threading.Event(), threading.Event()
    was_begun: list[bool] = []

    def delete() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                removing.erase(grant, "generation", "g00000")
                deleted.set()
                while not begun.wait(0.02):
                    cursor.execute(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                    )
                    if cursor.fetchone() != (0,):
                        break
                was_begun.append(begun.is_set())
        finally:
            connection.close()

    thread = threading.Thread(target=delete)
    thread.start()
    assert deleted.wait(240)
    said = {"incremental": True}
    made = schedules.create(grant, {**SAID, **said}) if schedule is None else schedules.change(grant, schedule.pk, said)
    begun.set()
    thread.join()

    assert was_begun == [False]
    assert made is not None and delivered(root, run(grant, made)) == []
