"""Records that were made ready before the lock are stored as if they had not been."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.forms import model_to_dict

from generations import access, recording
from generations.models import Generation, GenerationPayload, PriceOverride, Project, Step, StepPayload
from generations.records import GenerationRecord, Record, StepRecord

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NOT_COMPARED = {"project", "uid", "created_at", "updated_at"}


@pytest.fixture
def project() -> Project:
    return access.create_project("Ready")


def calls(number: int = 3) -> list[Record]:
    """Steps with calls, with texts of every kind in them."""
    made: list[Record] = []
    for n in range(number):
        made.append(
            StepRecord(id=f"s{n}", name=f"tab\t{n}", started_at=START, ended_at=START, output={"a\\b": ["ü", None]})
        )
        made.append(
            GenerationRecord(
                id=f"g{n}",
                step_id=f"s{n}",
                thread_id="t",
                user_id="u",
                model_id="gpt-4o",
                provider="openai",
                started_at=START,
                ended_at=START + dt.timedelta(seconds=2),
                prompt_tokens=1_000,
                completion_tokens=10 + n,
                tags=("one", 'two "quoted"'),
                metadata={"n": n},
                messages=[{"role": "user", "content": "a\nb\\n\0"}],
                message_completion={"role": "assistant", "content": "c"},
            )
        )
    return made


def rows(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for model in (Step, StepPayload, Generation, GenerationPayload):
        for row in model.objects.in_project(project.pk).order_by("started_at", "pk"):
            found.append({k: v for k, v in model_to_dict(row).items() if k not in NOT_COMPARED})
    return sorted(found, key=repr)


@pytest.mark.parametrize("number", [2, 30], ids=["together", "copied"])
def test_what_was_made_ready_is_stored_like_what_was_not(project: Project, number: int) -> None:
    other = access.create_project("Not ready")
    items = calls(number)
    told = recording.record(project, items, ready=recording.ready(project, items))
    plain = recording.record(other, calls(number))
    assert [one.state for one in told] == [one.state for one in plain] == ["stored"] * 2 * number
    assert rows(project) == rows(other)
    assert Generation.objects.in_project(project.pk).filter(cost__isnull=True).count() == 0


TEXTS = (
    "",
    "a",
    "ü 東京 🔥",
    "a\0b",
    "\ud800",
    "\\u0000",
    r"\N",
    "line\nline\r",
    "null",
    '"',
    "\x01\x02\x01",
    "x" * 3_000,
)
VALUES: tuple[Any, ...] = (
    *(None, {}, [], "", 0, 1.0, True, [2**70], -0.0, [None, [1, [2.5, {"a": None}]]], {"a\0": "b\0", "\ud800": 1}),
    *({"n": 2**63, "m": 1e-300}, {"at": START, "amount": Decimal("1.50")}, [{"type": "text", "text": "\\ \n"}]),
)
COSTS: tuple[Any, ...] = (None, Decimal("0.10"), 2)
MOMENTS = (None, START, START.replace(tzinfo=None), START.astimezone(dt.timezone(dt.timedelta(hours=-7))))
WRONG: tuple[dict[str, Any], ...] = (
    *({"metadata": {"a": float("nan")}}, {"latency": float("inf")}, {"prompt_tokens": -1}, {"cost": Decimal("NaN")}),
    *({"model_id": "x" * 600}, {"output": {"a": {1}}}),
)


def of_every_kind() -> list[Record]:
    """Steps and calls with all of these in different fields, so that few are alike."""
    made: list[Record] = []
    for n, text in enumerate(TEXTS):
        made.append(
            StepRecord(
                id=f"t{n}", name=text[:900], input=text, error=text or None, started_at=START, tags=(text[:200],)
            )
        )
        made.append(GenerationRecord(id=f"t{n}", prompt=text, completion=text, error=text, started_at=START))
    for n, value in enumerate(VALUES):
        start, end = MOMENTS[n % len(MOMENTS)] or START, MOMENTS[(n + 1) % len(MOMENTS)]
        made.append(StepRecord(id=f"v{n}", input=value, output=VALUES[-n], started_at=start, ended_at=end))
        made.append(
            GenerationRecord(
                id=f"v{n}",
                input=value,
                output=VALUES[-n],
                messages=[value, {"role": "user", "content": VALUES[-n]}],
                metadata={"said": value},
                started_at=start,
                ended_at=end,
                latency=None if n % 2 else n,
                cost=COSTS[n % 3],
                model_id=(None, "gpt-4o", "nobody knows")[n % 3],
                prompt_tokens=n,
                completion_tokens=(None, 0, n)[n % 3],
                type=(None, "embedding")[n % 2],
            )
        )
    made += [GenerationRecord(id=f"w{n}", started_at=START, **fields) for n, fields in enumerate(WRONG)]
    return made


def test_values_of_every_kind_are_stored_at_once_as_they_are_one_by_one(project: Project) -> None:
    other = access.create_project("One by one")
    items = of_every_kind()
    told = recording.record(project, items, ready=recording.ready(project, items))
    alone = [recording.record(other, [item])[0] for item in of_every_kind()]

    assert [(one.state, one.field, one.reason) for one in told] == [(one.state, one.field, one.reason) for one in alone]
    assert [one.state for one in told].count("rejected") == len(WRONG)
    assert rows(project) == rows(other)


def test_what_came_meanwhile_is_merged_with(project: Project) -> None:
    items = calls(1)
    ready = recording.ready(project, items)
    recording.record(project, [GenerationRecord(id="g0", finish_reason="stop", metadata={"said": "before"})])
    assert [one.state for one in recording.record(project, items, ready=ready)] == ["stored", "merged"]
    call = Generation.objects.in_project(project.pk).get()
    assert (call.finish_reason, call.metadata, call.completion_tokens) == ("stop", {"said": "before", "n": 0}, 10)


def test_a_price_that_was_agreed_meanwhile_holds(project: Project) -> None:
    recording.record(project, calls(1))
    items = [one for one in calls(2) if one.id == "g1"]
    ready = recording.ready(project, items)
    PriceOverride.objects.create(project=project, match="gpt-4o", input_price=Decimal(1000), output_price=Decimal(0))
    recording.record(project, items, ready=ready)
    assert Generation.objects.in_project(project.pk).get(public_id="g1").cost == 1


def test_an_agreed_price_is_reckoned_with_before_the_lock(project: Project) -> None:
    PriceOverride.objects.create(project=project, match="gpt-4o", input_price=Decimal(1000), output_price=Decimal(0))
    recording.record(project, calls(1))
    items = [one for one in calls(2) if one.id == "g1"]
    ready = recording.ready(project, items)
    assert [row.record.cost for row, _ in ready.rows.values()] == [1]
    recording.record(project, items, ready=ready)
    assert Generation.objects.in_project(project.pk).get(public_id="g1").cost == 1


def test_what_cannot_be_stored_is_refused_and_the_rest_is_stored(project: Project) -> None:
    items: list[Record] = [*calls(1), GenerationRecord(id="bad", prompt_tokens=-1)]
    told = recording.record(project, items, ready=recording.ready(project, items))
    assert [(one.state, one.field) for one in told] == [
        ("stored", None),
        ("stored", None),
        ("rejected", "prompt_tokens"),
    ]


def test_a_record_that_comes_twice_is_one_row(project: Project) -> None:
    items: list[Record] = [
        GenerationRecord(id="g", model_id="m", started_at=START),
        GenerationRecord(id="g", finish_reason="stop"),
    ]
    told = recording.record(project, items, ready=recording.ready(project, items))
    assert [one.state for one in told] == ["stored", "merged"]
    call = Generation.objects.in_project(project.pk).get()
    assert (call.model_id, call.finish_reason) == ("m", "stop")
