"""All that match a filter into a dataset: once each, by a job that may be taken up again."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connection

from generations import access, datasets, gathering, recording, reviewing
from generations.access import Grant, NotAllowed, Scope
from generations.filters import BadFilter
from generations.models import DatasetItem, Job, Project, User
from generations.models.accounts import Role
from tests import web

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    made = web.project()
    recording.record(made, [web.call(n, tags=("odd",) if n % 2 else ()) for n in range(120)])
    return made


@pytest.fixture
def grant(project: Project) -> Grant:
    mia = web.person()
    project.memberships.create(user=mia, role=Role.MEMBER)
    return access.by_user(mia, project.slug)


def test_what_matches_is_added_once_as_one_version(grant: Grant) -> None:
    dataset = datasets.create(grant, name="Odd ones")
    datasets.add_generations(grant, str(dataset.pk), ["call-001"])
    job = gathering.into_dataset(grant, str(dataset.pk), kind="generations", document={"tags": "odd"})

    assert gathering.run(job.pk)
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(state="queued")
    gathering.run(job.pk)

    assert (job.state, job.result) == ("done", {"matched": 60, "added": 59})
    dataset.refresh_from_db()
    assert dataset.version == 3
    ids = DatasetItem.objects.filter(dataset=dataset).values_list("generation_id", flat=True)
    assert sorted(str(id) for id in ids) == [f"call-{n:03}" for n in range(1, 120, 2)]


@pytest.mark.parametrize("place", ["dataset", "queue"])
def test_an_attempt_after_one_that_broke_off_counts_what_that_one_added(
    grant: Grant, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "AT_ONCE", 20)
    dataset = datasets.create(grant, name="Odd ones")
    queue = reviewing.create(grant, name="Odd ones", criteria=reviewing.parsed("safe: yes/no"))
    make: Any = {"dataset": gathering.into_dataset, "queue": gathering.into_queue}[place]
    where = {"dataset": dataset, "queue": queue}[place]
    job = make(grant, str(where.pk), kind="generations", document={"tags": "odd"})

    came = 0

    def break_off(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal came
        if is_put := sql.startswith("INSERT") and "_item" in sql:
            came += 1
        if is_put and came == 3:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with pytest.raises(OperationalError), connection.execute_wrapper(break_off):
        gathering.run(job.pk)
    Job.objects.filter(pk=job.pk).update(state="queued")
    gathering.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.result) == ("done", {"matched": 60, "added": 60})
    dataset.refresh_from_db()
    assert dataset.version == (2 if place == "dataset" else 1)


@pytest.mark.parametrize("lost", ["role", "membership", "account"])
def test_who_may_no_longer_do_it_has_it_not_done(grant: Grant, lost: str) -> None:
    assert grant.user is not None
    dataset = datasets.create(grant, name="All")
    job = gathering.into_dataset(grant, str(dataset.pk), kind="generations", document={})
    if lost == "role":
        grant.user.memberships.update(role=Role.VIEWER)
    else:
        (grant.user.memberships if lost == "membership" else User.objects).all().delete()

    assert gathering.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "Who started this may no longer do it.")
    assert not DatasetItem.objects.exists()


@pytest.mark.parametrize("revoked", [False, True])
def test_a_key_that_was_revoked_meanwhile_has_nothing_done(grant: Grant, revoked: bool) -> None:
    admin = access.of_system(grant.project)
    key, token = access.create_key(admin, name="app", scopes=[Scope.WRITE])
    dataset = datasets.create(grant, name="All")
    job = gathering.into_dataset(access.by_key(token), str(dataset.pk), kind="generations", document={})
    if revoked:
        access.revoke_key(admin, str(key.pk))

    assert gathering.run(job.pk)

    assert DatasetItem.objects.count() == (0 if revoked else 120)


def test_a_filter_that_cannot_be_is_refused_before_a_job_is_made(grant: Grant) -> None:
    dataset = datasets.create(grant, name="None")

    with pytest.raises(BadFilter):
        gathering.into_dataset(grant, str(dataset.pk), kind="generations", document={"tagz": "odd"})
    with pytest.raises(BadFilter):
        gathering.into_dataset(grant, str(dataset.pk), kind="threads", document={})
    with pytest.raises(datasets.NoSuchDataset):
        gathering.into_dataset(grant, "0", kind="generations", document={})
    with pytest.raises(NotAllowed):
        reader = Grant(project=grant.project, scopes=frozenset({Scope.READ}))
        gathering.into_dataset(reader, str(dataset.pk), kind="generations", document={})
    assert Job.objects.count() == 0


def test_a_dataset_gets_what_matches_in_the_order_that_is_asked_for(grant: Grant) -> None:
    dataset = datasets.create(grant, name="Odd ones")
    job = gathering.into_dataset(
        grant, str(dataset.pk), kind="generations", document={"tags": "odd"}, order="timestamp"
    )

    assert gathering.run(job.pk)

    first = DatasetItem.objects.filter(dataset=dataset).order_by("created_at", "id")[:2]
    assert [item.generation_id for item in first] == ["call-001", "call-003"]


@pytest.mark.django_db(transaction=True)
def test_two_that_fill_a_dataset_at_once_add_nothing_twice(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = datasets.create(grant, name="Odd ones")
    filled = [
        gathering.into_dataset(grant, str(dataset.pk), kind="generations", document={"tags": "odd"}) for _ in range(2)
    ]
    added = datasets.add_generations
    both = threading.Barrier(2, timeout=3)

    def late(*given: Any, **named: Any) -> Any:
        with suppress(threading.BrokenBarrierError):  # one of them waits for the other to end
            both.wait()
        return added(*given, **named)

    def fill(job: Job) -> None:
        try:
            gathering.run(job.pk)
        finally:
            connection.close()

    monkeypatch.setattr(datasets, "add_generations", late)
    threads = [threading.Thread(target=fill, args=(job,)) for job in filled]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = list(DatasetItem.objects.filter(dataset=dataset).values_list("generation_id", flat=True))
    assert len(ids) == len(set(ids)) == 60
