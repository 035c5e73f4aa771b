"""Records in, rows and receipts out: idempotent, whole, and each bad one by itself."""

import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, bundles, partitions, recording, records
from generations.models import (
    Alternative,
    Feedback,
    Generation,
    GenerationPayload,
    Participant,
    PriceOverride,
    Project,
    Score,
    Step,
    Tag,
    Thread,
)
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


def one(project: Project, id: str = "g1") -> Generation:
    row: Generation = Generation.objects.in_project(project.pk).get(public_id=id)
    return row


def states(receipts: list[recording.Receipt]) -> list[str]:
    return [receipt.state for receipt in receipts]


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


def test_one_bad_record_does_not_fail_its_neighbours(project: Project) -> None:
    items: list[Any] = [
        GenerationRecord(id="a"),
        GenerationRecord(id="nan", metadata={"deep": [1, {"x": float("nan")}]}),
        InvalidRecord("usage.promptTokens", "many", "a whole number"),
        GenerationRecord(id="huge", metadata={"n": 10**400}),
        GenerationRecord(id="", prompt="x"),
        GenerationRecord(id="rating", feedback=FeedbackRecord(rating=9)),
        GenerationRecord(id="wide", tags=tuple(str(n) for n in range(500))),
        GenerationRecord(id="b", prompt="nul\0 and \ud800 half"),
    ]

    receipts = recording.record(project, items)

    assert [r.index for r in receipts] == list(range(8))
    assert states(receipts) == ["stored"] + ["rejected"] * 6 + ["stored"]
    assert receipts[1].field == "metadata.deep[1].x"
    assert receipts[1].reason == (
        "metadata.deep[1].x: nan is not valid; expected a finite number (JSON has no NaN or Infinity)"
    )
    assert receipts[2].reason == "usage.promptTokens: 'many' is not valid; expected a whole number"
    assert receipts[5].field == "rating"
    assert sorted(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == ["a", "b"]
    assert Feedback.objects.in_project(project.pk).count() == 0
    payload = GenerationPayload.objects.in_project(project.pk).get(uid=records.uid(project.pk, "generation", "b"))
    assert payload.prompt == "nul and \ufffd half"


def test_what_only_the_database_refuses_is_found_by_halving(project: Project) -> None:
    # Each text is within its bound, but together they do not fit into an entry of the index on scores.
    noise = "".join(chr(0x10000 + (n * 7919) % 60000) for n in range(1000))
    poison = GenerationRecord(id=noise[:512], scores=(ScoreRecord(name=noise, value=1.0),))
    good = [GenerationRecord(id=f"g{n}", user_id="u") for n in range(5)]

    receipts = recording.record(project, [*good[:3], poison, *good[3:]])

    assert states(receipts) == ["stored"] * 3 + ["rejected"] + ["stored"] * 2
    assert "The database refuses this value: index row" in (receipts[3].reason or "")
    assert Generation.objects.in_project(project.pk).count() == 5


def test_ids_reused_across_projects_do_not_collide(project: Project) -> None:
    other = access.create_project("Other")

    recording.record(project, [GenerationRecord(id="same", release="1")])
    recording.record(other, [GenerationRecord(id="same", release="2")])

    assert one(project, "same").release == "1"
    assert one(other, "same").release == "2"
    assert bundles.generation(other, "g1") is None


def test_one_id_is_one_row_however_far_apart_its_starts(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, release="1")])

    receipts = recording.record(
        project, [GenerationRecord(id="g1", started_at=NOW - dt.timedelta(days=300), release="2")]
    )

    assert states(receipts) == ["merged"]
    assert (one(project).started_at, one(project).release) == (NOW, "2")


