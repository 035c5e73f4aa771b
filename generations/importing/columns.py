"""Calls to models out of the columns of a table: which column is which field, and the record that a row makes.

A field is a path of the documents that REST speaks (`usage.promptTokens`, `metadata.plan`), or one of a few that only
tables have: a provider's whole request and response, a system prompt, a time in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from generations.exporting.columns import Type, type_of
from generations.importing import Found, Reader
from generations.importing.calls import sentence
from generations.importing.tables import Cells, parsed
from generations.ingest import files, rest, values
from generations.ingest.rest_fields import FEEDBACK, GENERATION, OWN_METADATA, PATHS, READ_ONLY, Slot
from generations.ingest.rest_reading import generation_fields
from generations.records import GenerationRecord, InvalidRecord, Json, merge

COLLECTING: Final = ("metadata", "parameters", "variables", "requestAttributes", "responseAttributes", "attributes")
"""Fields that several columns may be: each adds what it holds under its own name, and an object adds all of its."""
OFFERED: Final = {
    "input.content": "Input",
    "messages": "Messages",
    "system": "System prompt",
    "output.content": "Output",
    "request": "Request (JSON)",
    "response": "Response (JSON)",
    "error": "Error",
    "model.id": "Model",
    "model.provider": "Provider",
    "timestamp": "Time",
    "endTimestamp": "End",
    "performance.latency": "Latency, seconds",
    "milliseconds": "Latency, milliseconds",
    "performance.timeToFirstToken": "Time to first token, seconds",
    "usage.promptTokens": "Input tokens",
    "usage.completionTokens": "Output tokens",
    "usage.totalTokens": "Total tokens",
    "usage.cachedTokens": "Cached tokens",
    "usage.cost": "Cost",
    "metadata.userId": "User",
    "threadId": "Thread",
    "metadata.sessionId": "Session",
    "metadata.tags": "Tags",
    "promptVersion.name": "Prompt",
    "promptVersion.version": "Prompt version",
    "variables": "Variable",
    "parameters": "Setting",
    "environment": "Environment",
    "release": "Release",
    "feedback.rating": "Rating, 1 to 5",
    "feedback.thumbs": "Thumbs, up or down",
    "feedback.comment": "Comment",
    "name": "Name",
    "id": "Id",
    "metadata": "Metadata",
    "": "Leave out",
}
"""What a column is mostly, and how people call it."""
SHAPE: Final = "row of a table"
_OWN: Final = ("request", "response", "system", "milliseconds")
_SAID: Final = ("input.content", "messages", "prompt", "output.content", "completion", "request", "response", "error")
_OTHERWISE: Final = {"request": "input.content", "messages": "input.content", "response": "output.content"}
"""What a column of such a name is when it holds nothing of the kind."""
_GUESSES: Final = (
    ("messages", r"messages|conversations?|dialog(ue)?|chat|turns"),
    ("system", r"system(_(prompt|message|instructions?))?"),
    ("request", r"requests?(_(body|json|payload))?"),
    ("response", r"responses?(_(body|json|payload))?"),
    ("input.content", r"inputs?|(user_)?(prompt|message|input|query)|question|instruction|text|prompt_text|input_text"),
    ("output.content", r"(model_)?outputs?|completion|answer|reply|assistant|generat(ion|ed_text)|result|output_text"),
    ("model.id", r"model(_(id|name))?|engine|deployment"),
    ("model.provider", r"(model_)?(provider|vendor)"),
    ("timestamp", r"(time(stamp)?|started|created|asked|sent|requested|logged)(_at)?|start(_time)?|date(_?time)?"),
    ("endTimestamp", r"end(ed|_time|_timestamp)?(_at)?|(finished|completed)_at"),
    ("performance.latency", r"(latency|duration|elapsed|response_time)(_s(ec(onds)?)?)?"),
    ("milliseconds", r"(latency|duration|elapsed|response_time)_?(ms|millis(econds)?)"),
    ("performance.timeToFirstToken", r"ttft|time_to_first_token"),
    ("usage.promptTokens", r"(prompt|input)_tokens?|tokens?_(in|input|prompt)"),
    ("usage.completionTokens", r"(completion|output)_tokens?|tokens?_(out|output|completion)"),
    ("usage.totalTokens", r"(total_)?tokens|total_token_count|tokens_total"),
    ("usage.cachedTokens", r"cached_((prompt|input)_)?tokens"),
    ("usage.cost", r"(total_)?cost(_usd)?|price"),
    ("metadata.userId", r"user(_?(id|name))?|end_user|customer(_id)?|participant(_id)?"),
    ("threadId", r"thread(_id)?|conversation_id|chat_id"),
    ("metadata.sessionId", r"session(_id)?"),
    ("metadata.requestId", r"request_id"),
    ("metadata.tags", r"tags?|labels?"),
    ("promptVersion.name", r"(prompt|template)_name"),
    ("promptVersion.version", r"prompt_version(_number)?"),
    ("promptVersion.id", r"prompt_version_id"),
    ("variables", r"(prompt_|template_)?variables"),
    ("parameters", r"parameters|params|settings|temperature|top_p|max_(output_|completion_)?tokens|seed|stop"),
    ("environment", r"env(ironment)?"),
    ("release", r"release|app_version"),
    ("feedback.rating", r"rating|stars"),
    ("feedback.thumbs", r"thumbs?"),
    ("feedback.comment", r"comment|feedback"),
    ("error", r"error(_message)?|exception"),
    ("name", r"name"),
    ("id", r"(generation_|call_)?id|uuid"),
)


# ------------------------------------------------------------------------------------------------------------- mapping
def guess(columns: Sequence[str], rows: Iterable[Cells]) -> dict[str, str]:
    """A field for each column by its name, and where names are not enough by what the first rows hold.

    What nothing is known of is metadata; where nothing seems to be the input, the first such column is.
    """
    first, plain = list(rows), {name: _plain(name) for name in columns}
    # A table that was exported here names its columns by their paths, of which some are words of everybody's.
    is_own = any("." in name and _is_path(name) for name in columns)
    roles: dict[str, str] = {}
    for name in columns:
        field = _guessed(plain[name])
        if _is_path(name) and (is_own or field == "metadata"):
            field = name
        cells = [row[name] for row in first if row.get(name) not in (None, "")]
        if field == "id" and not is_own and any(str(cell).isdecimal() for cell in cells):
            # Rows that are merely numbered would be those of the next file that is numbered.
            field = "metadata"
        if cells and not any(_is_readable(field, cell) for cell in cells):
            field = _OTHERWISE.get(field, "metadata")
        if plain[name] == "user" and "assistant" in plain.values():
            field = "input.content"
        if field in roles.values() and field not in COLLECTING:
            field = "metadata"
        roles[name] = field
    if not {"input.content", "messages", "prompt", "request", "response"} & set(roles.values()):
        unknown = [name for name in columns if roles[name] == "metadata" and plain[name] not in ("metadata", "id")]
        free = next(iter(unknown), None)
        if free is not None:
            roles[free] = "input.content"
    return roles


def _is_readable(field: str, cell: Json) -> bool:
    """Whether a cell can be read as the field."""
    value, slot = _read(field, cell), _slot(field)
    if field in ("request", "response"):
        return isinstance(value, dict)
    if slot is not None and field not in COLLECTING:
        try:
            slot.read(value, field)
        except InvalidRecord:
            return False
    return True


def named(text: str) -> str:
    """The field that somebody means by a name: a path, or what a column of that name would be taken for.

    Raises InvalidRecord with the nearest path.
    """
    if text in OFFERED:
        return text
    meant = _guessed(_plain(text))
    if meant != "metadata":
        return meant
    if _is_path(text):
        return text
    known = (*OFFERED, *PATHS, *(f"{name}.*" for name in COLLECTING))
    raise InvalidRecord("field", text, values.nearest(text, [name for name in known if name]))


def check(roles: Mapping[str, str]) -> None:
    """Raises InvalidRecord for fields that there are none of, that two columns are, or that make no call."""
    for name, field in roles.items():
        if field not in OFFERED and not _is_path(field):
            raise InvalidRecord(
                f"column {name[:80]}", field, "a field that is offered, or a path such as metadata.plan"
            )
    for field in set(roles.values()) - {"", *COLLECTING}:
        same = [name for name, one in roles.items() if one == field]
        if len(same) > 1:
            raise InvalidRecord(OFFERED.get(field, field), same, "one column at most")
    if not set(_SAID) & set(roles.values()):
        raise InvalidRecord("input", None, "at least one column that is the input, the output, a request or a response")


def _is_path(field: str) -> bool:
    head, _, leaf = field.partition(".")
    return (field in PATHS and field not in READ_ONLY) or (head in COLLECTING and bool(leaf))


def _guessed(plain: str) -> str:
    return next((field for field, words in _GUESSES if re.fullmatch(words, plain)), "metadata")


def _plain(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", spaced).strip("_").lower()


# ---------------------------------------------------------------------------------------------------------------- rows
def reader(roles: Mapping[str, str]) -> Reader:
    """Reads each row as a call; a column that is in no role is metadata. Refusals name the column."""
    columns = {field: name for name, field in roles.items()}

    def column_of(path: str) -> str:
        return columns.get(path, path)

    def read(cells: Json) -> Iterator[Found]:
        try:
            shape, record = _call(cells, roles)
        except InvalidRecord as problem:
            name = column_of(problem.field)
            problem.args = (name + str(problem).removeprefix(problem.field),)
            problem.field = name
            raise
        yield Found(shape, record, partial(sentence, shape, record), lambda field: column_of(rest.path_of(field)))

    return read


def _call(cells: Cells, roles: Mapping[str, str]) -> tuple[str, GenerationRecord]:
    document: dict[str, Any] = {}
    own: dict[str, Json] = {}
    for name, value in cells.items():
        if value is not None and value != "":
            _put(document, own, name, roles.get(name, "metadata"), value)
    # The id is of the row and not of what it is read as: read otherwise it is the same call.
    document.setdefault("id", files.content_id(cells))
    if "milliseconds" in own:
        document.setdefault("performance", {})["latency"] = values.positive(own["milliseconds"], "milliseconds") / 1000
    if "request" in own or "response" in own:
        return _pair(document, own)
    _converse(document, own.get("system"))
    return SHAPE, rest.generation(document)


def _put(document: dict[str, Any], own: dict[str, Json], name: str, field: str, value: Json) -> None:
    """Put a cell where its field is in the document."""
    if field == "metadata" and name in OWN_METADATA:
        field = f"metadata.{name}"
    head, _, leaf = field.partition(".")
    value = _read(field, value)
    if field == "":
        return
    if field in _OWN:
        own[field] = value
    elif field == "messages" and isinstance(value, str):
        document.setdefault("input", {})["content"] = value
    elif field in COLLECTING:
        document.setdefault(field, {}).update(value if isinstance(value, dict) else {name: value})
    elif leaf:
        document.setdefault(head, {})[leaf] = value
    else:
        document[field] = value


def _pair(document: dict[str, Any], own: Mapping[str, Json]) -> tuple[str, GenerationRecord]:
    """The call that a provider's bodies tell of, with what the other columns say over it."""
    bodies = {name: own.get(name) for name in ("request", "response")}
    call = files.read({**bodies, "id": document["id"], "error": document.pop("error", None)})
    told, _ = generation_fields(document, infer_type=False, known=call.record)
    return files.SHAPES[call.shape], merge(call.record, GenerationRecord(**told))


