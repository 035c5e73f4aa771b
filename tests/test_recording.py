"""Records in, rows and receipts out: merged by id, idempotent, in either order."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, bundles, recording, records
from generations.models import (
    Alternative,
    Feedback,
    Generation,
    GenerationPayload,
    Participant,
    Project,
    Score,
    Step,
    StepPayload,
    Tag,
    Thread,
)
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.recorded import NOW, one, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


def test_a_replayed_record_stores_nothing_new(project: Project) -> None:
    call = GenerationRecord(
        id="g1",
        started_at=NOW,
        messages=[{"role": "user", "content": "Hi"}],
        completion="Hello",
        alternatives=(records.Alternative(index=0, content="Hello"), records.Alternative(index=1, content="Hey")),
        scores=(ScoreRecord(name="quality", value=0.5),),
        feedback=FeedbackRecord(rating=4),
        thread_id="t1",
        user_id="u1",
        tags=("a",),
    )

    first = recording.record(project, [call])
    with CaptureQueriesContext(connection) as replay:
        second = recording.record(project, [call])

    assert states(first) == ["stored"]
    assert states(second) == ["unchanged"]
    assert not [q["sql"] for q in replay if q["sql"].startswith(("COPY", "DELETE", "INSERT INTO gen"))]
    for model in (Generation, GenerationPayload, Score, Feedback, Thread, Participant):
        assert model.objects.in_project(project.pk).count() == 1
    assert Alternative.objects.in_project(project.pk).count() == 2


@pytest.mark.parametrize("end_first", [False, True])
def test_start_and_end_merge_in_either_order(project: Project, end_first: bool) -> None:
    start = GenerationRecord(
        id="g1", started_at=NOW, model_id="gpt-4", provider="openai", prompt_tokens=10, metadata={"a": 1}
    )
    end = GenerationRecord(
        id="g1", ended_at=NOW + dt.timedelta(seconds=2), completion_tokens=5, completion="x", metadata={"b": 2}
    )

    for part in (end, start) if end_first else (start, end):
        recording.record(project, [part], now=NOW + dt.timedelta(seconds=3))

    row = one(project)
    assert (row.started_at, row.latency, row.total_tokens, row.tokens_per_second) == (NOW, 2.0, 15, 2.5)
    assert row.cost == Decimal("0.0006")
    assert row.metadata == {"a": 1, "b": 2}
    assert row.start_assumed is False
    assert row.output_preview == "x"


def test_absent_stays_and_cleared_empties(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, user_id="u1", release="1", prompt="p")])

    recording.record(project, [GenerationRecord(id="g1", cleared=frozenset({"user_id", "prompt"}))])

    row = one(project)
    assert (row.user_id, row.release, row.input_preview) == (None, "1", None)
    assert GenerationPayload.objects.in_project(project.pk).get().prompt is None


def test_a_given_and_cleared_object_is_replaced_not_merged(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", metadata={"a": 1})])

    recording.record(project, [GenerationRecord(id="g1", metadata={"b": 2}, cleared=frozenset({"metadata"}))])

    assert one(project).metadata == {"b": 2}


def test_what_is_unknown_is_null_and_never_zero(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, model_id="my-own-model", prompt_tokens=3)])
    recording.record(project, [GenerationRecord(id="g2", ended_at=NOW)])

    row, ended = one(project), one(project, "g2")
    assert (row.cost, row.completion_tokens, row.total_tokens, row.latency, row.currency) == (None,) * 5
    assert (ended.started_at, ended.latency, ended.start_assumed) == (NOW, None, True)


def test_children_come_before_parents(project: Project) -> None:
    recording.record(project, [StepRecord(id="child", parent_id="parent", thread_id="t")])
    recording.record(project, [ScoreRecord(id="s", name="n", value=1.0, step_id="parent")])
    recording.record(project, [FeedbackRecord(id="f", generation_id="late", thumbs="up")])

    recording.record(project, [StepRecord(id="parent", thread_id="t", type="run"), GenerationRecord(id="late")])

    bundle = bundles.step(project, "parent")
    assert bundle is not None
    assert [s.value for s in bundle.scores] == [1.0]
    late = bundles.generation(project, "late")
    assert late is not None
    assert late.feedback is not None
    assert late.feedback.thumbs == "up"


def test_threads_participants_and_tags_come_into_being(project: Project) -> None:
    later = NOW + dt.timedelta(minutes=5)
    recording.record(
        project,
        [
            GenerationRecord(id="g1", started_at=later, thread_id="t", user_id="u", tags=("x", "y")),
            GenerationRecord(id="g2", started_at=NOW, thread_id="t", environment="prod"),
        ],
    )

    thread = Thread.objects.in_project(project.pk).get()
    assert (thread.public_id, thread.user_id, thread.environment) == ("t", "u", "prod")
    assert (thread.started_at, thread.last_activity_at) == (NOW, later)
    assert Participant.objects.in_project(project.pk).get().last_seen_at == later
    assert sorted(Tag.objects.filter(project=project).values_list("name", flat=True)) == ["x", "y"]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_thread_that_a_later_part_of_a_call_names_has_its_user_and_start(project: Project, is_known: bool) -> None:
    later = NOW + dt.timedelta(minutes=5)
    if is_known:
        recording.record(project, [GenerationRecord(id="other", thread_id="t", started_at=later)], now=later)
    recording.record(project, [GenerationRecord(id="g", user_id="u", started_at=NOW)], now=NOW)

    recording.record(project, [GenerationRecord(id="g", thread_id="t")], now=later)

    thread = Thread.objects.in_project(project.pk).get()
    active = later if is_known else NOW
    assert (thread.user_id, thread.started_at, thread.last_activity_at) == ("u", NOW, active)


@pytest.mark.parametrize("is_told", [False, True])
def test_a_part_without_times_widens_threads_and_participants_by_those_of_its_call(
    project: Project, is_told: bool
) -> None:
    later = NOW + dt.timedelta(minutes=5)
    told: list[records.Record] = [ThreadRecord(id="t", name="Told", started_at=NOW)] if is_told else []
    call = GenerationRecord(id="g", started_at=NOW, latency=2.0, thread_id="t", user_id="u")
    recording.record(project, [*told, call], now=NOW)

    recording.record(project, [*told, GenerationRecord(id="g", thread_id="t", user_id="u", release="2")], now=later)
    after_a_part = Thread.objects.in_project(project.pk).get().last_activity_at
    seen_after_a_part = Participant.objects.in_project(project.pk).get().last_seen_at
    recording.record(project, [*told, StepRecord(id="new", thread_id="t", user_id="u")], now=later)

    assert (after_a_part, seen_after_a_part) == (NOW + dt.timedelta(seconds=2), NOW)
    assert Thread.objects.in_project(project.pk).get().last_activity_at == later
    assert Participant.objects.in_project(project.pk).get().last_seen_at == later


def test_an_end_or_a_duration_that_comes_later_makes_an_assumed_start_truer(project: Project) -> None:
    later = NOW + dt.timedelta(days=40)
    parts = [StepRecord(id=id, input="Hi", thread_id="t") for id in ("ended", "timed", "still on")]
    recording.record(project, parts, now=later)

    recording.record(
        project,
        [
            StepRecord(id="ended", ended_at=NOW),
            StepRecord(id="timed", ended_at=later + dt.timedelta(seconds=1), latency=3.0),
            StepRecord(id="still on", ended_at=later + dt.timedelta(seconds=1)),
        ],
        now=later,
    )

    steps = {row.public_id: (row.started_at, row.start_assumed) for row in Step.objects.in_project(project.pk)}
    assert steps == {
        "ended": (NOW, True),
        "timed": (later - dt.timedelta(seconds=2), False),
        "still on": (later, True),
    }
    for row in Step.objects.in_project(project.pk):
        assert StepPayload.objects.in_project(project.pk).get(uid=row.uid, started_at=row.started_at).input == "Hi"


def test_an_old_batch_sent_again_leaves_threads_and_participants_where_newer_ones_brought_them(
    project: Project,
) -> None:
    later = NOW + dt.timedelta(hours=1)
    old: list[records.Record] = [
        ParticipantRecord(id="u", metadata={"plan": "pro"}),
        ThreadRecord(id="t", user_id="u", started_at=NOW),
        GenerationRecord(id="g1", started_at=NOW, thread_id="t", user_id="u"),
    ]
    recording.record(project, old)
    recording.record(project, [GenerationRecord(id="g2", started_at=later, thread_id="t", user_id="u")])

    again = recording.record(project, old)

    assert [receipt.state for receipt in again] == ["unchanged", "unchanged", "unchanged"]
    thread = Thread.objects.in_project(project.pk).get()
    assert (thread.started_at, thread.last_activity_at) == (NOW, later)
    assert Participant.objects.in_project(project.pk).get().last_seen_at == later


def test_a_named_thread_keeps_what_was_said_of_it(project: Project) -> None:
    recording.record(project, [ThreadRecord(id="t", name="Refund", user_id="u1", metadata={"k": 1})])

    recording.record(project, [GenerationRecord(id="g", thread_id="t", user_id="u2", started_at=NOW)])

    thread = Thread.objects.in_project(project.pk).get()
    assert (thread.name, thread.user_id, thread.metadata, thread.started_at) == ("Refund", "u1", {"k": 1}, NOW)


def test_the_latest_feedback_is_shown_and_history_kept(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g")])
    recording.record(project, [FeedbackRecord(id="new", generation_id="g", rating=5, created_at=NOW)])
    recording.record(
        project, [FeedbackRecord(id="old", generation_id="g", rating=1, created_at=NOW - dt.timedelta(hours=1))]
    )

    shown = dict(Feedback.objects.in_project(project.pk).values_list("public_id", "is_latest"))

    assert shown == {"new": True, "old": False}
    assert recording.delete(project, "feedback", ["new"]) == 1
    assert Feedback.objects.in_project(project.pk).get().is_latest is True


def test_ids_reused_across_projects_do_not_collide(project: Project) -> None:
    other = access.create_project("Other")

    recording.record(project, [GenerationRecord(id="same", release="1")])
    recording.record(other, [GenerationRecord(id="same", release="2")])

    assert one(project, "same").release == "1"
    assert one(other, "same").release == "2"
    assert bundles.generation(other, "g1") is None


def test_participants_are_told_and_seen(project: Project) -> None:
    recording.record(project, [ParticipantRecord(id="u", identifier="ada@example.com", metadata={"plan": "pro"})])
    recording.record(project, [GenerationRecord(id="g", user_id="u", started_at=timezone.now())])

    row = Participant.objects.in_project(project.pk).get()
    assert (row.identifier, row.metadata) == ("ada@example.com", {"plan": "pro"})


def test_a_given_cost_stays_whatever_is_said_of_tokens_and_model_later(project: Project) -> None:
    recording.record(
        project,
        [GenerationRecord(id="g1", model_id="gpt-4", prompt_tokens=10, completion_tokens=5, cost=Decimal("0.5"))],
    )
    recording.record(project, [GenerationRecord(id="g1", completion_tokens=500, model_id="gpt-4o")])

    assert (one(project).cost, one(project).cost_source) == (Decimal("0.5"), "given")


def test_a_call_costs_what_the_version_does_that_is_told_later(project: Project) -> None:
    call = GenerationRecord(id="g1", model_id="our-deployment", prompt_tokens=1000, completion_tokens=100)
    recording.record(project, [call])
    assert one(project).cost is None

    recording.record(project, [GenerationRecord(id="g1", model_version="gpt-4")])

    assert one(project).cost == Decimal("0.036")


def test_an_end_before_the_start_tells_no_latency(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, ended_at=NOW - dt.timedelta(seconds=3))])

    assert one(project).latency is None


def test_scores_inside_of_a_call_are_one_of_a_name_and_an_author_however_often_they_are_sent(project: Project) -> None:
    given = [ScoreRecord(name="quality", value=value, author=author) for value, author in ((1.0, "ada"), (0.0, "bob"))]
    for _ in range(2):
        recording.record(project, [GenerationRecord(id="g1", scores=tuple(given))])
    recording.record(
        project, [GenerationRecord(id="g1", scores=(ScoreRecord(name="quality", value=0.5, author="ada"),))]
    )

    scores = Score.objects.in_project(project.pk)
    assert sorted((score.author, score.value) for score in scores) == [("ada", 0.5), ("bob", 0.0)]


def test_a_latency_that_is_said_anew_moves_the_end_that_followed_from_the_one_before(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, latency=1.0)])
    recording.record(project, [GenerationRecord(id="g1", latency=5.0)])

    assert (one(project).latency, one(project).ended_at) == (5.0, NOW + dt.timedelta(seconds=5))

    recording.record(project, [GenerationRecord(id="g2", started_at=NOW, latency=1.0, ended_at=NOW)])
    recording.record(project, [GenerationRecord(id="g2", latency=5.0)])

    assert (one(project, "g2").latency, one(project, "g2").ended_at) == (5.0, NOW)  # which was said by itself
