"""The queries of Literal AI's clients: gate, filter, page, and one load for whatever a page needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from graphql import FieldNode, FragmentSpreadNode, GraphQLResolveInfo, SelectionSetNode

from generations import identities, paging, prompts
from generations.access import Scope
from generations.literal import filtering, nodes, ordering
from generations.literal.loading import (
    Context,
    generation_nodes,
    participant_nodes,
    score_nodes,
    step_nodes,
    thread_nodes,
)
from generations.models import Attachment, Generation, Participant, Step, Thread
from generations.models import Dataset as DatasetRow
from generations.models import DatasetItem as ItemRow

Node = dict[str, Any]
DEFAULT_FIRST: Final = 100
MAX_FIRST: Final = 1_000
Info = GraphQLResolveInfo[Context]


def selected(info: Info) -> frozenset[str]:
    """The names of all fields selected below a root field, at any depth."""
    names: set[str] = set()

    def visit(selections: SelectionSetNode | None) -> None:
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                names.add(node.name.value)
                visit(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                visit(info.fragments[node.name.value].selection_set)

    for node in info.field_nodes:
        visit(node.selection_set)
    return frozenset(names)


def connection(info: Info, kind: str, given: Mapping[str, Any], shape: Any, fields: frozenset[str]) -> Node:
    """A page of one of the lists, as `shape` makes nodes of its rows."""
    context: Context = info.context
    context.grant.need(Scope.READ)
    condition = filtering.condition(context.project, kind, given.get("filters"))
    order = filtering.order(kind, given.get("orderBy"))
    first = given.get("first") or given.get("last") or DEFAULT_FIRST
    limit = max(1, min(int(first), MAX_FIRST))
    after, before = given.get("after") or None, given.get("before") or None
    if order is not None and ordering.is_reckoned(kind, order):
        found: paging.Page | ordering.Page = ordering.page(
            kind, context.project.pk, condition, order=order, after=after, before=before, limit=limit
        )
    else:
        found = paging.page(kind, context.project.pk, condition, order=order, after=after, before=before, limit=limit)
    total = paging.count(kind, context.project.pk, condition).value if "totalCount" in fields else None
    return nodes.connection(
        shape(context, found.rows, fields),
        [found.cursor(row) for row in found.rows],
        total=total,
        has_next=found.next is not None,
        has_previous=found.previous is not None,
    )


def participants(_: Any, info: Info, **given: Any) -> Node:
    return connection(info, "participants", given, participant_nodes, selected(info))


def participant(_: Any, info: Info, id: str | None = None, identifier: str | None = None) -> Node | None:
    context: Context = info.context
    context.grant.need(Scope.READ)
    row = find_participant(context, id, identifier)
    return None if row is None else nodes.participant(row)


def find_participant(context: Context, id: str | None, identifier: str | None) -> Participant | None:
    """A participant by id or by identifier, in one query."""
    rows = Participant.objects.in_project(context.project.pk)
    if id:
        found: Participant | None = rows.filter(uid=identities.uid(context.project.pk, "participant", id)).first()
        return found
    if identifier:
        known: Participant | None = rows.filter(identifier=identifier).order_by("created_at", "uid").first()
        return known
    return None


def threads(_: Any, info: Info, **given: Any) -> Node:
    keep = given.get("stepTypesToKeep")

    def shape(context: Context, rows: Sequence[Thread], fields: frozenset[str]) -> list[Node]:
        return thread_nodes(context, rows, fields, keep)

    return connection(info, "threads", given, shape, selected(info))


def thread_detail(_: Any, info: Info, id: str) -> Node | None:
    context: Context = info.context
    context.grant.need(Scope.READ)
    rows = list(Thread.objects.by_ids(context.project.pk, "thread", [id]))
    return thread_nodes(context, rows, selected(info))[0] if rows else None


def steps(_: Any, info: Info, **given: Any) -> Node:
    return connection(info, "steps", given, step_nodes, selected(info))


def step(_: Any, info: Info, id: str) -> Node | None:
    context: Context = info.context
    context.grant.need(Scope.READ)
    return one_step(context, id, selected(info))


def one_step(context: Context, id: str, fields: frozenset[str]) -> Node | None:
    """A step by id; None when there is none."""
    rows = list(Step.objects.by_ids(context.project.pk, "step", [id]))
    return step_nodes(context, rows, fields)[0] if rows else None


def one_generation(context: Context, id: str) -> Node | None:
    """A generation by id; None when there is none."""
    rows = list(Generation.objects.by_ids(context.project.pk, "generation", [id]))
    return generation_nodes(context, rows, frozenset())[0] if rows else None


def generations(_: Any, info: Info, **given: Any) -> Node:
    return connection(info, "generations", given, generation_nodes, selected(info))


def scores(_: Any, info: Info, **given: Any) -> Node:
    return connection(info, "scores", given, score_nodes, selected(info))


def attachment(_: Any, info: Info, id: str) -> Node | None:
    context: Context = info.context
    context.grant.need(Scope.READ)
    row = Attachment.objects.by_ids(context.project.pk, "attachment", [id]).first()
    return None if row is None else nodes.attachment(row, context.url)


def datasets(_: Any, info: Info, **given: Any) -> Node:
    def shape(context: Context, rows: Sequence[DatasetRow], fields: frozenset[str]) -> list[Node]:
        return [nodes.dataset(row) for row in rows]

    return connection(info, "datasets", given, shape, selected(info))


def dataset_item(_: Any, info: Info, id: str) -> Node | None:
    context: Context = info.context
    context.grant.need(Scope.READ)
    row = find_item(context, id)
    return None if row is None else nodes.dataset_item(row)


def find_item(context: Context, id: str) -> ItemRow | None:
    """An item of the project by its id, whichever version it is of."""
    if not identities.is_uuid(id):
        return None
    return ItemRow.objects.filter(dataset__project=context.project, pk=id, removed_in=None).first()


def prompt_lineage(_: Any, info: Info, name: str) -> Node | None:
    context: Context = info.context
    found = prompts.named(context.grant, name)
    return None if found is None else lineage_node(found)


def lineage_node(row: Any) -> Node:
    """A prompt, as a lineage."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description or None,
        "deletedAt": nodes.moment(row.deleted_at),
    }


