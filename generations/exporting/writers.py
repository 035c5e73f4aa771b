"""The formats of an export: documents in, bytes out, a batch at a time. Knows no database."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
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
ROW_GROUP_BYTES: Final = 4 << 20
"""Of Parquet's input; its readers want groups of many rows, this process wants little memory."""

Document = Mapping[str, Json]


class Writer(Protocol):
    """Writes documents to a file that stays open."""

    def write(self, documents: Sequence[Document]) -> None:
        """Append a batch."""

    def close(self) -> None:
        """Write what ends the format. Not to be called when the export is given up."""


def writer(format: str, file: BinaryIO, columns: Sequence[Column], *, whole: bool) -> Writer:
    """A writer of one of FORMATS. `whole` documents go into JSON Lines as they are, whatever the columns are."""
    kind, _, packed = format.partition(".")
    if packed:
        return _Packed(kind, file, columns, whole)
    if kind == "jsonl":
        return _Lines(file, None if whole else columns)
    return _Csv(file, columns) if kind == "csv" else _Parquet(file, columns)


class _Packed:
    def __init__(self, format: str, file: BinaryIO, columns: Sequence[Column], whole: bool) -> None:
        # Level 4 is twice as fast as the default for a tenth more bytes. No name, no time: equal rows, equal file.
        self._file = gzip.GzipFile("", "wb", 4, file, mtime=0)
        self._inner = writer(format, self._file, columns, whole=whole)  # type: ignore[arg-type]

    def write(self, documents: Sequence[Document]) -> None:
        self._inner.write(documents)

    def close(self) -> None:
        self._inner.close()
        self._file.close()


class _Lines:
    def __init__(self, file: BinaryIO, columns: Sequence[Column] | None) -> None:
        self._file = file
        self._columns = columns

    def write(self, documents: Sequence[Document]) -> None:
        for document in documents:
            chosen = document if self._columns is None else part(document, self._columns)
            self._file.write(orjson.dumps(chosen, default=_plain, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Nothing ends JSON Lines."""


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
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        # Loaded here and not above: it takes some 60 MB that no other work of the process needs.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa

        types = {
            Type.TEXT: pa.string(),
            Type.JSON: pa.string(),
            Type.INTEGER: pa.int64(),
            Type.NUMBER: pa.float64(),
            Type.DECIMAL: pa.decimal128(24, 12),
            Type.BOOL: pa.bool_(),
            Type.TIME: pa.timestamp("us", tz="UTC"),
        }
        self._columns = columns
        self._schema = pa.schema([(column.path, types[column.type]) for column in columns])
        # Long texts are never twice the same: a dictionary of them would only be another copy in memory.
        repeated = [column.path for column in columns if column.type is not Type.JSON]
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd", use_dictionary=repeated)
        self._waiting: list[Any] = []
        self._bytes = 0

    def write(self, documents: Sequence[Document]) -> None:
        arrays = [
            self._pa.array([cell_of(column, document) for document in documents], type=field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        batch = self._pa.record_batch(arrays, schema=self._schema)
        self._waiting.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._pa.Table.from_batches(self._waiting))
            self._waiting, self._bytes = [], 0
            # Arrow keeps freed memory for itself otherwise, and the worker lives on.
            self._pa.default_memory_pool().release_unused()

    def close(self) -> None:
        self._flush()
        self._writer.close()


def text_of(column: Column, document: Document) -> str | None:
    """The cell of a CSV: a text as it is, numbers in full, moments in ISO 8601, the rest as JSON text."""
    value = column.of(document)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json_of(value)


def cell_of(column: Column, document: Document) -> Any:
    """The cell of a Parquet table, in the column's type."""
    value = column.of(document)
    if value is None:
        return None
    match column.type:
        case Type.TEXT | Type.JSON:
            return value if isinstance(value, str) else json_of(value)
        case Type.TIME:
            return dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        case Type.DECIMAL:
            return Decimal(str(value)).quantize(Decimal("1e-12"))
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
