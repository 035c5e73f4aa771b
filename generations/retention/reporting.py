"""What a run of retention did, or would do: counted where it is done, so that nothing is lost with a worker."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generations import jobs
from generations.at_once import Statement
from generations.retention.rules import Due, named


@dataclass(slots=True)
class Report:
    """What was expired, or would be, by all attempts. `files` are those of rows, and of text those that were inside of
    it; `longest` is the longest that a batch held its locks, in seconds."""

    is_dry: bool
    lines: list[dict[str, Any]] = field(default_factory=list)
    months: list[dict[str, Any]] = field(default_factory=list)
    reach: dict[str, str] = field(default_factory=dict)
    files: int = 0
    longest: float = 0.0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    job: uuid.UUID | None = None
    earlier: Mapping[str, Any] = field(default_factory=dict)
    """Where each batch notes what it did, and what attempts before this one have: of a rule by its number."""
    _places: dict[uuid.UUID, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many rows, by all rules."""
        return sum(line["count"] for line in self.lines)

    def line(self, one: Due) -> dict[str, Any]:
        """The line on a rule, of which there is one however often it is come to."""
        if one.rule.pk not in self._places:
            self._places[one.rule.pk] = len(self.lines)
            self.lines.append(
                {
                    "rule": named(one.rule),
                    "kind": one.rule.kind,
                    "what": one.rule.what,
                    "filter": one.rule.filter,
                    "before": one.before.isoformat() if one.before else None,
                    "count": self.earlier.get(str(one.rule.pk), 0),
                }
            )
        return self.lines[self._places[one.rule.pk]]

    def noted(self, one: Due, files: int = 0, number: int | None = None) -> list[Statement]:
        """What adds a batch to what the job has done, in the transaction that does it: a worker that is killed has
        counted it, and one that has not has not done it. Of how many rows the database says, if not `number` does."""
        if self.job is None:
            return []
        rule = str(one.rule.pk)
        rows = "current_setting('generations.forgotten')::bigint" if number is None else f"{number:d}"
        added = (
            f"jsonb_build_object(%s, coalesce((result #>> %s)::bigint, 0) + {rows},"
            " 'files', coalesce((result #>> '{soFar,files}')::bigint, 0) + %s, 'longest', %s, 'seconds', %s)"
        )
        sql = f"UPDATE job SET result = jsonb_set(result, '{{soFar}}', (result -> 'soFar') || {added}) WHERE id = %s"  # noqa: S608
        return [(sql, (rule, [jobs.SO_FAR, rule], files, self.longest, self.elapsed, self.job))]

    def noted_month(self, month: dict[str, Any]) -> list[Statement]:
        """What says with the job that a month is emptied, likewise."""
        if self.job is None:
            return []
        sql = "UPDATE job SET result = jsonb_set(result, '{soFar,months}', %s::jsonb) WHERE id = %s"
        return [(sql, (json.dumps([*self.months, month]), self.job))]

    @property
    def elapsed(self) -> float:
        """The seconds that all attempts took until now."""
        return float(self.earlier.get("seconds", 0.0)) + time.monotonic() - self.began

    def document(self) -> dict[str, Any]:
        """The report as it is kept with its job: counts by rule, months that were emptied whole, how long it took."""
        return {
            "dry": self.is_dry,
            "rules": self.lines,
            "months": self.months,
            "reach": self.reach,
            "files": self.files,
            "longestLock": round(self.longest, 3),
            "seconds": round(self.seconds, 3),
        }
