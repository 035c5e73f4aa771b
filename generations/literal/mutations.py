"""The mutations of Literal AI's clients. Null means unchanged; an unknown id is null; what is answered is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils import timezone

from generations import bundles, datasets, experiments, identities, prompts, recording, records
from generations.access import Scope
from generations.ingest import feedback, literal
from generations.literal import earlier, nodes, queries
from generations.literal.ingesting import ingest, store
from generations.literal.loading import Context, participants_by_id, thread_nodes
from generations.literal.queries import Info, find_item, find_participant, one_step, selected
from generations.models import (
    Attachment,
    Feedback,
    Generation,
    Project,
    Prompt,
    PromptVersion,
    Score,
    Step,
    Thread,
)
from generations.records import InvalidRecord
from generations.retention import removing

Node = dict[str, Any]
_WHOLE_STEP: Final = frozenset({"input", "output", "error", "scores", "attachments", "generation"})


# ------------------------------------------------------------------------------------------------------------- steps
def ingest_step(_: Any, info: Info, **given: Any) -> Node:
    return ingest(info.context, [given])[0]


def create_step(_: Any, info: Info, **given: Any) -> Node | None:
    context = info.context
    context.grant.need(Scope.INGEST)
    id = identities.new_id()
    store(context, literal.step({**given, "id": id}, context.environment))
    return one_step(context, id, selected(info) | _WHOLE_STEP)


def update_step(_: Any, info: Info, **given: Any) -> Node | None:
    context = info.context
    context.grant.need(Scope.INGEST)
    if not Step.objects.by_ids(context.project.pk, "step", [given["id"]]).exists():
        return None
    store(context, literal.step(given, None))
    return one_step(context, given["id"], selected(info) | _WHOLE_STEP)


def delete_step(_: Any, info: Info, id: str) -> Node | None:
    return _deleted(info.context, "step", id)


def create_generation(_: Any, info: Info, generation: Any) -> Node:
    """A generation outside any step: an `llm` step of the same id is made around it, with its tags and metadata."""
    context = info.context
    context.grant.need(Scope.INGEST)
    given = generation if isinstance(generation, Mapping) else {}
    kind = given.get("type")
    id = str(given.get("id") or identities.new_id())
    around = {
        "id": id,
        "type": "llm",
        "name": kind or "",
        "error": given.get("error"),
        "tags": given.get("tags"),
        "metadata": given.get("metadata"),
        "generation": generation,
    }
    store(context, literal.step(around, context.environment))
    found = queries.one_generation(context, id)
    assert found is not None
    return found


# ----------------------------------------------------------------------------------------------- people and threads
def create_participant(_: Any, info: Info, identifier: str, metadata: Any = None) -> Node:
    """The participant of this identifier, made or completed: two callers at once get the same one."""
    context = info.context
    context.grant.need(Scope.INGEST)
    known = find_participant(context, None, identifier)
    id = identifier if known is None else known.public_id
    store(context, [literal.participant(id, {"identifier": identifier, "metadata": metadata})])
    return participants_by_id(context, [id])[id]


def update_participant(_: Any, info: Info, id: str, **given: Any) -> Node | None:
    context = info.context
    context.grant.need(Scope.INGEST)
    if find_participant(context, id, None) is None:
        return None
    store(context, [literal.participant(id, given)])
    return participants_by_id(context, [id])[id]


def delete_participant(_: Any, info: Info, id: str) -> Node | None:
    return _deleted(info.context, "participant", id)


def _stored_thread(info: Info, given: Mapping[str, Any]) -> Node:
    context = info.context
    user = given.get("participantId")
    if user:
        # Takes an id or an identifier; the writer makes whoever is not known yet.
        known = find_participant(context, user, None) or find_participant(context, None, user)
        given = {**given, "participantId": user if known is None else known.public_id}
    made = literal.thread(given, context.environment)
    store(context, [made])
    rows = list(Thread.objects.by_ids(context.project.pk, "thread", [made.id]))
    return thread_nodes(context, rows, selected(info))[0]


def create_thread(_: Any, info: Info, **given: Any) -> Node:
    info.context.grant.need(Scope.INGEST)
    return _stored_thread(info, {**given, "id": identities.new_id()})


def upsert_thread(_: Any, info: Info, **given: Any) -> Node:
    info.context.grant.need(Scope.INGEST)
    return _stored_thread(info, given)


def update_thread(_: Any, info: Info, **given: Any) -> Node:
    context = info.context
    context.grant.need(Scope.INGEST)
    if not Thread.objects.by_ids(context.project.pk, "thread", [given["id"]]).exists():
        raise recording.UnknownId("thread", given["id"])
    return _stored_thread(info, given)


def delete_thread(_: Any, info: Info, id: str) -> Node | None:
    return _deleted(info.context, "thread", id)


# ------------------------------------------------------------------------------------------- scores and attachments
def create_score(_: Any, info: Info, **given: Any) -> Node:
    context = info.context
    context.grant.need(Scope.INGEST)
    made = literal.score({**given, "id": identities.new_id()})
    store(context, [made, *feedback.voted([made])])
    return nodes.score(_one(context.project, Score, "score", str(made.id)), str(context.project.pk))


def update_score(_: Any, info: Info, id: str, value: float, **given: str | None) -> Node | None:
    """A vote that is changed. A comment of null leaves the old one, an empty one takes it away."""
    context = info.context
    context.grant.need(Scope.INGEST)
    row: Score | None = Score.objects.by_ids(context.project.pk, "score", [id]).first()
    if row is None:
        return None
    comment = given.get("comment")
    cleared = frozenset({"comment"}) if comment == "" else frozenset[str]()
    made = records.ScoreRecord(id=id, name=row.name, value=value, comment=comment or None, cleared=cleared)
    kept = row.comment if comment is None else comment or None
    vote = records.revised(bundles.score_record(row), value=value, label=None, comment=kept, created_at=timezone.now())
    store(context, [made, *feedback.voted([vote])])
    return nodes.score(_one(context.project, Score, "score", id), str(context.project.pk))


def delete_score(_: Any, info: Info, id: str) -> Node | None:
    """A vote that is taken back: it goes with the feedback that it was."""
    project = info.context.project
    row: Score | None = Score.objects.by_ids(project.pk, "score", [id]).first()
    deleted = _deleted(info.context, "score", id)
    if row is not None and row.generation_id is not None:
        said = Feedback.objects.in_project(project.pk).filter(generation_id=row.generation_id)
        ids = said.filter(public_id__startswith=f"{id}:").values_list("public_id", flat=True)
        recording.delete(project, "feedback", list(ids))
    return deleted


def create_attachment(_: Any, info: Info, **given: Any) -> Node:
    context = info.context
    context.grant.need(Scope.INGEST)
    made = literal.attachment({**given, "id": identities.new_id()})
    step: Step | None = Step.objects.by_ids(context.project.pk, "step", [given["stepId"]]).first()
    if step is not None:
        made = records.revised(made, thread_id=step.thread_id)
    store(context, [made])
    return nodes.attachment(_one(context.project, Attachment, "attachment", made.id), context.url)


def update_attachment(_: Any, info: Info, **given: Any) -> Node | None:
    context = info.context
    context.grant.need(Scope.INGEST)
    if not Attachment.objects.by_ids(context.project.pk, "attachment", [given["id"]]).exists():
        return None
    store(context, [literal.attachment(given)])
    return nodes.attachment(_one(context.project, Attachment, "attachment", given["id"]), context.url)


def delete_attachment(_: Any, info: Info, id: str) -> Node | None:
    return _deleted(info.context, "attachment", id)


def _deleted(context: Context, kind: str, id: str) -> Node | None:
    """The id of what was deleted; null for what was not there: the Python client makes False of it."""
    return {"id": id} if removing.erase(context.grant.need(Scope.WRITE), kind, id) else None


def _one(project: Project, model: Any, kind: str, id: str) -> Any:
    return model.objects.by_ids(project.pk, kind, [id]).get()


# --------------------------------------------------------------------------------------- datasets and experiments
def create_dataset(_: Any, info: Info, **given: Any) -> Node:
    made = datasets.create(
        info.context.grant,
        name=given["name"],
        description=given.get("description") or "",
        type=given.get("type") or "key_value",
        metadata=given.get("metadata"),
    )
    return nodes.dataset(made)


def update_dataset(_: Any, info: Info, id: str, **given: Any) -> Node:
    changes = {name: given.get(name) for name in ("name", "description", "metadata")}
    return nodes.dataset(datasets.update(info.context.grant, id, **changes))


def delete_dataset(_: Any, info: Info, id: str) -> Node:
    return nodes.dataset(datasets.delete(info.context.grant, id))


def create_dataset_item(_: Any, info: Info, **given: Any) -> Node:
    context = info.context
    item = datasets.NewItem(
        input=given["input"],
        expected_output=given.get("expectedOutput"),
        metadata=given.get("metadata"),
        generation_id=given.get("generationId"),
    )
    return nodes.dataset_item(datasets.add_items(context.grant, given["datasetId"], [item])[0])


def delete_dataset_item(_: Any, info: Info, id: str) -> Node | None:
    context = info.context
    row = find_item(context, id)
    if row is None:
        return None
    shown = nodes.dataset_item(row)
    datasets.remove_items(context.grant, str(row.dataset_id), [id])
    return shown


def add_step_to_dataset(_: Any, info: Info, **given: Any) -> Node:
    made = datasets.add_steps(info.context.grant, given["datasetId"], [given["stepId"]], given.get("metadata"))
    return nodes.dataset_item(made[0])


def add_generation_to_dataset(_: Any, info: Info, **given: Any) -> Node:
    """An item whose input and expected output are objects, as the clients read them, with the prompt's type."""
    context = info.context
    id = given["generationId"]
    row: Generation | None = Generation.objects.by_ids(context.project.pk, "generation", [id]).first()
    kind = {} if row is None else {"promptType": nodes.generation_type(row)}
    metadata = given.get("metadata") or {}
    if isinstance(metadata, Mapping):
        metadata = {**kind, **metadata}
    made = datasets.add_generations(context.grant, given["datasetId"], [id], metadata)
    return nodes.dataset_item(made[0])


