"""A span that is a call to a model, as its generation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from generations import moments, vendors
from generations.cleaning import MAX_TEXT
from generations.ingest.otlp import content, definitions, dialects, messages, pythonic, quirks, values
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.names import About, Settings
from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.usage import tokens_of, with_thoughts, without_thoughts
from generations.ingest.usage import settings
from generations.records import GenerationRecord, Json, StepRecord, made_generation

_ANSWERED: Final = frozenset({"message_completion", "completion", "output"})


def generation(
    span: Span,
    about: About,
    held: Mapping[str, Json],
    kind: str,
    whole: Mapping[str, Any],
    step: StepRecord,
    is_plain: bool,
) -> GenerationRecord:
    """The call of type `kind` that a span is: `held` has the fields that it says, `whole` what its step shares.

    `is_plain` says that nothing particular is known of its instrumentation.
    """
    a = span.attributes
    parameters = settings_of(span, about, is_plain)
    choices = values.number(parameters["n"]) if "n" in parameters else None
    fields = content.read(a, about, kind, None if choices is None else int(choices))
    asked, answering = _model(held.get("asked_model")), _model(held.get("answering_model"))
    if asked == quirks.UNNAMED and quirks.is_unnamed(span):
        asked, answering = None, None if answering == asked else answering
    if "error" in whole and fields.get("message_completion") == {"role": "assistant", "content": ""}:
        fields.pop("message_completion")  # LangSmith has an answer without a word where there was none
    if not is_plain and span.scope.startswith(quirks.SHOW_OBJECTS) and "message_completion" in fields:
        fields["message_completion"] = pythonic.answer(fields["message_completion"])
    said_reason = fields.get("finish_reason")
    fields.update(whole)
    counts = tokens_of(a, about, quirks.counts_beside(span, is_plain))
    if not is_plain and span.scope.startswith(quirks.THOUGHTS_OTHERWISE):
        counts = _recounted(span, counts, asked)
    fields.update(counts)
    for field, read in _READ:
        if field in held and (value := read(held[field])) is not None:
            fields[field] = value
    fields["name"] = step.name
    fields["step_id"] = step.id
    fields["type"] = kind
    fields["model_id"] = asked or answering
    fields["provider"] = _provider(held.get("provider")) or vendors.provider_of(asked or answering)
    waited = _first_token(span, held)
    fields["time_to_first_token"] = waited if waited is not None and 0 <= waited < 1e8 else None
    fields["attributes"] = {"scope": span.scope} if span.scope else None
    if answering and asked and answering != asked:
        fields["model_version"] = answering
    elif "model_version" in fields and fields["model_version"] == asked:
        del fields["model_version"]
    reason = messages.finish_reason(held.get("finish_reason"))
    if reason := reason or messages.finish_reason(said_reason):
        fields["finish_reason"] = reason[:MAX_TEXT]
        # All that Vercel's SDK, and Mastra over it, may say of a failure; OpenTelemetry's own for LangChain says it of
        # answers by OpenAI's newer interface, which have no reason for their end.
        if reason == "error" and _ANSWERED.isdisjoint(fields):
            fields.setdefault("error", reason)
        elif reason == "error" and span.scope.startswith(quirks.ERRORS_ARE_NONE):
            del fields["finish_reason"]
    if "tools" in held and (tools := definitions.tools(held["tools"])):
        fields["tools"] = tools
    if parameters:
        fields["parameters"] = parameters
    if not _LINEAGE.isdisjoint(held) or "gen_ai.prompt.variable." in about.starts:
        _prompt_lineage(a, about, held, fields)
    # Nothing priced it, or nothing was answered: instrumentations then say 0.
    if (cost := _cost(a, about, held)) and 0 < cost < 1e9:
        fields["cost"] = Decimal(repr(cost))
    if _is_json(a, parameters):
        fields["output_type"] = "json"
    return made_generation(id=step.id, **fields)


_READ: Final = (
    *((name, values.identifier) for name in ("session_id", "agent_id", "workflow_id", "function_id", "response_id")),
    ("prompt_name", values.short),
)
"""The fields that are a value of the table as it stands, and how each is read."""


def _recounted(span: Span, counts: dict[str, int], model: str | None) -> dict[str, int]:
    """The counts with what was thought in the output, once."""
    if quirks.thoughts_are_in_totals(span.scope):
        return with_thoughts(counts)
    is_twice = quirks.thoughts_are_twice(span.attributes, model, vendors.provider_of(model))
    return without_thoughts(counts) if is_twice else counts


def _cost(a: Mapping[str, Json], about: About, held: Mapping[str, Json]) -> float | None:
    """What a call says that it cost: the whole, or else its parts together."""
    if "cost" in held and (whole := values.number(loaded(held["cost"]))) is not None:
        return whole
    if not about.costs:
        return None
    said = [a[name] for name in about.costs]
    if about.costs == dialects.COSTS[0]:
        parts = loaded(said[0])
        said = list(parts.values()) if isinstance(parts, dict) else []
    found = [cost for one in said if (cost := values.number(loaded(one))) is not None]
    return round(sum(found), 12) if found else None


_LINEAGE: Final = frozenset({"prompt_version", "variables"})


def _prompt_lineage(a: Mapping[str, Json], about: About, held: Mapping[str, Json], fields: dict[str, Any]) -> None:
    if (version := held.get("prompt_version")) is not None:
        found = values.number(version.lstrip("v") if isinstance(version, str) else version)
        if found is not None and found == int(found) and 0 <= found < 2**31:
            fields["prompt_version"] = int(found)
    variables = loaded(held["variables"]) if "variables" in held else None
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
        *("presence_penalty", "frequency_penalty", "max_completion_tokens", "max_output_tokens", "tool_choice"),
    }
)
"""Settings that are numbers, lists or objects, and may come as the JSON of what they are."""


def settings_of(span: Span, about: About, is_plain: bool = False) -> dict[str, Json]:
    """The settings that steer a call; `is_plain` as its scope is."""
    a = span.attributes
    made_up = {} if is_plain else quirks.made_up(span.scope)
    given = [a[name] for name, _ in about.settings]
    if about.may_be_usual and not made_up and _are_short(given):
        return _settled(about, *given).copy() if given else {}
    found = _found(about.settings, given)
    for name, inner in about.requests:
        request = dialects.member(a[name], inner) if inner else loaded(a[name])
        if isinstance(request, dict) and (name != _OF_ANY or "model" in request):
            found |= _without_secrets(request)
    return _steering(found, made_up)


_OF_ANY: Final = "inputs"
"""What functions of any kind were given: only beside a model it is Prompt flow's request, which has settings in it."""


