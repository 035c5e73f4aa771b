"""Typed readings of JSON values: each returns the value or refuses it by its path, saying what would be right."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from generations import moments, pricing
from generations.cleaning import EARLIEST, LATEST_AHEAD, MAX_BYTES, MAX_INT, MAX_NUMBER
from generations.records import InvalidRecord, Json

Reading = Callable[[Json, str], Any]
"""Takes a JSON value that is not null and the path to it; returns what a record holds, or raises InvalidRecord."""

EPOCH_MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers from here on are milliseconds since 1970: as seconds they would lie after the year 5000."""

_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "startTime": ("timestamp",),
    "startedAt": ("timestamp",),
    "endTime": ("endTimestamp",),
    "endedAt": ("endTimestamp",),
    "sessionId": ("threadId",),
    "conversationId": ("threadId",),
    "parentObservationId": ("parentId",),
    "parentRunId": ("parentId",),
    "statusMessage": ("error",),
    "duration": ("performance.latency",),
    "inputTokens": ("usage.promptTokens",),
    "outputTokens": ("usage.completionTokens",),
    "totalCost": ("usage.cost",),
    "inputs": ("input", "input.content"),
    "outputs": ("output", "output.content"),
}
"""What is meant by the names that others have for fields of ours; of several the first that there is."""
_CAMEL: Final = re.compile(r"(?<!_)_+([a-zA-Z0-9])")


class UnknownField(InvalidRecord):
    """A name that no record has. `expected` is the nearest right one, or the list of them."""

    def __init__(self, path: str, value: object, known: Iterable[str]) -> None:
        super().__init__(path, value, nearest(path, known))
        self.args = (f"{path}: there is no such field; {self.expected}",)


def nearest(path: str, known: Iterable[str]) -> str:
    """A phrase that leads from a wrong name to the right one: the path of the same name, the one that others
    call so, the nearest, else what there is."""
    paths = list(known)
    wanted = _CAMEL.sub(lambda match: match[1].upper(), path)
    head, _, leaf = wanted.rpartition(".")
    same_name = [p for p in paths if p.rpartition(".")[2].lower() == leaf.lower()]
    others = [p for p in _ELSEWHERE.get(leaf, ()) if p in paths]
    close = same_name[:1] or others[:1] or difflib.get_close_matches(wanted, paths, n=1, cutoff=0.6)
    if not close:
        leaves = {p.rpartition(".")[2]: p for p in reversed(paths)}
        close = [leaves[name] for name in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)]
    if close:
        return f"did you mean '{close[0]}'?"
    here = [p for p in paths if p.startswith(f"{head}.")] if head else [p for p in paths if "." not in p]
    return f"the fields are {', '.join(here or paths)}"


