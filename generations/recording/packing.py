"""Rows of long texts for COPY, in PostgreSQL's binary form: a third of the work of reading them as lines. Used by
`recording` alone.

Lines are read letter by letter, to see where each value ends; here its length goes before it. For short values that
saves nothing, and to write their types would take longer than the database takes to read them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

from generations.recording.copying import filled
from generations.recording.tables import JSON, TABLES

TABLES_OF_TEXTS: Final = frozenset(table.payload for table in TABLES.values() if table.payload is not None)
"""The tables whose rows are written so: project, key, start, and otherwise JSON and texts."""
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def statement(table: str, names: Iterable[str]) -> str:
    """The COPY that reads what `rows` makes of these columns."""
    columns = ", ".join(f'"{name}"' for name in names)
    return f'COPY "{table}" ({columns}) FROM STDIN (FORMAT binary)'


def rows(names: Sequence[str], columns: Sequence[tuple[Any, ...]]) -> tuple[list[str], bytes]:
    """The names of those columns that hold anything, and their rows. There is at least one row."""
    kept, full = filled(names, columns)
    packed = [_column(name, values) for name, values in zip(kept, full, strict=True)]
    number = len(kept).to_bytes(2)
    body = b"".join([number + b"".join(row) for row in zip(*packed, strict=True)])
    return kept, b"".join((_SIGNATURE, body, _TRAILER))


def _column(name: str, values: Sequence[Any]) -> list[bytes]:
    if name in JSON:
        return [_NULL if value is None else _json(value.encode()) for value in values]
    if (pack := _FORMS.get(name)) is not None:
        return [pack(value) for value in values]
    return [_NULL if value is None else _sized(value.encode()) for value in values]


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value


def _json(value: bytes) -> bytes:
    # A version goes before the text of jsonb.
    return b"%b\x01%b" % ((len(value) + 1).to_bytes(4), value)


@cache
def _project(value: int) -> bytes:
    return _sized(value.to_bytes(8))


def _key(value: str) -> bytes:
    return _sized(bytes.fromhex(value.replace("-", "")))


def _moment(value: str) -> bytes:
    return _sized(((dt.datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND).to_bytes(8, signed=True))


_FORMS: Final[dict[str, Callable[[Any], bytes]]] = {"project_id": _project, "uid": _key, "started_at": _moment}
