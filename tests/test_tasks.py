"""Celery's door, through a real worker: killed in the middle, another one finishes; memory stays flat."""

import datetime as dt
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from celery import Celery
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

from generations import access, exporting, jobs, recording, tasks
from generations.access import Grant
from generations.management import folder_queue
from generations.models import IngestReject, Job
from generations.records import GenerationRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
ROOT = Path(__file__).resolve().parent.parent
MEGABYTE: Final = 1 << 20


class Workers:
    """Celery's own worker processes on the test database, with a folder and a queue of this test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        queue = folder / "queue"
        options = {
            "data_folder_in": str(queue / "messages"),
            "data_folder_out": str(queue / "messages"),
            "processed_folder": str(queue / "taken"),
            "control_folder": str(queue / "control"),
        }
        folder_queue.make_folders(options)
        self.sender = Celery("tests", broker="filesystem://localhost/", set_as_current=False)
        self.sender.conf.broker_transport = "generations.management.folder_queue:Transport"
        self.sender.conf.broker_transport_options = options

    def start(self) -> subprocess.Popen[bytes]:
        database = connection.settings_dict
        host, port = database["HOST"], database["PORT"] or 5432
        address = f"postgresql://{database['USER']}:{database['PASSWORD']}@/{database['NAME']}?host={host}&port={port}"
        environment = {**os.environ, "DATABASE_URL": address, "DATA_DIR": str(self.folder), "CELERY_BROKER_URL": ""}
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "--quiet", "-A", "observability.celery:app", "worker"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def send(self, job: Job) -> None:
        self.sender.send_task("generations.tasks.run_job", [str(job.pk)])

    def files(self, pattern: str) -> list[Path]:
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())

    def wait_for(self, what: str, is_so: Callable[[], object], within: float = 120) -> None:
        deadline = time.monotonic() + within
        while not is_so():
            assert time.monotonic() < deadline, f"Not {what} after {within} s: {self.log()}"
            time.sleep(0.005)

    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path)
    try:
        yield workers
    finally:
        workers.stop()


def fill(grant: Grant, number: int, size: int, *, months: int = 1) -> None:
    """Calls whose payload does not compress, `size` bytes of it each; of two months, half of them in the one before."""
    chance = random.Random(1)
    for start in range(0, number, 500):
        recording.record(
            grant.project,
            [
                GenerationRecord(
                    id=f"g{n:06}",
                    started_at=NOW - dt.timedelta(days=0 if n < number / months else 10, seconds=n),
                    messages=[{"role": "user", "content": chance.randbytes(size // 2).hex()}],
                    completion=f"answer {n}",
                )
                for n in range(start, min(start + 500, number))
            ],
        )


HALVES = 10_000
"""Rows of two months, of which an export reads the newer half in more than one piece."""


@contextmanager
def held_up() -> Iterator[None]:
    """Nobody may read what was said a month before NOW: an export of `fill(months=2)` that has begun cannot end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE generation_payload_p202602 IN ACCESS EXCLUSIVE MODE")
        yield


