"""One call that several spans tell of, as one generation: whichever of them knows most, completed by the others.

Which it is, and what it has of the others, follows from what each span says by itself, whatever the order they came in.
`lending` keeps that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from generations import making
from generations.ingest.otlp import clients, lending
from generations.ingest.otlp.lending import (
    ANSWERED,
    COUNTED,
    FETCHED,
    FIELDS,
    LENT,
    SENT,
    SHARED,
    TOKENS,
    filled,
    lent_to,
    note,
)
from generations.ingest.otlp.quirks import OF_CLIENTS, REPEATED, STREAMS_APART
from generations.records import GenerationRecord, Json, revised

CALLS: Final = frozenset({"llm", "embedding", "rerank"})
"""Types of the steps of calls."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands in its trace: the step above it, and the type that its own step has."""

    parent_id: str | None
    type: str


@dataclass(frozen=True, slots=True)
class Call:
    """What one span says of a call, the call above it, and the instrumentation that it is of.

    `stored` is the generation that is stored of it, `is_new` says that the span has just come. `is_gone` says that
    others tell of the call, and `into` which one, as far as that was known. `is_fetched` says that this is what was
    answered to another call, fetched later; `kept` are the fields that the record has of others for good.
    """

    record: GenerationRecord
    parent_id: str | None
    scope: str
    stored: GenerationRecord | None = None
    is_new: bool = True
    is_gone: bool = False
    into: str | None = None
    is_fetched: bool = False
    kept: frozenset[str] = frozenset()


