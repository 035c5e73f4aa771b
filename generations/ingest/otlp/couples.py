"""One call that several spans tell of, as one generation: whichever of them knows most, completed by the others.

Which it is, and what it has of the others, follows from what each span says by itself, whatever the order they came in.
So that is kept: of a call that is none, beside its step (`NOTE`); of one that is, which fields it has of others
(`LENT`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from generations import making
from generations.records import Alternative, GenerationRecord, Json, revised

NOTE: Final = "call"
"""Attribute of the step of a call that other spans tell of: what its own span says of it."""
LENT: Final = "lent"
"""Attribute of a generation: the fields that it has of others."""
_TOKENS: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens"),
)
_SENT: Final = ("messages", "prompt", "input")
_ANSWERED: Final = ("message_completion", "completion", "output")
_GROUPS: Final = (_TOKENS, _SENT, (*_ANSWERED, "alternatives"), ("error", "error_type", "error_detail"))
"""Fields that are taken of another together, where a call has none of them."""
_SHARED: Final = ("thread_id", "user_id", "tags")
"""Fields that the spans of a trace have in common anyway."""
_SINGLE: Final = (
    *("model_id", "model_version", "provider", "response_id", "finish_reason", "time_to_first_token"),
    *("session_id", "agent_id", "workflow_id", "function_id"),
    *("prompt_name", "prompt_version", "metadata", "parameters", "tools", "variables", "logprobs"),
)
_FIELDS: Final = (*_SINGLE, *_SHARED, *(name for group in _GROUPS for name in group))
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
    others tell of the call, and `into` which one, as far as that was known.
    """

    record: GenerationRecord
    parent_id: str | None
    scope: str
    stored: GenerationRecord | None = None
    is_new: bool = True
    is_gone: bool = False
    into: str | None = None


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
    every answer the same.
    """
    by_id = {call.record.id: call for call in calls}
    into: dict[str, str | None] = {}
    if any(call.parent_id in by_id for call in calls):
        into, lenders = _by_place(by_id)
        by_id |= _lent(by_id, lenders, _SHARED)
    groups = _by_response(call for id, call in by_id.items() if id not in into)
    if groups:
        lenders = {}
        for group in groups:
            best = max((call.record.id for call in group), key=lambda id: (_weight(by_id[id].record), id))
            lenders[best] = [call.record.id for call in group if call.record.id != best]
            into.update(dict.fromkeys(lenders[best], best))
        by_id |= _lent(by_id, lenders)
    for id, call in by_id.items():
        if call.is_gone and id not in into:
            into[id] = call.into  # which is not among these
    ends = {id: _end(id, into) for id in into}
    records = [_written(call, by_id[call.record.id].record) for call in calls if call.record.id not in into]
    notes = {
        call.record.id: {**_noted(call.record), "into": ends[call.record.id]}
        for call in calls
        if call.record.id in into and (call.is_new or not call.is_gone or ends[call.record.id] != call.into)
    }
    return Settled([record for record in records if record is not None], ends, notes)


def _end(id: str, into: Mapping[str, str | None]) -> str | None:
    winner, seen = into[id], {id}
    while winner is not None and winner in into and winner not in seen:
        seen.add(winner)
        winner = into[winner]
    return winner


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
    weights = {id: _weight(by_id[id].record) for id in order}
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
    if call.error is None or any(getattr(call, name) is not None for name in _ANSWERED):
        return False
    return above.completion_tokens is not None or any(getattr(above, name) is not None for name in _ANSWERED)


def _lent(
    by_id: Mapping[str, Call], lenders: Mapping[str, Sequence[str]], besides: Collection[str] = ()
) -> dict[str, Call]:
    """The calls completed by those that tell of them as well; those that know more are asked first."""
    found = {}
    for id, others in lenders.items():
        record = by_id[id].record
        for other in sorted(others, key=lambda one: (-_weight(by_id[one].record), one)):
            record = filled(record, by_id[other].record, besides)
        found[id] = replace(by_id[id], record=record)
    return found


def _by_response(calls: Iterable[Call]) -> list[list[Call]]:
    by_response: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.record.response_id:
            by_response[call.record.response_id].append(call)
    groups = []
    for same in by_response.values():
        if len({call.scope for call in same}) == 1:
            continue
        rest = sorted(same, key=lambda call: (str(call.record.started_at), call.record.id))
        while len(rest) > 1:
            head, *rest = rest
            together: dict[str, Call] = {}
            for call in rest:
                if call.scope != head.scope and _is_same_time(head, call):
                    together.setdefault(call.scope, call)
            if together:
                groups.append([head, *together.values()])
                rest = [call for call in rest if call not in together.values()]
    return groups


def _is_same_time(one: Call, other: Call) -> bool:
    a, b = one.record, other.record
    if a.started_at is None or b.started_at is None or a.ended_at is None or b.ended_at is None:
        return False
    return a.started_at <= b.ended_at and b.started_at <= a.ended_at


def _weight(record: GenerationRecord) -> int:
    if record.model_id is None:
        return 0  # the span around a call, which knows what was said and not to whom: Mastra's steps
    return (
        4 * any(getattr(record, name) is not None for name in _ANSWERED)
        + 2 * any(getattr(record, name) is not None for name in _SENT)
        + (record.prompt_tokens is not None or record.completion_tokens is not None)
    )


def filled(record: GenerationRecord, other: GenerationRecord, besides: Collection[str] = ()) -> GenerationRecord:
    """`record` with what it lacks taken from `other`, but for fields `besides`; content and tokens each as a whole."""
    names = [name for name in (*_SINGLE, *_SHARED) if getattr(record, name) is None and name not in besides]
    for group in _GROUPS:
        if all(getattr(record, name) is None for name in group):
            names += group
    if any(getattr(record, name) is not None for name in _ANSWERED):
        names = [name for name in names if name not in _GROUPS[-1]]  # what was answered did not fail
    changes = {name: value for name in names if (value := getattr(other, name)) is not None}
    return revised(record, **changes) if changes else record


def difference(whole: GenerationRecord, stored: GenerationRecord) -> GenerationRecord:
    """What `whole` says beyond `stored`."""
    return GenerationRecord(
        id=stored.id, **{n: getattr(whole, n) for n in _FIELDS if getattr(whole, n) != getattr(stored, n)}
    )


# ------------------------------------------------------------------------------------------ what each span says itself
def by_itself(stored: GenerationRecord) -> GenerationRecord:
    """A stored generation without what it has of others."""
    found: dict[str, Any] = {n: getattr(stored, n) or None for n in ("metadata", "parameters", "tags")}
    if _is_derived(stored):
        found["total_tokens"] = None
    return revised(stored, **{**found, **dict.fromkeys(_lent_to(stored))})


def _is_derived(record: GenerationRecord) -> bool:
    """Whether the total is what follows from its parts."""
    sent, answered = record.prompt_tokens, record.completion_tokens
    return sent is not None and answered is not None and record.total_tokens == sent + answered


def _lent_to(stored: GenerationRecord | None) -> set[str]:
    """The fields that a stored generation has of others, with what follows from them."""
    said = (stored.attributes or {}).get(LENT) if stored is not None else None
    lent = {name for name in _FIELDS if name in said} if isinstance(said, list) else set()
    for group in _GROUPS:
        if not lent.isdisjoint(group):
            lent |= set(group)
    return lent


def _written(call: Call, whole: GenerationRecord) -> GenerationRecord | None:
    """What is to be written of a call: a new one whole, and of a stored one what changes."""
    if call.stored is None and whole is call.record:
        return whole
    lent = [name for name in _FIELDS if getattr(whole, name) != getattr(call.record, name)]
    before = _lent_to(call.stored)
    if call.record is call.stored:
        lent = [name for name in _FIELDS if name in lent or (name in before and getattr(whole, name) is not None)]
    gone = {name for name in before if getattr(whole, name) is None and getattr(call.stored, name) is not None}
    about: dict[str, Any] = {}
    if lent or before:
        others = {name: value for name, value in (whole.attributes or {}).items() if name != LENT}
        about["attributes"] = {**others, LENT: lent} if lent else others
        gone |= {"attributes", *({"metadata"} & before)}  # replaced, and not merged with what they were
    if call.stored is None or call.is_new:
        return revised(whole, **about, cleared=whole.cleared | gone) if about else whole
    said = {n: value for n in _FIELDS if (value := getattr(whole, n)) != getattr(call.stored, n) and value is not None}
    if not said and not any(getattr(whole, name) is None for name in gone):
        return None
    if "metadata" in gone:
        said["metadata"] = whole.metadata
    return GenerationRecord(id=whole.id, **said, **about, cleared=frozenset(gone))


def _noted(record: GenerationRecord) -> dict[str, Json]:
    """What is kept of a call that others tell of; its times, and what it shares with its trace, are its step's."""
    found = {n: value for n in _FIELDS if n not in _SHARED and (value := getattr(record, n)) not in (None, {})}
    if _is_derived(record):
        del found["total_tokens"]
    if record.alternatives is not None:
        found["alternatives"] = [asdict(one) for one in record.alternatives]
    return found


def noted(id: str, note: Mapping[str, Json], **more: Any) -> GenerationRecord:
    """A call as it was noted, with what its step has of it."""
    said = {name: note[name] for name in _FIELDS if name in note}
    if others := said.get("alternatives"):
        said["alternatives"] = tuple(Alternative(**one) for one in others)
    return GenerationRecord(id=id, **said, **more)
