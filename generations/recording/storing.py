"""Writes merged rows: a few in one statement, many by COPY, a table each. Used by `recording` alone.

What changed is deleted by its key and written anew, under the project's lock. An UPDATE would touch every index of a
row as well, and could not move it to the partition of a truer start.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any, Final

import orjson

from generations import at_once, cleaning, identities, partitions, prepared
from generations.recording import copying, marking, packing, seeing
from generations.recording.merging import Merged
from generations.recording.tables import (
    ALTERNATIVE,
    GENERATIONS,
    JSON,
    NAMED,
    TABLES,
    Conversions,
    Keys,
    Table,
    plain,
    quoted,
)

TOGETHER: Final = 20
"""Up to so many rows of a table go into the one statement, which is faster for few rows; COPY is for many."""
_NARROW: Final = 10
_WEIGHT: Final = 1 << 20
"""Bytes of a table's rows from which they are copied: the one statement is parsed as a whole."""
_PLANNED: Final = 2
"""Tables from which on a statement is planned once."""

Row = Sequence[Any]
_Gone = tuple[str, str, list[str]]
"""Rows that are deleted: of a table, or a partition by its name, those whose column is one of these keys."""


@dataclass(slots=True)
class _Load:
    """Rows for one table, JSON as text, in the order of the columns; those in their way are deleted before."""

    table: str
    columns: tuple[str, ...]
    number: int
    rows: Callable[[], Iterator[Row]]
    gone: Sequence[_Gone] = ()
    """What is deleted before."""
    name: str = ""
    """What it is called in the statement, where that is not the table."""
    is_narrow: bool = False
    """Whether its rows are of a few short columns, which are soon read however many there are."""
    unless: str = ""
    """What is done where there is such a row already, which of what is deleted before there is not."""


def write(
    cursor: Any,
    keys: Keys,
    rows: Mapping[str, Sequence[Merged]],
    tags: Iterable[str],
    now: dt.datetime,
    *,
    named: Mapping[str, Sequence[Merged]] | None = None,
    ends: bool = False,
) -> None:
    """Write what changed: facts always, payloads and alternatives where they did, new tags, marks of the hours.

    Threads and participants that others only `named` are made, or their times widened. With `ends` the last message may
    end the transaction, in the place of the outermost `atomic`.
    """
    changed = {kind: [row for row in some if row.is_changed] for kind, some in rows.items()}
    starts = [row.started_at for kind in ("step", "generation") for row in changed.get(kind, ())]
    seeing.make_room(partitions.months_of(starts))
    loads = [_tags(keys.project, tags, now), *(_named(kind, keys, some) for kind, some in (named or {}).items())]
    for kind, some in changed.items():
        if some:
            loads += _of_kind(TABLES[kind], keys, some, now)
    together, copied = [], []
    for load in loads:
        if load.number > TOGETHER * (_NARROW if load.is_narrow else 1) and not load.unless:
            copied.append(load)
        elif load.number or load.gone:
            together.append(load)
    statement, params = _together(keys.project, together, copied)
    gone = sum(len(load.gone) for load in loads)
    is_first = any(load.gone for load in copied)
    if not is_first:
        _copy(cursor, copied)
    if len(params) >= _PLANNED:
        types = ["uuid[]"] * gone + ["json"] * (len(params) - gone)
        _planned(cursor, statement, params, types, ends=ends and not is_first)
    elif params:
        cursor.execute(statement, params)
    if is_first:
        _copy(cursor, copied)


def _of_kind(table: Table, keys: Keys, rows: Sequence[Merged], now: dt.datetime) -> list[_Load]:
    project, kind = keys.project, table.kind
    full = [row for row in rows if row.writes_payload]
    columns = ("project_id", "uid", *table.columns)
    loads = [
        _Load(table.facts, columns, len(rows), lambda: _facts(table, keys, rows), _gone(table, table.facts, keys, rows))
    ]
    if table.payload is not None:
        loads.append(
            _Load(
                table.payload,
                ("project_id", "uid", *table.payload_names),
                len(full),
                lambda: _payloads(table, keys, full),
                _gone(table, table.payload, keys, full),
            )
        )
    if table is GENERATIONS:
        with_others = [row for row in rows if row.writes_alternatives]
        loads.append(
            _Load(
                "alternative",
                ("project_id", "uid", "started_at", "generation_uid", *ALTERNATIVE),
                sum(len(row.said.alternatives or ()) for row in with_others),
                lambda: _alternatives(keys, with_others),
                _gone(table, "alternative", keys, with_others, column="generation_uid"),
            )
        )
        loads += _marks(project, _starts(rows), [keys[kind, row.id] for row in full], _starts(full), now)
    return loads


