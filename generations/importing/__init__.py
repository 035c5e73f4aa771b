"""What a file holds into a project: a preview, then batches of bounded size, then a report.

`tables` gives the rows of a file; `calls`, `columns` and `literal` say what is in them; this is what they share.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

import orjson
from django.db import transaction

from generations import recording
from generations.access import Grant, Scope
from generations.records import InvalidRecord, Json, Record

MAX_LINE: Final = 64 << 20
BATCH_LINES: Final = 500
BATCH_BYTES: Final = 8 << 20
REFUSALS_KEPT: Final = 1_000
PREVIEW_LINES: Final = 5
_CHUNK: Final = 1 << 20
GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number, from 1, and its bytes; or why they could not be had."""

    number: int
    content: bytes
    refusal: InvalidRecord | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What a file holds at a place, from 1: the JSON of a line, the cells of a table by column; or what is wrong there.

    `size` is about how many bytes it takes in the file.
    """

    place: int
    value: Json = None
    problem: InvalidRecord | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not stored: where it is, and why, by the name of the field."""

    place: int
    field: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of what a file's rows hold. `shapes` counts by what it is called."""

    rows: int = 0
    stored: int = 0
    merged: int = 0
    unchanged: int = 0
    refused: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    """The first of them; `refused` counts all."""
    place: int = 0
    """That of the last row that was read."""
    tell: Callable[[Refusal], None] | None = None
    """Is told of all of them."""

    def count(self, state: str) -> None:
        """Note what became of something: `stored`, `merged` or `unchanged`."""
        setattr(self, state, getattr(self, state) + 1)

    def refuse(self, place: int, name: str | None, reason: str) -> None:
        """Note a row that is not stored."""
        self.refused += 1
        one = Refusal(place, name or "line", reason)
        if len(self.refusals) < REFUSALS_KEPT:
            self.refusals.append(one)
        if self.tell is not None:
            self.tell(one)


Act = Callable[[Grant], Sequence[str]]
"""Stores what the writer does not write, and says of each part what became of it. Raises InvalidRecord."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a row holds."""

    shape: str
    item: Record | InvalidRecord | Act
    sentence: Callable[[], str]
    path_of: Callable[[str], str] = str
    """A field of the record, as the row calls it."""


Reader = Callable[[Json], Iterable[Found]]
"""Finds what is in a row's value. Raises InvalidRecord when the whole of it is not as it should be."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """Something as it would be stored, and a sentence that says so."""

    place: int
    shape: str
    item: Record | InvalidRecord | Act
    sentence: str


def opened(file: BinaryIO) -> BinaryIO:
    """`file`, decompressed on the way when it is gzip, whatever it is called. A pipe has to be buffered."""
    if isinstance(file, io.BufferedReader):
        head = file.peek(2)[:2]
    else:
        head = file.read(2)
        file.seek(-len(head), io.SEEK_CUR)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")) if head == GZIP else file


def lines(stream: BinaryIO, limit: int | None = None) -> Iterator[Line]:
    """The lines of what is unpacked, one at a time; one over `limit` (64 MiB) bytes is skipped and refused, never held.

    A compressed file that is cut off or damaged ends in a refusal at the line where that shows.
    """
    number, limit = 0, limit or MAX_LINE
    while True:
        number += 1
        try:
            content = stream.readline(limit + 1)
            too_long = len(content) > limit
            rest = content
            while too_long and rest and not rest.endswith(b"\n"):
                rest = stream.readline(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            yield Line(number, b"", InvalidRecord("line", str(problem), "a whole gzip file"))
            return
        if not content:
            return
        if too_long:
            yield Line(number, b"", InvalidRecord("line", f"over {limit} bytes", f"at most {limit} bytes a line"))
        elif content.strip():
            yield Line(number, content)


def rows(source: Iterable[Line]) -> Iterator[Row]:
    """Each line with its JSON, or with why it has none."""
    for line in source:
        problem, value = line.refusal, None
        if problem is None:
            try:
                value = decoded(line.content)
            except InvalidRecord as refusal:
                problem = refusal
        yield Row(line.number, value, problem, len(line.content))


def preview(source: Iterable[Row], read: Reader, *, limit: int = PREVIEW_LINES) -> tuple[list[Previewed], Report]:
    """The first `limit` things as they would be stored, and a report of the whole file with nothing stored."""
    shown: list[Previewed] = []
    report = Report()
    for row in source:
        for found in _found(row, read, report):
            if len(shown) < limit:
                shown.append(Previewed(row.place, found.shape, found.item, found.sentence()))
    return shown, report


def run(
    grant: Grant,
    source: Iterable[Row],
    read: Reader,
    *,
    progress: Callable[[Report], None] = lambda report: None,
    report: Report | None = None,
    keep: Callable[[Report], None] | None = None,
) -> Report:
    """Store what `read` finds in all rows, in transactions of some hundred; returns what became of it.

    What is refused stops nothing else. Importing a file again changes nothing: ids are the file's own, or made of the
    content. `progress` is called after each transaction, `keep` at the end of each, within it. Who begins again gives
    the `report` as it was kept, of which the counts of what was stored are taken, up to its place, and all else is
    found anew; that needs records, of which a row holds one. Needs `ingest`, and `write` for datasets and prompts.
    """
    grant.need(Scope.INGEST)
    report = report or Report()
    counted = report.place
    batch: list[tuple[int, Found]] = []
    size = 0

    def store() -> None:
        if keep is None:
            _store(grant, batch, report, counted)
        else:
            with transaction.atomic():
                _store(grant, batch, report, counted)
                if report.place > counted:
                    keep(report)
        progress(report)

    for row in source:
        for found in _found(row, read, report):
            batch.append((row.place, found))
            if len(batch) >= BATCH_LINES:
                store()
                batch, size = [], 0
        size += row.size
        if size >= BATCH_BYTES:
            store()
            batch, size = [], 0
    store()
    return report


def _found(row: Row, read: Reader, report: Report) -> Iterator[Found]:
    report.rows += 1
    report.place = row.place
    try:
        if row.problem is not None:
            raise row.problem
        for found in read(row.value):
            if isinstance(found.item, InvalidRecord):
                report.refuse(row.place, found.item.field, str(found.item))
                continue
            report.shapes[found.shape] += 1
            yield found
    except InvalidRecord as problem:
        report.refuse(row.place, problem.field, str(problem))


def decoded(content: bytes) -> Json:
    """The JSON value of a line, with or without a byte order mark. Raises InvalidRecord."""
    try:
        return orjson.loads(content.strip().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as problem:
        raise InvalidRecord("line", content[:60].decode("utf-8", "replace"), f"JSON ({problem})") from None


def _store(grant: Grant, batch: Sequence[tuple[int, Found]], report: Report, counted: int) -> None:
    """Records in one transaction; each act in its own. What stands up to the place `counted` was counted before."""
    recorded = [(number, found, found.item) for number, found in batch if not callable(found.item)]
    for receipt in recording.record(grant.project, [item for _, _, item in recorded]) if recorded else ():
        number, found, _ = recorded[receipt.index]
        if receipt.state == "rejected":
            if (wrong := receipt.error) is not None:
                # In the names of the line, which are not always those of the records.
                wrong = wrong.at(found.path_of(wrong.field))
                report.refuse(number, wrong.field, str(wrong))
            else:
                report.refuse(number, None, receipt.reason or "It cannot be stored.")
        elif number > counted:
            report.count(receipt.state)
    for number, found in batch:
        if callable(found.item):
            try:
                for state in found.item(grant):
                    report.count(state)
            except InvalidRecord as problem:
                report.refuse(number, problem.field, str(problem))
