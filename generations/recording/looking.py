"""Finds what is stored of a batch's ids, of all kinds in one statement. Used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from generations import pricing, records
from generations.recording import derive
from generations.recording.tables import (
    ALTERNATIVE,
    AMOUNTS,
    GENERATIONS,
    TABLES,
    Keys,
    Table,
    loaded,
    parsed,
    quoted,
)
from generations.records import GenerationRecord, fill

WINDOW: Final = dt.timedelta(days=1)
LOOK_EVERYWHERE: Final = 100
"""Up to so many ids of a kind are looked up in every partition; beyond, those with a start only around it."""
_LOCK: Final = 0x47454E32  # the first half of a project's lock; the second is the project
_PRICE: Final = (
    *("id", "match", "provider", "currency", "input_price", "cached_input_price", "cache_write_price"),
    *("output_price", "valid_from", "valid_to"),
)
Window = tuple[dt.datetime, dt.datetime]


@dataclass(slots=True)
class Known:
    """A row as it stands, as a record of its table's type."""

    record: Any
    extra: dict[str, Any]
    has_payload: bool = False
    has_alternatives: bool = False


@dataclass(slots=True)
class Found:
    """What there is: rows by kind and id, names of tags, the project's own prices, what hangs on generations."""

    rows: dict[str, dict[str, Known]] = field(default_factory=lambda: {kind: {} for kind in TABLES})
    tags: set[str] = field(default_factory=set)
    prices: list[pricing.Override] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)
    """Generations of a small batch that scores, feedback or attachments hang on already."""


def lock(cursor: Any, project: int) -> None:
    """One writer a project at a time: two first sights of an id cannot land in two partitions, nothing deadlocks."""
    cursor.execute(_LOCKING, [_LOCK, project % 2**31])


_LOCKING: Final = "SELECT pg_advisory_xact_lock(%s, %s)"


def look(cursor: Any, keys: Keys, wanted: Mapping[str, Mapping[str, Any]], *, tags: Collection[str] = ()) -> Found:
    """Lock the project and find the rows of these ids, with as much of them as merging these records needs.

    One message to the database for the lock and one statement. Another follows for ids of a large batch that are not
    near its own times, and for payloads that only turn out to be needed.
    """
    found = Found()
    question = _Question(keys)
    if tags:
        question.ask_tags(tags)
    if calls := wanted.get("generation"):
        question.ask_prices()
        if len(calls) <= LOOK_EVERYWHERE:
            question.ask_judged(calls)
    for kind, items in wanted.items():
        table = TABLES[kind]
        if not table.is_partitioned or len(items) <= LOOK_EVERYWHERE:
            question.ask(table, items)
            if table.is_partitioned:
                question.ask_rest(table, _needing(items, _needs_payload), _needing(items, _needs_alternatives))
            continue
        timed = {id: item for id, item in items.items() if item.started_at is not None}
        if timed:
            starts = [item.started_at for item in timed.values()]
            question.ask(table, timed, (min(starts) - WINDOW, max(starts) + WINDOW))
        question.ask(table, [id for id in items if id not in timed])
    question.fetch(cursor, found, locks=True)
    for kind, items in wanted.items():
        table = TABLES[kind]
        if table.is_partitioned:
            if LOOK_EVERYWHERE < len(items) <= LOOK_EVERYWHERE + len(found.rows[kind]):
                question.ask(table, [id for id in items if id not in found.rows[kind]])
                question.fetch(cursor, found)
            complete(cursor, keys, table, items, found)
    return found


def complete(cursor: Any, keys: Keys, table: Table, items: Mapping[str, Any], found: Found) -> None:
    """Load what is still missing of the rows found: what merging these records needs, all of rows that will move."""
    question = _Question(keys)
    bare: list[str] = []
    short: list[str] = []
    for id, row in found.rows[table.kind].items():
        new = items[id]
        moves = _moves(new, row)
        if not row.has_payload and (moves or _needs_payload(new)):
            bare.append(id)
        if table is GENERATIONS and not row.has_alternatives and (moves or _needs_alternatives(new)):
            short.append(id)
    starts = [found.rows[table.kind][id].record.started_at for id in (*bare, *short)]
    if starts:
        question.ask_rest(table, bare, short, (min(starts), max(starts)))
        question.fetch(cursor, found)


