"""Whatever happens to calls, in whatever order, and whoever rolls them up meanwhile: both readings agree."""

import datetime as dt
import threading
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import access, metrics, recording, rollups
from generations.metrics import Bucket, Dimension, Query, answering
from generations.models import PriceOverride, Project
from generations.records import GenerationRecord
from tests.measuring import NOW
from tests.rollups import EXACT, MEASURES, agreed, both

FIELDS = {
    "model_id": st.sampled_from(["large", "small"]),
    "provider": st.sampled_from(["one", ""]),
    "environment": st.just("production"),
    "prompt_tokens": st.integers(0, 2**31 - 1),
    "reasoning_tokens": st.integers(0, 9),
    "latency": st.one_of(st.just(0.0), st.floats(1e-13, 1e15)),
    "time_to_first_token": st.floats(1e-6, 10),
    "cost": st.decimals(0, 100, places=12),
    "error": st.just("no"),
}
HOURS = st.sampled_from([0, 0.5, 1, 5, 25, 800])
STARTS = HOURS.map(lambda hours: NOW - dt.timedelta(hours=hours))
CALLS = st.builds(
    lambda id, start, said: GenerationRecord(id=id, started_at=start, **said),
    st.sampled_from("abcdefgh"),
    STARTS,
    st.fixed_dictionaries({}, optional=FIELDS),
)
STEPS = st.one_of(
    st.tuples(st.just("record"), st.lists(CALLS, min_size=1, max_size=6)),
    st.tuples(st.just("amend"), CALLS),
    st.tuples(st.just("delete"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("reprice"), st.decimals(0, 10, places=2)),
    st.tuples(st.just("compact"), st.none()),
    st.tuples(st.just("compact until then"), STARTS),
)
QUERIES = (
    Query(measures=MEASURES),
    Query(dimensions=(Dimension("m", "model.id"), Dimension("p", "model.provider")), measures=MEASURES),
    Query(bucket=Bucket("hour"), measures=MEASURES),
    Query(bucket=Bucket("day"), dimensions=(Dimension("e", "environment"),), measures=MEASURES),
    Query(bucket=Bucket("week", "America/New_York"), measures=MEASURES),
    Query(bucket=Bucket("day", "Asia/Tokyo"), dimensions=(Dimension("m", "model.id"),), measures=EXACT),
    Query(
        bucket=Bucket("month", "Pacific/Auckland"), dimensions=(Dimension("c", "usage.currency"),), measures=MEASURES
    ),
)


@pytest.fixture
def any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "FEW", 0)


def act(project: Project, what: str, value: Any) -> None:
    if what == "record":
        recording.record(project, value)
    elif what == "amend":
        with suppress(recording.UnknownId):
            recording.amend(project, value)
    elif what == "delete":
        recording.delete(project, "generation", [value])
    elif what == "reprice":
        PriceOverride.objects.filter(project=project).delete()
        PriceOverride.objects.create(project=project, match="large", input_price=value, currency="USD")
        recording.reprice(project, list("abcdefgh"))
    elif what == "compact":
        rollups.compact()
    else:
        rollups.compact(now=value)


@pytest.mark.django_db
@pytest.mark.usefixtures("any_number")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(STEPS, min_size=1, max_size=8))
def test_rollups_and_rows_agree_after_anything(steps: list[tuple[str, Any]]) -> None:
    with transaction.atomic():
        project = access.create_project("Anything")
        for turn, (what, value) in enumerate(steps):
            act(project, what, value)

            assert both(project, QUERIES[turn % len(QUERIES)]).source != "rows"
        for query in QUERIES:
            both(project, query)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("any_number")
def test_every_moment_is_consistent_while_others_write_and_roll_up() -> None:
    project = access.create_project("Busy")
    recording.record(project, [call(n) for n in range(300)])
    rollups.compact()
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(act: Any) -> None:
        turn = 0
        try:
            while not stop.is_set():
                act(turn)
                turn += 1
        except BaseException as error:  # noqa: BLE001  # told by the test itself
            failures.append(error)
        finally:
            connections.close_all()

    def write(turn: int) -> None:
        recording.record(project, [call(300 + 7 * turn + n) for n in range(7)])
        recording.amend(
            project, GenerationRecord(id=f"g{turn % 300}", latency=float(turn), started_at=call(turn).started_at)
        )
        recording.delete(project, "generation", [f"g{310 + 11 * turn}"])

    def compact(_: int) -> None:
        rollups.compact()

    threads = [threading.Thread(target=repeat, args=(one,)) for one in (write, write, compact, compact)]
    for thread in threads:
        thread.start()
    sources = set()
    try:
        for turn in range(30):
            query = QUERIES[turn % len(QUERIES)]
            with transaction.atomic():
                # One moment for both readings, as long as this transaction lasts.
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                sources.add(both(project, query).source)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert failures == []
    assert "rows" not in sources
    rollups.compact()
    last = metrics.aggregate(project, QUERIES[0])
    assert last.source == "rollup"
    agreed(QUERIES[0], last, metrics.aggregate(project, replace(QUERIES[0], exact=True)))


def call(n: int) -> GenerationRecord:
    """Call number n, of one of sixty hours."""
    return GenerationRecord(
        id=f"g{n}",
        started_at=NOW - dt.timedelta(hours=n % 60, minutes=n % 7),
        model_id=f"m{n % 3}",
        latency=n / 10,
        prompt_tokens=n,
        cost=Decimal(n) / 100,
    )
