"""Ids that callers did not give, and the keys by which rows are known: computed from what callers call them."""

from __future__ import annotations

import hashlib
import re
import uuid
from functools import lru_cache
from typing import Any, Final

import uuid6


def uid(project: int, kind: str, id: str) -> uuid.UUID:
    """The 16 bytes by which a row is known: a UUIDv8 of (project, kind, the caller's id), computed, never looked up.

    A hash, of which the first 48 bits are those of the id where it begins with a trace or is a UUIDv7: what is written
    together then lies together in every index of keys, however many rows there are. Projects that were there before
    that (`TOGETHER_FROM`) keep the keys that they have.
    """
    return uuid.UUID(uid_text(project, kind, id))


def uid_text(project: int, kind: str, id: str) -> str:
    """The same as text, which is three times as fast to make."""
    begun = _begun(project, kind).copy()
    begun.update(id.encode("utf-8", "surrogatepass"))
    digest = begun.hexdigest()
    first, second = digest[:8], digest[8:12]
    if len(id) in _LENGTHS and project >= TOGETHER_FROM and (found := _together(id)):
        first, second = found.groups()
    return f"{first}-{second}-8{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:]}"


TOGETHER_FROM: Final = 1_000_000
"""The first number of a project whose keys begin as its ids do. Migration 0021 lets new projects count from here."""
_LENGTHS: Final = frozenset({49, 36})
_together: Final = re.compile(
    # A trace and a span, as `ingest.otlp` names them; a UUIDv7, which begins with its time.
    r"([0-9a-f]{8})-?([0-9a-f]{4})(?:[0-9a-f]{20}-[0-9a-f]{16}|-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
).fullmatch
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""What a digit becomes where a UUID says how it is made."""


@lru_cache(maxsize=256)
def _begun(project: int, kind: str) -> Any:
    """What the keys of all rows of a kind begin with, hashed: going on from there is quicker than beginning anew."""
    return hashlib.blake2b(f"{project}\0{kind}\0".encode(), digest_size=16)


def new_id() -> str:
    """A fresh, time-ordered id (UUIDv7) for a caller that gave none."""
    return str(uuid6.uuid7())


def is_uuid(text: str) -> bool:
    """Whether a caller's text can be the key of a row that has a UUID of ours."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
