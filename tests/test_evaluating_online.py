"""New generations are scored behind the write: a stable share of those that match, each once."""

import datetime as dt

import pytest
from django.utils import timezone

from generations import evaluating, recording
from generations.access import Grant
from generations.evaluating import online
from generations.models import Evaluator, Generation, Score
from generations.models.accounts import Role
from generations.records import InvalidRecord
from tests import evaluations as made
from tests.web import call

pytestmark = pytest.mark.django_db


def begun(grant: Grant, row: Evaluator, share: float = 100, **document: object) -> Evaluator:
    """The evaluator with a trigger that began an hour ago."""
    evaluating.trigger(grant, row.pk, share=share, document=document)
    Evaluator.objects.filter(pk=row.pk).update(scored_until=timezone.now() - dt.timedelta(hours=1))
    row.refresh_from_db()
    return row


def scored(grant: Grant) -> list[str]:
    rows = Score.objects.in_project(grant.project.pk)
    return sorted(str(id) for id in rows.values_list("generation_id", flat=True))


def test_what_matches_is_scored_once_and_the_watermark_goes_on() -> None:
    grant = made.granted()
    row = begun(grant, made.evaluator(grant, "regex", pattern="."), environment="production")
    recording.record(grant.project, [call(n, environment="production" if n % 2 else "test") for n in range(6)])

    first, again = evaluating.look(), evaluating.look()
    row.refresh_from_db()

    assert (first, again) == (3, 0)
    assert scored(grant) == ["call-001", "call-003", "call-005"]
    assert row.held_until is None
    behind = evaluating.seconds_behind(row)
    assert behind is not None and behind < 600
    recording.record(grant.project, [call(7, environment="production")])
    assert evaluating.look() == 1


def test_a_call_is_scored_once_its_answer_is_there_and_a_failed_one_never() -> None:
    grant = made.granted()
    begun(grant, made.evaluator(grant, "regex", pattern="."))
    recording.record(grant.project, [call(1, completion=None), call(2, completion=None, error="Rate limit")])

    assert evaluating.look() == 0
    recording.record(grant.project, [call(1)])
    assert evaluating.look() == 1
    assert scored(grant) == ["call-001"]


def test_the_share_is_the_same_whatever_runs() -> None:
    ids = [f"call-{n}" for n in range(4000)]

    some, more = ({id for id in ids if online.is_among(share, id)} for share in (10, 20))

    assert some < more
    assert 300 < len(some) < 500
    assert not any(online.is_among(0, id) for id in ids)
    assert all(online.is_among(100, id) for id in ids)


def test_the_calls_of_judges_and_evaluations_are_not_scored_themselves() -> None:
    grant = made.granted()
    begun(grant, made.evaluator(grant, "judge", model="ngram:", criterion="It is polite."))
    recording.record(grant.project, [call(1)])

    assert [evaluating.look() for _ in range(3)] == [1, 0, 0]

    assert scored(grant) == ["call-001"]
    assert Generation.objects.in_project(grant.project.pk).count() == 2


def test_a_project_is_scored_by_its_own_evaluators_alone() -> None:
    grant, other = made.granted(), made.granted("Other")
    begun(grant, made.evaluator(grant, "regex", pattern="."))
    recording.record(other.project, [call(1)])

    assert evaluating.look() == 0
    assert scored(other) == []


def test_what_another_worker_holds_is_left_to_it_until_it_is_gone() -> None:
    grant = made.granted()
    row = begun(grant, made.evaluator(grant, "regex", pattern="."))
    recording.record(grant.project, [call(1)])
    Evaluator.objects.filter(pk=row.pk).update(held_until=timezone.now() + dt.timedelta(minutes=1))

    assert evaluating.look() == 0
    Evaluator.objects.filter(pk=row.pk).update(held_until=timezone.now() - dt.timedelta(minutes=1))
    assert evaluating.look() == 1


@pytest.mark.parametrize("ahead", [dt.timedelta(hours=1), dt.timedelta(days=1)])
def test_what_comes_in_once_a_clock_was_set_back_is_scored(
    ahead: dt.timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = made.granted()
    row = begun(grant, made.evaluator(grant, "regex", pattern="."))
    right = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: right + ahead)
        recording.record(grant.project, [call(1)])
        assert evaluating.look() == 1
    # It was killed at the next one, and another worker comes once the clock is right.
    Evaluator.objects.filter(pk=row.pk).update(held_until=right + ahead + online.HELD)

    recording.record(grant.project, [call(2)])
    assert evaluating.look() == 1
    recording.record(grant.project, [call(3)])
    assert evaluating.look() == 1

    assert scored(grant) == ["call-001", "call-002", "call-003"]
    row.refresh_from_db()
    assert row.scored_until is not None and row.scored_until < timezone.now()


def test_who_may_no_longer_write_scores_nothing_and_the_evaluator_says_so() -> None:
    grant = made.granted()
    row = begun(grant, made.evaluator(grant, "regex", pattern="."))
    recording.record(grant.project, [call(1)])
    grant.project.memberships.update(role=Role.VIEWER)

    assert evaluating.look() == 0
    row.refresh_from_db()
    assert row.problem == "Who made this evaluator may not run it any more; make it again."


def test_what_compares_with_the_expected_cannot_score_what_comes_in() -> None:
    grant = made.granted()

    with pytest.raises(InvalidRecord, match="kind: 'exact' is not valid; expected one that needs no expected output"):
        evaluating.trigger(grant, made.evaluator(grant).pk, share=10)
    assert evaluating.trigger(grant, made.evaluator(grant, "contains", text="a").pk, share=10).share == 10
