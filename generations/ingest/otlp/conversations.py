"""Conversations of agents in a terminal: the log events of each call put together, in whatever parts they come.

What is asked comes before its call, and so does when that began; what is answered comes after it. Agents send what they
have every few seconds, so that each may come in a request of its own: what finds no call waits as a step of its thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from generations.ingest.otlp import terminals, values
from generations.ingest.otlp.events import DETAILS
from generations.ingest.otlp.shapes import LogEvent
from generations.ingest.otlp.terminals import Event
from generations.records import GenerationRecord, Json, StepRecord, revised

NOTES: Final = "heard"
"""Attribute of a call with the times of what it took in, and of a step that waits with what its event says."""
_KEPT: Final = ("at", "place", "detailed")
"""Notes of a call that are of itself."""
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("at", "asked", "begun", "start", "placed"), (int,)),
    "place": (int, float),
    "detailed": (bool,),
}
_SAID: Final = ("time", "trace_id", "span_id", "body", "attributes", "resource", "scope")
_TOLD: Final = (
    *("id", "started_at", "messages", "message_completion", "alternatives", "finish_reason", "parameters", "tools"),
    *("response_id", "trace_id", "step_id", "error", "attributes"),
)
"""Fields of a call that events tell which come before or after its own."""


class Heard(NamedTuple):
    """The calls that were told of, and of those that were known what changes; answers within a span as what that made;
    events that wait for their call as steps of their threads, and the ids of such steps whose call has come."""

    calls: list[GenerationRecord]
    made: list[StepRecord]
    waiting: list[StepRecord]
    gone: list[str]


class Asked(NamedTuple):
    """Words that the next call of their thread answers, when they were said, and the event that they came in."""

    time: int
    messages: list[Json]
    event: Event | None


class Placed(NamedTuple):
    """The span that the next call of its thread stands in."""

    time: int
    trace_id: str | None
    step_id: str | None
    event: Event | None


class _Again(NamedTuple):
    """What a call that is known has taken in already, or that call itself, at its place."""

    place: tuple[int, float, int]
    thread: str
    what: str
    call: GenerationRecord


def heard(told: Iterable[Event], waiting: Iterable[Event] = (), known: Iterable[GenerationRecord] = ()) -> Heard:
    """What these events tell, with those that waited, beside the calls of their threads that are known.

    An event within a span tells of what that span tells, Codex's aside. What calls took in stands beside them
    (`NOTES`), so that they can be told anew whatever comes later, and in whatever parts.
    """
    stored = {call.id: call for call in known}
    events: dict[str, Event] = {event.id: event for event in told}
    events |= {event.id: event for event in waiting}
    turns: list[Event | _Again] = [event for id, event in events.items() if id not in stored]
    for call in stored.values():
        turns += _again(call)
    found = _Threads()
    for turn in sorted(turns, key=lambda one: one.place):
        if isinstance(turn, _Again):
            found.repeat(turn)
        else:
            found.hear(turn)
    return found.told()


class _Threads:
    """Conversations while their events are read in their order."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], GenerationRecord | None]] = []
        self.made: dict[str, StepRecord] = {}
        self.waiting: dict[str, Event] = {}
        self.gone: list[str] = []
        self.last: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, Asked] = {}
        self.begun: dict[str, tuple[int, int, Event | None]] = {}
        self.placed: dict[str, Placed] = {}

    def hear(self, event: Event) -> None:
        """Take in an event."""
        name, said, thread = event.name, event.said, event.thread
        is_begun = name in terminals.BEGUN
        if is_begun and "error.message" not in said.attributes:
            self.begun[thread] = said.time, said.time - terminals.nanoseconds(said.attributes), event
            self._wait(event)
        elif name == DETAILS:
            self._detail(event)
        elif name in terminals.ASKED:
            if name == terminals.PLACED and said.trace_id and said.span_id:
                self.placed[thread] = Placed(said.time, said.trace_id, f"{said.trace_id}-{said.span_id}", event)
                self._wait(event)
            words = said.attributes.get(terminals.ASKED[name])
            if isinstance(words, str) and words not in terminals.HIDDEN:
                self.asked[thread] = Asked(said.time, terminals.question(name, words), event)
                if not (name.startswith("claude_code") and said.span_id is not None):  # that span has them
                    self._wait(event)
        elif name in terminals.ANSWERED:
            if said.trace_id and said.span_id:
                _make(self.made, name, said)
            elif thread in self.last:
                self._answer(thread, event.place, terminals.answer(name, said))
                self._take(event)
            elif terminals.answer(name, said):
                self._wait(event)
        else:
            notes: dict[str, Any] = {"at": said.time, "place": event.place[1]}
            call = terminals.call(name, said, None if is_begun else self._start(thread, notes))
            call["attributes"][NOTES] = notes
            self.calls.append((call, None))
            self._complete(call, thread)

    def repeat(self, again: _Again) -> None:
        """Take in what was taken in before."""
        thread, stored = again.thread, again.call
        notes = _notes(stored)
        if again.what == "asked":
            if stored.messages and (thread not in self.asked or self.asked[thread].time != again.place[0]):
                self.asked[thread] = Asked(again.place[0], list(stored.messages or ()), None)
        elif again.what == "begun":
            if thread not in self.begun or self.begun[thread][0] != again.place[0]:
                self.begun[thread] = again.place[0], notes["start"], None
        elif again.what == "placed":
            if thread not in self.placed or self.placed[thread].time != again.place[0]:
                self.placed[thread] = Placed(again.place[0], stored.trace_id, stored.step_id, None)
        elif again.what == "answered":
            if thread in self.last:
                said = {"message_completion": stored.message_completion, "finish_reason": stored.finish_reason}
                self._answer(thread, again.place, said)
        else:
            call: dict[str, Any] = {name: getattr(stored, name) for name in _TOLD}
            call["attributes"] = {**(stored.attributes or {}), NOTES: {n: notes[n] for n in _KEPT if n in notes}}
            if "asked" in notes:
                call["messages"] = None
            if "answered" in notes:
                call["message_completion"] = None
            if "placed" in notes:
                call["trace_id"] = call["step_id"] = None
            self.calls.append((call, stored))
            if notes and (start := self._start(thread, call["attributes"][NOTES])) is not None:
                call["started_at"] = values.moment(start)
            if notes or not stored.messages:
                self._complete(call, thread, stored)
            elif thread in self.asked and call["error"] is None:
                self._take(self.asked.pop(thread).event)

    def told(self) -> Heard:
        """What all of it tells."""
        calls = [_whole(call) if stored is None else _changed(call, stored) for call, stored in self.calls]
        steps = [_step(event) for event in self.waiting.values() if event.step is None and event.thread]
        return Heard([c for c in calls if c is not None], [*self.made.values()], steps, self.gone)

    def _wait(self, event: Event) -> None:
        self.waiting[event.id] = event

    def _take(self, event: Event | None) -> None:
        """Let an event wait no more."""
        if event is not None:
            self.waiting.pop(event.id, None)
            if event.step is not None and event.step not in self.gone:
                self.gone.append(event.step)

    def _start(self, thread: str, notes: dict[str, Any]) -> int | None:
        if thread not in self.begun:
            return None
        time, start, event = self.begun.pop(thread)
        self._take(event)
        notes |= {"begun": time, "start": start}
        return start

    def _complete(self, call: dict[str, Any], thread: str, stored: GenerationRecord | None = None) -> None:
        """Let a call have what came before it."""
        notes = call["attributes"].setdefault(NOTES, {})
        place = self.placed.pop(thread, None)
        if thread in self.asked:
            asked = self.asked[thread]
            had = stored.messages if stored is not None and _notes(stored).get("asked") == asked.time else None
            # What had these words has them beside its instructions.
            call["messages"] = list(had) if had else [*(call.get("messages") or ()), *asked.messages]
            notes["asked"] = asked.time
            if call["error"] is None:  # another attempt may follow
                del self.asked[thread]
                self._take(asked.event)
        if place is not None:
            call |= {"trace_id": place.trace_id, "step_id": place.step_id}
            notes["placed"] = place.time
            if thread not in self.asked or self.asked[thread].event != place.event:
                self._take(place.event)
        self.last[thread] = call

    def _answer(self, thread: str, place: tuple[int, float, int], said: dict[str, Any]) -> None:
        if said:
            call = self.last[thread]
            call.update(said)
            call["attributes"][NOTES]["answered"] = list(place[:2])

    def _detail(self, event: Event) -> None:
        said = event.said
        if said.span_id is not None or terminals.WHEN not in said.attributes:
            return
        call = self.last.get(event.thread)
        if call is None or call["attributes"].get(terminals.WHEN) != said.attributes[terminals.WHEN]:
            self._wait(event)
            return
        if "detailed" not in call["attributes"][NOTES]:
            call.update(terminals.detailed(said, call))
            call["attributes"][NOTES]["detailed"] = True
        self._take(event)


