"""What operators see: /metrics, the operations page and `manage.py doctor`."""

import datetime as dt
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from generations import access, doctor, jobs, operations, partitions, recording, rollups
from generations.api.prometheus import door_of
from generations.models import Intake, Job, User
from generations.records import GenerationRecord
from tests import web
from tests.doors.rest import caller
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.django_db


def value(body: str, series: str) -> float | None:
    """The value of one series of Prometheus's text; None when it is not there."""
    return next((float(line.split()[-1]) for line in body.splitlines() if line.startswith(f"{series} ")), None)


def scraped(client: Client | None = None, **headers: str) -> str:
    answer = (client or Client()).get("/metrics", headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def waiting(kind: Job.Kind, minutes: int) -> Job:
    job = jobs.create(access.of_system(web.project()), kind, {})
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - dt.timedelta(minutes=minutes))
    return job


# ------------------------------------------------------------------------------------------------------------ metrics
def test_requests_are_counted_by_door_and_status() -> None:
    series = 'generations_http_requests_total{door="rest",status="401"}'
    before = value(scraped(), series) or 0.0
    Client().get("/api/generations")
    Client().get("/api/generations?limit=3")
    after = scraped()
    assert value(after, series) == before + 2
    assert (value(after, 'generations_http_request_seconds_count{door="rest"}') or 0) >= before + 2


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/api/graphql", "literal"),
        ("/api/generations/batch", "rest"),
        ("/v1/traces", "otlp"),
        ("/api/public/otel/v1/traces", "otlp"),
        ("/api/otel/v1/traces", "otlp"),
        ("/otel/v1/logs", "otlp"),
        ("/graphql/", "graphql"),
        ("/projects/default/generations/", "page"),
        ("/what/nobody/has", "page"),
    ],
)
def test_every_address_belongs_to_one_of_few_doors(path: str, door: str) -> None:
    assert door_of(path) == door


def test_metrics_tell_of_jobs_tables_disk_and_connections() -> None:
    waiting(Job.Kind.EXPORT, 3)
    body = scraped()
    assert value(body, 'generations_jobs{kind="export",state="queued"}') == 1
    made = value(body, 'generations_job_oldest_timestamp_seconds{kind="export",state="queued"}')
    assert made == pytest.approx(timezone.now().timestamp() - 180, abs=60)
    assert (value(body, 'generations_table_bytes{table="generation"}') or 0) > 0
    assert (value(body, "generations_disk_free_bytes") or 0) > 0
    assert value(body, "generations_database_reachable") == 1
    assert (value(body, "generations_database_connections") or 0) >= 1


def test_metrics_tell_of_bytes_by_month_and_by_project(monkeypatch: pytest.MonkeyPatch) -> None:
    own = access.create_project("Bytes")
    # An hour that still runs has no rollup.
    at = timezone.now() - dt.timedelta(hours=2)
    recording.record(own, [GenerationRecord(id="a", completion="Hello", started_at=at)])
    rollups.compact()
    for name in ("stored", "shares"):
        # Not what was glanced at before.
        monkeypatch.setattr(operations, name, getattr(operations, name).__wrapped__)

    body = scraped()

    month = f"{partitions.month_of(at):%Y%m}"
    assert (value(body, f'generations_month_bytes{{month="{month}"}}') or 0) > 0
    assert (value(body, f'generations_project_bytes{{project="{own.slug}"}}') or 0) > 0


def test_the_slowest_statements_are_told_with_the_numbers_that_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.operations.GLANCE", math.inf)
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="correct horse"))

    slow = operations.slowest()
    body, page = scraped(), web.text(operator.get("/operations/"))

    if slow is None:
        assert "generations_statement" not in body
        assert "load its extension pg_stat_statements" in page
        return
    assert 0 < len(slow) <= 10
    for one in slow:
        label = f'{{statement="{one.id}"}}'
        assert value(body, f"generations_statement_seconds_total{label}") == pytest.approx(one.total / 1000)
        assert value(body, f"generations_statement_calls_total{label}") == one.calls
        assert f'statement="{one.id}"' in page


def test_series_are_named_and_told_as_prometheus_has_it() -> None:
    """What `promtool check metrics` looks at."""
    waiting(Job.Kind.EXPORT, 3)
    Client().get("/api/generations")
    families = list(text_string_to_metric_families(scraped()))
    names = [family.name for family in families]

    assert len(families) > 15
    assert len(set(names)) == len(names)
    for family in families:
        assert re.fullmatch(r"generations_[a-z]+(_[a-z]+)*", family.name), family.name
        assert family.documentation.endswith("."), family.name
        # Base units, and no kind of a series in its name.
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|gb|gauge|counter|histogram|total)$", family.name)
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name
            # Prometheus adds these itself.
            assert not {"job", "instance"} & set(sample.labels), sample.name


def test_what_came_in_is_counted_by_door_and_outcome() -> None:
    api = caller()
    stored, refused = (f'generations_records_total{{door="rest",outcome="{one}"}}' for one in ("stored", "refused"))
    before = scraped()

    api.post("/api/generations/batch", [{"id": "a"}, {"id": "b"}, {"id": "c", "usage": {"promptTokens": "many"}}])

    after = scraped()
    assert (value(after, stored) or 0) - (value(before, stored) or 0) == 2
    assert (value(after, refused) or 0) - (value(before, refused) or 0) == 1