def marks(
    project: int, uids: Sequence[uuid.UUID], starts: Sequence[dt.datetime], now: dt.datetime, *, hours: bool = True
) -> at_once.Statement:
    """What marks the texts of these generations as changed, and their `hours`, unless no number did."""
    loads = _marks(project, starts if hours else (), [str(uid) for uid in uids], starts, now)
    return _together(project, loads, [])


def _marks(
    project: int, starts: Sequence[Any], uids: Sequence[str], text_starts: Sequence[Any], now: dt.datetime
) -> list[_Load]:
    hours, texts = marking.hours(project, starts), marking.texts(project, uids, text_starts, now)
    return [
        _Load("rollup_dirty", marking.HOURS, len(hours), lambda: iter(hours), is_narrow=True),
        _Load("search_mark", marking.TEXTS, len(texts), lambda: iter(texts)),
    ]


def _starts(rows: Sequence[Merged]) -> list[dt.datetime]:
    """When these rows start, and did."""
    return [row.started_at for row in rows] + [row.known.record.started_at for row in rows if row.known is not None]


def _gone(table: Table, name: str, keys: Keys, rows: Iterable[Merged], *, column: str = "uid") -> list[_Gone]:
    """What stands in the table called `name` of those of these rows that are known, each month by itself."""
    of_months: dict[str, list[str]] = {}
    for row in rows:
        if row.known is not None:
            month = partitions.month_of(row.known.record.started_at) if table.is_partitioned else None
            of_months.setdefault(partitions.named(name, month) if month else name, []).append(keys[table.kind, row.id])
    return [(part, column, uids) for part, uids in of_months.items()]


# --------------------------------------------------------------------------------------------------------------- rows
def fill_rows(table: Table, keys: Keys, rows: Sequence[Merged], read: cleaning.Columns | None = None) -> None:
    """Make the rows of facts and payloads before they are written. Whoever has the columns of what was said already
    gives them as `read`."""
    if rows:
        values = _values(table, rows, read)
        _fill_facts(table, keys, rows, values)
        _fill_payloads(table, keys, rows, values)


def _facts(table: Table, keys: Keys, rows: Sequence[Merged]) -> Iterator[Row]:
    """The rows of facts; those that were not made before are made together."""
    if bare := [row for row in rows if row.facts is None]:
        _fill_facts(table, keys, bare, _values(table, bare))
    return (row.facts or () for row in rows)


def _payloads(table: Table, keys: Keys, rows: Sequence[Merged]) -> Iterator[Row]:
    """The rows of payloads, likewise."""
    if bare := [row for row in rows if row.payload is None]:
        _fill_payloads(table, keys, bare, _values(table, bare))
    return (row.payload or () for row in rows)


def _values(table: Table, rows: Sequence[Merged], read: cleaning.Columns | None = None) -> dict[str, Sequence[Any]]:
    """What these records have in each column of facts and payload, by name: what follows goes before what was said."""
    values: dict[str, Sequence[Any]] = {**(read or cleaning.columns([row.said for row in rows]))}
    follows = [row.follows for row in rows]
    for name in set().union(*follows):
        values[name] = [*map(dict.get, follows, repeat(name), values[name])]
    values["public_id"] = values["id"]
    extra = [row.extra for row in rows]
    for name in table.extra:
        values[name] = [*map(itemgetter(name), extra)]
    return values


def _fill_facts(table: Table, keys: Keys, rows: Sequence[Merged], values: Mapping[str, Sequence[Any]]) -> None:
    for row, made in zip(rows, _made(table.kind, table.names, keys, values), strict=True):
        row.facts = made


def _fill_payloads(table: Table, keys: Keys, rows: Sequence[Merged], values: Mapping[str, Sequence[Any]]) -> None:
    for row, made in zip(rows, _made(table.kind, table.payload_names, keys, values, in_bytes=True), strict=True):
        row.payload = made


def _made(
    kind: str, names: Sequence[str], keys: Keys, values: Mapping[str, Sequence[Any]], *, in_bytes: bool = False
) -> Iterable[Row]:
    """Rows of these columns in the forms of the database, behind the project and their keys."""
    uids = [keys[kind, id] for id in values["id"]]
    columns = _conversions(names, in_bytes=in_bytes).converted([values[name] for name in names], keys.packed)
    return zip(repeat(keys.project, len(uids)), uids, *columns, strict=True)


@cache
def _conversions(names: Sequence[str], *, in_bytes: bool = False) -> Conversions:
    return Conversions(names, in_bytes=in_bytes)


