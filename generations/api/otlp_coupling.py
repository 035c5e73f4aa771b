"""The calls of a request with all stored ones that may be the same, each with what its own span says of it.

What is told from these is the same in any order: whoever may change it is among them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from generations import bundles
from generations.api import otlp_stored
from generations.identities import uid
from generations.ingest.otlp import clients, couples, lending
from generations.ingest.otlp.spans import Told
from generations.models import Generation, Project, Step, StepPayload
from generations.records import GenerationRecord, Json, Record, StepRecord, revised

Rows = Mapping[str, Mapping[str, Any]]
"""Stored steps by id."""


class Known(NamedTuple):
    """The calls that are settled together."""

    calls: list[couples.Call]
    there: Collection[str]
    """Those that have a generation, among them those that log events made before their span came."""
    noted: set[str]
    """Those that have none and are noted with their steps."""


class _Stored(NamedTuple):
    """What is stored of some calls, by id."""

    there: dict[str, GenerationRecord]
    notes: dict[str, tuple[str, dict[str, Json]]]


def calls(project: Project, told: Sequence[Told], stored: Sequence[dict[str, Any]], answers: Collection[str]) -> Known:
    """The calls of the request with the stored ones that one of them may be the same as."""
    rows: dict[str, Mapping[str, Any]] = {row["public_id"]: row for row in stored}
    places = {id: couples.Place(row["parent_id"], row["type"]) for id, row in rows.items()}
    known = {id for id, place in places.items() if couples.is_call(place)}
    new = {one.step.id: one for one in told}
    places |= {id: couples.made_place(one.step.parent_id, one.step.type or "") for id, one in new.items()}
    own: dict[str, GenerationRecord] = {}
    for one in told:
        if (said := one.generation) is not None:
            own[one.step.id] = lending.filled(said, own[one.step.id]) if one.step.id in own else said
    near: set[str] = set()
    found = _Stored({}, {})
    if known:
        over = {id: couples.call_above(id, places)[0] for id in own}
        arrived = (couples.made_call(said, over[id], new[id].span.scope) for id, said in own.items())
        times = {id: (rows[id]["started_at"], rows[id]["ended_at"]) for id in known}
        near = clients.beside(arrived, times) | (new.keys() | answers) & known
        near = (couples.around(new.keys() | near, places) | near) & known
        if near:
            found = _all_near(project, near, own, known, places, rows)
    there, notes = found
    there |= _generations(project, set(answers) - there.keys() - notes.keys())
    came = otlp_stored.fetched(project, [said for said in own.values() if couples.waits(said)])
    rows |= came
    notes |= _notes(project, came.keys() - new.keys() - notes.keys())
    there |= _generations(project, {note["into"] for _, note in notes.values() if note.get("into")} - there.keys())
    known = own.keys() | (there.keys() - new.keys()) | notes.keys()
    calls = []
    for id in known:
        above = couples.call_above(id, places, known)[0] if id in places else None
        if id in own:
            record, before = own[id], there.get(id)
            if before is not None:
                record = lending.again(record, before)
            elif id in notes:
                record = lending.filled(record, lending.noted(id, notes[id][1]))
            call = couples.made_call(record, above, new[id].span.scope, before)
            calls.append(replace(call, is_fetched=True) if new[id].is_fetched else call)
        elif (stored_one := _stored(id, _Stored(there, notes), rows)) is not None:
            # One of another trace stays what it is: what it has of others there is not known here.
            record = lending.by_itself(there[id]) if id in near and id in there else stored_one.record
            calls.append(replace(stored_one, record=record, parent_id=above))
    return Known(calls, there.keys(), set(notes))


def _all_near(
    project: Project,
    near: set[str],
    own: Mapping[str, GenerationRecord],
    known: set[str],
    places: Mapping[str, couples.Place],
    rows: Rows,
) -> _Stored:
    """What is stored of calls that are near to one another, and which these are: `near` grows as they are found.

    Which call a client's is of, and which have an answer in common, depends on all at that time; and each of them may
    stand in a line of its own. Two queries, and two for each step from one to the next.
    """
    times = {id: (rows[id]["started_at"], rows[id]["ended_at"]) for id in known}
    found = _Stored({}, {})
    responses = {call.response_id for call in own.values()}
    seen: set[str] = set()
    while missing := near - seen:
        seen |= missing
        _look(project, missing, found)
        arrived: list[couples.Call] = []
        same: set[str] = set()
        for id in missing:
            if (stored := _stored(id, found, rows)) is None:
                continue
            arrived.append(replace(stored, parent_id=couples.call_above(id, places)[0]))
            response = stored.record.response_id
            if response and (response in responses or id in found.notes or lending.lent_to(stored.stored)):
                responses.add(response)
                same |= clients.overlapping(times[id], times) - near
        _look(project, same, found)
        near |= clients.beside(arrived, {id: times[id] for id in known - near})
        near |= {
            id
            for id in found.there.keys() | found.notes.keys()
            if (stored := _stored(id, found, rows)) is not None and stored.record.response_id
            if stored.record.response_id in responses
        }
        near |= couples.around(near, places) & known
        targets = (found.notes[id][1].get("into") for id in missing if id in found.notes)
        near |= {into for into in targets if isinstance(into, str) and into in known}
    for some in found:
        for id in some.keys() - near:
            del some[id]
    return found


def _look(project: Project, ids: Collection[str], found: _Stored) -> None:
    """Find what is stored of these calls, where that is not known."""
    missing = ids - found.there.keys() - found.notes.keys()
    found.there.update(_generations(project, missing))
    found.notes.update(_notes(project, missing - found.there.keys()))


def _stored(id: str, found: _Stored, rows: Rows) -> couples.Call | None:
    """A call as it is stored, wherever it stands; None of what is none."""
    if (there := found.there.get(id)) is not None:
        return couples.Call(there, None, str((there.attributes or {}).get("scope") or ""), there, is_new=False)
    if id not in found.notes:
        return None
    scope, note = found.notes[id]
    row = rows[id]
    more = {name: row[name] for name in ("trace_id", "started_at", "ended_at", *otlp_stored.SHARED) if row[name]}
    if scope:
        more["attributes"] = {"scope": scope}
    record = lending.noted(id, note, **more)
    gone = couples.Call(record, None, scope, is_new=False, is_gone=True, into=note.get("into"))
    return replace(gone, is_fetched=True) if lending.FETCHED in note else gone


def back(project: Project, ids: Collection[str], records: Sequence[Record]) -> list[Record]:
    """These records with calls that were none, and turn out to be some, completed by their steps, which note them no
    more. Two queries."""
    uids = {uid(project.pk, "step", id): id for id in ids}
    columns = ("span_id", "name", "environment", "release", "trace_id", "type")
    said = {
        row["public_id"]: row
        for row in Step.objects.in_project(project.pk).by_ids(project.pk, "step", ids).values("public_id", *columns)
    }
    kept = StepPayload.objects.in_project(project.pk).filter(uid__in=uids).values_list("uid", "attributes")
    noted = {uids[key]: dict(attributes or {}) for key, attributes in kept}
    found: list[Record] = []
    for record in records:
        if record.id not in ids or record.id not in said:
            found.append(record)
        elif isinstance(record, GenerationRecord):
            row = said[record.id]
            more = {name: row[name] for name in columns[:-1] if getattr(record, name) is None}
            more["type"] = record.type or {"llm": "chat"}.get(row["type"], row["type"])
            found.append(revised(record, step_id=record.id, **more))
        elif isinstance(record, StepRecord):
            noted[record.id] |= record.attributes or {}
            found.append(revised(record, attributes=None))
        else:
            found.append(record)
    for id, attributes in noted.items():
        attributes.pop(lending.NOTE, None)
        found.append(StepRecord(id=id, attributes=attributes, cleared=frozenset({"attributes"})))
    return found


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
        if said and isinstance(note := said.get(lending.NOTE), dict)
    }
