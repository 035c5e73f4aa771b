"""What operators see: /metrics and the operations page."""

import datetime as dt
import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from generations import access, intake, jobs, operations, partitions, recording, rollups
from generations.api.prometheus import door_of
from generations.models import Intake, Job, Membership, User
from generations.models.accounts import Role
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
        ("/api/otlp/v1/traces", "otlp"),
        ("/opentelemetry/v1/traces", "otlp"),
        ("/api/v2/traces", "otlp"),
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
    assert (value(body, f'generations_disk_free_bytes{{folder="{settings.DATA_DIR}"}}') or 0) > 0
    assert value(body, "generations_database_reachable") == 1
    assert (value(body, "generations_database_connections") or 0) >= 1


def test_while_the_database_is_away_metrics_tell_of_the_machine_all_the_same() -> None:
    """It may be away for want of room, which is what is to be seen then."""

    def away(*_: Any) -> Any:
        raise OperationalError("the connection is closed")

    with connection.execute_wrapper(away):
        body = scraped()

    assert value(body, "generations_database_reachable") == 0
    assert "generations_disk_free_bytes{" in body
    assert "# TYPE generations_part_ready gauge" in body
    assert "generations_table_bytes" not in body


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


def test_the_page_for_operators_tells_of_every_series_and_no_other() -> None:
    waiting(Job.Kind.EXPORT, 3)
    page = (ROOT / "docs" / "operating.md").read_text()
    table = dict(re.findall(r"`(generations_[a-z_]+)(?:\{([a-z,]+)\})?`", page))

    told = {re.sub(r"_total$", "", name): set(labels.split(",")) - {""} for name, labels in table.items()}
    families = list(text_string_to_metric_families(scraped()))
    there = {family.name: set(sample.labels) for family in families for sample in family.samples[:1]}
    source = "".join((ROOT / "generations" / name).read_text() for name in ("api/prometheus.py", "counting.py"))

    assert {name: told.get(name) for name in there} == {name: labels - {"le"} for name, labels in there.items()}
    assert {name for name in told if f'"{name}' not in source} == set()


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
        assert not re.search(
            r"_(ms|milliseconds|minutes|hours|days|kb|mb|gb|gauge|counter|histogram|total)(_|$)", family.name
        )
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name
            # Prometheus adds these itself.
            assert not {"job", "instance"} & set(sample.labels), sample.name


def test_a_scrape_costs_the_same_and_names_as_much_however_many_projects_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Queries, and a hundred projects: each series more is one that Prometheus keeps for weeks."""
    for name, function in vars(operations).items():
        if wrapped := getattr(function, "__wrapped__", None):
            monkeypatch.setattr(operations, name, wrapped)  # not what was glanced at before

    def scrape(projects: int) -> tuple[int, int]:
        for number in range(projects):
            own = access.create_project(f"Of {projects}: {number}")
            at = timezone.now() - dt.timedelta(hours=2)
            recording.record(own, [GenerationRecord(id="a", completion="Hello", started_at=at)])
            jobs.create(access.of_system(own), Job.Kind.EXPORT, {})
        rollups.compact()
        with CaptureQueriesContext(connection) as asked:
            body = scraped()
        return len(asked), len(re.findall(r"^generations_project_bytes\{", body, re.M))

    one, most = scrape(1), scrape(104)

    assert one[1] == 1
    assert most == (one[0], 100)


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


def test_pools_are_those_of_all_processes_that_live(tmp_path: Path) -> None:
    tells = (
        "import sys; from generations import counting;"
        "counting.pool({'pool_size': 4, 'pool_available': 3, 'requests_waiting': 2});"
        "print(flush=True); sys.stdin.read()"
    )
    asks = "from generations import counting; print(counting.pools())"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def asked() -> str:
        return subprocess.run(
            [sys.executable, "-c", asks], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    with ExitStack() as living:
        processes = [
            living.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", tells],
                    env=environment,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()

        assert asked() == "{'pool_size': 8, 'pool_available': 6, 'requests_waiting': 4}"
        processes[0].kill()
        processes[0].wait()
        assert asked() == "{'pool_size': 4, 'pool_available': 3, 'requests_waiting': 2}"


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


def test_the_page_names_whose_items_are_refused_and_what_jobs_failed_and_leads_where_one_may_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "failed", operations.failed.__wrapped__)  # type: ignore[attr-defined]  # as it is now
    own, other = web.project("Shop & Co"), web.project("Other")
    for project, refused in ((own, 3), (other, 40)):
        intake.count(project, "rest", "curl/8", 50, refused)
        intake._tally.write()
    job = waiting(Job.Kind.EXPORT, 180)
    lost = waiting(Job.Kind.IMPORT, 90)
    Job.objects.filter(pk=lost.pk).update(state="failed", finished_at=timezone.now(), error="The file is no CSV.")
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="correct horse"))
    Membership.objects.create(project=own, user=User.objects.get(username="root"), role=Role.OWNER)

    page = operator.get("/operations/")

    shown = web.text(page)
    assert shown.index("Other 40") < shown.index("Shop & Co 3")
    assert f'href="/projects/{own.slug}/settings/ingestion/"' in page.content.decode()
    assert f'href="/projects/{other.slug}/settings/ingestion/"' not in page.content.decode()
    assert f"{job.kind} queued 1 3 h ago" in shown
    assert "The file is no CSV." in shown


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
