"""A span as a step, and as a generation where it is a call to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from generations import making
from generations.cleaning import MAX_TEXT
from generations.ingest.otlp import (
    calls,
    claude_code,
    content,
    dialects,
    evaluations,
    events,
    kinds,
    lending,
    names,
    quirks,
    values,
)
from generations.ingest.otlp.fields import RESOURCE
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.names import About, Places
from generations.ingest.otlp.shapes import ERROR, Event, Span
from generations.ingest.otlp.usage import tokens_of
from generations.records import GenerationRecord, Json, ScoreRecord, StepRecord, ThreadRecord, made_step, revised

MAX_ATTRIBUTE: Final = 64 << 10
"""Characters of an attribute that is kept as it came; what is longer is cut. Content is never cut."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one span tells: its step, its generation where it is a model call, scores, and the thread where named."""

    span: Span
    step: StepRecord
    generation: GenerationRecord | None = None
    scores: tuple[ScoreRecord, ...] = ()
    thread: ThreadRecord | None = None
    has_files: bool = False
    """Whether files were taken out of its messages."""
    own: Mapping[str, Any] | None = None
    """The thread, user and tags that it names itself, where others of its trace lent it theirs."""
    is_fetched: bool = False
    """Whether its generation is what was answered to another call, fetched later."""
    has_begun: bool = False
    """Whether the span has only begun, and is told whole when it ends."""


made_told: Final = making.quick(Told).made


def told(span: Span) -> Told:
    """What a span tells. Never refuses: what is not understood is kept among the attributes."""
    is_plain = quirks.is_plain(span.scope)
    if quirks.BEGUN in span.attributes and (begun := quirks.as_begun(span)) is not span:
        return _begun(begun)
    if not is_plain:
        span = claude_code.by_conventions(quirks.without_none(_as_long_as_it_says(span)))
    a = span.attributes
    if (span.events or events.IN_AN_ATTRIBUTE in a) and (a := events.with_events(span)) is not span.attributes:
        span = replace(span, attributes=a)
    about = names.about(a)
    if about.maps and (spread := names.spread(a, about.maps)) is not a:
        span, a, about = replace(span, attributes=spread), spread, names.about(spread)
    kind, work = kinds.types(a, about)
    if kind is not None and not is_plain and (_only_opens_a_stream(span, about) or _only_prepares(span)):
        kind, work = None, kinds.work_type(a, about)
    if kind is None and a.get("gen_ai.operation.name") == quirks.FETCH:
        kind = "chat"
    is_fetched = kind is not None and quirks.fetches(span)
    held = _all_shared(a, about, is_call=kind is not None)
    whole = _common(span, about, held)
    name = (values.text(held["name"]) if "name" in held else None) or span.name or None
    fields = dict(whole)
    fields.pop("error_type", None)
    if kind is None:
        said = _all_held(a, about.of_work, is_work=True)
        fields["input"] = content.work(said.get("step_input"))
        fields["output"] = content.work(said.get("step_output"))
        step_type = work or ("run" if span.parent_id is None else "undefined")
    else:
        step_type = kind if kind in ("embedding", "rerank") else "llm"
    step = made_step(
        id=span.id,
        type=step_type,
        name=None if name is None else name[:MAX_TEXT],
        parent_id=(values.text(held["parent_id"]) if "parent_id" in held else None)
        or (f"{span.trace_id}-{span.parent_id}" if span.parent_id else None),
        attributes=_rest(span, about),
        events=_events(span) or None if span.events else None,
        **fields,
    )
    generation = None
    if kind is not None:
        generation = calls.generation(span, about, _all_held(a, about.of_calls), kind, whole, step, is_plain)
        if not _is_told(span, generation, is_fetched):
            generation, step = None, revised(step, type="run")
    thread = None
    if "thread_name" in held and "thread_id" in whole and (title := values.text(held["thread_name"])):
        thread = ThreadRecord(id=whole["thread_id"], name=title[:MAX_TEXT])
    scores = evaluations.scores(span) if span.events else ()
    return made_told(span, step, generation, scores, thread, False, None, is_fetched, False)


