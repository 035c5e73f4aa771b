"""Finds what is stored of a batch's ids, of all kinds in one statement. Used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from generations import partitions, prepared, pricing, records, trusting
from generations.recording import derive, locking, seeing
from generations.recording.seeing import EVENTS
from generations.recording.tables import (
    ALTERNATIVE,
    AMOUNTS,
    GENERATIONS,
    NAMED,
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
MOST_MONTHS: Final = 3
"""Rows around more months than these are looked up in every partition: a statement is made for each group of months."""


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
    wide: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in NAMED})
    """The ids that were only named whose rows have nothing to gain from that."""


def look(
    cursor: Any,
    keys: Keys,
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    named: Mapping[str, Mapping[str, Any]] | None = None,
    tags: Collection[str] = (),
    locks: bool = True,
    near: bool = False,
    trusts: Sequence[trusting.Trust] = (),
) -> Found:
    """Lock the project and find the rows of these ids, with as much of them as merging these records needs.

    One message to the database for the lock and one statement, which only says what is there: most of what comes is
    new. Another follows for what is there, and one more for payloads that only turn out to be needed. Without `locks`
    the caller has locked what is written, and does not ask what hangs on it. What is `near` is not looked for elsewhere
    than around its start. Those who are trusted are confirmed: raises trusting.Outdated.
    """
    found = Found()
    close: dict[str, Collection[str]] = {}
    far: dict[str, Collection[str]] = {}
    starts: list[dt.datetime] = []
    for kind, items in wanted.items():
        if not TABLES[kind].is_partitioned or (len(items) <= LOOK_EVERYWHERE and not near):
            far[kind] = items
        else:
            close[kind] = [id for id, item in items.items() if item.started_at is not None]
            far[kind] = [id for id, item in items.items() if item.started_at is None]
            starts += [items[id].started_at for id in close[kind]]
    months = _months(starts)
    if len(months) > MOST_MONTHS:
        far |= {kind: wanted[kind] for kind in close}
        close, months = {}, ()
    calls = wanted.get("generation", {})
    judged = calls if len(calls) <= LOOK_EVERYWHERE and locks else ()
    is_far = not months or any(far.values()) or bool(judged)
    params: list[Any] = []
    if is_far:
        params += [_array(keys[kind, id] for id in far.get(kind, ())) for kind in TABLES]
        params.append(prepared.array(judged))
    if months:
        params += [_array(keys[kind, id] for id in close.get(kind, ())) for kind in EVENTS]
    params += [prepared.array(tags), bool(calls)]
    for kind, wider in NAMED.items():
        some = (named or {}).get(kind, {})
        params.append(_array(keys[kind, id] for id in some))
        params += [prepared.array([getattr(record, name) for record in some.values()]) for name in wider.fields]
    there: dict[str, set[str]] = {kind: set() for kind in TABLES}
    lock = locking.alone(keys.project) if locks else ""
    asked = prepared.Asked(seeing.statement(months, is_far), keys.project, params)
    for label, said in trusting.fetch(cursor, trusts, asked, before=lock):
        if label == "tag":
            found.tags.add(said)
        elif label.startswith("wide "):
            found.wide[label[5:]].add(said)
        elif label == "judged":
            found.judged.add(said)
        elif label == "price":
            found.prices.append(pricing.Override(**{n: loaded(n, v) for n, v in parsed(said).items()}))
        else:
            there[label].add(said)
    question = _Question(keys)
    for kind, items in wanted.items():
        if not there[kind]:
            continue
        table = TABLES[kind]
        some = {id: item for id, item in items.items() if keys[kind, id] in there[kind]}
        within = months if close.get(kind) and not far[kind] else ()
        question.ask(table, some, within)
        missing = len(items) - len(some)
        if kind in close and not near and LOOK_EVERYWHERE >= missing > 0:
            question.ask(table, [id for id in items if id not in some])
        if table.is_partitioned and some:
            question.ask_rest(table, _needing(some, _needs_payload), _needing(some, _needs_alternatives), within)
    question.fetch(cursor, found)
    for kind in EVENTS:
        if found.rows[kind]:
            complete(cursor, keys, TABLES[kind], wanted[kind], found)
    return found


def _months(starts: Collection[dt.datetime]) -> tuple[dt.date, ...]:
    """The months around these starts, and no more of them than one too many."""
    if not starts:
        return ()
    months = [partitions.month_of(min(starts) - WINDOW)]
    end = max(starts) + WINDOW
    while len(months) <= MOST_MONTHS and (following := partitions.next_month(months[-1])) <= end.date():
        months.append(following)
    return tuple(months)


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
        months = partitions.months_of(starts)
        question.ask_rest(table, bare, short, sorted(months) if len(months) <= MOST_MONTHS else ())
        question.fetch(cursor, found)


class _Question:
    """One statement that asks several tables, each row of the answer as JSON beside what it is."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._parts: list[str] = []
        self._params: list[Any] = []
        self._bare: list[tuple[str, str, Collection[str]]] = []

    def ask(self, table: Table, ids: Collection[str], months: Collection[dt.date] = ()) -> None:
        """Ask for rows of facts by their ids: in these months, or everywhere."""
        columns = ", ".join(
            f'"{column}"::text' if column in AMOUNTS else f'"{column}"' + (f' AS "{name}"' if name != column else "")
            for name, column in zip(table.names, table.columns, strict=True)
        )
        self._add(table.kind, columns, table.facts, "uid", table.kind, ids, months)

    def ask_rest(
        self, table: Table, bare: Collection[str], short: Collection[str], months: Collection[dt.date] = ()
    ) -> None:
        """Ask for the payloads of some rows and the alternatives of some."""
        columns = quoted(("uid", *table.payload_names[1:]))
        self._add(f"{table.kind}_payload", columns, str(table.payload), "uid", table.kind, bare, months)
        self._bare.append((table.kind, "has_payload", bare))
        columns = quoted(("generation_uid", *ALTERNATIVE))
        self._add("alternative", columns, "alternative", "generation_uid", table.kind, short, months)
        self._bare.append((table.kind, "has_alternatives", short))

    def _add(
        self,
        label: str,
        columns: str,
        table: str,
        key: str,
        kind: str,
        ids: Collection[str],
        months: Collection[dt.date],
    ) -> None:
        if not ids:
            return
        uids = _array(self._keys[kind, id] for id in ids)
        for name in [partitions.named(table, month) for month in months] or [table]:
            rows = prepared.found(columns, name, key, "%s::uuid[]").format(project=self._keys.project)
            self._parts.append(_PART.format(label, rows))
            self._params.append(uids)

    def fetch(self, cursor: Any, found: Found) -> None:
        """Send it, if anything is asked, and sort the answer into `found`."""
        if self._parts:
            cursor.execute(" UNION ALL ".join(self._parts), self._params)
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
            if label in TABLES:
                row = _row(TABLES[label], values)
                found.rows[label][row.record.id] = row
            else:
                rest.append((label, values))
        if rest:
            _attach(rest, self._keys, found)


_PART: Final = "SELECT '{}' AS label, row_to_json(r)::text FROM ({}) AS r"


def _array(keys: Iterable[Any]) -> str:
    # As text, like `prepared.array`, and without anything in it that would have to be escaped.
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
    """Whether merging `new` may give the row a truer start."""
    times = (new.started_at, new.ended_at, new.latency)
    return bool(row.extra["start_assumed"] and any(one not in (None, row.record.started_at) for one in times))