def version_node(context: Context, row: Any, prompt: Any) -> Node:
    """A version with its lineage. The clients look for the playground at the end of `url`."""
    return {
        "id": row.public_id,
        "createdAt": nodes.moment(row.created_at),
        "updatedAt": nodes.moment(row.created_at),
        "version": row.version,
        "type": "COMPLETION" if row.template_messages is None and row.template is not None else "CHAT",
        "label": row.labels[0] if row.labels else None,
        "status": None,
        "tags": row.tags,
        "url": f"{context.base.rstrip('/')}/projects/{context.project.pk}/playground"
        f"?name={quote(prompt.name)}&version={row.version}",
        "versionDesc": row.description or None,
        "templateMessages": row.template_messages or [],
        "tools": row.tools,
        "settings": row.settings,
        "variables": [{"name": name, "language": "plaintext"} for name in row.inputs],
        "variablesDefaultValues": row.input_defaults,
        "lineage": lineage_node(prompt),
    }


def prompt_version(
    _: Any, info: Info, id: str | None = None, name: str | None = None, version: int | None = None
) -> Node:
    context: Context = info.context
    row: Any = None
    prompt: Any = None
    if id:
        row = prompts.version(context.grant, id)
        prompt = None if row is None else prompts.found(context.grant, str(row.prompt_uid))
    elif name:
        prompt = prompts.named(context.grant, name)
        row = None if prompt is None else prompts.drawn(context.grant, prompt, version)
    if row is None or prompt is None:
        # The Python client falls over null with an AttributeError; an error it shows as it is.
        wanted = f"id '{id}'" if id else f"name '{name}'" + ("" if version is None else f" and version {version}")
        raise prompts.NoSuchPrompt(f"There is no prompt of {wanted} in this project.")
    return version_node(context, row, prompt)


def prompt_lineage_rollout(_: Any, info: Info, **given: Any) -> Node | None:
    context: Context = info.context
    prompt = prompts.named(context.grant, given["lineageName"])
    return None if prompt is None else rollout_node(prompt)


def rollout_node(prompt: Any) -> Node:
    """The weights of a prompt's versions."""
    parts = [part for part in prompt.rollout if part["rollout"] > 0]
    return nodes.connection(parts, [str(part["version"]) for part in parts])


RESOLVERS: Final = {
    "participants": participants,
    "participant": participant,
    "threads": threads,
    "threadDetail": thread_detail,
    "steps": steps,
    "step": step,
    "generations": generations,
    "scores": scores,
    "attachment": attachment,
    "datasets": datasets,
    "datasetItem": dataset_item,
    "promptLineage": prompt_lineage,
    "promptVersion": prompt_version,
    "promptLineageRollout": prompt_lineage_rollout,
}
