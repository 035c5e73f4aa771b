"""Changes to a generation that is stored: a document that is merged into it, or `{"$set": {...}}`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from generations.ingest.rest_documents import document as document_of
from generations.ingest.rest_fields import FEEDBACK, OWN_METADATA
from generations.ingest.rest_reading import generation_fields
from generations.records import GenerationRecord, InvalidRecord, Json

MERGED: Final = {
    "metadata": "metadata",
    "parameters": "parameters",
    "variables": "variables",
    "requestAttributes": "request_attributes",
    "responseAttributes": "response_attributes",
    "attributes": "attributes",
    "feedback": "feedback",
}
"""Objects that are merged key by key, to any depth, and the field of each."""

MAX_DEPTH: Final = 100


@dataclass(slots=True)
class _Change:
    """The document to read, and which of its merged objects stand for the whole of what is stored."""

    document: dict[str, Json] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)


def amendment(id: str, document: Json, stored: GenerationRecord | None = None) -> GenerationRecord:
    """What a change says of the generation `id`.

    A plain document is merged: absent leaves, null empties, and the objects with free names (metadata, parameters,
    attributes, variables) and the feedback are merged key by key, where null removes a key (RFC 7396). With
    `{"$set": {...}}` an object of those replaces the stored one, and null is a value like others; a dotted path
    (`usage.cost`, `metadata.plan`) sets that alone, in both. Feedback that is set whole is a new one, and the old one
    stays in the history.

    `stored` is the generation as it stands; without it only the first level of the free objects is merged.
    Raises InvalidRecord for what no generation can say, or when the document names another id.
    """
    change = _change(document, None if stored is None else document_of(stored))
    _check_null(change.document, stored)
    if change.document.get("id", id) != id:
        raise InvalidRecord("id", change.document["id"], f"{id!r}, as in the address, or nothing")
    known = stored if stored is not None else GenerationRecord(id=id)
    fields, cleared = generation_fields({**change.document, "id": id}, infer_type=False, known=known)
    _follow(fields, cleared, known)
    for name in change.whole - {"feedback"}:
        cleared.add(MERGED[name])
        fields.setdefault(MERGED[name], {} if change.document[name] is not None else None)
        if name == "metadata":
            cleared.update(slot.attribute for slot in OWN_METADATA.values() if slot.attribute not in fields)
    return GenerationRecord(**fields, cleared=frozenset(cleared))


def _check_null(document: dict[str, Json], stored: GenerationRecord | None) -> None:
    """Null empties the feedback that is shown, in its place; what are rows of their own is not emptied by it."""
    for name in ("scores", "attachments"):
        if name in document and document[name] is None:
            raise InvalidRecord(name, None, "a list; what is in it is added or changed, and nothing is taken away")
    if "feedback" in document and document["feedback"] is None and stored is not None and stored.feedback is not None:
        document["feedback"] = dict.fromkeys(FEEDBACK.keys() - {"timestamp"}) | {"id": stored.feedback.id}


def _follow(fields: dict[str, Any], cleared: set[str], known: GenerationRecord) -> None:
    """A number of a version alone is one of the prompt that is stored; what is emptied, or another prompt's, no longer
    has the version that was."""
    said = {"prompt_name", "prompt_version", "prompt_version_id"} & (fields.keys() | cleared)
    if said == {"prompt_version"} <= fields.keys():
        fields["prompt_name"] = known.prompt_name
    elif said == {"prompt_version"}:
        cleared.add("prompt_version_id")
    elif said == {"prompt_name"} and known.prompt_name not in (None, fields.get("prompt_name")):
        cleared |= {"prompt_version", "prompt_version_id"}


def _change(document: Json, stored: dict[str, Json] | None) -> _Change:
    if not isinstance(document, dict):
        raise InvalidRecord("generation", document, "an object")
    operators = [name for name in document if name.startswith("$")]
    if not operators:
        return _gathered(document, stored, is_set=False)
    for name in document:
        if name.startswith("$") and name != "$set":
            raise InvalidRecord(name, document[name], "$set, or the fields that change")
        if name != "$set":
            raise InvalidRecord(name, document[name], "it within $set, or no $set")
    if not isinstance(document["$set"], dict):
        raise InvalidRecord("$set", document["$set"], "an object")
    return _gathered(document["$set"], stored, is_set=True)


def _gathered(given: dict[str, Json], stored: dict[str, Json] | None, *, is_set: bool) -> _Change:
    change = _Change()
    for name, value in given.items():
        head, _, path = name.partition(".")
        if head in MERGED:
            _merge_into(change, head, path.split(".") if path else [], value, stored, is_set)
        elif path:
            group = change.document.setdefault(head, {})
            if not isinstance(group, dict) or path in group:
                raise InvalidRecord(name, value, "each path once")
            group[path] = value
        elif isinstance(change.document.get(name), dict):
            raise InvalidRecord(name, value, "each path once")
        else:
            change.document[name] = dict(value) if isinstance(value, dict) else value
    return change


def _merge_into(
    change: _Change, head: str, path: list[str], value: Json, stored: dict[str, Json] | None, is_set: bool
) -> None:
    if any(not part for part in path) or len(path) > MAX_DEPTH:
        raise InvalidRecord(f"{head}.{'.'.join(path)}"[:200], value, "names between the dots")
    if not path and (value is None or not isinstance(value, dict)):
        change.document[head] = value
        return
    if head in change.document and not path:
        raise InvalidRecord(head, value, "each path once")
    if head not in change.document:
        base = (stored or {}).get(head) or {}
        change.document[head] = dict(base)
        if stored is not None:
            change.whole.add(head)
    if not path and is_set:
        change.document[head] = dict(value)
        change.whole.add(head)
    elif is_set:
        change.document[head] = _with(change.document[head], path, value)
    else:
        patch: Json = value
        for part in reversed(path):
            patch = {part: patch}
        change.document[head] = _merged(change.document[head], patch, own=_own(head), removes=stored is not None)


def _own(head: str) -> frozenset[str]:
    """Names whose null has to reach the reader: they are fields, and emptied rather than removed."""
    return frozenset(OWN_METADATA if head == "metadata" else FEEDBACK if head == "feedback" else ())


def _with(base: Json, path: list[str], value: Json) -> dict[str, Json]:
    first, *rest_of_path = path
    kept = dict(base) if isinstance(base, dict) else {}
    kept[first] = _with(kept.get(first), rest_of_path, value) if rest_of_path else value
    return kept


def _merged(base: Json, patch: Json, *, own: frozenset[str] = frozenset(), removes: bool, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidRecord("metadata", "…", f"at most {MAX_DEPTH} levels of nesting")
    if not isinstance(patch, dict):
        return patch
    kept = dict(base) if isinstance(base, dict) else {}
    for name, value in patch.items():
        if value is None and removes and name not in own:
            kept.pop(name, None)
        else:
            kept[name] = _merged(kept.get(name), value, removes=removes, depth=depth + 1)
    return kept
