"""Long work: one worker at a time, handed on when it dies, cancelled at any point."""

import datetime as dt
import errno
import threading
import uuid
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from generations import access, jobs
from generations.access import Grant, NotAllowed, Scope
from generations.models import AuditEntry, Job, Project, User
from tests.leases import a_job, finish, grant

__all__ = ["grant"]

LONG_AGO = dt.timedelta(minutes=10)


def test_a_job_is_created_with_an_audit_entry(grant: Grant) -> None:
    job = a_job(grant)

    assert (job.state, job.attempts, job.progress_total) == (Job.State.QUEUED, 0, None)
    entry = AuditEntry.objects.get(subject_id=str(job.pk))
    assert (entry.action, entry.subject_kind, entry.detail) == ("export.start", "job", {"kind": "generations"})


def test_work_takes_the_lease_tells_its_progress_and_ends_done(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "TELL_EVERY", 0.0)
    job = a_job(grant)
    seen: list[tuple[str, int, int | None, int]] = []

    def do(lease: jobs.Lease) -> None:
        lease.advance(3, 10)
        now = Job.objects.get(pk=job.pk)
        assert now.leased_until is not None and now.leased_until > timezone.now()
        assert now.started_at is not None
        seen.append((now.state, now.progress_done, now.progress_total, now.attempts))
        lease.advance(10)
        lease.finish({"rows": 10})

    assert jobs.work(job.pk, do)

    job.refresh_from_db()
    assert seen == [("running", 3, 10, 1)]
    assert (job.state, job.result, job.progress_done, job.progress_total) == ("done", {"rows": 10}, 10, 10)
    assert job.finished_at is not None
    assert (job.leased_by, job.leased_until) == ("", None)


def test_progress_is_written_at_most_twice_a_second(
    grant: Grant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lease = jobs.take(a_job(grant).pk)
    assert lease is not None

    with django_assert_num_queries(0):
        for done in range(1000):
            lease.advance(done, 1000)


def test_a_job_that_is_held_done_or_cancelled_is_not_taken(grant: Grant) -> None:
    held = a_job(grant)
    assert jobs.take(held.pk) is not None

    assert jobs.take(held.pk) is None
    for state in (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED, Job.State.EXPIRED):
        assert jobs.take(a_job(grant, state=state).pk) is None
    assert jobs.take(a_job(grant, cancel_requested_at=timezone.now()).pk) is None
    assert jobs.take(a_job(grant, attempts=3).pk) is None
    assert jobs.take(uuid.uuid4()) is None


def test_a_job_whose_lease_ran_out_is_taken_by_another_and_the_first_stops(grant: Grant) -> None:
    job = a_job(grant)
    first = jobs.take(job.pk)
    assert first is not None
    Job.objects.filter(pk=job.pk).update(leased_until=Now() - LONG_AGO)

    second = jobs.take(job.pk)

    assert second is not None and second.job.attempts == 2
    with pytest.raises(jobs.Lost):
        first.renew()
    with pytest.raises(jobs.Lost):
        first.finish({"rows": 1})
    with pytest.raises(jobs.Lost):
        first.remember({"rows": 1})
    first.end(Job.State.FAILED, "too late")
    job.refresh_from_db()
    assert (job.state, job.error, job.result) == ("running", "", {})


def test_a_failure_is_told_in_its_own_sentence(grant: Grant) -> None:
    def do(lease: jobs.Lease) -> None:
        raise jobs.Failed("The disk is full.")

    job = a_job(grant)

    jobs.work(job.pk, do)

    job.refresh_from_db()
    assert (job.state, job.error, job.result) == ("failed", "The disk is full.", {})


def test_an_unexpected_error_goes_to_the_log_and_the_job_to_another_attempt(grant: Grant) -> None:
    def do(lease: jobs.Lease) -> None:
        raise ZeroDivisionError

    job = a_job(grant)

    with pytest.raises(ZeroDivisionError):
        jobs.work(job.pk, do)

    job.refresh_from_db()
    assert job.state == "running"
    Job.objects.filter(pk=job.pk).update(leased_until=Now() - LONG_AGO)
    assert jobs.sweep() == [str(job.pk)]
    assert jobs.work(job.pk, finish)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 2)


