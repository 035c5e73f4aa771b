"""What the versions of a prompt led to in a period: cost, latency, tokens, scores and feedback, with intervals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generations import horizons, intervals
from generations.access import Grant, Scope
from generations.intervals import Interval
from generations.metrics.answering import run
from generations.models import Prompt

MEASURES: Final = {"cost": "cost", "latency": "latency", "tokens": "total_tokens", "ttft": "time_to_first_token"}
"""What is compared of a call, and the column that holds it; scores are compared by their names."""
PATIENCE: Final = 8.0
"""Seconds that one of the statements may take."""
LOOKED_AT: Final = 2_000
"""The latest calls of each version among which the same inputs are looked for."""
APART: Final = 20


@dataclass(slots=True)
class Numbers:
    """The calls of one version in a period: how many, the mean of each measure and score, shares of errors and thumbs.

    `shares` names the scores that are 0 or 1 in all calls, whose mean is a share.

    Money is left out where it is of several currencies.
    """

    count: int = 0
    currency: str | None = None
    total_cost: float | None = None
    means: dict[str, Interval] = field(default_factory=dict)
    scores: dict[str, Interval] = field(default_factory=dict)
    shares: set[str] = field(default_factory=set)
    errors: Interval | None = None
    thumbs: Interval | None = None
    rating: Interval | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """An input that both versions were given: what each came to on it, over how many calls, and the last of them."""

    text: str
    old: float
    new: float
    old_count: int
    new_count: int
    old_id: str
    new_id: str

    @property
    def difference(self) -> float:
        """By how much the new version's is more."""
        return self.new - self.old


def numbers(
    grant: Grant, prompt: Prompt, versions: Sequence[int], start: dt.datetime, end: dt.datetime
) -> dict[int, Numbers]:
    """The numbers of these versions, of calls that began from `start` and before `end`. Three statements.

    Needs `read`. Raises metrics.TooSlow.
    """
    grant.need(Scope.READ)
    found = {number: Numbers() for number in versions}
    where = _where(grant)
    asked = {"name": prompt.name, "versions": list(versions), "start": start, "end": end}
    sums = ", ".join(f"count({c}), avg({c})::float8, stddev_samp({c})::float8" for c in MEASURES.values())
    calls = run(
        f"SELECT prompt_version, count(*), count(error), min(currency), count(DISTINCT currency),"  # noqa: S608
        f" sum(cost)::float8, {sums} FROM generation AS g WHERE {where} GROUP BY prompt_version",
        asked,
        PATIENCE,
    )[1]
    for version, count, errors, currency, currencies, total, *rest in calls:
        row = found[version]
        row.count, row.errors = count, intervals.of_share(errors, count)
        for place, name in enumerate(MEASURES):
            interval = intervals.of_mean(*rest[3 * place : 3 * place + 3])
            if interval is not None and (name != "cost" or currencies <= 1):
                row.means[name] = interval
        if currencies <= 1:
            row.currency, row.total_cost = currency, total
    judged = run(
        "SELECT prompt_version, s.name, count(s.value), avg(s.value), stddev_samp(s.value),"  # noqa: S608
        " count(*) FILTER (WHERE s.value = 1), bool_and(s.value IN (0, 1))"
        f" FROM generation AS g JOIN score AS s ON s.project_id = {grant.project.pk:d}"
        f" AND s.generation_id = g.public_id AND s.value IS NOT NULL WHERE {where}"
        " GROUP BY prompt_version, s.name ORDER BY s.name",
        asked,
        PATIENCE,
    )[1]
    # A score that is 0 or 1 in all calls of all versions is a share: its spread would say that a few are certain.
    others = {name for _, name, *_, is_share in judged if not is_share}
    for version, name, count, mean, deviation, hits, _ in judged:
        is_share = name not in others
        if interval := intervals.of_share(hits, count) if is_share else intervals.of_mean(count, mean, deviation):
            found[version].scores[name] = interval
            if is_share:
                found[version].shares.add(name)
    told = run(
        "SELECT prompt_version, count(*) FILTER (WHERE thumbs = 'up'), count(thumbs), count(rating), avg(rating),"  # noqa: S608
        f" stddev_samp(rating) FROM generation AS g JOIN feedback AS f ON f.project_id = {grant.project.pk:d}"
        f" AND f.generation_id = g.public_id AND f.is_latest WHERE {where} GROUP BY prompt_version",
        asked,
        PATIENCE,
    )[1]
    for version, up, thumbs, *rating in told:
        found[version].thumbs = intervals.of_share(up, thumbs)
        found[version].rating = intervals.of_mean(*rating)
    return found


def apart(
    grant: Grant, prompt: Prompt, old: int, new: int, start: dt.datetime, end: dt.datetime, *, by: str
) -> list[Apart]:
    """The inputs on which two versions differ most in `by`, one of MEASURES or the name of a score; at most APART.

    The same input is the same variables, or where a call has none the same last message; looked for among the last
    LOOKED_AT calls of each version. One statement. Needs `read`. Raises metrics.TooSlow.
    """
    grant.need(Scope.READ)
    project = f"{grant.project.pk:d}"
    value = f"g.{MEASURES[by]}::float8" if by in MEASURES else "s.value"
    scored = (
        ""
        if by in MEASURES
        else f" JOIN score AS s ON s.project_id = {project} AND s.generation_id = g.public_id AND s.name = %(by)s"
    )
    side = (
        "SELECT md5(said) AS key, min(left(said, 1000)) AS said, avg(value) AS value, count(*) AS count,"
        " max(public_id) AS id FROM ("
        "  SELECT g.public_id, {value} AS value, coalesce(nullif(nullif(p.variables::text, '{{}}'), 'null'),"
        "   (p.messages -> -1)::text, p.prompt, p.input::text) AS said FROM ("
        "    SELECT * FROM generation AS g WHERE {where} AND g.prompt_version = %({version})s"
        "    ORDER BY g.started_at DESC LIMIT {most}"
        "  ) AS g JOIN generation_payload AS p ON p.project_id = {project} AND p.uid = g.uid"
        "   AND p.started_at = g.started_at AND p.started_at >= %(shown)s{scored}"
        ") AS calls WHERE said IS NOT NULL AND value IS NOT NULL GROUP BY md5(said)"
    )
    given = {"value": value, "where": _where(grant), "most": LOOKED_AT, "project": project, "scored": scored}
    before, after = (side.format(version=version, **given) for version in ("old", "new"))
    found = run(
        f"SELECT o.said, o.value, n.value, o.count, n.count, o.id, n.id FROM ({before}) AS o"  # noqa: S608
        f" JOIN ({after}) AS n ON n.key = o.key"
        f" ORDER BY abs(n.value - o.value) DESC, o.key LIMIT {APART}",
        {
            "name": prompt.name,
            "versions": [old, new],
            "old": old,
            "new": new,
            "start": start,
            "end": end,
            "shown": horizons.of(grant.project.pk, "generation") or start,
            "by": by,
        },
        PATIENCE,
    )[1]
    return [Apart(*row) for row in found]


def _where(grant: Grant) -> str:
    return (
        f"g.project_id = {grant.project.pk:d} AND g.prompt_name = %(name)s AND g.prompt_version = ANY(%(versions)s)"
        " AND g.started_at >= %(start)s AND g.started_at < %(end)s"
    )
