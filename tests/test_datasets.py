"""Datasets: what a version holds, where items come from, and who may change them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, datasets, recording
from generations.access import Grant, NotAllowed, Scope
from generations.datasets import BadDataset, NewItem, NoSuchDataset
from generations.models import AuditEntry, Dataset, DatasetItem
from generations.records import GenerationRecord, StepRecord

pytestmark = pytest.mark.django_db

MORNING = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)


@pytest.fixture
def grant() -> Grant:
    return access.of_system(access.create_project("Datasets"))


@pytest.fixture
def stranger() -> Grant:
    return access.of_system(access.create_project("Elsewhere"))


@pytest.fixture
def dataset(grant: Grant) -> Dataset:
    return datasets.create(grant, name="Questions")


def version_of(dataset: Dataset) -> int:
    return Dataset.objects.get(pk=dataset.pk).version


def inputs(dataset: Dataset, version: int | None = None) -> list[object]:
    return [item.input for item in datasets.items(dataset, version)]


def add(grant: Grant, dataset: Dataset, *texts: str) -> list[DatasetItem]:
    return datasets.add_items(grant, str(dataset.pk), [NewItem(input={"text": text}) for text in texts])


def test_a_dataset_begins_empty_at_version_1_and_says_who_made_it(grant: Grant) -> None:
    made = datasets.create(
        grant, name="  Hard cases ", description="Found in March", type="generation", metadata={"team": "search"}
    )

    kept = Dataset.objects.get(pk=made.pk)
    assert (kept.name, kept.description, kept.type) == ("Hard cases", "Found in March", "generation")
    assert (kept.metadata, kept.version, inputs(kept)) == ({"team": "search"}, 1, [])
    entry = AuditEntry.objects.get(action="dataset.create")
    assert (entry.actor, entry.subject_id, entry.detail) == ("system", str(made.pk), {"name": "Hard cases"})


def test_a_name_is_used_once_in_a_project_and_again_in_another(grant: Grant, stranger: Grant, dataset: Dataset) -> None:
    datasets.create(stranger, name="Questions")

    with pytest.raises(BadDataset) as refused:
        datasets.create(grant, name="Questions")

    assert refused.value.field == "name"
    assert str(refused.value) == (
        "name: 'Questions' is not valid; expected a name that no other dataset of this project has"
    )
    assert Dataset.objects.filter(project=grant.project).count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "type": "table"}, "type"),
        ({"name": "x", "description": "x" * 10_001}, "description"),
        ({"name": "x", "metadata": {"share": float("nan")}}, "metadata.share"),
    ],
)
def test_what_is_no_dataset_is_refused_by_name(grant: Grant, values: dict[str, object], field: str) -> None:
    with pytest.raises(BadDataset) as refused:
        datasets.create(grant, **values)  # type: ignore[arg-type]

    assert refused.value.field == field
    assert not Dataset.objects.exists()


def test_every_change_of_the_items_makes_one_version_and_past_versions_stay(grant: Grant, dataset: Dataset) -> None:
    first, second = add(grant, dataset, "one", "two")
    add(grant, dataset, "three")
    datasets.replace_item(grant, str(first.pk), NewItem(input={"text": "one, better"}))
    removed = datasets.remove_items(grant, str(dataset.pk), [str(second.pk)])

    assert removed == 1
    assert version_of(dataset) == 5
    assert inputs(dataset, 1) == []
    assert inputs(dataset, 2) == [{"text": "two"}, {"text": "one"}]
    assert inputs(dataset, 3) == [{"text": "three"}, {"text": "two"}, {"text": "one"}]
    assert inputs(dataset, 4) == [{"text": "one, better"}, {"text": "three"}, {"text": "two"}]
    assert inputs(dataset, 5) == inputs(dataset) == [{"text": "one, better"}, {"text": "three"}]


def test_a_replaced_item_keeps_its_key(grant: Grant, dataset: Dataset) -> None:
    [old] = add(grant, dataset, "draft")

    new = datasets.replace_item(grant, str(old.pk), NewItem(input="final", expected_output="yes"))

    assert new.key == old.key and new.pk != old.pk
    with pytest.raises(NoSuchDataset):
        datasets.replace_item(grant, str(old.pk), NewItem(input="too late"))


def test_removing_what_is_not_there_makes_no_version(grant: Grant, dataset: Dataset) -> None:
    [item] = add(grant, dataset, "one")
    datasets.remove_items(grant, str(dataset.pk), [str(item.pk)])

    again = datasets.remove_items(grant, str(dataset.pk), [str(item.pk), "no id at all"])

    assert (again, version_of(dataset)) == (0, 3)


def test_a_bad_item_leaves_out_the_good_ones_beside_it(grant: Grant, dataset: Dataset) -> None:
    with pytest.raises(BadDataset) as refused:
        datasets.add_items(grant, str(dataset.pk), [NewItem(input="good"), NewItem(input={"n": float("inf")})])

    assert refused.value.field == "items[1].input.n"
    assert (inputs(dataset), version_of(dataset)) == ([], 1)


def test_nul_characters_are_dropped_and_json_is_kept_as_it_is(grant: Grant, dataset: Dataset) -> None:
    [item] = datasets.add_items(
        grant, str(dataset.pk), [NewItem(input=["a\0b", 1.5, None, {"ü": True}], expected_output=[], metadata={"k": 1})]
    )

    kept = DatasetItem.objects.get(pk=item.pk)
    assert kept.input == ["ab", 1.5, None, {"ü": True}]
    assert (kept.expected_output, kept.metadata, kept.intermediary_steps) == ([], {"k": 1}, None)


def test_an_item_from_a_generation_holds_what_was_sent_and_what_came_back(grant: Grant, dataset: Dataset) -> None:
    recording.record(
        grant.project,
        [
            GenerationRecord(
                id="chat",
                started_at=MORNING,
                messages=[{"role": "user", "content": "Capital of Peru?"}],
                message_completion={"role": "assistant", "content": "Lima"},
                variables={"country": "Peru"},
                step_id="run-1",
            ),
            GenerationRecord(id="text", type="completion", started_at=MORNING, prompt="2+2=", completion="4"),
            GenerationRecord(id="image", type="image", started_at=MORNING, input={"size": "1x1"}, output=["png"]),
        ],
    )

    made = datasets.add_generations(grant, str(dataset.pk), ["text", "chat", "image", "text"], {"from": "production"})

    assert [(i.generation_id, i.step_id) for i in made] == [("text", None), ("chat", "run-1"), ("image", None)]
    text, chat, image = (DatasetItem.objects.get(pk=item.pk) for item in made)
    assert (text.input, text.expected_output) == ({"prompt": "2+2="}, "4")
    assert chat.input == {
        "messages": [{"role": "user", "content": "Capital of Peru?"}],
        "variables": {"country": "Peru"},
    }
    assert chat.expected_output == {"role": "assistant", "content": "Lima"}
    assert (image.input, image.expected_output) == ({"size": "1x1"}, ["png"])
    assert {item.metadata["from"] for item in made} == {"production"}
    assert version_of(dataset) == 2


def test_an_item_from_a_step_holds_its_children_in_order(grant: Grant, dataset: Dataset) -> None:
    later = MORNING + dt.timedelta(seconds=1)
    recording.record(
        grant.project,
        [
            StepRecord(id="run", type="run", started_at=MORNING, input={"q": "?"}, output={"a": "!"}),
            StepRecord(id="b", type="tool", name="search", parent_id="run", started_at=later, output={"hits": 2}),
            StepRecord(id="a", type="retrieval", parent_id="run", started_at=MORNING, input={"k": 3}),
        ],
    )

    [item] = datasets.add_steps(grant, str(dataset.pk), ["run"])

    assert (item.input, item.expected_output, item.step_id) == ({"q": "?"}, {"a": "!"}, "run")
    assert [(s["id"], s["type"], s["name"], s["input"], s["output"]) for s in item.intermediary_steps or ()] == [
        ("a", "retrieval", None, {"k": 3}, None),
        ("b", "tool", "search", None, {"hits": 2}),
    ]


@pytest.mark.parametrize("add_from", [datasets.add_generations, datasets.add_steps])
def test_another_projects_rows_are_not_there(
    grant: Grant, stranger: Grant, dataset: Dataset, add_from: Callable[..., object]
) -> None:
    recording.record(stranger.project, [GenerationRecord(id="theirs"), StepRecord(id="theirs")])

    with pytest.raises(NoSuchDataset, match="'theirs'"):
        add_from(grant, str(dataset.pk), ["theirs"])

    assert (DatasetItem.objects.count(), version_of(dataset)) == (0, 1)


def test_another_projects_dataset_is_not_there(grant: Grant, stranger: Grant, dataset: Dataset) -> None:
    [item] = add(grant, dataset, "ours")

    assert datasets.find(stranger, str(dataset.pk)) is None
    assert datasets.named(stranger, "Questions") is None
    for attempt in (
        lambda: datasets.update(stranger, str(dataset.pk), name="Taken"),
        lambda: datasets.delete(stranger, str(dataset.pk)),
        lambda: add(stranger, dataset, "theirs"),
        lambda: datasets.remove_items(stranger, str(dataset.pk), [str(item.pk)]),
        lambda: datasets.replace_item(stranger, str(item.pk), NewItem(input="theirs")),
        lambda: datasets.delete(grant, "no id at all"),
    ):
        with pytest.raises(NoSuchDataset):
            attempt()

    assert inputs(Dataset.objects.get(name="Questions")) == [{"text": "ours"}]


def test_reading_is_not_enough_to_change_anything(grant: Grant, dataset: Dataset) -> None:
    [item] = add(grant, dataset, "one")
    reader = Grant(project=grant.project, scopes=frozenset({Scope.READ}))
    before = AuditEntry.objects.count()

    for attempt in (
        lambda: datasets.create(reader, name="New"),
        lambda: datasets.update(reader, str(dataset.pk), name="New"),
        lambda: datasets.delete(reader, str(dataset.pk)),
        lambda: add(reader, dataset, "two"),
        lambda: datasets.add_generations(reader, str(dataset.pk), []),
        lambda: datasets.add_steps(reader, str(dataset.pk), []),
        lambda: datasets.replace_item(reader, str(item.pk), NewItem(input="two")),
        lambda: datasets.remove_items(reader, str(dataset.pk), [str(item.pk)]),
    ):
        with pytest.raises(NotAllowed):
            attempt()

    assert datasets.find(reader, str(dataset.pk)) == dataset
    assert (inputs(dataset), version_of(dataset)) == ([{"text": "one"}], 2)
    assert AuditEntry.objects.count() == before


def test_renaming_changes_what_is_given_and_notes_it(grant: Grant, dataset: Dataset) -> None:
    datasets.update(grant, str(dataset.pk), name="Answers")
    datasets.update(grant, str(dataset.pk), description="About geography")
    datasets.update(grant, str(dataset.pk), name="Answers")

    kept = Dataset.objects.get(pk=dataset.pk)
    assert (kept.name, kept.description, kept.version) == ("Answers", "About geography", 1)
    changes = AuditEntry.objects.filter(action="dataset.update").order_by("created_at")
    assert [entry.detail for entry in changes] == [{"changed": ["name"]}, {"changed": ["description"]}]


def test_a_deleted_dataset_takes_its_items_with_it(grant: Grant, dataset: Dataset) -> None:
    add(grant, dataset, "one", "two")

    gone = datasets.delete(grant, str(dataset.pk))

    assert gone.pk == dataset.pk
    assert (Dataset.objects.count(), DatasetItem.objects.count()) == (0, 0)
    assert AuditEntry.objects.get(action="dataset.delete").detail == {"name": "Questions", "version": 2}


def test_adding_fifty_generations_costs_as_many_queries_as_adding_one(grant: Grant, dataset: Dataset) -> None:
    ids = [f"g{n}" for n in range(51)]
    recording.record(grant.project, [GenerationRecord(id=i, started_at=MORNING, prompt=i) for i in ids])

    with CaptureQueriesContext(connection) as one:
        datasets.add_generations(grant, str(dataset.pk), ids[:1])
    with CaptureQueriesContext(connection) as fifty:
        datasets.add_generations(grant, str(dataset.pk), ids[1:])

    assert len(one) == len(fifty)
    assert len(inputs(dataset)) == 51
