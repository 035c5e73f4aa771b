"""Definitions of tools, as OpenAI has them, out of whatever instrumentations write. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generations.ingest.otlp import parts
from generations.ingest.otlp.messages import listed, loaded
from generations.records import Json


def tools(value: Json) -> list[Json] | None:
    """Definitions of tools out of a list, or the JSON of one; nobody may change them, as they are shared."""
    return _tools_before(value) if type(value) is str and len(value) <= _MOST_CHARACTERS else _tools(value)


def defined(texts: tuple[str, ...]) -> list[Json] | None:
    """What `tools` makes of definitions that are the JSON of one tool each; nobody may change it, as it is shared."""
    return _defined_before(texts) if sum(map(len, texts)) <= _MOST_CHARACTERS else _defined(texts)


def _tools(value: Json) -> list[Json] | None:
    whole = (_unwrapped(loaded(one)) for one in listed(loaded(value)))
    return [
        _tool(one) for given in whole for one in (parts.tool(given) if isinstance(given, dict) else [given])
    ] or None


def _defined(texts: tuple[str, ...]) -> list[Json] | None:
    return _tools([{"tool": {"json_schema": text}} for text in texts])


def _unwrapped(given: Json) -> Json:
    """A definition out of what OpenInference has around it."""
    inner = given.get("tool") if isinstance(given, dict) else None
    return loaded(inner.get("json_schema")) if isinstance(inner, dict) else given


def _tool(given: Json) -> Json:
    """A tool's definition, in OpenAI's nesting where it is a function."""
    given = loaded(given)
    if not isinstance(given, dict):
        return given
    if isinstance(function := given.get("function"), dict):
        is_text = isinstance(function.get("parameters"), str)  # where all of it is spelt out
        return {**given, "function": {**function, "parameters": loaded(function["parameters"])}} if is_text else given
    if given.get("type", "function") != "function":
        return dict(given)
    names = ("parameters", "inputSchema", "input_schema", "parametersJsonSchema", "parameters_json_schema")
    schema = parts.schema(loaded(next((given[n] for n in names if n in given), None)))
    function = {"name": given.get("name"), "description": given.get("description"), "parameters": schema}
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}


# A program sends the same tools with every call.
_MOST_CHARACTERS: Final = 8_000
_defined_before: Final = lru_cache(maxsize=64)(_defined)
_tools_before: Final = lru_cache(maxsize=64)(_tools)
