"""What holds of spans and log events in either encoding: what is read of them at most, and which ids are ids."""

from __future__ import annotations

from typing import Final

from generations.records import InvalidRecord

MAX_ATTRIBUTES: Final = 20_000
"""Attributes that are read of one span; the rest are counted as dropped."""
MAX_DEPTH: Final = 60
"""How deep lists and maps in an attribute are read; what is below is null."""
_HEX: Final = frozenset("0123456789abcdef")


class Undecodable(ValueError):
    """A body that is not what its type says; the sentence tells why."""


def wrong_ids(trace_id: str, span_id: str) -> InvalidRecord | None:
    """Why these are no ids of a span, in hex; None where they are."""
    for name, id, length in (("traceId", trace_id, 32), ("spanId", span_id, 16)):
        if len(id) != length or not _HEX.issuperset(id) or not id.strip("0"):
            return InvalidRecord(name, id, f"{length // 2} bytes that are not all zero, in hex {length} digits")
    return None


def parent(id: str, own: str) -> str | None:
    """The id of the span above, in hex; None where there is none, or it is no id."""
    return id if len(id) == 16 and _HEX.issuperset(id) and id.strip("0") and id != own else None
