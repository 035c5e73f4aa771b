"""A span as a step, and as a generation where it is a call to a model."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from generations import making
from generations.cleaning import MAX_TEXT
from generations.ingest import openai
from generations.ingest.otlp import content, dialects, evaluations, events, kinds, messages, quirks, values
from generations.ingest.otlp.dialects import About
from generations.ingest.otlp.fields import RESOURCE
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.shapes import ERROR, Event, Span
from generations.ingest.otlp.usage import COUNTS, tokens_of
from generations.ingest.usage import settings
from generations.records import GenerationRecord, Json, ScoreRecord, StepRecord, ThreadRecord

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


making.quick(Told)


def told(span: Span) -> Told:
    """What a span tells. Never refuses: what is not understood is kept among the attributes."""
    span = _as_long_as_it_says(span)
    if (a := events.with_events(span)) is not span.attributes:
        span = replace(span, attributes=a)
    about = dialects.about(a)
    kind = None if _only_opens_a_stream(span, about) or _only_prepares(span) else kinds.call_type(a, about)
    held = _all_held(a, about)
    whole = _common(span, about, held)
    name = values.text(held.get("name")) or span.name or None
    step = StepRecord(
        id=span.id,
        type=_step_type(a, about, kind, span.parent_id is None),
        name=None if name is None else name[:MAX_TEXT],
        parent_id=values.text(held.get("parent_id"))
        or (f"{span.trace_id}-{span.parent_id}" if span.parent_id else None),
        attributes=_rest(span, about),
        events=_events(span) or None,
        input=None if kind else content.work(held.get("step_input")),
        output=None if kind else content.work(held.get("step_output")),
        **{k: whole[k] for k in _STEP if k in whole},
    )
    generation = None if kind is None else _generation(span, about, held, kind, whole, step)
    thread = None
    if "thread_id" in whole and (title := values.text(held.get("thread_name"))):
        thread = ThreadRecord(id=whole["thread_id"], name=title[:MAX_TEXT])
    return Told(span, step, generation, evaluations.scores(span) if span.events else (), thread)


_STEP: Final = (
    *("thread_id", "started_at", "ended_at", "error", "user_id", "environment", "release", "trace_id", "span_id"),
    *("tags", "metadata", "error_detail"),
)


def said_by_itself(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """The thread, user and tags that a span named whose step has these attributes."""
    resource = attributes.get("resource")
    span = Span("", "", None, "", 0, 0, dict(attributes), resource=resource if isinstance(resource, dict) else {})
    about = dialects.about(attributes)
    found = _common(span, about, _all_held(attributes, about))
    return {name: found[name] for name in ("thread_id", "user_id", "tags") if name in found}


def _as_long_as_it_says(span: Span) -> Span:
    """The span with its length, where it was written when all was over and says how long that took."""
    if span.start != span.end or not span.scope.startswith(quirks.STREAMS_APART):
        return span
    if not (seconds := values.number(span.attributes.get("duration"))):
        return span
    return replace(span, start=max(0, span.start - int(seconds * 1e9)))


def _only_opens_a_stream(span: Span, about: About) -> bool:
    """Whether another span tells of this call: with this one's question, and with its answer."""
    names = ("gen_ai.output.messages", "gen_ai.response.id", "response_data")
    return (
        span.scope.startswith(quirks.STREAMS_APART)
        and span.status != ERROR
        and not any(name in span.attributes for name in names)
        and not tokens_of(span.attributes, about)
    )


def _only_prepares(span: Span) -> bool:
    """Whether a span is of what is done before a call, which another span tells of."""
    return quirks.prepares(span.scope, span.name) and "llm.output_messages.0.message.role" not in span.attributes


def _step_type(a: Mapping[str, Json], about: About, kind: str | None, is_root: bool) -> str:
    if kind is not None:
        return kind if kind in ("embedding", "rerank") else "llm"
    for _, said in dialects.kinds_said(a, about):
        if found := dialects.STEP_TYPES.get(said.lower()):
            return found
    signed = next((found for sign, found in dialects.STEP_SIGNS.items() if sign in a), None)
    return signed or ("run" if is_root else "undefined")


# --------------------------------------------------------------------------------------------------------------- fields
def first(attributes: Mapping[str, Json], about: About, field: str) -> Json:
    """The first value that the table's names for `field` have in these attributes; empty texts are none."""
    places = about.holders.get(field)
    return None if places is None else _held(attributes, places)


def _all_held(attributes: Mapping[str, Json], about: About) -> dict[str, Json]:
    """What `first` finds for each field for which it finds something."""
    return {
        field: value
        for field, places in about.holders.items()
        if field not in COUNTS and (value := _held(attributes, places)) is not None
    }


def _held(attributes: Mapping[str, Json], places: Iterable[tuple[str, str | None]]) -> Json:
    for name, inner in places:
        value = attributes[name]
        if inner is not None:
            value = dialects.member(value, inner)
        if not quirks.is_unsaid(value):
            # MLflow and Langfuse write texts as JSON, with its quotes.
            return loaded(value) if isinstance(value, str) and value[0] == value[-1] == '"' else value
    return None


