"""Writes Parquet in a process of its own: its library takes more memory than all else that a worker does.

Runs as a program and knows nothing of the project. On its input: a line of JSON with the columns as pairs of name and
type, the compression and the dialect; then pieces of whole lines, each behind its size in eight bytes, and one of
nothing at the end. Its output is the file, which is of no use when the input ends before.
"""

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Final

import pyarrow as pa

# Not through `pyarrow.parquet`, which brings file systems of others' clouds: 8 MB.
from pyarrow import _csv, _parquet

ROW_GROUP_BYTES: Final = 6 << 20
"""Of columns; readers want groups of many rows, this process wants little memory."""
BLOCK_BYTES: Final = 3 << 19
"""Of lines, that are made columns at once: there they are held three times. Smaller ones cost more for each column."""
PAGE_BYTES: Final = 128 << 10
"""Of a column: what is packed at once, and so held twice."""
_TYPES: Final[dict[str, Any]] = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.decimal128(24, 12),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}


def write(source: BinaryIO, file: BinaryIO) -> None:
    """Read all lines and write the file. Raises EOFError when they end before they should."""
    asked = json.loads(source.readline())
    schema = pa.schema([(name, _TYPES[type]) for name, type in asked["columns"]])
    # Long texts are never twice the same: a dictionary of them would only be another copy in memory.
    repeated = [name for name, type in asked["columns"] if type != "json"]
    with tempfile.TemporaryFile() as ends:
        groups = _Groups(file, ends, schema, compression=asked["compression"], repeated=repeated)
        group: list[Any] = []
        held = 0
        for table in _tables(source, schema, asked["dialect"]):
            group.append(table)
            held += table.nbytes
            if held >= ROW_GROUP_BYTES:
                groups.write(pa.concat_tables(group))
                group, held = [], 0
        if group:
            groups.write(pa.concat_tables(group))
        groups.close()


# --------------------------------------------------------------------------------------------------------------- groups
class _Groups:
    """Row groups, each written by a writer of its own: Arrow's keeps a kilobyte of each column of each group until its
    end, 80 MB of a million calls.

    What a writer says at its end of its one group is kept on disk, and the next group is written over it. In the end
    these differ in the number of rows and the list of groups behind it, and in nothing else:

    > 3: required i64 num_rows   4: required list<RowGroup> row_groups   parquet.thrift, struct FileMetaData
    """

    def __init__(self, file: BinaryIO, ends: BinaryIO, schema: Any, compression: str, repeated: list[str]) -> None:
        self._file = file
        self._ends = ends
        self._schema = schema
        self._options: dict[str, Any] = {
            "version": "2.6",
            "writer_engine_version": "V2",
            "compression": compression,
            "use_dictionary": repeated,
            # Of long texts they would be as large as the texts.
            "write_statistics": repeated,
            "data_page_size": PAGE_BYTES,
        }
        self._rows = self._number = 0
        self._before, _, self._after = self._written(None, io.BytesIO()).partition(_NO_ROWS)
        file.write(_MAGIC)

    def write(self, table: Any) -> None:
        """Append a group."""
        start = self._file.tell()
        end = self._written(table, self._file)
        self._file.seek(-len(end) - 8, os.SEEK_CUR)
        before = self._before + _rows_and_groups(table.num_rows, 1)
        if not (end.startswith(before) and end.endswith(self._after)):
            raise OSError("Arrow tells of a group of rows in another way than was known.")
        self._ends.write(_shifted(end[len(before) : len(end) - len(self._after)], start))
        self._rows += table.num_rows
        self._number += 1

    def close(self) -> None:
        """Write what is told of all groups, which ends the file."""
        head = self._before + _rows_and_groups(self._rows, self._number)
        length = len(head) + self._ends.tell() + len(self._after)
        self._file.write(head)
        self._ends.seek(0)
        shutil.copyfileobj(self._ends, self._file)
        self._file.write(self._after + length.to_bytes(4, "little") + _MAGIC)

    def _written(self, table: Any, file: BinaryIO) -> bytes:
        """A whole file with this table; returns what it ends with, which its length and the magic are behind."""
        writer = _parquet.ParquetWriter(file, self._schema, **self._options)
        if table is not None:
            writer.write_table(table)
        writer.close()
        told = io.BytesIO()
        writer.metadata.write_metadata_file(told)
        return told.getvalue()[len(_MAGIC) : -8]


