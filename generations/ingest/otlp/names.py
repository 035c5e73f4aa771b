"""What the names of a span's attributes say, worked out once for each set of them that programs send."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generations.ingest.otlp import raw, spelt
from generations.ingest.otlp.counts import COUNTS
from generations.ingest.otlp.dialects import (
    BEGINNINGS,
    CALLS,
    COMPONENTS,
    CONTENT,
    COSTS,
    LISTS,
    MAPS,
    METADATA,
    METADATA_OBJECTS,
    NOT_METADATA,
    OF_BOTH,
    OF_TEXTS,
    PARAMETER_MEMBERS,
    PARAMETER_NAMES,
    PARAMETER_OBJECTS,
    PARAMETERS,
    RENAMED,
    SPELT,
    TOOLS,
    USAGE_OBJECTS,
    is_secret,
    member,
)
from generations.ingest.otlp.fields import FIELDS
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.spelt import Outline, flattened
from generations.ingest.otlp.table import Names
from generations.records import Json

Settings = tuple[tuple[str, str | None], ...]
"""Attributes, and the names of the settings that they are; None for those that hold several, which are first."""
Places = tuple[tuple[str, str | None], ...]
"""Attributes, and which member of the JSON in each, the first to ask first."""

OF_STEPS: Final[Names] = (
    *("thread_id", "user_id", "tags", "environment", "release", "name", "parent_id", "error", "error_type"),
    "thread_name",
)
"""Those that a step has, whatever it is."""
_OF_WORK: Final[Names] = ("step_input", "step_output")


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What the names of a span's attributes say, whatever their values are."""

    names: tuple[str, ...]
    holders: Mapping[str, Places]
    """The fields that may be said, and where."""
    of_steps: tuple[tuple[str, str, Places], ...]
    """Those of OF_STEPS among them, each with its first attribute if that is it as a whole, or else empty."""
    of_calls: tuple[tuple[str, str, Places], ...]
    """Those that only calls have, likewise; but for the counts of tokens."""
    counts: tuple[tuple[str, Places], ...]
    """The counts of tokens among them."""
    kinds: tuple[tuple[str, str, str], ...]
    """Those of CALLS that may be said: by which attribute, and which member of the JSON in it, if not the whole."""
    kind: str
    """The attribute that alone says what kind of work a span is, if no other value matters for that, or empty."""
    usage: tuple[tuple[str, str], ...]
    """Those of USAGE_OBJECTS that may be said, and which member of the JSON in each, if not the whole."""
    costs: tuple[str, ...]
    """The attributes with parts of what a call cost; Langfuse has all of them in one."""
    may_be_text: bool
    """Whether a call with such attributes may be of a text rather than of messages."""
    of_work: tuple[tuple[str, str, Places], ...]
    """What work that is no call was given and made."""
    settings: Settings
    """Attributes that are settings of the call, and the names of these."""
    may_be_usual: bool
    """Whether what these settings come to may be remembered: they are few, their names short, and there are no others
    among `requests`."""
    requests: tuple[tuple[str, str], ...]
    """Attributes with settings among what else was asked for, and which member of the JSON in each, if not all."""
    metadata: tuple[tuple[str, str], ...]
    """Attributes that are metadata, and the names in it."""
    objects: tuple[str, ...]
    """Attributes that hold several metadata."""
    content: tuple[str, ...]
    """Attributes that are content, and not kept as they came."""
    starts: frozenset[str]
    """Which of BEGINNINGS some attribute has."""
    dialects: tuple[str, ...]
    """Those in which a call may say what was asked and answered, the most particular first."""
    lists: Mapping[str, list[Json]]
    """By LISTS, what the attributes of these beginnings spell out, with their names in the place of their values."""
    asked: tuple[Outline, ...] | None
    """The messages of OpenInference that were sent, where they are spelt as most are."""
    given: tuple[Outline, ...] | None
    """Those that came back, likewise."""
    tools: tuple[str, ...] | None
    """The attributes of OpenInference with the definition of a tool each, where there is nothing else of tools."""
    maps: tuple[str, ...]
    """Those that may be maps of others."""
    pairs: tuple[tuple[str, str], ...]
    """Those of raw.PAIRS of which one is there."""


def about(attributes: Collection[str]) -> About:
    """What these names say: an instrumentation sends the same few sets of them all day."""
    names = tuple(attributes)
    try:
        return _about(names)
    except _TooLongError:
        return _read(names)


