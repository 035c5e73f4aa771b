"""The least that a door for spans can do: decode a request, COPY its spans into one table, commit, answer.

A WSGI application, served as Generations is, with the database of BARE_DATABASE_URL; bench/otlp.py measures beside it.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TABLE = (
    "CREATE TABLE IF NOT EXISTS span (trace_id text NOT NULL, span_id text PRIMARY KEY, parent_id text, name text,"
    " start_at timestamptz, end_at timestamptz, status int, attributes jsonb)"
)
_own = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Store the spans of one request."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["BARE_DATABASE_URL"])
    request = ExportTraceServiceRequest.FromString(body)
    columns = "trace_id, span_id, parent_id, name, start_at, end_at, status, attributes"
    with _own.connection.cursor() as cursor, cursor.copy(f"COPY span ({columns}) FROM STDIN") as sink:
        for group in request.resource_spans:
            for part in group.scope_spans:
                for span in part.spans:
                    attributes = {p.key: getattr(p.value, str(p.value.WhichOneof("value"))) for p in span.attributes}
                    sink.write_row(
                        (
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex() or None,
                            span.name,
                            _moment(span.start_time_unix_nano),
                            _moment(span.end_time_unix_nano),
                            span.status.code,
                            orjson.dumps(attributes, default=lambda v: [x.string_value for x in v.values]).decode(),
                        )
                    )
    _own.connection.commit()
    start_response("200 OK", [("Content-Type", "application/x-protobuf"), ("Content-Length", "0")])
    return [b""]


def _moment(nanoseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(nanoseconds / 1e9, dt.UTC)
