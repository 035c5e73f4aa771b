"""What is done to several generations at once."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from generations import access, recording, retention, tasks
from generations import bulk as verbs
from generations.models import (
    AuditEntry,
    Dataset,
    DatasetItem,
    Generation,
    Job,
    Membership,
    Project,
    Score,
    Step,
    Thread,
)
from generations.models.accounts import Role
from generations.records import ScoreRecord, StepRecord
from tests import web
from tests.web import NOON, call, ids

pytestmark = pytest.mark.django_db


def bulk(client: Client, project: Project, **sent: Any) -> Any:
    """Send the bulk form and follow it back to the list."""
    return client.post(f"/projects/{project.slug}/bulk/generations/", sent, follow=True)


def test_the_selected_are_tagged() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2, tags=("old",)), call(3)])

    response = bulk(client, project, do="tag", tags="good, for training", id=["call-001", "call-002"])

    assert "Tagged 2 generations with good, for training." in web.text(response)
    stored = dict(Generation.objects.in_project(project.pk).values_list("public_id", "tags"))
    assert stored == {"call-001": ["good", "for training"], "call-002": ["old", "good", "for training"], "call-003": []}


def test_the_selected_are_added_to_a_new_dataset_and_to_an_old_one() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2)])

    done = bulk(client, project, do="dataset", new_dataset="Hard <ones>\u202e", id=["call-001"])
    dataset = Dataset.objects.get(project=project)
    assert "Added 1 generation to the dataset Hard <ones>\u27e8U+202E\u27e9 ." in web.text(done)
    assert f"/projects/{project.slug}/datasets/{dataset.pk}/" in web.links(done)
    bulk(client, project, do="dataset", dataset=str(dataset.pk), id=["call-002"])

    assert sorted(str(item.generation_id) for item in DatasetItem.objects.all()) == ["call-001", "call-002"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"do": "tag", "tags": "x"}, "Select some generations first"),
        ({"do": "tag", "tags": " , ", "id": "call-001"}, "Say which tags to add"),
        ({"do": "score", "name": "quality", "id": "call-001"}, "A score has a name, and a number or a label"),
        ({"do": "score", "value": "1", "id": "call-001"}, "A score has a name, and a number or a label"),
        ({"do": "dataset", "id": "call-001"}, "Choose a dataset, or name a new one"),
        ({"do": "dataset", "dataset": "rubbish", "id": "call-001"}, "Choose a dataset"),
        ({"do": "burn", "id": "call-001"}, "Say what to do: tag, untag, score, dataset, review, delete, export."),
        ({"do": "dataset", "new_dataset": "X", "id": "nothing"}, "no generation 'nothing'"),
    ],
)
def test_a_bulk_action_that_cannot_be_done_says_why(sent: dict[str, Any], words: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])

    response = bulk(client, project, **sent)

    assert words in web.text(response)
    assert DatasetItem.objects.count() == 0
    assert Generation.objects.in_project(project.pk).get().tags == []


def test_a_viewer_is_shown_no_bulk_actions_and_allowed_none() -> None:
    project = web.project()
    client = web.signed_in(project, Role.VIEWER)
    recording.record(project, [call(1)])

    page = client.get(f"/projects/{project.slug}/generations/")
    refused = bulk(client, project, do="tag", tags="x", id=["call-001"])

    assert ids(page) == []
    assert refused.status_code == 403
    assert "has no scope 'write'" in web.text(refused)
    assert Generation.objects.in_project(project.pk).get().tags == []


def test_a_job_is_kept_without_what_the_database_has_no_place_for() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])

    job = started(client, project, do="tag", tags="a\0b")

    assert (job.state, tags_of(project)) == (Job.State.DONE, {"call-001": ["ab"]})


def test_bulk_leads_back_to_this_site_only() -> None:
    project = web.project()
    client = web.signed_in(project)

    response = client.post(f"/projects/{project.slug}/bulk/generations/", {"next": "https://evil.example/"})

    assert response["Location"] == f"/projects/{project.slug}/generations/"


# --------------------------------------------------------------------------------------------------- all that match
def started(client: Client, project: Project, **sent: Any) -> Job:
    """The job of a bulk action on all that match, done by a worker."""
    response = client.post(f"/projects/{project.slug}/bulk/generations/", {"all": "1", **sent})
    job = Job.objects.get(kind=Job.Kind.BULK)
    assert response["Location"] == f"/projects/{project.slug}/jobs/{job.pk}/"
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    return job


def tags_of(project: Project) -> dict[str, list[str]]:
    """The tags of each generation."""
    return dict(Generation.objects.in_project(project.pk).values_list("public_id", "tags"))


def test_all_that_match_are_tagged_by_a_job_however_many_pages_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    recording.record(project, [call(n, model_id="gpt-4" if n % 2 else "gpt-4o") for n in range(12)])
    recording.record(other, [call(1, model_id="gpt-4")])
    monkeypatch.setitem(verbs.AT_ONCE, "tag", 4)

    job = started(client, project, do="tag", tags="batch, one", query="model.id=gpt-4&view=x&order=timestamp")

    assert (job.state, job.result, job.progress_done) == (Job.State.DONE, {"matched": 6, "changed": 6}, 6)
    odd = {f"call-{n:03}" for n in range(1, 12, 2)}
    assert {id for id, tags in tags_of(project).items() if tags == ["batch", "one"]} == odd
    assert tags_of(other) == {"call-001": []}
    said = web.text(client.get(f"/projects/{project.slug}/jobs/{job.pk}/"))
    assert "tag with batch, one: generations where model is gpt-4" in said
    assert "Changed 6" in said


def test_a_job_that_takes_away_what_it_was_asked_by_reaches_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(n, tags=("old", "kept")) for n in range(9)])
    monkeypatch.setitem(verbs.AT_ONCE, "untag", 2)

    job = started(client, project, do="untag", tags="old", query="tags=old")

    assert job.result == {"matched": 9, "changed": 9}
    assert set(map(tuple, tags_of(project).values())) == {("kept",)}


@pytest.mark.parametrize("do", ["tag", "untag", "delete"])
def test_an_attempt_after_one_that_broke_off_counts_the_whole_job(do: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = web.project()
    client = web.signed_in(project, Role.ADMIN)
    recording.record(project, [call(n, tags=("old",)) for n in range(9)])
    monkeypatch.setitem(verbs.AT_ONCE, do, 2)
    address = f"/projects/{project.slug}/bulk/generations/"
    client.post(address, {"all": "1", "do": do, "tags": "old" if do == "untag" else "new", "query": "tags=old"})
    job = Job.objects.get()
    pages = 0

    def break_off(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal pages
        pages += (is_page := "pg_advisory_xact_lock(" in sql)
        if is_page and pages == 3:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with pytest.raises(OperationalError), connection.execute_wrapper(break_off):
        tasks.run_job(str(job.pk))
    Job.objects.update(state="queued")
    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert (job.state, job.result) == (Job.State.DONE, {"matched": 9, "changed": 9})


def test_the_selected_and_all_that_match_are_scored_by_who_asked_and_once_by_each_asking() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    recording.record(project, [call(1, tags=("odd",)), call(2), call(3, tags=("odd",)), StepRecord(id="step")])
    recording.record(other, [call(1)])

    said = bulk(client, project, do="score", name="quality", value="0,5", comment="So", id=["call-001", "none"])
    job = started(client, project, do="score", name="tone", value="rude", query="tags=odd")
    Job.objects.filter(pk=job.pk).update(state="queued")
    tasks.run_job(str(job.pk))
    step = {"do": "score", "name": "quality", "value": "1", "id": "step"}
    client.post(f"/projects/{project.slug}/bulk/steps/", step)

    assert "Scored 1 generation: quality 0.5; 1 of the 2 selected was gone." in web.text(said)
    assert job.result == {"matched": 2, "changed": 2}
    stored = Score.objects.in_project(project.pk).order_by("name", "generation_id")
    assert [(one.name, one.value, one.label, one.generation_id, one.step_id, one.type) for one in stored] == [
        ("quality", 0.5, None, "call-001", None, "HUMAN"),
        ("quality", 1, None, None, "step", "HUMAN"),
        ("tone", None, "rude", "call-001", None, "HUMAN"),
        ("tone", None, "rude", "call-003", None, "HUMAN"),
    ]
    assert {one.author for one in stored} == {"mia"}
    assert stored[0].comment == "So"
    assert "score tone rude: generations where tags include odd" in web.text(
        client.get(f"/projects/{project.slug}/jobs/{job.pk}/")
    )
    assert not Score.objects.in_project(other.pk).exists()


def test_a_dataset_takes_each_generation_once_however_often_it_is_asked() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(n) for n in range(5)])

    bulk(client, project, do="dataset", new_dataset="Hard ones", id=["call-001"])
    job = started(client, project, do="dataset", new_dataset="Hard ones", query="")
    again = web.text(bulk(client, project, do="dataset", new_dataset="Hard ones", id=["call-001", "call-002"]))

    assert (job.state, job.result) == (Job.State.DONE, {"matched": 5, "added": 4})
    assert DatasetItem.objects.count() == 5
    assert "Added nothing to the dataset Hard ones ; 2 of the 2 selected were there already." in again


def test_only_an_admin_deletes_and_a_hold_keeps_its_rows() -> None:
    project = web.project()
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, name="ben")
    recording.record(project, [call(1), call(2, tags=("kept",)), call(3, model_id="gpt-4")])
    retention.add_hold(
        access.of_system(project), reason="A dispute", kind="generations", document={"tags": {"$contains": "kept"}}
    )

    refused = member.post(f"/projects/{project.slug}/bulk/generations/", {"all": "1", "do": "delete", "query": ""})
    job = started(admin, project, do="delete", query="model.id=gpt-4o")
    bulk(admin, project, do="delete", id=["call-002", "call-003"])

    assert refused.status_code == 403
    assert job.result == {"matched": 1, "changed": 1}
    assert list(tags_of(project)) == ["call-002"]


@pytest.mark.parametrize("do", ["delete", "export"])
def test_a_query_that_is_too_long_is_refused_and_not_cut(do: str) -> None:
    project = access.create_project("Long")
    recording.record(project, [call(1, model_id="gpt-4")])
    query = f"order=timestamp&view={'x' * 8_000}&model.id=gpt-4o"
    address = f"/projects/{project.slug}/bulk/generations/"

    admin = web.signed_in(project, Role.ADMIN)

    answer = admin.post(address, {"all": "1", "do": do, "query": query}, follow=True)

    assert "at most 8000 characters" in web.text(answer)
    assert not Job.objects.filter(project=project).exists()


def test_who_may_no_longer_do_it_has_it_not_done() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])
    client.post(f"/projects/{project.slug}/bulk/generations/", {"all": "1", "do": "tag", "tags": "x", "query": ""})
    Membership.objects.update(role=Role.VIEWER)

    tasks.run_job(str(Job.objects.get().pk))

    job = Job.objects.get()
    assert (job.state, job.error) == (Job.State.FAILED, "Who started this may no longer do it.")
    assert tags_of(project) == {"call-001": []}


def test_who_may_not_delete_does_not_by_beginning_a_deletion_again() -> None:
    project = web.project()
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, name="ben")
    recording.record(project, [call(1)])
    admin.post(f"/projects/{project.slug}/bulk/generations/", {"all": "1", "do": "delete", "query": ""})
    first = Job.objects.get()
    admin.post(f"/projects/{project.slug}/jobs/{first.pk}/cancel/")

    member.post(f"/projects/{project.slug}/jobs/{first.pk}/retry/")
    for job in Job.objects.exclude(pk=first.pk):
        tasks.run_job(str(job.pk))

    assert list(tags_of(project)) == ["call-001"]
    assert not Job.objects.filter(state=Job.State.DONE).exists()


def test_steps_and_threads_are_tagged_in_bulk_too() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [StepRecord(id="s", started_at=NOON, type="tool", thread_id="chat")])

    for kind, id in (("steps", "s"), ("threads", "chat")):
        sent = {"do": "tag", "tags": "seen", "id": id}
        said = web.text(client.post(f"/projects/{project.slug}/bulk/{kind}/", sent, follow=True))
        assert f"Tagged 1 {kind.removesuffix('s')} with seen." in said

    assert Step.objects.in_project(project.pk).get().tags == ["seen"]
    assert Thread.objects.in_project(project.pk).get().tags == ["seen"]
    assert client.post(f"/projects/{project.slug}/bulk/secrets/", {"do": "tag"}).status_code == 404


def test_threads_are_deleted_with_all_that_is_in_them_by_a_job_that_holds_are_kept_by() -> None:
    project, other = web.project(), web.project("Other")
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, name="ben")
    for there in (project, other):
        recording.record(
            there,
            [
                *(StepRecord(id=f"s-{n}", started_at=NOON, type="run", thread_id=f"chat-{n}") for n in range(4)),
                *(call(n, thread_id=f"chat-{n}") for n in range(4)),
                call(9, step_id="s-0"),
                ScoreRecord(id="well", name="well", value=1, type="HUMAN", thread_id="chat-0"),
                call(8),
            ],
        )
    document = {"id": {"$in": ["call-002"]}}
    retention.add_hold(access.of_system(project), reason="A dispute", kind="generations", document=document)
    address = f"/projects/{project.slug}/bulk/threads/"

    refused = member.post(address, {"do": "delete", "id": ["chat-0"]})
    led = admin.post(address, {"do": "delete", "id": ["chat-0", "chat-2", "chat-3"]})

    assert refused.status_code == 403
    job = Job.objects.get(kind=Job.Kind.BULK)
    assert led["Location"] == f"/projects/{project.slug}/jobs/{job.pk}/"
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.result) == (Job.State.DONE, {"matched": 3, "changed": 2})
    left = {
        model: sorted(model.objects.in_project(project.pk).values_list("public_id", flat=True))
        for model in (Thread, Step, Generation, Score)
    }
    assert left == {
        Thread: ["chat-1", "chat-2"],
        Step: ["s-1", "s-2"],
        Generation: ["call-001", "call-002", "call-008"],
        Score: [],
    }
    assert Thread.objects.in_project(other.pk).count() == 4
    assert Generation.objects.in_project(other.pk).count() == 6
    (entry,) = AuditEntry.objects.filter(action="bulk.start")
    assert (entry.actor, entry.detail["do"], entry.detail["kind"]) == ("mia", "delete", "threads")


def test_no_thread_is_deleted_while_a_hold_keeps_everything() -> None:
    project = web.project()
    admin = web.signed_in(project, Role.ADMIN)
    recording.record(project, [call(1, thread_id="chat")])
    retention.add_hold(access.of_system(project), reason="A dispute", kind="steps", document={})

    admin.post(f"/projects/{project.slug}/bulk/threads/", {"do": "delete", "all": "1", "query": ""})
    job = Job.objects.get(kind=Job.Kind.BULK)
    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert (job.state, job.error) == (
        Job.State.FAILED,
        "A legal hold keeps everything in this list. Nothing was deleted.",
    )
    assert Thread.objects.in_project(project.pk).count() == 1


def test_threads_are_scored() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, thread_id="chat")])

    sent = {"do": "score", "name": "helpful", "value": "1", "id": "chat"}
    said = client.post(f"/projects/{project.slug}/bulk/threads/", sent, follow=True)

    assert "Scored 1 thread: helpful 1." in web.text(said)
    assert [one.thread_id for one in Score.objects.in_project(project.pk)] == ["chat"]


def test_users_are_erased_by_a_job_each_once_that_was_typed() -> None:
    project, other = web.project(), web.project("Other")
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, name="ben")
    for there in (project, other):
        recording.record(there, [call(n, user_id=f"u-{n}") for n in range(3)])
    address = f"/projects/{project.slug}/bulk/participants/"

    refused = member.post(address, {"do": "erase", "id": ["u-0"], "confirm": "erase"})
    untyped = admin.post(address, {"do": "erase", "id": ["u-0"]}, follow=True)
    unknown = admin.post(address, {"do": "erase", "id": ["u-0", "u-7"], "confirm": "erase"}, follow=True)
    hold = retention.add_hold(access.of_system(project), reason="Case", kind="generations", document={"id": "call-001"})
    held = admin.post(address, {"do": "erase", "id": ["u-0", "u-1"], "confirm": "erase"}, follow=True)
    retention.release_hold(access.of_system(project), str(hold.pk))
    everybody = admin.post(address, {"do": "erase", "all": "1", "query": "", "confirm": "erase"}, follow=True)
    assert not Job.objects.exists()
    led = admin.post(address, {"do": "erase", "id": ["u-0", "u-2"], "confirm": "Erase"})
    for job in Job.objects.all():
        tasks.run_job(str(job.pk))

    assert refused.status_code == 403
    assert "Type 'erase' to confirm. Nobody was erased." in web.text(untyped)
    nobody = "u-7: There is no participant 'u-7' in this project, nor anything of theirs. Nobody was erased."
    assert nobody in web.text(unknown)
    assert 'u-1: The legal hold "Case" keeps something of this participant' in web.text(held)
    assert "all that match are never erased at once" in web.text(everybody)
    assert led["Location"] == f"/projects/{project.slug}/settings/retention/"
    assert list(tags_of(project)) == ["call-001"]
    assert len(tags_of(other)) == 3
    assert {(one.kind, one.state) for one in Job.objects.all()} == {(Job.Kind.ERASURE, Job.State.DONE)}


def test_what_is_done_to_selected_rows_is_in_the_audit() -> None:
    project = web.project()
    admin = web.signed_in(project, Role.ADMIN)
    recording.record(project, [call(1), call(2), call(3)])

    bulk(admin, project, do="tag", tags="odd", id=["call-001", "call-003"])
    bulk(admin, project, do="delete", id=["call-003"])
    bulk(admin, project, do="delete", id=["call-003"])

    entries = AuditEntry.objects.filter(project=project, subject_kind="generation").order_by("created_at")
    assert [(one.action, one.actor, one.subject_id, one.detail) for one in entries] == [
        ("generation.tag", "mia", "", {"rows": 2, "ids": ["call-001", "call-003"], "tags": ["odd"]}),
        ("generation.delete", "mia", "call-003", {"rows": 1, "ids": ["call-003"]}),
    ]