def _begun(span: Span) -> Told:
    """What is told of a span that has only begun: its step, and where that stands. Whether it is a call, and what was
    asked and answered, is told when it ends."""
    span = quirks.without_none(span)
    about = names.about(span.attributes)
    held = _all_shared(span.attributes, about, is_call=False)
    name = (values.text(held["name"]) if "name" in held else None) or span.name
    parent = f"{span.trace_id}-{span.parent_id}" if span.parent_id else None
    fields = _common(span, about, held)
    attributes = _rest(span, about)
    step = made_step(id=span.id, name=name[:MAX_TEXT] or None, parent_id=parent, attributes=attributes, **fields)
    return made_told(span, step, None, (), None, False, None, False, True)


def _is_told(span: Span, call: GenerationRecord, is_fetched: bool) -> bool:
    """Whether a span tells of a model's answer, and not of a request by which nothing was asked nor brought."""
    is_answered = call.completion_tokens is not None or any(getattr(call, n) is not None for n in lending.ANSWERED)
    if is_fetched:
        return call.response_id is not None and is_answered
    if quirks.asks_nothing(span) and not is_answered:
        return False
    return bool(call.model_id or call.messages or call.prompt_tokens is not None) or quirks.asks(span)


def said_by_itself(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """The thread, user and tags that a span named whose step has these attributes."""
    resource = attributes.get("resource")
    span = Span("", "", None, "", 0, 0, dict(attributes), resource=resource if isinstance(resource, dict) else {})
    about = names.about(attributes)
    is_call = kinds.call_type(attributes, about) is not None
    found = _common(span, about, _all_shared(attributes, about, is_call=is_call))
    return {name: found[name] for name in ("thread_id", "user_id", "tags") if name in found}


def _as_long_as_it_says(span: Span) -> Span:
    """The span with its length, where it was written when all was over and says how long that took."""
    if span.start != span.end or not span.scope.startswith(quirks.STREAMS_APART):
        return span
    if not (seconds := values.number(span.attributes.get("duration"))):
        return span
    return replace(span, start=max(0, span.start - int(seconds * 1e9)))


_OF_ANSWERS: Final = frozenset({"gen_ai.output.messages", "gen_ai.response.id", "response_data"})


def _only_opens_a_stream(span: Span, about: About) -> bool:
    """Whether another span tells of this call: with this one's question, and with its answer."""
    return (
        span.scope.startswith(quirks.STREAMS_APART)
        and span.status != ERROR
        and "duration" not in span.attributes  # which says that it is over, be it before a word came
        and _OF_ANSWERS.isdisjoint(span.attributes)
        and not tokens_of(span.attributes, about)
    )


def _only_prepares(span: Span) -> bool:
    """Whether a span is of what is done before a call, which another span tells of."""
    return quirks.prepares(span.scope, span.name) and "llm.output_messages.0.message.role" not in span.attributes


# --------------------------------------------------------------------------------------------------------------- fields
def first(attributes: Mapping[str, Json], about: About, field: str) -> Json:
    """The first value that the table's names for `field` have in these attributes; empty texts are none."""
    places = about.holders.get(field)
    return None if places is None else _held(attributes, places)


def _all_shared(attributes: Mapping[str, Json], about: About, *, is_call: bool) -> dict[str, Json]:
    """What `first` finds for the fields of a step; a name that many programs have is a user beside a call alone."""
    found = _all_held(attributes, about.of_steps)
    if is_call and "caller" in about.holders and (caller := first(attributes, about, "caller")) is not None:
        found.setdefault("user_id", caller)
    return found


def _all_held(
    attributes: Mapping[str, Json], places: Iterable[tuple[str, str, Places]], *, is_work: bool = False
) -> dict[str, Json]:
    """What `first` finds for each of these fields for which it finds something; with `is_work` they may be any text."""
    found: dict[str, Json] = {}
    for field, name, all in places:
        if name:
            value = attributes[name]
            if value and not value.startswith(_DOUBTFUL) if type(value) is str else value is not None:
                found[field] = value
                continue
        if (value := _held(attributes, all, is_work)) is not None:
            found[field] = value
    return found


def _held(attributes: Mapping[str, Json], places: Places, is_work: bool = False) -> Json:
    for name, inner in places:
        value = attributes[name]
        if inner is not None:
            value = dialects.member(value, inner)
        if not quirks.is_unsaid(value) or (is_work and quirks.is_word(value)):
            # MLflow and Langfuse write texts as JSON, with its quotes.
            return loaded(value) if isinstance(value, str) and value[0] == value[-1] == '"' else value
    return None


_DOUBTFUL: Final = ('"', *quirks.UNSAID_BEGIN)
"""What a text begins with that says nothing, or is in quotes."""
_READ: Final[Mapping[str, Callable[[Json], Any]]] = {
    "thread_id": values.thread,
    "user_id": values.identifier,
    **dict.fromkeys(("environment", "release"), values.short),
    "tags": values.tags,
}
"""The fields of a step that are a value of the table as it stands, and how each is read."""
_OF_RESOURCES: Final = frozenset(name for names in RESOURCE.values() for name in names)


def _common(span: Span, about: About, held: Mapping[str, Json]) -> dict[str, Any]:
    """What a span says that is no content: the fields of its step, and those of its generation beside them."""
    a = span.attributes
    said: dict[str, Any] = {"trace_id": span.trace_id, "span_id": span.span_id}
    for field, found in held.items():
        if (read := _READ.get(field)) is not None and (value := read(found)) is not None:
            said[field] = value
    if not _OF_RESOURCES.isdisjoint(span.resource):
        for field, names in RESOURCE.items():
            if field not in said and (value := next((v for n in names if (v := span.resource.get(n))), None)):
                said[field] = _READ[field](value)
    if (about.metadata or about.objects) and (metadata := _metadata(a, about)):
        said["metadata"] = metadata
    if (started := values.moment(span.start)) is not None:
        said["started_at"] = started
    if span.end >= span.start and (ended := values.moment(span.end)) is not None:
        said["ended_at"] = ended
    if span.status == ERROR or a.get("langfuse.observation.level") == "ERROR" or (span.events and quirks.failed(span)):
        failure = zip(("error", "error_type", "error_detail"), _failure(span, held), strict=True)
        said.update((field, value) for field, value in failure if value is not None)
    return said


def _metadata(a: Mapping[str, Json], about: About) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name in about.objects:
        if isinstance(given := loaded(a[name]), dict):
            found |= {k: v for k, v in given.items() if not k.startswith(dialects.NOT_METADATA)}
    for name, rest in about.metadata:
        found.setdefault(rest, loaded(a[name]))
    return found


def _rest(span: Span, about: About) -> dict[str, Json] | None:
    """The attributes that are not stored as content, with the resource and the scope that they were sent with."""
    kept = span.attributes.copy()
    for name in about.content:
        del kept[name]
    for name, value in kept.items():
        if type(value) is str and len(value) > MAX_ATTRIBUTE:
            kept[name] = f"{value[:MAX_ATTRIBUTE]}… ({len(value)} characters)"
    if span.resource:
        kept["resource"] = dict(span.resource)
    if span.scope:
        kept["scope"] = span.scope
    if span.links:
        kept["links"] = list(span.links)
    if span.dropped:
        kept["droppedAttributesCount"] = span.dropped
    if span.dropped_events:
        kept["droppedEventsCount"] = span.dropped_events
    return kept or None


def _events(span: Span) -> list[Json]:
    """The first thousand events but for the chunks of a stream, of which there may be thousands."""
    kept = (
        {"name": e.name, "time": e.time, "attributes": {k: _cut(v) for k, v in e.attributes.items()}}
        for e in span.events
        if e.name not in events.TOLD
        if not e.name.startswith(("mlflow.chunk.item.", "gen_ai.content.", "llm.content.", "promptflow."))
    )
    return list(islice(kept, 1_000))


def _cut(value: Json) -> Json:
    return value[:MAX_ATTRIBUTE] if isinstance(value, str) else value


def _failure(span: Span, held: Mapping[str, Json]) -> tuple[str | None, str | None, str | None]:
    """The error of a span that failed, its type and its trace. A status that nobody set is success."""
    exception: Event | None = next((e for e in reversed(span.events) if e.name == "exception"), None)
    thrown = exception.attributes if exception is not None else {}
    kind = values.text(held.get("error_type")) or values.text(thrown.get("exception.type"))
    error = (
        span.message
        or values.text(held.get("error"))
        or values.text(thrown.get("exception.message"))
        or kind
        or "error"
    )
    return error, None if kind is None else kind[:MAX_TEXT], values.text(thrown.get("exception.stacktrace"))
