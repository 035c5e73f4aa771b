"""Puts merged records into their tables: reads what is known, merges, and writes by COPY. Used by `recording` alone.

One way to write serves new and known rows: what changed is deleted by its key and copied anew, under the project's
lock. An UPDATE would touch every index of a row as well, and could not move it to the partition of a truer start.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import orjson
from django.db import connection

from generations import partitions, records
from generations.recording import derive, marking
from generations.records import (
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
    revised,
)

WINDOW: Final = dt.timedelta(days=1)
LOOK_EVERYWHERE: Final = 100
"""Up to so many ids of a batch that are not near its own times are looked up in every partition."""
_JSON: Final = frozenset(
    {
        *("metadata", "parameters", "request_attributes", "response_attributes", "input", "output", "messages"),
        *("message_completion", "variables", "tools", "logprobs", "attributes", "events", "cost_arithmetic", "content"),
    }
)
_ALTERNATIVE: Final = (
    *("project_id", "uid", "started_at", "generation_uid", "index", "kind", "content", "tokens", "score"),
    *("finish_reason", "logprobs"),
)
_ARRAYS: Final = frozenset({"tags", "categories"})
_DEFAULTS: Final[Mapping[str, Any]] = {"metadata": {}, "parameters": {}, "tags": (), "categories": ()}
"""What stands in a column that cannot be null when a record does not say."""


@dataclass(frozen=True, slots=True)
class Table:
    """Where records of one type are kept."""

    record: type[Any]
    facts: str
    payload: str | None = None
    is_partitioned: bool = False
    extra: tuple[str, ...] = ("created_at",)
    """Columns beside the record's own fields, filled by `derive`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the facts table, in the order that is copied and read."""
        return ("project_id", "uid", "public_id", *records.stored_fields(self.record), *self.extra)

    @property
    def payload_columns(self) -> tuple[str, ...]:
        """The columns of the payload table, in the order that is copied and read."""
        return ("project_id", "uid", "started_at", *records.payload_fields(self.record))


_EVENT: Final = ("input_preview", "output_preview", "start_assumed", "created_at", "updated_at")
PARTICIPANTS: Final = Table(ParticipantRecord, "participant", extra=("created_at",))
THREADS: Final = Table(ThreadRecord, "thread", extra=("created_at",))
STEPS: Final = Table(StepRecord, "step", "step_payload", is_partitioned=True, extra=_EVENT)
GENERATIONS: Final = Table(GenerationRecord, "generation", "generation_payload", is_partitioned=True, extra=_EVENT)
SCORES: Final = Table(ScoreRecord, "score", extra=("updated_at",))
FEEDBACK: Final = Table(FeedbackRecord, "feedback", extra=("is_latest",))
ATTACHMENTS: Final = Table(AttachmentRecord, "attachment", extra=())
TABLES: Final[Mapping[str, Table]] = {
    "participant": PARTICIPANTS,
    "thread": THREADS,
    "step": STEPS,
    "generation": GENERATIONS,
    "score": SCORES,
    "feedback": FEEDBACK,
    "attachment": ATTACHMENTS,
}
_COLUMN_OF: Final = {("participant", "seen_at"): "last_seen_at"}
"""Where a column is not called like the field."""


@dataclass(slots=True)
class Known:
    """A row as it stands, as a record of its table's type."""

    record: Any
    extra: dict[str, Any]
    started_at: dt.datetime | None = None
    has_payload: bool = False


@dataclass(slots=True)
class Merged:
    """A record as it is to stand, beside what stood."""

    record: Any
    known: Known | None
    extra: dict[str, Any] = field(default_factory=dict)
    is_changed: bool = True
    writes_payload: bool = True


