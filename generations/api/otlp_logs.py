"""Log events joined with the calls that they tell of, whichever comes first and however many requests they came in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from generations import attachments, bundles, prepared, recording
from generations.api import otlp_joining, otlp_roots, otlp_stored
from generations.ingest import feedback, media
from generations.ingest.media import Media
from generations.ingest.otlp import couples, lending, logs, terminals
from generations.ingest.otlp.fields import FIELDS
from generations.ingest.otlp.logs import Spoken
from generations.ingest.otlp.shapes import LogEvent
from generations.ingest.otlp.terminals import Heard
from generations.models import Generation, Project, Step, StepPayload
from generations.records import GenerationRecord, Json, Record, ScoreRecord, StepRecord, revised


@dataclass(slots=True)
class _Kept:
    """The files that were kept, by their digests, and those of them that were here before."""

    digests: set[str]
    here: list[Media]


def write_logs(project: Project, events: Sequence[LogEvent], has_files: bool) -> list[str]:
    """Store what log events say of calls, and scores; returns the reasons of those refused.

    What is said of a span that is no call, or whose call another span tells of as well, is kept beside its step and
    completes that other call; it never makes a call of its own. Agents in a terminal tell of calls that have no span.
    """
    spoken, scores, heard = logs.spoken(events), logs.scores(events), terminals.heard(events)
    refused = logs.refused(events)
    if not spoken and not scores and not any(heard):
        return refused
    kept = _kept(project, spoken, heard) if has_files else None
    refused += prepared.again(lambda: _write(project, spoken, scores, heard, kept))
    if kept is not None and kept.here:
        attachments.stay(project, kept.here)
    return refused


def _write(
    project: Project,
    spoken: Sequence[Spoken],
    scores: Sequence[ScoreRecord],
    apart: Heard,
    kept: _Kept | None,
) -> list[str]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(recording.alone(project.pk))
        ids = {one.id for one in spoken} | {score.generation_id for score in scores if score.generation_id}
        turns = [words for words in apart.words if words.attributes]
        calls = _Calls(project, ids.union(turn.id for turn in turns))
        records: list[Record] = [*apart.words, *_asked(project, apart.calls), *_answered(project, calls, turns)]
        for one in spoken:
            records += _told(calls, one)
        scored, refused = _scored(project, scores, calls)
        if kept is not None:
            records = _without_files(project, records, kept)
        receipts = recording.record(project, [*records, *scored, *feedback.voted(scored)])
    return refused + [r.reason or "refused" for r in receipts if r.state == "rejected"]


def _asked(project: Project, calls: Sequence[GenerationRecord]) -> list[GenerationRecord]:
    """The calls of agents in a terminal, in their order, with the words that came before them in another request.

    Words are those of the first call after them in their thread; after one that failed, of the next as well.
    """
    lacking: dict[str, GenerationRecord] = {}
    for call in reversed(calls):
        if call.thread_id and call.ended_at:
            lacking[call.thread_id] = call
    lacking = {thread: call for thread, call in lacking.items() if call.messages is None}
    if not lacking:
        return list(calls)
    own = Generation.objects.in_project(project.pk)
    later = own.filter(thread_id=OuterRef("thread_id"), error=None, started_at__gte=OuterRef("started_at"))
    next_call = Subquery(later.order_by("started_at").values("started_at")[:1])
    steps = Step.objects.in_project(project.pk).filter(thread_id__in=lacking, name__in=terminals.ASKED)
    latest = steps.order_by("thread_id", "-started_at", "-uid").distinct("thread_id").values("uid")
    # Asked of these steps alone, and not of all words of their threads.
    said = {step.uid: step for step in steps.filter(uid__in=latest).annotate(next_call=next_call)}
    words = StepPayload.objects.in_project(project.pk).filter(uid__in=said).values_list("uid", "input")
    found = {}
    for uid, text in words:
        step = said[uid]
        call = lacking[str(step.thread_id)]
        is_first = step.next_call is None or (call.ended_at is not None and step.next_call >= call.ended_at)
        if isinstance(text, str) and is_first:
            found[call.id] = revised(call, messages=terminals.question(str(step.name), text))
    return [found.get(call.id, call) for call in calls]


def _answered(project: Project, calls: _Calls, turns: Sequence[StepRecord]) -> list[GenerationRecord]:
    """The calls whose spans have come, with the answers of their turns; `otlp_turns` gives them to those to come."""
    said: dict[tuple[str, str], dict[str, Json]] = {}
    for turn in turns:
        kept = terminals.answers({**calls.attributes.get(turn.id, {}), **(turn.attributes or {})})
        said |= {(str(turn.trace_id), response): answer for response, answer in kept.items()}
    if not said:
        return []
    own = Generation.objects.in_project(project.pk)
    rows = own.filter(trace_id__in={trace for trace, _ in said}, response_id__in={response for _, response in said})
    found = rows.values_list("public_id", "trace_id", "response_id")
    named = ((id, said.get((str(trace), str(response)))) for id, trace, response in found)
    return [GenerationRecord(id=id, message_completion=answer) for id, answer in named if answer is not None]


def write_scores(project: Project, scores: Sequence[ScoreRecord]) -> list[str | None]:
    """Store scores on spans, or on traces by the trace's id in `step_id`; returns why each was refused, or None.

    One on a trace of which nothing has come waits for its root: `otlp_roots` gives it to that.
    """
    return prepared.again(lambda: _write_scores(project, scores))


def _write_scores(project: Project, scores: Sequence[ScoreRecord]) -> list[str | None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(recording.alone(project.pk))
        traces = {score.step_id for score in scores if score.step_id and score.generation_id is None}
        steps = otlp_stored.around(project, traces).steps if traces else []
        roots = otlp_roots.of(steps)
        found = [
            revised(score, step_id=root, generation_id=root) if (root := roots.get(score.step_id or "")) else score
            for score in scores
        ]
        calls = _Calls(project, {score.generation_id for score in found if score.generation_id})
        ready = [
            revised(score, generation_id=calls.target.get(id) or id) if (id := score.generation_id) else score
            for score in found
        ]
        receipts = recording.record(project, [*ready, *feedback.voted(ready)])
    return [r.reason or "refused" if r.state == "rejected" else None for r in receipts[: len(ready)]]


def _kept(project: Project, spoken: Sequence[Spoken], apart: Heard) -> _Kept:
    """Keep the files that the events bring, before the project is locked: a storage far away may take its time."""
    found: dict[str, Media] = {}
    for one in spoken:
        new = logs.parts(one.events, {})
        media.taken_out(StepRecord(id=one.id, attributes=new), found)
        media.taken_out(GenerationRecord(id=one.id, **logs.fields(new)), found)
    told: list[GenerationRecord | StepRecord] = [*apart.words, *apart.calls]
    for record in told:
        media.taken_out(record, found)
    return _Kept(set(found), attachments.keep(project, found.values()))


def _without_files(project: Project, records: Sequence[Record], kept: _Kept) -> list[Record]:
    """The records with references in the place of their files. What is not `kept` by now was stored with its files, and
    is from here on."""
    found: dict[str, Media] = {}
    changed: list[Record] = [
        media.taken_out(r, found) if isinstance(r, GenerationRecord | StepRecord) else r for r in records
    ]
    kept.here += attachments.keep(project, [one for digest, one in found.items() if digest not in kept.digests])
    kept.digests.update(found)
    return otlp_joining.with_attachments(project, changed)


class _Calls:
    """The stored generations that these spans' calls are, read with the same few queries for all of them."""

    def __init__(self, project: Project, ids: Collection[str]) -> None:
        rows = Step.objects.in_project(project.pk).by_ids(project.pk, "step", ids)
        self.steps = {row.public_id: row for row in rows}
        uids = {row.uid: row.public_id for row in self.steps.values()}
        payloads = StepPayload.objects.in_project(project.pk).filter(uid__in=uids)
        self.attributes: dict[str, dict[str, Json]] = {
            uids[uid]: attributes or {} for uid, attributes in payloads.values_list("uid", "attributes")
        }
        own = Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", ids)
        self.target: dict[str, str | None] = {id: id for id in own.values_list("public_id", flat=True)}
        self.target |= {id: id for id in ids if id not in self.steps}
        self._search(project, [id for id in ids if id not in self.target])
        found = {id for id in self.target.values() if id is not None}
        rows_ = Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", found)
        whole = bundles.of_generations(project, list(rows_), scores=False, feedback=False, attachments=False)
        self.records = {bundle.record.id: bundle.record for bundle in whole}

    def _search(self, project: Project, ids: Collection[str]) -> None:
        """Find the calls that took those of these spans in: above, below, or with the same answer elsewhere."""
        ids = [id for id in ids if self.steps[id].type in couples.CALLS]
        if not ids:
            return
        traces = {trace for id in ids if (trace := self.steps[id].trace_id)}
        places = {
            row["public_id"]: couples.Place(row["parent_id"], row["type"])
            for row in otlp_stored.around(project, traces).steps
        }
        groups = {id: couples.around([id], places) for id in ids if id in places}
        near = Generation.objects.in_project(project.pk).by_ids(
            project.pk, "generation", set[str]().union(*groups.values())
        )
        alive = set(near.values_list("public_id", flat=True))
        responses: dict[str, str] = {}
        for id in ids:
            winners = groups.get(id, set()) & alive
            if len(winners) == 1:
                self.target[id] = winners.pop()
            elif not winners and (response := _response_of(self.attributes.get(id, {}))):
                responses[id] = response
        if responses:
            rows = Generation.objects.in_project(project.pk).filter(response_id__in=set(responses.values()))
            by_response = {str(row.response_id): row for row in rows.order_by("started_at", "uid")}
            for id, response in responses.items():
                row, step = by_response.get(response), self.steps[id]
                if row is not None and _is_same_time(row, step):
                    self.target[id] = row.public_id


