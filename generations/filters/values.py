"""Values as they come in, from JSON or from a URL, made into those that conditions hold; all others are refused."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from generations import moments
from generations.filters.conditions import EARLIEST, LATEST, MAX_VALUES, BadFilter, Leaf, Relative, Scalar, Value
from generations.filters.fields import Field, clean_text, nearest
from generations.filters.kinds import Kind

MAX_NUMBER: Final = 1e300
"""Any column and any JSON number lies within; what lies beyond could overflow a double."""

MAX_MOMENT: Final = 64
"""Characters of a moment. Patterns read it, one of them in the square of its length."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.IGNORECASE | re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}|\d{4}-?W\d{2}-?\d", re.ASCII)
_LOST_PLUS: Final = re.compile(r"(.*\d{2}:\d{2}\S*) (\d{2}:?\d{2})", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_MOMENT: Final = (
    "a time in ISO 8601, such as 2026-01-31 or 2026-01-31T23:59:59Z (in UTC where it names no zone), or a relative one,"
    " such as now-24h"
)


def leaf(field: Field, op: str, raw: object) -> Leaf:
    """The comparison of `field` by its operator `op` with a value from JSON; raises BadFilter for a wrong value.

    null stands for "not there": equal to it is `exists: false`, not equal to it `exists: true`.
    """
    if raw is None:
        if op not in ("eq", "ne") and not (field.kind is Kind.TAGS and op == "contains"):
            raise BadFilter(field.path, raw, f"a value for {op}; what is missing is asked for by exists")
        return Leaf(field.base, field.at, "exists", op == "ne")
    return Leaf(field.base, field.at, op, _value(field, op, raw))


def _value(field: Field, op: str, raw: object) -> Value:
    if op == "exists":
        return boolean(field.path, raw)
    if op in ("in", "nin", "all"):
        if not isinstance(raw, list | tuple):
            raise BadFilter(field.path, raw, f"a list of values for {op}")
        return many(field, raw)
    if field.kind is Kind.JSON and op in ("gt", "gte", "lt", "lte") and isinstance(raw, bool):
        raise BadFilter(field.path, raw, "a number or a text to compare with")
    return scalar(field, raw)


def many(field: Field, raw: Sequence[object]) -> tuple[Scalar, ...]:
    """A list of values of one field."""
    if len(raw) > MAX_VALUES:
        raise BadFilter(field.path, f"{len(raw)} values", f"at most {MAX_VALUES:,} values")
    return tuple(scalar(field, one) for one in raw)


def scalar(field: Field, raw: object) -> Scalar:
    """One value of a field."""
    if field.kind is Kind.NUMBER:
        return number(field.path, raw)
    if field.kind is Kind.TIME:
        return moment(field.path, raw)
    if field.kind is Kind.BOOL:
        return boolean(field.path, raw)
    if field.kind is Kind.JSON:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, int | float | Decimal):
            return number(field.path, raw)
        if not isinstance(raw, str):
            raise BadFilter(field.path, raw, "a text, a number, true or false")
    if not isinstance(raw, str):
        raise BadFilter(field.path, raw, "a text")
    text = clean_text(field.path, raw)
    return _choice(field, text) if field.choices else field.spelt(text)


def _choice(field: Field, text: str) -> str:
    known = {choice.lower(): choice for choice in field.choices}
    if text.lower() not in known:
        raise BadFilter(field.path, text, f"one of {', '.join(field.choices)}{nearest(text, field.choices)}")
    return known[text.lower()]


def number(name: str, raw: object) -> int | float:
    """A finite number; whole ones as int."""
    value: Any = raw
    if isinstance(raw, str):
        text = raw.strip()
        if len(text) > 400 or not _NUMBER.fullmatch(text):
            raise BadFilter(name, raw, "a number")
        try:
            value = int(text)
        except ValueError:
            value = float(text)
    elif isinstance(raw, Decimal):
        value = int(raw) if raw.is_finite() and abs(raw) < 1e300 and raw == raw.to_integral_value() else float(raw)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadFilter(name, raw, "a number")
    if not -MAX_NUMBER <= value <= MAX_NUMBER:  # false for NaN too
        raise BadFilter(name, "a huge number" if isinstance(raw, int) else raw, "a finite number below 1e300")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        # As it is read in a body: nothing that is stored or that a cursor holds is a larger whole number.
        return float(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def boolean(name: str, raw: object) -> bool:
    """True or false, also as the words a URL has for them."""
    if isinstance(raw, bool):
        return raw
    found = _BOOLEANS.get(raw.strip().lower()) if isinstance(raw, str) else None
    if found is None:
        raise BadFilter(name, raw, "true or false")
    return found


def moment(name: str, raw: object) -> dt.datetime | dt.date | Relative:
    """A moment in UTC (without a zone it is UTC already), a date for its whole day, or a relative moment."""
    if isinstance(raw, Relative):
        return raw
    if isinstance(raw, dt.datetime):
        return _utc(raw)
    if isinstance(raw, dt.date):
        return raw
    if not isinstance(raw, str):
        raise BadFilter(name, raw, _MOMENT)
    text = raw.strip()
    if len(text) > MAX_MOMENT:
        raise BadFilter(name, raw, _MOMENT)
    # "now+1h" and "...+02:00" reach us with a space where a URL was not encoded.
    relative = Relative.read(text.replace(" ", "+"))
    if relative is not None:
        return relative
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
        lost = _LOST_PLUS.fullmatch(text)
        return _utc(moments.as_written(f"{lost[1]}+{lost[2]}" if lost else text))
    except ValueError:
        raise BadFilter(name, raw, _MOMENT) from None


def _utc(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        return EARLIEST if value.year < 2 else LATEST


def readings(text: str) -> tuple[Scalar, ...]:
    """What an untyped text of a URL may stand for in JSON: a number or a boolean if it reads as one, and itself."""
    if text in ("true", "false"):
        return (text == "true", text)
    if _NUMBER.fullmatch(text) and len(text) <= 400:
        value = float(text)
        if math.isfinite(value) and abs(value) <= MAX_NUMBER:
            return (number("", text), text)
    return (text,)


def written(value: Scalar) -> str | int | float | bool:
    """A value as JSON has it."""
    if isinstance(value, Relative):
        return value.text
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