made_place: Final = making.quick(Place).made
made_call: Final = making.quick(Call).made


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be written of the calls (stored ones only where something changes), and which are none.

    `into` says which call took in one that is none; None where several did. `notes` are what is to be kept of these.
    """

    records: list[GenerationRecord]
    into: Mapping[str, str | None]
    notes: Mapping[str, dict[str, Json]]


def waits(call: GenerationRecord) -> bool:
    """Whether a call may be answered later: nothing came back but the id of an answer."""
    said = ("error", "finish_reason", "completion_tokens", *ANSWERED)
    return bool(call.response_id) and all(getattr(call, name) is None for name in said)


def is_call(place: Place | None) -> bool:
    """Whether the step at a place is that of a model call, be it one that another span tells of as well."""
    return place is not None and place.type in CALLS


def call_above(
    id: str, places: Mapping[str, Place], known: Container[str] | None = None
) -> tuple[str | None, set[str]]:
    """The nearest call above a span, and the spans between them.

    Requests over HTTP and other spans without a meaning of their own lie between a client's call and a gateway's;
    a tool or an agent between two calls parts them. With `known`, calls that are not in it are passed by as well.
    """
    between: set[str] = set()
    place = places[id].parent_id
    while place is not None and place not in between and place != id:
        there = places.get(place)
        if there is None or (there.type not in CALLS and there.type != "undefined"):
            break
        if there.type in CALLS and (known is None or place in known):
            return place, between
        between.add(place)
        place = there.parent_id
    return None, between


def around(new: Collection[str], places: Mapping[str, Place]) -> set[str]:
    """The calls that are joined to one another by spans of which one is new."""
    joined: dict[str, set[str]] = defaultdict(set)
    touched: set[str] = set()
    for id, place in places.items():
        if place.type not in CALLS:
            continue
        above, between = call_above(id, places)
        if above is not None:
            joined[id].add(above)
            joined[above].add(id)
        if id in new or (above is not None and not between.isdisjoint(new)):
            touched.add(id)
    found: set[str] = set()
    while touched:
        id = touched.pop()
        if id not in found:
            found.add(id)
            touched |= joined[id] - found
    return found


def settle(calls: Sequence[Call]) -> Settled:
    """Tell which calls are one, in whatever order their spans came.

    Of a call and those below it, those that know most are the calls; calls at the same time by different
    instrumentations whose answers have the same id are one. An id alone says little: stand-ins of providers give
    every answer the same. What a client tells by itself is the call around it that an instrumentation tells of.
    """
    by_id = {call.record.id: call for call in calls if not call.is_fetched}
    into: dict[str, str | None] = {}
    if any(call.parent_id in by_id for call in by_id.values()):
        into, lenders = _by_place(by_id)
        by_id |= _lent(by_id, lenders, SHARED)
    gone = [id for id, call in by_id.items() if call.is_gone]
    for alike, besides in ((_by_response, frozenset()), (clients.groups, clients.settled(by_id))):
        held = {id: _told_of_by(id, by_id, into) for id in gone if id not in into}
        free = (call for id, call in by_id.items() if id not in into and id not in besides)
        if groups := alike(free, held):
            lenders = {}
            for group in groups:
                ids = {call.record.id for call in group}
                # What one of these took in already gives way to it, whatever that has of others by now.
                best = max(ids, key=lambda id: (held.get(id) not in ids, _weight(by_id[id].record), id))
                lenders[best] = sorted(ids - {best})
                into.update(dict.fromkeys(lenders[best], best))
            by_id |= _lent(by_id, lenders)
    if gone:
        by_id |= _lent(by_id, _held(by_id, into))
    if fetched := [call for call in calls if call.is_fetched]:
        brought = {call.record.id: _asked(call, (c for id, c in by_id.items() if id not in into)) for call in fetched}
        lenders = defaultdict(list)
        for id, asked in brought.items():
            if asked is not None:
                lenders[asked].append(id)
        by_id |= _lent(by_id | {call.record.id: call for call in fetched}, lenders, ("time_to_first_token",))
        into |= brought
    ends = {id: _end(id, into) for id in into}
    records = [_written(call, by_id[call.record.id]) for call in calls if call.record.id not in into]
    notes = {
        call.record.id: {**note(call.record), **_told_of(call, ends[call.record.id])}
        for call in calls
        if call.record.id in into
        if call.is_new or not call.is_gone or (ends[call.record.id] != call.into and not call.is_fetched)
    }
    return Settled([record for record in records if record is not None], ends, notes)


def _told_of(call: Call, winner: str | None) -> dict[str, Json]:
    return {FETCHED: True} if call.is_fetched else {"into": winner}


def _asked(fetched: Call, calls: Iterable[Call]) -> str | None:
    """The call that asked for what was fetched: the last one with that answer which began before, however long ago."""
    made = [
        (call.record.started_at, call.record.id)
        for call in calls
        if call.record.response_id == fetched.record.response_id and call.record.started_at is not None
        if fetched.record.ended_at is None or call.record.started_at <= fetched.record.ended_at
    ]
    return max(made, default=(None, None))[1]


def _end(id: str, into: Mapping[str, str | None]) -> str | None:
    winner, seen = into[id], {id}
    while winner is not None and winner in into and winner not in seen:
        seen.add(winner)
        winner = into[winner]
    return winner


def _told_of_by(id: str, by_id: Mapping[str, Call], into: Mapping[str, str | None]) -> str | None:
    """The call that took one in before, or whatever that gave way to."""
    place = by_id[id].into
    seen = {id}
    while place is not None and place not in seen:
        seen.add(place)
        call = by_id.get(place)
        if place in into:
            place = into[place]
        elif call is not None and call.is_gone:
            place = call.into
        else:
            return place
    return None


def _held(by_id: Mapping[str, Call], into: dict[str, str | None]) -> dict[str, list[str]]:
    """Add to `into` those that were told of before and that nothing takes now: each stays where it was. Returns which
    complete which call.

    What took one in before may have given way to that one in turn, by what came since. Then none would be left: the
    first of them that is a call stays one.
    """
    waiting = [id for id, call in by_id.items() if call.is_gone and id not in into]
    into.update((id, by_id[id].into) for id in waiting)
    lenders: dict[str, list[str]] = defaultdict(list)
    for id in waiting:
        line = {id: None}
        place = into[id]
        while place is not None and place in into and place not in line:
            line[place] = None
            place = into[place]
        if place in line:
            if (left := next((one for one in line if not by_id[one].is_gone), None)) is None:
                continue
            del into[left]
            place = left
        if place is not None and place in by_id and not by_id[place].is_gone:
            lenders[place].append(id)
    return lenders


def _by_place(by_id: Mapping[str, Call]) -> tuple[dict[str, str | None], dict[str, list[str]]]:
    """Which calls are none because of those above or below them, and which call each of the others is completed by.

    A call is none when one above it knows more, or one below it as much. Each pair is decided by itself, so that what
    comes later never makes a call of what is none; and any depth is one.
    """
    above = {
        id: parent
        for id, call in by_id.items()
        if (parent := call.parent_id) is not None
        and parent in by_id
        and not _is_attempt(call.record, by_id[parent].record)
    }
    below: dict[str, list[str]] = defaultdict(list)
    for id, parent in above.items():
        below[parent].append(id)
    order = [id for id in by_id if id not in above]
    for id in order:  # grows: each call before those below it; spans that are each other's parents are never met
        order += below[id]
    taken = {id for id in above if clients.is_taken(by_id[id], by_id)}
    weights = {id: -1 if id in taken else _weight(by_id[id].record) for id in order}
    highest: dict[str, int] = {}
    for id in order:
        highest[id] = max(highest[above[id]], weights[above[id]]) if id in above else -1
    deepest: dict[str, int] = {}
    winners: dict[str, list[str]] = {}
    for id in reversed(order):
        deepest[id] = max((max(deepest[one], weights[one]) for one in below[id]), default=-1)
        is_one = highest[id] <= weights[id] > deepest[id]
        winners[id] = [id] if is_one else [winner for one in below[id] for winner in winners[one]][:2]
    into: dict[str, str | None] = {}
    lenders: dict[str, list[str]] = defaultdict(list)
    under: dict[str, str | None] = {}
    for id in order:
        found = winners[id]
        parent = above.get(id)
        under[id] = id if found == [id] else under[parent] if parent is not None else None
        if found == [id]:
            continue
        into[id] = found[0] if len(found) == 1 else None
        if not found:
            into[id] = under[id] if parent is None or under[id] is not None else into[parent]
        if (lent := found[0] if len(found) == 1 else under[id]) is not None:
            lenders[lent].append(id)
    return into, lenders


def _is_attempt(call: GenerationRecord, above: GenerationRecord) -> bool:
    """Whether a call failed below one that did not: another was made for the same answer."""
    if call.error is None or any(getattr(call, name) is not None for name in ANSWERED):
        return False
    return above.completion_tokens is not None or any(getattr(above, name) is not None for name in ANSWERED)


def _lent(
    by_id: Mapping[str, Call], lenders: Mapping[str, Sequence[str]], besides: Collection[str] = ()
) -> dict[str, Call]:
    """The calls completed by those that tell of them as well; those that know more are asked first."""
    found = {}
    for id, others in lenders.items():
        record, kept = by_id[id].record, by_id[id].kept
        for other in sorted(others, key=lambda one: (-_weight(by_id[one].record), one)):
            before, lender = record, by_id[other]
            if lender.scope.startswith(OF_CLIENTS) and clients.counts_more(lender.record, record):
                record = revised(record, **dict.fromkeys(TOKENS))
            record = filled(record, lender.record, besides)
            if lender.record.error is not None and by_id[id].scope.startswith(STREAMS_APART):
                # How a stream ended is not told with what it brought.
                record = revised(record, **{name: getattr(lender.record, name) for name in lending.ERRORS})
            # What each span of a trace says is known whenever one of them comes; what comes from elsewhere is not.
            if lender.is_fetched or (lender.record.trace_id or record.trace_id) != record.trace_id:
                kept |= {name for name in FIELDS if getattr(record, name) is not getattr(before, name)}
        found[id] = replace(by_id[id], record=record, kept=kept)
    return found


def _by_response(calls: Iterable[Call], held: Mapping[str, str | None]) -> list[list[Call]]:
    by_response: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.record.response_id:
            by_response[call.record.response_id].append(call)
    groups = []
    for same in by_response.values():
        if len({call.scope for call in same}) == 1 and not same[0].scope.startswith(REPEATED):
            continue
        # Those that were found to be told of first: what else came since takes their calls from none of them.
        rest = sorted(same, key=lambda call: (call.record.id not in held, str(call.record.started_at), call.record.id))
        while len(rest) > 1:
            head, *rest = rest
            together: dict[str, Call] = {}
            for call in rest:
                if call.scope != head.scope and _is_same_time(head, call):
                    together.setdefault(call.scope, call)
                elif call.scope == head.scope and _is_repeated(head, call):
                    together[call.record.id] = call
            if together:
                groups.append([head, *together.values()])
                rest = [call for call in rest if call not in together.values()]
    return groups


def _is_repeated(one: Call, other: Call) -> bool:
    """Whether an instrumentation tells of one call again: with the answer that it had, from the same moment on."""
    return one.scope.startswith(REPEATED) and one.record.started_at == other.record.started_at is not None


def _is_same_time(one: Call, other: Call) -> bool:
    a, b = one.record, other.record
    if a.started_at is None or b.started_at is None or a.ended_at is None or b.ended_at is None:
        return False
    return a.started_at <= b.ended_at and b.started_at <= a.ended_at


def _weight(record: GenerationRecord) -> int:
    if record.model_id is None:
        return 0  # the span around a call, which knows what was said and not to whom: Mastra's steps
    return (
        4 * any(getattr(record, name) is not None for name in ANSWERED)
        + 2 * any(getattr(record, name) is not None for name in SENT)
        + (record.prompt_tokens is not None or record.completion_tokens is not None)
    )


def _written(call: Call, settled: Call) -> GenerationRecord | None:
    """What is to be written of a call: a new one whole, and of a stored one what changes."""
    whole = settled.record
    if call.stored is None and whole is call.record:
        return whole
    others = [name for name in FIELDS if name not in settled.kept]
    lent = [name for name in others if getattr(whole, name) != getattr(call.record, name)]
    if "prompt_tokens" in lent:
        lent = [name for name in lent if name != "total_tokens"]  # which follows from them
    before = lent_to(call.stored)
    if call.record is call.stored:
        lent = [name for name in FIELDS if name in lent or (name in before and getattr(whole, name) is not None)]
    gone = {name for name in before if getattr(whole, name) is None and getattr(call.stored, name) is not None}
    about: dict[str, Any] = {}
    if lent or before:
        rest = {name: value for name, value in (whole.attributes or {}).items() if name not in (LENT, COUNTED)}
        about["attributes"] = {**rest, LENT: lent} if lent else rest
        if not set(TOKENS).isdisjoint(lent) and (counted := lending.counted(call.record)):
            about["attributes"][COUNTED] = counted
        gone |= {"attributes", *({"metadata"} & before)}  # replaced, and not merged with what they were
    if call.stored is None or call.is_new:
        return revised(whole, **about, cleared=whole.cleared | gone) if about else whole
    said = {n: value for n in FIELDS if (value := getattr(whole, n)) != getattr(call.stored, n) and value is not None}
    if not said and not any(getattr(whole, name) is None for name in gone):
        return None
    if "metadata" in gone:
        said["metadata"] = whole.metadata
    return GenerationRecord(id=whole.id, **said, **about, cleared=frozenset(gone))
