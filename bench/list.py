"""Times of lists, pages, single calls, filters and aggregates at 10,000 and at 1,000,000 calls of one project.

    python bench/list.py [--rows 1000000] [--a-day 4000] [--times 40] [--only aggregate] [--keep FOLDER]

Two databases beside each other, with the same number of calls a day unless another one is given for the larger one: it
has the longer past. A third one has the 10,000 calls of the first over as many days as the larger one: where an answer
has a line for each day, it is this one's that is as long. Times are the server's: the answer of a door from its first
middleware to its last byte, or of a function, in one process with one connection; p50 and p95 of so many rounds of all
questions, each to both in turn, after three rounds that warm up. The median of the processor's time is that of this
process and of the database, and says as much on a busy machine. Last, the aggregates of the larger one beside the same
ones taken of the rows.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine, taken

if TYPE_CHECKING:
    from django.test import Client

    from generations.access import Grant
    from generations.metrics import Query

Ask = Callable[[random.Random], object]
Asks = dict[str, list[Callable[[], float]]]
Measured = dict[str, list[tuple[float, float, float]]]
"""Of each question to each side the p50, the p95, and the processor's p50, in milliseconds."""
BY_DAY = frozenset(
    f"aggregate: {what} by {how}"
    for what, how in (("everything", "day"), ("30 days", "model and day"), ("30 days", "model and day in Prague"))
)
"""Answers with a line for each day, and so as long as the past is."""
AS_MANY = dict.fromkeys(
    ("facets of a model", "facets of a tag on 1 in 150", "facets of scores.quality at least 0.9"), "facets"
)
"""Facets count up to 10,000 rows one by one: beside those of a filter are those of all, which are as many."""
MOST_ROWS = 2_000_000
WARM_UP = 3
MOST_SECONDS = 15.0
"""Of measuring one question: those that take seconds are asked less often."""


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--a-day", type=int, default=4_000, help="calls a day of the larger one")
    arguments.add_argument("--times", type=int, default=40)
    arguments.add_argument("--keep", type=Path, help="where the databases are, or will be, to be measured again")
    arguments.add_argument("--only", default="", metavar="WORD", help="questions with this in their names")
    asked = arguments.parse_args()
    began = time.perf_counter()
    days = asked.rows // asked.a_day
    with databases("few", f"{asked.rows}", f"long{days}", keep=asked.keep) as (few, many, long):
        from bench.filling import FIRST

        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {machine()}, load {os.getloadavg()[0]:.1f}\n", flush=True)
        small, large = _Side(few, FIRST), _Side(many, asked.rows, a_day=asked.a_day)
        sparse = _Side(long, FIRST, days)
        if large.rolling_up:
            print(f"Rollups of {asked.rows:,} calls were made in {large.rolling_up:.1f} s\n")
        besides = {name: sparse if name in BY_DAY else small for name in small.questions if asked.only in name}
        beside: Asks = {
            name: [partial(side.ask, AS_MANY.get(name, name)), partial(large.ask, name)]
            for name, side in besides.items()
        }
        _say((f"{FIRST:,}", f"{asked.rows:,}", "p50 ratio"), _measure(beside, asked.times))
        # Of everything the rows themselves take longer than any aggregation may.
        asked_of_rows = [one for one in large.aggregates if asked.rows <= MOST_ROWS or "everything" not in one]
        kept: Asks = {name: [partial(large.ask, name), partial(large.ask_rows, name)] for name in asked_of_rows}
        of_kept = _measure(kept, asked.times)
        large.change()
        name = "aggregate: 30 days by model and day"
        of_kept[f"{name}, an hour just changed"] = _measure({name: kept[name]}, asked.times)[name]
        _say(("rollups", "rows", "p50 ratio"), of_kept)
    print(f"\n{time.perf_counter() - began:.0f} s in all")


