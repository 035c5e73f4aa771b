"""Spans of Claude Code, with what they say in texts of their own by the names of the conventions.

Its `tracing` says of a tool what it was given and made in texts with a heading, or in an event; of a call what came
since the call before; and of what a subagent does that agent's id as the conversation, beside the id of the session.
https://code.claude.com/docs/en/monitoring-usage (traces, in beta; version 2.1.330: OTEL_LOG_TOOL_CONTENT for events,
ENABLE_BETA_TRACING_DETAILED for texts).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from generations.ingest.otlp.shapes import Span
from generations.records import Json

SCOPE: Final = "com.anthropic.claude_code."
_THREAD: Final = "gen_ai.conversation.id"
_SESSION: Final = "session.id"
_NEW: Final = "new_context"
"""What came since the call before; of a tool, what it made."""
_ANSWER: Final = "response.model_output"
_GIVEN: Final = "tool_input"
_MADE: Final = "tool.output"
"""The event that says what a tool made, in one attribute of these: of a command, of a file, and of its change."""
_WAYS: Final = ("output", "content", "diff")
_HEADING: Final = re.compile(r"(?:\A|\n\n---\n\n)\[(USER|TOOL RESULT: ([^\]\n]*))\]\n")
_OF_TOOLS: Final = re.compile(r"\[TOOL (?:INPUT|RESULT): [^\]\n]*\]\n")


def by_conventions(span: Span) -> Span:
    """The span as the conventions would have it, if it is of this scope."""
    if not span.scope.startswith(SCOPE):
        return span
    a = dict(span.attributes)
    name, kind, tool = span.name, a.get("span.type"), a.get("gen_ai.tool.name")
    if _THREAD in a and a.get(_SESSION):
        a[_THREAD] = a[_SESSION]
    if kind == "tool":
        name = f"{name} {tool}" if isinstance(tool, str) else name
        _move(a, _GIVEN, "gen_ai.tool.call.arguments", _without_heading(a.get(_GIVEN)))
        _move(a, _NEW, "gen_ai.tool.call.result", _without_heading(a.get(_NEW)) or _told(span))
    elif kind == "llm_request":
        _move(a, _NEW, "gen_ai.input.messages", _messages(a.get(_NEW)))
        if isinstance(answer := a.get(_ANSWER), str) and answer:
            _move(a, _ANSWER, "gen_ai.output.messages", [{"role": "assistant", "content": answer}])
    return replace(span, name=name, attributes=a)


def _move(a: dict[str, Json], said: str, name: str, value: Json) -> None:
    """Say by this name what was said by another, if anything was."""
    if value:
        a.pop(said, None)
        a[name] = value


def _told(span: Span) -> Json:
    events = (event.attributes for event in span.events if event.name == _MADE)
    return next((said for a in events for way in _WAYS if (said := a.get(way)) is not None), None)


def _without_heading(said: Json) -> str | None:
    return _OF_TOOLS.sub("", said, count=1) if isinstance(said, str) and _OF_TOOLS.match(said) else None


def _messages(new: Json) -> list[Json]:
    """Messages of a user and results of tools, each below its heading."""
    if not isinstance(new, str):
        return []
    if not (headings := [*_HEADING.finditer(new)]):
        return []
    ends = [*(one.start() for one in headings[1:]), len(new)]
    found: list[Json] = []
    for heading, end in zip(headings, ends, strict=True):
        said = new[heading.end() : end]
        if (call := heading[2]) is not None:
            found.append({"role": "tool", "tool_call_id": call, "content": said})
        else:
            found.append({"role": "user", "content": said})
    return found
