"""Spans that Logfire sends when others begin: those others, begun, until they are told whole."""

from __future__ import annotations

import random

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from generations.ingest.otlp import decode, spans
from generations.ingest.otlp.shapes import Span
from generations.models import Generation, Step
from generations.records import Json
from tests.doors.rest import Caller, caller
from tests.test_otlp_captures import body, single, stored

pytestmark = pytest.mark.django_db

PARTS = single([body("logfire-begun.pb")])


def is_begun(part: bytes) -> bool:
    ((group,),) = (one.scope_spans for one in ExportTraceServiceRequest.FromString(part).resource_spans)
    return any(one.key == "logfire.pending_parent_id" for one in group.spans[0].attributes)


BEGUN = [part for part in PARTS if is_begun(part)]
WHOLE = [part for part in PARTS if not is_begun(part)]


def sent(parts: list[bytes], *, together: bool = False) -> Caller:
    api = caller("ingest")
    for part in [b"".join(parts)] if together else parts:
        assert api.send("POST", "/v1/traces", raw=part, type="application/x-protobuf").status == 200
    return api


def test_a_span_that_has_begun_stands_in_its_place_without_an_end() -> None:
    api = sent(BEGUN)

    rows = {row.public_id: row for row in Step.objects.in_project(api.project.pk)}
    read = [span for part in WHOLE for span in decode.spans_of_protobuf(part) if isinstance(span, Span)]
    whole = [spans.told(span).step for span in read]
    told = {step.id: step.parent_id for step in whole if not (step.name or "").startswith("streaming")}
    assert {id: row.parent_id for id, row in rows.items()} == told
    assert {row.ended_at for row in rows.values()} == {None}
    assert not Generation.objects.in_project(api.project.pk).exists()


def test_told_whole_it_is_what_it_would_be_without_in_any_order() -> None:
    without = stored(sent(WHOLE).project)
    assert len(without["Generation"]) == 3

    assert stored(sent(PARTS, together=True).project) == without
    assert stored(sent(WHOLE + BEGUN).project) == without
    named = [part for part in PARTS if b"chat-1" in part]
    assert stored(sent([b"".join(named), *PARTS]).project) == without
    for seed in range(4):
        shuffled = PARTS.copy()
        random.Random(seed).shuffle(shuffled)
        assert stored(sent(shuffled).project) == without, seed


@pytest.mark.parametrize("above", [None, 5, "", "x", "1" * 17])
def test_what_only_looks_like_one_is_a_span_as_any(above: Json) -> None:
    told = spans.told(Span("a" * 32, "b" * 16, "c" * 16, "x", 5, 5, {"logfire.pending_parent_id": above}))

    assert (told.step.id, told.step.parent_id) == (f"{'a' * 32}-{'b' * 16}", f"{'a' * 32}-{'c' * 16}")
