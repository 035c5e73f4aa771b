"""What `manage.py doctor` finds, and says of it."""

import datetime as dt
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from generations import access, doctor, jobs, operations, providers
from generations.models import Job
from tests import web
from tests.stack import ROOT

pytestmark = pytest.mark.django_db


def waiting(kind: Job.Kind, minutes: int) -> Job:
    job = jobs.create(access.of_system(web.project()), kind, {})
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - dt.timedelta(minutes=minutes))
    return job


def of(check: str) -> doctor.Finding:
    """The gravest finding of a check."""
    found = [finding for finding in doctor.examine() if finding.check == check]
    return max(found, key=lambda finding: ["well", "warning", "wrong"].index(finding.level))


def test_an_installation_that_is_well_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("doctor", "--json")
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["level"] for one in said} <= {"well", "warning"}
    assert {"settings", "folder", "disk", "database", "clock", "jobs", "broker", "storage"} <= {
        one["check"] for one in said
    }


def test_where_a_running_copy_is_reached_is_what_it_says_and_not_what_this_command_was_started_with(
    settings: Any, tmp_path: Path
) -> None:
    settings.STATE_FILE, settings.PUBLIC_URL = tmp_path / "state.json", "http://127.0.0.1:8000"
    told = {"supervisor": os.getpid(), "address": "http://127.0.0.1:8123/", "parts": {}}

    def said() -> str:
        return next(one.said for one in doctor.examine(buckets=False) if "reached at" in one.said)

    assert said().endswith("reached at http://127.0.0.1:8000")
    settings.STATE_FILE.write_text(json.dumps(told))
    assert said().endswith("reached at http://127.0.0.1:8123/")
    gone = subprocess.Popen(["true"])
    gone.wait()
    settings.STATE_FILE.write_text(json.dumps({**told, "supervisor": gone.pid}))
    assert said().endswith("reached at http://127.0.0.1:8000")


def test_what_is_wrong_is_told_with_what_to_do_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    waiting(Job.Kind.EXPORT, 12)
    assert of("jobs") == doctor.Finding(
        "jobs", "wrong", "1 wait, the oldest for 12 minutes.", "See that a worker and beat run."
    )
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 1
    assert "WRONG    jobs" in capsys.readouterr().out


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_nobody_has_to_read_it_to_its_end(how: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)

    program = [sys.executable, "manage.py", "doctor", *how]
    done = subprocess.run(program, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)

    os.close(write)
    assert (done.returncode in (0, 1), done.stderr) == (True, "")


def test_a_job_that_has_just_come_is_nothing_to_worry_about() -> None:
    waiting(Job.Kind.EXPORT, 1)
    assert of("jobs").level == "well"


def test_a_database_that_is_away_is_told_and_the_rest_is_still_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    found = {finding.check: finding for finding in doctor.examine()}
    assert found["database"].level == "wrong"
    assert "does not answer" in found["database"].said
    assert {"storage", "broker", "disk"} <= set(found)