def _is_same_time(row: Generation, step: Step) -> bool:
    if row.ended_at is None or step.ended_at is None:
        return False
    return row.started_at <= step.ended_at and step.started_at <= row.ended_at


def _response_of(attributes: Mapping[str, Json]) -> str | None:
    return next((str(attributes[n]) for n in FIELDS["response_id"] if attributes.get(n)), None)


def _told(calls: _Calls, one: Spoken) -> list[Record]:
    """The events beside their step, and what all that are known of it say in its generation."""
    known = calls.attributes.get(one.id, {})
    new = logs.parts(one.events, known)
    if not new:
        return []
    is_known = one.id in calls.steps
    step = StepRecord(
        id=one.id, trace_id=one.trace_id, span_id=one.span_id, type=None if is_known else "llm", attributes=new
    )
    target = calls.target.get(one.id)
    fields = logs.fields({**known, **new})
    if target is None or not fields:
        return [step]
    there = calls.records.get(target)
    if there is None:
        fields |= {"step_id": one.id, "trace_id": one.trace_id, "span_id": one.span_id}
        return [step, GenerationRecord(id=target, **fields)]
    said = GenerationRecord(id=target, **fields)
    whole = lending.filled(there, said) if target != one.id else _longer(there, fields)
    return [step] if whole is there else [step, lending.difference(whole, there)]


