"""What is stored of conversations of agents in a terminal, read for what comes now: calls around it, and what waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from django.db import connection

from generations import bundles
from generations.ingest.otlp import conversations, terminals, values
from generations.ingest.otlp.conversations import Heard
from generations.ingest.otlp.terminals import Event
from generations.models import Generation, Project, Step
from generations.records import GenerationRecord, StepRecord

BEFORE: Final = 3
"""Calls of a thread before what comes that are read: the last one, and those that failed before it."""
AFTER: Final = 50
"""Calls of a thread since then that are read."""
WAITING: Final = 100
"""Events that wait in a thread that are read, of the days around what comes."""
_OF_THREAD: Final = "WHERE project_id = {project} AND thread_id = asked.thread"
_SQL: Final = (
    "SELECT found.kind, found.public_id FROM unnest(%(threads)s::text[], %(first)s::timestamptz[],"  # noqa: S608
    " %(last)s::timestamptz[]) AS asked (thread, first, last)"
    f" CROSS JOIN LATERAL ((SELECT 'generation' AS kind, public_id FROM generation {_OF_THREAD}"
    " AND started_at <= asked.first AND name = ANY(%(called)s) ORDER BY started_at DESC LIMIT {before})"
    f" UNION ALL (SELECT 'generation', public_id FROM generation {_OF_THREAD}"
    " AND started_at > asked.first AND name = ANY(%(called)s) ORDER BY started_at LIMIT {after})"
    f" UNION ALL (SELECT 'step', public_id FROM step {_OF_THREAD}"
    " AND started_at BETWEEN asked.first - interval '1 day' AND asked.last + interval '1 day'"
    " AND name = ANY(%(waiting)s) ORDER BY started_at DESC LIMIT {most})) AS found"
)


class Joined(NamedTuple):
    """What conversations tell by now, and when the steps of events were there that wait no more, by thread."""

    heard: Heard
    left: list[tuple[str, dt.datetime, dt.datetime]]


def joined(project: Project, events: Sequence[Event]) -> Joined:
    """What these events tell beside what is stored of their threads. Up to six queries, whatever there is of these."""
    threads: dict[str, tuple[int, int]] = {}
    for event in events:
        if event.thread:
            first, last = threads.get(event.thread, (event.said.time, event.said.time))
            threads[event.thread] = min(first, event.said.time), max(last, event.said.time)
    if not threads:
        return Joined(conversations.heard(events), [])
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL.format(project=project.pk, before=BEFORE, after=AFTER, most=WAITING),
            {
                "threads": list(threads),
                "first": [values.moment(first) for first, _ in threads.values()],
                "last": [values.moment(last) for _, last in threads.values()],
                "called": terminals.CALLED,
                "waiting": terminals.WAITING,
            },
        )
        found = cursor.fetchall()
    calls = _calls(project, {id for kind, id in found if kind == "generation"})
    steps = _steps(project, {id for kind, id in found if kind == "step"})
    since = _since(calls, threads)
    waiting = [
        one
        for step in steps
        if (one := conversations.waited(step)) is not None and one.said.time >= since.get(one.thread, 0)
    ]
    heard = conversations.heard(events, waiting, calls)
    gone = set(heard.gone)
    left = [(s.thread_id, s.started_at, s.started_at) for s in steps if s.id in gone and s.thread_id and s.started_at]
    return Joined(heard, left)


def _since(calls: Collection[GenerationRecord], threads: dict[str, tuple[int, int]]) -> dict[str, int]:
    """From when on events of a thread may wait for calls that are read: those before have theirs, or none."""
    ends: dict[str, list[int]] = {}
    for call in calls:
        if call.thread_id is None or call.ended_at is None:
            continue
        end = int(call.ended_at.timestamp() * 1e6) * 1_000
        if end <= threads[call.thread_id][0]:
            ends.setdefault(call.thread_id, []).append(end)
    return {thread: min(some) for thread, some in ends.items() if len(some) >= BEFORE}


def _calls(project: Project, ids: Collection[str]) -> list[GenerationRecord]:
    if not ids:
        return []
    rows = list(Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", ids))
    whole = bundles.of_generations(project, rows, scores=False, feedback=False, attachments=False)
    return [bundle.record for bundle in whole]


def _steps(project: Project, ids: Collection[str]) -> list[StepRecord]:
    if not ids:
        return []
    rows = list(Step.objects.in_project(project.pk).by_ids(project.pk, "step", ids))
    whole = bundles.of_steps(project, rows, scores=False, attachments=False, generations=False)
    return [bundle.record for bundle in whole]
