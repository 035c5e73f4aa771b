"""Messages that events tell of a call, made the attributes that say the same, whichever way the events came.

The conventions of 1.28 to 1.36 have an event for each message and each choice, those since then one event with all of
them; both come as log events, as events of the span (Azure, Strands), or in an attribute (Pydantic AI, Logfire).
https://github.com/open-telemetry/semantic-conventions/blob/v1.36.0/docs/gen-ai/gen-ai-events.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from generations.ingest.otlp import llamaindex, messages, mlflow, monocle, parts
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.shapes import Span
from generations.records import Json

DETAILS: Final = "gen_ai.client.inference.operation.details"
CHOICE: Final = "gen_ai.choice"
ASKED: Final[Mapping[str, str]] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
USED: Final = "gen_ai.usage"
"""Ax's event (https://axllm.dev, version 24), which counts what was cached in the total alone, and of Gemini what it
thought beside the output."""
WHOLE: Final = frozenset({DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"})
"""Events whose attributes are those that a span may have."""
TOLD: Final = frozenset({CHOICE, USED, *ASKED, *WHOLE, *llamaindex.TOLD})
"""Events that are read as content, and are not kept beside it."""
_OF_TEXTS: Final[Mapping[str, str]] = {
    "gen_ai.content.prompt": "gen_ai.prompt",
    "gen_ai.content.completion": "gen_ai.completion",
}
"""Those of them that may have a text and no more, as NeMo's guardrails', and the attributes that say the same."""
IN_AN_ATTRIBUTE: Final = "events"
_OF_A_TOOL: Final = (
    ("gen_ai.input.messages", "gen_ai.tool.call.arguments"),
    ("gen_ai.output.messages", "gen_ai.tool.call.result"),
)
_BODIES: Final = ("gen_ai.event.content", "event_body", "body")
_SPREAD: Final = "message."
"""What the names of a message's members begin with where it is spread over the attributes of an event."""
_MEMBERS: Final = ("content", "message", "tool_calls", "parts")


def with_events(span: Span) -> dict[str, Json]:
    """The attributes of a span, and those that its events tell of and it lacks."""
    a = span.attributes
    if span.scope == llamaindex.SCOPE:
        return {**llamaindex.said(span.events), **a}
    if span.scope == monocle.SCOPE:
        return {**monocle.said(span), **a}
    if mlflow.GIVEN in a and span.events:
        a = {**a, mlflow.GIVEN: mlflow.called(a[mlflow.GIVEN], span.events)}
    told = [(event.name, event.attributes) for event in span.events if event.name in TOLD]
    if IN_AN_ATTRIBUTE in a and isinstance(listed := loaded(a[IN_AN_ATTRIBUTE]), list):
        named = [(str(one["event.name"]), one) for one in listed if isinstance(one, dict) and "event.name" in one]
        told += _with_choice(named)
    if not told:
        return a
    found: dict[str, Json] = {}
    for name, attributes in told:
        if name == USED:
            found |= _used(attributes)
        elif name in WHOLE:
            is_text = name in _OF_TEXTS and attributes.keys() == {"content"}
            found |= {_OF_TEXTS[name]: attributes["content"]} if is_text else attributes
    said = spoken((name, body_of(attributes)) for name, attributes in told if name != USED and name not in WHOLE)
    if a.get("gen_ai.operation.name") == "execute_tool":
        said = {
            tool: said[name][-1]["content"]
            for name, tool in _OF_A_TOOL
            if len(said.get(name, ())) == 1 and said[name][-1].get("content") is not None
        }
    return {**said, **found, **a}


def _used(a: Mapping[str, Json]) -> dict[str, Json]:
    """The counts of such an event, gross."""
    total, given, thought = (a.get(f"{USED}.{name}_tokens") for name in ("total", "output", "thoughts"))
    if not isinstance(total, int | float) or not isinstance(given, int | float):
        return dict(a)
    thought = thought if isinstance(thought, int | float) else 0
    gross = {"input_tokens": total - given - thought, "output_tokens": given + thought, "total_tokens": total}
    return {f"{USED}.{name}": count for name, count in gross.items()} | (
        {f"{USED}.reasoning_tokens": thought} if thought else {}
    )