def _are_short(given: Iterable[Json]) -> bool:
    for value in given:
        if type(value) not in _NUMBERS and not (type(value) is str and len(value) <= _MOST_CHARACTERS):
            return False
    return True


def _found(names: Settings, given: Iterable[Json]) -> dict[str, Json]:
    """The settings that attributes of these names and values are."""
    found: dict[str, Json] = {}
    for (_, short), value in zip(names, given, strict=True):
        if short is not None:
            found.setdefault(short, value)
        elif isinstance(several := dialects.opened(value), dict):
            found |= _without_secrets(several)
    return found


@lru_cache(maxsize=256, typed=True)
def _settled(about: About, *given: Json) -> dict[str, Json]:
    """Those that steer a call: a program gives most of its calls the same."""
    return _steering(_found(about.settings, given), {})


def _steering(found: Mapping[str, Json], made_up: Mapping[str, Json]) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for name, value in found.items():
        if type(value) not in _NUMBERS:
            if name in _OTHER_THAN_TEXTS or (name == "stop" and str(value).startswith("[")):
                value = loaded(value)
            if quirks.is_unsaid(value) or value in ("Infinity", []):
                continue
        if not (name in made_up and value == made_up[name] and type(value) is type(made_up[name])):
            kept[name] = value
    return settings(kept, dialects.NOT_PARAMETERS)


_NUMBERS: Final = frozenset({int, float, bool})


