"""Times of lists, pages, single calls, filters and aggregates at 10,000 and at 1,000,000 calls of one project.

    python bench/list.py [--rows 1000000] [--times 40]

A project is filled, measured, grown into its past at the same number of calls a day, and measured again. Times are the
server's: the answer of a door from its first middleware to its last byte, or of a function, in one process with one
connection; p50 and p95 of so many rounds of all questions, after three rounds that warm up.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import database, machine

if TYPE_CHECKING:
    from django.test import Client

    from generations.access import Grant

Ask = Callable[[random.Random], object]
Times = dict[str, tuple[float, float]]
WARM_UP = 3
MOST_SECONDS = 15.0
"""Of measuring one question: those that take seconds are asked less often."""


def main() -> None:
    """Run as the module says and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--times", type=int, default=40)
    asked = arguments.parse_args()
    began = time.perf_counter()
    with database():
        from bench import filling
        from generations import access
        from generations.models import User

        owner = User.objects.create_superuser("bench")
        grant = access.by_user(owner, access.create_project("Bench", owner).slug)
        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}")
        filling.record_first(grant.project)
        few = _measure(grant, filling.FIRST, asked.times)
        print(f"Growing to {asked.rows:,} calls", flush=True)
        filling.grow(grant.project, asked.rows)
        print(f"  after {time.perf_counter() - began:.0f} s", flush=True)
        many = _measure(grant, asked.rows, asked.times)
    print(f"\n| ms | {filling.FIRST:,}: p50 | p95 | {asked.rows:,}: p50 | p95 | p50 ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (p50, p95) in few.items():
        now50, now95 = many[name]
        print(f"| {name} | {p50:.1f} | {p95:.1f} | {now50:.1f} | {now95:.1f} | {now50 / p50:.1f} |")
    print(f"\n{time.perf_counter() - began:.0f} s in all")


def _measure(grant: Grant, number: int, times: int) -> Times:
    """Each question in turn, so many rounds of them: what else the machine does meets all of them alike."""
    questions = _questions(grant, number)
    chances = {name: random.Random(name) for name in questions}
    measured: dict[str, list[float]] = {name: [] for name in questions}
    for turn in range(WARM_UP + times):
        for name, ask in questions.items():
            if sum(measured[name]) > MOST_SECONDS:
                continue
            began = time.perf_counter()
            ask(chances[name])
            if turn >= WARM_UP:
                measured[name].append(time.perf_counter() - began)
    return {name: _p50_p95(seconds) for name, seconds in measured.items()}


def _p50_p95(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(1000 * one for one in seconds)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def _questions(grant: Grant, number: int) -> dict[str, Ask]:
    from django.test import Client

    from bench.calls import UNTIL
    from generations import access, filters, metrics, paging

    project = grant.project
    _, token = access.create_key(grant, name=f"bench {number}", scopes=["read"])
    rest = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})
    person = Client(SERVER_NAME="localhost")
    assert grant.user is not None
    person.force_login(grant.user)
    ids = [f"call-{n:09}" for n in random.Random(1).sample(range(number), 200)]
    deep = paging.page("generations", project.pk, _before(number), limit=1)

    def get(query: str) -> Ask:
        return lambda _: _fetch(rest, f"/api/generations?{query}")

    def aggregate(document: dict[str, Any], *paths: str, bucket: str | None = None) -> Ask:
        query = metrics.Query(
            condition=filters.from_document("generations", document),
            dimensions=tuple(metrics.Dimension(path, path) for path in paths),
            bucket=metrics.Bucket(bucket) if bucket else None,
            measures=(
                metrics.Measure("count", "count"),
                metrics.Measure("tokens", "sum", "usage.totalTokens"),
                metrics.Measure("p95", "percentile", "performance.latency", 0.95),
                metrics.Measure("errors", "error_rate"),
            ),
        )
        return lambda _: metrics.aggregate(project, query)

    last_day = {"timestamp": {"$gte": (UNTIL - dt.timedelta(days=1)).isoformat()}}
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
        "aggregate: last day by model": aggregate(last_day, "model.id"),
        "aggregate: last day by hour": aggregate(last_day, bucket="hour"),
        "aggregate: one user by model": aggregate({"metadata.userId": "user-77"}, "model.id"),
        "aggregate: everything by model": aggregate({}, "model.id"),
        "aggregate: everything by day": aggregate({}, bucket="day"),
    }


def _before(number: int) -> Any:
    """Calls in the oldest tenth."""
    from bench.calls import A_DAY, UNTIL
    from generations import filters

    moment = UNTIL - dt.timedelta(days=number * 0.9 / A_DAY)
    return filters.from_document("generations", {"timestamp": {"$lte": moment.isoformat()}})


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
