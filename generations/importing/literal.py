"""A dump of what the `to_dict()` of Literal AI's Python client gives: threads, steps, generations, datasets and more.

The file is JSON Lines, one list, or one object with a list under each kind's name. An object is known by its kind's
name or by its own keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO, Final

from generations import datasets, importing, prompts, reading, records
from generations.access import Grant
from generations.importing import Act, Found, Line, Row
from generations.importing.datasets import take_in
from generations.ingest import feedback, literal
from generations.records import (
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    Json,
    Record,
    StepRecord,
)

MAX_DOCUMENT: Final = 256 << 20
KINDS: Final = ("threads", "steps", "generations", "participants", "scores", "attachments", "datasets", "prompts")
_NAMES: Final = {"users": "participants", "messages": "steps"}
_NOUNS: Final = {kind: kind[:-1] for kind in KINDS}
EXPECTED: Final = "what the client's to_dict() gives of a thread, step, generation, user, score, dataset, prompt"

Node = Mapping[str, Any]


def rows(file: BinaryIO) -> Iterator[Row]:
    """The objects of a file: its lines, or the one document that a file is whose first line only opens a bracket.

    A document is read whole, so it may have 256 MiB, as a line may; a larger dump is written as JSON Lines.
    """
    return importing.rows(_documents(file))


def _documents(file: BinaryIO) -> Iterator[Line]:
    lines = importing.lines(importing.opened(file), MAX_DOCUMENT)
    kept: list[bytes] = []
    size = 0
    for line in lines:
        if not kept and (line.refusal is not None or line.content.strip() not in (b"[", b"{")):
            yield line
            continue
        kept.append(line.content)
        size += len(line.content)
        if line.refusal is not None or size > MAX_DOCUMENT:
            too_long = InvalidRecord("document", f"over {MAX_DOCUMENT} bytes", "JSON Lines: one object on each line")
            yield Line(1, b"", line.refusal or too_long)
            return
    if kept:
        yield Line(1, b"".join(kept))


def read(value: Json) -> Iterator[Found]:
    """What is in a row, each part with its place in it."""
    yield from _everything(value, "", None)


def _everything(value: Json, place: str, kind: str | None) -> Iterator[Found]:
    if isinstance(value, list):
        for n, one in enumerate(value):
            yield from _everything(one, f"{place}[{n}]", kind)
        return
    if not isinstance(value, Mapping):
        yield _refused(place, InvalidRecord("line", value, EXPECTED))
        return
    if kind is None:
        named = {_NAMES.get(name, name): part for name, part in value.items()}
        if isinstance(value.get("data"), list) and not {"id", "name"} & set(value):
            yield from _everything(value["data"], f"{place}data", None)  # a page, as the client returns it
            return
        if any(name in KINDS and isinstance(part, list) for name, part in named.items()) and "id" not in value:
            for name, part in value.items():
                yield from _of_kind(name, part, place)
            return
        kind = _kind_of(value)
    try:
        yield from _one(kind, value, place)
    except InvalidRecord as problem:
        yield _refused(place, problem)


def _of_kind(name: str, part: Json, place: str) -> Iterator[Found]:
    kind = _NAMES.get(name, name)
    if kind in KINDS:
        yield from _everything(part, f"{place}{name}", kind)
    else:
        yield _refused(place, InvalidRecord(name, part, f"one of {', '.join(KINDS)}"))


def _kind_of(value: Node) -> str | None:
    """The kind of an object by its own keys: those that nothing else has."""
    if "templateMessages" in value:
        return "prompts"
    if "items" in value:
        return "datasets"
    if "steps" in value or "participant" in value:
        return "threads"
    if str(value.get("type")) in ("CHAT", "COMPLETION", "GenerationType.CHAT", "GenerationType.COMPLETION"):
        return "generations"
    if "startTime" in value or "parentId" in value or value.get("type") in literal.STEP_TYPES:
        return "steps"
    if "value" in value and value.get("type") in records.SCORE_TYPES:
        return "scores"
    if "objectKey" in value or "mime" in value:
        return "attachments"
    return "participants" if "identifier" in value else None


_KINDS: Final = {StepRecord: "steps", GenerationRecord: "generations", FeedbackRecord: "feedback"}


def _one(kind: str | None, value: Node, place: str) -> Iterator[Found]:
    if kind is None:
        raise InvalidRecord("line", list(value)[:8], EXPECTED)
    id = value.get("id")
    if not isinstance(id, str) or not id:
        raise InvalidRecord("id", id, "the id, so that importing again merges")
    if kind == "threads":
        yield from _thread(value, place)
    elif kind == "steps":
        yield from _step(value, place)
    elif kind == "generations":
        kind_name = str(value.get("type") or "").removeprefix("GenerationType.")
        yield _found(kind, literal.generation({**value, "type": kind_name}, StepRecord(id=id)), place)
    elif kind == "participants":
        seen = literal.moment(value.get("createdAt"), "createdAt")
        made_user = literal.participant(id, value)
        yield _found(kind, records.revised(made_user, seen_at=seen) if seen else made_user, place)
    elif kind == "scores":
        score = literal.score(value)
        yield _found(kind, score, place)
        for said in feedback.voted([score]):
            yield _found("feedback", said, place)
    elif kind == "attachments":
        yield _found(kind, _with_address(value, literal.attachment(value)), place)
    else:
        act = _dataset if kind == "datasets" else _prompt
        yield _found(kind, partial(act, value), place, str(value.get("name") or ""))


def _thread(value: Node, place: str) -> Iterator[Found]:
    user = value.get("participant")
    user = user if isinstance(user, Mapping) and user.get("id") else {}
    if user:
        yield _found("participants", literal.participant(str(user["id"]), user), place)
    made = literal.thread({**value, "participantId": user.get("id")}, _environment(value))
    started = literal.moment(value.get("createdAt"), "createdAt")
    yield _found("threads", records.revised(made, started_at=started) if started else made, place)
    yield from _everything(value.get("steps") or [], f"{place}.steps" if place else "steps", "steps")


def _step(value: Node, place: str) -> Iterator[Found]:
    for record in literal.step(value, _environment(value)):
        if isinstance(record, StepRecord):
            record = records.revised(record, attachments=tuple(_outside(value, record)))
        yield _found(_KINDS[type(record)], record, place)


def _outside(step: Node, made: StepRecord) -> Iterator[AttachmentRecord]:
    given = [one for one in step.get("attachments") or () if isinstance(one, Mapping)]
    for one, record in zip(given, made.attachments, strict=True):
        yield _with_address(one, record)


def _with_address(given: Node, made: AttachmentRecord) -> AttachmentRecord:
    """With the address that the dump has for its file: the file itself is not in the dump."""
    url = given.get("url")
    return records.revised(made, url=url) if isinstance(url, str) and url else made


def _environment(value: Node) -> str | None:
    given = value.get("environment")
    return given if isinstance(given, str) else None


def _found(kind: str, item: Record | Act, place: str, name: str = "") -> Found:
    noun = _NOUNS[kind]
    return Found(noun, item, partial(_sentence, noun, item, name), lambda path: f"{place}.{path}" if place else path)


def _refused(place: str, problem: InvalidRecord) -> Found:
    named = InvalidRecord(f"{place}.{problem.field}".lstrip("."), problem.value, problem.expected)
    return Found("", named, lambda: "")


def _sentence(noun: str, item: Record | InvalidRecord | Act, name: str) -> str:
    parts = [f"{noun} {getattr(item, 'id', '') or ''}".strip()]
    if title := getattr(item, "name", None) or name:
        parts.append(f"called “{title[:80]}”")
    if isinstance(item, StepRecord | GenerationRecord) and item.thread_id:
        parts.append(f"in thread {item.thread_id}")
    if isinstance(item, GenerationRecord):
        parts.append(f"by {item.model_id or 'an unknown model'}")
        parts.append(f"answered “{(reading.answered(item) or 'nothing')[:80]}”")
    return ", ".join(parts)


# ------------------------------------------------------------------------------------------------ datasets and prompts
def _dataset(value: Node, grant: Grant) -> list[str]:
    items = value.get("items") or []
    if not isinstance(items, list):
        raise InvalidRecord("items", items, "a list")
    new = [_item(one, f"items[{n}]") for n, one in enumerate(items)]
    try:
        return take_in(
            grant,
            str(value["id"]),
            name=str(value.get("name") or value["id"]),
            description=str(value.get("description") or ""),
            type=str(value.get("type") or "key_value"),
            metadata=value.get("metadata"),
            created_at=literal.moment(value.get("createdAt"), "createdAt"),
            items=new,
        )
    except datasets.BadDataset as problem:
        raise InvalidRecord(problem.field, problem.value, problem.expected) from None


def _item(value: Json, place: str) -> datasets.NewItem:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise InvalidRecord(place, value, "an item with an id and an input")
    return datasets.NewItem(
        id=value["id"],
        created_at=literal.moment(value.get("createdAt"), f"{place}.createdAt"),
        input=value.get("input"),
        expected_output=value.get("expectedOutput"),
        metadata=value.get("metadata"),
        intermediary_steps=value.get("intermediarySteps"),
        step_id=value.get("stepId"),
    )


def _prompt(value: Node, grant: Grant) -> list[str]:
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRecord("name", name, "the name of the prompt")
    if prompts.version(grant, str(value["id"])) is not None:
        return ["unchanged"]
    content = literal.version(value)
    if provider := value.get("provider"):
        content["settings"] = {**(content["settings"] or {}), "provider": provider}
    made_at = literal.moment(value.get("createdAt"), "createdAt")
    prompt = prompts.get_or_create(grant, name)
    try:
        made = prompts.add_version(grant, prompt, **content, id=str(value["id"]), created_at=made_at)
    except InvalidRecord as error:
        raise literal.of_version(error) from None
    return ["stored" if made.public_id == value["id"] else "unchanged"]
