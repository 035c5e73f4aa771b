"""Where records of each type are kept: tables, columns, and the forms of values in them. Used by `recording` alone."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

import orjson

from generations import cleaning, identities, prepared, records
from generations.records import (
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

JSON: Final = frozenset(
    {
        *("metadata", "parameters", "request_attributes", "response_attributes", "input", "output", "messages"),
        *("message_completion", "variables", "tools", "logprobs", "attributes", "events", "cost_arithmetic", "content"),
    }
)
ARRAYS: Final = frozenset({"tags", "categories"})
TIMES: Final = frozenset(
    {"started_at", "ended_at", "created_at", "updated_at", "seen_at", "last_activity_at", "valid_from", "valid_to"}
)
_WRITTEN: Final = frozenset({"created_at", "updated_at"})
AMOUNTS: Final = frozenset(
    {"cost", "input_cost", "output_cost", "input_price", "cached_input_price", "cache_write_price", "output_price"}
)
_DEFAULTS: Final = {"metadata": "{}", "parameters": "{}", "tags": "{}", "categories": "{}"}
"""What stands in a column that cannot be null when a record does not say."""
_COLUMN_OF: Final = {("participant", "seen_at"): "last_seen_at"}
"""Where a column is not called like the field."""
_EVENT: Final = ("input_preview", "output_preview", "start_assumed", "created_at", "updated_at")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Where records of one type are kept."""

    record: type[Any]
    facts: str
    payload: str | None = None
    extra: tuple[str, ...] = ("created_at",)
    """Columns beside the record's own fields, filled by `derive`."""
    kind: str = field(init=False)
    names: tuple[str, ...] = field(init=False)
    """Names of what stands in a row of facts behind project and key, in the order that is written and read."""
    columns: tuple[str, ...] = field(init=False)
    """The columns of those names."""
    payload_names: tuple[str, ...] = field(init=False)
    """The same for the payload."""

    def __post_init__(self) -> None:
        kind = records.KINDS[self.record]
        names = (*records.stored_fields(self.record), *self.extra)
        told = {
            "kind": kind,
            "names": ("public_id", *names),
            "columns": ("public_id", *(_COLUMN_OF.get((kind, name), name) for name in names)),
            "payload_names": ("started_at", *records.payload_fields(self.record)) if self.payload else (),
        }
        for name, value in told.items():
            object.__setattr__(self, name, value)

    @property
    def is_partitioned(self) -> bool:
        """Whether its rows lie in partitions by month, and so are found sooner with their start."""
        return self.payload is not None


PARTICIPANTS: Final = Table(ParticipantRecord, "participant")
THREADS: Final = Table(ThreadRecord, "thread")
STEPS: Final = Table(StepRecord, "step", "step_payload", extra=_EVENT)
GENERATIONS: Final = Table(GenerationRecord, "generation", "generation_payload", extra=_EVENT)
SCORES: Final = Table(ScoreRecord, "score", extra=("updated_at",))
FEEDBACK: Final = Table(FeedbackRecord, "feedback", extra=("is_latest", "updated_at"))
ATTACHMENTS: Final = Table(AttachmentRecord, "attachment", extra=("updated_at",))
TABLES: Final[Mapping[str, Table]] = {
    table.kind: table for table in (PARTICIPANTS, THREADS, STEPS, GENERATIONS, SCORES, FEEDBACK, ATTACHMENTS)
}
"""By kind, in the order in which they are written."""
HANGING: Final[Mapping[str, tuple[str, ...]]] = {
    "generation": ("score", "feedback", "attachment"),
    "step": ("score", "feedback", "attachment"),
    "thread": ("score", "attachment"),
}
"""The tables with rows that go with a row of a kind."""
ALTERNATIVE: Final = ("index", "kind", "content", "tokens", "score", "finish_reason", "logprobs")
"""The columns of an alternative that are fields of its record."""


@dataclass(frozen=True, slots=True)
class Named:
    """How a row is made wider that others only name: nothing that was said of it is overruled."""

    fields: Mapping[str, tuple[str, str]]
    """What is told of it: by field, the column and its type."""
    changes: str
    """What becomes of a row that is `there` of what is `excluded` from coming in beside it, as PostgreSQL calls it."""
    where: str
    """When something does."""


