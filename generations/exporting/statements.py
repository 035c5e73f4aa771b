"""Rows' documents as SQL: the JSON that `ingest.rest_documents` makes of a record, made by the database and copied out.

Which path holds which column is read off the slots of `ingest.rest_fields`, so a new field is here by itself. The few
things that SQL does not decide (what a mixture of input, messages and prompt comes to, names that stand for another)
are left open: such a row says so, and `settling` finishes its document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Model

from generations import records
from generations.exporting.columns import COLUMNS, Column, Type
from generations.exporting.dialects import Dialect
from generations.exporting.expressions import (
    Value,
    any_json,
    concatenated,
    flat_object,
    member,
    object_of,
    of_slot,
    value,
)
from generations.ingest.rest_documents import ALWAYS, FIRST
from generations.ingest.rest_fields import (
    ALTERNATIVE,
    ATTACHMENT,
    FEEDBACK,
    GENERATION,
    OWN_METADATA,
    OWN_STEP_METADATA,
    SCORE,
    STEP,
    Slot,
)
from generations.ingest.rest_parameters import SAME
from generations.models import Feedback, Generation, GenerationPayload, Score, Step, StepPayload
from generations.records import GenerationRecord, StepRecord

RAW: Final = ""
"""The name under which an open document holds what it is finished from: no path of a document is empty."""
STAMPED: Final = ("createdAt", "updatedAt")
"""When this store heard of a row: only shown when asked for, for elsewhere it would not be true."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What is joined to the rows, and the columns that it has under its alias."""

    sql: str
    alias: str
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of one list become documents and tables."""

    rows: Joined
    """The rows, each found by its key `k`."""
    values: Mapping[str, str]
    """JSON by path of a document, in the document's order."""
    cells: Mapping[str, str]
    """Texts by path of a column."""
    always: Collection[str]
    """Groups of paths that every document has, empty when nothing of them is known."""
    joins: Mapping[str, Joined] = field(default_factory=dict)
    """What hangs on the rows by their keys `k`, by the name of the path that shows it."""
    texts: str = ""
    """What was said in the rows `s`, and texts that several values are made of."""
    long: Mapping[str, str] = field(default_factory=dict)
    """Paths of long values, each with a column that is null where it is not known."""
    together: Collection[str] = ()
    """Paths of which none is settled without the others."""
    open: str = "false"
    """Whether a row is left open."""
    raw: str = "NULL"
    """What an open row is finished from."""


# -------------------------------------------------------------------------------------------------------------- shapes
_KEYS: Final = (
    "FROM unnest(%(uids)s::uuid[], %(ids)s::text[], %(moments)s::timestamptz[])"
    " WITH ORDINALITY AS k (uid, id, moment, place)"
)


def _rows(facts: type[Model], *, is_parted: bool = True) -> Joined:
    """The rows with these keys, looked up one by one. Only partitions that the batch lies in are looked at.

    Of rows that came since a table was last analysed the planner expects one: joined in any other way, it may go
    through all that hangs on a batch for each of them.
    """
    on = "r.project_id = %(project)s AND r.uid = k.uid"
    on += " AND r.started_at = k.moment AND r.started_at BETWEEN %(first)s AND %(last)s" if is_parted else ""
    table = facts._meta.db_table
    return Joined(f" CROSS JOIN LATERAL (SELECT * FROM {table} r WHERE {on} OFFSET 0) r", "r", _columns_of(facts))  # noqa: S608


def _said(payload: type[Model]) -> str:
    """What was said in the rows `s`, looked up one by one in their order: what is long is not sorted."""
    return (
        f" LEFT JOIN LATERAL (SELECT * FROM {payload._meta.db_table} p WHERE p.project_id = %(project)s"  # noqa: S608
        " AND p.uid = s.r_uid AND p.started_at = s.r_started_at AND p.started_at BETWEEN %(shown)s AND %(last)s"
        " OFFSET 0) p ON true"
    )


def _columns_of(model: type[Model]) -> list[str]:
    return [field.column for field in model._meta.concrete_fields]


