"""The index of extracts: which of a segment's texts have some letters in a row, as bits. Pure.

A segment is SIZE texts, made into bits at once, when it is full: texts share their words, of which each is taken
apart once, where an index that is kept up row by row does it for every text. A gram is two or three characters of a
word; a gram of two has a bucket of its own, those of three share theirs by a hash. The bits of a bucket say which texts
have one of its grams, and so never miss one that has; who looks reads the texts that all buckets leave.
"""

from __future__ import annotations

import re
import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, count
from operator import add
from typing import Final

SIZE: Final = 4_096
"""The texts of a segment."""
MOST_ASKED: Final = 16
"""The buckets that a question is looked up in: more leave hardly fewer texts."""
_PAIRS: Final = 64 * 64
_TRIPLES: Final = 8_192
_EDGE: Final = " "
# Extracts are folded and in ASCII (see `folding`): capital letters are what other scripts are written in.
_TOKEN: Final = re.compile("[a-z0-9]+|[A-Z]+")
_BETWEEN: Final = {code: " " for code in range(128) if not chr(code).isalnum()}
_CLASSES: Final = {
    letter: n for n, letter in enumerate(f"{_EDGE}abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
# Long runs are taken in windows that share two characters, so that every gram is in one: a step is one character of
# another script, so that the windows of scripts that leave no spaces are few and come again.
_LONGEST: Final = 35
_WINDOW: Final = "/"
_STEP: Final = {True: 5, False: 10}


def made(texts: Iterable[tuple[int, str]]) -> dict[int, bytes]:
    """The bits of each bucket that has any, of texts by their slots, which are below SIZE."""
    slots: defaultdict[str, list[int]] = defaultdict(list)
    for slot, text in texts:
        for word in set(_words(text)):
            slots[word].append(slot)
    for word in [word for word in slots if len(word) > _LONGEST]:
        those = slots.pop(word)
        for window in _windows(word):
            slots[window] += those
    having: defaultdict[str, int] = defaultdict(int)
    for word, those in slots.items():
        bits = _set(those)
        token = word[1:] if word[0] == _WINDOW else f"{_EDGE}{word}{_EDGE}"
        for gram in {token[n : n + 3] for n in range(len(token) - 2)}:
            having[gram] |= bits
    buckets: defaultdict[int, int] = defaultdict(int)
    for gram, bits in having.items():
        buckets[_triple(gram)] |= bits
        for pair in (gram[:2], gram[1:]):
            buckets[_pair(pair)] |= bits
    return {bucket: _stored(bits) for bucket, bits in buckets.items()}


def asked(term: str) -> list[int]:
    """The buckets of what every text has that has this term, itself folded and in ASCII; none when none is known."""
    triples: dict[int, None] = {}
    pairs: dict[int, None] = {}
    for found in _TOKEN.finditer(term):
        # What stands beside a word is known only where the term goes on.
        token = (_EDGE if found.start() else "") + found[0] + (_EDGE if found.end() < len(term) else "")
        triples |= {_triple(token[n : n + 3]): None for n in range(len(token) - 2)}
        if len(token) == 2:
            pairs[_pair(token)] = None
    buckets = [*triples, *pairs]
    # Spread over the term: its first word may be one that is everywhere.
    return buckets[:: -(-len(buckets) // MOST_ASKED)] if buckets else []


def having(stored: Sequence[bytes | None]) -> list[int]:
    """The slots of the texts that have something in all of these buckets, of which None is empty."""
    found = -1
    for bits in stored:
        found &= 0 if bits is None else _read(bits)
    return [slot for slot, digit in enumerate(reversed(f"{found:b}")) if digit == "1"] if found > 0 else []


def _words(text: str) -> list[str]:
    # What has no capital letters, as most, comes apart three times as fast without the expression.
    return text.translate(_BETWEEN).split() if text == text.lower() else _TOKEN.findall(text)


def _windows(word: str) -> Iterator[str]:
    """The windows of a long word with its edges, each marked as one."""
    token, step = f"{_EDGE}{word}{_EDGE}", _STEP[word[0].isupper()]
    for start in range(0, len(token) - 2, step):
        yield _WINDOW + token[start : start + step + 2]


def _triple(gram: str) -> int:
    return _PAIRS + zlib.crc32(gram.encode()) % _TRIPLES


def _pair(gram: str) -> int:
    return _CLASSES[gram[0]] * 64 + _CLASSES[gram[1]]


def _set(slots: Sequence[int]) -> int:
    if len(slots) < 16:
        bits = 0
        for slot in slots:
            bits |= 1 << slot
        return bits
    flags = bytearray(SIZE // 8)
    for slot in slots:
        flags[slot >> 3] |= 1 << (slot & 7)
    return int.from_bytes(flags, "little")


def _stored(bits: int) -> bytes:
    """Few bits as the numbers of their slots, two bytes each, which is shorter; many as they are."""
    if 16 * bits.bit_count() >= SIZE:
        return bits.to_bytes(SIZE // 8, "little")
    *gaps, _ = f"{bits:b}"[::-1].split("1")
    slots = array("H", map(add, accumulate(map(len, gaps)), count()))
    return _in_order(slots).tobytes()


def _read(stored: bytes) -> int:
    if len(stored) == SIZE // 8:
        return int.from_bytes(stored, "little")
    return _set(_in_order(array("H", stored)))


def _in_order(slots: array[int]) -> array[int]:
    """The same numbers with their bytes as they are kept, the lower one first, on any machine."""
    if sys.byteorder == "big":
        slots.byteswap()
    return slots
