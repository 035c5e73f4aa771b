"""The demonstration: the same for the same arguments, believable, and with everything in it that it promises."""

import base64
import datetime as dt
import json
from collections import Counter, defaultdict
from decimal import Decimal
from statistics import median
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from generations import access, bundles, demo, experiments, filters, metrics, prompts
from generations.access import Grant
from generations.demo.conversations import ENGLISH
from generations.demo.languages import OTHERS
from generations.demo.week import Week
from generations.models import (
    Alternative,
    Dataset,
    Evaluator,
    Experiment,
    Feedback,
    Generation,
    Participant,
    Prompt,
    PromptVersion,
    ReviewQueue,
    Score,
    Step,
    Thread,
)
from generations.records import GenerationRecord, Record, StepRecord, ThreadRecord

NOW = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)


def records(generations: int = 1_500, **arguments: Any) -> list[Record]:
    return list(demo.week(generations, **{"days": 7, "now": NOW, "number": 1, **arguments}))


def calls(generations: int = 1_500, **arguments: Any) -> list[GenerationRecord]:
    return [r for r in records(generations, **arguments) if isinstance(r, GenerationRecord)]


def counts(grant: Grant) -> list[int]:
    """How much of everything there is."""
    recorded = (Thread, Step, Score, Feedback, PromptVersion)
    kept = (Prompt, Dataset, Experiment, Evaluator, ReviewQueue)
    return [model.objects.in_project(grant.project.pk).count() for model in recorded] + [
        model._default_manager.filter(project=grant.project).count() for model in kept
    ]


@pytest.fixture
def grant(db: None) -> Grant:
    return access.of_system(access.create_project("Demo"))


# ------------------------------------------------------------------------------------------------------ the same twice
def test_the_same_arguments_make_the_same_records() -> None:
    assert records(300) == records(300)


@pytest.mark.parametrize("other", [{"number": 2}, {"now": NOW + dt.timedelta(hours=1)}, {"days": 6}])
def test_other_arguments_make_other_ids(other: dict[str, Any]) -> None:
    assert not {c.id for c in calls(300)} & {c.id for c in calls(300, **other)}


def test_seeding_twice_adds_nothing(grant: Grant) -> None:
    first = demo.seed(grant, generations=300, now=NOW)
    ids = set(Generation.objects.in_project(grant.project.pk).values_list("public_id", flat=True))
    others = counts(grant)

    second = demo.seed(grant, generations=300, now=NOW + dt.timedelta(minutes=59))

    assert (first.generations, second.generations) == (300, 300)
    assert first.known == 0
    assert second.known == sum(second.kinds.values())
    assert set(Generation.objects.in_project(grant.project.pk).values_list("public_id", flat=True)) == ids
    assert counts(grant) == others


@pytest.mark.parametrize("number", [1, 7, 250])
def test_exactly_so_many_generations_are_made(number: int) -> None:
    made = calls(number)

    assert len(made) == number
    assert len({c.id for c in made}) == number


def test_everything_lies_within_the_week_oldest_first() -> None:
    started = [c.started_at for c in calls()]

    assert all(s is not None for s in started)
    assert min(s for s in started if s) >= NOW - dt.timedelta(days=7)
    assert max(s for s in started if s) <= NOW + dt.timedelta(minutes=30)
    hours = Counter(s.hour for s in started if s)
    assert hours[10] > 4 * hours[3]


# ----------------------------------------------------------------------------------------------------------- believable
def test_it_has_several_models_and_providers_and_one_without_a_price(grant: Grant) -> None:
    demo.seed(grant, now=NOW)

    rows = Generation.objects.in_project(grant.project.pk)
    assert set(rows.values_list("provider", flat=True)) == {"openai", "anthropic", "google", "mistral", "vllm"}
    counted = rows.filter(error__isnull=True, total_tokens__isnull=False)
    priced = set(counted.filter(cost__isnull=False).values_list("model_id", flat=True))
    assert set(counted.filter(cost__isnull=True).values_list("model_id", flat=True)) == {"fern-8b-instruct"}
    assert len(priced) >= 10
    assert rows.filter(provider="vllm", total_tokens__isnull=True, error__isnull=True).exists()


