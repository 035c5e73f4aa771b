"""GraphQL over experiments, prompts with their versions, and review queues."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, datasets, experiments, prompts, reviewing
from generations.access import Grant, Scope
from generations.datasets import NewItem
from generations.models import Experiment, Membership, Prompt, ReviewQueue
from generations.models.accounts import Role
from generations.records import GenerationRecord, ScoreRecord, StepRecord
from tests import web
from tests.asking import Door, door, minutes, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db

CRITERIA = "helpful: number 1-5\ntone: category kind, rude\nsafe: yes/no"


def experiment(door: Door, name: str = "Short prompt", **more: Any) -> Experiment:
    """An experiment over a dataset, with a result that was scored and one that was not."""
    dataset = datasets.create(door.grant, name=f"Set of {name}")
    [item] = datasets.add_items(door.grant, str(dataset.pk), [NewItem(input="2+2?", expected_output="4")])
    made = experiments.create(door.grant, name=name, dataset_id=str(dataset.pk), **more)
    id = str(made.pk)
    first = experiments.add_item(
        door.grant, id, dataset_item_id=str(item.pk), run_id=f"run of {name}", generation_id=f"call of {name}", output=4
    )
    experiments.add_item(door.grant, id, input="3+3?", output={"a": 6})
    store(
        door,
        GenerationRecord(id=f"call of {name}", started_at=minutes(0)),
        StepRecord(id=f"run of {name}", started_at=minutes(0)),
        ScoreRecord(id=f"score of {name}", name="correct", value=1, experiment_item_id=str(first.pk)),
    )
    return made


def queue(door: Door, *ids: str, name: str = "Answers") -> ReviewQueue:
    """A queue with these generations in it."""
    made = reviewing.create(door.grant, name=name, criteria=reviewing.parsed(CRITERIA), description="Be kind.")
    reviewing.add(door.grant, str(made.pk), "generation", ids)
    return made


def reviewer(door: Door, name: str) -> Grant:
    """A member of the project."""
    user = web.person(name)
    Membership.objects.create(project=door.project, user=user, role=Role.MEMBER)
    return access.by_user(user, door.project.slug)


def test_an_experiment_shows_its_results_with_what_was_expected_and_said_of_them(door: Door) -> None:
    made = experiment(door, prompt_version_id="v1", params={"temperature": 0})

    data = door.read(
        """query ($id: ID!) {
          experiment(id: $id) {
            name promptVersionId params dataset { name }
            items {
              hasMore
              nodes {
                input output runId
                datasetItem { input expectedOutput } generation { id } run { id } scores { nodes { name value } }
              }
            }
            latest: items(first: 1) { hasMore nodes { output } }
          }
        }""",
        {"id": str(made.pk)},
    )

    expected: dict[str, Any] = {
        "name": "Short prompt",
        "promptVersionId": "v1",
        "params": {"temperature": 0},
        "dataset": {"name": "Set of Short prompt"},
        "items": {
            "hasMore": False,
            "nodes": [
                {
                    "input": "3+3?",
                    "output": {"a": 6},
                    "runId": None,
                    "datasetItem": None,
                    "generation": None,
                    "run": None,
                    "scores": {"nodes": []},
                },
                {
                    "input": None,
                    "output": 4,
                    "runId": "run of Short prompt",
                    "datasetItem": {"input": "2+2?", "expectedOutput": "4"},
                    "generation": {"id": "call of Short prompt"},
                    "run": {"id": "run of Short prompt"},
                    "scores": {"nodes": [{"name": "correct", "value": 1.0}]},
                },
            ],
        },
        "latest": {"hasMore": True, "nodes": [{"output": {"a": 6}}]},
    }
    assert data["experiment"] == expected


def test_a_prompt_shows_its_versions_and_where_its_labels_are(door: Door) -> None:
    for n, labels in enumerate((["prod"], ["test"], [])):
        messages: Any = [{"role": "system", "content": f"Answer {{{{name}}}} in {n} words."}]
        prompts.publish(door.grant, "answer", labels=labels, template_messages=messages, model_id="gpt-4o")
    made = Prompt.objects.get()
    prompts.add_version(door.grant, made, template="A draft", is_draft=True)

    data = door.read(
        """{
          prompt(name: "answer") {
            name labels { name version }
            versions { hasMore nodes { version labels messages inputs model } }
            latest: versions(first: 2) { hasMore nodes { version } }
            all: versions(first: 3) { hasMore }
          }
          newest: promptVersion(name: "answer") { version }
          live: promptVersion(name: "answer", label: "prod") { id version promptId }
          second: promptVersion(name: "answer", version: 1) { version labels }
          gone: promptVersion(name: "answer", label: "nowhere") { version }
          unknown: promptVersion(name: "nobody's") { version }
        }"""
    )

    versions = data["prompt"].pop("versions")
    assert data["prompt"] == {
        "name": "answer",
        "labels": [{"name": "prod", "version": 0}, {"name": "test", "version": 1}],
        "latest": {"hasMore": True, "nodes": [{"version": 2}, {"version": 1}]},
        "all": {"hasMore": False},
    }
    assert versions["hasMore"] is False
    assert [(row["version"], row["labels"]) for row in versions["nodes"]] == [(2, []), (1, ["test"]), (0, ["prod"])]
    assert versions["nodes"][0]["messages"][0]["content"] == "Answer {{name}} in 2 words."
    assert (versions["nodes"][0]["inputs"], versions["nodes"][0]["model"]) == (["name"], "gpt-4o")
    live = prompts.labelled(door.grant, made, "prod")
    assert live is not None
    assert data["live"] == {"id": live.public_id, "version": 0, "promptId": str(made.pk)}
    assert (data["newest"], data["second"]) == ({"version": 2}, {"version": 1, "labels": ["test"]})
    assert (data["gone"], data["unknown"]) == (None, None)


def test_a_deleted_prompt_is_neither_listed_nor_found(door: Door) -> None:
    prompts.publish(door.grant, "old", template="x")
    prompts.publish(door.grant, "new", template="x")
    Prompt.objects.filter(name="old").update(deleted_at=minutes(0))

    data = door.read(
        '{ prompts { nodes { name } totalCount { value } } prompt(name: "old") { id } promptVersion(name: "old") { id }'
        ' named: prompts(where: {name: {startsWith: "n"}}) { nodes { name } } }'
    )

    assert data == {
        "prompts": {"nodes": [{"name": "new"}], "totalCount": {"value": 1}},
        "prompt": None,
        "promptVersion": None,
        "named": {"nodes": [{"name": "new"}]},
    }


def test_a_queue_shows_what_is_judged_by_whom_and_what_is_left(door: Door) -> None:
    store(door, GenerationRecord(id="g1", started_at=minutes(0)))
    made = queue(door, "g1", "not yet")
    ann = reviewer(door, "ann")
    turn = reviewing.take(ann, str(made.pk))
    assert turn is not None
    reviewing.save(ann, str(made.pk), str(turn.review.pk), {"helpful": "4", "tone": "kind", "safe": "yes"})

    data = door.read(
        """query ($id: ID!) {
          reviewQueue(id: $id) {
            name description reviewers total left criteria { name form low high options }
            items { nodes {
              kind subjectId done isOpen generation { id } step { id } reviews { nodes { state reviewer answers } }
            } }
            open: items(open: true) { nodes { subjectId } }
          }
        }""",
        {"id": str(made.pk)},
    )

    judged = data["reviewQueue"].pop("items")["nodes"]
    assert data["reviewQueue"] == {
        "name": "Answers",
        "description": "Be kind.",
        "reviewers": 1,
        "total": 2,
        "left": 1,
        "criteria": [
            {"name": "helpful", "form": "number", "low": 1.0, "high": 5.0, "options": []},
            {"name": "tone", "form": "category", "low": None, "high": None, "options": ["kind", "rude"]},
            {"name": "safe", "form": "boolean", "low": None, "high": None, "options": []},
        ],
        "open": {"nodes": [{"subjectId": "not yet"}]},
    }
    [review] = judged[0].pop("reviews")["nodes"]
    assert judged == [
        {"kind": "generation", "subjectId": "g1", "done": 1, "isOpen": False, "generation": {"id": "g1"}, "step": None},
        {
            "kind": "generation",
            "subjectId": "not yet",
            "done": 0,
            "isOpen": True,
            "generation": None,
            "step": None,
            "reviews": {"nodes": []},
        },
    ]
    assert (review["state"], review["reviewer"], review["answers"]["helpful"]) == ("done", "ann", 4)


def test_lists_are_narrowed_ordered_and_paged(door: Door) -> None:
    for name in ("b", "a", "c"):
        experiment(door, name)
        queue(door, name=name)

    data = door.read(
        """{
          experiments(orderBy: {field: NAME, direction: ASC}, first: 2) { nodes { name } pageInfo { endCursor } }
          some: experiments(where: {or: [{name: {eq: "a"}}, {name: {eq: "c"}}]}) { nodes { name } }
          reviewQueues(where: {reviewers: {eq: 1}, name: {ne: "b"}}) { nodes { name } totalCount { value } }
        }"""
    )
    page = data["experiments"]
    rest = door.read(
        "query ($after: String!) { experiments(orderBy: {field: NAME, direction: ASC}, after: $after) "
        "{ nodes { name } } }",
        {"after": page["pageInfo"]["endCursor"]},
    )

    assert [row["name"] for row in page["nodes"]] == ["a", "b"]
    assert rest["experiments"]["nodes"] == [{"name": "c"}]
    assert data["some"]["nodes"] == [{"name": "c"}, {"name": "a"}]
    assert data["reviewQueues"] == {"nodes": [{"name": "c"}, {"name": "a"}], "totalCount": {"value": 2}}


EVERYTHING = """
query ($first: Int!) {
  experiments(first: $first) { nodes {
    name dataset { name }
    items(first: 3) { nodes { datasetItem { input } generation { id } run { id } scores(first: 2) { nodes { name } } } }
  } }
  prompts(first: $first) { nodes { labels { name } versions(first: 2) { nodes { version } } } }
  reviewQueues(first: $first) { nodes {
    total left items(first: 3) { nodes { generation { id } step { id } reviews(first: 2) { nodes { reviewer } } } }
  } }
}
"""


def test_fifty_rows_cost_as_many_queries_as_one(door: Door) -> None:
    ann = reviewer(door, "ann")
    for n in range(50):
        experiment(door, f"e{n}")
        prompts.publish(door.grant, f"p{n}", labels=["prod"], template="x")
        made = queue(door, f"call of e{n}", name=f"q{n}")
        reviewing.add(door.grant, str(made.pk), "step", [f"run of e{n}"])
        reviewing.take(ann, str(made.pk))
    token = door.key(Scope.READ)
    asked = {}

    for first in (1, 1, 50):
        with CaptureQueriesContext(connection) as captured:
            answer = door.ask(EVERYTHING, {"first": first}, token=token)
        assert answer.errors == []
        asked[first] = len(captured)

    assert asked[1] == asked[50]


def test_another_projects_are_neither_listed_nor_found(door: Door) -> None:
    other = Door.of("Elsewhere")
    theirs = {"experiment": experiment(other), "reviewQueue": queue(other, "g")}
    prompts.publish(other.grant, "theirs", template="x")
    theirs["prompt"] = Prompt.objects.get()

    for name, row in theirs.items():
        assert door.read(f'{{ {name}(id: "{row.pk}") {{ id }} }}') == {name: None}
        assert other.read(f'{{ {name}(id: "{row.pk}") {{ id }} }}') == {name: {"id": str(row.pk)}}
        assert door.read(f"{{ {name}(id: {_quoted(name)}) {{ id }} }}") == {name: None}
    lists = "{ experiments { nodes { id } } prompts { nodes { id } } reviewQueues { nodes { id } } }"
    assert door.read(lists) == {name: {"nodes": []} for name in ("experiments", "prompts", "reviewQueues")}
    assert door.read('{ promptVersion(name: "theirs") { id } }') == {"promptVersion": None}


def _quoted(name: str) -> str:
    return f'"no id of a {name}"'


@pytest.mark.parametrize(
    "query",
    [
        "{ experiments { nodes { id } } }",
        '{ experiment(id: "x") { id } }',
        "{ prompts { nodes { id } } }",
        '{ prompt(name: "x") { id } }',
        '{ promptVersion(name: "x") { id } }',
        "{ reviewQueues { nodes { id } } }",
        '{ reviewQueue(id: "x") { id } }',
    ],
)
def test_a_key_that_may_only_send_reads_none_of_it(door: Door, query: str) -> None:
    answer = door.ask(query, token=door.key(Scope.INGEST))

    assert answer.codes == ["FORBIDDEN"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("{ prompt { id } }", "id"),
        ('{ prompt(id: "x", name: "y") { id } }', "id"),
        ('{ promptVersion(name: "x", label: "prod", version: 1) { id } }', "version"),
        ('{ promptVersion(name: "x", version: -1) { id } }', "version"),
        ("{ experiments(first: 201) { nodes { id } } }", "first"),
        ('{ experiments(after: "nonsense") { nodes { id } } }', "after"),
        ('{ reviewQueues(where: {createdAt: {gt: "soon"}}) { nodes { id } } }', "createdAt"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(door: Door, query: str, field: str) -> None:
    answer = door.ask(query)

    assert [error["extensions"].get("field") for error in answer.errors] == [field]
