"""Scheduled exports: made in time, once, whole, where they belong; incremental ones miss nothing."""

import datetime as dt
import errno
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from generations import access, exporting, filters, jobs, recording, retention, tasks
from generations.access import Grant, NotAllowed, Scope
from generations.exporting import schedules
from generations.exporting.occurrences import Rhythm
from generations.models import AuditEntry, ExportSchedule, Feedback, Generation, Job, Score
from generations.records import FeedbackRecord, InvalidRecord, ParticipantRecord, ScoreRecord
from tests.exports import before_each_batch, folder, grant, plain

__all__ = ["folder", "grant"]
pytestmark = pytest.mark.django_db
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


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# ------------------------------------------------------------------ when
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


# ------------------------------------------------------------------ where
def test_a_run_puts_a_whole_file_and_its_manifest_into_the_folder(
    grant: Grant, schedule: ExportSchedule, root: Path
) -> None:
    recording.record(grant.project, [plain(n) for n in range(3)])

    job = run(grant, schedule)

    path = job.result["delivered"]
    assert path.startswith(f"nightly/{grant.project.slug}/nightly-calls-{str(schedule.pk)[-6:]}/generations-")
    assert path.endswith(".jsonl")
    assert delivered(root, job) == ["g00000", "g00001", "g00002"]
    data = (root / path).read_bytes()
    manifest = json.loads((root / f"{path}.manifest.json").read_text())
    assert manifest == exporting.manifest_of(job)
    assert manifest["schedule"] == {"id": str(schedule.pk), "name": "Nightly calls"}
    assert (manifest["rows"], manifest["sha256"]) == (3, hashlib.sha256(data).hexdigest())
    assert len(files(root)) == 2
    # It is there and not here.
    assert (job.state, job.expires_at, exporting.has_file(job)) == ("done", None, False)
    with pytest.raises(exporting.NotReady, match="was delivered to nightly/"):
        exporting.open_file(job)
    assert schedules.runs(grant, schedule, 5) == [job]


def test_two_runs_never_meet_in_one_file(grant: Grant, schedule: ExportSchedule, root: Path) -> None:
    other = schedules.create(grant, {**SAID, "name": "Nightly-calls"})

    for one in (schedule, schedule, other):
        run(grant, one)

    assert len(files(root)) == 6