def test_it_has_everything_a_page_can_show(grant: Grant) -> None:
    demo.seed(grant, now=NOW)

    project = grant.project.pk
    rows = Generation.objects.in_project(project)
    assert set(rows.values_list("type", flat=True)) == {"chat", "completion", "embedding"}
    assert {"text", "json", "code", "other"} == set(rows.values_list("output_type", flat=True))
    assert rows.filter(input_type="multimodal").exists()
    assert rows.filter(cached_tokens__gt=0).exists()
    assert rows.filter(reasoning_tokens__gt=0).exists()
    assert rows.filter(tags__contains=["fallback"]).exists()
    errors = {"rate_limit_exceeded", "timeout", "context_length_exceeded"}
    assert errors <= set(rows.values_list("error_type", flat=True))
    assert set(rows.filter(prompt_name="support-answer").values_list("prompt_version", flat=True)) == {11, 12, 13}
    assert set(rows.values_list("environment", flat=True)) == {"production", "staging", "development"}
    assert Alternative.objects.in_project(project).exists()
    assert set(Step.objects.in_project(project).values_list("type", flat=True)) == {"run", "tool", "retrieval", "agent"}
    assert Thread.objects.in_project(project).count() > 200
    assert Participant.objects.in_project(project).count() > 40
    assert set(Feedback.objects.in_project(project).values_list("thumbs", flat=True)) == {"up", "down"}
    assert set(Score.objects.in_project(project).values_list("type", flat=True)) == {"HUMAN", "AI", "CODE"}


def test_no_room_is_empty(grant: Grant) -> None:
    seeded = demo.seed(grant, generations=400, now=NOW)

    support = prompts.named(grant, "support-answer")
    assert support is not None
    assert [one.version for one in prompts.versions(grant, support)] == [13, 12, 11]
    used = prompts.numbers(grant, support, [12, 13], NOW - dt.timedelta(days=7), NOW + dt.timedelta(hours=1))
    assert all(one.count for one in used.values())
    runs = list(Experiment.objects.filter(project=grant.project).order_by("name"))
    compared = experiments.compare(grant, runs)
    assert compared.verdicts()[0].name == "helpfulness"
    assert {d.name: d.items.count() for d in Dataset.objects.filter(project=grant.project)} == {
        "Questions of customers": 11,
        "Answers that customers disliked": len(seeded.disliked),
    }
    assert ReviewQueue.objects.get(project=grant.project).items.count() == len(seeded.disliked) > 0
    assert Evaluator.objects.filter(project=grant.project).exists()


def test_a_person_and_the_judge_disagree_on_some() -> None:
    both = [
        {s.type: s.value for s in c.scores if s.name == "helpfulness"}
        for c in calls(10_000)
        if len({s.type for s in c.scores if s.name == "helpfulness"}) == 2
    ]

    apart = [b for b in both if b["AI"] is not None and b["HUMAN"] is not None and abs(b["AI"] - b["HUMAN"]) > 0.4]
    assert len(both) > 50
    assert 0.1 < len(apart) / len(both) < 0.6


def test_answers_are_slower_from_a_release_on(grant: Grant) -> None:
    demo.seed(grant, now=NOW)

    rows = metrics.documents(
        grant.project,
        [
            {"$match": {"name": "answer", "error": {"$exists": False}, "model.id": "gpt-4o"}},
            {"$group": {"_id": "$release", "latency": {"$avg": "$performance.latency"}}},
        ],
    ).rows

    latency = {row["_id"]: row["latency"] for row in rows}
    assert set(latency) == {"2.31.0", "2.31.1", "2.32.0"}
    assert latency["2.32.0"] > 1.6 * max(latency["2.31.0"], latency["2.31.1"])


def test_one_day_costs_far_more_than_the_others(grant: Grant) -> None:
    demo.seed(grant, now=NOW)

    days: defaultdict[dt.date, Decimal] = defaultdict(Decimal)
    for started, cost in Generation.objects.in_project(grant.project.pk).values_list("started_at", "cost"):
        days[started.date()] += cost or 0

    dearest = dt.date(2026, 5, 18)
    assert max(days, key=days.__getitem__) == dearest
    assert days[dearest] > 3 * median(days.values())


