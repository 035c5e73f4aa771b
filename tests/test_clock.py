"""A clock that is a day off, a caller's or the server's own: nothing is lost, hidden or counted twice."""

import datetime as dt

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from generations import access, exporting, jobs, retention, rollups, search
from generations.metrics import Measure, Query
from generations.models import Generation, Job
from tests.doors import gantry
from tests.doors.rest import Caller, caller
from tests.rollups import both

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def api() -> Caller:
    return caller()


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_callers_clock_is_taken_as_it_is(api: Caller, off: dt.timedelta) -> None:
    said = timezone.now() + off
    call = {
        "id": "off",
        "timestamp": said.isoformat(),
        "output": {"content": "a walrus"},
        "performance": {"latency": 2},
    }

    assert api.post("/api/generations", call).status == 201
    assert api.post("/api/generations", {"id": "right"}).status == 201
    search.fill(5)
    rollups.compact()

    row = Generation.objects.in_project(api.project.pk).get(public_id="off")
    assert row.started_at == said
    assert row.ended_at == said + dt.timedelta(seconds=2)
    listed = [one["id"] for one in api.get("/api/generations").data]
    assert listed == (["off", "right"] if off > dt.timedelta() else ["right", "off"])
    assert [hit.generation.public_id for hit in search.find(api.project, "walrus").hits] == ["off"]
    assert both(api.project, Query(kind="generations", measures=(Measure("calls", "count"),))).rows[0].count == 2


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_clock_that_is_off_is_told_in_columns_as_it_was_said(api: Caller, off: dt.timedelta) -> None:
    said = (timezone.now() + off).replace(microsecond=0)
    choices = [{"text": "Hello", "index": 0}]
    answered = {"id": "r", "object": "text_completion", "created": int(said.timestamp()), "choices": choices}
    assert gantry.log(api, gantry.event(api_response=answered))[0].status == 200

    job = exporting.start(access.of_system(api.project), format="parquet")
    assert exporting.run(job.pk)

    job.refresh_from_db()
    with exporting.open_file(job) as file:
        [row] = pq.read_table(file).select(["timestamp", "endTimestamp", "completion"]).to_pylist()
    assert row["completion"] == "Hello"
    assert said in (row["timestamp"], row["endTimestamp"])


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_call_without_a_time_of_a_server_that_is_off_is_mended_by_a_truer_one(
    api: Caller, off: dt.timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: right + off)
        assert api.post("/api/generations", {"id": "a"}).status == 201

    assert api.post("/api/generations", {"id": "a", "timestamp": right.isoformat()}).status == 200

    (row,) = Generation.objects.in_project(api.project.pk)
    assert row.started_at == right


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_jobs_go_by_the_databases_clock(off: dt.timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = access.of_system(access.create_project("Clock"))
    right = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: right + off)
    job = jobs.create(grant, Job.Kind.EXPORT, {})

    held = jobs.take(job.pk)
    assert held is not None
    assert jobs.sweep() == []
    assert jobs.take(job.pk) is None
    held.finish({})

    job.refresh_from_db()
    assert job.state == Job.State.DONE


def test_rules_are_followed_by_the_clock_as_it_is(api: Caller) -> None:
    """A run that was made while the clock was ahead keeps no project from the next one."""
    retention.add_rule(access.of_system(api.project), kind="generations", what="text", days=30)
    (ahead,) = retention.due()
    Job.objects.filter(pk=ahead.pk).update(created_at=timezone.now() + DAY)

    assert [job.project for job in retention.due()] == [api.project]
    assert retention.due() == []
