"""Steps of one trace on one clock: machines tell their own time, and none begins what it does before it is asked to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

Read = tuple[str, str | None, str, str, float, float, float | None, bool]
"""A step as it is read: id, parent's id, name, type, start and end in seconds since 1970, latency, has it failed."""


def on_one(steps: Sequence[Read]) -> tuple[Sequence[Read], Mapping[str, float]]:
    """The steps of a trace as if by one clock, and by how many seconds which of them were moved for that."""
    by = _shifts(steps)
    if not by:
        return steps, by
    return [(*one[:4], one[4] + by.get(one[0], 0.0), one[5] + by.get(one[0], 0.0), *one[6:]) for one in steps], by


def _shifts(steps: Sequence[Read]) -> Mapping[str, float]:
    """By how many seconds steps are to be moved, so that none ends before the one above it begins. Empty: none does.

    A step that did is of a machine whose clock is behind: it is moved to where the one above begins, and what is
    below it as far, if that is within its time. What began before the one above and ended after may be what a program
    says of work that it told of late; what began after the end of the one above may well have done so.
    """
    known = {one[0]: one[4:6] for one in steps}
    if not any(one[1] in known and one[5] < known[one[1]][0] for one in steps):
        return {}
    below: dict[str, list[str]] = defaultdict(list)
    waiting: list[str] = []
    for id, parent, *_ in steps:
        if parent in known:
            below[parent].append(id)
        else:
            waiting.append(id)
    found: dict[str, float] = {}
    for id in waiting:  # grows: each step before those below it; rings are never met
        own = found.get(id, 0.0)
        first, last = (time + own for time in known[id])
        for child in below[id]:
            if moved := _moved(*known[child], first, last, own):
                found[child] = moved
        waiting += below[id]
    return found


def _moved(began: float, ended: float, first: float, last: float, above: float) -> float:
    """How far a step is moved below one of the time from `first` to `last` that was moved so far itself."""
    for one in (above, 0.0):
        if first <= began + one <= last:
            return one
    return first - began if ended + above < first else above
