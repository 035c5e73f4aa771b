"""Files of exports that hold somebody who is erased go, are made anew, or are named; others stay."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from generations import access, exporting, recording, retention
from generations.exporting import destinations
from generations.models import Generation, Job, Project
from generations.models.accounts import Role
from generations.records import FeedbackRecord, StepRecord, ThreadRecord, revised
from generations.retention import removing
from tests.erasing import call, counts, erased
from tests.exports import before_each_batch
from tests.web import NOON, project, signed_in, text

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["generations", "steps"])
@pytest.mark.parametrize("filter", [{}, {"and": []}])
def test_files_of_exports_of_all_that_there_is_go(kind: str, filter: dict[str, Any]) -> None:
    own = project()
    step = StepRecord(id="hers-too", type="tool", started_at=NOON, user_id="mia")
    recording.record(own, [call("hers", "mia"), call("his", "ben"), step])
    job = exporting.start(access.of_system(own), kind=kind)
    exporting.run(job.pk)
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(parameters={**job.parameters, "filter": filter})

    assert counts(erased(own))["exports"] == 1

    assert not default_storage.exists(job.result["file"])


@pytest.mark.parametrize("filter", [{"model.id": "b"}, {"no.such.field": 1}])
def test_files_of_exports_go_for_others_words_in_their_threads_and_where_nobody_can_tell(
    filter: dict[str, Any],
) -> None:
    own = project()
    thread = ThreadRecord(id="talk", user_id="mia", started_at=NOON)
    recording.record(own, [thread, call("answer", "bot", thread_id="talk", model_id="b"), call("his", "ben")])
    job = exporting.start(access.of_system(own), condition_document={"model.id": "b"})
    exporting.run(job.pk)
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(parameters={**job.parameters, "filter": filter})

    assert counts(erased(own))["exports"] == 1

    assert not default_storage.exists(job.result["file"])


@pytest.mark.parametrize("state", [Job.State.RUNNING, Job.State.QUEUED, Job.State.DONE])
def test_an_export_that_was_made_while_somebody_is_erased_is_made_anew(
    state: Job.State, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project()
    recording.record(own, [call("hers", "mia"), call("his", "ben")])
    erasure = retention.erase(access.of_system(own), "mia")
    export = exporting.start(access.of_system(own))
    ended = {"finished_at": Now()} if state == Job.State.DONE else {}

    def begun(number: int) -> None:
        Job.objects.filter(pk=erasure.pk).update(state=state, started_at=Now(), **ended)

    before_each_batch(monkeypatch, begun)
    exporting.run(export.pk)

    export.refresh_from_db()
    assert (export.state, export.result) == (Job.State.QUEUED, {})


def test_files_of_exports_that_hold_them_go_and_others_stay() -> None:
    own = project()
    grant = access.of_system(own)
    recording.record(own, [call("hers", "mia", model_id="a"), call("his", "ben", model_id="b")])
    jobs = {}
    for model in ("a", "b"):
        job = exporting.start(grant, condition_document={"model.id": model})
        exporting.run(job.pk)
        jobs[model] = Job.objects.get(pk=job.pk)

    job = erased(own)

    for one in jobs.values():
        one.refresh_from_db()
    assert counts(job)["exports"] == 1
    assert (jobs["a"].state, jobs["b"].state) == (Job.State.EXPIRED, Job.State.DONE)
    assert not default_storage.exists(jobs["a"].result["file"])
    assert default_storage.exists(jobs["b"].result["file"])
    default_storage.delete(jobs["b"].result["file"])


def changed(own: Project) -> None:
    recording.retag(own, "generation", ["hers"], remove=["vip"])


def deleted(own: Project) -> None:
    removing.erase(access.of_system(own), "generation", "hers")


def judged_anew(own: Project) -> None:
    recording.record(own, [FeedbackRecord(generation_id="hers", rating=1)])


def two_hours_pass(own: Project) -> None:
    ago = dt.timedelta(hours=2)
    jobs = Job.objects.filter(project=own)
    jobs.update(**{name: F(name) - ago for name in ("started_at", "finished_at")})
    rows = Generation.objects.in_project(own.pk)
    rows.update(**{name: F(name) - ago for name in ("started_at", "created_at", "updated_at")})


@pytest.mark.parametrize(
    ("filter", "happens"),
    [
        ({"tags": "vip"}, changed),
        ({"tags": "vip"}, deleted),
        ({"feedback.rating": 5}, judged_anew),
        ({"timestamp": {"$gte": "now-1h"}}, two_hours_pass),
    ],
)
def test_files_of_exports_go_though_what_is_theirs_would_not_match_any_more(
    filter: dict[str, Any], happens: Callable[[Project], None]
) -> None:
    own = project()
    hers = call("hers", "mia", tags=("vip",), feedback=FeedbackRecord(rating=5))
    recording.record(own, [revised(hers, started_at=timezone.now()), call("another", "mia")])
    job = exporting.start(access.of_system(own), condition_document=filter)
    exporting.run(job.pk)
    job.refresh_from_db()
    assert job.result["rows"] == 1
    happens(own)

    assert counts(erased(own))["exports"] == 1


def test_an_export_that_is_handed_over_while_somebody_is_erased_is_made_anew(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_FOLDER = tmp_path
    own = project()
    grant = access.of_system(own)
    recording.record(own, [call("hers", "mia")])
    schedule = exporting.schedules.create(grant, {"name": "all", "destination": "nightly"})
    run = exporting.schedules.run_now(grant, schedule.pk)
    assert run is not None
    erasure = retention.erase(grant, "mia")
    save, deliver = default_storage.save, destinations.deliver

    def begun(*given: Any) -> Any:
        Job.objects.filter(pk=erasure.pk).update(state=Job.State.RUNNING, started_at=Now())
        return deliver(*given) if isinstance(given[0], destinations.Destination) else save(*given)

    monkeypatch.setattr(destinations, "deliver", begun)
    monkeypatch.setattr(default_storage, "save", begun)
    for job in (exporting.start(grant), run):
        Job.objects.filter(pk=erasure.pk).update(state=Job.State.QUEUED, started_at=None)
        exporting.run(job.pk)

        job.refresh_from_db()
        assert (job.state, job.result) == (Job.State.QUEUED, {})
    assert not default_storage.listdir(f"exports/{own.pk}")[1]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_files_that_were_delivered_elsewhere_are_named_though_nothing_reaches_them(
    tmp_path: Path, settings: Settings
) -> None:
    settings.EXPORT_FOLDER = tmp_path
    own, other = project(), project("Other")
    for one in (own, other):
        recording.record(one, [call("hers", "mia", model_id="a"), call("his", "ben", model_id="b")])
    jobs = {}
    for one, model in ((own, "a"), (own, "b"), (other, "a")):
        said = {"name": model, "destination": "nightly", "filter": {"model.id": model}}
        schedule = exporting.schedules.create(access.of_system(one), said)
        job = exporting.schedules.run_now(access.of_system(one), schedule.pk)
        assert job is not None and exporting.run(job.pk)
        job.refresh_from_db()
        jobs[one.pk, model] = job

    job = erased(own)

    hers = jobs[own.pk, "a"]
    (named,) = job.result[retention.DELIVERED]
    assert hers.finished_at is not None
    assert named == {"to": hers.result["delivered"], "finishedAt": hers.finished_at.isoformat(), "job": str(hers.pk)}
    assert (tmp_path / named["to"]).exists()
    assert job.result["exports"] == 0
    hers.refresh_from_db()
    assert hers.state == Job.State.DONE
    page = signed_in(own, Role.ADMIN).get(f"/projects/{own.slug}/settings/retention/")
    assert "1 file that may hold something of theirs was delivered elsewhere" in text(page)
    assert named["to"] in text(page)
