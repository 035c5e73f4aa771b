"""The previews in the facts are cleared where the rows stand, and by nothing else where all payloads are gone."""

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, partitions, retention
from generations.models import Generation, GenerationPayload, Project, SearchMark
from generations.retention import expiring
from tests.expiring import patient
from tests.test_retention import ago, call, record, rule
from tests.web import project

__all__ = ["patient"]


def with_previews(own: Project) -> int:
    return int(Generation.objects.in_project(own.pk).filter(input_preview__isnull=False).count())


def rewritten(moment: dt.datetime) -> tuple[int, int]:
    """How many rows of a month's facts were written again, and how many of them on their pages."""
    part = partitions.named("generation", partitions.month_of(moment))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT pg_stat_get_tuples_updated(one), pg_stat_get_tuples_hot_updated(one)"
            " FROM CAST(CAST(%s AS regclass) AS oid) AS one",
            [part],
        )
        found: tuple[int, int] = cursor.fetchone()
    return found


@pytest.mark.django_db
def test_where_a_month_was_emptied_only_its_previews_are_cleared() -> None:
    own = project()
    record(own, *(call(f"old-{n}", 100) for n in range(30)))
    rule(access.of_system(own), 30)
    marks = SearchMark.objects.in_project(own.pk).count()

    with CaptureQueriesContext(connection) as sent:
        report = retention.plan(own, is_dry=False)

    assert [month["count"] for month in report.months] == [30]
    assert [line["count"] for line in report.lines] == [30]
    assert with_previews(own) == GenerationPayload.objects.in_project(own.pk).count() == 0
    assert not [one["sql"] for one in sent if "DELETE FROM generation_payload" in one["sql"]]
    assert SearchMark.objects.in_project(own.pk).count() == marks


@pytest.mark.django_db
def test_of_a_page_one_row_is_cleared_first_and_then_as_many_as_before() -> None:
    rows = [(ago(n), uuid.uuid4(), f"call-{n}") for n in range(11)]

    turns = expiring._turns(rows, [7] * 10 + [8])

    assert [[rows.index(row) for row in turn] for turn in turns] == [[0, 10], [1], [2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.django_db(transaction=True)
def test_rows_stay_on_their_pages_when_their_previews_are_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 1000)
    own = project()
    said = "x" * 190
    record(own, *(call(f"old-{n}", 40, prompt=said, completion=said) for n in range(600)))
    rule(access.of_system(own), 30)
    before = rewritten(ago(40))

    retention.plan(own, is_dry=False)

    assert with_previews(own) == 0
    updated, stayed = (after - then for after, then in zip(rewritten(ago(40)), before, strict=True))
    assert updated == 600
    # At once, one of a page's dozen rows would find room on it.
    assert stayed > 300