def _longer(there: GenerationRecord, fields: dict[str, Any]) -> GenerationRecord:
    """The generation with what its log events say, but for what it knows more of: others of them may be to come."""
    if len(fields.get("messages") or ()) < len(there.messages or ()):
        fields.pop("messages", None)
    if len(fields.get("alternatives") or ()) < len(there.alternatives or ()):
        for name in ("message_completion", "alternatives", "finish_reason"):
            fields.pop(name, None)
    if _called(there.message_completion) and not _called(fields.get("message_completion")):
        fields.pop("message_completion", None)  # a text alone, of an answer that called tools as well
    return revised(there, **fields)


def _called(answer: Json) -> bool:
    return isinstance(answer, dict) and bool(answer.get("tool_calls"))


def _scored(project: Project, scores: Sequence[ScoreRecord], calls: _Calls) -> tuple[list[ScoreRecord], list[str]]:
    """Scores with what they judge, and why others have none: a score without a span finds it by the answer's id, and
    waits for it if it has not come."""
    responses = {str(s.metadata["responseId"]) for s in scores if s.generation_id is None and s.metadata}
    rows = Generation.objects.in_project(project.pk).filter(response_id__in=responses).order_by("started_at", "uid")
    found = {str(r): id for r, id in rows.values_list("response_id", "public_id")} if responses else {}
    ready, refused = [], []
    for score in scores:
        if score.generation_id is not None:
            ready.append(revised(score, generation_id=calls.target.get(score.generation_id) or score.generation_id))
            continue
        response = str((score.metadata or {}).get("responseId") or "")
        if not response:
            refused.append(f"The evaluation '{score.name}' names neither a span nor a 'gen_ai.response.id'.")
        elif response in found:
            ready.append(revised(score, generation_id=found[response], step_id=found[response]))
        else:
            ready.append(otlp_roots.waiting(score, response))
    return ready, refused
