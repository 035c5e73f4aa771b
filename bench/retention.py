"""What expiring text costs, and what those notice who write meanwhile.

    python bench/retention.py [--rows 50000 200000] [--filled 10000000 --keep FOLDER]

A past month of so many calls of 2 KB, of which all text is due; then as many of which a filter picks one in ten. While
`retention.plan` works, a writer on a connection of its own stores one call after the other, some of this moment and
some late ones of that very month: the longest that one of them took, beside the longest before the work began. A
reader asks for the newest calls of the month all the while: hidden is when it saw the last text of them. Emptying is
timed until the last partition is empty; the previews in the facts are cleared behind it. The longest lock is the
longest that a batch or an emptied partition kept writers away, its commit included; the longest wait is what another
session had of it: how long any of them was seen to wait for a lock, looked at all the time.

With a FOLDER in which `bench/list.py` kept a database of so many calls, all text of those is due instead, once.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine

MONTH = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
KILOBYTES = 2
PICKED = 10


@dataclass(eq=False)
class Beside(threading.Thread):
    """What goes on beside the work, on a connection of its own, until it is stopped."""

    def __post_init__(self) -> None:
        from django.db import connection

        super().__init__()
        self.connection = connection.copy()
        self.connection.inc_thread_sharing()
        self.stopping = threading.Event()

    def end(self) -> None:
        """Stop it, and wait until it has."""
        self.stopping.set()
        self.join()


@dataclass(eq=False)
class Writer(Beside):
    """Writes one call after the other, and keeps how long each took."""

    project: Any
    seconds: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Write until told to stop."""
        from django.db import connections

        from generations import recording
        from generations.records import GenerationRecord

        connections["default"] = self.connection
        number = 0
        try:
            while not self.stopping.wait(0.01):
                number += 1
                start = dt.datetime.now(dt.UTC) if number % 2 else MONTH + dt.timedelta(minutes=number)
                call = GenerationRecord(id=f"w{id(self)}-{number}", started_at=start, prompt="Hello", completion="Hi")
                began = time.perf_counter()
                recording.record(self.project, [call])
                self.seconds.append(time.perf_counter() - began)
        finally:
            self.connection.close()

    def stop(self) -> float:
        """The longest write, in milliseconds."""
        self.end()
        return 1000 * max(self.seconds)


@dataclass(eq=False)
class Reader(Beside):
    """Reads the newest calls of the month, and keeps when it last saw a text that is due."""

    project: Any
    saw: float = 0.0

    def run(self) -> None:
        """Read until told to stop."""
        from django.db import connections

        from generations import filters, paging
        from generations.models import Project

        connections["default"] = self.connection
        # Behind those that the writer adds.
        late = {"$gte": "2026-08-20T00:00:00Z", "$lt": "2026-09-01T00:00:00Z"}
        month = filters.from_document("generations", {"timestamp": late})
        try:
            while not self.stopping.wait(0.02):
                began = time.perf_counter()
                project = Project.objects.get(pk=self.project.pk)
                if any(row.input_preview for row in paging.page("generations", project.pk, month, limit=20).rows):
                    self.saw = began
        finally:
            self.connection.close()

    def stop(self) -> float:
        """When it last saw one."""
        self.end()
        return self.saw


