"""The formats of an export: lines in, bytes out, packed as they are written. Knows no database."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import orjson
import zstandard

from generations.exporting.columns import Column, Type
from generations.exporting.dialects import CSV, DIALECTS, Dialect
from generations.exporting.settling import dumped
from generations.records import Json

FORMATS: Final = ("jsonl", "csv", "parquet")
COMPRESSIONS: Final = ("none", "gzip", "zstd")
PACKED: Final[Mapping[str, tuple[str, str]]] = {
    "jsonl.gz": ("jsonl", "gzip"),
    "csv.gz": ("csv", "gzip"),
    "jsonl.zst": ("jsonl", "zstd"),
    "csv.zst": ("csv", "zstd"),
}
"""Formats that say their compression themselves."""
CHOICES: Final = (*FORMATS, *PACKED)
_MEDIA_TYPES: Final = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_PACKED_TYPES: Final = {"gzip": "application/gzip", "zstd": "application/zstd"}
_ENDINGS: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}
Document = Mapping[str, Json]
Line = bytes | memoryview


class Writer(Protocol):
    """Writes rows to a file that stays open."""

    def write(self, row: Line, /) -> object:
        """Append a row: a line without its end."""


def usual(format: str) -> str:
    """The compression of a format when none is asked for: Parquet's own columns are always worth packing."""
    return "zstd" if format == "parquet" else "none"


def ending(format: str, compression: str) -> str:
    """The end of a file's name: `.jsonl.zst`; Parquet packs its columns and says so inside."""
    return f".{format}" if format == "parquet" else f".{format}{_ENDINGS[compression]}"


def media_type(format: str, compression: str) -> str:
    """The content type of a file."""
    if format == "parquet" or compression == "none":
        return _MEDIA_TYPES[format]
    return _PACKED_TYPES[compression]


@contextmanager
def writing(format: str, compression: str, file: BinaryIO, columns: Sequence[Column]) -> Iterator[Writer]:
    """A writer of a format, packed; what ends the file is written when the block is left without an error.

    Parquet takes lines of its dialect and needs a file of the system. Raises OSError when the file cannot be written.
    """
    packing = _Parquet(file, columns, compression) if format == "parquet" else _packing(compression, file)
    with packing as packed:
        lines = _Lines(packed, b"\r\n" if format == "csv" else b"\n")
        if format == "csv":
            lines.write(CSV.line([column.path for column in columns]))
        yield lines
        lines.flush()


@contextmanager
def _packing(compression: str, file: BinaryIO) -> Iterator[_Pieces]:
    if compression == "gzip":
        # Level 4 is twice as fast as the default for a tenth more bytes. No name, no time: equal rows, equal file.
        with gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
            yield packed
    elif compression == "zstd":
        with zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(file, closefd=False) as stream:
            yield stream
    else:
        yield file


class _Pieces(Protocol):
    """Takes what is to be written."""

    def write(self, piece: bytes, /) -> object: ...


class _Lines:
    """Lines, gathered, because those who pack them take larger pieces better."""

    def __init__(self, file: _Pieces, end: bytes) -> None:
        self._file = file
        self._end = end
        self._waiting: list[Line] = []
        self._size = 0

    def write(self, line: Line) -> None:
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= _PIECE:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._waiting.append(b"")
            self._file.write(self._end.join(self._waiting))
            self._waiting, self._size = [], 0


_PIECE: Final = 128 << 10
_PIPE: Final = 1 << 20


class _Parquet:
    """Sends pieces of lines to the process that makes Parquet of them, whose memory goes with it."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column], compression: str) -> None:
        self._columns = columns
        self._compression = compression
        # -P: our folder has names of its own.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("parquet.py"))],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.PIPE,
            pipesize=_PIPE,
            # It gives back what is free; the usual one holds 40 MB more. Where there is none, the usual one is taken.
            # 6 MB of what it holds would be put by for each thread, and 3 MB of Python's.
            env={
                **os.environ,
                "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
                "JE_ARROW_MALLOC_CONF": "tcache:false",
                "MALLOC_ARENA_MAX": "1",
            },
        )

    def __enter__(self) -> _Parquet:
        asked = {
            "columns": [(column.path, column.type.value) for column in self._columns],
            "compression": self._compression,
            "dialect": DIALECTS["parquet"],
        }
        self._send(orjson.dumps(asked), b"\n")
        return self

    def write(self, lines: bytes) -> None:
        self._send(len(lines).to_bytes(8, "big"), lines)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._send(_END)
            self._end()
        else:
            # Nobody wants the file any more, nor to hear that nobody reads the rest of its rows.
            self._process.kill()
            with suppress(BrokenPipeError), self._process:
                pass

    def _send(self, *pieces: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(pieces)
        except BrokenPipeError:
            self._end()
            raise

    def _end(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode:
            reason = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise OSError(errno.EIO, reason or f"the Parquet writer ended with {self._process.returncode}")


_END: Final = bytes(8)


# ------------------------------------------------------------------------------------------------------------- tables
def line_of(columns: Sequence[Column], document: Document, dialect: Dialect) -> bytes:
    """A document's line in a table, without its end."""
    return dialect.line([text_of(column, document) for column in columns])


def text_of(column: Column, document: Document) -> str | None:
    """A cell: a text as it is, amounts in full, moments in ISO 8601, the rest as JSON text."""
    value = column.of(document)
    if value is None or isinstance(value, str):
        return value
    if column.type is Type.DECIMAL:
        # As the database keeps amounts, to a trillionth.
        return f"{Decimal(repr(value)).quantize(_AMOUNT).normalize():f}"
    return dumped(value).decode()


_AMOUNT: Final = Decimal("1e-12")
