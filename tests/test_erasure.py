"""One participant is taken out of everything, everything is counted, and nobody else loses anything."""

import datetime as dt
import io
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import access, attachments, datasets, holds, intake, recording, retention, search, tasks
from generations.importing import generations, uploads
from generations.models import (
    Attachment,
    AuditEntry,
    DatasetItem,
    Experiment,
    ExperimentItem,
    Feedback,
    Generation,
    GenerationPayload,
    GenerationSearch,
    IngestReject,
    Job,
    Participant,
    ReviewItem,
    ReviewQueue,
    Score,
    Step,
    Thread,
)
from generations.models.accounts import Role
from generations.records import (
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from generations.retention import erasing, removing
from tests.erasing import call, counts, erased
from tests.own_files import storage
from tests.web import NOON, person, project

__all__ = ["storage"]
pytestmark = pytest.mark.django_db


def test_all_that_a_participant_did_goes_with_a_count_of_each_kind() -> None:
    own = project()
    recording.record(
        own,
        [
            StepRecord(id="turn", started_at=NOON, thread_id="talk", input="Hello", user_id="mia"),
            call("in thread", "mia", thread_id="talk", step_id="turn", scores=(ScoreRecord(name="q", value=1.0),)),
            call("alone", "mia", feedback=FeedbackRecord(rating=5)),
            call("ben's", "ben", thread_id="other talk"),
            FeedbackRecord(generation_id="ben's", rating=1, user_id="mia"),
            ScoreRecord(id="theirs", generation_id="ben's", name="q", value=0.0, author="mia"),
        ],
    )
    search.fill(5)
    IngestReject.objects.create(project=own, door="rest", reason="No", body=b'{"userId": "mia"}')
    IngestReject.objects.create(project=own, door="rest", reason="No", body=b'{"userId": "ben"}')

    job = erased(own)

    assert counts(job) == {
        "threads": 1,
        "steps": 1,
        "generations": 2,
        "scores": 2,
        "feedback": 2,
        "refused bodies": 1,
        "participants": 1,
    }
    for model in (Generation, GenerationPayload, GenerationSearch, Thread, Participant):
        assert model.objects.in_project(own.pk).count() == 1, model
    for gone in (Step, Score, Feedback):
        assert not gone.objects.in_project(own.pk).exists(), gone
    assert [one.public_id for one in Participant.objects.in_project(own.pk)] == ["ben"]
    assert IngestReject.objects.filter(body=None).count() == 1
    assert AuditEntry.objects.get(project=own, action="erasure.start").detail == {"participant": "mia"}


def test_files_go_with_what_they_were_beside() -> None:
    own = project()
    keys = {name: attachments.new_key(own) for name in ("mia", "ben")}
    for name, key in keys.items():
        attachments.save(key, io.BytesIO(b"picture"))
        file = AttachmentRecord(id=f"of {name}", storage_key=key)
        recording.record(own, [call(name, name, attachments=(file,))])

    job = erased(own)

    assert counts(job)["files"] == 1
    assert not default_storage.exists(keys["mia"])
    assert default_storage.exists(keys["ben"])
    assert [one.public_id for one in Attachment.objects.in_project(own.pk)] == ["of ben"]
    default_storage.delete(keys["ben"])


def test_items_of_datasets_made_from_them_go_from_every_version() -> None:
    own = project()
    grant = access.of_system(own)
    recording.record(own, [call("hers", "mia"), call("his", "ben")])
    made = datasets.create(grant, name="Golden")
    datasets.add_items(
        grant, str(made.pk), [datasets.NewItem(input={"a": 1}, generation_id=id) for id in ("hers", "his")]
    )
    item = DatasetItem.objects.get(generation_id="hers")
    experiment = Experiment.objects.create(project=own, name="Run")
    ExperimentItem.objects.create(experiment=experiment, dataset_item=item, input={"a": 1}, output={"text": "Hi"})

    job = erased(own)

    assert (counts(job)["dataset items"], counts(job)["experiment items"]) == (1, 1)
    assert [one.generation_id for one in DatasetItem.objects.all()] == ["his"]
    assert not ExperimentItem.objects.exists()


def test_what_was_made_in_their_steps_goes_and_what_reviewers_were_to_say_of_it() -> None:
    own = project()
    made = GenerationRecord(id="made", started_at=NOON, step_id="turn", prompt="Hello")
    recording.record(own, [StepRecord(id="turn", started_at=NOON, user_id="mia"), made, call("his", "ben")])
    queue = ReviewQueue.objects.create(project=own, name="Queue")
    for id in ("made", "his"):
        ReviewItem.objects.create(queue=queue, kind="generation", subject_id=id)

    erased(own)

    assert [one.public_id for one in Generation.objects.in_project(own.pk)] == ["his"]
    assert [one.subject_id for one in ReviewItem.objects.all()] == ["his"]


def test_what_is_below_their_steps_goes_unless_it_is_named_as_somebody_elses() -> None:
    own = project()
    steps = [
        StepRecord(id="top", started_at=NOON, user_id="mia", parent_id="ring"),
        StepRecord(id="below", started_at=NOON, parent_id="top"),
        StepRecord(id="ring", started_at=NOON, parent_id="below"),
        StepRecord(id="talks", started_at=NOON, thread_id="talk"),
        StepRecord(id="below talk", started_at=NOON, parent_id="talks"),
        StepRecord(id="ben's", started_at=NOON, parent_id="below", user_id="ben"),
        StepRecord(id="below ben's", started_at=NOON, parent_id="ben's"),
    ]
    calls = [GenerationRecord(id=f"in {one.id}", started_at=NOON, step_id=one.id, prompt="Hello") for one in steps]
    recording.record(own, [ThreadRecord(id="talk", user_id="mia"), *steps, *calls])

    job = erased(own)

    assert (counts(job)["steps"], counts(job)["generations"]) == (5, 5)
    assert {one.public_id for one in Step.objects.in_project(own.pk)} == {"ben's", "below ben's"}
    assert {one.public_id for one in Generation.objects.in_project(own.pk)} == {"in ben's", "in below ben's"}


@pytest.mark.parametrize("written", ["josé/1", r"jos\u00e9/1", r"jos\u00E9\/1", r"josé\/1"])
def test_bodies_of_what_was_refused_go_however_json_writes_them(written: str) -> None:
    own = project()
    recording.record(own, [call("his", "josé/1")])
    body = f'{{"userId": "{written}"}}'.encode()
    intake.keep(own, "rest", [intake.Refusal("No")], intake.Body(body, len(body)))

    assert counts(erased(own, "josé/1"))["refused bodies"] == 1


def test_files_that_wait_to_be_imported_go_but_for_those_that_jobs_read_and_only_in_this_project() -> None:
    own, other = project(), project("Other")
    kept = {}
    for one in (own, other):
        recording.record(one, [call("hers", "mia")])
        for state in (Job.State.DONE, Job.State.QUEUED, Job.State.FAILED):
            key = kept[one.pk, state] = uploads.keep(access.of_system(one), io.BytesIO(b"{}"), "a.jsonl", 2).key
            Job.objects.create(project=one, kind="import", state=state, parameters={"file": key})

    assert erased(own).result["files to import"] == 2

    left = [place for place, key in kept.items() if default_storage.exists(key)]
    assert left == [(own.pk, Job.State.QUEUED), *((other.pk, state) for state in ("done", "queued", "failed"))]


def test_an_erasure_ends_after_the_imports_that_were_started_before_it() -> None:
    own = project()
    recording.record(own, [call("hers", "mia")])
    content = b'{"id": "again", "metadata": {"userId": "mia"}}\n{"id": "his", "metadata": {"userId": "bob"}}'
    user = person()
    own.memberships.create(user=user, role=Role.MEMBER)
    grant = access.by_user(user, own.slug)

    def started() -> Job:
        return generations.start(grant, uploads.keep(grant, io.BytesIO(content), "a.jsonl", len(content)), {})

    imported = started()
    Job.objects.filter(pk=imported.pk).update(created_at=timezone.now() + dt.timedelta(seconds=30))  # by their clock
    job = retention.erase(access.of_system(own), "mia")

    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempts, Generation.objects.in_project(own.pk).count()) == (Job.State.QUEUED, 0, 0)
    tasks.run_job(str(job.pk))
    tasks.run_job(str(imported.pk))
    assert Generation.objects.in_project(own.pk).filter(user_id="mia").exists()
    afterwards = started()
    Job.objects.filter(pk=afterwards.pk).update(created_at=timezone.now() + dt.timedelta(minutes=2))
    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert (job.state, counts(job)) == (Job.State.DONE, {"generations": 2, "participants": 2})
    assert list(Generation.objects.in_project(own.pk).values_list("public_id", flat=True)) == ["his"]
    assert afterwards.state == Job.State.QUEUED