_READ: Final[Mapping[str, Callable[[Json], Any]]] = {
    "thread_id": values.thread,
    **dict.fromkeys(("user_id", "session_id", "agent_id", "workflow_id", "function_id"), values.identifier),
    **dict.fromkeys(("environment", "release", "prompt_name"), values.short),
    "tags": values.tags,
}
"""The fields of a record that are a value of the table as it stands, and how each is read."""
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
    if metadata := _metadata(a, about):
        said["metadata"] = metadata
    said["started_at"] = values.moment(span.start)
    said["ended_at"] = values.moment(span.end) if span.end >= span.start else None
    if span.status == ERROR or a.get("langfuse.observation.level") == "ERROR" or quirks.failed(span):
        said["error"], said["error_type"], said["error_detail"] = _failure(span, held)
    return {field: value for field, value in said.items() if value is not None}


def _generation(
    span: Span, about: About, held: Mapping[str, Json], kind: str, whole: dict[str, Any], step: StepRecord
) -> GenerationRecord:
    a = span.attributes
    parameters = _parameters(span, about)
    choices = values.number(parameters.get("n"))
    waited = _first_token(span, held)
    said = content.read(a, about, kind, None if choices is None else int(choices))
    asked, answering = (
        _model(held.get("asked_model")),
        _model(held.get("answering_model")),
    )
    if "error" in whole and said.get("message_completion") == {"role": "assistant", "content": ""}:
        said.pop("message_completion")  # LangSmith has an answer without a word where there was none
    fields: dict[str, Any] = {
        **said,
        **whole,
        **tokens_of(a, about, quirks.counts_beside(span.scope)),
        "name": step.name,
        "step_id": step.id,
        "type": kind,
        "model_id": asked or answering,
        "provider": _provider(held.get("provider")) or openai.provider_of(asked or answering),
        "time_to_first_token": waited if waited is not None and 0 <= waited < 1e8 else None,
        "attributes": {"scope": span.scope} if span.scope else None,
    }
    if answering and asked and answering != asked:
        fields["model_version"] = answering
    if found := values.identifier(held.get("response_id")):
        fields["response_id"] = found
    reason = messages.finish_reason(held.get("finish_reason"))
    if reason := reason or messages.finish_reason(said.get("finish_reason")):
        fields["finish_reason"] = reason[:MAX_TEXT]
        if reason == "error":  # all that Vercel's SDK, and Mastra over it, may say of a failure
            fields.setdefault("error", reason)
    if tools := messages.tools(held.get("tools")):
        fields["tools"] = tools
    if parameters:
        fields["parameters"] = parameters
    _prompt_lineage(a, about, held, fields)
    # Nothing priced it, or nothing was answered: instrumentations then say 0.
    if (cost := _cost(a, held)) and 0 < cost < 1e9:
        fields["cost"] = Decimal(repr(cost))
    if _is_json(a, parameters):
        fields["output_type"] = "json"
    return GenerationRecord(id=step.id, **{k: v for k, v in fields.items() if v is not None})


def _cost(a: Mapping[str, Json], held: Mapping[str, Json]) -> float | None:
    """What a call says that it cost: the whole, or else its parts together."""
    if (whole := values.number(loaded(held.get("cost")))) is not None:
        return whole
    if "langfuse.observation.cost_details" in a:
        parts = loaded(a["langfuse.observation.cost_details"])
        said = list(parts.values()) if isinstance(parts, dict) else []
    else:
        said = [a[name] for name in ("llm.cost.prompt", "llm.cost.completion") if name in a]
    found = [cost for one in said if (cost := values.number(loaded(one))) is not None]
    return round(sum(found), 12) if found else None


def _prompt_lineage(a: Mapping[str, Json], about: About, held: Mapping[str, Json], fields: dict[str, Any]) -> None:
    if (version := held.get("prompt_version")) is not None:
        found = values.number(version.lstrip("v") if isinstance(version, str) else version)
        if found is not None and found == int(found) and 0 <= found < 2**31:
            fields["prompt_version"] = int(found)
    variables = loaded(held.get("variables"))
    named: dict[str, Json] = {}
    if "gen_ai.prompt.variable." in about.starts:
        named = {k[23:]: v for k, v in a.items() if k.startswith("gen_ai.prompt.variable.")}
    if isinstance(variables, dict) or named:
        fields["variables"] = {**(variables if isinstance(variables, dict) else {}), **named}


def _is_json(a: Mapping[str, Json], parameters: Mapping[str, Json]) -> bool:
    wanted = parameters.get("response_format")
    return a.get("gen_ai.output.type") == "json" or (isinstance(wanted, dict) and "json" in str(wanted.get("type")))


