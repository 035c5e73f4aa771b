"""Scheduled exports arrive whole, where they belong, in folders and in buckets."""

import datetime as dt
import errno
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from generations import doctor, exporting, jobs, recording
from generations.access import Grant
from generations.exporting import schedules
from generations.models import ExportSchedule, Job
from generations.records import InvalidRecord
from generations.web import operations
from tests.exports import folder, grant, plain
from tests.scheduling import SAID, delivered, files, root, run, schedule

__all__ = ["folder", "grant", "root", "schedule"]
pytestmark = pytest.mark.django_db


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


def test_a_bucket_that_takes_exports_is_told_to_be_well(bucket: dict[str, bytes]) -> None:
    (found,) = [one for one in doctor.examine() if one.check == "exports"]

    assert (found.level, found.said) == ("well", "the bucket ours takes files")


def test_the_operations_page_writes_into_buckets_once_for_many_views(
    bucket: dict[str, bytes], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_well_until", 0.0)
    written: list[str] = []
    put = Bucket.do_PUT

    def counted(handler: Bucket) -> None:
        written.append(handler.path)
        put(handler)

    monkeypatch.setattr(Bucket, "do_PUT", counted)

    first, second = operations.findings(), operations.findings()
    monkeypatch.setattr(operations, "_well_until", 0.0)
    settings.EXPORT_BUCKETS = ["ours", "another"]
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings.STORAGE_ENDPOINT_URL = "http://127.0.0.1:1"
    wrong = [[one.level for one in operations.findings() if one.check == "exports"] for _ in range(2)]

    assert len(written) == 1
    assert [one for one in second if one.check == "exports"] == [one for one in first if one.check == "exports"] != []
    # What is wrong is looked at anew: whoever mends it wants to see that.
    assert wrong == [["wrong", "wrong"]] * 2


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


def test_a_folder_that_fails_is_told_at_once_though_buckets_were_well(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(operations, "_well_until", 0.0)
    folder = {"BACKEND": "generations.whole_files.WholeFiles", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": folder}
    before = [one.level for one in operations.findings() if one.check == "storage"]
    (tmp_path / "file").touch()
    folder["OPTIONS"] = {"location": str(tmp_path / "file")}
    settings.STORAGES = {**settings.STORAGES, "default": folder}

    assert before == ["well"]
    assert [one.level for one in operations.findings() if one.check == "storage"] == ["wrong"]
