"""What cannot be stored is refused by itself, and what can be made storable is."""

import datetime as dt
from typing import Any

import pytest

from generations import access, identities, recording
from generations.models import (
    Feedback,
    Generation,
    GenerationPayload,
    Project,
)
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ScoreRecord,
    StepRecord,
)
from tests.recorded import NOW, one, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


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
    payload = GenerationPayload.objects.in_project(project.pk).get(uid=identities.uid(project.pk, "generation", "b"))
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


def test_a_long_error_is_cut_in_the_facts_and_whole_in_the_payload(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", error="e" * 5000), StepRecord(id="s", error="e" * 5000)])

    assert len(one(project).error or "") == 2000
    assert GenerationPayload.objects.in_project(project.pk).get().error_detail == "e" * 5000


def test_of_a_long_trace_the_facts_keep_what_it_ends_with(project: Project) -> None:
    trace = "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n    f()\n' * 100 + "KeyError: 'city'"
    recording.record(project, [GenerationRecord(id="g1", error=trace), StepRecord(id="s", error=trace)])

    assert one(project).error == "KeyError: 'city'"
    assert GenerationPayload.objects.in_project(project.pk).get().error_detail == trace
