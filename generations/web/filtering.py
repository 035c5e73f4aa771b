"""What the filter form of a list offers, and how what it sends becomes the plain address of the list."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, QueryDict
from django.utils import timezone

from generations import filters, moments
from generations.filters import Kind

NEW: Final = ("_field", "_key", "_op", "_value", "_from", "_to")
"""The parameters of what is being added, until the address is put in its plain form."""
OPERATORS: Final = {
    "eq": "is",
    "ne": "is not",
    "contains": "contains",
    "startsWith": "starts with",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "in": "is one of",
    "nin": "is none of",
    "all": "has all of",
    "exists": "is known",
}


def plain_address(request: HttpRequest, kind: str) -> str | None:
    """The address that says the same without empty parameters and without the fields of the form; None: this one."""
    given = request.GET
    if not any(name in given for name in NEW) and all(value for values in given.lists() for value in values[1]):
        return None
    query = QueryDict(mutable=True)
    for name, values in given.lists():
        if name not in NEW:
            query.setlist(name, [value for value in values if value])
    path, op, value = given.get("_field", ""), given.get("_op", "eq"), given.get("_value", "").strip()
    key = given.get("_key", "").strip()
    name = f"{path}.{key}" if key and path in dynamic(kind) else path
    if name and (value or op == "exists"):
        value = in_zone(kind, name, value)
        query.appendlist(name if op == "eq" else f"{name}__{op}", value or "true")
    for bound in ("from", "to"):
        if given.get(f"_{bound}"):
            query[bound] = _moment(given[f"_{bound}"])
    for name in [name for name, values in query.lists() if values in ([], [""])]:
        del query[name]
    return f"{request.path}?{query.urlencode()}" if query else request.path


def _moment(text: str) -> str:
    """What a box for a date and a time holds, in UTC; it is told in the project's zone. Anything else as it is."""
    try:
        local = dt.datetime.fromisoformat(text)
        if local.tzinfo is not None:
            return text
        return timezone.make_aware(local).astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return text


def in_zone(kind: str, path: str, text: str) -> str:
    """What somebody typed to compare a field with: times of day without a zone are of the project's, in which its pages
    tell them. A date stays one: its whole day in UTC, as at every door."""
    field = filters.catalogue(kind).find(path)
    if field is None or field.kind is not Kind.TIME:
        return text
    return ",".join(_moment(one.strip()) if ":" in one else one for one in text.split(","))


def shown_moment(text: str) -> str:
    """A bound of the address as a box for a date and a time shows it, in the project's zone; empty when it is none."""
    try:
        return timezone.localtime(moments.read(text)).isoformat(timespec="seconds")[:19]
    except (ValueError, OverflowError):
        return ""


@dataclass(frozen=True, slots=True)
class Option:
    """A field that can be filtered by, as the form needs to know it."""

    path: str
    title: str
    kind: str
    operators: str
    choices: str
    is_dynamic: bool


def options(kind: str) -> list[Option]:
    """The fields of the catalogue for the filter form, in its order."""
    return [
        Option(
            one.path,
            one.sentence.capitalize(),
            str(one.kind),
            " ".join(one.operators),
            ",".join(one.choices) or ("true,false" if one.kind is Kind.BOOL else ""),
            bool(one.dynamic),
        )
        for one in filters.fields(kind)
        if one.path != "text"
    ]


def dynamic(kind: str) -> frozenset[str]:
    """The fields that are asked about with a key behind them."""
    return frozenset(one.path for one in options(kind) if one.is_dynamic)
