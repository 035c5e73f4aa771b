"""JSON of any size as rows of a tree: each part has an address, and what does not fit is asked for. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from generations.records import Json
from generations.web import markup

ROOM: Final = 90_000
"""The bytes of HTML that the rows of one answer take, at most."""
ROW: Final = 560
"""The bytes of HTML of a row without its addresses, at most."""
AT_ONCE: Final = 100
"""How many parts of one object or list stand together."""
LONG: Final = 120
"""A text of more characters is cut and unfolded on request."""
LONGEST_PLACE: Final = 2_000
"""A part whose address is longer is shown and has no link."""
MOST_CRUMBS: Final = 8
DEEPEST: Final = 16
"""The deepest level that is indented."""


@dataclass(slots=True)
class Row:
    """A part: its name, and its value in short. `count` is of an object's or list's parts, `size` a text's bytes."""

    place: str
    key: str
    level: int
    kind: str
    text: str = ""
    count: int | None = None
    size: int | None = None
    is_open: bool = False
    first: int = 0
    last: int = 0

    @property
    def indent(self) -> int:
        """How far it is indented."""
        return min(self.level, DEEPEST)

    @property
    def is_folded(self) -> bool:
        """Whether there is more of it to be seen."""
        return bool(self.place) and bool(self.count or self.size)


@dataclass(frozen=True, slots=True)
class Rest:
    """Parts of the value at `place` that are left out, from `first` on."""

    place: str
    first: int
    count: int
    level: int

    @property
    def indent(self) -> int:
        """How far they are indented."""
        return min(self.level, DEEPEST)


def rows(value: Json, place: str, *, room: int = ROOM, first: int = 0, level: int = 0) -> list[Row | Rest]:
    """What is in the value at `place`, from its part `first` on, opened level by level as far as there is room."""
    opened: dict[str, list[tuple[Row, Json]]] = {}
    left = room
    waiting: deque[tuple[str, Json, int, int]] = deque([(place, value, first, level)])
    while waiting:
        at, held, begin, depth = waiting.popleft()
        made: list[tuple[Row, Json]] = []
        for key, inner in _parts(held, begin):
            row = _row(at, key, inner, depth)
            left -= ROW + 3 * len(quote(row.place, safe=""))
            if left < 0 and (at != place or made):
                break
            made.append((row, inner))
        if at != place and left < 0:
            break
        opened[at] = made
        waiting.extend((row.place, inner, 0, depth + 1) for row, inner in made if row.count and row.place)
    return list(_laid_out(opened, value, place, first, level))


def crumbs(place: str) -> list[tuple[str, str]]:
    """The last names on the way to a place, each with its own place, the outermost first."""
    keys = place.split("/")[1:]
    return [
        (key.replace("~1", "/").replace("~0", "~"), "/" + "/".join(keys[: n + 1]))
        for n, key in list(enumerate(keys))[-MOST_CRUMBS:]
    ]


def _laid_out(
    opened: dict[str, list[tuple[Row, Json]]], value: Json, place: str, first: int, level: int
) -> Iterator[Row | Rest]:
    waiting: list[Row | Rest] = _inside(opened, value, place, first, level)[::-1]
    held = {row.place: inner for made in opened.values() for row, inner in made if row.count}
    while waiting:
        row = waiting.pop()
        yield row
        if isinstance(row, Row) and row.is_folded and row.place in opened:
            row.is_open = True
            waiting.extend(_inside(opened, held[row.place], row.place, 0, row.level + 1)[::-1])


def _inside(
    opened: dict[str, list[tuple[Row, Json]]], value: Json, place: str, first: int, level: int
) -> list[Row | Rest]:
    inside: list[Row | Rest] = [row for row, _ in opened[place]]
    count = len(value) if isinstance(value, Mapping | list) else 0
    end = first + len(inside)
    return [*inside, Rest(place, end, count - end, level)] if end < count else inside


def _parts(value: Json, first: int) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for index in range(first, min(len(value), first + AT_ONCE)):
            yield str(index), value[index]
    elif isinstance(value, Mapping):
        for number, (key, inner) in enumerate(value.items()):
            if number >= first + AT_ONCE:
                return
            if number >= first:
                yield str(key), inner


def _row(above: str, key: str, value: Json, level: int) -> Row:
    place = above + markup.pointer(key) if len(key) <= LONGEST_PLACE else ""
    if len(quote(place, safe="")) > LONGEST_PLACE:
        place = ""
    if isinstance(value, Mapping | list):
        kind = "object" if isinstance(value, Mapping) else "list"
        return Row(place, key, level, kind, count=len(value))
    if isinstance(value, str):
        is_long = len(value) > LONG
        size = len(value.encode("utf-8", "replace")) if is_long else None
        return Row(place, key, level, "text", value[:LONG], size=size)
    kind = "word" if value is None or isinstance(value, bool) else "number"
    return Row(place, key, level, kind, markup.compact(value))
