"""Text made comparable for searching: case, accents, widths and white space told apart no longer. Pure.

What is stored is ASCII: a character beyond it becomes five capital letters (folded text has none of its own). So the
database's trigrams, which know only the letters of its own locale, index every script alike, two ideographs give more
than one trigram, and `LIKE` compares the same on every server.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final

from generations import reading
from generations.records import Json

EACH: Final = 8_000
"""The characters that are searched of what was sent, and of what came back: the first half and the last half."""
MAX_TERMS: Final = 12
PARTED: Final = "\n"
"""Stands between the pieces of an extract. Folded text has only spaces, so that no phrase is found across pieces."""

# Marks that people leave out when they type: accents of Latin, Greek and Cyrillic, points of Hebrew, harakat and the
# stretching of Arabic. Those of other scripts are vowels or make another letter (Devanagari, kana) and stay.
_UNWRITTEN: Final = frozenset(
    {*range(0x0300, 0x0370), *range(0x0591, 0x05C8), *range(0x064B, 0x0660), 0x0640, 0x0670, *range(0xFE00, 0xFE10)}
)
_LAST: Final = 0x3FFFF  # beyond are tags, variation selectors and private use
_FIRST_LETTERS: Final = "ABCDEF"
_OTHER_LETTERS: Final = "GHIJKLMNOPQRSTUVWXYZ"
_SPACES: Final = re.compile(" {2,}")
_QUOTED: Final = re.compile(r'["\u201c\u201d\u201e]([^"\u201c\u201d\u201e]*)["\u201c\u201d\u201e]|(\S+)')


class _Fold(dict[int, str]):
    """For `str.translate`: what each character becomes, found out once."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _folded(chr(code))
        return found


class _Encode(dict[int, str]):
    """For `str.translate`: the letters that stand for a character beyond ASCII. The first one begins no other's rest,
    so that a text is found only where its characters begin."""

    def __missing__(self, code: int) -> str:
        if code < 128:
            return chr(code)
        rest, letters = code, ""
        for _ in range(4):
            rest, last = divmod(rest, len(_OTHER_LETTERS))
            letters = _OTHER_LETTERS[last] + letters
        found = self[code] = _FIRST_LETTERS[rest] + letters
        return found


def _folded(character: str) -> str:
    if character.isspace():
        return " "
    if ord(character) > _LAST or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co"):
        return ""
    parts = "".join(part for part in unicodedata.normalize("NFKD", character) if ord(part) not in _UNWRITTEN)
    return "".join(" " if part.isspace() else part for part in unicodedata.normalize("NFC", parts.casefold()))


_FOLD: Final = _Fold()
_ENCODE: Final = _Encode()


def folded(text: str) -> str:
    """`text` as it is compared."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text).translate(_FOLD))


def encoded(text: str) -> str:
    """Folded text in ASCII: a part of a text is a part of its encoding, and nothing else is."""
    return text if text.isascii() else text.translate(_ENCODE)


def terms(query: str) -> tuple[str, ...]:
    """What a question looks for, folded: its words, all of which must occur, and phrases that stood in quotes.

    Empty when nothing in it can be looked for.
    """
    found = (folded(quoted or word).strip() for quoted, word in _QUOTED.findall(query))
    return tuple(dict.fromkeys(term for term in found if term))[:MAX_TERMS]


# ----------------------------------------------------------------------------------------------------------- extracts
@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a call: `place` is the pointer to it in the document, `role` whose it is."""

    place: str
    role: str
    text: str
    is_output: bool = False


def pieces(payload: Any) -> Iterator[Piece]:
    """The texts that a person would read of a call, in order; `payload` has a record's attributes."""
    for number, message in enumerate(payload.messages if isinstance(payload.messages, list) else ()):
        role = message.get("role") if isinstance(message, Mapping) else None
        yield Piece(f"/messages/{number}", str(role or "message"), reading.message_text(message))
    if payload.prompt:
        yield Piece("/prompt", "prompt", payload.prompt)
    if payload.input is not None and not payload.messages:
        yield Piece("/input", "input", reading.text_of(payload.input))
    answers: tuple[tuple[str, Json], ...] = (
        ("/messageCompletion", payload.message_completion),
        ("/completion", payload.completion),
        ("/output", payload.output),
    )
    for place, answer in answers:
        if answer is not None:
            yield Piece(place, "answer", reading.message_text(answer), is_output=True)
            return


def extract(payload: Any) -> str:
    """What is searched of a call: head and tail of what was sent and of what came back, folded and in ASCII."""
    sides: dict[bool, list[str]] = {False: [], True: []}
    for piece in pieces(payload):
        sides[piece.is_output].append(folded(_ends(piece.text)))
    return PARTED.join(encoded(_ends(PARTED.join(side))) for side in sides.values() if side)


def _ends(text: str) -> str:
    """The first and the last part of a text that is too long."""
    return text if len(text) <= EACH else text[: EACH // 2] + PARTED + text[-EACH // 2 :]


# ----------------------------------------------------------------------------------------------------------- snippets
AROUND: Final = 70
BEHIND: Final = 140
"""The characters shown before the first hit of a snippet, and from there on."""
MOST_OCCURRENCES: Final = 50
"""The occurrences of each term that a snippet is chosen among."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a snippet."""

    text: str
    is_hit: bool = False


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text around what was found in it, in parts, and how many different terms are among them."""

    parts: list[Part]
    found: int


def snippet(text: str, wanted: tuple[str, ...]) -> Snippet | None:
    """The stretch of the text that has the most of these terms, the first of several; None when none occurs."""
    shown = unicodedata.normalize("NFC", _ends(text))
    plain, starts = _mapped(shown)
    spans = sorted((*span, term) for term in wanted for span in islice(_spans(plain, starts, term), MOST_OCCURRENCES))
    if not spans:
        return None
    best = max(range(len(spans)), key=lambda n: (len({term for _, _, term in _near(spans, n)}), -n))
    begin = max(0, spans[best][0] - AROUND)
    end = min(len(shown), spans[best][0] + BEHIND)
    parts: list[Part] = []
    at = begin
    for start, stop, _ in spans:
        if at <= start < end:
            parts += [Part(shown[at:start]), Part(shown[start:stop], is_hit=True)]
            at = stop
    parts.append(Part(shown[at:end]))
    if begin:
        parts[0] = Part("…" + parts[0].text, parts[0].is_hit)
    if end < len(shown):
        parts.append(Part("…"))
    return Snippet([part for part in parts if part.text], len({term for _, _, term in _near(spans, best)}))


def _near(spans: list[tuple[int, int, str]], n: int) -> list[tuple[int, int, str]]:
    """The spans that a snippet beginning before the nth one shows."""
    return list(takewhile(lambda span: span[0] < spans[n][0] + BEHIND, spans[n:]))


def _mapped(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters, and for its end, where in `text` it came from."""
    out: list[str] = []
    starts: list[int] = []
    for place, character in enumerate(text):
        for one in _FOLD[ord(character)]:
            if one == " " and out and out[-1] == " ":
                continue
            out.append(one)
            starts.append(place)
    return "".join(out), [*starts, len(text)]


def _spans(plain: str, starts: list[int], term: str) -> Iterator[tuple[int, int]]:
    at = plain.find(term)
    while at >= 0:
        start, last = starts[at], starts[at + len(term) - 1]
        # Up to the next character that counts: the marks that belong to the last one are marked with it.
        stop = starts[at + len(term)] if starts[at + len(term)] > last else last + 1
        yield start, stop
        at = plain.find(term, at + len(term))
