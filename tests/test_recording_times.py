"""Threads are as old as what is in them, and participants seen when they did something, whichever part came first."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from generations import access, recording
from generations.models import Participant, Project, Thread
from generations.records import FeedbackRecord, GenerationRecord, StepRecord, ThreadRecord

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize("kind", [GenerationRecord, StepRecord])
@pytest.mark.parametrize("way", ["record", "amend"])
def test_a_thread_is_as_old_as_what_is_in_it_also_where_a_part_without_times_came_first(kind: Any, way: str) -> None:
    project = access.create_project("Times")
    began = timezone.now() - dt.timedelta(days=2)
    timed = kind(id="a", started_at=began, ended_at=began + dt.timedelta(seconds=5))
    recording.record(project, [kind(id="a", thread_id="t"), kind(id="b", thread_id="t", started_at=began)])

    getattr(recording, way)(project, *([[timed]] if way == "record" else [timed]))

    thread = Thread.objects.in_project(project.pk).get()
    assert (thread.started_at, thread.last_activity_at) == (began, began + dt.timedelta(seconds=5))


def test_a_thread_keeps_the_activity_of_others_where_one_turns_out_to_be_older() -> None:
    project = access.create_project("Times")
    now = timezone.now()
    recording.record(project, [GenerationRecord(id="a", thread_id="t")], now=now)
    recording.record(project, [GenerationRecord(id="b", thread_id="t", started_at=now + dt.timedelta(seconds=9))])

    recording.record(project, [GenerationRecord(id="a", started_at=now - dt.timedelta(days=1))])

    assert Thread.objects.in_project(project.pk).get().last_activity_at == now + dt.timedelta(seconds=9)


def seen(project: Project) -> Any:
    return Participant.objects.in_project(project.pk).get().last_seen_at


@pytest.mark.parametrize("kind", [GenerationRecord, StepRecord])
@pytest.mark.parametrize("way", ["record", "amend"])
def test_a_participant_was_seen_when_something_was_done_also_where_a_part_without_times_came_first(
    kind: Any, way: str
) -> None:
    project = access.create_project("Times")
    began = timezone.now() - dt.timedelta(days=2)
    recording.record(project, [kind(id="a", user_id="u"), kind(id="b", user_id="u", started_at=began)])
    timed = kind(id="a", started_at=began + dt.timedelta(hours=1))

    getattr(recording, way)(project, *([[timed]] if way == "record" else [timed]))

    assert seen(project) == began + dt.timedelta(hours=1)


def test_a_participant_who_did_something_else_since_was_seen_then() -> None:
    project = access.create_project("Times")
    now = timezone.now()
    recording.record(project, [GenerationRecord(id="a", user_id="u")], now=now)
    recording.record(project, [FeedbackRecord(id="f", generation_id="a", user_id="u", rating=5)], now=now + HOUR)

    recording.record(project, [GenerationRecord(id="a", started_at=now - HOUR)], now=now + HOUR)

    assert seen(project) == now + HOUR


def test_a_conversation_that_is_told_again_does_not_make_its_participant_seen_now() -> None:
    project = access.create_project("Times")
    began = timezone.now() - dt.timedelta(days=2)
    call = GenerationRecord(id="a", thread_id="t", user_id="u", started_at=began)
    recording.record(project, [call, ThreadRecord(id="t", user_id="u")])
    assert seen(project) == began

    recording.record(project, [ThreadRecord(id="t", user_id="u", name="Told again")])
    assert seen(project) == began
    recording.record(project, [ThreadRecord(id="t", user_id="u", last_activity_at=began + HOUR)])
    assert seen(project) == began + HOUR


def test_who_begins_a_conversation_of_which_no_time_is_told_is_seen_now() -> None:
    project = access.create_project("Times")
    recording.record(project, [ThreadRecord(id="t", user_id="u", started_at=timezone.now() - HOUR)])
    now = timezone.now()

    recording.record(project, [ThreadRecord(id="another", user_id="u")], now=now)

    assert seen(project) == now
