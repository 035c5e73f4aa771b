"""Spans of a request joined with what is stored of their traces, and written together with what that changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db import connection, transaction

from generations import attachments, bundles, prepared, recording, trusting
from generations.api import otlp_common, otlp_media, otlp_moving, otlp_roots, otlp_stored, otlp_turns
from generations.identities import uid
from generations.ingest import feedback, media
from generations.ingest.media import Media
from generations.ingest.otlp import clients, couples, lending
from generations.ingest.otlp.names import about, kinds_said
from generations.ingest.otlp.spans import Told
from generations.models import Generation, Project, Step, StepPayload
from generations.records import FeedbackRecord, GenerationRecord, Json, Record, ScoreRecord, StepRecord, revised

FEW: Final = 20
"""Up to so many spans of a request are made ready by whoever writes for several: a field of all records at a time takes
less for each. Larger requests are made ready while the database is waited for."""
Refused = tuple[str, str, str | None]
"""The id of the step of a span of which something was refused, the reason and the field."""


class _Entangled(Exception):
    """What is written hangs together with more than was locked."""


def write_spans(
    project: Project, told: Sequence[Told], has_files: bool, trust: trusting.Trust | None = None
) -> list[Refused]:
    """Store what these spans tell; returns what was refused of them.

    One transaction that locks the traces and the answers, so that two requests with parts of one see each other;
    requests that come at the same time share it. The files in messages, if there may be some, are kept before it.
    Raises recording.Busy when too many wait, and trusting.Outdated as `recording.record` does.
    """
    if has_files or connection.in_atomic_block:
        trusting.sure(trust)
    places = otlp_media.Places(project)
    here: list[Media] = []
    if has_files:
        told, here = _without_files(project, told, places)
    ready = None
    if len(told) > FEW:
        told, ready = _readied(project, told)
    given = [(one, ready) for one in told]
    if connection.in_atomic_block:
        outcomes: Sequence[list[Refused]] = _write(project, given)
    else:
        outcomes = recording.together(
            "spans", project.pk, given, lambda all, trusts: _write(project, all, trusts), trust, beside=True
        )
    if here:
        attachments.stay(project, here)
    if places.have_come():
        marked = [one for one in told if otlp_media.named(filter(None, (one.step, one.generation)))]
        otlp_media.amend(project, {one.span.trace_id for one in marked}, [one.step.id for one in marked])
    return [one for outcome in outcomes for one in outcome]


def join_recorded(project: Project, made: Sequence[GenerationRecord]) -> None:
    """Join calls that were recorded by themselves, and are stored, with spans that told of them before.

    One query, and nothing else where no other call was answered with the same id. Raises recording.Busy when too many
    wait.
    """
    answered = [call for call in made if call.response_id and call.started_at and call.ended_at]
    own = {call.id for call in answered}
    if answered and not own.issuperset(otlp_stored.around(project, (), answered).answers):
        prepared.again(lambda: _join_recorded(project, answered))


def _join_recorded(project: Project, made: Sequence[GenerationRecord]) -> None:
    with transaction.atomic():
        answers = otlp_stored.around(project, (), made, lock=recording.alone(project.pk)).answers
        of_spans = Generation.objects.by_ids(project.pk, "generation", answers).exclude(trace_id=None)
        stored = otlp_stored.around(project, set(of_spans.values_list("trace_id", flat=True))).steps
        calls, there = _calls(project, (), stored, set(answers))
        settled = couples.settle(calls)
        demoted = [id for id in there if id in settled.into]
        told_apart = {call.record.id: call.stored for call in calls if call.stored is not None}
        records: list[Record] = [
            _noted(id, {lending.NOTE: note}, told_apart.get(id)) for id, note in settled.notes.items()
        ]
        records += settled.records
        if demoted:
            records += otlp_moving.moved(project, demoted, settled.into)
            recording.delete(project, "generation", demoted)
        if records:
            recording.record(project, with_attachments(project, records), locks=False)


def _readied(project: Project, told: Sequence[Told]) -> tuple[list[Told], recording.Ready]:
    """Spans with what they have in common, and their records made ready.

    As they stand if nothing of their traces is stored: what is, is found under the lock. Those that files were taken
    from are made ready when these are there.
    """
    told, _, _ = otlp_common.share(project, told, (), are_new=True)
    whole = [one for one in told if not one.has_files]
    said: list[Record] = [one.step for one in whole]
    said += [one.generation for one in whole if one.generation is not None]
    return told, recording.ready(project, said)


def _write(
    project: Project, given: Sequence[tuple[Told, recording.Ready | None]], trusts: Sequence[trusting.Trust] = ()
) -> list[list[Refused]]:
    """What was refused of each span. Those of small requests are made ready here, all together."""
    requests = {id(own): own for _, own in given}
    few, made = _readied(project, [one for one, own in given if own is None])
    rest = iter(few)
    told = [next(rest) if own is None else one for one, own in given]
    ready = recording.united([made, *(own for own in requests.values() if own is not None)])
    # All small requests are one here.
    is_one = len(requests) == 1
    names = {one.span.trace_id for one in told}
    names |= {one.generation.response_id for one in told if one.generation and one.generation.response_id}

    def join(*, is_alone: bool, halves: bool = False) -> list[list[Refused]]:
        lock = recording.alone(project.pk) if is_alone else recording.beside(project.pk, names)
        return prepared.again(
            lambda: _join(project, told, ready, is_one, lock, trusts, is_alone=is_alone, halves=halves)
        )

    # Threads and scores are merged here with what is stored, and have names of their own.
    if len(names) <= recording.MOST and not any(one.thread or one.scores for one in told):
        try:
            return join(is_alone=False)
        except (_Entangled, recording.Doubtful):
            pass
    try:
        return join(is_alone=True)
    except recording.Doubtful:
        return join(is_alone=True, halves=True)


def _join(
    project: Project,
    given: Sequence[Told],
    ready: recording.Ready,
    is_one: bool,
    lock: str,
    trusts: Sequence[trusting.Trust],
    *,
    is_alone: bool,
    halves: bool,
) -> list[list[Refused]]:
    """`is_one` says that all were made ready together, and so share what they have in common already."""
    told: Sequence[Told] = given
    late: Sequence[Record] = ()
    left: Sequence[otlp_common.Left] = ()
    with transaction.atomic():
        said = [one.generation for one in told if one.generation is not None]
        traces = {one.span.trace_id for one in told}
        fetched = [one.generation for one in told if one.is_fetched and one.generation is not None]
        stored, answers, waiting = otlp_stored.around(project, traces, said, fetched, lock=lock, trusts=trusts)
        if any(one.has_begun for one in told):
            told = _without_what_ended(told, stored)
        if stored or not is_one:
            told, late, left = otlp_common.share(project, told, stored)
        if stored:
            told = otlp_turns.answered(project, told)
        if not project.keep_generic_spans:
            told = _without_generic(project, told)
        calls, there = _calls(project, told, stored, set(answers))
        settled = couples.settle(calls)
        plain = {one.step.id for one in told if one.generation is None}
        demoted = [id for id in there if id in settled.into or id in plain]
        here, before = {one.step.id for one in told}, {row["public_id"] for row in stored}
        waited = [*otlp_roots.scored(project, told, stored, waiting), *otlp_roots.answered(project, told, waiting)]
        if not is_alone and (left or waited or demoted or not (here | before).issuperset({*answers, *there})):
            raise _Entangled
        notes = {id: {lending.NOTE: note} for id, note in settled.notes.items()}
        records: list[Record] = [_with(one.step, notes.pop(one.step.id, None)) for one in told]
        told_apart = {call.record.id: call.stored for call in calls if call.stored is not None}
        records += [_noted(id, note, told_apart.get(id)) for id, note in notes.items()]
        records += settled.records
        records += [r for r in late if r.id not in settled.into or isinstance(r, StepRecord)]
        if demoted:
            records += otlp_moving.moved(project, demoted, settled.into)
            recording.delete(project, "generation", demoted)
        # After those that moved with their call: of a score on the whole trace, its root says where it is.
        said_of = [*(score for one in told for score in one.scores), *waited]
        judged = [_on_the_call(score, settled.into) for score in said_of]
        records += [*judged, *feedback.voted(judged)]
        if demoted or any(one.has_files for one in told):
            records = with_attachments(project, records)
        # What log events made before its span came may stand at another time, and notes say none.
        near = not there and not notes and here.isdisjoint(before)
        threads = [one.thread for one in told if one.thread is not None]
        ends = not threads and not left and len(connection.atomic_blocks) == 1
        how: dict[str, Any] = {"locks": False, "shared": not is_alone, "near": near, "ends": ends}
        receipts = recording.record(project, records, halves=halves, ready=ready, **how)
        # By themselves: with their spans they would take over the spans' times for the whole thread's.
        if threads:
            recording.record(project, threads, halves=halves)
        if left:
            recording.narrow(project.pk, left)
    refused: dict[str, list[Refused]] = defaultdict(list)
    for receipt, record in zip(receipts, records, strict=True):
        if receipt.state == "rejected":
            owner = (record.step_id if isinstance(record, ScoreRecord | FeedbackRecord) else record.id) or ""
            refused[owner].append((owner, receipt.reason or "refused", receipt.field))
    return [refused.get(one.step.id, []) for one in given]


def _without_files(project: Project, told: Sequence[Told], look: media.Look) -> tuple[list[Told], list[Media]]:
    found: dict[str, Media] = {}
    changed = [
        replace(
            one,
            step=media.taken_out(one.step, found, look),
            generation=one.generation and media.taken_out(one.generation, found, look),
            has_files=True,
        )
        for one in told
    ]
    return changed, attachments.keep(project, found.values())


def with_attachments(project: Project, records: Sequence[Record]) -> list[Record]:
    """The records with the attachments that they refer to, whichever span brought the files."""
    folder = attachments.folder(project)
    return [media.attached(r, folder) if isinstance(r, GenerationRecord | StepRecord) else r for r in records]


# --------------------------------------------------------------------------------------------- spans that are not kept
def _without_generic(project: Project, told: Sequence[Told]) -> list[Told]:
    """The spans that tell of models, tools and agents, with the ancestors that hold their tree together."""
    by_id = {one.step.id: one for one in told}
    stored_children = set(
        Step.objects.in_project(project.pk).filter(parent_id__in=list(by_id)).values_list("parent_id", flat=True)
    )
    kept: set[str] = set()
    for one in told:
        said = one.span.attributes
        is_ours = one.generation is not None or any(kinds_said(said, about(said)))
        place: Told | None = one if is_ours or one.step.id in stored_children else None
        while place is not None and place.step.id not in kept:
            kept.add(place.step.id)
            place = by_id.get(place.step.parent_id or "")
    return [one for one in told if one.step.id in kept]


def _without_what_ended(told: Sequence[Told], stored: Sequence[Mapping[str, Any]]) -> list[Told]:
    """The spans without those of which it was told that they have begun after they were told whole."""
    whole = {one.step.id for one in told if not one.has_begun}
    whole |= {row["public_id"] for row in stored if row["ended_at"] is not None}
    return [one for one in told if not (one.has_begun and one.step.id in whole)]


# ------------------------------------------------------------------------------------------------- calls told twice
def _calls(
    project: Project, told: Sequence[Told], stored: Sequence[dict[str, Any]], answers: set[str]
) -> tuple[list[couples.Call], Collection[str]]:
    """The calls of the request with the stored ones that one of them may be the same as, and the ids of the latter.

    Among these ids are those of generations that log events made before their span came.
    """
    rows = {row["public_id"]: row for row in stored}
    places = {id: couples.Place(row["parent_id"], row["type"]) for id, row in rows.items()}
    known = {id for id, place in places.items() if couples.is_call(place)}
    new = {one.step.id: one for one in told}
    places |= {id: couples.made_place(one.step.parent_id, one.step.type or "") for id, one in new.items()}
    own: dict[str, GenerationRecord] = {}
    for one in told:
        if (said := one.generation) is not None:
            own[one.step.id] = lending.filled(said, own[one.step.id]) if one.step.id in own else said
    near: set[str] = set()
    if known:
        over = {id: couples.call_above(id, places)[0] for id in own}
        arrived = (couples.made_call(said, over[id], new[id].span.scope) for id, said in own.items())
        times = {id: (rows[id]["started_at"], rows[id]["ended_at"]) for id in known}
        beside = clients.beside(arrived, times)
        near = (couples.around(new.keys() | answers | beside, places) | new.keys() | beside) & known
    there = _generations(project, near.union(answers))
    came = otlp_stored.fetched(project, [said for said in own.values() if couples.waits(said)])
    rows |= came
    notes = _notes(project, (near - there.keys()) | (came.keys() - new.keys()))
    there |= _generations(project, {note["into"] for _, note in notes.values() if note.get("into")} - there.keys())
    known = own.keys() | (there.keys() - new.keys()) | notes.keys()
    calls = []
    for id in known:
        above = couples.call_above(id, places, known)[0] if id in places else None
        if id in own:
            record, before = own[id], there.get(id)
            if before is not None:
                record = lending.filled(record, lending.by_itself(before))
            elif id in notes:
                record = lending.filled(record, lending.noted(id, notes[id][1]))
            call = couples.made_call(record, above, new[id].span.scope, before)
            calls.append(replace(call, is_fetched=True) if new[id].is_fetched else call)
        elif id in there:
            scope = str((there[id].attributes or {}).get("scope") or "")
            # One of another trace stays what it is: what it has of others there is not known here.
            record = lending.by_itself(there[id]) if id in near else there[id]
            calls.append(couples.Call(record, above, scope, there[id], is_new=False))
        else:
            scope, note = notes[id]
            more = {name: rows[id][name] for name in ("started_at", "ended_at", *otlp_stored.SHARED)}
            record = lending.noted(id, note, **{n: v for n, v in more.items() if v})
            gone = couples.Call(record, above, scope, is_new=False, is_gone=True, into=note.get("into"))
            calls.append(replace(gone, is_fetched=True) if lending.FETCHED in note else gone)
    return calls, there.keys()


def _generations(project: Project, ids: Collection[str]) -> dict[str, GenerationRecord]:
    """The stored generations among these, whole, by id."""
    if not ids:
        return {}
    rows = list(Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", ids))
    whole = bundles.of_generations(project, rows, scores=False, feedback=False, attachments=False)
    return {bundle.record.id: bundle.record for bundle in whole}


def _notes(project: Project, ids: Collection[str]) -> dict[str, tuple[str, dict[str, Json]]]:
    """Of these spans of calls that other spans tell of, the instrumentation and what is noted of them, by id."""
    if not ids:
        return {}
    uids = {uid(project.pk, "step", id): id for id in ids}
    rows = StepPayload.objects.in_project(project.pk).filter(uid__in=uids).values_list("uid", "attributes")
    return {
        uids[key]: (str(said.get("scope") or ""), note)
        for key, said in rows
        if said and (note := lending.read_note(said)) is not None
    }


def _with(step: StepRecord, more: dict[str, Json] | None) -> StepRecord:
    return step if more is None else revised(step, attributes={**(step.attributes or {}), **more})


def _noted(id: str, note: dict[str, Json], stored: GenerationRecord | None) -> StepRecord:
    """What is noted of a call that is none. One that no span told of has no step yet, and gets one that says when and
    what it was: the gateway's, and others that programs record beside their spans."""
    if stored is None or stored.trace_id or stored.step_id == id:
        return StepRecord(id=id, attributes=note)
    return StepRecord(
        id=id,
        type="llm",
        name=stored.name or stored.model_id,
        parent_id=stored.step_id,
        thread_id=stored.thread_id,
        user_id=stored.user_id,
        started_at=stored.started_at,
        ended_at=stored.ended_at,
        environment=stored.environment,
        release=stored.release,
        attributes=note,
    )


def _on_the_call(score: ScoreRecord, into: Mapping[str, str | None]) -> ScoreRecord:
    """A score, on the generation that took in the one that it is of."""
    target = score.generation_id or ""
    return revised(score, generation_id=into[target]) if into.get(target) else score
