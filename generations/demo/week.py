"""When things happen: the busy hours of a week, its releases, and what went wrong in it."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from itertools import accumulate
from typing import Final

_HOURS: Final = (2, 1, 1, 1, 2, 4, 9, 16, 24, 28, 30, 28, 24, 26, 28, 27, 26, 25, 27, 29, 26, 18, 10, 5)
"""How busy each hour of the day is, UTC."""
_WEEKEND: Final = 0.55

RELEASES: Final = ((0.0, "2.31.0"), (0.38, "2.31.1"), (0.62, "2.32.0"))
"""Releases of the assistant, from which part of the time on."""
PROMPTS: Final = ((0.0, 11), (0.25, 12), (0.7, 13))
"""Versions of the support prompt, likewise."""
SLOW_RELEASE: Final = "2.32.0"
"""It searches the help articles twice and waits for both: answers take nearly twice as long from here on."""
SLOWDOWN: Final = 1.9


class Week:
    """The time that is told of: `days` before `now`."""

    def __init__(self, now: dt.datetime, days: int) -> None:
        self.now = now
        self.start = now - dt.timedelta(days=days)
        self._seconds = days * 86_400
        weights = []
        for hour in range(days * 24):
            moment = self.start + dt.timedelta(hours=hour)
            weights.append(_HOURS[moment.hour] * (_WEEKEND if moment.weekday() >= 5 else 1.0))
        self._until = list(accumulate(weights, initial=0.0))

    def at(self, share: float) -> dt.datetime:
        """The moment before which this share of all calls is made, from 0 to 1. Later shares are later."""
        wanted = share * self._until[-1]
        hour = min(bisect_right(self._until, wanted), len(self._until) - 1) - 1
        within = (wanted - self._until[hour]) / (self._until[hour + 1] - self._until[hour])
        return self.start + dt.timedelta(hours=hour + min(within, 0.999999))

    def release(self, moment: dt.datetime) -> str:
        """The release that was live."""
        return next(name for since, name in reversed(RELEASES) if self._passed(moment) >= since)

    def prompt(self, moment: dt.datetime) -> int:
        """The version of the support prompt that was live."""
        return next(version for since, version in reversed(PROMPTS) if self._passed(moment) >= since)

    def is_outage(self, moment: dt.datetime) -> bool:
        """Whether OpenAI refused most calls: one afternoon, halfway through."""
        halfway = (self.start + dt.timedelta(seconds=self._seconds * 0.45)).replace(hour=13, minute=40)
        return halfway <= moment < halfway + dt.timedelta(minutes=100)

    def is_dear(self, moment: dt.datetime) -> bool:
        """Whether a wrong default sent answers to the dearest model: the whole day before yesterday."""
        return moment.date() == (self.now - dt.timedelta(days=2)).date()

    def _passed(self, moment: dt.datetime) -> float:
        return max((moment - self.start).total_seconds() / self._seconds, 0.0)
