"""Evaluators and evaluations over GraphQL: made, reckoned, tried, begun, watched, cancelled."""

from __future__ import annotations

import pytest

from generations import tasks
from generations.access import Scope
from generations.models import Evaluator, Experiment, Job
from tests import evaluations as made
from tests.asking import Door, door

__all__ = ["door"]
pytestmark = pytest.mark.django_db

EVALUATION = """
  id state name of versionIds datasetId datasetVersion filter experimentIds error attempts
  evaluators { id name kind scoreName } progress { done total fraction }
  result { items scored unscored calls cost currency stopped refusals { row reason } }
"""


def filled(door: Door) -> tuple[str, Evaluator]:
    own = made.dataset(door.grant, made.stored("2+2?", "4", "4"), made.stored("3+3?", "6", None))
    return str(own.pk), made.evaluator(door.grant)


def test_an_evaluator_is_made_changed_triggered_and_put_away(door: Door) -> None:
    row = door.read(
        """mutation($options: JSON) { createEvaluator(name: "long", kind: "regex", options: $options) {
             id name kind scoreName options share filter secondsBehind problem archivedAt } }""",
        {"options": {"pattern": "..."}},
    )["createEvaluator"]
    changed = door.read(
        """mutation($id: ID!) {
             updateEvaluator(id: $id, scoreName: "length") { name scoreName }
             triggerEvaluator(id: $id, share: 12.5, filter: {environment: "production"}) { share filter }
             archiveEvaluator(id: $id) { share archivedAt } }""",
        {"id": row["id"]},
    )
    listed = door.read("{ evaluators { id } archived: evaluators(archived: true) { id name } }")

    assert row | {"id": ""} == {
        "id": "", "name": "long", "kind": "regex", "scoreName": "long", "share": 0, "filter": {},
        "options": {"pattern": "...", "whole": False, "ignoreCase": False},
        "secondsBehind": None, "problem": None, "archivedAt": None,
    }  # fmt: skip
    assert changed["updateEvaluator"] == {"name": "long", "scoreName": "length"}
    assert changed["triggerEvaluator"] == {"share": 12.5, "filter": {"environment": "production"}}
    assert changed["archiveEvaluator"]["share"] == 0
    assert changed["archiveEvaluator"]["archivedAt"] is not None
    assert listed == {"evaluators": [], "archived": [{"id": row["id"], "name": "long"}]}
    assert door.read("query($id: ID!) { evaluator(id: $id) { name } }", {"id": row["id"]}) == {
        "evaluator": {"name": "long"}
    }