NAMED: Final[Mapping[str, Named]] = {
    "thread": Named(
        {
            "user_id": ("user_id", "text"),
            "environment": ("environment", "text"),
            "started_at": ("started_at", "timestamptz"),
            "last_activity_at": ("last_activity_at", "timestamptz"),
        },
        "user_id = coalesce(there.user_id, excluded.user_id),"
        " environment = coalesce(there.environment, excluded.environment),"
        " started_at = least(there.started_at, excluded.started_at),"
        " last_activity_at = greatest(there.last_activity_at, excluded.last_activity_at)",
        "excluded.started_at < there.started_at OR excluded.last_activity_at > there.last_activity_at"
        " OR (there.user_id IS NULL AND excluded.user_id IS NOT NULL)"
        " OR (there.environment IS NULL AND excluded.environment IS NOT NULL)",
    ),
    # When they were last seen is kept to the minute: a write for each call would be the hottest of all.
    "participant": Named(
        {"seen_at": ("last_seen_at", "timestamptz")},
        "last_seen_at = excluded.last_seen_at",
        "excluded.last_seen_at >= there.last_seen_at + interval '1 minute'",
    ),
}


class Keys(dict[tuple[str, str], str]):
    """The keys of a project's rows by (kind, id), each reckoned once in a transaction, as text.

    `packed` has JSON that is text already.
    """

    def __init__(self, project: int, packed: cleaning.Packed | None = None) -> None:
        super().__init__()
        self.project = project
        self.packed = {} if packed is None else packed

    def __missing__(self, named: tuple[str, str]) -> str:
        key = self[named] = identities.uid_text(self.project, *named)
        return key


def quoted(names: Any) -> str:
    """Names of columns as SQL."""
    return ", ".join(f'"{name}"' for name in names)


# ------------------------------------------------------------------------------------------------------------- values
class Conversions:
    """How values of these fields become what their columns take, where they are not that already.

    JSON and times become text, which psycopg writes faster than what it has to turn into text itself; but for the time
    of writing, which is mostly the same in all rows: the writer sees that, and makes a text of it once. With
    `in_bytes` JSON stays what it is checked as, for rows that are written as bytes.
    """

    def __init__(self, names: Sequence[str], *, in_bytes: bool = False) -> None:
        self._documents = [(place, _DEFAULTS.get(name)) for place, name in enumerate(names) if name in JSON]
        self._in_bytes = in_bytes
        self._times = [place for place, name in enumerate(names) if name in TIMES and name not in _WRITTEN]
        self._arrays = [(place, _DEFAULTS.get(name)) for place, name in enumerate(names) if name in ARRAYS]

    def converted(self, columns: Iterable[Sequence[Any]], packed: cleaning.Packed) -> list[Sequence[Any]]:
        """These columns in the forms of the table. `packed` has the JSON that is text already."""
        done = list(columns)
        for place, default in self._documents:
            values = done[place]
            if values.count(None) == len(values):
                done[place] = [default] * len(values)
                continue
            texts = _texts(values, packed)
            done[place] = texts
            if not self._in_bytes:  # what is kept so has no default
                done[place] = [text.decode() if text else default for text in texts]
        for place in self._times:
            done[place] = _timed(done[place])
        for place, default in self._arrays:
            done[place] = _arrays(done[place], default)
        return done


def _texts(values: Sequence[Any], packed: cleaning.Packed) -> list[bytes | None]:
    """Values as JSON; nothing stays nothing."""
    packed[id(None)] = None, None
    found = [*map(packed.get, map(id, values))]
    if None in found:  # for nobody had to write it to check it
        return [there[1] if there else dumped(value) for value, there in zip(values, found, strict=True)]
    return [*map(_text, found)]


_text: Final[Callable[[Any], bytes | None]] = itemgetter(1)


def _arrays(values: Sequence[Any], default: str | None) -> list[str | None]:
    """Tuples of texts as text, each once: many have the very same."""
    places = [*map(id, values)]
    each = dict(zip(places, values, strict=True))
    texts = {place: default if value is None else prepared.array(value) for place, value in each.items()}
    return [*map(texts.__getitem__, places)]


def _timed(moments: Sequence[dt.datetime | None]) -> list[str | None]:
    """Times as text, which orjson writes five times as fast as they do themselves."""
    texts: list[str | None] = orjson.loads(orjson.dumps(moments))
    return texts


def loaded(name: str, value: Any) -> Any:
    """A column's value, as it came in JSON, as the field's."""
    if value is None:
        return None
    if name in TIMES:
        return dt.datetime.fromisoformat(value)
    if name in ARRAYS:
        return tuple(value)
    if name in AMOUNTS:
        return Decimal(value)
    return value


_LONG: Final = re.compile(r"\d{19}")


def parsed(text: str) -> Any:
    """JSON that the database wrote. Numbers that orjson would round stay whole."""
    return json.loads(text) if _LONG.search(text) else orjson.loads(text)


def dumped(value: Any) -> bytes:
    """`value` as JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or nesting deeper than orjson goes
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=plain).encode()


def plain(value: Any) -> str:
    """A value that JSON has no form for, as text."""
    if isinstance(value, Decimal | uuid.UUID | dt.datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
