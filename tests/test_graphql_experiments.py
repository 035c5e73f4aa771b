"""GraphQL makes experiments and prompt versions as REST does, by the same writers and with the same refusals."""

from __future__ import annotations

from typing import Any

import pytest

from generations import datasets
from generations.datasets import NewItem
from generations.models import AuditEntry, Experiment, ExperimentItem, Prompt, PromptVersion, Score
from tests.asking import Door, door

__all__ = ["door"]
pytestmark = pytest.mark.django_db

MAKE = """
mutation ($name: String!, $dataset: ID, $items: [ExperimentItemInput!]) {
  createExperiment(name: $name, datasetId: $dataset, promptVersionId: "v", params: {k: 1}, items: $items) {
    id name datasetId promptVersionId params
    items { nodes { output datasetItem { input } generationId scores { nodes { name value type generationId } } } }
  }
}
"""
ADD = """
mutation ($id: ID!, $items: [ExperimentItemInput!]!) {
  addExperimentItems(experimentId: $id, items: $items) { id runId input output scores { nodes { name type } } }
}
"""
VERSION = """
mutation ($name: String!, $input: PromptVersionInput!) {
  createPromptVersion(name: $name, input: $input) {
    id version labels messages template inputs inputDefaults model provider settings tools description
  }
}
"""
MOVE = """
mutation ($name: String!, $labels: [PromptLabelInput!]!) {
  movePromptLabels(name: $name, labels: $labels) { name labels { name version } }
}
"""


