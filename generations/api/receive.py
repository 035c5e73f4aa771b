"""Bodies: read whole within bounds, unpacked, and parsed so that what is wrong is told with its place."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Iterator
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from generations.api import repeats
from generations.api.errors import Refused
from generations.ingest.values import UnknownField
from generations.intake import MAX_BODY, Body
from generations.records import InvalidRecord, Json, shown

PIECE: Final = 64 * 1024
_SMALLEST: Final = 64
_EITHER: Final = zlib.MAX_WBITS | 32
MAX_QUESTION: Final = 1 << 20
"""Bytes of a filter, a pipeline or another question: no honest one is larger."""
MAX_OBJECTS: Final = 2_000_000
MAX_ITEMS: Final = 100_000

_TAKEN: Final = "generations.body"
JSON_TYPES: Final = ("application/json", "text/json")
LINES_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")


def document(request: HttpRequest, *, limit: int | None = None) -> Json:
    """The JSON value that is the body. Raises Refused: 400 with the place of what is malformed, 413, 415."""
    _typed(request, JSON_TYPES)
    return parsed(_text(body(request, limit)))


def one(request: HttpRequest, *, several: str = "") -> Json:
    """The JSON value that is the body, and no list of them, which `several` takes if it names an address.

    Raises Refused, as `document` does and for a list.
    """
    value = document(request)
    if isinstance(value, list):
        raise _is_list(value, several)
    return value


def mapping(request: HttpRequest, *, limit: int | None = None, listed: str = "") -> dict[str, Json]:
    """The JSON object that is the body; an empty body is an empty object, and a list the field that `listed` names, if
    it does. Raises Refused, also for another value."""
    _typed(request, JSON_TYPES, may_lack=True)
    text = _text(body(request, limit))
    value = parsed(text) if text.strip() else {}
    if listed and isinstance(value, list):
        return {listed: value}
    if isinstance(value, list):
        raise _is_list(value)
    if not isinstance(value, dict):
        raise Refused(400, "malformed_json", "The body has to be a JSON object.", "body", shown(value), "an object")
    return value


def _is_list(value: list[Json], several: str = "") -> Refused:
    how = f"; a list of them is sent to {several}" if several else " and no list: send a request for each"
    return Refused(400, "malformed_json", f"This address takes one object{how}.", "body", shown(value), "an object")


def items(request: HttpRequest, name: str) -> list[Json | InvalidRecord]:
    """The items of a batch: a JSON array, an object with the array in `name`, or JSON Lines.

    A line that is no JSON is an InvalidRecord in its place. Raises Refused, also for more than MAX_ITEMS.
    """
    kind = _typed(request, (*JSON_TYPES, *LINES_TYPES))
    text = _text(body(request))
    found: Json
    if kind in LINES_TYPES:
        found = list(_lines(text))
    else:
        value = parsed(text)
        found = value[name] if isinstance(value, dict) and set(value) == {name} else value
        if not isinstance(found, list):
            sentence = f"A batch is a JSON array, an object with the array in '{name}', or JSON Lines."
            raise Refused(400, "malformed_batch", sentence, "body", shown(value), "an array")
    if len(found) > MAX_ITEMS:
        raise Refused(413, "too_large", f"A batch has at most {MAX_ITEMS} items; this one has {len(found)}.")
    return list(found)


def named(asked: dict[str, Json], known: Collection[str], path: str = "") -> dict[str, Json]:
    """The object, which has no other names than these. Raises UnknownField, with the nearest right one, for another;
    `path` is where the object stands."""
    for name in asked:
        if name not in known:
            raise UnknownField(path + name, asked[name], [path + one for one in known])
    return asked


# --------------------------------------------------------------------------------------------------------------- bytes
def body(request: HttpRequest, limit: int | None = None) -> bytes:
    """The body, unpacked when it is gzip or deflate: at most `limit` bytes (INGEST_MAX_BYTES), sent and unpacked."""
    if (read := request.META.get(_TAKEN)) is not None and read.size == len(read.content):
        whole: bytes = read.content
        return whole
    limit = settings.INGEST_MAX_BYTES if limit is None else min(limit, settings.INGEST_MAX_BYTES)
    encoding = _encoding(request)
    if encoding not in ("", "gzip", "x-gzip", "deflate"):
        sentence = f"The content encoding {encoding[:40]!r} is not read here; send gzip, deflate, or none."
        raise Refused(415, "unsupported_encoding", sentence, headers={"Accept-Encoding": "gzip, deflate"})
    length = _length(request)
    if length > limit:
        raise _too_large(limit, "")
    # As a rule all of it comes at once, and is copied no further.
    received = request.read(length)
    while len(received) < length and (piece := request.read(length - len(received))):
        received += piece
    if len(received) < length:
        sentence = f"The body broke off after {len(received)} of the {length} bytes that Content-Length says."
        raise Refused(400, "truncated_body", sentence)
    whole = unpacked(received, limit) if encoding else received
    if repeats.HEADER in request.META:
        request.META[repeats.DIGEST] = hashlib.sha256(whole).hexdigest()
    request.META[_TAKEN] = Body(whole[:MAX_BODY], len(whole), (request.content_type or "").lower())
    return whole


def _encoding(request: HttpRequest) -> str:
    """How the body is packed; empty where it is not. A proxy may have added `identity`, which says nothing."""
    said = request.META.get("HTTP_CONTENT_ENCODING", "").lower().split(",")
    return ", ".join(one for part in said if (one := part.strip()) not in ("", "identity"))


def is_short(request: HttpRequest) -> bool:
    """Whether the body is one that is kept whole when it was read, so that it may be read again."""
    said = request.META.get("CONTENT_LENGTH") or "0"
    is_plain = "HTTP_CONTENT_ENCODING" not in request.META
    return is_plain and said.isdecimal() and len(said) < 19 and int(said) <= MAX_BODY


def taken(request: HttpRequest) -> Body:
    """The beginning of the body, as far as it was read."""
    body: Body = request.META.get(_TAKEN) or Body(b"", _length(request), (request.content_type or "").lower())
    return body


def unpacked(packed: bytes, limit: int) -> bytes:
    """What gzip or deflate packed, a piece at a time, so that a bomb is refused before it goes off. Raises Refused."""
    whole = bytearray()
    member = zlib.decompressobj(wbits=_EITHER)
    place, size, is_within = 0, PIECE, False
    try:
        while place < len(packed):
            piece: bytes | None = packed[place : place + size]
            place += size
            size = min(2 * size, PIECE)
            is_within = True
            while piece is not None:
                made = member.decompress(piece, PIECE)
                whole += made
                if len(whole) > limit:
                    raise _too_large(limit, " once unpacked")
                # A full piece may have left more behind, inside, when all that was given is used up.
                piece = member.unconsumed_tail or (b"" if len(made) == PIECE else None)
            if member.eof:
                # One gzip file may follow another: that is what `cat a.gz b.gz` makes.
                place = min(place, len(packed)) - len(member.unused_data)
                member, is_within = zlib.decompressobj(wbits=_EITHER), False
                # What follows may be as small: of millions of empty ones, each would copy a whole piece twice.
                size = _SMALLEST
    except zlib.error as error:
        raise Refused(400, "malformed_gzip", f"The body is neither gzip nor deflate: {error}.", "body") from None
    if is_within:
        raise Refused(400, "truncated_gzip", "The gzip body breaks off before its end.", "body")
    return bytes(whole)


def _length(request: HttpRequest) -> int:
    said = request.META.get("CONTENT_LENGTH") or "0"
    try:
        return max(0, int(said))
    except ValueError:
        raise Refused(400, "bad_request", f"The Content-Length {said[:40]!r} is not a number.") from None


def _too_large(limit: int, how: str) -> Refused:
    sentence = f"The body is larger than {limit} bytes{how}. Send it in smaller parts."
    close = {"Connection": "close"}
    return Refused(413, "too_large", sentence, "body", expected=f"at most {limit} bytes", headers=close)


def _typed(request: HttpRequest, allowed: tuple[str, ...], *, may_lack: bool = False) -> str:
    """The media type of the body, which has to be one of these. None at all is taken for JSON."""
    kind = (request.content_type or "").lower()
    if not kind or kind in allowed or (kind.endswith("+json") and kind.startswith("application/")):
        charset = (request.content_params or {}).get("charset", "utf-8").strip("\"' ").lower()
        if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise Refused(415, "unsupported_charset", f"JSON is read as UTF-8, not as {charset[:40]!r}.")
        return kind or JSON_TYPES[0]
    if may_lack and not _length(request):
        return JSON_TYPES[0]
    wanted = " or ".join(one for one in (JSON_TYPES[0], LINES_TYPES[0]) if one in allowed)
    sentence = f"The content type {kind[:80]!r} is not read here; send {wanted}."
    raise Refused(415, "unsupported_type", sentence, "Content-Type", kind[:80], allowed[0])


# ---------------------------------------------------------------------------------------------------------------- JSON
class _Malformed(ValueError):
    """Legal to the parser and still refused: a name twice, NaN, more objects than any batch has."""


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sentence = f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}."
        raise Refused(400, "malformed_json", sentence, "body") from None


def parsed(text: str) -> Json:
    """The JSON value in `text`. Raises Refused with the line and column of what is wrong.

    The standard library's parser and not a faster one: it tells of names that come twice, and lone surrogates, which
    JavaScript sends when it cuts an emoji in two, are let through to be cleaned.
    """
    try:
        return _decoder().decode(text)
    except json.JSONDecodeError as error:
        sentence = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        if error.msg == "Extra data" and text[: error.pos].count("\n"):
            sentence += f" Send JSON Lines as {LINES_TYPES[0]}."
        raise Refused(400, "malformed_json", sentence, "body") from None
    except _Malformed as error:
        raise Refused(400, "malformed_json", f"The body is not acceptable JSON: {error}.", "body") from None
    except RecursionError:
        raise Refused(400, "malformed_json", "The body is nested too deep.", "body") from None
    except ValueError:
        # The one left: whole numbers of more than 4300 digits.
        raise Refused(400, "malformed_json", "The body has a number with too many digits.", "body") from None


def _lines(text: str) -> Iterator[Json | InvalidRecord]:
    decoder = _decoder()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except json.JSONDecodeError as error:
            yield _bad_line(number, line, f"JSON; {error.msg} at column {error.colno}")
        except _Malformed as error:
            yield _bad_line(number, line, f"acceptable JSON; {error}")
        except RecursionError:
            yield _bad_line(number, line, "JSON that is not nested so deep")
        except ValueError:
            yield _bad_line(number, line, "JSON; a number has too many digits")


def _bad_line(number: int, line: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"line {number}", line[:200], expected)


def _decoder() -> json.JSONDecoder:
    objects = 0

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal objects
        objects += 1
        if objects > MAX_OBJECTS:
            raise _Malformed(f"more than {MAX_OBJECTS} objects")
        made = dict(found)
        if len(made) != len(found):
            seen: set[str] = set()
            twice = next(name for name, _ in found if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise _Malformed(f"the name {shown(twice)} comes twice in one object")
        return made

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_constant, parse_int=_whole)


def _constant(name: str) -> Any:
    raise _Malformed(f"{name} is not a JSON value")


def _whole(digits: str) -> int | float:
    # Beyond 64 bits as a float, as JavaScript and most JSON libraries have it.
    if len(digits) < 19 or -(2**63) <= int(digits) < 2**63:
        return int(digits)
    return float(digits)
