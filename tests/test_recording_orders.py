"""What is said of a call stands the same, in whatever parts, order and batches it was said."""

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generations import access, recording
from generations.models import Generation, GenerationPayload, PriceOverride, Project
from generations.records import GenerationRecord
from tests.recorded import NOW, one

pytestmark = pytest.mark.django_db

START = NOW - dt.timedelta(minutes=5)
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
SAID: dict[str, Any] = {
    "type": ["completion", "embedding"],
    "ended_at": [START + dt.timedelta(minutes=1)],
    "latency": [60.0],
    "model_id": ["gpt-4o-mini", "nobody-knows"],
    "model_name": ["GPT"],
    "model_version": ["gpt-4o-mini-2024-07-18"],
    "provider": ["openai"],
    "prompt_tokens": [10],
    "completion_tokens": [20],
    "total_tokens": [35],
    "cached_tokens": [5],
    "cost": [Decimal("1.5")],
    "tokens_per_second": [3.0],
    "messages": [[{"role": "user", "content": "Hi"}], PICTURE],
    "prompt": ["Say"],
    "completion": ["OK"],
    "output": [{"a": 1}],
    "input_type": ["image"],
    "output_type": ["code"],
    "metadata": [{"a": 1}],
    "tags": [("x", "y")],
    "error": ["boom"],
    "environment": ["prod"],
}
OF_COST: dict[str, Any] = {"currency": "EUR", "cost_source": "mine", "input_cost": Decimal("0.5")}
calls = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in SAID.items()})


def row(project: Project) -> dict[str, Any]:
    """All that is stored of the one call, without what differs from one project to another."""
    stored: dict[str, Any] = {}
    for table in (Generation, GenerationPayload):
        stored |= table.objects.in_project(project.pk).values().get()
    return {name: value for name, value in stored.items() if name not in ("uid", "project_id")}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=calls, seed=st.integers(0, 2**16))
@example(said={"cost": Decimal("1.5"), "model_id": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20}, seed=0)
def test_a_call_is_the_same_in_any_parts_and_order(said: dict[str, Any], seed: int) -> None:
    draw = random.Random(seed)
    said = {"started_at": START, **said, **(OF_COST if "cost" in said else {})}
    if "messages" in said:
        said.pop("prompt", None)  # a prompt alone makes the type, which cannot be told from one that was said
    names, parts = draw.sample(list(said), len(said)), []
    while names:
        some = [names.pop() for _ in range(draw.randint(1, len(names)))]
        parts.append(GenerationRecord(id="g1", **{name: said[name] for name in some}))
    whole, apart = access.create_project("Whole"), access.create_project("Apart")

    recording.record(whole, [GenerationRecord(id="g1", **said)], now=NOW)
    while parts:
        recording.record(apart, [parts.pop() for _ in range(draw.randint(1, len(parts)))], now=NOW)

    assert {**row(apart), "start_assumed": False} == row(whole)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"latency": 1.5}, {"started_at": START}),
        ({"total_tokens": 35, "prompt_tokens": 10, "completion_tokens": 20}, {"completion_tokens": 21}),
        ({"tokens_per_second": 3.0}, {"completion_tokens": 20, "latency": 2.0}),
        ({"input_type": "image", "output_type": "code"}, {"messages": [], "completion": "print()"}),
        ({"currency": "EUR", "input_cost": Decimal("0.5")}, {"model_id": "nobody-knows"}),
        ({"currency": "EUR"}, {"model_id": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20}),
        ({"cost_source": "mine"}, {"model_id": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20}),
        ({"input_cost": Decimal("0.5")}, {"model_id": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20}),
        ({"cost": Decimal("1.5"), "cost_source": "mine", "currency": "EUR"}, {"prompt_tokens": 10}),
    ],
)
def test_what_was_said_stays_when_that_is_said_which_else_it_would_follow_from(
    first: dict[str, Any], then: dict[str, Any]
) -> None:
    project = access.create_project("Parts")

    for said in (first, then):
        recording.record(project, [GenerationRecord(id="g1", **said)])

    assert {name: getattr(one(project), name) for name in first if name not in then} == {
        name: value for name, value in first.items() if name not in then
    }


def test_a_cost_of_the_callers_own_source_is_not_reckoned_again() -> None:
    project = access.create_project("Priced")
    tokens: dict[str, Any] = {"model_id": "gpt-4o-mini", "prompt_tokens": 10, "completion_tokens": 20}
    recording.record(project, [GenerationRecord(id="g1", cost=Decimal("1.5"), cost_source="mine", **tokens)])
    PriceOverride.objects.create(project=project, match="*", input_price=1, output_price=1)

    assert recording.reprice(project, ["g1"]) == 0

    assert (one(project).cost, one(project).cost_source) == (Decimal("1.5"), "mine")
