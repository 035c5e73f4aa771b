"""Log events that belong to spans: messages that were sent apart from the call, and results of evaluations."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from generations.ingest.otlp import content, dialects, messages, spans
from generations.ingest.otlp.shapes import LogEvent
from generations.reading import compact
from generations.records import Json, ScoreRecord

DETAILS: Final = "gen_ai.client.inference.operation.details"
PREFIX: Final = "log."
"""Beginning of the attributes of a step that keep what log events said of it: events of one call may come apart."""
MOST: Final = 2_000
"""Events of one span that are read of a request."""
_ASKED: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_EVALUATION: Final = "gen_ai.evaluation.result"


@dataclass(slots=True)
class Spoken:
    """What the log events of one span say of its call, in the order in which they came."""

    trace_id: str
    span_id: str
    events: list[LogEvent] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of the span's step and generation."""
        return f"{self.trace_id}-{self.span_id}"


def spoken(events: Iterable[LogEvent]) -> list[Spoken]:
    """The events that tell of messages, by their span. Events of other kinds tell nothing."""
    found: dict[tuple[str, str], Spoken] = {}
    for event in events:
        if event.trace_id and event.span_id and (event.name in (DETAILS, _CHOICE) or event.name in _ASKED):
            one = found.setdefault((event.trace_id, event.span_id), Spoken(event.trace_id, event.span_id))
            if len(one.events) < MOST:
                one.events.append(event)
    return list(found.values())


def scores(events: Iterable[LogEvent]) -> list[ScoreRecord]:
    """The results of evaluations; one whose event names no span has no target, and the answer's id in its metadata."""
    made = (
        spans.evaluation(e.attributes, f"{e.trace_id}-{e.span_id}" if e.trace_id and e.span_id else None, e.time)
        for e in events
        if e.name == _EVALUATION
    )
    return [score for score in made if score is not None]


def parts(events: Sequence[LogEvent], known: Mapping[str, Json]) -> dict[str, Json]:
    """What these events say, as attributes of their step that are not among the `known` ones yet.

    A name is the event's time, its place among those of that time, and a digest: in the order of the names, the events
    are in theirs. The same event sent again has the digest of one that is known.
    """
    digests = {(name.split(".")[1], name.rpartition(".")[2]) for name in known if name.startswith(PREFIX)}
    places = Counter(time for time, _ in digests)
    repeated: Counter[str] = Counter()
    found: dict[str, Json] = {}
    for event in events:
        said: dict[str, Json] = {"name": event.name, "body": event.body}
        if event.name == DETAILS:
            said["attributes"] = event.attributes
        text = compact(said)
        time = f"{event.time:020d}"
        # The same words may be said twice in a conversation, and at the same time by a clock of milliseconds.
        repeated[time + text] += 1
        digest = hashlib.blake2b(
            f"{text}\0{repeated[time + text]}".encode("utf-8", "replace"), digest_size=6
        ).hexdigest()
        if (time, digest) not in digests:
            found[f"{PREFIX}{time}.{places[time]:04d}.{digest}"] = said
            places[time] += 1
    return found


def fields(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """The fields of a generation that the attributes made by `parts` tell, whatever the order they came in."""
    told: dict[str, Any] = {}
    asked: list[Json] = []
    choices: list[Mapping[str, Json]] = []
    for name in sorted(name for name in attributes if name.startswith(PREFIX)):
        said = attributes[name]
        kind, body = said["name"], said["body"]
        if kind == DETAILS:
            whole = {**(body if isinstance(body, dict) else {}), **said["attributes"]}
            about = dialects.about(whole)
            told |= content.read(whole, about, spans.call_type(whole, about) or "chat", None)
            if tools := messages.tools(spans.first(whole, about, "tools")):
                told["tools"] = tools
        elif isinstance(body, dict):
            if kind == _CHOICE:
                choices.append(body)
            else:
                given = {"role": _ASKED[kind], **body}
                if kind == "gen_ai.tool.message" and "id" in given:
                    given["tool_call_id"] = given.pop("id")
                asked += messages.message(given)
    if asked:
        told["messages"] = asked
    if choices:
        ordered = sorted(choices, key=lambda c: c["index"] if isinstance(c.get("index"), int) else 0)
        answers = [{**_message(c), "finish_reason": c.get("finish_reason")} for c in ordered]
        told |= content.answered(answers, "chat", len(answers) > 1)
    return told


def _message(choice: Mapping[str, Json]) -> dict[str, Json]:
    inner = choice.get("message")
    if isinstance(inner, dict):
        return {"role": "assistant", **inner}
    return {"role": "assistant", "content": inner, **({"tool_calls": t} if (t := choice.get("tool_calls")) else {})}
