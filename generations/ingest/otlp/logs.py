"""Log events that belong to spans: messages that were sent apart from the call, and results of evaluations."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from generations.ingest.otlp import (
    answers,
    content,
    definitions,
    evaluations,
    events,
    kinds,
    names,
    quirks,
    spans,
    terminals,
    values,
)
from generations.ingest.otlp.events import DETAILS
from generations.ingest.otlp.shapes import LogEvent
from generations.reading import compact
from generations.records import InvalidRecord, Json, ScoreRecord

PREFIX: Final = "log."
"""Beginning of the attributes of a step that keep what log events said of it: events of one call may come apart."""
MOST: Final = 2_000
"""Events of one span that are read of a request."""
_SPOKEN: Final = frozenset({DETAILS, events.CHOICE, *events.ASKED})
_SAID_ONCE: Final = frozenset({DETAILS, events.CHOICE, "gen_ai.system.message"})
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


def spoken(heard: Iterable[LogEvent]) -> list[Spoken]:
    """The events that tell of messages, by their span. Events of other kinds tell nothing."""
    found: dict[tuple[str, str], Spoken] = {}
    for event in map(terminals.within, heard):
        if not (event.trace_id and event.span_id and event.name in _SPOKEN):
            continue
        if not event.scope.startswith(quirks.TOLD_APART):
            one = found.setdefault((event.trace_id, event.span_id), Spoken(event.trace_id, event.span_id))
            if len(one.events) < MOST:
                one.events.append(event)
    return list(found.values())


def scores(heard: Iterable[LogEvent]) -> list[ScoreRecord]:
    """The results of evaluations; one whose event names no span has no target, and the answer's id in its metadata."""
    made = (
        evaluations.score(e.attributes, f"{e.trace_id}-{e.span_id}" if e.trace_id and e.span_id else None, e.time)
        for e in heard
        if e.name == _EVALUATION
    )
    return [score for score in made if score is not None]


def refused(heard: Iterable[LogEvent]) -> list[str]:
    """Why results of evaluations are none: each has to say what was judged."""
    key = "gen_ai.evaluation.name"
    said = (e.attributes.get(key) for e in heard if e.name == _EVALUATION)
    return [str(InvalidRecord(key, name, "a name as text")) for name in said if not values.text(name)]


def parts(heard: Sequence[LogEvent], known: Mapping[str, Json]) -> dict[str, Json]:
    """What these events say, as attributes of their step that are not among the `known` ones yet.

    A name is the event's time, its place among those of that time, and a digest: in the order of the names, the events
    are in theirs. The same event sent again has the digest of one that is known.
    """
    digests = {(name.split(".")[1], name.rpartition(".")[2]) for name in known if name.startswith(PREFIX)}
    places = Counter(time for time, _ in digests)
    repeated: Counter[str] = Counter()
    found: dict[str, Json] = {}
    for event in heard:
        said: dict[str, Json] = {"name": event.name, "body": event.body}
        if event.name == DETAILS:
            said["attributes"] = event.attributes
        text = compact(said)
        time = f"{event.time:020d}"
        # The same words may be said twice in a conversation, and at the same time by a clock of milliseconds. What is
        # said once comes twice where a collector puts what was sent again into the same request.
        repeated[time + text] = 1 if event.name in _SAID_ONCE else repeated[time + text] + 1
        digest = hashlib.blake2b(
            f"{text}\0{repeated[time + text]}".encode("utf-8", "replace"), digest_size=6
        ).hexdigest()
        if (time, digest) not in digests:
            digests.add((time, digest))
            found[f"{PREFIX}{time}.{places[time]:04d}.{digest}"] = said
            places[time] += 1
    return found


def fields(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """The fields of a generation that the attributes made by `parts` tell, whatever the order they came in."""
    told: dict[str, Any] = {}
    others: list[tuple[str, Json]] = []
    for name in sorted(name for name in attributes if name.startswith(PREFIX)):
        said = attributes[name]
        if not _is_ours(said):
            continue
        kind, body = said["name"], said["body"]
        if kind == DETAILS:
            whole = {**(body if isinstance(body, dict) else {}), **said["attributes"]}
            about = names.about(whole)
            told |= content.read(whole, about, kinds.call_type(whole, about) or "chat", None)
            if tools := definitions.tools(spans.first(whole, about, "tools")):
                told["tools"] = tools
        else:
            others.append((kind, body))
    heard = events.spoken(others)
    if asked := heard.get("gen_ai.input.messages"):
        told["messages"] = asked
    if given := heard.get("gen_ai.output.messages"):
        told |= answers.answered(given, "chat", len(given) > 1)
    return told


def _is_ours(said: Json) -> bool:
    """Whether an attribute's value is one that `parts` made: a span may have attributes of such names itself."""
    if not isinstance(said, dict) or not isinstance(said.get("name"), str) or "body" not in said:
        return False
    return said["name"] != DETAILS or isinstance(said.get("attributes"), dict)
