"""GraphQL changes what people build: tags, datasets, exports, keys; a refused change leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from generations import datasets, tasks
from generations.access import Scope
from generations.models import ApiKey, AuditEntry, Dataset, DatasetItem, Generation, Job, Tag
from generations.records import GenerationRecord, StepRecord, ThreadRecord
from tests.asking import Door, door, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were sent to a worker: the broker is outside."""
    jobs: list[str] = []
    monkeypatch.setattr(tasks.run_job, "delay", jobs.append)
    return jobs


# ----------------------------------------------------------------------------------------------------------------- tags
def test_tags_are_put_on_many_rows_and_taken_off(door: Door) -> None:
    store(door, *(GenerationRecord(id=f"g{n}") for n in range(3)), ThreadRecord(id="t"))

    added = door.read(
        'mutation { addTags(kind: GENERATION, ids: ["g0", "g1", "no"], tags: ["good", "new"]) { changed } }'
    )
    door.read('mutation { addTags(kind: THREAD, ids: ["t"], tags: ["new"]) { changed } }')
    removed = door.read('mutation { removeTags(kind: GENERATION, ids: ["g0", "g2"], tags: ["good"]) { changed } }')

    assert (added, removed) == ({"addTags": {"changed": 2}}, {"removeTags": {"changed": 1}})
    assert dict(Generation.objects.values_list("public_id", "tags")) == {"g0": ["new"], "g1": ["good", "new"], "g2": []}
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["good", "new"]
    assert list(AuditEntry.objects.filter(action__endswith=".tag").order_by("created_at").values_list("detail")) == [
        ({"rows": 2, "added": ["good", "new"], "removed": []},),
        ({"rows": 1, "added": ["new"], "removed": []},),
        ({"rows": 1, "added": [], "removed": ["good"]},),
    ]


def test_a_tag_has_a_colour_and_a_meaning(door: Door) -> None:
    made = door.read('mutation { createTag(name: " red ", colour: "#a33") { name colour description } }')
    changed = door.read('mutation { updateTag(name: "red", description: "Stop") { name colour description } }')
    again = door.ask('mutation { createTag(name: "red") { name } }')
    unknown = door.ask('mutation { updateTag(name: "blue", colour: "x") { name } }')
    too_long = door.ask(f'mutation {{ createTag(name: "{"x" * 201}") {{ name }} }}')

    assert made == {"createTag": {"name": "red", "colour": "#a33", "description": ""}}
    assert changed == {"updateTag": {"name": "red", "colour": "#a33", "description": "Stop"}}
    assert (again.codes, unknown.codes, too_long.codes) == (["CONFLICT"], ["NOT_FOUND"], ["BAD_INPUT"])
    assert Tag.objects.count() == 1


# ------------------------------------------------------------------------------------------------------------- datasets
ADD = """
mutation ($set: ID!, $g: [ID!], $s: [ID!], $items: [DatasetItemInput!], $metadata: JSON) {
  addDatasetItems(datasetId: $set, generationIds: $g, stepIds: $s, items: $items, metadata: $metadata) {
    dataset { version items { nodes { id } } }
    items { id input expectedOutput metadata generation { id } stepId addedIn }
  }
}
"""


