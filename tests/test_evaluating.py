"""Evaluations: what is scored of datasets, prompt versions and logged generations, and what stands where nothing is."""

from dataclasses import replace
from decimal import Decimal

import pytest

from generations import evaluating, experiments, providers, recording
from generations.access import NotAllowed, Scope
from generations.models import Experiment, ExperimentItem, Generation, GenerationPayload, Job, Score
from generations.models.accounts import Role
from generations.records import InvalidRecord
from tests import evaluations as made
from tests.web import call

pytestmark = pytest.mark.django_db


def test_stored_answers_of_a_dataset_are_compared_with_what_was_expected() -> None:
    grant = made.granted()
    own = made.dataset(grant, made.stored("2+2?", "4", "4"), made.stored("3+3?", "6", "It is 7."), {"input": "?"})
    exact = made.evaluator(grant)
    number = made.evaluator(grant, "numeric", absolute=1)

    job = made.done(grant, [exact, number], dataset=str(own.pk))

    assert (job.state, job.error, job.progress_done, job.progress_total) == ("done", "", 3, 3)
    assert {name: job.result[name] for name in ("items", "scored", "unscored", "calls", "cost", "stopped")} == {
        "items": 3,
        "scored": 4,
        "unscored": 2,
        "calls": 0,
        "cost": "0",
        "stopped": "",
    }
    why = (
        "There is no answer to score. Nothing is stored as its output: it is not from a generation or step, and "
        "metadata.output is absent."
    )
    assert sorted(made.scores(grant), key=str) == sorted(
        [
            ("exact", 0.0, None),
            ("exact", 1.0, None),
            ("exact", None, why),
            ("numeric", 1.0, "4 where 4 was expected, and 1 allowed"),
            ("numeric", 1.0, "7 where 6 was expected, and 1 allowed"),
            ("numeric", None, why),
        ],
        key=str,
    )
    [experiment] = Experiment.objects.all()
    assert (experiment.name, experiment.dataset_id) == ("stored answers on Questions", own.pk)
    compared = experiments.compare(grant, [experiment])
    assert {name: mean.mean for name, mean in compared.runs[0].means.items()} == {"exact": 0.5, "numeric": 1.0}
    assert ExperimentItem.objects.count() == 3
    assert Job.objects.count() == 1


def test_two_versions_answer_the_items_of_a_dataset_and_are_scored_side_by_side() -> None:
    grant = made.granted()
    own = made.dataset(grant, *({"input": {"word": f"w{n}"}, "expected_output": f"w{n}"} for n in range(40)))
    versions = [made.version(grant, text) for text in ("Say {{word}}", "The word is {{word}}, so")]
    contains = made.evaluator(grant, "regex", pattern=".")

    job = made.done(grant, [contains], dataset=str(own.pk), versions=[one.public_id for one in versions])

    assert (job.state, job.error) == ("done", "")
    assert (job.result["items"], job.result["calls"], job.result["scored"], job.result["cost"]) == (40, 80, 80, "0")
    rows = list(Experiment.objects.order_by("created_at"))
    assert [row.name for row in rows] == [
        "Answer 0 and Answer 1 on Questions: Answer 0",
        "Answer 0 and Answer 1 on Questions: Answer 1",
    ]
    assert [row.prompt_version_id for row in rows] == [one.public_id for one in versions]
    comparison = experiments.compare(grant, rows)
    assert [(run.count, run.failed, run.means["regex"].count) for run in comparison.runs] == [(40, 0, 40), (40, 0, 40)]
    calls = Generation.objects.in_project(grant.project.pk).filter(prompt_version_id=versions[1].public_id)
    assert calls.count() == 40
    assert {call.metadata["evaluation"] for call in calls} == {str(rows[0].pk)}
    item = ExperimentItem.objects.filter(experiment=rows[1]).first()
    assert item is not None
    call = Generation.objects.by_ids(grant.project.pk, "generation", [str(item.generation_id)]).get()
    payload = GenerationPayload.objects.in_project(grant.project.pk).get(uid=call.uid)
    assert str(payload.prompt).startswith("The word is w")
    assert item.output == payload.completion


