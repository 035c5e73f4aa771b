"""Whatever is read at the GraphQL door: with the scope that it needs, of the project of the key, and of no other."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model

from generations import evaluating, exporting, gathering, prompts, retention
from generations.access import Scope
from generations.exporting import schedules
from generations.models import Dataset, Prompt
from generations.records import GenerationRecord, ScoreRecord, StepRecord
from tests.asking import Door, store
from tests.test_graphql_collections import experiment, queue
from tests.test_graphql_guards import ENOUGH, guard_of, root_fields

pytestmark = pytest.mark.django_db

QUERIES: dict[str, tuple[str, Any]] = {
    "project": ("project { slug }", {"slug": "there"}),
    "me": ("me { projects { nodes { slug } } }", {"projects": {"nodes": [{"slug": "there"}]}}),
    "generations": ("generations { nodes { id } }", {"nodes": []}),
    "steps": ("steps { nodes { id } }", {"nodes": []}),
    "threads": ("threads { nodes { id } }", {"nodes": []}),
    "participants": ("participants { nodes { id } }", {"nodes": []}),
    "scores": ("scores { nodes { id } }", {"nodes": []}),
    "exports": ("exports { nodes { id } }", {"nodes": []}),
    "erasures": ("erasures { nodes { id } }", {"nodes": []}),
    "tags": ("tags { nodes { name } }", {"nodes": []}),
    "datasets": ("datasets { nodes { id } }", {"nodes": []}),
    "experiments": ("experiments { nodes { id } }", {"nodes": []}),
    "prompts": ("prompts { nodes { id } }", {"nodes": []}),
    "reviewQueues": ("reviewQueues { nodes { id } }", {"nodes": []}),
    "evaluations": ("evaluations { nodes { id } }", {"nodes": []}),
    "evaluators": ("evaluators { id }", []),
    "exportSchedules": ("exportSchedules { id }", []),
    "keys": ("keys { name }", [{"name": "admin"}]),
    "aggregateGenerations": (
        'aggregateGenerations(groupBy: [{field: "model.id"}]) { groups { count } }',
        {"groups": []},
    ),
    "generation": ('generation(id: "g") { id }', None),
    "step": ('step(id: "st") { id }', None),
    "thread": ('thread(id: "th") { id }', None),
    "participant": ('participant(id: "ann") { id }', None),
    "score": ('score(id: "s") { id }', None),
    "tag": ('tag(name: "t") { name }', None),
    "export": ('export(id: "$EXPORT") { id }', None),
    "erasure": ('erasure(id: "$ERASURE") { id }', None),
    "erasurePreview": ('erasurePreview(participantId: "ann") { exact }', "NOT_FOUND"),
    "dataset": ('dataset(id: "$DATASET") { id }', None),
    "datasetFill": ('datasetFill(id: "$FILL") { datasetId kind }', None),
    "experiment": ('experiment(id: "$EXPERIMENT") { id }', None),
    "prompt": ('prompt(id: "$PROMPT") { id }', None),
    "promptVersion": ('promptVersion(name: "answer") { id }', None),
    "reviewQueue": ('reviewQueue(id: "$QUEUE") { id }', None),
    "evaluator": ('evaluator(id: "$EVALUATOR") { id }', None),
    "evaluation": ('evaluation(id: "$EVALUATION") { id }', None),
    "evaluationEstimate": ('evaluationEstimate(input: {evaluators: ["$EVALUATOR"]}) { items }', "BAD_INPUT"),
}
"""Each root field with a call that finds something here, and what another project is told: data, or a code."""


@pytest.fixture
def here() -> Door:
    made = Door.of("Here")
    for scope in Scope:
        made.key(scope)
    return made


@pytest.fixture
def call(here: Door, request: pytest.FixtureRequest) -> str:
    """The call that is tried, with the ids of what there is."""
    store(
        here,
        GenerationRecord(
            id="g", completion="Yes", model_id="m", tags=("t",), thread_id="th", user_id="ann",
            scores=(ScoreRecord(id="s", name="n", value=1),),
        ),
        StepRecord(id="st"),
    )  # fmt: skip
    prompts.publish(here.grant, "answer", template="Answer {{name}}")
    evaluator = evaluating.create(here.grant, name="long", kind="regex", options={"pattern": "..."})
    schedules.create(here.grant, {"name": "There", "destination": "there"})
    rows: dict[str, Model] = {
        "$EXPERIMENT": experiment(here),
        "$DATASET": Dataset.objects.get(),
        "$PROMPT": Prompt.objects.get(),
        "$QUEUE": queue(here, "g"),
        "$FILL": gathering.into_dataset(here.grant, str(Dataset.objects.get().pk), kind="steps", document={}),
        "$EXPORT": exporting.start(here.grant),
        "$ERASURE": retention.erase(here.grant, "ann"),
        "$EVALUATOR": evaluator,
        "$EVALUATION": evaluating.start(here.grant, evaluating.asked(here.grant, {"evaluators": ["long"]})),
    }
    text = QUERIES[request.getfixturevalue("name")][0]
    for word, row in rows.items():
        text = text.replace(word, str(row.pk))
    return f"{{ {text} }}"


def test_every_query_is_tried_here() -> None:
    assert set(QUERIES) == set(root_fields("Query"))


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_answered_to_its_project_alone(here: Door, name: str, call: str) -> None:
    there = Door.of("There")
    guard = guard_of(root_fields("Query")[name])
    assert guard is not None

    for scope in Scope:
        answer = here.ask(call, token=here.key(scope))
        if guard.scope is None or scope in ENOUGH[guard.scope]:
            assert (answer.errors, answer.data[name] in (None, [], {"nodes": []})) == ([], False), scope
        else:
            assert (answer.data or {name: None}) == {name: None}, scope
            assert answer.codes == ["FORBIDDEN"], scope
    for token in ("", "gen_nobody's"):
        unknown = here.ask(call, token=token)
        assert (unknown.status, unknown.data, unknown.codes) == (401, None, ["UNAUTHENTICATED"])
    elsewhere = there.ask(call)
    if isinstance(code := QUERIES[name][1], str):
        assert elsewhere.codes == [code]
    else:
        assert (elsewhere.errors, elsewhere.data[name]) == ([], QUERIES[name][1])
