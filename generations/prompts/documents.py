"""A version of a prompt as callers write it, with camelCase names, as what `publish` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from generations.ingest import values
from generations.records import InvalidRecord, Json

NAMES: Final = (
    "messages",
    "template",
    "settings",
    "tools",
    "inputDefaults",
    "model",
    "provider",
    "description",
    "labels",
)
"""The names that a version is written with."""

_FORMS: Final[Mapping[type, tuple[str, tuple[str, ...]]]] = {
    list: ("a list", ("messages", "tools", "labels")),
    dict: ("an object", ("settings", "inputDefaults")),
    str: ("a text", ("template", "model", "provider", "description")),
}


def content_of(document: Mapping[str, Json]) -> dict[str, Any]:
    """The labels and the content that a document of these NAMES says. Raises InvalidRecord, naming what is wrong."""
    for form, (expected, names) in _FORMS.items():
        for name in names:
            if not isinstance(document.get(name), form | None):
                raise InvalidRecord(name, document[name], expected)
    messages = document.get("messages")
    if not messages and not document.get("template"):
        raise InvalidRecord("messages", messages, "a list of messages, or a template")
    labels = document.get("labels") or []
    for n, label in enumerate(labels):
        values.text(label, f"labels[{n}]")
    values.objects(messages or [], "messages")
    return {
        "labels": labels,
        "template_messages": messages,
        "template": document.get("template"),
        "settings": document.get("settings"),
        "tools": document.get("tools"),
        "input_defaults": document.get("inputDefaults"),
        "model_id": document.get("model"),
        "provider": document.get("provider"),
        "description": document.get("description") or "",
    }