def test_an_item_whose_variables_are_missing_says_so_and_stops_no_other() -> None:
    grant = made.granted()
    own = made.dataset(grant, {"input": {"word": "a"}}, {"input": {"sound": "b", "other": 1}}, {"input": "c"})
    version = made.version(grant, "Say {{word}}")

    job = made.done(grant, [made.evaluator(grant, "regex", pattern=".")], of="versions", dataset=str(own.pk),
                    versions=[version.public_id])  # fmt: skip

    assert job.state == "done"
    assert [value for _, value, _ in made.scores(grant)] == [1.0, 1.0, None]
    [why] = [comment for _, value, comment in made.scores(grant) if value is None]
    assert why is not None
    assert why.startswith("There is no answer to score. variables: there is no value for 'word' of the template")
    assert job.result["refusals"] == [{"row": 2, "reason": f"regex: {why}"}]


def test_a_job_that_is_begun_again_does_no_item_twice() -> None:
    grant = made.granted()
    own = made.dataset(grant, *({"input": f"w{n}", "expected_output": f"w{n}"} for n in range(70)))
    version = made.version(grant, "Say {{word}}")
    regex = made.evaluator(grant, "regex", pattern=".")
    said = {"dataset": str(own.pk), "versions": [version.public_id]}
    job = made.begun(grant, [regex], maxCalls=40, **said)
    made.worked(job)
    assert "The budget of 40 calls is spent: 30 of 70 items were not evaluated." in job.result["stopped"]
    assert (job.result["items"], job.result["calls"]) == (40, 40)
    first = set(ExperimentItem.objects.values_list("pk", flat=True))

    # As if its worker had been killed before it said so; and nobody bounds it any more.
    job.parameters["evaluation"]["max_calls"] = None
    Job.objects.filter(pk=job.pk).update(state="queued", parameters=job.parameters)
    made.worked(job)

    assert (job.state, job.result["items"], job.result["calls"], job.result["scored"]) == ("done", 70, 70, 70)
    assert first < set(ExperimentItem.objects.values_list("pk", flat=True))
    assert ExperimentItem.objects.count() == Score.objects.in_project(grant.project.pk).count() == 70
    assert Generation.objects.in_project(grant.project.pk).count() == 70


def test_a_judge_that_answers_nonsense_and_a_model_that_is_none_are_explained() -> None:
    grant = made.granted()
    own = made.dataset(grant, made.stored("2+2?", "4", "4"))
    judge = made.evaluator(grant, "judge", model="ngram:", criterion="It is right.")
    likely = made.evaluator(grant, "log_probability", model="ngram:")

    job = made.done(grant, [judge, likely], dataset=str(own.pk))

    assert (job.state, job.result["calls"], job.result["scored"], job.result["unscored"]) == ("done", 2, 1, 1)
    found = {name: (value, comment) for name, value, comment in made.scores(grant)}
    assert found["judge"][0] is None
    assert "where JSON with a score from 1 to 5 was asked for" in str(found["judge"][1])
    assert found["log_probability"][0] is not None and found["log_probability"][0] < 0
    calls = Generation.objects.in_project(grant.project.pk)
    assert {call.metadata["evaluator"] for call in calls} == {str(judge.pk), str(likely.pk)}
    wrong = made.evaluator(grant, "judge", "elsewhere", model="nobody/model", criterion="It is right.")
    with pytest.raises(InvalidRecord, match="model: 'nobody/model' is not valid; expected a model that can be called"):
        made.begun(grant, [wrong], dataset=str(own.pk))


