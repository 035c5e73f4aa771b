"""OTLP in JSON as programs write it that are no exporters: what it means is stored, what it does not mean is told."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest

from generations.ingest.otlp.bounds import Undecodable
from generations.ingest.otlp.decode_json import logs_of_json, spans_of_json
from generations.ingest.otlp.shapes import LogEvent, Span
from generations.models import Generation, GenerationPayload
from generations.records import InvalidRecord
from tests.doors.rest import caller
from tests.doors.test_otlp import START, TRACE, calls, request, span, steps

SPAN = f"{1:016x}"


def base(id: str) -> str:
    return base64.b64encode(bytes.fromhex(id)).decode()


def read(body: Any) -> list[Span | InvalidRecord]:
    return spans_of_json(orjson.dumps(body))


def whole(body: Any) -> Span:
    (one,) = read(body)
    assert isinstance(one, Span), one
    return one


def test_protobuf_s_own_json_with_base64_names_and_original_field_names_is_the_same() -> None:
    """What Python's MessageToJson writes, with `preserving_proto_field_name` and without."""
    status, tokens = {"code": "STATUS_CODE_ERROR", "message": "no"}, {"key": "input_tokens", "value": {"intValue": "5"}}
    event = {"name": "retry", "timeUnixNano": str(START)}
    one = {**span(1, parent=2), "status": status, "events": [event], "attributes": [tokens]}
    ids = {"traceId": base(TRACE), "spanId": base(SPAN), "parentSpanId": base(f"{2:016x}")}
    link = {"traceId": base(TRACE), "spanId": base(f"{3:016x}")}
    snake = {
        "trace_id": ids["traceId"],
        "span_id": ids["spanId"],
        "parent_span_id": ids["parentSpanId"],
        "name": "span 1",
        "start_time_unix_nano": str(START + 1),
        "end_time_unix_nano": str(START + 1 + 10**9),
        "status": status,
        "events": [{"name": "retry", "time_unix_nano": str(START)}],
        "attributes": [{"key": "input_tokens", "value": {"int_value": "5"}}],
        "links": [{"trace_id": link["traceId"], "span_id": link["spanId"]}],
    }
    wanted = whole(request({**one, "links": [{"traceId": TRACE, "spanId": f"{3:016x}"}]}))

    camels = whole(request({**one, **ids, "links": [link]}))
    snakes = whole(
        {"resource_spans": [{"resource": {}, "scope_spans": [{"scope": {"name": "tests"}, "spans": [snake]}]}]}
    )

    assert (wanted.parent_id, wanted.attributes, wanted.status) == (f"{2:016x}", {"input_tokens": 5}, 2)
    assert camels == wanted
    assert snakes == wanted


def test_logs_in_protobuf_s_own_json_are_the_same() -> None:
    log = {"time_unix_nano": str(START), "trace_id": base(TRACE), "span_id": base(SPAN), "event_name": "said"}
    body = {"resource_logs": [{"scope_logs": [{"log_records": [{**log, "body": {"string_value": "Hi"}}]}]}]}

    (one,) = logs_of_json(orjson.dumps(body))

    assert isinstance(one, LogEvent)
    assert (one.name, one.time, one.trace_id, one.span_id, one.body) == ("said", START, TRACE, SPAN, "Hi")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (1.79e18, 1_790_000_000_000_000_000),
        ("1.79e18", 1_790_000_000_000_000_000),
        ("1790000000000000001.0", 1_790_000_000_000_000_001),
        ("1790000000000000001", 1_790_000_000_000_000_001),
        (None, 0),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(given: Any, found: int) -> None:
    assert whole(request({**span(), "startTimeUnixNano": given})).start == found


@pytest.mark.parametrize("wrong", ["soon", "1e999", "0.5", "1" * 5_000, [1], {"seconds": 1}])
def test_what_is_no_whole_number_costs_its_span_and_says_so(wrong: Any) -> None:
    first, second = read(request({**span(1), "startTimeUnixNano": wrong}, span(2)))

    assert isinstance(first, InvalidRecord)
    assert first.field == "startTimeUnixNano"
    assert isinstance(second, Span)


@pytest.mark.parametrize(
    ("code", "status"), [(2, 2), ("2", 2), (2.0, 2), ("STATUS_CODE_ERROR", 2), ("ERROR?", 0), ([2], 0), (None, 0)]
)
def test_a_status_is_a_number_or_its_name(code: Any, status: int) -> None:
    assert whole(request({**span(), "status": {"code": code}})).status == status


