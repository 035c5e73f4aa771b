"""The kinds of fields there are, and the operators of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a field holds, which decides what it can be compared with and how."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    BOOL = "bool"
    TAGS = "tags"
    JSON = "json"
    ENUM = "enum"


OPERATORS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.TEXT: ("eq", "ne", "in", "nin", "contains", "startsWith", "exists"),
    Kind.NUMBER: ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists"),
    Kind.TIME: ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists"),
    Kind.BOOL: ("eq", "ne", "exists"),
    Kind.TAGS: ("contains", "ne", "in", "nin", "all", "exists"),
    Kind.JSON: ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists"),
    Kind.ENUM: ("eq", "ne", "in", "nin", "exists"),
}
"""The operators of each kind. On tags, `contains` is one tag, `in` any of them, `all` every one of them."""

OF_ANY: Final = frozenset(op for ops in OPERATORS.values() for op in ops)
"""The operators that a field of some kind has."""

_PART: Final = ("contains", "startsWith", "eq")
_ORDER: Final = ("eq", "contains")
INSTEAD: Final[dict[str, tuple[str, ...]]] = {
    "eq": ("contains",),
    "contains": _PART,
    "startswith": _PART,
    "all": ("in", "eq"),
    "in": ("eq",),
    "nin": ("ne",),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), _ORDER),
    **dict.fromkeys(("like", "ilike", "icontains", "regex", "iregex", "match", "matches", "search"), _PART),
    **dict.fromkeys(("endswith", "istartswith", "iendswith"), _PART),
    **dict.fromkeys(("exact", "iexact", "equals", "is", "=="), _ORDER),
    **dict.fromkeys(("isnull", "null", "notnull", "empty"), ("exists",)),
    **dict.fromkeys((">", "<", "between", "range", "after", "min"), ("gte", *_ORDER)),
    **dict.fromkeys(("before", "max"), ("lte", *_ORDER)),
}
"""What a field may have that has not this operator, the nearest first: operators of other kinds of fields, and words
that other languages of filters have, in lower case."""

SYNONYMS: Final = {
    "neq": "ne",
    "not": "ne",
    "startswith": "startsWith",
    "starts_with": "startsWith",
    "notin": "nin",
    "notIn": "nin",
    "not_in": "nin",
    "has": "contains",
}
