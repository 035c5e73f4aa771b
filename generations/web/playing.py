"""The playground's form: what stands in it when a generation or a prompt version is opened, and what is posted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from django.http import HttpRequest, QueryDict
from django.utils.html import escape

from generations import bundles, generating, llm, reading
from generations.access import Grant
from generations.bundles import Bundle
from generations.llm.recorded import TEMPLATE
from generations.models import PromptVersion
from generations.records import InvalidRecord, Json
from generations.web.markup import weight

TEXT: Final = "prompt"
"""The role of a text that is no message, but is gone on with."""
ROLES: Final = (TEXT, "system", "user", "assistant", "tool")
DECODERS: Final = ("argmax", "sample", "beam")
COLUMNS: Final = 4
ROWS: Final = 100
"""Messages that the page shows; those after them are sent as they were recorded."""
EDITED: Final = 60_000
"""Bytes of HTML of all texts together that the page offers to edit; what is beyond is sent as it was recorded."""
ORIGIN: Final = "playgroundOf"
"""The metadata by which a result names the generation it was made from."""
_PLACED: Final = frozenset({"temperature", "maxTokens", "decoder", "n", "stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Row:
    """A message, or the text to go on with. `place` is where it stands in what was opened; `is_kept`: it is sent as
    it stands there, because it is too long or is no text."""

    role: str
    content: str = ""
    place: str = ""
    is_kept: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A model with its settings, as they stand in the form."""

    model: str = "ngram:"
    temperature: str = ""
    max_tokens: str = ""
    decoder: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """All that stands in the form. `origin` is the id of the generation that was opened."""

    rows: Sequence[Row] = (Row(TEXT),)
    variables: Sequence[tuple[str, str]] = ()
    tools: str = ""
    columns: Sequence[Column] = (Column(),)
    values: str = ""
    origin: str = ""
    version: str = ""
    notice: str = ""
    base: Sequence[Json] = field(default=(), repr=False)


# -------------------------------------------------------------------------------------------------------------- opened
def opened(grant: Grant, request: HttpRequest) -> Form | None:
    """The form of `?generation=`, or of `?version=` (a prompt version's id); empty without. None: there is none."""
    if id := request.GET.get("generation", ""):
        bundle = bundles.generation(grant.project, id) if "\0" not in id else None
        return None if bundle is None else _of_generation(grant, bundle)
    if id := request.GET.get("version", ""):
        row = _version(grant, id)
        return None if row is None else _of_version(grant, row)
    return Form()


def _of_generation(grant: Grant, bundle: Bundle) -> Form:
    record = bundle.record
    base = base_of(grant, bundle)
    parameters = record.parameters or {}
    model, notice = _callable(grant, record.model_id, record.provider)
    more = {name: value for name, value in parameters.items() if name not in _PLACED}
    column = Column(
        model,
        _text(parameters.get("temperature")),
        _text(parameters.get("maxTokens")),
        _text(parameters.get("decoder")),
        _json(more),
    )
    values = [a.content for a in record.alternatives or () if a.kind == "scored" and isinstance(a.content, str)]
    return Form(
        rows=_rows(base),
        variables=[(str(name), _value(value)) for name, value in (record.variables or {}).items()],
        tools=_json(record.tools),
        columns=(column,),
        values="\n".join(values),
        origin=record.id,
        notice=notice if len(base) <= ROWS else f"{notice} {len(base) - ROWS} more messages are sent as they were.",
        base=base,
    )


def _of_version(grant: Grant, row: PromptVersion) -> Form:
    base: list[Json] = row.template_messages or [{"role": TEXT, "content": row.template or ""}]
    model, notice = _callable(grant, row.model_id, row.provider)
    settings = {name: value for name, value in row.settings.items() if name not in ("provider", "model")}
    column = Column(
        model,
        _text(settings.pop("temperature", None)),
        _text(settings.pop("max_tokens", settings.pop("maxTokens", None))),
        "",
        _json(settings),
    )
    defaults = row.input_defaults or {}
    return Form(
        rows=_rows(base),
        variables=[(name, _value(defaults.get(name, ""))) for name in row.inputs],
        tools=_json(row.tools),
        columns=(column,),
        version=row.public_id,
        notice=notice,
        base=base,
    )


def base_of(grant: Grant, bundle: Bundle) -> list[Json]:
    """What was sent, before its variables were put in where that is known: messages, or a text with the role of one."""
    record = bundle.record
    template: Json = (record.attributes or {}).get(TEMPLATE) if record.variables else None
    if template is None and record.variables and record.prompt_version_id:
        row = _version(grant, record.prompt_version_id)
        template = None if row is None else row.template_messages or row.template
    said = template if template is not None else record.messages
    if said is None:
        said = record.prompt if record.prompt is not None else reading.text_of(record.input)
    return [{"role": TEXT, "content": said}] if isinstance(said, str) else list(said)


def _rows(base: Sequence[Json]) -> list[Row]:
    made, left = [], EDITED
    for place, message in enumerate(base[:ROWS]):
        role = str(message.get("role") or TEXT) if isinstance(message, Mapping) else "user"
        content = message.get("content") if isinstance(message, Mapping) else message
        is_text = isinstance(content, str) and not (isinstance(message, Mapping) and message.get("tool_calls"))
        text = content if isinstance(content, str) else reading.message_text(message)
        size = weight(escape(text)) if len(text) <= left else left + 1
        if is_text and size <= left:
            left -= size
            made.append(Row(role, text, str(place)))
        else:
            made.append(Row(role, text[:80], str(place), is_kept=True, size=len(text)))
    return made


