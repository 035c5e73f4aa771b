"""`/v1/traces` and `/v1/logs`: OTLP over HTTP, in protobuf or JSON, answered in the encoding that was sent."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson
from django.db import DataError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from generations import access, intake, outages, recording, trusting
from generations.access import Grant, Scope
from generations.api import otlp_joining, otlp_logs, receive
from generations.api.auth import by_key, from_memory
from generations.api.errors import HALF, Refused
from generations.api.otlp_browsers import for_pages
from generations.api.straight import straight
from generations.ingest import media
from generations.ingest.otlp import decode, decode_json, spans
from generations.ingest.otlp.amounts import TooMany
from generations.ingest.otlp.bounds import Undecodable
from generations.intake import Refusal
from generations.records import InvalidRecord

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_REASONS: Final = 20
"""Refusals of one request whose reasons are told."""
_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 503: 14}
"""Codes of google.rpc.Status by status of HTTP."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Signal:
    """One of the two kinds of bodies: how each is read, stored and answered."""

    door: str
    of_protobuf: Callable[[bytes], Sequence[Any]]
    of_json: Callable[[bytes], Sequence[Any]]
    write: Callable[[Grant, Sequence[Any], bytes], list[Refusal]]
    answer: Any
    count: tuple[str, str]


def _write_spans(grant: Grant, items: Sequence[Any], body: bytes) -> list[Refusal]:
    refused = _unread(items)
    told = [spans.told(item) for item in items if not isinstance(item, InvalidRecord)]
    if not told:
        return refused
    records: list[Any] = [one.step for one in told]
    records += [one.generation for one in told if one.generation is not None]
    has_files = media.may_hold(records) and media.is_marked(body)
    place = {item.id: n for n, item in enumerate(items) if not isinstance(item, InvalidRecord)}
    seen: set[str] = set()
    for id, reason, field in otlp_joining.write_spans(grant.project, told, has_files, grant.trust):
        if id not in seen:
            seen.add(id)
            refused.append(Refusal(reason, field, place.get(id), id))
    return refused


def _write_logs(grant: Grant, items: Sequence[Any], body: bytes) -> list[Refusal]:
    refused = _unread(items)
    events = [item for item in items if not isinstance(item, InvalidRecord)]
    return refused + [Refusal(reason) for reason in otlp_logs.write_logs(grant.project, events, media.is_marked(body))]


def _unread(items: Sequence[Any]) -> list[Refusal]:
    """What could not be read at all."""
    return [Refusal(str(item), item.field, n) for n, item in enumerate(items) if isinstance(item, InvalidRecord)]


_TRACES: Final = _Signal(
    "otlp.traces",
    decode.spans_of_protobuf,
    decode_json.spans_of_json,
    _write_spans,
    ExportTraceServiceResponse,
    ("rejected_spans", "rejectedSpans"),
)
_LOGS: Final = _Signal(
    "otlp.logs",
    decode.logs_of_protobuf,
    decode_json.logs_of_json,
    _write_logs,
    ExportLogsServiceResponse,
    ("rejected_log_records", "rejectedLogRecords"),
)


@straight
@csrf_exempt
@for_pages
@from_memory
def traces(request: HttpRequest) -> HttpResponse:
    """Take spans in."""
    return _take(request, _TRACES)


@straight
@csrf_exempt
@for_pages
def log_records(request: HttpRequest) -> HttpResponse:
    """Take log events in."""
    return _take(request, _LOGS)


@straight
@csrf_exempt
@for_pages
def metrics(request: HttpRequest) -> HttpResponse:
    """Take metrics, and do nothing with them: exporters that send all three signals would complain otherwise."""
    kind = _encoding(request)
    if request.method != "POST":
        return refusal(kind, 405, "Send a POST.", {"Allow": "POST"})
    return HttpResponse(b"{}" if kind == JSON else b"", content_type=kind)


def _take(request: HttpRequest, signal: _Signal) -> HttpResponse:
    kind = _encoding(request)
    grant: Grant | None = None

    def taken() -> HttpResponse:
        nonlocal grant
        if request.method != "POST":
            raise Refused(405, "method_not_allowed", "Send a POST.", headers={"Allow": "POST"})
        grant = exporter(request)
        if (request.content_type or "").lower() not in (PROTOBUF, "application/protobuf", JSON):
            said = (request.content_type or "")[:80]
            raise Refused(
                415, "unsupported_type", f"The content type {said!r} is not read here; send {PROTOBUF} or {JSON}."
            )
        body = receive.body(request)
        try:
            items = (signal.of_json if kind == JSON else signal.of_protobuf)(body)
        except TooMany as error:
            raise Refused(413, "too_large", str(error)) from None
        except Undecodable as error:
            raise Refused(400, "malformed", str(error)) from None
        refused = signal.write(grant, items, body) if items else []
        _note(request, grant, signal, items, refused, len(items))
        return _accepted(kind, signal, refused)

    def noted() -> HttpResponse:
        try:
            return taken()
        except Refused as error:
            if grant is not None:
                _note(request, grant, signal, (), [Refusal(error.message)], 1)
            raise

    return guarded(noted, lambda status, message, headers=None: refusal(kind, status, message, headers))


