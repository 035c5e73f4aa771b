"""What a killed worker held, and what nobody picked up, is handed out again, given up, or ended."""

import datetime as dt

from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from generations import jobs
from generations.access import Grant
from generations.models import Job
from tests.leases import a_job, finish, grant

__all__ = ["grant"]

LONG_AGO = dt.timedelta(minutes=10)


def test_sweeping_hands_out_again_what_a_killed_worker_held(grant: Grant) -> None:
    past = Now() - LONG_AGO
    abandoned = a_job(grant, state="running", leased_by="dead", leased_until=past, attempts=1)
    alive = a_job(grant, state="running", leased_by="alive", leased_until=Now() + jobs.LEASE, attempts=1)

    sent = jobs.sweep()

    assert sent == [str(abandoned.pk)]
    abandoned.refresh_from_db()
    alive.refresh_from_db()
    assert (abandoned.state, abandoned.leased_by) == ("queued", "")
    assert (alive.state, alive.leased_by) == ("running", "alive")
    assert jobs.sweep() == []  # its message is on its way


def test_a_clock_that_went_back_a_day_keeps_no_job_from_being_done(grant: Grant) -> None:
    ahead = Now() + dt.timedelta(days=1)
    worked_on = a_job(grant, state="running", leased_by="dead", leased_until=ahead, attempts=1)
    sent = a_job(grant, leased_until=ahead)
    made = a_job(grant, created_at=ahead)

    assert {*jobs.sweep()} == {str(job.pk) for job in (worked_on, sent, made)}
    assert jobs.sweep() == []  # their messages are on their way

    Job.objects.filter(pk=worked_on.pk).update(state="running", leased_until=ahead)
    assert jobs.work(worked_on.pk, finish)


def test_sweeping_sends_what_was_queued_and_never_picked_up(grant: Grant) -> None:
    forgotten = a_job(grant, created_at=Now() - LONG_AGO)
    a_job(grant)  # just now: its own message is on its way

    assert jobs.sweep() == [str(forgotten.pk)]
    assert jobs.sweep() == []

    Job.objects.filter(pk=forgotten.pk).update(leased_until=Now() - LONG_AGO)
    assert jobs.sweep() == [str(forgotten.pk)]


def test_sweeping_gives_up_after_the_last_attempt_with_a_sentence(grant: Grant) -> None:
    job = a_job(grant, state="running", leased_by="dead", leased_until=Now() - LONG_AGO, attempts=3)

    assert jobs.sweep() == []

    job.refresh_from_db()
    assert job.state == "failed" and job.finished_at is not None
    assert job.error == "Given up: the worker stopped in the middle of every attempt. Its log says why."


def test_sweeping_ends_a_job_that_was_cancelled_while_its_worker_was_dead(grant: Grant) -> None:
    job = a_job(
        grant, state="running", leased_by="dead", leased_until=Now() - LONG_AGO, cancel_requested_at=timezone.now()
    )

    assert jobs.sweep() == []

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_sweeping_costs_the_same_for_one_job_and_for_fifty(
    grant: Grant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 50):
        for _ in range(count):
            a_job(grant, state="running", leased_by="dead", leased_until=Now() - LONG_AGO, attempts=1)
        with django_assert_num_queries(7):
            assert len(jobs.sweep()) == count