def test_a_job_that_is_given_up_tells_what_the_last_attempt_found(grant: Grant) -> None:
    def do(lease: jobs.Lease) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    job = a_job(grant)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            jobs.work(job.pk, do)
        Job.objects.filter(pk=job.pk).update(leased_until=Now() - LONG_AGO)
        jobs.sweep()

    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error.startswith("Given up after several attempts. The last one found: The server's disk is full.")


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_database_went_away_is_begun_again_as_soon_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0.01)
    job = a_job(access.of_system(access.create_project("Away")))
    looks = 0

    def away(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks < 4:
            raise OperationalError("gone") from psycopg.errors.AdminShutdown("terminated")
        return execute(sql, *rest)

    def do(lease: jobs.Lease) -> None:
        with connection.execute_wrapper(away), pytest.raises(OperationalError) as gone:
            lease.renew()
        stack.enter_context(connection.execute_wrapper(away))
        raise gone.value

    with ExitStack() as stack, pytest.raises(OperationalError):
        jobs.work(job.pk, do)

    assert looks > 3
    assert jobs.sweep() == [str(job.pk)]
    job.refresh_from_db()
    assert job.error == "The database does not answer. Try again in a moment."
    assert jobs.work(job.pk, finish)


def test_a_worker_that_is_to_end_puts_its_job_back_as_it_was(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_stopping", threading.Event())
    job = a_job(grant)

    def do(lease: jobs.Lease) -> None:
        lease.advance(1, 10)
        jobs.stop_working()
        lease.advance(2)
        raise AssertionError("it went on")

    jobs.work(job.pk, do)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.leased_by, job.progress_done) == ("queued", 0, "", 0)
    assert jobs.sweep() == [str(job.pk)]


def test_a_queued_job_is_cancelled_at_once(grant: Grant) -> None:
    job = jobs.cancel(grant, a_job(grant).pk)

    assert job is not None and job.state == "cancelled" and job.finished_at is not None
    assert not jobs.work(job.pk, finish)
    assert AuditEntry.objects.filter(action="export.cancel", subject_id=str(job.pk)).count() == 1


def test_a_running_job_stops_at_its_next_sign_of_progress(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "TELL_EVERY", 0.0)
    job = a_job(grant)
    steps: list[int] = []

    def do(lease: jobs.Lease) -> None:
        for done in range(1, 10):
            lease.advance(done, 10)
            steps.append(done)
            if done == 3:
                told = jobs.cancel(grant, job.pk)
                assert told is not None and told.state == "running" and told.cancel_requested_at is not None

    jobs.work(job.pk, do)

    job.refresh_from_db()
    assert steps == [1, 2, 3]
    assert (job.state, job.result, job.progress_done) == ("cancelled", {}, 4)


def test_a_cancelled_job_cannot_finish(grant: Grant) -> None:
    job = a_job(grant)

    def do(lease: jobs.Lease) -> None:
        jobs.cancel(grant, job.pk)
        finish(lease)

    jobs.work(job.pk, do)

    job.refresh_from_db()
    assert (job.state, job.result) == ("cancelled", {})


def test_cancelling_what_has_ended_changes_nothing(grant: Grant) -> None:
    job = a_job(grant)
    jobs.work(job.pk, finish)

    told = jobs.cancel(grant, job.pk)

    assert told is not None and told.state == "done" and told.cancel_requested_at is None
    assert not AuditEntry.objects.filter(action="export.cancel").exists()


def test_a_key_with_read_cancels_its_own_jobs_only(grant: Grant) -> None:
    _key, token = access.create_key(grant, name="reader", scopes=[Scope.READ])
    reader = access.by_key(token)
    own, other = a_job(reader), a_job(grant)

    cancelled = jobs.cancel(reader, own.pk)

    assert cancelled is not None and cancelled.state == "cancelled"
    with pytest.raises(NotAllowed):
        jobs.cancel(reader, other.pk)
    other.refresh_from_db()
    assert other.state == "queued"


@pytest.mark.parametrize("kind", [Job.Kind.ERASURE, Job.Kind.RETENTION, Job.Kind.REPRICE])
def test_what_an_administrator_started_is_cancelled_by_one(grant: Grant, kind: Job.Kind) -> None:
    admin, writer = (
        access.by_key(access.create_key(grant, name=scope.value, scopes=[scope])[1])
        for scope in (Scope.ADMIN, Scope.WRITE)
    )
    job = jobs.create(admin, kind, {"participant": "mia"})

    with pytest.raises(NotAllowed, match="'admin'"):
        jobs.cancel(writer, job.pk)

    assert not jobs.may_cancel(writer, job)
    job.refresh_from_db()
    assert job.state == "queued"
    cancelled = jobs.cancel(grant, job.pk)
    assert cancelled is not None and cancelled.state == "cancelled"


@pytest.mark.parametrize(
    ("kind", "parameters", "scope"),
    [
        (Job.Kind.EXPORT, {}, Scope.READ),
        (Job.Kind.EXPORT, {"destination": "nightly"}, Scope.ADMIN),
        (Job.Kind.BULK, {}, Scope.WRITE),
        (Job.Kind.REPRICE, {}, Scope.ADMIN),
        (Job.Kind.RETENTION, {}, Scope.ADMIN),
        (Job.Kind.ERASURE, {}, Scope.ADMIN),
    ],
)
def test_to_begin_a_job_again_needs_what_it_took_to_begin_it(
    grant: Grant, kind: Job.Kind, parameters: dict[str, str], scope: Scope
) -> None:
    job = a_job(grant, kind=kind, parameters=parameters, state="failed")
    others = frozenset(Scope) - {scope}

    with pytest.raises(NotAllowed):
        jobs.retry(access.Grant(project=grant.project, scopes=others), job.pk)
    again = jobs.retry(access.Grant(project=grant.project, scopes=frozenset({Scope.READ, scope})), job.pk)

    assert again is not None
    assert (again.kind, again.parameters, again.state) == (kind, parameters, "queued")


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_only_what_ended_without_its_work_is_begun_again(grant: Grant, state: str) -> None:
    job = a_job(grant, state=state)

    with pytest.raises(jobs.Failed, match=f"This job is {state}"):
        jobs.retry(grant, job.pk)

    assert Job.objects.count() == 1


def test_another_projects_job_is_not_found(grant: Grant) -> None:
    job = a_job(grant)
    stranger = access.of_system(access.create_project("Elsewhere"))

    assert jobs.find(stranger, job.pk) is None
    assert jobs.cancel(stranger, job.pk) is None
    assert jobs.find(grant, "no id at all") is None
    assert jobs.find(grant, job.pk, Job.Kind.IMPORT) is None
    assert jobs.find(grant, str(job.pk)) == job
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_with_the_same_message_one_does_the_job() -> None:
    grant = access.of_system(access.create_project("Crowd"))
    job = a_job(grant)
    started = threading.Barrier(6)
    done: list[bool] = []
    runs: list[int] = []

    def do(lease: jobs.Lease) -> None:
        runs.append(lease.job.attempts)
        finish(lease)

    def worker() -> None:
        started.wait()
        done.append(jobs.work(job.pk, do))
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [False] * 5 + [True]
    assert runs == [1]


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_kept_while_one_statement_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE", dt.timedelta(seconds=0.6))
    monkeypatch.setattr(jobs, "KEEP_EVERY", 0.1)
    job = a_job(access.of_system(access.create_project("Slow")))

    def do(lease: jobs.Lease) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1.5)")
        assert jobs.take(job.pk) is None
        finish(lease)

    assert jobs.work(job.pk, do)

    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 1)


@pytest.mark.django_db(transaction=True)
def test_a_job_cancelled_during_a_long_statement_stops_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEEP_EVERY", 0.1)
    grant = access.of_system(access.create_project("Slow"))
    job = a_job(grant)

    def do(lease: jobs.Lease) -> None:
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=Now())
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")
        lease.advance(1)
        raise AssertionError("it went on")

    jobs.work(job.pk, do)

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_project_member_who_is_only_viewer_may_look(grant: Grant) -> None:
    project: Project = grant.project
    viewer = User.objects.create_user("viewer")
    project.memberships.create(user=viewer, role="viewer")
    job = a_job(grant)

    assert jobs.find(access.by_user(viewer, project.slug), job.pk) == job
    with pytest.raises(NotAllowed):
        jobs.find(access.Grant(project=project, scopes=frozenset({Scope.INGEST})), job.pk)