class _Question:
    """One statement that asks several tables, each row of the answer as JSON beside what it is."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._parts: list[str] = []
        self._params: list[Any] = []
        self._bare: list[tuple[str, str, Collection[str]]] = []

    def ask(self, table: Table, ids: Collection[str], window: Window | None = None) -> None:
        """Ask for rows of facts by their ids."""
        columns = ", ".join(
            f'"{column}"::text' if column in AMOUNTS else f'"{column}"' + (f' AS "{name}"' if name != column else "")
            for name, column in zip(table.names, table.columns, strict=True)
        )
        self._add(table.kind, columns, table.facts, "uid", table.kind, ids, window)

    def ask_rest(
        self, table: Table, bare: Collection[str], short: Collection[str], window: Window | None = None
    ) -> None:
        """Ask for the payloads of some rows and the alternatives of some."""
        columns = quoted(("uid", *table.payload_names[1:]))
        self._add(f"{table.kind}_payload", columns, str(table.payload), "uid", table.kind, bare, window)
        self._bare.append((table.kind, "has_payload", bare))
        columns = quoted(("generation_uid", *ALTERNATIVE))
        self._add("alternative", columns, "alternative", "generation_uid", table.kind, short, window)
        self._bare.append((table.kind, "has_alternatives", short))

    def ask_tags(self, names: Collection[str]) -> None:
        """Ask which of these tags there are."""
        self._parts.append("SELECT 'tag', to_json(name)::text FROM tag WHERE project_id = %s AND name = ANY(%s)")
        self._params += [self._keys.project, list(names)]

    def ask_prices(self) -> None:
        """Ask for the project's own prices."""
        columns = ", ".join(f'"{name}"::text' if name in AMOUNTS else f'"{name}"' for name in _PRICE)
        self._parts.append(_PART.format("price", columns, "price_override", "TRUE"))
        self._params.append(self._keys.project)

    def ask_judged(self, ids: Collection[str]) -> None:
        """Ask on which of these generations something hangs."""
        for table in ("score", "feedback", "attachment"):
            self._parts.append(_JUDGED.format(table))
            self._params += [self._keys.project, list(ids)]

    def _add(
        self, label: str, columns: str, table: str, key: str, kind: str, ids: Collection[str], window: Window | None
    ) -> None:
        if not ids:
            return
        condition = f"{key} = ANY(%s::uuid[])"
        self._params += [self._keys.project, _array(self._keys[kind, id] for id in ids)]
        if window is not None:
            condition += " AND started_at BETWEEN %s AND %s"
            self._params += window
        self._parts.append(_PART.format(label, columns, table, condition))

    def fetch(self, cursor: Any, found: Found, *, locks: bool = False) -> None:
        """Send it, with the lock before it if asked, and sort the answer into `found`."""
        sql, params = " UNION ALL ".join(self._parts), self._params
        if locks:
            # The lock is a statement of its own: what is read with it would be as old as the wait for it.
            sql = f"{_LOCKING}; {sql}" if sql else _LOCKING
            params = [_LOCK, self._keys.project % 2**31, *params]
        if not sql:
            return
        cursor.execute(sql, params)
        if locks and self._parts:
            cursor.nextset()
        if self._parts:
            self._sort(cursor.fetchall(), found)
        for kind, name, ids in self._bare:
            for id in ids:
                if (row := found.rows[kind].get(id)) is not None:
                    setattr(row, name, True)
        self._parts, self._params, self._bare = [], [], []

    def _sort(self, answer: Iterable[tuple[str, str]], found: Found) -> None:
        rest: list[tuple[str, dict[str, Any]]] = []
        for label, text in answer:
            values = parsed(text)
            if label == "tag":
                found.tags.add(values)
            elif label == "judged":
                found.judged.add(values)
            elif label == "price":
                found.prices.append(pricing.Override(**{name: loaded(name, v) for name, v in values.items()}))
            elif label in TABLES:
                row = _row(TABLES[label], values)
                found.rows[label][row.record.id] = row
            else:
                rest.append((label, values))
        if rest:
            _attach(rest, self._keys, found)


_PART: Final = "SELECT '{}' AS label, row_to_json(r)::text FROM (SELECT {} FROM {} WHERE project_id = %s AND {}) AS r"

_JUDGED: Final = (
    "SELECT 'judged', to_json(generation_id)::text FROM {} WHERE project_id = %s AND generation_id = ANY(%s)"
)


def _array(keys: Iterable[Any]) -> str:
    # As text: of a thousand keys, psycopg would ask each one for its type.
    return f"{{{','.join(map(str, keys))}}}"


def _row(table: Table, values: dict[str, Any]) -> Known:
    id = values.pop("public_id")
    for name, value in values.items():
        values[name] = loaded(name, value)
    extra = {name: values.pop(name) for name in table.extra}
    return Known(table.record(id=id, **values), extra)


def _attach(rest: Iterable[tuple[str, dict[str, Any]]], keys: Keys, found: Found) -> None:
    """Payloads and alternatives to their rows."""
    by_key = {keys[kind, id]: row for kind in ("step", "generation") for id, row in found.rows[kind].items()}
    alternatives: dict[str, list[records.Alternative]] = {}
    for label, values in rest:
        if label == "alternative":
            alternatives.setdefault(values.pop("generation_uid"), []).append(records.Alternative(**values))
        elif (row := by_key.get(values.pop("uid"))) is not None:
            fill(row.record, **values)
    for key, some in alternatives.items():
        if (row := by_key.get(key)) is not None:
            fill(row.record, alternatives=tuple(sorted(some, key=attrgetter("index"))))


# --------------------------------------------------------------------------------------------------- what is needed
_WEIGHTY: Final = {
    table.record: attrgetter(
        *records.payload_fields(table.record), *(derive.PRICED if table.record is GenerationRecord else ())
    )
    for table in TABLES.values()
    if table.is_partitioned
}


def _needing(items: Mapping[str, Any], test: Any) -> list[str]:
    return [id for id, item in items.items() if test(item)]


def _needs_payload(new: Any) -> bool:
    """Whether merging `new` may change the stored payload."""
    return bool(new.cleared) or any(value is not None for value in _WEIGHTY[type(new)](new))


def _needs_alternatives(new: Any) -> bool:
    """Whether merging `new` may change the stored alternatives, or move them."""
    return isinstance(new, GenerationRecord) and (
        new.alternatives is not None or not new.cleared.isdisjoint(("alternatives", "started_at"))
    )


def _moves(new: Any, row: Known) -> bool:
    """Whether merging `new` gives the row a truer start."""
    return bool(row.extra["start_assumed"] and new.started_at is not None and new.started_at != row.record.started_at)