def test_an_experiment_is_made_with_results_filled_and_deleted(door: Door) -> None:
    dataset = datasets.create(door.grant, name="Questions")
    [item] = datasets.add_items(door.grant, str(dataset.pk), [NewItem(input="Two and two?")])
    result = {
        "datasetItemId": str(item.pk),
        "generationId": "g",
        "output": "Four.",
        "scores": [{"name": "correct", "value": 1}],
    }

    made = door.read(MAKE, {"name": " first ", "dataset": str(dataset.pk), "items": [result]})["createExperiment"]
    added = door.read(
        ADD,
        {
            "id": made["id"],
            "items": [{"runId": "r", "input": 1, "scores": [{"name": "n", "type": "HUMAN"}]}, {"output": [None]}],
        },
    )["addExperimentItems"]

    key = made.pop("id")
    assert made == {
        "name": "first",
        "datasetId": str(dataset.pk),
        "promptVersionId": "v",
        "params": {"k": 1},
        "items": {
            "nodes": [
                {
                    "output": "Four.",
                    "datasetItem": {"input": "Two and two?"},
                    "generationId": "g",
                    "scores": {"nodes": [{"name": "correct", "value": 1, "type": "AI", "generationId": "g"}]},
                }
            ]
        },
    }
    assert [{name: value for name, value in row.items() if name != "id"} for row in added] == [
        {"runId": "r", "input": 1, "output": None, "scores": {"nodes": [{"name": "n", "type": "HUMAN"}]}},
        {"runId": None, "input": None, "output": [None], "scores": {"nodes": []}},
    ]
    assert door.read("mutation ($id: ID!) { deleteExperiment(id: $id) { id } }", {"id": key}) == {
        "deleteExperiment": {"id": key}
    }
    assert (Experiment.objects.count(), ExperimentItem.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"name": " "}, "BAD_INPUT", "name"),
        ({"name": "x", "dataset": "nope"}, "NOT_FOUND", "datasetId"),
        ({"name": "x", "items": [{"input": 1}, {"datasetItemId": "nope"}]}, "NOT_FOUND", "items[1].datasetItemId"),
        ({"name": "x", "items": [{"datasetItemId": ""}]}, "NOT_FOUND", "items[0].datasetItemId"),
        ({"name": "x", "items": [{}, {"scores": [{"value": 1}]}]}, "BAD_INPUT", "items[1].scores[0].name"),
        (
            {"name": "x", "items": [{"scores": [{"name": "n", "metadata": 1}]}]},
            "BAD_INPUT",
            "items[0].scores[0].metadata",
        ),
        ({"name": "x", "items": [{}] * 1001}, "BAD_INPUT", "items"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_with_all_of_it(
    door: Door, given: dict[str, Any], code: str, field: str | None
) -> None:
    answer = door.ask(MAKE, given)

    assert answer.codes == [code]
    assert answer.errors[0]["extensions"].get("field") == field
    assert (Experiment.objects.count(), ExperimentItem.objects.count()) == (0, 0)
    assert not Score.objects.in_project(door.project.pk).exists()


def test_a_version_is_made_once_and_its_labels_are_moved(door: Door) -> None:
    greeting = {
        "messages": [{"role": "system", "content": "Greet {{name}}.", "uuid": "u"}],
        "settings": {"temperature": 0.2},
        "tools": [{"type": "function"}],
        "inputDefaults": {"name": "you"},
        "model": "gpt-4o",
        "provider": "openai",
        "description": "Shorter",
    }

    first = door.read(VERSION, {"name": "hi", "input": {**greeting, "labels": ["prod"]}})["createPromptVersion"]
    again = door.read(VERSION, {"name": "hi", "input": {**greeting, "labels": ["test"]}})["createPromptVersion"]
    second = door.read(VERSION, {"name": "hi", "input": {"template": "Hi {{name}}"}})["createPromptVersion"]
    moved = door.read(
        MOVE, {"name": "hi", "labels": [{"name": "prod", "version": 1}, {"name": "test", "version": None}]}
    )["movePromptLabels"]

    own = {"id": first["id"], "version": 0, "labels": ["prod"], "template": None, "inputs": ["name"]}
    assert first == {**own, **greeting}
    assert (again["id"], again["labels"]) == (first["id"], ["prod", "test"])
    assert (second["version"], second["template"], second["labels"]) == (1, "Hi {{name}}", [])
    assert moved == {"name": "hi", "labels": [{"name": "prod", "version": 1}]}
    assert [entry.detail for entry in AuditEntry.objects.filter(action="prompt.label").order_by("created_at")][2:] == [
        {"label": "prod", "version": 1, "from": 0},
        {"label": "test", "version": None, "from": 0},
    ]


@pytest.mark.parametrize(
    ("query", "given", "code", "field"),
    [
        (VERSION, {"name": "hi", "input": {}}, "BAD_INPUT", "messages"),
        (VERSION, {"name": "hi", "input": {"messages": "x"}}, "BAD_INPUT", "messages"),
        (VERSION, {"name": "hi", "input": {"messages": [[]]}}, "BAD_INPUT", "messages[0]"),
        (VERSION, {"name": "hi", "input": {"template": "x", "settings": []}}, "BAD_INPUT", "settings"),
        (VERSION, {"name": "hi", "input": {"template": "x", "labels": ["latest"]}}, "BAD_INPUT", "labels"),
        (VERSION, {"name": "", "input": {"template": "x"}}, "BAD_INPUT", "name"),
        (MOVE, {"name": "nope", "labels": []}, "NOT_FOUND", "name"),
        (MOVE, {"name": "hi", "labels": [{"name": "prod", "version": 9}]}, "NOT_FOUND", "labels"),
        (MOVE, {"name": "hi", "labels": [{"name": "", "version": 0}]}, "BAD_INPUT", "labels"),
        (
            MOVE,
            {"name": "hi", "labels": [{"name": "a", "version": 0}, {"name": "a", "version": None}]},
            "BAD_INPUT",
            "labels",
        ),
    ],
)
def test_what_cannot_be_done_with_a_prompt(
    door: Door, query: str, given: dict[str, Any], code: str, field: str | None
) -> None:
    door.read(VERSION, {"name": "hi", "input": {"template": "Hello"}})

    answer = door.ask(query, given)

    assert answer.codes == [code]
    assert answer.errors[0]["extensions"].get("field") == field
    assert (Prompt.objects.count(), PromptVersion.objects.in_project(door.project.pk).get().labels) == (1, [])
