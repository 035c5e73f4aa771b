r"""Rows for COPY, made a column at a time. Used by `recording` alone.

As CSV whose quote and delimiter are control characters: in JSON these are escaped, and other texts hardly ever hold
them, so that nothing has to be escaped a second time, neither here nor by the database.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from itertools import repeat
from types import NoneType
from typing import Any, Final

_QUOTE: Final = "\x01"
_NEXT: Final = "\x01\x02\x01"
_END: Final = "\x01\n\x01"
_NULL: Final = secrets.token_hex(5)
"""What stands for null: nobody can send a text that is taken for it."""


def statement(table: str, names: Iterable[str]) -> str:
    """The COPY that reads what `lines` makes of these columns."""
    columns = ", ".join(f'"{name}"' for name in names)
    return (
        f'COPY "{table}" ({columns}) FROM STDIN'
        rf" (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02', NULL '{_NULL}', FORCE_NULL ({columns}))"
    )


def filled(names: Sequence[str], columns: Sequence[tuple[Any, ...]]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Those of these columns that hold anything, their names apart. There is at least one row."""
    nothing = (None,) * len(columns[0])
    kept = [(name, values) for name, values in zip(names, columns, strict=True) if values != nothing]
    return [name for name, _ in kept], [values for _, values in kept]


def lines(names: Sequence[str], columns: Sequence[tuple[Any, ...]]) -> tuple[list[str], str]:
    """The names of those columns that hold anything, and their rows as text. There is at least one row.

    Half of the columns of a wide table hold nothing, and most of the others nothing but texts.
    """
    kept, full = filled(names, columns)
    texts: list[Iterable[str]] = []
    for values in full:
        kinds = {*map(type, values)}
        texts.append(values if kinds == {str} else _texts(values, kinds))
    rows = [*zip(*texts, strict=True)]
    text = f"{_QUOTE}{_END.join(map(_NEXT.join, rows))}{_QUOTE}\n"
    if text.count(_QUOTE) != 2 * len(rows) * len(kept):
        doubled = ([value.replace(_QUOTE, _QUOTE * 2) for value in row] for row in rows)
        text = f"{_QUOTE}{_END.join(map(_NEXT.join, doubled))}{_QUOTE}\n"
    return kept, text


def _texts(values: Sequence[Any], kinds: set[type]) -> Iterable[str]:
    if kinds <= {str, NoneType}:
        return [_NULL if value is None else value for value in values]
    if len(kinds) == 1 and values.count(values[0]) == len(values):
        return repeat(_text(values[0]), len(values))
    write = _text if list in kinds else str
    return [_NULL if value is None else write(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, list):  # of keys, which hold neither commas nor quotes
        return f"{{{','.join(map(str, value))}}}"
    return str(value)
