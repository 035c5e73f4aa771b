"""One call that two spans tell of, as one generation: whichever of them knows more, completed by the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
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
_SENT: Final = ("messages", "prompt", "input")
_ANSWERED: Final = ("message_completion", "completion", "output")


@dataclass(frozen=True, slots=True)
class Call:
    """A generation and whence it comes: the span above it, its instrumentation, and whether it is stored already."""

    record: GenerationRecord
    parent_id: str | None
    scope: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be written of the calls (stored ones only where something is added), and which are none."""

    records: list[GenerationRecord]
    dropped: frozenset[str]


def settle(calls: Sequence[Call]) -> Settled:
    """Tell which calls are one, in whatever order their spans came.

    A call directly below a call is the same one; so are calls at the same time by different instrumentations whose
    answers have the same id. An id alone says little: stand-ins of providers give every answer the same.
    """
    by_id = {call.record.id: call for call in calls}
    below: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.parent_id in by_id and call.parent_id != call.record.id:
            below[call.parent_id].append(call)
    into: dict[str, str | None] = {}
    for parent_id, children in below.items():
        parent = by_id[parent_id]
        if max(map(_weight, children)) >= _weight(parent):
            into[parent_id] = children[0].record.id if len(children) == 1 else None
        else:
            into.update((child.record.id, parent_id) for child in children if child.record.id not in into)
    for group in _by_response(call for call in calls if call.record.id not in into):
        best = max(group, key=lambda call: (_weight(call), call.record.id))
        into.update((call.record.id, best.record.id) for call in group if call is not best)
    dropped = {id for id in into if not _is_cycle(id, into)}
    whole = {call.record.id: call.record for call in calls}
    for id in dropped:
        winner = into[id]
        seen = {id}
        while winner in dropped and winner not in seen:
            seen.add(winner)
            winner = into[winner]
        if winner is not None and winner not in dropped:
            whole[winner] = filled(whole[winner], by_id[id].record)
    records = []
    for call in calls:
        id = call.record.id
        if id in dropped:
            continue
        if not call.is_stored:
            records.append(whole[id])
        elif whole[id] is not call.record:
            records.append(_difference(whole[id], call.record))
    return Settled(records, frozenset(dropped))


def _is_cycle(id: str, into: dict[str, str | None]) -> bool:
    """Whether following the calls that take others in leads back to `id`: spans that are each other's parents."""
    place, steps = into[id], 0
    while place in into and steps <= len(into):
        if place == id:
            return True
        place, steps = into[place], steps + 1
    return False


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
            together = [call for call in rest if _is_same_time(head, call) and call.scope != head.scope]
            if together:
                groups.append([head, together[0]])
                rest.remove(together[0])
    return groups


def _is_same_time(one: Call, other: Call) -> bool:
    a, b = one.record, other.record
    if a.started_at is None or b.started_at is None or a.ended_at is None or b.ended_at is None:
        return False
    return a.started_at <= b.ended_at and b.started_at <= a.ended_at


def _weight(call: Call) -> int:
    record = call.record
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


def _difference(whole: GenerationRecord, stored: GenerationRecord) -> GenerationRecord:
    names = (*_FILLED, *_TOKENS, *_SENT, *_ANSWERED, "alternatives")
    return GenerationRecord(
        id=stored.id, **{n: getattr(whole, n) for n in names if getattr(whole, n) != getattr(stored, n)}
    )