def _version(grant: Grant, id: str) -> PromptVersion | None:
    rows = PromptVersion.objects.by_ids(grant.project.pk, "prompt_version", [id]) if "\0" not in id else ()
    return next(iter(rows), None)


def _callable(grant: Grant, model: str | None, provider: str | None) -> tuple[str, str]:
    """The name by which this project calls a recorded model; the built-in one, and why, where it cannot."""
    name = generating.name_of(grant, model, provider)
    if model is None or name is not None:
        return name or "ngram:", ""
    return "ngram:", f"{model[:100]} has no provider in this project's settings: the built-in model stands in for it."


# -------------------------------------------------------------------------------------------------------------- posted
def posted(grant: Grant, data: QueryDict) -> Form:
    """The form as it was posted."""
    origin, version = data.get("origin", ""), data.get("prompt_version", "")
    base: list[Json] = []
    if origin and (bundle := bundles.generation(grant.project, origin)) is not None:
        base = base_of(grant, bundle)
    elif version and (row := _version(grant, version)) is not None:
        base = row.template_messages or [{"role": TEXT, "content": row.template or ""}]
    rows = [
        Row(role, content.replace("\r\n", "\n"), place, kept == "1", len(content))
        for role, content, place, kept in zip(
            data.getlist("role"), data.getlist("content"), data.getlist("place"), data.getlist("kept"), strict=False
        )
    ]
    names = ("model", "temperature", "max_tokens", "decoder", "more")
    columns = [Column(*parts) for parts in zip(*(data.getlist(name) for name in names), strict=False)]
    return Form(
        rows=rows[:ROWS] or [Row(TEXT)],
        variables=[
            (n.strip(), v) for n, v in zip(data.getlist("var"), data.getlist("value"), strict=False) if n.strip()
        ],
        tools=data.get("tools", ""),
        columns=columns[:COLUMNS] or [Column()],
        values=data.get("values", "").replace("\r\n", "\n"),
        origin=origin,
        version=version,
        base=base,
    )


def document(form: Form, column: Column) -> dict[str, Json]:
    """The call that a column asks for, as the doors take it. Raises InvalidRecord naming the part of the form."""
    asked: dict[str, Json] = {
        "model": column.model.strip(),
        "name": "playground",
        "tags": ["playground"],
        **_said(form),
    }
    parameters = _parsed("settings", column.more, dict) or {}
    if column.temperature.strip():
        parameters["temperature"] = _number("temperature", column.temperature)
    if column.max_tokens.strip():
        asked["maxTokens"] = int(_number("maxTokens", column.max_tokens))
    if column.decoder:
        asked["decoder"] = column.decoder
    if tools := _parsed("tools", form.tools, list):
        asked["tools"] = tools
    return asked | {"parameters": parameters}


def score_document(form: Form, column: Column) -> dict[str, Json]:
    """The scores that a column asks for: of each line of the values, as it stands."""
    said = _said(form)
    if "messages" in said:
        raise InvalidRecord("messages", "a conversation", f"one text, with the role {TEXT!r}, to score what follows it")
    values = [line for line in form.values.split("\n") if line]
    return {"model": column.model.strip(), "name": "playground", "tags": ["playground"], "values": values, **said}


def _said(form: Form) -> dict[str, Json]:
    messages = _messages(form)
    said: dict[str, Json] = {}
    if messages and messages[0]["role"] == TEXT:
        said["prompt"] = messages[0]["content"]
    else:
        said["messages"] = messages
    if form.variables or unfilled(form):
        said["variables"] = dict(form.variables)
    if form.origin:
        said["metadata"] = {ORIGIN: form.origin}
    if form.version:
        said["promptVersionId"] = form.version
    return said


def _messages(form: Form) -> list[dict[str, Json]]:
    messages = [message for row in form.rows if (message := _message(form, row)) is not None]
    if len(form.rows) >= ROWS:
        messages += [dict(message) for message in form.base[ROWS:] if isinstance(message, Mapping)]
    return messages


def unfilled(form: Form) -> list[str]:
    """The variables of the texts that have no value. What was recorded without variables is no template: what stands
    in braces there was sent so, and is again."""
    names = llm.holes(_messages(form))
    if not form.version and not form.variables:
        recorded = llm.holes([one for one in form.base if isinstance(one, Mapping)])
        if set(names) <= set(recorded):
            return []
    given = dict(form.variables)
    return [name for name in names if name not in given]


def with_fields(form: Form) -> Form:
    """The form with an empty field for each variable that has none."""
    return replace(form, variables=[*form.variables, *((name, "") for name in unfilled(form))])


def _message(form: Form, row: Row) -> dict[str, Json] | None:
    place = int(row.place) if row.place.isascii() and row.place.isdigit() and len(row.place) < 9 else -1
    there = form.base[place] if 0 <= place < len(form.base) else None
    if row.is_kept and isinstance(there, Mapping):
        return dict(there)
    if not row.content and row.role != TEXT:
        return None
    kept = {n: v for n, v in there.items() if n != "uuid"} if isinstance(there, Mapping) else {}
    return {**kept, "role": row.role, "content": row.content}


def _parsed(name: str, text: str, kind: type[Any]) -> Any:
    if not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise InvalidRecord(name, text, f"JSON ({problem})") from problem
    if not isinstance(value, kind):
        raise InvalidRecord(name, text, "a JSON list" if kind is list else "a JSON object")
    return value


def _number(name: str, text: str) -> float:
    with suppress(ValueError):
        if math.isfinite(found := float(text)):
            return found
    raise InvalidRecord(name, text, "a number")


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _value(value: Json) -> str:
    return value if isinstance(value, str) else reading.compact(value)


def _json(value: Json) -> str:
    return reading.indented(value) if value else ""
