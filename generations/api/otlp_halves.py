"""Calls of agents in a terminal whose events came in several requests: with their words, answers and beginnings.

Agents send what they have every few seconds, so that a call has ended in another request than it began in. All of this
is asked under the project's lock, by keys or by the last few rows of a conversation, and as often for many calls as for
one. Nothing is removed, and no answer is written over another.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection

from generations.identities import uid
from generations.ingest.otlp import beginnings, terminals, values
from generations.ingest.otlp.terminals import Answer, Heard
from generations.models import Generation, GenerationPayload, Project, StepPayload
from generations.records import GenerationRecord, Json, Record, StepRecord, revised

_NEAR: Final = 64
"""Steps of a conversation before a call that are looked at for its words."""
_AFTER: Final = dt.timedelta(seconds=1)
"""How much sooner than its call an answer may have been told of."""
_BEFORE: Final = dt.timedelta(seconds=2)
"""How much sooner than it began a request may have been told of."""
_WORDS: Final = f"""
    SELECT wanted.place, found.uid, found.public_id, found.name, found.started_at
    FROM unnest(%s::text[], %s::timestamptz[]) WITH ORDINALITY AS wanted (thread_id, moment, place)
    CROSS JOIN LATERAL (
        SELECT uid, public_id, name, started_at FROM step
        WHERE project_id = {{project:d}} AND thread_id = wanted.thread_id AND started_at <= wanted.moment
        ORDER BY started_at DESC LIMIT {_NEAR}
    ) AS found
    WHERE found.name = ANY(%s) ORDER BY wanted.place, found.started_at DESC, found.uid DESC"""  # noqa: S608


def joined(project: Project, heard: Heard) -> list[Record]:
    """The records of what was heard, joined with what is stored of the same calls."""
    calls, taken = _asked(project, heard.calls)
    calls, answered = _answered(project, calls, heard.answers)
    calls, begun = _begun(project, calls, heard.begun)
    return [*heard.words, *taken, *calls, *answered, *begun]


def _asked(project: Project, calls: Sequence[GenerationRecord]) -> tuple[list[GenerationRecord], list[StepRecord]]:
    """The calls with the words that came before them in another request; and those words, as taken.

    Words are those of one call that was answered, and of those of the same turn that failed before it.
    """
    lacking: dict[tuple[str, str], list[GenerationRecord]] = {}
    done: set[tuple[str, str]] = set()
    for call in calls:
        said = call.attributes or {}
        if call.thread_id and call.ended_at and terminals.takes_words(said):
            key = call.thread_id, terminals.turn_of(said)
            if key not in done and _is_lacking(call):
                lacking.setdefault(key, []).append(call)
            if call.error is None:
                done.add(key)
    if not lacking:
        return list(calls), []
    moments = [waiting[-1].ended_at for waiting in lacking.values()]
    with connection.cursor() as cursor:
        sql = _WORDS.format(project=project.pk)
        cursor.execute(sql, [[thread for thread, _ in lacking], moments, sorted(terminals.ASKED)])
        near: list[tuple[int, Any, str, str, dt.datetime]] = cursor.fetchall()
    rows = StepPayload.objects.in_project(project.pk).filter(uid__in={key for _, key, *_ in near})
    said_by = {key: (text, kept or {}) for key, text, kept in rows.values_list("uid", "input", "attributes")}
    found: dict[str, GenerationRecord] = {}
    taken: list[StepRecord] = []
    for place, ((_, turn), waiting) in enumerate(lacking.items(), 1):
        own = [(key, id, name, at) for of, key, id, name, at in near if of == place]
        of_turn = [
            (key, id, name)
            for key, id, name, at in own
            if _turn(said_by.get(key)) == turn and not _is_of_another(name, at, waiting[-1])
        ]
        if not of_turn:
            continue
        key, id, name = of_turn[0]
        text, kept = said_by[key]
        if not isinstance(text, str) or kept.get("call") not in (None, waiting[-1].id):
            continue
        words = terminals.question(name, text)
        found |= {call.id: revised(call, messages=[*(call.messages or []), *words]) for call in waiting}
        if waiting[-1].error is None:
            taken.append(StepRecord(id=id, attributes={"call": waiting[-1].id}))
    return [found.get(call.id, call) for call in calls], taken


def _is_lacking(call: GenerationRecord) -> bool:
    """Whether nobody's words are known of a call; Gemini CLI says with the answer what the system was told."""
    return all(isinstance(one, dict) and one.get("role") == "system" for one in call.messages or [])


def _is_of_another(name: str, at: dt.datetime, call: GenerationRecord) -> bool:
    """Whether these words are a whole request, and of one that was sent before this call began."""
    return name in terminals.REQUESTS and call.started_at is not None and at < call.started_at - _BEFORE


def _turn(said: tuple[Json, Mapping[str, Json]] | None) -> str | None:
    return None if said is None else str(said[1].get("turn") or "")