def test_one_afternoon_openai_refuses_most_calls() -> None:
    week = Week(NOW, 7)
    made = [c for c in calls(6_000) if c.provider == "openai" and c.started_at and week.is_outage(c.started_at)]

    refused = [c for c in made if c.error_type == "rate_limit_exceeded"]
    assert len(made) > 20
    assert 0.4 < len(refused) / len(made) < 0.8


def test_it_is_told_in_many_scripts() -> None:
    said = "".join(c.message_completion["content"] or "" for c in calls() if c.message_completion)

    assert all(letter in said for letter in "订サأऑäéó🚲")


def test_a_photo_is_a_picture() -> None:
    with_photo = next(c for c in calls() if c.input_type == "multimodal" and c.messages)
    assert with_photo.messages is not None
    parts = next(m["content"] for m in with_photo.messages if isinstance(m["content"], list))

    url = parts[1]["image_url"]["url"]

    assert url.startswith("data:image/png;base64,")
    assert base64.b64decode(url.partition(",")[2]).startswith(b"\x89PNG\r\n")


def test_tool_calls_are_answered_by_a_tool_step_and_a_message() -> None:
    made = records(600)
    tools = {s.name for s in made if isinstance(s, StepRecord) and s.type == "tool"}
    answered = [m for c in made if isinstance(c, GenerationRecord) for m in c.messages or () if m["role"] == "tool"]

    assert tools == {"get_order", "track_parcel", "create_return", "check_stock", "book_workshop"}
    assert answered
    assert all(json.loads(m["content"]) for m in answered)


def test_every_part_belongs_to_something_that_is_there() -> None:
    made = records()
    steps = {s.id: s for s in made if isinstance(s, StepRecord)}
    threads = {t.id for t in made if isinstance(t, ThreadRecord)}

    for step in steps.values():
        assert step.parent_id is None or step.parent_id in steps
        assert step.thread_id is None or step.thread_id in threads
        assert step.started_at is not None and step.ended_at is not None and step.started_at <= step.ended_at
        parent = steps.get(step.parent_id or "")
        if parent is not None:
            assert parent.started_at is not None and parent.ended_at is not None
            assert parent.started_at <= step.started_at and step.ended_at <= parent.ended_at
    for call in (r for r in made if isinstance(r, GenerationRecord)):
        assert call.step_id is None or call.step_id in steps
        assert call.thread_id is None or call.thread_id in threads
        assert call.error is None or call.message_completion is None


def test_no_name_in_braces_is_left_unfilled() -> None:
    for call in calls(4_000):
        for message in [*(call.messages or ()), call.message_completion or {"content": ""}]:
            content = message["content"]
            if message.get("role") in ("user", "assistant") and isinstance(content, str) and content[0] != "{":
                assert "{" not in content.replace("Facts: {", ""), content


def test_every_wording_is_a_text_of_its_own() -> None:
    for script in (*ENGLISH, *OTHERS):
        for turn in script.turns:
            assert all(len(text) > 4 for text in (*turn.asks, *turn.answers))


# ---------------------------------------------------------------------------------------------------------- the command
def test_the_command_says_what_it_recorded(grant: Grant, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed", "--generations", "120", "--now", "2026-05-20T12:00:00Z", "--seed", "3")

    out = capsys.readouterr().out
    assert out.startswith(f"Recorded in project {grant.project.slug} in ")
    assert "120 generations" in out
    narrowed = filters.narrow("generations", grant.project.pk, filters.from_document("generations", {}))
    assert narrowed.count() == 120
    assert all(b.record.started_at for b in bundles.of_generations(grant.project, list(narrowed)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--generations", "0"], "generations: 0 is not valid; expected at least 1"),
        (["--days", "0"], "days: 0 is not valid; expected 1 to 3660"),
        (["--now", "noon"], "--now: 'noon' is not a time in ISO 8601"),
        (["--project", "none"], "There is no project 'none'"),
    ],
)
def test_the_command_says_what_is_wrong(grant: Grant, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("seed", *arguments)

    assert not Generation.objects.in_project(grant.project.pk).exists()
