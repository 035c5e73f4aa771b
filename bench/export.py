"""Exports beside what PostgreSQL alone does: `COPY (SELECT row_to_json ...)` of the same calls.

    python bench/export.py [--rows 200000] [--rounds 2]

All in one run: in each round the bare COPY, read and thrown away, for which PostgreSQL takes as many processes as it
likes; the same by one process; the documents of an export, made as for a file and thrown away; then each format through
the worker's own function, to its finished file with checksum and manifest. The best of the rounds counts, by the clock
and, on Linux, by time of the processor: that of the database's processes and of those that read. The file is made in a
process of its own, so that its memory and that of the processes it starts are seen: the highest sum of what they held,
looked at ten times a second. Neither counts what it takes that process to load the product, which a worker has done
before.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generations.access import Grant

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FORMATS = (
    ("jsonl", "none"),
    ("csv", "none"),
    ("parquet", "zstd"),
    ("jsonl", "zstd"),
    ("jsonl", "gzip"),
)
_RUN = """
import sys, time, django
django.setup()
from generations import exporting
loaded, began = time.process_time(), time.perf_counter()
assert exporting.run(sys.argv[1])
print(time.perf_counter() - began, loaded)
"""


def main() -> None:
    """Fill a database, then export it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    from bench.database import databases, machine, processor

    with databases("export"):
        from django.db import connection

        from bench import filling
        from generations import access

        grant = access.of_system(access.create_project("Bench"))
        print(machine(), f"load {os.getloadavg()[0]:.1f}", flush=True)
        filling.record_first(grant.project)
        filling.grow(grant.project, asked.rows)
        os.environ["DATABASE_URL"] = _address(connection.settings_dict)
        best: dict[str, float] = {}
        least: dict[str, float] = {}
        peaks: dict[str, float] = {}
        sizes: dict[str, float] = {}
        for _ in range(asked.rounds):
            for name, read in (("bare", _bare), ("bare, one", _bare_by_one), ("documents", _documents)):
                before = processor()
                took = read(grant)
                best[name] = min(best.get(name, took), took)
                least[name] = min(least.get(name, math.inf), processor() - before)
            for format, compression in FORMATS:
                name = f"{format} {compression}"
                before = processor()
                took, loading, peak, size = _made(grant, format, compression)
                best[name] = min(best.get(name, took), took)
                least[name] = min(least.get(name, math.inf), processor() - before - loading)
                peaks[name], sizes[name] = max(peaks.get(name, 0), peak), size
        print(f"{'':14}{'rows/s':>9}{'of bare':>9}{'CPU s':>8}{'of bare':>9}{'MB':>8}{'peak MB':>9}", end="")
        print(f"   load {os.getloadavg()[0]:.1f}")
        for name, took in best.items():
            rest = f"{sizes[name]:8.0f}{peaks[name]:9.0f}" if name in sizes else ""
            line = f"{name:14}{asked.rows / took:9.0f}{best['bare'] / took:9.2f}"
            print(f"{line}{least[name]:8.1f}{least['bare'] / least[name]:9.2f}{rest}")


def _address(database: dict[str, str]) -> str:
    port = database["PORT"] or 5432
    return f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}&port={port}"


def _bare(grant: Grant) -> float:
    """Seconds of the COPY alone."""
    from django.db import connection

    began = time.perf_counter()
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY (SELECT row_to_json(d) FROM (SELECT * FROM generation JOIN generation_payload"
            f" USING (project_id, uid, started_at) WHERE project_id = {grant.project.pk}) d) TO STDOUT"
        ) as copy,
    ):
        for _ in copy:
            pass
    return time.perf_counter() - began


def _bare_by_one(grant: Grant) -> float:
    """The same by one process of the database, as an export has."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather TO 0")
        took = _bare(grant)
        cursor.execute("RESET max_parallel_workers_per_gather")
    return took


def _documents(grant: Grant) -> float:
    """Seconds of the export's own documents, in its order and batches, read and thrown away."""
    from generations.exporting import rows, snapshots

    began = time.perf_counter()
    found = rows.SOURCES["generations"].narrow(grant.project.pk, None)
    with snapshots.held() as snapshot, rows.keys("generations", grant.project, found, None, snapshot) as keys:
        for batch in keys.batches():
            with snapshot.copying():
                for _ in rows.documents("generations", grant.project, batch):
                    pass
    return time.perf_counter() - began


def _made(grant: Grant, format: str, compression: str) -> tuple[float, float, float, float]:
    """Seconds, those of the processor for loading, the peak of memory and the size of the file in MB."""
    from generations import exporting

    job = exporting.start(grant, format=format, compression=compression)
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(job.pk)], cwd=root, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    peak = 0.0
    ended = threading.Event()

    def look() -> None:
        nonlocal peak
        while not ended.wait(0.1):
            peak = max(peak, _held(process.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    said, _ = process.communicate()
    ended.set()
    watcher.join()
    job.refresh_from_db()
    assert job.state == "done", job.error
    size = job.result["bytes"] / 1e6
    exporting.forget(job)
    took, loading = map(float, said.split())
    return took, loading, peak, size


def _held(pid: int) -> float:
    """The memory of a process and of those that it started, in MB; what they share is counted once."""
    pids, total = [str(pid)], 0
    for one in pids:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                pids += (task / "children").read_text().split()
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1000


if __name__ == "__main__":
    main()
