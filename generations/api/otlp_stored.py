"""What joining has to know of what is stored: steps and scores of traces, and calls whose answers have the same id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection

from generations import prepared, trusting
from generations.models import Project, Step, StepPayload
from generations.records import GenerationRecord

MOST: Final = 5_000
"""Stored steps of the traces of one request that are looked at, and calls with the same answers."""
MOST_LATER: Final = 1_000
"""Steps after a call that waits for its answer among which that is looked for."""
SHARED: Final = ("thread_id", "user_id", "tags")
"""What the spans of a trace have in common."""
_STEP: Final = ("public_id", "parent_id", "type", "trace_id", "started_at", "ended_at", *SHARED)
_SQL: Final = (
    "(SELECT 'step' AS label, row_to_json(s)::text AS said FROM ({steps} ORDER BY started_at, uid LIMIT {most}) AS s)"
    " UNION ALL (SELECT 'answer', public_id FROM ({calls}) AS c WHERE started_at <= $4 AND ended_at >= $3 LIMIT {most})"
    " UNION ALL (SELECT DISTINCT ON (response_id) 'answer', public_id FROM ({asked}) AS a"
    " WHERE started_at <= $6 ORDER BY response_id, started_at DESC)"
    " UNION ALL (SELECT DISTINCT 'score', step_id FROM ({scores} LIMIT {most}) AS s)"
)
_STORED: Final = prepared.Statement(
    "joined",
    ("text[]", "text[]", "timestamptz", "timestamptz", "text[]", "timestamptz"),
    _SQL.format(
        steps=prepared.found(", ".join(_STEP), "step", "trace_id", "$1", " AND trace_id IS NOT NULL"),
        calls=prepared.found("*", "generation", "response_id", "$2", " AND response_id IS NOT NULL"),
        asked=prepared.found("*", "generation", "response_id", "$5", " AND response_id IS NOT NULL"),
        scores=prepared.found("step_id", "score", "step_id", "$1 || $2", " AND step_id IS NOT NULL"),
        most=MOST,
    ),
)


class Around(NamedTuple):
    """What there is of some traces."""

    steps: list[dict[str, Any]]
    """By their start."""
    answers: list[str]
    """Ids of generations that answered as one of the calls that are asked about did: with the same id, and then."""
    scored: list[str]
    """Traces with scores that wait for their root, and ids of answers with scores that wait for them."""


def around(
    project: Project,
    traces: Collection[str],
    calls: Sequence[GenerationRecord] = (),
    fetched: Sequence[GenerationRecord] = (),
    *,
    lock: str = "",
    trusts: Sequence[trusting.Trust] = (),
) -> Around:
    """What there is of these traces, of the answers of these calls, and which calls asked last for what was `fetched`.

    It is asked for after `lock`, a statement, and with it whether those who are trusted still may: raises
    trusting.Outdated.
    """
    starts = [call.started_at for call in calls if call.started_at]
    ends = [call.ended_at for call in calls if call.ended_at]
    responses: set[str] = set()
    if starts and ends:
        responses = {call.response_id for call in calls if call.response_id}
    params = [prepared.array(traces), prepared.array(responses), min(starts, default=None), max(ends, default=None)]
    params.append(prepared.array({call.response_id for call in fetched if call.response_id}))
    params.append(max((call.ended_at for call in fetched if call.ended_at), default=None))
    steps: list[dict[str, Any]] = []
    answers: list[str] = []
    scored: list[str] = []
    with connection.cursor() as cursor:
        asked = prepared.Asked(_STORED, project.pk, params)
        for label, said in trusting.fetch(cursor, trusts, asked, before=lock):
            if label == "answer":
                answers.append(said)
            elif label == "score":
                scored.append(said)
            else:
                row = orjson.loads(said)
                for name in ("started_at", "ended_at"):
                    row[name] = row[name] and dt.datetime.fromisoformat(row[name])
                steps.append(row)
    return Around(steps, answers, scored)


def fetched(project: Project, calls: Sequence[GenerationRecord]) -> dict[str, dict[str, Any]]:
    """Of calls that wait for their answers, the steps by which these were fetched before the calls came, by id.

    Looked for among the first steps that began after them.
    """
    starts = [call.started_at for call in calls if call.started_at]
    if not starts:
        return {}
    # So many steps, and not so many of calls: in a project with few of these that would be all that there are.
    later = Step.objects.in_project(project.pk).filter(started_at__gte=min(starts)).order_by("started_at", "uid")
    rows = {row["uid"]: row for row in later.values("uid", *_STEP)[:MOST_LATER] if row["type"] == "llm"}
    answers = {call.response_id for call in calls}
    payloads = StepPayload.objects.in_project(project.pk).filter(uid__in=rows, attributes__call__fetched=True)
    kept = payloads.values_list("uid", "attributes__call__response_id") if rows else ()
    # A step may have an attribute of that name of its own, with anything in it.
    found = {uid for uid, response in kept if isinstance(response, str) and response in answers}
    return {rows[uid]["public_id"]: rows[uid] for uid in found}