def _answered(
    project: Project, calls: Sequence[GenerationRecord], answers: Sequence[Answer]
) -> tuple[list[GenerationRecord], list[Record]]:
    """The calls with answers that came before them; and what answers say of calls that came before these."""
    own = Generation.objects.in_project(project.pk)
    rows: list[Mapping[str, Any]] = []
    if answers:
        named = own.filter(response_id__in={one.response_id for one in answers}).order_by("ended_at", "uid")
        rows = [*named.values("uid", "public_id", "thread_id", "response_id", "ended_at")]
    told = {uid(project.pk, "generation", call.id): call for call in calls if call.message_completion is not None}
    whole = GenerationPayload.objects.in_project(project.pk)
    looked = {*told, *(row["uid"] for row in rows)}
    here = dict(whole.filter(uid__in=looked).values_list("uid", "message_completion")) if looked else {}
    found = {call.id: call for call in calls}
    for key, call in told.items():
        if not _adds(call.message_completion, here.get(key)):
            found[call.id] = revised(call, message_completion=None)
    records: list[Record] = []
    waiting: dict[str, Answer] = {}
    for one in sorted(answers, key=lambda one: terminals.ANSWERED.index(one.step.name)):
        row = _call_of(one, rows)
        if row is None:
            waiting.setdefault(one.step.id, one)
        elif _adds(answer := one.said["message_completion"], here.get(row["uid"])):
            here[row["uid"]] = answer
            records.append(GenerationRecord(id=row["public_id"], **{k: v for k, v in one.said.items() if v}))
    kept = _kept_answers(project, calls, waiting)
    for call in calls:
        for name in terminals.ANSWERED:
            answer, reason = kept.get(
                terminals.answer_id(name, call.thread_id or "", call.response_id or ""), (None, None)
            )
            if call.message_completion is None and isinstance(answer, dict):
                found[call.id] = revised(
                    found[call.id], message_completion=answer, finish_reason=reason or found[call.id].finish_reason
                )
    records += [one.step for id, one in waiting.items() if id not in kept]
    return [found[call.id] for call in calls], records


def _kept_answers(
    project: Project, calls: Sequence[GenerationRecord], waiting: Mapping[str, Answer]
) -> dict[str, tuple[Json, str | None]]:
    """The answers that wait already, for these calls or with these ids, with the reasons why they ended."""
    ids = set(waiting)
    for call in calls:
        if call.message_completion is None and call.thread_id and call.response_id and call.error is None:
            ids |= {terminals.answer_id(name, call.thread_id, call.response_id) for name in terminals.ANSWERED}
    if not ids:
        return {}
    uids = {uid(project.pk, "step", id): id for id in ids}
    rows = StepPayload.objects.in_project(project.pk).filter(uid__in=uids)
    kept = rows.values_list("uid", "output", "attributes")
    return {uids[key]: (answer, (said or {}).get("finish_reason")) for key, answer, said in kept}


def _call_of(one: Answer, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last call before an answer that has its id, in its conversation."""
    moment = one.step.started_at
    before = [
        row
        for row in rows
        if (row["thread_id"], row["response_id"]) == (one.thread_id, one.response_id)
        and (moment is None or row["ended_at"] is None or row["ended_at"] <= moment + _AFTER)
    ]
    return before[-1] if before else None


def _adds(answer: Json, here: Json) -> bool:
    """Whether an answer is the first of its call, or the one that is here with the tools that it called."""
    if not isinstance(here, dict) or not isinstance(answer, dict):
        return here is None
    return here != answer and all(answer.get(name) == value for name, value in here.items())


def _begun(
    project: Project, calls: Sequence[GenerationRecord], begun: Mapping[str, int]
) -> tuple[list[GenerationRecord], list[Record]]:
    """The calls with their beginnings; and a step of each conversation that remembers the others, and starts of calls
    that ended in an earlier request."""
    ended: dict[str, dict[str, dt.datetime]] = {}
    for call in calls:
        if call.name == terminals.STARTED_APART and call.started_at is None and call.thread_id and call.ended_at:
            ended.setdefault(call.thread_id, {})[call.id] = call.ended_at
    own = Generation.objects.in_project(project.pk)
    ids = {id for ends in ended.values() for id in ends}
    if ids:  # what is sent again has its start
        rows_ = own.by_ids(project.pk, "generation", ids).filter(start_assumed=False)
        started = set(rows_.values_list("public_id", flat=True))
        ended = {thread: {id: end for id, end in ends.items() if id not in started} for thread, ends in ended.items()}
    threads = {thread for thread, ends in ended.items() if ends} | begun.keys()
    uids = {uid(project.pk, "step", _conversation(thread)): thread for thread in threads}
    if not uids:
        return list(calls), []
    rows = StepPayload.objects.in_project(project.pk).filter(uid__in=uids)
    kept = {uids[key]: said or {} for key, said in rows.values_list("uid", "attributes")}
    found: dict[str, dt.datetime] = {}
    steps: list[Record] = []
    for thread in uids.values():
        start = values.moment(begun.get(thread, 0))
        before = kept.get(thread, {})
        one = beginnings.paired(before, [start] if start else [], ended.get(thread, {}))
        found |= one.starts
        if one.kept != {name: before.get(name) for name in one.kept}:
            moments = [*ended.get(thread, {}).values(), *([start] if start else [])]
            begins = {} if thread in kept else {"started_at": min(moments)}
            step = StepRecord(id=_conversation(thread), name="codex.conversation", thread_id=thread)
            steps.append(revised(step, type="run", ended_at=max(moments), attributes=one.kept, **begins))
    here = {call.id for call in calls}
    if earlier := found.keys() - here:  # one that was deleted is not made again
        alive = own.by_ids(project.pk, "generation", earlier).values_list("public_id", flat=True)
        steps += [GenerationRecord(id=id, started_at=found[id]) for id in alive]
    return [revised(call, started_at=found[call.id]) if call.id in found else call for call in calls], steps


def _conversation(thread: str) -> str:
    return f"codex-{hashlib.blake2b(thread.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
