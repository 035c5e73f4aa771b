"""Sentry's answers: the texts of all of them in one attribute, and in another their calls of tools or all their items.

The files below tracing of @sentry/core write them, as ai/utils.js and openai/index.js; version 10.78.
"""

from __future__ import annotations

from collections.abc import Mapping

from generations.ingest.otlp import items
from generations.ingest.otlp.answers import Fields, answered, reasoned
from generations.ingest.otlp.messages import loaded
from generations.records import Json


def read(attributes: Mapping[str, Json], kind: str) -> Fields:
    """What a call of type `kind` was answered; nothing where that is a text alone, which any reader of pairs reads.

    A list of texts is one of answers where as many reasons for their ends are told, or calls of tools beside it; a
    stream's text stands as it was said, though it be the JSON of a list.
    """
    said, called = (loaded(attributes.get(f"gen_ai.response.{name}")) for name in ("text", "tool_calls"))
    reasons = loaded(attributes.get("gen_ai.response.finish_reasons"))
    calls = _calls(called) if isinstance(called, list) else []
    is_written = attributes.get("gen_ai.response.streaming") is True
    if isinstance(said, list) and not is_written and all(text is None or isinstance(text, str) for text in said):
        texts = said
        is_listed = bool(calls) or (isinstance(reasons, list) and len(reasons) == len(texts))
    else:
        texts, is_listed = [attributes.get("gen_ai.response.text")], bool(calls)
    if not is_listed:
        return {}
    given: list[Json] = [{"role": "assistant", "content": text} for text in texts if text or len(texts) > 1]
    if len(given) > 1 and not calls:
        return answered(reasoned(given, reasons), kind, is_choices=True)
    return answered([*given, *calls], kind, is_choices=False)


def _calls(listed: list[Json]) -> list[Json]:
    """The items but for the messages, whose texts are told beside them."""
    told = [one for one in listed if isinstance(one, dict) and one.get("type") != "message"]
    return [one if items.is_item(one) else {"role": "assistant", "tool_calls": [one]} for one in told]