def _say(heads: tuple[str, str, str], measured: Measured) -> None:
    """A table of two sides; the ratio is that of the second to the first."""
    print(f"| ms | {heads[0]}: p50 | p95 | {heads[1]}: p50 | p95 | {heads[2]} |", end="")
    print(f" processor: {heads[0]} | {heads[1]} | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, ((a50, a95, a), (b50, b95, b)) in measured.items():
        print(f"| {name} | {a50:.1f} | {a95:.1f} | {b50:.1f} | {b95:.1f} | {b50 / a50:.1f} |", end="")
        print(f" {a:.1f} | {b:.1f} | {b / a:.2f} |")
    print(flush=True)


class _Side:
    """A project of so many calls in a database of its own, and the questions to it."""

    def __init__(
        self, use: Callable[[], None], number: int, days: float | None = None, a_day: int | None = None
    ) -> None:
        from bench.filling import filled

        use()
        self.use = use
        grant, self.rolling_up = filled(number, days, a_day)
        self.project = grant.project
        self.aggregates = _aggregates()
        self.questions = _questions(grant, number, a_day) | {
            name: self._aggregate(query) for name, query in self.aggregates.items()
        }
        self.chances = {name: random.Random(name) for name in self.questions}

    def ask(self, name: str) -> float:
        """Ask once; how many seconds the answer took."""
        self.use()
        began = time.perf_counter()
        self.questions[name](self.chances[name])
        return time.perf_counter() - began

    def ask_rows(self, name: str) -> float:
        """Ask for an aggregate of the rows themselves; how many seconds the answer took."""
        self.use()
        began = time.perf_counter()
        self._aggregate(replace(self.aggregates[name], exact=True))(self.chances[name])
        return time.perf_counter() - began

    def change(self) -> None:
        """Change a call of the last days: its hour is read from the rows until it is rolled up again."""
        from generations import recording
        from generations.records import GenerationRecord

        self.use()
        recording.amend(self.project, GenerationRecord(id="call-000009000", name="changed"))

    def _aggregate(self, query: Query) -> Ask:
        from generations import metrics

        return lambda _: metrics.aggregate(self.project, query)


def _measure(asked: Asks, times: int) -> Measured:
    """What each question takes on each side.

    Both are asked in turn, in rounds of all questions: what else the machine does meets all of them alike.
    """
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in sides] for name, sides in asked.items()}
    used: dict[str, list[list[float]]] = {name: [[] for _ in sides] for name, sides in asked.items()}
    for turn in range(WARM_UP + times):
        for name, measured in seconds.items():
            if sum(map(sum, measured)) > MOST_SECONDS:
                continue
            for ask, times_of_side, used_of_side in zip(asked[name], measured, used[name], strict=True):
                took, processor = taken(ask)
                if turn >= WARM_UP:
                    times_of_side.append(took)
                    used_of_side.append(processor)
    return {name: list(map(_summed, measured, used[name])) for name, measured in seconds.items()}


def _summed(seconds: list[float], used: list[float]) -> tuple[float, float, float]:
    ordered = sorted(1000 * one for one in seconds)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)], 1000 * statistics.median(used)


