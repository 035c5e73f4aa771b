"""Thirty days by model and day: what `metrics.aggregate` takes, the bare SQL over the rows, and DuckDB on the same.

    python bench/aggregates.py [--rows 1000000] [--a-day 4000] [--times 10] [--keep FOLDER] [--duckdb PYTHON]

Count, tokens, p95 of the latency and error rate, of all calls and of those with a tag, a key of the metadata, or a
user. PYTHON is that of an environment with DuckDB (`uv venv E && uv pip install -p E duckdb pytz`); it gets as many
threads as there are processors, and a table of its own form with the columns that are asked for. All answers are
compared with each other. Time of the processor, for one answer, is that of the database and of who asks: the p50 says
nothing on a busy machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine, processor

DAYS: Final = 30
QUESTIONS: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "all calls": ({}, "TRUE", "TRUE"),
    "a tag on 1 in 150": ({"tags": "seldom"}, "tags @> '{seldom}'", "tags LIKE '%seldom%'"),
    "metadata.plan": ({"metadata.plan": "pro"}, """metadata @> '{"plan": "pro"}'""", "plan = 'pro'"),
    "one user": ({"metadata.userId": "user-77"}, "user_id = 'user-77'", "user_id = 'user-77'"),
}
"""A filter for us, for the bare SQL, and for DuckDB."""
_QUERY: Final = (
    "SELECT date_trunc('day', started_at{zone}) AS day, model_id, count(*), sum(total_tokens),"
    " {p95}, avg(({failed})::int) FROM generation WHERE {where} AND started_at >= '{since}' GROUP BY 1, 2 ORDER BY 1, 2"
)
_COPY: Final = (
    "COPY (SELECT started_at, model_id, latency, total_tokens, error IS NOT NULL AS failed, user_id,"
    " array_to_string(tags, ',') AS tags, metadata->>'plan' AS plan FROM generation) TO STDOUT (FORMAT csv, HEADER)"
)


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--a-day", type=int, default=4_000)
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--keep", type=Path, help="as in bench/list.py")
    arguments.add_argument("--duckdb", metavar="PYTHON", help="a Python that can import duckdb")
    asked = arguments.parse_args()
    with databases(f"{asked.rows}", keep=asked.keep):
        from bench.calls import UNTIL
        from bench.filling import filled

        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {machine()}, load {os.getloadavg()[0]:.1f}\n", flush=True)
        project = filled(asked.rows, a_day=asked.a_day)[0].project
        since = UNTIL - dt.timedelta(days=DAYS)
        ours = {name: _ours(project, document, since, asked.times) for name, (document, *_) in QUESTIONS.items()}
        bare = {name: _bare(project.pk, where, since, asked.times) for name, (_, where, _) in QUESTIONS.items()}
        duck = _duck(asked.duckdb, since, asked.times) if asked.duckdb else {}
        print("| 30 days by model and day, p50 ms | groups | ours | source | the rows | ours / rows |", end="")
        print(" DuckDB | processor: ours | the rows | ours / rows | DuckDB |")
        print("|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|")
        for name, (took, rows, source) in ours.items():
            _agree(name, rows, bare[name][1], 0.0101)
            beside = used = "-"
            if name in duck:
                _agree(name, duck[name][1], bare[name][1], 1e-6)
                beside, used = (f"{one:.1f}" for one in duck[name][0])
            beyond = bare[name][0]
            print(f"| {name} | {len(rows)} | {took.p50:.1f} | {source} | {beyond.p50:.1f} |", end="")
            print(f" {took.p50 / beyond.p50:.2f} | {beside} | {took.processor:.2f} | {beyond.processor:.2f} |", end="")
            print(f" {took.processor / beyond.processor:.2f} | {used} |", flush=True)


class Took(NamedTuple):
    """Milliseconds of one question: by the clock, and on average of the processor."""

    p50: float
    processor: float


Answer = tuple[Took, list[list[str]]]
"""What it took, and the rows as texts."""


def _ours(project: Any, document: dict[str, Any], since: dt.datetime, times: int) -> tuple[Took, list[list[str]], str]:
    from generations import filters, metrics

    query = metrics.Query(
        condition=filters.from_document("generations", {**document, "timestamp": {"$gte": since.isoformat()}}),
        dimensions=(metrics.Dimension("model", "model.id"),),
        bucket=metrics.Bucket("day"),
        measures=(
            metrics.Measure("count", "count"),
            metrics.Measure("tokens", "sum", "usage.totalTokens"),
            metrics.Measure("p95", "percentile", "performance.latency", 0.95),
            metrics.Measure("errors", "error_rate"),
        ),
    )
    took, answer = _timed(lambda: metrics.aggregate(project, query), times)
    rows = [[str(value) for value in (*row.key.values(), *row.values.values())] for row in answer.rows]
    return took, rows, answer.source


def _bare(project: int, where: str, since: dt.datetime, times: int) -> Answer:
    from django.db import connection

    query = _QUERY.format(
        zone=", 'UTC'",
        p95="percentile_cont(0.95) WITHIN GROUP (ORDER BY latency)",
        failed="error IS NOT NULL",
        where=f"project_id = {project} AND {where}",
        since=since.isoformat(),
    )

    def ask() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    took, rows = _timed(ask, times)
    return took, [[str(value) for value in row] for row in rows]


def _duck(python: str, since: dt.datetime, times: int) -> dict[str, Answer]:
    from django.db import connection

    asked = [
        json.dumps(
            [
                name,
                times,
                _QUERY.format(
                    zone="", p95="quantile_cont(latency, 0.95)", failed="failed", where=where, since=since.isoformat()
                ),
            ]
        )
        for name, (_, _, where) in QUESTIONS.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(Path(__file__).parent / "duck.py"), f"{folder}/duck", str(os.cpu_count()), *asked]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for block in copy:
                process.stdin.write(block)
        process.stdin.close()
        answers = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0
    return {name: (Took(1000 * statistics.median(took), 1000 * used), rows) for name, took, used, rows in answers}


def _timed(ask: Callable[[], Any], times: int) -> tuple[Took, Any]:
    answer = ask()
    took, before = [], processor()
    for _ in range(times):
        began = time.perf_counter()
        answer = ask()
        took.append(1000 * (time.perf_counter() - began))
    return Took(statistics.median(took), 1000 * (processor() - before) / times), answer


def _agree(name: str, rows: list[list[str]], wanted: list[list[str]], error: float) -> None:
    """The same groups, counts and sums; percentiles as near as rollups say that they are."""
    assert len(rows) == len(wanted), name
    for row, right in zip(rows, wanted, strict=True):
        assert row[1:4] == right[1:4], (name, row, right)
        for value, exact in zip(row[4:], right[4:], strict=True):
            assert abs(float(value) - float(exact)) <= error * abs(float(exact)) + 1e-9, (name, row, right)


if __name__ == "__main__":
    main()
