"""How much a body may hold: of things that are empty, a few thousand bytes once packed are millions once unpacked.

An empty span is two bytes in protobuf, and 170 in memory before anybody looked at it; a body of 64 MiB may hold 33
million. So those that are large are counted before anything is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from generations.ingest.otlp.bounds import Undecodable

MAX_ITEMS: Final = 100_000
"""Spans or log records of one request."""
MAX_PIECES: Final = 8_000_000
"""Fields of protobuf, or brackets and commas of JSON, in one body: eight bytes for each of the largest."""
MAX_EVENTS: Final = 20_000
"""Events that are read of one span: a stream may tell of each of its pieces."""
MAX_LINKS: Final = 1_000
SMALL: Final = 1 << 20
"""Bytes of a body in which there is no room for more than can be borne."""
_MIDDLING: Final = 8 << 20
"""Bytes of a body in protobuf of which the items are counted, and not what is in each."""
_DEEPEST: Final = 100
"""Levels beyond which protobuf itself reads nothing."""

T = TypeVar("T")


class TooMany(Undecodable):
    """A body that holds more things than are taken at once."""


def bounded(items: Iterable[T]) -> Iterator[T]:
    """The same items, of which there are no more than MAX_ITEMS. Raises TooMany."""
    for n, item in enumerate(items):
        if n >= MAX_ITEMS:
            raise too_many()
        yield item


def too_many() -> TooMany:
    return TooMany(f"A request has at most {MAX_ITEMS} spans or log records; this one has more. {_SMALLER}")


_SMALLER: Final = "Send it in smaller parts."


# ------------------------------------------------------------------------------------------------------------ protobuf
class _Kind(dict[int, "_Kind"]):
    """A kind of message: the kinds of those fields that are messages themselves, by number."""

    is_item = False


_VALUE: Final = _Kind()
_PAIR: Final = _Kind({2: _VALUE})
_VALUE.update({5: _Kind({1: _VALUE}), 6: _Kind({1: _PAIR})})
_SPAN: Final = _Kind({9: _PAIR, 11: _Kind({3: _PAIR}), 13: _Kind({4: _PAIR})})
_LOG: Final = _Kind({5: _VALUE, 6: _PAIR})


def _request(item: _Kind) -> _Kind:
    """A request of such items: in groups, each with its resource, in parts, each with its scope."""
    item.is_item = True
    return _Kind({1: _Kind({1: _Kind({1: _PAIR}), 2: _Kind({1: _Kind({3: _PAIR}), 2: item})})})


SPANS: Final = _request(_SPAN)
LOGS: Final = _request(_LOG)


_DOUBLE: Final = b"\x21"
_OF_A_DOUBLE: Final = 9
"""The tag of a number in a value, and the length of a value that holds one."""


def check_protobuf(body: bytes, kind: _Kind) -> None:
    """Count what a request in protobuf holds, one of SPANS or LOGS. Raises TooMany.

    What is no protobuf is counted as far as it is; whoever decodes it tells what is wrong.
    """
    if len(body) <= SMALL:
        return
    is_deep = len(body) > _MIDDLING
    items = pieces = 0

    def count(place: int, end: int, kind: _Kind, depth: int) -> None:
        nonlocal items, pieces
        while place < end:
            tag, place = _number(body, place)
            wire = tag & 7
            pieces += 1
            if pieces > MAX_PIECES:
                raise _too_many_pieces()
            if wire == 0:
                _, place = _number(body, place)
            elif wire == 2:
                length, place = _number(body, place)
                if (inner := kind.get(tag >> 3)) is not None:
                    items += inner.is_item
                    if items > MAX_ITEMS:
                        raise too_many()
                    if length == _OF_A_DOUBLE and inner is _VALUE and body[place : place + 1] == _DOUBLE:
                        pass  # one piece, as which vectors of millions are no more than they weigh
                    elif length and depth < _DEEPEST and (is_deep or not inner.is_item):
                        count(place, min(place + length, end), inner, depth + 1)
                place += length
            elif wire in (1, 5):
                place += 8 if wire == 1 else 4
            # Groups (3 and 4) have no length: what is in them is looked at as if it was outside.

    count(0, len(body), kind, 0)


def _number(body: bytes, place: int) -> tuple[int, int]:
    """A number at this place, and the place behind it; the end of the body where none ends before."""
    number = shift = 0
    while place < len(body) and shift < 70:
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    return 0, len(body)


# ---------------------------------------------------------------------------------------------------------------- JSON
TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
"""A text in JSON; one that nothing ends goes on to the end of the body, lest each quote in it be tried anew."""
_TEXTS: Final = re.compile(TEXT, re.DOTALL)


def check_json(body: bytes) -> None:
    """Count what a body of JSON holds, by its brackets and commas. Raises TooMany."""
    if len(body) > SMALL and _marks(body) > MAX_PIECES and _marks(_TEXTS.sub(b"", body)) > MAX_PIECES:
        raise _too_many_pieces()


def _marks(body: bytes) -> int:
    return body.count(b"{") + body.count(b"[") + body.count(b",")


def _too_many_pieces() -> TooMany:
    return TooMany(f"The body holds more than {MAX_PIECES} attributes, events and other values. {_SMALLER}")
