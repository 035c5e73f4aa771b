"""The product's own JSON into records. Names are exact: an unknown one is refused with the nearest right one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from generations.identities import new_id
from generations.ingest import rest_content as contents
from generations.ingest import values
from generations.ingest.rest_fields import (
    ALTERNATIVE,
    ATTACHMENT,
    FEEDBACK,
    GENERATION,
    OWN_METADATA,
    OWN_STEP_METADATA,
    PARTICIPANT,
    READ_ONLY,
    SCORE,
    STEP,
    THREAD,
    Slot,
    groups,
    path_of,
)
from generations.ingest.rest_parameters import normalized
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    Json,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

TEXTS: Final = {"model": "id", "input": "content", "output": "content"}
"""Objects of a generation in whose place a text may stand, and what it is of them then."""
_REFERENCES: Final = ("generationId", "stepId", "threadId", "experimentItemId")


def generation(document: Json) -> GenerationRecord:
    """The generation that a document describes, with its scores, feedback, alternatives and attachments.

    One without an id gets a fresh one. Raises InvalidRecord, naming the exact path.
    """
    fields, cleared = generation_fields(document, infer_type=True)
    return GenerationRecord(**fields, cleared=frozenset(cleared))


def step(document: Json) -> StepRecord:
    """The step that a document describes. Raises InvalidRecord, naming the exact path."""
    found = _read(document, STEP, "step")
    id = _id_of(found)
    fields, cleared = _by_attribute(found, STEP, {"scores", "attachments", "metadata"})
    _split_metadata(found, OWN_STEP_METADATA, fields, cleared)
    fields["id"] = id
    fields["scores"] = _scores(found, step_id=id)
    fields["attachments"] = _attachments(found, step_id=id)
    return StepRecord(**fields, cleared=frozenset(cleared))


def thread(document: Json) -> ThreadRecord:
    """The thread that a document describes. Raises InvalidRecord, naming the exact path."""
    fields, cleared = _by_attribute(_read(document, THREAD, "thread"), THREAD, set())
    return ThreadRecord(**fields, cleared=frozenset(cleared))


def participant(document: Json) -> ParticipantRecord:
    """The participant that a document describes. Raises InvalidRecord, naming the exact path."""
    fields, cleared = _by_attribute(_read(document, PARTICIPANT, "participant"), PARTICIPANT, set())
    return ParticipantRecord(**fields, cleared=frozenset(cleared))


def feedback(generation_id: str, document: Json) -> FeedbackRecord:
    """The feedback on a generation that a document describes. Raises InvalidRecord when it says nothing."""
    record = _feedback(generation_id, document, "")
    if record.rating is None and record.thumbs is None and record.comment is None and not record.categories:
        raise InvalidRecord("feedback", document, "at least one of rating, thumbs, comment and categories")
    return record


def score(document: Json, path: str = "", **on: str) -> ScoreRecord:
    """The score that a document describes, on the generation, step or thread it names or that `on` names
    (`generation_id="..."`). Raises InvalidRecord when it has no name or is on nothing; `path` is where it stands."""
    prefix = f"{path}." if path else ""
    found = _read(document, SCORE, "score", prefix)
    fields, cleared = _by_attribute(found, SCORE, set())
    for name, value in on.items():
        if fields.setdefault(name, value) != value:
            raise InvalidRecord(path_of(name, SCORE), fields[name], f"{value!r}, as in the address, or nothing")
    if fields.get("name") is None:
        raise InvalidRecord(f"{prefix}name", None, "the name of what is judged")
    if not any(fields.get(slot.attribute) for path, slot in SCORE.items() if path in _REFERENCES):
        raise InvalidRecord("generationId", None, f"what the score is on: one of {', '.join(_REFERENCES)}")
    return ScoreRecord(**fields, cleared=frozenset(cleared))


def generation_fields(
    document: Json, *, infer_type: bool, known: GenerationRecord | None = None
) -> tuple[dict[str, Any], set[str]]:
    """Fields of the record that a document describes, and names of those it empties.

    `known` is the generation that they are said of, when there is one: a text that came back is then a message of a
    chat or a completion as that generation is one.
    """
    if isinstance(document, dict):
        for name, path in TEXTS.items():
            if isinstance(said := document.get(name), str):
                document = {**document, name: {path: said}}
    found = _read(document, GENERATION, "generation")
    id = known.id if known is not None else _id_of(found)
    for repeated, path in (("input.tokens", "usage.promptTokens"), ("output.tokens", "usage.completionTokens")):
        if found.get(path) is not None:
            found.pop(repeated, None)
    special = {"metadata", "feedback", "scores", "attachments", "output.alternatives", "parameters"}
    fields, cleared = _by_attribute(found, GENERATION, special)
    _split_metadata(found, OWN_METADATA, fields, cleared)
    _settle_content(found, fields, cleared, infer_type, known)
    fields["id"] = id
    parameters = found.get("parameters")
    if parameters:
        fields["parameters"] = normalized(parameters)
    for path, name in (("parameters", "parameters"), ("feedback", "feedback"), ("output.alternatives", "alternatives")):
        if path in found and found[path] is None:
            cleared.add(name)
    if found.get("feedback"):
        fields["feedback"] = _feedback(id, found["feedback"], "feedback.")
    if found.get("output.alternatives") is not None:
        fields["alternatives"] = tuple(
            _alternative(item, f"output.alternatives[{place}]", place)
            for place, item in enumerate(found["output.alternatives"])
        )
    fields["scores"] = _scores(found, generation_id=id)
    fields["attachments"] = _attachments(found, generation_id=id)
    return fields, cleared


# ----------------------------------------------------------------------------------------------- walking a document
def _read(document: Json, table: Mapping[str, Slot], what: str, prefix: str = "") -> dict[str, Any]:
    """Path to value, read and checked, None for an explicit null: also for each field of an object that is null."""
    if not isinstance(document, dict):
        raise InvalidRecord(prefix.rstrip(".") or what, document, "an object")
    known_groups = groups(table)
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in table:
            found[name] = None if value is None else table[name].read(value, prefix + name)
        elif name in known_groups:
            found.update(_read_group(name, value, table, prefix))
        elif name not in READ_ONLY or prefix:
            raise _unknown(prefix + name, value, table, prefix)
    return found


def _read_group(name: str, value: Json, table: Mapping[str, Slot], prefix: str) -> dict[str, Any]:
    if value is None:
        return {path: None for path in table if path.startswith(f"{name}.")}
    if not isinstance(value, dict):
        raise InvalidRecord(prefix + name, value, "an object")
    found: dict[str, Any] = {}
    for inner, item in value.items():
        path = f"{name}.{inner}"
        if path not in table:
            raise _unknown(prefix + path, item, table, prefix)
        found[path] = None if item is None else table[path].read(item, prefix + path)
    return found


def _unknown(path: str, value: Json, table: Mapping[str, Slot], prefix: str) -> values.UnknownField:
    known = [prefix + name for name in (*sorted(groups(table)), *table)]
    if table is GENERATION:
        known += [f"metadata.{name}" for name in OWN_METADATA] + [f"feedback.{name}" for name in FEEDBACK]
        known += ["parameters.temperature", "parameters.topP", "parameters.maxTokens"]
    elif table is STEP:
        known += [f"metadata.{name}" for name in OWN_STEP_METADATA]
    return values.UnknownField(path, value, known)


def _id_of(found: Mapping[str, Any]) -> str:
    if "id" not in found:
        return new_id()
    if not found["id"]:
        raise InvalidRecord("id", found["id"], "a text of 1 to 512 characters, or no id at all")
    return str(found["id"])


def _by_attribute(
    found: Mapping[str, Any], table: Mapping[str, Slot], special: set[str]
) -> tuple[dict[str, Any], set[str]]:
    fields: dict[str, Any] = {}
    cleared: set[str] = set()
    for path, value in found.items():
        if path in special or path == "id":
            continue
        if value is None:
            cleared.add(table[path].attribute)
        else:
            fields[table[path].attribute] = value
    if found.get("id") is not None:
        fields["id"] = found["id"]
    return fields, cleared - set(fields)


# -------------------------------------------------------------------------------------------------------- the parts
def _split_metadata(
    found: Mapping[str, Any], own: Mapping[str, Slot], fields: dict[str, Any], cleared: set[str]
) -> None:
    if "metadata" not in found:
        return
    metadata = found["metadata"]
    if metadata is None:
        cleared.update(("metadata", *(slot.attribute for slot in own.values())))
        return
    for name, slot in own.items():
        if name not in metadata:
            continue
        if metadata[name] is None:
            cleared.add(slot.attribute)
        else:
            fields[slot.attribute] = slot.read(metadata[name], f"metadata.{name}")
    callers = {name: value for name, value in metadata.items() if name not in own}
    if callers:
        fields["metadata"] = callers


def _settle_content(
    found: Mapping[str, Any],
    fields: dict[str, Any],
    cleared: set[str],
    infer_type: bool,
    known: GenerationRecord | None,
) -> None:
    names = ("type", *contents.SENT, *contents.RECEIVED)
    said = contents.Content(**{name: fields.pop(name) for name in names if name in fields})
    of_chat = known is not None and said.type is None and contents.content_of(known).type == "chat"
    if known is not None and known.message_completion is not None and of_chat and _is_text_alone(said):
        # The text of a chat's answer, whose role and calls stay as they are.
        said = replace(
            said, completion=None, message_completion={**known.message_completion, "content": said.completion}
        )
    settled = contents.settled(replace(said, type="chat") if of_chat else said, infer_type=infer_type)
    if of_chat:
        settled = replace(settled, type=None)
    fields.update(contents.fields_of(settled))
    # `input.content` is the whole of what was sent: what it does not say is no longer so.
    for path, forms in (("input.content", contents.SENT), ("output.content", contents.RECEIVED)):
        if path in found:
            cleared.update(forms)
    cleared.difference_update(name for name in names if name in fields)


def _is_text_alone(said: contents.Content) -> bool:
    return said.completion is not None and said.message_completion is None and said.output is None


def _feedback(generation_id: str, document: Json, prefix: str) -> FeedbackRecord:
    found = _read(document, FEEDBACK, "feedback", prefix)
    fields, cleared = _by_attribute(found, FEEDBACK, set())
    return FeedbackRecord(**fields, generation_id=generation_id, cleared=frozenset(cleared))


def _scores(found: Mapping[str, Any], **on: str) -> tuple[ScoreRecord, ...]:
    table = {path: slot for path, slot in SCORE.items() if path not in _REFERENCES}
    scores = []
    for place, item in enumerate(found.get("scores") or ()):
        prefix = f"scores[{place}]."
        fields, cleared = _by_attribute(_read(item, table, "score", prefix), table, set())
        if fields.get("name") is None:
            raise InvalidRecord(f"{prefix}name", None, "the name of what is judged")
        scores.append(ScoreRecord(**{**fields, **on}, cleared=frozenset(cleared)))
    return tuple(scores)


def _attachments(found: Mapping[str, Any], **on: str) -> tuple[AttachmentRecord, ...]:
    attachments = []
    for place, item in enumerate(found.get("attachments") or ()):
        prefix = f"attachments[{place}]."
        fields, cleared = _by_attribute(_read(item, ATTACHMENT, "attachment", prefix), ATTACHMENT, set())
        fields.setdefault("id", _of_what_it_is(fields, *on.values()))
        attachments.append(AttachmentRecord(**{**fields, **on}, cleared=frozenset(cleared)))
    return tuple(attachments)


def _of_what_it_is(fields: Mapping[str, Any], owner: str) -> str:
    """An id for an attachment that was given none: the same when it is sent again."""
    said = repr(sorted(fields.items())).encode("utf-8", "replace")
    return f"{owner[:400]}/{hashlib.blake2b(said, digest_size=12).hexdigest()}"


def _alternative(item: Json, path: str, place: int) -> Alternative:
    found = _read(item, ALTERNATIVE, "alternative", f"{path}.")
    fields, _ = _by_attribute(found, ALTERNATIVE, set())
    return Alternative(**{"index": place, **fields})