def is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.state not in (Job.State.QUEUED, Job.State.RUNNING)


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_leaves_nothing_and_another_writes_the_whole_file(workers: Workers) -> None:
    grant = access.of_system(access.create_project("Killed"))
    fill(grant, HALVES, 1000, months=2)
    job = exporting.start(grant)
    with held_up():
        first = workers.start()
        workers.send(job)
        workers.wait_for("writing", lambda: [f for f in workers.files("unfinished/*") if f.stat().st_size])

        os.kill(first.pid, signal.SIGKILL)
        first.wait()

    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == ("running", 1, {})
    assert workers.files("media/**/*") == []
    assert [file.name for file in workers.files("unfinished/*")] == [f"{job.pk}-1.part"]

    # As if the 30 seconds of its lease had passed.
    Job.objects.filter(pk=job.pk).update(leased_until=Now() - dt.timedelta(seconds=1))
    second = workers.start()
    workers.sender.send_task("generations.tasks.sweep")
    workers.wait_for("done", lambda: is_over(job))

    assert (job.state, job.attempts, job.error) == ("done", 2, "")
    [file, manifest] = workers.files("media/**/*")
    data = file.read_bytes()
    assert manifest.name == f"{file.name}.manifest.json"
    assert file.name == f"{job.pk}-2.jsonl"
    assert [json.loads(line)["id"] for line in data.splitlines()] == [f"g{n:06}" for n in range(HALVES)]
    assert job.result["sha256"] == hashlib.sha256(data).hexdigest()
    assert (job.result["rows"], job.progress_done, job.progress_total) == (HALVES, HALVES, HALVES)
    assert workers.files("unfinished/*") == []
    assert second.poll() is None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_asked_to_stop_puts_its_export_back_and_ends_soon(workers: Workers) -> None:
    grant = access.of_system(access.create_project("Stopped"))
    fill(grant, HALVES, 1000, months=2)
    job = exporting.start(grant)
    with held_up():
        worker = workers.start()
        workers.send(job)
        workers.wait_for("writing", lambda: [f for f in workers.files("unfinished/*") if f.stat().st_size])

        worker.terminate()
        workers.wait_for("told to stop", lambda: "Warm shutdown" in workers.log())
    worker.wait(120)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == ("queued", 0, {})
    assert workers.files("unfinished/*") == workers.files("media/**/*") == []
    assert jobs.sweep() == [str(job.pk)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("format", "bound"), [("jsonl", 125), ("parquet", 125)])
def test_the_worker_needs_less_memory_than_the_file_has_bytes(workers: Workers, format: str, bound: int) -> None:
    # An idle worker has some 78 MB; Parquet's library is loaded in a process of its own.
    grant = access.of_system(access.create_project("Large"))
    fill(grant, 1500, 60_000)
    worker = workers.start()
    job = exporting.start(grant, format=format)
    workers.send(job)

    workers.wait_for("done", lambda: is_over(job))

    assert (job.state, job.result["rows"]) == ("done", 1500)
    assert job.result["bytes"] > 80 * MEGABYTE
    assert peak_bytes(worker) < bound * MEGABYTE


@pytest.mark.django_db
def test_a_job_that_nobody_knows_how_to_do_fails_with_a_sentence() -> None:
    job = jobs.create(access.of_system(access.create_project("Odd")), Job.Kind.EXPORT, {})
    # As of a later version, whose worker has put it into the same queue.
    Job.objects.filter(pk=job.pk).update(kind="dreaming")

    tasks.run_job(str(job.pk))
    tasks.run_job("00000000-0000-0000-0000-000000000000")

    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "No worker here knows how to do 'dreaming'.")


@pytest.mark.django_db
def test_a_job_is_sent_after_the_commit_and_waits_when_the_queue_cannot_be_reached(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = exporting.start(access.of_system(access.create_project("Sent")))
    nobody = Celery("nobody", broker="redis://127.0.0.1:1/0", set_as_current=False)
    nobody.conf.task_publish_retry = False
    monkeypatch.setattr(type(tasks.run_job), "app", nobody, raising=False)

    with django_capture_on_commit_callbacks(execute=True) as sent:
        tasks.send(job)

    assert len(sent) == 1
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.django_db
def test_tidying_makes_partitions_ahead_and_forgets_refused_bodies() -> None:
    project = access.create_project("Tidy")
    old = IngestReject.objects.create(project=project, door="rest", reason="bad", body=b"old")
    new = IngestReject.objects.create(project=project, door="rest", reason="bad", body=b"new")
    IngestReject.objects.filter(pk=old.pk).update(created_at=timezone.now() - dt.timedelta(hours=25))

    tasks.tidy()

    old.refresh_from_db()
    new.refresh_from_db()
    assert old.body is None and old.reason == "bad"
    assert bytes(new.body or b"") == b"new"
    ahead = f"generation_p{timezone.now() + dt.timedelta(days=31):%Y%m}"
    with connection.cursor() as cursor:
        assert ahead in [table.name for table in connection.introspection.get_table_list(cursor)]
