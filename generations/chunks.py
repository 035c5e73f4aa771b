"""When the pieces of a streamed answer came, as programs write it beside the answer that they put together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from generations.records import Json

NAMES: Final = ("chunk_times", "chunk_timings", "chunk_timestamps", "chunk_timing", "chunks", "stream_chunks")
"""Attributes that tell of them: a list of times, or of objects that have one each. `_ms` behind a name is milliseconds,
and each may be written in camelCase."""
_TIMES: Final = ("time", "t", "at", "offset", "elapsed", "timestamp", "received_at", "seconds", "ts")
_MOMENT: Final = 1e8
"""A time from here on is a moment since 1970 and not one since the call began."""
MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Chunks:
    """The times of a stream's pieces in seconds, in their order: since the call began, where `is_dated` since 1970."""

    times: tuple[float, ...]
    is_dated: bool

    @property
    def duration(self) -> float:
        """Seconds from the first piece to the last."""
        return self.times[-1] - self.times[0]

    @property
    def longest_pause(self) -> float | None:
        """The seconds between the two pieces that were furthest apart; None of a single piece."""
        return max((b - a for a, b in zip(self.times, self.times[1:], strict=False)), default=None)


def of(attributes: Mapping[str, Json] | None) -> Chunks | None:
    """What the attributes of a response say of its pieces; None where they say nothing that can be read."""
    for name, value in (attributes or {}).items():
        plain = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        if plain.removesuffix("_ms") in NAMES and isinstance(value, list) and 0 < len(value) <= MOST:
            times = _times(value, 0.001 if plain.endswith("_ms") else 1.0)
            if times is not None:
                return times
    return None


def beside(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """`time_to_first_token` and `latency` in seconds, as far as the times of the pieces tell them."""
    found = of(attributes)
    if found is None or found.is_dated:
        return {}
    return {"time_to_first_token": found.times[0], "latency": found.times[-1]}


def _times(listed: Sequence[Json], unit: float) -> Chunks | None:
    read = [_time(one, unit) for one in listed]
    times = [time for time in read if time is not None]
    if len(times) != len(read) or times != sorted(times):
        return None
    is_dated = times[0] >= _MOMENT
    if is_dated and times[0] >= _MOMENT * 1_000:  # in milliseconds
        times = [time / 1_000 for time in times]
    return Chunks(tuple(times), is_dated)


def _time(one: Json, unit: float) -> float | None:
    value: Json = one
    if isinstance(one, Mapping):
        named = ((one[name + end], scale) for name in _TIMES for end, scale in _UNITS if name + end in one)
        value, unit = next(named, (None, unit))
    elif isinstance(one, list) and one:
        value = one[0]  # a pair of time and text
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value) * unit


_UNITS: Final = (("", 1.0), ("_ms", 0.001))
