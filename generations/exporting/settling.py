"""Finishes the documents that the database left open: what its SQL does not decide, the rules of REST do."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from generations.exporting.statements import RAW
from generations.ingest.rest_content import Content, settled
from generations.ingest.rest_documents import metadata_of
from generations.ingest.rest_fields import OWN_METADATA, OWN_STEP_METADATA
from generations.ingest.rest_parameters import normalized
from generations.records import Json

_LONG: Final = re.compile(rb"\d{19}")


def loaded(text: bytes) -> Any:
    """JSON that the database wrote. Numbers that orjson would round stay whole."""
    return json.loads(text) if _LONG.search(text) else orjson.loads(text)


def dumped(value: Json) -> bytes:
    """`value` as JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def finished(kind: str, text: bytes) -> dict[str, Json]:
    """The document of an open row, as REST shows it."""
    document: dict[str, Json] = loaded(text)
    raw = document.pop(RAW)
    if "metadata" in document:
        own = OWN_STEP_METADATA if kind == "steps" else OWN_METADATA
        document["metadata"] = metadata_of(raw["own"], own, raw["metadata"])
    if kind == "generations":
        if "parameters" in document:
            document["parameters"] = normalized(document["parameters"])
        if "type" in document and "input" in document:
            _settle(document, raw)
    return document


def _settle(document: dict[str, Json], raw: dict[str, Json]) -> None:
    content = settled(
        Content(
            type=document["type"],
            input=raw.get("input"),
            messages=document.get("messages"),
            prompt=document.get("prompt"),
            output=raw.get("output"),
            message_completion=document.get("messageCompletion"),
            completion=document.get("completion"),
        ),
        infer_type=True,
    )
    _put(document["input"], "content", content.sent)
    _put(document["output"], "content", content.received)
    _put(document, "messages", content.messages)
    _put(document, "messageCompletion", content.message_completion)
    _put(document, "prompt", content.prompt)
    _put(document, "completion", content.completion)


def _put(document: dict[str, Json], name: str, value: Json) -> None:
    if value is None:
        document.pop(name, None)
    else:
        document[name] = value
