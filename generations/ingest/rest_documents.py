"""The product's own JSON, records into JSON: what REST answers, exports hold and the pages show as raw JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from generations.ingest.rest_content import content_of
from generations.ingest.rest_fields import (
    ALTERNATIVE,
    ATTACHMENT,
    FEEDBACK,
    GENERATION,
    OWN_METADATA,
    OWN_STEP_METADATA,
    PATHS,
    SCORE,
    STEP,
    STEP_PATHS,
    Slot,
    groups,
)
from generations.ingest.rest_parameters import normalized
from generations.ingest.values import iso, nearest
from generations.reading import compact
from generations.records import FeedbackRecord, GenerationRecord, InvalidRecord, Json, ScoreRecord, StepRecord

ALWAYS: Final = ("model", "input", "output", "parameters", "usage", "metadata", "performance")
"""Objects that every generation has, empty when nothing of them is known."""

FIRST: Final = ("id", "timestamp", "type", "name")

_FREE: Final = ("metadata", "parameters", "variables", "requestAttributes", "responseAttributes", "attributes")
"""Objects with names of the caller's own, any of which `fields` may name."""

_ON: Final = ("generationId", "stepId", "threadId", "experimentItemId")


def document(
    record: GenerationRecord,
    fields: Sequence[str] | None = None,
    *,
    created_at: dt.datetime | None = None,
    updated_at: dt.datetime | None = None,
) -> dict[str, Json]:
    """The generation as JSON. What is not known has no name in it.

    `fields` leaves only these paths (`input`, `usage.cost`, `metadata.plan`), in the order of the whole document;
    `check_fields` says whether they exist.
    """
    content = content_of(record)
    own: dict[str, Any] = {
        "type": content.type,
        "input.content": content.sent,
        "output.content": content.received,
        "output.alternatives": [_flat(a, ALTERNATIVE) for a in record.alternatives or ()] or None,
        "parameters": normalized(record.parameters or {}),
        "metadata": _metadata(record, OWN_METADATA),
        "feedback": (_flat(record.feedback, FEEDBACK) or None) if record.feedback else None,
        "scores": [_score(s) for s in record.scores] or None,
        "messages": content.messages,
        "messageCompletion": content.message_completion,
        "prompt": content.prompt,
        "completion": content.completion,
        "attachments": [_flat(a, ATTACHMENT) for a in record.attachments] or None,
    }
    found = _nested(record, GENERATION, own)
    first = {name: found.get(name, {}) for name in (*FIRST, *ALWAYS) if name in found or name in ALWAYS}
    whole = first | found
    _stamp(whole, created_at, updated_at)
    return whole if fields is None else picked(whole, fields)


def step_document(
    record: StepRecord,
    fields: Sequence[str] | None = None,
    *,
    created_at: dt.datetime | None = None,
    updated_at: dt.datetime | None = None,
) -> dict[str, Json]:
    """The step as JSON. What is not known has no name in it."""
    own: dict[str, Any] = {
        "metadata": _metadata(record, OWN_STEP_METADATA),
        "scores": [_score(s) for s in record.scores] or None,
        "attachments": [_flat(a, ATTACHMENT) for a in record.attachments] or None,
    }
    whole = _nested(record, STEP, own)
    whole.setdefault("performance", {})
    _stamp(whole, created_at, updated_at)
    return whole if fields is None else picked(whole, fields)


def score_document(record: ScoreRecord) -> dict[str, Json]:
    """The score as JSON, with the id of what it is on."""
    return _flat(record, SCORE)


def feedback_document(record: FeedbackRecord) -> dict[str, Json]:
    """The feedback as JSON, with the id of the generation it is on."""
    on = {} if record.generation_id is None else {"generationId": record.generation_id}
    return _flat(record, FEEDBACK) | on


def picked(document: Mapping[str, Json], fields: Iterable[str]) -> dict[str, Json]:
    """The part of a document that `fields` name, in the document's own order."""
    wanted = set(fields)
    result: dict[str, Json] = {}
    for name, value in document.items():
        if name in wanted:
            result[name] = value
        elif isinstance(value, Mapping):
            inner = {path.removeprefix(f"{name}.") for path in wanted if path.startswith(f"{name}.")}
            if inner:
                result[name] = picked(value, inner)
    return result