_MAGIC: Final = b"PAR1"

# Thrift's compact protocol: a field's type and how far its number is from the one before are one byte, numbers take
# seven bits a byte, signs are their last bit.
# https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
_NUMBERS: Final = (4, 5, 6)
_DOUBLE: Final = 7
_TEXT: Final = 8
_LIST: Final = 9
_STRUCT: Final = 12
_NO_ROWS: Final = b"\x16\x00\x19\x0c"
"""The fields 3 and 4 of FileMetaData, where there are none."""
_Places = Mapping[int, Any]
_PLACES: Final[_Places] = {1: {2: True, 3: {9: True, 10: True, 11: True}}, 5: True}
"""By their numbers, the fields of a RowGroup that are places in the file: its own, and of its columns' pages."""


def _rows_and_groups(rows: int, groups: int) -> bytes:
    number = bytes([groups << 4 | _STRUCT]) if groups < 15 else bytes([15 << 4 | _STRUCT]) + _varint(groups)
    return b"\x16" + _varint(rows << 1) + b"\x19" + number


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _shifted(group: bytes, by: int) -> bytes:
    """What is told of a group, where it stands so much further behind in its file."""
    walk = _Walk(group)
    walk.struct(_PLACES)
    made, copied = bytearray(), 0
    for start, stop, place in walk.found:
        made += group[copied:start] + _varint(place + (by << 1))
        copied = stop
    return bytes(made + group[copied:])


class _Walk:
    """Goes through a struct, and finds the numbers of some of its fields: where they stand and what they are."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.found: list[tuple[int, int, int]] = []

    def struct(self, wanted: _Places) -> None:
        """The fields of a struct, of which those in `wanted` are noted, or what is in them."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._number() >> 1
            self._value(head & 15, wanted.get(field))

    def _value(self, type: int, wanted: Any) -> None:
        if type in _NUMBERS:
            start = self._at
            # Where nothing stands, the place is 0.
            if (number := self._number()) and wanted:
                self.found.append((start, self._at, number))
        elif type == _TEXT:
            length = self._number()
            self._at += length
        elif type == _STRUCT:
            self.struct(wanted or {})
        elif type == _LIST:
            head = self._byte()
            for _ in range(self._number() if head >> 4 == 15 else head >> 4):
                self._value(head & 15, wanted)
        elif type == _DOUBLE:
            self._at += 8
        # What is left are true and false, which are types.

    def _number(self) -> int:
        number = shift = 0
        while (byte := self._byte()) > 127:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]


# ---------------------------------------------------------------------------------------------------------------- lines
def _tables(source: BinaryIO, schema: Any, dialect: Mapping[str, str]) -> Iterator[Any]:
    """The lines as tables. A thread reads the next while these are packed, so that who makes them need not wait."""
    blocks = _blocks(source)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, blocks, None)
        while (lines := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            table = _table(schema, lines, **dialect)
            # Not to be held while their group is written.
            del lines
            yield table


def _blocks(source: BinaryIO) -> Iterator[bytearray]:
    """The lines, some at a time, behind an empty one: Arrow takes a byte order mark at the very beginning for none of
    the text."""
    lines = bytearray(b"\n")
    while piece := _piece(source):
        lines += piece
        if len(lines) >= BLOCK_BYTES:
            yield lines
            lines = bytearray(b"\n")
    if len(lines) > 1:
        yield lines


def _piece(source: BinaryIO) -> bytes:
    head = source.read(8)
    piece = source.read(int.from_bytes(head, "big"))
    if len(head) < 8 or len(piece) < int.from_bytes(head, "big"):
        raise EOFError("The rows ended too early.")
    return piece


def _table(schema: Any, lines: bytearray, delimiter: str, quote: str) -> Any:
    """Lines as a table."""
    return _csv.read_csv(
        pa.BufferReader(lines),
        _csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=schema.names, skip_rows=1),
        _csv.ParseOptions(delimiter=delimiter, quote_char=quote, newlines_in_values=True, ignore_empty_lines=False),
        _csv.ConvertOptions(
            check_utf8=False,
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


if __name__ == "__main__":
    try:
        write(sys.stdin.buffer, sys.stdout.buffer)
    except (EOFError, OSError) as problem:
        sys.exit(getattr(problem, "strerror", None) or str(problem))
