"""Pieces that calls and events have in common."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Final

from generations.ingest import files
from generations.records import InvalidRecord, Json

MAX_LABEL: Final = 200


def application_name(value: Json, field: str) -> str:
    """An application's name. Raises InvalidRecord."""
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise InvalidRecord(field, value, "an application's name, of 1 to 200 characters")
    return value.strip()


def attributes(document: Mapping[str, Json], name: str, problems: list[InvalidRecord]) -> dict[str, Json]:
    """The object of this name; another value is kept in it as `value`, and is a problem."""
    value = document.get(name)
    if value is None or value == [] or value == "":
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    problems.append(InvalidRecord(name, value, "an object; kept as its 'value'"))
    return {"value": value}


def version_number(tags: Mapping[str, Json], problems: list[InvalidRecord]) -> int | None:
    """The number of the version that the tags name."""
    value = tags.get("version_number")
    if value is None:
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    problems.append(InvalidRecord("tags.version_number", value, "the number of a version"))
    return None


def labels(tags: Mapping[str, Json]) -> tuple[str, ...] | None:
    """Key and value of each tag as a label; the environment and the version have fields of their own."""
    labels = [
        f"{key}:{value}"[:MAX_LABEL]
        for key, value in tags.items()
        if key not in ("env", "environment", "version_number") and isinstance(value, str | int | float | bool)
    ]
    return tuple(labels[:50]) or None


def short(node: Mapping[str, Json], *names: str) -> str | None:
    """The first of these that is a short text or a number."""
    for name in names:
        value = node.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= 500:
            return str(value)
    return None


def moment(value: Json, now: dt.datetime, problems: list[InvalidRecord]) -> dt.datetime:
    """A moment; now, and a problem, where it is none."""
    if value is None:
        return now
    try:
        when = files.moment(value, "timestamp")
    except InvalidRecord as error:
        problems.append(error)
        return now
    return min(when, now + dt.timedelta(days=1))


def is_duration(value: Json) -> bool:
    """Whether this can be a duration."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def seconds(beside: Mapping[str, Json], *names: str) -> float | None:
    """The first of these durations, in seconds; a name that ends in `_ms` is in milliseconds."""
    for name in names:
        for key, unit in ((name, 1.0), (f"{name}_ms", 0.001)):
            if key in beside:
                return float(beside[key]) * unit
    return None


def digest(text: str | bytes) -> str:
    """32 characters that stand for a text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.blake2b(data, digest_size=16).hexdigest()
