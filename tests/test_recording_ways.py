"""However records come (one by one, at once, in one statement or copied), the same rows stand at the end."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from django.db import DataError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.errors import InvalidSqlStatementName

from generations import access, prepared, recording
from generations.models import Generation, GenerationPayload, Participant, Project, Step, StepPayload, Thread
from generations.recording import storing
from generations.records import GenerationRecord, Record, StepRecord
from tests.recorded import NOW

pytestmark = pytest.mark.django_db

# Two minutes apart: when a participant was last seen is kept to the minute.
moments = st.integers(-2_000, 2_000).map(lambda n: NOW + dt.timedelta(minutes=2 * n))
texts = st.sampled_from(["Hello", "a\tb\\n\n", "東京 🔥", '{"a": 1}', "\\N", "", "x" * 3_000])
documents = st.fixed_dictionaries({}, optional={"a": texts, "b": st.lists(st.none() | st.integers(), max_size=2)})
shared: dict[str, Any] = {
    "started_at": st.none() | moments,
    "ended_at": st.none() | moments,
    "thread_id": st.sampled_from([None, "t1", "t2"]),
    "user_id": st.sampled_from([None, "u1", "u2", "ü\\"]),
    "environment": st.sampled_from([None, "prod", "test"]),
    "tags": st.none() | st.lists(st.sampled_from(["x", 'y"', "z\\"]), max_size=2).map(tuple),
    "metadata": st.none() | documents,
    "error": st.none() | texts,
}
generations = st.fixed_dictionaries(
    {
        **shared,
        "prompt": st.none() | texts,
        "messages": st.none() | st.lists(documents, max_size=2),
        "prompt_tokens": st.none() | st.integers(0, 5_000),
        "completion_tokens": st.none() | st.integers(0, 5_000),
        "model_id": st.sampled_from([None, "gpt-4o", "nobody-knows"]),
        "latency": st.none() | st.floats(0, 100),
    }
)
steps = st.fixed_dictionaries({**shared, "input": st.none() | documents, "output": st.none() | texts})
batches = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), generations | steps), max_size=6)


def records(said: list[tuple[str, dict[str, Any]]]) -> list[Record]:
    return [
        StepRecord(id=id, **fields) if "input" in fields else GenerationRecord(id=id, **fields) for id, fields in said
    ]


def rows(project: Project) -> dict[str, list[dict[str, Any]]]:
    """All that is stored of a project, without what differs from one project to another."""
    tables: tuple[Any, ...] = (Generation, GenerationPayload, Step, StepPayload, Thread, Participant)
    ids = {
        row.uid: row.public_id for t in tables if hasattr(t, "public_id") for row in t.objects.in_project(project.pk)
    }
    return {
        table.__name__: sorted(
            (
                {**row, "uid": ids[row["uid"]], "project_id": None}
                for row in table.objects.in_project(project.pk).values()
            ),
            key=lambda row: str(row["uid"]),
        )
        for table in tables
    }


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=batches)
@example(said=[("a", {"completion_tokens": 1, "latency": 2.225073858507e-311})])
def test_one_by_one_or_copied_the_same_rows_stand(said: list[tuple[str, dict[str, Any]]]) -> None:
    alone, copied = access.create_project("Alone"), access.create_project("Copied")

    for record in records(said):
        recording.record(alone, [record], now=NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storing, "TOGETHER", 0)
        for record in records(said):
            recording.record(copied, [record], now=NOW)

    assert rows(alone) == rows(copied)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=batches)
def test_new_records_at_once_or_one_by_one_are_the_same_rows(said: list[tuple[str, dict[str, Any]]]) -> None:
    alone, together = access.create_project("Alone"), access.create_project("Together")
    # Each id once: what a second record of an id says may depend on what was derived between.
    different = records([(f"{id}{n}", fields) for n, (id, fields) in enumerate(said)])

    for record in different:
        recording.record(alone, [record], now=NOW)
    recording.record(together, different, now=NOW)

    assert rows(alone) == rows(together)


def test_a_statement_is_planned_once_and_a_session_that_is_not_ones_own_is_noticed() -> None:
    project = access.create_project("Prepared")
    statement = prepared.Statement("told", ("bigint",), "SELECT {project} + $1")

    def ask() -> int:
        with connection.cursor() as cursor:
            return int(prepared.fetch(cursor, statement, project.pk, [5])[0][0])

    assert (ask(), ask()) == (project.pk + 5, project.pk + 5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name = %s", [f"told_{project.pk}"])
        assert cursor.fetchone() == (1,)


def test_a_statement_that_fails_stays_prepared_and_is_no_sign_of_shared_sessions() -> None:
    project = access.create_project("Failing")
    statement = prepared.Statement("divided", ("bigint",), "SELECT {project} / $1")

    def ask(number: int) -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            return int(prepared.fetch(cursor, statement, project.pk, [number])[0][0])

    with pytest.raises(DataError, match="division by zero"):
        prepared.again(lambda: ask(0))

    assert prepared.again(lambda: ask(1)) == project.pk
    assert not prepared._sessions.are_shared


def test_where_sessions_are_shared_behind_a_pooler_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared._sessions, "are_shared", False)
    project = access.create_project("Pooled")
    recording.record(project, [StepRecord(id="s1", started_at=NOW)])
    with connection.cursor() as cursor:
        cursor.execute(f"DEALLOCATE seen_far_{project.pk}")

    receipts = [
        recording.record(project, [StepRecord(id="s2", started_at=NOW, thread_id="t")])[0],
        recording.record(project, [StepRecord(id="s2", started_at=NOW, name="x")])[0],
    ]

    assert [receipt.state for receipt in receipts] == ["stored", "merged"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE %s", [f"seen_%_{project.pk}%"])
        assert cursor.fetchone() == (0,)


def test_what_fails_behind_a_pooler_is_not_taken_for_something_that_a_session_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each transaction may have another session, which knows nothing of what failed in the one before."""
    monkeypatch.setattr(prepared._sessions, "are_shared", True)
    monkeypatch.setattr(prepared._sessions, "names", WeakKeyDictionary())
    project = access.create_project("Failing behind a pooler")
    divided = prepared.Statement("of_pooler_divided", ("bigint",), "SELECT {project} / $1")
    added = prepared.Statement("of_pooler_added", ("bigint",), "SELECT {project} + $1")

    def ask(number: int) -> list[list[tuple[Any, ...]]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_prepared_statements WHERE name ~ '^of_pooler_'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DEALLOCATE {name}")
        with transaction.atomic(), connection.cursor() as cursor:
            both = [prepared.Asked(statement, project.pk, [number]) for statement in (added, divided)]
            return prepared.fetch_all(cursor, both)

    for _ in range(prepared.MOST + 1):
        with pytest.raises(DataError, match="division by zero"):
            ask(0)

    assert [ask(1) for _ in range(3)] == [[[(project.pk + 1,)], [(project.pk,)]]] * 3


def test_whoever_met_another_session_while_somebody_else_found_that_out_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prepared._sessions, "are_shared", False)
    tried: list[int] = []

    def work() -> int:
        tried.append(len(tried))
        if len(tried) == 1:
            prepared._sessions.are_shared = True
            raise ProgrammingError("somebody else's") from InvalidSqlStatementName()
        return tried[-1]

    assert prepared.again(work) == 1


