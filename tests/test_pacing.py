"""Work behind the writes gives way to them, in bounds."""

import datetime as dt

import pytest

from generations import identities, pacing
from generations.models import Project, SearchMark
from tests import rows

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)


def marked(project: Project, calls: int, seconds_ago: float = 0.0) -> None:
    """A transaction that wrote so many calls, so long ago."""
    then = NOW - dt.timedelta(seconds=seconds_ago)
    uids = [identities.uid(project.pk, "generation", str(n)) for n in range(calls)]
    SearchMark.objects.create(
        project=project, uid=identities.new_id(), uids=uids, first_start=then, last_start=then, created_at=then
    )


def test_nothing_rests_while_few_calls_come_in() -> None:
    own = rows.project()
    marked(own, 299)
    assert pacing.rest(own.pk, 1.0, NOW) == 0.0


def test_work_takes_a_fifth_of_the_time_while_many_come_in() -> None:
    own, other = rows.project(), rows.project()
    marked(own, 200)
    marked(own, 100)
    assert pacing.rest(own.pk, 1.0, NOW) == pytest.approx(4.0)
    assert pacing.rest(other.pk, 1.0, NOW) == 0.0


def test_calls_of_a_while_ago_are_no_rush() -> None:
    own = rows.project()
    marked(own, 5_000, seconds_ago=10)
    assert pacing.rest(own.pk, 1.0, NOW) == 0.0


@pytest.mark.parametrize(("behind", "rest"), [(50, 4.0), (70, 1.0), (590, 1.0), (610, 0.0)])
def test_who_is_far_behind_rests_less_and_in_the_end_not_at_all(behind: float, rest: float) -> None:
    own = rows.project()
    marked(own, 1, seconds_ago=behind)
    marked(own, 300)
    assert pacing.rest(own.pk, 1.0, NOW) == pytest.approx(rest)


def test_who_names_a_share_takes_that_however_far_behind_it_is() -> None:
    own = rows.project()
    marked(own, 1, seconds_ago=610)
    assert pacing.rest(own.pk, 1.0, NOW, share=0.05) == 0.0
    marked(own, 300)
    assert pacing.rest(own.pk, 1.0, NOW, share=0.05) == pytest.approx(19.0)