def text(value: Json, path: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise InvalidRecord(path, value, "a text")
    return value


def step_error(value: Json, path: str) -> str:
    """What the error of a step says: steps have no types of errors."""
    if isinstance(value, dict):
        raise InvalidRecord(path, value, "a text: what it says; a trace goes into errorDetail")
    return text(value, path)


def error(value: Json, path: str) -> str:
    """What an error says. What has a type beside its message, as errors of providers do, is told where that goes."""
    if isinstance(value, dict):
        raise InvalidRecord(path, value, "a text: what it says; its type goes into errorType, a trace into errorDetail")
    return text(value, path)


def currency(value: Json, path: str) -> str:
    """A currency: as ISO 4217 writes its code where it is one, so that what is the same is added up."""
    said = text(value, path)
    return pricing.currency_of(said) or said


def identifier(value: Json, path: str) -> str:
    """An id: a text, or a whole number that is taken as one (databases number their users)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else text(None, path)
    return text(value, path)


def whole(value: Json, path: str, most: int = MAX_INT) -> int:
    """A whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise InvalidRecord(path, value, "a whole number")
    if not 0 <= value <= most or value != int(value):
        raise InvalidRecord(path, _short(value), f"a whole number from 0 to {most}")
    return int(value)


def size(value: Json, path: str) -> int:
    """The bytes of a file."""
    return whole(value, path, MAX_BYTES)


def number(value: Json, path: str) -> float:
    """A finite number of either sign."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRecord(path, value, "a number")
    if not (math.isfinite(value) if isinstance(value, float) else True) or abs(value) > MAX_NUMBER:
        raise InvalidRecord(path, _short(value), f"a number between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
    return float(value)


def positive(value: Json, path: str) -> float:
    """A number that is not negative: seconds, rates."""
    found = number(value, path)
    if found < 0:
        raise InvalidRecord(path, value, "a number that is not negative")
    return found


def rating(value: Json, path: str) -> float:
    """A number from 1 to 5."""
    found = number(value, path)
    if not 1 <= found <= 5:
        raise InvalidRecord(path, value, "a number from 1 to 5")
    return found


def money(value: Json, path: str) -> Decimal:
    """An amount that is not negative: a number, or its digits in a text."""
    if isinstance(value, str):
        try:
            amount = Decimal(value.strip())
        except InvalidOperation:
            raise InvalidRecord(path, value, "an amount such as 0.0012") from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        amount = Decimal(repr(value)) if abs(value) <= MAX_NUMBER or value != value else Decimal("Infinity")
    else:
        raise InvalidRecord(path, value, "an amount such as 0.0012")
    if not amount.is_finite() or not 0 <= amount <= Decimal(10**11):
        raise InvalidRecord(path, _short(value), "an amount from 0 to 100000000000")
    return amount


def flag(value: Json, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidRecord(path, value, "true or false")
    return value


def moment(value: Json, path: str) -> dt.datetime:
    """A moment in UTC: ISO 8601 (without an offset it is UTC), or seconds or milliseconds since 1970."""
    expected = "a time such as 2026-01-31T12:00:00Z, or seconds or milliseconds since 1970"
    found: dt.datetime | None = None
    try:
        if isinstance(value, str):
            found = moments.read(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= EPOCH_MILLISECONDS_FROM else value
            found = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, OverflowError, OSError):
        pass
    if found is None:
        raise InvalidRecord(path, _short(value), expected)
    if not EARLIEST <= found <= dt.datetime.now(dt.UTC) + LATEST_AHEAD:
        # The writer would pull it to now, as it does for clients that drop what is refused; here somebody reads this.
        raise InvalidRecord(path, _short(value), "a time from the year 2000 to two days from now")
    return found


@dataclass(frozen=True, slots=True)
class OneOf:
    """Reads one of these texts."""

    choices: tuple[str, ...]

    def __call__(self, value: Json, path: str) -> str:
        """The text, if it is one of them."""
        if not isinstance(value, str) or value not in self.choices:
            raise InvalidRecord(path, value, f"one of {', '.join(self.choices)}")
        return value


def one_of(choices: Iterable[str]) -> OneOf:
    """A reading of one of these texts."""
    return OneOf(tuple(choices))


def mapping(value: Json, path: str) -> dict[str, Json]:
    """An object with any content."""
    if not isinstance(value, dict):
        raise InvalidRecord(path, value, "an object")
    return value


def array(value: Json, path: str) -> list[Json]:
    """An array with any content."""
    if not isinstance(value, list):
        raise InvalidRecord(path, value, "an array")
    return value


def objects(value: Json, path: str) -> list[Json]:
    """An array of objects: messages, tools."""
    for index, item in enumerate(array(value, path)):
        mapping(item, f"{path}[{index}]")
    return list(value)


def texts(value: Json, path: str) -> tuple[str, ...]:
    """An array of texts: tags, categories."""
    if not isinstance(value, list):
        raise InvalidRecord(path, value, "an array of texts")
    return tuple(text(item, f"{path}[{index}]") for index, item in enumerate(value))


def anything(value: Json, path: str) -> Json:
    """Any JSON value."""
    return value


# ------------------------------------------------------------------------------------------------------- back to JSON
def iso(value: dt.datetime) -> str:
    """A moment as ISO 8601 in UTC, with a Z."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def plain(value: float) -> float:
    """A number without a fraction as a whole one: a rating of 4 reads 4, not 4.0."""
    return int(value) if value.is_integer() else value


def _short(value: object) -> object:
    # Python refuses to print whole numbers of more than 4300 digits.
    return "a huge number" if isinstance(value, int) and abs(value) > 10**30 else value
