"""What people build is exported as everything else is: results of experiments, versions of prompts, tags."""

import csv
import io
from typing import Any

import pyarrow.parquet
import pytest

from generations import access, datasets, experiments, filters, prompts
from generations.access import Grant
from generations.datasets import NewItem
from generations.experiments import NewResult
from generations.models import Prompt, Tag
from tests.exports import content, export, folder, grant, lines

__all__ = ["folder", "grant"]
pytestmark = pytest.mark.django_db


def build(grant: Grant) -> dict[str, Any]:
    """A dataset with an item, an experiment with two results, a prompt with two versions and a draft, two tags."""
    dataset = datasets.create(grant, name="Sums")
    [item] = datasets.add_items(grant, str(dataset.pk), [NewItem(input="2+2?")])
    run = experiments.create(grant, name="Short", dataset_id=str(dataset.pk), params={"temperature": 0})
    scored = NewResult(
        dataset_item_id=str(item.pk),
        run_id="r",
        generation_id="g",
        output="4",
        scores=[{"id": "s", "name": "correct", "value": 1, "timestamp": "2026-03-01T00:00:00Z"}],
    )
    one, two = experiments.add_items(grant, str(run.pk), [scored, NewResult(input=[1], output={"a": None})])
    prompts.publish(grant, "hi", template="Hi {{name}}", model_id="m", labels=["prod"])
    prompts.publish(grant, "hi", template_messages=[{"role": "user", "content": "Hi", "uuid": "u"}], settings={"n": 1})
    prompts.add_version(grant, Prompt.objects.get(project=grant.project), template="draft", is_draft=True)
    Tag.objects.create(project=grant.project, name="red", colour="#a33", description="Stop")
    Tag.objects.create(project=grant.project, name="plain")
    return {
        "dataset": str(dataset.pk),
        "item": str(item.pk),
        "run": str(run.pk),
        "one": str(one.pk),
        "two": str(two.pk),
    }


def undated(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without their moments, each of which has one."""
    return [{name: value for name, value in row.items() if row["createdAt"] and name != "createdAt"} for row in rows]


def test_results_of_experiments_come_with_their_experiment_and_scores(grant: Grant) -> None:
    known = build(grant)
    build(access.of_system(access.create_project("Elsewhere")))

    rows = undated(lines(export(grant, kind="experiments")))

    about = {
        "experimentId": known["run"],
        "experimentName": "Short",
        "datasetId": known["dataset"],
        "params": {"temperature": 0},
    }
    score = {
        "id": "s",
        "name": "correct",
        "type": "AI",
        "value": 1,
        "timestamp": "2026-03-01T00:00:00Z",
        "generationId": "g",
        "experimentItemId": known["one"],
    }
    own = {"datasetItemId": known["item"], "runId": "r", "generationId": "g", "output": "4", "scores": [score]}
    assert rows == [
        {"id": known["two"], **about, "input": [1], "output": {"a": None}},
        {"id": known["one"], **about, **own},
    ]


def test_versions_of_prompts_come_with_their_labels_and_without_drafts(grant: Grant) -> None:
    build(grant)
    prompts.publish(grant, "gone", template="x")
    Prompt.objects.filter(name="gone").update(deleted_at="2026-03-01T00:00:00Z")

    job = export(grant, kind="prompts")
    rows = undated(lines(job))
    narrowed = export(grant, kind="prompts", condition_document={"name": "other"})

    key = str(Prompt.objects.get(name="hi").pk)
    ids = [row.pop("id") for row in rows]
    own: dict[str, Any] = {"promptId": key, "name": "hi", "inputDefaults": {}, "tools": []}
    message = {"role": "user", "content": "Hi", "uuid": "u"}
    assert rows == [
        {**own, "version": 1, "labels": [], "messages": [message], "inputs": [], "settings": {"n": 1}},
        {
            **own,
            "version": 0,
            "labels": ["prod"],
            "template": "Hi {{name}}",
            "inputs": ["name"],
            "settings": {},
            "model": "m",
        },
    ]
    assert len(set(ids)) == 2
    assert (job.result["rows"], lines(narrowed)) == (2, [])


def test_tags_are_exported_by_their_order(grant: Grant) -> None:
    build(grant)

    assert undated(lines(export(grant, kind="tags", order="name"))) == [
        {"name": "plain"},
        {"name": "red", "colour": "#a33", "description": "Stop"},
    ]


@pytest.mark.parametrize("kind", ["experiments", "prompts", "tags", "datasets"])
def test_the_same_rows_are_in_every_format(grant: Grant, kind: str) -> None:
    build(grant)

    told = lines(export(grant, kind=kind))
    [first, *_] = csv.DictReader(io.StringIO(content(export(grant, kind=kind, format="csv")).decode()))
    table = pyarrow.parquet.read_table(io.BytesIO(content(export(grant, kind=kind, format="parquet"))))

    name = "id" if "id" in told[0] else "name"
    assert table.column(name).to_pylist() == [row[name] for row in told]
    assert first[name] == told[0][name]
    assert list(first) == table.column_names
    assert {key for row in told for key in row} <= set(first)


@pytest.mark.parametrize("kind", ["experiments", "prompts", "datasets"])
def test_rows_that_stand_within_others_have_no_order_of_those(grant: Grant, kind: str) -> None:
    with pytest.raises(filters.BadFilter, match="newest first"):
        export(grant, kind=kind, order="name")