def test_an_evaluation_is_reckoned_tried_begun_and_watched(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.tasks.run_job.delay", lambda job: None)
    dataset, exact = filled(door)
    asked = {"input": {"dataset": dataset, "evaluators": [str(exact.pk)], "maxCost": "1.5"}}

    estimate = door.read(
        """query($input: EvaluationInput!) { evaluationEstimate(input: $input) {
             items calls cost currency models { model } unknownPrices } }""",
        asked,
    )
    tried = door.read(
        """mutation($input: EvaluationInput!) { tryEvaluation(input: $input) {
             title input expected output problem generationId
             scores { evaluatorId name value comment generationId } } }""",
        asked,
    )
    assert not Experiment.objects.exists()
    begun = door.read(
        f"mutation($input: EvaluationInput!) {{ startEvaluation(input: $input) {{ {EVALUATION} }} }}", asked
    )["startEvaluation"]
    tasks.run_job(begun["id"])
    done = door.read(f"query($id: ID!) {{ evaluation(id: $id) {{ {EVALUATION} }} }}", {"id": begun["id"]})["evaluation"]

    assert estimate["evaluationEstimate"] == {
        "items": 2, "calls": 0, "cost": "0", "currency": None, "models": [], "unknownPrices": [],
    }  # fmt: skip
    assert tried["tryEvaluation"] == [
        {
            "title": "stored answers on Questions", "input": "2+2?", "expected": "4", "output": "4", "problem": None,
            "generationId": None,
            "scores": [
                {"evaluatorId": str(exact.pk), "name": "exact", "value": 1, "comment": None, "generationId": None}
            ],
        }
    ]  # fmt: skip
    assert (begun["state"], begun["progress"], begun["result"]) == (
        "queued", {"done": 0, "total": 2, "fraction": 0}, None,
    )  # fmt: skip
    assert (done["state"], done["progress"]["fraction"]) == ("done", 1)
    reason = done["result"]["refusals"][0]["reason"]
    assert "metadata.output is absent" in reason
    assert done["result"] == {
        "items": 2, "scored": 1, "unscored": 1, "calls": 0, "cost": "0", "currency": None, "stopped": None,
        "refusals": [{"row": 2, "reason": reason}],
    }  # fmt: skip
    assert done["experimentIds"] == [str(Experiment.objects.get().pk)]
    assert done["evaluators"] == [{"id": str(exact.pk), "name": "exact", "kind": "exact", "scoreName": "exact"}]
    assert door.read("{ evaluations { nodes { id name } } exports { nodes { id } } }") == {
        "evaluations": {"nodes": [{"id": begun["id"], "name": "stored answers on Questions"}]},
        "exports": {"nodes": []},
    }


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        ('createEvaluator(name: "", kind: "exact") { id }', "BAD_INPUT", "name"),
        ('createEvaluator(name: "a", kind: "guess") { id }', "BAD_INPUT", "kind"),
        ('createEvaluator(name: "a", kind: "exact", options: []) { id }', "BAD_INPUT", "options"),
        ('updateEvaluator(id: "ID", options: {pattern: "("}) { id }', "BAD_INPUT", "options.pattern"),
        ('updateEvaluator(id: "nope", name: "b") { id }', "NOT_FOUND", "id"),
        ('triggerEvaluator(id: "ID", share: 101) { id }', "BAD_INPUT", "share"),
        ('triggerEvaluator(id: "ID", share: 1, filter: {nope: 1}) { id }', "BAD_FILTER", "nope"),
        ("startEvaluation(input: {evaluators: []}) { id }", "BAD_INPUT", "evaluators"),
        ('startEvaluation(input: {evaluators: ["ID"], maxItems: 0}) { id }', "BAD_INPUT", "maxItems"),
        ('startEvaluation(input: {evaluators: ["ID"], dataset: "nope"}) { id }', "BAD_INPUT", "dataset"),
        ('startEvaluation(input: {evaluators: ["ID"], filter: {nope: 1}}) { id }', "BAD_FILTER", "nope"),
        ('cancelEvaluation(id: "nope") { id }', "NOT_FOUND", "id"),
    ],
)
def test_bad_input_is_refused_by_field_and_changes_nothing(door: Door, call: str, code: str, field: str | None) -> None:
    row = made.evaluator(door.grant, "regex", pattern="...")
    before = list(Evaluator.objects.values())

    answer = door.ask(f"mutation {{ {call.replace('ID', str(row.pk))} }}")

    assert (answer.codes, answer.errors[0]["extensions"].get("field")) == ([code], field)
    assert list(Evaluator.objects.values()) == before
    assert not Job.objects.exists()


def test_another_project_finds_nothing(door: Door) -> None:
    dataset, exact = filled(door)
    job = made.begun(door.grant, [exact], dataset=dataset)
    other = Door.of("Elsewhere")

    told = other.read(
        """query($evaluator: ID!, $job: ID!) { evaluator(id: $evaluator) { id } evaluation(id: $job) { id }
             evaluators { id } evaluations { nodes { id } } }""",
        {"evaluator": str(exact.pk), "job": str(job.pk)},
    )
    reader = door.ask(
        "mutation($id: ID!) { cancelEvaluation(id: $id) { id } }", {"id": str(job.pk)}, token=door.key(Scope.READ)
    )

    assert told == {"evaluator": None, "evaluation": None, "evaluators": [], "evaluations": {"nodes": []}}
    assert reader.codes == ["FORBIDDEN"]
    job.refresh_from_db()
    assert job.state == "queued"
