"""How values that GraphQL has no word for cross the wire: moments, money and free JSON."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NewType

import strawberry
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from generations import moments
from generations.records import shown

Moment = NewType("Moment", str)
"""A moment to compare with, as it was written: the filters read it."""

Value = NewType("Value", object)
"""A key or a measure of an aggregation."""

LARGEST_EXPONENT: Final = 30


def written(moment: dt.datetime) -> str:
    """`moment` as ISO 8601 in UTC, ending in Z."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def read_moment(value: object) -> dt.datetime:
    """The moment that an ISO 8601 text names, in UTC; without an offset it is UTC already. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"DateTime: {value!r} is not valid; expected a text like 2026-01-31T12:00:00Z")
    try:
        return moments.read(value)
    except ValueError:
        raise ValueError(
            f"DateTime: {value[:60]!r} is not valid; expected ISO 8601 like 2026-01-31T12:00:00Z"
        ) from None


def amount(value: Decimal) -> str:
    """`value` in plain digits, without an exponent and without the zeros that only the column's width adds."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_amount(value: object) -> Decimal:
    """The decimal number that a text or a number names. Raises ValueError, also for NaN and infinities."""
    try:
        found = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or abs(found.adjusted()) > LARGEST_EXPONENT:
        raise ValueError(f'Decimal: {str(value)[:60]!r} is not valid; expected a number such as "0.0042"')
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"Moment: {shown(value)} is not valid; expected a text like 2026-01-31 or now-24h")
    return value


MAP: Final[dict[object, ScalarDefinition]] = {
    dt.datetime: strawberry.scalar(
        name="DateTime",
        description="A moment as ISO 8601 in UTC: `2026-01-31T12:00:00Z`. Other offsets are taken and turned to UTC;"
        " one without is UTC already.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
        serialize=written,
        parse_value=read_moment,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number, written as a text: `"0.000042"`. Numbers are taken too.',
        serialize=amount,
        parse_value=read_amount,
    ),
    Moment: strawberry.scalar(
        name="Moment",
        description="A moment to compare with: ISO 8601, in UTC without an offset, a date for its whole day there, or"
        " relative: `now-24h`.",
        parse_value=_text,
    ),
    Value: strawberry.scalar(
        name="Value",
        description="A text, a number, true, false or null. Money is an exact decimal in a text, a moment ISO 8601.",
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value: object, list, text, number, true, false or null.",
        specified_by_url="https://ecma-international.org/publications-and-standards/standards/ecma-404/",
    ),
}


def json(value: Any) -> JSON:
    """`value` as a field of type JSON."""
    return JSON(value)
