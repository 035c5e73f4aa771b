"""All that match a filter into a dataset: once each, by a job that may be taken up again, or at once when few."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from generations import access, datasets, gathering, recording
from generations.access import Grant, NotAllowed, Scope
from generations.filters import BadFilter
from generations.models import DatasetItem, Job, Project
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
    return access.of_system(project)


def address(project: Project, kind: str = "generations") -> str:
    return f"/projects/{project.slug}/gather/{kind}/"


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


def test_few_are_added_at_once_and_many_by_a_job(project: Project) -> None:
    client = web.signed_in(project)

    page = client.get(address(project), {"query": "tags=odd"})
    few = client.post(address(project), {"query": "tags=odd", "new_dataset": "Odd"})
    many = client.post(address(project), {"query": "", "new_dataset": "All"})

    assert "60 match" in web.text(page)
    assert "Generations where tags include odd" in web.text(page)
    odd = datasets.named(access.of_system(project), "Odd")
    assert odd is not None
    assert few.headers["Location"] == f"/projects/{project.slug}/datasets/{odd.pk}/"
    assert DatasetItem.objects.filter(dataset=odd).count() == 60
    job = Job.objects.get()
    assert many.headers["Location"] == f"/projects/{project.slug}/jobs/{job.pk}/"
    assert job.parameters["filter"] == {}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"query": "tagz=odd", "new_dataset": "x"}, "tagz"),
        ({"query": "tags=none", "new_dataset": "x"}, "Nothing matches"),
        ({"query": "tags=odd"}, "Choose a dataset"),
    ],
)
def test_what_cannot_be_gathered_is_said_and_nothing_is_made(project: Project, sent: Any, words: str) -> None:
    response = web.signed_in(project).post(address(project), sent)

    assert response.status_code == 400
    assert words in web.text(response)
    assert datasets.named(access.of_system(project), "x") is None


def test_a_viewer_and_a_stranger_gather_nothing(project: Project) -> None:
    viewer, stranger = web.signed_in(project, Role.VIEWER), web.signed_in(web.project("Other"), name="zoe")

    assert viewer.get(address(project)).status_code == 403
    assert viewer.post(address(project), {"new_dataset": "x"}).status_code == 403
    assert stranger.post(address(project), {"new_dataset": "x"}).status_code == 404
    assert Client().get(address(project)).status_code == 302
    assert web.signed_in(project, name="mio").get(address(project, "threads")).status_code == 404
    assert datasets.named(access.of_system(project), "x") is None
