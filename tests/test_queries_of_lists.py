"""How many statements a list takes does not depend on how many rows it has, whoever asks for it and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import datasets, evaluating, experiments, exporting, prompts, retention, reviewing
from generations.access import Scope
from generations.api.door import door as rest_door
from generations.datasets import NewItem
from generations.models import Job
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.asking import NOON, Door, door, store
from tests.doors.rest import Caller
from tests.exports import folder
from tests.walking import edges, introspected

__all__ = ["door", "folder"]
pytestmark = pytest.mark.django_db
MANY = 12
ONE_ROW = {"generation": "g0", "step": "s0", "thread": "t0", "participant": "p0", "score": "on-g0"}


def filled(name: str, rows: int) -> Door:
    """A project with so many of everything that there is a list of."""
    made = Door.of(name)
    grant = made.grant
    for n in range(rows):
        hung: dict[str, Any] = {"thread_id": f"t{n}", "user_id": f"p{n}", "started_at": NOON, "tags": (f"tag{n}",)}
        store(
            made,
            ParticipantRecord(id=f"p{n}", identifier=f"person {n}"),
            ThreadRecord(id=f"t{n}", name=f"thread {n}", user_id=f"p{n}", started_at=NOON),
            StepRecord(id=f"root{n}", **hung),
            StepRecord(
                id=f"s{n}",
                parent_id=f"root{n}",
                input="x",
                attachments=(AttachmentRecord(id=f"f{n}", name="f", step_id=f"s{n}", url="https://x/y"),),
                **hung,
            ),
            GenerationRecord(
                id=f"g{n}",
                step_id=f"s{n}",
                prompt="x",
                completion="y",
                alternatives=(Alternative(index=0, content="z"),),
                scores=(ScoreRecord(id=f"on-g{n}", name="q", value=1),),
                attachments=(AttachmentRecord(id=f"a{n}", name="a", generation_id=f"g{n}"),),
                feedback=FeedbackRecord(rating=4),
                **hung,
            ),
            ScoreRecord(id=f"on-s{n}", name="q", value=1, step_id=f"s{n}"),
            ScoreRecord(id=f"on-t{n}", name="q", value=1, thread_id=f"t{n}"),
        )
        dataset = str(datasets.create(grant, name=f"set {n}").pk)
        [item] = datasets.add_items(grant, dataset, [NewItem(input=1, generation_id=f"g{n}", step_id=f"s{n}")])
        version, _ = prompts.publish(grant, f"prompt {n}", template=f"{n}", labels=["l"])
        about: dict[str, Any] = {"dataset_id": dataset, "prompt_version_id": str(version.public_id)}
        experiment = str(experiments.create(grant, name=f"try {n}", **about).pk)
        tried: dict[str, Any] = {"dataset_item_id": str(item.pk), "run_id": f"s{n}", "generation_id": f"g{n}"}
        result = experiments.add_item(grant, experiment, input=1, output=2, **tried)
        store(made, ScoreRecord(id=f"on-r{n}", name="q", value=1, experiment_item_id=str(result.pk)))
        queue = str(reviewing.create(grant, name=f"queue {n}", criteria=reviewing.parsed("safe: yes/no")).pk)
        reviewing.add(grant, queue, "generation", [f"g{n}"])
        reviewing.add(grant, queue, "step", [f"s{n}"])
        rule = evaluating.create(grant, name=f"rule {n}", kind="regex", options={"pattern": "x"})
        asked = {"name": f"check {n}", "dataset": dataset, "evaluators": [str(rule.pk)]}
        evaluating.start(grant, evaluating.asked(grant, asked))
        exporting.start(grant)
        retention.erase(grant, f"p{n}")
    Job.objects.filter(project=made.project).update(state=Job.State.FAILED)
    made.key(Scope.ADMIN)
    return made


@pytest.fixture
def rooms(door: Door) -> tuple[Door, Door]:
    """One of everything, and many."""
    made = filled("One", 1), filled("Many", MANY)
    for room in made:
        room.read("{ me { name } }")  # what a key is first asked for, and what is made once
    return made


def statements(ask: Callable[[str], object], what: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        ask(what)
    return len(asked)


def test_a_list_of_graphql_takes_as_many_statements_for_one_row_as_for_many(rooms: tuple[Door, Door]) -> None:
    schema = introspected(rooms[0])
    arguments = {f"Query.{name}": f'id: "{id}"' for name, id in ONE_ROW.items()}
    missing = (
        "export",
        "erasure",
        "datasetFill",
        "experiment",
        "reviewQueue",
        "evaluator",
        "evaluation",
        "evaluationEstimate",
    )
    arguments |= {f"Query.{name}": 'id: "none"' for name in missing}
    arguments |= {
        "Query.erasurePreview": 'participantId: "p0"',
        "Query.tag": 'name: "tag0"',
        "Query.promptVersion": 'name: "prompt 0"',
        "Query.dataset": 'name: "set 0"',
    }
    arguments |= {"Query.prompt": 'name: "prompt 0"', "Group.key": 'name: "model.id"'}
    arguments["Query.aggregateGenerations"] = 'groupBy: [{field: "model.id"}]'
    numbers = ("sum", "avg", "min", "max", "p50", "p90", "p95", "p99", "distinct")
    arguments |= {f"Group.{name}": 'field: "usage.totalTokens"' for name in numbers}
    more, seen = [], 0
    for edge in edges(schema, arguments):
        if len(edge.path) > 4 or "none" in edge.path[0] or edge.path[0].startswith("evaluationEstimate"):
            continue
        query = edge.query.replace("first: 3", f"first: {MANY}")
        one, many = (statements(room.read, query) for room in rooms)
        seen += 1
        if many > one:
            more.append((query, one, many))

    assert more == []
    assert seen > 200


def test_a_list_of_rest_takes_as_many_statements_for_one_row_as_for_many(rooms: tuple[Door, Door]) -> None:
    more = []
    lists = [path for path, methods in rest_door.get_openapi_schema()["paths"].items() if "get" in methods]
    for path in lists:
        if "{" not in path:
            one, many = (statements(Caller(room.project, room.key(Scope.ADMIN)).get, path) for room in rooms)
            if many > one:
                more.append((path, one, many))

    assert more == []
    assert len([path for path in lists if "{" not in path]) > 12
