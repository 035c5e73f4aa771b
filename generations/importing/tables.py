"""Rows out of a file of a table: CSV, JSON Lines, a JSON list or Parquet, one at a time and in bounded memory."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import PurePath
from typing import Any, BinaryIO, Final

import orjson

from generations import importing
from generations.ingest.values import iso
from generations.records import InvalidRecord, Json

FORMATS: Final = ("csv", "jsonl", "json", "parquet")
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 200
MAX_UNPACKED: Final = 1 << 30
"""Bytes of a file as unpacked: what is compressed more than that is no data set but a trap."""
MAX_LIST: Final = 64 << 20
"""Bytes of a JSON list, which is read whole."""
MAX_CELL: Final = 8 << 20
_BATCH: Final = 500
_SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
_PACKED: Final = {b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"BZh": "bzip2", b"\xfd7zX": "xz", b"(\xb5/\xfd": "zstd"}

Row = dict[str, Json]
Rows = Iterator[tuple[int, Row | InvalidRecord]]
"""Each row with its place in the file, from 1, or what is wrong with it."""


class BadFile(ValueError):
    """A file that cannot be read as a table at all: the sentence says why, and what to do."""


def format_of(name: str, head: bytes) -> str:
    """One of FORMATS, by the name of a file and its first bytes. Raises BadFile."""
    for magic, packed in _PACKED.items():
        if head.startswith(magic):
            raise BadFile(f"This is a {packed} file. Unpack it, and send what is in it; of packed files gzip is read.")
    if head.startswith(b"PAR1"):
        return "parquet"
    path = PurePath(name.lower())
    suffix = PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".parquet":
        raise BadFile("This is no Parquet file, although it is called one.")
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        return "jsonl"
    if text.startswith(b"["):
        return "json"
    raise BadFile(f"It cannot be told what this is. Call it {', '.join(f'*.{name}' for name in FORMATS)}.")


def rows(file: BinaryIO, format: str) -> Rows:
    """The rows of a file that can be sought in. Raises BadFile when it cannot be read on."""
    readers = {"csv": _csv, "jsonl": _jsonl, "json": _json, "parquet": _parquet}
    for count, (place, row) in enumerate(readers[format](file), 1):
        if count > MAX_ROWS:
            raise BadFile(f"The file has more than {MAX_ROWS:,} rows. Divide it.")
        if isinstance(row, dict) and len(row) > MAX_COLUMNS:
            raise BadFile(f"Row {place} has {len(row):,} columns; expected at most {MAX_COLUMNS}.")
        yield place, row


class _Bounded(io.RawIOBase):
    """What is read of a stream, up to MAX_UNPACKED bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises BadFile beyond the bound."""
        content = self._stream.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise BadFile(f"The file is larger than {MAX_UNPACKED >> 20} MiB when it is unpacked. Divide it.")
        buffer[: len(content)] = content
        return len(content)


@contextmanager
def _unpacked(file: BinaryIO) -> Iterator[io.BufferedReader]:
    try:
        yield io.BufferedReader(_Bounded(importing.opened(file)), 1 << 16)
    except (EOFError, zlib.error, BadGzipFile) as problem:
        raise BadFile(f"The gzip file is cut off or damaged: {problem}.") from None


def _csv(file: BinaryIO) -> Rows:
    csv.field_size_limit(MAX_CELL)
    with _unpacked(file) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="strict", newline="")
        try:
            # A tab or semicolon in the first line decides: guessing by more than that goes wrong on prose.
            first = stream.peek(1 << 16).split(b"\n", 1)[0]
            delimiter = max((",", ";", "\t"), key=lambda one: first.count(one.encode()))
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            names = _names(next(reader, []))
            for cells in reader:
                if not cells:
                    continue
                if len(cells) > len(names):
                    expected = f"at most {len(names)} cells, as the first line has"
                    yield reader.line_num, InvalidRecord("row", f"{len(cells)} cells", expected)
                    continue
                yield reader.line_num, dict(zip(names, cells, strict=False))
        except UnicodeDecodeError as problem:
            byte = problem.object[problem.start]
            raise BadFile(f"The file is not UTF-8: there is a byte 0x{byte:02x}. Save it as UTF-8 once more.") from None
        except csv.Error as problem:
            raise BadFile(f"Line {reader.line_num} is no CSV: {problem}.") from None


def _names(cells: list[str]) -> list[str]:
    names = [cell.strip() or f"column {n}" for n, cell in enumerate(cells, 1)]
    if not names:
        raise BadFile("The file is empty. Its first line has to name the columns.")
    if len(names) > MAX_COLUMNS:
        raise BadFile(f"The first line names {len(names):,} columns; expected at most {MAX_COLUMNS}.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadFile(f"Two columns are called '{twice[:80]}'. Rename one of them.")
    return names


def _jsonl(file: BinaryIO) -> Rows:
    with _unpacked(file) as stream:
        for line in importing.lines(stream, MAX_CELL):
            if line.refusal is not None:
                yield line.number, line.refusal
                continue
            try:
                yield line.number, _object(importing.decoded(line.content))
            except InvalidRecord as problem:
                yield line.number, problem


def _json(file: BinaryIO) -> Rows:
    with _unpacked(file) as stream:
        content = stream.read(MAX_LIST + 1)
        if len(content) > MAX_LIST:
            raise BadFile(f"A JSON list may have {MAX_LIST >> 20} MiB. Send JSON Lines: one object a line.")
        try:
            found = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as problem:
            raise BadFile(f"The file is no JSON: {problem}.") from None
        if isinstance(found, dict):
            lists = [value for value in found.values() if isinstance(value, list)]
            found = lists[0] if len(lists) == 1 else [found]
        if not isinstance(found, list):
            raise BadFile("The file is no list of objects.")
        for place, value in enumerate(found, 1):
            try:
                yield place, _object(value)
            except InvalidRecord as problem:
                yield place, problem


def _object(value: Json) -> Row:
    if not isinstance(value, dict):
        raise InvalidRecord("row", value, "an object with a value for each column")
    return value


def _parquet(file: BinaryIO) -> Rows:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file)
        about = table.metadata
        size = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        if about.num_rows > MAX_ROWS or size > MAX_UNPACKED:
            raise BadFile(
                f"The file has {about.num_rows:,} rows of {size >> 20:,} MiB when it is unpacked; expected at most"
                f" {MAX_ROWS:,} rows and {MAX_UNPACKED >> 20:,} MiB. Divide it."
            )
        place = 0
        for batch in table.iter_batches(batch_size=_BATCH, use_threads=False):
            for row in batch.to_pylist():
                place += 1
                yield place, {name: _plain(value) for name, value in row.items()}
    except (pa.ArrowException, OSError, ValueError) as problem:
        if isinstance(problem, BadFile):
            raise
        raise BadFile(f"The Parquet file cannot be read: {str(problem).splitlines()[0][:200]}.") from None


def _plain(value: Any) -> Json:
    """A value of Parquet as JSON has it: moments as ISO 8601, bytes as their text where they have one."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return iso(value) if hasattr(value, "utcoffset") and value.utcoffset() is not None else str(value)
