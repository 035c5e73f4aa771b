"""Segments of extracts: gives out places in them, makes the bits of full ones, and says where something may be."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from generations import folding
from generations.models import GenerationSearch, SearchBits, SearchSegment
from generations.search import bits

_LOCK: Final = 0x47454E36  # the first half of a project's lock; the second is the project
_FIRST, _MOST = 4, 32
"""Segments whose bits are read in one statement, at first and, each time twice as many, in the end: who looks for two
words has up to 32 pages read for each, from a disk that may be busy, and may have enough with the latest."""
_READ_AT_ONCE: Final = 200
"""Texts that are held while a segment is made."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Some extracts of a project, and the stretch of time that they are of."""

    number: int
    size: int
    first: dt.datetime
    last: dt.datetime
    has_bits: bool


def give_places(project_pk: int, starts: Sequence[dt.datetime]) -> list[int]:
    """Places for extracts of these starts, in order. Whoever asks holds the project's lock of extracts."""
    rows = SearchSegment.objects.in_project(project_pk)
    last = rows.order_by("-uid").first()
    place = 0 if last is None else last.number * bits.SIZE + last.size
    given = list(range(place, place + len(starts)))
    by_segment: dict[int, list[dt.datetime]] = {}
    for one, start in zip(given, starts, strict=True):
        by_segment.setdefault(one // bits.SIZE, []).append(start)
    for number, own in by_segment.items():
        if last is not None and number == last.number:
            last.size += len(own)
            last.first_start, last.last_start = min(last.first_start, *own), max(last.last_start, *own)
            rows.filter(uid=last.uid).update(size=last.size, first_start=last.first_start, last_start=last.last_start)
        else:
            SearchSegment.objects.create(
                project_id=project_pk,
                uid=_uid(number),
                number=number,
                size=len(own),
                first_start=min(own),
                last_start=max(own),
            )
    return given


def build(project_pk: int) -> int:
    """Make the bits of one full segment that has none, the latest; returns of how many texts, 0 when there is none.

    It holds no lock that a writer or a reader waits for: places in a full segment are never given out again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, project_pk % 2**31])
        if cursor.fetchone() != (True,):
            return 0
        full = SearchSegment.objects.in_project(project_pk).filter(texts=None, size__gte=bits.SIZE)
        one = full.order_by("-uid").first()
        return 0 if one is None else _build(cursor, project_pk, one.number)


def renew(project_pk: int) -> int:
    """Forget the bits of texts that are gone: those of segments that lost some are made anew; returns how many."""
    counts = "SELECT place / %s AS number, count(*) FROM generation_search WHERE project_id = %s GROUP BY 1"
    with connection.cursor() as cursor:
        cursor.execute(counts, [bits.SIZE, project_pk])
        there = dict(cursor.fetchall())
    renewed = 0
    for one in SearchSegment.objects.in_project(project_pk).filter(texts__isnull=False).order_by("uid"):
        if one.texts != there.get(one.number, 0):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, project_pk % 2**31])
                _build(cursor, project_pk, one.number)
            renewed += 1
    return renewed


def _build(cursor: Any, project_pk: int, number: int) -> int:
    start = number * bits.SIZE
    rows = GenerationSearch.objects.in_project(project_pk).filter(place__gte=start, place__lt=start + bits.SIZE)
    texts = rows.count()  # one that goes before it is read is missed by `renew`, which makes these bits anew
    # A few at a time: all at once they would be held twice, 20 MB of the worker's.
    made = bits.made((place - start, text) for place, text in rows.values_list("place", "text").iterator(_READ_AT_ONCE))
    old = SearchBits.objects.in_project(project_pk).filter(uid__gte=_uid(number), uid__lt=_uid(number + 1))
    old.delete()
    with cursor.copy("COPY search_bits (project_id, uid, bits) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "uuid", "bytea"])
        for bucket in sorted(made):
            copy.write_row((project_pk, _uid(number, bucket), made[bucket]))
    SearchSegment.objects.in_project(project_pk).filter(uid=_uid(number)).update(texts=texts)
    return texts


def all_of(project_pk: int) -> list[Segment]:
    """The segments of a project, those with the latest texts first."""
    rows = SearchSegment.objects.in_project(project_pk).order_by("-last_start", "-uid")
    return [
        Segment(*row[:4], row[4] is not None)
        for row in rows.values_list("number", "size", "first_start", "last_start", "texts")
    ]


def buckets(terms: Iterable[str]) -> list[int]:
    """The buckets of what every extract has that has all of these terms; none when no bits say anything of them."""
    return list(dict.fromkeys(bucket for term in terms for bucket in bits.asked(folding.encoded(term))))


def places(project_pk: int, among: Sequence[Segment], wanted: Sequence[int]) -> Iterator[Collection[int]]:
    """For each of these segments, the places of its extracts that may have something in all of these buckets.

    All its places when it has no bits yet.
    """
    start, number = 0, _FIRST
    while some := among[start : start + number]:
        start, number = start + number, min(2 * number, _MOST)
        stored = _stored(project_pk, [one.number for one in some if one.has_bits], wanted)
        for one in some:
            first = one.number * bits.SIZE
            if one.has_bits:
                yield [first + slot for slot in bits.having([stored.get((one.number, b)) for b in wanted])]
            else:
                yield range(first, first + one.size)


def _stored(project_pk: int, numbers: Iterable[int], buckets: Sequence[int]) -> dict[tuple[int, int], bytes]:
    names = {_uid(number, bucket): (number, bucket) for number in numbers for bucket in buckets}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uid, bits FROM search_bits WHERE project_id = %s AND uid = ANY(%s)", [project_pk, list(names)]
        )
        return {names[uid]: bytes(stored) for uid, stored in cursor.fetchall()}


def _uid(number: int, bucket: int = 0) -> uuid.UUID:
    return uuid.UUID(int=number << 16 | bucket)