def _again(call: GenerationRecord) -> list[Event | _Again]:
    notes, thread = _notes(call), call.thread_id or ""
    end = int(call.ended_at.timestamp() * 1e6) * 1_000 if call.ended_at is not None else 0
    found: list[Event | _Again] = [_Again((notes.get("at", end), notes.get("place", 0.0), 1), thread, "call", call)]
    for what in ("asked", "begun", "placed"):
        if what in notes:
            found.append(_Again((notes[what], math.inf, 1), thread, what, call))
    if "answered" in notes:
        time, place = notes["answered"]
        found.append(_Again((time, place, 1), thread, "answered", call))
    return found


def _notes(call: GenerationRecord) -> dict[str, Any]:
    """What a call took in and when, as it was noted; what else has that name is none."""
    found = (call.attributes or {}).get(NOTES)
    notes = {n: v for n, v in found.items() if _is_note(n, v)} if isinstance(found, dict) else {}
    return notes if "start" in notes or "begun" not in notes else {}


def _is_note(name: str, value: Json) -> bool:
    if name == "answered":
        return isinstance(value, list) and len(value) == 2 and all(type(one) in (int, float) for one in value)
    return type(value) in _TYPES.get(name, ())


def _whole(call: dict[str, Any]) -> GenerationRecord:
    return GenerationRecord(**{name: value for name, value in call.items() if value is not None})


