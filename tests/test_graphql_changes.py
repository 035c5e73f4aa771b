"""What GraphQL changes as REST does: datasets filled from a filter and item by item, threads, participants, steps."""

from __future__ import annotations

from typing import Any

import pytest

from generations import access, bulk, datasets, gathering, prompts
from generations.access import Scope
from generations.models import DatasetItem, Generation, Job, Step
from generations.records import GenerationRecord, StepRecord
from tests.asking import NOON, Door, door, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db

FILL = """
mutation ($dataset: ID!, $input: FillInput!) {
  fillDataset(datasetId: $dataset, input: $input) { id state kind filter order datasetId matched added }
}
"""
WATCH = "query ($id: ID!) { datasetFill(id: $id) { state matched added error progress { done total fraction } } }"
CHANGE = """
mutation ($id: ID!, $set: DatasetItemChange!) {
  updateDatasetItem(id: $id, set: $set) { id key input expectedOutput metadata split generationId addedIn }
}
"""


@pytest.fixture(autouse=True)
def _nothing_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.tasks.run_job.delay", lambda job: None)


@pytest.fixture
def dataset(door: Door) -> str:
    return str(datasets.create(door.grant, name="Questions").pk)


# --------------------------------------------------------------------------------------------------------------- fills
def test_a_dataset_is_filled_with_what_matches_in_an_order_and_only_once(door: Door, dataset: str) -> None:
    store(
        door,
        *(GenerationRecord(id=f"g{n}", prompt="?", completion=f"{n}", total_tokens=n, model_id="ab"[n % 2],
                           started_at=NOON) for n in range(4)),
        StepRecord(id="s", type="tool", input=1),
    )  # fmt: skip
    asked = {
        "generations": {
            "where": {"model": {"id": {"eq": "b"}}},
            "orderBy": {"field": "USAGE_TOTAL_TOKENS", "direction": "ASC"},
        }
    }

    made = door.read(FILL, {"dataset": dataset, "input": asked})["fillDataset"]
    bulk.run(made["id"])

    assert (made["state"], made["kind"], made["order"]) == ("queued", "generations", "usage.totalTokens")
    assert (made["datasetId"], made["matched"], made["added"]) == (dataset, None, None)
    assert door.read(WATCH, {"id": made["id"]})["datasetFill"] == {
        "state": "done", "matched": 2, "added": 2, "error": None, "progress": {"done": 2, "total": 2, "fraction": 1},
    }  # fmt: skip
    assert [item.generation_id for item in datasets.items(datasets.find(door.grant, dataset))] == ["g3", "g1"]  # type: ignore[arg-type]
    again = door.read(FILL, {"dataset": dataset, "input": {"generations": {}}})["fillDataset"]
    steps = door.read(FILL, {"dataset": dataset, "input": {"steps": {"where": {"type": {"eq": "tool"}}}}})[
        "fillDataset"
    ]
    for job, added in ((again, 2), (steps, 1)):
        bulk.run(job["id"])
        assert door.read(WATCH, {"id": job["id"]})["datasetFill"]["added"] == added


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"generations": {}, "steps": {}},
        {"generations": None},
        {"threads": {}},
        {"generations": {"where": {"modle": {}}}},
        {"generations": {"where": {"timestamp": {"gte": "soon"}}}},
        {"steps": {"orderBy": {"field": "COLOUR"}}},
    ],
)
def test_what_cannot_fill_begins_nothing(door: Door, dataset: str, given: Any) -> None:
    answer = door.ask(FILL, {"dataset": dataset, "input": given})

    assert answer.status == 400 or answer.data == {"fillDataset": None}, answer.response.content
    assert answer.codes in (["BAD_REQUEST"], ["BAD_FILTER"], ["BAD_INPUT"]), answer.errors
    assert not Job.objects.exists()


def test_a_dataset_that_is_none_is_told_of_the_argument_that_names_it(door: Door) -> None:
    filled = door.ask(FILL, {"dataset": "none", "input": {"generations": {}}})
    renamed = door.ask('mutation { updateDataset(id: "none", name: "x") { id } }', {})

    assert [answer.errors[0]["extensions"]["field"] for answer in (filled, renamed)] == ["datasetId", "id"]


