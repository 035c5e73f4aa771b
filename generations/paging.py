"""Pages of a list by key: no offsets and no counts, one query each, the same under HTML, REST and GraphQL."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.crypto import constant_time_compare, salted_hmac

from generations import filters, search
from generations.filters import BadFilter, Condition, Field, Kind, sql

MAX_LIMIT: Final = 1_000
CAP: Final = 10_000
_MAC: Final = 9
_MAX_CURSOR: Final = 8_000


class BadCursor(BadFilter):
    """A cursor that does not lead into this list: of another list, project, order or filter, or not one at all."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are. When it is not `exact`, there are more than `value`."""

    value: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list. `next` and `previous` are the cursors (for `after` and `before`) of its neighbours, or None
    where the list is known to end; `order` is the order that was asked for or stands in for none."""

    rows: list[Any]
    next: str | None
    previous: str | None
    order: str
    limit: int
    _key: _Key

    def cursor(self, row: Any) -> str:
        """The cursor of one of its rows: what comes after it, or before it."""
        return self._key.cursor(row)


def page(
    kind: str,
    project_pk: int,
    condition: Condition | None = None,
    *,
    order: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> Page:
    """The rows of the project's list that satisfy the condition, from one end or from a cursor. One query, and
    some more where the condition asks what was said.

    `order` is the path of a sortable field, "-" in front for the largest first; rows where it is unknown come last
    either way. Ties are broken, so that pages neither lose nor repeat a row, whatever is written between them.
    Raises BadFilter, and BadCursor for a cursor that is not of this list, project, order and filter.
    """
    key = _Key.of(kind, project_pk, condition, order)
    if not 1 <= limit <= MAX_LIMIT:
        raise BadFilter("limit", limit, f"a whole number from 1 to {MAX_LIMIT}")
    if after is not None and before is not None:
        raise BadFilter("before", before, "either after or before, not both")
    backward = before is not None
    search.catch_up(kind, project_pk, condition)
    name, cursor = ("before", before) if backward else ("after", after)
    place = key.read(name, cursor) if cursor is not None else None
    found = None if backward else _newest(kind, project_pk, condition, key, place, limit + 1)
    if found is None:
        rows = _rows(kind, project_pk, condition, few=key.is_along)
        if place is not None:
            rows = rows.filter(key.beyond(*place, backward=backward))
        found = list(rows.order_by(*key.ordering(backward=backward))[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    if backward:
        found.reverse()
    return Page(
        rows=found,
        next=key.cursor(found[-1]) if found and (more or backward) else None,
        previous=key.cursor(found[0]) if found and (more if backward else after is not None) else None,
        order=key.order,
        limit=limit,
        _key=key,
    )


def cursor(kind: str, project_pk: int, condition: Condition | None, order: str | None, row: Any) -> str:
    """The place of a row in a list, as `after` and `before` take it; the row need not be one of the list's own."""
    return _Key.of(kind, project_pk, condition, order).cursor(row)


def neighbours(
    kind: str, project_pk: int, condition: Condition | None, order: str | None, row: Any
) -> tuple[str | None, str | None]:
    """The ids of what stands before and after a row in a list; None where it ends. The row need not be one of it.

    One query, and some more where the condition asks what was said. Raises BadFilter.
    """
    key = _Key.of(kind, project_pk, condition, order)
    place = getattr(row, key.column), getattr(row, key.tie)
    search.catch_up(kind, project_pk, condition)
    rest, few = search.narrowed(kind, project_pk, condition)
    rows = filters.narrow(kind, project_pk, rest, few=key.is_along).filter(few)
    before, after = (
        rows.filter(key.beyond(*place, backward=backward))
        .order_by(*key.ordering(backward=backward))
        .values_list(Value(backward), "public_id")[:1]
        for backward in (True, False)
    )
    said = _newest(kind, project_pk, condition, key, place, 1) if rest is condition else None
    found = dict(before.union(after, all=True) if said is None else before)
    if said:
        found[False] = said[0].public_id
    return found.get(True), found.get(False)


