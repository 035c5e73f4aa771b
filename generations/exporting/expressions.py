"""Columns as SQL texts: what a value is in a JSON document, and what it is in the cell of a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from generations.exporting.columns import Type, type_of
from generations.ingest.rest_fields import Slot

_AT_ONCE: Final = 80
"""Arguments of a function; PostgreSQL takes a hundred."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row: as JSON text and as the text of a table's cell; both null when it is not known."""

    json: str
    cell: str


def value(column: str, type: Type, *, empty: bool = False) -> Value:
    """A column as a value. With `empty`, an empty list or object counts as unknown."""
    match type:
        case Type.TEXT:
            return Value(f"to_json({column})::text", column)
        case Type.TIME:
            moment = f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
            # As Python writes it: six digits, or none.
            moment = f"replace({moment}, '.000000Z', 'Z')"
            return Value(f"'\"' || {moment} || '\"'", moment)
        case Type.DECIMAL:
            return Value(f"{column}::float8::text", f"trim_scale({column})::text")
        case Type.JSON:
            text = f"nullif({column}, '{{}}')::text" if empty else f"{column}::text"
            return Value(text, text)
        case _:
            return Value(f"{column}::text", f"{column}::text")


def _labels(column: str) -> Value:
    text = f"CASE WHEN cardinality({column}) > 0 THEN to_json({column})::text END"
    return Value(text, text)


def any_json(json: str, column: str) -> Value:
    """A JSON value of which a text is shown as it is."""
    return Value(json, f"CASE jsonb_typeof({column}) WHEN 'string' THEN {column} #>> '{{}}' ELSE {column}::text END")


def of_slot(alias: str, slot: Slot, *, empty: bool = False) -> Value:
    """The column that a field of REST is stored in, as a value."""
    name = "public_id" if slot.attribute == "id" else slot.attribute
    if name in ("tags", "categories"):
        return _labels(f"{alias}.{name}")
    return value(f'{alias}."{name}"', type_of(slot), empty=empty)


def concatenated(parts: Sequence[str]) -> str:
    """SQL that puts texts together and leaves out those that are null; never null itself."""
    if len(parts) <= _AT_ONCE:
        return f"concat({', '.join(parts)})" if parts else "''"
    return concatenated([concatenated(parts[n : n + _AT_ONCE]) for n in range(0, len(parts), _AT_ONCE)])


def member(name: str, json: str) -> str:
    """A member of an object with the comma before it; null where its value is."""
    return f"""',"{name}":' || {json}"""


def object_of(values: Mapping[str, str]) -> str:
    """An object of these values, without those that are null. The first must not be."""
    (first, json), *others = values.items()
    return concatenated([f"""'{{"{first}":'""", json, *(member(name, json) for name, json in others), "'}'"])


def flat_object(alias: str, table: Mapping[str, Slot], leave_out: Collection[str] = ()) -> str:
    """A small row as an object; what is empty is left out as if not known."""
    slots = {name: slot for name, slot in table.items() if name not in leave_out}
    return object_of({name: of_slot(alias, slot, empty=True).json for name, slot in slots.items()})
