"""Up to where a rule reaches: to the moment and to the row, also where whole months of text are emptied at once."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, partitions, retention
from generations.records import GenerationRecord, StepRecord
from generations.retention import emptying
from generations.retention.rules import all_due_before, meanings
from tests.expiring import patient
from tests.test_retention import ago, call, expire, ids, record, rule, with_text
from tests.web import project

__all__ = ["patient"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("what", ["text", "all"])
def test_what_is_a_minute_younger_than_a_rule_says_stays(what: str) -> None:
    own = project()
    moment = ago(30)
    for id, start in (("older", moment - dt.timedelta(minutes=1)), ("younger", moment + dt.timedelta(minutes=1))):
        record(own, GenerationRecord(id=id, started_at=start, prompt="Hello"))
    rule(access.of_system(own), 30, what=what)

    assert expire(own) == [1]

    assert with_text(own) == {"younger"}
    assert ids(own) == ({"older", "younger"} if what == "text" else {"younger"})


def test_of_a_month_that_is_half_due_the_other_half_stays() -> None:
    own = project()
    begin = emptying.moment(partitions.month_of(ago(70)))
    for day in (1, 13, 17, 27):
        record(own, GenerationRecord(id=f"day {day}", started_at=begin + dt.timedelta(day), prompt="x"))
    rule(access.of_system(own), (timezone.now() - begin - dt.timedelta(15)).days)

    report = retention.plan(own, is_dry=False)

    assert report.months == []
    assert with_text(own) == {"day 17", "day 27"}


@pytest.mark.parametrize("why", ["it is held", "a rule keeps it for ever", "a rule keeps it for longer", ""])
def test_a_month_in_which_something_is_kept_is_not_emptied_whole(why: str) -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("hers", 100, user_id="mia"), call("his", 100))
    mine = {"metadata.userId": "mia"}
    if why == "it is held":
        retention.add_hold(grant, reason="Case 7", kind="generations", document=mine)
    elif why:
        rule(grant, None if "for ever" in why else 365, mine)
    rule(grant, 30)

    report = retention.plan(own, is_dry=False)

    assert len(report.months) == (0 if why else 1)
    assert with_text(own) == ({"hers"} if why else set())


def test_all_text_is_due_before_the_earliest_moment_that_a_rule_says_and_never_beside_a_hold() -> None:
    own = project()
    grant, now = access.of_system(own), timezone.now()

    def due() -> int | None:
        moment = all_due_before(own.pk, "generations", meanings(own.pk, "generations", "text", now))
        return None if moment is None else (now - moment).days

    rule(grant, 90, {"hasError": True})
    assert due() is None
    rule(grant, 30)
    assert due() == 90
    kept = rule(grant, None, {"id": "one"})
    assert due() == 90  # behind a rule for everything
    retention.remove_rule(grant, kept.pk)
    hold = retention.add_hold(grant, reason="Case 7", kind="generations", document={"id": "one"})
    assert due() is None
    retention.release_hold(grant, hold.pk)
    retention.add_hold(grant, reason="Case 8", kind="steps", document={"id": "one"})
    assert due() == 90


def test_months_in_which_nothing_is_due_are_not_asked_about() -> None:
    own = project()
    rule(access.of_system(own), 300)
    record(own, call("old", 400))
    with CaptureQueriesContext(connection) as alone:
        assert expire(own, is_dry=True) == [1]

    record(own, *(call(f"{days} days", days) for days in (1, 40, 80, 120)))

    with CaptureQueriesContext(connection) as among:
        assert expire(own, is_dry=True) == [1]
    assert len(among) == len(alone)


@pytest.mark.parametrize("kind", ["generations", "steps"])
def test_a_dry_run_counts_no_text_of_rows_that_go_whole(kind: str) -> None:
    own = project()
    grant = access.of_system(own)
    record(
        own, *(call(id, 40, tags=tags) for id, tags in (("goes", ("x",)), ("is emptied", ()), ("is held", ("x", "y"))))
    )
    steps = ((f"step {days}", days, tags) for days, tags in ((40, ("x",)), (41, ()), (42, ("x", "y"))))
    record(own, *(StepRecord(id=id, started_at=ago(days), input="Hi", tags=tags) for id, days, tags in steps))
    rule(grant, 30, {"tags": "x"}, kind=kind, what="all")
    rule(grant, None, kind=kind, what="all")
    rule(grant, 20, kind=kind)
    retention.add_hold(grant, reason="Case 7", kind=kind, document={"tags": "y"})

    assert expire(own, is_dry=True) == [1, 0, 1]
    assert expire(own) == [1, 0, 1]
