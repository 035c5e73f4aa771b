"""Writes Parquet in a process of its own: its library takes more memory than all else that a worker does.

Runs as a program and knows nothing of the project. On its input: a line of JSON with the columns as pairs of name and
type, the compression and the dialect; then pieces of whole lines, each behind its size in eight bytes, and one of
nothing at the end. Its output is the file, which is of no use when the input ends before.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 6 << 20
"""Of lines; readers want groups of many rows, this process wants little memory."""
BLOCK_BYTES: Final = 1 << 20
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
    writer = pq.ParquetWriter(
        file,
        schema,
        compression=asked["compression"],
        use_dictionary=repeated,
        # Kept until the end for each group: of long texts they would be as large as the texts.
        write_statistics=repeated,
        data_page_size=PAGE_BYTES,
    )
    group: list[Any] = []
    held = 0
    # The next lines are read while these are packed, so that who makes them need not wait.
    for lines in _ahead(_blocks(source)):
        group.append(_table(schema, lines, **asked["dialect"]))
        held += len(lines)
        if held >= ROW_GROUP_BYTES:
            writer.write_table(pa.concat_tables(group))
            group, held = [], 0
    if group:
        writer.write_table(pa.concat_tables(group))
    writer.close()


def _ahead(blocks: Iterator[bytearray]) -> Iterator[bytearray]:
    """These, of which a thread fetches the next while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            yield block


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
    return pc.read_csv(
        pa.BufferReader(lines),
        pc.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=schema.names, skip_rows=1),
        pc.ParseOptions(delimiter=delimiter, quote_char=quote, newlines_in_values=True, ignore_empty_lines=False),
        pc.ConvertOptions(
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
