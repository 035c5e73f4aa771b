"""What Langfuse's SDKs say of a call in the input and output of its observation: whole requests, messages or texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from generations.ingest import openai
from generations.ingest.otlp import definitions, messages
from generations.ingest.otlp.answers import Fields, answered, asked_fields, is_messages
from generations.ingest.otlp.messages import loaded
from generations.records import Json


def read(attributes: Mapping[str, Json], kind: str, choices: int | None) -> Fields:
    """The content of a call of type `kind`; `choices` is how many answers were asked for, where that is known."""
    asked = loaded(attributes.get("langfuse.observation.input"))
    given = loaded(attributes.get("langfuse.observation.output"))
    fields: Fields = {}
    instructions = messages.system(attributes.get("langfuse.observation.metadata.instructions"))
    if isinstance(asked, dict) and (name := _request(asked, kind)) is not None:
        fields["tools"] = definitions.tools(asked.get("tools"))
        asked = asked[name]
    if isinstance(asked, dict) and "role" in asked:
        asked = [asked]
    if is_messages(asked):
        if tools := [one["content"] for one in asked if _is_definition(one)]:
            fields["tools"] = definitions.tools(tools)
        said = [one for one in asked if not _is_definition(one)]
        talk = messages.conversation(list(_results(said)))
        if talk[: len(instructions)] != instructions:  # its SDK says them in both from version 5 on
            talk = [*instructions, *talk]
        fields |= asked_fields(talk, kind)
    elif isinstance(asked, str) and kind == "chat":
        fields["messages"] = [*instructions, *messages.conversation([asked])]
    elif isinstance(asked, str):
        fields["prompt"] = asked
    elif asked is not None:
        fields["input"] = asked
    if isinstance(given, dict) and "role" in given:
        fields |= answered([given], kind, False)
    elif is_messages(given) and any("role" in one for one in given):
        fields |= answered(given, kind, (choices or 1) > 1)
    elif isinstance(given, list) and given and all(isinstance(g, dict) and "type" in g for g in given):
        fields |= answered([openai.answer(given)], kind, False)
    elif isinstance(given, str) and fields.get("messages"):
        fields["message_completion"] = {"role": "assistant", "content": given}
    elif isinstance(given, str):
        fields["completion"] = given
    elif given is not None:
        fields["output"] = given
    return fields


def _request(asked: Mapping[str, Json], kind: str) -> str | None:
    """Which member of an input has what was asked, where it has what else was asked for beside; None if there is none.

    Of OpenAI's newer interface it has the tools and how to choose among them: `_RESPONSES_PROMPT_FIELDS` in the SDK's
    langfuse/openai.py, version 5.
    """
    if isinstance(asked.get("messages"), list):
        return "messages"
    is_newer = kind == "chat" and asked.keys() <= _NEWER and isinstance(asked.get("input"), str | list)
    return "input" if is_newer else None


_NEWER: Final = frozenset({"input", "tools", "tool_choice", "parallel_tool_calls"})


def _is_definition(one: Json) -> bool:
    """Whether a message is a tool that may be called: so its handler for LangChain has them after the messages."""
    return (
        isinstance(one, dict)
        and one.get("role") == "tool"
        and isinstance(one.get("content"), dict)
        and not one.get("tool_call_id")
    )


def _results(said: Sequence[Json]) -> Iterator[Json]:
    """Messages of which those of a tool's name are its results: so LangChain's handler for JavaScript has them.

    It leaves out which call each is of: they are the calls of that tool in their order.
    """
    waiting: list[tuple[Json, Json]] = []
    for one in said:
        if not isinstance(one, dict):
            yield one
            continue
        if calls := messages.listed(one.get("tool_calls")):
            waiting = [(call["function"]["name"], call["id"]) for call in map(messages.call, calls)]
        place = next((n for n, (name, _) in enumerate(waiting) if name == one.get("role")), None)
        if place is not None and "tool_call_id" not in one:
            name, id = waiting.pop(place)
            yield {"role": "tool", "name": name, "tool_call_id": id, "content": one.get("content")}
        else:
            yield one
