"""A worker that is killed in the middle of any kind of work: another one ends it, as if nothing had been."""

import datetime as dt
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson
import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from generations import access, bulk, exporting, jobs, recording, repricing, retention, rollups, search, tasks
from generations.access import Grant
from generations.importing import generations, refusals, uploads
from generations.metrics import Measure, Query
from generations.models import (
    ExperimentItem,
    Generation,
    GenerationPayload,
    Job,
    Participant,
    RollupDirty,
    Score,
)
from generations.models.accounts import Role
from generations.models.numbers import GenerationSearch
from generations.records import GenerationRecord
from tests import evaluations
from tests.rollups import both
from tests.stack import ROOT
from tests.web import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CALLS = 250
IMPORTED = 1_300
OLD = timezone.now() - dt.timedelta(days=40)
_WORK = """
import os, signal
from django.db import connection
from generations import tasks
sent = 0
def kill(execute, sql, params, many, context):
    global sent
    sent += 1
    if sent == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)
with connection.execute_wrapper(kill):
    tasks.{work}
print("sent", sent)
"""


@pytest.fixture
def grant() -> Grant:
    """A project with calls of one person and of another."""
    made = access.of_system(access.create_project("Killed"))
    recording.record(
        made.project,
        [
            GenerationRecord(
                id=f"g{n:03}",
                started_at=OLD + dt.timedelta(minutes=n),
                model_id="gpt-4o",
                prompt="Hello",
                completion="a walrus",
                prompt_tokens=n,
                completion_tokens=0,
                total_tokens=n,
                user_id="mia" if n % 2 else "bob",
            )
            for n in range(CALLS)
        ],
    )
    return made


