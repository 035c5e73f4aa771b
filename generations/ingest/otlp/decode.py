"""OTLP bodies, protobuf or JSON, in the one shape of spans and log events that the mapping reads."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from generations.ingest.otlp.shapes import Event, LogEvent, Span, made_span
from generations.records import InvalidRecord, Json, shown

assert api_implementation.Type() == "upb", "protobuf without its C library is twenty times slower"

MAX_ATTRIBUTES: Final = 20_000
"""Attributes that are read of one span; the rest are counted as dropped."""
MAX_DEPTH: Final = 60
_HEX: Final = frozenset("0123456789abcdef")
_STATUS: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


class Undecodable(ValueError):
    """A body that is not what its type says; the sentence tells why."""


# ------------------------------------------------------------------------------------------------------------ protobuf
def spans_of_protobuf(body: bytes) -> list[Span | InvalidRecord]:
    """The spans of an ExportTraceServiceRequest; one that cannot be read is an InvalidRecord in its place.

    Raises Undecodable when the body is no such message.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return [_span(*one) if isinstance(one, tuple) else one for one in _salvaged(body, SpanMessage)]
    found: list[Span | InvalidRecord] = []
    for group in request.resource_spans:
        resource = _plain(group.resource.attributes)
        for part in group.scope_spans:
            scope = part.scope.name
            found.extend(_span(span, resource, scope) for span in part.spans)
    return found


def logs_of_protobuf(body: bytes) -> list[LogEvent | InvalidRecord]:
    """The log records of an ExportLogsServiceRequest, likewise."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        return [_log(*one) if isinstance(one, tuple) else one for one in _salvaged(body, LogRecord)]
    found: list[LogEvent | InvalidRecord] = []
    for group in request.resource_logs:
        resource = _plain(group.resource.attributes)
        for part in group.scope_logs:
            found.extend(_log(log, resource, part.scope.name) for log in part.log_records)
    return found


def _span(span: Any, resource: Mapping[str, Json], scope: str) -> Span | InvalidRecord:
    trace, own, parent = span.trace_id, span.span_id, span.parent_span_id
    trace_id, span_id = trace.hex(), own.hex()
    is_right = len(trace) == 16 and len(own) == 8 and any(trace) and any(own)
    if wrong := None if is_right else _wrong_ids(trace_id, span_id):
        return wrong
    attributes, events, links, status = span.attributes, span.events, span.links, span.status
    # By their places, which takes half as long as by their names.
    return made_span(
        trace_id,
        span_id,
        parent.hex() if len(parent) == 8 and parent != own and any(parent) else None,
        span.name,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _plain(attributes),
        tuple(Event(e.name, e.time_unix_nano, _plain(e.attributes)) for e in events) if events else (),
        tuple(
            {"traceId": k.trace_id.hex(), "spanId": k.span_id.hex(), "attributes": _plain(k.attributes)} for k in links
        )
        if links
        else (),
        status.code,
        status.message,
        span.dropped_attributes_count + max(0, len(attributes) - MAX_ATTRIBUTES),
        resource,
        scope,
    )


def _log(log: Any, resource: Mapping[str, Json], scope: str) -> LogEvent:
    attributes = _plain(log.attributes)
    trace_id, span_id = log.trace_id.hex(), log.span_id.hex()
    is_whole = _wrong_ids(trace_id, span_id) is None
    return LogEvent(
        name=log.event_name or str(attributes.get("event.name") or ""),
        time=log.time_unix_nano or log.observed_time_unix_nano,
        trace_id=trace_id if is_whole else None,
        span_id=span_id if is_whole else None,
        body=_value(log.body, 0),
        attributes=attributes,
        resource=resource,
        scope=scope,
    )


def _plain(attributes: Sequence[Any]) -> dict[str, Json]:
    # Most are texts or numbers, and to ask which kind one is takes longer than to have it.
    found: dict[str, Json] = {}
    if len(attributes) <= MAX_ATTRIBUTES:
        for pair in attributes:
            value = pair.value
            found[pair.key] = value.string_value or value.int_value or _value(value, 0)
        return found
    for pair in attributes:
        found[pair.key] = _value(pair.value, 0)
        if len(found) >= MAX_ATTRIBUTES:
            break
    return found


def _value(value: Any, depth: int) -> Json:
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    if kind == "array_value":
        return [item.string_value or _value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value" and not math.isfinite(value.double_value):
        # As OTLP's JSON has them, which stores them as texts: a call is not lost for a number.
        return "NaN" if math.isnan(value.double_value) else "Infinity" if value.double_value > 0 else "-Infinity"
    return getattr(value, kind)


def _salvaged(body: bytes, kind: Any) -> Iterator[tuple[Any, dict[str, Json], str] | InvalidRecord]:
    """What can be read of a body that cannot be read whole: messages one by one, each with its resource and scope.

    The three levels (groups, parts, items) have the same field numbers in requests of spans and of logs.
    """
    for group in _fields(body, 1):
        resource = _lenient(Resource, next(iter(_fields(group, 1)), b""))
        for part in _fields(group, 2):
            scope = _lenient(InstrumentationScope, next(iter(_fields(part, 1)), b""))
            for item in _fields(part, 2):
                try:
                    yield kind.FromString(item), _plain(resource.attributes), scope.name
                except DecodeError:
                    yield InvalidRecord("span", f"{len(item)} bytes", "a message in protobuf with texts in UTF-8")


def _lenient(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError:
        return kind()


def _fields(message: bytes, wanted: int) -> list[bytes]:
    """The length-delimited fields of this number in a message. Raises Undecodable for what is no protobuf."""
    found: list[bytes] = []
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, place = _varint(message, place)
        elif wire == 2:
            length, place = _varint(message, place)
            if number == wanted:
                found.append(message[place : place + length])
            place += length
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        else:
            raise Undecodable(f"The body is no protobuf message: wire type {wire} at byte {place}.")
    if place > len(message):
        raise Undecodable(f"The protobuf message breaks off: {place - len(message)} bytes are missing.")
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 64, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise Undecodable(f"The protobuf message breaks off within a number at byte {place}.")


# ---------------------------------------------------------------------------------------------------------------- JSON
def spans_of_json(body: bytes) -> list[Span | InvalidRecord]:
    """The spans of an ExportTraceServiceRequest in OTLP/JSON, whose ids are hex. Raises Undecodable."""
    return [_json_span(*one) for one in _json_items(body, "resourceSpans", "scopeSpans", "spans")]


def logs_of_json(body: bytes) -> list[LogEvent | InvalidRecord]:
    """The log records of an ExportLogsServiceRequest in OTLP/JSON. Raises Undecodable."""
    return [_json_log(*one) for one in _json_items(body, "resourceLogs", "scopeLogs", "logRecords")]


_HALVES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Escapes in JSON; in its group those of half a character that the other half does not follow."""


