"""OTLP's doors: keys, encodings, partial success and every kind of bad body."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings
from django.utils import timezone
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from generations import access
from generations.models import Generation, IngestReject, Step, StepPayload
from tests.doors.rest import GZIP, Answer, Caller, caller

pytestmark = pytest.mark.django_db

PROTOBUF = "application/x-protobuf"
TRACE = "0af7651916cd43dd8448eb211c80319c"
START = 1_790_000_000_000_000_000


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def span(number: int = 1, *, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """A span in OTLP/JSON: a call of a model, unless `attributes` say otherwise."""
    attributes = more.pop("attributes", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"})
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": "" if parent is None else f"{parent:016x}",
        "name": f"span {number}",
        "startTimeUnixNano": str(START + number),
        "endTimeUnixNano": str(START + number + 10**9),
        "attributes": [
            {"key": k, "value": v if isinstance(v, dict) else {"stringValue": v}} for k, v in attributes.items()
        ],
        **more,
    }


def request(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "tests"}, "spans": list(spans)}]}]}


def post(api: Caller, *spans: Any) -> Answer:
    return api.post("/v1/traces", request(*spans))


def message(count: int = 1) -> ExportTraceServiceRequest:
    """The same in protobuf."""
    made = ExportTraceServiceRequest()
    scope = made.resource_spans.add().scope_spans.add()
    for number in range(1, count + 1):
        one = scope.spans.add(trace_id=bytes.fromhex(TRACE), span_id=number.to_bytes(8, "big"), name=f"span {number}")
        one.start_time_unix_nano, one.end_time_unix_nano = START, START + 10**9
        one.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    return made


def steps(api: Caller) -> int:
    return Step.objects.in_project(api.project.pk).count()


def calls(api: Caller) -> list[Generation]:
    return list(Generation.objects.in_project(api.project.pk).order_by("public_id"))


# ----------------------------------------------------------------------------------------------------------- addresses
@pytest.mark.parametrize(
    "path",
    [
        *("/v1/traces", "/v1/traces/", "/otlp/v1/traces", "/otel/v1/traces", "/api/otel/v1/traces"),
        *("/api/public/otel/v1/traces", "/api/otlp/v1/traces", "/opentelemetry/v1/traces", "/v1/traces/v1/traces"),
        *("/api/v2/traces", "/api/v2/traces/"),  # where Respan's SDK sends to
        *("/api/trace", "/i/v0/ai/otel"),  # and Langtrace's and PostHog's
        *("/api/v1/private/otel/v1/traces", "/tracer/v1/traces", "/v1/logs/otel/v1/traces", "/api/v2/otlp/v1/traces/"),
    ],
)
def test_every_address_that_exporters_know_takes_spans_in_without_a_redirect(api: Caller, path: str) -> None:
    answer = api.post(path, request(span()))

    assert (answer.status, answer.json) == (200, {})
    assert [call.model_id for call in calls(api)] == ["gpt-4o-mini"]


def test_protobuf_is_answered_in_protobuf_with_nothing_when_all_is_well(api: Caller) -> None:
    answer = api.send("POST", "/v1/traces", raw=message(2).SerializeToString(), type=PROTOBUF)

    assert (answer.status, answer.content, answer.headers["Content-Type"]) == (200, b"", PROTOBUF)
    assert steps(api) == 2


def test_gzip_is_unpacked_and_an_empty_request_is_well(api: Caller) -> None:
    packed = api.packed("/v1/traces", message().SerializeToString(), PROTOBUF)
    empty = api.send("POST", "/v1/traces", raw=b"", type=PROTOBUF, CONTENT_TYPE=PROTOBUF)
    logs = api.send("POST", "/v1/logs", raw=b"", type=PROTOBUF, CONTENT_TYPE=PROTOBUF)
    metrics = api.send("POST", "/v1/metrics", raw=b"", type=PROTOBUF, CONTENT_TYPE=PROTOBUF)

    assert [packed.status, empty.status, logs.status, metrics.status] == [200] * 4
    assert steps(api) == 1


def test_a_key_may_come_in_every_form_that_exporters_have_for_it() -> None:
    api = caller("ingest")
    token = api.token or ""
    basic = base64.b64encode(f"anything:{token}".encode()).decode()
    alone = base64.b64encode(f"{token}:".encode()).decode()
    wrong = base64.b64encode(f"{token}:gen_wrong".encode()).decode()
    tried = {
        200: [
            {"authorization": f"Bearer {token}"},
            {"authorization": f"Bearer%20{token}"},
            {"authorization": f"bearer {token}"},
            {"authorization": f"Basic {basic}"},
            {"authorization": f"Basic%20{basic}"},
            {"authorization": f"Basic {alone}"},
            {"x-api-key": token},
        ],
        401: [{}, {"x-api-key": "gen_wrong"}, {"authorization": f"Basic {wrong}"}, {"authorization": "Basic §"}],
    }
    for status, forms in tried.items():
        for headers in forms:
            answer = Caller(api.project, None).send("POST", "/v1/traces", request(span()), headers=headers)
            assert answer.status == status, headers


def test_a_key_without_the_scope_is_told_so_in_the_encoding_that_it_speaks() -> None:
    answer = caller("read").send("POST", "/v1/traces", raw=message().SerializeToString(), type=PROTOBUF)

    assert answer.status == 403
    assert answer.content[:2] == b"\x08\x07"
    assert b"This key has no scope 'ingest'" in answer.content


# --------------------------------------------------------------------------------------------------------- bad bodies
@pytest.mark.parametrize(
    ("status", "body", "type"),
    [
        (400, message(1).SerializeToString()[:-5], PROTOBUF),
        (400, b"\xff\xff\xff", PROTOBUF),
        (400, b"{", "application/json"),
        (400, b"[]", "application/json"),
        (400, b'{"resourceSpans": 3}', "application/json"),
        (415, b"<x/>", "text/xml"),
        (415, b"{}", ""),
    ],
)
def test_a_body_that_is_none_is_refused_with_a_status_and_stores_nothing(
    api: Caller, status: int, body: bytes, type: str
) -> None:
    answer = api.send("POST", "/v1/traces", raw=body, type=type)

    assert answer.status == status
    assert steps(api) == 0
    if type != PROTOBUF:
        assert set(answer.json) == {"code", "message"}


@override_settings(INGEST_MAX_BYTES=10_000)
def test_a_body_above_the_bound_is_413_also_when_only_unpacking_shows_it(api: Caller) -> None:
    assert api.send("POST", "/v1/traces", raw=b"x" * 10_001, type=PROTOBUF).status == 413
    assert api.send("POST", "/v1/traces", raw=gzip.compress(b"x" * 10_001), type=PROTOBUF, headers=GZIP).status == 413


def test_one_bad_span_is_counted_and_kept_and_the_good_ones_are_stored(api: Caller) -> None:
    answer = post(api, span(1), span(2, spanId=""), span(3))

    assert answer.status == 200
    assert answer.json["partialSuccess"]["rejectedSpans"] == "1"
    assert "spanId" in answer.json["partialSuccess"]["errorMessage"]
    assert len(calls(api)) == 2
    reject = IngestReject.objects.get(project=api.project)
    assert (reject.door, reject.index) == ("otlp.traces", 1)
    assert json.loads(bytes(reject.body or b"")) == request(span(1), span(2, spanId=""), span(3))


def test_text_that_is_no_utf8_costs_its_span_and_no_other(api: Caller) -> None:
    broken = message(3).SerializeToString().replace(b"span 2", b"spa\xff 2")

    answer = api.send("POST", "/v1/traces", raw=broken, type=PROTOBUF)

    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status, told.rejected_spans) == (200, 1)
    assert "UTF-8" in told.error_message
    assert steps(api) == 2


@pytest.mark.parametrize(("missing", "stored"), [(1, 2), (5, 2), (146, 1)])
def test_of_a_body_that_breaks_off_the_whole_spans_are_stored_and_the_rest_is_told(
    api: Caller, missing: int, stored: int
) -> None:
    body = message(3).SerializeToString()[:-missing]

    answer = api.send("POST", "/v1/traces", raw=body, type=PROTOBUF)

    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status, told.rejected_spans, steps(api)) == (200, 1, stored)
    assert f"body: '{len(body)} bytes' is not valid" in told.error_message
    assert "breaks off" in told.error_message


def test_spans_of_logs_and_logs_of_spans_do_no_harm(api: Caller) -> None:
    made = ExportLogsServiceRequest()
    record = made.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=START, severity_text="INFO")
    record.body.string_value = "Hello"

    logs = api.send("POST", "/v1/logs", raw=message().SerializeToString(), type=PROTOBUF)
    traces = api.send("POST", "/v1/traces", raw=made.SerializeToString(), type=PROTOBUF)

    assert (logs.status, traces.status) == (200, 200)
    assert ExportLogsServiceResponse.FromString(logs.content).partial_success.rejected_log_records == 1
    assert ExportTraceServiceResponse.FromString(traces.content).partial_success.rejected_spans == 1
    assert steps(api) == 0


def test_very_many_and_very_long_attributes_are_taken(api: Caller) -> None:
    many = {"gen_ai.operation.name": "chat", **{f"a{n}": "x" for n in range(100_000)}}
    long = {"gen_ai.operation.name": "chat", "other": "y" * 3_000_000, "gen_ai.prompt": "z" * 3_000_000}

    assert (post(api, span(1, attributes=many)).status, post(api, span(2, attributes=long)).status) == (200, 200)

    kept = [p.attributes or {} for p in StepPayload.objects.in_project(api.project.pk)]
    assert len(calls(api)) == 2
    assert sorted(len(attributes) for attributes in kept) == [3, 20_002]


@pytest.mark.parametrize("moment", ["0", "", None, str(2**63), "9" * 30, str(4_000_000_000 * 10**9)])
def test_times_that_no_clock_means_are_not_believed(api: Caller, moment: str | None) -> None:
    answer = post(api, span(1, startTimeUnixNano=moment, endTimeUnixNano=moment))

    assert answer.status == 200
    (call,) = calls(api)
    assert abs(call.started_at - timezone.now()) < dt.timedelta(minutes=5)
    assert call.ended_at is None or call.ended_at == call.started_at


def test_spans_that_are_each_others_parents_are_stored_and_lose_nothing(api: Caller) -> None:
    assert post(api, span(1, parent=2), span(2, parent=1), span(3, parent=3)).status == 200
    assert post(api, span(1, parent=2), span(2, parent=1), span(3, parent=3)).status == 200

    assert steps(api) == 3
    assert len(calls(api)) == 3


def test_half_a_character_costs_no_span(api: Caller) -> None:
    """As JavaScript sends a text that was cut within an emoji; a whole one beside it, and a backslash, stay."""
    body = json.dumps(request(span(1, name="HERE"), span(2))).replace("HERE", r"\ud83d\ude00 \ud83d, \ude00, \\ud800")

    answer = api.send("POST", "/v1/traces", raw=body.encode(), type="application/json")

    assert (answer.status, answer.json) == (200, {})
    names = Step.objects.in_project(api.project.pk).order_by("public_id").values_list("name", flat=True)
    assert list(names) == ["\U0001f600 \ufffd, \ufffd, \\ud800", "span 2"]


def test_nul_characters_and_deep_nesting_are_taken(api: Caller) -> None:
    deep: dict[str, Any] = {"stringValue": "in"}
    for _ in range(80):
        deep = {"arrayValue": {"values": [deep]}}

    assert post(api, span(1, name="a\0b", attributes={"x": "\0", "deep": deep})).json == {}
    assert Step.objects.get(project_id=api.project.pk).name == "ab"


def test_a_database_that_does_not_answer_is_503_with_a_time_to_come_back(api: Caller) -> None:
    def fails(*args: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(fails):
        answer = post(api, span())

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def test_values_of_other_types_than_they_should_be_are_kept_as_text_and_refuse_nothing(api: Caller) -> None:
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.call.arguments": "-1",
        "gen_ai.tool.call.result": "1e308",
    }
    call = {**CHAT, "gen_ai.output.messages": "7", "gen_ai.usage.input_tokens": "-5", "gen_ai.usage.cost": "NaN"}
    odd = {
        **CHAT,
        "gen_ai.response.id": "a\0b",
        "session.id": "\0",
        "gen_ai.input.messages": '[{"tool_calls":[{"tool_call":3}]}]',
    }

    assert post(api, span(1, attributes=tool), span(2, attributes=call), span(3, attributes=odd)).json == {}

    payload = StepPayload.objects.get(project_id=api.project.pk, input="-1")
    assert payload.output == "1e308"
    assert [(c.response_id, c.prompt_tokens, c.thread_id) for c in calls(api)] == [
        ("chatcmpl-1", None, None),
        ("ab", 10, None),
    ]


# ------------------------------------------------------------------------------------------------------------- meaning
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": "10",
    "gen_ai.usage.output_tokens": {"intValue": "5"},
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]',
}
BARE = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": "10"}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("knows", [1, 2])
@pytest.mark.parametrize("together", [True, False])
def test_a_call_below_a_call_is_one_whatever_comes_first(
    api: Caller, order: tuple[int, int], knows: int, together: bool
) -> None:
    both = {n: span(n, parent=1 if n == 2 else None, attributes=CHAT if n == knows else BARE) for n in (1, 2)}
    if together:
        post(api, *(both[n] for n in order))
    else:
        for n in order:
            post(api, both[n])

    (call,) = calls(api)
    assert call.span_id == f"{knows:016x}"
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (10, 5, 15)
    assert steps(api) == 2


def test_answers_with_the_same_id_are_one_call_only_when_two_instrumentations_tell_of_it_at_once(api: Caller) -> None:
    first, second = request(span(1, attributes=CHAT)), request(span(2, attributes=CHAT, traceId="1" * 32))
    api.post("/v1/traces", first)
    api.post("/v1/traces", second)
    assert len(calls(api)) == 2

    other = caller("ingest")
    second["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"] = "another instrumentation"
    other.post("/v1/traces", first)
    other.post("/v1/traces", second)
    assert len(calls(other)) == 1


def test_agents_and_chains_are_never_calls_whatever_they_repeat(api: Caller) -> None:
    agents = [
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "CHAIN"},
        {"traceloop.span.kind": "agent"},
    ]

    post(api, *(span(n, attributes={**CHAT, **kind}) for n, kind in enumerate(agents, 1)))

    # A chain of OpenInference and a task of Traceloop say what they are before the conventions do.
    assert calls(api) == []
    assert set(Step.objects.in_project(api.project.pk).values_list("type", flat=True)) == {"run"}


def test_a_project_that_keeps_no_generic_spans_keeps_those_above_a_call() -> None:
    project = access.create_project("Only what matters")
    project.keep_generic_spans = False
    project.save()
    api = caller("ingest", project=project)
    http: dict[str, Any] = {"http.request.method": "GET"}

    post(api, span(3, parent=2))
    post(api, span(1, attributes=http), span(2, parent=1, attributes=http), span(4, parent=1, attributes=http))

    names = Step.objects.in_project(project.pk).order_by("name").values_list("name", flat=True)
    assert list(names) == ["span 1", "span 2", "span 3"]


def test_the_number_of_queries_is_the_same_for_one_span_and_for_fifty(
    api: Caller, django_assert_num_queries: Any
) -> None:
    from django.test.utils import CaptureQueriesContext

    post(api, span(1))
    with CaptureQueriesContext(connection) as one:
        post(api, span(2))
    with CaptureQueriesContext(connection) as fifty:
        post(api, *(span(n) for n in range(100, 150)))

    # More than a few rows are copied besides, a table at a time.
    assert len([q for q in fifty if not q["sql"].startswith("COPY")]) == len(one)