def test_an_attempt_after_a_killed_one_leaves_one_file(
    grant: Grant, schedule: ExportSchedule, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record(grant.project, [plain(n) for n in range(4)])
    job = schedules.run_now(grant, schedule.pk)
    assert job is not None
    finish = jobs.Lease.finish

    def die(self: jobs.Lease, *args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    # Killed after the file was delivered and before anybody was told.
    monkeypatch.setattr(jobs.Lease, "finish", die)
    with pytest.raises(KeyboardInterrupt):
        exporting.run(job.pk)
    monkeypatch.setattr(jobs.Lease, "finish", finish)
    Job.objects.filter(pk=job.pk).update(leased_until=Now() - dt.timedelta(seconds=1))

    assert jobs.sweep() == [str(job.pk)]
    assert exporting.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 2)
    assert len(files(root)) == 2
    assert delivered(root, job) == [f"g{n:05}" for n in range(4)]


@pytest.mark.parametrize(
    "destination",
    [
        "../up",
        "a/../../b",
        "/etc",
        "a//b",
        ".hidden",
        "a/.b",
        "a\\b",
        "",
        " ",
        "x" * 301,
        "a/b.",
        7,
        None,
        "file:///etc",
    ],
)
def test_a_path_that_leaves_the_root_is_refused(grant: Grant, root: Path, destination: object) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        schedules.create(grant, {**SAID, "destination": destination})

    assert refusal.value.field == "destination"
    assert not ExportSchedule.objects.exists()


def test_a_link_out_of_the_root_is_not_followed(grant: Grant, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root.mkdir()
    (root / "nightly").symlink_to(tmp_path / "outside")

    job = run(grant, schedules.create(grant, SAID))

    assert (job.state, list((tmp_path / "outside").rglob("*.jsonl*"))) == ("failed", [])
    assert "leads out of where exports may go" in job.error


def test_a_full_destination_leaves_nothing_half_and_the_next_run_makes_it_good(
    grant: Grant, schedule: ExportSchedule, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record(grant.project, [plain(1)])

    def full(source: Any, copy: Any, size: int) -> None:
        copy.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        failed = run(grant, schedule)

    assert failed.state == "failed"
    assert failed.error.endswith("No space left on device.") and "nightly/" in failed.error
    assert files(root) == []
    assert run(grant, schedule).state == "done"


# ------------------------------------------------------------------ buckets
class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as an upload needs."""

    objects: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("x-amz-decoded-content-length"):
            body = unchunked(body)
        self.objects[self.path] = body
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def unchunked(body: bytes) -> bytes:
    """The content of a body in the form `aws-chunked`."""
    found = b""
    while True:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if size == 0:
            return found
        found, body = found + body[:size], body[size + 2 :]


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    pytest.importorskip("boto3")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.STORAGE_ENDPOINT_URL = f"http://127.0.0.1:{server.server_port}"
    settings.EXPORT_BUCKETS = ["ours"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    Bucket.objects.clear()
    yield Bucket.objects
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_run_puts_its_file_into_a_bucket(grant: Grant, root: Path, bucket: dict[str, bytes]) -> None:
    recording.record(grant.project, [plain(1)])
    schedule = schedules.create(grant, {**SAID, "destination": "s3://ours/some/prefix", "compression": "gzip"})

    job = run(grant, schedule)

    assert (job.state, job.error) == ("done", "")
    where = job.result["delivered"]
    assert where.startswith(f"s3://ours/some/prefix/{grant.project.slug}/") and where.endswith(".jsonl.gz")
    path = where.removeprefix("s3:/")
    assert set(bucket) == {path, f"{path}.manifest.json"}
    assert hashlib.sha256(bucket[path]).hexdigest() == job.result["sha256"]
    assert json.loads(bucket[f"{path}.manifest.json"]) == exporting.manifest_of(job)


def test_a_bucket_that_cannot_be_reached_fails_the_run_with_a_sentence(
    grant: Grant, root: Path, bucket: dict[str, bytes], settings: Settings
) -> None:
    schedule = schedules.create(grant, {**SAID, "destination": "s3://ours"})
    settings.STORAGE_ENDPOINT_URL = "http://127.0.0.1:1"

    job = run(grant, schedule)

    assert job.state == "failed"
    assert job.error.startswith("The bucket ours did not take the file: ")


@pytest.mark.parametrize("destination", ["s3://theirs/x", "s3://", "s3://Ours", "s3://ours/../x", "s3://ours/a//b"])
def test_a_bucket_that_is_not_allowed_is_refused(
    grant: Grant, settings: Settings, root: Path, destination: str
) -> None:
    settings.EXPORT_BUCKETS = ["ours"]

    with pytest.raises(InvalidRecord, match="destination"):
        schedules.create(grant, {**SAID, "destination": destination})


def test_a_bucket_that_is_no_longer_allowed_gets_nothing(
    grant: Grant, root: Path, bucket: dict[str, bytes], settings: Settings
) -> None:
    schedule = schedules.create(grant, {**SAID, "destination": "s3://ours"})
    settings.EXPORT_BUCKETS = []

    assert run(grant, schedule).state == "failed"
    assert bucket == {}


# ------------------------------------------------------------------ what changed
def age(grant: Grant) -> None:
    """Let everything have been written ten minutes ago: well before a run that begins now."""
    for model in (Generation, Score, Feedback):
        rows = model._default_manager.filter(project_id=grant.project.pk)
        rows.update(updated_at=timezone.now() - dt.timedelta(minutes=10))


def test_an_incremental_run_holds_what_was_recorded_or_changed_since(grant: Grant, root: Path) -> None:
    project = grant.project
    schedule = schedules.create(grant, {**SAID, "incremental": True})
    recording.record(project, [plain(n) for n in range(6)])
    age(grant)

    first = run(grant, schedule)
    recording.record(project, [plain(6), plain(1, completion="changed"), plain(2)])
    recording.record(project, [ScoreRecord(id="s", name="q", value=1, generation_id="g00003")])
    old = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    recording.record(project, [FeedbackRecord(id="f", rating=5, generation_id="g00004", created_at=old)])
    second = run(grant, schedule)
    age(grant)
    third = run(grant, schedule)

    assert delivered(root, first) == [f"g{n:05}" for n in range(6)]
    assert exporting.manifest_of(first)["changedSince"] is None
    # g00002 came again and said nothing new.
    assert delivered(root, second) == ["g00001", "g00003", "g00004", "g00006"]
    assert exporting.manifest_of(second)["changedSince"] is not None
    assert (third.state, third.result["rows"]) == ("done", 0)


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
def test_what_an_open_transaction_writes_during_a_run_is_in_the_next_one(root: Path) -> None:
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


# ------------------------------------------------------------------ who, and what may be said
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