def test_a_dataset_is_made_filled_thinned_renamed_and_deleted(door: Door) -> None:
    store(door, GenerationRecord(id="g", type="completion", prompt="1+1=", completion="2"), StepRecord(id="s", input=1))
    key = door.read('mutation { createDataset(name: "Sums", metadata: {level: 1}) { id version type } }')[
        "createDataset"
    ]["id"]

    one = door.read(ADD, {"set": key, "g": ["g"], "metadata": {"from": "prod"}})["addDatasetItems"]
    two = door.read(ADD, {"set": key, "s": ["s"]})["addDatasetItems"]
    three = door.read(ADD, {"set": key, "items": [{"input": [1, None], "expectedOutput": "x"}]})["addDatasetItems"]
    removed = door.read(
        "mutation ($set: ID!, $i: [ID!]!) { removeDatasetItems(datasetId: $set, itemIds: $i) "
        "{ removed dataset { version } } }",
        {"set": key, "i": [one["items"][0]["id"], "no"]},
    )["removeDatasetItems"]
    renamed = door.read(
        'mutation ($id: ID!) { updateDataset(id: $id, name: "Maths") { name description metadata } }', {"id": key}
    )["updateDataset"]

    assert one["items"] == [
        {
            "id": one["items"][0]["id"],
            "input": {"prompt": "1+1="},
            "expectedOutput": "2",
            "metadata": {"from": "prod"},
            "generation": {"id": "g"},
            "stepId": None,
            "addedIn": 2,
        }
    ]
    assert [two["items"][0][name] for name in ("input", "stepId", "addedIn")] == [1, "s", 3]
    assert three["items"][0]["input"] == [1, None]
    assert (three["dataset"]["version"], len(three["dataset"]["items"]["nodes"])) == (4, 3)
    assert removed == {"removed": 1, "dataset": {"version": 5}}
    assert renamed == {"name": "Maths", "description": "", "metadata": {"level": 1}}

    assert door.read("mutation ($id: ID!) { deleteDataset(id: $id) { id } }", {"id": key}) == {
        "deleteDataset": {"id": key}
    }
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "BAD_INPUT"),
        ({"g": ["g"], "items": []}, "BAD_INPUT"),
        ({"g": ["nothing"]}, "NOT_FOUND"),
        ({"g": ["theirs"]}, "NOT_FOUND"),
        ({"s": ["theirs"]}, "NOT_FOUND"),
        ({"items": [{"input": None}]}, "BAD_REQUEST"),
        ({"items": [{"input": 1, "metadata": []}]}, "BAD_INPUT"),
        ({"items": [{"input": 1}, {"input": 2, "intermediarySteps": {}}]}, "BAD_INPUT"),
    ],
)
def test_items_that_cannot_be_are_refused_all_together(door: Door, given: dict[str, Any], code: str) -> None:
    store(door, GenerationRecord(id="g"))
    store(Door.of("Elsewhere"), GenerationRecord(id="theirs"), StepRecord(id="theirs"))
    made = datasets.create(door.grant, name="Sums")

    answer = door.ask(ADD, {"set": str(made.pk), **given})

    assert answer.codes == [code]
    assert (DatasetItem.objects.count(), Dataset.objects.get().version) == (0, 1)


# -------------------------------------------------------------------------------------------------------- exports, keys
START = """
mutation ($where: GenerationWhere, $fields: [String!], $order: GenerationOrder) {
  startExport(format: JSONL, where: $where, fields: $fields, orderBy: $order) {
    id state kind format filter fields order progress { done total fraction } downloadPath rows error
  }
}
"""


