"""The formats of an export: documents in, bytes out, a batch at a time. Knows no database."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import orjson

from generations.exporting.columns import Column, Type, part
from generations.records import Json

FORMATS: Final = ("jsonl", "csv", "parquet", "jsonl.gz", "csv.gz")
MEDIA_TYPES: Final = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl.gz": "application/gzip",
    "csv.gz": "application/gzip",
}
Document = Mapping[str, Json]


class Writer(Protocol):
    """Writes documents to a file that stays open."""

    def write(self, documents: Sequence[Document]) -> None:
        """Append a batch."""


@contextmanager
def writing(format: str, file: BinaryIO, columns: Sequence[Column], *, whole: bool) -> Iterator[Writer]:
    """A writer of one of FORMATS; what ends the format is written when the block is left without an error.

    `whole` documents go into JSON Lines as they are, whatever the columns are. Parquet needs a file of the system.
    Raises OSError when the file cannot be written.
    """
    kind, _, packed = format.partition(".")
    if packed:
        # Level 4 is twice as fast as the default for a tenth more bytes. No name, no time: equal rows, equal file.
        with gzip.GzipFile("", "wb", 4, file, mtime=0) as inner, writing(kind, inner, columns, whole=whole) as writer:  # type: ignore[arg-type]
            yield writer
    elif kind == "jsonl":
        yield _Lines(file, None if whole else columns)
    elif kind == "csv":
        csv_writer = _Csv(file, columns)
        yield csv_writer
        csv_writer.close()
    else:
        with _Parquet(file, columns) as parquet:
            yield parquet


class _Lines:
    def __init__(self, file: BinaryIO, columns: Sequence[Column] | None) -> None:
        self._file = file
        self._columns = columns

    def write(self, documents: Sequence[Document]) -> None:
        for document in documents:
            chosen = document if self._columns is None else part(document, self._columns)
            self._file.write(orjson.dumps(chosen, default=_plain, option=orjson.OPT_APPEND_NEWLINE))


class _Csv:
    """RFC 4180 in UTF-8 without a byte order mark. Unknown is empty. Data is exact: nothing is put before a text
    that a spreadsheet would take for a formula, because "- item" and "+1" are what models say."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._rows = csv.writer(self._text)
        self._columns = columns
        self._rows.writerow([column.path for column in columns])

    def write(self, documents: Sequence[Document]) -> None:
        self._rows.writerows([text_of(column, document) for column in self._columns] for document in documents)

    def close(self) -> None:
        # The file below stays open for whoever opened it.
        self._text.detach()


class _Parquet:
    """Sends rows to the process that writes them, whose memory goes with it."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._columns = columns
        # -P: our folder has names of its own.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("parquet.py"))],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> _Parquet:
        self._send([(column.path, column.type.value) for column in self._columns])
        return self

    def write(self, documents: Sequence[Document]) -> None:
        if documents:
            self._send([[cell_of(column, document) for column in self._columns] for document in documents])

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._send(None)
            self._end()
        else:
            # Nobody wants the file any more, nor to hear that nobody reads the rest of its rows.
            self._process.kill()
            with suppress(BrokenPipeError), self._process:
                pass

    def _send(self, line: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(line, default=_plain, option=orjson.OPT_APPEND_NEWLINE))
        except BrokenPipeError:
            self._end()
            raise

    def _end(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode:
            reason = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise OSError(errno.EIO, reason or f"the Parquet writer ended with {self._process.returncode}")


def text_of(column: Column, document: Document) -> str | None:
    """The cell of a CSV: a text as it is, numbers in full, moments in ISO 8601, the rest as JSON text."""
    value = column.of(document)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json_of(value)


def cell_of(column: Column, document: Document) -> Json:
    """The cell of a Parquet table on its way to who writes it: decimals and moments as texts, as is all JSON."""
    value = column.of(document)
    if value is None:
        return None
    match column.type:
        case Type.TEXT | Type.JSON:
            return value if isinstance(value, str) else json_of(value)
        case Type.DECIMAL:
            return str(value)
        case Type.NUMBER:
            return float(value)
        case _:
            return value


def json_of(value: Json) -> str:
    """`value` as JSON text."""
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
