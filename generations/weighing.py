"""What JSON weighs where it is stored, which its own text does not tell."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from generations.records import Json

MAX_VALUES: Final = 8_000_000
"""Values in one document: PostgreSQL makes no JSON of twice as many in a list, whatever they weigh."""
MAX_DIGITS: Final = 16 << 20
"""Digits that the numbers of one document may have beyond those that were sent."""
NESTED: Final = frozenset({dict, list, tuple})

_MOST_DIGITS: Final = 330
"""Of one number: 5e-324 has no more."""
_SHORTEST: Final = 4
LONG: Final = MAX_DIGITS // _MOST_DIGITS * _SHORTEST
"""Bytes of a JSON text up to which its numbers are not too long, whatever they are."""
_EXPONENT: Final = re.compile(rb"[0-9.]e[+-]?[0-9]")


def may_be_too_many(text: bytes) -> bool:
    """Whether more than MAX_VALUES may be in a JSON text: a value follows each of these, if it is no part of one."""
    return len(text) > MAX_VALUES and sum(map(text.count, (b",", b"[", b"{"))) > MAX_VALUES


def are_too_many(value: Json) -> bool:
    """Whether there are more than MAX_VALUES in this one."""
    found, left = 0, [value]
    while left and found <= MAX_VALUES:
        node: Any = left.pop()
        inner: Collection[Json] = node.values() if isinstance(node, dict) else node if type(node) in NESTED else ()
        found += len(inner)
        left += [one for one in inner if type(one) in NESTED]
    return found > MAX_VALUES


def may_be_too_long(text: bytes) -> bool:
    """Whether the numbers in a JSON text, as orjson writes it, may have more than MAX_DIGITS where they are stored.

    PostgreSQL keeps no exponents: a million of 1e300 are six megabytes when they come, and 300 when they are read.
    """
    most = MAX_DIGITS // _MOST_DIGITS
    if len(text) <= LONG or text.count(b"e") <= most:
        return False
    return sum(1 for _ in _EXPONENT.finditer(text)) > most


def are_too_long(value: Json) -> bool:
    """Whether the numbers in this one have more than MAX_DIGITS without exponents."""
    digits = 0.0
    for number in _floats(value):
        digits += abs(math.log10(abs(number))) if number and math.isfinite(number) else 0
        if digits > MAX_DIGITS:
            return True
    return False


def _floats(value: Json) -> Iterator[float]:
    left: list[Any] = [(value,)]
    while left:
        node = left.pop()
        for one in node.values() if isinstance(node, dict) else node:
            if type(one) is float:
                yield one
            elif type(one) in NESTED:
                left.append(one)