def test_an_export_is_started_sent_to_a_worker_and_fetched(
    door: Door, sent: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    store(door, GenerationRecord(id="a", model_id="m", total_tokens=1), GenerationRecord(id="b", model_id="n"))

    with django_capture_on_commit_callbacks(execute=True):
        started = door.read(
            START,
            {
                "where": {"model": {"id": {"eq": "m"}}},
                "fields": ["id", "usage.totalTokens"],
                "order": {"field": "TIMESTAMP", "direction": "ASC"},
            },
        )["startExport"]
    tasks.run_job(started["id"])
    done = door.read(
        "query ($id: ID!) { export(id: $id) { state rows progress { fraction } downloadPath } }", {"id": started["id"]}
    )["export"]

    assert sent == [started["id"]]
    assert started == {
        "id": started["id"],
        "state": "queued",
        "kind": "generations",
        "format": "jsonl",
        "filter": {"model.id": {"$eq": "m"}},
        "fields": ["id", "usage.totalTokens"],
        "order": "timestamp",
        "progress": {"done": 0.0, "total": None, "fraction": None},
        "downloadPath": None,
        "rows": None,
        "error": None,
    }
    assert (done["state"], done["rows"], done["progress"]) == ("done", 1.0, {"fraction": 1.0})
    fetched: Any = Client().get(done["downloadPath"])
    assert b"".join(fetched.streaming_content) == b'{"id":"a","usage":{"totalTokens":1}}\n'
    listed = "{ exports(where: {state: {eq: done}}) { nodes { id downloadPath } } }"
    assert door.read(listed)["exports"]["nodes"][0]["downloadPath"]

    default_storage.delete(Job.objects.get().result["file"])

    assert door.read(listed) == {"exports": {"nodes": [{"id": started["id"], "downloadPath": None}]}}


def test_an_export_of_fields_that_there_are_not_is_refused_and_no_job_is_left(door: Door, sent: list[str]) -> None:
    answer = door.ask(START, {"fields": ["usage.totalToken"]})

    assert answer.data == {"startExport": None}
    assert answer.codes[0] in ("BAD_FILTER", "BAD_INPUT")
    assert "usage.totalTokens" in answer.errors[0]["message"]
    assert (sent, Job.objects.count()) == ([], 0)


def test_an_export_is_cancelled_by_its_own_project_only(door: Door, sent: list[str]) -> None:
    key = door.read(START)["startExport"]["id"]
    cancel = "mutation ($id: ID!) { cancelExport(id: $id) { state } }"

    foreign = Door.of("Elsewhere").ask(cancel, {"id": key})
    nothing = door.ask(cancel, {"id": "nothing"})
    own = door.read(cancel, {"id": key})

    assert foreign.codes == nothing.codes == ["NOT_FOUND"]
    assert own == {"cancelExport": {"state": "cancelled"}}


def test_a_key_is_told_once_works_and_stops_to_work(door: Door) -> None:
    made = door.read(
        """mutation { createKey(name: "CI", scopes: [READ], expiresAt: "2099-01-01T00:00:00Z") {
          token key { id name prefix scopes expiresAt revokedAt }
        } }"""
    )["createKey"]
    works = door.ask("{ me { name isKey scopes } project { slug } }", token=made["token"])
    listed = door.read("{ keys { name prefix } }")["keys"]
    revoked = door.read("mutation ($id: ID!) { revokeKey(id: $id) { revokedAt } }", {"id": made["key"]["id"]})
    stopped = door.ask("{ me { name } }", token=made["token"])

    assert made["key"] == {
        "id": made["key"]["id"],
        "name": "CI",
        "prefix": made["token"][:10],
        "scopes": ["read"],
        "expiresAt": "2099-01-01T00:00:00Z",
        "revokedAt": None,
    }
    assert works.data == {
        "me": {"name": "key CI", "isKey": True, "scopes": ["read"]},
        "project": {"slug": door.project.slug},
    }
    assert listed[0] == {"name": "CI", "prefix": made["token"][:10]}
    assert revoked["revokeKey"]["revokedAt"] is not None
    assert (stopped.status, stopped.codes) == (401, ["UNAUTHENTICATED"])
    assert made["token"] not in str(AuditEntry.objects.values())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('name: " "', "name"),
        ('name: "x", scopes: []', "scopes"),
        ('name: "x", expiresAt: "2020-01-01T00:00:00Z"', "expiresAt"),
    ],
)
def test_a_key_that_cannot_be_is_refused(door: Door, arguments: str, field: str) -> None:
    door.key(Scope.ADMIN)

    answer = door.ask(f"mutation {{ createKey({arguments}) {{ token }} }}")

    told = answer.errors[0]["extensions"]
    assert (answer.codes, told["field"]) == (["BAD_INPUT"], field)
    assert f"{field}: {told['value']} is not valid; expected {told['expected']}" == answer.errors[0]["message"]
    assert ApiKey.objects.count() == 1


def test_another_projects_key_cannot_be_revoked(door: Door) -> None:
    other = Door.of("Elsewhere")
    other.key(Scope.READ)
    key = ApiKey.objects.get(project=other.project)

    answer = door.ask("mutation ($id: ID!) { revokeKey(id: $id) { id } }", {"id": str(key.pk)})

    assert answer.codes == ["NOT_FOUND"]
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None