def _json_items(body: bytes, groups: str, parts: str, items: str) -> Iterator[tuple[Json, dict[str, Json], str]]:
    try:
        request = _loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"The body is not JSON: {error}.") from None
    if not isinstance(request, dict):
        raise Undecodable("The body has to be a JSON object.")
    for group in _json_list(request, groups):
        resource = _json_attributes(_json_object(group, "resource").get("attributes"))
        # Exporters of 2021 and before wrote the older name.
        for part in _json_list(group, parts) or _json_list(group, f"instrumentationLibrary{parts[5:]}"):
            scope = str(_json_object(part, "scope").get("name") or "")
            for item in _json_list(part, items):
                yield item, resource, scope


def _loads(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in error.msg:
            raise
        # JavaScript writes half a character, of a text that was cut within it, as an escape of that half.
        return orjson.loads(_HALVES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body))


def _json_list(node: Json, name: str) -> list[Json]:
    found = node.get(name) if isinstance(node, dict) else None
    if found is None:
        return []
    if not isinstance(found, list):
        raise Undecodable(f"{name} has to be an array, not {shown(found)}.")
    return found


def _json_object(node: Json, name: str) -> dict[str, Json]:
    found = node.get(name) if isinstance(node, dict) else None
    return found if isinstance(found, dict) else {}


