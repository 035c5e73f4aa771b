"""Calls out of a file of JSON Lines into a project: a preview, then batches of bounded size, then a report."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final

import orjson

from generations import reading, recording
from generations.access import Grant, Scope
from generations.ingest import files, rest
from generations.records import GenerationRecord, InvalidRecord, Json

MAX_LINE: Final = 64 << 20
BATCH_LINES: Final = 500
BATCH_BYTES: Final = 8 << 20
REFUSALS_KEPT: Final = 1_000
PREVIEW_LINES: Final = 5
_CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number, from 1, and its bytes; or why they could not be had."""

    number: int
    content: bytes
    refusal: InvalidRecord | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not stored: where it is, and why, by the name of the field."""

    line: int
    field: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of a file's lines. `shapes` counts by the names in `files.SHAPES`."""

    lines: int = 0
    stored: int = 0
    merged: int = 0
    unchanged: int = 0
    refused: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    """The first of them; `refused` counts all."""

    def refuse(self, line: int, name: str | None, reason: str) -> None:
        """Note a line that is not stored."""
        self.refused += 1
        if len(self.refusals) < REFUSALS_KEPT:
            self.refusals.append(Refusal(line, name or "line", reason))


@dataclass(frozen=True, slots=True)
class Previewed:
    """A line as it would be stored, and a sentence that says so."""

    line: int
    shape: str
    record: GenerationRecord
    sentence: str


class Requests:
    """A batch's file of requests, read by `custom_id`. Only the places of the lines are held in memory."""

    def __init__(self, file: BinaryIO) -> None:
        """Reads through the file once. Raises InvalidRecord naming the line that is no request."""
        self._file: IO[bytes] = file
        unpacked = opened(file)
        if isinstance(unpacked, gzip.GzipFile) or not file.seekable():
            # Places cannot be gone back to in a compressed file, nor in a pipe.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
            shutil.copyfileobj(unpacked, self._file)
            self._file.seek(0)
        self._places: dict[str, tuple[int, int]] = {}
        place = 0
        for number, content in enumerate(iter(lambda: self._file.readline(MAX_LINE + 1), b""), start=1):
            if content.strip():
                try:
                    custom_id, _ = files.request_of_line(_decoded(content))
                except InvalidRecord as problem:
                    raise InvalidRecord(f"requests, line {number}", problem.value, problem.expected) from None
                self._places[custom_id] = (place, len(content))
            place += len(content)

    def __len__(self) -> int:
        return len(self._places)

    def of(self, custom_id: str) -> Mapping[str, Json] | None:
        """The body of the request of this id; None when the file has none."""
        if custom_id not in self._places:
            return None
        place, size = self._places[custom_id]
        self._file.seek(place)
        return files.request_of_line(_decoded(self._file.read(size)))[1]


def opened(file: BinaryIO) -> BinaryIO | gzip.GzipFile:
    """`file`, decompressed on the way when it is gzip, whatever it is called. A pipe has to be buffered."""
    if isinstance(file, io.BufferedReader):
        head = file.peek(2)[:2]
    else:
        head = file.read(2)
        file.seek(-len(head), io.SEEK_CUR)
    return gzip.GzipFile(fileobj=file, mode="rb") if head == _GZIP else file


def lines(file: BinaryIO) -> Iterator[Line]:
    """The lines of a file, one at a time; a line over 64 MiB is skipped and refused, never held whole.

    A compressed file that is cut off or damaged ends in a refusal at the line where that shows.
    """
    stream, number = opened(file), 0
    while True:
        number += 1
        try:
            content = stream.readline(MAX_LINE + 1)
            too_long = len(content) > MAX_LINE
            rest = content
            while too_long and rest and not rest.endswith(b"\n"):
                rest = stream.readline(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            yield Line(number, b"", InvalidRecord("line", str(problem), "a whole gzip file"))
            return
        if not content:
            return
        if too_long:
            yield Line(number, b"", InvalidRecord("line", f"over {MAX_LINE} bytes", f"at most {MAX_LINE} bytes a line"))
        elif content.strip():
            yield Line(number, content)


def preview(
    source: Iterable[Line], requests: Requests | None = None, *, limit: int = PREVIEW_LINES
) -> tuple[list[Previewed], Report]:
    """The first `limit` calls as they would be stored, and a report of the whole file with nothing stored."""
    shown: list[Previewed] = []
    report = Report()
    for line in source:
        call = _read(line, requests, report)
        if call is not None and len(shown) < limit:
            shown.append(Previewed(line.number, call.shape, call.record, sentence(call)))
    return shown, report


def run(
    grant: Grant,
    source: Iterable[Line],
    requests: Requests | None = None,
    *,
    progress: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Store the calls of all lines, in transactions of some hundred; returns what became of them.

    What a line refuses stops no other line. Importing a file again changes nothing: ids are the file's own, or made
    of the content. `progress` is called after each transaction. Needs the scope `ingest`.
    """
    grant.need(Scope.INGEST)
    report = Report()
    batch: list[tuple[int, files.Call]] = []
    size = 0
    for line in source:
        call = _read(line, requests, report)
        if call is None:
            continue
        batch.append((line.number, call))
        size += len(line.content)
        if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
            _store(grant, batch, report)
            progress(report)
            batch, size = [], 0
    _store(grant, batch, report)
    progress(report)
    return report


def _read(line: Line, requests: Requests | None, report: Report) -> files.Call | None:
    report.lines += 1
    try:
        if line.refusal is not None:
            raise line.refusal
        call = files.read(_decoded(line.content), requests.of if requests is not None else files.no_requests)
    except InvalidRecord as problem:
        report.refuse(line.number, problem.field, str(problem))
        return None
    report.shapes[call.shape] += 1
    return call


def _decoded(content: bytes) -> Json:
    try:
        return orjson.loads(content.strip().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as problem:
        raise InvalidRecord("line", content[:60].decode("utf-8", "replace"), f"JSON ({problem})") from None


def _store(grant: Grant, batch: list[tuple[int, files.Call]], report: Report) -> None:
    if not batch:
        return
    for receipt in recording.record(grant.project, [call.record for _, call in batch]):
        match receipt.state:
            case "stored":
                report.stored += 1
            case "merged":
                report.merged += 1
            case "unchanged":
                report.unchanged += 1
            case "rejected":
                number, call = batch[receipt.index]
                name, reason = receipt.field, receipt.reason or "It cannot be stored."
                if name is not None and call.shape == "generation":
                    # In the names of the line, which are those of the documents and not those of the records.
                    name, reason = rest.path_of(name), rest.path_of(name) + reason.removeprefix(name)
                report.refuse(number, name, reason)


def sentence(call: files.Call) -> str:
    """What a line would be stored as, as a person would say it."""
    record = call.record
    parts = [files.SHAPES[call.shape]]
    parts.append(f"by {record.model_id or 'an unknown model'}")
    parts.append(f"on {record.started_at:%Y-%m-%d %H:%M:%S} UTC" if record.started_at else "at an unknown time")
    if record.thread_id:
        parts.append(f"in thread {record.thread_id}")
    if record.tags:
        parts.append(f"tagged {', '.join(record.tags)}")
    count = record.total_tokens
    parts.append(f"{count} tokens" if count is not None else "tokens unknown")
    said = reading.preview(reading.input_text(record)) or "nothing"
    answer = reading.preview(reading.output_text(record)) or "nothing"
    ending = f"failed with “{record.error[:80]}”" if record.error else f"answered “{answer[:80]}”"
    return f"{', '.join(parts)}: asked “{said[:80]}”, {ending}"