def test_a_value_without_its_type_is_the_value() -> None:
    given = {"model": "gpt-4o-mini", "tokens": 5, "share": 0.5, "is_stream": True, "list": [1]}
    pairs = [{"key": key, "value": value} for key, value in given.items()]

    assert whole(request({**span(), "attributes": pairs})).attributes == {**given, "list": None}


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        ("attributes", {"gen_ai.request.model": "gpt-4o-mini"}),
        ("attributes", "gen_ai"),
        ("events", 5),
        ("events", {"name": "retry"}),
        ("links", 7),
    ],
)
def test_what_has_to_be_an_array_and_is_none_costs_its_span(member: str, wrong: Any) -> None:
    first, second = read(request({**span(1), member: wrong}, span(2)))

    assert isinstance(first, InvalidRecord)
    assert (first.field, isinstance(second, Span)) == (member, True)


def test_a_mark_of_utf_8_before_the_body_is_no_harm() -> None:
    (one,) = spans_of_json(b"\xef\xbb\xbf" + orjson.dumps(request(span())))

    assert isinstance(one, Span)


def with_a_deep_value(bottom: bytes) -> bytes:
    """Two spans; of the first a value is nested beyond what orjson reads, before one with brackets in it."""
    body = orjson.dumps(request(span(1, attributes={"deep": "HERE", "after": r"}]\" ]"}), span(2)))
    value = b'{"kvlistValue":{"values":[{"key":"k","value":' * 2_000 + bottom + b"}]}}" * 2_000
    return body.replace(b'{"stringValue":"HERE"}', value)


def test_a_value_that_is_nested_deeper_than_json_is_read_costs_only_what_is_in_it() -> None:
    first, second = spans_of_json(with_a_deep_value(rb'{"stringValue":"}\\"}'))

    assert isinstance(first, Span) and isinstance(second, Span)
    assert list(first.attributes) == ["deep", "after"]
    assert first.attributes["after"] == r"}]\" ]"


def test_what_is_nested_too_deep_and_is_no_json_is_refused() -> None:
    with pytest.raises(Undecodable, match="The body is not JSON"):
        spans_of_json(with_a_deep_value(b"0]"))


@pytest.mark.django_db
def test_a_resource_that_cannot_be_read_costs_its_own_spans_alone() -> None:
    api = caller("ingest")
    wrong = {"attributes": [{"key": "shard", "value": {"intValue": "many"}}]}
    good = request(span(3))["resourceSpans"]

    answer = api.post(
        "/v1/traces", {"resourceSpans": [{"resource": wrong, "scopeSpans": [{"spans": [span(1), span(2)]}]}, *good]}
    )

    assert answer.status == 200
    told = answer.json["partialSuccess"]
    assert (told["rejectedSpans"], "intValue: 'many'" in told["errorMessage"]) == ("2", True)
    assert [one.name for one in calls(api)] == ["span 3"]


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(depth):
        value = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
    return value


USAGE = "gen_ai.usage."
ODD: dict[str, dict[str, Any]] = {
    "nested": {"deep": nested(150)},
    "mixed": {
        "m": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}, {}, None, 5, {"arrayValue": {}}]}}
    },
    "negative": {f"{USAGE}input_tokens": {"intValue": -5}, f"{USAGE}output_tokens": {"intValue": "-1"}},
    "huge": {f"{USAGE}input_tokens": {"intValue": 2**62}, f"{USAGE}output_tokens": {"doubleValue": 1e300}},
    "no number": {f"{USAGE}input_tokens": "1,234", f"{USAGE}output_tokens": {"boolValue": True}},
    "infinite": {f"{USAGE}input_tokens": {"doubleValue": "Infinity"}, f"{USAGE}output_tokens": {"doubleValue": "NaN"}},
    "list": {f"{USAGE}input_tokens": {"arrayValue": {"values": [{"intValue": 3}]}}},
    "messages": {"gen_ai.input.messages": '[5, null, {"role": 5, "parts": 7}, {"parts": [5, {"type": 3}]}, []]'},
    "answers": {"gen_ai.output.messages": '{"a": [1]}', "gen_ai.tool.definitions": '[5, {"function": 3}, null]'},
    "settings": {"gen_ai.request.seed": {"intValue": 2**63}, "gen_ai.request.max_tokens": {"doubleValue": 1e300}},
    "cost": {"gen_ai.usage.cost": "-3", "operation.cost": {"doubleValue": 1e300}},
    "early": {"gen_ai.response.time_to_first_chunk": "-1"},
}