def _without_secrets(settings: Mapping[str, Json]) -> dict[str, Json]:
    for outer in _AROUND:
        if isinstance(inner := settings.get(outer), dict):
            settings = {name: value for name, value in settings.items() if name != outer}
            settings |= {dialects.RENAMED.get(name, name): value for name, value in inner.items()}
    return {name: value for name, value in settings.items() if not dialects.is_secret(name)}


_AROUND: Final = ("options", "kwargs")
"""What stands around settings: all of Ollama's, and those of Portkey's that its client gives no name to."""


def _first_token(span: Span, held: Mapping[str, Json]) -> float | None:
    seconds = values.number(held["first_token_seconds"]) if "first_token_seconds" in held else None
    # OpenLIT says it of calls that are no streams, too, where it is the whole duration.
    if seconds is not None and held.get("is_stream") not in (False, "False", "false"):
        return round(seconds / 1000 if span.scope.startswith(quirks.SECONDS_ARE_MILLISECONDS) else seconds, 6)
    if not span.events and _MOMENTS.isdisjoint(held):
        return None
    if (milliseconds := values.number(held.get("first_token_milliseconds"))) is not None:
        return milliseconds / 1000
    if (said := loaded(held.get("first_token_moment"))) and isinstance(said, str) and span.start:
        try:
            came = moments.read(said)
        except ValueError:
            return None
        begun = values.moment(span.start)
        # Moments are rounded down to milliseconds; one that is earlier yet is of another call, as Mastra's may be.
        waited = round((came - begun).total_seconds(), 6) if begun else -1.0
        return max(0.0, waited) if waited > -0.001 else None
    for event in span.events:
        if event.name in dialects.FIRST_TOKEN_EVENTS and event.time >= span.start > 0:
            if span.dropped_events and event.name in dialects.CHUNKS:
                return None  # SDKs keep the last 128 events of a span, among which the first chunk is not
            return round((event.time - span.start) / 1e9, 6)
    return None


_MOMENTS: Final = frozenset({"first_token_milliseconds", "first_token_moment"})


# --------------------------------------------------------------------------------------------------------------- parts
def _model(value: Json) -> str | None:
    return _named_model(value) if type(value) is str and len(value) <= _MOST_CHARACTERS else _read_model(value)


def _read_model(value: Json) -> str | None:
    found = values.identifier(loaded(value))
    if found is not None and (path := _PATH.match(found)):
        return path[1]
    if found is not None and found.endswith(_INTERFACES):
        return found.rpartition(":")[0] or found
    return None if found in _NO_MODELS else found


_INTERFACES: Final = (":completions", ":responses")
"""By which of OpenAI's interfaces a model is asked, which Mirascope has in its name."""
_NO_MODELS: Final = frozenset({"none"})
"""What Micrometer, below Spring AI, has for a model that it does not know."""
_MOST_CHARACTERS: Final = 500
_named_model: Final = lru_cache(maxsize=256)(_read_model)
_PATH: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/([^/]+)\Z")
"""What Google calls a model: perhaps with where it is and whose."""


def _provider(value: Json) -> str | None:
    return _named_provider(value) if type(value) is str and len(value) <= _MOST_CHARACTERS else _read_provider(value)


def _read_provider(value: Json) -> str | None:
    text = values.short(value)
    if text is None:
        return None
    text = text.lower()
    # Dify has it behind whose plugin it is, and Genkit before the name of the model.
    text = text.rpartition("/")[2] if text.startswith("langgenius/") else text.partition("/")[0]
    if text in quirks.NO_PROVIDERS:
        return None
    # Vercel's are `openai.chat`; conventions name `azure.ai.openai`, `aws.bedrock` and `gcp.vertex_ai`.
    head, _, tail = text.partition(".")
    # TanStack AI's are `openai-chat`, of the older interface.
    interfaces = ("chat", "responses", "completion", "embedding", "messages", "generative-ai")
    return head if tail in interfaces else text.removesuffix("-chat")


_named_provider: Final = lru_cache(maxsize=256)(_read_provider)
