"""MLflow's streams: its whole of one has no calls of tools, which its events of the chunks have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generations.ingest import streams
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.shapes import Event
from generations.records import InvalidRecord, Json

GIVEN: Final = "mlflow.spanOutputs"
_CHUNK: Final = "mlflow.chunk.item."
_OF_AN_ANSWER: Final = ("content", "tool_calls", "refusal", "audio", "function_call")


def called(given: Json, events: Sequence[Event]) -> Json:
    """The answer `given` of a span with these events, with the calls of tools that chunks of OpenAI's chats tell.

    As it is where it says something, and where a chunk is missing. Seen in version 3.18: its
    mlflow/openai/autolog.py joins texts alone, and says that they ended by themselves.
    """
    whole = loaded(given)
    if not isinstance(whole, dict) or not isinstance(choices := whole.get("choices"), list):
        return given
    if not all(map(_is_hollow, choices)):
        return given
    chunks: list[Json] = []
    for event in events:
        if event.name.startswith(_CHUNK):
            if event.name != f"{_CHUNK}{len(chunks)}":
                return given
            chunks.append(loaded(event.attributes.get("mlflow.chunk.value")))
    try:
        found = streams.response(chunks)["choices"] if chunks else []
    except (InvalidRecord, KeyError):
        return given
    is_called = isinstance(found, list) and all(one.get("message", {}).get("tool_calls") for one in found)
    return {**whole, "choices": found} if found and is_called else given


def _is_hollow(choice: Json) -> bool:
    said = choice.get("message") if isinstance(choice, dict) else None
    return isinstance(said, dict) and not any(said.get(name) for name in _OF_AN_ANSWER)