def test_a_truer_start_moves_the_row_and_its_payload(project: Project) -> None:
    recording.record(
        project,
        [GenerationRecord(id="g1", completion="x", alternatives=(records.Alternative(index=0, content="y"),))],
        now=NOW,
    )
    start = NOW - dt.timedelta(days=70)

    recording.record(project, [GenerationRecord(id="g1", started_at=start)], now=NOW)

    bundle = bundles.generation(project, "g1")
    assert bundle is not None
    assert bundle.payload is not None
    assert (bundle.generation.started_at, bundle.payload.started_at) == (start, start)
    assert (bundle.payload.completion, bundle.alternatives[0].content) == ("x", "y")
    assert bundle.alternatives[0].started_at == start


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, tzinfo=dt.timezone(dt.timedelta(hours=-12))),
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        NOW + dt.timedelta(days=30),
    ],
)
def test_absurd_dates_are_clamped(project: Project, moment: dt.datetime) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=moment)], now=NOW)

    assert one(project).started_at == NOW


def test_a_date_without_a_zone_is_utc(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW.replace(tzinfo=None))])

    assert one(project).started_at == NOW


def test_an_old_month_gets_its_partition(project: Project) -> None:
    partitions.forget()

    recording.record(project, [GenerationRecord(id="g1", started_at=dt.datetime(2004, 2, 29, tzinfo=dt.UTC))])

    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM generation WHERE public_id = 'g1'")
        assert cursor.fetchone() == ("generation_p200402",)


def test_a_long_error_is_cut_in_the_facts_and_whole_in_the_payload(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", error="e" * 5000), StepRecord(id="s", error="e" * 5000)])

    assert len(one(project).error or "") == 2000
    assert GenerationPayload.objects.in_project(project.pk).get().error_detail == "e" * 5000


def test_amending_an_unknown_id_writes_nothing(project: Project) -> None:
    with pytest.raises(recording.UnknownId, match="There is no generation 'nope' in this project"):
        recording.amend(project, GenerationRecord(id="nope", release="1"))

    assert Generation.objects.in_project(project.pk).count() == 0


def test_amending_moves_a_known_start(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, completion="x")])

    recording.amend(project, GenerationRecord(id="g1", started_at=NOW - dt.timedelta(days=90)))

    bundle = bundles.generation(project, "g1")
    assert bundle is not None
    assert bundle.generation.started_at == NOW - dt.timedelta(days=90)
    assert bundle.record.completion == "x"


