"""Rows of long texts for COPY, in PostgreSQL's binary form: a third of the work of reading them as lines. Used by
`recording` alone.

Lines are read letter by letter, to see where each value ends; here its length goes before it. For short values that
saves nothing, and to write their types would take longer than the database takes to read them.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain, repeat
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


def rows(names: Sequence[str], columns: Sequence[tuple[Any, ...]]) -> tuple[list[str], list[bytes]]:
    """The names of those columns that hold anything, and their rows in pieces. There is at least one row.

    The pieces are to be joined once: each time that a long text is joined to another piece, it is copied.
    """
    kept, full = filled(names, columns)
    number = len(full[0])
    pieces: list[Iterable[bytes]] = [repeat(len(kept).to_bytes(2), number)]
    for name, values in zip(kept, full, strict=True):
        pieces += _column(name, values)
    body = chain.from_iterable(zip(*pieces, strict=True))
    return kept, [_SIGNATURE, *body, _TRAILER]


def _column(name: str, values: Sequence[Any]) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """What goes before each value of a column, and the values."""
    if (form := _FORMS.get(name)) is not None:
        size, pack = form
        return repeat(_size(size), len(values)), [pack(value) for value in values]
    if name in JSON:
        # A version goes before the text of jsonb.
        return [_NULL if value is None else _version(len(value) + 1, 1) for value in values], [v or b"" for v in values]
    texts = [b"" if value is None else value.encode() for value in values]
    return [_NULL if v is None else _size(len(text)) for v, text in zip(values, texts, strict=True)], texts


_size: Final = struct.Struct(">i").pack
_version: Final = struct.Struct(">ib").pack


@cache
def _project(value: int) -> bytes:
    return value.to_bytes(8)


def _key(value: str) -> bytes:
    return bytes.fromhex(value.replace("-", ""))


def _moment(value: str) -> bytes:
    return ((dt.datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND).to_bytes(8, signed=True)


_FORMS: Final[dict[str, tuple[int, Callable[[Any], bytes]]]] = {
    "project_id": (8, _project),
    "uid": (16, _key),
    "started_at": (8, _moment),
}
"""The columns that are no texts: their size in bytes, and what makes them."""