def test_a_fill_is_cancelled_and_other_jobs_are_none(door: Door, dataset: str) -> None:
    made = door.read(FILL, {"dataset": dataset, "input": {"generations": {}}})["fillDataset"]
    tagging = Job.objects.create(project=door.project, kind=Job.Kind.BULK, parameters={"do": "tag", "kind": "steps"})
    cancel = "mutation ($id: ID!) { cancelDatasetFill(id: $id) { state } }"

    for id in (str(tagging.pk), "none"):
        assert door.ask(cancel, {"id": id}).codes == ["NOT_FOUND"]
        assert door.read(WATCH, {"id": id})["datasetFill"] is None
        assert gathering.filling(door.grant, id) is None
    assert door.read(cancel, {"id": made["id"]})["cancelDatasetFill"] == {"state": "cancelled"}
    tagging.refresh_from_db()
    assert (tagging.state, tagging.cancel_requested_at) == ("queued", None)


# --------------------------------------------------------------------------------------------------------------- items
def test_an_item_is_changed_as_a_new_version_and_what_is_left_out_stays(door: Door, dataset: str) -> None:
    new = datasets.NewItem(input=1, expected_output=2, metadata={"a": 1}, split="train", generation_id="g")
    [item] = datasets.add_items(door.grant, dataset, [new])

    changed = door.read(CHANGE, {"id": str(item.pk), "set": {"expectedOutput": 3, "split": None}})["updateDatasetItem"]
    same = door.read(CHANGE, {"id": changed["id"], "set": {}})["updateDatasetItem"]
    emptied = door.read(CHANGE, {"id": changed["id"], "set": {"metadata": None}})["updateDatasetItem"]

    assert changed == same == {
        "id": changed["id"], "key": str(item.key), "input": 1, "expectedOutput": 3, "metadata": {"a": 1}, "split": "",
        "generationId": "g", "addedIn": 3,
    }  # fmt: skip
    assert emptied == {**changed, "id": emptied["id"], "metadata": {}, "addedIn": 4}
    assert door.ask(CHANGE, {"id": str(item.pk), "set": {"input": 5}}).codes == ["NOT_FOUND"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"input": None}, "item.input"),
        ({"metadata": [1]}, "item.metadata"),
        ({"intermediarySteps": {}}, "item.intermediarySteps"),
        ({"split": "x" * 101}, "item.split"),
        ({"generationId": "x" * 600}, "item.generationId"),
    ],
)
def test_a_change_of_an_item_that_cannot_be_is_refused_by_its_name(
    door: Door, dataset: str, said: Any, field: str
) -> None:
    [item] = datasets.add_items(door.grant, dataset, [datasets.NewItem(input=1)])

    answer = door.ask(CHANGE, {"id": str(item.pk), "set": said})

    assert answer.codes == ["BAD_INPUT"]
    told = answer.errors[0]["extensions"]
    assert (told["field"], "value" in told, "expected" in told) == (field, True, True)
    assert DatasetItem.objects.get().pk == item.pk


# ------------------------------------------------------------------------------------------------- threads and the like
def test_a_thread_and_a_participant_are_described_and_what_is_left_out_stays(door: Door) -> None:
    put = "mutation ($id: ID!, $input: ThreadInput!) { putThread(id: $id, input: $input) { id name tags metadata } }"
    about = 'mutation ($input: ParticipantInput!) { putParticipant(id: "u", input: $input) { identifier metadata } }'

    door.read(put, {"id": "t", "input": {"name": "Refund", "userId": "u", "tags": ["a"], "metadata": {"a": 1}}})
    renamed = door.read(put, {"id": "t", "input": {"name": "Refund of 7", "tags": None, "metadata": {"b": 2}}})
    door.read(about, {"input": {"identifier": "ann", "metadata": {"plan": "pro"}}})
    described = door.read(about, {"input": {"metadata": {"plan": "free"}}})

    assert renamed["putThread"] == {"id": "t", "name": "Refund of 7", "tags": [], "metadata": {"a": 1, "b": 2}}
    assert described["putParticipant"] == {"identifier": "ann", "metadata": {"plan": "free"}}
    for id, said, field in (
        ("", {}, "id"),
        ("t", {"metadata": 3}, "metadata"),
        ("t", {"tags": ["x" * 300]}, "tags"),
    ):
        answer = door.ask(put, {"id": id, "input": said})
        assert (answer.codes, answer.errors[0]["extensions"]["field"]) == (["BAD_INPUT"], field), answer.errors


