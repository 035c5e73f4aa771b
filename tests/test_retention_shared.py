"""A month that two projects share, emptied by the run of one while the run of the other is at work in it."""

from __future__ import annotations

import pytest

from generations import access, retention
from generations.models import AuditEntry, Generation
from generations.retention import expiring
from tests.expiring import patient
from tests.test_retention import call, record, rule, with_text

__all__ = ["patient"]
pytestmark = pytest.mark.django_db


def test_a_month_that_anothers_run_empties_meanwhile_is_counted_once_and_nothing_else_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expiring, "FIRST_BATCH", 1)
    monkeypatch.setattr(expiring, "MOST_AT_ONCE", 1)
    one, other = access.create_project("One"), access.create_project("Other")
    for own in (one, other):
        record(own, *(call(f"old{n}", 100) for n in range(6)), call("new", 1))
    rule(access.of_system(one), 30)
    emptied: list[int] = []

    def advance(done: int) -> None:
        if done == 2 and not emptied:
            rule(access.of_system(other), 30)
            told = retention.plan(other, is_dry=False).document()
            emptied.append(sum(month["count"] for month in told["months"]))

    told = retention.plan(one, is_dry=False, advance=advance).document()

    assert emptied == [6]
    assert [line["count"] for line in told["rules"]] == [6]
    for own in (one, other):
        assert Generation.objects.in_project(own.pk).count() == 7
        assert with_text(own) == {"new"}
        shown = Generation.objects.in_project(own.pk).exclude(output_preview=None)
        assert list(shown.values_list("public_id", flat=True)) == ["new"]
    noted = AuditEntry.objects.filter(project=one, action="retention.empty")
    assert list(noted.values_list("detail__count", flat=True)) == [4]