def create_experiment(_: Any, info: Info, **given: Any) -> Node:
    made = experiments.create(
        info.context.grant,
        name=given["name"],
        dataset_id=given.get("datasetId"),
        prompt_version_id=given.get("promptExperimentId") or given.get("promptId"),
        params=given.get("params"),
    )
    return nodes.experiment(made)


def create_experiment_item(_: Any, info: Info, **given: Any) -> Node:
    made = experiments.add_item(
        info.context.grant,
        given["datasetExperimentId"],
        dataset_item_id=given.get("datasetItemId"),
        run_id=given.get("experimentRunId"),
        input=given.get("input"),
        output=given.get("output"),
    )
    return nodes.experiment_item(made)


# ------------------------------------------------------------------------------------------------------------ prompts
def create_prompt_lineage(_: Any, info: Info, name: str, description: str | None = None) -> Node:
    return queries.lineage_node(prompts.get_or_create(info.context.grant, name, description or ""))


def create_prompt_version(_: Any, info: Info, **given: Any) -> Node:
    context = info.context
    prompt = prompts.found(context.grant, given["lineageId"])
    if prompt is None:
        raise prompts.NoSuchPrompt(f"There is no prompt lineage '{records.shown(given['lineageId'])[1:-1]}' here.")
    made = _version(context, prompt, given)
    return queries.version_node(context, made, prompt)


