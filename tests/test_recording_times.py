"""Threads are as old as what is in them, whichever part of it came first."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from generations import access, recording
from generations.models import Thread
from generations.records import GenerationRecord, StepRecord

pytestmark = pytest.mark.django_db


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
