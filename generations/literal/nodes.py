"""Rows as the nodes that Literal AI's clients read. Some of them raise over a whole page for one odd value: none is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from generations import reading
from generations.bundles import Bundle, StepBundle
from generations.ingest import literal
from generations.models import (
    Attachment,
    Dataset,
    DatasetItem,
    Experiment,
    ExperimentItem,
    Generation,
    Participant,
    Score,
    Step,
    Thread,
)

Node = dict[str, Any]
Url = Callable[[Attachment], str | None]

_ROLES: Final = frozenset({"user", "assistant", "tool", "function", "system"})
_ROLE_OF: Final = {"developer": "system", "human": "user", "ai": "assistant", "model": "assistant"}
_STEP_TYPE_OF: Final = {"agent": "run", "chain": "run"}


def moment(value: dt.datetime | None) -> str | None:
    """A moment as the clients read it: ISO 8601, UTC, microseconds, Z."""
    if value is None:
        return None
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def participant(row: Participant, **more: Any) -> Node:
    """A participant. `metadata` is never null: the Python client would raise."""
    return {
        "id": row.public_id,
        "identifier": row.identifier,
        "metadata": row.metadata,
        "createdAt": moment(row.created_at),
        "lastEngaged": moment(row.last_seen_at),
        **more,
    }


def thread(row: Thread, **more: Any) -> Node:
    """A thread; its participant and steps are given beside it when they are asked for."""
    return {
        "id": row.public_id,
        "name": row.name,
        "metadata": literal.without_secrets(row.metadata),
        "tags": row.tags,
        "createdAt": moment(row.started_at),
        **more,
    }


def step(found: StepBundle, project_id: str, url: Url, generation: Bundle | None = None) -> Node:
    """A step with its scores, attachments and generation."""
    row, payload = found.step, found.payload
    kind = _STEP_TYPE_OF.get(row.type, row.type)
    return {
        "id": row.public_id,
        "threadId": row.thread_id,
        "rootRunId": row.root_id,
        "parentId": row.parent_id,
        "name": row.name,
        "type": kind if kind in literal.STEP_TYPES else "undefined",
        "startTime": None if row.start_assumed else moment(row.started_at),
        "endTime": moment(row.ended_at),
        "createdAt": moment(row.created_at),
        "error": row.error if payload is None or payload.error_detail is None else payload.error_detail,
        "input": None if payload is None else payload.input,
        "output": None if payload is None else payload.output,
        "metadata": row.metadata,
        "environment": row.environment,
        "tags": row.tags,
        "scores": [score(s, project_id) for s in found.scores],
        "feedback": next((vote(s) for s in reversed(found.scores) if s.name == literal.VOTE), None),
        "attachments": [attachment(a, url) for a in found.attachments],
        "generation": None if generation is None else generation_node(generation, project_id),
    }


def step_shape(row: Step) -> Node:
    """A step without what hangs on it."""
    return step(StepBundle(row), "", lambda _: None)


def score(row: Score, project_id: str) -> Node:
    """A score. The clients need a number: one without a value is 0 to them, with its label beside it."""
    return {
        "id": row.public_id,
        "projectId": project_id,
        "stepId": row.step_id or row.generation_id,
        "generationId": row.generation_id,
        "datasetExperimentItemId": row.experiment_item_id,
        "name": row.name,
        "type": row.type,
        "value": row.value if row.value is not None else 0.0,
        "label": row.label,
        "scorer": row.author,
        "comment": row.comment,
        "tags": row.tags,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def vote(row: Score) -> Node:
    """A user's vote, as clients before 0.0.4 read it."""
    strategy = row.metadata.get("strategy")
    value = row.value if row.value is not None else 0.0
    ids = {"id": row.public_id, "stepId": row.step_id, "threadId": row.thread_id}
    return {**ids, "value": value, "comment": row.comment, "strategy": strategy or "BINARY"}


def attachment(row: Attachment, url: Url) -> Node:
    """An attachment, with a URL that works now."""
    return {
        "id": row.public_id,
        "stepId": row.step_id,
        "threadId": row.thread_id,
        "metadata": row.metadata,
        "mime": row.mime,
        "name": row.name,
        "objectKey": row.storage_key,
        "url": url(row),
    }


def generation_type(row: Generation) -> str:
    """The one of the two types that the clients know."""
    return "CHAT" if row.type == "chat" else "COMPLETION"


