"""The form of a new version of a prompt: what it begins with, and what is read of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson
from django.http import QueryDict

from generations.models import PromptVersion
from generations.records import InvalidRecord, Json
from generations.web import markup

MESSAGES: Final = 100
ROLES: Final = ("system", "user", "assistant", "developer", "tool")
MORE: Final = 2
"""Messages that the form of a new version has room for beside those there are."""


def fields(base: PromptVersion | None) -> list[tuple[str, str]]:
    """Roles and texts that the form begins with; content that is no text as its JSON."""
    if base is None:
        return [("system", ""), ("user", "")]
    given = base.template_messages
    found = []
    for one in [{"role": "user", "content": base.template or ""}] if given is None else given[:MESSAGES]:
        said = one if isinstance(one, Mapping) else {"role": "user", "content": one}
        content = said.get("content")
        found.append((str(said.get("role") or ""), content if isinstance(content, str) else json_of(content)))
    return [*found, *[("", "")] * MORE]


def written(given: QueryDict, base: PromptVersion | None) -> list[Json]:
    """The messages of the form; what it has no field for (tool calls, names) is kept from the version it began with."""
    old = (base.template_messages if base is not None else None) or []
    made: list[Json] = []
    for n, (role, content) in enumerate(zip(given.getlist("role"), given.getlist("content"), strict=False)):
        kept = dict(old[n]) if n < len(old) and isinstance(old[n], Mapping) else {}
        if not content.strip() and not kept.get("tool_calls"):
            continue
        value: Json = content.replace("\r\n", "\n")
        if kept and not isinstance(kept.get("content"), str) and kept.get("content") is not None:
            value = _read(f"message {n + 1}", content)
        if not role.strip():
            raise InvalidRecord(f"message {n + 1}", role, f"a role, such as {', '.join(ROLES[:3])}")
        made.append({**kept, "role": role.strip(), "content": value})
    if not made:
        raise InvalidRecord("messages", None, "at least one message")
    return made


def _read(name: str, text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRecord(name, text.strip()[:40], f"JSON (line {error.lineno}: {error.msg})") from None


def object_of(name: str, text: str) -> dict[str, Json] | None:
    """The JSON object of a field, None for nothing. Raises InvalidRecord."""
    value = _read(name, text) if text.strip() else None
    if not isinstance(value, dict | None):
        raise InvalidRecord(name, value, "a JSON object")
    return value


def list_of(name: str, text: str) -> list[Json] | None:
    """The JSON list of a field, None for nothing. Raises InvalidRecord."""
    value = _read(name, text) if text.strip() else None
    if not isinstance(value, list | None):
        raise InvalidRecord(name, value, "a JSON list")
    return value


def json_of(value: Json) -> str:
    """A value as the form shows it; nothing for none."""
    return "" if not value else markup.pretty(value)