def place(row: models.Model, order: Sequence[str]) -> str:
    """Where a row stands in an order of its own columns, as a cursor: for lists of which no catalogue tells, that are
    bound to what they belong to anyway."""
    said = orjson.dumps([str(getattr(row, name.lstrip("-"))) for name in order])
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def placed(model: type[models.Model], order: Sequence[str], after: str) -> list[Any]:
    """The values in such a cursor, whether its row is still there or not. Raises BadCursor."""
    fields: list[Any] = [model._meta.get_field(name.lstrip("-")) for name in order]
    try:
        said = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        return [field.to_python(value) for field, value in zip(fields, said, strict=True)]
    except (ValueError, TypeError, ValidationError):
        raise BadCursor("after", after, "the cursor at the end of a page of this list, unchanged") from None


def count(kind: str, project_pk: int, condition: Condition | None = None, cap: int = CAP) -> Count:
    """How many rows satisfy the condition, counted up to `cap`."""
    found = _rows(kind, project_pk, condition, few=cap <= MAX_LIMIT)[: cap + 1].count()
    return Count(min(found, cap), found <= cap)


def _newest(
    kind: str, project_pk: int, condition: Condition | None, key: _Key, place: tuple[Any, Any] | None, limit: int
) -> list[Any] | None:
    """The first rows of a list by time that asks for nothing but what was said; None when they are not found so."""
    if key.order != filters.catalogue(kind).order:
        return None
    newest = search.newest(kind, project_pk, condition, place, limit)
    if newest is None:
        return None
    those, number = newest
    rows = list(filters.narrow(kind, project_pk, None).filter(those).order_by(*key.ordering(backward=False)))
    # One that was deleted or moved meanwhile would be missed.
    return rows if len(rows) == number else None


def _rows(kind: str, project_pk: int, condition: Condition | None, *, few: bool) -> models.QuerySet[Any]:
    rest, found = search.narrowed(kind, project_pk, condition)
    return filters.narrow(kind, project_pk, rest, few=few).filter(found)