def _converse(document: dict[str, Any], system: Json) -> None:
    """Put a system prompt before what was sent; an assistant's last message is the answer if there is no other."""
    given = document.get("input", {})
    messages = document.get("messages", given.get("content"))
    if isinstance(messages, dict) and set(messages) == {"messages"}:
        messages = messages["messages"]
    if isinstance(messages, str) and system is not None:
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list) or not all(isinstance(one, dict) and "role" in one for one in messages):
        if system is None:
            return
        messages = []
    if system is not None:
        messages = [{"role": "system", "content": system}, *messages]
    given.pop("content", None)
    is_answered = any(name in document for name in ("output", "completion", "messageCompletion"))
    if len(messages) > 1 and messages[-1]["role"] == "assistant" and not is_answered:
        *messages, document["messageCompletion"] = messages
    document["messages"] = messages


# --------------------------------------------------------------------------------------------------------------- cells
def _read(field: str, value: Json) -> Json:
    """What a cell holds, of the type that its field has: cells of a CSV file are all texts."""
    if field in _OWN:
        return _number(value) if field == "milliseconds" else parsed(value)
    if field.startswith("parameters"):
        return _scalar(value)
    slot = _slot(field)
    type = Type.JSON if slot is None else type_of(slot)
    if type is Type.TEXT and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return value
    if type in (Type.INTEGER, Type.NUMBER):
        return _number(value)
    if type is Type.TIME:
        return _number(value.strip().removesuffix(" UTC"))
    if type is Type.BOOL:
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    if type is not Type.JSON:
        return value
    read = parsed(value)
    if isinstance(read, str) and slot is not None and slot.read is values.texts:
        return [part.strip() for part in read.split(",") if part.strip()]
    return read


def _slot(field: str) -> Slot | None:
    head, _, leaf = field.partition(".")
    if head == "metadata":
        return OWN_METADATA.get(leaf)
    return FEEDBACK.get(leaf) if head == "feedback" else GENERATION.get(field)


def _number(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    for type in (int, float):
        try:
            return type(value)
        except ValueError:
            continue
    return value


def _scalar(value: Json) -> Json:
    if isinstance(value, str) and value.strip() in ("true", "false"):
        return value.strip() == "true"
    return _number(parsed(value))