def _columns(table: Mapping[str, Slot], record: type[GenerationRecord] | type[StepRecord]) -> dict[str, Value]:
    """The paths of a document that show one column each."""
    payload, facts = records.payload_fields(record), ("id", *records.stored_fields(record))
    return {
        path: of_slot("p" if slot.attribute in payload else "r", slot)
        for path, slot in table.items()
        if slot.attribute in payload or slot.attribute in facts
    }


def _metadata(own: Mapping[str, Slot]) -> tuple[str, str]:
    """The metadata with the fields that are shown in it, and whether a key of the caller's stands in their way."""
    shown = [member(name, of_slot("r", slot).json) for name, slot in own.items()]
    theirs = "',' || nullif(right(r.metadata::text, -1), '}')"
    # The brace that closes the caller's object closes ours, unless theirs is empty.
    end = "CASE WHEN r.metadata = '{}' THEN '}' END"
    names = ", ".join(f"'{name}'" for name in own)
    shown_ = f"concat('{{', right({concatenated([*shown, theirs])}, -1), {end})"
    return shown_, f"r.metadata ?| ARRAY[{names}]"


_SENT_IS_OPEN: Final = """(p.input IS NOT NULL AND (p.messages IS NOT NULL OR CASE jsonb_typeof(p.input)
 WHEN 'object' THEN p.input ? 'messages' WHEN 'array' THEN jsonb_typeof(p.input -> 0) = 'object'
 WHEN 'number' THEN false WHEN 'boolean' THEN false ELSE true END))"""
_RECEIVED_IS_OPEN: Final = """(p.output IS NOT NULL AND (p.message_completion IS NOT NULL OR p.completion IS NOT NULL OR
 CASE jsonb_typeof(p.output) WHEN 'object' THEN p.output ? 'role'
 WHEN 'array' THEN false WHEN 'number' THEN false WHEN 'boolean' THEN false ELSE true END))"""
"""What `ingest.rest_content` may move elsewhere. What is left over stays where it is."""

# Each is made text once, however often it is shown: the fence keeps the planner from copying the expressions.
_TEXTS: Final = """ CROSS JOIN LATERAL (SELECT p.messages::text AS messages, p.message_completion::text AS message,
 (p.message_completion -> 'content')::text AS content, to_json(p.prompt)::text AS prompt,
 to_json(p.completion)::text AS completion OFFSET 0) t"""
_SENT: Final = """'{"messages": ' || t.messages || '}'"""
# jsonb orders keys by length: an assistant's message of nothing but a text is spelt in one way alone.
_IS_PLAIN: Final = """t.content LIKE '"%%' AND t.message = '{"role": "assistant", "content": ' || t.content || '}'"""
_CONTENTS: Final = (
    f" CROSS JOIN LATERAL (SELECT coalesce(p.input::text, {_SENT}, t.prompt) AS sent,"
    f" coalesce(p.output::text, CASE WHEN {_IS_PLAIN} THEN t.content ELSE t.message END, t.completion) AS received"
    " OFFSET 0) c"
)
_CONTENT: Final[Mapping[str, Value]] = {
    "input.content": Value(
        "c.sent",
        f"coalesce({any_json('', 'p.input').cell}, {_SENT}, p.prompt)",
    ),
    "output.content": Value(
        "c.received",
        f"coalesce({any_json('', 'p.output').cell},"
        f" CASE WHEN {_IS_PLAIN} THEN p.message_completion ->> 'content' ELSE t.message END, p.completion)",
    ),
    "messages": Value("t.messages", "t.messages"),
    "messageCompletion": Value("t.message", "t.message"),
    "prompt": Value("t.prompt", "p.prompt"),
    "completion": Value("t.completion", "p.completion"),
    "logprobs": any_json("p.logprobs::text", "p.logprobs"),
}


# Not as they are: the planner would look at each of them, and takes them for ten.
_IDS: Final = "ANY ((SELECT %(ids)s::text[])::text[])"
_UIDS: Final = "ANY ((SELECT %(uids)s::uuid[])::uuid[])"


