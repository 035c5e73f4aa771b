"""Scores whose target comes later: those on whole traces are on the root of their trace, and move when a truer one
comes; those on an answer by its id wait for its call."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from generations import bundles
from generations.ingest import langfuse
from generations.ingest.otlp.spans import Told
from generations.models import Project, Score
from generations.records import ScoreRecord, revised


def of(steps: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By trace, the id of the step that is its root: of those without a parent, the first to begin.

    Where each has one, it is the first of those whose parent is not there: another service began the trace and does
    not tell of it here, or the root is yet to come.
    """
    rows = list(steps)
    there = {row["public_id"] for row in rows}
    found: dict[str, tuple[bool, float, str]] = {}
    for row in rows:
        trace, parent, began = row["trace_id"], row["parent_id"], row["started_at"]
        if parent not in there:
            place = (parent is not None, math.inf if began is None else began.timestamp(), row["public_id"])
            found[trace] = min(found.get(trace, place), place)
    return {trace: id for trace, (_, _, id) in found.items()}


def scored(
    project: Project, told: Sequence[Told], stored: Sequence[Mapping[str, Any]], waiting: Sequence[str]
) -> list[ScoreRecord]:
    """The scores on whole traces that have another root by these spans, whole, on that root.

    `waiting` are traces with scores that know no root yet. Others are looked for only where the root was another, which
    takes one query.
    """
    if not stored and not waiting:
        return []
    rows = {row["public_id"]: row for row in stored}
    before = of(rows.values())
    for one in told:
        step, row = one.step, rows.get(one.step.id, {})
        rows[step.id] = {
            "public_id": step.id,
            "trace_id": one.span.trace_id,
            "parent_id": step.parent_id or row.get("parent_id"),
            "started_at": step.started_at or row.get("started_at"),
        }
    after = of(rows.values())
    targets = {trace: after[trace] for trace in waiting if trace in after}
    targets |= {root: after[trace] for trace, root in before.items() if after.get(trace, root) != root}
    if not targets:
        return []
    return [
        revised(bundles.score_record(score), step_id=targets[score.step_id], generation_id=targets[score.step_id])
        for score in Score.objects.in_project(project.pk).filter(step_id__in=list(targets))
        if score.step_id is not None and langfuse.is_on_trace(score.metadata)
    ]


def waiting(score: ScoreRecord, response: str) -> ScoreRecord:
    """A score on an answer of which no call has come: its step is the answer's own id until then."""
    return revised(score, step_id=response)


def answered(project: Project, told: Sequence[Told], waiting: Collection[str]) -> list[ScoreRecord]:
    """The scores that wait for answers of these calls, whole, on the first call with each. One query, if some do."""
    calls = [one.generation for one in told if one.generation is not None and one.generation.response_id in waiting]
    if not calls:
        return []
    calls.sort(key=lambda call: (str(call.started_at), str(call.id)), reverse=True)
    found = {str(call.response_id): call.id for call in calls}
    rows = Score.objects.in_project(project.pk).filter(step_id__in=list(found), generation_id=None)
    return [
        revised(bundles.score_record(score), step_id=found[score.step_id], generation_id=found[score.step_id])
        for score in rows
        if score.step_id is not None and score.metadata.get("responseId") == score.step_id
    ]
