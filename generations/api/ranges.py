"""Which bytes of a file a download asks for, by `Range` and `If-Range` (RFC 9110, 13.1.5 and 14.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Final

from django.http import HttpRequest

CHUNK: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,30})-(\d{0,30})", re.ASCII | re.IGNORECASE)


def asked(request: HttpRequest, size: int, etag: str | None = None) -> range | None:
    """The bytes that are asked for of a file of `size`; an empty range where it has none of them (416).

    None for the whole file, which also answers what is no range of bytes, several at once, any method but GET, and an
    `If-Range` that is not the file's `etag`: of a file that may change under its address there is none to go on with.
    """
    if request.method != "GET" or request.headers.get("If-Range", etag) != etag:
        return None
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        last = int(found[2])
        # The last bytes of an empty file are all of it, which no Content-Range can say.
        return range(max(0, size - last), size) if not last or size else None
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        return None
    return range(min(first, size), min(int(found[2]) + 1, size) if found[2] else size)


def is_known(request: HttpRequest, etag: str) -> bool:
    """Whether `If-None-Match` says that the caller has the file already."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return etag in known or "*" in known


def pieces(file: IO[bytes], wanted: range) -> Iterator[bytes]:
    """These bytes of a file, which is closed at the end."""
    with file:
        file.seek(wanted.start)
        left = len(wanted)
        while left and (piece := file.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece
