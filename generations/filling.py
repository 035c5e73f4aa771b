"""Templates with `{{name}}` in their text: filled with values, and recognised in a text that was made of one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

Json = Any
_HOLE: Final = re.compile(r"\{\{\{?\s*([\w.\-]+)\s*\}?\}\}")


def names(template: str) -> list[str]:
    """The names of a template's holes, in their order."""
    return _HOLE.findall(template)


def filled(template: str, values: Mapping[str, Json]) -> str:
    """`template` with each hole replaced by its value; one without a value stays."""
    return _HOLE.sub(lambda hole: text_of(values[hole[1]]) if hole[1] in values else hole[0], template)


def text_of(value: Json) -> str:
    """A value as it stands in a text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def fit(template: str, text: str, values: Mapping[str, Json]) -> int | None:
    """How many characters of `text` are the template's own, when `text` may be the template filled; None otherwise.

    A hole whose value is known holds that value, another anything. Takes time in proportion to the texts.
    """
    pieces = [""]
    own = 0
    for place, part in enumerate(_HOLE.split(template)):
        if place % 2 == 0:
            own += len(part.strip())
            pieces[-1] += part
        elif part in values:
            pieces[-1] += text_of(values[part])
        else:
            pieces.append("")
    if len(pieces) == 1:
        return own if pieces[0] == text else None
    first, *between, last = pieces
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return None
    for piece in between:
        at = text.find(piece, at, end)
        if at < 0:
            return None
        at += len(piece)
    return own
