"""Whatever changes the numbers of an hour marks it in the same transaction."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, recording, rollups
from generations.models import Generation, PriceOverride, Project, RollupDay, RollupDirty, RollupHour
from generations.records import GenerationRecord, StepRecord
from generations.retention import removing
from tests.measuring import NOW, store

pytestmark = pytest.mark.django_db

HOUR = dt.datetime(2026, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def project() -> Project:
    return access.create_project("Marks")


def taken(project: Project) -> list[int]:
    """The hours that are marked, counted from `HOUR`; the marks are taken away."""
    marks = RollupDirty.objects.in_project(project.pk)
    hours = sorted(int((mark.bucket - HOUR).total_seconds() / 3600) for mark in marks)
    marks.delete()
    return hours


def test_a_batch_marks_each_of_its_hours_once_by_one_statement(project: Project) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        store(
            project, {}, {"started_at": NOW + dt.timedelta(minutes=53)}, {"started_at": NOW + dt.timedelta(hours=2)}, {}
        )

    assert sum("rollup_dirty" in query["sql"] for query in queries.captured_queries) == 1
    assert taken(project) == [0, 2]


def test_a_replay_and_a_step_mark_nothing(project: Project) -> None:
    store(project, {"model_id": "m"})
    taken(project)

    recording.record(
        project,
        [GenerationRecord(id="g0", started_at=NOW, model_id="m"), StepRecord(id="s", started_at=NOW)],
    )

    assert taken(project) == []


def test_a_change_marks_its_hour_and_a_move_both(project: Project) -> None:
    store(project, {})
    taken(project)

    recording.amend(project, GenerationRecord(id="g0", latency=2.0))
    assert taken(project) == [0]

    recording.amend(project, GenerationRecord(id="g0", started_at=NOW - dt.timedelta(days=40)))
    assert taken(project) == [-960, 0]


def test_a_new_price_marks_the_hour(project: Project) -> None:
    store(project, {"model_id": "own", "prompt_tokens": 10, "completion_tokens": 1})
    taken(project)
    PriceOverride.objects.create(
        project=project, match="own", input_price=Decimal(1), output_price=Decimal(1), currency="USD"
    )

    assert recording.reprice(project, ["g0"]) == 1
    assert taken(project) == [0]

    assert recording.reprice(project, ["g0"]) == 0
    assert taken(project) == []


def test_deletions_mark_the_hours_of_generations_also_with_their_thread_and_step(project: Project) -> None:
    store(
        project,
        {"thread_id": "t"},
        {"step_id": "s", "started_at": NOW + dt.timedelta(hours=1)},
        {"started_at": NOW + dt.timedelta(hours=2)},
    )
    recording.record(project, [StepRecord(id="s", started_at=NOW)])
    taken(project)

    assert removing.remove_threads(project, ["t"]) == 1
    assert taken(project) == [0]

    assert removing.erase(access.of_system(project), "step", "s")
    assert taken(project) == [1]

    assert recording.delete(project, "generation", ["g2", "unknown"]) == 1
    assert taken(project) == [2]


def test_what_another_compactor_is_at_is_left_to_it(project: Project) -> None:
    store(project, {})
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"rollups/{project.pk}/{HOUR.date()}"])
            meanwhile = rollups.compact()
            cursor.execute("SELECT pg_advisory_unlock_all()")
    finally:
        other.close()

    assert meanwhile == 0
    assert RollupDirty.objects.in_project(project.pk).count() == 1
    assert rollups.compact() == 1


def test_a_rollup_of_an_hour_that_has_no_calls_any_more_goes_when_all_are_made_anew(project: Project) -> None:
    store(project, {})
    rollups.compact()
    Generation.objects.in_project(project.pk).delete()  # past the writer, as by hand

    assert rollups.rebuild(project) == 1
    rollups.compact()

    assert not RollupHour.objects.in_project(project.pk).exists()
    assert not RollupDay.objects.in_project(project.pk).exists()


def test_a_refused_record_leaves_no_mark_and_its_neighbours_do(project: Project) -> None:
    receipts = recording.record(
        project,
        [
            GenerationRecord(id="good", started_at=NOW),
            GenerationRecord(id="bad", started_at=NOW + dt.timedelta(hours=5), prompt_tokens=-1),
        ],
    )

    assert [receipt.state for receipt in receipts] == ["stored", "rejected"]
    assert taken(project) == [0]
