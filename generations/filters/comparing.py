"""One comparison against any expression: what each operator means on each kind of field."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Q
from django.db.models.expressions import Combinable

from generations.filters import sql
from generations.filters.conditions import LATEST, Relative, Value
from generations.filters.kinds import Kind
from generations.filters.sql import Param

SIGNS: Final = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`op` and `value`, ready to be held against an expression. Of the operators only those that affirm: a refusal
    (ne, nin, exists false) is the negation of one of them."""

    kind: Kind
    op: str
    value: Value
    now: dt.datetime

    @property
    def values(self) -> tuple[Any, ...]:
        """The values compared with, one or many."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def on(self, left: Combinable) -> Q:
        """The comparison with `left`. True, false or, when `left` is unknown, perhaps unknown."""
        if self.op == "exists":
            return _not_empty(left) if self.kind is Kind.TAGS else sql.present(left)
        return _ON[self.kind](self, left)

    def on_uuid(self, left: Combinable) -> Q:
        """The comparison with a column of UUIDs; what is not a UUID is none of them."""
        if self.op == "exists":
            return sql.present(left)
        return sql.one_of(left, [found for found in map(_uuid, self.values) if found is not None], "::uuid[]")

    def on_json(self, column: Combinable, keys: Sequence[str]) -> Q:
        """The comparison with what is behind `keys` in a column of JSON objects."""
        if self.op == "exists":
            return sql.json_present(column, keys)
        if self.op in ("eq", "in"):
            return _any_of([sql.json_is(column, keys, value) for value in self.values])
        if self.op == "contains":
            found = sql.json_is(column, keys, [self.value])
            return found | sql.json_has_text(column, keys, self.value) if isinstance(self.value, str) else found
        return sql.json_compare(column, keys, SIGNS[self.op], self.value)


def _any_of(conditions: list[Q]) -> Q:
    return reduce(or_, conditions) if conditions else sql.never()


def _uuid(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def _not_empty(left: Combinable) -> Q:
    return sql.true("(cardinality(%(expressions)s) > 0)", left)


def _text(test: Comparison, left: Combinable) -> Q:
    if test.op == "in":
        return sql.one_of(left, test.values, "::text[]")
    if test.op == "contains":
        return sql.has_text(left, str(test.value))
    if test.op == "startsWith":
        return sql.compare(left, "LIKE", Param(f"{sql.pattern(str(test.value))}%"))
    return sql.compare(left, "=", Param(test.value))


def _number(test: Comparison, left: Combinable) -> Q:
    # As numeric: any number may be compared with a column of any type of number, in its range or out of it.
    if test.op == "in":
        return sql.one_of(left, [Decimal(str(value)) for value in test.values], "::numeric[]")
    return sql.compare(left, SIGNS[test.op], Param(Decimal(str(test.value)), "::numeric"))


def _bool(test: Comparison, left: Combinable) -> Q:
    return sql.compare(left, "=", Param(test.value))


def _tags(test: Comparison, left: Combinable) -> Q:
    return sql.compare(left, "&&" if test.op == "in" else "@>", Param(test.values, "::text[]"))


def _time(test: Comparison, left: Combinable) -> Q:
    if test.op in ("eq", "in"):
        return _any_of([_within(left, *span(value, test.now)) for value in test.values])
    start, end = span(test.value, test.now)
    if end is None:
        return sql.compare(left, SIGNS[test.op], Param(start))
    # A date is its whole day: after it begins where it ends, up to it includes it.
    sign, moment = {"gt": (">=", end), "gte": (">=", start), "lt": ("<", start), "lte": ("<", end)}[test.op]
    return sql.compare(left, sign, Param(moment))


def _within(left: Combinable, start: dt.datetime, end: dt.datetime | None) -> Q:
    if end is None:
        return sql.compare(left, "=", Param(start))
    return sql.compare(left, ">=", Param(start)) & sql.compare(left, "<", Param(end))


def span(value: object, now: dt.datetime) -> tuple[dt.datetime, dt.datetime | None]:
    """The moment meant; for a date the first moment of its day, UTC, and that of the next."""
    if isinstance(value, Relative):
        return value.at(now), None
    if isinstance(value, dt.datetime):
        return value, None
    assert isinstance(value, dt.date)
    start = dt.datetime.combine(value, dt.time.min, dt.UTC)
    last = value == dt.date.max
    return start, LATEST if last else start + _DAY


_ON: Final[dict[Kind, Callable[[Comparison, Combinable], Q]]] = {
    Kind.TEXT: _text,
    Kind.ENUM: _text,
    Kind.NUMBER: _number,
    Kind.BOOL: _bool,
    Kind.TAGS: _tags,
    Kind.TIME: _time,
}
