"""When calls of Codex began: it says so in one event, and what came of the call in another, which names neither."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from generations.records import Json

KEPT: Final = 8
"""Beginnings, and ends, of a conversation that are remembered: its calls are made one after the other."""
_LONGEST: Final = 3_600_000_000
"""Microseconds after which a beginning was of another call."""
BEGUN: Final = "begun"
ENDED: Final = "ended"


class Paired(NamedTuple):
    """What is to be remembered, and the starts of calls, by their ids, that are known from now on."""

    kept: dict[str, Json]
    starts: dict[str, dt.datetime]


def paired(kept: Mapping[str, Json], begun: Iterable[dt.datetime], ended: Mapping[str, dt.datetime]) -> Paired:
    """Calls by when they ended, each with the last beginning before that and after the end before.

    Times are kept as microseconds since 1970, of a call both or its end alone.
    """
    here: list[int] = sorted({*_numbers(kept.get(BEGUN)), *(_micro(one) for one in begun)})[-KEPT:]
    known: dict[str, list[int]] = {id: [_micro(end)] for id, end in ended.items()}
    listed = kept.get(ENDED)
    known |= {str(id): _numbers(times) for id, times in (listed.items() if isinstance(listed, dict) else ())}
    starts: dict[str, dt.datetime] = {}
    before = 0
    for id, times in sorted(((id, times) for id, times in known.items() if times), key=lambda one: (one[1][0], one[0])):
        end = times[0]
        found = [start for start in here if max(before, end - _LONGEST) < start <= end]
        if len(times) == 1 and found:
            times.append(found[-1])
            starts[id] = dt.datetime.fromtimestamp(found[-1] / 1e6, dt.UTC)
        before = end
    last = sorted((id for id, times in known.items() if times), key=lambda id: known[id][0])[-KEPT:]
    return Paired({BEGUN: here, ENDED: {id: known[id] for id in last}}, starts)


def _micro(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _numbers(value: Any) -> list[int]:
    return [one for one in value if type(one) is int] if isinstance(value, list) else []
