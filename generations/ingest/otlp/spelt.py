"""Lists that the names of attributes spell out (`llm.input_messages.0.message.role`), and the messages in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from generations.ingest.otlp import messages, parts
from generations.records import Json


def flattened(attributes: Mapping[str, Json], prefix: str) -> list[Any]:
    """The list that attributes `prefix.N.rest` spell out. Places may be missing: exporters drop attributes."""
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix):
            continue
        place, *path = name[len(prefix) :].split(".")
        if not parts.is_place(place):
            continue
        node, key = tree, place
        for step in path:
            inner = node.get(key)
            if not isinstance(inner, dict):
                inner = node[key] = {}
            node, key = inner, step
        node[key] = value
    return [_lists(one) for one in messages.listed(tree)]


def valued(tree: Any, attributes: Mapping[str, Json]) -> Any:
    """What `flattened` makes of these attributes, from what it makes of their names in the place of the values."""
    if isinstance(tree, str):
        value = attributes[tree]
        return _lists(value) if isinstance(value, dict) else value
    if isinstance(tree, list):
        return [valued(one, attributes) for one in tree]
    return {name: valued(one, attributes) for name, one in tree.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(parts.is_place(k) for k in node):
        return [_lists(node[k]) for k in sorted(node, key=int)]
    return {k: _lists(v) for k, v in node.items()}


# ------------------------------------------------------------------------------------------------------------ messages
class Outline(NamedTuple):
    """By which attributes a message of OpenInference is spelt that has no more than most have."""

    role: str
    content: str | None
    tool_call_id: str | None
    calls: tuple[tuple[str, str, str], ...]
    """Of each call of a tool its id, its name and its arguments."""


def outlines(tree: Sequence[Any]) -> tuple[Outline, ...] | None:
    """The outlines of the messages in what `flattened` makes of names; None where one of them says something else."""
    found = [_outline(one) for one in tree]
    whole = tuple(one for one in found if one is not None)
    return whole if len(whole) == len(found) else None


def _outline(node: Any) -> Outline | None:
    said = node["message"] if isinstance(node, dict) and node.keys() == {"message"} else None
    if not isinstance(said, dict) or not said.keys() <= _MEMBERS:
        return None
    calls, texts = said.get("tool_calls", []), [name for key, name in said.items() if key != "tool_calls"]
    if "role" not in said or not isinstance(calls, list) or not all(isinstance(name, str) for name in texts):
        return None
    named = [_call(one) for one in calls]
    known = tuple(one for one in named if one is not None)
    if len(known) < len(named):
        return None
    return Outline(said["role"], said.get("content"), said.get("tool_call_id"), known)


def _call(node: Any) -> tuple[str, str, str] | None:
    called = node["tool_call"] if isinstance(node, dict) and node.keys() == {"tool_call"} else None
    if not isinstance(called, dict) or called.keys() != {"id", "function"}:
        return None
    function = called["function"]
    if not isinstance(function, dict) or function.keys() != {"name", "arguments"}:
        return None
    names = (called["id"], function["name"], function["arguments"])
    return names if all(isinstance(name, str) for name in names) else None


_MEMBERS: Final = frozenset({"role", "content", "tool_call_id", "tool_calls"})
_ROLES: Final = frozenset({"user", "assistant", "system", "tool"})


def spoken(outlines: Sequence[Outline], attributes: Mapping[str, Json]) -> list[Json] | None:
    """The messages of these outlines as `messages.message` makes them; None where a value is of another kind."""
    found: list[Json] = []
    for role_at, content_at, answers_at, calls in outlines:
        role = attributes[role_at]
        if type(role) is not str or role not in _ROLES:
            return None
        made: dict[str, Json] = {"role": role}
        if answers_at is not None:
            call_id = attributes[answers_at]
            if type(call_id) is not str or not call_id or role == "user":
                return None
            made["tool_call_id"] = call_id
        if content_at is None:
            made["content"] = None
        else:
            content = attributes[content_at]
            if type(content) is not str or content[:1] == "[":  # perhaps the JSON of parts
                return None
            made["content"] = content
        if calls:
            called = [[attributes[name] for name in names] for names in calls]
            if not all(type(text) is str for texts in called for text in texts):
                return None
            made["tool_calls"] = [
                {"id": id or None, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in called
            ]
        found.append(made)
    return found