def _hanging(table: str, on: str, alias: str, slots: Mapping[str, Slot]) -> Joined:
    """What hangs on the rows by the caller's id, in one list for each, the oldest first."""
    one = flat_object("c", slots, leave_out=("generationId", "stepId", "threadId", "experimentItemId"))
    sql = (
        f" LEFT JOIN (SELECT c.{on} AS id,"  # noqa: S608
        f" '[' || string_agg({one}, ',' ORDER BY c.created_at, c.uid) || ']' AS list"
        f" FROM {table} c WHERE c.project_id = %(project)s AND c.{on} = {_IDS} GROUP BY 1) {alias}"
        f" ON {alias}.id = k.id"
    )
    return Joined(sql, alias, ["list"])


_ALTERNATIVES: Final = Joined(
    " LEFT JOIN (SELECT c.generation_uid,"  # noqa: S608
    f" '[' || string_agg({flat_object('c', ALTERNATIVE)}, ',' ORDER BY c.index) || ']'"
    f" AS list FROM alternative c WHERE c.project_id = %(project)s AND c.generation_uid = {_UIDS}"
    " AND c.started_at BETWEEN %(shown)s AND %(last)s GROUP BY 1) alternatives"
    " ON alternatives.generation_uid = k.uid",
    "alternatives",
    ["list"],
)
_FEEDBACK: Final = Joined(
    " LEFT JOIN (SELECT DISTINCT ON (c.generation_id) c.* FROM feedback c WHERE c.project_id = %(project)s"  # noqa: S608
    f" AND c.generation_id = {_IDS} AND c.is_latest ORDER BY c.generation_id, c.created_at DESC) f"
    " ON f.generation_id = k.id",
    "f",
    _columns_of(Feedback),
)


def _listed(alias: str) -> Value:
    return Value(f"{alias}.list", f"{alias}.list")


def _generations() -> Shape:
    metadata, is_taken = _metadata(OWN_METADATA)
    hung = {path: _listed(path.rpartition(".")[2]) for path in ("output.alternatives", "scores", "attachments")}
    found = {**_columns(GENERATION, GenerationRecord), **_CONTENT, **hung}
    feedback = {name: of_slot("f", slot, empty=True) for name, slot in FEEDBACK.items()}
    own = {name: of_slot("r", slot) for name, slot in OWN_METADATA.items()}
    json = {path: value.json for path, value in found.items()} | {
        "metadata": metadata,
        "feedback": f"CASE WHEN f.uid IS NOT NULL THEN {flat_object('f', FEEDBACK)} END",
        "createdAt": value("r.created_at", Type.TIME).json,
        "updatedAt": value("r.updated_at", Type.TIME).json,
    }
    first = [path for name in (*FIRST, *ALWAYS) for path in GENERATION if path.partition(".")[0] == name]
    cells = {path: value.cell for path, value in found.items()}
    cells |= {f"metadata.{name}": value.cell for name, value in own.items()} | {"metadata": metadata}
    cells |= {f"feedback.{name}": value.cell for name, value in feedback.items()}
    names = ", ".join(f"'{name}'" for name in SAME)
    return Shape(
        rows=_rows(Generation),
        values={path: json[path] for path in dict.fromkeys((*first, *GENERATION, *STAMPED))},
        cells={column.path: cells[column.path] for column in COLUMNS["generations"]},
        always=ALWAYS,
        joins={
            "output.alternatives": _ALTERNATIVES,
            "scores": _hanging("score", "generation_id", "scores", SCORE),
            "feedback": _FEEDBACK,
            "attachments": _hanging("attachment", "generation_id", "attachments", ATTACHMENT),
        },
        texts=_said(GenerationPayload) + _TEXTS + _CONTENTS,
        long={
            "input.content": "c.sent",
            "output.content": "c.received",
            "messages": "t.messages",
            "messageCompletion": "t.message",
            "prompt": "t.prompt",
            "completion": "t.completion",
        },
        together=("type", "input.content", "output.content", *(set(_CONTENT) - {"logprobs"})),
        open=f"({_SENT_IS_OPEN} OR {_RECEIVED_IS_OPEN} OR {is_taken} OR r.parameters ?| ARRAY[{names}])",
        raw=_raw({"input": "p.input::text", "output": "p.output::text"}, own),
    )