@pytest.mark.slow
def test_the_counters_are_those_of_all_web_processes_and_survive_one(live_stack: Stack) -> None:
    series = 'generations_http_requests_total{door="rest",status="404"}'

    def count() -> float:
        return value(httpx.get(f"{live_stack.url}/metrics").text, series) or 0.0

    with live_stack.client() as client:
        before = count()
        for _ in range(3):
            client.get("/api/generations/nobody")
        web_process = live_stack.pid_of("generations: web 1")
        os.kill(web_process, signal.SIGKILL)
        while web_process in live_stack.processes():
            time.sleep(0.05)
        live_stack.wait_until_ready()
        client.get("/api/generations/nobody")

    assert live_stack.pid_of("generations: web 1") != web_process
    assert count() == before + 4


@pytest.mark.slow
def test_many_processes_name_each_series_once(live_stack: Stack) -> None:
    """Prometheus refuses or warns of a family that comes twice, and what an ended process said would stay."""
    for _ in range(6):
        body = httpx.get(f"{live_stack.url}/metrics").text
    names = [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")]

    assert len(set(names)) == len(names)
    assert value(body, "generations_database_reachable") == 1


def test_without_a_token_only_the_machine_itself_may_read() -> None:
    assert Client().get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.7").get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401


def test_with_a_token_it_is_asked_of_everybody(settings: Any) -> None:
    settings.METRICS_TOKEN = "let-me-see"
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer let-me"}).status_code == 401
    far = Client(REMOTE_ADDR="192.0.2.7")
    assert "generations_jobs" in scraped(far, Authorization="Bearer let-me-see")


# --------------------------------------------------------------------------------------------------------------- page
def test_the_operations_page_is_for_superusers() -> None:
    project = web.project()
    assert Client().get("/operations/").status_code == 302
    assert web.signed_in(project, "owner").get("/operations/").status_code == 403
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="correct horse"))
    Intake.objects.create(
        project=project,
        door="otlp.traces",
        minute=timezone.now(),
        requests=1,
        items=3,
        refused=0,
        last_at=timezone.now(),
    )
    page = operator.get("/operations/")
    assert page.status_code == 200
    shown = web.text(page)
    for words in ("Checks", "PostgreSQL", "OpenTelemetry traces", "Work that waits", "Space", "Slowest statements"):
        assert words in shown


def test_the_pages_bytes_are_those_of_the_tables() -> None:
    recording.record(web.project(), [GenerationRecord(id="a", started_at=web.NOON)])
    operations.stored.__wrapped__()  # type: ignore[attr-defined]  # not what was glanced at before
    found = {(part.table, part.month): part.size for part in operations.stored.__wrapped__()}  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('generation_p202611'), pg_total_relation_size('project')")
        assert (found["generation", "202611"], found["project", None]) == cursor.fetchone()


def test_rows_that_nobody_counted_yet_are_unknown() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE never_counted (n int); CREATE TABLE counted (n int)")
        cursor.execute("INSERT INTO counted SELECT generate_series(1, 7); ANALYZE counted")
    found = {part.table: part.rows for part in operations.stored.__wrapped__()}  # type: ignore[attr-defined]
    assert (found["never_counted"], found["counted"]) == (None, 7)


def test_the_page_tells_what_came_in_by_door_and_what_waits_to_be_searched() -> None:
    api = caller()
    api.post("/api/generations/batch", [{"id": "a"}, {"id": "b", "usage": {"promptTokens": "many"}}])
    Intake.objects.update(minute=timezone.now() - dt.timedelta(seconds=90))
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="correct horse"))

    shown = web.text(operator.get("/operations/"))

    assert operations.incoming() == [operations.Incoming("rest", minute=2, hour=2, day=2, refused=1)]
    assert "REST 2 2 2 1" in shown
    assert "1 generations are recorded and not searchable yet" in shown


# ------------------------------------------------------------------------------------------------------------- doctor
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

    assert (of("disk").level, of("disk").said) == ("wrong", "0.0 GB are free.")
    assert of("storage").todo == f"Let this user write to {settings.MEDIA_ROOT}."


def test_who_finds_no_room_is_told_to_make_some_and_leaves_nothing(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(Path, "write_bytes", full)

    assert of("folder").todo == "Make room there: it goes on by itself."
    assert list(tmp_path.glob(".doctor-*")) == []


def test_a_bucket_that_does_not_answer_is_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    options = {"bucket_name": "calls", "endpoint_url": "http://127.0.0.1:1", "region_name": "eu-west-1"}
    backend = {"BACKEND": "generations.buckets.Bucket", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}

    assert of("storage").level == "wrong"
    assert "the bucket calls" in of("storage").todo


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
    assert ended.stderr.startswith("The environment has a setting that cannot be used. PORT: ")
    assert len(ended.stderr.splitlines()) == 1
