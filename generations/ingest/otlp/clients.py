"""Calls that clients tell of by themselves, beside an instrumentation that tells of them as well: which are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from generations.ingest.otlp import lending
from generations.ingest.otlp.quirks import CLIENTS, OF_CLIENTS, STREAMS_APART
from generations.ingest.otlp.times import Times
from generations.records import GenerationRecord

if TYPE_CHECKING:
    from generations.ingest.otlp.couples import Call


def settled(by_id: Mapping[str, Call]) -> frozenset[str]:
    """The calls of clients that are below one of an instrumentation, and these: each has the other already."""
    found: set[str] = set()
    passed: dict[str, bool] = {}
    for id, call in by_id.items():
        if not call.scope.startswith(OF_CLIENTS):
            continue
        line: dict[str, None] = {}
        place: str | None = id
        while place is not None and place in by_id and place not in line and place not in passed:
            line[place] = None
            place = by_id[place].parent_id
        is_below = passed.get(place or "", False)
        for one in reversed(line):
            is_other = not by_id[one].scope.startswith(OF_CLIENTS)
            if is_other:
                found.add(one)
            is_below = is_below or is_other
            passed[one] = is_below
    found |= {id for id, is_below in passed.items() if is_below and by_id[id].scope.startswith(OF_CLIENTS)}
    return frozenset(found)


def is_taken(call: Call, by_id: Mapping[str, Call]) -> bool:
    """Whether a client's call was found to be another's: it stays none, also where a truer one comes above it."""
    return call.is_gone and call.scope.startswith(OF_CLIENTS) and call.into in by_id


def counts_more(client: GenerationRecord, other: GenerationRecord) -> bool:
    """Whether a client's counts are truer: others leave out what was cached, or all of a stream, or add up what its
    chunks say of the whole (OpenLLMetry's of Anthropic: `_process_response_item` in its streaming.py, version 0.62)."""
    sent, answered = client.prompt_tokens or 0, client.completion_tokens or 0
    if sent != (other.prompt_tokens or 0):
        return sent > (other.prompt_tokens or 0)
    return bool(sent and answered) and answered != other.completion_tokens


def groups(calls: Iterable[Call], held: Mapping[str, str | None]) -> list[list[Call]]:
    """Calls that clients tell of by themselves, each with the call of an instrumentation that it was made for; `held`
    says which took some of them in before, or what those gave way to.

    Those instrumentations keep their span from being the parent, or are told when all is over, and some name no answer.
    """
    own: list[Call] = []
    others: list[Call] = []
    for call in calls:
        (own if call.scope.startswith(OF_CLIENTS) else others).append(call)
    found = []
    words = {call.record.id: lending.words(call.record) for call in (*own, *others)} if own and others else {}
    # Those that were found to be told of first: what else came since takes their calls from none of them.
    for call in sorted(own, key=lambda one: (not one.is_gone, _times(one))) if others else ():
        made = [other for other in others if _is_made_for(call, other, words)]
        if made := made or [other for other in others if other.record.id == held.get(call.record.id)]:
            # The one that ends first: the longer one may be around another of the client's.
            other = min(made, key=lambda one: (str(one.record.ended_at), one.record.id))
            others.remove(other)
            found.append([other, call])
    return found


def _times(call: Call) -> tuple[str, str]:
    return str(call.record.started_at), call.record.id


def _is_made_for(client: Call, other: Call, words: Mapping[str, str]) -> bool:
    """Whether a client may have made its call for the other one: it is within that, and nothing differs.

    Of a stream that is told when all is over, the other is from the first chunk on that was read: it ends within that.
    """
    a, b = client.record, other.record
    if a.started_at is None or b.started_at is None or a.ended_at is None or b.ended_at is None:
        return False
    # What is noted of a call says neither its type nor its trace, which is this one.
    if None not in (a.trace_id, b.trace_id) and a.trace_id != b.trace_id:
        return False
    is_apart = other.scope.startswith(STREAMS_APART)
    if not (b.started_at <= (a.ended_at if is_apart else a.started_at) and a.ended_at <= b.ended_at):
        return False
    if a.error is not None and b.error is None and not is_apart:
        return False
    names = {name for name in (a.model_id, a.model_version) if name}
    if names.isdisjoint((b.model_id, b.model_version)) or (a.response_id and b.response_id):
        return False
    if a.type and b.type and a.type != b.type:
        return False
    if a.completion_tokens and b.completion_tokens and a.completion_tokens != b.completion_tokens:
        return False
    asked, other_asked = words[a.id], words[b.id]
    return not asked or not other_asked or asked in other_asked or other_asked in asked


def beside(new: Iterable[Call], stored: Mapping[str, tuple[Any, Any]]) -> set[str]:
    """Of stored calls, with when they began and ended, those within or around new ones of which a client may tell, and
    those within or around these; of streams that may be told when all is over, those at the same time."""
    spans = [(c.record.started_at, c.record.ended_at, _may_be_apart(c)) for c in new if _may_be_told_twice(c)]
    found: set[str] = set()
    times = Times(stored) if spans else None
    while spans and times is not None:
        start, end, is_apart = spans.pop()
        if start is not None and end is not None:
            more = times.overlapping(start, end) if is_apart else times.nested(start, end)
            found |= more
            spans += [(*stored[id], is_apart) for id in more]
    return found


_SOLD: Final = (*CLIENTS.values(), "claude", "stral")  # their models are others' as well: Bedrock's, Vertex AI's


def _may_be_told_twice(call: Call) -> bool:
    said = f"{call.record.provider} {call.record.model_id} {call.record.model_version}"
    return call.scope.startswith(OF_CLIENTS) or any(name in said for name in _SOLD)


def _may_be_apart(call: Call) -> bool:
    """Whether another span may tell of a call from later on: of a client's, if none above tells of it."""
    return call.scope.startswith(STREAMS_APART) or (call.scope.startswith(OF_CLIENTS) and call.parent_id is None)