class _TooLongError(Exception):
    """Names are too long to be remembered."""


@lru_cache(maxsize=512)
def _about(names: tuple[str, ...]) -> About:
    if sum(map(len, names)) > _MOST_CHARACTERS:
        raise _TooLongError
    return _read(names)


def _read(names: tuple[str, ...]) -> About:
    there = frozenset(names)
    holders: dict[str, Places] = {}
    for field, candidates in FIELDS.items():
        places: list[tuple[str, str | None]] = []
        for name in candidates:
            if name in there:
                places.append((name, None))
            outer, inside, inner = name.partition(">")
            if inside and outer in there:
                places.append((outer, inner))
        if places:
            holders[field] = tuple(places)
    others = [field for field in holders if field not in (*OF_STEPS, *COUNTS, *_OF_WORK)]
    lists = {start: flattened(dict(zip(names, names, strict=True)), start) for start in LISTS}
    settings: Settings = (
        *((name, None) for name in PARAMETER_OBJECTS if name in there),
        *((name, short) for name in names if (short := _parameter(name)) is not None),
    )
    kinds = tuple((name, outer, inner) for name in CALLS for outer, inner in _within(name, there))
    requests = tuple(found for name in PARAMETER_MEMBERS for found in _within(name, there))
    is_short = sum(map(len, names)) <= _MOST_CHARACTERS
    starts = frozenset(start for start in BEGINNINGS if any(name.startswith(start) for name in names))
    return About(
        names=names,
        holders=holders,
        of_steps=tuple(_told(field, holders[field]) for field in OF_STEPS if field in holders),
        of_calls=tuple(_told(field, holders[field]) for field in others),
        counts=tuple((field, holders[field]) for field in COUNTS if field in holders),
        kinds=kinds,
        kind=_only_kind(kinds) if is_short and _BESIDE.isdisjoint(there) else "",
        usage=tuple(found for name in USAGE_OBJECTS for found in _within(name, there)),
        costs=next((found for names in COSTS if (found := tuple(name for name in names if name in there))), ()),
        may_be_text=_may_be_text(there),
        of_work=tuple(_told(field, holders[field]) for field in _OF_WORK if field in holders),
        settings=settings,
        may_be_usual=is_short and not requests and len(settings) <= _MOST_SETTINGS,
        requests=requests,
        metadata=tuple((name, rest) for name in names if (rest := _metadata(name)) is not None),
        objects=tuple(name for name in METADATA_OBJECTS if name in there),
        content=tuple(name for name in names if name.startswith(CONTENT)),
        starts=starts,
        dialects=tuple(_dialects(there, starts)),
        lists=lists,
        asked=spelt.outlines(lists["llm.input_messages."]),
        given=spelt.outlines(lists["llm.output_messages."]),
        tools=_definitions(lists["llm.tools."]),
        maps=tuple(name for name in names if name in MAPS),
        pairs=tuple(pair for pair in raw.PAIRS if not there.isdisjoint(pair)),
    )


def spread(attributes: dict[str, Json], maps: Collection[str]) -> dict[str, Json]:
    """These attributes with what is in those that are maps or lists of others, by their whole names, in their place.

    As they are where that would be too many, or names too long: these are as long as all that they stand in.
    """
    found: dict[str, Json] = {}
    waiting: list[tuple[str, Json]] = [(name, attributes[name]) for name in maps]
    for name, value in waiting:  # grows
        inside = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        for rest, one in inside.items():
            if len(found) > _MOST_SPREAD or len(name) > _LONGEST_NAME or len(str(rest)) > _LONGEST_NAME:
                return attributes
            inner = f"{name}.{rest}"
            is_deeper = inner in MAPS or (name.startswith(SPELT) and rest not in _WHOLE)
            if is_deeper and isinstance(one, dict | list):
                waiting.append((inner, one))
            if not is_deeper or inner in USAGE_OBJECTS or not isinstance(one, dict | list):
                found.setdefault(inner, one)
    gone = {n for n in maps if n not in USAGE_OBJECTS and isinstance(attributes[n], dict | list)} if found else ()
    return {**found, **{n: v for n, v in attributes.items() if n not in gone}} if found else attributes


