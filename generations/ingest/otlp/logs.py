"""Log events that belong to spans: messages that were sent apart from the call, and results of evaluations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations.ingest.otlp import content, messages, spans
from generations.ingest.otlp.shapes import LogEvent
from generations.records import GenerationRecord, Json, ScoreRecord

DETAILS: Final = "gen_ai.client.inference.operation.details"
_ASKED: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_EVALUATION: Final = "gen_ai.evaluation.result"


def records_of(events: Sequence[LogEvent | Any]) -> list[GenerationRecord | ScoreRecord]:
    """The parts of generations and the scores that log events tell; events of other kinds tell nothing.

    A part has the id of its span's generation, so that it merges with it, whichever comes first.
    """
    found: list[GenerationRecord | ScoreRecord] = []
    by_span: dict[tuple[str, str], list[LogEvent]] = defaultdict(list)
    for event in events:
        if not isinstance(event, LogEvent):
            continue
        id = f"{event.trace_id}-{event.span_id}" if event.trace_id and event.span_id else None
        if event.name == _EVALUATION:
            score = spans.evaluation(event.attributes, id, event.time)
            if score is not None:
                found.append(score)
        elif event.trace_id and event.span_id and (event.name in (DETAILS, _CHOICE) or event.name in _ASKED):
            by_span[event.trace_id, event.span_id].append(event)
    for (trace_id, span_id), told in by_span.items():
        fields = _fields(told)
        if fields:
            id = f"{trace_id}-{span_id}"
            found.append(GenerationRecord(id=id, step_id=id, trace_id=trace_id, span_id=span_id, **fields))
    return found


def _fields(told: Sequence[LogEvent]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    asked: list[Json] = []
    choices: list[Mapping[str, Json]] = []
    for event in told:
        if event.name == DETAILS:
            body = event.body if isinstance(event.body, Mapping) else {}
            attributes = {**body, **event.attributes}
            fields |= content.read(attributes, spans.call_type(attributes) or "chat", None)
            if tools := messages.tools(spans.first(attributes, "tools")):
                fields["tools"] = tools
        elif isinstance(event.body, Mapping):
            if event.name == _CHOICE:
                choices.append(event.body)
            else:
                given = {"role": _ASKED[event.name], **event.body}
                if event.name == "gen_ai.tool.message" and "id" in given:
                    given["tool_call_id"] = given.pop("id")
                asked += messages.message(given)
    if asked:
        fields["messages"] = asked
    if choices:
        ordered = sorted(choices, key=lambda c: c["index"] if isinstance(c.get("index"), int) else 0)
        given_ = [{**_message(c), "finish_reason": c.get("finish_reason")} for c in ordered]
        fields |= content.answered(given_, "chat", len(given_) > 1)
    return fields


def _message(choice: Mapping[str, Json]) -> dict[str, Json]:
    inner = choice.get("message")
    if isinstance(inner, Mapping):
        return {"role": "assistant", **inner}
    return {"role": "assistant", "content": inner, **({"tool_calls": t} if (t := choice.get("tool_calls")) else {})}
