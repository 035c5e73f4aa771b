"""What the OpenAPI page says of the documents: schemas made from the same tables by which they are read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from generations import filters
from generations.cleaning import MAX_BYTES, MAX_INT
from generations.ingest import rest_reading, values
from generations.ingest.rest_fields import (
    GENERATION,
    OWN_METADATA,
    READ_ONLY,
    Slot,
)

Schema = dict[str, Any]

OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_KINDS: Final[dict[Any, Schema]] = {
    values.text: {"type": "string"},
    values.error: {"type": "string"},
    values.step_error: {"type": "string"},
    values.identifier: {"type": "string"},
    values.currency: {"type": "string"},
    values.whole: {"type": "integer", "minimum": 0, "maximum": MAX_INT},
    values.size: {"type": "integer", "minimum": 0, "maximum": MAX_BYTES},
    values.number: {"type": "number"},
    values.positive: {"type": "number", "minimum": 0},
    values.rating: {"type": "number", "minimum": 1, "maximum": 5},
    values.money: {"type": "number", "minimum": 0},
    values.flag: {"type": "boolean"},
    values.moment: TIME,
    values.mapping: OBJECT,
    values.array: {"type": "array", "items": {}},
    values.objects: {"type": "array", "items": OBJECT},
    values.texts: {"type": "array", "items": {"type": "string"}},
    values.anything: {},
}
_SENT: Final[dict[Any, Schema]] = {
    values.identifier: {"type": ["string", "integer", "null"]},
    values.moment: {"type": ["string", "number", "null"]},
    values.money: {"type": ["number", "string", "null"], "minimum": 0},
}
"""What is taken in more forms than it is shown in."""
_PARTS: Final = {
    "output.alternatives": "Alternative",
    "feedback": "Feedback",
    "scores": "NestedScore",
    "attachments": "Attachment",
}
_SENTENCES: Final = {
    "id": "The caller's own id; one that is known already is merged into. Made when absent.",
    "timestamp": "When the call began: ISO 8601, or seconds or milliseconds since 1970. Shown in UTC.",
    "input.content": 'A text (the prompt), `{"messages": [...]}` or a list of messages (a chat), or any other JSON.',
    "output.content": "A text, a message with its role, or any other JSON.",
    "parameters": "The settings of the call. topP, maxTokens, stopSequences, presencePenalty and frequencyPenalty "
    "are also read by the names that OpenAI and Anthropic give them; any other name is kept as it is.",
    "usage.cost": "Reckoned from the model's price when absent, null when no price is known.",
    "usage.promptTokens": "Gross: with those read from and written to a cache.",
    "usage.completionTokens": "Gross: with those spent on reasoning.",
    "metadata": "requestId, userId, sessionId, functionId, workflowId, agentId and tags; any other name is yours.",
    "feedback": "The latest feedback.",
}


def ref(name: str) -> Schema:
    """A reference to a schema of the page."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(schema: Schema) -> Schema:
    """The schema of a page of a list."""
    return {
        "type": "object",
        "required": ["data", "page"],
        "additionalProperties": False,
        "properties": {"data": {"type": "array", "items": schema}, "page": ref("Page"), "count": ref("Count")},
    }


def sent(required: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """The schema of an object that is sent: no other names, and null for what is absent where it may be."""
    needed = set(required)
    return closed(required, **{n: one if n in needed else or_null(one) for n, one in properties.items()})


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    if "enum" in schema and None not in schema["enum"]:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else dict(schema)


def listed(schema: Schema) -> Schema:
    """The schema of all of a list at once."""
    return {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": schema}}}


def closed(required: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """The schema of an object with these names and no others."""
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


# ---------------------------------------------------------------------------------------------------- from the tables
def of_table(
    table: Mapping[str, Slot],
    *,
    sent: bool,
    required: Iterable[str] = (),
    own_metadata: Mapping[str, Slot] | None = None,
    sentences: Mapping[str, str] | None = None,
    leave_out: Iterable[str] = (),
) -> Schema:
    """The schema of the documents of a table: as they are shown, or, where null empties a field, as they are `sent`."""
    whole = closed(required)
    for path, slot in table.items():
        if path in leave_out:
            continue
        group, _, leaf = path.rpartition(".")
        place = whole["properties"]
        if group:
            place = place.setdefault(group, or_null(closed()) if sent else closed())["properties"]
        place[leaf] = _of_slot(path, slot, sent, own_metadata)
        if own_metadata is not None and path == "metadata":
            _describe(place[leaf]["properties"], sentences or {})
        if sent and path in whole["required"]:
            place[leaf] = {"type": "string", "minLength": 1}
        if sentences and path in sentences:
            place[leaf] = {**place[leaf], "description": sentences[path]}
    for name in sorted(READ_ONLY) if own_metadata is not None else ():
        whole["properties"][name] = {"description": "Ignored."} if sent else TIME
    return whole


def _describe(metadata: Schema, sentences: Mapping[str, str]) -> None:
    for name, schema in metadata.items():
        if sentence := sentences.get(f"metadata.{name}") or sentences.get(name):
            schema["description"] = sentence


def _of_slot(path: str, slot: Slot, sent: bool, own_metadata: Mapping[str, Slot] | None) -> Schema:
    if own_metadata is not None and path in _PARTS:
        part = ref(_PARTS[path] + ("Sent" if sent else ""))
        if path == "feedback":
            return {"anyOf": [part, {"type": "null"}]} if sent else part
        many: Schema = {"type": "array", "items": part}
        return or_null(many) if sent else many
    if own_metadata is not None and path == "metadata":
        own = {name: _of_slot(name, slot, sent, None) for name, slot in own_metadata.items()}
        open_: Schema = {"type": "object", "properties": own, "additionalProperties": True}
        return or_null(open_) if sent else open_
    if isinstance(slot.read, values.OneOf):
        choices: list[str | None] = list(slot.read.choices)
        return {"type": ["string", "null"], "enum": [*choices, None]} if sent else {"type": "string", "enum": choices}
    schema = _KINDS[slot.read]
    return dict(_SENT.get(slot.read) or or_null(schema)) if sent else dict(schema)


def sentences_of(kind: str) -> dict[str, str]:
    """What the catalogue says of the fields of a list, by their paths."""
    return {field.path: field.description for field in filters.fields(kind)}


def generation(*, sent: bool) -> Schema:
    made = of_table(
        GENERATION,
        sent=sent,
        required=() if sent else ("id", "model", "input", "output", "parameters", "usage", "metadata", "performance"),
        own_metadata=OWN_METADATA,
        sentences=sentences_of("generations") | _SENTENCES,
    )
    if sent:
        made["properties"]["id"] |= {"type": ["string", "integer", "null"], "minLength": 1, "maxLength": 512}
        for name in rest_reading.TEXTS:
            made["properties"][name] = {"anyOf": [made["properties"][name], {"type": "string"}]}
    return made
