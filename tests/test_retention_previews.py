"""The previews in the facts are cleared where the rows stand, and by nothing else where all payloads are gone."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, retention
from generations.models import Generation, GenerationPayload, Project, SearchMark
from generations.retention import expiring
from tests.expiring import patient
from tests.test_retention import ago, call, record, rule
from tests.web import project

__all__ = ["patient"]


def with_previews(own: Project) -> int:
    return int(Generation.objects.in_project(own.pk).filter(input_preview__isnull=False).count())


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
