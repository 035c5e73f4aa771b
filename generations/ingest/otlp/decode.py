"""OTLP bodies in protobuf, in the one shape of spans and log events that the mapping reads."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from generations.ingest.otlp import amounts
from generations.ingest.otlp.bounds import MAX_ATTRIBUTES, MAX_DEPTH, Undecodable, wrong_ids
from generations.ingest.otlp.shapes import Event, LogEvent, Span, made_span
from generations.records import InvalidRecord, Json

_WHOLE: Final = "a message in protobuf whose texts are UTF-8, and whose values are nested at most 40 levels deep"

assert api_implementation.Type() == "upb", "protobuf without its C library is twenty times slower"


def spans_of_protobuf(body: bytes) -> list[Span | InvalidRecord]:
    """The spans of an ExportTraceServiceRequest; one that cannot be read is an InvalidRecord in its place.

    Raises Undecodable when the body is no such message, or holds too much.
    """
    amounts.check_protobuf(body, amounts.SPANS)
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        salvaged = amounts.bounded(_salvaged(body, SpanMessage))
        return [_span(*one) if isinstance(one, tuple) else one for one in salvaged]
    found: list[Span | InvalidRecord] = []
    for group in request.resource_spans:
        resource = _plain(group.resource.attributes)
        for part in group.scope_spans:
            scope = part.scope.name
            if len(found) + len(part.spans) > amounts.MAX_ITEMS:
                raise amounts.too_many()
            found.extend(_span(span, resource, scope) for span in part.spans)
    return found


def logs_of_protobuf(body: bytes) -> list[LogEvent | InvalidRecord]:
    """The log records of an ExportLogsServiceRequest, likewise."""
    amounts.check_protobuf(body, amounts.LOGS)
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        salvaged = amounts.bounded(_salvaged(body, LogRecord))
        return [_log(*one) if isinstance(one, tuple) else one for one in salvaged]
    found: list[LogEvent | InvalidRecord] = []
    for group in request.resource_logs:
        resource = _plain(group.resource.attributes)
        for part in group.scope_logs:
            if len(found) + len(part.log_records) > amounts.MAX_ITEMS:
                raise amounts.too_many()
            found.extend(_log(log, resource, part.scope.name) for log in part.log_records)
    return found


def _span(span: Any, resource: Mapping[str, Json], scope: str) -> Span | InvalidRecord:
    trace, own, parent = span.trace_id, span.span_id, span.parent_span_id
    trace_id, span_id = trace.hex(), own.hex()
    is_right = len(trace) == 16 and len(own) == 8 and any(trace) and any(own)
    if wrong := None if is_right else wrong_ids(trace_id, span_id):
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
        tuple(Event(e.name, e.time_unix_nano, _plain(e.attributes)) for e in islice(events, amounts.MAX_EVENTS))
        if events
        else (),
        tuple(
            {"traceId": k.trace_id.hex(), "spanId": k.span_id.hex(), "attributes": _plain(k.attributes)}
            for k in islice(links, amounts.MAX_LINKS)
        )
        if links
        else (),
        status.code,
        status.message,
        span.dropped_attributes_count + max(0, len(attributes) - MAX_ATTRIBUTES),
        resource,
        scope,
        span.dropped_events_count,
    )


def _log(log: Any, resource: Mapping[str, Json], scope: str) -> LogEvent:
    attributes = _plain(log.attributes)
    trace_id, span_id = log.trace_id.hex(), log.span_id.hex()
    is_whole = wrong_ids(trace_id, span_id) is None
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
    for pair in islice(attributes, MAX_ATTRIBUTES):
        found[pair.key] = _value(pair.value, 0)
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

    The three levels (groups, parts, items) have the same field numbers in requests of spans and of logs. Where the body
    breaks off behind messages that are whole, the rest is one InvalidRecord. Raises Undecodable when there are none.
    """
    is_any = False
    try:
        for group in _fields(body, 1):
            resource = _lenient(Resource, group)
            for part in _fields(group, 2):
                scope = _lenient(InstrumentationScope, part)
                for item in _fields(part, 2, whole=True):
                    try:
                        yield kind.FromString(item), _plain(resource.attributes), scope.name
                        is_any = True
                    except DecodeError:
                        yield InvalidRecord("span", f"{len(item)} bytes", _WHOLE)
    except Undecodable as error:
        if not is_any:
            raise
        yield InvalidRecord("body", f"{len(body)} bytes", f"whole messages to its end. {error}")


def _lenient(kind: Any, holder: bytes) -> Any:
    """What stands in the first field of a group or part, as far as it can be read."""
    try:
        return kind.FromString(next(_fields(holder, 1), b""))
    except (DecodeError, Undecodable):
        return kind()


def _fields(message: bytes, wanted: int, *, whole: bool = False) -> Iterator[bytes]:
    """The length-delimited fields of this number in a message, the last one as far as it is there if not only `whole`
    ones are wanted. Raises Undecodable where the message ends too early, or is no protobuf."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, place = _varint(message, place)
        elif wire == 2:
            length, place = _varint(message, place)
            if number == wanted and not (whole and place + length > len(message)):
                yield message[place : place + length]
            place += length
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        else:
            raise Undecodable(f"The body is no protobuf message: wire type {wire} at byte {place}.")
    if place > len(message):
        raise Undecodable(f"The protobuf message breaks off: {place - len(message)} bytes are missing.")


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
