"""The condition tree: what every way of asking becomes before it is SQL, a sentence, a document or a URL again."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from generations.records import shown

MAX_DEPTH: Final = 20
MAX_CONDITIONS: Final = 200
MAX_VALUES: Final = 1_000

EARLIEST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
LATEST: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_RELATIVE: Final = re.compile(r"now(?:([+-])(\d{1,6})([smhdw]))?", re.IGNORECASE)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class BadFilter(ValueError):
    """A question that cannot be asked: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = shown(value)
        self.expected = expected
        super().__init__(f"{field}: {self.value} is not valid; expected {expected}")


@dataclass(frozen=True, slots=True)
class Relative:
    """A moment counted from when the question is asked: `now`, `now-24h`. Units: s, m, h, d, w."""

    text: str

    @classmethod
    def read(cls, text: str) -> Relative | None:
        """The relative moment that `text` says, or None when it says none."""
        return cls(text.lower()) if _RELATIVE.fullmatch(text) else None

    def at(self, now: dt.datetime) -> dt.datetime:
        """The moment meant when it is `now`; beyond the calendar, its end."""
        match = _RELATIVE.fullmatch(self.text)
        if match is None or match[1] is None:
            return now
        distance = dt.timedelta(**{_UNITS[match[3].lower()]: int(match[2])})
        try:
            return now + distance if match[1] == "+" else now - distance
        except OverflowError:
            return LATEST if match[1] == "+" else EARLIEST


Scalar = str | int | float | bool | dt.datetime | dt.date | Relative
Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. `field` is a path of the catalogue, `path` the keys behind it where the field has any.

    `op` is one of eq, ne, gt, gte, lt, lte, in, nin, contains, startsWith, exists, all; `value` is a tuple for in,
    nin and all, and a bool for exists. A moment may be a date (the whole day, UTC) or a `Relative`.
    """

    field: str
    path: tuple[str, ...]
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class And:
    """All of them hold."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _some_parts(self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them holds."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _some_parts(self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold, which includes rows where what it asks about is missing."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Some:
    """At least one row of a relation (`scores`, `generations`) satisfies `condition`; None asks for any row at all.

    "None of them" is `Not(Some(relation, c))`, "every one of them" is `Not(Some(relation, Not(c)))`.
    """

    relation: str
    condition: Condition | None


Condition = And | Or | Not | Leaf | Some


def _some_parts(parts: tuple[Condition, ...]) -> None:
    if not parts:
        raise ValueError("and / or without parts")


def both(*conditions: Condition | None) -> Condition | None:
    """All of these at once; None narrows nothing and is left out."""
    return together([c for c in conditions if c is not None])


def together(parts: list[Condition]) -> Condition | None:
    """`parts` under one `And`, unless there is one or none."""
    if len(parts) > 1:
        return And(tuple(parts))
    return parts[0] if parts else None


def parts_of(condition: Condition) -> Iterable[Condition]:
    """The conditions right below this one."""
    if isinstance(condition, And | Or):
        return condition.parts
    if isinstance(condition, Not):
        return (condition.part,)
    if isinstance(condition, Some) and condition.condition is not None:
        return (condition.condition,)
    return ()


def leaves(condition: Condition | None) -> Iterator[Leaf]:
    """Every comparison in the tree, those inside relations included, in order."""
    if isinstance(condition, Leaf):
        yield condition
    elif condition is not None:
        for part in parts_of(condition):
            yield from leaves(part)


def bounded(condition: Condition | None) -> None:
    """Raise BadFilter when the tree is deeper or larger than a question may be."""
    if condition is None:
        return
    seen = 0
    level: list[Condition] = [condition]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise too_deep()
        seen += len(level)
        if seen > MAX_CONDITIONS:
            raise BadFilter("filter", f"more than {MAX_CONDITIONS} conditions", f"at most {MAX_CONDITIONS} conditions")
        level = [part for node in level for part in parts_of(node)]


def too_deep() -> BadFilter:
    """The refusal of a filter that is nested too deep."""
    return BadFilter("filter", f"more than {MAX_DEPTH} levels", f"conditions nested at most {MAX_DEPTH} levels deep")
