"""Nothing of the GraphQL door is open that was not opened: every root field has a guard, and every guard holds."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from generations import datasets, evaluating, experiments, exporting, gathering, prompts, retention
from generations.access import Scope
from generations.exporting import schedules
from generations.graphql.guards import Guard
from generations.graphql.schema import schema
from generations.models import ApiKey, Job, Project
from generations.records import GenerationRecord, ScoreRecord, StepRecord
from tests.asking import Door, store

MUTATIONS: dict[str, tuple[Scope, str]] = {
    "createGeneration": (Scope.INGEST, 'createGeneration(id: "new", input: {name: "x"}) { id }'),
    "updateGeneration": (Scope.WRITE, 'updateGeneration(id: "g", set: {name: "x"}) { id }'),
    "deleteGeneration": (Scope.WRITE, 'deleteGeneration(id: "g") { id }'),
    "createScore": (Scope.WRITE, 'createScore(on: {generationId: "g"}, input: {name: "n", value: 1}) { id }'),
    "updateScore": (Scope.WRITE, 'updateScore(id: "s", set: {value: 9}) { id }'),
    "deleteScore": (Scope.WRITE, 'deleteScore(id: "s") { id }'),
    "addFeedback": (Scope.INGEST, 'addFeedback(generationId: "g", input: {rating: 1}) { id }'),
    "addTags": (Scope.WRITE, 'addTags(kind: GENERATION, ids: ["g"], tags: ["x"]) { changed }'),
    "removeTags": (Scope.WRITE, 'removeTags(kind: GENERATION, ids: ["g"], tags: ["t"]) { changed }'),
    "createTag": (Scope.WRITE, 'createTag(name: "new") { name }'),
    "updateTag": (Scope.WRITE, 'updateTag(name: "t", colour: "red") { name }'),
    "createDataset": (Scope.WRITE, 'createDataset(name: "new") { id }'),
    "updateDataset": (Scope.WRITE, 'updateDataset(id: "$DATASET", name: "new") { id }'),
    "deleteDataset": (Scope.WRITE, 'deleteDataset(id: "$DATASET") { id }'),
    "archiveDataset": (Scope.WRITE, 'archiveDataset(id: "$DATASET") { id }'),
    "addDatasetItems": (Scope.WRITE, 'addDatasetItems(datasetId: "$DATASET", generationIds: ["g"]) { items { id } }'),
    "removeDatasetItems": (Scope.WRITE, 'removeDatasetItems(datasetId: "$DATASET", itemIds: ["$ITEM"]) { removed }'),
    "updateDatasetItem": (Scope.WRITE, 'updateDatasetItem(id: "$ITEM", set: {split: "test"}) { id }'),
    "fillDataset": (Scope.WRITE, 'fillDataset(datasetId: "$DATASET", input: {generations: {}}) { id }'),
    "cancelDatasetFill": (Scope.READ, 'cancelDatasetFill(id: "$FILL") { id }'),
    "putThread": (Scope.WRITE, 'putThread(id: "new", input: {name: "new"}) { id }'),
    "putParticipant": (Scope.WRITE, 'putParticipant(id: "w", input: {identifier: "new"}) { id }'),
    "deleteStep": (Scope.WRITE, 'deleteStep(id: "st") { id }'),
    "deleteThread": (Scope.WRITE, 'deleteThread(id: "th") { id }'),
    "createExperiment": (Scope.WRITE, 'createExperiment(name: "new", items: [{input: 1}]) { id }'),
    "addExperimentItems": (
        Scope.WRITE,
        'addExperimentItems(experimentId: "$EXPERIMENT", items: [{input: 1, scores: [{name: "n", value: 1}]}]) { id }',
    ),
    "deleteExperiment": (Scope.WRITE, 'deleteExperiment(id: "$EXPERIMENT") { id }'),
    "createPromptVersion": (Scope.WRITE, 'createPromptVersion(name: "new", input: {template: "x"}) { id }'),
    "movePromptLabels": (
        Scope.WRITE,
        'movePromptLabels(name: "$PROMPT", labels: [{name: "prod", version: 0}]) { id }',
    ),
    "createEvaluator": (Scope.WRITE, 'createEvaluator(name: "new", kind: "exact") { id }'),
    "updateEvaluator": (Scope.WRITE, 'updateEvaluator(id: "$EVALUATOR", name: "new") { id }'),
    "archiveEvaluator": (Scope.WRITE, 'archiveEvaluator(id: "$EVALUATOR") { id }'),
    "triggerEvaluator": (Scope.WRITE, 'triggerEvaluator(id: "$EVALUATOR", share: 5) { id }'),
    "startEvaluation": (Scope.WRITE, 'startEvaluation(input: {evaluators: ["$EVALUATOR"]}) { id }'),
    "tryEvaluation": (
        Scope.WRITE,
        'tryEvaluation(input: {of: "dataset", dataset: "$DATASET", evaluators: ["$JUDGE"]}) { title }',
    ),
    "cancelEvaluation": (Scope.READ, 'cancelEvaluation(id: "$EVALUATION") { id }'),
    "startExport": (Scope.READ, "startExport(format: JSONL) { id }"),
    "retryExport": (Scope.READ, 'retryExport(id: "$EXPORT") { id }'),
    "cancelExport": (Scope.READ, 'cancelExport(id: "$EXPORT") { id }'),
    "generate": (Scope.WRITE, 'generate(input: {model: "ngram:", prompt: "The", maxTokens: 1}) { generationId }'),
    "score": (Scope.WRITE, 'score(input: {model: "ngram:", prompt: "The", values: " sea"}) { generationId }'),
    "createExportSchedule": (
        Scope.ADMIN,
        'createExportSchedule(input: {name: "new", destination: "new"}) { id }',
    ),
    "updateExportSchedule": (Scope.ADMIN, 'updateExportSchedule(id: "$SCHEDULE", input: {paused: true}) { id }'),
    "deleteExportSchedule": (Scope.ADMIN, 'deleteExportSchedule(id: "$SCHEDULE") { id }'),
    "runExportSchedule": (Scope.ADMIN, 'runExportSchedule(id: "$SCHEDULE") { id }'),
    "startErasure": (Scope.ADMIN, 'startErasure(participantId: "u") { id }'),
    "cancelErasure": (Scope.READ, 'cancelErasure(id: "$ERASURE") { id }'),
    "createKey": (Scope.ADMIN, 'createKey(name: "new") { token }'),
    "revokeKey": (Scope.ADMIN, 'revokeKey(id: "$KEY") { id }'),
}
"""Each mutation with the scope that it needs, and a call that would change something."""

ENOUGH = {
    Scope.INGEST: (Scope.INGEST, Scope.WRITE, Scope.ADMIN),
    Scope.READ: (Scope.READ, Scope.WRITE, Scope.ADMIN),
    Scope.WRITE: (Scope.WRITE, Scope.ADMIN),
    Scope.ADMIN: (Scope.ADMIN,),
}


def root_fields(name: str) -> dict[str, Any]:
    kind: Any = schema._schema.type_map[name]
    return {field: about.extensions["strawberry-definition"] for field, about in kind.fields.items()}


def guard_of(field: Any) -> Guard | None:
    return next((one for one in field.extensions if isinstance(one, Guard)), None)


@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_every_root_field_has_a_guard(root: str) -> None:
    unguarded = [name for name, field in root_fields(root).items() if guard_of(field) is None]

    assert unguarded == []


def test_every_mutation_is_tried_here_with_the_scope_that_it_declares() -> None:
    declared = {name: guard.scope for name, field in root_fields("Mutation").items() if (guard := guard_of(field))}

    assert declared == {name: scope for name, (scope, _) in MUTATIONS.items()}


def test_all_of_the_query_but_who_asks_needs_a_scope() -> None:
    declared = {name: guard.scope for name, field in root_fields("Query").items() if (guard := guard_of(field))}

    assert {name for name, scope in declared.items() if scope is None} == {"me"}
    assert {name for name, scope in declared.items() if scope is Scope.ADMIN} == {"keys", "erasurePreview"}
    assert set(declared.values()) == {None, Scope.READ, Scope.ADMIN}


@pytest.fixture
def door() -> Door:
    made = Door.of("Guards")
    store(
        made,
        GenerationRecord(
            id="g", user_id="u", completion="Yes", tags=("t",), scores=(ScoreRecord(id="s", name="n", value=1),)
        ),
        StepRecord(id="st", thread_id="th"),
    )
    for scope in Scope:
        made.key(scope)
    return made


@pytest.fixture
def call(door: Door, request: pytest.FixtureRequest) -> str:
    """The call of the mutation that is tried, with the ids of what there is."""
    dataset = datasets.create(door.grant, name="Set")
    [item] = datasets.add_generations(door.grant, str(dataset.pk), ["g"])
    job = exporting.start(door.grant)
    schedule = schedules.create(door.grant, {"name": "There", "destination": "there"})
    evaluator = evaluating.create(door.grant, name="long", kind="regex", options={"pattern": "..."})
    judge = evaluating.create(door.grant, name="kind", kind="judge", options={"model": "ngram:", "criterion": "kind"})
    evaluation = evaluating.start(door.grant, evaluating.asked(door.grant, {"evaluators": [str(evaluator.pk)]}))
    key = ApiKey.objects.get(project=door.project, name=Scope.READ.value)
    experiment = experiments.create(door.grant, name="Run")
    store(door, StepRecord(id="of another", user_id="v"))
    erasure = retention.erase(door.grant, "v")
    fill = gathering.into_dataset(door.grant, str(dataset.pk), kind="generations", document={})
    prompts.publish(door.grant, "$PROMPT", template="Hello")
    text = MUTATIONS[request.getfixturevalue("name")][1]
    rows: dict[str, Model] = {
        "$DATASET": dataset, "$ITEM": item, "$EXPORT": job, "$KEY": key, "$SCHEDULE": schedule,
        "$EVALUATOR": evaluator, "$JUDGE": judge, "$EVALUATION": evaluation,
        "$EXPERIMENT": experiment, "$ERASURE": erasure, "$FILL": fill,
    }  # fmt: skip
    for word, row in rows.items():
        text = text.replace(word, str(row.pk))
    return f"mutation {{ {text} }}"


def everything(but: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables but those of one project, without what a look at a key leaves behind."""
    models: list[type[Model]] = list(apps.get_app_config("generations").get_models())
    return {
        model.__name__: [
            {column: value for column, value in row.items() if column != "last_used_at"}
            for row in model._default_manager.order_by("pk").values()
            if but is None or but not in (row.get("project_id"), row["id"] if model is Project else None)
        ]
        for model in models
    }


