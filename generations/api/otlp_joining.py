"""Spans of a request joined with what is stored of their traces, and written together with what that changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection, transaction

from generations import bundles, recording
from generations.ingest.otlp import couples, dialects
from generations.ingest.otlp.spans import Told
from generations.models import Generation, Project, Step
from generations.records import GenerationRecord, Record, ScoreRecord, StepRecord, revised

_LOCK: Final = 0x4F544C50
_MOST: Final = 5_000
"""Stored steps of the traces of one request that are looked at for a thread or a user."""
_SHARED: Final = ("thread_id", "user_id", "tags")


def write_spans(project: Project, told: Sequence[Told]) -> list[tuple[str, str]]:
    """Store what these spans tell; returns (step id, reason) of each span of which something was refused.

    One transaction under one lock a project, so that two requests with parts of one trace see each other.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, project.pk])
        told, late = _share(project, told)
        if not project.keep_generic_spans:
            told = _without_generic(project, told)
        calls, stored_calls = _calls(project, told)
        settled = couples.settle([*calls, *stored_calls])
        stored_ids = {call.record.id for call in stored_calls}
        demoted = sorted(settled.dropped & stored_ids)
        if demoted:
            recording.delete(project, "generation", demoted)
        records: list[Record] = [one.step for one in told]
        records += settled.records
        records += [revised(s, generation_id=s.generation_id) for one in told for s in one.scores]
        records += [r for r in late if r.id not in settled.dropped or isinstance(r, StepRecord)]
        receipts = recording.record(project, records)
        # By themselves: with their spans they would take over the spans' times for the whole thread's.
        if threads := [one.thread for one in told if one.thread is not None]:
            recording.record(project, threads)
    refused = []
    for receipt, record in zip(receipts, records, strict=True):
        if receipt.state == "rejected":
            owner = record.step_id if isinstance(record, ScoreRecord) else record.id
            refused.append((owner or "", receipt.reason or "refused"))
    return refused


def write_logs(project: Project, records: Sequence[GenerationRecord | ScoreRecord]) -> list[str]:
    """Store parts of generations and scores that came as log events; returns the reasons of those refused.

    A score without a span finds its generation by the answer's id.
    """
    wanted = {
        str(r.metadata["responseId"])
        for r in records
        if isinstance(r, ScoreRecord) and r.generation_id is None and r.metadata
    }
    found: dict[str, str] = {}
    if wanted:
        rows = Generation.objects.in_project(project.pk).filter(response_id__in=wanted).order_by("started_at", "uid")
        found = {str(response): id for response, id in rows.values_list("response_id", "public_id")}
    ready: list[Record] = []
    refused = []
    for record in records:
        if isinstance(record, ScoreRecord) and record.generation_id is None:
            response = str((record.metadata or {}).get("responseId"))
            target = found.get(response)
            if target is None:
                refused.append(
                    f"The evaluation '{record.name}' names no span, and no generation answered '{response}'."
                )
                continue
            record = revised(record, generation_id=target, step_id=target)
        ready.append(record)
    receipts = recording.record(project, ready)
    return refused + [r.reason or "refused" for r in receipts if r.state == "rejected"]


# ------------------------------------------------------------------------------------------ what a trace has in common
def _share(project: Project, told: Sequence[Told]) -> tuple[list[Told], list[Record]]:
    """The spans with the thread, user and tags of their trace, and the stored rows that lacked them."""
    traces = {one.span.trace_id for one in told}
    stored = list(
        Step.objects.in_project(project.pk)
        .filter(trace_id__in=traces)
        .values("public_id", "trace_id", "started_at", "ended_at", *_SHARED)
        .order_by("started_at", "uid")[:_MOST]
    )
    common: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in stored:
        for name in _SHARED:
            if row[name]:
                common[row["trace_id"]].setdefault(name, row[name])
    for one in told:
        for name in _SHARED:
            if value := getattr(one.step, name):
                common[one.span.trace_id].setdefault(name, value)
    late: list[Record] = []
    ids = {one.step.id for one in told}
    lacking: dict[str, dict[str, Any]] = {}
    for row in stored:
        said = {n: v for n, v in common[row["trace_id"]].items() if not row[n]}
        if said and row["public_id"] not in ids:
            if "tags" in said:
                said["tags"] = tuple(said["tags"])
            # Without its times a row would make its thread look active now.
            said |= {"started_at": row["started_at"], "ended_at": row["ended_at"]}
            lacking[row["public_id"]] = said
            late.append(StepRecord(id=row["public_id"], **said))
    if lacking:
        there = Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", lacking)
        late += [GenerationRecord(id=id, **lacking[id]) for id in there.values_list("public_id", flat=True)]
    return [_shared(one, common[one.span.trace_id]) for one in told], late


def _shared(one: Told, common: dict[str, Any]) -> Told:
    said = {n: tuple(v) if n == "tags" else v for n, v in common.items() if not getattr(one.step, n)}
    if not said:
        return one
    generation = one.generation and revised(one.generation, **said)
    return Told(one.span, revised(one.step, **said), generation, one.scores, one.thread)


def _without_generic(project: Project, told: Sequence[Told]) -> list[Told]:
    """The spans that tell of models, tools and agents, with the ancestors that hold their tree together."""
    by_id = {one.step.id: one for one in told}
    stored_children = set(
        Step.objects.in_project(project.pk).filter(parent_id__in=list(by_id)).values_list("parent_id", flat=True)
    )
    kept: set[str] = set()
    for one in told:
        is_ours = one.generation is not None or any(name in one.span.attributes for name in dialects.CALLS)
        place: Told | None = one if is_ours or one.step.id in stored_children else None
        while place is not None and place.step.id not in kept:
            kept.add(place.step.id)
            place = by_id.get(place.step.parent_id or "")
    return [one for one in told if one.step.id in kept]


# ------------------------------------------------------------------------------------------------- calls told twice
def _calls(project: Project, told: Sequence[Told]) -> tuple[list[couples.Call], list[couples.Call]]:
    """The calls of the request, and the stored ones that one of them may be the same as."""
    calls = [
        couples.Call(one.generation, one.step.parent_id, one.span.scope) for one in told if one.generation is not None
    ]
    if not calls:
        return [], []
    own = {call.record.id for call in calls}
    parents = {call.parent_id for call in calls if call.parent_id} - own
    responses = {call.record.response_id for call in calls if call.record.response_id}
    starts = [call.record.started_at for call in calls if call.record.started_at]
    ends = [call.record.ended_at for call in calls if call.record.ended_at]
    steps = Step.objects.in_project(project.pk)
    parent_of: dict[str, str | None] = dict(steps.filter(parent_id__in=own).values_list("public_id", "parent_id"))
    rows = {
        row.public_id: row
        for row in Generation.objects.in_project(project.pk).by_ids(
            project.pk, "generation", {*parents, *parent_of} - own
        )
    }
    if responses and starts and ends:
        same = Generation.objects.in_project(project.pk).filter(
            response_id__in=responses, started_at__lte=max(ends), ended_at__gte=min(starts)
        )
        rows |= {row.public_id: row for row in same[:_MOST] if row.public_id not in own}
    if not rows:
        return calls, []
    stored = []
    for bundle in bundles.of_generations(project, list(rows.values()), scores=False, feedback=False, attachments=False):
        record = bundle.record
        scope = str((record.attributes or {}).get("scope") or "")
        stored.append(couples.Call(record, parent_of.get(record.id), scope, is_stored=True))
    return calls, stored
