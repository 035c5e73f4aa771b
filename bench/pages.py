"""Server time, statements and weight of the pages at 1,000,000 calls of one project.

    python bench/pages.py [--rows 1000000] [--times 20] [--only dashboard] [--keep FOLDER]

One database with 250 days of calls. Each page is asked for by a signed-in person in rounds of all pages, after two
rounds that warm up; the milliseconds are those that the page itself tells in `Server-Timing`, with those that its
database took, and for what is fetched as JSON those around the whole answer. Weight is that of the answer before
compression.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import re
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine

if TYPE_CHECKING:
    from django.test import Client

WARM_UP: Final = 2
OR: Final = quote('{"$or": [{"error": {"$exists": true}}, {"scores": {"$some": {"value": {"$gte": 0.9}}}}]}')


@dataclass(slots=True)
class Measured:
    """One page: its milliseconds, those of its database, its statements and its bytes."""

    total: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    statements: int = 0
    weight: int = 0


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--times", type=int, default=20)
    arguments.add_argument("--only", default="", metavar="WORD", help="pages with this in their names")
    arguments.add_argument("--keep", type=Path, help="where the database is, or will be, to be measured again")
    asked = arguments.parse_args()
    with databases(f"{asked.rows}", keep=asked.keep) as (use,):
        from django.test import Client

        from bench.filling import filled

        use()
        grant, _ = filled(asked.rows)
        assert grant.user is not None
        person = Client(SERVER_NAME="localhost")
        person.force_login(grant.user)
        pages = {name: address for name, address in _pages(grant.project.slug).items() if asked.only in name}
        measured = {name: Measured() for name in pages}
        for turn in range(WARM_UP + asked.times):
            if turn == WARM_UP:
                gc.freeze()  # what is loaded is looked through no more: as in the processes of the server
            for name, address in pages.items():
                _ask(person, address, measured[name], is_counted=turn >= WARM_UP)
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}\n")
        print("| page | p50 ms | p95 ms | of it database, p50 | statements | KB |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, one in measured.items():
            ordered = sorted(one.total)
            p50, p95 = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
            database = f"{statistics.median(one.database):.1f}" if one.database else "-"
            print(
                f"| {name} | {p50:.1f} | {p95:.1f} | {database} | {one.statements or '-'} | {one.weight / 1000:.0f} |"
            )


def _ask(person: Client, address: str, measured: Measured, *, is_counted: bool) -> None:
    began = time.perf_counter()
    answer = person.get(address)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.content[:200]!r}"
    if not is_counted:
        return
    measured.weight = max(measured.weight, len(answer.content))
    told = re.search(r'db;dur=([\d.]+);desc="Database, (\d+) .*total;dur=([\d.]+)', answer.get("Server-Timing", ""))
    measured.total.append(float(told[3]) if told else took)
    if told:
        measured.database.append(float(told[1]))
        measured.statements = int(told[2])


def _pages(slug: str) -> dict[str, str]:
    from bench.calls import UNTIL

    place = f"/projects/{slug}"
    calls = f"{place}/generations/"
    month = f"from={(UNTIL - dt.timedelta(days=30)).isoformat().replace('+00:00', 'Z')}"
    narrowed = {
        "model": "model.id=claude-sonnet-4",
        "user": "metadata.userId=user-7",
        "a seldom tag": "tags=seldom",
        "metadata": "metadata.plan=pro",
        "failed": "error__exists=true",
        "an hour": "from=2026-10-31T10:00:00Z&to=2026-10-31T11:00:00Z",
        "an or with a score": f"filter={OR}",
    }
    charts = ("generations", "errors", "latency", "first-token", "tokens", "cost", "users", "scores")
    return {
        "list": calls,
        **{f"list, {name}": f"{calls}?{query}" for name, query in narrowed.items()},
        "list of threads": f"{place}/threads/",
        "list of users": f"{place}/users/",
        "one generation": f"{calls}call-000001234/",
        "facets": f"{place}/lists/generations/facets/",
        "facets, model": f"{place}/lists/generations/facets/?list={quote(narrowed['model'])}",
        "facets, a seldom tag": f"{place}/lists/generations/facets/?list={quote(narrowed['a seldom tag'])}",
        "charts of the list": f"{place}/lists/generations/charts/",
        "charts of the list, 30 days": f"{place}/lists/generations/charts/?list={quote(month)}",
        "filter builder": f"{place}/lists/generations/filter/?list={quote(f'filter={OR}')}",
        "dashboard, 30 days": f"{place}/dashboard/?{month}",
        **{f"dashboard, 30 days: {name}": f"{place}/dashboard/{name}/data/?{month}" for name in charts},
        "dashboard, 30 days: cost by model": f"{place}/dashboard/cost/data/?{month}&by=model.id",
        "dashboard, 30 days: generations by tag": f"{place}/dashboard/generations/data/?{month}&by=tags",
    }


if __name__ == "__main__":
    main()