def generation_node(found: Bundle, project_id: str) -> Node:
    """A generation. Messages are made such as the Python client's own checks accept."""
    row, payload = found.generation, found.payload
    is_chat = generation_type(row) == "CHAT"
    prompt = completion = messages = answer = None
    if payload is not None:
        prompt, completion = payload.prompt, payload.completion
        messages = None if payload.messages is None else [message(m) for m in payload.messages]
        answer = None if payload.message_completion is None else message(payload.message_completion)
        if payload.input is not None and prompt is None and messages is None:
            prompt = reading.text_of(payload.input)
        if payload.output is not None and completion is None and answer is None:
            completion = reading.text_of(payload.output)
        if is_chat and answer is None and completion is not None:
            answer = {"role": "assistant", "content": completion}
    error = row.error if payload is None or payload.error_detail is None else payload.error_detail
    return {
        "id": row.public_id,
        "projectId": project_id,
        "type": generation_type(row),
        "provider": row.provider,
        "model": row.model_id,
        "error": error,
        "createdAt": moment(row.started_at),
        "stepId": row.step_id or row.public_id,
        "prompt": prompt,
        "completion": completion,
        "messages": messages,
        "messageCompletion": answer,
        "variables": None if payload is None else payload.variables,
        "tools": None if payload is None else payload.tools,
        "settings": row.parameters,
        "tokenCount": row.total_tokens,
        "inputTokenCount": row.prompt_tokens,
        "outputTokenCount": row.completion_tokens,
        "ttFirstToken": None if row.time_to_first_token is None else row.time_to_first_token * 1000,
        "tokenThroughputInSeconds": row.tokens_per_second,
        "duration": row.latency,
        "tags": row.tags,
        "metadata": row.metadata,
    }


def message(given: Any) -> Node:
    """A message in the form that both clients read: known roles, content as text, or parts of text and image."""
    if not isinstance(given, Mapping):
        return {"role": "user", "content": reading.text_of(given)}
    role = str(given.get("role") or "user")
    content = given.get("content", given.get("parts"))
    if isinstance(content, list):
        content = [part for part in map(_part, content) if part is not None]
    elif content is not None and not isinstance(content, str):
        content = reading.text_of(content)
    known = _ROLE_OF.get(role, role)
    return {**given, "role": known if known in _ROLES else "user", "content": content}


def _part(part: Any) -> Node | None:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        return None
    image = part.get("image_url")
    if part.get("type") == "image_url" and image is not None:
        return {**part, "image_url": {"url": image} if isinstance(image, str) else image}
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return dict(part)
    return {"type": "text", "text": reading.text_of(part)}


def dataset(row: Dataset) -> Node:
    """A dataset without its items."""
    return {
        "id": str(row.pk),
        "createdAt": moment(row.created_at),
        "name": row.name,
        "description": row.description,
        "metadata": row.metadata,
        "type": row.type,
    }


def dataset_item(row: DatasetItem) -> Node:
    """An item. Its id is its key, which stays the same when the item is edited."""
    return {
        "id": str(row.pk),
        "createdAt": moment(row.created_at),
        "datasetId": str(row.dataset_id),
        "metadata": row.metadata,
        "input": row.input,
        "expectedOutput": row.expected_output,
        "intermediarySteps": row.intermediary_steps,
        "stepId": row.step_id or row.generation_id,
    }


def experiment(row: Experiment) -> Node:
    """An experiment. `params` stays null when none were given: the clients tell null from empty."""
    return {
        "id": str(row.pk),
        "createdAt": moment(row.created_at),
        "name": row.name,
        "datasetId": None if row.dataset_id is None else str(row.dataset_id),
        "promptExperimentId": row.prompt_version_id,
        "params": row.params,
    }


def experiment_item(row: ExperimentItem) -> Node:
    """One result of an experiment."""
    return {
        "id": str(row.pk),
        "datasetExperimentId": str(row.experiment_id),
        "datasetItemId": None if row.dataset_item_id is None else str(row.dataset_item_id),
        "experimentRunId": row.run_id,
        "input": row.input,
        "output": row.output,
    }


def connection(rows: Iterable[Node], cursors: Iterable[str], **info: Any) -> Node:
    """A page of nodes. `hasNextPage` is always a boolean: null breaks the Python client."""
    edges = [{"cursor": cursor, "node": node} for node, cursor in zip(rows, cursors, strict=True)]
    return {
        "edges": edges,
        "totalCount": info.get("total"),
        "pageInfo": {
            "hasNextPage": bool(info.get("has_next")),
            "hasPreviousPage": bool(info.get("has_previous")),
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }
