"""Writes Parquet in a process of its own: its library takes more memory than all else that a worker does.

Runs as a program and knows nothing of the project. On its input, in lines of JSON: the columns as pairs of name and
type, then batches of rows as lists of cells, then null. Its output is the file, which has no end, and is of no use,
when the input ends before null.
"""

import datetime as dt
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 4 << 20
"""Of input; readers want groups of many rows, this process wants little memory."""

_TYPES: Final[dict[str, Any]] = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.decimal128(24, 12),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "time": dt.datetime.fromisoformat,
    "decimal": lambda text: Decimal(text).quantize(Decimal("1e-12")),
}
"""How a cell comes to be of its column's type, where JSON has none for it."""


def write(lines: BinaryIO, file: BinaryIO) -> bool:
    """Read all lines and write the file; False when they end before they should."""
    columns = json.loads(lines.readline())
    schema = pa.schema([(name, _TYPES[type]) for name, type in columns])
    reads = [_READ.get(type) for _, type in columns]
    # Long texts are never twice the same: a dictionary of them would only be another copy in memory.
    repeated = [name for name, type in columns if type != "json"]
    writer = pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeated)
    waiting: list[Any] = []
    size = 0
    while line := lines.readline():
        rows = json.loads(line)
        if rows is not None:
            cells = zip(*rows, strict=True)
            arrays = [
                pa.array([c if c is None or read is None else read(c) for c in column], type=field.type)
                for column, read, field in zip(cells, reads, schema, strict=True)
            ]
            waiting.append(pa.record_batch(arrays, schema=schema))
            size += waiting[-1].nbytes
        if waiting and (rows is None or size >= ROW_GROUP_BYTES):
            writer.write_table(pa.Table.from_batches(waiting))
            waiting, size = [], 0
        if rows is None:
            writer.close()
            return True
    return False


if __name__ == "__main__":
    try:
        sys.exit(0 if write(sys.stdin.buffer, sys.stdout.buffer) else "The rows ended too early.")
    except OSError as problem:
        sys.exit(problem.strerror or str(problem))