@dataclass(eq=False)
class Watcher(Beside):
    """Looks who waits for a lock, and keeps the longest wait of whoever is not at work here, in milliseconds."""

    worker: int
    longest: float = 0.0

    def run(self) -> None:
        """Look until told to stop."""
        try:
            with self.connection.cursor() as cursor:
                while not self.stopping.wait(0.002):
                    cursor.execute(
                        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8"
                        " FROM pg_locks WHERE NOT granted AND pid <> %s",
                        [self.worker],
                    )
                    self.longest = max(self.longest, 1000 * cursor.fetchone()[0])
        finally:
            self.connection.close()

    def stop(self) -> float:
        """The longest wait."""
        self.end()
        return self.longest


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="+", default=[50_000, 200_000])
    arguments.add_argument("--filled", type=int, metavar="ROWS", help="the calls of a database that was kept")
    arguments.add_argument("--keep", type=Path, help="where it is")
    asked = arguments.parse_args()
    with databases(f"{asked.filled}" if asked.filled else "retention", keep=asked.keep):
        from bench.filling import filled
        from generations import access

        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {machine()}, load {os.getloadavg()[0]:.1f}\n")
        print("| work | rows | hidden s | emptied s | all s | longest lock ms | wait | write | before | memory MB |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
        if asked.filled:
            work(filled(asked.filled)[0].project, asked.filled, "all text there is", {})
            return
        for rows in asked.rows:
            project = access.create_project(f"Retention {rows}")
            fill(project, rows)
            work(project, rows, "all text of a month", {})
            fill(project, rows)
            work(project, rows, "text of one call in ten, by a filter", {"tags": "picked"})
            project.delete()


def fill(project: Any, rows: int) -> None:
    """A month of calls in the place of what there was, made in SQL."""
    from django.db import connection

    from bench.filling import settle
    from generations import partitions

    partitions.ensure([MONTH.date()])
    with connection.cursor() as cursor:
        for table in ("generation", "generation_payload", "generation_search", "search_mark", "rollup_dirty"):
            cursor.execute(f"TRUNCATE {table}")
        cursor.execute(
            "CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS uid, n, %s + n * (%s::interval / %s::float8) AS at"
            " FROM generate_series(1, %s) AS n",
            [MONTH, "28 days", rows, rows],
        )
        cursor.execute(
            "INSERT INTO generation (project_id, uid, public_id, type, started_at, input_type, output_type, tags,"
            " metadata, parameters, start_assumed, created_at, updated_at, model_id, input_preview, output_preview)"
            " SELECT %s, uid, 'call-' || n, 'chat', at, 'text', 'text',"
            " CASE WHEN n %% %s = 0 THEN '{picked}'::text[] ELSE '{}'::text[] END, '{}', '{}', false, at, at, 'gpt-4o',"
            " repeat(md5(n::text), 6), repeat(md5(n::text), 6) FROM made",
            [project.pk, PICKED],
        )
        cursor.execute(
            "INSERT INTO generation_payload (project_id, uid, started_at, input) SELECT %s, uid, at,"
            " to_jsonb((SELECT string_agg(md5(n::text || i), ' ') FROM generate_series(1, %s) AS i)) FROM made",
            [project.pk, KILOBYTES * 1024 // 33],
        )
        cursor.execute(
            "INSERT INTO generation_search (project_id, uid, started_at, text, place)"
            " SELECT %s, uid, at, md5(n::text) || ' ' || md5((-n)::text), n FROM made",
            [project.pk],
        )
        cursor.execute("DROP TABLE made")
    settle()


def work(project: Any, rows: int, name: str, document: dict[str, Any]) -> None:
    """One run with a rule, and a line of the table."""
    from django.db import connection

    from generations import access, retention

    retention.add_rule(access.of_system(project), kind="generations", what="text", days=1, document=document)
    before = Writer(project)
    before.start()
    time.sleep(3)
    longest_before = before.stop()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        watcher = Watcher(cursor.fetchone()[0])
    writer, reader = Writer(project), Reader(project)
    for thread in (writer, reader, watcher):
        thread.start()
    time.sleep(0.5)
    began = time.perf_counter()
    emptied: list[float] = []
    report = retention.plan(project, is_dry=False, advance=lambda done: emptied.append(time.perf_counter() - began))
    took = time.perf_counter() - began
    longest, waited = writer.stop(), watcher.stop()
    seen = reader.stop()
    hidden = "" if document else f"{max(0.0, seen - began):.2f}"
    gone = f"{emptied[0]:.2f}" if report.months else ""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"| {name} | {sum(line['count'] for line in report.lines):,} of {rows:,} | {hidden} | {gone} | {took:.1f}"
        f" | {1000 * report.longest:.0f} | {waited:.0f} | {longest:.0f} | {longest_before:.0f} | {memory} |",
        flush=True,
    )
    project.retention_rules.all().delete()


if __name__ == "__main__":
    main()
