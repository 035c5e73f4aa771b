"""OTLP bodies in JSON, in the same shape, and with what others than OTLP's own exporters make of it.

> trace_id and span_id byte arrays are represented as case-insensitive hex-encoded strings
> Values of enum fields MUST be encoded as integer values
> keys of JSON objects are field names converted to lowerCamelCase; original field names are not valid
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. What protobuf's own JSON has for these (base64, names,
original field names) is read as well, for it says the same, and so are whole numbers as any JSON may have them.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final

import orjson

from generations.ingest.otlp import amounts
from generations.ingest.otlp.bounds import MAX_ATTRIBUTES, MAX_DEPTH, Undecodable, parent, wrong_ids
from generations.ingest.otlp.shapes import Event, LogEvent, Span
from generations.records import InvalidRecord, Json, shown

_STATUS: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def spans_of_json(body: bytes) -> list[Span | InvalidRecord]:
    """The spans of an ExportTraceServiceRequest in OTLP/JSON, whose ids are hex. Raises Undecodable."""
    found = amounts.bounded(_items(body, "resourceSpans", "scopeSpans", "spans"))
    return [one if isinstance(one, InvalidRecord) else _json_span(*one) for one in found]


def logs_of_json(body: bytes) -> list[LogEvent | InvalidRecord]:
    """The log records of an ExportLogsServiceRequest in OTLP/JSON. Raises Undecodable."""
    found = amounts.bounded(_items(body, "resourceLogs", "scopeLogs", "logRecords"))
    return [one if isinstance(one, InvalidRecord) else _json_log(*one) for one in found]


_HALVES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Escapes in JSON; in its group those of half a character that the other half does not follow."""


def _items(
    body: bytes, groups: str, parts: str, items: str
) -> Iterator[tuple[Json, dict[str, Json], str] | InvalidRecord]:
    """What there is of items, each with its resource and scope; those of a resource that cannot be read are none, and
    neither are groups and parts that are none themselves."""
    amounts.check_json(body)
    try:
        # Some write a mark before their JSON that tells it is UTF-8.
        request = _loads(body.removeprefix(b"\xef\xbb\xbf")) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"The body is not JSON: {error}.") from None
    if not isinstance(request, dict):
        raise Undecodable("The body has to be a JSON object.")
    if _snake(groups) in request:
        request = _in_camels(request)
    if not isinstance(listed := request.get(groups), list | None):
        raise Undecodable(f"{groups} has to be an array, not {shown(listed)}.")
    for group in listed or ():
        if not isinstance(group, dict):
            yield InvalidRecord(groups, group, "an array of objects")
            continue
        resource: dict[str, Json] | InvalidRecord
        try:
            resource = _json_attributes(_json_object(group, "resource").get("attributes"))
        except InvalidRecord as error:
            resource = error
        # Exporters of 2021 and before wrote the older name.
        older = f"instrumentationLibrary{parts[5:]}"
        for part in _listed(group, older if older in group and not group.get(parts) else parts):
            if not isinstance(part, dict):
                yield part if isinstance(part, InvalidRecord) else InvalidRecord(parts, part, "an array of objects")
                continue
            scope = str(_json_object(part, "scope").get("name") or "")
            for item in _listed(part, items):
                if isinstance(item, InvalidRecord):
                    yield item
                else:
                    yield resource if isinstance(resource, InvalidRecord) else (item, resource, scope)


