"""Moments as callers write them: ISO 8601, and all that RFC 3339 allows."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

_LEAP: Final = re.compile(r"(?<=\d\d:\d\d:)60(?:[.,]\d+)?")


def read(text: str) -> dt.datetime:
    """The moment in UTC that a text names; without an offset it is UTC already. Raises ValueError."""
    found = as_written(text)
    try:
        return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before the first year or after the last") from None


def as_written(text: str) -> dt.datetime:
    """The moment that a text names, with the offset that it has there, if any. Raises ValueError.

    > Per [ABNF] and ISO8601, the "T" and "Z" characters in this syntax may alternatively be lower case "t" or "z"
    > respectively. (RFC 3339, 5.6)

    A leap second, which Python's moments do not have, is the last microsecond before it.
    """
    plain = text.strip()
    try:
        return dt.datetime.fromisoformat(plain)
    except ValueError:
        return dt.datetime.fromisoformat(_LEAP.sub("59.999999", plain.upper()))