def test_amending_with_a_bad_value_says_so_and_changes_nothing(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", release="1")])

    with pytest.raises(InvalidRecord, match="latency"):
        recording.amend(project, GenerationRecord(id="g1", release="2", latency=-1.0))

    assert one(project).release == "1"


def test_a_given_cost_stays(project: Project) -> None:
    recording.record(
        project,
        [GenerationRecord(id="g1", model_id="gpt-4", prompt_tokens=1, completion_tokens=1, cost=Decimal("7"))],
    )

    recording.record(project, [GenerationRecord(id="g1", completion_tokens=100)])

    assert (one(project).cost, one(project).cost_source) == (Decimal(7), "given")
    assert recording.reprice(project, ["g1"]) == 0


def test_repricing_uses_the_projects_own_price_and_keeps_the_arithmetic(project: Project) -> None:
    call = GenerationRecord(id="g1", model_id="own-model", started_at=NOW, prompt_tokens=1000, completion_tokens=10)
    recording.record(project, [call])
    assert one(project).cost is None
    override = PriceOverride.objects.create(
        project=project, match="own-*", currency="EUR", input_price=Decimal(2), output_price=Decimal(6)
    )

    changed = recording.reprice(project, ["g1", "unknown"])

    row = one(project)
    assert changed == 1
    assert (row.cost, row.currency, row.cost_source) == (Decimal("0.00206"), "EUR", f"override:{override.pk}")
    payload = GenerationPayload.objects.in_project(project.pk).get()
    assert [line["tokens"] for line in payload.cost_arithmetic["lines"]] == [1000, 10]


def test_tags_are_added_and_removed_in_order(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", tags=("a", "b")), GenerationRecord(id="g2", tags=("b",))])

    changed = recording.retag(project, "generation", ["g1", "g2", "g3"], add=["c"], remove=["a"])

    assert changed == 2
    assert one(project).tags == ["b", "c"]
    assert recording.retag(project, "generation", ["g1"], add=["c"]) == 0


def test_deleting_a_thread_takes_all_that_is_in_it(project: Project) -> None:
    recording.record(
        project,
        [
            StepRecord(id="s", thread_id="t", scores=(ScoreRecord(name="n", value=1.0),)),
            GenerationRecord(
                id="g", step_id="s", scores=(ScoreRecord(name="n", value=1.0),), feedback=FeedbackRecord(rating=1)
            ),
            GenerationRecord(id="other"),
        ],
    )

    assert recording.delete(project, "thread", ["t"]) == 1

    assert list(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == ["other"]
    for model in (Thread, Step, Score, Feedback):
        assert model.objects.in_project(project.pk).count() == 0
    assert GenerationPayload.objects.in_project(project.pk).count() == 1


def test_deleting_in_another_project_deletes_nothing(project: Project) -> None:
    other = access.create_project("Other")
    recording.record(project, [GenerationRecord(id="g1")])

    assert recording.delete(other, "generation", ["g1"]) == 0
    assert one(project).public_id == "g1"


def test_a_batch_costs_as_many_statements_as_one_record(project: Project) -> None:
    def calls(prefix: str, count: int) -> list[GenerationRecord]:
        return [
            GenerationRecord(
                id=f"{prefix}{n}", started_at=NOW, thread_id=f"{prefix}t{n}", user_id=f"{prefix}u{n}", tags=("x",)
            )
            for n in range(count)
        ]

    recording.record(project, calls("warm", 1))
    with CaptureQueriesContext(connection) as single:
        recording.record(project, calls("one", 1))
    with CaptureQueriesContext(connection) as batch:
        recording.record(project, calls("many", 50))

    assert len(batch) == len(single)


def test_every_statement_names_its_project(project: Project) -> None:
    with CaptureQueriesContext(connection) as sent:
        recording.record(
            project, [GenerationRecord(id="g", thread_id="t", user_id="u", feedback=FeedbackRecord(rating=1))]
        )
        recording.record(project, [GenerationRecord(id="g", completion="x")])
        bundles.generation(project, "g")
        recording.retag(project, "generation", ["g"], add=["z"])
        recording.delete(project, "generation", ["g"])

    tables = ("generation", "generation_payload", "thread", "participant", "feedback", "score", "alternative")
    for query in sent:
        sql = query["sql"]
        if any(f'"{table}"' in sql or f" {table} " in sql for table in tables) and "savepoint" not in sql.lower():
            assert "project_id" in sql, sql


def test_participants_are_told_and_seen(project: Project) -> None:
    recording.record(project, [ParticipantRecord(id="u", identifier="ada@example.com", metadata={"plan": "pro"})])
    recording.record(project, [GenerationRecord(id="g", user_id="u", started_at=timezone.now())])

    row = Participant.objects.in_project(project.pk).get()
    assert (row.identifier, row.metadata) == ("ada@example.com", {"plan": "pro"})


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_sights_of_the_same_things_never_fail() -> None:
    project = access.create_project("Concurrent")
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for n in range(10):
                recording.record(
                    project,
                    [
                        GenerationRecord(
                            id=f"shared-{n}",
                            thread_id=f"t{n % 3}",
                            user_id="u",
                            tags=(f"tag{n}",),
                            metadata={str(worker): n},
                        ),
                        GenerationRecord(id=f"own-{worker}-{n}", thread_id=f"t{n % 3}", user_id="u"),
                    ],
                )
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test has to see it)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert Generation.objects.in_project(project.pk).count() == 90
    assert sorted(one(project, "shared-0").metadata) == [str(n) for n in range(8)]
    assert Thread.objects.in_project(project.pk).count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_partition_is_made_again() -> None:
    project = access.create_project("Rollback")
    moment = dt.datetime(2003, 5, 5, tzinfo=dt.UTC)
    with pytest.raises(KeyError), transaction.atomic():
        recording.record(project, [GenerationRecord(id="g1", started_at=moment)])
        raise KeyError

    recording.record(project, [GenerationRecord(id="g1", started_at=moment)])

    assert one(project).started_at == moment