@dataclass(frozen=True, slots=True)
class _Key:
    """By what a list is ordered, and what its cursors are bound to."""

    kind: str
    project_pk: int
    order: str
    field: Field
    column: str
    tie: str
    nullable: bool
    filter: str

    @classmethod
    def of(cls, kind: str, project_pk: int, condition: Condition | None, order: str | None) -> _Key:
        about = filters.catalogue(kind)
        order = order or about.order
        field = filters.ordered(kind, order)
        column = field.column
        assert column is not None, "What can be ordered by is a column."
        said = orjson.dumps(filters.to_document(condition), option=orjson.OPT_SORT_KEYS)
        return cls(
            kind=kind,
            project_pk=project_pk,
            order=("-" if order.startswith("-") else "") + field.path,
            field=field,
            column=column,
            tie=about.tie,
            nullable=_column(kind, column).null,
            filter=hashlib.blake2b(said, digest_size=6).hexdigest(),
        )

    @property
    def descending(self) -> bool:
        return self.order.startswith("-")

    @property
    def is_along(self) -> bool:
        """Whether rows are read along an index, from where the page begins; else all are read and sorted."""
        return self.column == filters.field(self.kind, filters.catalogue(self.kind).time).column

    def ordering(self, *, backward: bool) -> list[Any]:
        """Largest or smallest first, what is unknown last; for going backward all of it turned round."""
        down = self.descending != backward
        ends = {"nulls_first": True} if backward else {"nulls_last": True}
        ends = ends if self.nullable else {}
        return [
            F(self.column).desc(**ends) if down else F(self.column).asc(**ends),
            F(self.tie).desc() if down else F(self.tie).asc(),
        ]

    def beyond(self, value: Any, tie: Any, *, backward: bool) -> Q:
        """The rows after the one with this value and tie-break, or before it."""
        sign = "<" if self.descending != backward else ">"
        if value is None:
            same = Q(**{f"{self.column}__isnull": True}) & _rows_beyond([self.tie], sign, [tie])
            return same | Q(**{f"{self.column}__isnull": False}) if backward else same
        found = _rows_beyond([self.column, self.tie], sign, [value, tie])
        if self.field.kind is Kind.TIME and not self.nullable:
            # Said again for the column alone: by this the planner leaves out whole partitions.
            found &= sql.compare(F(self.column), f"{sign}=", sql.Param(value))
        return found | Q(**{f"{self.column}__isnull": True}) if self.nullable and not backward else found

    # ---------------------------------------------------------------------------------------------------- cursors
    def cursor(self, row: Any) -> str:
        """The cursor of a row: where it stands in this list, signed. URL-safe."""
        place = [_plain(getattr(row, self.column)), _plain(getattr(row, self.tie))]
        payload = orjson.dumps([self.kind, self.order, self.filter, *place])
        return base64.urlsafe_b64encode(self.mac(payload) + payload).rstrip(b"=").decode()

    def mac(self, payload: bytes) -> bytes:
        return salted_hmac(f"generations.paging.{self.project_pk}", payload, algorithm="sha256").digest()[:_MAC]

    def read(self, name: str, cursor: str) -> tuple[Any, Any]:
        """The sort value and the tie-break in a cursor; raises BadCursor when it is not one of this list."""
        payload = self.opened(name, cursor)
        kind, order, condition, value, tie = orjson.loads(payload)
        if kind != self.kind:
            raise BadCursor(name, cursor, f"a cursor of this list; this one is of the list of {kind}")
        if order != self.order:
            raise BadCursor(name, cursor, f"a cursor of the order {self.order}; this one is of the order {order}")
        if condition != self.filter:
            raise BadCursor(name, cursor, "a cursor of the same filter; this one is of another")
        return _typed(_column(self.kind, self.column), value), _typed(_column(self.kind, self.tie), tie)

    def opened(self, name: str, cursor: str) -> bytes:
        wanted = "a cursor that this project's lists gave out, unchanged"
        if not cursor.isascii() or not 0 < len(cursor) <= _MAX_CURSOR:
            raise BadCursor(name, cursor, wanted)
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raise BadCursor(name, cursor, wanted) from None
        mac, payload = raw[:_MAC], raw[_MAC:]
        # The last character has bits to spare: only the text that we wrote is the cursor.
        same = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == cursor
        if not same or not constant_time_compare(mac, self.mac(payload)):
            raise BadCursor(name, cursor, wanted)
        return payload


def _column(kind: str, name: str) -> models.Field[Any, Any]:
    found = filters.catalogue(kind).model._meta.get_field(name)
    assert isinstance(found, models.Field)
    return found


def _rows_beyond(columns: list[str], sign: str, values: list[Any]) -> Q:
    """`(a, b) < (x, y)` as the database compares rows: one range of the index, where `a < x OR a = x AND b < y`
    reads everything before it."""
    left = [F(column) for column in columns]
    right = [sql.Param(value) for value in values]
    return sql.compare(_row(left), sign, _row(right))


def _row(parts: list[Any]) -> Func:
    return Func(*parts, template="(%(expressions)s)", output_field=models.TextField())


def _plain(value: Any) -> Any:
    """A column's value as JSON has it, without loss."""
    return str(value) if isinstance(value, Decimal) else value


def _typed(field: models.Field[Any, Any], value: Any) -> Any:
    """The value that `_plain` made into JSON. It was signed: it is what we wrote."""
    if value is None:
        return None
    if isinstance(field, models.DateTimeField):
        return dt.datetime.fromisoformat(value)
    if isinstance(field, models.DecimalField):
        return Decimal(value)
    return uuid.UUID(value) if isinstance(field, models.UUIDField) else value