def test_bodies_of_what_was_refused_go_where_they_name_them_and_only_in_this_project() -> None:
    own, other = project(), project("Other")
    for n, one in enumerate((own, other)):
        recording.record(one, [call("hers", "mia")])
        for id, body in (("mia", b"by id"), ("a", b'{"userId": "mia"}'), ("b", b'{"userId": "ben"}')):
            said = intake.Refusal(f"Reason {n} of {id}", id=id)
            intake.keep(one, "rest", [said], intake.Body(body, len(body)))

    erased(own)

    left = {(row.project_id, row.record_id) for row in IngestReject.objects.filter(body__isnull=False)}
    assert left == {(own.pk, "b"), *((other.pk, id) for id in ("mia", "a", "b"))}


def test_another_project_keeps_the_participant_of_the_same_id() -> None:
    own, other = project(), project("Other")
    for one in (own, other):
        recording.record(one, [call("hers", "mia")])

    erased(own)

    assert Generation.objects.in_project(other.pk).count() == 1
    assert Participant.objects.in_project(other.pk).count() == 1
    assert not Generation.objects.in_project(own.pk).exists()


def test_a_hold_forbids_to_erase_also_when_it_comes_after_the_start() -> None:
    own = project()
    grant = access.of_system(own)
    recording.record(own, [call("hers", "mia", thread_id="talk"), call("answer", "bot", thread_id="talk")])
    job = retention.erase(grant, "mia")
    retention.add_hold(grant, reason="Case", kind="generations", document={"metadata.userId": "bot"})

    tasks.run_job(str(job.pk))
    with pytest.raises(holds.Held, match='"Case" keeps something of this participant'):
        retention.erase(grant, "mia")

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert Generation.objects.in_project(own.pk).count() == 2