def _questions(grant: Grant, number: int, a_day: int | None) -> dict[str, Ask]:
    from django.test import Client

    from generations import access, metrics, paging

    project = grant.project
    _, token = access.create_key(grant, name=f"bench {number}", scopes=["read"])
    rest = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})
    person = Client(SERVER_NAME="localhost")
    assert grant.user is not None
    person.force_login(grant.user)
    ids = [f"call-{n:09}" for n in random.Random(1).sample(range(number), 200)]
    deep = paging.page("generations", project.pk, _before(number, a_day), limit=1)

    def get(query: str) -> Ask:
        return lambda _: _fetch(rest, f"/api/generations?{query}")

    deep_filter = f"to={deep.rows[0].started_at.isoformat().replace('+', '%2B')}"
    pages = f"/projects/{project.slug}/generations/"
    return {
        "REST: first page of 50": get("limit=50"),
        "REST: page of 50, nine tenths down": get(f"{deep_filter}&limit=50"),
        "REST: walk ten pages": lambda _: _walk(rest),
        "REST: one by id": lambda chance: _fetch(rest, f"/api/generations/{chance.choice(ids)}"),
        "REST: model.id": get("model.id=claude-sonnet-4&limit=50"),
        "REST: metadata.userId": lambda chance: _fetch(
            rest, f"/api/generations?metadata.userId=user-{chance.randint(1, 12)}&limit=50"
        ),
        "REST: a tag on 1 in 150": get("tags=seldom&limit=50"),
        "REST: metadata.plan": get("metadata.plan=pro&limit=50"),
        "REST: failed": get("error__exists=true&limit=50"),
        "REST: feedback.rating at least 4": get("feedback.rating__gte=4&limit=50"),
        "REST: scores.quality at least 0.9": get("scores.quality__gte=0.9&limit=50"),
        "REST: usage.totalTokens at least 2000": get("usage.totalTokens__gte=2000&limit=50"),
        "REST: an hour": get("from=2026-10-31T10:00:00Z&to=2026-10-31T11:00:00Z&limit=50"),
        "page: generation list": lambda _: _fetch(person, pages),
        "page: one generation": lambda chance: _fetch(
            person, f"/projects/{project.slug}/generations/{chance.choice(ids)}/"
        ),
        "count, capped at 10,000": lambda _: paging.count("generations", project.pk),
        "facets": lambda _: metrics.facets(project),
        "facets of a model": lambda _: metrics.facets(project, _said({"model.id": "claude-sonnet-4"})),
        "facets of a tag on 1 in 150": lambda _: metrics.facets(project, _said({"tags": "seldom"})),
        "facets of scores.quality at least 0.9": lambda _: metrics.facets(
            project, _said({"scores.quality": {"$gte": 0.9}})
        ),
    }


def _aggregates() -> dict[str, Query]:
    from bench.calls import UNTIL
    from generations import filters, metrics

    def query(document: dict[str, Any], *paths: str, bucket: str | None = None, zone: str = "UTC") -> Query:
        return metrics.Query(
            condition=filters.from_document("generations", document),
            dimensions=tuple(metrics.Dimension(path, path) for path in paths),
            bucket=metrics.Bucket(bucket, zone) if bucket else None,
            measures=(
                metrics.Measure("count", "count"),
                metrics.Measure("tokens", "sum", "usage.totalTokens"),
                metrics.Measure("p95", "percentile", "performance.latency", 0.95),
                metrics.Measure("errors", "error_rate"),
            ),
        )

    def since(days: int) -> dict[str, Any]:
        return {"timestamp": {"$gte": (UNTIL - dt.timedelta(days=days)).isoformat()}}

    return {
        "aggregate: last day by model": query(since(1), "model.id"),
        "aggregate: last day by hour": query(since(1), bucket="hour"),
        "aggregate: one user by model": query({"metadata.userId": "user-77"}, "model.id"),
        "aggregate: everything by model": query({}, "model.id"),
        "aggregate: everything by day": query({}, bucket="day"),
        "aggregate: 30 days by model and day": query(since(30), "model.id", bucket="day"),
        "aggregate: 30 days by model and day in Prague": query(
            since(30), "model.id", bucket="day", zone="Europe/Prague"
        ),
    }


def _before(number: int, a_day: int | None) -> Any:
    """Calls in the oldest tenth."""
    from bench.calls import A_DAY, UNTIL

    moment = UNTIL - dt.timedelta(days=number * 0.9 / (a_day or A_DAY))
    return _said({"timestamp": {"$lte": moment.isoformat()}})


def _said(document: dict[str, Any]) -> Any:
    from generations import filters

    return filters.from_document("generations", document)


def _fetch(client: Client, path: str) -> bytes:
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:200]!r}"
    return answer.content


def _walk(client: Client) -> None:
    import json

    path = "/api/generations?limit=50"
    after = ""
    for _ in range(10):
        document = json.loads(_fetch(client, path + after))
        after = f"&after={document['page']['next']}"


if __name__ == "__main__":
    main()