def test_debug_open_networks_and_readable_keys_are_told(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = True
    assert of("settings").said.startswith("DEBUG is on")
    settings.DEBUG = False
    settings.HOST, settings.PUBLIC_URL = "0.0.0.0", "http://generations.example.com"
    assert "without encryption" in of("settings").said
    settings.PUBLIC_URL = "https://generations.example.com"
    assert of("settings").level == "well"
    settings.DATA_DIR = tmp_path
    (tmp_path / "secret-key").write_text("x")
    (tmp_path / "secret-key").chmod(0o644)
    assert of("folder").level == "wrong"
    (tmp_path / "secret-key").chmod(0o600)
    assert of("folder").level == "well"


def test_a_broker_that_does_not_answer_is_told_within_seconds(settings: Any) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    assert of("broker").level == "wrong"


def test_keys_that_were_kept_under_another_secret_key_are_told(settings: Any) -> None:
    grant = access.of_system(web.project())
    providers.save(grant, kind="openai", name="main", secret="k")
    assert "keys" not in {one.check for one in doctor.examine()}
    settings.SECRET_KEY = "that-of-another-machine-0123456789012345678901234567890"

    assert of("keys").said == "1 of the keys of providers cannot be read: kept under another SECRET_KEY."


def test_a_broker_of_no_known_kind_is_told(settings: Any) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.CELERY_BROKER_URL = "kafka://127.0.0.1"
    assert "redis:// or amqp://" in of("broker").todo


def test_of_a_database_that_lacks_migrations_nothing_else_is_asked() -> None:
    MigrationRecorder(connection).migration_qs.filter(app="generations").delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE job RENAME TO job_of_another_version")

    found = {finding.check: finding for finding in doctor.examine()}

    assert found["database"].todo.startswith("Run `manage.py prepare`")
    assert {"clock", "broker", "storage", "processes"} <= set(found)
    assert "jobs" not in found


@pytest.mark.parametrize(
    ("change", "todo"),
    [
        ({"NAME": "nobody_made_it"}, "Make that database"),
        ({"HOST": "127.0.0.1", "PORT": "1"}, "or correct its host and port"),
    ],
)
def test_a_wrong_address_of_the_database_is_told_by_what_is_wrong_in_it(
    change: dict[str, str], todo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wrong in change.items():
        monkeypatch.setitem(connection.settings_dict, name, wrong)
    assert todo in of("database").todo


@pytest.mark.parametrize(
    ("silence", "todo"),
    [
        ('connection to server on socket "/x" failed: FATAL:  role "mia" does not exist', "Make that user"),
        ('connection failed: FATAL:  password authentication failed for user "mia"', "Correct the user"),
        (
            'connection failed: FATAL:  no pg_hba.conf entry for host "::1", user "mia", database "x"',
            "Let this machine",
        ),
        ("failed to resolve host 'nowhere': [Errno -2] Name or service not known", "Correct the host"),
        ("connection failed: FATAL:  sorry, too many clients already", "Lower DATABASE_POOL_SIZE"),
        ('connection failed: FATAL:  too many connections for role "mia"', "Lower DATABASE_POOL_SIZE"),
        ('connection failed: FATAL:  too many connections for database "x"', "Lower DATABASE_POOL_SIZE"),
        (
            "connection failed: FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "Lower DATABASE_POOL_SIZE",
        ),
        ("connection failed: FATAL:  the database system is starting up", "Wait a moment"),
        ("connection failed: FATAL:  the database system is in recovery mode", "Wait a moment"),
        ("connection failed: FATAL:  could not write init file: No space left on device", "Make room"),
        ('connection failed: FATAL:  permission denied for database "x"', "Let that user in"),
        ('connection failed: FATAL:  role "mia" is not permitted to log in', "Let that user in"),
        ('connection failed: FATAL:  database "x" is not currently accepting connections', "Let it be connected to"),
        ("connection failed: FATAL:  unsupported startup parameter: options", "Name the server itself"),
    ],
)
def test_what_a_database_says_leads_to_what_is_to_be_done(silence: str, todo: str) -> None:
    assert doctor._awakening(silence).startswith(todo)


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_told(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    location = {"location": str(settings.MEDIA_ROOT)}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": location}}
    # A file system of no size at all.
    settings.DATA_DIR = Path("/proc/nothing")

    assert (of("disk").level, of("disk").said) == ("wrong", "0.0 GB are free where /proc/nothing is.")
    assert of("storage").todo == f"Let this user write to {settings.MEDIA_ROOT}."


@pytest.mark.parametrize(
    ("number", "todo"),
    [(errno.ENOSPC, "Make room there: it goes on by itself."), (errno.EROFS, "See what the kernel says of that disk")],
)
def test_a_disk_that_takes_nothing_is_told_with_what_to_do_and_nothing_is_left(
    number: int, todo: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(number, os.strerror(number))

    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(Path, "write_bytes", refused)

    assert of("folder").todo.startswith(todo)
    assert list(tmp_path.glob(".doctor-*")) == []


def test_a_folder_that_is_a_disk_of_its_own_is_looked_at_by_itself(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR, settings.EXPORT_FOLDER = tmp_path, Path("/proc")

    full = of("disk")
    closed = of("folder")

    assert (full.level, full.said) == ("wrong", "0.0 GB are free where /proc is.")
    assert (closed.level, closed.todo) == ("wrong", "Give it to this user.")
    assert closed.said.startswith("/proc cannot be written")


def test_a_queue_that_takes_nothing_is_told(settings: Any, tmp_path: Path) -> None:
    options = {"data_folder_in": "/proc", "processed_folder": str(tmp_path), "control_folder": str(tmp_path / "none")}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = options

    found = of("broker")

    assert (found.level, found.todo) == ("wrong", "Give it to this user.")
    assert found.said.startswith("/proc cannot be written")


def test_a_bucket_that_does_not_answer_is_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    options = {"bucket_name": "calls", "endpoint_url": "http://127.0.0.1:1", "region_name": "eu-west-1"}
    backend = {"BACKEND": "generations.buckets.Bucket", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}

    assert of("storage").level == "wrong"
    assert "the bucket calls" in of("storage").todo


def test_a_bucket_that_takes_no_exports_is_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings.STORAGE_ENDPOINT_URL = "http://127.0.0.1:1"
    assert not [found for found in doctor.examine() if found.check == "exports"]

    settings.EXPORT_BUCKETS = ["nightly"]

    assert of("exports").level == "wrong"
    assert of("exports").said.startswith("Exports cannot be put into nightly: ")
    assert "the bucket nightly" in of("exports").todo


def test_a_clock_that_is_a_day_ahead_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + dt.timedelta(days=1))
    found = next(finding for finding in doctor.examine() if finding.check == "clock")
    assert (found.level, found.todo) == ("wrong", "Run NTP on both.")
    assert found.said.startswith("This machine and the database differ by 86")


def test_a_setting_that_cannot_be_is_a_sentence_and_no_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PORT": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("The environment has a setting that cannot be used. PORT is 'many': ")
    assert len(ended.stderr.splitlines()) == 1


def test_jobs_that_failed_lately_are_told_with_what_the_last_one_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "failed", operations.failed.__wrapped__)  # type: ignore[attr-defined]
    for hours, said in ((30, "Long ago."), (3, "The folder is full."), (1, "The bucket is gone.")):
        ended = timezone.now() - dt.timedelta(hours=hours)
        job = waiting(Job.Kind.EXPORT, 60 * hours)
        Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED, error=said, finished_at=ended)

    assert 'generations_jobs_failed{kind="export"} 2.0' in Client().get("/metrics").content.decode()
    assert of("failures") == doctor.Finding(
        "failures",
        "warning",
        f"2 of kind export failed within a day, the last at {ended:%H:%M} UTC: The bucket is gone.",
        "Each tells why on its page; the admin site lists those of all projects.",
    )


@pytest.mark.parametrize(
    ("kept", "size", "memory", "better"),
    [
        (48, 4_000, 24_000, None),  # a hundredth is enough
        (48, 16_000, 24_000, 1_000),
        (48, 160_000, 24_000, 1_500),
        (1_500, 160_000, 24_000, None),
        (48, 160_000, 1_000, None),  # there is no more
    ],
)
def test_a_large_database_in_little_memory_is_told_what_to_set(
    kept: int, size: int, memory: int, better: int | None
) -> None:
    assert doctor.better_buffers(kept * 2**20, size * 2**20, memory * 2**20) == better
