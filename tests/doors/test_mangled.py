"""Thousands of ways in which a body may be wrong, drawn at random from real ones: no fault, and nothing good is lost.

`MANGLED=5000 pytest tests/doors/test_mangled.py` draws so many of each kind; `MANGLED_SEED` draws others.
"""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any, Final

import pytest
from django.test import Client
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from generations.api.door import door
from generations.ingest.otlp import decode_json, spans
from generations.ingest.otlp.bounds import Undecodable
from generations.models import Step
from generations.records import InvalidRecord
from tests.doors.literal import GRAPHQL, batch
from tests.doors.rest import caller
from tests.doors.test_otlp import PROTOBUF
from tests.mangling import mangled, odd, text
from tests.test_otlp_captures import TRACES, body

MANY: Final = int(os.environ.get("MANGLED", "0"))
SEED: Final = os.environ.get("MANGLED_SEED", "1")
FILES: Final = sorted({entry["file"] for entry in TRACES if entry["file"].endswith(".pb")})
TIMES: Final = (0, 1, 999, 10**9, 2**63 - 1, 2**63, 2**64 - 1, 1_700_000_000_000)
PLACES: Final = (".999999999999.", f".{'9' * 5_000}.", ".-1.", ".x.", "..", ".\u00b2.")


def drawn(kind: str, few: int) -> list[random.Random]:
    """One source of chance for each body of a kind."""
    return [random.Random(f"{SEED} {kind} {n}") for n in range(MANY or few)]


# --------------------------------------------------------------------------------------------------------------- spans
def put(value: Any, given: Any, depth: int = 0) -> None:
    """Make `value` an AnyValue of this JSON, as deep as protobuf goes."""
    value.Clear()
    if isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, int):
        value.int_value = max(-(2**63), min(2**63 - 1, given))
    elif isinstance(given, float):
        value.double_value = given
    elif isinstance(given, str):
        value.string_value = given.encode("utf-8", "replace").decode()
    elif isinstance(given, list) and depth < 12:
        value.array_value.SetInParent()
        for one in given:
            put(value.array_value.values.add(), one, depth + 1)
    elif isinstance(given, dict) and depth < 12:
        value.kvlist_value.SetInParent()
        for name, one in given.items():
            pair = value.kvlist_value.values.add(key=name.encode("utf-8", "replace").decode())
            put(pair.value, one, depth + 1)


def mangle_attributes(draw: random.Random, attributes: Any) -> None:
    if not attributes:
        put(attributes.add(key="gen_ai.input.messages").value, odd(draw))
        return
    pair, what = draw.choice(attributes), draw.random()
    if what < 0.5:
        said = pair.value.string_value
        put(pair.value, text(draw, said) if said else odd(draw))
    elif what < 0.6:
        pair.value.CopyFrom(draw.choice(attributes).value)
    elif what < 0.7:
        pair.key = re.sub(r"\.[0-9]+\.", draw.choice(PLACES), pair.key, count=1)
    elif what < 0.8:
        pair.key += draw.choice((".", ".0", ".0.content", ".role"))
    elif what < 0.9:
        attributes.remove(pair)
    else:
        pair.key = draw.choice(attributes).key


def mangle_span(draw: random.Random, one: Any, others: list[Any]) -> None:
    what = draw.random()
    if what < 0.65:
        for _ in range(draw.choice((1, 1, 2, 6))):
            mangle_attributes(draw, one.attributes)
    elif what < 0.75:
        one.start_time_unix_nano, one.end_time_unix_nano = draw.choice(TIMES), draw.choice(TIMES)
    elif what < 0.8:
        one.parent_span_id = draw.choice([*(other.span_id for other in others), b"", b"x", bytes(8)])
    elif what < 0.85:
        one.span_id = draw.choice([*(other.span_id for other in others), b"", b"x", bytes(8), b"\xff" * 9])
    elif what < 0.88:
        one.trace_id = draw.choice((b"", b"x", bytes(16), b"\xff" * 16, b"\xff" * 17))
    elif what < 0.95:
        event = draw.choice(one.events) if one.events else one.events.add(name="gen_ai.choice")
        mangle_attributes(draw, event.attributes)
    else:
        one.status.code, one.kind, one.dropped_attributes_count = draw.choice((-1, 3, 2**31 - 1)), 77, 2**32 - 1


def request(draw: random.Random) -> ExportTraceServiceRequest:
    """What a real program sent, not quite as it sent it."""
    made = ExportTraceServiceRequest.FromString(body(draw.choice(FILES)))
    every = spans_of(made)
    for _ in range(draw.choice((1, 1, 2, 4))):
        mangle_span(draw, draw.choice(every), every)
    return made


def spans_of(made: ExportTraceServiceRequest) -> list[Any]:
    return [one for group in made.resource_spans for part in group.scope_spans for one in part.spans]


def is_whole(one: Any) -> bool:
    return len(one.trace_id) == 16 and any(one.trace_id) and len(one.span_id) == 8 and any(one.span_id)