def guarded(work: Callable[[], HttpResponse], refuse: Callable[..., HttpResponse]) -> HttpResponse:
    """What `work` answers, or what `refuse` makes of a status, a sentence and perhaps headers where it cannot."""
    try:
        return work()
    except access.NotAuthenticated as error:
        return refuse(401, str(error), {"WWW-Authenticate": 'Bearer realm="generations"'})
    except access.NotAllowed as error:
        return refuse(403, str(error))
    except Refused as error:
        return refuse(error.status, error.message, dict(error.headers or {}))
    except UnreadablePostError:
        return refuse(400, "The body broke off before its end.")
    except RecursionError:
        return refuse(400, "The body is nested too deep.")
    except DataError as error:
        return refuse(400, f"The database refuses a value: {str(error).splitlines()[0]}")
    except UnicodeEncodeError:
        return refuse(400, HALF)
    except recording.Busy as error:
        return refuse(503, str(error), {"Retry-After": str(error.retry_after)})
    except outages.ERRORS as error:
        outage = outages.of(error)
        if outage is None:
            raise
        log.error("%s: %s", outage.code, error)
        # 503 and not 429: older exporters drop what is answered with 429.
        return refuse(503, outage.sentence, {"Retry-After": str(outage.retry_after)})


def _encoding(request: HttpRequest) -> str:
    """The encoding of the answer: the request's, and JSON for what is neither."""
    return PROTOBUF if "protobuf" in (request.content_type or "").lower() else JSON


def exporter(request: HttpRequest) -> Grant:
    """The grant of a key sent as Bearer (its blank perhaps as %20), x-api-key, or Basic.

    Of Basic's two halves the second is the key, or the first where it is alone: exporters made for other products
    need a public key beside the secret one, and here there is none.
    """
    header = unquote(request.META.get("HTTP_AUTHORIZATION", "")).strip()
    scheme, _, rest = header.partition(" ")
    key = request.META.get("HTTP_X_API_KEY")
    if scheme.lower() == "basic" and rest:
        try:
            name, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except ValueError:
            raise access.NotAuthenticated("The Basic credentials are not base64 of name:key.") from None
        return by_key(request, secret or name).need(Scope.INGEST)
    token = rest.strip() if scheme.lower() == "bearer" else header
    return by_key(request, token or key).need(Scope.INGEST)


def _note(
    request: HttpRequest, grant: Grant, signal: _Signal, items: Sequence[Any], refused: Sequence[Refusal], number: int
) -> None:
    """Note what came, by which program, and what was refused of it."""
    agent = request.META.get("HTTP_USER_AGENT", "")
    resource: Mapping[str, Any] = next((item.resource for item in items if not isinstance(item, InvalidRecord)), {})
    sdk = [resource.get(f"telemetry.sdk.{part}") for part in ("name", "language", "version")]
    if any(sdk):
        agent = f"{' '.join(str(part) for part in sdk if part)}, {agent}"
    if refused:
        trusting.sure(grant.trust)
        intake.keep(grant.project, signal.door, refused, receive.taken(request), agent)
    if number:
        intake.count(grant.project, signal.door, agent, number, len(refused))


def _accepted(kind: str, signal: _Signal, refused: Sequence[Refusal]) -> HttpResponse:
    answer = signal.answer()
    snake, camel = signal.count
    message = "; ".join(dict.fromkeys(one.reason for one in refused[:MAX_REASONS]))[:4_000]
    if kind == JSON:
        told = {"partialSuccess": {camel: str(len(refused)), "errorMessage": message}} if refused else {}
        return HttpResponse(orjson.dumps(told), content_type=JSON)
    if refused:
        setattr(answer.partial_success, snake, len(refused))
        answer.partial_success.error_message = message.encode("utf-8", "replace").decode()
    return HttpResponse(answer.SerializeToString(), content_type=PROTOBUF)


def refusal(kind: str, status: int, message: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """A google.rpc.Status, as OTLP asks for."""
    code = _CODES.get(status, 2)
    if kind == JSON:
        content = orjson.dumps({"code": code, "message": message})
    else:
        text = message.encode("utf-8", "replace")[:4_000]
        content = bytes([0x08, code, 0x12]) + _varint(len(text)) + text
    return HttpResponse(content, status=status, content_type=kind, headers=headers)


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80, number >> 7])
