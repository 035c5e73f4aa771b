"""The client against the real server: what the collection promises, with exact answers."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from generations import access, recording
from generations.access import Scope
from generations.client import Generations, GenerationsError, NotFound
from generations.models import Feedback, Generation, Project, Score
from generations.records import FeedbackRecord, GenerationRecord
from tests.stack import Stack

JANUARY = dt.datetime(2023, 1, 10, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return access.create_project("Client")


@pytest.fixture
def key(project: Project) -> str:
    return access.create_key(access.of_system(project), name="client", scopes=[Scope.WRITE])[1]


@pytest.fixture
def generations(live_server: LiveServer, key: str) -> Iterator[Generations]:
    with Generations(live_server.url, key, attempts=2) as client:
        yield client


def record(project: Project, *calls: GenerationRecord) -> None:
    receipts = recording.record(project, calls)
    assert [r.state for r in receipts] == ["stored"] * len(calls)


def call(id: str, model: str = "gpt-4", *, day: int = 0, tokens: int | None = 10, rating: float | None = None) -> Any:
    return GenerationRecord(
        id=id,
        model_id=model,
        started_at=JANUARY + dt.timedelta(days=day),
        prompt_tokens=tokens,
        completion_tokens=0 if tokens is not None else None,
        total_tokens=tokens,
        prompt="2 + 2",
        completion="4",
        user_id="ann" if day % 2 else "bob",
        feedback=FeedbackRecord(rating=rating) if rating else None,
    )


# ------------------------------------------------------------------------------------------------- the four questions
def test_find_by_model_rating_and_time(generations: Generations, project: Project) -> None:
    record(
        project,
        call("liked", rating=5),
        call("loved", day=1, rating=4),
        call("disliked", rating=3),
        call("silent"),
        call("other", "gpt-3.5", rating=5),
        call("late", day=40, rating=5),
    )

    found = generations.find(
        {
            "model.id": "gpt-4",
            "feedback.rating": {"$gte": 4},
            "timestamp": {
                "$gte": dt.datetime(2023, 1, 1, tzinfo=dt.UTC),
                "$lte": dt.datetime(2023, 1, 31, tzinfo=dt.UTC),
            },
        }
    )

    assert [(g["id"], g["feedback"]["rating"]) for g in found] == [("loved", 4), ("liked", 5)]


def test_aggregate_token_usage_by_model(generations: Generations, project: Project) -> None:
    record(
        project,
        call("a", tokens=10),
        call("b", tokens=30),
        call("c", "gpt-3.5", tokens=7),
        call("d", "own", tokens=None),
    )

    rows = generations.aggregate(
        [
            {
                "$group": {
                    "_id": "$model.id",
                    "totalTokens": {"$sum": "$usage.totalTokens"},
                    "averageTokens": {"$avg": "$usage.totalTokens"},
                    "count": {"$sum": 1},
                }
            },
            {"$sort": {"totalTokens": -1}},
        ]
    )

    assert rows == [
        {"_id": "gpt-4", "totalTokens": 40, "averageTokens": 20.0, "count": 2},
        {"_id": "gpt-3.5", "totalTokens": 7, "averageTokens": 7.0, "count": 1},
        {"_id": "own", "totalTokens": None, "averageTokens": None, "count": 1},
    ]


def test_update_one_sets_feedback(generations: Generations, project: Project) -> None:
    record(project, call("generation-123"))
    now = dt.datetime(2023, 2, 1, 12, tzinfo=dt.UTC)

    updated = generations.update_one(
        {"id": "generation-123"},
        {
            "$set": {
                "feedback": {
                    "rating": 5,
                    "thumbs": "up",
                    "comment": "Excellent response, very helpful",
                    "timestamp": now,
                    "userId": "user-456",
                }
            }
        },
    )

    assert updated.matched == 1
    row = Feedback.objects.in_project(project.pk).get()
    assert (row.generation_id, row.rating, row.thumbs, row.user_id) == ("generation-123", 5, "up", "user-456")
    assert (row.comment, row.created_at) == ("Excellent response, very helpful", now)


def test_list_by_model_output_user_and_time(generations: Generations, project: Project) -> None:
    record(project, call("a"), call("b", day=1), call("c", day=2), call("d", day=3))

    found = generations.find(
        {
            "model.id": "gpt-4",
            "output.type": "text",
            "metadata.userId": "ann",
            "timestamp": {"$gte": JANUARY, "$lt": JANUARY + dt.timedelta(days=3)},
        },
        limit=10,
    )

    assert [g["id"] for g in found] == ["b"]


# ------------------------------------------------------------------------------------------------------------ reading
def test_find_fetches_pages_as_they_are_reached(generations: Generations, project: Project) -> None:
    record(project, *(call(f"g{n:03}", day=n % 5) for n in range(250)))

    everything = [g["id"] for g in generations.find()]
    smallest = generations.find(sort={"timestamp": 1}, fields=["id"], limit=3)

    assert len(everything) == 250
    assert set(everything) == {f"g{n:03}" for n in range(250)}
    assert {g["id"][-1] for g in smallest} <= {"0", "5"}
    assert len(list(generations.find({"timestamp": {"$lt": JANUARY + dt.timedelta(days=1)}}, limit=20))) == 20


def test_fields_leave_only_what_is_named(generations: Generations, project: Project) -> None:
    record(project, call("a", tokens=3))

    assert generations.find_one(fields=["id", "usage.totalTokens"]) == {"id": "a", "usage": {"totalTokens": 3}}


def test_what_is_not_there_is_none(generations: Generations) -> None:
    assert generations.get("nothing/here") is None
    assert generations.find_one({"model.id": "none"}) is None
    assert list(generations.find()) == []
    assert generations.update_one({"id": "nothing"}, {"$set": {"name": "x"}}).matched == 0
    assert generations.update_one({"model.id": "nothing"}, {"$set": {"name": "x"}}).matched == 0


def test_a_refused_question_says_which_field_and_why(generations: Generations) -> None:
    with pytest.raises(GenerationsError) as refusal:
        list(generations.find({"model.idd": "gpt-4"}))

    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (400, "bad_filter", "model.idd")
    assert "model.id" in str(refusal.value)


def test_a_key_that_is_not_known_is_told_so(live_server: LiveServer, project: Project) -> None:
    with Generations(live_server.url, "gen_wrong") as client, pytest.raises(GenerationsError) as refusal:
        list(client.find())

    assert (refusal.value.status, refusal.value.code) == (401, "not_authenticated")


# ---------------------------------------------------------------------------------------------------------- recording
def test_create_returns_at_once_and_is_read_back(generations: Generations) -> None:
    before = dt.datetime.now(dt.UTC)

    id = generations.create(
        model="gpt-4",
        prompt="2 + 2",
        completion="4",
        usage={"promptTokens": 5, "completionTokens": 1},
        performance={"latency": 2},
        thread_id="sums",
        metadata={"tags": ["maths"], "plan": "pro"},
    )

    found = generations.get(id)
    assert found is not None
    assert found["model"]["id"] == "gpt-4"
    assert found["output"]["content"] == "4"
    assert found["threadId"] == "sums"
    assert found["usage"]["totalTokens"] == 6
    assert found["metadata"] == {"tags": ["maths"], "plan": "pro"}
    started = dt.datetime.fromisoformat(found["timestamp"])
    assert before - dt.timedelta(seconds=2) <= started <= dt.datetime.now(dt.UTC) - dt.timedelta(seconds=2)


@pytest.mark.parametrize("id", ["..", ".", "a/b", "a?b#c", "a%2Fb", "ü 你", "import-1.5", "x" * 500])
def test_any_id_leads_to_its_generation(generations: Generations, id: str) -> None:
    generations.create(id=id, prompt="x")

    found = generations.get(id)

    assert found is not None
    assert found["id"] == id
    assert generations.tag(id, "seen") == ["seen"]


def test_create_with_a_known_id_merges(generations: Generations, project: Project) -> None:
    generations.create({"id": "g1", "model": {"id": "gpt-4"}, "prompt": "2 + 2"})
    generations.create({"id": "g1", "completion": "4"}, environment="staging")

    assert generations.flush()
    row = Generation.objects.in_project(project.pk).get()
    assert (row.public_id, row.model_id, row.environment) == ("g1", "gpt-4", "staging")
    assert (row.input_preview, row.output_preview) == ("2 + 2", "4")


def test_many_are_sent_in_few_batches_and_all_arrive(generations: Generations, project: Project) -> None:
    ids = generations.create_many(
        {"model": "gpt-4", "prompt": f"{n} + {n}", "completion": str(2 * n)} for n in range(1200)
    )

    assert generations.flush()
    assert len(set(ids)) == 1200
    assert set(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == set(ids)
    assert (generations.rejected, generations.dropped) == ([], 0)


def test_a_bad_one_is_rejected_by_name_and_the_others_are_stored(generations: Generations, project: Project) -> None:
    generations.create(id="good", model="gpt-4", prompt="x")
    generations.create(id="bad", model="gpt-4", usage={"promptTokens": -3})
    generations.create(id="odd", model="gpt-4", metadata={"what": object()})
    generations.create(id="nan", model="gpt-4", metadata={"what": float("nan")})

    assert generations.flush()
    assert list(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == ["good"]
    assert {r.id: r.field for r in generations.rejected} == {"bad": "usage.promptTokens", "odd": None, "nan": None}
    assert "object has no place in JSON" in next(r.reason for r in generations.rejected if r.id == "odd")


def test_waiting_raises_what_was_refused_when_the_others_are_stored(generations: Generations, project: Project) -> None:
    with pytest.raises(GenerationsError) as refusal:
        generations.create_many([{"id": "a", "prompt": "x"}, {"id": "b", "promt": "x"}], wait=True)

    assert refusal.value.field == "promt"
    assert "prompt" in str(refusal.value)
    assert list(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == ["a"]
    assert [r.id for r in generations.rejected] == ["b"]


def test_text_of_every_kind_survives(generations: Generations) -> None:
    said = "مرحبًا 你好 👩🏽‍🚀 \x00 half \ud83d end"
    id = generations.create(model="gpt-4", prompt=said, completion="ok", wait=True)

    found = generations.get(id)
    assert found is not None
    assert found["prompt"].startswith("مرحبًا 你好 👩🏽‍🚀 ")
    assert found["prompt"].endswith(" end")


# ------------------------------------------------------------------------------------------------------------ judging
def test_feedback_scores_and_tags_reach_what_is_still_queued(generations: Generations, project: Project) -> None:
    id = generations.create(id="a/b c", model="gpt-4", prompt="x")

    feedback = generations.feedback(id, rating=4, thumbs="up", categories=["accurate"], user_id="ann")
    score = generations.score(id, "correct", 1, comment="as in the book")
    tags = generations.tag(id, "good", "short")
    fewer = generations.tag(id, remove=["short"])

    assert (feedback["rating"], feedback["thumbs"], feedback["categories"]) == (4, "up", ["accurate"])
    assert (score["name"], score["value"], score["type"], score["generationId"]) == ("correct", 1, "CODE", "a/b c")
    assert (sorted(tags), fewer) == (["good", "short"], ["good"])
    assert Score.objects.in_project(project.pk).count() == 1
    assert Feedback.objects.in_project(project.pk).get().generation_id == "a/b c"


def test_judging_what_is_not_there_raises(generations: Generations, project: Project) -> None:
    with pytest.raises(NotFound):
        generations.feedback("nothing", rating=4)
    with pytest.raises(NotFound):
        generations.score("nothing", "correct", 1)

    assert not Score.objects.in_project(project.pk).exists()


def test_a_rating_out_of_range_is_refused_and_nothing_is_stored(generations: Generations, project: Project) -> None:
    id = generations.create(model="gpt-4", prompt="x")

    with pytest.raises(GenerationsError) as refusal:
        generations.feedback(id, rating=6)

    assert (refusal.value.status, refusal.value.field) == (422, "rating")
    assert not Feedback.objects.in_project(project.pk).exists()


def test_update_one_by_another_filter_changes_the_first_that_matches(
    generations: Generations, project: Project
) -> None:
    record(project, call("old"), call("new", day=1))

    updated = generations.update_one({"model.id": "gpt-4"}, {"$set": {"metadata.plan": "pro"}})

    assert updated.matched == 1
    assert updated.document is not None
    assert updated.document["id"] == "new"
    assert Generation.objects.in_project(project.pk).get(public_id="old").metadata == {}
    assert Generation.objects.in_project(project.pk).get(public_id="new").metadata == {"plan": "pro"}


@pytest.mark.parametrize("update", [{"name": "x"}, {"$inc": {"usage.cost": 1}}, {"$set": 3}])
def test_an_update_says_what_it_knows(generations: Generations, update: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected \{\"\$set\": \{\.\.\.\}\}"):
        generations.update_one({"id": "x"}, update)


def test_an_id_in_the_place_of_a_filter_is_told_where_it_belongs(generations: Generations) -> None:
    wrong: Any = "g1"
    for ask in (generations.find, generations.find_one, lambda one: generations.update_one(one, {"$set": {}})):
        with pytest.raises(ValueError, match=r"filter: 'g1' is not valid; expected conditions, .* or call get"):
            ask(wrong)


# ------------------------------------------------------------------------------------------------------------ exports
@pytest.mark.slow
def test_an_export_is_awaited_and_stands_whole_in_its_file(live_stack: Stack, tmp_path: Any) -> None:
    with Generations(live_stack.url, live_stack.api_key) as client:
        for number in range(120):
            client.create(id=f"export-{number}", model="export-model", prompt="x" * 200, completion=str(number))

        path = client.export(
            "jsonl", {"model.id": "export-model"}, ["id", "completion"], to=tmp_path / "out.jsonl", timeout=60
        )

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {(row["id"], row["completion"]) for row in rows} == {(f"export-{n}", str(n)) for n in range(120)}
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]
