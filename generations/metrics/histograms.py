"""Histograms on a logarithmic scale, each kept in one number, so that a database merges them as it adds numbers.

Bucket b holds the values above GAMMA**(b-1) up to GAMMA**b, and shows one that is at most 1 % away from all of them.
A value adds 10**(12 b) to the number, whose decimal digits, by twelves, are then the counts of the buckets. PostgreSQL
adds numbers of some hundred buckets in a microsecond; unnesting and grouping arrays of them took two hundred.
Zeros are left out of the number; they are the known values that it does not count.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

ERROR: Final = 0.01
"""The largest relative error of a percentile."""
_GAMMA: Final = (1 + ERROR) / (1 - ERROR)
_DIGITS: Final = 12
_ORIGIN: Final = 256
"""Added to b, which leaves room for smaller values: a number has at most 16,383 digits behind its point."""
_LEAST: Final = 1e-14
"""Smaller values, which neither money nor clocks have, count as this one."""


def adding(value: str) -> str:
    """The SQL of what one `value`, itself SQL, adds to the number; NULL for zero and for what is not known."""
    bucket = f"ceil(ln(greatest({value}::float8, {_LEAST!r})) / {math.log(_GAMMA)!r})::int"
    return f"CASE WHEN {value} > 0 THEN ('1e' || {_DIGITS} * ({bucket} + {_ORIGIN}))::numeric END"


def sent(number: str) -> str:
    """The SQL of a number, itself SQL, in the form that `percentiles` reads."""
    return f"numeric_send({number})"


def percentiles(number: bytes | None, known: int, shares: Sequence[float]) -> list[float | None]:
    """The values that each share (0 to 1) of `known` values is below, interpolated between neighbours; None of none."""
    if not known:
        return [None] * len(shares)
    above, top = _counted(number)
    found: list[float | None] = []
    for share in shares:
        rank = share * (known - 1)
        low = math.floor(rank)
        value = _value(above, top, known - 1 - low)
        found.append(value if rank == low else value + (rank - low) * (_value(above, top, known - 2 - low) - value))
    return found


def _value(above: Sequence[int], top: int, larger: int) -> float:
    """The value that so many others are larger than."""
    place = bisect_right(above, larger)
    return 0.0 if place == len(above) else 2 * _GAMMA ** (top - place - _ORIGIN) / (_GAMMA + 1)


def _counted(number: bytes | None) -> tuple[Sequence[int], int]:
    """How many values are in the highest bucket, in it and the next, and so on down; and which is the highest."""
    if number is None:
        return (), 0
    # PostgreSQL's own form: digits to the base 10,000, the first of them worth 10,000 ** weight.
    _, weight = struct.unpack_from(">Hh", number)
    digits = array("H", bytes(2 * (2 - weight % 3)) + number[8:])
    digits.extend((0,) * (-len(digits) % 3))
    if sys.byteorder == "little":
        digits.byteswap()
    high, middle, low = digits[::3], digits[1::3], digits[2::3]
    # Nearly always: fewer than 10,000 in any bucket.
    if not (high.tobytes().strip(b"\0") or middle.tobytes().strip(b"\0")):
        return list(accumulate(low)), weight // 3
    return list(accumulate(h * 10**8 + m * 10**4 + n for h, m, n in zip(high, middle, low, strict=True))), weight // 3
