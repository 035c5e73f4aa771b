"""What each list is exported as: its columns with their types, and the part of a document that chosen fields name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from generations import filters
from generations.filters.fields import joined, nearest, split
from generations.ingest import values
from generations.ingest.rest_fields import (
    FEEDBACK,
    GENERATION,
    OWN_METADATA,
    OWN_STEP_METADATA,
    SCORE,
    STEP,
    Slot,
)
from generations.records import Json

MAX_FIELDS: Final = 500


class Type(StrEnum):
    """What a column of a table holds. JSON is a text as it is, and the JSON text of anything else."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOL = "bool"
    TIME = "time"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, found in a document by `keys`."""

    keys: tuple[str, ...]
    type: Type

    @property
    def path(self) -> str:
        """Its name: the dotted path."""
        return joined(self.keys)

    def of(self, document: Mapping[str, Json]) -> Json:
        """Its value in a document; None where there is none."""
        value: Json = document
        for key in self.keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value


_TYPES: Final[dict[Any, Type]] = {
    values.whole: Type.INTEGER,
    values.number: Type.NUMBER,
    values.positive: Type.NUMBER,
    values.rating: Type.NUMBER,
    values.money: Type.DECIMAL,
    values.flag: Type.BOOL,
    values.moment: Type.TIME,
    values.mapping: Type.JSON,
    values.array: Type.JSON,
    values.objects: Type.JSON,
    values.texts: Type.JSON,
    values.anything: Type.JSON,
}
"""The type of what a REST field is read by; all other readings read texts."""


def type_of(slot: Slot) -> Type:
    """What a column of this field holds."""
    return _TYPES.get(slot.read, Type.TEXT)


def _declared(slots: Mapping[str, Slot], leave_out: Iterable[str] = ()) -> list[Column]:
    kept = ((path, slot) for path, slot in slots.items() if path not in leave_out)
    return [Column(tuple(path.split(".")), type_of(slot)) for path, slot in kept]


def _within(name: str, slots: Mapping[str, Slot]) -> list[Column]:
    return [Column((name, *column.keys), column.type) for column in _declared(slots)]


def _column(path: str, type: Type = Type.TEXT) -> Column:
    return Column(tuple(path.split(".")), type)


STAMPS: Final = frozenset({_column("createdAt", Type.TIME), _column("updatedAt", Type.TIME)})
"""When this store heard of a generation or step. Only exported when asked for: elsewhere it would not be true."""

COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "generations": (
        *_declared(GENERATION, leave_out=["metadata", "feedback"]),
        *_within("metadata", OWN_METADATA),
        _column("metadata", Type.JSON),
        *_within("feedback", FEEDBACK),
    ),
    "steps": (
        *_declared(STEP, leave_out=["metadata"]),
        *_within("metadata", OWN_STEP_METADATA),
        _column("metadata", Type.JSON),
    ),
    "threads": (
        _column("id"),
        _column("name"),
        _column("userId"),
        _column("environment"),
        _column("tags", Type.JSON),
        _column("metadata", Type.JSON),
        _column("timestamp", Type.TIME),
        _column("lastActivityAt", Type.TIME),
        _column("createdAt", Type.TIME),
    ),
    "participants": (
        _column("id"),
        _column("identifier"),
        _column("metadata", Type.JSON),
        _column("createdAt", Type.TIME),
        _column("lastSeenAt", Type.TIME),
    ),
    "scores": tuple(_declared(SCORE)),
    "datasets": (
        _column("id"),
        _column("datasetId"),
        _column("datasetName"),
        _column("input", Type.JSON),
        _column("expectedOutput", Type.JSON),
        _column("metadata", Type.JSON),
        _column("intermediarySteps", Type.JSON),
        _column("generationId"),
        _column("stepId"),
        _column("split"),
        _column("createdAt", Type.TIME),
    ),
    "experiments": (
        _column("id"),
        _column("experimentId"),
        _column("experimentName"),
        _column("datasetId"),
        _column("promptVersionId"),
        _column("params", Type.JSON),
        _column("datasetItemId"),
        _column("runId"),
        _column("generationId"),
        _column("input", Type.JSON),
        _column("output", Type.JSON),
        _column("scores", Type.JSON),
        _column("createdAt", Type.TIME),
    ),
    "prompts": (
        _column("id"),
        _column("promptId"),
        _column("name"),
        _column("version", Type.INTEGER),
        _column("labels", Type.JSON),
        _column("messages", Type.JSON),
        _column("template"),
        _column("inputs", Type.JSON),
        _column("inputDefaults", Type.JSON),
        _column("model"),
        _column("provider"),
        _column("settings", Type.JSON),
        _column("tools", Type.JSON),
        _column("description"),
        _column("createdAt", Type.TIME),
    ),
    "tags": (
        _column("name"),
        _column("colour"),
        _column("description"),
        _column("createdAt", Type.TIME),
    ),
}
"""The columns of each list as a table, in their order: the same for every export, so that files can be appended."""


def chosen(kind: str, fields: Sequence[str] | None) -> tuple[Column, ...]:
    """The parts of a document that `fields` name, in their order; all columns when there are none.

    A field is a column (`model.id`), a group of columns (`usage`), a key within a JSON column (`metadata.plan`), or
    another name that filters know for one of these. Raises BadFilter, with the nearest right name, for anything else.
    """
    if fields is None:
        return COLUMNS[kind]
    if len(fields) == 0 or len(fields) > MAX_FIELDS:
        raise filters.BadFilter("fields", len(fields), f"1 to {MAX_FIELDS} names of fields")
    found = dict.fromkeys(_named(kind, field) for field in fields)
    return tuple(found)


def flat(kind: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """`columns` with each group of columns spread out: what a table has."""
    spread: dict[Column, None] = {}
    for column in columns:
        if column in COLUMNS[kind]:
            spread[column] = None
        else:
            inner = [known for known in COLUMNS[kind] if known.keys[: len(column.keys)] == column.keys]
            spread.update(dict.fromkeys(inner or [column]))
    return tuple(spread)


def part(document: Mapping[str, Json], columns: Iterable[Column]) -> dict[str, Json]:
    """What of `document` the columns name, nested as it was; what is absent stays absent."""
    result: dict[str, Json] = {}
    for column in columns:
        value = column.of(document)
        if value is None:
            continue
        inner = result
        for key in column.keys[:-1]:
            inner = inner.setdefault(key, {})
        last = column.keys[-1]
        inner[last] = {**inner.get(last, {}), **value} if isinstance(value, dict) else value
    return result


def _named(kind: str, field: Any) -> Column:
    if not isinstance(field, str):
        raise filters.BadFilter("fields", field, "names of fields as texts")
    found = _find(kind, field)
    if found is None:
        # `tags` is `metadata.tags`, `latency` is `performance.latency`: filters know the other names.
        found = next((column for name in _other_names(kind, field) if (column := _find(kind, name))), None)
    if found is None:
        names = [column.path for column in COLUMNS[kind]]
        names += sorted({name.partition(".")[0] for name in names} - set(names))
        raise filters.BadFilter("fields", field, f"fields of {kind}{nearest(field, names)}")
    return found


def _other_names(kind: str, field: str) -> tuple[str, ...]:
    try:
        known = filters.field(kind, field)
    except filters.BadFilter:
        return ()
    return (known.path, *known.aliases)


def _find(kind: str, field: str) -> Column | None:
    keys = tuple(split(field) or ())
    if not keys:
        return None
    stamps: Collection[Column] = STAMPS if kind in ("generations", "steps") else ()
    exact = next((column for column in (*COLUMNS[kind], *stamps) if column.keys == keys), None)
    if exact is not None:
        return exact
    for column in COLUMNS[kind]:
        is_group = column.keys[: len(keys)] == keys
        is_within = column.type is Type.JSON and keys[: len(column.keys)] == column.keys
        if is_group or is_within:
            return Column(keys, Type.JSON)
    return None
