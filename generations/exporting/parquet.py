"""Writes Parquet in a process of its own: its library takes more memory than all else that a worker does.

Runs as a program and knows nothing of the project. On its input: a line of JSON with the columns as pairs of name and
type and the compression; then blocks, and one of nothing at the end. A block is the number of its rows and that of the
bytes of its texts, in eight bytes each; the lengths of its cells, a column after the other, -1 where nothing is known;
and their texts in the same order. Its output is the file, which is of no use when the input ends before.
"""

import json
import sys
from array import array
from itertools import accumulate
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 6 << 20
"""Of columns in memory; readers want groups of many rows, this process wants little memory."""
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


def write(source: BinaryIO, file: BinaryIO) -> bool:
    """Read all blocks and write the file; False when they end before they should."""
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
    waiting: list[Any] = []
    held = 0
    while len(head := source.read(16)) == 16:
        rows, size = int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")
        if waiting and (rows == 0 or held >= ROW_GROUP_BYTES):
            writer.write_table(pa.concat_tables(waiting))
            waiting, held = [], 0
        if rows == 0:
            writer.close()
            return True
        lengths = array("i")
        measures = source.read(rows * len(schema) * lengths.itemsize)
        texts = source.read(size)
        if len(measures) < rows * len(schema) * lengths.itemsize or len(texts) < size:
            break
        lengths.frombytes(measures)
        waiting.append(_table(schema, rows, lengths, texts))
        held += size
    return False


def _table(schema: Any, rows: int, lengths: "array[int]", texts: bytes) -> Any:
    """A block as a table; its long texts are not copied."""
    columns, start = [], 0
    for place, field in enumerate(schema):
        own = lengths[place * rows : (place + 1) * rows]
        if max(own) < 0:
            columns.append(pa.nulls(rows, field.type))
            continue
        known = None
        if min(own) < 0:
            known = pa.array([length >= 0 for length in own]).buffers()[1]
            own = array("i", [max(length, 0) for length in own])
        offsets = array("i", accumulate(own, initial=0))
        data = pa.py_buffer(texts).slice(start, offsets[-1])
        column = pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), data, known)
        columns.append(column if field.type == pa.string() else column.cast(field.type))
        start += offsets[-1]
    return pa.Table.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    try:
        sys.exit(0 if write(sys.stdin.buffer, sys.stdout.buffer) else "The rows ended too early.")
    except OSError as problem:
        sys.exit(problem.strerror or str(problem))
