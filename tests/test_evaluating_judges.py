"""Evaluations with models at a provider: what judges say is kept with their calls; budgets, cancelling, nonsense."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from generations import access, jobs, providers, recording, repricing, tasks
from generations.access import Grant
from generations.evaluating import scoring
from generations.models import Evaluator, ExperimentItem, Generation, GenerationPayload, Job, Score
from generations.models.accounts import Role
from tests import evaluations as made
from tests.completing import JSON, endpoint
from tests.scripted import Answer, Scripted
from tests.web import call

__all__ = ["endpoint"]
pytestmark = pytest.mark.django_db

CRITERION = "The answer is right."


@pytest.fixture
def grant(endpoint: Scripted, settings: Any) -> Grant:
    """A project with the scripted endpoint as its provider."""
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    grant = made.granted("Judged", Role.OWNER)
    providers.save(grant, kind="vllm", name="mine", endpoint=f"{endpoint.url}/v1", secret="sk-1")
    return grant


def judge(grant: Grant) -> Evaluator:
    return made.evaluator(grant, "judge", model="mine/m", criterion=CRITERION)


def saying(say: Callable[[str], str]) -> Callable[[str, str, bytes], Answer]:
    """A model that says this of what it is asked, for ten tokens sent and a thousand answered."""

    def answered(method: str, path: str, body: bytes) -> Answer:
        text = say(json.loads(body)["messages"][-1]["content"])
        if text.startswith("!"):
            return 400, JSON, json.dumps({"error": {"message": text[1:]}}).encode()
        usage = {"prompt_tokens": 10, "completion_tokens": 1_000, "total_tokens": 1_010}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, JSON, json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage}).encode()

    return answered


def good(asked: str) -> str:
    return 'Let me see. {"reason": "It is the right number.", "score": 5}'


def test_a_judges_reason_is_kept_with_its_call_which_is_tied_to_the_evaluation(
    grant: Grant, endpoint: Scripted
) -> None:
    endpoint.answer = saying(good)
    recording.record(grant.project, [call(0, completion="4")])
    own = judge(grant)

    job = made.done(grant, [own], of="generations")

    assert (job.state, job.result["calls"], job.result["scored"]) == ("done", 1, 1)
    score = Score.objects.in_project(grant.project.pk).get()
    assert (score.type, score.value, score.comment) == ("AI", 5, "It is the right number.")
    assert (score.author, score.generation_id) == ("evaluator judge", "call-000")
    [made_by] = Generation.objects.in_project(grant.project.pk).exclude(public_id="call-000")
    assert score.metadata == {"evaluator": str(own.pk), "call": made_by.public_id}
    [experiment] = job.parameters["evaluation"]["experiments"]
    assert made_by.metadata == {"evaluation": experiment, "evaluator": str(own.pk), "judged": "call-000"}
    assert (made_by.name, made_by.tags, made_by.total_tokens) == ("judge", ["evaluation"], 1_010)
    payload = GenerationPayload.objects.in_project(grant.project.pk).get(uid=made_by.uid)
    told, asked = payload.messages
    assert f"Criterion: {CRITERION}" in told["content"]
    assert "<answer>\n4\n</answer>" in asked["content"]
    assert '"score": 5' in str(payload.message_completion)


def test_nonsense_and_failures_of_a_judge_are_explained_and_stop_no_other(grant: Grant, endpoint: Scripted) -> None:
    said = {
        "a": "I would rather not say.",
        "b": '{"reason": "More than full marks.", "score": 9}',
        "c": "!The prompt is too long.",
        "d": good(""),
    }
    endpoint.answer = saying(lambda asked: next(said[one] for one in said if f"<answer>\n{one}\n" in asked))
    own = made.dataset(grant, *(made.stored(f"{one}?", None, one) for one in said))

    job = made.done(grant, [judge(grant)], dataset=str(own.pk))

    assert (job.state, job.result["scored"], job.result["unscored"], job.result["calls"]) == ("done", 1, 3, 4)
    rows = Score.objects.in_project(grant.project.pk)
    found = {row.comment: (row.value, row.label, (row.metadata or {}).get("call")) for row in rows}
    why = sorted(comment for comment, (value, *_) in found.items() if value is None and comment)
    assert why[0].startswith("The judge answered 'I would rather not say.', where JSON with a score from 1 to 5")
    assert "The prompt is too long." in why[1]
    assert why[2] == "The judge's score is 9, where a whole number from 1 to 5 was asked for."
    assert {label for value, label, _ in found.values() if value is None} == {"unscored"}
    assert [one["row"] for one in job.result["refusals"]] == [1, 2, 3]
    calls = set(Generation.objects.in_project(grant.project.pk).values_list("public_id", flat=True))
    assert {asked for *_, asked in found.values()} == calls


def test_an_expression_that_does_not_end_costs_its_item_the_score_and_nothing_else(grant: Grant) -> None:
    own = made.dataset(grant, made.stored("1", None, "a" * 60 + "b"), made.stored("2", None, "a"))
    loops = made.evaluator(grant, "regex", "loops", pattern="(a|aa)+$")

    job = made.done(grant, [loops, made.evaluator(grant, "regex", "ends", pattern="a")], dataset=str(own.pk))

    assert (job.state, job.result["items"]) == ("done", 2)
    assert [(name, value) for name, value, _ in made.scores(grant)] == [
        ("ends", 1), ("ends", 1), ("loops", 1), ("loops", None),
    ]  # fmt: skip
    [refusal] = job.result["refusals"]
    assert refusal["row"] == 1
    assert "loops: It was stopped: it did not end within 1 s of work" in refusal["reason"]


def test_money_that_is_spent_ends_an_evaluation_by_what_its_calls_really_cost(grant: Grant, endpoint: Scripted) -> None:
    endpoint.answer = saying(good)
    # A thousand tokens are half a dollar; what is reckoned is less.
    repricing.add(grant, match="m", prices={"input_price": "0", "output_price": "500"})
    own = made.dataset(grant, *(made.stored(f"{n}?", None, f"{n}") for n in range(70)))

    job = made.done(grant, [judge(grant)], dataset=str(own.pk), maxCost="20")

    assert (job.state, job.result["items"], job.result["calls"]) == ("done", 40, 40)
    assert (float(job.result["cost"]), job.result["currency"]) == (20, "USD")
    assert job.result["stopped"] == "The budget of 20 USD is spent: 30 of 70 items were not evaluated."
    assert len(endpoint.requests) == ExperimentItem.objects.count() == 40


@pytest.mark.django_db(transaction=True)
def test_cancelling_in_the_middle_keeps_what_was_scored_and_the_rest_is_done_when_it_is_begun_again(
    grant: Grant, endpoint: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether to stop is asked after every batch, and not only twice a second.
    monkeypatch.setattr("generations.jobs.TELL_EVERY", 0.0)
    own = made.dataset(grant, *(made.stored(f"{n}?", None, f"{n}") for n in range(70)))
    job = made.begun(grant, [judge(grant)], dataset=str(own.pk))
    answers = itertools.count(1)

    def cancelling(asked: str) -> str:
        if next(answers) == 5:
            jobs.cancel(access.of_system(grant.project), job.pk)
            connection.close()
        return good(asked)

    endpoint.answer = saying(cancelling)
    made.worked(job)
    stored = ExperimentItem.objects.count()
    again = jobs.retry(grant, job.pk)
    assert again is not None
    tasks.run_job(str(again.pk))

    again.refresh_from_db()
    assert (job.state, job.progress_done, stored) == (Job.State.CANCELLED, 32, 32)
    assert (again.state, again.result["items"], again.result["scored"]) == (Job.State.DONE, 70, 70)
    assert len(endpoint.requests) == ExperimentItem.objects.count() == len(made.scores(grant)) == 70
    assert Generation.objects.in_project(grant.project.pk).count() == 70


def test_versions_answer_item_by_item_and_by_turns(
    grant: Grant, endpoint: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(method: str, path: str, body: bytes) -> Answer:
        asked.append(json.loads(body)["prompt"])
        choice = {"index": 0, "finish_reason": "stop", "text": asked[-1]}
        return 200, JSON, json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()

    endpoint.answer = answer
    monkeypatch.setattr(scoring, "CALLS_AT_ONCE", 1)
    own = made.dataset(grant, *({"input": {"word": word}, "expected_output": f"A {word}"} for word in "xyz"))
    versions = [made.version(grant, template, model="m") for template in ("A {{word}}", "B {{word}}")]

    job = made.done(
        grant,
        [made.evaluator(grant)],
        dataset=str(own.pk),
        versions=[one.public_id for one in versions],
        model="mine/m",
    )

    assert job.state == "done", job.error
    assert asked == ["B x", "A x", "A y", "B y", "B z", "A z"]
    found = ExperimentItem.objects.order_by("experiment__created_at", "output")
    assert list(found.values_list("output", flat=True)) == ["A x", "A y", "A z", "B x", "B y", "B z"]
    assert [value for _, value, _ in made.scores(grant)] == [0, 0, 0, 1, 1, 1]