# ---------------------------------------------------------------------------------------------------------- reading
def known(cursor: Any, table: Table, project: int, wanted: Mapping[str, Any]) -> dict[str, Known]:
    """The rows that there are for these ids, without payload.

    A partitioned table is asked in the batch's own window first, then everywhere for what may be older: records
    without a start always, others while they are few.
    """
    if not table.is_partitioned:
        return _read(cursor, table, project, list(wanted), None)
    starts = [s for s in (getattr(r, "started_at", None) for r in wanted.values()) if s is not None]
    found: dict[str, Known] = {}
    timed = [i for i, r in wanted.items() if getattr(r, "started_at", None) is not None]
    if timed:
        found = _read(cursor, table, project, timed, (min(starts) - WINDOW, max(starts) + WINDOW))
    missing = [i for i in wanted if i not in found]
    untimed = [i for i in missing if getattr(wanted[i], "started_at", None) is None]
    if len(missing) <= LOOK_EVERYWHERE:
        untimed = missing
    if untimed:
        found |= _read(cursor, table, project, untimed, None)
    return found


def _read(
    cursor: Any, table: Table, project: int, ids: list[str], window: tuple[dt.datetime, dt.datetime] | None
) -> dict[str, Known]:
    kind = records.KINDS[table.record]
    names = table.columns
    columns = ", ".join(f'"{_column(kind, name)}"' for name in names)
    sql = f'SELECT {columns} FROM "{table.facts}" WHERE project_id = %s AND uid = ANY(%s)'  # noqa: S608
    params: list[Any] = [project, [records.uid(project, kind, i) for i in ids]]
    if window is not None:
        sql += " AND started_at >= %s AND started_at <= %s"
        params += window
    cursor.execute(sql, params)
    found = {}
    for row in cursor.fetchall():
        values = {name: _loaded(name, value) for name, value in zip(names, row, strict=True)}
        extra = {name: values.pop(name) for name in table.extra}
        public_id = values.pop("public_id")
        del values["project_id"], values["uid"]
        stored = table.record(id=public_id, **values)
        found[public_id] = Known(stored, extra, values.get("started_at"))
    return found


def load_payloads(cursor: Any, table: Table, project: int, rows: Iterable[Known]) -> None:
    """Complete these rows with their payload."""
    kind = records.KINDS[table.record]
    wanted = [row for row in rows if not row.has_payload]
    if not wanted or table.payload is None:
        return
    by_uid = {records.uid(project, kind, row.record.id or ""): row for row in wanted}
    fields = records.payload_fields(table.record)
    columns = ", ".join(f'"{name}"' for name in fields)
    starts = [row.started_at for row in wanted if row.started_at is not None]
    cursor.execute(
        f'SELECT uid, {columns} FROM "{table.payload}"'  # noqa: S608
        " WHERE project_id = %s AND uid = ANY(%s) AND started_at >= %s AND started_at <= %s",
        [project, list(by_uid), min(starts), max(starts)],
    )
    for uid, *values in cursor.fetchall():
        row = by_uid[uid]
        loaded = {name: _loaded(name, value) for name, value in zip(fields, values, strict=True)}
        row.record = revised(row.record, **loaded)
    for row in wanted:
        row.has_payload = True


