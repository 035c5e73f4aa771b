"""A clock that is a day off, a caller's or the server's own: nothing is lost, hidden or counted twice."""

import datetime as dt

import pytest
from django.utils import timezone

from generations import access, jobs, rollups, search
from generations.metrics import Measure, Query
from generations.models import Generation, Job
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