def _steps() -> Shape:
    metadata, is_taken = _metadata(OWN_STEP_METADATA)
    found = _columns(STEP, StepRecord) | {"scores": _listed("scores"), "attachments": _listed("attachments")}
    found |= {name: any_json(f"p.{name}::text", f"p.{name}") for name in ("input", "output")}
    own = {name: of_slot("r", slot) for name, slot in OWN_STEP_METADATA.items()}
    json = {path: value.json for path, value in found.items()} | {
        "metadata": metadata,
        "createdAt": value("r.created_at", Type.TIME).json,
        "updatedAt": value("r.updated_at", Type.TIME).json,
    }
    cells = {path: value.cell for path, value in found.items()}
    cells |= {f"metadata.{name}": value.cell for name, value in own.items()} | {"metadata": metadata}
    return Shape(
        rows=_rows(Step),
        values={path: json[path] for path in (*STEP, *STAMPED)},
        cells={column.path: cells[column.path] for column in COLUMNS["steps"]},
        always=("performance",),
        joins={
            "scores": _hanging("score", "step_id", "scores", SCORE),
            "attachments": _hanging("attachment", "step_id", "attachments", ATTACHMENT),
        },
        texts=_said(StepPayload),
        long={"input": "p.input", "output": "p.output"},
        open=is_taken,
        raw=_raw({}, own),
    )


def _raw(values: Mapping[str, str], own: Mapping[str, Value]) -> str:
    """What an open row is finished from: what was stored as it is, and the fields that are shown in the metadata."""
    mine = f"concat('{{', right({concatenated([member(name, each.json) for name, each in own.items()])}, -1), '}}')"
    return object_of({"metadata": "r.metadata::text", **values, "own": mine})


def _scores() -> Shape:
    found = {name: of_slot("r", slot, empty=True) for name, slot in SCORE.items()}
    return Shape(
        rows=_rows(Score, is_parted=False),
        values={name: value.json for name, value in found.items()},
        cells={name: value.cell for name, value in found.items()},
        always=(),
    )


SHAPES: Final[Mapping[str, Shape]] = {"generations": _generations(), "steps": _steps(), "scores": _scores()}
"""The lists whose documents the database makes."""


# --------------------------------------------------------------------------------------------------------- statements
def documents(kind: str, wanted: Iterable[Column] | None = None, *, stamped: bool = False) -> str:
    """COPY of two columns: whether the row is open, and its document, without what none of `wanted` shows.

    Takes project, uids, ids, moments, first, last, and shown: from when on what was said is told. `stamped` documents
    say when the row was stored and changed.
    """
    shape = SHAPES[kind]
    paths = _needed(shape, wanted, stamped)
    return _copied(shape, paths, [shape.open, _document(shape, paths)], "FORMAT binary")


def table(kind: str, columns: Sequence[Column], dialect: Dialect) -> str:
    """COPY of lines: of a row that is open its document in hexadecimal, of another nothing, and then these columns."""
    shape = SHAPES[kind]
    paths = _needed(shape, columns, False)
    document = f"encode(convert_to({_document(shape, paths)}, 'UTF8'), 'hex')"
    finished = f"CASE WHEN {shape.open} THEN {document} END"
    options = f"FORMAT csv, DELIMITER '{dialect.delimiter}', QUOTE '{dialect.quote}'"
    return _copied(shape, paths, [finished, *(shape.cells[column.path] for column in columns)], options)


def is_table(kind: str, columns: Iterable[Column]) -> bool:
    """Whether the database can make a table of these columns by itself."""
    return kind in SHAPES and all(column.path in SHAPES[kind].cells for column in columns)


def _needed(shape: Shape, wanted: Iterable[Column] | None, stamped: bool) -> list[str]:
    """The paths of a document that shows these columns, in its order."""
    own = [path for path in shape.values if stamped or path not in STAMPED]
    if wanted is None:
        return own
    shown = [f"{column.path}." for column in wanted]
    # Either holds the other: `usage` has usage.cost in it, and metadata.plan is in `metadata`.
    some = {path for path in own if any(name.startswith(f"{path}.") or f"{path}.".startswith(name) for name in shown)}
    if not some.isdisjoint(shape.together):
        some.update(shape.together)
    return [path for path in own if path in some]


