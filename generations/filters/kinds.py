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