def create_prompt_experiment(_: Any, info: Info, **given: Any) -> Node:
    """A variant: a draft below version 0 of its lineage, or of the one for variants without any."""
    context = info.context
    prompt = prompts.found(context.grant, given.get("fromLineageId") or "")
    prompt = prompt or prompts.get_or_create(context.grant, "Variants")
    made = _version(context, prompt, given, is_draft=True, metadata={"fromVersion": given.get("fromVersion")})
    return {
        "id": made.public_id,
        "fromLineageId": given.get("fromLineageId"),
        "fromVersion": given.get("fromVersion"),
        "scoreTemplateId": given.get("scoreTemplateId"),
        "projectId": str(context.project.pk),
        "projectUserId": None,
        "templateMessages": made.template_messages,
        "tools": made.tools,
        "settings": made.settings,
        "variables": [{"name": name, "language": "plaintext"} for name in made.inputs],
    }


def _version(context: Context, prompt: Prompt, given: Mapping[str, Any], **beside: Any) -> PromptVersion:
    content = literal.version(given)
    try:
        return prompts.add_version(context.grant, prompt, **content, **beside)
    except InvalidRecord as error:
        raise literal.of_version(error) from None


def update_prompt_lineage_rollout(_: Any, info: Info, name: str, rollouts: Any, **given: Any) -> Node:
    context = info.context
    prompt = prompts.named(context.grant, name)
    if prompt is None:
        return {"ok": False, "message": f"There is no prompt '{records.shown(name)[1:-1]}'.", "errorCode": "not_found"}
    prompts.roll_out(context.grant, prompt, [part for part in rollouts if isinstance(part, Mapping)])
    return {"ok": True, "message": None, "errorCode": None}


RESOLVERS: Final[dict[str, Callable[..., Any]]] = {
    **earlier.RESOLVERS,
    "ingestStep": ingest_step,
    "createStep": create_step,
    "updateStep": update_step,
    "deleteStep": delete_step,
    "createGeneration": create_generation,
    "createParticipant": create_participant,
    "updateParticipant": update_participant,
    "deleteParticipant": delete_participant,
    "createThread": create_thread,
    "upsertThread": upsert_thread,
    "updateThread": update_thread,
    "deleteThread": delete_thread,
    "createScore": create_score,
    "updateScore": update_score,
    "deleteScore": delete_score,
    "createAttachment": create_attachment,
    "updateAttachment": update_attachment,
    "deleteAttachment": delete_attachment,
    "createDataset": create_dataset,
    "updateDataset": update_dataset,
    "deleteDataset": delete_dataset,
    "createDatasetItem": create_dataset_item,
    "deleteDatasetItem": delete_dataset_item,
    "addStepToDataset": add_step_to_dataset,
    "addGenerationToDataset": add_generation_to_dataset,
    "createDatasetExperiment": create_experiment,
    "createDatasetExperimentItem": create_experiment_item,
    "createPromptLineage": create_prompt_lineage,
    "createPromptVersion": create_prompt_version,
    "createPromptExperiment": create_prompt_experiment,
    "updatePromptLineageRollout": update_prompt_lineage_rollout,
}