@pytest.mark.django_db
def test_odd_values_lose_no_call_and_make_no_number() -> None:
    api = caller("ingest")
    plain = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    sent = [span(n, name=name, attributes={**plain, **ODD[name]}) for n, name in enumerate(ODD, 1)]

    answer = api.send("POST", "/v1/traces", raw=json.dumps(request(*sent)).encode(), type="application/json")

    assert (answer.status, answer.json) == (200, {})
    numbers = ("prompt_tokens", "completion_tokens", "total_tokens", "cost", "time_to_first_token")
    found = Generation.objects.in_project(api.project.pk).values_list("name", "model_id", *numbers)
    assert sorted(found) == sorted((name, "gpt-4o-mini", None, None, None, None, None) for name in ODD)


@pytest.mark.django_db
def test_a_span_that_is_there_twice_in_a_batch_is_one_call_with_what_both_say() -> None:
    api = caller("ingest")
    tokens = {"gen_ai.usage.input_tokens": {"intValue": "7"}, "gen_ai.operation.name": "chat"}

    answer = api.post("/v1/traces", request(span(1), span(1, attributes=tokens), span(1)))

    assert (answer.json, steps(api)) == ({}, 1)
    assert [(one.model_id, one.prompt_tokens) for one in calls(api)] == [("gpt-4o-mini", 7)]


@pytest.mark.django_db
def test_a_span_that_ends_before_it_starts_has_no_length() -> None:
    api = caller("ingest")

    answer = api.post("/v1/traces", request(span(1, endTimeUnixNano=str(START - 10**9))))

    assert answer.json == {}
    assert [(one.ended_at, one.latency) for one in calls(api)] == [(None, None)]


def test_what_is_no_group_and_no_part_is_told_and_loses_nothing_beside_it() -> None:
    (good,) = request(span(1))["resourceSpans"]

    found = read({"resourceSpans": [None, 7, good, {"scopeSpans": {}}, {"scopeSpans": ["x", {"spans": "y"}]}]})

    assert [str(one).partition(" is not")[0] if isinstance(one, InvalidRecord) else one.name for one in found] == [
        "resourceSpans: null",
        "resourceSpans: 7",
        "span 1",
        "scopeSpans: {}",
        "scopeSpans: 'x'",
        "spans: 'y'",
    ]


@pytest.mark.parametrize("written", ["NaN", "-Infinity", "1e999", "9" * 400])
def test_a_number_that_json_does_not_have_is_a_text_and_loses_no_batch(written: str) -> None:
    said = 'NaN, "1e999" and Infinity'
    given = [
        {"key": "measured", "value": {"doubleValue": "@"}},
        {"key": "said", "value": {"stringValue": said}},
        {"key": "half", "value": {"doubleValue": 1.5e-3}},
    ]
    body = json.dumps(request(span(1), {**span(2), "attributes": given})).replace('"@"', written)

    _, found = spans_of_json(body.encode())

    assert isinstance(found, Span)
    assert found.attributes == {"measured": written, "said": said, "half": 0.0015}


QUOTES = b'"' + rb"\"" * 200_000
"""A text that nothing ends, in which each quote was once tried as the beginning of a text: ten minutes of work."""


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":[{"a":NaN,"b":' + QUOTES,
        b'{"a":' * 3_000 + QUOTES,
        b'{"resourceSpans":[' + QUOTES + b"," * 8_100_000,
    ],
    ids=["numbers", "depth", "amounts"],
)
def test_a_text_that_nothing_ends_is_gone_through_once(body: bytes) -> None:
    with pytest.raises(Undecodable, match="The body is not JSON"):
        spans_of_json(body)


@pytest.mark.parametrize("given", ["x", [], {}, float("nan")])
@pytest.mark.parametrize("name", ["droppedEventsCount", "droppedAttributesCount"])
def test_a_count_of_what_was_dropped_that_is_no_number_loses_no_span(name: str, given: Any) -> None:
    (found,) = spans_of_json(json.dumps(request({**span(1), name: given})).encode())

    assert isinstance(found, Span)
    assert (found.dropped, found.dropped_events) == (0, 0)


@pytest.mark.django_db
def test_a_span_s_own_attribute_that_is_named_like_a_log_event_s_loses_no_event() -> None:
    api = caller("ingest")
    own: dict[str, Any] = {"log.level": "info", "log.1": {"kvlistValue": {}}, "log.2": {"arrayValue": {}}}
    about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    log = {"timeUnixNano": str(START), "traceId": TRACE, "spanId": SPAN, "eventName": "gen_ai.user.message"}
    said = {**log, "body": {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "Hi"}}]}}}
    api.post("/v1/traces", request(span(1, attributes={**about, **own})))

    answer = api.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [said]}]}]})

    assert (answer.status, answer.json) == (200, {})
    (payload,) = GenerationPayload.objects.in_project(api.project.pk)
    assert payload.messages == [{"role": "user", "content": "Hi"}]
