"""One call that two spans tell of, as one generation: whichever of them knows more, completed by the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from generations.records import GenerationRecord, revised

_TOKENS: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens"),
)
_FILLED: Final = (
    *("model_id", "model_version", "provider", "response_id", "finish_reason", "time_to_first_token", "error"),
    *("error_type", "error_detail", "thread_id", "session_id", "user_id", "agent_id", "workflow_id", "function_id"),
    *("prompt_name", "prompt_version", "tags", "metadata", "parameters", "tools", "variables", "logprobs"),
)
_CALLS: Final = frozenset({"llm", "embedding"})
_SENT: Final = ("messages", "prompt", "input")
_ANSWERED: Final = ("message_completion", "completion", "output")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands in its trace: the step above it, and the type that its own step has."""

    parent_id: str | None
    type: str


@dataclass(frozen=True, slots=True)
class Call:
    """A generation and whence it comes: the call above it, its instrumentation, and whether it is stored already."""

    record: GenerationRecord
    parent_id: str | None
    scope: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be written of the calls (stored ones only where something is added), and which are none.

    `into` says which call took in one that is none; None where several calls below it did.
    """

    records: list[GenerationRecord]
    into: Mapping[str, str | None]


def is_call(place: Place | None) -> bool:
    """Whether the step at a place is that of a model call, be it one that another span tells of as well."""
    return place is not None and place.type in _CALLS


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
        if there is None or (there.type not in _CALLS and there.type != "undefined"):
            break
        if there.type in _CALLS and (known is None or place in known):
            return place, between
        between.add(place)
        place = there.parent_id
    return None, between


def around(new: Collection[str], places: Mapping[str, Place]) -> set[str]:
    """The calls that are joined to one another by spans of which one is new."""
    joined: dict[str, set[str]] = defaultdict(set)
    touched: set[str] = set()
    for id, place in places.items():
        if place.type not in _CALLS:
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

    Of a call and the calls directly below it, those that know more are the calls; calls at the same time by different
    instrumentations whose answers have the same id are one. An id alone says little: stand-ins of providers give
    every answer the same.
    """
    by_id = {call.record.id: call for call in calls}
    into = _by_place(by_id)
    for group in _by_response(call for call in calls if call.record.id not in into):
        best = max(group, key=lambda call: (_weight(call), call.record.id))
        into.update((call.record.id, best.record.id) for call in group if call is not best)
    whole = {call.record.id: call.record for call in calls}
    ends: dict[str, str | None] = {}
    for id in into:
        winner = into[id]
        while winner in into:
            winner = into[winner]
        ends[id] = winner
        if winner is not None:
            whole[winner] = filled(whole[winner], by_id[id].record)
    records = []
    for call in calls:
        id = call.record.id
        if id in into:
            continue
        if not call.is_stored:
            records.append(whole[id])
        elif whole[id] is not call.record:
            records.append(difference(whole[id], call.record))
    return Settled(records, ends)


def _by_place(by_id: Mapping[str, Call]) -> dict[str, str | None]:
    """Which calls are none because of those above or below them; from the leaves up, so that any depth is one."""
    below: dict[str, list[str]] = defaultdict(list)
    order: list[str] = []
    for call in by_id.values():
        if call.parent_id is not None and call.parent_id in by_id:
            below[call.parent_id].append(call.record.id)
        else:
            order.append(call.record.id)
    for id in order:  # grows: each call before those below it; spans that are each other's parents are never met
        order += below[id]
    into: dict[str, str | None] = {}
    left: dict[str, list[str]] = {}
    for id in reversed(order):
        others = [winner for child in below[id] for winner in left[child]]
        if not others:
            left[id] = [id]
        elif max(_weight(by_id[other]) for other in others) >= _weight(by_id[id]):
            into[id] = others[0] if len(others) == 1 else None
            left[id] = others
        else:
            into.update(dict.fromkeys(others, id))
            left[id] = [id]
    return into


def _by_response(calls: Iterable[Call]) -> list[list[Call]]:
    by_response: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.record.response_id:
            by_response[call.record.response_id].append(call)
    groups = []
    for same in by_response.values():
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


def _weight(call: Call) -> int:
    record = call.record
    if record.model_id is None:
        return 0  # the span around a call, which knows what was said and not to whom: Mastra's steps
    return (
        4 * any(getattr(record, name) is not None for name in _ANSWERED)
        + 2 * any(getattr(record, name) is not None for name in _SENT)
        + (record.prompt_tokens is not None or record.completion_tokens is not None)
    )


def filled(record: GenerationRecord, other: GenerationRecord) -> GenerationRecord:
    """`record` with what it lacks taken from `other`: content, tokens and answers each as a whole."""
    changes: dict[str, Any] = {
        name: getattr(other, name)
        for name in _FILLED
        if getattr(record, name) is None and getattr(other, name) is not None
    }
    for group in (_TOKENS, _SENT, (*_ANSWERED, "alternatives")):
        if all(getattr(record, name) is None for name in group):
            changes |= {name: getattr(other, name) for name in group if getattr(other, name) is not None}
    return revised(record, **changes) if changes else record


def difference(whole: GenerationRecord, stored: GenerationRecord) -> GenerationRecord:
    """What `whole` says beyond `stored`."""
    names = (*_FILLED, *_TOKENS, *_SENT, *_ANSWERED, "alternatives")
    return GenerationRecord(
        id=stored.id, **{n: getattr(whole, n) for n in names if getattr(whole, n) != getattr(stored, n)}
    )
