"""Rows out of a file: CSV, JSON Lines, JSON or Parquet, packed by gzip or not, one at a time and in bounded memory."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import PurePath
from typing import Any, BinaryIO, Final

import orjson

from generations import importing
from generations.importing import Row
from generations.ingest.values import iso
from generations.records import InvalidRecord, Json

FORMATS: Final = ("csv", "jsonl", "json", "parquet")
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 200
MAX_NAMES: Final = 20_000
"""Characters of the names of all columns together."""
MAX_UNPACKED: Final = 1 << 30
"""Bytes of a file as unpacked: what is compressed more than that is no data set but a trap."""
MAX_LIST: Final = 64 << 20
"""Bytes of a JSON list, which is read whole."""
MAX_CELL: Final = 8 << 20
HEAD: Final = 1 << 16
"""Bytes of a file by which it is told what it is."""
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
_DELIMITERS: Final = (",", ";", "\t")
_PARTS: Final = frozenset({"messages", "choices", "content", "tools", "tags", "input", "output", "alternatives"})
"""Lists of these names are parts of one row; a lone list of another name holds the rows."""

Cells = dict[str, Json]
"""A row of a table: what its cells hold, by the name of the column."""


class BadFile(ValueError):
    """A file that cannot be read at all: the sentence says why, and what to do."""


def head_of(file: BinaryIO) -> bytes:
    """The first bytes of a file, which is left at its beginning. A pipe has to be buffered."""
    if file.seekable() or not isinstance(file, io.BufferedReader):
        head = file.read(HEAD)
        file.seek(0)
        return head
    return file.peek(HEAD)[:HEAD]


def format_of(name: str, head: bytes) -> str:
    """One of FORMATS, by the name of a file and its first bytes, which may be packed by gzip. Raises BadFile."""
    for magic, packed in _PACKED.items():
        if head.startswith(magic):
            raise BadFile(f"This is a {packed} file. Unpack it, and send what is in it; of packed files gzip is read.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(importing.GZIP):
        try:
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, HEAD)
        except zlib.error as problem:
            raise BadFile(f"The gzip file is cut off or damaged: {problem}.") from None
    path = PurePath(name.lower())
    suffix = PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".parquet":
        raise BadFile("This is no Parquet file, although it is called one.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    first = text.split(b"\n", 1)[0].strip()
    if suffix in _SUFFIXES and not (_SUFFIXES[suffix] == "jsonl" and first in (b"{", b"[")):
        return _SUFFIXES[suffix]
    if text.startswith(b"{"):
        return "jsonl" if first.endswith(b"}") or len(first) >= HEAD // 2 else "json"
    if text.startswith(b"["):
        return "json"
    if b"\0" not in head and any(one.encode() in first for one in _DELIMITERS):
        return "csv"
    raise BadFile(f"It cannot be told what this is. Call it {', '.join(f'*.{name}' for name in FORMATS)}.")


def rows(file: BinaryIO, format: str, *, is_bounded: bool = True) -> Iterator[Row]:
    """The rows of a file that can be sought in, each with an object. Raises BadFile when it cannot be read on.

    Without bounds as many and as long ones as there are, and also out of a pipe, but for Parquet.
    """
    readers = {"csv": _csv, "jsonl": _jsonl, "json": _json, "parquet": _parquet}
    for count, row in enumerate(readers[format](file, is_bounded), 1):
        if is_bounded and count > MAX_ROWS:
            raise BadFile(f"The file has more than {MAX_ROWS:,} rows. Divide it.")
        if row.problem is None:
            _check_names(row)
        yield row


def names_of(rows: Iterable[Row]) -> list[str]:
    """The names of the columns of these rows, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows if row.problem is None for name in row.value))


def parsed(cell: Json) -> Json:
    """The object or list whose JSON a text is; anything else as it is."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell


def _check_names(row: Row) -> None:
    """Names of columns become part of a job: hence few, short and without what a database refuses."""
    together = "".join(row.value)
    if len(row.value) > MAX_COLUMNS:
        raise BadFile(f"Row {row.place} has {len(row.value):,} columns; expected at most {MAX_COLUMNS}.")
    if len(together) > MAX_NAMES or "\0" in together:
        raise BadFile(f"The names of columns in row {row.place} are too long, or hold the character U+0000.")


class _Bounded(io.RawIOBase):
    """What is read of a stream, up to `most` bytes."""

    def __init__(self, stream: Any, most: int | None) -> None:
        # `read` of a packed file that is cut off gives nothing of what was there before.
        self._read = getattr(stream, "read1", stream.read)
        self._left = most

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises BadFile beyond the bound."""
        content = self._read(len(buffer))
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise BadFile(f"The file is larger than {MAX_UNPACKED >> 20} MiB when it is unpacked. Divide it.")
        buffer[: len(content)] = content
        return len(content)