def _document(shape: Shape, paths: Sequence[str]) -> str:
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(path.rpartition(".")[0] or path, []).append(path)
    parts: list[str] = []
    for name, inner in groups.items():
        if inner == [name]:
            parts += _members(shape, inner)
        elif name in shape.always and not shape.long.keys().isdisjoint(inner):
            parts += _group_of_long(shape, name, inner)
        else:
            made = concatenated(_members(shape, inner))
            made = made if name in shape.always else f"nullif({made}, '')"
            parts.append(member(name, f"'{{' || right({made}, -1) || '}}'"))
    parts.append(f"CASE WHEN {shape.open} THEN {member(RAW, shape.raw)} END")
    if paths[0] == "id":
        return concatenated([f"""'{{"id":' || {shape.values["id"]}""", *parts[1:], "'}'"])
    # All begin with a comma: the first is one too many. `right` counts no letters of the others, as `substr` does.
    return f"'{{' || right({concatenated(parts)}, -1) || '}}'"


def _members(shape: Shape, paths: Iterable[str]) -> list[str]:
    """Members of an object, each with the comma before it. What is long is not copied to have its name before it."""
    parts: list[str] = []
    for path in paths:
        name, json = path.rpartition(".")[2], shape.values[path]
        if path in shape.long:
            parts += [f"""CASE WHEN {shape.long[path]} IS NOT NULL THEN ',"{name}":' END""", json]
        else:
            parts.append(member(name, json))
    return parts


def _group_of_long(shape: Shape, name: str, paths: Sequence[str]) -> list[str]:
    """A group that every document has: only what is short of it is put together to take the first comma away."""
    place = next(place for place, path in enumerate(paths) if path in shape.long)
    before, rest = (concatenated(_members(shape, some)) for some in (paths[:place], paths[place + 1 :]))
    known, json = shape.long[paths[place]], shape.values[paths[place]]
    leaf = paths[place].rpartition(".")[2]
    return [
        f"""',"{name}":{{' || right({before}, -1)""",
        f"""CASE WHEN {known} IS NOT NULL THEN CASE WHEN {before} <> '' THEN ',' ELSE '' END || '"{leaf}":' END""",
        json,
        f"CASE WHEN {known} IS NULL AND {before} = '' THEN right({rest}, -1) ELSE {rest} END",
        "'}'",
    ]


def _copied(shape: Shape, paths: Collection[str], values: Sequence[str], options: str) -> str:
    hung = [join for path, join in shape.joins.items() if path in paths]
    # Put together before the rows are looked for: how many keys there are is known to the planner.
    found = "".join(f', {each.alias}."{column}" AS {each.alias}_{column}' for each in hung for column in each.columns)
    keys = f"FROM (SELECT k.uid, k.moment, k.place{found} {_KEYS}{''.join(each.sql for each in hung)} OFFSET 0) k"
    stored = [f'r."{column}" AS r_{column}' for column in shape.rows.columns]
    stored += [f"k.{each.alias}_{column}" for each in hung for column in each.columns]
    rows = f"SELECT k.place AS k_place, {', '.join(stored)} {keys}{shape.rows.sql} ORDER BY k.place OFFSET 0"
    joined = [Joined("", "k", ["place"]), shape.rows, *hung]
    # What is short is put in order, and what was said is read behind that, and all made text one by one: whoever writes
    # it works at the same time, and no long text is sorted. The planner takes the names away.
    names = "".join(f" CROSS JOIN LATERAL (SELECT {_named_again(each)}) {each.alias}" for each in joined)
    source = f"FROM ({rows}) s{names}{shape.texts}"
    return f"COPY (SELECT {', '.join(values)} {source} ORDER BY k.place) TO STDOUT ({options})"


def _named_again(joined: Joined) -> str:
    return ", ".join(f's.{joined.alias}_{column} AS "{column}"' for column in joined.columns)