def test_logged_generations_are_scored_once_by_a_backfill() -> None:
    grant = made.granted()
    recording.record(grant.project, [call(n) for n in range(50)])
    recording.record(grant.project, [call(50, error="Rate limit", completion=None)])
    regex = made.evaluator(grant, "regex", pattern="[02468]$")

    jobs_ = [made.done(grant, [regex], of="backfill", filter={"model.id": "gpt-4o"}) for _ in range(2)]

    assert [(job.state, job.result["items"], job.result["scored"], job.result["unscored"]) for job in jobs_] == [
        ("done", 51, 50, 1)
    ] * 2
    assert not Experiment.objects.exists()
    rows = Score.objects.in_project(grant.project.pk)
    assert (rows.count(), rows.filter(value=1).count()) == (51, 25)
    [why] = rows.filter(value=None).values_list("generation_id", "comment", "label")
    assert why == ("call-050", "There is no answer to score. The call failed: Rate limit", "unscored")


def test_an_evaluation_of_logged_generations_is_an_experiment() -> None:
    grant = made.granted()
    recording.record(grant.project, [call(n) for n in range(5)])

    job = made.done(grant, [made.evaluator(grant, "regex", pattern="[024]$")], of="generations", maxItems=3)

    [experiment] = Experiment.objects.all()
    compared = experiments.compare(grant, [experiment])
    assert (job.result["items"], experiment.name) == (3, "all generations")
    assert {line.outcomes[0].generation_id for line in compared.lines if line.outcomes[0]} == {
        "call-004",
        "call-003",
        "call-002",
    }
    assert compared.runs[0].means["regex"].mean == pytest.approx(2 / 3)


def test_who_may_no_longer_write_starts_no_work_and_another_project_is_not_seen() -> None:
    grant, other = made.granted(), made.granted("Other")
    own = made.dataset(grant, made.stored("2+2?", "4", "4"))
    exact, foreign = made.evaluator(grant), made.evaluator(other, name="foreign")
    viewer = made.granted("Third", Role.VIEWER)

    for said in (
        {"evaluators": [str(foreign.pk)], "dataset": str(own.pk)},
        {"evaluators": [str(exact.pk)], "dataset": str(made.dataset(other, {"input": "?"}).pk)},
        {"evaluators": [str(exact.pk)], "dataset": str(own.pk), "versions": [made.version(other, "x").public_id]},
    ):
        with pytest.raises(InvalidRecord, match="of this project"):
            evaluating.asked(grant, said)
    assert evaluating.find(other, exact.pk) is None
    with pytest.raises(NotAllowed):
        evaluating.create(viewer, name="mine", kind="exact")
    with pytest.raises(NotAllowed):
        made.begun(replace(grant, scopes=frozenset({Scope.READ})), [exact], dataset=str(own.pk))
    job = made.begun(grant, [exact], dataset=str(own.pk))
    grant.project.memberships.update(role=Role.VIEWER)
    made.worked(job)
    assert (job.state, job.error) == ("failed", "Who started this may no longer do it.")


def test_money_is_bounded_only_where_a_price_is_known() -> None:
    grant = made.granted("Rich", Role.OWNER)
    providers.save(grant, kind="openai", name="openai", secret="sk-1", endpoint="")
    own = made.dataset(grant, made.stored("2+2?", "4", "4"))
    known = made.evaluator(grant, "judge", "known", model="openai/gpt-4o-mini", criterion="It is right.")
    unknown = made.evaluator(grant, "judge", "unknown", model="openai/mystery-1", criterion="It is right.")

    said = {"dataset": str(own.pk), "maxCost": "0.5"}
    cheap = evaluating.estimate(grant, evaluating.asked(grant, {**said, "evaluators": [str(known.pk)]}))
    dark = evaluating.estimate(grant, evaluating.asked(grant, {**said, "evaluators": [str(unknown.pk)]}))

    assert (cheap.items, cheap.calls, cheap.currency, cheap.unknown) == (1, 1, "USD", ())
    assert cheap.cost is not None and 0 < cheap.cost < Decimal("0.001")
    assert (dark.cost, dark.unknown) == (None, ("openai/mystery-1",))
    with pytest.raises(InvalidRecord, match="expected no bound, because no price is known of openai/mystery-1"):
        made.begun(grant, [unknown], **said)
    assert not Job.objects.exists()