@pytest.mark.slow
@pytest.mark.django_db
def test_every_span_that_has_ids_is_stored_and_every_other_is_counted() -> None:
    for n, draw in enumerate(drawn("spans", 60)):
        api, made = caller("ingest", name=f"Spans {n}"), request(draw)
        every = spans_of(made)

        answer = api.send("POST", "/v1/traces", raw=made.SerializeToString(), type=PROTOBUF)

        assert answer.status == 200, (n, answer.content)
        told = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert told.rejected_spans == sum(not is_whole(one) for one in every), (n, told.error_message)
        stored = Step.objects.in_project(api.project.pk).count()
        assert stored == len({(one.trace_id, one.span_id) for one in every if is_whole(one)}), n


def test_json_that_is_wrong_anywhere_is_read_as_far_as_it_is_right() -> None:
    for draw in drawn("json", 300):
        sent = json.dumps(mangled(draw, MessageToDict(request(draw)))).encode()
        try:
            found = decode_json.spans_of_json(sent)
        except Undecodable:
            continue
        for one in found:
            if not isinstance(one, InvalidRecord):
                spans.told(one)


# ------------------------------------------------------------------------------------------------------- other doors
CALL: Final[dict[str, Any]] = {
    "id": "a",
    "model": {"id": "gpt-4o-mini", "provider": "openai"},
    "input": {
        "content": {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "variables": {"name": "x"},
        }
    },
    "output": {"content": "Hi!"},
    "usage": {"promptTokens": 14, "completionTokens": 3, "cost": "0.5", "currency": "USD"},
    "performance": {"latency": 0.62, "timeToFirstToken": 0.1},
    "metadata": {"userId": "u", "tags": ["x"], "plan": "pro"},
    "threadId": "t",
    "timestamp": "2026-11-01T00:00:00Z",
    "scores": [{"name": "q", "value": 1, "type": "HUMAN"}],
    "feedback": {"rating": 4, "thumbs": "up", "categories": ["a"]},
    "alternatives": [{"content": "x", "index": 1}],
    "attachments": [{"id": "f", "name": "n", "mime": "text/plain", "url": "https://files.example/y"}],
}
STEP: Final[dict[str, Any]] = {
    "id": "s",
    "threadId": "t",
    "type": "llm",
    "startTime": "2026-11-01T00:00:00Z",
    "tags": ["x"],
    "metadata": {"a": 1},
    "input": {"content": "Hello"},
    "generation": {"type": "CHAT", "tokenCount": 5, "messages": [{"role": "user", "content": "Hello"}], "settings": {}},
    "scores": [{"name": "q", "value": 1, "type": "AI"}],
    "attachments": [{"id": "f", "name": "n", "mime": "text/plain", "url": "https://files.example/y"}],
}
SCORE: Final[dict[str, Any]] = {
    "id": "e",
    "type": "score-create",
    "timestamp": "2026-09-21T14:13:30Z",
    "body": {"id": "s", "traceId": f"{1:032x}", "observationId": f"{1:016x}", "name": "q", "value": 0.5},
}
EVENT: Final[dict[str, Any]] = {
    "event_id": "e",
    "metadata": {"func_name": "writer"},
    "inputs": {"q": "x"},
    "outputs": {"output": "y"},
    "feedback": {"rating": 1},
    "tags": {"a": "b"},
    "timestamp": "2026-11-01T00:00:00Z",
}


def examples() -> list[tuple[str, str, Any]]:
    """Method, address and a right body of what takes one."""
    found: list[tuple[str, str, Any]] = []
    for path, methods in door.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in content and not path.endswith(("/generate", "/score")):
                found.append((method.upper(), path.replace("{id}", "a").replace("{name}", "a"), content["example"]))
    others = [
        ("/api/generations", CALL),
        ("/api/generations/batch", [CALL, {"id": "b"}]),
        ("/api/public/ingestion", {"batch": [SCORE]}),
        ("/api/public/scores", SCORE["body"]),
        ("/api/v1/ingest/raw", {"events": [EVENT]}),
        (GRAPHQL, batch({"id": "other"}, STEP)),
    ]
    return found + [("POST", *one) for one in others for _ in range(6)]


@pytest.mark.slow
@pytest.mark.django_db
def test_no_door_has_a_fault_for_what_is_wrong_in_a_body() -> None:
    api, choices = caller("admin"), examples()
    # The clients of Literal AI and Gantry know this header.
    api.client = Client(headers={"x-api-key": str(api.token)})
    for n, draw in enumerate(drawn("doors", 300)):
        method, path, right = draw.choice(choices)
        is_asked = isinstance(right, dict) and "variables" in right and "query" in right
        sent = {**right, "variables": mangled(draw, right["variables"])} if is_asked else mangled(draw, right)

        answer = api.send(method, path, sent)

        assert answer.status < 500, (n, method, path, answer.content)
        assert answer.status not in (401, 403, 405), (n, method, path)
        assert b"Something went wrong" not in answer.content, (n, method, path)
