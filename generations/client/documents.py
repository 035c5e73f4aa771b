"""Values of Python as the API's JSON: datetimes, decimals and ids; and the names of fields."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

Document = dict[str, Any]
"""A generation, a filter or a stage as JSON has it."""


def encode(value: object) -> bytes:
    """`value` as JSON. Raises TypeError or ValueError for what JSON has no place for: NaN, sets, other objects."""
    text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate is half a character: JSON could escape it, but no text that is stored can hold it.
    return text.encode("utf-8", "replace")


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):  # the answer of a provider's SDK, which is a pydantic model
        return dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def moment(value: dt.datetime) -> str:
    """A datetime in ISO 8601, UTC. One without a zone is local time, as everywhere in Python."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def camel(name: str) -> str:
    """`thread_id` as the API spells it: `threadId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest) if head else name


def new_id() -> str:
    """A fresh UUIDv7: later ones sort after earlier ones, and no two programs make the same."""
    milliseconds = time.time_ns() // 1_000_000
    high = (milliseconds << 16) | (7 << 12) | secrets.randbits(12)
    number = (high << 64) | (2 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=number))