def write(project: Project, month: int, first: int, number: int = 1) -> None:
    start = dt.datetime(2021, month, 1, tzinfo=dt.UTC)
    ids = range(first, first + number)
    recording.record(project, [StepRecord(id=f"{n}", started_at=start + dt.timedelta(seconds=n)) for n in ids])


def planned(project: Project) -> Any:
    """When the look-up before a write was planned."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prepare_time FROM pg_prepared_statements WHERE name = %s", [f"seen_far_{project.pk}"])
        return cursor.fetchone()


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_made_anew_when_it_is_old_and_for_a_month_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    project = access.create_project("Planned")
    write(project, 3, 0)
    write(project, 3, 1)
    first = planned(project)
    write(project, 3, 2)
    assert planned(project) == first

    write(project, 4, 3)
    write(project, 4, 4)
    second = planned(project)
    assert second > first

    monkeypatch.setattr(prepared, "FIRST", 0.0)
    monkeypatch.setattr(prepared, "LAST", 0.0)
    prepared.doubt()
    write(project, 4, 5)
    third = planned(project)
    write(project, 4, 6)
    assert planned(project) > third > second


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 101])
def test_no_key_is_looked_up_by_reading_a_project_though_nobody_analysed_its_rows(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    project = access.create_project("A new month")
    monkeypatch.setattr(prepared, "FIRST", 0.0)
    write(project, 5, 0, 1_000)
    write(project, 5, 1_000, number)

    name = f"seen_far_{project.pk}" if number == 1 else f"seen_202104_202105_{project.pk}"
    with connection.cursor() as cursor:
        asked = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = %s"
        cursor.execute(asked, [name])
        given = ", ".join(["NULL"] * cursor.fetchone()[0])
        cursor.execute(f"EXPLAIN EXECUTE {name}({given})")
        plan = [line for (line,) in cursor.fetchall()]
    here = [n for n, line in enumerate(plan) if "on step_p202105" in line]
    assert here
    assert all("uid = wanted" in plan[n + 1] and "Index Cond" in plan[n + 1] for n in here)


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of every scan of steps in a plan, how it finds its rows."""
    if plan.get("Relation Name", "").startswith("step") and plan["Node Type"] != "ModifyTable":
        yield plan["Node Type"], plan.get("Index Cond", "")
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [20, 101])
def test_rows_that_change_are_found_one_by_one_though_nobody_analysed_them(number: int) -> None:
    project = access.create_project("A new month")
    write(project, 6, 0, number)
    with connection.cursor() as cursor:
        others = "gen_random_uuid(), '2021-06-02' FROM generate_series(1, 20000)"
        cursor.execute(f"INSERT INTO step_payload (project_id, uid, started_at) SELECT {project.pk}, {others}")
        cursor.execute(
            "INSERT INTO step (public_id, type, tags, metadata, start_assumed, created_at, updated_at, project_id, uid,"
            f" started_at) SELECT '', 'tool', '{{}}', '{{}}', false, now(), now(), {project.pk}, {others}"
        )
    start = dt.datetime(2021, 6, 1, tzinfo=dt.UTC)
    changed = [
        StepRecord(id=f"{n}", started_at=start + dt.timedelta(seconds=n), output="changed") for n in range(number)
    ]

    with CaptureQueriesContext(connection) as sent:
        receipts = recording.record(project, changed)

    assert {receipt.state for receipt in receipts} == {"merged"}
    asked = [one["sql"] for one in sent if one["sql"].startswith(("SELECT '", "EXECUTE write_"))]
    found = []
    with connection.cursor() as cursor:
        for sql in asked:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            found.append([*scans(cursor.fetchone()[0][0]["Plan"])])
    # What is read is facts and payloads; what is deleted is looked up in both, and then gone to.
    assert [{kind for kind, _ in some} for some in found] == [{"Index Scan"}, {"Index Scan", "Tid Scan"}]
    assert all("uid = wanted" in condition for some in found for kind, condition in some if kind == "Index Scan")