def _loaded(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _ARRAYS:
        return tuple(value)
    if name in _JSON and isinstance(value, str | bytes):
        return _parsed(value)
    return value


def _parsed(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # deeper than orjson goes, or an integer beyond its range
        return json.loads(text)


# ---------------------------------------------------------------------------------------------------------- writing
def write(cursor: Any, table: Table, project: int, rows: Sequence[Merged], now: dt.datetime) -> None:
    """Write what changed: facts always, payload where it did."""
    changed = [row for row in rows if row.is_changed]
    if not changed:
        return
    kind = records.KINDS[table.record]
    if table.is_partitioned:
        starts = [row.record.started_at for row in changed]
        partitions.ensure(partitions.month_of(start) for start in starts)
    replaced = [row for row in changed if row.known is not None]
    if replaced:
        _delete(cursor, table.facts, project, kind, replaced)
        if table.payload is not None:
            _delete(cursor, table.payload, project, kind, [row for row in replaced if row.writes_payload])
    uids = [records.uid(project, kind, row.record.id) for row in changed]
    copy(cursor, table.facts, [_column(kind, name) for name in table.columns], _facts(table, project, uids, changed))
    if table.payload is not None:
        copy(cursor, table.payload, table.payload_columns, _payloads(table, project, uids, changed))
    if table is GENERATIONS:
        olds = (row.known.started_at for row in replaced if row.known is not None)
        marking.mark(cursor, project, (*(row.record.started_at for row in changed), *olds))
        said = [(uid, row) for uid, row in zip(uids, changed, strict=True) if row.writes_payload]
        starts = [row.record.started_at for _, row in said]
        starts += [row.known.started_at for _, row in said if row.known is not None]
        marking.mark_text(cursor, project, [uid for uid, _ in said], starts, now)


def _facts(table: Table, project: int, uids: Iterable[uuid.UUID], rows: Iterable[Merged]) -> Iterator[Sequence[Any]]:
    fields = records.stored_fields(table.record)
    read = attrgetter("id", *fields)
    special = [(n, name) for n, name in enumerate(("id", *fields)) if name in _JSON or name in _ARRAYS]
    for uid, row in zip(uids, rows, strict=True):
        values = list(read(row.record))
        for n, name in special:
            values[n] = _stored(name, values[n])
        yield project, uid, *values, *(row.extra[name] for name in table.extra)


def _payloads(table: Table, project: int, uids: Iterable[uuid.UUID], rows: Iterable[Merged]) -> Iterator[Sequence[Any]]:
    fields = records.payload_fields(table.record)
    read = attrgetter("started_at", *fields)
    special = [n for n, name in enumerate(("started_at", *fields)) if name in _JSON]
    for uid, row in zip(uids, rows, strict=True):
        if row.writes_payload:
            values = list(read(row.record))
            for n in special:
                if values[n] is not None:
                    values[n] = dumped(values[n])
            yield project, uid, *values


def _delete(cursor: Any, table: str, project: int, kind: str, rows: Sequence[Merged]) -> None:
    if not rows:
        return
    uids = [records.uid(project, kind, row.record.id or "") for row in rows]
    starts = [row.known.started_at for row in rows if row.known is not None and row.known.started_at is not None]
    sql = f'DELETE FROM "{table}" WHERE project_id = %s AND uid = ANY(%s)'  # noqa: S608
    params: list[Any] = [project, uids]
    if table in partitions.PARTITIONED:
        sql += " AND started_at >= %s AND started_at <= %s"
        params += [min(starts), max(starts)]
    cursor.execute(sql, params)


def write_alternatives(cursor: Any, project: int, rows: Sequence[Merged]) -> None:
    """Replace the alternatives of the generations whose record brings some, or that moved."""
    concerned = [row for row in rows if row.is_changed and row.record.alternatives is not None]
    if not concerned:
        return
    uids = {row.record.id: records.uid(project, "generation", row.record.id) for row in concerned}
    known_uids = [uids[row.record.id] for row in concerned if row.known is not None]
    if known_uids:
        cursor.execute(
            "DELETE FROM alternative WHERE project_id = %s AND generation_uid = ANY(%s)", [project, known_uids]
        )
    copy(
        cursor,
        "alternative",
        [
            "project_id",
            "uid",
            "started_at",
            "generation_uid",
            "index",
            "kind",
            "content",
            "tokens",
            "score",
            "finish_reason",
            "logprobs",
        ],
        (
            (
                project,
                alternative_uid(project, row.record.id, alternative.index),
                row.record.started_at,
                uids[row.record.id],
                alternative.index,
                alternative.kind,
                _stored("content", alternative.content, nullable=True),
                alternative.tokens,
                alternative.score,
                alternative.finish_reason,
                _stored("logprobs", alternative.logprobs, nullable=True),
            )
            for row in concerned
            for alternative in row.record.alternatives or ()
        ),
    )


def load_alternatives(cursor: Any, project: int, rows: Iterable[Known]) -> None:
    """Complete these generations with the alternatives that are stored."""
    by_uid = {records.uid(project, "generation", row.record.id): row for row in rows}
    if not by_uid:
        return
    cursor.execute(
        "SELECT generation_uid, index, kind, content, tokens, score, finish_reason, logprobs FROM alternative"
        " WHERE project_id = %s AND generation_uid = ANY(%s) ORDER BY generation_uid, index",
        [project, list(by_uid)],
    )
    for uid, index, kind, content, tokens, score, reason, logprobs in cursor.fetchall():
        row = by_uid[uid]
        alternative = records.Alternative(
            index=index,
            kind=kind,
            content=_loaded("content", content),
            tokens=tokens,
            score=score,
            finish_reason=reason,
            logprobs=_loaded("logprobs", logprobs),
        )
        row.record = revised(row.record, alternatives=(*(row.record.alternatives or ()), alternative))


def alternative_uid(project: int, generation_id: str, index: int) -> uuid.UUID:
    """The key of one alternative."""
    return records.uid(project, "alternative", f"{generation_id}\0{index}")


def copy(cursor: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows into a table."""
    names = ", ".join(f'"{name}"' for name in columns)
    # Django wraps the errors of its own calls only, and COPY is psycopg's.
    with connection.wrap_database_errors, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as sink:
        for row in rows:
            sink.write_row(row)


def _column(kind: str, name: str) -> str:
    return _COLUMN_OF.get((kind, name), name)


def _stored(name: str, value: Any, *, nullable: bool = False) -> Any:
    if value is None:
        if nullable or name not in _DEFAULTS:
            return None
        value = _DEFAULTS[name]
    if name in _JSON:
        return dumped(value)
    if name in _ARRAYS:
        return list(value)
    return value


def dumped(value: Any) -> str:
    """`value` as JSON text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits, or nesting deeper than orjson goes
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, Decimal | uuid.UUID | dt.datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


# ---------------------------------------------------------------------------------------------------------- merging
def merged(
    cursor: Any, table: Table, project: int, wanted: Mapping[str, Any], pricing: derive.Pricing, now: dt.datetime
) -> list[Merged]:
    """Each wanted record merged with what is stored of it and completed, in the order of the ids."""
    there = known(cursor, table, project, wanted)
    if there and table.payload is not None:
        load_payloads(cursor, table, project, [row for i, row in there.items() if _needs_payload(wanted[i], row)])
    if there and table.record is GenerationRecord:
        generations: Any = there
        load_alternatives(
            cursor,
            project,
            [row for i, row in generations.items() if row.has_payload or wanted[i].alternatives is not None],
        )
    rows: list[Merged] = []
    for id in sorted(wanted):
        new, old = wanted[id], there.get(id)
        whole = new if old is None else records.merge(derive.without_stale(old.record, new), new)
        extra: dict[str, Any] = {} if old is None else dict(old.extra)
        record_, extra = derive.complete(whole, new, None if old is None else old.record, extra, pricing, now)
        row = Merged(record_, old, extra)
        if old is not None:
            row.writes_payload = old.has_payload
            row.is_changed = revised(record_, cleared=frozenset()) != revised(old.record, cleared=frozenset())
        rows.append(row)
    return rows


def _needs_payload(new: Any, old: Known) -> bool:
    """Whether merging `new` may change the stored payload, or move it."""
    touched = set(new.cleared)
    touched.update(
        name
        for name in (*records.payload_fields(type(new)), *records.stored_fields(type(new)))
        if getattr(new, name) is not None and getattr(new, name) != getattr(old.record, name)
    )
    relevant = {*records.payload_fields(type(new)), "started_at"} | derive.PRICED
    return bool(touched & relevant)
