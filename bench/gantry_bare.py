"""The least that the Gantry client's doors can do: read the JSON and put it into one table, a commit a request.

Served by the same web server and asked by the same client as ours; it checks no key, looks for nothing that is there
already, reads no vendor's form, derives, prices and indexes nothing but the number of the row.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

import orjson
import psycopg

TABLE: Final = "CREATE TABLE IF NOT EXISTS event (id bigserial PRIMARY KEY, body jsonb)"
_own = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Store the events of one request, or say of an application that it is there."""
    told: dict[str, Any] = {"response": "ok"}
    if environ["REQUEST_METHOD"] == "POST":
        document = orjson.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        if not hasattr(_own, "connection"):
            _own.connection = psycopg.connect(os.environ["BARE_DATABASE_URL"])
        events = document.get("events", [document])
        with _own.connection.cursor() as cursor, cursor.copy("COPY event (body) FROM STDIN") as sink:
            for event in events:
                sink.write_row((orjson.dumps(event).decode(),))
        _own.connection.commit()
    else:
        name = environ["PATH_INFO"].split("/")[4:5]
        id = str(uuid.uuid5(uuid.NAMESPACE_OID, "".join(name)))
        kind = "Completion" if name == ["bench-writer"] else "Custom"
        told["data"] = {"func_name": "".join(name), "model_type": kind, "versions": [{"application_id": id}]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [orjson.dumps(told)]
