"""One id is one row, in the partition of its start."""

import datetime as dt

import pytest
from django.db import connection, transaction

from generations import access, bundles, partitions, recording, records
from generations.models import (
    Project,
)
from generations.records import (
    GenerationRecord,
)
from tests.recorded import NOW, one, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


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


def test_an_old_month_gets_its_partition(project: Project) -> None:
    partitions.forget()

    recording.record(project, [GenerationRecord(id="g1", started_at=dt.datetime(2004, 2, 29, tzinfo=dt.UTC))])

    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM generation WHERE public_id = 'g1'")
        assert cursor.fetchone() == ("generation_p200402",)


@pytest.mark.django_db(transaction=True)
def test_of_texts_few_rows_are_read_to_know_what_is_in_a_table() -> None:
    partitions.ensure([dt.date(2019, 5, 1)])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text, max(target), min(target), count(target) = count(*)"
            # What is not set is null, and -1 up to PostgreSQL 16.
            " FROM (SELECT attrelid, nullif(attstattarget, -1) AS target FROM pg_attribute WHERE attnum > 0) AS told"
            " WHERE attrelid IN"
            " ('step_p201905'::regclass, 'step_payload_p201905'::regclass, 'generation_search_p201905'::regclass)"
            " GROUP BY 1 ORDER BY 1"
        )
        told = cursor.fetchall()

    assert told == [
        ("generation_search_p201905", 10, 10, True),
        ("step_p201905", None, None, False),
        ("step_payload_p201905", 10, 10, True),
    ]


def test_a_rolled_back_partition_is_made_again() -> None:
    project = access.create_project("Rollback")
    moment = dt.datetime(2003, 5, 5, tzinfo=dt.UTC)
    with pytest.raises(KeyError), transaction.atomic():
        recording.record(project, [GenerationRecord(id="g1", started_at=moment)])
        raise KeyError

    recording.record(project, [GenerationRecord(id="g1", started_at=moment)])

    assert one(project).started_at == moment