_OTHER_THAN_TEXTS: Final = frozenset(
    {
        *("stop_sequences", "response_format", "temperature", "top_p", "top_k", "max_tokens", "seed", "n"),
        *("presence_penalty", "frequency_penalty", "max_completion_tokens", "max_output_tokens"),
    }
)
"""Settings that are numbers, lists or objects, and may come as the JSON of what they are."""


def _parameters(span: Span, about: About) -> dict[str, Json]:
    a = span.attributes
    found: dict[str, Json] = {}
    for outer in about.objects["parameters"]:
        if isinstance(given := loaded(a[outer]), dict):
            found |= _without_secrets(given)
    for name, short in about.parameters:
        found.setdefault(short, a[name])
    if "mlflow.spanType" in a:
        request = loaded(a.get("mlflow.spanInputs"))
        found |= _without_secrets(request) if isinstance(request, dict) else {}
    for name in found.keys() & _OTHER_THAN_TEXTS:
        found[name] = loaded(found[name])
    if not found:
        return found
    made_up = quirks.made_up(span.scope)
    kept = {
        k: v
        for k, v in found.items()
        if not quirks.is_unsaid(v)
        and v not in ("Infinity", [])
        and not (k in made_up and v == made_up[k] and type(v) is type(made_up[k]))
    }
    return settings(kept, dialects.NOT_PARAMETERS)


def _without_secrets(settings: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in settings.items() if not dialects.is_secret(name)}


def _metadata(a: Mapping[str, Json], about: About) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name in about.objects["metadata"]:
        if isinstance(given := loaded(a[name]), dict):
            found |= {k: v for k, v in given.items() if not k.startswith(dialects.NOT_METADATA)}
    for name, rest in about.metadata:
        found.setdefault(rest, loaded(a[name]))
    return found


def _rest(span: Span, about: About) -> dict[str, Json] | None:
    """The attributes that are not stored as content, with the resource and the scope that they were sent with."""
    kept = {name: span.attributes[name] for name in about.kept}
    for name, value in kept.items():
        if isinstance(value, str) and len(value) > MAX_ATTRIBUTE:
            kept[name] = f"{value[:MAX_ATTRIBUTE]}… ({len(value)} characters)"
    if span.resource:
        kept["resource"] = dict(span.resource)
    if span.scope:
        kept["scope"] = span.scope
    if span.links:
        kept["links"] = list(span.links)
    if span.dropped:
        kept["droppedAttributesCount"] = span.dropped
    return kept or None


def _events(span: Span) -> list[Json]:
    """Events but for the chunks of a stream, of which there may be thousands."""
    return [
        {"name": e.name, "time": e.time, "attributes": {k: _cut(v) for k, v in e.attributes.items()}}
        for e in span.events[:1_000]
        if e.name not in events.TOLD
        if not e.name.startswith(("mlflow.chunk.item.", "gen_ai.content.", "llm.content."))
    ]


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


def _first_token(span: Span, held: Mapping[str, Json]) -> float | None:
    seconds = values.number(held.get("first_token_seconds"))
    # OpenLIT says it of calls that are no streams, too, where it is the whole duration.
    if seconds is not None and held.get("is_stream") not in (False, "False", "false"):
        return round(seconds / 1000 if span.scope.startswith(quirks.SECONDS_ARE_MILLISECONDS) else seconds, 6)
    if (milliseconds := values.number(held.get("first_token_milliseconds"))) is not None:
        return milliseconds / 1000
    if (said := loaded(held.get("first_token_moment"))) and isinstance(said, str) and span.start:
        try:
            came = dt.datetime.fromisoformat(said)
        except ValueError:
            return None
        begun = values.moment(span.start)
        came = came if came.tzinfo else came.replace(tzinfo=dt.UTC)
        # Moments are rounded down to milliseconds; one that is earlier yet is of another call, as Mastra's may be.
        waited = round((came - begun).total_seconds(), 6) if begun else -1.0
        return max(0.0, waited) if waited > -0.001 else None
    for event in span.events:
        if event.name in dialects.FIRST_TOKEN_EVENTS and event.time >= span.start > 0:
            return round((event.time - span.start) / 1e9, 6)
    return None


# --------------------------------------------------------------------------------------------------------------- parts
def _model(value: Json) -> str | None:
    found = values.identifier(loaded(value))
    if found is not None and (path := _PATH.match(found)):
        return path[1]
    return None if found == "none" else found  # as Micrometer, below Spring AI, says that it knows none


_PATH: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/([^/]+)\Z")
"""What Google calls a model: perhaps with where it is and whose."""


def _provider(value: Json) -> str | None:
    text = values.short(value)
    if text is None:
        return None
    text = text.lower()
    if text in quirks.NO_PROVIDERS:
        return None
    # Vercel's are `openai.chat`; conventions name `azure.ai.openai`, `aws.bedrock` and `gcp.vertex_ai`.
    head, _, tail = text.partition(".")
    return head if tail in ("chat", "responses", "completion", "embedding", "messages", "generative-ai") else text