def test_what_an_import_brings_may_be_held_and_the_report_says_what_was_erased_before() -> None:
    own = project()
    recording.record(own, [call("hers", "mia")])
    imported = Job.objects.create(project=own, kind=Job.Kind.IMPORT, state=Job.State.RUNNING)
    job = retention.erase(access.of_system(own), "mia")
    retention.add_hold(access.of_system(own), reason="Case", kind="generations", document={"metadata.case": "1"})

    tasks.run_job(str(job.pk))
    recording.record(own, [call("imported", "mia", metadata={"case": "1"})])
    Job.objects.filter(pk=imported.pk).update(state=Job.State.DONE)
    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert (job.state, job.result["generations"]) == (Job.State.FAILED, 1)
    assert "What is counted here was erased before" in job.error


def test_nobody_is_erased_who_is_not_there() -> None:
    own, other = project(), project("Other")
    recording.record(other, [call("hers", "mia")])

    for id in ("mia", "", "a\0b"):
        with pytest.raises(retention.NoSuchParticipant, match="There is no participant"):
            retention.erase(access.of_system(own), id)

    assert not Job.objects.exists()


def test_an_attempt_that_takes_over_goes_on_counting() -> None:
    own = project()
    recording.record(own, [call(f"n{n}", "mia") for n in range(3)])
    job = retention.erase(access.of_system(own), "mia")
    Job.objects.filter(pk=job.pk).update(result={"generations": 40})

    tasks.run_job(str(job.pk))

    job.refresh_from_db()
    assert job.result["generations"] == 43


def test_a_hold_that_is_added_meanwhile_keeps_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.retention.removing.AT_ONCE", 1)
    own = project()
    recording.record(own, [call("one", "mia"), call("two", "mia")])
    remove = removing.remove

    def held_then(*given: Any) -> tuple[int, int]:
        removed = remove(*given)
        retention.add_hold(access.of_system(own), reason="Case 7", kind="generations", document={"id": "two"})
        retention.add_hold(access.of_system(own), reason="Case 8", kind="generations", document={"id": "one"})
        return removed

    monkeypatch.setattr(erasing, "remove", held_then)

    job = erased(own)

    assert (job.state, job.error[:22]) == (Job.State.FAILED, "A legal hold was added")
    assert job.result["generations"] == 1
    assert Generation.objects.in_project(own.pk).count() == 1


def test_steps_within_steps_are_counted_beforehand_so_deep_and_no_deeper(django_assert_max_num_queries: Any) -> None:
    own = project()
    steps = [StepRecord(id="0", started_at=NOON, user_id="mia")]
    steps += [StepRecord(id=str(n), started_at=NOON, parent_id=str(n - 1)) for n in range(1, 200)]
    recording.record(own, steps)

    with django_assert_max_num_queries(100):
        foretold = retention.foretell(own, "mia")

    assert not foretold.is_exact
    assert 50 <= foretold.counts["steps"] < 200