def _json_span(span: Json, resource: Mapping[str, Json], scope: str) -> Span | InvalidRecord:
    if not isinstance(span, dict):
        return InvalidRecord("span", span, "an object")
    trace_id, span_id = (str(span.get(name) or "").lower() for name in ("traceId", "spanId"))
    if wrong := _wrong_ids(trace_id, span_id):
        return wrong
    status = _json_object(span, "status")
    given = span.get("attributes")
    try:
        return Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=_parent(str(span.get("parentSpanId") or "").lower(), span_id),
            name=str(span.get("name") or ""),
            start=_json_time(span, "startTimeUnixNano"),
            end=_json_time(span, "endTimeUnixNano"),
            attributes=_json_attributes(given),
            events=tuple(
                Event(str(e.get("name") or ""), _json_time(e, "timeUnixNano"), _json_attributes(e.get("attributes")))
                for e in span.get("events") or ()
                if isinstance(e, dict)
            ),
            links=tuple(
                {
                    "traceId": k.get("traceId"),
                    "spanId": k.get("spanId"),
                    "attributes": _json_attributes(k.get("attributes")),
                }
                for k in span.get("links") or ()
                if isinstance(k, dict)
            ),
            status=_json_status(status.get("code")),
            message=str(status.get("message") or ""),
            dropped=_json_whole(span.get("droppedAttributesCount"), "droppedAttributesCount")
            + (max(0, len(given) - MAX_ATTRIBUTES) if isinstance(given, list) else 0),
            resource=resource,
            scope=scope,
        )
    except InvalidRecord as error:
        return error


def _json_log(log: Json, resource: Mapping[str, Json], scope: str) -> LogEvent | InvalidRecord:
    if not isinstance(log, dict):
        return InvalidRecord("logRecord", log, "an object")
    try:
        attributes = _json_attributes(log.get("attributes"))
        trace_id, span_id = (str(log.get(name) or "").lower() for name in ("traceId", "spanId"))
        is_whole = _wrong_ids(trace_id, span_id) is None
        return LogEvent(
            name=str(log.get("eventName") or attributes.get("event.name") or ""),
            time=_json_time(log, "timeUnixNano") or _json_time(log, "observedTimeUnixNano"),
            trace_id=trace_id if is_whole else None,
            span_id=span_id if is_whole else None,
            body=_json_value(log.get("body"), 0),
            attributes=attributes,
            resource=resource,
            scope=scope,
        )
    except InvalidRecord as error:
        return error


def _json_attributes(pairs: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            found[pair["key"]] = _json_value(pair.get("value"), 0)
            if len(found) >= MAX_ATTRIBUTES:
                break
    return found


def _json_value(value: Json, depth: int) -> Json:
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    for kind, inner in value.items():
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return inner
        if kind == "intValue":
            return _json_whole(inner, "intValue")
        if kind == "arrayValue":
            return [_json_value(item, depth + 1) for item in _json_items_of(inner)]
        if kind == "kvlistValue":
            return {
                str(pair.get("key")): _json_value(pair.get("value"), depth + 1)
                for pair in _json_items_of(inner)
                if isinstance(pair, dict)
            }
    return None


def _json_items_of(inner: Json) -> list[Json]:
    values = inner.get("values") if isinstance(inner, dict) else None
    return values if isinstance(values, list) else []


def _json_time(node: Mapping[str, Json], name: str) -> int:
    return _json_whole(node.get(name), name)


def _json_whole(value: Json, name: str) -> int:
    """A 64-bit number, which OTLP/JSON writes as a number or as its digits."""
    if value is None or value == "":
        return 0
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRecord(name, value, "a whole number, or its digits in a text") from None


def _json_status(code: Json) -> int:
    return code if isinstance(code, int) else _STATUS.get(str(code), 0)


# ----------------------------------------------------------------------------------------------------------------- ids
def _wrong_ids(trace_id: str, span_id: str) -> InvalidRecord | None:
    for name, id, length in (("traceId", trace_id, 32), ("spanId", span_id, 16)):
        if len(id) != length or not _HEX.issuperset(id) or not id.strip("0"):
            return InvalidRecord(name, id, f"{length // 2} bytes that are not all zero")
    return None


def _parent(id: str, own: str) -> str | None:
    return id if len(id) == 16 and _HEX.issuperset(id) and id.strip("0") and id != own else None