def check_fields(fields: object, *, steps: bool = False) -> tuple[str, ...] | None:
    """The paths in `fields` (a list of them, or a text with commas); None when there are none.

    Raises InvalidRecord for one that no document has, with the nearest that it may have.
    """
    if fields is None or fields == "" or fields == []:
        return None
    names = fields.split(",") if isinstance(fields, str) else fields
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InvalidRecord("fields", fields, "a list of paths such as input, usage.cost, metadata.plan")
    known = STEP_PATHS if steps else PATHS
    tables = groups(STEP if steps else GENERATION) | ({"metadata"} if steps else {"metadata", "feedback"})
    checked = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    for name in checked:
        free = name.partition(".")[0] in _FREE and not name.endswith(".")
        if name not in known and name not in tables and not free:
            raise InvalidRecord("fields", name, f"a path of the document; {nearest(name, (*known, *tables))}")
    return checked or None


def needs(fields: Sequence[str] | None, *, steps: bool = False) -> frozenset[str]:
    """Which parts beside the row of facts a document of these fields is made from: some of payload, alternatives,
    scores, feedback and attachments. Lists that show only facts need not read the rest."""
    if fields is None:
        return frozenset({"payload", "scores", "attachments"} | (set() if steps else {"alternatives", "feedback"}))
    needed: set[str] = set()
    for name in fields:
        head = name.partition(".")[0]
        if name == "output" and not steps:
            needed |= {"payload", "alternatives"}
        elif name == "output.alternatives":
            needed.add("alternatives")
        elif head in ("scores", "feedback", "attachments"):
            needed.add(head)
        elif head in _PAYLOAD or name in ("output.content", "usage", "usage.costArithmetic"):
            needed.add("payload")
    return frozenset(needed)


_PAYLOAD: Final = frozenset(
    {
        "type", "input", "output", "messages", "messageCompletion", "prompt", "completion", "variables", "tools",
        "logprobs", "attributes", "errorDetail", "events",
    }
)  # fmt: skip
"""Names whose documents need the payload; `type` does where it was never said."""


# ------------------------------------------------------------------------------------------------------------ the parts
def _nested(record: object, table: Mapping[str, Slot], own: Mapping[str, Any]) -> dict[str, Json]:
    whole: dict[str, Json] = {}
    for path, slot in table.items():
        if path in own:
            value = own[path]
        else:
            value = getattr(record, slot.attribute)
            value = None if value is None else slot.write(value)
        if value is None:
            continue
        group, _, leaf = path.rpartition(".")
        if group:
            whole.setdefault(group, {})[leaf] = value
        else:
            whole[leaf] = value
    return whole


def _flat(record: object, table: Mapping[str, Slot]) -> dict[str, Json]:
    """The fields of a small record; those that are empty lists or objects are left out as if not known."""
    shown = {}
    for path, slot in table.items():
        value = getattr(record, slot.attribute)
        if value is not None and value != () and value != {}:
            shown[path] = slot.write(value)
    return shown


def _score(record: ScoreRecord) -> dict[str, Json]:
    return {name: value for name, value in _flat(record, SCORE).items() if name not in _ON}


def _metadata(record: GenerationRecord | StepRecord, own: Mapping[str, Slot]) -> dict[str, Json]:
    known = {name: getattr(record, slot.attribute) for name, slot in own.items()}
    return metadata_of({name: value for name, value in known.items() if value is not None}, own, record.metadata)


def metadata_of(
    known: Mapping[str, Any], own: Mapping[str, Slot], metadata: Mapping[str, Json] | None
) -> dict[str, Json]:
    """The caller's metadata with the record's `own` fields that are `known`, which come first."""
    callers = dict(metadata or {})
    shown: dict[str, Json] = {}
    for name, slot in own.items():
        value = known.get(name)
        # Other wire formats may have left one of these names in the free metadata: the field comes first.
        left = callers.pop(name, None)
        if value is None or (len(value) == 0 and name == "tags"):
            value = left if left is None else _labels(left) if name == "tags" else _text(left)
        if value is not None and value != ():
            shown[name] = slot.write(value)
    return shown | callers


def _labels(value: Json) -> tuple[str, ...]:
    return tuple(_text(item) for item in value) if isinstance(value, list | tuple) else (_text(value),)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else compact(value)


def _stamp(whole: dict[str, Json], created_at: dt.datetime | None, updated_at: dt.datetime | None) -> None:
    if created_at is not None:
        whole["createdAt"] = iso(created_at)
    if updated_at is not None:
        whole["updatedAt"] = iso(updated_at)
