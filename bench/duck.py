"""DuckDB's side of `aggregates.py`, run by a Python that has it: rows from standard input, then a query a line.

Answers each query with the rows it gave, its times in seconds and the processor's for one, as a line of JSON. Nothing
of ours is imported.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    """Read rows as CSV from a file, and queries from standard input."""
    import duckdb  # type: ignore[import-not-found]  # in an environment of its own

    path, threads = sys.argv[1:3]
    base: Any = duckdb.connect(path, config={"threads": int(threads)})
    base.execute("SET TimeZone = 'UTC'")
    base.execute(
        "CREATE TABLE generation AS SELECT * FROM read_csv('/dev/stdin', header = true, columns = {"
        "'started_at': 'TIMESTAMPTZ', 'model_id': 'VARCHAR', 'latency': 'DOUBLE', 'total_tokens': 'BIGINT',"
        "'failed': 'BOOLEAN', 'user_id': 'VARCHAR', 'tags': 'VARCHAR', 'plan': 'VARCHAR'})"
    )
    base.execute("CHECKPOINT")
    for line in sys.argv[3:]:
        name, times, query = json.loads(line)
        rows = base.execute(query).fetchall()
        took, before = [], time.process_time()
        for _ in range(times):
            began = time.perf_counter()
            rows = base.execute(query).fetchall()
            took.append(time.perf_counter() - began)
        used = (time.process_time() - before) / times
        print(json.dumps([name, took, used, [list(map(str, row)) for row in rows]]), flush=True)


if __name__ == "__main__":
    main()
