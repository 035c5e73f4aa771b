"""Attributes as the values of a record: numbers out of texts, times, ids within their bounds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import orjson

from generations.cleaning import MAX_ID, MAX_NUMBER, MAX_TAG, MAX_TAGS, MAX_TEXT, clean_string
from generations.ingest.otlp import quirks
from generations.ingest.otlp.messages import loaded
from generations.records import Json

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST: Final = 9 * 10**18
_EXACT: Final = 4 * 10**18
"""Until then (2096), the microseconds are those of the nearest float of seconds."""


def moment(nanoseconds: int) -> dt.datetime | None:
    """A time of OTLP; None for 0, which is how exporters say that they know none."""
    if 0 < nanoseconds < _EXACT:
        return dt.datetime.fromtimestamp(nanoseconds // 1_000 / 1e6, dt.UTC)
    return _EPOCH + dt.timedelta(microseconds=nanoseconds // 1_000) if 0 < nanoseconds < _LAST else None


def plain(value: object) -> Json:
    """The same as JSON has it, for Python shows more than that. Raises TypeError for sets, bytes and the like."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def number(value: Json) -> float | None:
    """A finite number, also out of a text."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < MAX_NUMBER else None


def text(value: Json) -> str | None:
    """A text without NUL characters, also out of a number; None for empty ones and Python's "None"."""
    if isinstance(value, str):
        if not value.isascii() or not value.isprintable():
            value = clean_string(value)
            return value or None
        return (value or None) if value != "None" else None
    return str(value) if isinstance(value, int | float) else None


def short(value: Json) -> str | None:
    """A text that a record's fields of facts can hold."""
    found = text(value)
    return None if found is None else found[:MAX_TEXT]


def identifier(value: Json) -> str | None:
    """A text as long as an id may be."""
    if type(value) is str and len(value) <= MAX_ID and value.isprintable():
        return value if value and value != "None" else None
    found = text(value)
    return None if found is None else found[:MAX_ID]


def thread(value: Json) -> str | None:
    """The id of a conversation, if it is one."""
    found = identifier(value)
    return None if found is None or found.startswith(quirks.NO_THREADS) else found


def tags(value: Json) -> tuple[str, ...] | None:
    """Tags of a list, JSON of one, or names between commas; None for none."""
    value = loaded(value)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence):
        return None
    said = (str(t).strip() for t in value if t not in (None, ""))
    found = tuple(dict.fromkeys(t[:MAX_TAG] for t in said if t and not quirks.is_own_tag(t)))
    return found[:MAX_TAGS] or None