def _alternatives(keys: Keys, rows: Iterable[Merged]) -> Iterator[Row]:
    every = [(row, one) for row in rows for one in row.said.alternatives or ()]
    if not every:
        return
    columns = zip(*map(attrgetter(*ALTERNATIVE), (one for _, one in every)), strict=True)
    made = zip(*_conversions(ALTERNATIVE).converted(columns, keys.packed), strict=True)
    for (row, one), values in zip(every, made, strict=True):
        uid = identities.uid(keys.project, "alternative", f"{row.id}\0{one.index}")
        yield keys.project, uid, row.started_at, keys["generation", row.id], *values


def _tags(project: int, names: Iterable[str], now: dt.datetime) -> _Load:
    rows = [(project, name, "", "", now) for name in sorted(names)]
    columns = ("project_id", "name", "colour", "description", "created_at")
    return _Load("tag", columns, len(rows), lambda: iter(rows), unless=" ON CONFLICT DO NOTHING")


def _named(kind: str, keys: Keys, rows: Sequence[Merged]) -> _Load:
    table = TABLES[kind]
    columns = ("project_id", "uid", *table.columns)
    wider = NAMED[kind]
    unless = f" ON CONFLICT (project_id, uid) DO UPDATE SET {wider.changes} WHERE {wider.where}"
    return _Load(
        table.facts, columns, len(rows), lambda: _facts(table, keys, rows), name=f"{kind}_named", unless=unless
    )


# ------------------------------------------------------------------------------------------------------------ writing
_GONE: Final = (
    "{table}_gone AS (DELETE FROM {table} WHERE project_id = {project} AND ctid = ANY(ARRAY("
    "SELECT there.ctid FROM unnest(%s::uuid[]) AS wanted (key) CROSS JOIN LATERAL"
    " (SELECT ctid FROM {table} WHERE project_id = {project} AND {column} = wanted.key OFFSET 0) AS there"
    ")) RETURNING 1)"
)
"""Deletes rows of one table by where they are on disk, which is looked up for each key by itself, as in
`prepared.found`: for a list of keys all rows of the project, or of the hours that hold them, may be read."""


def _together(project: int, loads: Sequence[_Load], copied: list[_Load]) -> at_once.Statement:
    """All deletions and all small loads in one statement, nothing to do where it has no parameters; rows too heavy for
    it join the others that are copied."""
    parts: list[str] = []
    params: list[Any] = []
    for load in (*loads, *copied):
        for table, column, keys in load.gone:
            parts.append(_GONE.format(table=table, project=project, column=column))
            params.append(prepared.array(keys))
    for load in loads:
        if not load.number:
            continue
        text = _as_json(load)
        if text is None:
            copied.append(load)
            continue
        columns = quoted(load.columns)
        # Reading what was deleted puts the deletion first, for the new row may have the key of the old one.
        counts = " + ".join(f"(SELECT count(*) FROM {table}_gone)" for table, _, _ in load.gone)  # noqa: S608
        after = f" WHERE {counts} >= 0" if counts else ""
        parts.append(
            f"{load.name or load.table}_new AS (INSERT INTO {load.table} AS there ({columns}) SELECT {columns}"  # noqa: S608
            f" FROM json_populate_recordset(NULL::{load.table}, %s){after}{load.unless})"
        )
        params.append(text)
    return f"WITH {', '.join(parts)} SELECT", params


def _planned(cursor: Any, statement: str, params: Sequence[Any], types: Sequence[str], *, ends: bool) -> None:
    """Do a statement that is the same for any rows of these tables: to read and plan it takes half as long as to do
    it."""
    sql = statement % tuple(f"${n}" for n in range(1, len(params) + 1))
    name = hashlib.blake2b(sql.encode(), digest_size=6).hexdigest()
    prepared.fetch(cursor, prepared.Statement(f"write_{name}", types, sql), prepared.ANY, params, ends=ends)


def _as_json(load: _Load) -> str | None:
    """The rows as a JSON array of objects, or None if they weigh too much."""
    is_json = [name in JSON for name in load.columns]
    rows = [
        {
            name: orjson.Fragment(value) if is_text else value
            for name, value, is_text in zip(load.columns, row, is_json, strict=True)
            if value is not None
        }
        for row in load.rows()
    ]
    text = orjson.dumps(rows, default=plain)
    return None if len(text) > _WEIGHT and not load.unless else text.decode()


def _copy(cursor: Any, loads: Iterable[_Load]) -> None:
    told: list[tuple[str, Sequence[bytes]]] = []
    for load in loads:
        columns = [*zip(*load.rows(), strict=True)]
        if load.table in packing.TABLES_OF_TEXTS:
            names, rows = packing.rows(load.columns, columns)
            told.append((packing.statement(load.table, names), rows))
        else:
            names, text = copying.lines(load.columns, columns)
            told.append((copying.statement(load.table, names), [text.encode()]))
    if told:
        cursor.execute(at_once.Copies(told))