def _listed(node: Mapping[str, Json], name: str) -> list[Json]:
    """What is listed by this name; where that is no list, an InvalidRecord for all that it may have been."""
    found = node.get(name)
    return [] if found is None else found if isinstance(found, list) else [InvalidRecord(name, found, "an array")]


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def _in_camels(node: Json) -> Json:
    """The same with the names of fields as OTLP's JSON has them; names of attributes are values there, and stay."""
    if isinstance(node, list):
        return [_in_camels(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {_UNDERSCORE.sub(lambda found: found[1].upper(), name): _in_camels(value) for name, value in node.items()}


_UNDERSCORE: Final = re.compile("_([a-z])")


def _loads(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        mended = body
        if "surrogate" in error.msg:
            # JavaScript writes half a character, of a text that was cut within it, as an escape of that half.
            mended = _HALVES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)
        elif "depth" in error.msg:
            mended = _cut(body)
        elif "infinity" in error.msg or b"NaN" in body or b"Infinity" in body:
            # Python's and JavaScript's writers have numbers that JSON has not, and so may one span of a batch.
            mended = _BEYOND.sub(lambda found: _without_beyond(found[0]), body)
        if mended == body:
            raise
        return _loads(mended)


_BEYOND: Final = re.compile(amounts.TEXT + rb"|-?(?:Infinity|NaN)|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.DOTALL)
"""Texts, and numbers outside of them, among which may be some that JSON or a float does not have."""


def _without_beyond(found: bytes) -> bytes:
    """The same, as a text where it is a number that is none here."""
    if found.startswith(b'"') or (found[-1:].isdigit() and math.isfinite(float(found))):
        return found
    return b'"%s"' % found


_DEEPEST: Final = 20 + 4 * MAX_DEPTH
"""Levels of JSON beyond which nothing is read: those around an attribute's value, and four for each of its own."""
_ENDS: Final = re.compile(amounts.TEXT + rb"|[\[{]|[\]}]", re.DOTALL)
"""Texts, which may have brackets in them, and brackets."""


def _cut(body: bytes) -> bytes:
    """The same with null for what is nested deeper than anything that is read, which would lose the whole of it."""
    kept: list[bytes] = []
    depth = place = start = 0
    for found in _ENDS.finditer(body):
        if found[0] in (b"[", b"{"):
            depth += 1
            if depth == _DEEPEST:
                start = found.start()
        elif found[0] in (b"]", b"}"):
            if depth == _DEEPEST:
                kept += (body[place:start], b"null")
                place = found.end()
            depth -= 1
    return b"".join((*kept, body[place:]))


def _json_object(node: Json, name: str) -> dict[str, Json]:
    found = node.get(name) if isinstance(node, dict) else None
    return found if isinstance(found, dict) else {}


def _json_span(span: Json, resource: Mapping[str, Json], scope: str) -> Span | InvalidRecord:
    if not isinstance(span, dict):
        return InvalidRecord("span", span, "an object")
    trace_id, span_id = _id(span, "traceId", 32), _id(span, "spanId", 16)
    if wrong := wrong_ids(trace_id, span_id):
        return wrong
    status = _json_object(span, "status")
    given = span.get("attributes")
    try:
        return Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent(_id(span, "parentSpanId", 16), span_id),
            name=str(span.get("name") or ""),
            start=_json_time(span, "startTimeUnixNano"),
            end=_json_time(span, "endTimeUnixNano"),
            attributes=_json_attributes(given),
            events=tuple(
                Event(str(e.get("name") or ""), _json_time(e, "timeUnixNano"), _json_attributes(e.get("attributes")))
                for e in islice(_objects(span, "events"), amounts.MAX_EVENTS)
            ),
            links=tuple(
                {
                    "traceId": _id(k, "traceId", 32),
                    "spanId": _id(k, "spanId", 16),
                    "attributes": _json_attributes(k.get("attributes")),
                }
                for k in islice(_objects(span, "links"), amounts.MAX_LINKS)
            ),
            status=_json_status(status.get("code")),
            message=str(status.get("message") or ""),
            dropped=_json_count(span, "droppedAttributesCount")
            + (max(0, len(given) - MAX_ATTRIBUTES) if isinstance(given, list) else 0),
            resource=resource,
            scope=scope,
            dropped_events=_json_count(span, "droppedEventsCount"),
        )
    except InvalidRecord as error:
        return error


def _json_log(log: Json, resource: Mapping[str, Json], scope: str) -> LogEvent | InvalidRecord:
    if not isinstance(log, dict):
        return InvalidRecord("logRecord", log, "an object")
    try:
        attributes = _json_attributes(log.get("attributes"))
        trace_id, span_id = _id(log, "traceId", 32), _id(log, "spanId", 16)
        is_whole = wrong_ids(trace_id, span_id) is None
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


def _id(node: Mapping[str, Json], name: str, length: int) -> str:
    """An id in hex, of so many digits, or in base64; what is neither as it is, in lower case."""
    given = str(node.get(name) or "")
    if len(given) != length and given.endswith("="):
        try:
            return base64.b64decode(given, validate=True).hex()
        except ValueError:
            pass
    return given.lower()


def _objects(node: Mapping[str, Json], name: str) -> Iterator[dict[str, Json]]:
    listed = node.get(name)
    if listed is not None and not isinstance(listed, list):
        raise InvalidRecord(name, listed, "an array")
    return (one for one in listed or () if isinstance(one, dict))


def _json_attributes(pairs: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if pairs is not None and not isinstance(pairs, list):
        raise InvalidRecord("attributes", pairs, "an array of objects with a key and a value")
    for pair in islice(pairs or (), 2 * MAX_ATTRIBUTES):
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            found[pair["key"]] = _json_value(pair.get("value"), 0)
            if len(found) >= MAX_ATTRIBUTES:
                break
    return found


def _json_value(value: Json, depth: int) -> Json:
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        # Without its type, as it is easily written by hand.
        return value if isinstance(value, str | int | float) else None
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


def _json_count(node: Mapping[str, Json], name: str) -> int:
    """How many of something an SDK dropped; 0 for what is no number, by which no call is lost."""
    try:
        return _json_whole(node.get(name), name)
    except InvalidRecord:
        return 0


def _json_whole(value: Json, name: str) -> int:
    """A 64-bit number, which OTLP/JSON writes as a number or as its digits; `1e3` and `3.0` are whole as well."""
    if value is None or value == "":
        return 0
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            number = Decimal(value)
            if abs(number) < 2**64 and number == int(number):
                return int(number)
        raise InvalidRecord(name, value, "a whole number, or its digits in a text") from None


_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?")


def _json_status(code: Json) -> int:
    """A status by its number, in a text or not, or by its name; 0 for what is neither."""
    if isinstance(code, str) and not code.isdecimal():
        return _STATUS.get(code, 0)
    return _json_whole(code, "code") if isinstance(code, str | int | float) else 0
