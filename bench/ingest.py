"""Rows a second through `recording.record`, beside a bare COPY of the very rows that it wrote.

    python bench/ingest.py [--rows 20000] [--batches 1,10,100,1000] [--profile]

Both write the columns of facts and payload into partitioned tables with the same indexes and commit after each batch,
one batch after the other in turn. The COPY is given finished rows and does nothing else: it neither looks for what is
there already, nor merges, prices, cleans, or writes threads, participants, tags, scores and feedback.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import pstats
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine

if TYPE_CHECKING:
    from generations.models import Project

TABLES = ("generation", "generation_payload")


@dataclass
class Timed:
    """Seconds of each batch."""

    rows: int = 0
    record: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)

    @property
    def record_rate(self) -> float:
        return self.rows / sum(self.record)

    @property
    def copy_rate(self) -> float:
        return self.rows / sum(self.copy)


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=20_000, help="for each size of batch")
    arguments.add_argument("--batches", default="1,10,100,1000")
    arguments.add_argument("--profile", action="store_true", help="also say where the time of the largest batches goes")
    asked = arguments.parse_args()
    with databases("ingest"):
        from generations import access

        project = access.create_project("Bench")
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}\n")
        print("| batch | rows | record, rows/s | p50 ms | p95 ms | COPY, rows/s | record / COPY | again, rows/s |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|")
        done = 0
        sizes = [int(size) for size in asked.batches.split(",")]
        # Connections, caches and the first partitions are made before the clock runs.
        done = _warm(project, done)
        for size in sizes:
            number = max(size * 5, min(asked.rows, size * 400))
            _say(size, _one_size(project, done, number, size), _again(project, done, min(number, 2000), size))
            done += number
        if asked.profile:
            _profile(project, done, sizes[-1])


def _warm(project: Project, start: int) -> int:
    _one_size(project, start, 600, 200)
    return start + 600


def _one_size(project: Project, start: int, number: int, size: int) -> Timed:
    from bench.calls import calls
    from generations import recording

    timed = Timed()
    for first in range(start, start + number, size):
        batch = list(calls(first, min(first + size, start + number)))
        began = time.perf_counter()
        receipts = recording.record(project, batch)
        timed.record.append(time.perf_counter() - began)
        assert all(receipt.state == "stored" for receipt in receipts), receipts[0]
        timed.copy.append(_copy(project, [str(call.id) for call in batch], [c.started_at for c in batch]))
        timed.rows += len(batch)
    return timed


def _copy(project: Project, ids: list[str], starts: list[Any]) -> float:
    """Seconds that a bare COPY of the rows with these ids takes, with its commit."""
    from django.db import connection, transaction

    from generations import identities

    _twins(min(starts), max(starts))
    uids = ",".join(f"'{identities.uid(project.pk, 'generation', id)}'" for id in ids)
    span = f"project_id = {project.pk} AND started_at BETWEEN '{min(starts)}' AND '{max(starts)}'"
    blocks = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            with cursor.copy(f"COPY (SELECT * FROM {table} WHERE {span} AND uid IN ({uids})) TO STDOUT") as copy:
                blocks[table] = b"".join(bytes(block) for block in copy)
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for table, block in blocks.items():
            with cursor.copy(f"COPY bare.{table} FROM STDIN") as copy:
                copy.write(block)
    return time.perf_counter() - began


_made: set[Any] = set()


def _twins(*moments: Any) -> None:
    """Make tables like ours in the schema `bare`, with the partitions of these moments."""
    from django.db import connection

    from generations import partitions

    months = {partitions.month_of(moment) for moment in moments} - _made
    if not months:
        return
    with connection.cursor() as cursor:
        if not _made:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS bare")
        for table in TABLES:
            if not _made:
                cursor.execute(f"DROP TABLE IF EXISTS bare.{table}")
                cursor.execute(
                    f"CREATE TABLE bare.{table} (LIKE public.{table} INCLUDING ALL) PARTITION BY RANGE (started_at)"
                )
            for month in months:
                cursor.execute(
                    f"CREATE TABLE bare.{table}_p{month:%Y%m} PARTITION OF bare.{table} "
                    f"FOR VALUES FROM ('{month} 00:00+00') TO ('{partitions.next_month(month)} 00:00+00')"
                )
    _made.update(months)


def _again(project: Project, start: int, number: int, size: int) -> float:
    """Rows a second when everything is there already and nothing changes: what a retry costs."""
    from bench.calls import calls
    from generations import recording

    seconds = 0.0
    for first in range(start, start + number, size):
        batch = list(calls(first, min(first + size, start + number)))
        began = time.perf_counter()
        receipts = recording.record(project, batch)
        seconds += time.perf_counter() - began
        assert all(receipt.state == "unchanged" for receipt in receipts), receipts[0]
    return number / seconds


def _say(size: int, timed: Timed, again: float) -> None:
    times = sorted(1000 * seconds for seconds in timed.record)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    print(
        f"| {size} | {timed.rows} | {timed.record_rate:,.0f} | {statistics.median(times):.1f} | {p95:.1f} "
        f"| {timed.copy_rate:,.0f} | {timed.record_rate / timed.copy_rate:.2f} | {again:,.0f} |",
        flush=True,
    )


def _profile(project: Project, start: int, size: int) -> None:
    from bench.calls import calls
    from generations import recording

    batches = [list(calls(first, first + size)) for first in range(start, start + 5 * size, size)]
    profile = cProfile.Profile()
    profile.enable()
    for batch in batches:
        recording.record(project, batch)
    profile.disable()
    print()
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