_MOST_SPREAD: Final = 10_000
_LONGEST_NAME: Final = 200
_WHOLE: Final = frozenset({"arguments", "json_schema", "vector"})
"""Names in messages of what is one value, whatever is in it."""
_MOST_CHARACTERS: Final = 8_000
_MOST_SETTINGS: Final = 20


_BESIDE: Final = frozenset({"gen_ai.prompt.0.content", "litellm.call_id"})
"""Attributes by which a call may be of another type than is said."""


def _dialects(there: frozenset[str], starts: frozenset[str]) -> Iterator[str]:
    if not there.isdisjoint(("langfuse.observation.input", "langfuse.observation.output")):
        yield "langfuse"
    if not there.isdisjoint(("gen_ai.input.messages", "gen_ai.output.messages")):
        yield "genai"
    elif not starts.isdisjoint(("gen_ai.input.messages.", "gen_ai.output.messages.")):
        yield "flattened genai"
    if not starts.isdisjoint(("llm.", "embedding.")):
        yield "openinference"
    # OpenLLMetry's, the last two up to version 0.16 of 2024 and in Go; LiteLLM has the tools alone so, and messages by
    # the conventions.
    older = ("llm.prompts.", "llm.completions.")
    if not starts.isdisjoint(("gen_ai.prompt.", "gen_ai.completion.", *TOOLS, *older)):
        yield "traceloop"
    if "ai." in starts:
        yield "vercel"
    if not there.isdisjoint(("gen_ai.response.text", "gen_ai.response.tool_calls")):
        yield "sentry"


def _may_be_text(there: frozenset[str]) -> bool:
    is_spoken = "llm.input_messages.0.message.role" in there and _SAYING_TEXTS.isdisjoint(there)
    return not is_spoken and not OF_TEXTS.isdisjoint(there)


_SAYING_TEXTS: Final = frozenset(
    {"llm.prompts.0.prompt.text", "llm.choices.0.completion.text", "langfuse.observation.input"}
)


def _only_kind(kinds: Collection[tuple[str, str, str]]) -> str:
    if len(kinds) != 1:
        return ""
    ((name, _, inner),) = kinds
    return "" if inner or name in OF_BOTH or name.startswith(("mlflow.", "haystack.")) else name


def _within(name: str, there: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The attribute that holds what is named so, if it is there, and which member of the JSON in it, if not all."""
    outer, _, inner = name.partition(">")
    if outer in there:
        yield outer, inner


def _told(field: str, places: Places) -> tuple[str, str, Places]:
    name, inner = places[0]
    return field, name if inner is None else "", places


def _definitions(tree: list[Json]) -> tuple[str, ...] | None:
    found = []
    for one in tree:
        inner = one["tool"] if isinstance(one, dict) and one.keys() == {"tool"} else None
        name = inner["json_schema"] if isinstance(inner, dict) and inner.keys() == {"json_schema"} else None
        if not isinstance(name, str):
            return None
        found.append(name)
    return tuple(found)


def _parameter(name: str) -> str | None:
    """The setting that an attribute of this name is."""
    if name in PARAMETER_NAMES or name.startswith("ai.settings.context."):
        return PARAMETER_NAMES.get(name)
    start = next((start for start in PARAMETERS if name.startswith(start)), None)
    if start is None or name in PARAMETER_OBJECTS or name.startswith(TOOLS) or is_secret(name):
        return None
    return RENAMED.get(name[len(start) :], name[len(start) :])


def _metadata(name: str) -> str | None:
    """The name in the metadata that an attribute of this name has."""
    start = next((start for start in METADATA if name.startswith(start)), None)
    if start is None or name in _USED or name[len(start) :].startswith(NOT_METADATA):
        return None
    return name[len(start) :]


_USED: Final = frozenset(
    name
    for field in ("thread_id", "session_id", "user_id", "tags", "thread_name", "finish_reason")
    for name in FIELDS[field]
) | frozenset(PARAMETER_NAMES)


def kinds_said(attributes: Mapping[str, Json], about: About) -> Iterator[tuple[str, str]]:
    """Each of CALLS that a span with these attributes has, and the kind of work that it says there."""
    for name, outer, inner in about.kinds:
        said = attributes[outer]
        if said is None:
            continue
        said = member(said, inner) if inner else loaded(said) if name.startswith("mlflow.") else said
        if name == "haystack.component.type":
            said = next((end for end in COMPONENTS if str(said).endswith(end)), None)
        if said is not None:
            yield name, str(said)
