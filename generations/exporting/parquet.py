"""Writes Parquet in a process of its own: its library takes more memory than all else that a worker does.

Runs as a program and knows nothing of the project. On its input: a line of JSON with the columns as pairs of name and
type and the compression; then blocks, each the number of its bytes in eight bytes and lines of a CSV, and a block of
none at the end. Its output is the file, which is of no use when the input ends before.
"""

import json
import sys
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 8 << 20
"""Of columns in memory; readers want groups of many rows, this process wants little memory."""
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
    )
    convert = pc.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        # An empty text is in quotes, and is not unknown.
        quoted_strings_can_be_null=False,
        true_values=["true"],
        false_values=["false"],
    )
    parse = pc.ParseOptions(newlines_in_values=True)
    waiting: list[Any] = []
    held = 0
    while len(head := source.read(8)) == 8:
        size = int.from_bytes(head, "big")
        if waiting and (size == 0 or held >= ROW_GROUP_BYTES):
            writer.write_table(pa.concat_tables(waiting))
            waiting, held = [], 0
        if size == 0:
            writer.close()
            return True
        block = source.read(size)
        if len(block) < size:
            break
        read = pc.ReadOptions(column_names=schema.names, block_size=size + 1, use_threads=False)
        table = pc.read_csv(pa.BufferReader(block), read_options=read, parse_options=parse, convert_options=convert)
        waiting.append(table)
        held += table.nbytes
        del block, table
    return False


if __name__ == "__main__":
    try:
        sys.exit(0 if write(sys.stdin.buffer, sys.stdout.buffer) else "The rows ended too early.")
    except OSError as problem:
        sys.exit(problem.strerror or str(problem))