def _with_choice(told: list[tuple[str, dict[str, Json]]]) -> list[tuple[str, dict[str, Json]]]:
    """Events of which, if none is a choice, the last are the answer: Logfire says so of OpenAI's agents."""
    end = len(told)
    while end and told[end - 1][0] == "gen_ai.assistant.message":
        end -= 1
    if end == 0 or any(name == CHOICE for name, _ in told):
        return told
    return told[:end] + [(CHOICE, {"message": said}) for _, said in told[end:]]


def body_of(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """The body that an event of a span has spread over its attributes, or as JSON in one of them."""
    for name in _BODIES:
        if isinstance(whole := loaded(attributes.get(name)), dict):
            return whole
    body = {name: value for name, value in attributes.items() if not name.startswith(("gen_ai.", "event."))}
    if spread := {name: body.pop(name) for name in attributes if name.startswith(_SPREAD)}:
        body["message"] = {name.removeprefix(_SPREAD): value for name, value in spread.items()}
    for name in _MEMBERS:
        inner = loaded(body.get(name))
        # A text may be JSON that somebody said: of contents, only what is a list of parts is unpacked.
        is_parts = isinstance(inner, list) and all(map(parts.is_part, inner))
        if is_parts or (isinstance(inner, list | dict) and name != "content"):
            body[name] = inner
    return body


def spoken(told: Iterable[tuple[str, Json]]) -> dict[str, Any]:
    """The messages and the answers that events with these names and bodies are, as the attributes of a span."""
    asked: list[Json] = []
    choices: list[Mapping[str, Json]] = []
    for name, said in told:
        body = loaded(said) if isinstance(said, str) else said
        if not isinstance(body, dict):
            body = {"content": body} if isinstance(body, str) and body else None
        if body is None:
            continue
        if name == CHOICE:
            choices.append(body)
        elif name in ASKED:
            if not body.keys() & _OF_MESSAGES and isinstance(body.get("message"), dict):
                body = body["message"]
            given = {"role": ASKED[name], **(body if body.keys() & _OF_MESSAGES else {"content": body or None})}
            if name == "gen_ai.tool.message" and "id" in given:
                given["tool_call_id"] = given.pop("id")
            for one in messages.message(given):
                # Bedrock's results of tools are told twice by botocore's instrumentation: as such, and by the user.
                if one.get("role") != "tool" or not one.get("tool_call_id") or one not in asked:
                    asked.append(one)
    ordered = sorted(choices, key=lambda c: c["index"] if isinstance(c.get("index"), int) else 0)
    answers = [{**_message(choice), "finish_reason": choice.get("finish_reason")} for choice in ordered]
    found = {"gen_ai.input.messages": asked, "gen_ai.output.messages": answers}
    return {name: value for name, value in found.items() if value}


def _message(choice: Mapping[str, Json]) -> dict[str, Json]:
    inner = choice.get("message")
    if inner is None and not choice.keys() & _OF_CHOICES and (rest := choice.keys() - _ABOUT):
        inner = {name: choice[name] for name in rest}
    calls = {"tool_calls": found} if (found := choice.get("tool_calls")) else {}
    if isinstance(inner, dict) and not inner.keys().isdisjoint(("role", "content", "tool_calls", "parts", "items")):
        return {"role": "assistant", **calls, **inner}
    return {"role": "assistant", "content": choice.get("content") if inner is None else inner, **calls}


_OF_MESSAGES: Final = frozenset({"role", "content", "tool_calls", "parts", "items", "id", "name"})
_OF_CHOICES: Final = frozenset({"content", "tool_calls"})
_ABOUT: Final = frozenset({"index", "finish_reason", "role", "toolcalls"})
"""What a choice says beside its message."""