@pytest.mark.django_db
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_without_its_scope_or_a_key_changes_nothing(door: Door, name: str, call: str) -> None:
    needed = MUTATIONS[name][0]
    before = everything()

    for scope in Scope:
        if scope not in ENOUGH[needed]:
            refused = door.ask(call, token=door.key(scope))
            assert (refused.data, refused.codes) == ({name: None}, ["FORBIDDEN"])
            assert f"'{needed}'" in refused.errors[0]["message"]
    for token in ("", "gen_nobody's"):
        unknown = door.ask(call, token=token)
        assert (unknown.status, unknown.data, unknown.codes) == (401, None, ["UNAUTHENTICATED"])

    assert everything() == before


NAMING_A_ROW = [
    name
    for name, (_, text) in MUTATIONS.items()
    if any(w in text for w in ('"g"', '"s"', '"t"', '"u"', '"st"', '"th"', "$"))
]


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMING_A_ROW)
def test_a_mutation_of_another_projects_rows_changes_nothing(door: Door, name: str, call: str) -> None:
    other = Door.of("Elsewhere")
    other.key(Scope.ADMIN)
    before = everything(other.project.pk)

    answer = other.ask(call)

    # What an input names is a value that is wrong, as in a document that REST is sent.
    refused = "BAD_INPUT" if name in ("startEvaluation", "tryEvaluation") else "NOT_FOUND"
    assert answer.codes == [refused] or answer.data == {name: {"changed": 0}}
    assert everything(other.project.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_with_its_scope_changes_something(
    door: Door, name: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.tasks.run_job.delay", lambda job: None)
    before = everything()

    answer = door.ask(call, token=door.key(MUTATIONS[name][0]))

    if name in ("cancelExport", "cancelEvaluation", "cancelErasure", "cancelDatasetFill"):
        # Whoever only reads may cancel what they started themselves.
        assert answer.codes == ["FORBIDDEN"]
        answer = door.ask(call, token=door.key(Scope.ADMIN if name == "cancelErasure" else Scope.WRITE))
    assert (answer.status, answer.errors) == (200, [])
    assert everything() != before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "{ generations { nodes { id } } }",
        '{ generation(id: "g") { id } }',
        "{ aggregateGenerations { groups { count } } }",
        "{ exports { nodes { id } } }",
        "{ evaluators { id } }",
        "{ evaluations { nodes { id } } }",
        "{ project { slug } }",
    ],
)
def test_a_key_that_may_only_send_reads_nothing(door: Door, query: str) -> None:
    answer = door.ask(query, token=door.key(Scope.INGEST))

    assert (answer.status, answer.codes) == (403, ["FORBIDDEN"]) or answer.data == {"generation": None}


@pytest.mark.django_db
def test_keys_are_listed_to_administrators_only(door: Door) -> None:
    assert door.ask("{ keys { name } }", token=door.key(Scope.WRITE)).codes == ["FORBIDDEN"]
    assert len(door.read("{ keys { name } }")["keys"]) == len(Scope)
    assert Job.objects.count() == 0