def test_what_is_made_is_in_the_environment_of_the_key_unless_it_says_so(door: Door) -> None:
    key = access.create_key(
        access.of_system(door.project), name="k", scopes=[Scope.WRITE, Scope.INGEST], environment="staging"
    )[1]
    put = "mutation ($id: ID!, $input: ThreadInput!) { putThread(id: $id, input: $input) { environment } }"
    create = "mutation ($id: ID!, $input: GenerationInput!) { createGeneration(id: $id, input: $input) { id } }"

    def told(input: dict[str, Any], id: str) -> Any:
        answer = door.ask(put, {"id": id, "input": input}, token=key)
        return answer.data["putThread"]["environment"]

    assert [told({}, "t"), told({"environment": "test"}, "u"), told({"name": "n"}, "u")] == ["staging", "test", "test"]
    assert told({"environment": None}, "v") is None
    for id, input in (("g", {}), ("h", {"environment": "test"}), ("i", {"environment": None})):
        assert door.ask(create, {"id": id, "input": input}, token=key).codes == []
    rows = Generation.objects.in_project(door.project.pk).order_by("public_id")
    assert list(rows.values_list("environment", flat=True)) == ["staging", "test", None]


def test_steps_and_threads_are_deleted_with_what_is_in_them(door: Door) -> None:
    store(
        door,
        StepRecord(id="s", thread_id="t"),
        StepRecord(id="below", parent_id="s"),
        GenerationRecord(id="on s", step_id="s"),
        GenerationRecord(id="in t", thread_id="t"),
        GenerationRecord(id="other"),
    )

    def delete(what: str, id: str) -> list[str]:
        return door.ask(f'mutation {{ delete{what}(id: "{id}") {{ id }} }}', token=door.key(Scope.WRITE)).codes

    assert [delete("Step", "s"), delete("Step", "s"), delete("Thread", "none")] == [[], ["NOT_FOUND"], ["NOT_FOUND"]]
    assert delete("Thread", "t") == []
    assert sorted(Generation.objects.in_project(door.project.pk).values_list("public_id", flat=True)) == ["other"]
    assert sorted(Step.objects.in_project(door.project.pk).values_list("public_id", flat=True)) == ["below"]


def test_a_refusal_is_short_however_long_the_value_is_and_names_the_id(door: Door, dataset: str) -> None:
    long = "x" * 100_000
    prompts.publish(door.grant, "p", template="Hello")

    for call, field in (
        (f'createTag(name: "n", colour: "{long}") {{ name }}', "colour"),
        (f'updateDataset(id: "{dataset}", metadata: "{long}") {{ id }}', "metadata"),
        (f'addDatasetItems(datasetId: "{dataset}", items: [{{input: 1, metadata: "{long}"}}]) {{ items {{ id }} }}',
         "items[0].metadata"),
        ('updateEvaluator(id: "none", name: "x") { id }', "id"),
        ('movePromptLabels(name: "p", labels: [{name: "prod", version: 7}]) { id }', "labels"),
        (f'createKey(name: "k", environment: "{long}") {{ token }}', "environment"),
        (f'createKey(name: "{long}") {{ token }}', "name"),
        ('createKey(name: " \\u0000") { token }', "name"),
    ):  # fmt: skip
        answer = door.ask(f"mutation {{ {call} }}")
        told = answer.errors[0]["extensions"]
        assert (told["field"], bool(told["value"])) == (field, True), told
        assert len(answer.response.content) < 1_000
    kept = door.read('mutation { createKey(name: "a\\u0000b", environment: "c\\u0000d") { key { name environment } } }')
    assert kept["createKey"]["key"] == {"name": "ab", "environment": "cd"}
