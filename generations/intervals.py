"""Means and shares with their intervals of 95 % confidence: Student for means, Wilson for shares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_Z: Final = NormalDist().inv_cdf(0.975)
_FEW: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 97.5 % for 1 to 10 degrees of freedom, where the series below is not good enough."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean or a share of `count` values; `low` and `high` are None where one value alone says nothing of others."""

    count: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half of its width: the number behind ±."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the true value is other than 0, as far as 95 % are certain."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def student(freedom: int) -> float:
    """The t of Student's distribution that 95 % lie within, for 1 degree of freedom or more."""
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    # Cornish and Fisher's expansion: within 0.0005 from 11 degrees of freedom on.
    z = _Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def of_mean(count: int, mean: float | None, deviation: float | None) -> Interval | None:
    """The interval of a mean by count, mean and standard deviation of a sample; None for no values."""
    if not count or mean is None:
        return None
    if count < 2 or deviation is None:
        return Interval(count, mean)
    half = student(count - 1) * deviation / math.sqrt(count)
    return Interval(count, mean, mean - half, mean + half)


def of_values(values: Iterable[float]) -> Interval | None:
    """The interval of the mean of these values; None for none."""
    known = list(values)
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    if len(known) < 2:
        return Interval(1, mean)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1))
    # What floats lose in their last digits is no spread.
    return of_mean(len(known), mean, 0.0 if deviation <= 1e-12 * abs(mean) else deviation)


def of_share(hits: int, count: int) -> Interval | None:
    """The interval of a share, hits of count; None for none. Never outside 0 and 1, however few there are."""
    if not count:
        return None
    share, z2 = hits / count, _Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # None and all are exact at their end, which rounding would miss by a hair.
    low = middle - half if hits else 0.0
    high = middle + half if hits < count else 1.0
    return Interval(count, share, low, high)
