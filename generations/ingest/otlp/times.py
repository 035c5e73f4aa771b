"""Which of many times are within, around or at the same time as another, each found once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any, Final

FEW: Final = 8
"""Looks before which all are gone through: to sort them takes as long."""


class Times:
    """Things by when they begin and end, from which those are taken that stand in some way to another time.

    After the first few a look takes the logarithm of their number, and so does each that is taken: they are a tree in
    the order of their beginnings, whose nodes know the last and the first end below them, as places among all ends.
    """

    def __init__(self, times: Mapping[str, tuple[Any, Any]]) -> None:
        """Those that have not ended, or begun, stand in no way to others."""
        self._rest = {id: (a, b) for id, (a, b) in times.items() if a is not None and b is not None}
        self._looks = 0

    def nested(self, start: Any, end: Any) -> set[str]:
        """Take those within or around a time."""
        if self._is_early():
            rest = self._rest.items()
            return self._out({id for id, (a, b) in rest if (a <= start and end <= b) or (start <= a and b <= end)})
        around = self._take(0, bisect_right(self._starts, start), bisect_left(self._ends, end), self._none)
        since, until = bisect_left(self._starts, start), bisect_right(self._starts, end)
        return around | self._take(since, until, 0, bisect_right(self._ends, end) - 1)

    def overlapping(self, start: Any, end: Any) -> set[str]:
        """Take those at the same time."""
        if self._is_early():
            return self._out({id for id, (a, b) in self._rest.items() if a <= end and start <= b})
        return self._take(0, bisect_right(self._starts, end), bisect_left(self._ends, start), self._none)

    def _is_early(self) -> bool:
        self._looks += 1
        if self._looks == FEW + 1:
            self._sort()
        return self._looks <= FEW

    def _out(self, found: set[str]) -> set[str]:
        for id in found:
            del self._rest[id]
        return found

    def _sort(self) -> None:
        whole = sorted(((a, b, id) for id, (a, b) in self._rest.items()), key=lambda one: one[0])
        self._ids = [id for _, _, id in whole]
        self._starts = [a for a, _, _ in whole]
        self._ends = sorted(b for _, b, _ in whole)
        self._size = 1 << max(len(whole) - 1, 0).bit_length()
        self._none = len(whole)
        places = [bisect_left(self._ends, b) for _, b, _ in whole]
        rest = self._size - len(places)
        self._last = [-1] * self._size + places + [-1] * rest
        self._first = [self._none] * self._size + places + [self._none] * rest
        for node in range(self._size - 1, 0, -1):
            self._update(node)

    def _update(self, node: int) -> None:
        self._last[node] = max(self._last[2 * node], self._last[2 * node + 1])
        self._first[node] = min(self._first[2 * node], self._first[2 * node + 1])

    def _take(self, since: int, until: int, least: int, most: int) -> set[str]:
        """Those from one place to another whose ends are at `least` and at `most` in these places."""
        found: set[str] = set()
        waiting = [(1, 0, self._size)]
        while waiting:
            node, low, width = waiting.pop()
            if low + width <= since or low >= until or self._last[node] < least or self._first[node] > most:
                continue
            if width > 1:
                half = width // 2
                waiting += ((2 * node, low, half), (2 * node + 1, low + half, half))
                continue
            found.add(self._ids[low])
            self._last[node], self._first[node] = -1, self._none
            while node > 1:
                node //= 2
                self._update(node)
        return found
