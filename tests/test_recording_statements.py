"""How many statements a write takes, and what stands in them."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, bundles, recording
from generations.models import PriceOverride, Project, Step
from generations.records import Alternative, FeedbackRecord, GenerationRecord, Record, ScoreRecord, StepRecord, revised
from tests.doors.rest import caller
from tests.recorded import NOW, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


def statements(sent: CaptureQueriesContext) -> list[str]:
    """What was sent, but for where transactions begin and end and for plans: the first words of each statement."""
    parts = [" ".join(part.split()[:2]) for query in sent for part in query["sql"].split("; ")]
    return [part for part in parts if not part.startswith(_ASIDE)]


_ASIDE = ("BEGIN", "COMMIT", "SET plan_cache_mode", "DEALLOCATE", "PREPARE")


LOCK = ("SELECT pg_advisory_xact_lock(1195724338,",)
LOOK, READ, WRITE = ("EXECUTE seen_",), ("SELECT '",), ("WITH ", "EXECUTE write_")


def call(**said: Any) -> GenerationRecord:
    return GenerationRecord(
        id="g1", step_id="s1", thread_id="t", user_id="u", tags=("x",), model_id="gpt-4", prompt_tokens=3, **said
    )


NEW: dict[str, list[Record]] = {
    "a bare step": [StepRecord(id="s1", started_at=NOW, input="x")],
    "a step in a known thread": [StepRecord(id="s1", started_at=NOW, thread_id="t", user_id="u", tags=("x",))],
    "a step with a generation": [
        StepRecord(id="s1", started_at=NOW, thread_id="t", user_id="u", tags=("x",)),
        call(started_at=NOW, messages=[{"role": "user", "content": "Hi"}]),
    ],
    "a step with a generation in new surroundings": [
        StepRecord(id="s1", started_at=NOW, thread_id="new", user_id="new", tags=("new",)),
        call(started_at=NOW, alternatives=(Alternative(index=0, content="x"), Alternative(index=1, content="y"))),
    ],
}
KNOWN: dict[str, list[Record]] = {
    "the end of a known step and its generation": [
        StepRecord(id="s0", ended_at=NOW + dt.timedelta(seconds=3), output={"a": 1}),
        GenerationRecord(id="g0", ended_at=NOW, completion="Hello", completion_tokens=5, cost=Decimal(1)),
    ],
    "a change of a call with alternatives": [
        GenerationRecord(id="g0", release="2", alternatives=(Alternative(index=0, content="new"),))
    ],
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("said", [*NEW, *KNOWN])
def test_a_write_costs_three_statements_and_one_to_read_what_is_known(project: Project, said: str) -> None:
    recording.record(
        project,
        [
            StepRecord(id="s0", started_at=NOW, thread_id="t", user_id="u", tags=("x",), input="x"),
            GenerationRecord(
                id="g0",
                step_id="s0",
                started_at=NOW,
                prompt="x",
                model_id="gpt-4",
                prompt_tokens=1,
                alternatives=(Alternative(index=0, content="a"), Alternative(index=1, content="b")),
            ),
        ],
    )
    PriceOverride.objects.create(project=project, match="own-*", currency="EUR", input_price=Decimal(2))

    with CaptureQueriesContext(connection) as sent:
        receipts = recording.record(project, (NEW | KNOWN)[said])

    assert {receipt.state for receipt in receipts} == ({"stored"} if said in NEW else {"merged"})
    wanted = (LOCK, LOOK, WRITE) if said in NEW else (LOCK, LOOK, READ, WRITE)
    for statement, expected in zip(statements(sent), wanted, strict=True):
        assert statement.startswith(expected)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 41])
def test_the_last_message_of_a_write_ends_its_transaction(project: Project, number: int) -> None:
    said = [StepRecord(id=f"s{n}", started_at=NOW, thread_id="t", user_id="u") for n in range(number)]

    with CaptureQueriesContext(connection) as sent:
        recording.record(project, said)

    # What is logged after it is Django's own, which finds nothing to end.
    *_, last, end = (query["sql"] for query in sent)
    assert (last.startswith("EXECUTE write_"), last.endswith("; COMMIT"), end) == (True, True, "COMMIT")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 41])
def test_what_is_written_in_a_transaction_of_the_callers_is_taken_back_with_it(project: Project, number: int) -> None:
    with pytest.raises(KeyError), transaction.atomic():
        recording.record(project, [StepRecord(id=f"s{n}", started_at=NOW, thread_id="t") for n in range(number)])
        raise KeyError

    assert not Step.objects.in_project(project.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_saying_the_same_again_writes_nothing(project: Project) -> None:
    said: list[Record] = [call(started_at=NOW, prompt="x"), StepRecord(id="s", started_at=NOW, input=[1])]
    recording.record(project, said)

    with CaptureQueriesContext(connection) as sent:
        receipts = recording.record(project, said)

    assert states(receipts) == ["unchanged", "unchanged"]
    for statement, expected in zip(statements(sent), (LOCK, LOOK, READ), strict=True):
        assert statement.startswith(expected)


@pytest.mark.django_db(transaction=True)
def test_amending_costs_four_statements(project: Project) -> None:
    recording.record(project, [call(started_at=NOW, prompt="x")])

    with CaptureQueriesContext(connection) as sent:
        recording.amend(project, GenerationRecord(id="g1", release="2"))

    for statement, expected in zip(statements(sent), (LOCK, LOOK, READ, WRITE), strict=True):
        assert statement.startswith(expected)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("thread", "user", "number"), [(None, None, 5), ("t", None, 6), (None, "u", 6), ("t", "u", 7)])
def test_a_truer_start_costs_one_statement_more_and_one_in_a_thread_and_of_a_participant(
    project: Project, thread: str | None, user: str | None, number: int
) -> None:
    recording.record(project, [revised(call(completion="x"), thread_id=thread, user_id=user)])

    with CaptureQueriesContext(connection) as sent:
        recording.record(project, [GenerationRecord(id="g1", started_at=timezone.now() - dt.timedelta(seconds=5))])

    # What moves is read in full, and that it moves is known only from what was read; thread and user had the time too.
    assert len(statements(sent)) == number


@pytest.mark.django_db(transaction=True)
def test_one_create_over_rest_costs_three_statements_and_the_key() -> None:
    api = caller()
    document = {"id": "g1", "model": {"id": "gpt-4"}, "timestamp": NOW.isoformat()}
    api.post("/api/generations", {**document, "id": "warm"})

    with CaptureQueriesContext(connection) as sent:
        answer = api.post("/api/generations", document)

    assert answer.status == 201
    assert sum(one["sql"].count("EXECUTE key_") for one in sent) == 1
    lock, key, look, write, *others = statements(sent)
    # The answer is made of what was written.
    assert not [statement for statement in others if statement.startswith("SELECT")]
    assert key.startswith("EXECUTE key_")
    assert lock.startswith(LOCK)
    assert look.startswith(LOOK)
    assert write.startswith(WRITE)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "output": {"content": "Ho", "alternatives": [{"content": "Ha"}]},
        },
        {"model": {"id": "gpt-4", "provider": "openai"}, "usage": {"promptTokens": 7, "completionTokens": 3}},
        {"usage": {"cost": 0.12345678901234567}, "metadata": {"plan": "pro", "tags": ["b", "a"], "n": 1.50}},
        {"error": "e" * 3000, "performance": {"latency": 0.1}, "parameters": {"temperature": 0}},
        {"output": {"content": {"b": 1, "a": [None, 2**62]}, "type": "json"}},
    ],
)
def test_a_create_answers_with_what_is_read_later(said: dict[str, Any]) -> None:
    api = caller()

    made = api.post("/api/generations", {"id": "g1", "timestamp": NOW.isoformat(), **said})

    assert made.status == 201
    assert made.json == api.get("/api/generations/g1").json


def test_a_create_answers_with_what_hung_on_it_before(project: Project) -> None:
    api = caller(project=project)
    recording.record(project, [ScoreRecord(name="early", value=0.5, generation_id="g1")])

    made = api.post("/api/generations", {"id": "g1"})

    assert made.status == 201
    assert made.json == api.get("/api/generations/g1").json
    assert "early" in made.content.decode()


def test_a_batch_costs_as_many_statements_as_one_record(project: Project) -> None:
    def calls(prefix: str, count: int) -> list[GenerationRecord]:
        return [
            GenerationRecord(
                id=f"{prefix}{n}", started_at=NOW, thread_id=f"{prefix}t{n}", user_id=f"{prefix}u{n}", tags=("x",)
            )
            for n in range(count)
        ]

    recording.record(project, calls("warm", 1))
    with CaptureQueriesContext(connection) as single:
        recording.record(project, calls("one", 1))
    with CaptureQueriesContext(connection) as batch:
        recording.record(project, calls("many", 20))

    assert len(batch) == len(single)


def test_every_statement_names_its_project(project: Project) -> None:
    with CaptureQueriesContext(connection) as sent:
        recording.record(
            project, [GenerationRecord(id="g", thread_id="t", user_id="u", feedback=FeedbackRecord(rating=1))]
        )
        recording.record(project, [GenerationRecord(id="g", completion="x")])
        bundles.generation(project, "g")
        recording.retag(project, "generation", ["g"], add=["z"])
        recording.delete(project, "generation", ["g"])

    tables = ("generation", "generation_payload", "thread", "participant", "feedback", "score", "alternative")
    for query in sent:
        sql = query["sql"]
        if any(f'"{table}"' in sql or f" {table} " in sql for table in tables) and "savepoint" not in sql.lower():
            assert "project_id" in sql, sql