def worked(work: str, number: int) -> bool:
    """Do a task in a process that is killed at the statement of this number; whether it was."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _WORK.format(number=number, work=work)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr
    # Its server process holds what it had locked until it finds out.
    deadline = time.monotonic() + 240
    while _others_at_work():
        assert time.monotonic() < deadline, "The session of a killed process is still there."
        time.sleep(0.02)
    return done.returncode == -9


def _others_at_work() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND xact_start IS NOT NULL"
        )
        return cursor.fetchone() is not None


def of_a_member(grant: Grant) -> Grant:
    """What goes on for as long as somebody may."""
    user = person()
    grant.project.memberships.create(user=user, role=Role.MEMBER)
    return access.by_user(user, grant.project.slug)


def export(grant: Grant) -> Job:
    return exporting.start(grant, kind="generations", format="jsonl")


def is_exported(grant: Grant, job: Job) -> None:
    with default_storage.open(job.result["file"]) as file:
        found = [orjson.loads(line)["id"] for line in file.read().splitlines()]
    assert sorted(found) == [f"g{n:03}" for n in range(CALLS)]


def export_of_columns(grant: Grant) -> Job:
    return exporting.start(grant, kind="generations", format="parquet")


def is_exported_in_columns(grant: Grant, job: Job) -> None:
    with default_storage.open(job.result["file"]) as file:
        found = pq.read_table(file)["id"].to_pylist()
    assert sorted(found) == [f"g{n:03}" for n in range(CALLS)]


def expiry(grant: Grant) -> Job:
    retention.add_rule(grant, kind="generations", what="text", days=1, document={"metadata.userId": "mia"})
    return retention.start(grant, is_dry=False)


def is_expired(grant: Grant, job: Job) -> None:
    kept = GenerationPayload.objects.in_project(grant.project.pk).values("uid")
    rows = Generation.objects.in_project(grant.project.pk)
    assert set(rows.filter(uid__in=kept).values_list("user_id", flat=True)) == {"bob"}
    assert not rows.filter(user_id="mia").exclude(output_preview=None).exists()
    assert rows.count() == CALLS


def erasure(grant: Grant) -> Job:
    return retention.erase(grant, "mia")


def is_erased(grant: Grant, job: Job) -> None:
    rows = Generation.objects.in_project(grant.project.pk)
    assert set(rows.values_list("user_id", flat=True)) == {"bob"}
    assert GenerationPayload.objects.in_project(grant.project.pk).count() == rows.count() == CALLS / 2
    assert set(Participant.objects.in_project(grant.project.pk).values_list("public_id", flat=True)) == {"bob"}
    assert job.result["generations"] == CALLS / 2


def evaluation(grant: Grant) -> Job:
    grant = of_a_member(grant)
    dataset = evaluations.dataset(grant, *({"input": {"word": f"w{n}"}} for n in range(70)))
    version = evaluations.version(grant, "Say {{word}}")
    regex = evaluations.evaluator(grant, "regex", pattern=".")
    return evaluations.begun(grant, [regex], dataset=str(dataset.pk), versions=[version.public_id])


def is_evaluated(grant: Grant, job: Job) -> None:
    calls = Generation.objects.in_project(grant.project.pk).filter(metadata__has_key="evaluation")
    scores = Score.objects.in_project(grant.project.pk).filter(value=1)
    assert (job.result["items"], job.result["scored"], job.result["calls"]) == (70, 70, 70)
    assert ExperimentItem.objects.values("dataset_item").distinct().count() == ExperimentItem.objects.count() == 70
    assert calls.count() == 70
    assert set(scores.values_list("generation_id", flat=True)) == set(calls.values_list("public_id", flat=True))


def tagging(grant: Grant) -> Job:
    return bulk.start(of_a_member(grant), "generations", "tag", {"metadata.userId": "mia"}, {"tags": ["seen"]})


def is_tagged(grant: Grant, job: Job) -> None:
    rows = Generation.objects.in_project(grant.project.pk)
    assert set(rows.filter(tags=["seen"]).values_list("user_id", flat=True)) == {"mia"}
    assert rows.filter(tags=["seen"]).count() == rows.filter(tags=[]).count() == CALLS / 2
    assert job.result == {"matched": CALLS / 2, "changed": CALLS / 2}


def repriced(grant: Grant) -> Job:
    repricing.add(grant, match="gpt-4o", prices={"input_price": "2000000", "output_price": "1"})
    return repricing.start(grant, is_dry=False)


def is_repriced(grant: Grant, job: Job) -> None:
    rows = Generation.objects.in_project(grant.project.pk)
    assert [row.cost for row in rows.order_by("public_id")] == [2 * n for n in range(CALLS)]
    assert (job.result["looked at"], job.result["changed"]) == (CALLS, CALLS)
    assert Decimal(job.result["after"]["USD"]) == sum(2 * n for n in range(CALLS))


def file_of_calls(grant: Grant) -> Job:
    grant = of_a_member(grant)
    lines: list[Any] = [
        {"id": f"i{n}", "timestamp": OLD.isoformat(), "input": {"content": f"Question {n}"}} for n in range(IMPORTED)
    ]
    lines[7] = lines[-7] = {"id": "", "usage": {"cost": "none"}}
    content = b"\n".join(map(orjson.dumps, lines))
    upload = uploads.keep(grant, io.BytesIO(content), "calls.jsonl", len(content))
    return generations.start(grant, upload, {})


def is_imported(grant: Grant, job: Job) -> None:
    counts = {name: job.result[name] for name in generations.COUNTS}
    assert counts == {"rows": IMPORTED, "stored": IMPORTED - 2, "merged": 0, "unchanged": 0, "refused": 2}
    assert Generation.objects.in_project(grant.project.pk).filter(public_id__startswith="i").count() == IMPORTED - 2
    refused = refusals.opened(job)
    assert refused is not None
    with refused:
        lines = refused.read().decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "8", str(IMPORTED - 6)]


@pytest.mark.parametrize(
    ("start", "is_right", "numbers"),
    [
        (file_of_calls, is_imported, (18, 24)),
        (export, is_exported, (9,)),
        (export_of_columns, is_exported_in_columns, (9,)),
        (tagging, is_tagged, (12, 14)),
        (repriced, is_repriced, (10, 12)),
        (expiry, is_expired, (33,)),
        (erasure, is_erased, (13, 41)),
        (evaluation, is_evaluated, (36, 36)),
    ],
)
def test_a_job_whose_worker_was_killed_is_ended_by_another(
    grant: Grant, start: Callable[[Grant], Job], is_right: Callable[[Grant, Job], None], numbers: tuple[int, ...]
) -> None:
    job = start(grant)

    killed = 0
    for number in numbers:
        if not worked(f"run_job('{job.pk}')", number):
            break
        killed += 1
        Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
        jobs.sweep()
    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert killed, f"it was done before it was killed: {job.state} {job.error}"
    assert job.state == Job.State.DONE
    assert job.attempts == killed + 1
    is_right(grant, job)


def test_rollups_whose_maker_was_killed_are_made_by_another(grant: Grant) -> None:
    assert worked("compact()", 7)

    rollups.compact()

    assert not RollupDirty.objects.in_project(grant.project.pk).exists()
    both(grant.project, Query(kind="generations", measures=(Measure("calls", "count"),)))


def test_extracts_whose_maker_was_killed_are_made_by_another(grant: Grant) -> None:
    assert worked("index_text()", 9)

    search.fill(30)

    extracts: Any = GenerationSearch.objects.in_project(grant.project.pk)
    assert extracts.count() == CALLS
    assert len(search.find(grant.project, "walrus", limit=100).hits) == 100