@contextmanager
def unpacked(file: BinaryIO, is_bounded: bool) -> Iterator[io.BufferedReader]:
    """What is in a file that may be packed by gzip. Raises BadFile where it is damaged, or grows beyond bounds."""
    try:
        yield io.BufferedReader(_Bounded(importing.opened(file), MAX_UNPACKED if is_bounded else None), HEAD)
    except (EOFError, zlib.error, BadGzipFile) as problem:
        raise BadFile(f"The gzip file is cut off or damaged: {problem}.") from None


def _csv(file: BinaryIO, is_bounded: bool) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    with unpacked(file, is_bounded) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="strict", newline="")
        try:
            # A tab or semicolon in the first line decides: guessing by more than that goes wrong on prose.
            first = stream.peek(HEAD).split(b"\n", 1)[0]
            delimiter = max(_DELIMITERS, key=lambda one: first.count(one.encode()))
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            names = _names(next(reader, []))
            for cells in reader:
                if not cells:
                    continue
                size = sum(map(len, cells))
                if len(cells) > len(names):
                    expected = f"at most {len(names)} cells, as the first line has"
                    problem = InvalidRecord("row", f"{len(cells)} cells", expected)
                    yield Row(reader.line_num, problem=problem, size=size)
                    continue
                yield Row(reader.line_num, dict(zip(names, cells, strict=False)), size=size)
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


def _jsonl(file: BinaryIO, is_bounded: bool) -> Iterator[Row]:
    with unpacked(file, is_bounded) as stream:
        # What is cut off is said of the line where that shows: what came before it is read already.
        for row in importing.rows(importing.lines(stream, MAX_CELL if is_bounded else None)):
            yield _with_object(row, "line", "a JSON object on each line")


def _json(file: BinaryIO, is_bounded: bool) -> Iterator[Row]:
    with unpacked(file, is_bounded) as stream:
        content = stream.read(MAX_LIST + 1)
        if len(content) > MAX_LIST:
            raise BadFile(f"A JSON list may have {MAX_LIST >> 20} MiB. Send JSON Lines: one object a line.")
    try:
        found = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as problem:
        if _is_lines(content):
            yield from _jsonl(io.BytesIO(content), is_bounded)
            return
        raise BadFile(f"The file is no JSON: {problem}.") from None
    listed = _listed(found)
    for place, value in enumerate(listed, 1):
        yield _with_object(Row(place, value, size=len(content) // len(listed)), "row", "a list of JSON objects")


def _is_lines(content: bytes) -> bool:
    """Whether a file that is no JSON is one that was called so and holds JSON Lines."""
    try:
        return isinstance(importing.decoded(content.lstrip().split(b"\n", 1)[0]), dict)
    except InvalidRecord:
        return False


def _listed(found: Json) -> list[Json]:
    if isinstance(found, dict):
        lists = [value for name, value in found.items() if isinstance(value, list) and name not in _PARTS]
        return lists[0] if len(lists) == 1 and all(isinstance(one, dict) for one in lists[0]) else [found]
    if not isinstance(found, list):
        raise BadFile("The file is no list of objects.")
    return found


def _with_object(row: Row, field: str, expected: str) -> Row:
    if row.problem is None and not isinstance(row.value, dict):
        return Row(row.place, problem=InvalidRecord(field, row.value, expected), size=row.size)
    return row


def _parquet(file: BinaryIO, is_bounded: bool) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    if not file.seekable():
        raise BadFile("Parquet cannot be read out of a pipe. Give the file itself.")
    try:
        table = parquet.ParquetFile(file)
        about = table.metadata
        size = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        if is_bounded and (about.num_rows > MAX_ROWS or size > MAX_UNPACKED):
            raise BadFile(
                f"The file has {about.num_rows:,} rows of {size >> 20:,} MiB when it is unpacked; expected at most"
                f" {MAX_ROWS:,} rows and {MAX_UNPACKED >> 20:,} MiB. Divide it."
            )
        place = 0
        for batch in table.iter_batches(batch_size=_BATCH, use_threads=False):
            for row in batch.to_pylist():
                place += 1
                cells = {name: _plain(value) for name, value in row.items()}
                yield Row(place, cells, size=size // about.num_rows)
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