def _changed(call: dict[str, Any], stored: GenerationRecord) -> GenerationRecord | None:
    """What is to be written of a call that is known, if something is."""
    said = {name: value for name, value in call.items() if value is not None and value != getattr(stored, name)}
    cleared = {name for name in _TOLD if call.get(name) is None and getattr(stored, name) is not None}
    if not said and not cleared:
        return None
    # A start is only moved by who says that it is another.
    return GenerationRecord(id=stored.id, **said, cleared=frozenset(cleared | ({"started_at"} & said.keys())))


def _step(event: Event) -> StepRecord:
    """An event whose call may come in another request: agents send what they have every few seconds."""
    said, moment = event.said, values.moment(event.said.time)
    words = said.attributes.get(terminals.ASKED[event.name]) if event.name in terminals.ASKED else None
    return StepRecord(
        id=event.id,
        type="undefined",
        name=event.name,
        thread_id=event.thread,
        user_id=terminals.text(said.attributes, "user_id"),
        started_at=moment,
        ended_at=moment,
        environment=terminals.resource(said, "environment"),
        release=terminals.resource(said, "release"),
        input=words if isinstance(words, str) else None,
        attributes={NOTES: {name: getattr(said, name) for name in _SAID}},
    )


def waited(step: StepRecord) -> Event | None:
    """The event that waits as a step, if this is one."""
    name, notes = str(step.name), (step.attributes or {}).get(NOTES)
    if step.trace_id is not None:  # a span of that name
        return None
    if isinstance(notes, dict) and notes.keys() == set(_SAID):
        times, texts = isinstance(notes["time"], int), (notes["attributes"], notes["resource"])
        is_whole = times and all(isinstance(one, dict) for one in texts)
        return Event(name, LogEvent(name, **notes), step.id) if is_whole else None
    if name not in terminals.ASKED or not isinstance(step.input, str) or step.started_at is None:
        return None
    # As earlier versions kept words.
    said: dict[str, Json] = {terminals.ASKED[name]: step.input, "session.id": step.thread_id}
    return Event(name, LogEvent(name, int(step.started_at.timestamp() * 1e6) * 1_000, None, None, None, said), step.id)


def _make(made: dict[str, StepRecord], name: str, event: LogEvent) -> None:
    """Say of the step of the span that an answer stands in, the turn's, what that made, and keep it for its call."""
    if not (answer := terminals.answer(name, event).get("message_completion")):
        return
    id = f"{event.trace_id}-{event.span_id}"
    step = made.get(id) or StepRecord(id=id, trace_id=event.trace_id, span_id=event.span_id)
    if response := terminals.text(event.attributes, "response_id"):
        key = f"{terminals.TURNS}{response}.{'text' if name == terminals.ANSWER else 'whole'}"
        made[id] = step = revised(step, attributes={**(step.attributes or {}), key: answer})
    if name == terminals.ANSWER:
        made[id] = revised(step, output=answer["content"])
